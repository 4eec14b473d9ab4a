-- Sums of squares, from which the intervals of means are computed: of the sessions and the playtime of each player, and
-- of the lengths of sessions.
-- Counted are the sessions that began in the range; lengths are those of session_end, in seconds.
-- Source: the standard error of a mean.
WITH visits AS (SELECT player, length FROM sessions WHERE player IS NOT NULL AND {filters}),
by_player AS (
    SELECT player, count(*) AS sessions, coalesce(sum(length), 0) AS playtime,
        coalesce(sum(CAST(length AS DOUBLE) * length), 0) AS squares
    FROM visits GROUP BY player
)
SELECT coalesce(sum(sessions * sessions), 0), coalesce(sum(CAST(playtime AS DOUBLE) * playtime), 0),
    coalesce(sum(squares), 0)
FROM by_player
