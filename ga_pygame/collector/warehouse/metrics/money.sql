-- Revenue: a row per currency, per item or per cart. Amounts of different currencies are never added.
-- Counted are the business events in the range; the amount is in cents. Payers are the players with such an event.
-- Source: GameAnalytics, Business events.
WITH bought AS (
    SELECT player, name_key, coalesce(cart, '') AS cart, amount FROM business_events WHERE {filters}
)
SELECT currency, CASE WHEN $by_item THEN item_type ELSE '' END AS of_type,
    CASE WHEN $by_item THEN item_id ELSE '' END AS of_item, CASE WHEN $by_cart THEN cart ELSE '' END AS of_cart,
    coalesce(sum(amount), 0) AS cents, count(*) AS purchases, uniqExact(player) AS payers
FROM bought JOIN names ON names.name_key = bought.name_key
GROUP BY currency, of_type, of_item, of_cart ORDER BY currency, cents DESC, of_type, of_item, of_cart
