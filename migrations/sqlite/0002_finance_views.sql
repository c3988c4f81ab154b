-- For finance teams: what was done and who owes what, as text that spreadsheets and reports read.
-- Views only: nothing is kept twice. The receipts themselves are the truth; these read them.

CREATE VIEW finance_receipts AS
SELECT
    r.alliance,
    r.corridor,
    r.seq,
    json_extract(r.p, '$.completed_at')          AS completed_at,
    json_extract(r.p, '$.kind')                  AS kind,
    json_extract(r.p, '$.transaction')           AS transaction_id,
    json_extract(r.p, '$.reverses')              AS reverses,
    json_extract(r.p, '$.window')                AS settlement_window,
    json_extract(r.p, '$.source.partner')        AS source_partner,
    json_extract(r.p, '$.source.program')        AS source_program,
    json_extract(r.p, '$.source.amount')         AS source_amount,
    json_extract(r.p, '$.target.partner')        AS target_partner,
    json_extract(r.p, '$.target.program')        AS target_program,
    json_extract(r.p, '$.target.amount')         AS target_amount,
    json_extract(r.p, '$.settlement.debtor')     AS debtor,
    json_extract(r.p, '$.settlement.creditor')   AS creditor,
    json_extract(r.p, '$.settlement.currency')   AS currency,
    json_extract(r.p, '$.settlement.gross')      AS gross,
    json_extract(r.p, '$.settlement.fee')        AS fee,
    json_extract(r.p, '$.settlement.net')        AS net,
    json_extract(r.p, '$.settlement.remainder')  AS remainder
FROM (SELECT alliance, corridor, seq, CAST(payload AS TEXT) AS p FROM receipts) AS r;

-- What each partner is owed (above zero) or owes (below), and what the alliance has earned. The
-- balance is millionths, of any length: the point is put in as text.
CREATE VIEW finance_positions AS
SELECT
    d.alliance,
    d.account,
    CASE WHEN d.account LIKE 'position:%' THEN substr(d.account, 10) END AS partner,
    d.asset AS currency,
    d.sign || substr(d.digits, 1, length(d.digits) - 6) || '.' || substr(d.digits, -6) AS amount
FROM (
    SELECT
        m.alliance,
        m.account,
        m.asset,
        m.sign,
        -- At least seven digits, so that one stands before the point.
        substr('0000000', 1, max(0, 7 - length(m.magnitude))) || m.magnitude AS digits
    FROM (
        SELECT
            a.alliance,
            a.account,
            a.asset,
            CASE WHEN a.balance LIKE '-%' THEN '-' ELSE '' END AS sign,
            ltrim(a.balance, '-') AS magnitude
        FROM accounts a
        WHERE a.account LIKE 'position:%' OR a.account IN ('alliance:fees', 'alliance:rounding')
    ) AS m
) AS d;
