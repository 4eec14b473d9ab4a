-- Players and sessions of a whole range, with the sums of squares from which the intervals of means are computed: of the
-- sessions and the playtime of each player, and of the lengths of sessions.
-- Counted are the distinct players with an event in the range, who are new if their first event ever is in it, and the
-- sessions that began in the range; lengths are those of session_end, in seconds.
-- Sources: as in overview.sql; the standard error of a mean.
WITH present AS (SELECT player, day FROM presence WHERE {filters}),
seen AS (
    SELECT present.player AS player, max(CASE WHEN day = first_day THEN 1 ELSE 0 END) AS is_new
    FROM present JOIN players ON players.player = present.player GROUP BY present.player
),
active AS (SELECT count(*) AS players, coalesce(sum(is_new), 0) AS new_players FROM seen),
visits AS MATERIALIZED (SELECT player, length, crashed FROM sessions WHERE player IS NOT NULL AND {filters}),
middle AS (SELECT p50(length) AS median_length FROM visits),
by_player AS (
    SELECT player, count(*) AS sessions, count(length) AS ended, coalesce(sum(length), 0) AS playtime,
        coalesce(sum(CAST(length AS DOUBLE) * length), 0) AS squares, countIf(crashed) AS crashed
    FROM visits GROUP BY player
),
totals AS (
    SELECT coalesce(sum(sessions), 0) AS all_sessions, coalesce(sum(ended), 0) AS all_ended,
        coalesce(sum(crashed), 0) AS all_crashed, coalesce(sum(playtime), 0) AS all_playtime,
        coalesce(sum(sessions * sessions), 0) AS squares_of_sessions,
        coalesce(sum(CAST(playtime AS DOUBLE) * playtime), 0) AS squares_of_playtime,
        coalesce(sum(squares), 0) AS squares_of_lengths
    FROM by_player
)
SELECT players, new_players, all_sessions, all_ended, all_crashed, all_playtime, median_length, squares_of_sessions,
    squares_of_playtime, squares_of_lengths
FROM active CROSS JOIN totals CROSS JOIN middle
