-- Keys, what they were accepted for, and cosignatures. The same tables and columns as on
-- PostgreSQL, in the same order.

-- Partners' keys as they were registered, retired or revoked after the definition, which has the
-- initial ones. Of a key that both name, the earlier end counts. `changed_by` is the key that asked
-- last; none: an operator. Rows stay: a list only grows.
CREATE TABLE partner_keys (
    nbf        INTEGER,
    exp        INTEGER,
    revoked_at INTEGER,
    added_at   INTEGER,
    alliance   TEXT    NOT NULL,
    kid        TEXT    NOT NULL,
    partner    TEXT    NOT NULL,
    x          TEXT    NOT NULL,
    scope      TEXT    NOT NULL CHECK (scope IN ('full', 'read', 'trade', 'witness')),
    changed_by TEXT,
    PRIMARY KEY (alliance, kid)
) STRICT, WITHOUT ROWID;

-- The gateway's key list, as the root key has signed it, every number of it that was imported.
CREATE TABLE gateway_key_lists (
    number   INTEGER NOT NULL CHECK (number > 0),
    alliance TEXT    NOT NULL,
    document TEXT    NOT NULL,
    PRIMARY KEY (alliance, number)
) STRICT;

-- What partners' keys were accepted for, other than orders: those keep their whole request. Nothing
-- of what the request said, which may name members.
CREATE TABLE key_uses (
    received_at INTEGER NOT NULL,
    alliance    TEXT    NOT NULL,
    kid         TEXT    NOT NULL,
    request_id  BLOB    NOT NULL,
    partner     TEXT    NOT NULL,
    what        TEXT    NOT NULL,
    subject     TEXT,
    PRIMARY KEY (alliance, kid, received_at, request_id)
) STRICT, WITHOUT ROWID;

-- Checkpoints that partners have cosigned: the first over so many receipts of each partner.
CREATE TABLE cosignatures (
    size        INTEGER NOT NULL CHECK (size > 0),
    cosigned_at INTEGER NOT NULL,
    alliance    TEXT    NOT NULL,
    corridor    TEXT    NOT NULL,
    partner     TEXT    NOT NULL,
    kid         TEXT    NOT NULL,
    note        TEXT    NOT NULL,
    PRIMARY KEY (alliance, corridor, size, partner)
) STRICT, WITHOUT ROWID;

-- The transactions that a request's orders were to become, 16 bytes each; none of requests of
-- before.
ALTER TABLE requests ADD COLUMN transactions BLOB;

-- What a key was accepted for since a time.
CREATE INDEX requests_kid ON requests (alliance, kid, received_at, request_id);

-- See 0001: what the planner is to believe from the first day on. All of it again: the ANALYZE of
-- every later migration has cleared what stood there before.
DELETE FROM sqlite_stat1 WHERE tbl IN (
    'accounts', 'balances', 'corridors', 'cosignatures', 'flows', 'idempotency_keys',
    'key_uses', 'links', 'lots', 'member_days', 'members', 'receipts', 'requests',
    'transactions', 'tree_nodes'
);
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
    ('tree_nodes',       'tree_nodes',                      '10000 10000 1000 500 1'),
    ('flows',            'flows',                           '1000 1000 30 1'),
    ('member_days',      'member_days',                     '1000000 1000000 2 1'),
    ('lots',             'lots',                            '1000000 1000000 4 2 1'),
    ('requests',         'requests_kid',                    '1000000 1000000 10000 2 1'),
    ('key_uses',         'key_uses',                        '10000 10000 1000 2 1'),
    ('cosignatures',     'cosignatures',                    '100000 100000 10000 2 1');
