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
sums AS (
    SELECT name_key, count(*) AS events, count(value) AS valued, sum(value) AS total, min(value) AS least,
        max(value) AS most, playerSet(player) AS players
    FROM design_events WHERE {filters} GROUP BY name_key
)
SELECT node, depth, sum(events) AS events, sumIf(events, node = name) AS own_events, unionSize(players) AS players,
    sum(valued) AS valued, sum(total), min(least), max(most)
FROM sums JOIN beginnings ON beginnings.name_key = sums.name_key
GROUP BY node, depth ORDER BY node
