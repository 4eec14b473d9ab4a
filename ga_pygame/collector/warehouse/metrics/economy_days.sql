-- Sources, sinks and balance of virtual currencies by day.
-- A day's players are those with a source or a sink of the currency on it. The balance is the sum of all sources minus
-- that of all sinks up to the end of the day. What a player holds is the same for one player; mean and median are those
-- of the day's players. Both begin with the first event in the warehouse, whatever the first day of the range is, and
-- pass all other filters.
-- Sources: GameAnalytics, Resource events; GamePulse (balances of players).
WITH of_players AS (
    SELECT currency, player, day, sum(gained) AS gained, sum(spent) AS spent FROM balances
    WHERE day <= $last_day AND {undated} GROUP BY currency, player, day
),
held AS (
    SELECT currency, day, gained, spent, sum(gained - spent) OVER (PARTITION BY currency, player ORDER BY day) AS holding
    FROM of_players
),
days AS (
    SELECT currency, day, sum(gained) AS source, sum(spent) AS sink, count(*) AS players, avg(holding) AS mean_holding,
        p50(holding) AS median_holding
    FROM held GROUP BY currency, day
)
SELECT currency, day, source, sink, sum(source - sink) OVER (PARTITION BY currency ORDER BY day) AS balance, players,
    mean_holding, median_holding
FROM days ORDER BY currency, day
