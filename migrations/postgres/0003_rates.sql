-- What rates go by beside the boards. The same tables and columns as on SQLite, in the same order.

-- What was exchanged in each direction between two programs: gross of all orders less what was
-- reversed, and of those on boards no longer in force; 10^-6 of the currency, in decimal text.
CREATE TABLE flows (
    alliance  TEXT COLLATE "C" NOT NULL,
    source    TEXT COLLATE "C" NOT NULL,
    target    TEXT COLLATE "C" NOT NULL,
    exchanged TEXT COLLATE "C" NOT NULL,
    late      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, source, target)
) WITH (fillfactor = 50);

-- Directions that take no orders now, and the board whose rate was their last.
CREATE TABLE frozen_pairs (
    board    BIGINT           NOT NULL,
    since    BIGINT           NOT NULL,
    alliance TEXT COLLATE "C" NOT NULL,
    source   TEXT COLLATE "C" NOT NULL,
    target   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, source, target)
);

-- What a member gave to another partner on the last UTC day that it gave anything, in minor units
-- of its program; kept where an agreement limits it.
CREATE TABLE member_days (
    member   BIGINT           NOT NULL,
    day      BIGINT           NOT NULL,
    given    BIGINT           NOT NULL CHECK (given >= 0),
    alliance TEXT COLLATE "C" NOT NULL,
    corridor TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (alliance, member, corridor)
) WITH (fillfactor = 50);
