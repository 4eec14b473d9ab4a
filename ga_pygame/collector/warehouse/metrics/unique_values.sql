-- Different values of a field on a day: a row per game, field and day with at least one value.
-- Counted are all events in the range, whoever plays: the limits are a game's, so that of the filters only days and game
-- are used. An empty value is none. Parts of a progression count by their place; a node of the design tree is an
-- event_id or a beginning of event_ids, whose parts are joined by ':'.
-- Source: GameAnalytics REST v2, Limitations (frequency of unique values); Design (unique nodes).
WITH worn AS (
    SELECT DISTINCT game, day, context FROM presence WHERE {filters}
),
dressed AS MATERIALIZED (
    SELECT game, day, build, platform, device, os_version, custom_01, custom_02, custom_03
    FROM worn JOIN contexts ON contexts.context = worn.context
),
called AS (
    SELECT DISTINCT game, day, name_key, '' AS cart FROM visits WHERE {filters}
    UNION ALL SELECT DISTINCT game, day, name_key, '' FROM design_events WHERE {filters}
    UNION ALL SELECT DISTINCT game, day, name_key, '' FROM resource_events WHERE {filters}
    UNION ALL SELECT DISTINCT game, day, name_key, cart FROM business_events WHERE {filters}
),
named AS MATERIALIZED (
    SELECT game, day, cart, category, name, currency, item_type, item_id, splitByChar(':', name) AS parts
    FROM called JOIN names ON names.name_key = called.name_key
),
depths AS (
    SELECT 1 AS depth UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5
),
found AS (
    SELECT game, day, 'build' AS field, build AS value FROM dressed
    UNION ALL SELECT game, day, 'platform', platform FROM dressed
    UNION ALL SELECT game, day, 'device', device FROM dressed
    UNION ALL SELECT game, day, 'os_version', os_version FROM dressed
    UNION ALL SELECT game, day, 'custom_01', custom_01 FROM dressed
    UNION ALL SELECT game, day, 'custom_02', custom_02 FROM dressed
    UNION ALL SELECT game, day, 'custom_03', custom_03 FROM dressed
    UNION ALL SELECT game, day, concat('progression part ', depth), arrayStringConcat(arraySlice(parts, depth, 1), ':')
    FROM named CROSS JOIN depths WHERE category = 'progression' AND depth <= 3 AND depth <= length(parts)
    UNION ALL SELECT game, day, 'business item type', item_type FROM named WHERE category = 'business'
    UNION ALL SELECT game, day, 'business item id', item_id FROM named WHERE category = 'business'
    UNION ALL SELECT game, day, 'cart_type', cart FROM named WHERE category = 'business'
    UNION ALL SELECT game, day, 'resource currency', currency FROM named WHERE category = 'resource'
    UNION ALL SELECT game, day, 'resource item type', item_type FROM named WHERE category = 'resource'
    UNION ALL SELECT game, day, 'resource item id', item_id FROM named WHERE category = 'resource'
    UNION ALL SELECT game, day, 'design event_id', name FROM named WHERE category = 'design'
    UNION ALL SELECT game, day, 'design nodes', arrayStringConcat(arraySlice(parts, 1, depth), ':')
    FROM named CROSS JOIN depths WHERE category = 'design' AND depth <= length(parts)
),
counted AS (
    SELECT game, day, field, uniqExact(value) AS different FROM found WHERE value <> '' GROUP BY game, day, field
)
SELECT game_key, field, day, different FROM counted JOIN games ON games.game = counted.game
ORDER BY game_key, day, field
