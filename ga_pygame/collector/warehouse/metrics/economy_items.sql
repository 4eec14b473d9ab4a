-- Sources and sinks of virtual currencies: a row per item type or, if `$by_item`, per item.
-- Counted are the resource events in the range. A source is the amount that players gained, a sink the amount that they
-- spent, both positive.
-- Source: GameAnalytics, Resource events.
WITH sums AS (
    SELECT name_key, coalesce(sumIf(amount, flow = 'Source'), 0) AS source, coalesce(sumIf(amount, flow = 'Sink'), 0) AS sink,
        countIf(flow = 'Source') AS sources, countIf(flow = 'Sink') AS sinks, playerSet(player) AS players
    FROM resource_events WHERE player IS NOT NULL AND flow IS NOT NULL AND {filters} GROUP BY name_key
)
SELECT currency, item_type, CASE WHEN $by_item THEN item_id ELSE '' END AS of_item, sum(source), sum(sink), sum(sources),
    sum(sinks), unionSize(players)
FROM sums JOIN names ON names.name_key = sums.name_key
GROUP BY currency, item_type, of_item ORDER BY currency, item_type, of_item
