-- The event ids that games sent: a row per category and event id, most frequent first.
-- Counted are the design, progression, resource and business events in the range.
WITH counted AS (
    SELECT name_key, status, flow, count(*) AS number FROM events
    WHERE category IN ('design', 'progression', 'resource', 'business') AND {filters} GROUP BY name_key, status, flow
)
SELECT category,
    CASE WHEN status IS NOT NULL THEN concat(status, ':', name) WHEN flow IS NOT NULL THEN concat(flow, ':', name)
        ELSE name END AS event_id, sum(number) AS events
FROM counted JOIN names ON names.name_key = counted.name_key
GROUP BY category, event_id ORDER BY events DESC, event_id
