//! Settlement beside the writer: receipts of a window read in pages and added up, documents handed
//! to the writer, which sees only that nothing they rest on has changed. Each step can be repeated:
//! after a crash the next call goes on where the last one stood.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use alliance_contracts::adjustment::{Adjustment, AdjustmentCause};
use alliance_contracts::date::Date;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::{RequestId, TransactionId, WindowId};
use alliance_contracts::names::{Corridor, Currency, PartnerId, Party};
use alliance_contracts::receipt::{self, Account, Asset, Posting};
use alliance_contracts::time::Timestamp;
use alliance_contracts::total::Total;
use alliance_contracts::window::WindowState;

use super::ClearingHouse;
use crate::alliance::Registry;
use crate::command::{
    CloseWindow, Command, ImportBank, NetWindow, NewAdjustment, Outcome, PostAdjustments,
    ProposeSettlement,
};
use crate::ledger::working_set::{BankEntryRow, BankFile};
use crate::payments::accounts::BankAccount;
use crate::payments::currencies::MinorUnit;
use crate::payments::entries::BankEntry;
use crate::payments::instructions::EndToEndId;
use crate::payments::matching::{Became, Matching, MatchingFault, Tracked};
use crate::payments::standing::standing;
use crate::rates::proposal::OperatorName;
use crate::sequencer::Unavailable;
use crate::store::{Store, StoreError, WindowRange};
use crate::windows::{
    Figures, FiguresFault, NettedWindow, NettingTerms, SettlementAction, SettlementFault,
    WindowFault, WindowRecord, carried_of, net_window, to_post,
};

/// Receipts read at a time.
pub(super) const RECEIPTS: u32 = 1_000;
/// Ranges, documents and windows read at a time.
const PAGE: u32 = 1_000;
/// Adjustments of one commit: orders wait for no longer than for a batch of their own.
const ADJUSTMENTS: usize = 256;
/// How often something is worked out anew because something has changed meanwhile.
const ATTEMPTS: u32 = 5;

/// Why a step of settlement was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// It breaks a rule.
    #[error(transparent)]
    Fault(#[from] SettlementFault),
    /// The window does not come to anything.
    #[error(transparent)]
    Window(#[from] WindowFault),
    /// Accounts or instructions that no bank entry can be told by.
    #[error(transparent)]
    Matching(#[from] MatchingFault),
    /// Receipts are not those that the window was closed with.
    #[error("the receipts of {0} are not those that the window was closed with: run the audit")]
    Books(Corridor),
    /// The books.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Everything changes all the time.
    #[error("what this rests on has changed each time it was worked out: try again")]
    NeverStill,
}

impl From<StoreError> for SettleError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(Unavailable::Store(error))
    }
}

impl From<FiguresFault> for SettleError {
    fn from(fault: FiguresFault) -> Self {
        Self::Window(fault.into())
    }
}

/// How far a long step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is done: receipts read, adjustments posted.
    pub done: u64,
    /// Of how many.
    pub of: u64,
    /// What it counts.
    pub what: &'static str,
}

/// Told how far a long step is.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// New ids, drawn at the door.
pub type Ids = Arc<dyn Fn() -> (TransactionId, RequestId) + Send + Sync>;

/// What came of a bank's file.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The file.
    pub file: BankFile,
    /// Whether it had been taken in before: then nothing was done.
    pub before: bool,
    /// Its entries, and what each became.
    pub entries: Vec<(BankEntry, Became)>,
    /// Windows that are settled by it.
    pub settled: Vec<WindowId>,
}

impl ClearingHouse {
    /// Closes the open window and opens the next. For a time of the schedule (`slot`) only one
    /// gateway does. `None` where the window had been closed by somebody else.
    ///
    /// # Errors
    /// [`SettleError`].
    pub async fn close_window(
        &self,
        next: WindowId,
        slot: Option<Timestamp>,
        by: Option<OperatorName>,
        today: Date,
    ) -> Result<Option<WindowId>, SettleError> {
        let window = self.registry().window;
        let order = CloseWindow { window, next, slot, by, today };
        match self.ask(Command::CloseWindow(Box::new(order))).await? {
            Outcome::Done(1) => Ok(Some(window)),
            _ => {
                self.inner.sequencer.refresh().await?;
                Ok(None)
            }
        }
    }

