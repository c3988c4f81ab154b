-- The ledger of one or more alliances. Every table that grows has the alliance first in its key.
-- Times are milliseconds since 1970; ids the 16 bytes of their UUIDv7; points minor units of their
-- program; money 10^-6 of the currency, totals in decimal text because they may pass 64 bits.
--
-- The same tables and columns as on SQLite, in the same order: what has eight bytes stands first,
-- so that no row is padded. Text is compared by bytes. Tables whose rows change in place have room
-- for that on every page.

-- One row an alliance: whoever updates it is the one writer until its transaction ends.
CREATE TABLE sequencer (
    batch            BIGINT           NOT NULL,
    next_member      BIGINT           NOT NULL,
    registry_version BIGINT           NOT NULL,
    alliance         TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance)
) WITH (fillfactor = 50);

-- Every version of what the alliance has agreed on, as one JSON document.
CREATE TABLE definitions (
    version    BIGINT           NOT NULL,
    applied_at BIGINT           NOT NULL,
    alliance   TEXT COLLATE "C" NOT NULL,
    document   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, version)
);

-- Published values, as signed; the terms of pairs that each commits to, as a JSON list; the time of
-- the schedule that each was made for.
CREATE TABLE boards (
    board        BIGINT           NOT NULL CHECK (board > 0),
    effective_at BIGINT           NOT NULL,
    slot         BIGINT,
    alliance     TEXT COLLATE "C" NOT NULL,
    jws          TEXT COLLATE "C" NOT NULL,
    terms        TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, board)
);

-- The partner key list, as signed, every number of it.
CREATE TABLE partner_key_statements (
    number   BIGINT           NOT NULL,
    alliance TEXT COLLATE "C" NOT NULL,
    jws      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, number)
);

-- Partners that may not trade now.
CREATE TABLE suspensions (
    suspended_at BIGINT           NOT NULL,
    alliance     TEXT COLLATE "C" NOT NULL,
    partner      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, partner)
);

-- Keys that seal the members of quote tokens; destroyed within a day.
CREATE TABLE quote_keys (
    period      BIGINT           NOT NULL,
    alliance    TEXT COLLATE "C" NOT NULL,
    wrapped_key BYTEA            NOT NULL,
    PRIMARY KEY (alliance, period)
);

-- Settlement windows. One is open.
CREATE TABLE windows (
    opened_at BIGINT           NOT NULL,
    alliance  TEXT COLLATE "C" NOT NULL,
    window_id BYTEA            NOT NULL,
    currency  TEXT COLLATE "C" NOT NULL,
    state     TEXT COLLATE "C" NOT NULL
        CHECK (state IN ('open', 'closed', 'netted', 'settling', 'settled', 'aborted')),
    PRIMARY KEY (alliance, window_id)
);
CREATE UNIQUE INDEX windows_open ON windows (alliance, currency) WHERE state = 'open';

-- Members of hosted programs: key and reference sealed, found by a keyed HMAC. Forgetting a member
-- empties lookup, wrapped_key and sealed_reference, and nothing else.
CREATE TABLE members (
    member           BIGINT           NOT NULL,
    opening          BIGINT           NOT NULL CHECK (opening >= 0),
    frozen_at        BIGINT,
    alliance         TEXT COLLATE "C" NOT NULL,
    program          TEXT COLLATE "C" NOT NULL,
    lookup           BYTEA,
    wrapped_key      BYTEA,
    sealed_reference BYTEA,
    PRIMARY KEY (alliance, member)
);
CREATE UNIQUE INDEX members_lookup ON members (alliance, lookup) WHERE lookup IS NOT NULL;

-- Members' points, apart from the rest because they change with every order.
CREATE TABLE balances (
    member   BIGINT           NOT NULL,
    balance  BIGINT           NOT NULL CHECK (balance >= 0),
    alliance TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, member)
) WITH (fillfactor = 80);

-- All other accounts of the double-entry ledger: issued:…, position:…, alliance:fees, …
CREATE TABLE accounts (
    alliance TEXT COLLATE "C" NOT NULL,
    account  TEXT COLLATE "C" NOT NULL,
    asset    TEXT COLLATE "C" NOT NULL,
    balance  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, account, asset)
) WITH (fillfactor = 50);

-- Two members' accounts that are the same person's.
CREATE TABLE links (
    created_at  BIGINT           NOT NULL,
    until       BIGINT,
    a_member    BIGINT,
    b_member    BIGINT,
    alliance    TEXT COLLATE "C" NOT NULL,
    link_id     BYTEA            NOT NULL,
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('proposed', 'active', 'revoked')),
    a_partner   TEXT COLLATE "C" NOT NULL,
    a_program   TEXT COLLATE "C" NOT NULL,
    a_lookup    BYTEA,
    a_supplied  BYTEA,
    b_partner   TEXT COLLATE "C" NOT NULL,
    b_program   TEXT COLLATE "C" NOT NULL,
    b_lookup    BYTEA,
    b_supplied  BYTEA,
    scope       TEXT COLLATE "C" NOT NULL,
    proposed_by TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, link_id)
);
CREATE UNIQUE INDEX links_active ON links (alliance, a_member, b_member) WHERE state = 'active';
CREATE INDEX links_a_partner ON links (alliance, a_partner, link_id);
CREATE INDEX links_b_partner ON links (alliance, b_partner, link_id);

