-- Long frames in attempts, by level.
-- Counted are the Fail and Complete events in the range; their custom field `hitches` has the attempt's long frames, over
-- 100 ms unless the game sets another length. Events without the field had none, or come from a game that does not
-- count them.
-- Source: Android vitals (slow and frozen frames by session).
WITH ends AS (
    SELECT player, name_key, coalesce(JSONExtractFloat(custom_fields, 'hitches'), 0) AS long_frames FROM events
    WHERE category = 'progression' AND status <> 'Start' AND player IS NOT NULL AND {filters}
)
SELECT name AS level, count(*) AS attempts, countIf(long_frames > 0) AS hitching, uniqExact(player) AS players,
    sum(long_frames) AS hitches, max(long_frames) AS most
FROM ends JOIN names ON names.name_key = ends.name_key
GROUP BY name HAVING sum(long_frames) > 0 ORDER BY hitches DESC, level
