-- Turns the new events of the temporary table `sent` into rows, in one transaction, statement by statement. Those with
-- {here} have the time zone as a parameter if it is not UTC.

-- A request cannot tell of the future. If its newest event is later than its arrival, the player's clock is ahead,
-- and all its times are moved back by the difference. If its events are years apart, some times are nonsense
-- instead: those after the arrival become the arrival, the others stay.
CREATE OR REPLACE TEMP TABLE clocks AS
SELECT first_id, floor(any_value(received_at))::BIGINT AS arrived,
    CASE WHEN max(told_at) - min(told_at) < 366 * 86400
        THEN greatest(0, max(told_at) - floor(any_value(received_at))::BIGINT) ELSE 0 END AS ahead
FROM sent GROUP BY first_id;

INSERT INTO contexts
WITH met AS (SELECT {context}, min(id) AS id FROM sent GROUP BY {context})
SELECT (SELECT coalesce(max(context), 0) FROM contexts) + row_number() OVER (ORDER BY id), {context}
FROM met ANTI JOIN contexts USING ({context});

INSERT INTO names
WITH met AS (SELECT {name}, min(id) AS id FROM sent WHERE name IS NOT NULL GROUP BY {name}),
fresh AS (
    SELECT (SELECT coalesce(max(name_key), 0) FROM names) + row_number() OVER (ORDER BY id) AS name_key, {name}
    FROM met ANTI JOIN names USING ({name})
),
-- The fingerprint of an error: of a Python traceback the class of the exception and its five innermost calls (file
-- without folders, function, and the line's text, since its number differs from build to build); of any other text the
-- whole text.
raised AS (
    -- the last traceback, since causes stand before it, with files instead of paths
    SELECT *, CASE WHEN category = 'error' THEN regexp_replace(regexp_replace(name,
        '(?s)^.*Traceback \(most recent call last\):', ''), '(?m)^([ \t|]*File ")[^"\n]*[/\\]', '\1', 'g') END AS trace
    FROM fresh
),
placed AS (
    -- a line of code is indented by four spaces; a syntax error has a place without a function
    SELECT *, regexp_extract_all(regexp_replace(trace, '", line \d+, in ', '", in ', 'g'),
        '(?m)^[ \t|]*File "([^"\n]+", (?:in [^\n]+(?:\n[ \t|]*    [^\s~^][^\n]*)?|line \d+))', 1)[-5:] AS calls,
        regexp_extract(regexp_extract(trace, '(?s)^(?:.*\n)?[ \t|]*File "[^\n]*\n(.*)$', 1), '(?m)^([^\s:][^:\n]*)', 1)
            AS raised_class
    FROM raised
)
SELECT name_key, {name},
    CASE category WHEN 'resource' THEN split_part(name, ':', 2) WHEN 'business' THEN split_part(name, ':', 1)
        ELSE '' END,
    CASE category WHEN 'resource' THEN split_part(name, ':', 3) WHEN 'business' THEN split_part(name, ':', 2)
        ELSE '' END,
    CASE WHEN category <> 'error' THEN ''
        WHEN len(calls) > 0 THEN substr(md5(raised_class || chr(10) || array_to_string(calls, chr(10))), 1, 16)
        ELSE substr(md5('text:' || name), 1, 16) END
FROM placed;

CREATE OR REPLACE TEMP TABLE met AS
WITH timed AS (SELECT id, sent.game AS game, user_id, category, {moment} AS moment
    FROM sent JOIN clocks ON clocks.first_id = sent.first_id WHERE user_id IS NOT NULL),
earliest AS (
    SELECT game, user_id, min(id) AS id, min(moment) AS moment, min(moment) FILTER (category = 'business') AS paid_at
    FROM timed GROUP BY game, user_id
),
dated AS (SELECT *, {here} AS here FROM earliest),
bought AS (SELECT * RENAME (moment AS first_at, paid_at AS moment) FROM dated)
SELECT game, user_id, id, first_at, here::DATE AS first_day, hour(here)::UTINYINT AS first_hour, moment AS paid_at,
    CAST({here} AS DATE) AS paid_day
FROM bought;

UPDATE players SET first_at = met.first_at, first_day = met.first_day, first_hour = met.first_hour
FROM met WHERE players.user_id = met.user_id AND players.game = met.game AND met.first_at < players.first_at;

UPDATE players SET paid_at = met.paid_at, paid_day = met.paid_day
FROM met WHERE players.user_id = met.user_id AND players.game = met.game
    AND (met.paid_at < players.paid_at OR players.paid_at IS NULL) AND met.paid_at IS NOT NULL;

INSERT INTO players
SELECT (SELECT coalesce(max(player), 0) FROM players) + row_number() OVER (ORDER BY id), game, user_id, first_at,
    first_day, first_hour, paid_at, paid_day
FROM met ANTI JOIN players USING (game, user_id);

CREATE OR REPLACE TEMP TABLE keyed AS
WITH timed AS (
    SELECT sent.* EXCLUDE (first_id, told_at, fps_data_table, {context}, name, currency, user_id), context, name_key, player, TRY_CAST(who AS who_plays) AS played_by, {moment} AS moment
    FROM sent
        JOIN clocks ON clocks.first_id = sent.first_id
        JOIN contexts USING ({context})
        LEFT JOIN names USING ({name})
        LEFT JOIN players USING (game, user_id)
),
dated AS (SELECT *, {here} AS here FROM timed)
SELECT * EXCLUDE (moment, here) RENAME (played_by AS who), moment AS client_ts, here::DATE AS day, hour(here)::UTINYINT AS hour FROM dated;

INSERT INTO presence
WITH met AS (SELECT DISTINCT player, game, context, day, hour, who FROM keyed WHERE player IS NOT NULL)
SELECT * FROM met ANTI JOIN presence USING (player, game, context, day, hour);

-- The place of each level that a player met: the one it has, or the next ones in the order of arrival.
CREATE OR REPLACE TEMP TABLE reached AS
WITH met AS (
    SELECT player, name_key, min(id) AS id FROM keyed
    WHERE category = 'progression' AND player IS NOT NULL AND name_key IS NOT NULL GROUP BY player, name_key
),
known AS (
    SELECT player, name_key, min(place) AS place, bool_or(completes > 0) AS is_completed FROM visits WHERE player IN (SELECT player FROM met)
    GROUP BY player, name_key
),
furthest AS (SELECT player, max(place) AS place FROM known GROUP BY player)
SELECT met.player, met.name_key, coalesce(known.place, coalesce(furthest.place, 0)
    + row_number() OVER (PARTITION BY met.player, known.place IS NULL ORDER BY id)) AS place, coalesce(is_completed, false) AS is_completed
FROM met
    LEFT JOIN known ON known.player = met.player AND known.name_key = met.name_key
    LEFT JOIN furthest ON furthest.player = met.player;

CREATE OR REPLACE TEMP TABLE visiting AS
SELECT player, game, context, day, name_key, min(client_ts) AS first_at, countIf(status = 'Start') AS starts,
    countIf(status = 'Fail') AS fails, countIf(status = 'Complete') AS completes,
    minIf(client_ts, status = 'Complete') AS completed_at,
    arg_min(coalesce(attempt_num, 0), client_ts) FILTER (status = 'Complete') AS attempt_num, any_value(who) AS who,
    completes > 0 AND (bool_or(is_completed) OR row_number() OVER (PARTITION BY player, name_key, completes > 0
        ORDER BY day, context) > 1) AS is_repeat,
    any_value(place) AS place
FROM keyed JOIN reached USING (player, name_key) WHERE category = 'progression' AND player IS NOT NULL AND name_key IS NOT NULL
GROUP BY player, game, context, day, name_key;

UPDATE visits SET
    first_at = least(visits.first_at, visiting.first_at),
    starts = visits.starts + visiting.starts,
    fails = visits.fails + visiting.fails,
    completes = visits.completes + visiting.completes,
    attempt_num = CASE WHEN visits.completed_at IS NULL OR visiting.completed_at < visits.completed_at
        THEN visiting.attempt_num ELSE visits.attempt_num END,
    is_repeat = visits.is_repeat OR visits.completes = 0 AND visiting.is_repeat,
    completed_at = least(visits.completed_at, visiting.completed_at)
FROM visiting WHERE visits.player = visiting.player AND visits.game = visiting.game
    AND visits.context = visiting.context AND visits.day = visiting.day AND visits.name_key = visiting.name_key;

INSERT INTO visits
SELECT * FROM visiting ANTI JOIN visits USING (player, game, context, day, name_key);

CREATE OR REPLACE TEMP TABLE trading AS
SELECT player, keyed.game AS game, context, day, names.currency AS currency, coalesce(sumIf(amount, flow = 'Source'), 0) AS gained,
    coalesce(sumIf(amount, flow = 'Sink'), 0) AS spent, countIf(flow = 'Source') AS sources, countIf(flow = 'Sink') AS sinks,
    any_value(who) AS who
FROM keyed JOIN names USING (name_key) WHERE keyed.category = 'resource' AND player IS NOT NULL AND flow IS NOT NULL
GROUP BY player, keyed.game, context, day, names.currency;

UPDATE balances SET gained = balances.gained + trading.gained, spent = balances.spent + trading.spent,
    sources = balances.sources + trading.sources, sinks = balances.sinks + trading.sinks
FROM trading WHERE balances.player = trading.player AND balances.game = trading.game
    AND balances.context = trading.context AND balances.day = trading.day AND balances.currency = trading.currency;

INSERT INTO balances
SELECT * FROM trading ANTI JOIN balances USING (player, game, context, day, currency);

-- The sessions with new events: `known` is the key of one that is here already. They are few, so the events are joined
-- in their order.
CREATE OR REPLACE TEMP TABLE going AS
WITH told AS (
    SELECT game, session_id, arg_min(player, client_ts) AS player, arg_min(session_num, client_ts) AS session_num,
        min(client_ts) AS first_at, max(client_ts) AS last_at, max(received_at) AS received_at, min(day) AS day,
        arg_min(hour, client_ts) AS hour, arg_min(context, client_ts) AS context, max(length) AS length,
        bool_or(category = 'error') AS errored, bool_or(coalesce(severity = 'critical', false)) AS crashed,
        count(*) AS events, arg_min(who, client_ts) AS who, min(id) AS first_id
    FROM keyed WHERE session_id IS NOT NULL GROUP BY game, session_id
)
SELECT told.*, session AS known, coalesce(session, (SELECT coalesce(max(session), 0) FROM sessions)
    + row_number() OVER (PARTITION BY session IS NULL ORDER BY first_id)) AS session
FROM told LEFT JOIN (SELECT session, game, session_id FROM sessions) USING (game, session_id);

UPDATE sessions SET
    player = CASE WHEN going.first_at < sessions.first_at THEN going.player ELSE sessions.player END,
    session_num = CASE WHEN going.first_at < sessions.first_at THEN going.session_num ELSE sessions.session_num END,
    day = least(sessions.day, going.day),
    hour = CASE WHEN going.first_at < sessions.first_at THEN going.hour ELSE sessions.hour END,
    context = CASE WHEN going.first_at < sessions.first_at THEN going.context ELSE sessions.context END,
    who = CASE WHEN going.first_at < sessions.first_at THEN going.who ELSE sessions.who END,
    first_at = least(sessions.first_at, going.first_at),
    last_at = greatest(sessions.last_at, going.last_at),
    received_at = greatest(sessions.received_at, going.received_at),
    length = greatest(sessions.length, going.length),
    errored = sessions.errored OR going.errored,
    crashed = sessions.crashed OR going.crashed,
    events = sessions.events + going.events
FROM going WHERE sessions.session = going.known;

INSERT INTO sessions
SELECT session, game, session_id, player, session_num, first_at, last_at, received_at, day, hour, context, length,
    errored, crashed, events, who
FROM going WHERE known IS NULL ORDER BY session;

INSERT INTO progression_events
SELECT {event}, status, score, attempt_num, seconds, hitches
FROM keyed LEFT JOIN going USING (game, session_id) WHERE category = 'progression';

INSERT INTO resource_events
SELECT {event}, flow, amount
FROM keyed LEFT JOIN going USING (game, session_id) WHERE category = 'resource';

INSERT INTO design_events
SELECT {event}, value
FROM keyed LEFT JOIN going USING (game, session_id) WHERE category = 'design';

INSERT INTO business_events
SELECT {event}, amount, cart
FROM keyed LEFT JOIN going USING (game, session_id) WHERE category = 'business';

INSERT INTO error_events
SELECT {event}, severity
FROM keyed LEFT JOIN going USING (game, session_id) WHERE category = 'error';

INSERT INTO health_events
SELECT {event}, fps, frame_ms_p99, mem_mb
FROM keyed LEFT JOIN going USING (game, session_id) WHERE category = 'health';

INSERT INTO other_events
SELECT {event}, category, keyed.length
FROM keyed LEFT JOIN going USING (game, session_id)
WHERE category NOT IN ('progression', 'resource', 'design', 'business', 'error', 'health');

-- The large ones; their memory is for the next requests.
DROP TABLE sent;

DROP TABLE keyed;
