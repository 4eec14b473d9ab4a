-- What metrics ask, under the names and with the columns of schema.sql of the warehouse, which says what each one has.
--
-- The tables are filled by ClickHouse itself, from each block of events. They have nothing that adds up: minima, maxima,
-- and sets of events by hash, whose size is asked. A copy of an event changes none of these, in whichever block it comes,
-- and a table can be filled again from the events at any time. Views that add up read events with FINAL.
--
-- `event_day` is in all views that have filters, for `clickhouse.py` of the warehouse: it finds the events of a range by it.

CREATE TABLE ga_players (  -- outlives the events
    player   UInt64,
    game     UInt64,
    user_id  String,
    first_at SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    paid_at  SimpleAggregateFunction(min, Nullable(DateTime64(6, 'UTC')))
) ENGINE = AggregatingMergeTree() ORDER BY (player, game, user_id);

CREATE MATERIALIZED VIEW ga_players_fill TO ga_players AS
SELECT assumeNotNull(player) AS player, game, user_id, min(client_ts) AS first_at,
    minOrNullIf(client_ts, category = 'business') AS paid_at
FROM ga_events WHERE user_id != '' GROUP BY player, game, user_id;

CREATE TABLE ga_games (
    game     UInt64,
    game_key String,
    first_id SimpleAggregateFunction(min, Int64)
) ENGINE = AggregatingMergeTree() ORDER BY (game, game_key);

CREATE MATERIALIZED VIEW ga_games_fill TO ga_games AS
SELECT game, game_key, min(id) AS first_id FROM ga_events GROUP BY game, game_key;

CREATE TABLE ga_contexts (
    context UInt64, build String, platform String, os_version String, device String, custom_01 String, custom_02 String,
    custom_03 String, ab_id String, ab_variant_id String, country_code String, sent_by String, who String,
    first_id SimpleAggregateFunction(min, Int64)
) ENGINE = AggregatingMergeTree() ORDER BY (context, build, platform, os_version, device, custom_01, custom_02, custom_03,
    ab_id, ab_variant_id, country_code, sent_by, who);

CREATE MATERIALIZED VIEW ga_contexts_fill TO ga_contexts AS
SELECT context, build, platform, os_version, device, custom_01, custom_02, custom_03, ab_id, ab_variant_id, country_code,
    sent_by, who_told AS who, min(id) AS first_id
FROM ga_events GROUP BY context, build, platform, os_version, device, custom_01, custom_02, custom_03, ab_id,
    ab_variant_id, country_code, sent_by, who;

CREATE TABLE ga_names (
    category    String,
    name_key    UInt64,
    name        String,
    currency    String,
    fingerprint String,    -- made here, as it takes the longest
    first_id    SimpleAggregateFunction(min, Int64)
) ENGINE = AggregatingMergeTree() ORDER BY (category, name_key, name, currency, fingerprint);

-- See projection.sql of the warehouse for the fingerprint of an error.
CREATE MATERIALIZED VIEW ga_names_fill TO ga_names AS
WITH replaceRegexpAll(if(category = 'error', replaceRegexpOne(name, '(?s)^.*Traceback \\(most recent call last\\):', ''),
        ''), '(?m)^([ \t|]*File ")[^"\n]*[/\\\\]', '\\1') AS trace,
    arraySlice(extractAll(replaceRegexpAll(trace, '", line \\d+, in ', '", in '),
        '(?m)^[ \t|]*File "([^"\n]+", (?:in [^\n]+(?:\n[ \t|]*    [^\\s~^][^\n]*)?|line \\d+))'), -5) AS calls,
    extract(extract(trace, '(?s)^(?:.*\n)?[ \t|]*File "[^\n]*\n(.*)$'), '(?m)^([^\\s:][^:\n]*)') AS raised_class
SELECT category, name_key, name, currency,
    multiIf(category != 'error', '', length(calls) > 0,
        substring(lower(hex(MD5(concat(raised_class, '\n', arrayStringConcat(calls, '\n'))))), 1, 16),
        substring(lower(hex(MD5(concat('text:', name)))), 1, 16)) AS fingerprint,
    min(id) AS first_id
