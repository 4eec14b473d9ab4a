-- The sessions that sent something last, newest first. Times are seconds since 1970; a session without a session_end
-- has the length between its first and its last event.
WITH newest AS (SELECT * FROM sessions ORDER BY received_at DESC, session DESC LIMIT $limit)
SELECT session_id, game_key, coalesce(user_id, ''), coalesce(session_num, 0), platform, build,
    toUnixTimestamp(newest.first_at),
    coalesce(length, toUnixTimestamp(last_at) - toUnixTimestamp(newest.first_at)),
    length IS NOT NULL, received_at, events, crashed
FROM newest
    JOIN games ON games.game = newest.game
    JOIN contexts ON contexts.context = newest.context
    LEFT JOIN players ON players.player = newest.player
ORDER BY received_at DESC, session DESC
