-- Errors by kind: how often, for how many players and sessions, in which builds, and when it was seen last.
-- Counted are the error events in the range. Errors are of one kind if they have the same fingerprint: of a Python
-- traceback the class and the five innermost calls, of any other text the text. The severity is the worst one. Builds
-- are ordered by their first session ever; the first and the last build of a kind are those in which it occurred. The
-- custom fields are those of the newest error that has any.
-- Sources: GameAnalytics, Error (severity); Sentry, Issue Grouping (fingerprint, users, first and last release).
WITH found AS (
    SELECT id, player, session, context, client_ts, name_key, severity, custom_fields FROM error_events
    WHERE {filters}
),
builds AS (
    SELECT build, row_number() OVER (ORDER BY min(first_at), build) AS place
    FROM sessions JOIN contexts ON contexts.context = sessions.context GROUP BY build
),
placed AS (
    SELECT fingerprint, id, player, session, client_ts, found.name_key AS name_key, severity, custom_fields,
        contexts.build AS build, coalesce(place, 0) AS place
    FROM found
        JOIN names ON names.name_key = found.name_key
        JOIN contexts ON contexts.context = found.context
        LEFT JOIN builds ON builds.build = contexts.build
),
kinds AS (
    SELECT fingerprint, max(severity) AS worst, count(*) AS errors, uniqExact(player) AS players,
        uniqExact(session) AS sessions, argMin(build, place) AS first_build, argMax(build, place) AS last_build,
        min(client_ts) AS first_seen, max(client_ts) AS last_seen, argMax(name_key, client_ts) AS newest,
        argMax(custom_fields, client_ts) AS fields
    FROM placed GROUP BY fingerprint
)
SELECT kinds.fingerprint AS fingerprint, worst, errors, players, sessions, first_build, last_build, first_seen,
    last_seen, name AS message, fields
FROM kinds JOIN names ON names.name_key = newest
ORDER BY players DESC, errors DESC, last_seen DESC, fingerprint LIMIT $most
