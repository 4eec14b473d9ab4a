-- The names that a tracking plan declares, as games sent them: a row per section and name, most frequent first.
-- Counted are the events in the range: design, progression, resource and business events by their names, and all events
-- by the values of their dimensions. An item is its type and its id; an empty value is none.
WITH counted AS MATERIALIZED (
    SELECT category, name_key, context, GROUPING(name_key) AS is_context, count(*) AS number FROM events WHERE {filters}
    GROUP BY GROUPING SETS ((category, name_key), (context))
),
dressed AS MATERIALIZED (
    SELECT custom_01, custom_02, custom_03, number FROM counted JOIN contexts ON contexts.context = counted.context
    WHERE is_context = 1
),
called AS MATERIALIZED (
    SELECT CAST(counted.category AS VARCHAR) AS kind, name, currency, concat(item_type, ':', item_id) AS item, number
    FROM counted JOIN names ON names.name_key = counted.name_key WHERE is_context = 0
),
named AS (
    SELECT 'design' AS section, name, number FROM called WHERE kind = 'design'
    UNION ALL SELECT 'levels', name, number FROM called WHERE kind = 'progression'
    UNION ALL SELECT 'currencies', currency, number FROM called WHERE kind = 'resource'
    UNION ALL SELECT 'items', item, number FROM called WHERE kind IN ('resource', 'business')
    UNION ALL SELECT 'custom_01', custom_01, number FROM dressed
    UNION ALL SELECT 'custom_02', custom_02, number FROM dressed
    UNION ALL SELECT 'custom_03', custom_03, number FROM dressed
)
SELECT section, name, sum(number) AS events FROM named WHERE name <> '' GROUP BY section, name
ORDER BY section, events DESC, name
