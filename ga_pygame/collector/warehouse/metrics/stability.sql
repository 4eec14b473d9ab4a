-- Sessions and players without a crash, by build, the newest build first.
-- Counted are the sessions that began in the range, in the build with which they began; each is one of four kinds:
-- crashed (a critical error came), errored (another error came), abnormal (no error and no session_end came, and its
-- last event is more than 10 minutes older than the newest of all), healthy (all others, with those that are played
-- now). A session whose game was killed gets its session_end from this tracker's next launch, and is healthy then.
-- Source: Sentry, Release Health (healthy, errored, crashed, abnormal; crash-free sessions and users).
WITH visits AS (
    SELECT player, context, first_at, crashed, errored,
        length IS NULL AND last_at < (SELECT max(last_at) FROM sessions) - INTERVAL 10 MINUTE AS is_lost
    FROM sessions WHERE player IS NOT NULL AND {filters}
)
SELECT build, count(*) AS sessions, countIf(NOT errored AND NOT crashed AND NOT is_lost) AS healthy,
    countIf(errored AND NOT crashed) AS errored_sessions, countIf(crashed) AS crashed_sessions,
    countIf(NOT errored AND NOT crashed AND is_lost) AS abnormal, uniqExact(player) AS players,
    uniqExactIf(player, crashed) AS crashed_players
FROM visits JOIN contexts ON contexts.context = visits.context
GROUP BY build ORDER BY min(first_at) DESC, build
