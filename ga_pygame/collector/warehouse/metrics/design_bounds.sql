-- The smallest and the largest value of the design events in the range that have `$event_id`, or an id that goes on
-- with ':'.
-- Source: GameAnalytics, Design events (value).
SELECT min(value), max(value), countIf(value <> round(value)) FROM design_events
WHERE value IS NOT NULL AND {filters} AND name_key IN (
    SELECT name_key FROM names WHERE category = 'design'
        AND (name = $event_id OR startsWith(name, concat($event_id, ':')))
)
