-- The levels in the order in which players reach them, as levels.sql orders them.
-- Counted are the progression events in the range. A player's place for a level is its number among the player's levels
-- by first event; levels are ordered by the mean of these.
-- Source: as in levels.sql.
WITH played AS (
    SELECT player, name_key, min(first_at) AS first_at FROM visits WHERE {filters} GROUP BY player, name_key
),
ranked AS (
    SELECT name_key, row_number() OVER (PARTITION BY player ORDER BY first_at) AS rank FROM played
),
places AS (SELECT name_key, avg(rank) AS place FROM ranked GROUP BY name_key)
SELECT name AS level FROM places JOIN names ON names.name_key = places.name_key ORDER BY place, places.name_key
