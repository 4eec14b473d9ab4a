-- The names that a tracking plan declares, as games sent them: a row per section and name, most frequent first.
-- Counted are the events in the range: design, progression, resource and business events by their names, and all events
-- by the values of their dimensions. An item is its type and its id; an empty value is none.
WITH counted AS MATERIALIZED (
    SELECT 'design' AS kind, name_key, count(*) AS number FROM design_events WHERE {filters} GROUP BY name_key
    UNION ALL SELECT 'levels', name_key, count(*) FROM progression_events WHERE {filters} GROUP BY name_key
    UNION ALL SELECT 'resource', name_key, count(*) FROM resource_events WHERE {filters} GROUP BY name_key
    UNION ALL SELECT 'business', name_key, count(*) FROM business_events WHERE {filters} GROUP BY name_key
),
worn AS (
    SELECT context, count(*) AS number FROM events WHERE {filters} GROUP BY context
),
dressed AS MATERIALIZED (
    SELECT custom_01, custom_02, custom_03, number FROM worn JOIN contexts ON contexts.context = worn.context
),
called AS MATERIALIZED (
    SELECT kind, name, currency, concat(item_type, ':', item_id) AS item, number
    FROM counted JOIN names ON names.name_key = counted.name_key
),
named AS (
    SELECT kind AS section, name, number FROM called WHERE kind IN ('design', 'levels')
    UNION ALL SELECT 'currencies', currency, number FROM called WHERE kind = 'resource'
    UNION ALL SELECT 'items', item, number FROM called WHERE kind IN ('resource', 'business')
    UNION ALL SELECT 'custom_01', custom_01, number FROM dressed
    UNION ALL SELECT 'custom_02', custom_02, number FROM dressed
    UNION ALL SELECT 'custom_03', custom_03, number FROM dressed
)
SELECT section, name, sum(number) AS events FROM named WHERE name <> '' GROUP BY section, name
ORDER BY section, events DESC, name
