-- The tables of the warehouse. A change of them raises `WAREHOUSE_VERSION` in `database.py`, so that older files are
-- made anew. Strings that repeat are keys of small tables: counting and comparing whole numbers is cheap.
-- A number or text that an event does not have is NULL; texts of `contexts` are '' instead.

CREATE TYPE category AS ENUM ({categories});
CREATE TYPE status AS ENUM ('Start', 'Fail', 'Complete');
CREATE TYPE flow AS ENUM ('Source', 'Sink');
CREATE TYPE who_plays AS ENUM ('player', 'developer', 'bot');
CREATE TYPE severity AS ENUM ('debug', 'info', 'warning', 'error', 'critical');

CREATE TABLE state (                      -- one row
    schema_version   INTEGER NOT NULL,
    timezone         VARCHAR NOT NULL,    -- of `day` and `hour`, e.g. UTC
    last_id          BIGINT NOT NULL,     -- of the log: all events up to it are here
    last_received_at DOUBLE,              -- of the request with that id, by which the log is recognised
    left_out         BIGINT NOT NULL,     -- events of the log that could not be projected
    removals         BIGINT NOT NULL      -- removals of players from the log before the first event was projected
);

CREATE TABLE games (game INTEGER NOT NULL, game_key VARCHAR NOT NULL);

CREATE TABLE players (                    -- outlives the events
    player      INTEGER NOT NULL,
    game        INTEGER NOT NULL,
    user_id     VARCHAR NOT NULL,
    first_at    TIMESTAMP NOT NULL,       -- of the first event ever, UTC
    first_day   DATE NOT NULL,
    first_hour  UTINYINT NOT NULL,
    paid_at     TIMESTAMP,                -- of the first business event ever, UTC
    paid_day    DATE
);

CREATE TABLE sessions (
    session     INTEGER NOT NULL,
    game        INTEGER NOT NULL,
    session_id  VARCHAR NOT NULL,
    player      INTEGER,
    session_num BIGINT,
    first_at    TIMESTAMP NOT NULL,       -- of its first event, UTC
    last_at     TIMESTAMP NOT NULL,
    received_at DOUBLE NOT NULL,          -- when its last event arrived, seconds since 1970
    day         DATE NOT NULL,            -- of its first event
    hour        UTINYINT NOT NULL,
    context     INTEGER NOT NULL,         -- of its first event
    length      BIGINT,                   -- seconds, from session_end; NULL while none came
    errored     BOOLEAN NOT NULL,         -- an error event came
    crashed     BOOLEAN NOT NULL,         -- a critical one came
    events      BIGINT NOT NULL,
    who         who_plays
);

CREATE TABLE presence (                   -- the hours in which a player has an event of a context, each once
    player  INTEGER NOT NULL,
    game    INTEGER NOT NULL,
    context INTEGER NOT NULL,
    day     DATE NOT NULL,
    hour    UTINYINT NOT NULL,
    who     who_plays                     -- of the context, here and below: questions are nearly always about players
);

CREATE TABLE visits (                     -- what a player did in a level on a day, in a context
    player       INTEGER NOT NULL,
    game         INTEGER NOT NULL,
    context      INTEGER NOT NULL,
    day          DATE NOT NULL,
    name_key     INTEGER NOT NULL,
    first_at     TIMESTAMP NOT NULL,      -- of its first event
    starts       BIGINT NOT NULL,
    fails        BIGINT NOT NULL,
    completes    BIGINT NOT NULL,
    completed_at TIMESTAMP,               -- of its first Complete; NULL if there is none
    attempt_num  BIGINT,                  -- of its first Complete; 0 if that has none
    who          who_plays,
    is_repeat    BOOLEAN NOT NULL,        -- it has a Complete, and so has another row of this level, which came first
    place        BIGINT NOT NULL          -- of the level among all levels of the player, by the arrival of first events
);

CREATE TABLE balances (                   -- what a player gained and spent of a currency on a day, in a context
    player   INTEGER NOT NULL,
    game     INTEGER NOT NULL,
    context  INTEGER NOT NULL,
    day      DATE NOT NULL,
    currency VARCHAR NOT NULL,
    gained   DOUBLE NOT NULL,
    spent    DOUBLE NOT NULL,
    sources  BIGINT NOT NULL,
    sinks    BIGINT NOT NULL,
    who      who_plays
);

CREATE TABLE contexts (                   -- what many events share; '' where an event has no such field
    context       INTEGER NOT NULL,
    build         VARCHAR NOT NULL,
    platform      VARCHAR NOT NULL,
    os_version    VARCHAR NOT NULL,
    device        VARCHAR NOT NULL,
    custom_01     VARCHAR NOT NULL,
    custom_02     VARCHAR NOT NULL,
    custom_03     VARCHAR NOT NULL,
    ab_id         VARCHAR NOT NULL,
    ab_variant_id VARCHAR NOT NULL,
    country_code  VARCHAR NOT NULL,       -- two capital letters
    sent_by       VARCHAR NOT NULL,       -- server: sent on behalf of the player
    who           VARCHAR NOT NULL        -- player, developer or bot
);

