-- What metrics ask, under the names and with the columns of schema.sql of the warehouse, which says what each one has. A
-- copy of an event changes nothing here: the tables have minima only, and the views that add up read with FINAL.

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
    hitches, amount, cart, length, fps, frame_ms_p99, mem_mb, custom_fields, who
FROM ga_events FINAL;

CREATE OR REPLACE VIEW sessions AS
SELECT session, game, session_id, player, session_num, first_at, last_at, received_at, day,
    toHour(first_at, '{timezone}') AS hour, context, length, errored, crashed, events, who
FROM (
    SELECT assumeNotNull(e.session) AS session, any(e.game) AS game, any(e.session_id) AS session_id,
        argMinOrNull(e.player, e.client_ts) AS player, argMinOrNull(e.session_num, e.client_ts) AS session_num,
        min(e.client_ts) AS first_at, max(e.client_ts) AS last_at, max(e.received_us) / 1e6 AS received_at,
        toDate(min(e.client_ts), '{timezone}') AS day, argMin(e.context, e.client_ts) AS context,
        maxOrNull(e.length) AS length, CAST(max(e.category = 'error') AS Bool) AS errored,
        CAST(max(ifNull(e.severity = 'critical', 0)) AS Bool) AS crashed, CAST(count() AS Int64) AS events,
        argMinOrNull(e.who, e.client_ts) AS who
    FROM ga_events AS e FINAL WHERE e.session_id != '' GROUP BY e.session
);

CREATE OR REPLACE VIEW presence AS
SELECT DISTINCT assumeNotNull(e.player) AS player, e.game AS game, e.context AS context,
    toDate(e.client_ts, '{timezone}') AS day, toHour(e.client_ts, '{timezone}') AS hour, e.who AS who
FROM ga_events AS e FINAL WHERE e.user_id != '';

CREATE OR REPLACE VIEW visits AS
SELECT player, game, context, day, name_key, first_at, starts, fails, completes, completed_at, attempt_num, who,
    CAST(completes > 0 AND row_number() OVER (PARTITION BY player, name_key, completes > 0 ORDER BY completed_id, day) > 1
        AS Bool) AS is_repeat,
    CAST(dense_rank() OVER (PARTITION BY player ORDER BY earliest) AS Int64) AS place
FROM (
    SELECT *, min(first_id) OVER (PARTITION BY player, name_key) AS earliest
    FROM (
        SELECT assumeNotNull(e.player) AS player, e.game AS game, e.context AS context,
            toDate(e.client_ts, '{timezone}') AS day, assumeNotNull(e.name_key) AS name_key, min(e.client_ts) AS first_at,
            min(e.id) AS first_id, CAST(countIf(e.status = 'Start') AS Int64) AS starts,
            CAST(countIf(e.status = 'Fail') AS Int64) AS fails,
            CAST(countIf(e.status = 'Complete') AS Int64) AS completes,
            minOrNullIf(e.client_ts, ifNull(e.status = 'Complete', 0)) AS completed_at,
            minOrNullIf(e.id, ifNull(e.status = 'Complete', 0)) AS completed_id,
            argMinOrNullIf(ifNull(e.attempt_num, 0), e.client_ts, ifNull(e.status = 'Complete', 0)) AS attempt_num,
            any(e.who) AS who
        FROM ga_events AS e FINAL WHERE e.category = 'progression' AND e.user_id != '' AND e.name_key IS NOT NULL
        GROUP BY e.player, e.game, e.context, day, e.name_key
    )
);

CREATE OR REPLACE VIEW balances AS
SELECT assumeNotNull(e.player) AS player, e.game AS game, e.context AS context,
    toDate(e.client_ts, '{timezone}') AS day, CAST(e.currency AS String) AS currency,
    sum(if(e.flow = 'Source', ifNull(e.amount, 0.), 0.)) AS gained, sum(if(e.flow = 'Sink', ifNull(e.amount, 0.), 0.)) AS spent,
    CAST(countIf(e.flow = 'Source') AS Int64) AS sources, CAST(countIf(e.flow = 'Sink') AS Int64) AS sinks,
    any(e.who) AS who
FROM ga_events AS e FINAL WHERE e.category = 'resource' AND e.user_id != '' AND e.flow IS NOT NULL
GROUP BY e.player, e.game, e.context, day, e.currency;

CREATE OR REPLACE VIEW progression_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, status, score, attempt_num, seconds, hitches
FROM events WHERE category = 'progression';

CREATE OR REPLACE VIEW resource_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, flow, amount
FROM events WHERE category = 'resource';

CREATE OR REPLACE VIEW design_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, value
FROM events WHERE category = 'design';

CREATE OR REPLACE VIEW business_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, amount, cart
FROM events WHERE category = 'business';

CREATE OR REPLACE VIEW error_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, severity
FROM events WHERE category = 'error';

CREATE OR REPLACE VIEW health_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, fps, frame_ms_p99, mem_mb
FROM events WHERE category = 'health';

CREATE OR REPLACE VIEW other_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, category, length
FROM events WHERE category NOT IN ('progression', 'resource', 'design', 'business', 'error', 'health');
