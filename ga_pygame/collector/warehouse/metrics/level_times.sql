-- The median and the 90th percentile of the time in a level, and the mean score of its Completes.
-- Counted are the Fails and Completes in the range: their custom field `seconds`, and the score of the Completes.
-- Sources: GameAnalytics, Progression (score); `seconds` is this tracker's.
WITH measured AS (
    SELECT side, name_key, p50_p90(seconds) AS of_seconds, avgIf(score, status = 'Complete') AS mean_score
    FROM {progression_events} WHERE status <> 'Start' AND player IS NOT NULL GROUP BY side, name_key
)
SELECT side, name AS level, of_seconds[1] AS median_seconds, of_seconds[2] AS p90_seconds, mean_score
FROM measured JOIN names ON names.name_key = measured.name_key ORDER BY side, name
