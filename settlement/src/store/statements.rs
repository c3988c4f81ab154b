//! What a batch writes, as statements: one a table, each with all of the batch's rows, the same
//! text for both engines.
//!
//! A statement with `each_row` set must take effect on as many rows as it was given: that is how
//! old heads, balances and checkpoints are asserted.

use std::borrow::Cow;
use std::collections::HashMap;

use alliance_contracts::agreement::AgreementState;
use alliance_contracts::event::EventType;
use alliance_contracts::keys::Kid;
use alliance_contracts::link::LinkState;
use alliance_contracts::names::{OperationRef, PartnerId};
use alliance_contracts::time::Timestamp;
use alliance_contracts::total::Total;
use alliance_contracts::window::WindowState;

use super::StoreError;
use super::rows::Kind::{Bytes, Int, Text};
use super::rows::{List, Rows, Sql, Value, signed, stored_outcome, stored_scope};
use crate::alliance::AgreementSignature;
use crate::ledger::Writes;
use crate::ledger::working_set::{DefinitionRow, WindowDocument, WindowLine};
use crate::payments::matching::Tracked;
use crate::rates::proposal::OperatorName;
use crate::rekeying::Rekeyed;
use crate::saga::Remark;
use crate::vault::Lookup;

/// A statement, what it is called where it fails, and whether every row must take effect.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) name: &'static str,
    pub(super) sql: Sql,
    pub(super) each_row: bool,
}

