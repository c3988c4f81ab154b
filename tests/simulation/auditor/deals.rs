//! What partners have agreed on, campaigns and boards, a second time: a simple model that sees every
//! commit as the store got it, and predicts what becomes of every order in it. It shares no rule
//! with what it watches, only the documents that were signed.
//!
//! What it promises: no budget is overspent and no campaign comes back, no limit and no cap is
//! passed, held points are not given, every key has one effect, money sums to zero, who approves is
//! not who proposed, every order is what its board says, and no cycle over boards alive together
//! multiplies by more than one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alliance_contracts::agreement::{Agreement, AgreementState};
use alliance_contracts::board::{Board, PairTerms};
use alliance_contracts::campaign::{Campaign, CampaignState};
use alliance_contracts::ids::{AgreementId, CampaignId, QuoteId, TransactionId};
use alliance_contracts::names::ProgramId;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{Bonus, FeeBearer, Rate};
use alliance_contracts::receipt::{Account, Asset};
use alliance_contracts::time::Timestamp;
use alliance_settlement::alliance::CampaignRecord;
use alliance_settlement::command::{MemberNo, Outcome};
use alliance_settlement::ledger::lots::Lot;
use alliance_settlement::ledger::working_set::BoardRow;
use alliance_settlement::ledger::{TransactionRecord, Writes};
use alliance_settlement::rates::terms::{AgreedTerms, BoardTerms};
use num_bigint::BigUint;

use super::{Finding, ensure};

const DAY: i64 = 86_400_000;
const MICROS: i64 = 1_000_000;

/// A brand's member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    pub brand: usize,
    pub person: usize,
}

/// An order as it was meant: the quote that it performs, in minor units and 10⁻⁶.
#[derive(Clone, Debug)]
pub struct Asked {
    pub transaction: TransactionId,
    pub quote: QuoteId,
    pub expires_at: i64,
    pub source: Holder,
    pub target: Holder,
    pub given: i64,
    pub taken: i64,
    pub gross: i64,
    pub rate: Rate,
    /// Whether the member is said to be of the tier that agreements name.
    pub gold: bool,
    pub bonus: Option<Bonus>,
}

/// Points that a campaign added, of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    campaign: CampaignId,
    day: i64,
    points: i64,
    until: i64,
}

#[derive(Clone, Debug, Default)]
struct Holding {
    balance: i64,
    held: Vec<Held>,
}

impl Holding {
    fn free(&self, now: i64) -> i64 {
        let held: i64 = self.held.iter().filter(|h| now < h.until).map(|h| h.points).sum();
        self.balance - held
    }
}

/// A campaign that was approved.
#[derive(Clone, Debug)]
struct Running {
    campaign: Arc<Campaign>,
    spent: i128,
    stopped: bool,
}

impl Running {
    /// `floor6(budget × red line)`.
    fn limit(&self) -> i128 {
        let (budget, line) = (self.campaign.budget.micros(), self.campaign.red_line.micros());
        i128::from(budget) * i128::from(line) / i128::from(MICROS)
    }

    fn adds_at(&self, now: i64) -> bool {
        let (from, until) = (self.campaign.from.as_millis(), self.campaign.until.as_millis());
        !self.stopped && from <= now && now < until
    }

    /// How many of its levels were reached.
    fn warned(&self) -> u32 {
        let level = |part: i64| {
            i128::from(self.campaign.budget.micros()) * i128::from(part) / i128::from(MICROS)
        };
        let reached = self.campaign.warn_at.iter().filter(|at| self.spent >= level(at.micros()));
        u32::try_from(reached.count()).unwrap()
    }
}

/// A board that was published.
#[derive(Clone, Debug)]
struct Shown {
    board: Arc<Board>,
    terms: Arc<BoardTerms>,
}

impl Shown {
    fn effective_at(&self) -> i64 {
        self.board.effective_at.as_millis()
    }

    fn value(&self, program: &ProgramId) -> Option<i64> {
        let mut values = self.board.values.iter();
        values.find(|value| value.program == *program).map(|value| value.value.micros())
    }

    fn pair(&self, source: &ProgramId, target: &ProgramId) -> Option<&PairTerms> {
        let mut pairs = self.terms.pairs.iter();
        pairs.find(|pair| pair.source == *source && pair.target == *target)
    }
}

