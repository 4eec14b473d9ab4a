-- Active players: a row per day, and first one for the whole range, whose day is NULL.
-- Counted are the distinct players with an event.
-- Source: GameAnalytics, DAU.
WITH seen AS (
    SELECT player, day FROM presence WHERE {filters} GROUP BY player, day
)
SELECT day, players FROM (
    SELECT day, count(*) AS players FROM seen GROUP BY day
    UNION ALL SELECT NULL, uniqExact(player) FROM seen
)
ORDER BY day NULLS FIRST
