//! Settlement windows: closed and opened in one commit, netted in their order, released by two
//! people, paid as banks say. Each command can be repeated without harm.

use alliance_contracts::ids::WindowId;
use alliance_contracts::time::Timestamp;
use alliance_contracts::window::WindowState;

use super::working_set::{WindowDocument, WindowLine, WorkingSet};
use super::{adjustments, events};
use crate::alliance::Role;
use crate::command::{
    CloseWindow, ImportBank, NetWindow, Outcome, PostAdjustments, ProposeSettlement,
};
use crate::payments::matching::Tracked;
use crate::rates::proposal::OperatorName;
use crate::windows::{SettlementAction, SettlementFault, SettlementProposal, WindowRecord};

/// The longest explanation, in characters.
const MAX_WHY: usize = 500;

/// What a window must be for this or that.
const NETTED: &str = "netted, with all that follows from it posted";

type Checked<T> = Result<T, SettlementFault>;

fn told(result: Checked<Outcome>) -> Outcome {
    result.unwrap_or_else(Outcome::SettlementRefused)
}

/// Closes the open window and opens the next. One that is closed already stays as it is, and so
/// does everything where this time of the schedule had its window closed.
pub fn close(set: &mut WorkingSet, order: &CloseWindow, now: Timestamp) -> Outcome {
    if let Some(by) = &order.by
        && let Err(fault) = permits(set, by, Role::Operator, "close a window")
    {
        return Outcome::SettlementRefused(fault);
    }
    let open = set.registry.windows.iter().find(|w| w.state == WindowState::Open).cloned();
    let Some(mut window) = open.filter(|window| window.id == order.window) else {
        return Outcome::Done(0);
    };
    if order.slot.is_some_and(|slot| window.slot.is_some_and(|last| last >= slot)) {
        return Outcome::Done(0);
    }
    window.state = WindowState::Closed;
    window.closed_at = Some(now.max(window.opened_at));
    window.closed_on = Some(order.today);
    let slot = order.slot.or(window.slot);
    let number = window.number + 1;
    let next = WindowRecord::open(order.next, number, window.currency.clone(), now, slot);
    set.writes.closes = Some(window.id);
    keep(set, window);
    keep(set, next);
    Outcome::Done(1)
}

/// Takes in what a closed window comes to. Windows are netted in their order: each begins with what
/// the one before carries.
pub fn net(set: &mut WorkingSet, order: &NetWindow, now: Timestamp) -> Outcome {
    told(net_closed(set, order, now))
}

fn net_closed(set: &mut WorkingSet, order: &NetWindow, now: Timestamp) -> Checked<Outcome> {
    // Read.
    let Some(mut window) = window(set, order.window).cloned() else {
        return Ok(Outcome::Done(0));
    };
    match window.state {
        WindowState::Closed => {}
        WindowState::Open => return Err(state(&window, "closed")),
        _ => return Ok(Outcome::Done(0)),
    }
    let earlier = all(set)
        .into_iter()
        .find(|other| other.number < window.number && other.state == WindowState::Closed);
    if let Some(earlier) = earlier {
        return Err(SettlementFault::EarlierFirst { before: earlier.number });
    }
    // Decide.
    let netted = &order.netted;
    window.state = WindowState::Netted;
    window.netted_at = Some(now);
    window.value_date = netted.value_date;
    window.provisional = netted.provisional;
    window.to_post = Some(u64::try_from(netted.to_post.len()).unwrap_or(u64::MAX));
    // Write.
    let id = window.id;
    let lines = netted.settlement.lines.iter().cloned();
    set.writes.window_lines.extend(lines.map(|settled| WindowLine { window: id, settled }));
    let certificate = alliance_contracts::json::canonical(&netted.certificate);
    let documents = [
        ("certificate".to_owned(), certificate),
        ("carried".to_owned(), netted.carried_document()),
    ];
    let follow = netted.to_post.iter().map(|(name, bytes)| (name.clone(), bytes.clone()));
    let document = |(name, document)| WindowDocument { window: id, name, document };
    set.writes.window_documents.extend(documents.into_iter().chain(follow).map(document));
    for instruction in &netted.instructions {
        let payment = Tracked::new(instruction.clone());
        set.writes.payments.insert(instruction.end_to_end_id, payment);
    }
    keep(set, window.clone());
    events::statements(set, &window, &netted.settlement.lines);
    settle_what_pays_nothing(set, now);
    Ok(Outcome::Done(1))
}

/// Posts the next of what follows from a window.
pub fn post(set: &mut WorkingSet, order: &PostAdjustments, now: Timestamp) -> Outcome {
    let Some(mut window) = window(set, order.window).cloned() else { return Outcome::Done(0) };
    if window.to_post != Some(order.left) {
        return Outcome::SettlementStale;
    }
    let posted = u64::try_from(order.adjustments.len()).unwrap_or(u64::MAX);
    let Some(left) = order.left.checked_sub(posted) else { return Outcome::SettlementStale };
    for made in &order.adjustments {
        adjustments::post(set, made, now);
    }
    window.to_post = Some(left);
    keep(set, window);
    settle_what_pays_nothing(set, now);
    Outcome::Done(order.adjustments.len())
}