/// What a commit changes and a clock that was read before it may have decided otherwise.
#[derive(Clone, Default)]
struct Books {
    holdings: BTreeMap<Holder, Holding>,
    /// What a member has given to another brand on a day on which that was limited.
    days: BTreeMap<(Holder, usize), (i64, i64)>,
    exchanged: BTreeMap<(usize, usize), i128>,
    late: BTreeMap<(usize, usize), i128>,
    campaigns: BTreeMap<CampaignId, Running>,
    agreements: Vec<Arc<Agreement>>,
    boards: Vec<Shown>,
    money: BTreeMap<Account, i128>,
    numbers: BTreeMap<MemberNo, Holder>,
}

/// The model.
pub struct Deals {
    brands: [(&'static str, &'static str); 3],
    books: Books,
    asked: BTreeMap<String, Asked>,
    /// Versions that a partner has signed first, as they were signed.
    signed: BTreeMap<AgreementId, Arc<Agreement>>,
    /// Campaigns as they were proposed.
    proposed: BTreeMap<CampaignId, Arc<Campaign>>,
    decided: BTreeSet<String>,
    used: BTreeSet<QuoteId>,
    pub tally: BTreeMap<&'static str, u64>,
}

impl Deals {
    /// What is there before the first commit that is watched.
    pub fn new(
        brands: [(&'static str, &'static str); 3],
        openings: impl IntoIterator<Item = (Holder, i64)>,
        boards: impl IntoIterator<Item = (Board, Arc<BoardTerms>)>,
    ) -> Self {
        let holding = |(holder, balance)| (holder, Holding { balance, held: Vec::new() });
        let shown = |(board, terms)| Shown { board: Arc::new(board), terms };
        let books = Books {
            holdings: openings.into_iter().map(holding).collect(),
            boards: boards.into_iter().map(shown).collect(),
            ..Books::default()
        };
        Self {
            brands,
            books,
            asked: BTreeMap::new(),
            signed: BTreeMap::new(),
            proposed: BTreeMap::new(),
            decided: BTreeSet::new(),
            used: BTreeSet::new(),
            tally: BTreeMap::new(),
        }
    }

    pub fn asks(&mut self, key: String, asked: Asked) {
        self.asked.insert(key, asked);
    }

    pub fn signs(&mut self, id: AgreementId, agreement: Agreement) {
        self.signed.insert(id, Arc::new(agreement));
    }

    pub fn proposes(&mut self, id: CampaignId, campaign: Campaign) {
        self.proposed.insert(id, Arc::new(campaign));
    }

