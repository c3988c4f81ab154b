-- What partners report about their programs, and what people propose about rates. The same tables
-- and columns as on PostgreSQL, in the same order.

-- What is known of each program: its feeds' newest readings, last good ones and means, as JSON.
CREATE TABLE feeds (
    alliance TEXT NOT NULL,
    program  TEXT NOT NULL,
    state    TEXT NOT NULL,
    PRIMARY KEY (alliance, program)
) STRICT, WITHOUT ROWID;

-- Every reading that was taken in, never changed: `state` above follows from them. `partner` is who
-- sent it; none of what an operator imported.
CREATE TABLE observations (
    observed_at INTEGER NOT NULL,
    taken_at    INTEGER NOT NULL,
    alliance    TEXT    NOT NULL,
    program     TEXT    NOT NULL,
    feed        TEXT    NOT NULL
        CHECK (feed IN ('redemption', 'outstanding', 'breakage', 'reserve', 'cost')),
    value       TEXT    NOT NULL,
    partner     TEXT,
    PRIMARY KEY (alliance, program, feed, observed_at)
) STRICT, WITHOUT ROWID;

-- What operators propose about rates: one document each, and who agreed to it. `approved_at` without
-- `approved_by`: small enough to need no second person. Whoever proposes never approves.
CREATE TABLE rate_proposals (
    number        INTEGER NOT NULL,
    proposed_at   INTEGER NOT NULL,
    approved_at   INTEGER,
    withdrawn_at  INTEGER,
    applied_at    INTEGER,
    applied_board INTEGER,
    alliance      TEXT    NOT NULL,
    document      TEXT    NOT NULL,
    proposed_by   TEXT    NOT NULL,
    approved_by   TEXT,
    withdrawn_by  TEXT,
    PRIMARY KEY (alliance, number),
    CHECK (approved_by IS NULL OR approved_by <> proposed_by)
) STRICT;
CREATE INDEX rate_proposals_open ON rate_proposals (alliance, number)
    WHERE withdrawn_at IS NULL AND applied_at IS NULL;
