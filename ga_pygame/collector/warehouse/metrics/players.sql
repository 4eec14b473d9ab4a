-- Players with their sessions, what they reached and paid; those seen last come first.
-- Counted are the players with a session that began in the range: their sessions, the lengths of those with a
-- session_end, and their events in the range: levels with a Complete, errors, purchases by currency in cents (a row
-- for each currency of a player). Of the sessions, those by a server are the ones whose first event a server sent on the
-- player's behalf. The first day is that of a player's first event ever. The A/B test and
-- its group are those of the newest start or end of a session in the range that names a group.
-- Source: Talo (players with playtime); the session's length as GameAnalytics defines it.
WITH stays AS (
    SELECT player, count(*) AS sessions, coalesce(sum(length), 0) AS playtime, max(last_at) AS last_seen,
        countIf(sent_by = 'server') AS by_server
    FROM (SELECT * FROM sessions WHERE player IS NOT NULL AND {filters}) AS begun
        JOIN contexts ON contexts.context = begun.context
    GROUP BY player
),
listed AS MATERIALIZED (
    SELECT stays.player AS player, user_id, game, first_at, last_seen, sessions, playtime, by_server
    FROM stays JOIN players ON players.player = stays.player
    WHERE $search = '' OR position(lowerUTF8($search) IN lowerUTF8(user_id)) > 0
    ORDER BY last_seen DESC, user_id LIMIT $most
),
reached AS (
    SELECT player, uniqExact(name_key) AS levels FROM visits
    WHERE completes > 0 AND player IN (SELECT player FROM listed) AND {filters} GROUP BY player
),
failed AS (
    SELECT player, count(*) AS errors FROM error_events
    WHERE player IN (SELECT player FROM listed) AND {filters} GROUP BY player
),
paid AS (
    SELECT player, currency, count(*) AS purchases, sum(amount) AS cents
    FROM business_events JOIN names ON names.name_key = business_events.name_key
    WHERE player IN (SELECT player FROM listed) AND {filters}
    GROUP BY player, currency
),
tested AS (
    SELECT player, argMax(context, client_ts) AS last_context FROM other_events
    WHERE context IN (SELECT context FROM contexts WHERE ab_variant_id <> '')
        AND player IN (SELECT player FROM listed) AND {filters}
    GROUP BY player
)
SELECT user_id, game_key, first_at, last_seen, sessions, playtime, by_server, coalesce(levels, 0), coalesce(errors, 0),
    coalesce(ab_id, ''), coalesce(ab_variant_id, ''),
    coalesce(currency, ''), coalesce(purchases, 0), coalesce(cents, 0)
FROM listed
    JOIN games ON games.game = listed.game
    LEFT JOIN reached ON reached.player = listed.player
    LEFT JOIN failed ON failed.player = listed.player
    LEFT JOIN tested ON tested.player = listed.player
    LEFT JOIN contexts ON contexts.context = tested.last_context
    LEFT JOIN paid ON paid.player = listed.player
ORDER BY last_seen DESC, user_id, game_key, currency
