-- Long frames in attempts, by level.
-- Counted are the Fail and Complete events in the range; their custom field `hitches` has the attempt's long frames, over
-- 100 ms unless the game sets another length. Events without the field had none, or come from a game that does not
-- count them.
-- Source: Android vitals (slow and frozen frames by session).
WITH sums AS (
    SELECT name_key, count(*) AS attempts, countIf(hitches > 0) AS hitching, playerSet(player) AS players,
        sum(hitches) AS hitches, max(hitches) AS most
    FROM progression_events WHERE status <> 'Start' AND player IS NOT NULL AND {filters} GROUP BY name_key
)
SELECT name AS level, attempts, hitching, setSize(players), hitches, most
FROM sums JOIN names ON names.name_key = sums.name_key WHERE hitches > 0 ORDER BY hitches DESC, level
