-- Players and sessions by country; the most players first. An event has a country if the collector was given a GeoIP file
-- and knew the address, so '' stands for the others.
-- Counted are the distinct players with an event from the country, and the sessions whose first event came from it. A
-- player with events from two countries counts in both.
-- Source: GameAnalytics, country.
WITH seen AS (
    SELECT player, context FROM presence WHERE {filters} GROUP BY player, context
),
visited AS (
    SELECT context, count(*) AS number FROM sessions WHERE player IS NOT NULL AND {filters} GROUP BY context
),
active AS (
    SELECT country_code, uniqExact(player) AS players FROM seen JOIN contexts ON contexts.context = seen.context
    GROUP BY country_code
),
begun AS (
    SELECT country_code, CAST(sum(number) AS BIGINT) AS sessions
    FROM visited JOIN contexts ON contexts.context = visited.context GROUP BY country_code
)
SELECT active.country_code AS country, players, coalesce(sessions, 0)
FROM active LEFT JOIN begun ON begun.country_code = active.country_code
ORDER BY players DESC, country
