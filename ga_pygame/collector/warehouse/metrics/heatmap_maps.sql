-- The maps on which events took place: a row per game, map and event id, most frequent first, with its bounds.
-- Counted are the design events in the range that have the custom fields ga_map, ga_x and ga_y; those beyond $most from
-- the origin are left out. Source: ours, `tracker.at`.
WITH told AS (
    SELECT game, player, name_key, jsonText(custom_fields, 'ga_map') AS map, jsonText(custom_fields, 'ga_x') AS x_text,
        jsonText(custom_fields, 'ga_y') AS y_text, JSONExtractFloat(custom_fields, 'ga_x') AS x,
        JSONExtractFloat(custom_fields, 'ga_y') AS y
    FROM design_events WHERE custom_fields IS NOT NULL AND {filters}
),
counted AS (
    SELECT game, map, name_key, count(*) AS number, setSize(playerSet(player)) AS players,
        min(x) AS least_x, min(y) AS least_y, max(x) AS most_x, max(y) AS most_y
    FROM told WHERE map IS NOT NULL AND x_text IS NOT NULL AND y_text IS NOT NULL AND abs(x) <= $most AND abs(y) <= $most
    GROUP BY game, map, name_key
)
SELECT game_key, map, name, number, players, least_x, least_y, most_x, most_y
FROM counted JOIN names ON names.name_key = counted.name_key JOIN games ON games.game = counted.game
ORDER BY number DESC, game_key, map, name