macro_rules! statement {
    ($(#[$doc:meta])* $name:ident, $list:ident, $each:literal,
     [$($column:ident $kind:ident),* $(,)?], $text:literal) => {
        static $list: List = List { name: "w", columns: &[$((stringify!($column), $kind)),*] };
        $(#[$doc])*
        static $name: Statement = Statement {
            name: stringify!($name),
            sql: Sql::write($text, &[&$list]),
            each_row: $each,
        };
    };
}

statement!(
    /// New numbers of members, a new version of the registry.
    SEQUENCER, SEQUENCER_ROWS, true,
    [members Int, versions Int],
    "UPDATE sequencer SET next_member = next_member + w.members, \
     registry_version = registry_version + w.versions FROM {w} WHERE sequencer.alliance = $1"
);
statement!(
    DEFINITION, DEFINITION_ROWS, true,
    [version Int, applied_at Int, document Text],
    "INSERT INTO definitions (alliance, version, applied_at, document) \
     SELECT $1, version, applied_at, document FROM {w} WHERE true"
);
statement!(
    BOARD, BOARD_ROWS, true,
    [board Int, effective_at Int, slot Int, jws Text, terms Text],
    "INSERT INTO boards (alliance, board, effective_at, slot, jws, terms) \
     SELECT $1, board, effective_at, slot, jws, terms FROM {w} WHERE true"
);
statement!(
    FREEZE, FREEZE_ROWS, true,
    [source Text, target Text, board Int, since Int],
    "INSERT INTO frozen_pairs (alliance, source, target, board, since) \
     SELECT $1, source, target, board, since FROM {w} WHERE true \
     ON CONFLICT (alliance, source, target) \
     DO UPDATE SET board = excluded.board, since = excluded.since"
);
statement!(
    RELEASE, RELEASE_ROWS, false,
    [source Text, target Text],
    "DELETE FROM frozen_pairs WHERE alliance = $1 AND EXISTS (SELECT 1 FROM {w} \
     WHERE w.source = frozen_pairs.source AND w.target = frozen_pairs.target)"
);
statement!(
    FEEDS, FEEDS_ROWS, true,
    [program Text, state Text],
    "INSERT INTO feeds (alliance, program, state) SELECT $1, program, state FROM {w} WHERE true \
     ON CONFLICT (alliance, program) DO UPDATE SET state = excluded.state"
);
statement!(
    OBSERVATIONS, OBSERVATIONS_ROWS, true,
    [program Text, feed Text, observed_at Int, value Text, partner Text, taken_at Int],
    "INSERT INTO observations (alliance, program, feed, observed_at, value, partner, taken_at) \
     SELECT $1, program, feed, observed_at, value, partner, taken_at FROM {w} WHERE true"
);
statement!(
    /// Who proposes does not approve: a constraint of the table says so.
    PROPOSALS, PROPOSALS_ROWS, true,
    [number Int, document Text, proposed_by Text, proposed_at Int, approved_by Text,
     approved_at Int, withdrawn_by Text, withdrawn_at Int, applied_at Int, applied_board Int],
    "INSERT INTO rate_proposals (alliance, number, document, proposed_by, proposed_at, \
     approved_by, approved_at, withdrawn_by, withdrawn_at, applied_at, applied_board) \
     SELECT $1, number, document, proposed_by, proposed_at, approved_by, approved_at, \
     withdrawn_by, withdrawn_at, applied_at, applied_board FROM {w} WHERE true \
     ON CONFLICT (alliance, number) DO UPDATE SET approved_by = excluded.approved_by, \
     approved_at = excluded.approved_at, withdrawn_by = excluded.withdrawn_by, \
     withdrawn_at = excluded.withdrawn_at, applied_at = excluded.applied_at, \
     applied_board = excluded.applied_board"
);
statement!(
    PARTNER_KEYS, PARTNER_KEYS_ROWS, true,
    [jws Text],
    "INSERT INTO partner_key_statements (alliance, number, jws) \
     SELECT $1, (SELECT COALESCE(MAX(number), 0) + 1 FROM partner_key_statements \
     WHERE alliance = $1), jws FROM {w} WHERE true"
);
statement!(
    /// What is there changes in when it ends and who has said so, and in nothing else.
    CHANGED_KEYS, CHANGED_KEYS_ROWS, true,
    [kid Text, partner Text, x Text, scope Text, nbf Int, exp Int, revoked_at Int, added_at Int,
     changed_by Text],
    "INSERT INTO partner_keys (alliance, kid, partner, x, scope, nbf, exp, revoked_at, added_at, \
     changed_by) SELECT $1, kid, partner, x, scope, nbf, exp, revoked_at, added_at, changed_by \
     FROM {w} WHERE true ON CONFLICT (alliance, kid) DO UPDATE SET exp = excluded.exp, \
     revoked_at = excluded.revoked_at, changed_by = excluded.changed_by"
);
statement!(
    GATEWAY_KEYS, GATEWAY_KEYS_ROWS, true,
    [number Int, document Text],
    "INSERT INTO gateway_key_lists (alliance, number, document) \
     SELECT $1, number, document FROM {w} WHERE true"
);
statement!(
    KEY_USES, KEY_USES_ROWS, false,
    [kid Text, received_at Int, request_id Bytes, partner Text, what Text, subject Text],
    "INSERT INTO key_uses (alliance, kid, received_at, request_id, partner, what, subject) \
     SELECT $1, kid, received_at, request_id, partner, what, subject FROM {w} WHERE true \
     ON CONFLICT (alliance, kid, received_at, request_id) DO NOTHING"
);
statement!(
    /// The first of a partner over so many receipts stays.
    COSIGNATURES, COSIGNATURES_ROWS, false,
    [corridor Text, size Int, partner Text, kid Text, cosigned_at Int, note Text],
    "INSERT INTO cosignatures (alliance, corridor, size, partner, kid, cosigned_at, note) \
     SELECT $1, corridor, size, partner, kid, cosigned_at, note FROM {w} WHERE true \
     ON CONFLICT (alliance, corridor, size, partner) DO NOTHING"
);
statement!(
    WINDOW, WINDOW_ROWS, true,
    [window_id Bytes, currency Text, opened_at Int],
    "INSERT INTO windows (alliance, window_id, currency, state, opened_at) \
     SELECT $1, window_id, currency, 'open', opened_at FROM {w} WHERE true"
);
statement!(
    /// What a window has become.
    MOVED_WINDOWS, MOVED_WINDOWS_ROWS, true,
    [window_id Bytes, state Text, closed_at Int, closed_on Text, netted_at Int, value_date Text,
     provisional Int, to_post Int, ended_at Int, carried_into Bytes],
    "UPDATE windows SET state = w.state, closed_at = w.closed_at, closed_on = w.closed_on, \
     netted_at = w.netted_at, value_date = w.value_date, provisional = w.provisional, \
     to_post = w.to_post, ended_at = w.ended_at, carried_into = w.carried_into FROM {w} \
     WHERE windows.alliance = $1 AND windows.window_id = w.window_id"
);
statement!(
    /// The next window, once the one before is closed.
    NEW_WINDOW, NEW_WINDOW_ROWS, true,
    [window_id Bytes, number Int, currency Text, opened_at Int, slot Int],
    "INSERT INTO windows (alliance, window_id, number, currency, state, opened_at, slot) \
     SELECT $1, window_id, number, currency, 'open', opened_at, slot FROM {w} WHERE true"
);
statement!(
    /// What every chain has grown by since the window before is the closed window's.
    RANGES, RANGES_ROWS, false,
    [window_id Bytes],
    "INSERT INTO window_ranges (alliance, window_id, corridor, after_seq, seq, head, frontier) \
     SELECT $1, g.window_id, g.corridor, g.after_seq, g.seq, g.head, g.frontier FROM (\
     SELECT w.window_id, c.corridor, c.seq, c.head, c.frontier, COALESCE((SELECT MAX(r.seq) \
     FROM window_ranges r WHERE r.alliance = $1 AND r.corridor = c.corridor), 0) AS after_seq \
     FROM {w} CROSS JOIN corridors c WHERE c.alliance = $1) AS g WHERE g.seq > g.after_seq"
);
statement!(
    WINDOW_LINES, WINDOW_LINES_ROWS, true,
    [window_id Bytes, party Text, opening Text, activity Text, net Text, payment Text,
     carried Text],
    "INSERT INTO window_lines (alliance, window_id, party, opening, activity, net, payment, \
     carried) SELECT $1, window_id, party, opening, activity, net, payment, carried FROM {w} \
     WHERE true"
);
statement!(
    WINDOW_DOCUMENTS, WINDOW_DOCUMENTS_ROWS, true,
    [window_id Bytes, name Text, document Bytes],
    "INSERT INTO window_documents (alliance, window_id, name, document) \
     SELECT $1, window_id, name, document FROM {w} WHERE true"
);
statement!(
    /// What was instructed stays; what banks have said of it changes.
    PAYMENTS, PAYMENTS_ROWS, true,
    [window_id Bytes, number Int, attempt Int, amount Int, sent Int, sent_back Int, received Int,
     given_back Int, refused Int, debtor Text, creditor Text, currency Text, value_date Text],
    "INSERT INTO payments (alliance, window_id, number, attempt, amount, sent, sent_back, \
     received, given_back, refused, debtor, creditor, currency, value_date) \
     SELECT $1, window_id, number, attempt, amount, sent, sent_back, received, given_back, \
     refused, debtor, creditor, currency, value_date FROM {w} WHERE true \
     ON CONFLICT (alliance, window_id, number, attempt) DO UPDATE SET sent = excluded.sent, \
     sent_back = excluded.sent_back, received = excluded.received, \
     given_back = excluded.given_back, refused = excluded.refused"
);
statement!(
    /// Who proposes does not approve: a constraint of the table says so.
    SETTLEMENT_PROPOSALS, SETTLEMENT_PROPOSALS_ROWS, true,
    [number Int, action Text, proposed_by Text, proposed_at Int, approved_by Text,
     approved_at Int, withdrawn_by Text, withdrawn_at Int],
    "INSERT INTO settlement_proposals (alliance, number, action, proposed_by, proposed_at, \
     approved_by, approved_at, withdrawn_by, withdrawn_at) \
     SELECT $1, number, action, proposed_by, proposed_at, approved_by, approved_at, \
     withdrawn_by, withdrawn_at FROM {w} WHERE true \
     ON CONFLICT (alliance, number) DO UPDATE SET approved_by = excluded.approved_by, \
     approved_at = excluded.approved_at, withdrawn_by = excluded.withdrawn_by, \
     withdrawn_at = excluded.withdrawn_at"
);
statement!(
    BANK_FILE, BANK_FILE_ROWS, true,
    [file_hash Bytes, name Text, imported_by Text, imported_at Int, entries Int],
    "INSERT INTO bank_files (alliance, file_hash, name, imported_by, imported_at, entries) \
     SELECT $1, file_hash, name, imported_by, imported_at, entries FROM {w} WHERE true"
);
statement!(
    /// What was counted as a payment is so for ever; what was nobody's may be told of again.
    BANK_ENTRIES, BANK_ENTRIES_ROWS, true,
    [entry_key Bytes, file_hash Bytes, place Int, payment Text, became Text, entry Text],
    "INSERT INTO bank_entries (alliance, entry_key, file_hash, place, payment, became, entry) \
     SELECT $1, entry_key, file_hash, place, payment, became, entry FROM {w} WHERE true \
     ON CONFLICT (alliance, entry_key) DO UPDATE SET file_hash = excluded.file_hash, \
     place = excluded.place, payment = excluded.payment, became = excluded.became, \
     entry = excluded.entry WHERE bank_entries.payment IS NULL"
);
statement!(
    SUSPEND, SUSPEND_ROWS, true,
    [partner Text, suspended_at Int],
    "INSERT INTO suspensions (alliance, partner, suspended_at) \
     SELECT $1, partner, suspended_at FROM {w} WHERE true \
     ON CONFLICT (alliance, partner) DO UPDATE SET suspended_at = excluded.suspended_at"
);
statement!(
    LET_GO, LET_GO_ROWS, false,
    [partner Text],
    "DELETE FROM suspensions WHERE alliance = $1 AND partner IN (SELECT w.partner FROM {w})"
);
statement!(
    MEMBERS, MEMBERS_ROWS, true,
    [member Int, program Text, lookup Bytes, wrapped_key Bytes, sealed_reference Bytes,
     opening Int],
    "INSERT INTO members (alliance, member, program, lookup, wrapped_key, sealed_reference, \
     opening) SELECT $1, member, program, lookup, wrapped_key, sealed_reference, opening \
     FROM {w} WHERE true"
);
statement!(
    /// A member is forgotten: its key, its reference and its look-up are destroyed, and nothing
    /// else. What is found is written in its place.
    FORGET, FORGET_ROWS, true,
    [member Int],
    "INSERT INTO members (alliance, member, program, opening) \
     SELECT m.alliance, m.member, m.program, m.opening FROM {w} \
     {each members m WHERE m.alliance = $1 AND m.member = w.member} WHERE true \
     ON CONFLICT (alliance, member) DO UPDATE SET lookup = NULL, wrapped_key = NULL, \
     sealed_reference = NULL"
);
statement!(
    ERASURES, ERASURES_ROWS, true,
    [erasure_id Bytes, erased_at Int, partner Text, jws Text],
    "INSERT INTO erasures (alliance, erasure_id, erased_at, partner, jws) \
     SELECT $1, erasure_id, erased_at, partner, jws FROM {w} WHERE true"
);
statement!(
    /// What is there changes in when it ends, and in nothing else.
    CONSENTS, CONSENTS_ROWS, true,
    [consent_id Bytes, granted_at Int, revoked_at Int, source Text, target Text, kid Text,
     signature Bytes, payload Bytes],
    "INSERT INTO consents (alliance, consent_id, granted_at, revoked_at, source, target, kid, \
     signature, payload) SELECT $1, consent_id, granted_at, revoked_at, source, target, kid, \
     signature, payload FROM {w} WHERE true \
     ON CONFLICT (alliance, consent_id) DO UPDATE SET revoked_at = excluded.revoked_at"
);
statement!(
    CONSENTS_SPENT, CONSENTS_SPENT_ROWS, true,
    [consent_id Bytes, day Int, in_day Int, month Int, in_month Int],
    "INSERT INTO consents_spent (alliance, consent_id, day, in_day, month, in_month) \
     SELECT $1, consent_id, day, in_day, month, in_month FROM {w} WHERE true \
     ON CONFLICT (alliance, consent_id) DO UPDATE SET day = excluded.day, \
     in_day = excluded.in_day, month = excluded.month, in_month = excluded.in_month"
);
statement!(
    FREEZE_MEMBERS, FREEZE_MEMBERS_ROWS, true,
    [member Int, frozen_at Int],
    "INSERT INTO members (alliance, member, program, opening, frozen_at) \
     SELECT m.alliance, m.member, m.program, m.opening, w.frozen_at FROM {w} \
     {each members m WHERE m.alliance = $1 AND m.member = w.member} WHERE true \
     ON CONFLICT (alliance, member) DO UPDATE SET frozen_at = excluded.frozen_at"
);
statement!(
    OPENINGS, OPENINGS_ROWS, true,
    [member Int, balance Int],
    "INSERT INTO balances (alliance, member, balance) SELECT $1, member, balance FROM {w} \
     WHERE true"
);
statement!(
    /// Two of them a batch: first what is no longer active, so that its place is free.
    LINKS, LINKS_ROWS, true,
    [link_id Bytes, state Text, a_partner Text, a_program Text, a_member Int, a_lookup Bytes,
     a_supplied Bytes, b_partner Text, b_program Text, b_member Int, b_lookup Bytes,
     b_supplied Bytes, scope Text, until Int, proposed_by Text, created_at Int],
    "INSERT INTO links (alliance, link_id, state, a_partner, a_program, a_member, a_lookup, \
     a_supplied, b_partner, b_program, b_member, b_lookup, b_supplied, scope, until, \
     proposed_by, created_at) SELECT $1, link_id, state, a_partner, a_program, a_member, \
     a_lookup, a_supplied, b_partner, b_program, b_member, b_lookup, b_supplied, scope, until, \
     proposed_by, created_at FROM {w} WHERE true \
     ON CONFLICT (alliance, link_id) DO UPDATE SET state = excluded.state, \
     a_member = excluded.a_member, a_lookup = excluded.a_lookup, \
     a_supplied = excluded.a_supplied, b_member = excluded.b_member, \
     b_lookup = excluded.b_lookup, b_supplied = excluded.b_supplied"
);
statement!(
    /// Two of them a batch: first what is no longer proposed, so that its place is free.
    AGREEMENTS, AGREEMENTS_ROWS, true,
    [agreement_id Bytes, a Text, b Text, version Int, state Text, effective_at Int,
     proposed_by Text, proposed_at Int, countersigned_at Int, payload Bytes, a_kid Text,
     a_signature Bytes, b_kid Text, b_signature Bytes],
    "INSERT INTO agreements (alliance, agreement_id, a, b, version, state, effective_at, \
     proposed_by, proposed_at, countersigned_at, payload, a_kid, a_signature, b_kid, \
     b_signature) SELECT $1, agreement_id, a, b, version, state, effective_at, proposed_by, \
     proposed_at, countersigned_at, payload, a_kid, a_signature, b_kid, b_signature FROM {w} \
     WHERE true ON CONFLICT (alliance, agreement_id) DO UPDATE SET state = excluded.state, \
     countersigned_at = excluded.countersigned_at, a_kid = excluded.a_kid, \
     a_signature = excluded.a_signature, b_kid = excluded.b_kid, \
     b_signature = excluded.b_signature"
);
statement!(
    CAMPAIGNS, CAMPAIGNS_ROWS, true,
    [warned Int, needs_two Int, proposed_at Int, approved_at Int, stopped_at Int,
     campaign_id Bytes, state Text, proposed_by Text, approved_by Text, stopped_by Text,
     payload Bytes],
    "INSERT INTO campaigns (alliance, warned, needs_two, proposed_at, approved_at, stopped_at, \
     campaign_id, state, proposed_by, approved_by, stopped_by, payload) \
     SELECT $1, warned, needs_two, proposed_at, approved_at, stopped_at, campaign_id, state, \
     proposed_by, approved_by, stopped_by, payload FROM {w} WHERE true \
     ON CONFLICT (alliance, campaign_id) DO UPDATE SET warned = excluded.warned, \
     approved_at = excluded.approved_at, stopped_at = excluded.stopped_at, \
     state = excluded.state, approved_by = excluded.approved_by, \
     stopped_by = excluded.stopped_by"
);
statement!(
    LOTS, LOTS_ROWS, true,
    [member Int, campaign_id Bytes, day Int, points Int, held_until Int],
    "INSERT INTO lots (alliance, member, campaign_id, day, points, held_until) \
     SELECT $1, member, campaign_id, day, points, held_until FROM {w} WHERE true \
     ON CONFLICT (alliance, member, campaign_id, day) DO UPDATE SET points = excluded.points"
);
statement!(
    KEYS, KEYS_ROWS, true,
    [partner Text, key Text, outcome Text, subject_id Bytes, digest Bytes, request_id Bytes],
    "INSERT INTO idempotency_keys (alliance, partner, key, outcome, subject_id, digest, \
     request_id) SELECT $1, partner, key, outcome, subject_id, digest, request_id FROM {w} \
     WHERE true"
);
statement!(
    /// The orders of one request may be decided in more than one batch: the first has kept it.
    REQUESTS, REQUESTS_ROWS, false,
    [request_id Bytes, partner Text, kid Text, base Bytes, signature Bytes, body Bytes,
     orders Bytes, received_at Int, transactions Bytes],
    "INSERT INTO requests (alliance, request_id, partner, kid, base, signature, body, orders, \
     received_at, transactions) SELECT $1, request_id, partner, kid, base, signature, body, \
     orders, received_at, transactions FROM {w} WHERE true \
     ON CONFLICT (alliance, request_id) DO NOTHING"
);
statement!(
    TRANSACTIONS, TRANSACTIONS_ROWS, true,
    [transaction_id Bytes, kind Text, state Text, caller Text, source_reference Text,
     quote_id Bytes, source_member Int, target_member Int, created_at Int,
     reversed_source Int, reversed_target Int, reverses Bytes, reason Text, corridor Text,
     seq Int, request_id Bytes, request_index Int],
    "INSERT INTO transactions (alliance, transaction_id, kind, state, caller, \
     source_reference, quote_id, source_member, target_member, created_at, reversed_source, \
     reversed_target, reverses, reason, corridor, seq, request_id, request_index) \
     SELECT $1, transaction_id, kind, state, caller, source_reference, quote_id, \
     source_member, target_member, created_at, reversed_source, reversed_target, reverses, \
     reason, corridor, seq, request_id, request_index FROM {w} WHERE true"
);
statement!(
    /// As with balances: found by id, and written in its place.
    REVERSED, REVERSED_ROWS, true,
    [transaction_id Bytes, state Text, reversed_source Int, reversed_target Int],
    "INSERT INTO transactions (alliance, transaction_id, kind, state, caller, \
     source_reference, quote_id, source_member, target_member, created_at, reversed_source, \
     reversed_target, reverses, reason, corridor, seq, request_id, request_index) \
     SELECT t.alliance, t.transaction_id, t.kind, w.state, t.caller, t.source_reference, \
     t.quote_id, t.source_member, t.target_member, t.created_at, w.reversed_source, \
     w.reversed_target, t.reverses, t.reason, t.corridor, t.seq, t.request_id, \
     t.request_index FROM {w} {each transactions t WHERE t.alliance = $1 \
     AND t.transaction_id = w.transaction_id} WHERE true \
     ON CONFLICT (alliance, transaction_id) DO UPDATE SET state = excluded.state, \
     reversed_source = excluded.reversed_source, reversed_target = excluded.reversed_target"
);
statement!(
    /// What was pending has ended: found by id, and written in its place.
    FINISHED, FINISHED_ROWS, true,
    [transaction_id Bytes, state Text, seq Int],
    "INSERT INTO transactions (alliance, transaction_id, kind, state, caller, \
     source_reference, quote_id, source_member, target_member, created_at, reversed_source, \
     reversed_target, reverses, reason, corridor, seq, request_id, request_index) \
     SELECT t.alliance, t.transaction_id, t.kind, w.state, t.caller, t.source_reference, \
     t.quote_id, t.source_member, t.target_member, t.created_at, t.reversed_source, \
     t.reversed_target, t.reverses, t.reason, t.corridor, w.seq, t.request_id, \
     t.request_index FROM {w} {each transactions t WHERE t.alliance = $1 \
     AND t.transaction_id = w.transaction_id} WHERE true \
     ON CONFLICT (alliance, transaction_id) DO UPDATE SET state = excluded.state, \
     seq = excluded.seq WHERE transactions.state = 'pending'"
);
statement!(
    SAGAS, SAGAS_ROWS, true,
    [due_at Int, attempts Int, deadline_at Int, parked_at Int, held Int, partner Text,
     transaction_id Bytes, taken Text, given Text, phase Text, giver Text, receiver Text,
     reservation Text, reference Text, refused_step Text, refusal Text, remark Text,
     reverses Bytes, terms Bytes],
    "INSERT INTO sagas (alliance, due_at, attempts, deadline_at, parked_at, held, partner, \
     transaction_id, taken, given, phase, giver, receiver, reservation, reference, \
     refused_step, refusal, remark, reverses, terms) SELECT $1, due_at, attempts, deadline_at, \
     parked_at, held, partner, transaction_id, taken, given, phase, giver, receiver, \
     reservation, reference, refused_step, refusal, remark, reverses, terms FROM {w} WHERE true \
     ON CONFLICT (alliance, transaction_id) DO UPDATE SET due_at = excluded.due_at, \
     attempts = excluded.attempts, parked_at = excluded.parked_at, held = excluded.held, \
     partner = excluded.partner, phase = excluded.phase, reservation = excluded.reservation, \
     reference = excluded.reference, refused_step = excluded.refused_step, \
     refusal = excluded.refusal, remark = excluded.remark, terms = excluded.terms"
);
statement!(
    SAGAS_GONE, SAGAS_GONE_ROWS, true,
    [transaction_id Bytes],
    "DELETE FROM sagas WHERE (alliance, transaction_id) IN (SELECT s.alliance, s.transaction_id \
     FROM {w} {each sagas s WHERE s.alliance = $1 AND s.transaction_id = w.transaction_id})"
);
statement!(
    /// Whose it is and when it was made stay.
    ENDPOINTS, ENDPOINTS_ROWS, true,
    [taken_up Int, leased_until Int, old_until Int, created_at Int, partner Text, url Text,
     types Text, state Text, changed_by Text, endpoint_id Bytes, secret Bytes, old_secret Bytes],
    "INSERT INTO endpoints (alliance, taken_up, leased_until, old_until, created_at, partner, \
     url, types, state, changed_by, endpoint_id, secret, old_secret) SELECT $1, taken_up, \
     leased_until, old_until, created_at, partner, url, types, state, changed_by, endpoint_id, \
     secret, old_secret FROM {w} WHERE true ON CONFLICT (alliance, endpoint_id) DO UPDATE SET \
     taken_up = excluded.taken_up, leased_until = excluded.leased_until, \
     old_until = excluded.old_until, url = excluded.url, types = excluded.types, \
     state = excluded.state, changed_by = excluded.changed_by, secret = excluded.secret, \
     old_secret = excluded.old_secret"
);
statement!(
    DELIVERIES, DELIVERIES_ROWS, true,
    [number Int, tried Int, attempts Int, due_at Int, last_at Int, last_status Int, subject Text,
     type Text, state Text, endpoint_id Bytes, event_id Bytes],
    "INSERT INTO deliveries (alliance, number, tried, attempts, due_at, last_at, last_status, \
     subject, type, state, endpoint_id, event_id) SELECT $1, number, tried, attempts, due_at, \
     last_at, last_status, subject, type, state, endpoint_id, event_id FROM {w} WHERE true \
     ON CONFLICT (alliance, endpoint_id, number) DO UPDATE SET tried = excluded.tried, \
     attempts = excluded.attempts, due_at = excluded.due_at, last_at = excluded.last_at, \
     last_status = excluded.last_status, state = excluded.state"
);
statement!(
    ATTEMPTS, ATTEMPTS_ROWS, true,
    [number Int, attempt Int, at Int, took_millis Int, status Int, said Text, endpoint_id Bytes],
    "INSERT INTO attempts (alliance, number, attempt, at, took_millis, status, said, \
     endpoint_id) SELECT $1, number, attempt, at, took_millis, status, said, endpoint_id \
     FROM {w} WHERE true"
);
statement!(
    /// An answer is never changed: the first is kept.
    ANSWERS, ANSWERS_ROWS, false,
    [received_at Int, transaction_id Bytes, step Text, partner Text, kid Text, base Bytes,
     signature Bytes, body Bytes],
    "INSERT INTO answers (alliance, received_at, transaction_id, step, partner, kid, base, \
     signature, body) SELECT $1, received_at, transaction_id, step, partner, kid, base, \
     signature, body FROM {w} WHERE true \
     ON CONFLICT (alliance, transaction_id, step) DO NOTHING"
);
statement!(
    RECEIPTS, RECEIPTS_ROWS, true,
    [corridor Text, seq Int, transaction_id Bytes, payload Bytes, signature Bytes, kid Text],
    "INSERT INTO receipts (alliance, corridor, seq, transaction_id, payload, signature, kid) \
     SELECT $1, corridor, seq, transaction_id, payload, signature, kid FROM {w} WHERE true"
);
statement!(
    /// What is found is written in its place; nobody's balance is not found, and none is made.
    BALANCES, BALANCES_ROWS, true,
    [member Int, balance Int],
    "INSERT INTO balances (alliance, member, balance) SELECT $1, w.member, w.balance FROM {w} \
     {each balances b WHERE b.alliance = $1 AND b.member = w.member} WHERE true \
     ON CONFLICT (alliance, member) DO UPDATE SET balance = excluded.balance"
);
statement!(
    ACCOUNTS, ACCOUNTS_ROWS, true,
    [account Text, asset Text, balance Text],
    "INSERT INTO accounts (alliance, account, asset, balance) \
     SELECT $1, account, asset, balance FROM {w} WHERE true \
     ON CONFLICT (alliance, account, asset) DO UPDATE SET balance = excluded.balance"
);
statement!(
    FLOWS, FLOWS_ROWS, true,
    [source Text, target Text, exchanged Text, late Text],
    "INSERT INTO flows (alliance, source, target, exchanged, late) \
     SELECT $1, source, target, exchanged, late FROM {w} WHERE true \
     ON CONFLICT (alliance, source, target) \
     DO UPDATE SET exchanged = excluded.exchanged, late = excluded.late"
);
statement!(
    /// One row a member and corridor: of the last day that anything was given.
    MEMBER_DAYS, MEMBER_DAYS_ROWS, true,
    [member Int, day Int, given Int, corridor Text],
    "INSERT INTO member_days (alliance, member, corridor, day, given) \
     SELECT $1, member, corridor, day, given FROM {w} WHERE true \
     ON CONFLICT (alliance, member, corridor) \
     DO UPDATE SET day = excluded.day, given = excluded.given"
);
statement!(
    NEW_HEADS, NEW_HEADS_ROWS, true,
    [corridor Text, seq Int, head Bytes, frontier Bytes, completed_at Int],
    "INSERT INTO corridors (alliance, corridor, seq, head, frontier, completed_at) \
     SELECT $1, corridor, seq, head, frontier, completed_at FROM {w} WHERE true"
);
statement!(
    /// The old head must still be the one that was built upon.
    MOVED_HEADS, MOVED_HEADS_ROWS, true,
    [corridor Text, before Int, seq Int, head Bytes, frontier Bytes, completed_at Int],
    "INSERT INTO corridors (alliance, corridor, seq, head, frontier, completed_at) \
     SELECT $1, w.corridor, w.seq, w.head, w.frontier, w.completed_at FROM {w} \
     {each corridors c WHERE c.alliance = $1 AND c.corridor = w.corridor AND c.seq = w.before} \
     WHERE true ON CONFLICT (alliance, corridor) DO UPDATE SET seq = excluded.seq, \
     head = excluded.head, frontier = excluded.frontier, completed_at = excluded.completed_at"
);
statement!(
    NODES, NODES_ROWS, true,
    [corridor Text, level Int, position Int, hash Bytes],
    "INSERT INTO tree_nodes (alliance, corridor, level, position, hash) \
     SELECT $1, corridor, level, position, hash FROM {w} WHERE true"
);
statement!(
    /// Numbered here: who holds the sequencer row is the only one who adds to a feed. Rows of one
    /// statement do not see each other, so each says how far after the feed's last it begins.
    EVENTS, EVENTS_ROWS, true,
    [partner Text, first Int, last Int, at Int, entries Text],
    "INSERT INTO events (alliance, partner, last_number, first_number, at, entries) \
     SELECT $1, n.partner, n.before + n.last, n.before + n.first, n.at, n.entries \
     FROM (SELECT w.partner, w.first, w.last, w.at, w.entries, COALESCE((SELECT \
     MAX(e.last_number) FROM events e WHERE e.alliance = $1 AND e.partner = w.partner), 0) \
     AS before FROM {w}) AS n WHERE true"
);
statement!(
    /// A checkpoint never goes back.
    CHECKPOINTS, CHECKPOINTS_ROWS, true,
    [corridor Text, size Int, root Bytes, note Text, signed_at Int],
    "UPDATE corridors SET checkpoint_size = w.size, checkpoint_root = w.root, \
     checkpoint_note = w.note, checkpoint_at = w.signed_at FROM {w} \
     WHERE corridors.alliance = $1 AND corridors.corridor = w.corridor \
     AND COALESCE(corridors.checkpoint_size, 0) <= w.size"
);
statement!(
    /// Two gateways may bring a key for one period: the first is everybody's.
    QUOTE_KEY, QUOTE_KEY_ROWS, false,
    [period Int, wrapped_key Bytes],
    "INSERT INTO quote_keys (alliance, period, wrapped_key) \
     SELECT $1, period, wrapped_key FROM {w} WHERE true \
     ON CONFLICT (alliance, period) DO NOTHING"
);
statement!(
    DESTROY_QUOTE_KEYS, DESTROY_QUOTE_KEYS_ROWS, false,
    [destroy_before Int],
    "DELETE FROM quote_keys WHERE alliance = $1 \
     AND period < (SELECT w.destroy_before FROM {w})"
);

statement!(
    MASTER_KEYS, MASTER_KEYS_ROWS, true,
    [generation Int, begun_at Int, ended_at Int, key_id Text, blind_key Bytes],
    "INSERT INTO master_keys (alliance, generation, begun_at, ended_at, key_id, blind_key) \
     SELECT $1, generation, begun_at, ended_at, key_id, blind_key FROM {w} WHERE true \
     ON CONFLICT (alliance, generation) DO UPDATE SET ended_at = excluded.ended_at, \
     blind_key = excluded.blind_key"
);
statement!(
    /// Of this and the next three: what is not as it was read stays as it is.
    REKEY_MEMBERS, REKEY_MEMBERS_ROWS, false,
    [member Int, before Bytes, wrapped_key Bytes, lookup Bytes],
    "INSERT INTO members (alliance, member, program, opening, lookup, wrapped_key) \
     SELECT m.alliance, m.member, m.program, m.opening, w.lookup, w.wrapped_key FROM {w} \
     {each members m WHERE m.alliance = $1 AND m.member = w.member} \
     WHERE m.wrapped_key = w.before ON CONFLICT (alliance, member) \
     DO UPDATE SET lookup = excluded.lookup, wrapped_key = excluded.wrapped_key"
);
statement!(
    REKEY_LINKS, REKEY_LINKS_ROWS, false,
    [link_id Bytes, a_before Bytes, b_before Bytes, a_lookup Bytes, b_lookup Bytes],
    "INSERT INTO links (alliance, link_id, state, a_partner, a_program, a_lookup, b_partner, \
     b_program, b_lookup, scope, proposed_by, created_at) SELECT l.alliance, l.link_id, l.state, \
     l.a_partner, l.a_program, w.a_lookup, l.b_partner, l.b_program, w.b_lookup, l.scope, \
     l.proposed_by, l.created_at FROM {w} \
     {each links l WHERE l.alliance = $1 AND l.link_id = w.link_id} \
     WHERE l.a_lookup IS NOT DISTINCT FROM w.a_before \
     AND l.b_lookup IS NOT DISTINCT FROM w.b_before ON CONFLICT (alliance, link_id) \
     DO UPDATE SET a_lookup = excluded.a_lookup, b_lookup = excluded.b_lookup"
);
statement!(
    REKEY_ENDPOINTS, REKEY_ENDPOINTS_ROWS, false,
    [endpoint_id Bytes, before Bytes, old_before Bytes, secret Bytes, old_secret Bytes],
    "INSERT INTO endpoints (alliance, taken_up, leased_until, old_until, created_at, partner, \
     url, types, state, changed_by, endpoint_id, secret, old_secret) SELECT h.alliance, \
     h.taken_up, h.leased_until, h.old_until, h.created_at, h.partner, h.url, h.types, h.state, \
     h.changed_by, h.endpoint_id, w.secret, w.old_secret FROM {w} \
     {each endpoints h WHERE h.alliance = $1 AND h.endpoint_id = w.endpoint_id} \
     WHERE h.secret = w.before AND h.old_secret IS NOT DISTINCT FROM w.old_before \
     ON CONFLICT (alliance, endpoint_id) \
     DO UPDATE SET secret = excluded.secret, old_secret = excluded.old_secret"
);
statement!(
    REKEY_QUOTE_KEYS, REKEY_QUOTE_KEYS_ROWS, false,
    [period Int, before Bytes, wrapped_key Bytes],
    "INSERT INTO quote_keys (alliance, period, wrapped_key) \
     SELECT q.alliance, q.period, w.wrapped_key FROM {w} \
     {each quote_keys q WHERE q.alliance = $1 AND q.period = w.period} \
     WHERE q.wrapped_key = w.before \
     ON CONFLICT (alliance, period) DO UPDATE SET wrapped_key = excluded.wrapped_key"
);

/// The statements that nearly every batch needs: PostgreSQL does them in one.
pub(super) static HOT: [&Statement; 12] = [
    &KEYS,
    &REQUESTS,
    &TRANSACTIONS,
    &REVERSED,
    &RECEIPTS,
    &BALANCES,
    &ACCOUNTS,
    &FLOWS,
    &NEW_HEADS,
    &MOVED_HEADS,
    &NODES,
    &EVENTS,
];

/// Every statement, for the test that looks at how it is carried out.
#[cfg(feature = "conformance")]
pub(super) fn all() -> Vec<&'static Statement> {
    let others = [
        &SEQUENCER,
        &DEFINITION,
        &BOARD,
        &PARTNER_KEYS,
        &CHANGED_KEYS,
        &GATEWAY_KEYS,
        &KEY_USES,
        &COSIGNATURES,
        &WINDOW,
        &MOVED_WINDOWS,
        &NEW_WINDOW,
        &RANGES,
        &WINDOW_LINES,
        &WINDOW_DOCUMENTS,
        &PAYMENTS,
        &SETTLEMENT_PROPOSALS,
        &BANK_FILE,
        &BANK_ENTRIES,
        &SUSPEND,
        &LET_GO,
        &FREEZE,
        &RELEASE,
        &FEEDS,
        &OBSERVATIONS,
        &PROPOSALS,
        &MEMBERS,
        &FORGET,
        &ERASURES,
        &FREEZE_MEMBERS,
        &CONSENTS,
        &CONSENTS_SPENT,
        &OPENINGS,
        &LINKS,
        &AGREEMENTS,
        &CAMPAIGNS,
        &LOTS,
        &MEMBER_DAYS,
        &FINISHED,
        &SAGAS,
        &SAGAS_GONE,
        &ANSWERS,
        &ENDPOINTS,
        &DELIVERIES,
        &ATTEMPTS,
        &CHECKPOINTS,
        &QUOTE_KEY,
        &DESTROY_QUOTE_KEYS,
        &MASTER_KEYS,
        &REKEY_MEMBERS,
        &REKEY_LINKS,
        &REKEY_ENDPOINTS,
        &REKEY_QUOTE_KEYS,
    ];
    others.into_iter().chain(HOT).collect()
}

/// A statement with its rows.
pub(super) type Step<'a> = (&'static Statement, Rows<'a>);

/// All that a batch does, in order.
pub(super) struct Plan<'a> {
    /// What seldom changes, and what the rest refers to.
    pub(super) first: Vec<Step<'a>>,
    /// Rows of [`HOT`], in that order.
    pub(super) hot: [Rows<'a>; HOT.len()],
    /// What changes rows that were written before.
    pub(super) last: Vec<Step<'a>>,
}

/// The step that is left to a batch of which everything else was written ahead.
pub(super) fn signed_receipts(writes: &Writes) -> Step<'_> {
    (&RECEIPTS, receipts(writes))
}

