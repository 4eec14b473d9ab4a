-- Retention: of the players who were new on a day, how many came back exactly 1, 2, … days later.
-- Counted are the players whose first event ever is on the first day, if they have an event on it that passes the
-- filters. They came back on a day if they have any event on it; a session that goes on after midnight counts for both
-- days. The range is that of the first days; days that are not over are left out.
-- Source: GameAnalytics and Unity Analytics, N-day retention (classic, strict calendar days; not rolling).
WITH passing AS (SELECT side, player, day FROM {presence} GROUP BY side, player, day),
cohort AS MATERIALIZED (
    SELECT side, passing.player AS player, first_day
    FROM passing JOIN players ON players.player = passing.player WHERE day = first_day
),
active AS (
    SELECT player, day FROM presence
    WHERE player IN (SELECT player FROM cohort) AND day < $today GROUP BY player, day
)
SELECT side, first_day, day - first_day AS days_later, count(*) AS players
FROM cohort JOIN active ON active.player = cohort.player
WHERE day >= first_day AND day - first_day <= $longest
GROUP BY side, first_day, days_later
ORDER BY side, first_day DESC, days_later
