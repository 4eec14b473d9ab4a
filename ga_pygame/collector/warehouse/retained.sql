-- Makes the tables that are sums of events anew after old events were removed.
DELETE FROM presence;

INSERT INTO presence SELECT DISTINCT player, game, context, day, hour, who FROM events WHERE player IS NOT NULL;

CREATE OR REPLACE TEMP TABLE reached AS
SELECT player, name_key, min(place) AS place FROM visits GROUP BY player, name_key;

DELETE FROM visits;

INSERT INTO visits
SELECT player, game, context, day, name_key, min(client_ts), countIf(status = 'Start'), countIf(status = 'Fail'),
    countIf(status = 'Complete'), minIf(client_ts, status = 'Complete'),
    arg_min(coalesce(attempt_num, 0), client_ts) FILTER (status = 'Complete'), any_value(who),
    countIf(status = 'Complete') > 0 AND row_number() OVER (PARTITION BY player, name_key, countIf(status = 'Complete') > 0
        ORDER BY day, context) > 1, any_value(place)
FROM progression_events JOIN reached USING (player, name_key) GROUP BY player, game, context, day, name_key;

DROP TABLE reached;

DELETE FROM balances;

INSERT INTO balances
SELECT player, game, context, day, currency, coalesce(sumIf(amount, flow = 'Source'), 0),
    coalesce(sumIf(amount, flow = 'Sink'), 0), countIf(flow = 'Source'), countIf(flow = 'Sink'), any_value(who)
FROM resource_events JOIN names USING (name_key) WHERE player IS NOT NULL AND flow IS NOT NULL
GROUP BY player, game, context, day, currency;
