-- Turns new requests of the log into rows, in one transaction, statement by statement. The first has parameters: the
-- file of events, and the first id, number of events, game and time of arrival of each request in it. The second has
-- the custom field that says who plays and, if it is not UTC, the time zone.

CREATE OR REPLACE TEMP TABLE sent AS
WITH requests AS (
    SELECT unnest($first_ids) AS first_id, unnest($numbers) AS number, unnest($games) AS game,
        unnest($received) AS received_at
),
numbered AS (
    SELECT first_id, unnest(range(first_id, first_id + number)) AS id, game, received_at FROM requests
)
SELECT numbered.*, events.* FROM numbered POSITIONAL JOIN read_json($path, format = 'array',
    maximum_object_size = {longest}, columns = {columns}) AS events;

CREATE OR REPLACE TEMP TABLE came AS
WITH told AS (
    SELECT first_id, floor(any_value(received_at))::BIGINT AS arrived, max(TRY_CAST(client_ts AS BIGINT)) AS newest,
        min(TRY_CAST(client_ts AS BIGINT)) AS oldest
    FROM sent GROUP BY first_id
),
clocks AS (
    -- A request cannot tell of the future. If its newest event is later than its arrival, the player's clock is ahead,
    -- and all its times are moved back by the difference. If its events are years apart, some times are nonsense
    -- instead: those after the arrival become the arrival, the others stay.
    SELECT first_id, arrived, CASE WHEN newest - oldest < 366 * 86400 THEN greatest(0, newest - arrived) ELSE 0 END
        AS ahead
    FROM told
),
timed AS (
    SELECT *, make_timestamp(coalesce(least(TRY_CAST(client_ts AS BIGINT) - ahead, arrived), arrived) * 1000000
        + id % 1000000) AS moment
    FROM sent JOIN clocks USING (first_id)
),
dated AS (
    SELECT *, {here} AS here,
        CASE WHEN category = 'health' THEN TRY_CAST(fps_data_table AS BIGINT[]) END AS seconds_by_fps
    FROM timed
),
measured AS (
    -- Official SDKs send the seconds at 0, 1, … frames a second, once a session. They become the figures that this
    -- tracker sends: the mean rate, and the frame time that all but the slowest 1 % of the seconds keep.
    SELECT *, CASE WHEN len(seconds_by_fps) > 1 AND list_count(seconds_by_fps) = len(seconds_by_fps)
        AND list_min(seconds_by_fps) >= 0 AND list_sum(seconds_by_fps) > 0 THEN seconds_by_fps END AS fps_table
    FROM dated
)
SELECT
    id, game, user_id, session_id, TRY_CAST(session_num AS BIGINT) AS session_num,
    moment AS client_ts, here::DATE AS day, hour(here)::UTINYINT AS hour, category::category AS category,
    coalesce(build, '') AS build, coalesce(platform, '') AS platform, coalesce(os_version, '') AS os_version,
    coalesce(device, '') AS device, coalesce(custom_01, '') AS custom_01, coalesce(custom_02, '') AS custom_02,
    coalesce(custom_03, '') AS custom_03, coalesce(ab_id, '') AS ab_id, coalesce(ab_variant_id, '') AS ab_variant_id,
    coalesce(nullif(json_extract_string(custom_fields, $who_path), ''), 'player') AS who,
    CASE WHEN category = 'progression' THEN TRY_CAST(split_part(event_id, ':', 1) AS status) END AS status,
    CASE WHEN category = 'resource' THEN TRY_CAST(split_part(event_id, ':', 1) AS flow) END AS flow,
    CASE WHEN category = 'error' THEN TRY_CAST(severity AS severity) END AS severity,
    CASE category
        WHEN 'progression' THEN substr(event_id, strpos(event_id, ':') + 1)
        WHEN 'resource' THEN substr(event_id, strpos(event_id, ':') + 1)
        WHEN 'error' THEN message
        WHEN 'ads' THEN concat_ws(':', ad_action, ad_type, ad_placement)
        WHEN 'sdk_error' THEN concat_ws(':', error_category, error_area, error_action)
        ELSE event_id END AS name,
    CASE category WHEN 'resource' THEN split_part(event_id, ':', 2) WHEN 'business' THEN coalesce(currency, '')
        ELSE '' END AS currency,
    CASE category WHEN 'resource' THEN split_part(event_id, ':', 3) WHEN 'business' THEN split_part(event_id, ':', 1)
        ELSE '' END AS item_type,
    CASE category WHEN 'resource' THEN split_part(event_id, ':', 4) WHEN 'business' THEN split_part(event_id, ':', 2)
        ELSE '' END AS item_id,
    CASE WHEN category = 'design' THEN TRY_CAST(value AS DOUBLE) END AS value,
    CASE WHEN category = 'progression' THEN TRY_CAST(score AS DOUBLE) END AS score,
    CASE WHEN category = 'progression' THEN TRY_CAST(attempt_num AS BIGINT) END AS attempt_num,
    CASE WHEN category = 'progression' THEN TRY_CAST(json_extract_string(custom_fields, '$.seconds') AS DOUBLE) END
        AS seconds,
    CASE category WHEN 'business' THEN TRY_CAST(amount AS DOUBLE)
        WHEN 'resource' THEN abs(TRY_CAST(amount AS DOUBLE)) END AS amount,
    CASE WHEN category = 'business' THEN cart_type END AS cart,
    CASE WHEN category = 'session_end' THEN TRY_CAST(length AS BIGINT) END AS length,
    CASE WHEN fps_table IS NOT NULL
            THEN list_inner_product(fps_table::DOUBLE[], range(len(fps_table))::DOUBLE[]) / list_sum(fps_table)
        WHEN category = 'health' THEN TRY_CAST(fps AS DOUBLE) END AS fps,
    CASE WHEN fps_table IS NOT NULL
            THEN 1000.0 / greatest(list_filter(range(len(fps_table)),
                lambda rate: list_sum(fps_table[1:rate + 1]) >= 0.01 * list_sum(fps_table))[1], 1)
        WHEN category = 'health' THEN TRY_CAST(frame_ms_p99 AS DOUBLE) END AS frame_ms_p99,
    CASE WHEN category = 'health' THEN TRY_CAST(mem_mb AS DOUBLE) END AS mem_mb,
    nullif(custom_fields::VARCHAR, '{}') AS custom_fields
