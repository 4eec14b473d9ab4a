-- Events in the order of the players' clocks, the newest first: a page of them, which begins with an event.
-- Counted are the events of players in the range.
-- Source: this project; it is the list of events as they were sent.
WITH steps AS MATERIALIZED (
    SELECT id, client_ts, player, session, context, name_key, category, status, flow, severity, value, score, amount, length,
        fps
    FROM events
    WHERE player IS NOT NULL AND {filters} AND ($session = 0 OR session = $session)
        AND ($newest = 0 OR client_ts <= (SELECT max(client_ts) FROM events WHERE id = $newest))
    ORDER BY client_ts DESC, id DESC LIMIT $most
)
SELECT steps.id, steps.client_ts, user_id, session_id, session_num, build, steps.category, status, flow, severity, name,
    coalesce(value, score, amount, CAST(steps.length AS DOUBLE), fps) AS number, currency
FROM steps
    JOIN contexts ON contexts.context = steps.context
    JOIN (SELECT player, user_id FROM players WHERE player IN (SELECT player FROM steps)) AS whose
        ON whose.player = steps.player
    LEFT JOIN (
        SELECT session, session_id, session_num FROM sessions WHERE session IN (SELECT session FROM steps)
    ) AS stays ON stays.session = steps.session
    LEFT JOIN names ON names.name_key = steps.name_key
ORDER BY steps.client_ts DESC, steps.id DESC
