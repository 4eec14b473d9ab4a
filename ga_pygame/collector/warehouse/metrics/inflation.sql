-- What players gain of each currency, in the earlier and in the later half of the days.
-- Counted are the player-days in the range: days on which a player has a source or sink of the currency; its net is the
-- sum of sources minus sinks. The halves are those of the days between the currency's first and last one.
-- Source: GamePulse (net of the second half against the first); per player and day, so that growth is no inflation.
WITH days AS MATERIALIZED (
    SELECT currency, player, day, sum(gained - spent) AS net FROM balances
    WHERE gained < 1e12 AND spent < 1e12 AND {filters} GROUP BY currency, player, day
),
bounds AS (SELECT currency, min(day) AS first_day, max(day) AS last_day FROM days GROUP BY currency),
halves AS (
    SELECT days.currency AS currency, player, net,
        CASE WHEN 2 * (day - first_day) > last_day - first_day THEN 1 ELSE 0 END AS is_later
    FROM days JOIN bounds ON bounds.currency = days.currency
)
SELECT currency, is_later, setSize(playerSet(player)) AS players, count(*) AS player_days, sum(net) AS net,
    sum(net * net) AS squares
FROM halves GROUP BY currency, is_later ORDER BY currency, is_later