FROM measured;

INSERT INTO contexts
SELECT (SELECT coalesce(max(context), 0) FROM contexts) + row_number() OVER (ORDER BY min(id)), {context}
FROM came ANTI JOIN contexts USING ({context}) GROUP BY {context};

INSERT INTO names
WITH fresh AS (
    SELECT (SELECT coalesce(max(name_key), 0) FROM names) + row_number() OVER (ORDER BY min(id)) AS name_key, {name}
    FROM came ANTI JOIN names USING ({name}) WHERE name IS NOT NULL GROUP BY {name}
),
-- The fingerprint of an error: of a Python traceback the class of the exception and its five innermost calls (file
-- without folders, and line), as the tracker tells errors apart; of any other text the whole text.
raised AS (
    -- the last traceback, since causes stand before it, with files instead of paths
    SELECT *, CASE WHEN category = 'error' THEN regexp_replace(regexp_replace(name,
        '(?s)^.*Traceback \(most recent call last\):', ''), '(?m)^([ \t|]*File ")[^"\n]*[/\\]', '\1', 'g') END AS trace
    FROM fresh
),
placed AS (
    SELECT *, regexp_extract_all(trace, '(?m)^[ \t|]*File "([^"\n]+", line \d+)', 1)[-5:] AS calls,
        regexp_extract(regexp_extract(trace, '(?s)^(?:.*\n)?[ \t|]*File "[^\n]*\n(.*)$', 1), '(?m)^([^\s:][^:\n]*)', 1)
            AS raised_class
    FROM raised
)
SELECT name_key, {name}, CASE WHEN category <> 'error' THEN ''
    WHEN len(calls) > 0 THEN substr(md5(raised_class || chr(10) || array_to_string(calls, chr(10))), 1, 16)
    ELSE substr(md5('text:' || name), 1, 16) END
