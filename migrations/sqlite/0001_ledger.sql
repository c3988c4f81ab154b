-- The ledger of one or more alliances. Every table that grows has the alliance first in its key.
-- Times are milliseconds since 1970; ids the 16 bytes of their UUIDv7; points minor units of their
-- program; money 10^-6 of the currency, totals in decimal text because they may pass 64 bits.
--
-- The same tables and columns as on PostgreSQL, in the same order. Small rows are WITHOUT ROWID;
-- large ones are not, so that pages stay well filled.

-- One row an alliance: whoever updates it is the one writer until its transaction ends.
CREATE TABLE sequencer (
    batch            INTEGER NOT NULL,
    next_member      INTEGER NOT NULL,
    registry_version INTEGER NOT NULL,
    alliance         TEXT    NOT NULL,
    PRIMARY KEY (alliance)
) STRICT, WITHOUT ROWID;

-- Every version of what the alliance has agreed on, as one JSON document.
CREATE TABLE definitions (
    version    INTEGER NOT NULL,
    applied_at INTEGER NOT NULL,
    alliance   TEXT    NOT NULL,
    document   TEXT    NOT NULL,
    PRIMARY KEY (alliance, version)
) STRICT;

-- Published values, as signed; the terms of pairs that each commits to, as a JSON list; the time of
-- the schedule that each was made for.
CREATE TABLE boards (
    board        INTEGER NOT NULL CHECK (board > 0),
    effective_at INTEGER NOT NULL,
    slot         INTEGER,
    alliance     TEXT    NOT NULL,
    jws          TEXT    NOT NULL,
    terms        TEXT    NOT NULL,
    PRIMARY KEY (alliance, board)
) STRICT;

-- The partner key list, as signed, every number of it.
CREATE TABLE partner_key_statements (
    number   INTEGER NOT NULL,
    alliance TEXT    NOT NULL,
    jws      TEXT    NOT NULL,
    PRIMARY KEY (alliance, number)
) STRICT;

-- Partners that may not trade now.
CREATE TABLE suspensions (
    suspended_at INTEGER NOT NULL,
    alliance     TEXT    NOT NULL,
    partner      TEXT    NOT NULL,
    PRIMARY KEY (alliance, partner)
) STRICT, WITHOUT ROWID;

-- Keys that seal the members of quote tokens; destroyed within a day.
CREATE TABLE quote_keys (
    period      INTEGER NOT NULL,
    alliance    TEXT    NOT NULL,
    wrapped_key BLOB    NOT NULL,
    PRIMARY KEY (alliance, period)
) STRICT, WITHOUT ROWID;

