-- Transactions that need a connected brand. The same tables and columns as on SQLite, in the same
-- order.

-- Where each stands, and what its receipt will say once it has completed: until then `terms` is a
-- receipt without its place in the chain. `partner` is whom the next call is for; none once it has
-- ended. `due_at` is when that call is next to be made: whoever takes it up moves it on. `held`
-- are points taken from a member's balance meanwhile, in minor units. What has ended is kept where
-- it failed, or where a person has to look at it.
CREATE TABLE sagas (
    due_at         BIGINT           NOT NULL,
    attempts       BIGINT           NOT NULL CHECK (attempts >= 0),
    deadline_at    BIGINT           NOT NULL,
    parked_at      BIGINT,
    held           BIGINT           NOT NULL CHECK (held >= 0),
    alliance       TEXT COLLATE "C" NOT NULL,
    partner        TEXT COLLATE "C",
    transaction_id BYTEA            NOT NULL,
    taken          TEXT COLLATE "C" NOT NULL
        CHECK (taken IN ('nothing', 'hosted', 'reserved', 'cancelled')),
    given          TEXT COLLATE "C" NOT NULL CHECK (given IN ('nothing', 'hosted', 'credited')),
    phase          TEXT COLLATE "C" NOT NULL
        CHECK (phase IN ('reserving', 'cancelling', 'crediting', 'capturing', 'releasing',
                         'completed', 'failed')),
    giver          TEXT COLLATE "C" NOT NULL,
    receiver       TEXT COLLATE "C" NOT NULL,
    reservation    TEXT COLLATE "C",
    reference      TEXT COLLATE "C",
    refused_step   TEXT COLLATE "C",
    refusal        TEXT COLLATE "C",
    remark         TEXT COLLATE "C",
    reverses       BYTEA,
    terms          BYTEA            NOT NULL,
    PRIMARY KEY (alliance, transaction_id),
    CHECK ((partner IS NULL) = (phase IN ('completed', 'failed'))),
    CHECK ((refused_step IS NULL) = (refusal IS NULL)),
    CHECK (phase NOT IN ('completed', 'failed') OR held = 0)
) WITH (fillfactor = 70);
CREATE INDEX sagas_due ON sagas (alliance, partner, due_at) WHERE partner IS NOT NULL;
-- One reversal of a transaction is under way at a time.
CREATE UNIQUE INDEX sagas_reverses ON sagas (alliance, reverses)
    WHERE partner IS NOT NULL AND reverses IS NOT NULL;

-- What connected brands have answered, as they signed it; never changed.
CREATE TABLE answers (
    received_at    BIGINT           NOT NULL,
    alliance       TEXT COLLATE "C" NOT NULL,
    transaction_id BYTEA            NOT NULL,
    step           TEXT COLLATE "C" NOT NULL
        CHECK (step IN ('reserve', 'capture', 'release', 'credit', 'cancel')),
    partner        TEXT COLLATE "C" NOT NULL,
    kid            TEXT COLLATE "C" NOT NULL,
    base           BYTEA            NOT NULL,
    signature      BYTEA            NOT NULL,
    body           BYTEA            NOT NULL,
    PRIMARY KEY (alliance, transaction_id, step)
);
