-- Design events by the value of one custom field: a row per value, most frequent first, at most `$most`; the value is
-- NULL for events without the field.
-- Counted are the design events in the range; if `$event_id` is not empty, those that have it or an id that goes on
-- with ':'. Sum and mean are those of the events' values.
-- Source: GameAnalytics, Custom event fields.
WITH told AS MATERIALIZED (
    SELECT player, value, jsonText(custom_fields, $field) AS said FROM design_events
    WHERE custom_fields IS NOT NULL AND {filters} AND ($event_id = '' OR name_key IN (
        SELECT name_key FROM names WHERE category = 'design' AND (name = $event_id OR startsWith(name, concat($event_id, ':')))
    ))
),
untold AS (
    SELECT player, value FROM told WHERE said IS NULL
    UNION ALL SELECT player, value FROM design_events WHERE custom_fields IS NULL AND {filters} AND ($event_id = '' OR name_key IN (
        SELECT name_key FROM names WHERE category = 'design' AND (name = $event_id OR startsWith(name, concat($event_id, ':')))
    ))
),
-- A field can have as many values as there are events, so that sets of players are made of those that are returned only.
frequent AS (
    SELECT said, count(*) AS number, count(value) AS valued, sum(value) AS total
    FROM told WHERE said IS NOT NULL GROUP BY said ORDER BY number DESC, said LIMIT $most
),
reached AS (
    SELECT said, setSize(playerSet(player)) AS players FROM told WHERE said IN (SELECT said FROM frequent) GROUP BY said
)
SELECT said, events, players, valued, total FROM (
    SELECT frequent.said AS said, number AS events, players, valued, total
    FROM frequent JOIN reached ON reached.said = frequent.said
    UNION ALL SELECT NULL, count(*), setSize(playerSet(player)), count(value), sum(value) FROM untold
) WHERE events > 0 ORDER BY events DESC, said LIMIT $most
