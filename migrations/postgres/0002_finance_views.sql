-- For finance teams: what was done and who owes what, in types that spreadsheets and reports read.
-- Views only: nothing is kept twice. The receipts themselves are the truth; these read them.

CREATE VIEW finance_receipts AS
SELECT
    r.alliance,
    r.corridor,
    r.seq,
    (p ->> 'completed_at')::timestamptz           AS completed_at,
    p ->> 'kind'                                  AS kind,
    p ->> 'transaction'                           AS transaction_id,
    p ->> 'reverses'                              AS reverses,
    p ->> 'window'                                AS settlement_window,
    p -> 'source' ->> 'partner'                   AS source_partner,
    p -> 'source' ->> 'program'                   AS source_program,
    (p -> 'source' ->> 'amount')::numeric         AS source_amount,
    p -> 'target' ->> 'partner'                   AS target_partner,
    p -> 'target' ->> 'program'                   AS target_program,
    (p -> 'target' ->> 'amount')::numeric         AS target_amount,
    p -> 'settlement' ->> 'debtor'                AS debtor,
    p -> 'settlement' ->> 'creditor'              AS creditor,
    p -> 'settlement' ->> 'currency'              AS currency,
    (p -> 'settlement' ->> 'gross')::numeric      AS gross,
    (p -> 'settlement' ->> 'fee')::numeric        AS fee,
    (p -> 'settlement' ->> 'net')::numeric        AS net,
    (p -> 'settlement' ->> 'remainder')::numeric  AS remainder
FROM receipts r
CROSS JOIN LATERAL (SELECT convert_from(r.payload, 'UTF8')::jsonb) AS parsed (p);

-- What each partner is owed (above zero) or owes (below), and what the alliance has earned. The
-- balance is millionths: multiplied, because a division would round long ones.
CREATE VIEW finance_positions AS
SELECT
    a.alliance,
    a.account,
    CASE WHEN a.account LIKE 'position:%' THEN substr(a.account, 10) END AS partner,
    a.asset                        AS currency,
    a.balance::numeric * 0.000001  AS amount
FROM accounts a
WHERE a.account LIKE 'position:%' OR a.account IN ('alliance:fees', 'alliance:rounding');
