-- Levels, in the order in which players reach them, with what players did there.
-- Counted are the progression events in the range. A level's place for a player is its number among all levels of the
-- player by the arrival of their first events ever; levels are ordered by the mean of these over the days of each player
-- in the level. Abandons are a player's Starts of a level beyond their Fails and Completes of it: attempts with neither,
-- as a killed game or one that is still played leaves them. Went on are the players who completed the level and were in
-- the next one of this order, too.
-- Sources: GameAnalytics, Progression (starts, fails, completes); Glitchless (abandons kept apart from fails).
WITH
-- All figures are those of the players from `$first` to `$last`, so that sets need little memory; only the order is that
-- of all. A level of which these players have none is there, too, so that the figures of several parts can be added.
counted AS (
    SELECT side, name_key, avg(place) AS mean_place, sumIf(starts, isInPart(player, $first, $last)) AS starts,
        sumIf(fails, isInPart(player, $first, $last)) AS fails,
        sumIf(completes, isInPart(player, $first, $last)) AS completes,
        partSetIf(player, isInPart(player, $first, $last), $first, $last) AS players,
        partSetIf(player, completes > 0 AND isInPart(player, $first, $last), $first, $last) AS completers
    FROM {visits} GROUP BY side, name_key
),
followed AS (
    SELECT side, name_key, mean_place, starts, fails, completes, players, completers,
        lead(players) OVER (PARTITION BY side ORDER BY mean_place, name_key) AS next_players
    FROM counted
),
-- Starts of a day may be less than what they led to: it ended on the next day, or the client sends no Starts.
nets AS (
    SELECT side, player, name_key, CAST(sum(starts - fails - completes) AS BIGINT) AS net FROM {visits}
    WHERE player IN (SELECT player FROM {visits} WHERE starts < fails + completes)
        AND isInPart(player, $first, $last)
    GROUP BY side, player, name_key
),
surplus AS (
    SELECT side, name_key, CAST(-sum(net) AS BIGINT) AS ends FROM nets WHERE net < 0 GROUP BY side, name_key
)
SELECT followed.side, name AS level, CAST(coalesce(starts, 0) AS BIGINT), CAST(coalesce(fails, 0) AS BIGINT),
    CAST(coalesce(completes, 0) AS BIGINT),
    CAST(coalesce(starts - fails - completes, 0) + coalesce(ends, 0) AS BIGINT) AS abandons,
    partSize(players) AS players, partSize(completers) AS completers, commonPart(completers, next_players) AS went_on
FROM followed
    JOIN names ON names.name_key = followed.name_key
    LEFT JOIN surplus ON surplus.side = followed.side AND surplus.name_key = followed.name_key
ORDER BY followed.side, mean_place, followed.name_key