CREATE TABLE names (                      -- what an event is about
    name_key  INTEGER NOT NULL,
    category  category NOT NULL,
    name      VARCHAR NOT NULL,           -- progression: the level; resource: currency:item type:item; error: its
                                          -- message; ads, sdk_error: their action; else the event_id
    currency  VARCHAR NOT NULL,           -- resource, business; else ''
    item_type VARCHAR NOT NULL,           -- resource, business; else ''
    item_id   VARCHAR NOT NULL,           -- resource, business; else ''
    fingerprint VARCHAR NOT NULL          -- error: 16 hex digits, the same for errors of one kind; else ''
);

-- The events, a table for each category that has metrics of its own: a metric reads the rows and columns that it needs.
-- All begin with the same columns; `events` has all of all.

CREATE TABLE progression_events (
    id            BIGINT NOT NULL,        -- of the log, the order of arrival
    game          INTEGER NOT NULL,
    player        INTEGER,                -- NULL for sdk_error, which names none
    session       INTEGER,                -- the same
    context       INTEGER NOT NULL,
    client_ts     TIMESTAMP NOT NULL,     -- UTC, the player's clock; its microseconds only keep the order of a second
    day           DATE NOT NULL,          -- in the warehouse's time zone
    hour          UTINYINT NOT NULL,
    name_key      INTEGER,                -- NULL for user, session_end, health and others that have no id
    custom_fields VARCHAR,                -- JSON; NULL if there are none
    who           who_plays,
    status        status,
    score         DOUBLE,
    attempt_num   BIGINT,
    seconds       DOUBLE,                 -- Fail and Complete: custom field `seconds`
    hitches       DOUBLE                  -- Fail and Complete: custom field `hitches`
);

CREATE TABLE resource_events (
    id BIGINT NOT NULL, game INTEGER NOT NULL, player INTEGER, session INTEGER, context INTEGER NOT NULL,
    client_ts TIMESTAMP NOT NULL, day DATE NOT NULL, hour UTINYINT NOT NULL, name_key INTEGER, custom_fields VARCHAR,
    who who_plays,
    flow flow,
    amount DOUBLE                         -- positive, see `flow`
);

CREATE TABLE design_events (
    id BIGINT NOT NULL, game INTEGER NOT NULL, player INTEGER, session INTEGER, context INTEGER NOT NULL,
    client_ts TIMESTAMP NOT NULL, day DATE NOT NULL, hour UTINYINT NOT NULL, name_key INTEGER, custom_fields VARCHAR,
    who who_plays,
    value DOUBLE
);

CREATE TABLE business_events (
    id BIGINT NOT NULL, game INTEGER NOT NULL, player INTEGER, session INTEGER, context INTEGER NOT NULL,
    client_ts TIMESTAMP NOT NULL, day DATE NOT NULL, hour UTINYINT NOT NULL, name_key INTEGER, custom_fields VARCHAR,
    who who_plays,
    amount DOUBLE,                        -- cents
    cart VARCHAR
);

CREATE TABLE error_events (
    id BIGINT NOT NULL, game INTEGER NOT NULL, player INTEGER, session INTEGER, context INTEGER NOT NULL,
    client_ts TIMESTAMP NOT NULL, day DATE NOT NULL, hour UTINYINT NOT NULL, name_key INTEGER, custom_fields VARCHAR,
    who who_plays,
    severity severity
);

CREATE TABLE health_events (
    id BIGINT NOT NULL, game INTEGER NOT NULL, player INTEGER, session INTEGER, context INTEGER NOT NULL,
    client_ts TIMESTAMP NOT NULL, day DATE NOT NULL, hour UTINYINT NOT NULL, name_key INTEGER, custom_fields VARCHAR,
    who who_plays,
    fps DOUBLE,                           -- the mean of a sample
    frame_ms_p99 DOUBLE,                  -- exceeded by 1 % of its frames; official SDKs: of its seconds
    mem_mb DOUBLE
);

CREATE TABLE other_events (
    id BIGINT NOT NULL, game INTEGER NOT NULL, player INTEGER, session INTEGER, context INTEGER NOT NULL,
    client_ts TIMESTAMP NOT NULL, day DATE NOT NULL, hour UTINYINT NOT NULL, name_key INTEGER, custom_fields VARCHAR,
    who who_plays,
    category category NOT NULL,
    length BIGINT                         -- session_end, seconds
);

CREATE VIEW events AS
SELECT id, game, player, session, context, client_ts, day, hour, category, name_key, status, flow, severity, value, score,
    attempt_num, seconds, hitches, amount, cart, length, fps, frame_ms_p99, mem_mb, custom_fields, who
FROM (
    SELECT 'progression'::category AS category, * FROM progression_events
    UNION ALL BY NAME SELECT 'resource'::category AS category, * FROM resource_events
    UNION ALL BY NAME SELECT 'design'::category AS category, * FROM design_events
    UNION ALL BY NAME SELECT 'business'::category AS category, * FROM business_events
    UNION ALL BY NAME SELECT 'error'::category AS category, * FROM error_events
    UNION ALL BY NAME SELECT 'health'::category AS category, * FROM health_events
    UNION ALL BY NAME SELECT * FROM other_events
);
