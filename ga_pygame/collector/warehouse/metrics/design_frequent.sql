-- The event id that most design events with a value in the range have.
-- Source: GameAnalytics, Design events (value).
WITH counted AS (
    SELECT name_key, count(*) AS events FROM design_events WHERE value IS NOT NULL AND {filters} GROUP BY name_key
)
SELECT name FROM counted JOIN names ON names.name_key = counted.name_key ORDER BY events DESC, name LIMIT 1
