-- Settlement: windows beyond the first, what each came to, and what banks said. The same tables and
-- columns as on SQLite, in the same order.

-- What becomes of a window. `slot`: the last time of the schedule before it was opened. `to_post`: how
-- many adjustments follow from it that are not posted yet. `ended_at`: when its obligations were
-- discharged, of one that was aborted with those of the window that they are in. Days are
-- `YYYY-MM-DD`, where the alliance is.
ALTER TABLE windows ADD COLUMN number BIGINT NOT NULL DEFAULT 1;
ALTER TABLE windows ADD COLUMN slot BIGINT;
ALTER TABLE windows ADD COLUMN closed_at BIGINT;
ALTER TABLE windows ADD COLUMN netted_at BIGINT;
ALTER TABLE windows ADD COLUMN to_post BIGINT CHECK (to_post >= 0);
ALTER TABLE windows ADD COLUMN ended_at BIGINT;
ALTER TABLE windows ADD COLUMN provisional BIGINT NOT NULL DEFAULT 0;
ALTER TABLE windows ADD COLUMN closed_on TEXT COLLATE "C";
ALTER TABLE windows ADD COLUMN value_date TEXT COLLATE "C";
ALTER TABLE windows ADD COLUMN carried_into BYTEA;
CREATE UNIQUE INDEX windows_number ON windows (alliance, number);
CREATE INDEX windows_not_ended ON windows (alliance, number) WHERE ended_at IS NULL;

-- The receipts of a window: of each chain those with `after_seq < seq`, up to `seq`. Where the chain
-- and its tree stood then.
CREATE TABLE window_ranges (
    after_seq BIGINT NOT NULL CHECK (after_seq >= 0),
    seq       BIGINT NOT NULL CHECK (seq > after_seq),
    alliance  TEXT COLLATE "C" NOT NULL,
    corridor  TEXT COLLATE "C" NOT NULL,
    window_id BYTEA NOT NULL,
    head      BYTEA NOT NULL,
    frontier  BYTEA NOT NULL,
    PRIMARY KEY (alliance, corridor, seq)
);
CREATE UNIQUE INDEX window_ranges_window ON window_ranges (alliance, window_id, corridor);

-- What a window came to for a party, the alliance included, in 10^-6 of the currency: above zero it is
-- owed. `net` is opening and activity, and payment and carried.
CREATE TABLE window_lines (
    alliance  TEXT COLLATE "C" NOT NULL,
    window_id BYTEA NOT NULL,
    party     TEXT COLLATE "C" NOT NULL,
    opening   TEXT COLLATE "C" NOT NULL,
    activity  TEXT COLLATE "C" NOT NULL,
    net       TEXT COLLATE "C" NOT NULL,
    payment   TEXT COLLATE "C" NOT NULL,
    carried   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, window_id, party)
);

-- Documents of a window as they are served and cited: its certificate, what it carries, what
-- adjustments were worked out from.
CREATE TABLE window_documents (
    alliance  TEXT COLLATE "C" NOT NULL,
    window_id BYTEA NOT NULL,
    name      TEXT COLLATE "C" NOT NULL,
    document  BYTEA NOT NULL,
    PRIMARY KEY (alliance, window_id, name)
);

-- What banks are asked to pay, and what they said: in minor units of the currency. Sent and received
-- are the same money seen from both ends.
CREATE TABLE payments (
    number     BIGINT NOT NULL CHECK (number > 0),
    attempt    BIGINT NOT NULL CHECK (attempt > 0),
    amount     BIGINT NOT NULL CHECK (amount > 0),
    sent       BIGINT NOT NULL,
    sent_back  BIGINT NOT NULL,
    received   BIGINT NOT NULL,
    given_back BIGINT NOT NULL,
    refused    BIGINT NOT NULL CHECK (refused IN (0, 1)),
    alliance   TEXT COLLATE "C" NOT NULL,
    window_id  BYTEA NOT NULL,
    debtor     TEXT COLLATE "C" NOT NULL,
    creditor   TEXT COLLATE "C" NOT NULL,
    currency   TEXT COLLATE "C" NOT NULL,
    value_date TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, window_id, number, attempt)
);

-- What takes two people: who has proposed never approves.
CREATE TABLE settlement_proposals (
    number       BIGINT NOT NULL CHECK (number > 0),
    proposed_at  BIGINT NOT NULL,
    approved_at  BIGINT,
    withdrawn_at BIGINT,
    alliance     TEXT COLLATE "C" NOT NULL,
    action       TEXT COLLATE "C" NOT NULL,
    proposed_by  TEXT COLLATE "C" NOT NULL,
    approved_by  TEXT COLLATE "C" CHECK (approved_by <> proposed_by),
    withdrawn_by TEXT COLLATE "C",
    PRIMARY KEY (alliance, number)
);

-- Banks' files that were taken in, each once, and their entries, each once whichever file tells of it.
CREATE TABLE bank_files (
    imported_at BIGINT NOT NULL,
    entries     BIGINT NOT NULL,
    alliance    TEXT COLLATE "C" NOT NULL,
    file_hash   BYTEA NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    imported_by TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, file_hash)
);
CREATE TABLE bank_entries (
    place     BIGINT NOT NULL,
    alliance  TEXT COLLATE "C" NOT NULL,
    entry_key BYTEA NOT NULL,
    file_hash BYTEA NOT NULL,
    payment   TEXT COLLATE "C",
    became    TEXT COLLATE "C" NOT NULL,
    entry     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, entry_key)
);
CREATE UNIQUE INDEX bank_entries_file ON bank_entries (alliance, file_hash, place);
