-- Attempts to complete a level: how many players completed it at their first, second, … attempt.
-- Counted are the players with a Complete of the level in the range, each once: the attempt_num of their first
-- Complete, as official SDKs and this tracker send it; without one, their Fails of the level in the range before that
-- Complete, plus 1.
-- Source: GameAnalytics, Progression events, attempt_num.
WITH completed AS MATERIALIZED (
    SELECT player, name_key, completed_at, attempt_num, is_repeat FROM visits WHERE completes > 0 AND {filters}
),
repeated AS MATERIALIZED (SELECT player, name_key FROM completed WHERE is_repeat),
firsts AS MATERIALIZED (
    SELECT player, name_key, completed_at AS first_at, attempt_num FROM completed
    WHERE (player, name_key) NOT IN (SELECT player, name_key FROM repeated)
    UNION ALL
    SELECT player, name_key, min(completed_at), argMin(attempt_num, completed_at) FROM completed
    WHERE (player, name_key) IN (SELECT player, name_key FROM repeated) GROUP BY player, name_key
),
unnumbered AS (SELECT player, name_key, first_at FROM firsts WHERE attempt_num = 0),
fails AS (
    SELECT player, name_key, client_ts FROM progression_events
    WHERE status = 'Fail' AND player IN (SELECT player FROM unnumbered) AND {filters}
),
counted AS (
    SELECT unnumbered.player AS player, unnumbered.name_key AS name_key, CAST(count(*) + 1 AS BIGINT) AS tries
    FROM unnumbered JOIN fails ON fails.player = unnumbered.player AND fails.name_key = unnumbered.name_key
    WHERE client_ts < first_at GROUP BY unnumbered.player, unnumbered.name_key
),
needed AS (
    SELECT firsts.name_key AS name_key, CASE WHEN attempt_num > 0 THEN attempt_num ELSE coalesce(tries, 1) END AS attempts
    FROM firsts LEFT JOIN counted ON counted.player = firsts.player AND counted.name_key = firsts.name_key
),
sums AS (SELECT name_key, attempts, count(*) AS players FROM needed GROUP BY name_key, attempts)
SELECT name AS level, attempts, players FROM sums JOIN names ON names.name_key = sums.name_key ORDER BY name, attempts
