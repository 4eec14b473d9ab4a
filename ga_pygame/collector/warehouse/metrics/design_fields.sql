-- Design events by the value of one custom field: a row per value, most frequent first, at most `$most`; the value is
-- NULL for events without the field.
-- Counted are the design events in the range; if `$event_id` is not empty, those that have it or an id that goes on
-- with ':'. Sum and mean are those of the events' values.
-- Source: GameAnalytics, Custom event fields.
WITH chosen AS (
    SELECT player, value, jsonText(custom_fields, $field) AS said FROM design_events
    WHERE {filters} AND name_key IN (
        SELECT name_key FROM names WHERE category = 'design'
            AND ($event_id = '' OR name = $event_id OR startsWith(name, concat($event_id, ':')))
    )
)
SELECT said, count(*) AS events, setSize(playerSet(player)) AS players, count(value), sum(value)
FROM chosen GROUP BY said ORDER BY events DESC, said LIMIT $most