FROM (
    SELECT category, assumeNotNull(name_key) AS name_key, assumeNotNull(name) AS name, currency, id
    FROM ga_events WHERE name IS NOT NULL
)
GROUP BY category, name_key, name, currency, fingerprint;

CREATE TABLE ga_presence (  -- see the table presence of the warehouse
    day         Date,
    hour        UInt8,
    player      UInt64,
    context     UInt64,
    game        UInt64,
    who         SimpleAggregateFunction(any, Nullable(Enum8('player', 'developer', 'bot'))),
    received_us SimpleAggregateFunction(max, Int64)  -- of the newest event, here and below: rows become too old with it
) ENGINE = AggregatingMergeTree() PARTITION BY toYYYYMM(day) ORDER BY (day, player, hour, context, game);

CREATE MATERIALIZED VIEW ga_presence_fill TO ga_presence AS
SELECT toDate(client_ts, '{timezone}') AS day, toHour(client_ts, '{timezone}') AS hour, assumeNotNull(player) AS player,
    context, game, any(who) AS who, max(received_us) AS received_us
FROM ga_events WHERE user_id != '' GROUP BY day, hour, player, context, game;

CREATE TABLE ga_sessions (  -- what a player did in a session: one of them, but for sessions of several players
    session     UInt64,
    player      UInt64,    -- 0 for events without one
    game        SimpleAggregateFunction(any, UInt64),
    session_id  SimpleAggregateFunction(any, String),
    session_num AggregateFunction(argMin, Nullable(Int64), DateTime64(6, 'UTC')),
    context     AggregateFunction(argMin, UInt64, DateTime64(6, 'UTC')),
    who         AggregateFunction(argMin, Nullable(Enum8('player', 'developer', 'bot')), DateTime64(6, 'UTC')),
    first_at    SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    last_at     SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    received_us SimpleAggregateFunction(max, Int64),
    length      SimpleAggregateFunction(max, Nullable(Int64)),
    errored     SimpleAggregateFunction(max, UInt8),
    crashed     SimpleAggregateFunction(max, UInt8),
    events      AggregateFunction(uniqExact, UInt64),
    INDEX by_player player TYPE bloom_filter GRANULARITY 1
) ENGINE = AggregatingMergeTree() ORDER BY (session, player);

CREATE MATERIALIZED VIEW ga_sessions_fill TO ga_sessions AS
SELECT assumeNotNull(e.session) AS session, ifNull(e.player, 0) AS player, any(e.game) AS game,
    any(e.session_id) AS session_id, argMinState(e.session_num, e.client_ts) AS session_num,
    argMinState(e.context, e.client_ts) AS context, argMinState(e.who, e.client_ts) AS who, min(e.client_ts) AS first_at,
    max(e.client_ts) AS last_at, max(e.received_us) AS received_us, max(e.length) AS length,
    max(e.category = 'error') AS errored, max(ifNull(e.severity = 'critical', 0)) AS crashed,
    uniqExactState(cityHash64(e.category, e.event_day, e.event_uuid)) AS events
FROM ga_events AS e WHERE e.session_id != '' GROUP BY session, player;

CREATE TABLE ga_visits (  -- see the table visits of the warehouse
    player       UInt64,
    name_key     UInt64,
    day          Date,
    context      UInt64,
    game         UInt64,
    first_at     SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    first_id     SimpleAggregateFunction(min, Int64),
    started      SimpleAggregateFunction(groupUniqArrayArray, Array(UInt64)),  -- the events
    failed       SimpleAggregateFunction(groupUniqArrayArray, Array(UInt64)),
    completed    SimpleAggregateFunction(groupUniqArrayArray, Array(UInt64)),
    completed_at SimpleAggregateFunction(min, Nullable(DateTime64(6, 'UTC'))),
    completed_id SimpleAggregateFunction(min, Nullable(Int64)),
    attempt_num  AggregateFunction(argMin, Nullable(Int64), DateTime64(6, 'UTC')),
    who          SimpleAggregateFunction(any, Nullable(Enum8('player', 'developer', 'bot'))),
    received_us  SimpleAggregateFunction(max, Int64)
) ENGINE = AggregatingMergeTree() ORDER BY (player, name_key, day, context, game);