FROM placed;

INSERT INTO players
SELECT (SELECT coalesce(max(player), 0) FROM players) + row_number() OVER (ORDER BY min(id)), game, user_id,
    min(client_ts), min(day), arg_min(hour, client_ts), NULL, NULL
FROM came ANTI JOIN players USING (game, user_id) WHERE user_id IS NOT NULL GROUP BY game, user_id;

CREATE OR REPLACE TEMP TABLE keyed AS
SELECT came.* EXCLUDE ({context}, name, currency, item_type, item_id), context, name_key, player
FROM came
    JOIN contexts USING ({context})
    LEFT JOIN names USING ({name})
    LEFT JOIN players USING (game, user_id);

UPDATE players SET first_at = earlier.client_ts, first_day = earlier.day, first_hour = earlier.hour
FROM (SELECT player, min(client_ts) AS client_ts, min(day) AS day, arg_min(hour, client_ts) AS hour FROM keyed GROUP BY player) AS earlier
WHERE players.player = earlier.player AND earlier.client_ts < players.first_at;

UPDATE players SET paid_at = paid.client_ts, paid_day = paid.day
FROM (SELECT player, min(client_ts) AS client_ts, min(day) AS day FROM keyed WHERE category = 'business' GROUP BY player) AS paid
WHERE players.player = paid.player AND (players.paid_at IS NULL OR paid.client_ts < players.paid_at);

CREATE OR REPLACE TEMP TABLE going AS
SELECT game, session_id, arg_min(player, client_ts) AS player, arg_min(session_num, client_ts) AS session_num,
    min(client_ts) AS first_at, max(client_ts) AS last_at, min(day) AS day, arg_min(hour, client_ts) AS hour,
    arg_min(context, client_ts) AS context, max(length) AS length,
    bool_or(category = 'error') AS errored, bool_or(coalesce(severity = 'critical', false)) AS crashed,
    count(*) AS events, min(id) AS first_id
FROM keyed WHERE session_id IS NOT NULL GROUP BY game, session_id;

UPDATE sessions SET
    player = CASE WHEN going.first_at < sessions.first_at THEN going.player ELSE sessions.player END,
    session_num = CASE WHEN going.first_at < sessions.first_at THEN going.session_num ELSE sessions.session_num END,
    day = least(sessions.day, going.day),
    hour = CASE WHEN going.first_at < sessions.first_at THEN going.hour ELSE sessions.hour END,
    context = CASE WHEN going.first_at < sessions.first_at THEN going.context ELSE sessions.context END,
    first_at = least(sessions.first_at, going.first_at),
    last_at = greatest(sessions.last_at, going.last_at),
    length = greatest(sessions.length, going.length),
    errored = sessions.errored OR going.errored,
    crashed = sessions.crashed OR going.crashed,
    events = sessions.events + going.events
FROM going WHERE sessions.game = going.game AND sessions.session_id = going.session_id;

INSERT INTO sessions
SELECT (SELECT coalesce(max(session), 0) FROM sessions) + row_number() OVER (ORDER BY first_id), game, session_id,
    player, session_num, first_at, last_at, day, hour, context, length, errored, crashed, events
FROM going ANTI JOIN sessions USING (game, session_id);

INSERT INTO events
SELECT id, keyed.game, keyed.player, session, keyed.context, client_ts, keyed.day, keyed.hour, category, name_key, status,
    flow, severity, value, score, attempt_num, seconds, amount, cart, keyed.length, fps, frame_ms_p99, mem_mb,
    custom_fields
FROM keyed LEFT JOIN sessions USING (game, session_id)
ORDER BY id;