    /// Nets every closed window, in their order, and posts what follows from each.
    ///
    /// # Errors
    /// [`SettleError`].
    pub async fn net_windows(
        &self,
        ids: &Ids,
        progress: &OnProgress,
    ) -> Result<Vec<WindowId>, SettleError> {
        let mut netted = Vec::new();
        self.inner.sequencer.refresh().await?;
        loop {
            self.post_what_follows(ids, progress).await?;
            let registry = self.registry();
            let closed = registry.windows.iter().find(|w| w.state == WindowState::Closed).cloned();
            let Some(window) = closed else { return Ok(netted) };
            let result = self.work_out(&registry, &window, progress).await?;
            let order = NetWindow { window: window.id, netted: result };
            if self.ask(Command::NetWindow(Box::new(order))).await? == Outcome::Done(1) {
                netted.push(window.id);
            } else {
                self.inner.sequencer.refresh().await?;
            }
        }
    }

    /// What a window that is not open comes to, worked out from its receipts: for one that was
    /// netted, the same again.
    ///
    /// # Errors
    /// [`SettleError`].
    pub async fn work_out(
        &self,
        registry: &Registry,
        window: &WindowRecord,
        progress: &OnProgress,
    ) -> Result<NettedWindow, SettleError> {
        // Read.
        let (terms, ranges) = self.inputs(registry, window).await?;
        let figures = self.figures(terms.currency.clone(), ranges, progress).await?;
        // Decide.
        let work = move || net_window(&terms, figures);
        let netted = self.inner.handle.spawn_blocking(work).await;
        Ok(netted.map_err(|_| Unavailable::Lost)??)
    }

    /// What a window is worked out from: terms, and its ranges, each with whether its fees are the
    /// window's to share.
    pub(super) async fn inputs(
        &self,
        registry: &Registry,
        window: &WindowRecord,
    ) -> Result<(NettingTerms, VecDeque<(WindowRange, bool)>), SettleError> {
        let carried = self.carried_into(registry, window.id);
        let openings = self.openings(window).await?;
        let mut ranges: VecDeque<(WindowRange, bool)> = VecDeque::new();
        for (id, shared) in
            carried.iter().map(|w| (w.id, w.netted_at.is_some())).chain([(window.id, false)])
        {
            ranges.extend(self.ranges(id).await?.into_iter().map(|range| (range, !shared)));
        }
        let definition = &registry.definition;
        let sponsors = registry.campaigns.iter();
        let terms = NettingTerms {
            alliance: definition.alliance.clone(),
            currency: window.currency.clone(),
            window: window.id,
            opened_at: window.opened_at,
            closed_on: window.closed_on.ok_or(SettlementFault::State {
                number: window.number,
                state: window.state,
                needed: "closed",
            })?,
            carried_windows: carried.iter().map(|window| window.id).collect(),
            openings,
            partners: definition.partners.iter().map(|p| p.partner.clone()).collect(),
            sponsors: sponsors.map(|c| (c.id, c.campaign.sponsor.clone())).collect(),
            way: definition.settlement.netting,
            days: definition.settlement.days,
            calendars: definition.settlement.resolve(&definition.calendars),
            revenue: definition.revenue.clone(),
        };
        Ok((terms, ranges))
    }

    /// Aborted windows whose obligations are in this one, oldest first.
    fn carried_into(&self, registry: &Registry, window: WindowId) -> Vec<WindowRecord> {
        let into = |other: &&WindowRecord| other.carried_into == Some(window);
        registry.windows.iter().filter(into).cloned().collect()
    }

