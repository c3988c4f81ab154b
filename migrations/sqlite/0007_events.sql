-- Events, a feed for each partner. The same tables and columns as on PostgreSQL, in the same order.

-- What one commit tells one partner: the numbers of its events in the partner's feed, from 1 without
-- a gap, and a short entry for each, as one JSON array. Rows are never changed. What completed is
-- told from its receipt; an entry says where that stands.
CREATE TABLE events (
    last_number  INTEGER NOT NULL,
    first_number INTEGER NOT NULL CHECK (first_number BETWEEN 1 AND last_number),
    at           INTEGER NOT NULL,
    alliance     TEXT    NOT NULL,
    partner      TEXT    NOT NULL,
    entries      TEXT    NOT NULL,
    PRIMARY KEY (alliance, partner, last_number)
) STRICT, WITHOUT ROWID;

-- See 0001: what the planner is to believe from the first day on.
ANALYZE;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('events', 'events', '1000000 1000000 10000 1');
