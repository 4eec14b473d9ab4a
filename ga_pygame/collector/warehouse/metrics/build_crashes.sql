-- Crashed sessions by build, in the order in which the builds came.
-- Counted are the sessions that began in the range; one has crashed if it has a critical error.
-- Source: Sentry, crashed sessions.
WITH visits AS (SELECT context, player, first_at, crashed FROM sessions WHERE player IS NOT NULL AND {filters}),
by_player AS (
    SELECT build, player, count(*) AS number, countIf(crashed) AS with_crash, min(first_at) AS first_one
    FROM visits JOIN contexts ON contexts.context = visits.context WHERE build <> '' GROUP BY build, player
)
SELECT build, CAST(sum(number) AS BIGINT) AS sessions, CAST(sum(with_crash) AS BIGINT) AS crashed, count(*) AS players,
    min(first_one) AS began_at
FROM by_player GROUP BY build ORDER BY began_at, build
