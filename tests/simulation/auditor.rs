//! The auditor: a simple model of the alliance that shares no code with what it watches. It is told
//! what was asked for and sees every commit as the store got it; from that it predicts every
//! outcome, and it says at once what should not be.
//!
//! | file | what |
//! | --- | --- |
//! | `arithmetic` | the protocol's sums, by exact rationals |
//! | `books` | what should be true |
//! | `rules` | what should become of a command |
//! | `rates` | boards, frozen pairs, flows: whether a rate may still be had |
//! | `commits` | a commit against the prediction: order, outcomes, balances, links, agreements |
//! | `receipts` | a receipt against its transaction and its chain |
//! | `events` | what partners are told against what has changed |
//! | `deals` | agreements, campaigns and boards, for the world in `world/deals` |
//! | `answers` | what waiters are told against what is there |
//! | `whole` | everything that a store shows, read back |
//!
//! Order is the order of commitment: of commits as they happen, and within one as its idempotency
//! keys stand. What has no key (imports, definitions, suspensions, boards) counts from the next
//! commit on; a release, from where the outcomes of orders say so.

mod answers;
pub mod arithmetic;
pub mod books;
mod commits;
pub mod deals;
pub mod events;
pub mod rates;
mod receipts;
pub mod rules;
mod whole;

use std::collections::{BTreeSet, HashMap, HashSet};

use alliance_contracts::encoding::Hash;
use alliance_contracts::key_list::TrustedKeys;
use alliance_settlement::command::NewMember;
use alliance_settlement::vault::Lookup;

use crate::cast::{Agreed, Person};
use books::Books;
use rates::{Draft, Way};
use rules::Ask;

pub use answers::{Excuse, Told};

/// Why the auditor is not content.
pub type Finding = String;

/// An order as it was meant: the same however often it is delivered.
#[derive(Clone, Debug)]
pub struct Issue {
    pub partner: usize,
    pub key: u64,
    pub digest: Hash,
    pub ask: Ask,
}

/// One arrival of an order at a door.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub issue: usize,
    /// The transaction or link that it would make.
    pub makes: u128,
    /// Commits there were when it was sent.
    pub after: u64,
}

/// A link as an operator hands it in: id, ends, until when.
pub type HandedInLink = (u128, Person, Person, Option<i64>);

/// What operators were seen to ask for.
#[derive(Default)]
pub struct Operations {
    /// Each import: its members, in order.
    pub imports: Vec<Vec<(Person, NewMember)>>,
    /// Each import of links.
    pub link_imports: Vec<Vec<HandedInLink>>,
    pub definitions: Vec<Agreed>,
    /// Boards that were worked out.
    pub drafts: Vec<Draft>,
    /// Directions that somebody wants released.
    pub releases: BTreeSet<Way>,
}

/// The auditor.
pub struct Auditor {
    pub books: Books,
    pub operations: Operations,
    issues: Vec<Issue>,
    arrivals: HashMap<u128, Arrival>,
    people: HashMap<Lookup, Person>,
    /// Where a member of an import stands: import and row, by its wrapped key.
    rows: HashMap<Vec<u8>, (usize, usize)>,
    link_rows: HashMap<u128, (usize, usize)>,
    /// Imports that were carried out.
    imported: HashSet<usize>,
    links_imported: HashSet<usize>,
    /// Drafts by their payload.
    drafted: HashMap<Hash, usize>,
    keys: TrustedKeys,
    /// Decisions seen, by outcome.
    pub tally: HashMap<&'static str, u64>,
}

impl Auditor {
    pub fn new(keys: TrustedKeys) -> Self {
        Self {
            books: Books::new(),
            operations: Operations::default(),
            issues: Vec::new(),
            arrivals: HashMap::new(),
            people: HashMap::new(),
            rows: HashMap::new(),
            link_rows: HashMap::new(),
            imported: HashSet::new(),
            links_imported: HashSet::new(),
            drafted: HashMap::new(),
            keys,
            tally: HashMap::new(),
        }
    }

    /// A partner means to ask for this.
    pub fn issue(&mut self, issue: Issue) -> usize {
        let number = self.issues.len();
        self.issues.push(issue);
        number
    }

    pub fn issued(&self, number: usize) -> &Issue {
        &self.issues[number]
    }

    /// It arrives at a door, in a request of its own.
    pub fn arrives(&mut self, request: u128, issue: usize, makes: u128) {
        let after = self.books.commits;
        self.arrivals.insert(request, Arrival { issue, makes, after });
    }

    /// Where a person is found.
    pub fn knows(&mut self, lookup: Lookup, person: Person) {
        self.people.insert(lookup, person);
    }

    /// An operator hands in members.
    pub fn imports(&mut self, members: &[(Person, NewMember)]) -> usize {
        let number = self.operations.imports.len();
        for (row, (person, member)) in members.iter().enumerate() {
            self.knows(member.lookup.first(), *person);
            self.rows.insert(member.wrapped_key.clone(), (number, row));
        }
        self.operations.imports.push(members.to_vec());
        number
    }

    /// An operator hands in links.
    pub fn imports_links(&mut self, links: Vec<HandedInLink>) -> usize {
        let number = self.operations.link_imports.len();
        for (row, (id, ..)) in links.iter().enumerate() {
            self.link_rows.insert(*id, (number, row));
        }
        self.operations.link_imports.push(links);
        number
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_insert(0) += 1;
    }
}

/// Says what should not be.
macro_rules! ensure {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+));
        }
    };
}
use ensure;
