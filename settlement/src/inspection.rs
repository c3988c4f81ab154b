//! Reading a store for the audit: pages in, findings out, memory bounded by the number of
//! transactions' places, never by the receipts. What the journal is proved by is in `books`.

pub mod books;

use std::collections::HashMap;
use std::sync::Arc;

use alliance_contracts::arithmetic::Reversed;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::names::{Corridor, PartnerId};
use alliance_contracts::receipt::{Account, Asset};

use crate::alliance::Registry;
use crate::audit::{Auditor, Finding, Placed, Ranged};
use crate::command::MemberNo;
use crate::ledger::ChainHead;
use crate::payments::rounding::Settled;
use crate::store::{Store, StoreError, TransactionPlace};
use crate::windows::WindowRecord;

const PAGE: u32 = 1_000;
/// Boards are large.
const BOARDS: u32 = 64;

/// What an audit came to.
#[derive(Clone, Debug, serde::Serialize)]
pub struct AuditReport {
    /// Receipts read.
    pub receipts: u64,
    /// Corridors read.
    pub corridors: usize,
    /// Members read.
    pub members: u64,
    /// Transactions read.
    pub transactions: u64,
    /// Boards read.
    pub boards: u32,
    /// Versions of agreements read.
    pub agreements: u64,
    /// Campaigns read.
    pub campaigns: usize,
    /// Consents read.
    pub consents: usize,
    /// Erasures read.
    pub erasures: u64,
    /// Settlement windows read.
    pub windows: usize,
    /// Every difference; none in good books.
    pub findings: Vec<Finding>,
}

/// Audits a store that nobody writes to meanwhile (or: whose writer is paused; what is committed
/// between two reads may otherwise show as a difference).
///
/// # Errors
/// What the store says.
pub async fn audit(store: &dyn Store, keys: &TrustedKeys) -> Result<AuditReport, StoreError> {
    let Some((version, parts)) = store.registry().await? else {
        return Err(StoreError::NotMigrated("no definition has been applied".to_owned()));
    };
    let registry = Registry::new(version, parts);
    let mut auditor = Auditor::new(&registry.definition, keys);
    let boards = audit_boards(store, &registry, &mut auditor).await?;
    let campaigns: Vec<Arc<_>> = registry.campaigns.clone();
    for campaign in &campaigns {
        auditor.campaign(campaign);
    }
    for consent in &registry.consents {
        auditor.consent(consent, &registry);
    }
    for spent in &store.consents_spent().await? {
        auditor.consent_spent(spent);
    }
    auditor.open_window(registry.window);
    let places = transaction_places(store).await?;
    let heads = store.heads().await?;
    for (corridor, head) in &heads {
        auditor.ranges(chain_ranges(store, corridor).await?);
        let mut after = 0;
        loop {
            let page = store.receipts(corridor, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for receipt in &page {
                let placed = places.get(&receipt.transaction).map(|place| place.placed);
                auditor.receipt(receipt, &placed.unwrap_or_default());
            }
        }
        for (level, nodes) in auditor.kept_levels() {
            // One more than there should be: it must not be there.
            let kept = store.nodes(corridor, level, 0, nodes + 1).await?;
            auditor.nodes(level, &kept);
        }
        auditor.head(corridor, head.seq, head.head, head.frontier.root());
    }
    for (id, place) in &places {
        let seq = place.seq.map(|seq| (&place.corridor, seq));
        auditor.transaction(*id, seq, place.reversed);
    }
    let windows = windows(store).await?;
    auditor.windows(&windows);
    let mut erasures = 0;
    for defined in &registry.definition.partners {
        audit_events(store, &mut auditor, &defined.partner, &heads).await?;
        erasures += audit_erasures(store, &mut auditor, &defined.partner).await?;
    }
    audit_sagas(store, &places, &mut auditor).await?;
    let members = audit_members(store, &mut auditor).await?;
    audit_lots(store, &mut auditor).await?;
    let agreements = audit_agreements(store, &registry, &mut auditor).await?;
    let accounts = store.accounts().await?;
    for account in &accounts {
        auditor.account(&account.account, &account.asset, account.balance);
    }
    for flow in &store.flows().await? {
        auditor.flow(flow);
    }
    let money: Vec<i128> = accounts
        .iter()
        .filter(|account| matches!(account.asset, Asset::Currency(_)))
        // What is held is nobody's yet: it has no other side.
        .filter(|account| !matches!(account.account, Account::Held(_)))
        .map(|account| account.balance)
        .collect();
    let (receipts, findings) = auditor.finish(&money);
    Ok(AuditReport {
        receipts,
        corridors: heads.len(),
        members,
        transactions: u64::try_from(places.len()).unwrap_or(u64::MAX),
        boards,
        agreements,
        campaigns: campaigns.len(),
        consents: registry.consents.len(),
        erasures,
        windows: windows.len(),
        findings,
    })
}

/// The ranges of a chain, as far as the audit looks at them.
async fn chain_ranges(store: &dyn Store, corridor: &Corridor) -> Result<Vec<Ranged>, StoreError> {
    let mut ranges: Vec<Ranged> = Vec::new();
    loop {
        let after = ranges.last().map_or(0, |range| range.seq);
        let page = store.chain_ranges(corridor, after, PAGE).await?;
        if page.is_empty() {
            return Ok(ranges);
        }
        ranges.extend(page.iter().map(|range| Ranged {
            window: range.window,
            after: range.after,
            seq: range.seq,
            head: range.head,
            root: range.frontier.root(),
        }));
    }
}

/// All windows with their lines, by number.
async fn windows(store: &dyn Store) -> Result<Vec<(WindowRecord, Vec<Settled>)>, StoreError> {
    let mut all = Vec::new();
    let mut last = u64::MAX;
    loop {
        let page = store.windows(last, PAGE).await?;
        let Some(lowest) = page.last().map(|window| window.number) else { break };
        for window in page {
            let lines = store.window_lines(window.id).await?;
            all.push((window, lines));
        }
        if lowest <= 1 {
            break;
        }
        last = lowest - 1;
    }
    all.reverse();
    Ok(all)
}

async fn audit_erasures(
    store: &dyn Store,
    auditor: &mut Auditor<'_>,
    partner: &PartnerId,
) -> Result<u64, StoreError> {
    let (mut read, mut after) = (0, None);
    loop {
        let page = store.erasures(partner, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(read) };
        after = Some(last.erasure.id);
        for signed in &page {
            auditor.erasure(signed, partner);
            read += 1;
        }
    }
}

struct Place {
    corridor: alliance_contracts::names::Corridor,
    seq: Option<u64>,
    reversed: Reversed,
    placed: Placed,
}

/// All boards, the first one first.
async fn audit_boards(
    store: &dyn Store,
    registry: &Registry,
    auditor: &mut Auditor<'_>,
) -> Result<u32, StoreError> {
    let last = registry.last_board().map_or(0, |board| board.number());
    let mut read = 0;
    while read < last {
        // A page of so many numbers from here on; where one is missing, there are fewer.
        let to = last.min(read.saturating_add(BOARDS));
        let page = store.boards(to, to - read).await?;
        for board in page.iter().rev().filter(|published| published.board.board > read) {
            auditor.board(board);
        }
        read = to;
    }
    Ok(last)
}

async fn audit_agreements(
    store: &dyn Store,
    registry: &Registry,
    auditor: &mut Auditor<'_>,
) -> Result<u64, StoreError> {
    let (mut after, mut counted) = (None, 0);
    loop {
        let page = store.all_agreements(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(counted) };
        after = Some(last.id);
        for record in &page {
            counted += 1;
            auditor.agreement(record, registry);
        }
    }
}

async fn audit_lots(store: &dyn Store, auditor: &mut Auditor<'_>) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = store.lots(after, PAGE).await?;
        let Some((member, lot)) = page.last() else { return Ok(()) };
        after = Some((*member, lot.campaign, lot.day));
        for (member, lot) in &page {
            auditor.lot(*member, lot);
        }
    }
}

