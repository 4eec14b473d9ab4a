-- A funnel: how many players did the first step, then the second one within the window after it, and so on.
-- A step is an event id: of a design or business event as it is, of a progression event with its status in front
-- (`Start:forest:1`), of a resource event with its flow (`Source:gold:pickup:coin`). Counted are the events in the range.
-- An event does the first step if it has its id. It does another step if it has its id, and if the latest event before
-- it that did the step before is at most `$seconds` older. So steps that a player repeats, other events in between and
-- an id that is two steps break nothing. A player did a step if any of their events did.
-- Times are those of the first event of a player that did the step: since the latest event before it that did the step
-- before, and since the event that did the first step for that one.
-- A row of `step_2` is an event that did step 2: `began` is the time of the first step for it, `gap` the seconds since
-- the step before. `$id_2` is the place of its event id in `$steps`; `started` is that of a Start of a level, `gained`
-- that of a source, and so on; 0 means none. The steps after the first one are the text of funnel_step.sql, once for each.
-- Sources: Talo and PostHog, funnels (ordered, a window, time to the next step); Countly (steps that are repeated).
WITH numbered AS (
    SELECT name_key, indexOf($steps, name) AS plain, indexOf($steps, concat('Start:', name)) AS started,
        indexOf($steps, concat('Fail:', name)) AS failed, indexOf($steps, concat('Complete:', name)) AS completed,
        indexOf($steps, concat('Source:', name)) AS gained, indexOf($steps, concat('Sink:', name)) AS spent
    FROM names WHERE category IN ('design', 'progression', 'resource', 'business')
),
wanted AS MATERIALIZED (
    SELECT name_key, plain, started, failed, completed, gained, spent FROM numbered
    WHERE plain + started + failed + completed + gained + spent > 0
),
hits AS (
    SELECT player, client_ts, plain AS id
    FROM design_events JOIN wanted ON wanted.name_key = design_events.name_key WHERE {filters}
    UNION ALL SELECT player, client_ts, plain
    FROM business_events JOIN wanted ON wanted.name_key = business_events.name_key WHERE {filters}
    UNION ALL SELECT player, client_ts, CASE status WHEN 'Start' THEN started WHEN 'Fail' THEN failed ELSE completed END
    FROM progression_events JOIN wanted ON wanted.name_key = progression_events.name_key WHERE {filters}
    UNION ALL SELECT player, client_ts, CASE flow WHEN 'Source' THEN gained ELSE spent END
    FROM resource_events JOIN wanted ON wanted.name_key = resource_events.name_key WHERE {filters}
),
named AS MATERIALIZED (
    SELECT player, client_ts, toUnixTimestamp(client_ts) AS second, id FROM hits WHERE player IS NOT NULL AND id > 0
),
step_1 AS MATERIALIZED (SELECT player, client_ts, second, second AS began FROM named WHERE id = $id_1),
{steps}
firsts AS (
    {firsts}
)
SELECT step, players, median_gap, median_since_first FROM (
    SELECT 1 AS step, setSize(playerSet(player)) AS players, NULL AS median_gap, NULL AS median_since_first FROM step_1
    UNION ALL SELECT step, count(*), p50(gap), p50(since_first) FROM firsts GROUP BY step
) ORDER BY step