/// The statements of a batch that was given `next_member`.
pub(super) fn plan(writes: &Writes, next_member: i64) -> Result<Plan<'_>, StoreError> {
    check(writes, next_member)?;
    let mut first = vec![sequencer(writes)];
    if let Some(row) = &writes.definition {
        first.extend(definition(row)?);
    }
    first.extend(changed_keys(writes)?);
    first.push(board(writes)?);
    first.extend(suspensions(writes));
    first.extend(frozen_pairs(writes));
    first.extend(feeds(writes)?);
    first.push(proposals(writes)?);
    let (before, after) = forgotten(writes, next_member);
    first.push(before);
    first.extend(members(writes));
    first.push(after);
    first.extend([frozen_members(writes), erasures(writes)?]);
    first.extend([links(writes, false), links(writes, true)]);
    first.extend([agreements(writes, false), agreements(writes, true)]);
    first.push(campaigns(writes));
    let (new_heads, moved_heads) = heads(writes);
    let hot = [
        keys(writes)?,
        requests(writes),
        transactions(writes),
        reversed(writes),
        receipts(writes),
        balances(writes),
        accounts(writes),
        flows(writes),
        new_heads,
        moved_heads,
        nodes(writes),
        events(writes),
    ];
    let mut last = vec![member_days(writes), checkpoints(writes)];
    last.extend(consents(writes));
    last.extend([key_uses(writes), cosignatures(writes)]);
    last.extend(quote_key(writes));
    last.push(master_keys(writes));
    last.extend(writes.rekeyed.iter().flat_map(rekeyed));
    last.push(lots(writes));
    last.push(finished(writes));
    last.extend(sagas(writes));
    last.push(answers(writes));
    last.extend(webhooks(writes));
    last.extend(windows(writes));
    last.extend(payments(writes)?);
    for steps in [&mut first, &mut last] {
        steps.retain(|(_, rows)| !rows.is_empty());
    }
    Ok(Plan { first, hot, last })
}