    /// What the last window before this one that was not aborted has carried.
    async fn openings(
        &self,
        window: &WindowRecord,
    ) -> Result<Vec<crate::payments::rounding::Carried>, SettleError> {
        let mut last = window.number - 1;
        while last > 0 {
            let page = self.read(move |store| async move { store.windows(last, 16).await }).await?;
            let Some(lowest) = page.last().map(|window| window.number) else { break };
            let before = page.into_iter().find(|w| w.state != WindowState::Aborted);
            if let Some(before) = before {
                let id = before.id;
                let document = self
                    .read(move |store| async move { store.window_document(id, "carried").await })
                    .await?;
                let earlier = SettlementFault::EarlierFirst { before: before.number };
                return Ok(carried_of(&document.ok_or(earlier)?.document)?);
            }
            last = lowest - 1;
        }
        Ok(Vec::new())
    }

    pub(super) async fn ranges(&self, window: WindowId) -> Result<Vec<WindowRange>, StoreError> {
        self.read(move |store| async move {
            let mut all: Vec<WindowRange> = Vec::new();
            loop {
                let after = all.last().map(|range| range.corridor.clone());
                let page = store.window_ranges(window, after.as_ref(), PAGE).await?;
                if page.is_empty() {
                    return Ok(all);
                }
                all.extend(page);
            }
        })
        .await
    }

