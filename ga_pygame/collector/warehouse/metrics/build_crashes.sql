-- Crashed sessions by build, in the order in which the builds came.
-- Counted are the sessions that began in the range; one has crashed if it has a critical error.
-- Source: Sentry, crashed sessions.
WITH visits AS (SELECT context, player, first_at, crashed FROM sessions WHERE player IS NOT NULL AND {filters})
SELECT build, count(*) AS sessions, countIf(crashed) AS crashed, uniqExact(player) AS players, min(first_at) AS began_at
FROM visits JOIN contexts ON contexts.context = visits.context WHERE build <> ''
GROUP BY build ORDER BY began_at, build
