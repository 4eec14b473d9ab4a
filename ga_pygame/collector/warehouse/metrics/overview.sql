-- Players, new players, sessions, their lengths and crashes: a row per day or hour, and one for the whole range, whose
-- day is NULL.
-- Counted are the distinct players with an event in the time. New is a player whose first event ever is in it; the
-- others have returned. A session counts where its first event is. Lengths are those of session_end, in seconds: the
-- time for which the player was focused on the game; sessions without a session_end have none.
-- Sources: GameAnalytics (DAU, new and returning users, session length); Aptabase (median); Sentry (crashed, errored).
WITH seen AS (
    SELECT player, day, CASE WHEN $by_hour THEN hour ELSE 0 END AS at_hour FROM presence
    WHERE {filters} GROUP BY player, day, at_hour
),
marked AS MATERIALIZED (
    SELECT seen.player AS player, day, at_hour,
        CASE WHEN first_day = day AND (NOT $by_hour OR first_hour = at_hour) THEN 1 ELSE 0 END AS is_new
    FROM seen JOIN players ON players.player = seen.player
),
active AS (
    SELECT day, at_hour, count(*) AS players, sum(is_new) AS new_players FROM marked GROUP BY day, at_hour
    UNION ALL SELECT NULL, NULL, uniqExact(player), sum(is_new) FROM marked
),
visits AS MATERIALIZED (
    SELECT day, CASE WHEN $by_hour THEN hour ELSE 0 END AS at_hour, length, crashed, errored FROM sessions
    WHERE player IS NOT NULL AND {filters}
),
visited AS (
    SELECT day, at_hour, count(*) AS sessions, count(length) AS ended, sum(length) AS playtime, avg(length) AS mean_length,
        p50(length) AS median_length, countIf(errored AND NOT crashed) AS errored, countIf(crashed) AS crashed
    FROM visits GROUP BY day, at_hour
    UNION ALL SELECT NULL, NULL, count(*), count(length), sum(length), avg(length), p50(length),
        countIf(errored AND NOT crashed), countIf(crashed) FROM visits
)
SELECT active.day AS day, active.at_hour AS hour, players, coalesce(new_players, 0), coalesce(sessions, 0),
    coalesce(ended, 0), coalesce(playtime, 0), mean_length, median_length, coalesce(errored, 0), coalesce(crashed, 0)
FROM active LEFT JOIN visited
    ON coalesce(visited.day, CAST('1970-01-01' AS DATE)) = coalesce(active.day, CAST('1970-01-01' AS DATE))
    AND coalesce(visited.at_hour, 99) = coalesce(active.at_hour, 99)
ORDER BY active.day NULLS FIRST, active.at_hour