    /// Reads every receipt of these ranges, on all cores, and adds them up. Each range must be the
    /// chain that it was when its window was closed.
    async fn figures(
        &self,
        currency: Currency,
        ranges: VecDeque<(WindowRange, bool)>,
        progress: &OnProgress,
    ) -> Result<Figures, SettleError> {
        let of = ranges.iter().map(|(range, _)| range.seq - range.after).sum();
        let queue = Arc::new(Mutex::new(ranges));
        let done = Arc::new(Mutex::new(0_u64));
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let mut tasks = Vec::with_capacity(workers);
        for _ in 0..workers {
            let (store, queue, done) = (self.inner.store.clone(), queue.clone(), done.clone());
            let (currency, progress) = (currency.clone(), progress.clone());
            let told = move |read: u64| {
                let mut sum = done.lock().unwrap_or_else(PoisonError::into_inner);
                *sum += read;
                progress(Progress { done: *sum, of, what: "receipts" });
            };
            tasks.push(self.inner.handle.spawn(async move {
                let mut figures = Figures::new(currency);
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some((range, fees)) = next else { return Ok(figures) };
                    read_range(store.as_ref(), &range, fees, &mut figures, &told).await?;
                }
            }));
        }
        let mut sum = Figures::new(currency);
        for task in tasks {
            let part: Result<Figures, SettleError> = task.await.map_err(|_| Unavailable::Lost)?;
            sum.merge(part?)?;
        }
        Ok(sum)
    }

    /// Posts the adjustments that follow from windows that were netted, as far as nobody has.
    async fn post_what_follows(&self, ids: &Ids, progress: &OnProgress) -> Result<(), SettleError> {
        for _ in 0..ATTEMPTS {
            let registry = self.registry();
            let wanting = |w: &&WindowRecord| w.to_post.is_some_and(|left| left > 0);
            let Some(window) = registry.windows.iter().find(wanting).cloned() else {
                return Ok(());
            };
            self.post_of(&window, ids, progress).await?;
            self.inner.sequencer.refresh().await?;
        }
        Err(SettleError::NeverStill)
    }

    async fn post_of(
        &self,
        window: &WindowRecord,
        ids: &Ids,
        progress: &OnProgress,
    ) -> Result<(), SettleError> {
        let names = self.names_to_post(window.id).await?;
        let of = u64::try_from(names.len()).unwrap_or(u64::MAX);
        let mut left = window.to_post.unwrap_or(0);
        while left > 0 {
            let posted = usize::try_from(of.saturating_sub(left)).unwrap_or(usize::MAX);
            let page: Vec<String> = names.iter().skip(posted).take(ADJUSTMENTS).cloned().collect();
            let adjustments = self.adjustments(window, page, ids).await?;
            let count = u64::try_from(adjustments.len()).unwrap_or(u64::MAX);
            if count == 0 {
                return Ok(());
            }
            let order = PostAdjustments { window: window.id, left, adjustments };
            match self.ask(Command::PostAdjustments(Box::new(order))).await? {
                Outcome::Done(_) => left -= count,
                // Somebody else posts, too.
                _ => return Ok(()),
            }
            progress(Progress { done: of - left, of, what: "adjustments" });
        }
        Ok(())
    }

    /// Names of the documents that adjustments cite, in order.
    async fn names_to_post(&self, window: WindowId) -> Result<Vec<String>, StoreError> {
        self.read(move |store| async move {
            let mut names: Vec<String> = Vec::new();
            let mut after = String::new();
            loop {
                let page = store.window_documents(window, &after, PAGE).await?;
                let Some(last) = page.last() else { return Ok(names) };
                after.clone_from(&last.name);
                let cited = |name: &String| name.contains('/');
                names.extend(page.into_iter().map(|one| one.name).filter(cited));
            }
        })
        .await
    }

    async fn adjustments(
        &self,
        window: &WindowRecord,
        names: Vec<String>,
        ids: &Ids,
    ) -> Result<Vec<NewAdjustment>, SettleError> {
        let id = window.id;
        let documents = self
            .read(move |store| async move {
                let mut found = Vec::with_capacity(names.len());
                for name in &names {
                    found.extend(store.window_document(id, name).await?);
                }
                Ok(found)
            })
            .await?;
        let mut made = Vec::with_capacity(documents.len());
        for document in documents {
            let posts = to_post(&document.name, &document.document)?;
            let own = Account::Position(posts.partner.clone());
            let other = posts.campaign.map_or(Account::Fees, Account::Campaign);
            let line = line(&window.currency, posts.amount, &own, &other)?;
            let (transaction, request) = ids();
            let unreadable = || WindowFault::Document(document.name.clone());
            made.push(NewAdjustment {
                transaction,
                request,
                partner: posts.partner,
                adjustment: Adjustment {
                    cause: posts.cause,
                    inputs: Hash::of(&document.document),
                    subject: id.to_string(),
                },
                postings: vec![line],
                reference: format!("{id}/{}", document.name).parse().map_err(|_| unreadable())?,
            });
        }
        Ok(made)
    }

    /// Proposes a release or an abort; the number of the proposal.
    ///
    /// # Errors
    /// [`SettleError`].
    pub async fn propose_settlement(
        &self,
        action: SettlementAction,
        by: OperatorName,
    ) -> Result<u32, SettleError> {
        let order = ProposeSettlement { action, by };
        self.numbered(Command::ProposeSettlement(Box::new(order))).await
    }

    /// Approves a proposal of somebody else, which carries it out.
    ///
    /// # Errors
    /// [`SettleError`].
    pub async fn approve_settlement(
        &self,
        number: u32,
        by: OperatorName,
    ) -> Result<u32, SettleError> {
        self.numbered(Command::ApproveSettlement(number, by)).await
    }

    /// Takes a proposal back.
    ///
    /// # Errors
    /// [`SettleError`].
    pub async fn withdraw_settlement(
        &self,
        number: u32,
        by: OperatorName,
    ) -> Result<u32, SettleError> {
        self.numbered(Command::WithdrawSettlement(number, by)).await
    }

    async fn numbered(&self, command: Command) -> Result<u32, SettleError> {
        match self.ask(command).await? {
            Outcome::Proposal(number) => Ok(number),
            _ => Err(SettleError::NeverStill),
        }
    }

    /// Takes a bank's file in: what it says of payments is counted and posted, and windows all of
    /// whose payments are paid are settled. The same file, and the same entry in another file, does
    /// nothing.
    ///
    /// # Errors
    /// [`SettleError`].
    pub async fn import_bank(
        &self,
        file: BankFile,
        entries: Vec<BankEntry>,
        ids: &Ids,
    ) -> Result<Imported, SettleError> {
        for _ in 0..ATTEMPTS {
            self.inner.sequencer.refresh().await?;
            let registry = self.registry();
            let hash = file.hash;
            if let Some(known) =
                self.read(move |store| async move { store.bank_file(hash).await }).await?
            {
                let (entries, settled) = (Vec::new(), Vec::new());
                return Ok(Imported { file: known, before: true, entries, settled });
            }
            let (order, told) = self.matched(&registry, &file, &entries, ids).await?;
            let settled = order.paid.clone();
            match self.ask(Command::ImportBank(Box::new(order))).await? {
                Outcome::Done(_) => {
                    let entries = entries.into_iter().zip(told).collect();
                    return Ok(Imported { file, before: false, entries, settled });
                }
                _ => continue,
            }
        }
        Err(SettleError::NeverStill)
    }

    async fn matched(
        &self,
        registry: &Registry,
        file: &BankFile,
        entries: &[BankEntry],
        ids: &Ids,
    ) -> Result<(ImportBank, Vec<Became>), SettleError> {
        // Read.
        let keys: Vec<Hash> = entries.iter().map(BankEntry::key).collect();
        let wanted = keys.clone();
        let known =
            self.read(move |store| async move { store.bank_entries(&wanted).await }).await?;
        let settling = registry.windows.iter().filter(|w| w.state == WindowState::Settling);
        let settling: Vec<WindowId> = settling.map(|window| window.id).collect();
        let windows = settling.clone();
        let payments = self
            .read(move |store| async move {
                let mut all = Vec::new();
                for window in windows {
                    all.extend(store.payments(window).await?);
                }
                Ok(all)
            })
            .await?;
        // Decide.
        let accounts = accounts(registry);
        // What was nobody's is looked at anew.
        let counted = known.iter().filter(|row| row.payment.is_some()).map(|row| row.key);
        let mut kept: HashSet<Hash> = counted.collect();
        let mut matching = Matching::new(&accounts, payments.clone(), kept.iter().copied())?;
        let (mut told, mut rows, mut adjustments) = (Vec::new(), Vec::new(), Vec::new());
        for ((entry, key), place) in entries.iter().zip(keys).zip(1..) {
            let became = matching.take(entry);
            if !matches!(became, Became::Duplicate | Became::NotBooked) && kept.insert(key) {
                rows.push(BankEntryRow {
                    key,
                    file: file.hash,
                    place,
                    payment: payment_of(&became),
                    became: in_words(&became),
                    entry: serde_json::to_string(entry).unwrap_or_default(),
                });
            }
            adjustments.extend(posted(&matching, &became, key, ids)?);
            told.push(became);
        }
        let changed = matching.instructions().filter(|now| {
            let before =
                |one: &&Tracked| one.instruction.end_to_end_id == now.instruction.end_to_end_id;
            payments.iter().find(before) != Some(*now)
        });
        let changed: Vec<Tracked> = changed.cloned().collect();
        let is_paid = |window: &WindowId| {
            let of = matching.instructions().filter(|one| one.instruction.window == *window);
            standing(*window, of).is_ok_and(|window| window.settled)
        };
        let paid = settling.into_iter().filter(is_paid).collect();
        let order = ImportBank {
            file: file.clone(),
            entries: rows,
            payments: changed,
            paid,
            adjustments,
            based_on: registry.seen_version,
        };
        Ok((order, told))
    }

    /// Asks the writer; a refusal is an error.
    async fn ask(&self, command: Command) -> Result<Outcome, SettleError> {
        match self.submit(command).await?.decided.outcome {
            Outcome::SettlementRefused(fault) => Err(fault.into()),
            outcome => Ok(outcome),
        }
    }
}

