-- The levels in the order in which players reach them, as levels.sql orders them.
-- Counted are the progression events in the range. A level's place for a player is its number among all levels of the
-- player by the arrival of their first events ever; levels are ordered by the mean of these over the days of each player
-- in the level.
-- Source: as in levels.sql.
WITH places AS (SELECT name_key, avg(place) AS mean_place FROM visits WHERE {filters} GROUP BY name_key)
SELECT name AS level FROM places JOIN names ON names.name_key = places.name_key ORDER BY mean_place, places.name_key
