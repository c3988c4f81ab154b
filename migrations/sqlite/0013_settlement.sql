-- Settlement: windows beyond the first, what each came to, and what banks said. The same tables and
-- columns as on PostgreSQL, in the same order.

-- What becomes of a window. `slot`: the last time of the schedule before it was opened. `to_post`: how
-- many adjustments follow from it that are not posted yet. `ended_at`: when its obligations were
-- discharged, of one that was aborted with those of the window that they are in. Days are
-- `YYYY-MM-DD`, where the alliance is.
ALTER TABLE windows ADD COLUMN number INTEGER NOT NULL DEFAULT 1;
ALTER TABLE windows ADD COLUMN slot INTEGER;
ALTER TABLE windows ADD COLUMN closed_at INTEGER;
ALTER TABLE windows ADD COLUMN netted_at INTEGER;
ALTER TABLE windows ADD COLUMN to_post INTEGER CHECK (to_post >= 0);
ALTER TABLE windows ADD COLUMN ended_at INTEGER;
ALTER TABLE windows ADD COLUMN provisional INTEGER NOT NULL DEFAULT 0;
ALTER TABLE windows ADD COLUMN closed_on TEXT;
ALTER TABLE windows ADD COLUMN value_date TEXT;
ALTER TABLE windows ADD COLUMN carried_into BLOB;
CREATE UNIQUE INDEX windows_number ON windows (alliance, number);
CREATE INDEX windows_not_ended ON windows (alliance, number) WHERE ended_at IS NULL;

-- The receipts of a window: of each chain those with `after_seq < seq`, up to `seq`. Where the chain
-- and its tree stood then.
CREATE TABLE window_ranges (
    after_seq INTEGER NOT NULL CHECK (after_seq >= 0),
    seq       INTEGER NOT NULL CHECK (seq > after_seq),
    alliance  TEXT NOT NULL,
    corridor  TEXT NOT NULL,
    window_id BLOB NOT NULL,
    head      BLOB NOT NULL,
    frontier  BLOB NOT NULL,
    PRIMARY KEY (alliance, corridor, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX window_ranges_window ON window_ranges (alliance, window_id, corridor);

-- What a window came to for a party, the alliance included, in 10^-6 of the currency: above zero it is
-- owed. `net` is opening and activity, and payment and carried.
CREATE TABLE window_lines (
    alliance  TEXT NOT NULL,
    window_id BLOB NOT NULL,
    party     TEXT NOT NULL,
    opening   TEXT NOT NULL,
    activity  TEXT NOT NULL,
    net       TEXT NOT NULL,
    payment   TEXT NOT NULL,
    carried   TEXT NOT NULL,
    PRIMARY KEY (alliance, window_id, party)
) STRICT, WITHOUT ROWID;

-- Documents of a window as they are served and cited: its certificate, what it carries, what
-- adjustments were worked out from.
CREATE TABLE window_documents (
    alliance  TEXT NOT NULL,
    window_id BLOB NOT NULL,
    name      TEXT NOT NULL,
    document  BLOB NOT NULL,
    PRIMARY KEY (alliance, window_id, name)
) STRICT;

-- What banks are asked to pay, and what they said: in minor units of the currency. Sent and received
-- are the same money seen from both ends.
CREATE TABLE payments (
    number     INTEGER NOT NULL CHECK (number > 0),
    attempt    INTEGER NOT NULL CHECK (attempt > 0),
    amount     INTEGER NOT NULL CHECK (amount > 0),
    sent       INTEGER NOT NULL,
    sent_back  INTEGER NOT NULL,
    received   INTEGER NOT NULL,
    given_back INTEGER NOT NULL,
    refused    INTEGER NOT NULL CHECK (refused IN (0, 1)),
    alliance   TEXT NOT NULL,
    window_id  BLOB NOT NULL,
    debtor     TEXT NOT NULL,
    creditor   TEXT NOT NULL,
    currency   TEXT NOT NULL,
    value_date TEXT NOT NULL,
    PRIMARY KEY (alliance, window_id, number, attempt)
) STRICT, WITHOUT ROWID;

-- What takes two people: who has proposed never approves.
CREATE TABLE settlement_proposals (
    number       INTEGER NOT NULL CHECK (number > 0),
    proposed_at  INTEGER NOT NULL,
    approved_at  INTEGER,
    withdrawn_at INTEGER,
    alliance     TEXT NOT NULL,
    action       TEXT NOT NULL,
    proposed_by  TEXT NOT NULL,
    approved_by  TEXT CHECK (approved_by <> proposed_by),
    withdrawn_by TEXT,
    PRIMARY KEY (alliance, number)
) STRICT, WITHOUT ROWID;

-- Banks' files that were taken in, each once, and their entries, each once whichever file tells of it.
CREATE TABLE bank_files (
    imported_at INTEGER NOT NULL,
    entries     INTEGER NOT NULL,
    alliance    TEXT NOT NULL,
    file_hash   BLOB NOT NULL,
    name        TEXT NOT NULL,
    imported_by TEXT NOT NULL,
    PRIMARY KEY (alliance, file_hash)
) STRICT, WITHOUT ROWID;
CREATE TABLE bank_entries (
    place     INTEGER NOT NULL,
    alliance  TEXT NOT NULL,
    entry_key BLOB NOT NULL,
    file_hash BLOB NOT NULL,
    payment   TEXT,
    became    TEXT NOT NULL,
    entry     TEXT NOT NULL,
    PRIMARY KEY (alliance, entry_key)
) STRICT;
CREATE UNIQUE INDEX bank_entries_file ON bank_entries (alliance, file_hash, place);

-- See 0001: what the planner is to believe from the first day on.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('windows',              'windows_number',                       '1000 1000 1'),
    ('windows',              'windows_not_ended',                    '10 10 1'),
    ('window_ranges',        'window_ranges',                        '1000000 1000000 1000 1'),
    ('window_ranges',        'window_ranges_window',                 '1000000 1000000 1000 1'),
    ('window_lines',         'window_lines',                         '100000 100000 100 1'),
    ('window_documents',     'sqlite_autoindex_window_documents_1',  '10000 10000 100 1'),
    ('payments',             'payments',                             '100000 100000 100 1 1'),
    ('settlement_proposals', 'settlement_proposals',                 '1000 1000 1'),
    ('bank_files',           'bank_files',                           '1000 1000 1'),
    ('bank_entries',         'sqlite_autoindex_bank_entries_1',      '100000 100000 1'),
    ('bank_entries',         'bank_entries_file',                    '100000 100000 100 1');
