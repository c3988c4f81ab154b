//! What partners are told: of every change one event to everybody it concerns, in the commit that
//! makes it, and of nothing else. Rows are read as the JSON that they are.

use std::collections::{BTreeMap, BTreeSet};

use alliance_settlement::ledger::Writes;
use serde_json::Value;

use super::books::{Books, Stands};
use super::rates::Way;
use super::{Auditor, Finding, ensure};
use crate::cast::{PARTNERS, PROGRAMS, name, partner_index, program_index};

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// The receipt of a chain.
    Completed(usize, u64),
    /// Of the receipt of a chain so much was turned round, in points, and whether that is all.
    Reversed(usize, u64, [String; 2], bool),
    Link(u128, Stands),
    Board(u32),
    /// Whether a direction takes no orders any more, or does again.
    Frozen(Way, bool),
    /// Whether a partner may not trade any more, or may again.
    Suspended(usize, bool),
    /// The window of this number takes no more receipts.
    Closed(u64),
}

impl Fact {
    /// What it is about: events of one subject come in their order.
    fn subject(&self) -> (u8, u128, u64) {
        match self {
            Self::Completed(chain, _) => (0, u128::try_from(*chain).unwrap(), 0),
            Self::Reversed(chain, seq, ..) => (1, u128::try_from(*chain).unwrap(), *seq),
            Self::Link(id, _) => (2, *id, 0),
            Self::Board(_) => (3, 0, 0),
            Self::Frozen((source, target), _) => {
                (4, u128::try_from(source * PROGRAMS.len() + target).unwrap(), 0)
            }
            Self::Suspended(partner, _) => (5, u128::try_from(*partner).unwrap(), 0),
            Self::Closed(number) => (6, 0, *number),
        }
    }

    const fn is_of_a_pair(&self) -> bool {
        matches!(self, Self::Frozen(..))
    }
}

/// What has happened, and whom it concerns.
pub type Happened = (BTreeSet<usize>, Fact);

impl Books {
    pub fn link_came(&mut self, id: u128, stands: Stands) {
        let Some(link) = self.links.get(&id) else { return };
        let whom = BTreeSet::from([link.a.partner(), link.b.partner()]);
        self.facts.push((whom, Fact::Link(id, stands)));
    }

    pub fn receipt_came(&mut self, chain: usize, seq: u64) {
        let fact = Fact::Completed(chain, seq);
        self.facts.push((self.parties(chain), fact));
    }

    pub fn was_reversed(&mut self, id: u128) {
        let found = &self.transactions[&id];
        let points = |program: usize, minor: i128| in_points(minor, PROGRAMS[program].2);
        let (source, target) = found.reversed;
        let said = [points(found.source.program, source), points(found.target.program, target)];
        let fact = Fact::Reversed(
            found.corridor,
            found.seq,
            said,
            found.reversed == (found.sums.source, found.sums.target),
        );
        self.facts.push((self.parties(found.corridor), fact));
    }

    pub fn way_is(&mut self, way: Way, frozen: bool) {
        let whom = BTreeSet::from([PROGRAMS[way.0].1, PROGRAMS[way.1].1]);
        self.facts.push((whom, Fact::Frozen(way, frozen)));
    }

    pub fn board_came(&mut self, number: u32) {
        self.facts.push(((0..PARTNERS.len()).collect(), Fact::Board(number)));
    }

    pub fn window_came(&mut self, number: u64) {
        self.facts.push(((0..PARTNERS.len()).collect(), Fact::Closed(number)));
    }

    pub fn partner_is(&mut self, partner: usize, suspended: bool) {
        let pairs = self.agreed.iter().flat_map(|agreed| &agreed.pairs);
        let theirs =
            pairs.filter(|((a, b), pair)| pair.is_some() && (*a == partner || *b == partner));
        let mut whom: BTreeSet<usize> = theirs.flat_map(|((a, b), _)| [*a, *b]).collect();
        whom.insert(partner);
        self.facts.push((whom, Fact::Suspended(partner, suspended)));
    }

    fn parties(&self, chain: usize) -> BTreeSet<usize> {
        let (a, b) = self.chains[chain].parties;
        BTreeSet::from([a, b])
    }
}

