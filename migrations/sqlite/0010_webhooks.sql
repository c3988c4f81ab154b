-- Webhooks: endpoints, and what became of every event at each. The same tables and columns as on
-- PostgreSQL, in the same order.

-- Where partners' events are pushed to. `taken_up` is the endpoint's place in its partner's feed:
-- what stands up to there was delivered, or has a row in `deliveries`. Until `leased_until` it is
-- one gateway's alone. `types` are event types with a space between, none for all. Secrets are
-- wrapped. What was removed stays: its deliveries name it.
CREATE TABLE endpoints (
    taken_up     INTEGER NOT NULL CHECK (taken_up >= 0),
    leased_until INTEGER NOT NULL,
    old_until    INTEGER,
    created_at   INTEGER NOT NULL,
    alliance     TEXT    NOT NULL,
    partner      TEXT    NOT NULL,
    url          TEXT    NOT NULL,
    types        TEXT    NOT NULL,
    state        TEXT    NOT NULL
        CHECK (state IN ('active', 'paused', 'gone', 'removed')),
    changed_by   TEXT    NOT NULL,
    endpoint_id  BLOB    NOT NULL,
    secret       BLOB    NOT NULL,
    old_secret   BLOB,
    PRIMARY KEY (alliance, endpoint_id),
    CHECK ((old_until IS NULL) = (old_secret IS NULL))
) STRICT;
CREATE INDEX endpoints_partner ON endpoints (alliance, partner, endpoint_id)
    WHERE state <> 'removed';

-- What has become of an event at an endpoint. `number` is its number in the feed; `tried` are the
-- attempts of the schedule that is under way, `attempts` all that were ever made. What waits and has
-- no `due_at` waits behind an earlier event of its subject.
CREATE TABLE deliveries (
    number      INTEGER NOT NULL CHECK (number > 0),
    tried       INTEGER NOT NULL CHECK (tried >= 0),
    attempts    INTEGER NOT NULL CHECK (attempts >= 0),
    due_at      INTEGER,
    last_at     INTEGER,
    last_status INTEGER,
    alliance    TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    state       TEXT    NOT NULL
        CHECK (state IN ('waiting', 'delivered', 'dead')),
    endpoint_id BLOB    NOT NULL,
    event_id    BLOB    NOT NULL,
    PRIMARY KEY (alliance, endpoint_id, number),
    CHECK (state = 'waiting' OR due_at IS NULL)
) STRICT;
CREATE INDEX deliveries_state ON deliveries (alliance, endpoint_id, state, number);
CREATE INDEX deliveries_due ON deliveries (alliance, endpoint_id, due_at)
    WHERE due_at IS NOT NULL;

-- Every attempt to deliver; never changed.
CREATE TABLE attempts (
    number      INTEGER NOT NULL,
    attempt     INTEGER NOT NULL CHECK (attempt > 0),
    at          INTEGER NOT NULL,
    took_millis INTEGER NOT NULL,
    status      INTEGER,
    alliance    TEXT    NOT NULL,
    said        TEXT    NOT NULL,
    endpoint_id BLOB    NOT NULL,
    PRIMARY KEY (alliance, endpoint_id, number, attempt)
) STRICT;

-- See 0001: what the planner is to believe from the first day on.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('endpoints',  'sqlite_autoindex_endpoints_1',  '1000 1000 1'),
    ('endpoints',  'endpoints_partner',             '1000 1000 4 1'),
    ('deliveries', 'sqlite_autoindex_deliveries_1', '1000000 1000000 1000 1'),
    ('deliveries', 'deliveries_state',              '1000000 1000000 1000 400 1'),
    ('deliveries', 'deliveries_due',                '10000 10000 100 2'),
    ('attempts',   'sqlite_autoindex_attempts_1',   '1000000 1000000 1000 2 1');
