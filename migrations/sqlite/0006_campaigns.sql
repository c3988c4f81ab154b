-- Campaigns. The same tables and columns as on PostgreSQL, in the same order.

-- What an operator has proposed, as one JSON document, who approved it, and where it stands. What a
-- campaign has spent is the balance of its account. Where two are needed, nobody approves what they
-- have proposed themselves, whoever writes here.
CREATE TABLE campaigns (
    warned      INTEGER NOT NULL CHECK (warned BETWEEN 0 AND 3),
    needs_two   INTEGER NOT NULL CHECK (needs_two IN (0, 1)),
    proposed_at INTEGER NOT NULL,
    approved_at INTEGER,
    stopped_at  INTEGER,
    alliance    TEXT    NOT NULL,
    campaign_id BLOB    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('proposed', 'active', 'stopped')),
    proposed_by TEXT    NOT NULL,
    approved_by TEXT,
    stopped_by  TEXT,
    payload     BLOB    NOT NULL,
    PRIMARY KEY (alliance, campaign_id),
    CHECK (state <> 'active' OR approved_by IS NOT NULL),
    CHECK (needs_two = 0 OR approved_by IS NULL OR approved_by <> proposed_by)
) STRICT;

-- Points that campaigns have added and that cannot be exchanged onward yet: by member, campaign and
-- UTC day. They are part of the member's balance. A lot that is free by now, or was taken back, is
-- emptied by the next order that touches its member.
CREATE TABLE lots (
    member      INTEGER NOT NULL,
    day         INTEGER NOT NULL,
    points      INTEGER NOT NULL CHECK (points >= 0),
    held_until  INTEGER NOT NULL,
    alliance    TEXT    NOT NULL,
    campaign_id BLOB    NOT NULL,
    PRIMARY KEY (alliance, member, campaign_id, day)
) STRICT, WITHOUT ROWID;

-- See 0001: what the planner is to believe from the first day on.
ANALYZE;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('lots', 'lots', '1000000 1000000 4 2 1');
