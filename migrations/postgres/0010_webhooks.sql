-- Webhooks: endpoints, and what became of every event at each. The same tables and columns as on
-- SQLite, in the same order.

-- Where partners' events are pushed to. `taken_up` is the endpoint's place in its partner's feed:
-- what stands up to there was delivered, or has a row in `deliveries`. Until `leased_until` it is
-- one gateway's alone. `types` are event types with a space between, none for all. Secrets are
-- wrapped. What was removed stays: its deliveries name it.
CREATE TABLE endpoints (
    taken_up     BIGINT           NOT NULL CHECK (taken_up >= 0),
    leased_until BIGINT           NOT NULL,
    old_until    BIGINT,
    created_at   BIGINT           NOT NULL,
    alliance     TEXT COLLATE "C" NOT NULL,
    partner      TEXT COLLATE "C" NOT NULL,
    url          TEXT COLLATE "C" NOT NULL,
    types        TEXT COLLATE "C" NOT NULL,
    state        TEXT COLLATE "C" NOT NULL
        CHECK (state IN ('active', 'paused', 'gone', 'removed')),
    changed_by   TEXT COLLATE "C" NOT NULL,
    endpoint_id  BYTEA            NOT NULL,
    secret       BYTEA            NOT NULL,
    old_secret   BYTEA,
    PRIMARY KEY (alliance, endpoint_id),
    CHECK ((old_until IS NULL) = (old_secret IS NULL))
);
CREATE INDEX endpoints_partner ON endpoints (alliance, partner, endpoint_id)
    WHERE state <> 'removed';

-- What has become of an event at an endpoint. `number` is its number in the feed; `tried` are the
-- attempts of the schedule that is under way, `attempts` all that were ever made. What waits and has
-- no `due_at` waits behind an earlier event of its subject.
CREATE TABLE deliveries (
    number      BIGINT           NOT NULL CHECK (number > 0),
    tried       BIGINT           NOT NULL CHECK (tried >= 0),
    attempts    BIGINT           NOT NULL CHECK (attempts >= 0),
    due_at      BIGINT,
    last_at     BIGINT,
    last_status BIGINT,
    alliance    TEXT COLLATE "C" NOT NULL,
    subject     TEXT COLLATE "C" NOT NULL,
    type        TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL
        CHECK (state IN ('waiting', 'delivered', 'dead')),
    endpoint_id BYTEA            NOT NULL,
    event_id    BYTEA            NOT NULL,
    PRIMARY KEY (alliance, endpoint_id, number),
    CHECK (state = 'waiting' OR due_at IS NULL)
);
CREATE INDEX deliveries_state ON deliveries (alliance, endpoint_id, state, number);
CREATE INDEX deliveries_due ON deliveries (alliance, endpoint_id, due_at)
    WHERE due_at IS NOT NULL;

-- Every attempt to deliver; never changed.
CREATE TABLE attempts (
    number      BIGINT           NOT NULL,
    attempt     BIGINT           NOT NULL CHECK (attempt > 0),
    at          BIGINT           NOT NULL,
    took_millis BIGINT           NOT NULL,
    status      BIGINT,
    alliance    TEXT COLLATE "C" NOT NULL,
    said        TEXT COLLATE "C" NOT NULL,
    endpoint_id BYTEA            NOT NULL,
    PRIMARY KEY (alliance, endpoint_id, number, attempt)
);
