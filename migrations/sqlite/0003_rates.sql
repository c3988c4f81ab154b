-- What rates go by beside the boards. The same tables and columns as on PostgreSQL, in the same order.

-- What was exchanged in each direction between two programs: gross of all orders less what was
-- reversed, and of those on boards no longer in force; 10^-6 of the currency, in decimal text.
CREATE TABLE flows (
    alliance  TEXT NOT NULL,
    source    TEXT NOT NULL,
    target    TEXT NOT NULL,
    exchanged TEXT NOT NULL,
    late      TEXT NOT NULL,
    PRIMARY KEY (alliance, source, target)
) STRICT, WITHOUT ROWID;

-- Directions that take no orders now, and the board whose rate was their last.
CREATE TABLE frozen_pairs (
    board    INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    alliance TEXT    NOT NULL,
    source   TEXT    NOT NULL,
    target   TEXT    NOT NULL,
    PRIMARY KEY (alliance, source, target)
) STRICT, WITHOUT ROWID;

-- What a member gave to another partner on the last UTC day that it gave anything, in minor units
-- of its program; kept where an agreement limits it.
CREATE TABLE member_days (
    member   INTEGER NOT NULL,
    day      INTEGER NOT NULL,
    given    INTEGER NOT NULL CHECK (given >= 0),
    alliance TEXT    NOT NULL,
    corridor TEXT    NOT NULL,
    PRIMARY KEY (alliance, member, corridor)
) STRICT, WITHOUT ROWID;

-- See 0001: what the planner is to believe from the first day on.
ANALYZE;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('flows',       'flows',       '1000 1000 30 1'),
    ('member_days', 'member_days', '1000000 1000000 2 1');
