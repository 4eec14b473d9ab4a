-- Where on a map events took place: a row per square of $cell units with at least one, most frequent first.
-- Counted are the design events in the range whose custom field ga_map is $map and that have ga_x and ga_y; if
-- `$event_id` is not empty, those that have it or an id that goes on with ':'. Source: ours, `tracker.at`.
WITH told AS (
    SELECT player, jsonText(custom_fields, 'ga_x') AS x_text, jsonText(custom_fields, 'ga_y') AS y_text,
        JSONExtractFloat(custom_fields, 'ga_x') AS x, JSONExtractFloat(custom_fields, 'ga_y') AS y
    FROM design_events
    WHERE custom_fields IS NOT NULL AND {filters} AND jsonText(custom_fields, 'ga_map') = $map AND name_key IN (
        SELECT name_key FROM names WHERE category = 'design'
            AND ($event_id = '' OR name = $event_id OR startsWith(name, concat($event_id, ':')))
    )
),
placed AS (
    SELECT player, CAST(floor(x / $cell) AS BIGINT) AS across, CAST(floor(y / $cell) AS BIGINT) AS down
    FROM told WHERE x_text IS NOT NULL AND y_text IS NOT NULL AND abs(x) <= $most AND abs(y) <= $most
)
SELECT across, down, count(*) AS number, setSize(playerSet(player)) AS players
FROM placed GROUP BY across, down ORDER BY number DESC, down, across LIMIT $cells