const UNSIGNED_ERASURE: &str = "an erasure and its signature go together";

fn contradiction(what: &str) -> StoreError {
    StoreError::Contradiction(what.to_owned())
}

/// What no engine could notice: numbers given out twice or left out, documents not signed.
pub(super) fn check(writes: &Writes, next_member: i64) -> Result<(), StoreError> {
    let mut expected = next_member..;
    if writes.members.iter().any(|row| Some(row.member.0) != expected.next()) {
        return Err(contradiction("new members are not numbered from the next free number"));
    }
    if writes.board.is_some() != writes.board_jws.is_some() {
        return Err(contradiction("a board and its signature go together"));
    }
    if writes.changes_partner_keys() != writes.partner_keys_jws.is_some() {
        return Err(contradiction("a partner key list and its signature go together"));
    }
    if writes.erasures.iter().any(|row| row.jws.is_none()) {
        return Err(contradiction(UNSIGNED_ERASURE));
    }
    let mut last: HashMap<&PartnerId, u64> = HashMap::new();
    for row in &writes.events {
        let last = last.entry(&row.partner).or_insert(0);
        if row.first != *last + 1 || row.last < row.first {
            return Err(contradiction("a partner's new events are not numbered one by one"));
        }
        *last = row.last;
    }
    if writes.heads.values().any(|(before, head)| *before >= head.seq) {
        return Err(contradiction("a chain does not grow"));
    }
    Ok(())
}

