-- Keys, what they were accepted for, and cosignatures. The same tables and columns as on
-- SQLite, in the same order.

-- Partners' keys as they were registered, retired or revoked after the definition, which has the
-- initial ones. Of a key that both name, the earlier end counts. `changed_by` is the key that asked
-- last; none: an operator. Rows stay: a list only grows.
CREATE TABLE partner_keys (
    nbf        BIGINT,
    exp        BIGINT,
    revoked_at BIGINT,
    added_at   BIGINT,
    alliance   TEXT COLLATE "C" NOT NULL,
    kid        TEXT COLLATE "C" NOT NULL,
    partner    TEXT COLLATE "C" NOT NULL,
    x          TEXT COLLATE "C" NOT NULL,
    scope      TEXT COLLATE "C" NOT NULL CHECK (scope IN ('full', 'read', 'trade', 'witness')),
    changed_by TEXT COLLATE "C",
    PRIMARY KEY (alliance, kid)
);

-- The gateway's key list, as the root key has signed it, every number of it that was imported.
CREATE TABLE gateway_key_lists (
    number   BIGINT           NOT NULL CHECK (number > 0),
    alliance TEXT COLLATE "C" NOT NULL,
    document TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, number)
);

-- What partners' keys were accepted for, other than orders: those keep their whole request. Nothing
-- of what the request said, which may name members.
CREATE TABLE key_uses (
    received_at BIGINT           NOT NULL,
    alliance    TEXT COLLATE "C" NOT NULL,
    kid         TEXT COLLATE "C" NOT NULL,
    request_id  BYTEA            NOT NULL,
    partner     TEXT COLLATE "C" NOT NULL,
    what        TEXT COLLATE "C" NOT NULL,
    subject     TEXT COLLATE "C",
    PRIMARY KEY (alliance, kid, received_at, request_id)
);

-- Checkpoints that partners have cosigned: the first over so many receipts of each partner.
CREATE TABLE cosignatures (
    size        BIGINT           NOT NULL CHECK (size > 0),
    cosigned_at BIGINT           NOT NULL,
    alliance    TEXT COLLATE "C" NOT NULL,
    corridor    TEXT COLLATE "C" NOT NULL,
    partner     TEXT COLLATE "C" NOT NULL,
    kid         TEXT COLLATE "C" NOT NULL,
    note        TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, corridor, size, partner)
);

-- The transactions that a request's orders were to become, 16 bytes each; none of requests of
-- before.
ALTER TABLE requests ADD COLUMN transactions BYTEA;

-- What a key was accepted for since a time.
CREATE INDEX requests_kid ON requests (alliance, kid, received_at, request_id);
