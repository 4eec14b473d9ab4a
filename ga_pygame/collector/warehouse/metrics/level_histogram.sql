-- The times and scores of a level as a histogram: how many attempts took so long, how many completes had such a score.
-- Counted are the Fails and Completes in the range with the custom field `seconds`, and the Completes with a score. Bins
-- of a level are equally wide: 1, 2 or 5 times a power of ten, some ten of them between the least value and the 95th
-- percentile. What is above the bin of that percentile is in one last bin, so that a few odd values do not hide the rest.
-- Source: GameAnalytics, Progression events (score); `seconds` is this tracker's.
WITH attempts AS (
    SELECT name_key, status, score, seconds FROM progression_events
    WHERE status <> 'Start' AND player IS NOT NULL AND {filters}
        AND ($level = '' OR name_key IN (SELECT name_key FROM names WHERE category = 'progression' AND name = $level))
),
-- Equal values are counted first: times have tenths of a second and scores are whole, so there are few.
counted AS (
    SELECT name_key, 'seconds' AS figure, seconds AS x, count(*) AS number FROM attempts
    WHERE abs(seconds) < 1e12 GROUP BY name_key, seconds
    UNION ALL SELECT name_key, 'score', score, count(*) FROM attempts
    WHERE status = 'Complete' AND abs(score) < 1e12 GROUP BY name_key, score
),
ranked AS (
    SELECT name_key, figure, x, sum(number) OVER (PARTITION BY name_key, figure ORDER BY x) AS up_to,
        sum(number) OVER (PARTITION BY name_key, figure) AS total
    FROM counted
),
tops AS (
    SELECT name_key, figure, min(x) AS least, minIf(x, up_to >= 0.95 * total) AS top FROM ranked GROUP BY name_key, figure
),
bounds AS (
    SELECT name_key, figure, top, CASE WHEN top > least THEN (top - least) / 10 ELSE 1 END AS raw FROM tops
),
scaled AS (SELECT name_key, figure, top, raw, pow(10, floor(log10(raw))) AS ten FROM bounds),
bins AS (
    SELECT name_key, figure, top,
        ten * CASE WHEN raw <= ten THEN 1 WHEN raw <= 2 * ten THEN 2 WHEN raw <= 5 * ten THEN 5 ELSE 10 END AS width
    FROM scaled
),
placed AS (
    SELECT bins.name_key AS name_key, bins.figure AS figure, width, floor(top / width) AS last_bin,
        least(floor(x / width), floor(top / width) + 1) AS bin, number
    FROM counted JOIN bins ON bins.name_key = counted.name_key AND bins.figure = counted.figure
)
SELECT name AS level, figure, bin * width AS low, CASE WHEN bin > last_bin THEN NULL ELSE (bin + 1) * width END AS high,
    sum(number) AS attempts
FROM placed JOIN names ON names.name_key = placed.name_key
GROUP BY name, figure, bin, width, last_bin ORDER BY name, figure, bin
