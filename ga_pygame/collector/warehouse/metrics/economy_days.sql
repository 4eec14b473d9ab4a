-- Sources, sinks and balance of virtual currencies by day.
-- A day's players are those with a source or a sink of the currency on it. The balance is the sum of all sources minus
-- that of all sinks up to the end of the day. What a player holds is the same for one player; mean and median are those
-- of the day's players. Both begin with the first event in the warehouse, whatever the first day of the range is, and
-- pass all other filters.
-- Sources: GameAnalytics, Resource events; GamePulse (balances of players).
WITH groups AS (
    SELECT name_key, currency, min(name_key) OVER (PARTITION BY currency) AS of_group
    FROM names WHERE category = 'resource'
),
flows AS (
    SELECT player, day, of_group, CASE WHEN flow = 'Source' THEN amount ELSE 0 END AS gained,
        CASE WHEN flow = 'Sink' THEN amount ELSE 0 END AS spent
    FROM events JOIN groups ON groups.name_key = events.name_key
    WHERE events.category = 'resource' AND flow IS NOT NULL AND amount IS NOT NULL AND day <= $last_day AND {undated}
),
of_players AS (
    SELECT of_group, player, day, sum(gained) AS gained, sum(spent) AS spent FROM flows GROUP BY of_group, player, day
),
held AS (
    SELECT of_group, day, gained, spent,
        sum(gained - spent) OVER (PARTITION BY of_group, player ORDER BY day) AS holding
    FROM of_players
),
days AS (
    SELECT of_group, day, sum(gained) AS source, sum(spent) AS sink, count(*) AS players, avg(holding) AS mean_holding,
        p50(holding) AS median_holding
    FROM held GROUP BY of_group, day
)
SELECT currency, day, source, sink, sum(source - sink) OVER (PARTITION BY days.of_group ORDER BY day) AS balance, players,
    mean_holding, median_holding
FROM days JOIN groups ON groups.name_key = days.of_group
ORDER BY currency, day
