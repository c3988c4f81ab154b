//! What one batch leaves to the next: members, links, accounts, flows and chain heads as its commit
//! has made them, so that the next batch loads only what it does not know.
//!
//! It holds while nobody else has written, which the sequencer row tells: a batch whose number
//! follows directly on the one that left this, on the same connection. Whatever goes wrong, it is
//! dropped and everything is loaded again, as for a gateway's first batch. Keys, quotes and
//! references are never kept: whether one has been used is asked of the store every time.
//!
//! Bounded in number, by `MEMBERS` and `LINKS`, and in time, by `SECONDS`: even what somebody
//! changes by hand, without taking the row, is seen within that time.

use std::collections::{HashMap, HashSet};

use alliance_contracts::ids::LinkId;
use alliance_contracts::names::Corridor;
use alliance_contracts::receipt::{Account, Asset};
use alliance_contracts::time::Timestamp;

use super::flow::{Direction, Flow};
use super::working_set::{ChainHead, LinkRecord, Member, Wanted, WorkingSet};
use crate::command::{Command, MemberNo};
use crate::vault::{Lookup, Sought};

/// Members kept at most; with about 300 bytes each they stay below 20 MB.
const MEMBERS: usize = 50_000;
/// Links kept at most; with about 700 bytes each they stay below 40 MB.
const LINKS: usize = 50_000;
/// How long anything is kept.
const SECONDS: i64 = 5;

/// Two members by where they may be found, the lower first.
pub type Pair = (Sought, Sought);

/// See the module.
pub struct Kept {
    /// The batch that left it.
    batch: i64,
    /// When its oldest part was loaded.
    since: Timestamp,
    pub(super) members: HashMap<MemberNo, Member>,
    pub(super) by_lookup: HashMap<Lookup, MemberNo>,
    pub(super) links: HashMap<LinkId, LinkRecord>,
    pub(super) links_between: HashMap<(MemberNo, MemberNo), Vec<LinkId>>,
    /// Pairs whose members are here, and every active link between them.
    pub(super) pairs: HashSet<Pair>,
    pub(super) accounts: HashMap<(Account, Asset), i128>,
    pub(super) heads: HashMap<Corridor, ChainHead>,
    pub(super) flows: HashMap<Direction, Flow>,
}

impl Kept {
    /// Whether it holds for the batch of this number, begun now.
    #[must_use]
    pub fn holds_for(&self, batch: i64, now: Timestamp) -> bool {
        let age = now.as_millis().saturating_sub(self.since.as_millis());
        self.batch.checked_add(1) == Some(batch) && (0..SECONDS * 1_000).contains(&age)
    }

    /// Whether the member that is sought is here.
    fn knows(&self, sought: &Sought) -> bool {
        let mut found = sought.places().filter_map(|place| self.by_lookup.get(&place));
        found.any(|member| self.members.contains_key(member))
    }

    /// Since when its oldest part is kept.
    #[must_use]
    pub const fn since(&self) -> Timestamp {
        self.since
    }

    /// Forgets members and links where they have become too many.
    fn bound(&mut self) {
        if self.members.len() > MEMBERS || self.links.len() > LINKS {
            self.members.clear();
            self.by_lookup.clear();
            self.links.clear();
            self.links_between.clear();
            self.pairs.clear();
        }
    }
}

/// Whether what is kept is good for a command, and good after it: orders change what they post and
/// nothing else. Other commands are rare: a batch that has one starts from nothing and leaves
/// nothing.
#[must_use]
pub const fn is_order(command: &Command) -> bool {
    matches!(
        command,
        Command::Order(..)
            | Command::Reverse(..)
            | Command::TakeCalls(..)
            | Command::Answered(..)
            | Command::AskAgain(..)
    )
}

impl Wanted {
    /// Leaves out what is kept.
    pub fn without(&mut self, kept: &Kept) {
        self.lookups.clear();
        for (low, high) in self.pairs.iter().filter(|pair| !kept.pairs.contains(*pair)) {
            self.lookups.extend(low.places().chain(high.places()));
        }
        let unknown = self.alone.iter().filter(|sought| !kept.knows(sought));
        self.lookups.extend(unknown.flat_map(Sought::places));
        self.members.retain(|member| !kept.members.contains_key(member));
        self.accounts.retain(|account| !kept.accounts.contains_key(account));
        self.corridors.retain(|corridor| !kept.heads.contains_key(corridor));
        self.flows.retain(|pair| !kept.flows.contains_key(pair));
    }
}

impl WorkingSet {
    /// What this set, as the batch of this number has committed it, leaves to the next one.
    #[must_use]
    pub fn into_kept(self, batch: i64, since: Timestamp) -> Kept {
        let mut kept = Kept {
            batch,
            since,
            members: self.members,
            by_lookup: self.by_lookup,
            links: self.links,
            links_between: self.links_between,
            pairs: self.pairs,
            accounts: self.accounts,
            heads: self.heads,
            flows: self.flows,
        };
        kept.bound();
        kept
    }
}
