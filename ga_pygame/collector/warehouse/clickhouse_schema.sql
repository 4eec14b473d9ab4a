-- The tables of the warehouse in ClickHouse, with the columns of schema.sql, which says what each one has. Keys have 64
-- bits, so that collectors that share the tables can make them as hashes of the texts.

CREATE TABLE games (game UInt64, game_key String) ENGINE = MergeTree ORDER BY game;

CREATE TABLE players (
    player     UInt64,
    game       UInt64,
    user_id    String,
    first_at   DateTime64(6, 'UTC'),
    first_day  Date,
    first_hour UInt8,
    paid_at    Nullable(DateTime64(6, 'UTC')),
    paid_day   Nullable(Date)
) ENGINE = MergeTree ORDER BY player;

CREATE TABLE sessions (
    session     UInt64,
    game        UInt64,
    session_id  String,
    player      Nullable(UInt64),
    session_num Nullable(Int64),
    first_at    DateTime64(6, 'UTC'),
    last_at     DateTime64(6, 'UTC'),
    received_at Float64,
    day         Date,
    hour        UInt8,
    context     UInt64,
    length      Nullable(Int64),
    errored     Bool,
    crashed     Bool,
    events      Int64,
    who         Nullable(Enum8('player', 'developer', 'bot'))
) ENGINE = MergeTree ORDER BY (day, session);

CREATE TABLE presence (
    player  UInt64,
    game    UInt64,
    context UInt64,
    day     Date,
    hour    UInt8,
    who     Nullable(Enum8('player', 'developer', 'bot'))
) ENGINE = MergeTree ORDER BY (day, player);

CREATE TABLE visits (
    player       UInt64,
    game         UInt64,
    context      UInt64,
    day          Date,
    name_key     UInt64,
    first_at     DateTime64(6, 'UTC'),
    starts       Int64,
    fails        Int64,
    completes    Int64,
    completed_at Nullable(DateTime64(6, 'UTC')),
    attempt_num  Nullable(Int64),
    who          Nullable(Enum8('player', 'developer', 'bot')),
    is_repeat    Bool,
    place        Int64
) ENGINE = MergeTree ORDER BY (day, player);

CREATE TABLE balances (
    player   UInt64,
    game     UInt64,
    context  UInt64,
    day      Date,
    currency String,
    gained   Float64,
    spent    Float64,
    sources  Int64,
    sinks    Int64,
    who      Nullable(Enum8('player', 'developer', 'bot'))
) ENGINE = MergeTree ORDER BY (day, player);

CREATE TABLE contexts (
    context       UInt64,
    build         String,
    platform      String,
    os_version    String,
    device        String,
    custom_01     String,
    custom_02     String,
    custom_03     String,
    ab_id         String,
    ab_variant_id String,
    country_code  LowCardinality(String),
    sent_by       LowCardinality(String),
    who           LowCardinality(String)
) ENGINE = MergeTree ORDER BY context;

CREATE TABLE names (
    name_key    UInt64,
    category    Enum8({categories}),
    name        String,
    currency    String,
    item_type   String,
    item_id     String,
    fingerprint String
) ENGINE = MergeTree ORDER BY (category, name_key);

CREATE TABLE events (
    id            Int64,
    game          UInt64,
    player        Nullable(UInt64),
    session       Nullable(UInt64),
    context       UInt64,
    client_ts     DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    day           Date,
    hour          UInt8,
    category      Enum8({categories}),
    name_key      Nullable(UInt64),
    status        Nullable(Enum8('Start', 'Fail', 'Complete')),
    flow          Nullable(Enum8('Source', 'Sink')),
    severity      Nullable(Enum8('debug', 'info', 'warning', 'error', 'critical')),
    value         Nullable(Float64),
    score         Nullable(Float64),
    attempt_num   Nullable(Int64),
    seconds       Nullable(Float64),
    hitches       Nullable(Float64),
    amount        Nullable(Float64),
    cart          Nullable(String),
    length        Nullable(Int64),
    fps           Nullable(Float64),
    frame_ms_p99  Nullable(Float64),
    mem_mb        Nullable(Float64),
    custom_fields Nullable(String) CODEC(ZSTD),
    who           Nullable(Enum8('player', 'developer', 'bot'))
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (category, day, id);

-- The table of events is sorted by category, so these are views.

CREATE VIEW progression_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, status, score, attempt_num, seconds, hitches
FROM events WHERE category = 'progression';

CREATE VIEW resource_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, flow, amount
FROM events WHERE category = 'resource';

CREATE VIEW design_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, value
FROM events WHERE category = 'design';

CREATE VIEW business_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, amount, cart
FROM events WHERE category = 'business';

CREATE VIEW error_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, severity
FROM events WHERE category = 'error';

CREATE VIEW health_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, fps, frame_ms_p99, mem_mb
FROM events WHERE category = 'health';

CREATE VIEW other_events AS
SELECT id, game, player, session, context, client_ts, day, hour, name_key, custom_fields, who, category, length
FROM events WHERE category NOT IN ('progression', 'resource', 'design', 'business', 'error', 'health');