CREATE MATERIALIZED VIEW ga_visits_fill TO ga_visits AS
SELECT assumeNotNull(e.player) AS player, assumeNotNull(e.name_key) AS name_key,
    toDate(e.client_ts, '{timezone}') AS day, e.context AS context, e.game AS game, min(e.client_ts) AS first_at,
    min(e.id) AS first_id,
    groupUniqArrayIf(cityHash64(e.event_day, e.event_uuid), e.status = 'Start') AS started,
    groupUniqArrayIf(cityHash64(e.event_day, e.event_uuid), e.status = 'Fail') AS failed,
    groupUniqArrayIf(cityHash64(e.event_day, e.event_uuid), e.status = 'Complete') AS completed,
    minOrNullIf(e.client_ts, ifNull(e.status = 'Complete', 0)) AS completed_at,
    minOrNullIf(e.id, ifNull(e.status = 'Complete', 0)) AS completed_id,
    argMinState(if(ifNull(e.status = 'Complete', 0), ifNull(e.attempt_num, 0), NULL), e.client_ts) AS attempt_num,
    any(e.who) AS who, max(e.received_us) AS received_us
FROM ga_events AS e WHERE e.category = 'progression' AND e.user_id != '' AND e.name_key IS NOT NULL
GROUP BY player, name_key, day, context, game;

CREATE OR REPLACE VIEW games AS SELECT game, game_key FROM ga_games GROUP BY game, game_key;

CREATE OR REPLACE VIEW contexts AS
SELECT context, build, platform, os_version, device, custom_01, custom_02, custom_03, ab_id, ab_variant_id, country_code,
    sent_by, who, min(ga_contexts.first_id) AS first_id
FROM ga_contexts GROUP BY context, build, platform, os_version, device, custom_01, custom_02, custom_03, ab_id,
    ab_variant_id, country_code, sent_by, who;

CREATE OR REPLACE VIEW names AS
SELECT name_key, category, name, currency,
    multiIf(category = 'resource', splitByChar(':', name)[2], category = 'business', splitByChar(':', name)[1], '')
        AS item_type,
    multiIf(category = 'resource', splitByChar(':', name)[3], category = 'business', splitByChar(':', name)[2], '')
        AS item_id,
    fingerprint, min(ga_names.first_id) AS first_id
FROM ga_names GROUP BY name_key, category, name, currency, fingerprint;

CREATE OR REPLACE VIEW players AS
SELECT player, game, user_id, first_at, toDate(first_at, '{timezone}') AS first_day,
    toHour(first_at, '{timezone}') AS first_hour, paid_at, toDate(paid_at, '{timezone}') AS paid_day
FROM (
    SELECT player, game, user_id, CAST(min(ga_players.first_at) AS DateTime64(6, 'UTC')) AS first_at,
        CAST(min(ga_players.paid_at) AS Nullable(DateTime64(6, 'UTC'))) AS paid_at
    FROM ga_players GROUP BY player, game, user_id
);

CREATE OR REPLACE VIEW events AS
SELECT id, game, player, session, context, client_ts, toDate(client_ts, '{timezone}') AS day,
    toHour(client_ts, '{timezone}') AS hour, category, name_key, status, flow, severity, value, score, attempt_num, seconds,
    hitches, amount, cart, length, fps, frame_ms_p99, mem_mb, custom_fields, who, event_day
FROM ga_events FINAL;

CREATE OR REPLACE VIEW sessions AS
SELECT session, game, session_id, player, session_num, first_at, last_at, received_at,
    toDate(first_at, '{timezone}') AS day, toHour(first_at, '{timezone}') AS hour, context, length, errored, crashed,
    events, who, toDate(0) AS event_day
