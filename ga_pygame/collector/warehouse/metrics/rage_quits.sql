-- Rage quits: sessions that end within 20 seconds of a Fail, by the level of that Fail.
-- Counted are the Fails in the range in sessions with a session_end. Fails within the second of the end are left out:
-- trackers add one for an attempt that is open when the player leaves, which is no reaction to a Fail. A session has one
-- rage quit at most: after its last Fail.
-- Source: Glitchless (quit within 20 s after a fail).
WITH fails AS (
    SELECT player, session, name_key, client_ts FROM progression_events
    WHERE status = 'Fail' AND player IS NOT NULL AND session IS NOT NULL AND {filters}
),
timed AS (
    SELECT fails.player AS player, fails.session AS session, name_key, client_ts,
        date_diff('second', client_ts, last_at) AS seconds_left
    FROM fails JOIN sessions ON sessions.session = fails.session WHERE length IS NOT NULL
),
counted AS MATERIALIZED (
    SELECT player, session, name_key, count(*) AS fails, max(CASE WHEN seconds_left <= $seconds THEN client_ts END) AS last_quit
    FROM timed WHERE seconds_left >= 1 GROUP BY player, session, name_key
),
failed AS (
    SELECT name_key, CAST(sum(fails) AS BIGINT) AS fails, setSize(playerSet(player)) AS players FROM counted GROUP BY name_key
),
lasts AS (
    SELECT session, argMax(name_key, last_quit) AS name_key FROM counted WHERE last_quit IS NOT NULL GROUP BY session
),
quits AS (SELECT name_key, count(*) AS rage_quits FROM lasts GROUP BY name_key)
SELECT name AS level, fails, players, coalesce(rage_quits, 0) AS rage_quits
FROM failed JOIN names ON names.name_key = failed.name_key LEFT JOIN quits ON quits.name_key = failed.name_key
ORDER BY name
