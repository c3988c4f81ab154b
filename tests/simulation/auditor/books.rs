//! The auditor's books: plain maps of what should be true, moved on commit by commit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use alliance_contracts::encoding::Hash;
use alliance_contracts::merkle::Frontier;
use alliance_contracts::names::Pseudonym;

use super::arithmetic::Sums;
use super::events::{Fact, Happened};
use super::rates::{Board, Flow, Frozen, Rate, View, Way};
use crate::cast::{Agreed, PARTNERS, PROGRAMS, Person};

/// What a key is known to have come to.
#[derive(Clone, Debug)]
pub struct Kept {
    pub digest: Hash,
    pub outcome: alliance_settlement::command::Outcome,
    pub request: u128,
}

#[derive(Clone, Debug)]
pub struct Member {
    pub number: i64,
    pub opening: i128,
    pub balance: i128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stands {
    Proposed,
    Active,
    Revoked,
}

#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub a: Person,
    pub b: Person,
    pub until: Option<i64>,
    pub proposed_by: usize,
    pub stands: Stands,
    /// The commit that made it.
    pub since: u64,
}

#[derive(Clone, Debug)]
pub struct Transaction {
    pub source: Person,
    pub target: Person,
    pub sums: Sums,
    pub rate: Rate,
    pub completed_at: i64,
    pub reversed: (i128, i128),
    /// Whether it turned another one round.
    pub is_reversal: bool,
    /// The commit that made it.
    pub since: u64,
    pub payload: Hash,
    pub corridor: usize,
    pub seq: u64,
}

/// One corridor's chain.
#[derive(Clone, Debug)]
pub struct Chain {
    pub name: String,
    pub parties: (usize, usize),
    pub seq: u64,
    pub head: Hash,
    pub completed_at: i64,
    pub tree: Frontier,
    /// The root after each commit.
    pub roots: HashMap<u64, Hash>,
    pub checkpoint: u64,
    /// Up to where signatures have been verified.
    pub verified: u64,
    /// Every member is called one thing here, and every name is one member's.
    pub named: HashMap<Person, Pseudonym>,
    pub people: HashMap<Pseudonym, Person>,
}

impl Chain {
    fn of(a: usize, b: usize) -> Self {
        Self {
            name: format!("{}~{}", PARTNERS[a], PARTNERS[b]),
            parties: (a, b),
            seq: 0,
            head: Hash::ZERO,
            completed_at: 0,
            tree: Frontier::new(),
            roots: HashMap::new(),
            checkpoint: 0,
            verified: 0,
            named: HashMap::new(),
            people: HashMap::new(),
        }
    }
}

/// An account that is no member's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Points of a program.
    Issued(usize),
    /// Money of a partner.
    Position(usize),
    Fees,
    Rounding,
}

/// All of it.
pub struct Books {
    /// Commits seen.
    pub commits: u64,
    pub agreed: Option<Agreed>,
    pub version: i64,
    /// Every board, the first one first.
    pub boards: Vec<Arc<Board>>,
    /// Of the registry: grows with every change of any part of it.
    pub registry_version: i64,
    /// The registry at each of its versions.
    pub views: BTreeMap<i64, Arc<View>>,
    pub flows: BTreeMap<Way, Flow>,
    pub frozen: BTreeMap<Way, Frozen>,
    /// The commit that last let a direction take orders again.
    pub released: BTreeMap<Way, u64>,
    /// The commit that last froze it.
    pub tripped: BTreeMap<Way, u64>,
    pub window: u128,
    /// The last time of the schedule that a window was closed for.
    pub slot: i64,
    /// Windows that were closed, the first one first.
    pub closed: Vec<Closed>,
    pub suspended: BTreeSet<usize>,
    pub members: HashMap<Person, Member>,
    pub next_member: i64,
    pub links: BTreeMap<u128, Link>,
    /// The one active link of two members.
    pub active: HashMap<(Person, Person), u128>,
    pub keys: HashMap<(usize, u64), Kept>,
    pub quotes: BTreeSet<u128>,
    pub references: BTreeSet<(usize, u64)>,
    pub transactions: HashMap<u128, Transaction>,
    /// Transactions in the order of their commits.
    pub history: Vec<u128>,
    pub accounts: BTreeMap<Place, i128>,
    pub chains: Vec<Chain>,
    pub quote_keys: BTreeSet<i64>,
    /// What the commit being looked at has changed.
    pub facts: Vec<Happened>,
    /// What each partner was told.
    pub feeds: Vec<Vec<Fact>>,
    /// Running totals of all postings, per program and of money: always zero.
    pub totals: [i128; PROGRAMS.len() + 1],
}