FROM (
    SELECT s.session AS session, any(s.game) AS game, any(s.session_id) AS session_id,
        argMinOrNullIf(s.player, s.first_at, s.player != 0) AS player, argMinOrNull(finalizeAggregation(s.session_num), s.first_at) AS session_num,
        CAST(min(s.first_at) AS DateTime64(6, 'UTC')) AS first_at, CAST(max(s.last_at) AS DateTime64(6, 'UTC')) AS last_at,
        max(s.received_us) / 1e6 AS received_at, argMin(finalizeAggregation(s.context), s.first_at) AS context,
        CAST(max(s.length) AS Nullable(Int64)) AS length, CAST(max(s.errored) AS Bool) AS errored,
        CAST(max(s.crashed) AS Bool) AS crashed, CAST(sum(finalizeAggregation(s.events)) AS Int64) AS events,
        argMinOrNull(finalizeAggregation(s.who), s.first_at) AS who
    FROM ga_sessions AS s FINAL GROUP BY s.session
);

CREATE OR REPLACE VIEW presence AS
SELECT player, game, context, day, hour, CAST(who AS Nullable(Enum8('player', 'developer', 'bot'))) AS who,
    toDate(0) AS event_day
FROM ga_presence FINAL;

CREATE OR REPLACE VIEW visits AS
SELECT player, game, context, day, name_key, first_at, starts, fails, completes, completed_at, attempt_num, who,
    toDate(0) AS event_day,
    CAST(completes > 0 AND row_number() OVER (PARTITION BY player, name_key, completes > 0 ORDER BY completed_id, day) > 1
        AS Bool) AS is_repeat,
    CAST(dense_rank() OVER (PARTITION BY player ORDER BY earliest) AS Int64) AS place
FROM (
    SELECT v.player AS player, v.game AS game, v.context AS context, v.day AS day, v.name_key AS name_key,
        CAST(v.first_at AS DateTime64(6, 'UTC')) AS first_at, CAST(length(v.started) AS Int64) AS starts,
        CAST(length(v.failed) AS Int64) AS fails, CAST(length(v.completed) AS Int64) AS completes,
        CAST(v.completed_at AS Nullable(DateTime64(6, 'UTC'))) AS completed_at,
        CAST(v.completed_id AS Nullable(Int64)) AS completed_id, finalizeAggregation(v.attempt_num) AS attempt_num,
        CAST(v.who AS Nullable(Enum8('player', 'developer', 'bot'))) AS who,
        min(v.first_id) OVER (PARTITION BY v.player, v.name_key) AS earliest
    FROM ga_visits AS v FINAL
);

CREATE OR REPLACE VIEW balances AS
SELECT assumeNotNull(e.player) AS player, e.game AS game, e.context AS context,
    toDate(e.client_ts, '{timezone}') AS day, CAST(e.currency AS String) AS currency,
    sum(if(e.flow = 'Source', ifNull(e.amount, 0.), 0.)) AS gained, sum(if(e.flow = 'Sink', ifNull(e.amount, 0.), 0.)) AS spent,
    CAST(countIf(e.flow = 'Source') AS Int64) AS sources, CAST(countIf(e.flow = 'Sink') AS Int64) AS sinks,
    any(e.who) AS who, toDate(0) AS event_day
FROM ga_events AS e FINAL WHERE e.category = 'resource' AND e.user_id != '' AND e.flow IS NOT NULL
GROUP BY e.player, e.game, e.context, day, e.currency;

CREATE OR REPLACE VIEW progression_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, event_day, status,
    score, attempt_num, seconds, hitches
FROM events WHERE category = 'progression';

CREATE OR REPLACE VIEW resource_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, event_day, flow, amount
FROM events WHERE category = 'resource';

CREATE OR REPLACE VIEW design_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, event_day, value
FROM events WHERE category = 'design';

CREATE OR REPLACE VIEW business_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, event_day, amount, cart
FROM events WHERE category = 'business';

CREATE OR REPLACE VIEW error_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, event_day, severity
FROM events WHERE category = 'error';

CREATE OR REPLACE VIEW health_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, event_day, fps, frame_ms_p99, mem_mb
FROM events WHERE category = 'health';

CREATE OR REPLACE VIEW other_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, event_day, category, length
FROM events WHERE category NOT IN ('progression', 'resource', 'design', 'business', 'error', 'health');
