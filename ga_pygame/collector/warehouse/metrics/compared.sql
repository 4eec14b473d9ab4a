-- Players and sessions of a whole range, with the sums of squares from which the intervals of means are computed: of the
-- sessions and the playtime of each player, and of the lengths of sessions.
-- Counted are the distinct players with an event in the range, who are new if their first event ever is in it, and the
-- sessions that began in the range; lengths are those of session_end, in seconds.
-- Sources: as in overview.sql; the standard error of a mean.
WITH seen AS (
    SELECT side, presence.player AS player, max(CASE WHEN day = first_day THEN 1 ELSE 0 END) AS is_new
    FROM {presence} JOIN players ON players.player = presence.player GROUP BY side, presence.player
),
active AS (SELECT side, count(*) AS players, sum(is_new) AS new_players FROM seen GROUP BY side),
middle AS (SELECT side, p50(length) AS median_length FROM {sessions} WHERE player IS NOT NULL GROUP BY side),
by_player AS (
    SELECT side, player, count(*) AS sessions, count(length) AS ended, coalesce(sum(length), 0) AS playtime,
        coalesce(sum(CAST(length AS DOUBLE) * length), 0) AS squares, countIf(crashed) AS crashed
    FROM {sessions} WHERE player IS NOT NULL GROUP BY side, player
),
totals AS (
    SELECT side, sum(sessions) AS all_sessions, sum(ended) AS all_ended, sum(crashed) AS all_crashed,
        sum(playtime) AS all_playtime, sum(sessions * sessions) AS squares_of_sessions,
        sum(CAST(playtime AS DOUBLE) * playtime) AS squares_of_playtime, sum(squares) AS squares_of_lengths
    FROM by_player GROUP BY side
)
SELECT active.side, players, new_players, coalesce(all_sessions, 0), coalesce(all_ended, 0), coalesce(all_crashed, 0),
    coalesce(all_playtime, 0), median_length, coalesce(squares_of_sessions, 0), coalesce(squares_of_playtime, 0),
    coalesce(squares_of_lengths, 0)
FROM active LEFT JOIN totals ON totals.side = active.side LEFT JOIN middle ON middle.side = active.side