/// Where everybody is paid.
#[must_use]
pub fn accounts(registry: &Registry) -> BTreeMap<Party, BankAccount> {
    let definition = &registry.definition;
    let partners = definition.partners.iter();
    let mut accounts: BTreeMap<Party, BankAccount> =
        partners.filter_map(|p| Some((Party::from(&p.partner), p.account.clone()?))).collect();
    if let Some(own) = &definition.settlement.account {
        accounts.insert(crate::windows::alliance_party(), own.clone());
    }
    accounts
}

/// Reads one range and adds it up.
async fn read_range(
    store: &dyn Store,
    range: &WindowRange,
    fees: bool,
    figures: &mut Figures,
    told: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), SettleError> {
    let books = || SettleError::Books(range.corridor.clone());
    let (mut after, mut head) = (range.after, range.head_after);
    while after < range.seq {
        let limit = u32::try_from(range.seq - after).unwrap_or(u32::MAX).min(RECEIPTS);
        let page = store.receipts(&range.corridor, after, limit).await?;
        if page.is_empty() {
            return Err(books());
        }
        let read = u64::try_from(page.len()).unwrap_or(0);
        for stored in &page {
            let receipt = receipt::parse(&stored.payload).map_err(|_| books())?;
            if receipt.prev != head || receipt.seq != after + 1 {
                return Err(books());
            }
            figures.add(&receipt, fees)?;
            head = Hash::of(&stored.payload);
            after = receipt.seq;
        }
        told(read);
        // Adding up takes the thread for a page: others go first.
        tokio::task::yield_now().await;
    }
    if head == range.head { Ok(()) } else { Err(books()) }
}

