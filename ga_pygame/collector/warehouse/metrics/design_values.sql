-- A histogram of the values of design events: a row per interval of `$width`, counted from `$start`.
-- Counted are the design events in the range with a value that have `$event_id`, or an id that goes on with ':'.
-- Source: GameAnalytics, Design events (value).
WITH chosen AS (
    SELECT player, floor((value - $start) / $width) AS place FROM design_events
    WHERE value IS NOT NULL AND {filters} AND name_key IN (
        SELECT name_key FROM names WHERE category = 'design'
            AND (name = $event_id OR startsWith(name, concat($event_id, ':')))
    )
)
SELECT place, count(*) AS events, setSize(playerSet(player)) AS players FROM chosen GROUP BY place ORDER BY place