    pub fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_insert(0) += 1;
    }

    /// The last version that both have signed.
    pub fn last_signed(&self) -> Option<&Agreement> {
        self.books.agreements.last().map(|agreement| &**agreement)
    }

    /// The version of that id, where both have signed it.
    pub fn signed(&self, id: AgreementId) -> Option<&Agreement> {
        self.signed.get(&id).map(|agreement| &**agreement)
    }

    pub fn free(&self, holder: Holder, now: i64) -> i64 {
        self.books.holdings[&holder].free(now)
    }

    pub fn balance(&self, holder: Holder) -> i64 {
        self.books.holdings[&holder].balance
    }

    /// What one brand may still owe the other by their cap; and what a member may still give.
    pub fn room(&self, source: Holder, target: usize, now: i64) -> Option<i64> {
        let agreed = self.books.agreed(source.brand, target, now)?;
        let program = &self.brands[source.brand].1;
        let limit = agreed.member_limits.iter().find(|limit| limit.program.as_str() == *program)?;
        let limit = limit.points.to_minor(scale(source.brand))?;
        let given = self.books.given(source, target, now);
        Some(limit - given)
    }

    /// Takes a commit in. The clock was read once for all of its orders.
    pub fn committed(&mut self, writes: &Writes, readings: &[i64]) -> Result<(), Finding> {
        let made = writes.transactions.first().map(|record| record.created_at.as_millis());
        let nows = made.map_or_else(|| readings.to_vec(), |now| vec![now]);
        let mut first = None;
        for now in nows {
            let mut after = Commit { deals: self, books: self.books.clone(), seen: Vec::new() };
            match after.take(writes, now) {
                Ok(()) => {
                    let Commit { books, seen, .. } = after;
                    return self.keep(writes, books, seen);
                }
                Err(finding) => first = first.or(Some(finding)),
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn keep(
        &mut self,
        writes: &Writes,
        books: Books,
        seen: Vec<&'static str>,
    ) -> Result<(), Finding> {
        self.books = books;
        for record in &writes.keys {
            let key = record.key.as_str().to_owned();
            ensure!(self.decided.insert(key), "{} was decided twice", record.key);
            if let (Some(asked), Outcome::Transaction(_)) =
                (self.asked.get(record.key.as_str()), &record.outcome)
            {
                ensure!(self.used.insert(asked.quote), "{} was used twice", asked.quote);
            }
        }
        for what in seen {
            self.count(what);
        }
        Ok(())
    }

    /// Everything that a store shows in the end is what is in these books.
    pub fn whole(&self, balances: &[(MemberNo, i64)]) -> Result<(), Finding> {
        for (number, balance) in balances {
            let Some(holder) = self.books.numbers.get(number) else { continue };
            let here = self.balance(*holder);
            ensure!(here == *balance, "{holder:?} has {balance}, should have {here}");
        }
        Ok(())
    }
}

/// The UTC month of a time, as boards spell it.
fn month_of(now: i64) -> String {
    Timestamp::from_millis(now).to_string()[..7].to_owned()
}

/// A direction's months: what was exchanged since the board before counts for the month of this.
fn volume(last: Option<&PairTerms>, pair: &PairTerms, month: &str) -> Result<(), Finding> {
    let since = pair.exchanged.micros() - last.map_or(0, |last| last.exchanged.micros());
    let number = |month: &str| -> i64 {
        let (year, month) = month.split_once('-').unwrap_or_default();
        year.parse().unwrap_or(0) * 12 + month.parse().unwrap_or(0)
    };
    let known = last.map(|last| &last.volume);
    let (before, so_far) = match known.map(|known| number(month) - number(&known.month)) {
        Some(0) => known.map_or((0, 0), |known| (known.before.micros(), known.so_far.micros())),
        Some(1) => (known.map_or(0, |known| known.so_far.micros()), 0),
        _ => (0, 0),
    };
    let told =
        (pair.volume.month.as_str(), pair.volume.before.micros(), pair.volume.so_far.micros());
    let expected = (month, before, so_far + since);
    ensure!(told == expected, "{pair:?}, should be {expected:?}");
    Ok(())
}

/// Decimals of a brand's points.
pub fn scale(brand: usize) -> u32 {
    u32::try_from(brand).unwrap()
}

impl Books {
    fn agreed_at(&self, now: i64) -> Option<&Agreement> {
        let begun = |one: &&Arc<Agreement>| one.effective_at.as_millis() <= now;
        self.agreements.iter().rev().find(begun).map(|agreement| &**agreement)
    }

    /// Only the first two have signed anything.
    fn agreed(&self, one: usize, other: usize, now: i64) -> Option<&Agreement> {
        (one + other == 1).then(|| self.agreed_at(now)).flatten()
    }

    fn given(&self, source: Holder, target: usize, now: i64) -> i64 {
        let day = now.div_euclid(DAY);
        let given = self.days.get(&(source, target)).filter(|(on, _)| *on == day);
        given.map_or(0, |(_, given)| *given)
    }

    /// The board in force: of the last two, those before it are past for every clock.
    fn in_force(&self, now: i64) -> &Shown {
        let last = &self.boards[self.boards.len().saturating_sub(2)..];
        last.iter().rfind(|board| board.effective_at() <= now).unwrap_or(&last[0])
    }
}

/// A commit on its way in.
struct Commit<'d> {
    deals: &'d Deals,
    books: Books,
    seen: Vec<&'static str>,
}

impl Commit<'_> {
    fn take(&mut self, writes: &Writes, now: i64) -> Result<(), Finding> {
        let mut used = BTreeSet::new();
        let mut made = 0;
        for record in &writes.keys {
            let Some(asked) = self.deals.asked.get(record.key.as_str()) else { continue };
            let predicted = if used.contains(&asked.quote) && now < asked.expires_at {
                Err(ProblemCode::QuoteUsed)
            } else {
                self.predict(asked, now)?
            };
            match (&predicted, &record.outcome) {
                (Ok(()), Outcome::Transaction(id)) if *id == asked.transaction => {
                    self.perform(asked, now);
                    used.insert(asked.quote);
                    made += 1;
                    self.seen.push("performed");
                }
                (Err(code), Outcome::Refused(told)) if code == told => {
                    self.refused(asked, *code, now);
                }
                (_, outcome) => {
                    return Err(format!("{asked:?} is {outcome:?}, should be {predicted:?}"));
                }
            }
        }
        ensure!(writes.transactions.len() == made, "{made} orders make so many transactions");
        for record in &writes.transactions {
            self.record(record)?;
        }
        self.balances(writes, now)?;
        self.money(writes)?;
        self.campaigns(writes)?;
        self.agreements(writes)?;
        for proposal in writes.proposals.values() {
            let own = proposal.approved_by.as_ref() == Some(&proposal.proposed_by);
            ensure!(!own, "proposal {} was approved by its maker", proposal.number);
        }
        match &writes.board {
            Some(row) => self.board(row),
            None => Ok(()),
        }
    }

    /// What should become of an order, by the rules in the order of their codes.
    fn predict(&self, asked: &Asked, now: i64) -> Result<Result<(), ProblemCode>, Finding> {
        if now >= asked.expires_at {
            return Ok(Err(ProblemCode::QuoteExpired));
        }
        if self.deals.used.contains(&asked.quote) {
            return Ok(Err(ProblemCode::QuoteUsed));
        }
        self.is_of_its_board(asked)?;
        Ok(self.may_be_had(asked, now).and_then(|()| self.within_limits(asked, now)))
    }

    /// The rate is the board's values, the pair's terms, and the tier.
    fn is_of_its_board(&self, asked: &Asked) -> Result<(), Finding> {
        let Asked { rate, .. } = asked;
        let (source, target) = self.programs(asked);
        let board = self.books.boards.iter().find(|shown| shown.board.board == rate.board);
        let Some(board) = board else { return Err(format!("there is no board of {asked:?}")) };
        let values = (board.value(&source), board.value(&target));
        let quoted = (Some(rate.source_value.micros()), Some(rate.target_value.micros()));
        ensure!(values == quoted, "{asked:?} has other values than its board: {values:?}");
        let agreed = self.agreed_on(board, asked.source.brand, asked.target.brand);
        let Some(agreed) = agreed else { return Err(format!("{asked:?}: nothing is agreed")) };
        let mut tiers = agreed.tiers.iter();
        let tier = tiers.find(|one| (&one.source, &one.target) == (&source, &target));
        let tier = match (asked.gold, tier) {
            (true, Some(tier)) => tier.multiplier.micros(),
            (true, None) => return Err(format!("{asked:?} has a tier that brings nothing")),
            (false, _) => MICROS,
        };
        let pair = board.pair(&source, &target);
        ensure!(!pair.is_some_and(|pair| pair.withheld), "{asked:?} is of no direction");
        let tier = if pair.is_some_and(|pair| pair.suspended) { tier.min(MICROS) } else { tier };
        let surcharge = pair.map_or(0, |pair| pair.surcharge.micros());
        let fee = pair.map_or(agreed.fee, |pair| pair.fee).micros() + surcharge;
        let factor = pair.map_or(MICROS, |pair| pair.multiplier.micros());
        let multiplier = i128::from(factor) * i128::from(tier) / i128::from(MICROS);
        let expected = (fee, surcharge, multiplier);
        let told =
            (rate.fee.micros(), rate.surcharge.micros(), i128::from(rate.multiplier.micros()));
        ensure!(told == expected, "{asked:?} has {told:?}, its board says {expected:?}");
        Ok(())
    }

    fn may_be_had(&self, asked: &Asked, now: i64) -> Result<(), ProblemCode> {
        let board = self.books.in_force(now);
        let number = board.board.board;
        if asked.rate.board > number {
            return Err(ProblemCode::RateMoved);
        }
        if asked.rate.board == number {
            return Ok(());
        }
        let (source, target) = self.programs(asked);
        let felt = match asked.rate.fee_bearer {
            FeeBearer::Member => asked.rate.fee.micros(),
            _ => 0,
        };
        let whole = i128::from(MICROS) * i128::from(MICROS);
        let keeps = i128::from(MICROS - felt) * i128::from(asked.rate.multiplier.micros());
        let values = (board.value(&source), board.value(&target));
        let quoted = (asked.rate.source_value.micros(), asked.rate.target_value.micros());
        if keeps >= whole && values != (Some(quoted.0), Some(quoted.1)) {
            return Err(ProblemCode::RateMoved);
        }
        let agreed = self.books.agreed(asked.source.brand, asked.target.brand, now);
        let Some(limit) = agreed.and_then(|agreed| agreed.open_quote_limit) else { return Ok(()) };
        let before = board.pair(&source, &target).map_or(0, |pair| pair.late.micros());
        let late = self.books.late.get(&direction(asked)).copied().unwrap_or(0) - before;
        let all = late + i128::from(asked.gross);
        if all > i128::from(limit.micros()) { Err(ProblemCode::RateMoved) } else { Ok(()) }
    }

    fn within_limits(&self, asked: &Asked, now: i64) -> Result<(), ProblemCode> {
        let books = &self.books;
        if books.holdings[&asked.source].free(now) < asked.given {
            return Err(ProblemCode::InsufficientPoints);
        }
        if let Some(limit) = self.member_limit(asked, now)
            && books.given(asked.source, asked.target.brand, now) + asked.given > limit
        {
            return Err(ProblemCode::ExceedsMemberLimit);
        }
        let (from, to) = direction(asked);
        let caps = books.agreed(from, to, now).and_then(|agreed| agreed.caps);
        if let Some(caps) = caps {
            let flow = |from, to| books.exchanged.get(&(from, to)).copied().unwrap_or(0);
            let cap = if from == 0 { caps.a } else { caps.b };
            let owed = flow(from, to) - flow(to, from) + i128::from(asked.gross);
            if owed > i128::from(cap.micros()) {
                return Err(ProblemCode::ExceedsNetDebitCap);
            }
        }
        if let Some(bonus) = &asked.bonus {
            let running = books.campaigns.get(&bonus.campaign).filter(|one| one.adds_at(now));
            let after = |one: &Running| one.spent + i128::from(bonus.cost.micros());
            if running.is_none_or(|one| after(one) > one.limit()) {
                return Err(ProblemCode::ExceedsCampaignBudget);
            }
        }
        Ok(())
    }

    fn member_limit(&self, asked: &Asked, now: i64) -> Option<i64> {
        let agreed = self.books.agreed(asked.source.brand, asked.target.brand, now)?;
        let program = self.programs(asked).0;
        let limit = agreed.member_limits.iter().find(|limit| limit.program == program)?;
        limit.points.to_minor(scale(asked.source.brand))
    }

    fn programs(&self, asked: &Asked) -> (ProgramId, ProgramId) {
        let program = |holder: Holder| self.deals.brands[holder.brand].1.parse().unwrap();
        (program(asked.source), program(asked.target))
    }

    fn perform(&mut self, asked: &Asked, now: i64) {
        let (day, limited) = (now.div_euclid(DAY), self.member_limit(asked, now).is_some());
        let number = self.books.in_force(now).board.board;
        let added = asked
            .bonus
            .as_ref()
            .map(|bonus| (bonus, bonus.points.to_minor(scale(asked.target.brand)).unwrap()));
        let books = &mut self.books;
        if limited {
            let given = books.given(asked.source, asked.target.brand, now) + asked.given;
            books.days.insert((asked.source, asked.target.brand), (day, given));
        }
        books.holdings.get_mut(&asked.source).unwrap().balance -= asked.given;
        let receiver = books.holdings.get_mut(&asked.target).unwrap();
        receiver.balance += asked.taken + added.map_or(0, |(_, points)| points);
        let gross = i128::from(asked.gross);
        *books.exchanged.entry(direction(asked)).or_default() += gross;
        if asked.rate.board < number {
            *books.late.entry(direction(asked)).or_default() += gross;
            self.seen.push("late");
        }
        if let Some((bonus, points)) = added {
            let running = books.campaigns.get_mut(&bonus.campaign).unwrap();
            running.spent += i128::from(bonus.cost.micros());
            running.stopped |= running.spent >= running.limit();
            let held = i64::from(running.campaign.holdback_days);
            let (campaign, until) = (bonus.campaign, (day + held + 1) * DAY);
            if held > 0 {
                let same = |one: &&mut Held| (one.campaign, one.day) == (campaign, day);
                match receiver.held.iter_mut().find(same) {
                    Some(lot) => lot.points += points,
                    None => receiver.held.push(Held { campaign, day, points, until }),
                }
            }
            self.seen.push("bonus");
        }
    }

    /// What a refusal changes: a campaign without room for an order stops.
    fn refused(&mut self, asked: &Asked, code: ProblemCode, now: i64) {
        self.seen.push(code.as_str());
        let holding = &self.books.holdings[&asked.source];
        if code == ProblemCode::InsufficientPoints && holding.balance >= asked.given {
            self.seen.push("held");
        }
        if let (ProblemCode::ExceedsCampaignBudget, Some(bonus)) = (code, &asked.bonus)
            && let Some(running) = self.books.campaigns.get_mut(&bonus.campaign)
        {
            running.stopped |= running.adds_at(now);
        }
    }

    // -------------------------------------------------------------------- what was written

    fn record(&mut self, record: &TransactionRecord) -> Result<(), Finding> {
        let deals = self.deals;
        let asked = deals.asked.values().find(|asked| asked.transaction == record.id);
        let Some(asked) = asked else { return Err(format!("{} is nobody's", record.id)) };
        let minor = |amount: alliance_contracts::decimal::Decimal, holder: Holder| {
            amount.to_minor(scale(holder.brand)).unwrap_or(-1)
        };
        let gross = record.settlement.as_ref().map(|settlement| settlement.gross.micros());
        let same = minor(record.source.amount(), asked.source) == asked.given
            && minor(record.target.amount(), asked.target) == asked.taken
            && gross == Some(asked.gross)
            && record.rate == asked.rate
            && record.bonus == asked.bonus
            && record.quote == Some(asked.quote);
        ensure!(same, "{record:?} is not what was asked: {asked:?}");
        for (number, holder) in record.members().into_iter().zip([asked.source, asked.target]) {
            let Some(number) = number else { return Err(format!("{} has no member", record.id)) };
            let known = *self.books.numbers.entry(number).or_insert(holder);
            ensure!(known == holder, "{number:?} is {known:?} and {holder:?}");
        }
        Ok(())
    }

    fn balances(&self, writes: &Writes, now: i64) -> Result<(), Finding> {
        let books = &self.books;
        let holding = |number: &MemberNo| {
            let holder = books.numbers.get(number);
            let holder = holder.ok_or_else(|| format!("{number:?} is nobody's"))?;
            Ok::<_, Finding>((holder, &books.holdings[holder]))
        };
        for (number, balance) in &writes.balances {
            let (holder, here) = holding(number)?;
            ensure!(here.balance == *balance, "{holder:?} has {balance}: {here:?}");
            ensure!(here.free(now) >= 0, "{holder:?} has given what is held: {here:?}");
        }
        for ((number, campaign, day), lot) in &writes.lots {
            let (holder, here) = holding(number)?;
            let kept = here.held.iter().find(|one| (one.campaign, one.day) == (*campaign, *day));
            let same = match (kept, lot) {
                (Some(kept), Some(Lot { points, held_until, .. })) => {
                    (kept.points, kept.until) == (*points, held_until.as_millis())
                }
                (Some(kept), None) => kept.until <= now,
                (None, lot) => lot.is_none(),
            };
            ensure!(same, "{holder:?} has the lot {lot:?}, should have {kept:?}");
        }
        Ok(())
    }

    fn money(&mut self, writes: &Writes) -> Result<(), Finding> {
        for ((account, asset), balance) in &writes.accounts {
            if let Asset::Currency(_) = asset {
                self.books.money.insert(account.clone(), *balance);
            }
        }
        let sum: i128 = self.books.money.values().sum();
        ensure!(sum == 0, "money sums to {sum}: {:?}", self.books.money);
        for (id, running) in &self.books.campaigns {
            let (spent, limit) = (running.spent, running.limit());
            ensure!(spent <= limit, "{id} has spent {spent} of {limit}");
            let account = self.books.money.get(&Account::Campaign(*id)).copied().unwrap_or(0);
            ensure!(account == -spent, "the account of {id} has {account}, {spent} was spent");
        }
        Ok(())
    }

    fn campaigns(&mut self, writes: &Writes) -> Result<(), Finding> {
        for (id, record) in &writes.campaigns {
            let CampaignRecord { campaign, state, proposed_by, approved_by, .. } = record;
            let Some(proposed) = self.deals.proposed.get(id) else {
                return Err(format!("{id} was proposed by nobody"));
            };
            ensure!(**proposed == *campaign, "{id} is not what was proposed");
            ensure!(approved_by.as_ref() != Some(proposed_by), "{id}: its maker has approved it");
            if *state == CampaignState::Proposed {
                continue;
            }
            ensure!(approved_by.is_some(), "{id} adds points, and nobody has approved it");
            if !self.books.campaigns.contains_key(id) {
                let running = Running { campaign: proposed.clone(), spent: 0, stopped: false };
                self.books.campaigns.insert(*id, running);
                self.seen.push("campaign");
            }
            let running = &self.books.campaigns[id];
            let stopped = *state == CampaignState::Stopped;
            ensure!(running.stopped == stopped, "{id} is {state:?}: {running:?}");
            ensure!(running.warned() <= record.warned, "{id} has warned {}", record.warned);
            self.seen.extend(stopped.then_some("stopped"));
        }
        Ok(())
    }

    fn agreements(&mut self, writes: &Writes) -> Result<(), Finding> {
        for (id, record) in &writes.agreements {
            let Some(signed) = self.deals.signed.get(id) else {
                return Err(format!("{id} was signed by nobody"));
            };
            ensure!(**signed == record.agreement, "{id} is not what was signed");
            if record.state != AgreementState::Active {
                continue;
            }
            ensure!(record.a.is_some() && record.b.is_some(), "{id} is signed by one");
            let last = self.books.agreements.last().map_or(0, |last| last.version);
            ensure!(signed.version == last + 1, "version {} after {last}", signed.version);
            self.books.agreements.push(signed.clone());
            self.seen.push("agreement");
        }
        Ok(())
    }

    fn board(&mut self, row: &BoardRow) -> Result<(), Finding> {
        let (board, terms) = (Arc::new(row.board.clone()), row.terms.clone());
        let last = self.books.boards.last().expect("there is one from the beginning");
        let number = board.board;
        let before = alliance_contracts::encoding::Hash::of(&last.board.payload());
        ensure!(number == last.board.board + 1 && board.previous == before, "board {number}");
        for valuation in &board.values {
            let known = last.value(&valuation.program);
            let previous = valuation.previous.map(|previous| previous.micros());
            ensure!(known == previous, "board {number} does not begin where the last has ended");
            let (band, value) = (&valuation.band, valuation.value);
            ensure!(band.min <= value && value <= band.max, "board {number} leaves a band");
        }
        for pair in &terms.pairs {
            let ends = [&pair.source, &pair.target].map(|program| {
                self.deals.brands.iter().position(|(_, name)| program.as_str() == *name)
            });
            let Some([source, target]) = ends[0].zip(ends[1]).map(<[usize; 2]>::from) else {
                return Err(format!("board {number} has terms of strangers"));
            };
            let late = self.books.late.get(&(source, target)).copied().unwrap_or(0);
            ensure!(pair.late.micros() <= late, "board {number} has seen more than there was");
            let all = self.books.exchanged.get(&(source, target)).copied().unwrap_or(0);
            ensure!(pair.exchanged.micros() <= all, "board {number} has counted more than was");
            let known = last.pair(&pair.source, &pair.target);
            volume(known, pair, &month_of(board.published_at.as_millis()))
                .map_err(|finding| format!("board {number}: {finding}"))?;
        }
        self.fees(&board, &terms)?;
        if board.values.iter().any(|value| value.previous != Some(value.value)) {
            self.seen.push("values moved");
        }
        let told = |what: fn(&PairTerms) -> bool| terms.pairs.iter().any(what);
        self.seen.push("board");
        self.seen.extend(told(|pair| !pair.surcharge.is_zero()).then_some("surcharge"));
        self.seen.extend(told(|pair| pair.suspended).then_some("suspended"));
        self.books.boards.push(Shown { board, terms });
        self.nobody_gains()
    }

    /// The fee of the two that have signed is that of the tier which last month's volume reached.
    fn fees(&mut self, board: &Board, terms: &BoardTerms) -> Result<(), Finding> {
        let [a, b] = [0, 1].map(|brand| self.deals.brands[brand].1);
        let between = |pair: &&PairTerms| {
            let ends = [pair.source.as_str(), pair.target.as_str()];
            ends == [a, b] || ends == [b, a]
        };
        let pairs: Vec<&PairTerms> = terms.pairs.iter().filter(between).collect();
        let before: i128 = pairs.iter().map(|pair| pair.volume.before.micros()).sum();
        let times = [board.published_at, board.effective_at].map(|at| at.as_millis());
        let agreed = times.map(|at| self.books.agreed_at(at));
        for pair in pairs {
            // What holds when it is made, or when it takes effect.
            let fits = |agreed: &Option<&Agreement>| match agreed {
                None => pair.fee.micros() == 20_000,
                Some(agreed) => {
                    let reached =
                        agreed.fee.tiers.iter().rfind(|t| i128::from(t.from.micros()) <= before);
                    pair.fee == reached.map_or(agreed.fee.rate, |tier| tier.rate)
                }
            };
            ensure!(agreed.iter().any(fits), "board {}: {pair:?}: {agreed:?}", board.board);
            let tiered = agreed[0].is_some_and(|agreed| pair.fee < agreed.fee.rate);
            self.seen.extend(tiered.then_some("fee tier"));
        }
        Ok(())
    }

    /// No cycle of quotes that may be alive together multiplies by more than one.
    fn nobody_gains(&self) -> Result<(), Finding> {
        let boards = &self.books.boards;
        let newest = boards.last().expect("just published");
        let from = newest.effective_at();
        let lifetimes = self.books.agreements.iter().map(|one| one.quote_lifetime_seconds);
        let lifetime = 1_000 * lifetimes.min().unwrap_or(60).min(60);
        let alive: Vec<(&Shown, bool)> = boards
            .windows(2)
            .filter(|two| two[1].effective_at() + lifetime > from)
            .map(|two| (&two[0], true))
            .chain([(newest, false)])
            .collect();
        let edge = |source: usize, target: usize| {
            let edges = alive.iter().filter_map(|(board, old)| {
                let (gives, takes) = self.keeps(board, *old, source, target)?;
                Some((BigUint::from(gives), BigUint::from(takes)))
            });
            edges.max_by(|one, other| (&one.0 * &other.1).cmp(&(&other.0 * &one.1)))
        };
        let cycles: [&[usize]; 5] = [&[0, 1], &[0, 2], &[1, 2], &[0, 1, 2], &[0, 2, 1]];
        for cycle in cycles {
            let next = cycle.iter().cycle().skip(1);
            let edges: Option<Vec<_>> =
                cycle.iter().zip(next).map(|(one, other)| edge(*one, *other)).collect();
            let Some(edges) = edges else { continue };
            let gives: BigUint = edges.iter().map(|(gives, _)| gives).product();
            let takes: BigUint = edges.iter().map(|(_, takes)| takes).product();
            let number = newest.board.board;
            ensure!(gives <= takes, "{cycle:?} gains {gives} to {takes} on board {number}");
        }
        Ok(())
    }

    /// What a board has taken up of what two brands have agreed on.
    fn agreed_on<'a>(&self, shown: &'a Shown, one: usize, other: usize) -> Option<&'a AgreedTerms> {
        let names = [one, other].map(|brand| self.deals.brands[brand].0);
        let of = |agreed: &&AgreedTerms| {
            names.contains(&agreed.a.as_str()) && names.contains(&agreed.b.as_str())
        };
        shown.terms.agreed.iter().find(of)
    }

    /// What arrives for a point at best, as a fraction; none where no order of an old board may be
    /// had any more.
    fn keeps(
        &self,
        shown: &Shown,
        old: bool,
        source: usize,
        target: usize,
    ) -> Option<(u128, u128)> {
        let program = |brand: usize| -> ProgramId { self.deals.brands[brand].1.parse().unwrap() };
        let (from, to) = (program(source), program(target));
        let pair = shown.pair(&from, &to);
        let suspended = pair.is_some_and(|pair| pair.suspended);
        if pair.is_some_and(|pair| pair.withheld) {
            return None;
        }
        let agreed = self.agreed_on(shown, source, target)?;
        let fee = match (pair, agreed.fee_bearer) {
            (_, FeeBearer::SourcePartner | FeeBearer::TargetPartner) => 0,
            (Some(pair), _) => pair.fee.micros() + pair.surcharge.micros(),
            (None, _) => agreed.fee.micros(),
        };
        let tiers = agreed.tiers.iter().filter(|one| one.source == from && one.target == to);
        let tier = tiers.map(|one| one.multiplier.micros()).max().unwrap_or(0).max(MICROS);
        let tier = if suspended { MICROS } else { tier };
        let multiplier = pair.map_or(MICROS, |pair| pair.multiplier.micros());
        let multiplier = i128::from(multiplier) * i128::from(tier) / i128::from(MICROS);
        let kept = i128::from(MICROS - fee) * multiplier;
        let whole = i128::from(MICROS) * i128::from(MICROS);
        if old && kept >= whole {
            return None;
        }
        // Points of a campaign that may be given on while it runs count whole; a quote ends with its
        // campaign.
        let now = self.books.boards.last()?.effective_at();
        let comes_round = |one: &&Running| {
            let campaign = &one.campaign;
            let day = campaign.from.as_millis().div_euclid(DAY);
            let until = (day + i64::from(campaign.holdback_days) + 1) * DAY;
            let held = campaign.holdback_days > 0 && until >= campaign.until.as_millis();
            one.adds_at(now) && campaign.covers(&from, &to) && !held
        };
        let campaigns = self.books.campaigns.values().filter(comes_round);
        let bonus = campaigns.map(|one| one.campaign.multiplier.micros()).max().unwrap_or(MICROS);
        let bonus = if suspended { MICROS } else { bonus };
        let (given, taken) = (shown.value(&from)?, shown.value(&to)?);
        let gives = kept * i128::from(bonus) * i128::from(given);
        let takes = whole * i128::from(MICROS) * i128::from(taken);
        Some((gives.unsigned_abs(), takes.unsigned_abs()))
    }
}

const fn direction(asked: &Asked) -> (usize, usize) {
    (asked.source.brand, asked.target.brand)
}
