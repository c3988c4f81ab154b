-- Versions of what two partners have agreed on: the bytes as each has signed them. Of a pair one
-- version at most waits for its second signature, and no two that both have signed have one number.
CREATE TABLE agreements (
    version          BIGINT           NOT NULL,
    effective_at     BIGINT           NOT NULL,
    proposed_at      BIGINT           NOT NULL,
    countersigned_at BIGINT,
    alliance         TEXT COLLATE "C" NOT NULL,
    agreement_id     BYTEA            NOT NULL,
    a                TEXT COLLATE "C" NOT NULL,
    b                TEXT COLLATE "C" NOT NULL,
    state            TEXT COLLATE "C" NOT NULL
        CHECK (state IN ('proposed', 'active', 'withdrawn')),
    proposed_by      TEXT COLLATE "C" NOT NULL,
    a_kid            TEXT COLLATE "C",
    a_signature      BYTEA,
    b_kid            TEXT COLLATE "C",
    b_signature      BYTEA,
    payload          BYTEA            NOT NULL,
    PRIMARY KEY (alliance, agreement_id)
);
CREATE UNIQUE INDEX agreements_active ON agreements (alliance, a, b, version)
    WHERE state = 'active';
CREATE UNIQUE INDEX agreements_proposed ON agreements (alliance, a, b) WHERE state = 'proposed';
CREATE INDEX agreements_a ON agreements (alliance, a, agreement_id);
CREATE INDEX agreements_b ON agreements (alliance, b, agreement_id);
