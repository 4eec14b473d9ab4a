-- Purchases by day and currency: a row per day and currency; with the day NULL for the whole range, with the currency
-- NULL for all currencies together, which have payers, but no revenue.
-- Counted are the business events in the range. First payers are the players whose first purchase ever is among them.
-- Source: GameAnalytics, Monetization (paying users, first-time paying users).
WITH bought AS (
    SELECT player, name_key, day, client_ts, amount FROM business_events WHERE {filters}
),
purchases AS (
    SELECT bought.player AS player, bought.day AS day, currency, amount,
        CASE WHEN client_ts = paid_at THEN bought.player END AS first_payer
    FROM bought JOIN names ON names.name_key = bought.name_key LEFT JOIN players ON players.player = bought.player
)
SELECT day, currency, coalesce(sum(amount), 0) AS cents, count(*), uniqExact(player), uniqExact(first_payer)
FROM purchases GROUP BY day, currency
UNION ALL SELECT NULL, currency, coalesce(sum(amount), 0), count(*), uniqExact(player), uniqExact(first_payer)
FROM purchases GROUP BY currency
UNION ALL SELECT day, NULL, NULL, count(*), uniqExact(player), uniqExact(first_payer) FROM purchases GROUP BY day
UNION ALL SELECT NULL, NULL, NULL, count(*), uniqExact(player), uniqExact(first_payer) FROM purchases