/// A window that was closed: of which chains it has which receipts, after and up to.
pub struct Closed {
    pub id: u128,
    /// The last time of the schedule before it was closed, and after.
    pub slots: (i64, i64),
    pub ranges: BTreeMap<usize, (u64, u64)>,
}

pub const fn ends(one: Person, other: Person) -> (Person, Person) {
    let first =
        one.program < other.program || (one.program == other.program && one.number <= other.number);
    if first { (one, other) } else { (other, one) }
}

impl Books {
    pub fn new() -> Self {
        let pairs = (0..PARTNERS.len()).flat_map(|a| (a..PARTNERS.len()).map(move |b| (a, b)));
        let chains = pairs.map(|(a, b)| Chain::of(a, b)).collect();
        Self {
            commits: 0,
            agreed: None,
            version: 0,
            boards: Vec::new(),
            registry_version: 0,
            views: BTreeMap::new(),
            flows: BTreeMap::new(),
            frozen: BTreeMap::new(),
            released: BTreeMap::new(),
            tripped: BTreeMap::new(),
            window: 0,
            slot: 0,
            closed: Vec::new(),
            suspended: BTreeSet::new(),
            members: HashMap::new(),
            next_member: 1,
            links: BTreeMap::new(),
            active: HashMap::new(),
            keys: HashMap::new(),
            quotes: BTreeSet::new(),
            references: BTreeSet::new(),
            transactions: HashMap::new(),
            history: Vec::new(),
            accounts: BTreeMap::new(),
            chains,
            quote_keys: BTreeSet::new(),
            facts: Vec::new(),
            feeds: vec![Vec::new(); PARTNERS.len()],
            totals: [0; PROGRAMS.len() + 1],
        }
    }

    /// The chain of two partners.
    pub fn chain(&self, one: usize, other: usize) -> usize {
        let parties = (one.min(other), one.max(other));
        self.chains.iter().position(|chain| chain.parties == parties).unwrap()
    }

    pub fn chain_named(&self, name: &str) -> Option<usize> {
        self.chains.iter().position(|chain| chain.name == name)
    }

    pub fn balance(&self, person: Person) -> i128 {
        self.members.get(&person).map_or(0, |member| member.balance)
    }

    pub fn account(&self, place: Place) -> i128 {
        self.accounts.get(&place).copied().unwrap_or(0)
    }

    /// Whether a link of these two allows an exchange then.
    pub fn linked(&self, one: Person, other: Person, now: i64) -> bool {
        let link = self.active.get(&ends(one, other)).and_then(|id| self.links.get(id));
        link.is_some_and(|link| link.until.is_none_or(|until| now < until))
    }

    /// Makes a link active; the one before it is revoked. Every link that changed.
    pub fn activate(&mut self, id: u128) -> Vec<u128> {
        let mut changed = vec![id];
        let Some(link) = self.links.get_mut(&id) else { return changed };
        link.stands = Stands::Active;
        let pair = ends(link.a, link.b);
        let before = self.active.insert(pair, id);
        if before != Some(id) {
            self.link_came(id, Stands::Active);
        }
        if let Some(older) = before.filter(|older| *older != id) {
            if let Some(link) = self.links.get_mut(&older) {
                link.stands = Stands::Revoked;
            }
            self.link_came(older, Stands::Revoked);
            changed.push(older);
        }
        changed
    }

    pub fn revoke(&mut self, id: u128) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let before = std::mem::replace(&mut link.stands, Stands::Revoked);
        let pair = ends(link.a, link.b);
        if before != Stands::Revoked {
            self.link_came(id, Stands::Revoked);
        }
        if self.active.get(&pair) == Some(&id) {
            self.active.remove(&pair);
        }
    }

    /// One posting line to a member; `total` is the asset's place in the totals.
    pub fn give_member(&mut self, person: Person, minor: i128) {
        self.totals[person.program] += minor;
        if let Some(member) = self.members.get_mut(&person) {
            member.balance += minor;
        }
    }

    pub fn give(&mut self, place: Place, minor: i128) {
        let total = match place {
            Place::Issued(program) => program,
            _ => PROGRAMS.len(),
        };
        self.totals[total] += minor;
        *self.accounts.entry(place).or_insert(0) += minor;
    }
}
