-- The names of the custom fields of design events in the range, with the number of events that have each.
-- Source: GameAnalytics, Custom event fields.
WITH texts AS (
    SELECT custom_fields, count(*) AS number FROM design_events
    WHERE custom_fields IS NOT NULL AND {filters} GROUP BY custom_fields
),
fields AS (SELECT arrayJoin(JSONExtractKeys(coalesce(custom_fields, '{}'))) AS field, number FROM texts)
SELECT field, sum(number) AS events FROM fields GROUP BY field ORDER BY events DESC, field
