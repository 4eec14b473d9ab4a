-- The tree of design events: a row per event id and per beginning of event ids, whose parts are joined by ':'.
-- A row counts the design events in the range with this id or an id that goes on with ':'; own events are those with
-- exactly this id. Sum and mean are those of the values; events without a value have none.
-- Source: GameAnalytics, Design events (hierarchy of 1 to 5 parts, value).
WITH depths AS (
    SELECT 1 AS depth UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5
),
ids AS (
    SELECT name_key, name, splitByChar(':', name) AS parts FROM names WHERE category = 'design'
),
beginnings AS (
    SELECT name_key, name, depth, arrayStringConcat(arraySlice(parts, 1, depth), ':') AS node
    FROM ids CROSS JOIN depths WHERE depth <= length(parts)
),
nodes AS (
    SELECT name_key, name, depth, node, min(name_key) OVER (PARTITION BY node) AS of_node,
        count(*) OVER (PARTITION BY node) AS ids
    FROM beginnings
),
chosen AS (SELECT player, name_key, value FROM events WHERE category = 'design' AND {filters}),
sums AS (
    SELECT name_key, count(*) AS events, count(value) AS valued, sum(value) AS total, min(value) AS least,
        max(value) AS most, uniqExact(player) AS players
    FROM chosen GROUP BY name_key
),
shared AS (
    SELECT depth, of_node, uniqExact(player) AS players
    FROM chosen JOIN nodes ON nodes.name_key = chosen.name_key WHERE ids > 1 GROUP BY depth, of_node
)
SELECT node, nodes.depth AS depth, sum(events) AS events, sumIf(events, node = name) AS own_events,
    coalesce(max(shared.players), max(sums.players)) AS players, sum(valued) AS valued, sum(total), min(least), max(most)
FROM sums
    JOIN nodes ON nodes.name_key = sums.name_key
    LEFT JOIN shared ON shared.of_node = nodes.of_node AND shared.depth = nodes.depth
GROUP BY node, nodes.depth ORDER BY node