/// Proposes a release or an abort.
pub fn propose(set: &mut WorkingSet, order: &ProposeSettlement, now: Timestamp) -> Outcome {
    told(propose_allowed(set, order, now))
}

fn propose_allowed(
    set: &mut WorkingSet,
    order: &ProposeSettlement,
    now: Timestamp,
) -> Checked<Outcome> {
    let ProposeSettlement { action, by } = order;
    permits(set, by, Role::Finance, "propose what moves money")?;
    let proposals = &set.registry.settlement_proposals;
    let same = proposals.iter().find(|one| one.is_open() && one.action == *action);
    if let Some(same) = same {
        if same.proposed_by == *by {
            // The commit that brought it was answered by nobody.
            return Ok(Outcome::Proposal(same.number));
        }
        return Err(SettlementFault::ProposedAlready(same.number));
    }
    check(set, action)?;
    let number = proposals.last().map_or(0, |last| last.number) + 1;
    keep_proposal(
        set,
        SettlementProposal {
            number,
            action: action.clone(),
            proposed_by: by.clone(),
            proposed_at: now,
            approved_by: None,
            approved_at: None,
            withdrawn_by: None,
            withdrawn_at: None,
        },
    );
    Ok(Outcome::Proposal(number))
}

/// Approves a proposal: another person's to do, and carried out by that.
pub fn approve(set: &mut WorkingSet, number: u32, by: &OperatorName, now: Timestamp) -> Outcome {
    told(approve_others(set, number, by, now))
}

fn approve_others(
    set: &mut WorkingSet,
    number: u32,
    by: &OperatorName,
    now: Timestamp,
) -> Checked<Outcome> {
    permits(set, by, Role::Finance, "approve what moves money")?;
    let mut record = proposal(set, number)?;
    if record.approved_by.as_ref() == Some(by) {
        return Ok(Outcome::Proposal(number));
    }
    if !record.is_open() {
        return Err(SettlementFault::NoSuchProposal(number));
    }
    if record.proposed_by == *by {
        return Err(SettlementFault::OwnProposal { number, name: by.clone() });
    }
    let window = check(set, &record.action)?;
    match &record.action {
        SettlementAction::Release { .. } => {
            keep(set, WindowRecord { state: WindowState::Settling, ..window });
        }
        SettlementAction::Abort { .. } => abort(set, window),
    }
    record.approved_by = Some(by.clone());
    record.approved_at = Some(now);
    keep_proposal(set, record);
    settle_what_pays_nothing(set, now);
    Ok(Outcome::Proposal(number))
}

/// Takes a proposal back, whoever made it.
pub fn withdraw(set: &mut WorkingSet, number: u32, by: &OperatorName, now: Timestamp) -> Outcome {
    told(withdraw_open(set, number, by, now))
}

fn withdraw_open(
    set: &mut WorkingSet,
    number: u32,
    by: &OperatorName,
    now: Timestamp,
) -> Checked<Outcome> {
    permits(set, by, Role::Finance, "take a proposal back")?;
    let mut record = proposal(set, number)?;
    if record.withdrawn_at.is_some() {
        return Ok(Outcome::Proposal(number));
    }
    if !record.is_open() {
        return Err(SettlementFault::NoSuchProposal(number));
    }
    record.withdrawn_by = Some(by.clone());
    record.withdrawn_at = Some(now);
    keep_proposal(set, record);
    Ok(Outcome::Proposal(number))
}

/// Takes a bank's file in: what it says was paid is posted, and windows that are paid are settled.
pub fn import(set: &mut WorkingSet, order: &ImportBank, now: Timestamp) -> Outcome {
    if let Err(fault) = permits(set, &order.file.by, Role::Operator, "take a bank's file in") {
        return Outcome::SettlementRefused(fault);
    }
    if order.based_on != set.registry.seen_version {
        return Outcome::SettlementStale;
    }
    for made in &order.adjustments {
        adjustments::post(set, made, now);
    }
    for payment in &order.payments {
        set.writes.payments.insert(payment.instruction.end_to_end_id, payment.clone());
    }
    set.writes.bank_file = Some(order.file.clone());
    set.writes.bank_entries.clone_from(&order.entries);
    for id in &order.paid {
        let paid = window(set, *id).filter(|window| window.state == WindowState::Settling);
        if let Some(paid) = paid.cloned() {
            end(set, paid, now);
        }
    }
    Outcome::Done(order.entries.len())
}

// What can be done, and doing it.

