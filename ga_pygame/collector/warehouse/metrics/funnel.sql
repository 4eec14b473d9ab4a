-- A funnel: how many players did the first step, then the second one within the window after it, and so on.
-- A step is an event id: of a design or business event as it is, of a progression event with its status in front
-- (`Start:forest:1`), of a resource event with its flow (`Source:gold:pickup:coin`). Counted are the events in the range.
-- An event does the first step if it has its id. It does another step if it has its id, and if the latest event before
-- it that did the step before is at most `$seconds` older. So steps that a player repeats, other events in between and
-- an id that is two steps break nothing. A player did a step if any of their events did.
-- Times are those of the first event of a player that did the step: since the latest event before it that did the step
-- before, and since the event that did the first step for that one.
-- A row of `step_2` is an event that did step 2: `began` is the time of the first step for it, `gap` the seconds since
-- the step before. `$id_2` is the place of its event id in `$steps`, NULL if the funnel ends before.
-- Sources: Talo and PostHog, funnels (ordered, a window, time to the next step); Countly (steps that are repeated).
WITH matching AS (
    SELECT name_key, CAST(category AS VARCHAR) AS category, name FROM names
    WHERE category IN ('design', 'progression', 'resource', 'business')
),
ids AS (
    SELECT name_key, '' AS front, name AS event_id FROM matching WHERE category IN ('design', 'business')
    UNION ALL SELECT name_key, 'Start', concat('Start:', name) FROM matching WHERE category = 'progression'
    UNION ALL SELECT name_key, 'Fail', concat('Fail:', name) FROM matching WHERE category = 'progression'
    UNION ALL SELECT name_key, 'Complete', concat('Complete:', name) FROM matching WHERE category = 'progression'
    UNION ALL SELECT name_key, 'Source', concat('Source:', name) FROM matching WHERE category = 'resource'
    UNION ALL SELECT name_key, 'Sink', concat('Sink:', name) FROM matching WHERE category = 'resource'
),
wanted AS (SELECT name_key, front, event_id FROM ids WHERE has($steps, event_id)),
hits AS (
    SELECT player, name_key, client_ts, coalesce(CAST(status AS VARCHAR), CAST(flow AS VARCHAR), '') AS front
    FROM events WHERE player IS NOT NULL AND name_key IN (SELECT name_key FROM wanted) AND {filters}
),
named AS (
    SELECT player, client_ts, toUnixTimestamp(client_ts) AS second, indexOf($steps, event_id) AS id
    FROM hits JOIN wanted ON wanted.name_key = hits.name_key AND wanted.front = hits.front
),
step_1 AS (SELECT player, client_ts, second, second AS began, 0 AS gap FROM named WHERE id = $id_1),
step_2 AS (
    SELECT player, client_ts, second, latest_began AS began, second - latest AS gap FROM (
        SELECT player, client_ts, second, is_new, max(done) OVER earlier AS latest, max(began) OVER earlier AS latest_began
        FROM (
            SELECT player, client_ts, second, second AS done, began, 0 AS is_new FROM step_1
            UNION ALL SELECT player, client_ts, second, NULL, NULL, 1 FROM named WHERE id = $id_2
        ) WINDOW earlier AS (PARTITION BY player ORDER BY client_ts, is_new DESC ROWS UNBOUNDED PRECEDING)
    ) WHERE is_new = 1 AND second - latest <= $seconds
),
step_3 AS (
    SELECT player, client_ts, second, latest_began AS began, second - latest AS gap FROM (
        SELECT player, client_ts, second, is_new, max(done) OVER earlier AS latest, max(began) OVER earlier AS latest_began
        FROM (
            SELECT player, client_ts, second, second AS done, began, 0 AS is_new FROM step_2
            UNION ALL SELECT player, client_ts, second, NULL, NULL, 1 FROM named WHERE id = $id_3
        ) WINDOW earlier AS (PARTITION BY player ORDER BY client_ts, is_new DESC ROWS UNBOUNDED PRECEDING)
    ) WHERE is_new = 1 AND second - latest <= $seconds
),
step_4 AS (
    SELECT player, client_ts, second, latest_began AS began, second - latest AS gap FROM (
        SELECT player, client_ts, second, is_new, max(done) OVER earlier AS latest, max(began) OVER earlier AS latest_began
        FROM (
            SELECT player, client_ts, second, second AS done, began, 0 AS is_new FROM step_3
            UNION ALL SELECT player, client_ts, second, NULL, NULL, 1 FROM named WHERE id = $id_4
        ) WINDOW earlier AS (PARTITION BY player ORDER BY client_ts, is_new DESC ROWS UNBOUNDED PRECEDING)
    ) WHERE is_new = 1 AND second - latest <= $seconds
),
step_5 AS (
    SELECT player, client_ts, second, latest_began AS began, second - latest AS gap FROM (
        SELECT player, client_ts, second, is_new, max(done) OVER earlier AS latest, max(began) OVER earlier AS latest_began
        FROM (
            SELECT player, client_ts, second, second AS done, began, 0 AS is_new FROM step_4
            UNION ALL SELECT player, client_ts, second, NULL, NULL, 1 FROM named WHERE id = $id_5
        ) WINDOW earlier AS (PARTITION BY player ORDER BY client_ts, is_new DESC ROWS UNBOUNDED PRECEDING)
    ) WHERE is_new = 1 AND second - latest <= $seconds
),
step_6 AS (
    SELECT player, client_ts, second, latest_began AS began, second - latest AS gap FROM (
        SELECT player, client_ts, second, is_new, max(done) OVER earlier AS latest, max(began) OVER earlier AS latest_began
        FROM (
            SELECT player, client_ts, second, second AS done, began, 0 AS is_new FROM step_5
            UNION ALL SELECT player, client_ts, second, NULL, NULL, 1 FROM named WHERE id = $id_6
        ) WINDOW earlier AS (PARTITION BY player ORDER BY client_ts, is_new DESC ROWS UNBOUNDED PRECEDING)
    ) WHERE is_new = 1 AND second - latest <= $seconds
),
step_7 AS (
    SELECT player, client_ts, second, latest_began AS began, second - latest AS gap FROM (
        SELECT player, client_ts, second, is_new, max(done) OVER earlier AS latest, max(began) OVER earlier AS latest_began
        FROM (
            SELECT player, client_ts, second, second AS done, began, 0 AS is_new FROM step_6
            UNION ALL SELECT player, client_ts, second, NULL, NULL, 1 FROM named WHERE id = $id_7
        ) WINDOW earlier AS (PARTITION BY player ORDER BY client_ts, is_new DESC ROWS UNBOUNDED PRECEDING)
    ) WHERE is_new = 1 AND second - latest <= $seconds
),
step_8 AS (
    SELECT player, client_ts, second, latest_began AS began, second - latest AS gap FROM (
        SELECT player, client_ts, second, is_new, max(done) OVER earlier AS latest, max(began) OVER earlier AS latest_began
        FROM (
            SELECT player, client_ts, second, second AS done, began, 0 AS is_new FROM step_7
            UNION ALL SELECT player, client_ts, second, NULL, NULL, 1 FROM named WHERE id = $id_8
        ) WINDOW earlier AS (PARTITION BY player ORDER BY client_ts, is_new DESC ROWS UNBOUNDED PRECEDING)
    ) WHERE is_new = 1 AND second - latest <= $seconds
),
done AS (
    SELECT 1 AS step, player, client_ts, second - began AS since_first, gap FROM step_1
    UNION ALL SELECT 2 AS step, player, client_ts, second - began AS since_first, gap FROM step_2
    UNION ALL SELECT 3 AS step, player, client_ts, second - began AS since_first, gap FROM step_3
    UNION ALL SELECT 4 AS step, player, client_ts, second - began AS since_first, gap FROM step_4
    UNION ALL SELECT 5 AS step, player, client_ts, second - began AS since_first, gap FROM step_5
    UNION ALL SELECT 6 AS step, player, client_ts, second - began AS since_first, gap FROM step_6
    UNION ALL SELECT 7 AS step, player, client_ts, second - began AS since_first, gap FROM step_7
    UNION ALL SELECT 8 AS step, player, client_ts, second - began AS since_first, gap FROM step_8
),
firsts AS (
    SELECT step, player, argMin(gap, client_ts) AS gap, argMin(since_first, client_ts) AS since_first
    FROM done GROUP BY step, player
)
SELECT step, count(*) AS players, median(gap) AS median_gap, median(since_first) AS median_since_first
FROM firsts GROUP BY step ORDER BY step
