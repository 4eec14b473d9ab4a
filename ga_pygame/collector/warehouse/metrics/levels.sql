-- Levels, in the order in which players reach them, with what players did there.
-- Counted are the progression events in the range. A level's place for a player is its number among all levels of the
-- player by the arrival of their first events ever; levels are ordered by the mean of these over the days of each player
-- in the level. Abandons are a player's Starts of a level beyond their Fails and Completes of it: attempts with neither,
-- as a killed game or one that is still played leaves them. Went on are the players who completed the level and were in
-- the next one of this order, too.
-- Sources: GameAnalytics, Progression (starts, fails, completes); Glitchless (abandons kept apart from fails).
WITH means AS (SELECT name_key, avg(place) AS mean_place FROM visits WHERE {filters} GROUP BY name_key),
placed AS MATERIALIZED (SELECT name_key, row_number() OVER (ORDER BY mean_place, name_key) AS place FROM means),
-- All figures are those of the players from `$first` to `$last`, so that sets need little memory; only the order is that
-- of all. A level of which these players have none is there, too, so that the figures of several parts can be added.
counted AS MATERIALIZED (
    SELECT name_key, CAST(sum(starts) AS BIGINT) AS starts, CAST(sum(fails) AS BIGINT) AS fails,
        CAST(sum(completes) AS BIGINT) AS completes, partSet(player, $first, $last) AS players,
        partSetIf(player, completes > 0, $first, $last) AS completers
    FROM visits WHERE isInPart(player, $first, $last) AND {filters} GROUP BY name_key
),
-- Starts of a day may be less than what they led to: it ended on the next day, or the client sends no Starts.
nets AS (
    SELECT player, name_key, CAST(sum(starts - fails - completes) AS BIGINT) AS net FROM visits
    WHERE player IN (SELECT player FROM visits WHERE starts < fails + completes AND {filters})
        AND isInPart(player, $first, $last) AND {filters}
    GROUP BY player, name_key
),
surplus AS (SELECT name_key, CAST(-sum(net) AS BIGINT) AS ends FROM nets WHERE net < 0 GROUP BY name_key)
SELECT name AS level, coalesce(counted.starts, 0), coalesce(counted.fails, 0), coalesce(counted.completes, 0),
    coalesce(counted.starts - counted.fails - counted.completes, 0) + coalesce(ends, 0) AS abandons,
    partSize(counted.players) AS players, partSize(counted.completers) AS completers,
    commonPart(counted.completers, later.players) AS went_on
FROM placed
    JOIN names ON names.name_key = placed.name_key
    LEFT JOIN counted ON counted.name_key = placed.name_key
    LEFT JOIN surplus ON surplus.name_key = placed.name_key
    LEFT JOIN placed AS next_placed ON next_placed.place = placed.place + 1
    LEFT JOIN counted AS later ON later.name_key = next_placed.name_key
ORDER BY placed.place
