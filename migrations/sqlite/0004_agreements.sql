-- Versions of what two partners have agreed on: the bytes as each has signed them. Of a pair one
-- version at most waits for its second signature, and no two that both have signed have one number.
CREATE TABLE agreements (
    version          INTEGER NOT NULL,
    effective_at     INTEGER NOT NULL,
    proposed_at      INTEGER NOT NULL,
    countersigned_at INTEGER,
    alliance         TEXT    NOT NULL,
    agreement_id     BLOB    NOT NULL,
    a                TEXT    NOT NULL,
    b                TEXT    NOT NULL,
    state            TEXT    NOT NULL CHECK (state IN ('proposed', 'active', 'withdrawn')),
    proposed_by      TEXT    NOT NULL,
    a_kid            TEXT,
    a_signature      BLOB,
    b_kid            TEXT,
    b_signature      BLOB,
    payload          BLOB    NOT NULL,
    PRIMARY KEY (alliance, agreement_id)
) STRICT;
CREATE UNIQUE INDEX agreements_active ON agreements (alliance, a, b, version)
    WHERE state = 'active';
CREATE UNIQUE INDEX agreements_proposed ON agreements (alliance, a, b) WHERE state = 'proposed';
CREATE INDEX agreements_a ON agreements (alliance, a, agreement_id);
CREATE INDEX agreements_b ON agreements (alliance, b, agreement_id);
