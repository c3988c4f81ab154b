-- Events, a feed for each partner. The same tables and columns as on SQLite, in the same order.

-- What one commit tells one partner: the numbers of its events in the partner's feed, from 1 without
-- a gap, and a short entry for each, as one JSON array. Rows are never changed. What completed is
-- told from its receipt; an entry says where that stands.
CREATE TABLE events (
    last_number  BIGINT           NOT NULL,
    first_number BIGINT           NOT NULL CHECK (first_number BETWEEN 1 AND last_number),
    at           BIGINT           NOT NULL,
    alliance     TEXT COLLATE "C" NOT NULL,
    partner      TEXT COLLATE "C" NOT NULL,
    entries      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, partner, last_number)
);
