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
    events      Int64
) ENGINE = MergeTree ORDER BY (day, session);

CREATE TABLE presence (
    player  UInt64,
    game    UInt64,
    context UInt64,
    day     Date,
    hour    UInt8
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
    attempt_num  Nullable(Int64)
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
    amount        Nullable(Float64),
    cart          Nullable(String),
    length        Nullable(Int64),
    fps           Nullable(Float64),
    frame_ms_p99  Nullable(Float64),
    mem_mb        Nullable(Float64),
    custom_fields Nullable(String) CODEC(ZSTD)
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (category, day, id);