fn sequencer(writes: &Writes) -> Step<'_> {
    let mut rows = Rows::new(&SEQUENCER_ROWS);
    let changed = writes.changes_registry();
    if changed || !writes.members.is_empty() {
        let members = i64::try_from(writes.members.len()).unwrap_or(i64::MAX);
        rows.push([members.into(), i64::from(changed).into()]);
    }
    (&SEQUENCER, rows)
}

fn definition(row: &DefinitionRow) -> Result<[Step<'_>; 2], StoreError> {
    let document = serde_json::to_string(&row.definition)
        .map_err(|error| contradiction(&format!("the definition is no JSON: {error}")))?;
    let mut definitions = Rows::new(&DEFINITION_ROWS);
    definitions.push([row.version.into(), row.applied_at.into(), document.into()]);
    let mut windows = Rows::new(&WINDOW_ROWS);
    if let Some(window) = row.window {
        let currency = row.definition.currency.as_str();
        windows.push([Value::id(window), currency.into(), row.applied_at.into()]);
    }
    Ok([(&DEFINITION, definitions), (&WINDOW, windows)])
}

fn changed_keys(writes: &Writes) -> Result<[Step<'_>; 3], StoreError> {
    let mut lists = Rows::new(&PARTNER_KEYS_ROWS);
    if let Some(jws) = writes.partner_keys_jws.as_deref() {
        lists.push([jws.into()]);
    }
    let mut keys = Rows::new(&CHANGED_KEYS_ROWS);
    for record in writes.partner_keys.values() {
        keys.push([
            record.kid.as_str().into(),
            record.partner.as_str().into(),
            record.x.as_str().into(),
            record.scope.as_str().into(),
            record.nbf.map(Timestamp::as_millis).into(),
            record.exp.map(Timestamp::as_millis).into(),
            record.revoked_at.map(Timestamp::as_millis).into(),
            record.added_at.map(Timestamp::as_millis).into(),
            record.changed_by.as_ref().map(Kid::as_str).into(),
        ]);
    }
    let mut gateway = Rows::new(&GATEWAY_KEYS_ROWS);
    if let Some(list) = &writes.gateway_keys {
        let number = i64::try_from(list.trusted.number())
            .map_err(|_| contradiction("a key list's number is beyond 63 bits"))?;
        gateway.push([number.into(), list.document.as_str().into()]);
    }
    Ok([(&PARTNER_KEYS, lists), (&CHANGED_KEYS, keys), (&GATEWAY_KEYS, gateway)])
}

fn master_keys(writes: &Writes) -> Step<'_> {
    let mut rows = Rows::new(&MASTER_KEYS_ROWS);
    for record in &writes.master_keys {
        rows.push([
            record.generation.into(),
            record.begun_at.into(),
            record.ended_at.map(Timestamp::as_millis).into(),
            record.id.to_string().into(),
            record.blind_key.as_deref().into(),
        ]);
    }
    (&MASTER_KEYS, rows)
}

