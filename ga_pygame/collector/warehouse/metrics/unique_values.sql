-- Different values of a field on a day: a row per game, field and day with at least one value.
-- Counted are all events in the range, whoever plays: the limits are a game's, so that of the filters only days and game
-- are used. An empty value is none. Parts of a progression count by their place; a node of the design tree is an
-- event_id or a beginning of event_ids, whose parts are joined by ':'.
-- Source: GameAnalytics REST v2, Limitations (frequency of unique values); Design (unique nodes).
WITH places AS MATERIALIZED (SELECT arrayJoin([1, 2, 3, 4, 5, 6, 7]) AS place),
worn AS (
    SELECT context, ['build', 'platform', 'device', 'os_version', 'custom_01', 'custom_02', 'custom_03'][place] AS field,
        [build, platform, device, os_version, custom_01, custom_02, custom_03][place] AS value
    FROM contexts CROSS JOIN places
),
named AS MATERIALIZED (
    SELECT name_key, category, name, currency, item_type, item_id, splitByChar(':', name) AS parts, place
    FROM names CROSS JOIN places WHERE category IN ('progression', 'business', 'resource', 'design') AND place <= 5
),
told AS (
    SELECT name_key, concat('progression part ', place) AS field, parts[place] AS value FROM named
    WHERE category = 'progression' AND place <= 3
    UNION ALL SELECT name_key, concat('business item ', ['type', 'id'][place]), [item_type, item_id][place] FROM named
    WHERE category = 'business' AND place <= 2
    UNION ALL SELECT name_key, concat('resource ', ['currency', 'item type', 'item id'][place]),
        [currency, item_type, item_id][place] FROM named WHERE category = 'resource' AND place <= 3
    UNION ALL SELECT name_key, 'design event_id', name FROM named WHERE category = 'design' AND place = 1
    UNION ALL SELECT name_key, 'design nodes', arrayStringConcat(arraySlice(parts, 1, place), ':') FROM named
    WHERE category = 'design' AND place <= length(parts)
),
-- Values are numbered where each stands once, in contexts and names, so that days compare numbers and no texts.
of_contexts AS MATERIALIZED (
    SELECT context, field, dense_rank() OVER (ORDER BY field, value) AS number FROM worn WHERE value <> ''
),
of_names AS MATERIALIZED (
    SELECT name_key, field, dense_rank() OVER (ORDER BY field, value) AS number FROM told WHERE value <> ''
),
present AS (SELECT DISTINCT game, day, context FROM presence WHERE {filters}),
called AS (
    SELECT DISTINCT game, day, name_key FROM visits WHERE {filters}
    UNION ALL SELECT DISTINCT game, day, name_key FROM design_events WHERE {filters}
    UNION ALL SELECT DISTINCT game, day, name_key FROM resource_events WHERE {filters}
    UNION ALL SELECT DISTINCT game, day, name_key FROM business_events WHERE {filters}
),
found AS (
    SELECT game, day, field, uniqExact(number) AS different
    FROM present JOIN of_contexts ON of_contexts.context = present.context GROUP BY game, day, field
    UNION ALL SELECT game, day, field, uniqExact(number)
    FROM called JOIN of_names ON of_names.name_key = called.name_key GROUP BY game, day, field
    UNION ALL SELECT game, day, 'cart_type', uniqExact(cart)
    FROM business_events WHERE cart <> '' AND {filters} GROUP BY game, day
)
SELECT game_key, field, day, different FROM found JOIN games ON games.game = found.game
ORDER BY game_key, day, field
