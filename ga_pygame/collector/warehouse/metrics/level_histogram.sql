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
counted AS MATERIALIZED (
    SELECT name_key, 0 AS is_score, seconds AS x, count(*) AS number FROM attempts
    WHERE abs(seconds) < 1e12 GROUP BY name_key, seconds
    UNION ALL SELECT name_key, 1, score, count(*) FROM attempts
    WHERE status = 'Complete' AND abs(score) < 1e12 GROUP BY name_key, score
),
totals AS (
    SELECT name_key, is_score, min(x) AS least, sum(number) AS total FROM counted GROUP BY name_key, is_score
),
ranked AS (
    SELECT name_key, is_score, x,
        sum(number) OVER (PARTITION BY name_key, is_score ORDER BY x ROWS UNBOUNDED PRECEDING) AS up_to
    FROM counted
),
tops AS (
    SELECT ranked.name_key AS name_key, ranked.is_score AS is_score, min(least) AS least, min(x) AS top
    FROM ranked JOIN totals ON totals.name_key = ranked.name_key AND totals.is_score = ranked.is_score
    WHERE 20 * up_to >= 19 * total GROUP BY ranked.name_key, ranked.is_score
),
bounds AS (
    SELECT name_key, is_score, top, CASE WHEN top > least THEN (top - least) / 10 ELSE 1 END AS raw FROM tops
),
scaled AS (SELECT name_key, is_score, top, raw, pow(10, floor(log10(raw))) AS ten FROM bounds),
bins AS (
    SELECT name_key, is_score, top,
        ten * CASE WHEN raw <= ten THEN 1 WHEN raw <= 2 * ten THEN 2 WHEN raw <= 5 * ten THEN 5 ELSE 10 END AS width
    FROM scaled
),
placed AS (
    SELECT bins.name_key AS name_key, bins.is_score AS is_score, width, floor(top / width) AS last_bin,
        least(floor(x / width), floor(top / width) + 1) AS bin, number
    FROM counted JOIN bins ON bins.name_key = counted.name_key AND bins.is_score = counted.is_score
)
SELECT name AS level, CASE is_score WHEN 1 THEN 'score' ELSE 'seconds' END AS figure, bin * width AS low, CASE WHEN bin > last_bin THEN NULL ELSE (bin + 1) * width END AS high,
    sum(number) AS attempts
FROM placed JOIN names ON names.name_key = placed.name_key
GROUP BY name, is_score, bin, width, last_bin ORDER BY name, figure, bin