/// Minor units as the wire spells points.
fn in_points(minor: i128, scale: u32) -> String {
    let unit = 10_i128.pow(scale);
    let (whole, rest) = (minor / unit, minor % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let rest = format!("{rest:0width$}", width = usize::try_from(scale).unwrap());
    format!("{whole}.{}", rest.trim_end_matches('0'))
}

impl Auditor {
    /// What a commit tells is what has happened.
    pub(super) fn told(&mut self, writes: &Writes, readings: &[i64]) -> Result<(), Finding> {
        let facts = std::mem::take(&mut self.books.facts);
        let mut told: BTreeMap<usize, Vec<Fact>> = BTreeMap::new();
        for row in &writes.events {
            let who = super::commits::partner(&row.partner)?;
            let news = told.entry(who).or_default();
            let before = u64::try_from(news.len()).unwrap();
            ensure!(row.first == before + 1, "{}: events from {} on", row.partner, row.first);
            ensure!(readings.contains(&row.at.as_millis()), "events of another time");
            news.extend(self.facts_of(&row.entries)?);
            let last = u64::try_from(news.len()).unwrap();
            ensure!(row.last == last, "{}: {} events to {}", row.partner, last, row.last);
        }
        for (who, name) in PARTNERS.iter().enumerate() {
            let expected = facts.iter().filter(|(whom, _)| whom.contains(&who));
            let expected: Vec<Fact> = expected.map(|(_, fact)| fact.clone()).collect();
            let told = told.remove(&who).unwrap_or_default();
            self.pairs_alternate(who, &told, &expected)?;
            let by_subject = |facts: &[Fact]| {
                let mut facts: Vec<Fact> =
                    facts.iter().filter(|fact| !fact.is_of_a_pair()).cloned().collect();
                facts.sort_by_key(Fact::subject);
                facts
            };
            let (seen, should) = (by_subject(&told), by_subject(&expected));
            ensure!(seen == should, "{name} is told {seen:?}, should be {should:?}");
            self.books.feeds[who].extend(told);
        }
        Ok(())
    }

    /// A direction freezes and is released in turn, and ends as it stands. A release has no key
    /// that says how often it took effect within one batch.
    fn pairs_alternate(&self, who: usize, told: &[Fact], expected: &[Fact]) -> Result<(), Finding> {
        let of = |facts: &[Fact], way: Way| -> Vec<bool> {
            let here = facts.iter().filter_map(|fact| match fact {
                Fact::Frozen(about, frozen) if *about == way => Some(*frozen),
                _ => None,
            });
            here.collect()
        };
        let ways = told.iter().chain(expected).filter_map(|fact| match fact {
            Fact::Frozen(way, _) => Some(*way),
            _ => None,
        });
        for way in ways.collect::<BTreeSet<_>>() {
            let (seen, should) = (of(told, way), of(expected, way));
            let before = of(&self.books.feeds[who], way).last().copied().unwrap_or(false);
            let mut stands = before;
            for frozen in &seen {
                ensure!(*frozen != stands, "{way:?} is {frozen} twice: {seen:?} after {before}");
                stands = *frozen;
            }
            let now = self.books.frozen.contains_key(&way);
            ensure!(stands == now, "{way:?}: {seen:?} told, and frozen: {now}");
            let enough = seen.len() >= should.len();
            ensure!(enough, "{way:?}: {seen:?} told of {should:?}");
        }
        Ok(())
    }

    /// Every feed from its beginning, without a gap, as its commits have written it.
    pub(super) fn feeds_are_whole(
        &self,
        store: &dyn alliance_settlement::store::Store,
    ) -> Result<(), Finding> {
        for (who, expected) in self.books.feeds.iter().enumerate() {
            let partner = name(PARTNERS[who]);
            let rows = super::whole::read(store.events(&partner, 0, u64::MAX / 2))?;
            let mut there = Vec::new();
            for row in rows {
                let before = u64::try_from(there.len()).unwrap();
                ensure!(row.first == before + 1, "{partner}: a gap before event {}", row.first);
                there.extend(self.facts_of(&row.entries)?);
                ensure!(row.last == u64::try_from(there.len()).unwrap(), "{partner}: numbers");
            }
            ensure!(there == *expected, "{partner}'s events are not those that were committed");
            let last = super::whole::read(store.last_event(&partner))?;
            ensure!(last == u64::try_from(there.len()).unwrap(), "{partner} ends at {last}");
        }
        Ok(())
    }

    /// What a row's entries say.
    fn facts_of(&self, entries: &str) -> Result<Vec<Fact>, Finding> {
        let entries: Vec<Value> = serde_json::from_str(entries).map_err(|e| e.to_string())?;
        let mut facts = Vec::new();
        for entry in entries {
            let found = self.facts_of_entry(&entry);
            facts.extend(found.ok_or_else(|| format!("an event that says nothing: {entry}"))?);
        }
        Ok(facts)
    }

    fn facts_of_entry(&self, entry: &Value) -> Option<Vec<Fact>> {
        if let Some(completed) = entry.get("completed") {
            let chain = self.books.chain_named(completed["corridor"].as_str()?)?;
            let (seq, count) = (completed["seq"].as_u64()?, completed["count"].as_u64()?);
            return Some((seq..seq + count).map(|seq| Fact::Completed(chain, seq)).collect());
        }
        if let Some(reversed) = entry.get("reversed") {
            let chain = self.books.chain_named(reversed["corridor"].as_str()?)?;
            let said = ["source", "target"].map(|side| reversed[side].as_str().map(str::to_owned));
            let [Some(source), Some(target)] = said else { return None };
            let all = match reversed["state"].as_str()? {
                "reversed" => true,
                "partially_reversed" => false,
                _ => return None,
            };
            let seq = reversed["seq"].as_u64()?;
            return Some(vec![Fact::Reversed(chain, seq, [source, target], all)]);
        }
        let told = entry.get("told")?;
        let data = &told["data"];
        let link = |stands| {
            let id: alliance_contracts::ids::LinkId = data["id"].as_str()?.parse().ok()?;
            (told["subject"] == data["id"]).then(|| Fact::Link(id.as_u128(), stands))
        };
        let frozen = |frozen| {
            let [source, target] = ["source", "target"].map(|side| data[side].as_str());
            let way = (program_index(source?)?, program_index(target?)?);
            Some(Fact::Frozen(way, frozen))
        };
        let suspended =
            |suspended| Some(Fact::Suspended(partner_index(data["partner"].as_str()?)?, suspended));
        let fact = match told["type"].as_str()? {
            "link.proposed" => link(Stands::Proposed)?,
            "link.active" => link(Stands::Active)?,
            "link.revoked" => link(Stands::Revoked)?,
            "board.published" => Fact::Board(u32::try_from(data["board"].as_u64()?).ok()?),
            "pair.frozen" => frozen(true)?,
            "pair.released" => frozen(false)?,
            "window.closed" => Fact::Closed(data["number"].as_u64()?),
            "partner.suspended" => suspended(true)?,
            "partner.reinstated" => suspended(false)?,
            _ => return None,
        };
        Some(vec![fact])
    }
}
