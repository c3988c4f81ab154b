-- Campaigns. The same tables and columns as on SQLite, in the same order.

-- What an operator has proposed, as one JSON document, who approved it, and where it stands. What a
-- campaign has spent is the balance of its account. Where two are needed, nobody approves what they
-- have proposed themselves, whoever writes here.
CREATE TABLE campaigns (
    warned      BIGINT           NOT NULL CHECK (warned BETWEEN 0 AND 3),
    needs_two   BIGINT           NOT NULL CHECK (needs_two IN (0, 1)),
    proposed_at BIGINT           NOT NULL,
    approved_at BIGINT,
    stopped_at  BIGINT,
    alliance    TEXT COLLATE "C" NOT NULL,
    campaign_id BYTEA            NOT NULL,
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('proposed', 'active', 'stopped')),
    proposed_by TEXT COLLATE "C" NOT NULL,
    approved_by TEXT COLLATE "C",
    stopped_by  TEXT COLLATE "C",
    payload     BYTEA            NOT NULL,
    PRIMARY KEY (alliance, campaign_id),
    CHECK (state <> 'active' OR approved_by IS NOT NULL),
    CHECK (needs_two = 0 OR approved_by IS NULL OR approved_by <> proposed_by)
);

-- Points that campaigns have added and that cannot be exchanged onward yet: by member, campaign and
-- UTC day. They are part of the member's balance. A lot that is free by now, or was taken back, is
-- emptied by the next order that touches its member.
CREATE TABLE lots (
    member      BIGINT           NOT NULL,
    day         BIGINT           NOT NULL,
    points      BIGINT           NOT NULL CHECK (points >= 0),
    held_until  BIGINT           NOT NULL,
    alliance    TEXT COLLATE "C" NOT NULL,
    campaign_id BYTEA            NOT NULL,
    PRIMARY KEY (alliance, member, campaign_id, day)
) WITH (fillfactor = 50);