fn rekeyed(page: &Rekeyed) -> [Step<'_>; 4] {
    fn place(lookup: Option<&Lookup>) -> Value<'_> {
        lookup.map(|lookup| &lookup.0[..]).into()
    }
    let mut members = Rows::new(&REKEY_MEMBERS_ROWS);
    for row in &page.members {
        let (before, wrapped) = (row.before[..].into(), row.wrapped_key[..].into());
        members.push([row.member.into(), before, wrapped, row.lookup.0[..].into()]);
    }
    let mut links = Rows::new(&REKEY_LINKS_ROWS);
    for row in &page.links {
        let [a_before, b_before] = row.before.each_ref().map(|lookup| place(lookup.as_ref()));
        let [a, b] = row.lookups.each_ref().map(|lookup| place(lookup.as_ref()));
        links.push([Value::id(row.link), a_before, b_before, a, b]);
    }
    let mut endpoints = Rows::new(&REKEY_ENDPOINTS_ROWS);
    for row in &page.endpoints {
        endpoints.push([
            Value::id(row.endpoint),
            row.before.0[..].into(),
            row.before.1.as_deref().into(),
            row.secrets.0[..].into(),
            row.secrets.1.as_deref().into(),
        ]);
    }
    let mut quote_keys = Rows::new(&REKEY_QUOTE_KEYS_ROWS);
    for row in &page.quote_keys {
        quote_keys.push([row.period.into(), row.before[..].into(), row.wrapped[..].into()]);
    }
    [
        (&REKEY_MEMBERS, members),
        (&REKEY_LINKS, links),
        (&REKEY_ENDPOINTS, endpoints),
        (&REKEY_QUOTE_KEYS, quote_keys),
    ]
}

fn key_uses(writes: &Writes) -> Step<'_> {
    let mut rows = Rows::new(&KEY_USES_ROWS);
    for used in &writes.key_uses {
        rows.push([
            used.kid.as_str().into(),
            used.received_at.into(),
            Value::id(used.request),
            used.partner.as_str().into(),
            used.what.into(),
            used.subject.as_deref().into(),
        ]);
    }
    (&KEY_USES, rows)
}

fn cosignatures(writes: &Writes) -> Step<'_> {
    let mut rows = Rows::new(&COSIGNATURES_ROWS);
    for cosignature in &writes.cosignatures {
        rows.push([
            cosignature.corridor.as_str().into(),
            signed(cosignature.size).into(),
            cosignature.partner.as_str().into(),
            cosignature.kid.as_str().into(),
            cosignature.cosigned_at.into(),
            cosignature.note.as_str().into(),
        ]);
    }
    (&COSIGNATURES, rows)
}

fn board(writes: &Writes) -> Result<Step<'_>, StoreError> {
    let mut rows = Rows::new(&BOARD_ROWS);
    if let Some((row, jws)) = writes.board.as_ref().zip(writes.board_jws.as_deref()) {
        let terms = serde_json::to_string(&*row.terms)
            .map_err(|error| contradiction(&format!("a board's terms are no JSON: {error}")))?;
        rows.push([
            i64::from(row.board.board).into(),
            row.board.effective_at.into(),
            row.slot.map(Timestamp::as_millis).into(),
            jws.into(),
            terms.into(),
        ]);
    }
    Ok((&BOARD, rows))
}

fn frozen_pairs(writes: &Writes) -> [Step<'_>; 2] {
    let mut frozen = Rows::new(&FREEZE_ROWS);
    let mut released = Rows::new(&RELEASE_ROWS);
    for ((source, target), pair) in &writes.frozen {
        let (source, target) = (source.as_str().into(), target.as_str().into());
        match pair {
            Some(pair) => {
                frozen.push([source, target, i64::from(pair.board).into(), pair.since.into()]);
            }
            None => released.push([source, target]),
        }
    }
    [(&FREEZE, frozen), (&RELEASE, released)]
}

fn feeds(writes: &Writes) -> Result<[Step<'_>; 2], StoreError> {
    let mut feeds = Rows::new(&FEEDS_ROWS);
    for (program, state) in &writes.feeds {
        let state = serde_json::to_string(state)
            .map_err(|error| contradiction(&format!("feeds of {program} are no JSON: {error}")))?;
        feeds.push([program.as_str().into(), state.into()]);
    }
    let mut observations = Rows::new(&OBSERVATIONS_ROWS);
    for row in &writes.observations {
        let reading = &row.observation;
        observations.push([
            reading.program.as_str().into(),
            reading.feed.as_str().into(),
            reading.observed_at.into(),
            reading.value.to_string().into(),
            row.partner.as_ref().map(PartnerId::as_str).into(),
            row.taken_at.into(),
        ]);
    }
    Ok([(&FEEDS, feeds), (&OBSERVATIONS, observations)])
}

fn proposals(writes: &Writes) -> Result<Step<'_>, StoreError> {
    let mut rows = Rows::new(&PROPOSALS_ROWS);
    for record in writes.proposals.values() {
        let document = serde_json::to_string(&record.proposal)
            .map_err(|error| contradiction(&format!("a proposal is no JSON: {error}")))?;
        let name = |name: &'_ Option<OperatorName>| {
            Value::Text(name.as_ref().map(|name| Cow::Owned(name.to_string())))
        };
        rows.push([
            i64::from(record.number).into(),
            document.into(),
            record.proposed_by.as_str().into(),
            record.proposed_at.into(),
            name(&record.approved_by),
            record.approved_at.map(Timestamp::as_millis).into(),
            name(&record.withdrawn_by),
            record.withdrawn_at.map(Timestamp::as_millis).into(),
            record.applied_at.map(Timestamp::as_millis).into(),
            record.applied_board.map(i64::from).into(),
        ]);
    }
    Ok((&PROPOSALS, rows))
}

/// The window that was open first: one is, at any time.
fn windows(writes: &Writes) -> [Step<'_>; 5] {
    let mut moved = Rows::new(&MOVED_WINDOWS_ROWS);
    let mut new = Rows::new(&NEW_WINDOW_ROWS);
    for window in writes.windows.values() {
        if window.state == WindowState::Open {
            new.push([
                Value::id(window.id),
                signed(window.number).into(),
                window.currency.as_str().into(),
                window.opened_at.into(),
                window.slot.map(Timestamp::as_millis).into(),
            ]);
            continue;
        }
        moved.push([
            Value::id(window.id),
            window.state.as_str().into(),
            window.closed_at.map(Timestamp::as_millis).into(),
            Value::text_or_null(window.closed_on.map(|day| day.to_string())),
            window.netted_at.map(Timestamp::as_millis).into(),
            Value::text_or_null(window.value_date.map(|day| day.to_string())),
            i64::from(window.provisional).into(),
            window.to_post.map(signed).into(),
            window.ended_at.map(Timestamp::as_millis).into(),
            Value::id_or_null(window.carried_into),
        ]);
    }
    let mut ranges = Rows::new(&RANGES_ROWS);
    if let Some(id) = writes.closes {
        ranges.push([Value::id(id)]);
    }
    let mut lines = Rows::new(&WINDOW_LINES_ROWS);
    for WindowLine { window, settled } in &writes.window_lines {
        let total = |total: Total| Value::from(total.micros().to_string());
        lines.push([
            Value::id(*window),
            settled.party.as_str().into(),
            total(settled.opening),
            total(settled.activity),
            total(settled.net),
            total(settled.payment),
            total(settled.carried),
        ]);
    }
    let mut documents = Rows::new(&WINDOW_DOCUMENTS_ROWS);
    for WindowDocument { window, name, document } in &writes.window_documents {
        documents.push([Value::id(*window), name.as_str().into(), document.as_slice().into()]);
    }
    [
        (&MOVED_WINDOWS, moved),
        (&NEW_WINDOW, new),
        (&RANGES, ranges),
        (&WINDOW_LINES, lines),
        (&WINDOW_DOCUMENTS, documents),
    ]
}

fn payments(writes: &Writes) -> Result<[Step<'_>; 4], StoreError> {
    let beyond = |_| contradiction("a payment is beyond 63 bits");
    let mut payments = Rows::new(&PAYMENTS_ROWS);
    for Tracked { instruction, counted, refused } in writes.payments.values() {
        let [sent, sent_back, received, given_back] =
            [counted.sent, counted.sent_back, counted.received, counted.given_back]
                .map(|minor| i64::try_from(minor).map_err(beyond));
        payments.push([
            Value::id(instruction.window),
            i64::from(instruction.number).into(),
            i64::from(instruction.attempt).into(),
            signed(instruction.amount).into(),
            sent?.into(),
            sent_back?.into(),
            received?.into(),
            given_back?.into(),
            i64::from(*refused).into(),
            instruction.debtor.as_str().into(),
            instruction.creditor.as_str().into(),
            instruction.currency.as_str().into(),
            instruction.value_date.to_string().into(),
        ]);
    }
    let mut proposals = Rows::new(&SETTLEMENT_PROPOSALS_ROWS);
    for record in writes.settlement_proposals.values() {
        let action = serde_json::to_string(&record.action)
            .map_err(|error| contradiction(&format!("a proposal is no JSON: {error}")))?;
        proposals.push([
            i64::from(record.number).into(),
            action.into(),
            record.proposed_by.as_str().into(),
            record.proposed_at.into(),
            record.approved_by.as_ref().map(OperatorName::as_str).into(),
            record.approved_at.map(Timestamp::as_millis).into(),
            record.withdrawn_by.as_ref().map(OperatorName::as_str).into(),
            record.withdrawn_at.map(Timestamp::as_millis).into(),
        ]);
    }
    let mut files = Rows::new(&BANK_FILE_ROWS);
    if let Some(file) = &writes.bank_file {
        files.push([
            file.hash.as_bytes().as_slice().into(),
            file.name.as_str().into(),
            file.by.as_str().into(),
            file.at.into(),
            signed(file.entries).into(),
        ]);
    }
    let mut entries = Rows::new(&BANK_ENTRIES_ROWS);
    for row in &writes.bank_entries {
        entries.push([
            row.key.as_bytes().as_slice().into(),
            row.file.as_bytes().as_slice().into(),
            signed(row.place).into(),
            Value::text_or_null(row.payment.map(|id| id.to_string())),
            row.became.as_str().into(),
            row.entry.as_str().into(),
        ]);
    }
    Ok([
        (&PAYMENTS, payments),
        (&SETTLEMENT_PROPOSALS, proposals),
        (&BANK_FILE, files),
        (&BANK_ENTRIES, entries),
    ])
}

