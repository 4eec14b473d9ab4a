-- Design events by the value of one custom field: a row per value, most frequent first, at most `$most`; the value is
-- NULL for events without the field.
-- Counted are the design events in the range; if `$event_id` is not empty, those that have it or an id that goes on
-- with ':'. Sum and mean are those of the events' values.
-- Source: GameAnalytics, Custom event fields.
WITH chosen AS MATERIALIZED (
    SELECT player, value, said, coalesce(said, '') AS text, said IS NULL AS is_without FROM (
        SELECT player, value, jsonText(custom_fields, $field) AS said FROM design_events
        WHERE {filters} AND name_key IN (
            SELECT name_key FROM names WHERE category = 'design'
                AND ($event_id = '' OR name = $event_id OR startsWith(name, concat($event_id, ':')))
        )
    ) AS told
),
-- A field can have as many values as there are events, so that sets of players are made of those that are returned only.
frequent AS (
    SELECT said, text, is_without, count(*) AS events, count(value) AS valued, sum(value) AS total
    FROM chosen GROUP BY said, text, is_without ORDER BY events DESC, said LIMIT $most
),
reached AS (
    SELECT text, is_without, setSize(playerSet(player)) AS players FROM chosen
    WHERE (text, is_without) IN (SELECT text, is_without FROM frequent) GROUP BY text, is_without
)
SELECT said, events, players, valued, total
FROM frequent JOIN reached ON reached.text = frequent.text AND reached.is_without = frequent.is_without
ORDER BY events DESC, said
