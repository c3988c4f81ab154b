//! The ledger's decision: `decide` looks at a loaded [`WorkingSet`], applies one command, and says
//! what became of it. Pure and synchronous: no clock (`now` is handed in), no randomness (ids were
//! drawn at the door), no I/O. The sequencer loads before it and commits after it.
//!
//! Checks stand in the order of `contracts::problem`: of two broken rules the first is told.
//! Nothing in the set changes until every check has passed.
//!
//! | file | decides |
//! | --- | --- |
//! | `working_set` | what is loaded, what is to be written |
//! | `kept` | what one batch leaves to the next |
//! | `orders` | orders under a quote, of every kind |
//! | `parties` | whose points an order moves, and whether it may |
//! | `newcomers` | members of connected programs that nobody has named before |
//! | `flow` | what was ordered in each direction |
//! | `rates` | whether an order's rate may still be had; boards, frozen pairs |
//! | `reversal` | turning a transaction round |
//! | `pending` | what follows on connected brands' answers |
//! | `limits` | what a member may give in a day, and one partner owe the other |
//! | `links` | proposing, confirming, revoking |
//! | `consents` | consents to be debited: given, ended, what is left of their limits |
//! | `members` | forgetting, freezing |
//! | `agreements` | proposing, countersigning, withdrawing |
//! | `feeds` | what partners report |
//! | `proposals` | what operators propose about rates, and approve |
//! | `campaigns` | proposing, approving, stopping; what is left of a budget |
//! | `lots` | points that cannot be exchanged onward yet |
//! | `events` | who is told what |
//! | `keys` | registering, retiring and revoking keys; cosignatures; the gateway's list |
//! | `webhooks` | endpoints, and what came of what they were sent |
//! | `master` | the master key; under which one everything is written |
//! | `windows` | settlement windows: closed, netted, released, paid, aborted |
//! | `adjustments` | what a partner has with the alliance itself |
//! | `operations` | what operators and gateways ask |

mod adjustments;
mod agreements;
mod campaigns;
mod consents;
pub mod events;
pub mod feeds;
pub mod flow;
pub mod kept;
mod keys;
mod limits;
mod links;
pub mod lots;
pub mod master;
mod members;
mod newcomers;
mod operations;
mod orders;
mod parties;
mod pending;
mod posting;
mod proposals;
mod rates;
mod reversal;
mod webhooks;
mod windows;
pub mod working_set;

#[cfg(test)]
mod tests;

use alliance_contracts::problem::ProblemCode;
use alliance_contracts::time::Timestamp;

use crate::command::{Command, Decided, ForgetMember, FreezeMember, Keyed, Outcome};
pub use flow::{Direction, Flow, FlowEnd, FlowRow};
pub use operations::is_here_whole;
pub use working_set::{
    AccountBalance, ChainHead, KeyRecord, LinkRecord, LinkSideRecord, Member, SeenMember,
    TransactionRecord, TransactionSideRecord, Wanted, WorkingSet, Writes,
};