fn suspensions(writes: &Writes) -> [Step<'_>; 2] {
    let mut suspended = Rows::new(&SUSPEND_ROWS);
    let mut let_go = Rows::new(&LET_GO_ROWS);
    for (partner, since) in &writes.suspensions {
        match since {
            Some(since) => suspended.push([partner.as_str().into(), (*since).into()]),
            None => let_go.push([partner.as_str().into()]),
        }
    }
    [(&SUSPEND, suspended), (&LET_GO, let_go)]
}

fn members(writes: &Writes) -> [Step<'_>; 2] {
    let mut members = Rows::new(&MEMBERS_ROWS);
    let mut openings = Rows::new(&OPENINGS_ROWS);
    for row in &writes.members {
        let new = &row.new;
        members.push([
            row.member.into(),
            new.program.as_str().into(),
            new.lookup.first().0.to_vec().into(),
            new.wrapped_key.as_slice().into(),
            new.sealed_reference.as_slice().into(),
            new.opening.into(),
        ]);
        openings.push([row.member.into(), new.opening.into()]);
    }
    [(&MEMBERS, members), (&OPENINGS, openings)]
}

/// Members to be forgotten: those that were here before the batch, so that a look-up is free for
/// whoever is entered under it, and those that it has entered itself.
fn forgotten(writes: &Writes, next_member: i64) -> (Step<'_>, Step<'_>) {
    let (mut before, mut after) = (Rows::new(&FORGET_ROWS), Rows::new(&FORGET_ROWS));
    for row in &writes.erasures {
        let rows = if row.member.0 < next_member { &mut before } else { &mut after };
        rows.push([row.member.into()]);
    }
    ((&FORGET, before), (&FORGET, after))
}

fn frozen_members(writes: &Writes) -> Step<'_> {
    let mut rows = Rows::new(&FREEZE_MEMBERS_ROWS);
    for (member, since) in &writes.frozen_members {
        rows.push([(*member).into(), since.map(Timestamp::as_millis).into()]);
    }
    (&FREEZE_MEMBERS, rows)
}

fn consents(writes: &Writes) -> [Step<'_>; 2] {
    let (mut given, mut spent) = (Rows::new(&CONSENTS_ROWS), Rows::new(&CONSENTS_SPENT_ROWS));
    for record in writes.consents.values() {
        given.push([
            Value::id(record.id),
            record.granted_at.into(),
            record.revoked_at.map(Timestamp::as_millis).into(),
            record.consent.source.as_str().into(),
            record.consent.target.as_str().into(),
            record.kid.as_str().into(),
            record.signature[..].into(),
            record.consent.payload().into(),
        ]);
    }
    for one in writes.consents_spent.values() {
        let (day, month) = ((one.day, one.in_day), (one.month, one.in_month));
        spent.push([
            Value::id(one.consent),
            day.0.into(),
            day.1.into(),
            month.0.into(),
            month.1.into(),
        ]);
    }
    [(&CONSENTS, given), (&CONSENTS_SPENT, spent)]
}

fn erasures(writes: &Writes) -> Result<Step<'_>, StoreError> {
    let mut rows = Rows::new(&ERASURES_ROWS);
    for row in &writes.erasures {
        let jws = row.jws.as_deref().ok_or_else(|| contradiction(UNSIGNED_ERASURE))?;
        rows.push([
            Value::id(row.erasure.id),
            row.erasure.erased_at.into(),
            row.erasure.partner.as_str().into(),
            jws.into(),
        ]);
    }
    Ok((&ERASURES, rows))
}

fn links(writes: &Writes, active: bool) -> Step<'_> {
    let mut rows = Rows::new(&LINKS_ROWS);
    let wanted = writes.links.values().filter(|l| (l.state == LinkState::Active) == active);
    for link in wanted {
        let (a, b) = (&link.a, &link.b);
        rows.push([
            Value::id(link.id),
            link.state.as_str().into(),
            a.partner.as_str().into(),
            a.program.as_str().into(),
            a.member.into(),
            a.lookup.as_ref().map(|lookup| &lookup.0[..]).into(),
            a.supplied.as_deref().into(),
            b.partner.as_str().into(),
            b.program.as_str().into(),
            b.member.into(),
            b.lookup.as_ref().map(|lookup| &lookup.0[..]).into(),
            b.supplied.as_deref().into(),
            stored_scope(&link.consent).into(),
            link.consent.until.map(Timestamp::as_millis).into(),
            link.proposed_by.as_str().into(),
            link.created_at.into(),
        ]);
    }
    (&LINKS, rows)
}

fn agreements(writes: &Writes, proposed: bool) -> Step<'_> {
    let mut rows = Rows::new(&AGREEMENTS_ROWS);
    let wanted =
        writes.agreements.values().filter(|g| (g.state == AgreementState::Proposed) == proposed);
    for record in wanted {
        let agreed = &record.agreement;
        let kid = |signature: &'_ Option<AgreementSignature>| {
            Value::Text(signature.as_ref().map(|s| Cow::Owned(s.kid.as_str().to_owned())))
        };
        let bytes = |signature: &'_ Option<AgreementSignature>| {
            Value::Bytes(signature.as_ref().map(|s| Cow::Owned(s.signature.to_vec())))
        };
        rows.push([
            Value::id(record.id),
            agreed.a.as_str().into(),
            agreed.b.as_str().into(),
            i64::from(agreed.version).into(),
            record.state.as_str().into(),
            agreed.effective_at.into(),
            record.proposed_by.as_str().into(),
            record.proposed_at.into(),
            record.countersigned_at.map(Timestamp::as_millis).into(),
            record.payload.as_slice().into(),
            kid(&record.a),
            bytes(&record.a),
            kid(&record.b),
            bytes(&record.b),
        ]);
    }
    (&AGREEMENTS, rows)
}

fn campaigns(writes: &Writes) -> Step<'_> {
    let mut rows = Rows::new(&CAMPAIGNS_ROWS);
    for record in writes.campaigns.values() {
        let name = |name: &'_ Option<OperatorName>| {
            Value::Text(name.as_ref().map(|name| Cow::Owned(name.as_str().to_owned())))
        };
        rows.push([
            i64::from(record.warned).into(),
            i64::from(record.needs_two).into(),
            record.proposed_at.into(),
            record.approved_at.map(Timestamp::as_millis).into(),
            record.stopped_at.map(Timestamp::as_millis).into(),
            Value::id(record.id),
            record.state.as_str().into(),
            record.proposed_by.as_str().into(),
            name(&record.approved_by),
            name(&record.stopped_by),
            record.campaign.payload().into(),
        ]);
    }
    (&CAMPAIGNS, rows)
}

/// A lot that is gone is one of nothing: written in its place, like everything that is found by
/// its key, and not loaded any more.
fn lots(writes: &Writes) -> Step<'_> {
    let mut rows = Rows::new(&LOTS_ROWS);
    for ((member, campaign, day), lot) in &writes.lots {
        let points = lot.map_or(0, |lot| lot.points);
        let held_until = lot.map_or(Timestamp::from_millis(0), |lot| lot.held_until);
        rows.push([
            (*member).into(),
            Value::id(*campaign),
            (*day).into(),
            points.into(),
            held_until.into(),
        ]);
    }
    (&LOTS, rows)
}

fn keys(writes: &Writes) -> Result<Rows<'_>, StoreError> {
    let mut rows = Rows::new(&KEYS_ROWS);
    for key in &writes.keys {
        let (outcome, subject) = stored_outcome(&key.outcome)?;
        rows.push([
            key.partner.as_str().into(),
            key.key.as_str().into(),
            outcome.into(),
            Value::Bytes(subject.map(Cow::Owned)),
            key.digest.as_bytes()[..].into(),
            Value::id(key.request),
        ]);
    }
    Ok(rows)
}

fn requests(writes: &Writes) -> Rows<'_> {
    let mut rows = Rows::new(&REQUESTS_ROWS);
    for request in writes.requests.values() {
        let orders: Vec<u8> = request.orders.iter().flat_map(|hash| *hash.as_bytes()).collect();
        let made: Vec<u8> = request.transactions.iter().flat_map(|id| id.to_bytes()).collect();
        rows.push([
            Value::id(request.id),
            request.partner.as_str().into(),
            request.kid.as_str().into(),
            request.base.as_slice().into(),
            request.signature[..].into(),
            request.body.as_deref().into(),
            Value::Bytes((!orders.is_empty()).then_some(Cow::Owned(orders))),
            request.received_at.into(),
            Value::Bytes((!made.is_empty()).then_some(Cow::Owned(made))),
        ]);
    }
    rows
}

fn transactions(writes: &Writes) -> Rows<'_> {
    let mut rows = Rows::new(&TRANSACTIONS_ROWS);
    for record in &writes.transactions {
        // One that is turned round in the batch that made it is written once.
        let (state, reversed) =
            writes.reversed.get(&record.id).copied().unwrap_or((record.state, record.reversed));
        let [source_member, target_member] = record.members();
        rows.push([
            Value::id(record.id),
            record.kind.as_str().into(),
            state.as_str().into(),
            record.caller.as_str().into(),
            record.source_reference.as_str().into(),
            Value::id_or_null(record.quote),
            source_member.into(),
            target_member.into(),
            record.created_at.into(),
            reversed.source.into(),
            reversed.target.into(),
            Value::id_or_null(record.reverses),
            record.reason.as_ref().map(|reason| reason.as_str()).into(),
            record.corridor.as_str().into(),
            record.seq.map(signed).into(),
            Value::id(record.request),
            i64::from(record.request_index).into(),
        ]);
    }
    rows
}