-- Settlement windows. One is open.
CREATE TABLE windows (
    opened_at INTEGER NOT NULL,
    alliance  TEXT    NOT NULL,
    window_id BLOB    NOT NULL,
    currency  TEXT    NOT NULL,
    state     TEXT    NOT NULL
        CHECK (state IN ('open', 'closed', 'netted', 'settling', 'settled', 'aborted')),
    PRIMARY KEY (alliance, window_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX windows_open ON windows (alliance, currency) WHERE state = 'open';

-- Members of hosted programs: key and reference sealed, found by a keyed HMAC. Forgetting a member
-- empties lookup, wrapped_key and sealed_reference, and nothing else.
CREATE TABLE members (
    member           INTEGER NOT NULL,
    opening          INTEGER NOT NULL CHECK (opening >= 0),
    frozen_at        INTEGER,
    alliance         TEXT    NOT NULL,
    program          TEXT    NOT NULL,
    lookup           BLOB,
    wrapped_key      BLOB,
    sealed_reference BLOB,
    PRIMARY KEY (alliance, member)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX members_lookup ON members (alliance, lookup) WHERE lookup IS NOT NULL;

-- Members' points, apart from the rest because they change with every order.
CREATE TABLE balances (
    member   INTEGER NOT NULL,
    balance  INTEGER NOT NULL CHECK (balance >= 0),
    alliance TEXT    NOT NULL,
    PRIMARY KEY (alliance, member)
) STRICT, WITHOUT ROWID;

-- All other accounts of the double-entry ledger: issued:…, position:…, alliance:fees, …
CREATE TABLE accounts (
    alliance TEXT NOT NULL,
    account  TEXT NOT NULL,
    asset    TEXT NOT NULL,
    balance  TEXT NOT NULL,
    PRIMARY KEY (alliance, account, asset)
) STRICT, WITHOUT ROWID;

-- Two members' accounts that are the same person's.
CREATE TABLE links (
    created_at  INTEGER NOT NULL,
    until       INTEGER,
    a_member    INTEGER,
    b_member    INTEGER,
    alliance    TEXT    NOT NULL,
    link_id     BLOB    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('proposed', 'active', 'revoked')),
    a_partner   TEXT    NOT NULL,
    a_program   TEXT    NOT NULL,
    a_lookup    BLOB,
    a_supplied  BLOB,
    b_partner   TEXT    NOT NULL,
    b_program   TEXT    NOT NULL,
    b_lookup    BLOB,
    b_supplied  BLOB,
    scope       TEXT    NOT NULL,
    proposed_by TEXT    NOT NULL,
    PRIMARY KEY (alliance, link_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX links_active ON links (alliance, a_member, b_member) WHERE state = 'active';
CREATE INDEX links_a_partner ON links (alliance, a_partner, link_id);
CREATE INDEX links_b_partner ON links (alliance, b_partner, link_id);

-- What every idempotency key was used for, as long as the transaction is kept. The outcome is
-- 'transaction', 'link' or the code of a refusal.
CREATE TABLE idempotency_keys (
    alliance   TEXT NOT NULL,
    partner    TEXT NOT NULL,
    key        TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    digest     BLOB NOT NULL,
    subject_id BLOB,
    request_id BLOB NOT NULL,
    PRIMARY KEY (alliance, partner, key)
) STRICT, WITHOUT ROWID;

-- The signed requests that transactions came in by: once a request, not once a transaction.
CREATE TABLE requests (
    received_at INTEGER NOT NULL,
    alliance    TEXT    NOT NULL,
    request_id  BLOB    NOT NULL,
    partner     TEXT    NOT NULL,
    kid         TEXT    NOT NULL,
    base        BLOB    NOT NULL,
    signature   BLOB    NOT NULL,
    body        BLOB,
    orders      BLOB,
    PRIMARY KEY (alliance, request_id)
) STRICT;

-- What a receipt does not say of a transaction. Amounts, rate and settlement stand in its receipt.
CREATE TABLE transactions (
    created_at       INTEGER NOT NULL,
    reversed_source  INTEGER NOT NULL CHECK (reversed_source >= 0),
    reversed_target  INTEGER NOT NULL CHECK (reversed_target >= 0),
    request_index    INTEGER NOT NULL,
    source_member    INTEGER,
    target_member    INTEGER,
    seq              INTEGER,
    alliance         TEXT    NOT NULL,
    transaction_id   BLOB    NOT NULL,
    kind             TEXT    NOT NULL
        CHECK (kind IN ('exchange', 'redemption', 'accrual', 'reversal', 'adjustment')),
    state            TEXT    NOT NULL
        CHECK (state IN ('pending', 'completed', 'failed', 'partially_reversed', 'reversed')),
    caller           TEXT    NOT NULL,
    source_reference TEXT    NOT NULL,
    corridor         TEXT    NOT NULL,
    request_id       BLOB    NOT NULL,
    quote_id         BLOB,
    reverses         BLOB,
    reason           TEXT,
    PRIMARY KEY (alliance, transaction_id)
) STRICT;
CREATE UNIQUE INDEX transactions_quote ON transactions (alliance, quote_id)
    WHERE quote_id IS NOT NULL;
CREATE UNIQUE INDEX transactions_reference ON transactions (alliance, caller, source_reference)
    WHERE state <> 'failed';

-- The chains: payloads as they were signed.
CREATE TABLE receipts (
    seq            INTEGER NOT NULL CHECK (seq > 0),
    alliance       TEXT    NOT NULL,
    corridor       TEXT    NOT NULL,
    kid            TEXT    NOT NULL,
    transaction_id BLOB    NOT NULL,
    signature      BLOB    NOT NULL,
    payload        BLOB    NOT NULL,
    PRIMARY KEY (alliance, corridor, seq)
) STRICT;

-- The end of each chain, the right edge of its Merkle tree, and its last checkpoint.
CREATE TABLE corridors (
    seq             INTEGER NOT NULL CHECK (seq > 0),
    completed_at    INTEGER NOT NULL,
    checkpoint_size INTEGER CHECK (checkpoint_size <= seq),
    checkpoint_at   INTEGER,
    alliance        TEXT    NOT NULL,
    corridor        TEXT    NOT NULL,
    head            BLOB    NOT NULL,
    frontier        BLOB    NOT NULL,
    checkpoint_root BLOB,
    checkpoint_note TEXT,
    PRIMARY KEY (alliance, corridor)
) STRICT, WITHOUT ROWID;

-- Roots of complete Merkle subtrees, every eighth level.
CREATE TABLE tree_nodes (
    level    INTEGER NOT NULL,
    position INTEGER NOT NULL,
    alliance TEXT    NOT NULL,
    corridor TEXT    NOT NULL,
    hash     BLOB    NOT NULL,
    PRIMARY KEY (alliance, corridor, level, position)
) STRICT, WITHOUT ROWID;

-- What the planner is to believe from the first day on: many rows of few alliances, each found by
-- its whole key. Without this it would take `alliance = …` alone for a good way to find a row.
ANALYZE;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('members',          'members',                         '1000000 1000000 1'),
    ('members',          'members_lookup',                  '1000000 1000000 1'),
    ('balances',         'balances',                        '1000000 1000000 1'),
    ('accounts',         'accounts',                        '1000 1000 1 1'),
    ('links',            'links',                           '1000000 1000000 1'),
    ('links',            'links_active',                    '1000000 1000000 2 1'),
    ('links',            'links_a_partner',                 '1000000 1000000 10000 1'),
    ('links',            'links_b_partner',                 '1000000 1000000 10000 1'),
    ('idempotency_keys', 'idempotency_keys',                '1000000 1000000 10000 1'),
    ('requests',         'sqlite_autoindex_requests_1',     '1000000 1000000 1'),
    ('transactions',     'sqlite_autoindex_transactions_1', '1000000 1000000 1'),
    ('transactions',     'transactions_quote',              '1000000 1000000 1'),
    ('transactions',     'transactions_reference',          '1000000 1000000 10000 1'),
    ('receipts',         'sqlite_autoindex_receipts_1',     '1000000 1000000 10000 1'),
    ('corridors',        'corridors',                       '1000 1000 1'),
    ('tree_nodes',       'tree_nodes',                      '10000 10000 1000 500 1');
