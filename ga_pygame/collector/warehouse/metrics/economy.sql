-- Sources and sinks of virtual currencies: a row per currency, per item type or per item.
-- Counted are the resource events in the range. A source is the amount that players gained, a sink the amount that they
-- spent, both positive. Of two parts of the range, up to `$first_until` and from `$second_since` on, there are the
-- sources minus the sinks, too.
-- Source: GameAnalytics, Resource events (flow = sources - sinks).
WITH things AS (
    SELECT name_key, currency, CASE WHEN $by_type OR $by_item THEN item_type ELSE '' END AS of_type,
        CASE WHEN $by_item THEN item_id ELSE '' END AS of_item
    FROM names WHERE category = 'resource'
),
groups AS (
    SELECT name_key, currency, of_type, of_item,
        min(name_key) OVER (PARTITION BY currency, of_type, of_item) AS of_group
    FROM things
),
flows AS (
    SELECT player, day, of_group, flow, coalesce(amount, 0) AS amount
    FROM events JOIN groups ON groups.name_key = events.name_key
    WHERE events.category = 'resource' AND flow IS NOT NULL AND {filters}
),
sums AS (
    SELECT of_group, flow, sum(amount) AS amount, count(*) AS events,
        sum(CASE WHEN day <= $first_until THEN amount ELSE 0 END) AS first_amount,
        sum(CASE WHEN day >= $second_since THEN amount ELSE 0 END) AS second_amount
    FROM flows GROUP BY of_group, flow
),
counted AS (SELECT of_group, uniqExact(player) AS players FROM flows GROUP BY of_group)
SELECT currency, of_type, of_item, sum(CASE WHEN flow = 'Source' THEN amount ELSE 0 END),
    sum(CASE WHEN flow = 'Sink' THEN amount ELSE 0 END), sum(CASE WHEN flow = 'Source' THEN events ELSE 0 END),
    sum(CASE WHEN flow = 'Sink' THEN events ELSE 0 END), max(players),
    sum(CASE WHEN flow = 'Source' THEN first_amount ELSE -first_amount END),
    sum(CASE WHEN flow = 'Source' THEN second_amount ELSE -second_amount END)
FROM sums
    JOIN counted ON counted.of_group = sums.of_group
    JOIN groups ON groups.name_key = sums.of_group
GROUP BY currency, of_type, of_item ORDER BY currency, of_type, of_item