/// Decides one command on the set, and notes in the set what is to be written.
pub fn decide(set: &mut WorkingSet, command: &Command, now: Timestamp) -> Decided {
    if let Some(keyed) = command.keyed() {
        return decide_keyed(set, keyed, command, now);
    }
    let outcome = match command {
        Command::Observe(observations) => feeds::import(set, observations, now),
        Command::ImportMembers(members) => operations::import_members(set, members),
        Command::ImportLinks(links) => operations::import_links(set, links, now),
        Command::Define(define) => operations::define(set, define, now),
        Command::Suspend(partner, suspended) => operations::suspend(set, partner, *suspended, now),
        Command::Publish(publish) => rates::publish(set, publish, now),
        Command::Release(source, target) => rates::release(set, source, target),
        Command::ProposeRates(propose) => proposals::propose(set, propose, now),
        Command::ApproveRates(number, by) => proposals::approve(set, *number, by, now),
        Command::WithdrawProposal(number, by) => proposals::withdraw(set, *number, by, now),
        Command::ProposeCampaign(proposal) => campaigns::propose(set, proposal, now),
        Command::ApproveCampaign(approval) => campaigns::approve(set, approval, now),
        Command::StopCampaign(order) => campaigns::stop(set, order, now),
        Command::RevokeKeyOf(partner, kid) => keys::revoke_as_operator(set, partner, kid, now),
        Command::ImportGatewayKeys(keys) => keys::import_list(set, keys),
        Command::VouchForPartnerKeys => keys::vouch_anew(set),
        Command::TakeCalls(wanted) => pending::take(set, wanted, now),
        Command::Answered(told) => pending::answered(set, told, now),
        Command::AskAgain(id) => pending::ask_again(set, id, now),
        Command::TakeEndpoint(_, endpoint) => webhooks::take(set, *endpoint, now),
        Command::Delivered(report) => webhooks::report(set, report, now),
        Command::CloseWindow(order) => windows::close(set, order, now),
        Command::NetWindow(order) => windows::net(set, order, now),
        Command::PostAdjustments(order) => windows::post(set, order, now),
        Command::ProposeSettlement(order) => windows::propose(set, order, now),
        Command::ApproveSettlement(number, by) => windows::approve(set, *number, by, now),
        Command::WithdrawSettlement(number, by) => windows::withdraw(set, *number, by, now),
        Command::ImportBank(order) => windows::import(set, order, now),
        Command::StoreCheckpoint(checkpoint) => operations::store_checkpoint(set, checkpoint),
        Command::NameMasterKey(id) => master::name(set, *id, now),
        Command::BeginRotation(order) => master::begin(set, order, now),
        Command::Rekey(page) => master::rekey(set, page),
        Command::EndRotation(to) => master::end(set, *to, now),
        Command::StoreQuoteKey { period, wrapped, destroy_before } => {
            operations::store_quote_key(set, *period, wrapped, *destroy_before)
        }
        Command::Order(..)
        | Command::Reverse(..)
        | Command::ProposeLink(..)
        | Command::ConfirmLink(..)
        | Command::RevokeLink(..)
        | Command::GrantConsent(..)
        | Command::RevokeConsent(..)
        | Command::ForgetMember(..)
        | Command::FreezeMember(..)
        | Command::ProposeAgreement(..)
        | Command::CountersignAgreement(..)
        | Command::WithdrawAgreement(..)
        | Command::AddKey(..)
        | Command::RetireKey(..)
        | Command::RevokeKey(..)
        | Command::Cosign(..)
        | Command::AddEndpoint(..)
        | Command::ChangeEndpoint(..)
        | Command::ObserveAsPartner(..) => Outcome::Refused(ProblemCode::InternalError),
    };
    Decided { outcome, replayed: false, first_request: None }
}

