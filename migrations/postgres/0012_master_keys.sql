-- The master keys that the books have been under. The same table and columns as on SQLite, in the
-- same order.

-- By generation: from `begun_at` on everything is written under that key; `ended_at`, when nothing
-- was left under the one before. `key_id` is derived from the key. `blind_key` blinded digests in
-- a generation of before, wrapped under the key of the last: those digests are compared for ever.
CREATE TABLE master_keys (
    generation BIGINT           NOT NULL CHECK (generation > 0),
    begun_at   BIGINT           NOT NULL,
    ended_at   BIGINT,
    alliance   TEXT COLLATE "C" NOT NULL,
    key_id     TEXT COLLATE "C" NOT NULL,
    blind_key  BYTEA,
    PRIMARY KEY (alliance, generation)
);
CREATE UNIQUE INDEX master_keys_key_id ON master_keys (alliance, key_id);
