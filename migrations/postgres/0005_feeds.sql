-- What partners report about their programs, and what people propose about rates. The same tables
-- and columns as on SQLite, in the same order.

-- What is known of each program: its feeds' newest readings, last good ones and means, as JSON.
CREATE TABLE feeds (
    alliance TEXT COLLATE "C" NOT NULL,
    program  TEXT COLLATE "C" NOT NULL,
    state    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, program)
);

-- Every reading that was taken in, never changed: `state` above follows from them. `partner` is who
-- sent it; none of what an operator imported.
CREATE TABLE observations (
    observed_at BIGINT           NOT NULL,
    taken_at    BIGINT           NOT NULL,
    alliance    TEXT COLLATE "C" NOT NULL,
    program     TEXT COLLATE "C" NOT NULL,
    feed        TEXT COLLATE "C" NOT NULL
        CHECK (feed IN ('redemption', 'outstanding', 'breakage', 'reserve', 'cost')),
    value       TEXT COLLATE "C" NOT NULL,
    partner     TEXT COLLATE "C",
    PRIMARY KEY (alliance, program, feed, observed_at)
);

-- What operators propose about rates: one document each, and who agreed to it. `approved_at` without
-- `approved_by`: small enough to need no second person. Whoever proposes never approves.
CREATE TABLE rate_proposals (
    number        BIGINT           NOT NULL,
    proposed_at   BIGINT           NOT NULL,
    approved_at   BIGINT,
    withdrawn_at  BIGINT,
    applied_at    BIGINT,
    applied_board BIGINT,
    alliance      TEXT COLLATE "C" NOT NULL,
    document      TEXT COLLATE "C" NOT NULL,
    proposed_by   TEXT COLLATE "C" NOT NULL,
    approved_by   TEXT COLLATE "C",
    withdrawn_by  TEXT COLLATE "C",
    PRIMARY KEY (alliance, number),
    CHECK (approved_by IS NULL OR approved_by <> proposed_by)
);
CREATE INDEX rate_proposals_open ON rate_proposals (alliance, number)
    WHERE withdrawn_at IS NULL AND applied_at IS NULL;
