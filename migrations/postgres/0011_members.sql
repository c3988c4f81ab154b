-- What is left of forgotten members, the ways to everything that names one, and consents. The same tables and
-- columns as on SQLite, in the same order.

-- What the gateway has signed about members that were forgotten: pseudonyms, never a reference.
CREATE TABLE erasures (
    erased_at  BIGINT           NOT NULL,
    alliance   TEXT COLLATE "C" NOT NULL,
    erasure_id BYTEA            NOT NULL,
    partner    TEXT COLLATE "C" NOT NULL,
    jws        TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, erasure_id)
);
CREATE INDEX erasures_partner ON erasures (alliance, partner, erasure_id);

-- A member's links, whatever their state, and proposals that name one that nobody has confirmed.
CREATE INDEX links_a_member ON links (alliance, a_member) WHERE a_member IS NOT NULL;
CREATE INDEX links_b_member ON links (alliance, b_member) WHERE b_member IS NOT NULL;
CREATE INDEX links_a_lookup ON links (alliance, a_lookup) WHERE a_lookup IS NOT NULL;
CREATE INDEX links_b_lookup ON links (alliance, b_lookup) WHERE b_lookup IS NOT NULL;

-- A member's transactions that are under way.
CREATE INDEX transactions_source_pending ON transactions (alliance, source_member)
    WHERE state = 'pending' AND source_member IS NOT NULL;
CREATE INDEX transactions_target_pending ON transactions (alliance, target_member)
    WHERE state = 'pending' AND target_member IS NOT NULL;

-- Consents to be debited, as their source has signed them, and until when they held.
CREATE TABLE consents (
    granted_at BIGINT           NOT NULL,
    revoked_at BIGINT,
    alliance   TEXT COLLATE "C" NOT NULL,
    consent_id BYTEA            NOT NULL,
    source     TEXT COLLATE "C" NOT NULL,
    target     TEXT COLLATE "C" NOT NULL,
    kid        TEXT COLLATE "C" NOT NULL,
    signature  BYTEA            NOT NULL,
    payload    BYTEA            NOT NULL,
    PRIMARY KEY (alliance, consent_id)
);

-- What was ordered under a consent on the last UTC day, and in the last UTC month, in which anything
-- was: gross, in 10^-6 of the currency.
CREATE TABLE consents_spent (
    day        BIGINT           NOT NULL,
    in_day     BIGINT           NOT NULL,
    month      BIGINT           NOT NULL,
    in_month   BIGINT           NOT NULL,
    alliance   TEXT COLLATE "C" NOT NULL,
    consent_id BYTEA            NOT NULL,
    PRIMARY KEY (alliance, consent_id)
) WITH (fillfactor = 50);
