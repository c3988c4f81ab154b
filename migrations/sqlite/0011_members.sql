-- What is left of forgotten members, the ways to everything that names one, and consents. The same tables and
-- columns as on PostgreSQL, in the same order.

-- What the gateway has signed about members that were forgotten: pseudonyms, never a reference.
CREATE TABLE erasures (
    erased_at  INTEGER NOT NULL,
    alliance   TEXT    NOT NULL,
    erasure_id BLOB    NOT NULL,
    partner    TEXT    NOT NULL,
    jws        TEXT    NOT NULL,
    PRIMARY KEY (alliance, erasure_id)
) STRICT, WITHOUT ROWID;
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
    granted_at INTEGER NOT NULL,
    revoked_at INTEGER,
    alliance   TEXT    NOT NULL,
    consent_id BLOB    NOT NULL,
    source     TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    kid        TEXT    NOT NULL,
    signature  BLOB    NOT NULL,
    payload    BLOB    NOT NULL,
    PRIMARY KEY (alliance, consent_id)
) STRICT;

-- What was ordered under a consent on the last UTC day, and in the last UTC month, in which anything
-- was: gross, in 10^-6 of the currency.
CREATE TABLE consents_spent (
    day        INTEGER NOT NULL,
    in_day     INTEGER NOT NULL,
    month      INTEGER NOT NULL,
    in_month   INTEGER NOT NULL,
    alliance   TEXT    NOT NULL,
    consent_id BLOB    NOT NULL,
    PRIMARY KEY (alliance, consent_id)
) STRICT, WITHOUT ROWID;

-- See 0001: what the planner is to believe from the first day on.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('consents',       'sqlite_autoindex_consents_1', '1000 1000 1'),
    ('consents_spent', 'consents_spent',              '1000 1000 1'),
    ('erasures',     'erasures',                    '10000 10000 1'),
    ('erasures',     'erasures_partner',            '10000 10000 100 1'),
    ('links',        'links_a_member',              '1000000 1000000 3'),
    ('links',        'links_b_member',              '1000000 1000000 3'),
    ('links',        'links_a_lookup',              '10000 10000 2'),
    ('links',        'links_b_lookup',              '10000 10000 2'),
    ('transactions', 'transactions_source_pending', '10000 10000 2'),
    ('transactions', 'transactions_target_pending', '10000 10000 2');