fn reversed(writes: &Writes) -> Rows<'_> {
    let new: std::collections::HashSet<_> =
        writes.transactions.iter().map(|record| record.id).collect();
    let mut rows = Rows::new(&REVERSED_ROWS);
    for (id, (state, reversed)) in writes.reversed.iter().filter(|(id, _)| !new.contains(*id)) {
        rows.push([
            Value::id(*id),
            state.as_str().into(),
            reversed.source.into(),
            reversed.target.into(),
        ]);
    }
    rows
}

fn finished(writes: &Writes) -> Step<'_> {
    let mut rows = Rows::new(&FINISHED_ROWS);
    for record in writes.finished.values() {
        let (state, seq) = (record.state.as_str().into(), record.seq.map(signed).into());
        rows.push([Value::id(record.id), state, seq]);
    }
    (&FINISHED, rows)
}

fn sagas(writes: &Writes) -> [Step<'_>; 2] {
    let (mut kept, mut gone) = (Rows::new(&SAGAS_ROWS), Rows::new(&SAGAS_GONE_ROWS));
    for (id, saga) in &writes.sagas {
        let Some(saga) = saga else {
            gone.push([Value::id(*id)]);
            continue;
        };
        kept.push([
            saga.due_at.into(),
            i64::from(saga.attempts).into(),
            saga.deadline_at.into(),
            saga.parked_at.map(Timestamp::as_millis).into(),
            saga.held.into(),
            saga.partner().map(PartnerId::as_str).into(),
            Value::id(saga.transaction),
            saga.plan.taken.as_str().into(),
            saga.plan.given.as_str().into(),
            saga.phase.as_str().into(),
            saga.giver.as_str().into(),
            saga.receiver.as_str().into(),
            saga.reservation.as_ref().map(OperationRef::as_str).into(),
            saga.reference.as_ref().map(OperationRef::as_str).into(),
            saga.refusal.map(|(step, _)| step.as_str()).into(),
            saga.refusal.map(|(_, code)| code.as_str()).into(),
            saga.remark.map(Remark::as_str).into(),
            saga.reverses.map_or(Value::Bytes(None), Value::id),
            saga.terms.as_slice().into(),
        ]);
    }
    [(&SAGAS, kept), (&SAGAS_GONE, gone)]
}

fn answers(writes: &Writes) -> Step<'_> {
    let mut rows = Rows::new(&ANSWERS_ROWS);
    for answer in &writes.answers {
        rows.push([
            answer.received_at.into(),
            Value::id(answer.transaction),
            answer.step.as_str().into(),
            answer.partner.as_str().into(),
            answer.kid.as_str().into(),
            answer.base.as_slice().into(),
            answer.signature[..].into(),
            answer.body.as_slice().into(),
        ]);
    }
    (&ANSWERS, rows)
}

fn webhooks(writes: &Writes) -> [Step<'_>; 3] {
    let mut endpoints = Rows::new(&ENDPOINTS_ROWS);
    for endpoint in writes.endpoints.values() {
        let old = endpoint.old_secret.as_ref();
        endpoints.push([
            signed(endpoint.taken_up).into(),
            endpoint.leased_until.into(),
            old.map(|old| old.until.as_millis()).into(),
            endpoint.created_at.into(),
            endpoint.partner.as_str().into(),
            endpoint.url.as_str().into(),
            types(&endpoint.types).into(),
            endpoint.standing.as_str().into(),
            endpoint.changed_by.as_str().into(),
            Value::id(endpoint.id),
            endpoint.secret.as_slice().into(),
            old.map(|old| old.wrapped.as_slice()).into(),
        ]);
    }
    let mut deliveries = Rows::new(&DELIVERIES_ROWS);
    for delivery in writes.deliveries.values() {
        deliveries.push([
            signed(delivery.told.number).into(),
            i64::from(delivery.tried).into(),
            i64::from(delivery.attempts).into(),
            delivery.due_at.map(Timestamp::as_millis).into(),
            delivery.last_at.map(Timestamp::as_millis).into(),
            delivery.last_status.map(i64::from).into(),
            delivery.told.subject.as_str().into(),
            delivery.told.r#type.as_str().into(),
            delivery.state.as_str().into(),
            Value::id(delivery.endpoint),
            Value::id(delivery.told.event),
        ]);
    }
    let mut attempts = Rows::new(&ATTEMPTS_ROWS);
    for attempt in &writes.attempts {
        attempts.push([
            signed(attempt.number).into(),
            i64::from(attempt.attempt).into(),
            attempt.at.into(),
            attempt.took_millis.into(),
            attempt.status.map(i64::from).into(),
            attempt.said.as_str().into(),
            Value::id(attempt.endpoint),
        ]);
    }
    [(&ENDPOINTS, endpoints), (&DELIVERIES, deliveries), (&ATTEMPTS, attempts)]
}

/// No type has a space in it.
fn types(types: &[EventType]) -> String {
    types.iter().map(EventType::as_str).collect::<Vec<_>>().join(" ")
}

fn receipts(writes: &Writes) -> Rows<'_> {
    let mut rows = Rows::new(&RECEIPTS_ROWS);
    for receipt in &writes.receipts {
        rows.push([
            receipt.corridor.as_str().into(),
            signed(receipt.seq).into(),
            Value::id(receipt.transaction),
            receipt.payload.as_slice().into(),
            receipt.signature[..].into(),
            receipt.kid.as_str().into(),
        ]);
    }
    rows
}

fn balances(writes: &Writes) -> Rows<'_> {
    let mut rows = Rows::new(&BALANCES_ROWS);
    for (member, balance) in &writes.balances {
        rows.push([(*member).into(), (*balance).into()]);
    }
    rows
}

fn accounts(writes: &Writes) -> Rows<'_> {
    let mut rows = Rows::new(&ACCOUNTS_ROWS);
    for ((account, asset), balance) in &writes.accounts {
        let texts = [account.to_string(), asset.to_string(), balance.to_string()];
        rows.push(texts.map(Value::from));
    }
    rows
}

fn flows(writes: &Writes) -> Rows<'_> {
    let mut rows = Rows::new(&FLOWS_ROWS);
    for ((source, target), flow) in &writes.flows {
        rows.push([
            source.to_string().into(),
            target.to_string().into(),
            flow.exchanged.to_string().into(),
            flow.late.to_string().into(),
        ]);
    }
    rows
}

fn member_days(writes: &Writes) -> Step<'_> {
    let mut rows = Rows::new(&MEMBER_DAYS_ROWS);
    for given in writes.member_days.values() {
        let (day, points) = (given.day.into(), given.given.into());
        rows.push([given.member.into(), day, points, given.corridor.as_str().into()]);
    }
    (&MEMBER_DAYS, rows)
}

fn heads(writes: &Writes) -> (Rows<'_>, Rows<'_>) {
    let (mut new, mut moved) = (Rows::new(&NEW_HEADS_ROWS), Rows::new(&MOVED_HEADS_ROWS));
    for (corridor, (before, head)) in &writes.heads {
        let corridor = corridor.as_str().into();
        let (seq, completed_at) = (signed(head.seq).into(), head.completed_at.into());
        let (hash, frontier) = (head.head.as_bytes()[..].into(), head.frontier.to_bytes().into());
        if *before == 0 {
            new.push([corridor, seq, hash, frontier, completed_at]);
        } else {
            moved.push([corridor, signed(*before).into(), seq, hash, frontier, completed_at]);
        }
    }
    (new, moved)
}

fn nodes(writes: &Writes) -> Rows<'_> {
    let mut rows = Rows::new(&NODES_ROWS);
    for node in &writes.nodes {
        rows.push([
            node.corridor.as_str().into(),
            i64::from(node.level).into(),
            signed(node.position).into(),
            node.hash.as_bytes()[..].into(),
        ]);
    }
    rows
}

fn events(writes: &Writes) -> Rows<'_> {
    let mut rows = Rows::new(&EVENTS_ROWS);
    for row in &writes.events {
        rows.push([
            row.partner.as_str().into(),
            signed(row.first).into(),
            signed(row.last).into(),
            row.at.into(),
            row.entries.as_str().into(),
        ]);
    }
    rows
}

fn checkpoints(writes: &Writes) -> Step<'_> {
    let mut rows = Rows::new(&CHECKPOINTS_ROWS);
    for (corridor, checkpoint) in &writes.checkpoints {
        rows.push([
            corridor.as_str().into(),
            signed(checkpoint.size).into(),
            checkpoint.root.as_bytes()[..].into(),
            checkpoint.note.as_str().into(),
            checkpoint.signed_at.into(),
        ]);
    }
    (&CHECKPOINTS, rows)
}

fn quote_key(writes: &Writes) -> [Step<'_>; 2] {
    let mut keys = Rows::new(&QUOTE_KEY_ROWS);
    let mut destroyed = Rows::new(&DESTROY_QUOTE_KEYS_ROWS);
    if let Some((period, wrapped, destroy_before)) = &writes.quote_key {
        keys.push([(*period).into(), wrapped.as_slice().into()]);
        destroyed.push([(*destroy_before).into()]);
    }
    [(&QUOTE_KEY, keys), (&DESTROY_QUOTE_KEYS, destroyed)]
}
