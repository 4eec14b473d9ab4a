-- The event ids that games sent: a row per category and event id, most frequent first.
-- Counted are the design, progression, resource and business events in the range.
WITH counted AS (
    SELECT name_key, '' AS front, count(*) AS number FROM design_events WHERE {filters} GROUP BY name_key
    UNION ALL SELECT name_key, '', count(*) FROM business_events WHERE {filters} GROUP BY name_key
    UNION ALL SELECT name_key, concat(status, ':'), count(*) FROM progression_events WHERE {filters} GROUP BY name_key, status
    UNION ALL SELECT name_key, concat(flow, ':'), count(*) FROM resource_events WHERE {filters} GROUP BY name_key, flow
)
SELECT category, concat(front, name) AS event_id, sum(number) AS events
FROM counted JOIN names ON names.name_key = counted.name_key
GROUP BY category, event_id ORDER BY events DESC, event_id
