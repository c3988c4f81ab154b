-- What is left of forgotten members, and the ways to everything that names one. The same tables and
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
