-- So many earlier transactions in the alliance "bench" (psql -v transactions=10000000): their keys,
-- requests, rows and receipts, in a corridor of their own that no order of a benchmark touches. Only
-- payloads, bases and bodies are short: what is measured is how deep the tables and indexes are, not
-- how many disks it takes. Such books verify nowhere.
\set ON_ERROR_STOP on
SET synchronous_commit = off;
SET max_parallel_workers_per_gather = 0;

INSERT INTO requests (alliance, request_id, partner, kid, base, signature, body, received_at)
SELECT 'bench', decode(lpad(to_hex(n), 32, '0'), 'hex'), :'partner', repeat('k', 43), '\x00',
       decode(repeat('00', 64), 'hex'), '\x00', n
FROM generate_series(1, :transactions) AS n;

INSERT INTO idempotency_keys (alliance, partner, key, outcome, subject_id, digest, request_id)
SELECT 'bench', :'partner', 'earlier-' || lpad(n::text, 12, '0'), 'transaction',
       decode(lpad(to_hex(n), 32, '0'), 'hex'), sha256(int8send(n)),
       decode(lpad(to_hex(n), 32, '0'), 'hex')
FROM generate_series(1, :transactions) AS n;

INSERT INTO transactions (alliance, transaction_id, kind, state, caller, source_reference,
       quote_id, source_member, target_member, created_at, reversed_source, reversed_target,
       corridor, seq, request_id, request_index)
SELECT 'bench', decode(lpad(to_hex(n), 32, '0'), 'hex'), 'exchange', 'completed', :'partner',
       'earlier-' || lpad(n::text, 12, '0'), decode(lpad(to_hex(n), 32, '0'), 'hex'), 1, 2, n, 0, 0,
       'earlier-a~earlier-b', n, decode(lpad(to_hex(n), 32, '0'), 'hex'), 0
FROM generate_series(1, :transactions) AS n;

INSERT INTO receipts (alliance, corridor, seq, transaction_id, payload, signature, kid)
SELECT 'bench', 'earlier-a~earlier-b', n, decode(lpad(to_hex(n), 32, '0'), 'hex'), '\x00',
       decode(repeat('00', 64), 'hex'), repeat('k', 43)
FROM generate_series(1, :transactions) AS n;
