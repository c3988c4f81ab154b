//! The journal for other bookkeeping: every receipt as one entry of hledger or beancount, or as
//! rows of CSV, with openings before them and balances to prove after them
//! (docs/formats/journal.md).
//!
//! | file | what |
//! | --- | --- |
//! | `accounts` | which account of the tools stands for which of ours |
//! | `amounts` | sums by account and asset, and their spelling |
//! | `hledger`, `beancount`, `csv` | the three texts |
//!
//! Pure: receipts come in, text is added to a string that the caller writes out and empties. What
//! is kept grows with accounts and, where they are shown, with pseudonyms, never with receipts.

mod accounts;
mod amounts;
mod beancount;
mod csv;
mod hledger;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use alliance_contracts::date::Date;
use alliance_contracts::encoding::Hash;
use alliance_contracts::limits::MONEY_SCALE;
use alliance_contracts::names::{AllianceId, ProgramId};
use alliance_contracts::receipt::{Account, Asset, Receipt};
use alliance_contracts::time::Timestamp;

pub use accounts::Holder;
pub use amounts::Balances;

use accounts::Path;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// What the journal is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// hledger, from 1.25 on.
    Hledger,
    /// beancount, from 3 on.
    Beancount,
    /// Spreadsheets and databases: a row for each posting, and nothing else.
    Csv,
}

/// How members are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    /// All members of a program as one account.
    Folded,
    /// Each pseudonym an account below that one; a member has another in every corridor.
    Pseudonyms,
}

/// From when until when receipts are entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first time; what completed before is part of the openings. None: from the first receipt.
    pub after: Option<Timestamp>,
    /// The first time that no longer counts. None: to the last receipt.
    pub until: Option<Timestamp>,
}

/// Where a receipt stands to a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Part of the openings.
    Before,
    /// An entry.
    Within,
    /// Taken off the balances of the end.
    Later,
}

impl Span {
    /// Where a receipt that completed then stands.
    #[must_use]
    pub fn place(&self, completed_at: Timestamp) -> Place {
        if self.after.is_some_and(|after| completed_at < after) {
            Place::Before
        } else if self.until.is_some_and(|until| completed_at >= until) {
            Place::Later
        } else {
            Place::Within
        }
    }
}

/// A balance that the journal comes to otherwise than it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whose.
    pub holder: Holder,
    /// Counted in.
    pub asset: Asset,
    /// What openings and receipts come to, in 10⁻⁶.
    pub journal: i128,
    /// What the books say, in 10⁻⁶.
    pub books: i128,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Receipts that are entries.
    pub receipts: u64,
    /// Their postings.
    pub postings: u64,
    /// For each asset, what was moved in all, in 10⁻⁶.
    pub moved: BTreeMap<Asset, i128>,
    /// When the first of them completed.
    pub first: Option<Timestamp>,
    /// When the last of them completed.
    pub last: Option<Timestamp>,
}

/// A journal that is being written. In order: openings (by [`Journal::before`], and what members
/// were imported with by [`Journal::new`]), [`Journal::begin`], every receipt, [`Journal::end`].
#[derive(Debug)]
pub struct Journal {
    format: Format,
    members: Members,
    /// Decimals of programs; six where one is not known.
    scales: BTreeMap<ProgramId, u32>,
    balances: Balances,
    later: Balances,
    declared: Declared,
    begun: Date,
    written: Written,
}

/// One line of an entry.
struct Line<'a> {
    path: Path,
    asset: &'a Asset,
    amount: String,
}

impl Journal {
    /// An empty journal.
    #[must_use]
    pub fn new(
        format: Format,
        members: Members,
        scales: BTreeMap<ProgramId, u32>,
        openings: Balances,
    ) -> Self {
        Self {
            format,
            members,
            scales,
            balances: openings,
            later: Balances::default(),
            declared: Declared::default(),
            begun: epoch(),
            written: Written::default(),
        }
    }

    /// A receipt from before the span: part of the openings.
    pub fn before(&mut self, receipt: &Receipt) {
        self.balances.post(receipt);
    }

    /// A receipt from after the span: what the books have at their end is less it.
    pub fn later(&mut self, receipt: &Receipt) {
        self.later.post(receipt);
    }

    /// Head and openings, which are of the day of `begins`.
    pub fn begin(&mut self, alliance: &AllianceId, begins: Option<Timestamp>, out: &mut String) {
        self.begun = begins.map_or_else(epoch, day);
        match self.format {
            Format::Hledger => hledger::head(alliance, out),
            Format::Beancount => beancount::head(alliance, out),
            Format::Csv => return csv::head(out),
        }
        let openings: Vec<_> = self.balances.not_zero().collect();
        if openings.is_empty() {
            return;
        }
        let lines: Vec<Line<'_>> = openings
            .iter()
            .map(|(holder, asset, amount)| self.line(Path::of_holder(holder), asset, *amount))
            .collect();
        self.declared.all(self.format, &self.scales, &lines, out);
        match self.format {
            Format::Hledger => hledger::openings(self.begun, &lines, out),
            Format::Beancount => beancount::openings(self.begun, &lines, out),
            Format::Csv => {}
        }
    }

