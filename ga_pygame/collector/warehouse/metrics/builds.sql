-- The builds in the order in which they came.
-- Counted are the sessions that began in the range.
-- Source: as in build_crashes.sql.
WITH begun AS (
    SELECT context, min(first_at) AS began_at FROM sessions WHERE player IS NOT NULL AND {filters} GROUP BY context
)
SELECT build FROM begun JOIN contexts ON contexts.context = begun.context WHERE build <> ''
GROUP BY build ORDER BY min(began_at), build
