-- Sources and sinks of virtual currencies: a row per currency.
-- Counted are the resource events in the range. A source is the amount that players gained, a sink the amount that they
-- spent, both positive. Of two parts of the range, up to `$first_until` and from `$second_since` on, there are the
-- sources minus the sinks, too.
-- Source: GameAnalytics, Resource events (flow = sources - sinks).
SELECT currency, '', '', sum(gained), sum(spent), sum(sources), sum(sinks), setSize(playerSet(player)),
    sum(CASE WHEN day <= $first_until THEN gained - spent ELSE 0 END),
    sum(CASE WHEN day >= $second_since THEN gained - spent ELSE 0 END)
FROM balances WHERE {filters} GROUP BY currency ORDER BY currency
