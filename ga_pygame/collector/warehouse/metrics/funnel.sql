-- A funnel: how many players did the first step, then the second one within the window after it, and so on.
-- A step is an event id: of a design or business event as it is, of a progression event with its status in front
-- (`Start:forest:1`), of a resource event with its flow (`Source:gold:pickup:coin`). Counted are the events in the range.
-- An event does the first step if it has its id. It does another step if it has its id, and if the latest event before
-- it that did the step before is at most `$seconds` older. So steps that a player repeats, other events in between and
-- an id that is two steps break nothing. A player did a step if any of their events did.
-- Times are those of the first event of a player that did the step: since the latest event before it that did the step
-- before, and since the event that did the first step for that one.
-- A row of `step_2` is an event that did step 2: `began` is the time of the first step for it, `gap` the seconds since
-- the step before. `$id_2` is the place of its event id in `$steps`. The steps after the first one are
-- the text of funnel_step.sql, once for each.
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
wanted AS MATERIALIZED (SELECT name_key, front, event_id FROM ids WHERE has($steps, event_id)),
hits AS (
    SELECT player, name_key, client_ts, '' AS front FROM design_events
    WHERE player IS NOT NULL AND name_key IN (SELECT name_key FROM wanted) AND {filters}
    UNION ALL SELECT player, name_key, client_ts, '' FROM business_events
    WHERE player IS NOT NULL AND name_key IN (SELECT name_key FROM wanted) AND {filters}
    UNION ALL SELECT player, name_key, client_ts, CAST(status AS VARCHAR) FROM progression_events
    WHERE player IS NOT NULL AND name_key IN (SELECT name_key FROM wanted) AND {filters}
    UNION ALL SELECT player, name_key, client_ts, CAST(flow AS VARCHAR) FROM resource_events
    WHERE player IS NOT NULL AND name_key IN (SELECT name_key FROM wanted) AND {filters}
),
named AS MATERIALIZED (
    SELECT player, client_ts, toUnixTimestamp(client_ts) AS second, indexOf($steps, event_id) AS id
    FROM hits JOIN wanted ON wanted.name_key = hits.name_key AND wanted.front = hits.front
),
step_1 AS MATERIALIZED (SELECT player, client_ts, second, second AS began, 0 AS gap FROM named WHERE id = $id_1),
{steps}
done AS (
    {told}
),
firsts AS (
    SELECT step, player, argMin(gap, client_ts) AS gap, argMin(since_first, client_ts) AS since_first
    FROM done GROUP BY step, player
)
SELECT step, count(*) AS players, p50(gap) AS median_gap, p50(since_first) AS median_since_first
FROM firsts GROUP BY step ORDER BY step