/// Money from one account to another: above zero `own` receives, below zero it gives.
fn line(
    currency: &Currency,
    amount: Total,
    own: &Account,
    other: &Account,
) -> Result<Posting, SettleError> {
    let micros = i64::try_from(amount.micros().unsigned_abs()).ok();
    let decimal = micros.and_then(Decimal::from_micros);
    let beyond = FiguresFault::from(crate::netting::NettingFault::Beyond);
    let amount_posted = decimal.ok_or(beyond)?;
    let (debit, credit) = if amount.micros() > 0 { (other, own) } else { (own, other) };
    Ok(Posting {
        amount: amount_posted,
        asset: Asset::Currency(currency.clone()),
        credit: credit.clone(),
        debit: debit.clone(),
    })
}

/// What an entry of a bank posts: who has paid owes less, who was paid is owed less.
fn posted(
    matching: &Matching,
    became: &Became,
    key: Hash,
    ids: &Ids,
) -> Result<Vec<NewAdjustment>, SettleError> {
    let (id, minor, back) = match became {
        Became::Payment { id, counted, .. } => (id, *counted, false),
        Became::Returned { id, taken_back, .. } => (id, *taken_back, true),
        _ => return Ok(Vec::new()),
    };
    let Some(tracked) = matching.instructions().find(|t| t.instruction.end_to_end_id == *id) else {
        return Ok(Vec::new());
    };
    let instruction = &tracked.instruction;
    let Some(unit) = MinorUnit::of(&instruction.currency) else { return Ok(Vec::new()) };
    let amount = i128::from(minor) * unit.micros();
    if amount == 0 {
        return Ok(Vec::new());
    }
    let mut made = Vec::new();
    for (party, signed) in [(&instruction.debtor, amount), (&instruction.creditor, -amount)] {
        // The alliance's own end is its account with the bank.
        let Ok(partner) = party.as_str().parse::<PartnerId>() else { continue };
        let signed = Total::from_micros(if back { -signed } else { signed });
        let own = Account::Position(partner.clone());
        let line = line(&instruction.currency, signed, &own, &Account::Bank)?;
        let (transaction, request) = ids();
        let reference = format!("{id}/{partner}/{key}").parse();
        made.push(NewAdjustment {
            transaction,
            request,
            adjustment: Adjustment {
                cause: AdjustmentCause::Payment,
                inputs: key,
                subject: instruction.window.to_string(),
            },
            postings: vec![line],
            reference: reference.map_err(|_| WindowFault::Document(id.to_string()))?,
            partner,
        });
    }
    Ok(made)
}

/// The payment that an entry is of; none where it is nobody's.
#[must_use]
pub const fn payment_of(became: &Became) -> Option<EndToEndId> {
    match became {
        Became::Payment { id, .. } | Became::Returned { id, .. } => Some(*id),
        _ => None,
    }
}

/// What an entry became, in words.
#[must_use]
pub fn in_words(became: &Became) -> String {
    match became {
        Became::NotBooked => "not booked yet".to_owned(),
        Became::Duplicate => "told before".to_owned(),
        Became::Payment { excess: 0, .. } => "paid".to_owned(),
        Became::Payment { excess, .. } => format!("paid, {excess} minor units more than asked"),
        Became::Returned { reason: Some(reason), .. } => format!("came back: {reason}"),
        Became::Returned { reason: None, .. } => "came back".to_owned(),
        Became::Unmatched(why) => why.to_string(),
    }
}
