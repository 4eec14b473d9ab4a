-- Frame rate, frame times and memory, by build, platform or device.
-- Counted are the health events in the range, each a sample: this tracker's of 30 seconds, official SDKs' of a session.
-- Of each the mean frame rate counts; frame_ms_p99 is exceeded by 1 % of its frames. Median and percentiles are those
-- over samples. A sample has hitches if its frame_ms_p99 is longer than $hitch_ms. A device without a name counts by
-- its system's version.
-- Sources: GameAnalytics, Health events; Glitchless (median, p95, share over budget).
WITH samples AS (
    SELECT player, context, fps, frame_ms_p99, mem_mb FROM health_events WHERE {filters}
),
parts AS (
    SELECT context, CASE $by WHEN 'build' THEN build WHEN 'platform' THEN platform
        WHEN 'device' THEN CASE WHEN device IN ('', 'unknown') THEN os_version ELSE device END END AS part
    FROM contexts
)
SELECT part, count(*) AS samples, uniqExact(player) AS players, p50(fps) AS median_fps, p05(fps) AS p05_fps,
    p50(frame_ms_p99) AS median_p99_ms, countIf(frame_ms_p99 > $hitch_ms) AS hitching,
    count(frame_ms_p99) AS timed, p50(mem_mb) AS median_mb, p95(mem_mb) AS p95_mb
FROM samples JOIN parts ON parts.context = samples.context
GROUP BY part ORDER BY samples DESC, part
