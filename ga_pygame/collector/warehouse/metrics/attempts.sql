-- Attempts to complete a level: how many players completed it at their first, second, … attempt.
-- Counted are the players with a Complete of the level in the range, each once: the attempt_num of their first
-- Complete, as official SDKs and this tracker send it; without one, their Fails of the level in the range before that
-- Complete, plus 1.
-- Source: GameAnalytics, Progression events, attempt_num.
WITH steps AS (
    SELECT player, name_key, client_ts, status, attempt_num FROM events
    WHERE category = 'progression' AND player IS NOT NULL AND status <> 'Start' AND {filters}
),
firsts AS (
    SELECT player, name_key, min(client_ts) AS completed_at, argMin(coalesce(attempt_num, 0), client_ts) AS attempt_num
    FROM steps WHERE status = 'Complete' GROUP BY player, name_key
),
counted AS (
    SELECT firsts.player, firsts.name_key, count(*) + 1 AS tries
    FROM firsts JOIN steps ON steps.player = firsts.player AND steps.name_key = firsts.name_key
    WHERE firsts.attempt_num = 0 AND status = 'Fail' AND client_ts < completed_at
    GROUP BY firsts.player, firsts.name_key
),
needed AS (
    SELECT firsts.name_key AS name_key, CASE WHEN attempt_num > 0 THEN attempt_num ELSE coalesce(tries, 1) END AS attempts
    FROM firsts LEFT JOIN counted ON counted.player = firsts.player AND counted.name_key = firsts.name_key
)
SELECT name AS level, attempts, count(*) AS players
FROM needed JOIN names ON names.name_key = needed.name_key
GROUP BY name, attempts ORDER BY name, attempts
