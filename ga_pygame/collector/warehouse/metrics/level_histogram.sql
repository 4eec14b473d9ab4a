-- The times and scores of a level as a histogram: how many attempts took so long, how many completes had such a score.
-- Counted are the Fails and Completes in the range with the custom field `seconds`, and the Completes with a score. Bins
-- of a level are equally wide: 1, 2 or 5 times a power of ten, some ten of them between the least value and the 95th
-- percentile. What is above the bin of that percentile is in one last bin, so that a few odd values do not hide the rest.
-- Source: GameAnalytics, Progression events (score); `seconds` is this tracker's.
WITH attempts AS (
    SELECT name_key, status, score, seconds FROM events
    WHERE category = 'progression' AND player IS NOT NULL AND status <> 'Start' AND {filters}
),
figures AS (
    SELECT name_key, 'seconds' AS figure, seconds AS x FROM attempts WHERE abs(seconds) < 1e12
    UNION ALL SELECT name_key, 'score', score FROM attempts WHERE status = 'Complete' AND abs(score) < 1e12
),
chosen AS (
    SELECT name, figure, x FROM figures JOIN names ON names.name_key = figures.name_key
    WHERE $level = '' OR name = $level
),
bounds AS (
    SELECT name, figure, p95(x) AS top, CASE WHEN p95(x) > min(x) THEN (p95(x) - min(x)) / 10 ELSE 1 END AS raw
    FROM chosen GROUP BY name, figure
),
scaled AS (SELECT name, figure, top, raw, pow(10, floor(log10(raw))) AS ten FROM bounds),
bins AS (
    SELECT name, figure, top,
        ten * CASE WHEN raw <= ten THEN 1 WHEN raw <= 2 * ten THEN 2 WHEN raw <= 5 * ten THEN 5 ELSE 10 END AS width
    FROM scaled
),
placed AS (
    SELECT bins.name AS name, bins.figure AS figure, width, floor(top / width) AS last_bin,
        least(floor(x / width), floor(top / width) + 1) AS bin
    FROM chosen JOIN bins ON bins.name = chosen.name AND bins.figure = chosen.figure
)
SELECT name AS level, figure, bin * width AS low, CASE WHEN bin > last_bin THEN NULL ELSE (bin + 1) * width END AS high,
    count(*) AS attempts
FROM placed GROUP BY name, figure, bin, width, last_bin ORDER BY name, figure, bin
