-- Levels, in the order in which players reach them, with what players did there.
-- Counted are the progression events in the range. A player's place for a level is its number among the player's levels
-- by first event; levels are ordered by the mean of these. Abandons are a player's Starts of a level beyond their Fails
-- and Completes of it: attempts with neither, as a killed game or one that is still played leaves them. Went on are the
-- players who completed the level and were in the next one of this order, too.
-- Sources: GameAnalytics, Progression (starts, fails, completes); Glitchless (abandons kept apart from fails).
WITH played AS (
    SELECT player, name_key, min(first_at) AS first_at, CAST(sum(starts) AS BIGINT) AS starts,
        CAST(sum(fails) AS BIGINT) AS fails, CAST(sum(completes) AS BIGINT) AS completes
    FROM visits WHERE {filters} GROUP BY player, name_key
),
ranked AS (
    SELECT player, name_key, row_number() OVER (PARTITION BY player ORDER BY first_at) AS rank FROM played
),
places AS (
    SELECT name_key, row_number() OVER (ORDER BY avg(rank), name_key) AS place FROM ranked GROUP BY name_key
),
placed AS (
    SELECT player, place, completes FROM played JOIN places ON places.name_key = played.name_key
),
onward AS (
    SELECT here.place AS place, count(*) AS went_on
    FROM placed AS here JOIN placed AS later ON later.player = here.player AND later.place = here.place + 1
    WHERE here.completes > 0 GROUP BY here.place
),
counted AS (
    SELECT name_key, sum(starts) AS starts, sum(fails) AS fails, sum(completes) AS completes,
        sum(greatest(starts - fails - completes, 0)) AS abandons, count(*) AS players,
        countIf(completes > 0) AS completers
    FROM played GROUP BY name_key
),
measured AS (
    SELECT name_key, p50(seconds) AS median_seconds, p90(seconds) AS p90_seconds,
        avgIf(score, status = 'Complete') AS mean_score
    FROM events WHERE category = 'progression' AND player IS NOT NULL AND {filters} GROUP BY name_key
)
SELECT name AS level, starts, fails, completes, abandons, players, completers, coalesce(went_on, 0) AS went_on,
    median_seconds, p90_seconds, mean_score
FROM places
    JOIN counted ON counted.name_key = places.name_key
    JOIN measured ON measured.name_key = places.name_key
    JOIN names ON names.name_key = places.name_key
    LEFT JOIN onward ON onward.place = places.place
ORDER BY places.place
