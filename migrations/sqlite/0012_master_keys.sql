-- The master keys that the books have been under. The same table and columns as on PostgreSQL, in the
-- same order.

-- By generation: from `begun_at` on everything is written under that key; `ended_at`, when nothing
-- was left under the one before. `key_id` is derived from the key. `blind_key` blinded digests in
-- a generation of before, wrapped under the key of the last: those digests are compared for ever.
CREATE TABLE master_keys (
    generation INTEGER NOT NULL CHECK (generation > 0),
    begun_at   INTEGER NOT NULL,
    ended_at   INTEGER,
    alliance   TEXT    NOT NULL,
    key_id     TEXT    NOT NULL,
    blind_key  BLOB,
    PRIMARY KEY (alliance, generation)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX master_keys_key_id ON master_keys (alliance, key_id);

-- See 0001: what the planner is to believe from the first day on.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('master_keys', 'master_keys',        '10 10 1'),
    ('master_keys', 'master_keys_key_id', '10 10 1');
