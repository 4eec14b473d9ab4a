-- Attempts to complete a level: how many players completed it at their first, second, … attempt.
-- Counted are the players with a Complete of the level in the range, each once: the attempt_num of their first
-- Complete, as official SDKs and this tracker send it; without one, their Fails of the level in the range before that
-- Complete, plus 1.
-- Source: GameAnalytics, Progression events, attempt_num.
WITH
-- Nearly all rows of `visits` are a player's only one with a Complete of the level, and have a number: all numbers are
-- summed, and those of the players and levels of `odd` are then put right.
odd AS MATERIALIZED (
    SELECT player, name_key FROM {visits} WHERE completes > 0 AND is_repeat
    UNION ALL SELECT player, name_key FROM {visits} WHERE completes > 0 AND attempt_num = 0
),
again AS MATERIALIZED (
    SELECT side, player, name_key, completed_at, attempt_num FROM {visits}
    WHERE completes > 0 AND (player, name_key) IN (SELECT player, name_key FROM odd)
),
firsts AS MATERIALIZED (
    SELECT side, player, name_key, min(completed_at) AS first_at, argMin(attempt_num, completed_at) AS attempt_num
    FROM again GROUP BY side, player, name_key
),
unnumbered AS MATERIALIZED (SELECT side, player, name_key, first_at FROM firsts WHERE attempt_num = 0),
fails AS (
    SELECT side, player, name_key, client_ts FROM {progression_events}
    WHERE status = 'Fail' AND player IN (SELECT player FROM unnumbered)
),
counted AS (
    SELECT unnumbered.side AS side, unnumbered.name_key AS name_key, countIf(client_ts < first_at) AS failed
    FROM unnumbered LEFT JOIN fails ON fails.side = unnumbered.side AND fails.player = unnumbered.player
        AND fails.name_key = unnumbered.name_key
    GROUP BY unnumbered.side, unnumbered.player, unnumbered.name_key
),
needed AS (
    SELECT side, name_key, attempt_num AS attempts, CAST(count(*) AS BIGINT) AS number FROM {visits}
    WHERE completes > 0 AND attempt_num > 0 GROUP BY side, name_key, attempt_num
    UNION ALL SELECT side, name_key, attempt_num, CAST(-1 AS BIGINT) FROM again WHERE attempt_num > 0
    UNION ALL SELECT side, name_key, attempt_num, CAST(1 AS BIGINT) FROM firsts WHERE attempt_num > 0
    UNION ALL SELECT side, name_key, CAST(failed + 1 AS BIGINT), CAST(1 AS BIGINT) FROM counted
),
sums AS (
    SELECT side, name_key, attempts, CAST(sum(number) AS BIGINT) AS players FROM needed
    GROUP BY side, name_key, attempts
)
SELECT side, name AS level, attempts, players FROM sums JOIN names ON names.name_key = sums.name_key WHERE players > 0
ORDER BY side, name, attempts
