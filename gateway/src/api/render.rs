//! What a caller may see: references of its own members and what it supplied itself, pseudonyms of
//! everybody else (protocol § 4).

use alliance_contracts::connector::Step;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::link::{Link, LinkSide};
use alliance_contracts::names::{MemberRef, PartnerId, ProgramId};
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::transaction::{
    Failure, ReversedTotals, SignedReceipt, Transaction, TransactionSide,
};
use alliance_settlement::alliance::Registry;
use alliance_settlement::clearing_house::LinkView;
use alliance_settlement::ledger::{LinkSideRecord, TransactionSideRecord};
use alliance_settlement::receipts::StoredReceipt;
use alliance_settlement::saga::{Phase, Saga};
use alliance_settlement::sequencer::TransactionView;
use serde_json::value::RawValue;

use crate::server::refusal::Refusal;

/// A transaction as this partner sees it.
pub fn transaction(
    registry: &Registry,
    caller: &PartnerId,
    view: TransactionView,
) -> Result<Transaction, Refusal> {
    let record = view.record;
    // Who made the order named both members; who turns one round names none.
    let supplied =
        record.caller.as_str() == caller.as_str() && record.kind != TransactionKind::Reversal;
    let side = |side: TransactionSideRecord, name: Option<MemberRef>| -> TransactionSide {
        let own = supplied || side.partner() == caller;
        side.map(|member| match own {
            true => name.map(|name| name.expose().to_owned()),
            false => Some(member.pseudonym.to_string()),
        })
    };
    let reversed = ReversedTotals {
        source: total(registry, &record.source, record.reversed.source)?,
        target: total(registry, &record.target, record.reversed.target)?,
    };
    Ok(Transaction {
        bonus: record.bonus,
        completed_at: record.completed_at,
        created_at: record.created_at,
        expiry: record.expiry,
        failure: view.saga.and_then(failure).map(|failure| failure.seen_by(caller)),
        id: record.id,
        kind: record.kind,
        quote: record.quote,
        rate: record.rate,
        reason: record.reason,
        receipt: view.receipt.map(receipt).transpose()?,
        reversed,
        reverses: record.reverses,
        settlement: record.settlement,
        source: side(record.source, view.source_member),
        source_reference: record.source_reference,
        state: record.state,
        target: side(record.target, view.target_member),
    })
}

/// Why a transaction came to nothing; none where it did not.
fn failure(saga: Saga) -> Option<Failure> {
    let (step, code) = saga.refusal.filter(|_| saga.phase == Phase::Failed)?;
    let partner = match step {
        Step::Credit => saga.receiver,
        Step::Reserve | Step::Capture | Step::Release | Step::Cancel => saga.giver,
    };
    Some(Failure { code, partner })
}

/// What of a side has been turned round: points, or of an item's price money.
fn total(
    registry: &Registry,
    side: &TransactionSideRecord,
    minor: i64,
) -> Result<Decimal, Refusal> {
    match side.program() {
        Some(program) => points(registry, program, minor),
        None => Decimal::from_micros(minor).ok_or_else(|| Refusal::internal("a total below 0")),
    }
}

/// Minor units as the wire has them.
pub fn points(registry: &Registry, program: &ProgramId, minor: i64) -> Result<Decimal, Refusal> {
    registry
        .program(program)
        .and_then(|program| Decimal::from_minor(minor, program.scale))
        .ok_or_else(|| Refusal::internal("an amount of no program"))
}

/// A receipt as it is served.
pub fn receipt(stored: StoredReceipt) -> Result<SignedReceipt, Refusal> {
    let jws = stored.jws();
    let payload = String::from_utf8(stored.payload).ok();
    let receipt = payload.and_then(|payload| RawValue::from_string(payload).ok());
    let receipt = receipt.ok_or_else(|| Refusal::internal("a stored payload is no JSON"))?;
    Ok(SignedReceipt { jws, receipt })
}

/// Appends JCS of `{"jws","receipt"}`. The payload is JCS and base64url needs no escapes, so the
/// parts are put side by side and nothing is serialised again.
pub fn append_receipt(out: &mut Vec<u8>, stored: &StoredReceipt) {
    out.extend_from_slice(b"{\"jws\":\"");
    out.extend_from_slice(stored.jws().as_bytes());
    out.extend_from_slice(b"\",\"receipt\":");
    out.extend_from_slice(&stored.payload);
    out.push(b'}');
}

/// A link as this partner sees it.
pub fn link(caller: &PartnerId, view: LinkView) -> Link {
    let record = view.record;
    let proposer = record.proposed_by == *caller;
    let [a_name, b_name] = view.members;
    let [a_supplied, b_supplied] = view.supplied;
    let [a_pseudonym, b_pseudonym] = view.pseudonyms;
    let shown = |name: MemberRef| name.expose().to_owned();
    let side =
        |side: LinkSideRecord, name: Option<MemberRef>, supplied: Option<MemberRef>, seen| {
            let member = if side.partner == *caller {
                // Until it has confirmed, the proposer's name for it says whom the link is about.
                name.or(supplied).map(shown)
            } else {
                supplied.filter(|_| proposer).map(shown).or(seen)
            };
            LinkSide { member, partner: side.partner, program: side.program }
        };
    Link {
        a: side(record.a, a_name, a_supplied, a_pseudonym.map(|p| p.to_string())),
        b: side(record.b, b_name, b_supplied, b_pseudonym.map(|p| p.to_string())),
        consent: record.consent,
        created_at: record.created_at,
        id: record.id,
        proposed_by: record.proposed_by,
        state: record.state,
    }
}
