-- The tables of the warehouse. A change of them raises `WAREHOUSE_VERSION` in `database.py`, so that older files are
-- made anew. Strings that repeat are keys of small tables: counting and comparing whole numbers is cheap.
-- A number or text that an event does not have is NULL; texts of `contexts` are '' instead.

CREATE TYPE category AS ENUM ({categories});
CREATE TYPE status AS ENUM ('Start', 'Fail', 'Complete');
CREATE TYPE flow AS ENUM ('Source', 'Sink');
CREATE TYPE severity AS ENUM ('debug', 'info', 'warning', 'error', 'critical');

CREATE TABLE state (                      -- one row
    schema_version   INTEGER NOT NULL,
    timezone         VARCHAR NOT NULL,    -- of `day` and `hour`, e.g. UTC
    last_id          BIGINT NOT NULL,     -- of the log: all events up to it are here
    last_received_at DOUBLE,              -- of the request with that id, by which the log is recognised
    left_out         BIGINT NOT NULL      -- events of the log that could not be projected
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
    events      BIGINT NOT NULL
);

CREATE TABLE presence (                   -- the hours in which a player has an event of a context, each once
    player  INTEGER NOT NULL,
    game    INTEGER NOT NULL,
    context INTEGER NOT NULL,
    day     DATE NOT NULL,
    hour    UTINYINT NOT NULL
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
    attempt_num  BIGINT                   -- of its first Complete; 0 if that has none
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

CREATE TABLE events (
    id            BIGINT NOT NULL,        -- of the log, the order of arrival
    game          INTEGER NOT NULL,
    player        INTEGER,                -- NULL for sdk_error, which names none
    session       INTEGER,                -- the same
    context       INTEGER NOT NULL,
    client_ts     TIMESTAMP NOT NULL,     -- UTC, the player's clock; its microseconds only keep the order of a second
    day           DATE NOT NULL,          -- in the warehouse's time zone
    hour          UTINYINT NOT NULL,
    category      category NOT NULL,
    name_key      INTEGER,                -- NULL for user, session_end, health and others that have no id
    status        status,                 -- progression
    flow          flow,                   -- resource
    severity      severity,               -- error
    value         DOUBLE,                 -- design
    score         DOUBLE,                 -- progression
    attempt_num   BIGINT,                 -- progression
    seconds       DOUBLE,                 -- progression Fail and Complete: custom field `seconds`
    amount        DOUBLE,                 -- business: cents; resource: positive, see `flow`
    cart          VARCHAR,                -- business
    length        BIGINT,                 -- session_end, seconds
    fps           DOUBLE,                 -- health: the mean of a sample
    frame_ms_p99  DOUBLE,                 -- health: exceeded by 1 % of its frames; official SDKs: of its seconds
    mem_mb        DOUBLE,                 -- health
    custom_fields VARCHAR                 -- JSON; NULL if there are none
);