-- What every idempotency key was used for, as long as the transaction is kept. The outcome is
-- 'transaction', 'link' or the code of a refusal.
CREATE TABLE idempotency_keys (
    alliance   TEXT COLLATE "C" NOT NULL,
    partner    TEXT COLLATE "C" NOT NULL,
    key        TEXT COLLATE "C" NOT NULL,
    outcome    TEXT COLLATE "C" NOT NULL,
    digest     BYTEA            NOT NULL,
    subject_id BYTEA,
    request_id BYTEA            NOT NULL,
    PRIMARY KEY (alliance, partner, key)
);

-- The signed requests that transactions came in by: once a request, not once a transaction.
CREATE TABLE requests (
    received_at BIGINT           NOT NULL,
    alliance    TEXT COLLATE "C" NOT NULL,
    request_id  BYTEA            NOT NULL,
    partner     TEXT COLLATE "C" NOT NULL,
    kid         TEXT COLLATE "C" NOT NULL,
    base        BYTEA            NOT NULL,
    signature   BYTEA            NOT NULL,
    body        BYTEA,
    orders      BYTEA,
    PRIMARY KEY (alliance, request_id)
);

-- What a receipt does not say of a transaction. Amounts, rate and settlement stand in its receipt.
CREATE TABLE transactions (
    created_at       BIGINT           NOT NULL,
    reversed_source  BIGINT           NOT NULL CHECK (reversed_source >= 0),
    reversed_target  BIGINT           NOT NULL CHECK (reversed_target >= 0),
    request_index    BIGINT           NOT NULL,
    source_member    BIGINT,
    target_member    BIGINT,
    seq              BIGINT,
    alliance         TEXT COLLATE "C" NOT NULL,
    transaction_id   BYTEA            NOT NULL,
    kind             TEXT COLLATE "C" NOT NULL
        CHECK (kind IN ('exchange', 'redemption', 'accrual', 'reversal', 'adjustment')),
    state            TEXT COLLATE "C" NOT NULL
        CHECK (state IN ('pending', 'completed', 'failed', 'partially_reversed', 'reversed')),
    caller           TEXT COLLATE "C" NOT NULL,
    source_reference TEXT COLLATE "C" NOT NULL,
    corridor         TEXT COLLATE "C" NOT NULL,
    request_id       BYTEA            NOT NULL,
    quote_id         BYTEA,
    reverses         BYTEA,
    reason           TEXT COLLATE "C",
    PRIMARY KEY (alliance, transaction_id)
) WITH (fillfactor = 95);
CREATE UNIQUE INDEX transactions_quote ON transactions (alliance, quote_id)
    WHERE quote_id IS NOT NULL;
CREATE UNIQUE INDEX transactions_reference ON transactions (alliance, caller, source_reference)
    WHERE state <> 'failed';

-- The chains: payloads as they were signed.
CREATE TABLE receipts (
    seq            BIGINT           NOT NULL CHECK (seq > 0),
    alliance       TEXT COLLATE "C" NOT NULL,
    corridor       TEXT COLLATE "C" NOT NULL,
    kid            TEXT COLLATE "C" NOT NULL,
    transaction_id BYTEA            NOT NULL,
    signature      BYTEA            NOT NULL,
    payload        BYTEA            NOT NULL,
    PRIMARY KEY (alliance, corridor, seq)
);

-- The end of each chain, the right edge of its Merkle tree, and its last checkpoint.
CREATE TABLE corridors (
    seq             BIGINT           NOT NULL CHECK (seq > 0),
    completed_at    BIGINT           NOT NULL,
    checkpoint_size BIGINT CHECK (checkpoint_size <= seq),
    checkpoint_at   BIGINT,
    alliance        TEXT COLLATE "C" NOT NULL,
    corridor        TEXT COLLATE "C" NOT NULL,
    head            BYTEA            NOT NULL,
    frontier        BYTEA            NOT NULL,
    checkpoint_root BYTEA,
    checkpoint_note TEXT COLLATE "C",
    PRIMARY KEY (alliance, corridor)
) WITH (fillfactor = 50);

-- Roots of complete Merkle subtrees, every eighth level.
CREATE TABLE tree_nodes (
    level    BIGINT           NOT NULL,
    position BIGINT           NOT NULL,
    alliance TEXT COLLATE "C" NOT NULL,
    corridor TEXT COLLATE "C" NOT NULL,
    hash     BYTEA            NOT NULL,
    PRIMARY KEY (alliance, corridor, level, position)
);