/// Whether an action can be carried out now: the window that it is about.
fn check(set: &WorkingSet, action: &SettlementAction) -> Checked<WindowRecord> {
    let id = action.window();
    let found = window(set, id).cloned().ok_or(SettlementFault::NoSuchWindow(id))?;
    let number = found.number;
    match action {
        SettlementAction::Release { .. } => {
            if found.state != WindowState::Netted || found.to_post != Some(0) {
                return Err(state(&found, NETTED));
            }
            match unsettled_before(set, number) {
                Some(before) => Err(SettlementFault::EarlierFirst { before }),
                None => Ok(found),
            }
        }
        SettlementAction::Abort { why, .. } => {
            if !(1..=MAX_WHY).contains(&why.trim().chars().count()) {
                return Err(SettlementFault::Why);
            }
            let posted = found.to_post.is_none_or(|left| left == 0);
            if !matches!(found.state, WindowState::Closed | WindowState::Netted) || !posted {
                return Err(state(&found, "closed or netted"));
            }
            let rests = |other: &WindowRecord| {
                let later = other.number > number && other.netted_at.is_some();
                later && other.state != WindowState::Aborted
            };
            match all(set).into_iter().find(rests) {
                Some(later) => Err(SettlementFault::LaterRests { number, later: later.number }),
                None => Ok(found),
            }
        }
    }
}

/// The obligations of this window, and of those whose obligations it had, are the next one's.
fn abort(set: &mut WorkingSet, window: WindowRecord) {
    let next = all(set)
        .into_iter()
        .find(|next| next.number > window.number && next.state != WindowState::Aborted);
    let Some(next) = next.map(|next| next.id) else { return };
    let carried = all(set).into_iter().filter(|other| other.carried_into == Some(window.id));
    for other in carried.collect::<Vec<_>>() {
        keep(set, WindowRecord { carried_into: Some(next), ..other });
    }
    let aborted = WindowRecord { state: WindowState::Aborted, carried_into: Some(next), ..window };
    keep(set, aborted);
}

/// A window of which nothing is paid is settled once all before it are on their way.
fn settle_what_pays_nothing(set: &mut WorkingSet, now: Timestamp) {
    for window in all(set) {
        let idle = window.state == WindowState::Netted
            && window.to_post == Some(0)
            && window.value_date.is_none();
        if idle && unsettled_before(set, window.number).is_none() {
            end(set, window, now);
        }
    }
}

/// A window is settled, and with it the obligations of those that were aborted before.
fn end(set: &mut WorkingSet, window: WindowRecord, now: Timestamp) {
    let carried = all(set).into_iter().filter(|other| other.carried_into == Some(window.id));
    for other in carried.collect::<Vec<_>>() {
        keep(set, WindowRecord { ended_at: Some(now), ..other });
    }
    keep(set, WindowRecord { state: WindowState::Settled, ended_at: Some(now), ..window });
}

/// The number of a window before that is neither settled nor aborted nor being paid.
fn unsettled_before(set: &WorkingSet, number: u64) -> Option<u64> {
    let waits = |other: &WindowRecord| {
        let waits = matches!(other.state, WindowState::Closed | WindowState::Netted);
        other.number < number && waits
    };
    all(set).into_iter().find(waits).map(|other| other.number)
}

fn state(window: &WindowRecord, needed: &'static str) -> SettlementFault {
    SettlementFault::State { number: window.number, state: window.state, needed }
}

fn permits(set: &WorkingSet, name: &OperatorName, needed: Role, what: &'static str) -> Checked<()> {
    if set.registry.definition.settlement.permits(name, needed) {
        return Ok(());
    }
    let role = if needed == Role::Finance { "finance" } else { "operator" };
    Err(SettlementFault::Role { name: name.clone(), what, role })
}

/// Windows as this batch has left them, by number.
fn all(set: &WorkingSet) -> Vec<WindowRecord> {
    let kept = |window: &WindowRecord| set.writes.windows.get(&window.id).unwrap_or(window).clone();
    let known = |id: &WindowId| set.registry.window_of(id).is_some();
    let new = set.writes.windows.iter().filter(|(id, _)| !known(id)).map(|(_, new)| new.clone());
    let mut all: Vec<_> = set.registry.windows.iter().map(kept).chain(new).collect();
    all.retain(|window| window.ended_at.is_none());
    all.sort_by_key(|window| window.number);
    all
}

fn window(set: &WorkingSet, id: WindowId) -> Option<&WindowRecord> {
    set.writes.windows.get(&id).or_else(|| set.registry.window_of(&id))
}

fn proposal(set: &WorkingSet, number: u32) -> Checked<SettlementProposal> {
    let written = set.writes.settlement_proposals.get(&number);
    let known = || set.registry.settlement_proposals.iter().find(|one| one.number == number);
    written.or_else(known).cloned().ok_or(SettlementFault::NoSuchProposal(number))
}

fn keep(set: &mut WorkingSet, window: WindowRecord) {
    let before = self::window(set, window.id).map(|before| before.state);
    if before.is_some_and(|before| before != window.state) {
        events::window(set, &window);
    }
    set.writes.windows.insert(window.id, window);
}

fn keep_proposal(set: &mut WorkingSet, proposal: SettlementProposal) {
    set.writes.settlement_proposals.insert(proposal.number, proposal);
}
