-- Transactions that need a connected brand. The same tables and columns as on PostgreSQL, in the same
-- order.

-- Where each stands, and what its receipt will say once it has completed: until then `terms` is a
-- receipt without its place in the chain. `partner` is whom the next call is for; none once it has
-- ended. `due_at` is when that call is next to be made: whoever takes it up moves it on. `held`
-- are points taken from a member's balance meanwhile, in minor units. What has ended is kept where
-- it failed, or where a person has to look at it.
CREATE TABLE sagas (
    due_at         INTEGER NOT NULL,
    attempts       INTEGER NOT NULL CHECK (attempts >= 0),
    deadline_at    INTEGER NOT NULL,
    parked_at      INTEGER,
    held           INTEGER NOT NULL CHECK (held >= 0),
    alliance       TEXT    NOT NULL,
    partner        TEXT,
    transaction_id BLOB    NOT NULL,
    taken          TEXT    NOT NULL
        CHECK (taken IN ('nothing', 'hosted', 'reserved', 'cancelled')),
    given          TEXT    NOT NULL CHECK (given IN ('nothing', 'hosted', 'credited')),
    phase          TEXT    NOT NULL
        CHECK (phase IN ('reserving', 'cancelling', 'crediting', 'capturing', 'releasing',
                         'completed', 'failed')),
    giver          TEXT    NOT NULL,
    receiver       TEXT    NOT NULL,
    reservation    TEXT,
    reference      TEXT,
    refused_step   TEXT,
    refusal        TEXT,
    remark         TEXT,
    reverses       BLOB,
    terms          BLOB    NOT NULL,
    PRIMARY KEY (alliance, transaction_id),
    CHECK ((partner IS NULL) = (phase IN ('completed', 'failed'))),
    CHECK ((refused_step IS NULL) = (refusal IS NULL)),
    CHECK (phase NOT IN ('completed', 'failed') OR held = 0)
) STRICT;
CREATE INDEX sagas_due ON sagas (alliance, partner, due_at) WHERE partner IS NOT NULL;
-- One reversal of a transaction is under way at a time.
CREATE UNIQUE INDEX sagas_reverses ON sagas (alliance, reverses)
    WHERE partner IS NOT NULL AND reverses IS NOT NULL;

-- What connected brands have answered, as they signed it; never changed.
CREATE TABLE answers (
    received_at    INTEGER NOT NULL,
    alliance       TEXT    NOT NULL,
    transaction_id BLOB    NOT NULL,
    step           TEXT    NOT NULL
        CHECK (step IN ('reserve', 'capture', 'release', 'credit', 'cancel')),
    partner        TEXT    NOT NULL,
    kid            TEXT    NOT NULL,
    base           BLOB    NOT NULL,
    signature      BLOB    NOT NULL,
    body           BLOB    NOT NULL,
    PRIMARY KEY (alliance, transaction_id, step)
) STRICT;
