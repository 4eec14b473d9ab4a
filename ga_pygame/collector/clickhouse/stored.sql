-- What collectors write, in the SQL that ClickHouse 18.16 knows, too. `{columns}` stands for the columns of columns.sql;
-- a server that is too old for metrics has none. schema.py makes the forms for clusters from this text.

CREATE TABLE ga_events (
    game_key    {word},
    event_day   Date,      -- of the event's own clock, UTC; nothing of its arrival, so that a copy of it has the same
    category    {word},
    event_uuid  String,
    user_id     String,    -- '' for sdk_error, which names no player
    session_id  String,    -- the same
    id          Int64,     -- order of arrival: microseconds since 1970, each once in a collector
    received_us Int64,     -- microseconds since 1970, the collector's clock
    client_us   Int64,     -- the same, the player's clock, corrected if it was ahead; see schema.sql of the warehouse
    version     UInt64,    -- grows backwards: of the copies of an event the first one stays
    json        String {packed}{columns}
) ENGINE = ReplacingMergeTree(version) PARTITION BY toYYYYMM(event_day)
ORDER BY (game_key, category, event_day, cityHash64(user_id), event_uuid);

CREATE TABLE ga_rejected (
    arrived     Date,
    id          Int64,     -- one sequence with those of ga_events
    received_us Int64,
    game_key    String,
    category    String,
    user_id     String,
    errors      String,    -- JSON list of {error_type, path, reason}
    json        String {packed}
) ENGINE = ReplacingMergeTree() PARTITION BY toYYYYMM(arrived) ORDER BY (arrived, game_key, id);

CREATE TABLE ga_counts (   -- what each block had
    arrived  Date,
    block    String,       -- its id, so that a block that is sent again counts once
    game_key String,
    category String,
    accepted Int64,        -- accepted events, with copies of earlier ones; less than 0 for a player who was forgotten
    rejected Int64
) ENGINE = ReplacingMergeTree() PARTITION BY toYYYYMM(arrived) ORDER BY (arrived, block, game_key, category);

CREATE TABLE ga_settings ( -- versions of the remote configs and experiments; the newest one is in force
    saved_us Int64,
    by       String,
    games    String        -- JSON: settings by game key
) ENGINE = ReplacingMergeTree() ORDER BY saved_us;

CREATE TABLE ga_secrets (  -- what all collectors must have alike; the first one of a name counts
    name    String,
    made_us Int64,
    secret  String
) ENGINE = ReplacingMergeTree() ORDER BY (name, made_us);

CREATE TABLE ga_schema (   -- the newest row counts
    made_us   Int64,
    version   UInt32,
    timezone  String,      -- of the metrics' days
    cluster   String,      -- '' for a single server
    retention Int32        -- days; -1 keeps all
) ENGINE = ReplacingMergeTree() ORDER BY made_us;