    /// A receipt within the span; `payload` is the hash of its payload.
    pub fn receipt(&mut self, receipt: &Receipt, payload: &Hash, out: &mut String) {
        self.count(receipt);
        self.balances.post(receipt);
        if self.format == Format::Csv {
            return csv::rows(receipt, payload, self.members, &self.scales, out);
        }
        let lines: Vec<Line<'_>> = receipt
            .postings
            .iter()
            .flat_map(|posting| {
                let amount = i128::from(posting.amount.micros());
                [(&posting.debit, -amount), (&posting.credit, amount)]
                    .map(|(account, amount)| (account, &posting.asset, amount))
            })
            .map(|(account, asset, amount)| {
                self.line(Path::of_account(account, self.members), asset, amount)
            })
            .collect();
        self.declared.all(self.format, &self.scales, &lines, out);
        match self.format {
            Format::Hledger => hledger::entry(receipt, payload, &lines, out),
            Format::Beancount => beancount::entry(receipt, payload, &lines, out),
            Format::Csv => {}
        }
    }

    /// The end: the balances of all accounts, to be proved by whoever reads the journal. `books` is
    /// what they are at the end of all receipts; what it does not name must be as the journal has
    /// it. Of CSV, the trailer.
    pub fn end(mut self, books: Option<&Balances>, out: &mut String) -> (Written, Vec<Difference>) {
        let expected = self.expected(books);
        let differences = self.differences(&expected);
        if self.format == Format::Csv {
            csv::end(&self.written, &self.scales, out);
            return (self.written, differences);
        }
        let last = self.written.last.map_or(self.begun, day).max(self.begun);
        let lines: Vec<Line<'_>> = expected
            .all()
            .map(|(holder, asset, amount)| self.line(Path::of_holder(holder), asset, amount))
            .collect();
        self.declared.all(self.format, &self.scales, &lines, out);
        match self.format {
            Format::Hledger => hledger::balances(last.plus_days(1), &lines, out),
            Format::Beancount => beancount::balances(last.plus_days(1), &lines, out),
            Format::Csv => {}
        }
        (self.written, differences)
    }

    /// What every account should have at the end of the span.
    fn expected(&self, books: Option<&Balances>) -> Balances {
        let mut expected = self.balances.clone();
        for (holder, asset, amount) in books.iter().flat_map(|books| books.all()) {
            expected.set(holder, asset, amount - self.later.of(holder, asset));
        }
        expected
    }

    fn differences(&self, expected: &Balances) -> Vec<Difference> {
        let all = expected.all().map(|(holder, asset, books)| Difference {
            holder: holder.clone(),
            asset: asset.clone(),
            journal: self.balances.of(holder, asset),
            books,
        });
        all.filter(|found| found.journal != found.books).collect()
    }

    fn line<'a>(&self, path: Path, asset: &'a Asset, micros: i128) -> Line<'a> {
        Line { path, asset, amount: amounts::spelled(micros, scale(&self.scales, asset)) }
    }

    fn count(&mut self, receipt: &Receipt) {
        let written = &mut self.written;
        let at = receipt.completed_at;
        written.receipts += 1;
        written.first = Some(written.first.map_or(at, |first| first.min(at)));
        written.last = Some(written.last.map_or(at, |last| last.max(at)));
        for posting in &receipt.postings {
            written.postings += 1;
            let moved = written.moved.entry(posting.asset.clone()).or_default();
            *moved += i128::from(posting.amount.micros());
        }
    }
}

/// What has been said of accounts and assets so far.
#[derive(Debug, Default)]
struct Declared {
    assets: BTreeSet<Asset>,
    accounts: BTreeSet<Path>,
}

impl Declared {
    /// Says of every account and asset what it is, before it is first used.
    fn all(
        &mut self,
        format: Format,
        scales: &BTreeMap<ProgramId, u32>,
        lines: &[Line<'_>],
        out: &mut String,
    ) {
        for line in lines {
            if !self.assets.contains(line.asset) {
                self.assets.insert(line.asset.clone());
                match format {
                    Format::Hledger => hledger::asset(line.asset, scale(scales, line.asset), out),
                    Format::Beancount => beancount::asset(line.asset, out),
                    Format::Csv => {}
                }
            }
            if !self.accounts.contains(&line.path) {
                self.accounts.insert(line.path.clone());
                match format {
                    Format::Hledger => hledger::account(&line.path, out),
                    Format::Beancount => beancount::account(&line.path, out),
                    Format::Csv => {}
                }
            }
        }
    }
}

fn scale(scales: &BTreeMap<ProgramId, u32>, asset: &Asset) -> u32 {
    match asset {
        Asset::Program(program) => scales.get(program).copied().unwrap_or(MONEY_SCALE),
        Asset::Currency(_) => MONEY_SCALE,
    }
}

/// The day in UTC.
fn day(at: Timestamp) -> Date {
    let days = at.as_millis().div_euclid(MILLIS_PER_DAY);
    epoch().plus_days(days)
}

/// A journal without a receipt and without a beginning is of this day.
fn epoch() -> Date {
    Date::of(1970, 1, 1).expect("it is a day")
}

/// What a receipt says beside its postings, by name; the same names in both tools.
fn notes(receipt: &Receipt, payload: &Hash) -> Vec<(&'static str, String)> {
    let mut notes = vec![
        ("receipt", receipt.id.to_string()),
        ("transaction", receipt.transaction.to_string()),
        ("completed-at", receipt.completed_at.to_string()),
        ("window", receipt.window.to_string()),
        ("payload", payload.to_string()),
    ];
    if let Some(settlement) = &receipt.settlement {
        notes.push(("debtor", settlement.debtor.to_string()));
        notes.push(("creditor", settlement.creditor.to_string()));
    }
    notes.extend(receipt.reverses.map(|original| ("reverses", original.to_string())));
    notes
}

/// The account as a CSV row names it.
fn named(account: &Account, members: Members) -> String {
    match members {
        Members::Folded => Holder::of(account).to_string(),
        Members::Pseudonyms => account.to_string(),
    }
}
