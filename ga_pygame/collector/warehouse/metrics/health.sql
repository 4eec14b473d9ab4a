-- Frame rate, frame times and memory, by build, platform, device or level.
-- Counted are the health events in the range, each a sample: this tracker's of 30 seconds, official SDKs' of a session.
-- Of each the mean frame rate counts; frame_ms_p99 is exceeded by 1 % of its frames. Median and percentiles are those
-- over samples. A sample has hitches if its frame_ms_p99 is longer than $hitch_ms. A device without a name counts by
-- its system's version. The level is that of the last progression event before the sample in
-- its session if that is a Start, else '': a sample covers the 30 seconds before it, so it can begin before its level.
-- Sources: GameAnalytics, Health events; Glitchless (median, p95, share over budget).
WITH samples AS (
    SELECT player, session, context, client_ts, fps, frame_ms_p99, mem_mb FROM events
    WHERE category = 'health' AND {filters}
),
steps AS (
    SELECT session, client_ts, status, name_key FROM events
    WHERE $by = 'level' AND category = 'progression' AND session IN (SELECT session FROM samples)
),
of_levels AS (SELECT * FROM samples WHERE $by = 'level'),
placed AS (
    SELECT samples.*, NULL AS level_key FROM samples WHERE $by <> 'level'
    UNION ALL
    SELECT of_levels.*, CASE WHEN status = 'Start' THEN name_key END AS level_key
    FROM of_levels ASOF LEFT JOIN steps
        ON of_levels.session = steps.session AND of_levels.client_ts >= steps.client_ts
),
parts AS (
    SELECT context, CASE $by WHEN 'build' THEN build WHEN 'platform' THEN platform WHEN 'level' THEN ''
        WHEN 'device' THEN CASE WHEN device IN ('', 'unknown') THEN os_version ELSE device END END AS part
    FROM contexts
)
SELECT coalesce(name, part) AS part, count(*) AS samples, uniqExact(player) AS players,
    median(fps) AS median_fps, p05(fps) AS p05_fps, median(frame_ms_p99) AS median_p99_ms,
    countIf(frame_ms_p99 > $hitch_ms) AS hitching, count(frame_ms_p99) AS timed,
    median(mem_mb) AS median_mb, p95(mem_mb) AS p95_mb
FROM placed
    JOIN parts ON parts.context = placed.context
    LEFT JOIN names ON names.name_key = placed.level_key
GROUP BY 1 ORDER BY samples DESC, part