async fn transaction_places(
    store: &dyn Store,
) -> Result<HashMap<TransactionId, Place>, StoreError> {
    let mut places = HashMap::new();
    let mut after = None;
    loop {
        let page = store.transaction_places(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(places) };
        after = Some(last.id);
        for place in page {
            let TransactionPlace { id, corridor, seq, members, reversed, created_at } = place;
            let placed = Placed { members, decided_at: Some(created_at) };
            places.insert(id, Place { corridor, seq, reversed, placed });
        }
    }
}

async fn audit_sagas(
    store: &dyn Store,
    places: &HashMap<TransactionId, Place>,
    auditor: &mut Auditor<'_>,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = store.sagas(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.transaction);
        for saga in &page {
            let placed = places.get(&saga.transaction).map(|place| place.placed);
            auditor.saga(saga, &placed.unwrap_or_default());
        }
    }
}

async fn audit_events(
    store: &dyn Store,
    auditor: &mut Auditor<'_>,
    partner: &PartnerId,
    heads: &[(Corridor, ChainHead)],
) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let rows = store.events(partner, after, after + u64::from(PAGE)).await?;
        let Some(last) = rows.last() else { break };
        after = last.last;
        rows.iter().for_each(|row| auditor.events(partner, row));
    }
    let theirs = heads.iter().filter(|(corridor, _)| corridor.includes(partner));
    auditor.end_of_events(partner, theirs.map(|(corridor, head)| (corridor, head.seq)));
    Ok(())
}

async fn audit_members(store: &dyn Store, auditor: &mut Auditor<'_>) -> Result<u64, StoreError> {
    let mut after = MemberNo(i64::MIN);
    let mut counted = 0;
    loop {
        let page = store.member_books(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(counted) };
        after = last.member;
        for books in page {
            counted += 1;
            auditor.member(books.member, &books.program, books.opening, books.balance);
        }
    }
}
