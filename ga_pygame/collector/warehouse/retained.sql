-- Makes the tables that are sums of events anew after old events were removed.
DELETE FROM presence;

INSERT INTO presence SELECT DISTINCT player, game, context, day, hour FROM events WHERE player IS NOT NULL;

DELETE FROM visits;

INSERT INTO visits
SELECT player, game, context, day, name_key, min(client_ts), countIf(status = 'Start'), countIf(status = 'Fail'),
    countIf(status = 'Complete'), minIf(client_ts, status = 'Complete'),
    arg_min(coalesce(attempt_num, 0), client_ts) FILTER (status = 'Complete')
FROM events WHERE category = 'progression' AND player IS NOT NULL AND name_key IS NOT NULL
GROUP BY player, game, context, day, name_key;