/// A partner's command: the key first, then the rules, then the key again, for ever.
fn decide_keyed(set: &mut WorkingSet, keyed: &Keyed, command: &Command, now: Timestamp) -> Decided {
    if set.is_revoked(&keyed.request.kid, now) {
        // Revoked since the door looked, here or on another gateway.
        return fresh(keyed, Outcome::Refused(ProblemCode::SignatureInvalid));
    }
    if let Some(code) = not_found(set, keyed, command) {
        return fresh(keyed, Outcome::Refused(code));
    }
    if let Some(known) = set.key(&keyed.partner, &keyed.key) {
        if !keyed.digest.is(&known.digest) {
            return fresh(keyed, Outcome::Refused(ProblemCode::IdempotencyMismatch));
        }
        let (outcome, first_request) = (known.outcome.clone(), Some(known.request));
        return Decided { outcome, replayed: true, first_request };
    }
    let result = match command {
        Command::Order(keyed, order) => orders::decide(set, keyed, order, now),
        Command::Reverse(keyed, order) => reversal::decide(set, keyed, order, now),
        Command::ProposeLink(keyed, proposal) => links::propose(set, keyed, proposal, now),
        Command::ConfirmLink(keyed, link, at) => links::confirm(set, keyed, *link, at.as_ref()),
        Command::RevokeLink(_, link) => links::revoke(set, *link),
        Command::GrantConsent(keyed, order) => consents::grant(set, keyed, order, now),
        Command::RevokeConsent(_, id) => consents::revoke(set, id, now),
        Command::ForgetMember(keyed, order) => members::forget(set, keyed, order, now),
        Command::FreezeMember(_, order) => members::freeze(set, order, now),
        Command::ProposeAgreement(keyed, order) => agreements::propose(set, keyed, order, now),
        Command::CountersignAgreement(keyed, order) => {
            agreements::countersign(set, keyed, order, now)
        }
        Command::WithdrawAgreement(_, id) => agreements::withdraw(set, *id),
        Command::AddKey(keyed, proven) => keys::add(set, keyed, proven, now),
        Command::RetireKey(keyed, kid, at) => keys::retire(set, keyed, kid, *at, now),
        Command::RevokeKey(keyed, kid) => keys::revoke(set, keyed, kid, now),
        Command::Cosign(_, cosignature) => keys::cosign(set, cosignature),
        Command::AddEndpoint(keyed, asked) => webhooks::add(set, keyed, asked, now),
        Command::ChangeEndpoint(keyed, asked) => webhooks::change(set, keyed, asked, now),
        Command::ObserveAsPartner(keyed, observations) => {
            Ok(feeds::receive(set, keyed, observations, now))
        }
        _ => Err(ProblemCode::InternalError),
    };
    let outcome = result.unwrap_or_else(Outcome::Refused);
    let consumes_key = match &outcome {
        Outcome::Refused(code) => code.is_decision(),
        Outcome::AgreementRefused(_)
        | Outcome::ConsentRefused(_)
        | Outcome::ObservationsRefused(_)
        | Outcome::KeyRefused(_) => false,
        _ => true,
    };
    if consumes_key {
        keys::note_use(set, keyed, command, &outcome);
        set.remember_key(keyed, outcome.clone());
    }
    fresh(keyed, outcome)
}

fn fresh(keyed: &Keyed, outcome: Outcome) -> Decided {
    Decided { outcome, replayed: false, first_request: Some(keyed.request.id) }
}

/// `not_found` stands before the idempotency codes: what is not the caller's does not exist.
fn not_found(set: &WorkingSet, keyed: &Keyed, command: &Command) -> Option<ProblemCode> {
    let visible = match command {
        Command::Reverse(_, order) => set
            .transaction(&order.original)
            .is_some_and(|original| original.corridor.includes(&keyed.partner)),
        Command::ConfirmLink(_, link, _) | Command::RevokeLink(_, link) => {
            set.link(link).is_some_and(|link| link.includes(&keyed.partner))
        }
        Command::RevokeConsent(_, id) => set.consent(id).is_some_and(|record| {
            [&record.consent.source, &record.consent.target].contains(&&keyed.partner)
        }),
        Command::ForgetMember(_, ForgetMember { program, .. })
        | Command::FreezeMember(_, FreezeMember { program, .. }) => {
            set.registry.program(program).is_some_and(|program| program.partner == keyed.partner)
        }
        Command::CountersignAgreement(_, order) => {
            set.agreement(&order.id).is_some_and(|record| record.includes(&keyed.partner))
        }
        Command::WithdrawAgreement(_, id) => {
            set.agreement(id).is_some_and(|record| record.includes(&keyed.partner))
        }
        Command::RetireKey(_, kid, _) | Command::RevokeKey(_, kid) => {
            set.listed_key(kid).is_some_and(|listed| listed.record.partner == keyed.partner)
        }
        Command::Cosign(_, cosignature) => {
            set.heads.get(&cosignature.corridor).is_some_and(|head| head.seq >= cosignature.size)
        }
        Command::ChangeEndpoint(_, asked) => {
            set.endpoints.get(&asked.endpoint).is_some_and(|one| one.partner == keyed.partner)
        }
        Command::ObserveAsPartner(_, observations) => {
            feeds::are_own(&set.registry, &keyed.partner, observations)
        }
        _ => true,
    };
    (!visible).then_some(ProblemCode::NotFound)
}
