-- Frame rate, frame times and memory, by level.
-- Counted are the health events in the range, as in health.sql, by the level of the last progression event before them
-- in their session if that is a Start, else by '': a sample covers the 30 seconds before it, so it can begin before its
-- level.
-- Sources: as in health.sql.
WITH samples AS (
    SELECT player, session, client_ts, fps, frame_ms_p99, mem_mb FROM health_events WHERE {filters}
),
steps AS (SELECT session, client_ts, status, name_key FROM progression_events),
placed AS (
    SELECT samples.*, CASE WHEN status = 'Start' THEN name_key END AS level_key
    FROM samples ASOF LEFT JOIN steps ON samples.session = steps.session AND samples.client_ts >= steps.client_ts
)
SELECT coalesce(name, '') AS part, count(*) AS samples, uniqExact(player) AS players, p50(fps) AS median_fps,
    p05(fps) AS p05_fps, p50(frame_ms_p99) AS median_p99_ms, countIf(frame_ms_p99 > $hitch_ms) AS hitching,
    count(frame_ms_p99) AS timed, p50(mem_mb) AS median_mb, p95(mem_mb) AS p95_mb
FROM placed LEFT JOIN names ON names.name_key = placed.level_key
GROUP BY 1 ORDER BY samples DESC, part
