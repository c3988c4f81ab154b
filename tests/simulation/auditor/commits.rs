//! A commit against the prediction.

use std::collections::{BTreeMap, BTreeSet};

use alliance_contracts::board::FrozenPair;
use alliance_contracts::link::LinkState;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::receipt::{Account, Asset};
use alliance_contracts::window::WindowState;
use alliance_settlement::command::Outcome;
use alliance_settlement::ledger::{KeyRecord, LinkRecord, TransactionRecord, Writes};
use alliance_settlement::receipts::StoredReceipt;

use super::books::{Closed, Kept, Link, Member, Place, Stands, Transaction, ends};
use super::rates::{self, Way};
use super::rules::{self, Ask, Effect, Quote};
use super::{Arrival, Auditor, Finding, ensure};
use crate::cast::{Agreed, PARTNERS, PROGRAMS, Person, partner_index, program_index};

/// What a commit is seen to have changed.
#[derive(Default)]
pub(super) struct Touched {
    pub people: BTreeSet<Person>,
    pub places: BTreeSet<Place>,
    pub links: BTreeSet<u128>,
    pub chains: BTreeMap<usize, u64>,
    pub originals: BTreeSet<u128>,
    pub flows: BTreeSet<Way>,
    pub frozen: BTreeSet<Way>,
}

/// The number in `k-17` and `r-17`.
pub(super) fn numbered(text: &str) -> Result<u64, Finding> {
    let number = text.get(2..).and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| format!("nobody has used the name {text}"))
}

pub(super) fn partner(name: &alliance_contracts::names::PartnerId) -> Result<usize, Finding> {
    partner_index(name.as_str()).ok_or_else(|| format!("there is no partner {name}"))
}

impl Auditor {
    /// Everything of a batch has been written, at one of these times by its gateway's clock.
    pub fn committed(&mut self, writes: &Writes, readings: &[i64]) -> Result<(), Finding> {
        self.books.commits += 1;
        let now = self.decided_at(writes, readings)?;
        let mut touched = Touched::default();
        let mut transactions = writes.transactions.iter().zip(&writes.receipts);
        ensure!(
            writes.transactions.len() == writes.receipts.len(),
            "{} transactions with {} receipts",
            writes.transactions.len(),
            writes.receipts.len()
        );
        for (at, key) in writes.keys.iter().enumerate() {
            let who = partner(&key.partner)?;
            let number = numbered(key.key.as_str())?;
            let place = (who, number);
            ensure!(!self.books.keys.contains_key(&place), "key {place:?} is used twice");
            let request = key.request.as_u128();
            let arrival = *self.arrivals.get(&request).ok_or("a request that never arrived")?;
            let issue = self.issues[arrival.issue].clone();
            ensure!(
                (issue.partner, issue.key, issue.digest) == (who, number, key.digest),
                "key {place:?} keeps another order than its request asked for"
            );
            let mut predicted = rules::predict(&self.books, who, &issue.ask, now);
            if self.link_came_before(writes, &issue.ask, &predicted, &key.outcome) {
                predicted = rules::predict(&self.books, who, &issue.ask, now);
            }
            if self.release_is_seen(
                (writes, at),
                (who, &issue.ask),
                &predicted,
                &key.outcome,
                now,
                &mut touched,
            ) {
                predicted = rules::predict(&self.books, who, &issue.ask, now);
            }
            match (&predicted, &key.outcome) {
                (Ok(Effect::Freeze(terms)), Outcome::Refused(ProblemCode::RateFrozen)) => {
                    self.tripped(terms, now, &mut touched);
                }
                (Err(code), Outcome::Refused(decided)) if code == decided => {
                    ensure!(code.is_decision(), "{code} has consumed a key");
                    self.count(code.as_str());
                }
                (Ok(effect), outcome) => {
                    let seen = self.takes_effect(
                        effect,
                        outcome,
                        &issue,
                        arrival,
                        request,
                        &mut transactions,
                        &mut touched,
                        (writes, now),
                    );
                    seen.map_err(|finding| format!("{finding}\n  asked: {issue:?}"))?;
                }
                (Err(code), decided) => {
                    return Err(format!("{code} predicted, decided {decided:?}: {issue:?}"));
                }
            }
            let (digest, outcome) = (key.digest, key.outcome.clone());
            self.books.keys.insert(place, Kept { digest, outcome, request });
        }
        ensure!(transactions.next().is_none(), "a transaction without a key");
        self.imported_members(writes, &mut touched)?;
        self.changed_links(writes, &touched)?;
        self.moved(writes, &touched)?;
        self.flowed(writes, &touched)?;
        self.froze(writes, &mut touched)?;
        self.grown(writes, &touched)?;
        self.agreed(writes)?;
        self.boarded(writes, readings)?;
        self.versioned(writes);
        self.told(writes, readings)?;
        self.totals()
    }

    /// What `now` was for this batch. Accepted transactions say it; where there are none, it is
    /// whichever reading gives the outcomes that were decided.
    fn decided_at(&self, writes: &Writes, readings: &[i64]) -> Result<i64, Finding> {
        if let Some(first) = writes.transactions.first() {
            let now = first.created_at.as_millis();
            ensure!(readings.contains(&now), "decided at {now}, the clock said {readings:?}");
            let same = writes.transactions.iter().all(|t| t.created_at == first.created_at);
            ensure!(same, "`now` differs within a batch");
            return Ok(now);
        }
        // Who freezes a direction says when.
        let known = |pair: &FrozenPair| {
            self.books.frozen.values().any(|f| f.since == pair.since.as_millis())
        };
        let anew = writes.frozen.values().flatten().find(|pair| !known(pair));
        if let Some(pair) = anew {
            let now = pair.since.as_millis();
            ensure!(readings.contains(&now), "frozen at {now}, the clock said {readings:?}");
            return Ok(now);
        }
        let Some(last) = readings.last() else {
            ensure!(writes.keys.is_empty(), "decided without a look at the clock");
            return Ok(0);
        };
        let fits = |now: &&i64| {
            writes.keys.iter().all(|key| {
                let arrival = self.arrivals.get(&key.request.as_u128());
                let issue = arrival.map(|arrival| &self.issues[arrival.issue]);
                issue.is_none_or(|issue| {
                    let predicted = rules::predict(&self.books, issue.partner, &issue.ask, **now);
                    match (predicted, &key.outcome) {
                        (Err(code), Outcome::Refused(decided)) => code == *decided,
                        (Ok(Effect::Freeze(_)), Outcome::Refused(decided)) => {
                            *decided == ProblemCode::RateFrozen
                        }
                        (Ok(_), Outcome::Refused(_)) | (Err(_), _) => false,
                        _ => true,
                    }
                })
            })
        };
        Ok(*readings.iter().rev().find(fits).unwrap_or(last))
    }

    #[allow(clippy::too_many_arguments)]
    fn takes_effect<'a>(
        &mut self,
        effect: &Effect,
        outcome: &Outcome,
        issue: &super::Issue,
        arrival: Arrival,
        request: u128,
        transactions: &mut impl Iterator<Item = (&'a TransactionRecord, &'a StoredReceipt)>,
        touched: &mut Touched,
        (writes, now): (&Writes, i64),
    ) -> Result<(), Finding> {
        match (effect, outcome) {
            (Effect::Exchange(_) | Effect::Reverse { .. }, Outcome::Transaction(id)) => {
                ensure!(id.as_u128() == arrival.makes, "performed under another id");
                let (record, receipt) = transactions.next().ok_or("no transaction was written")?;
                ensure!(record.id == *id, "another transaction was written");
                ensure!(record.request.as_u128() == request, "another request's transaction");
                let evidence = writes.requests.get(&record.request);
                ensure!(evidence.is_some(), "no evidence of the request");
                self.performed(effect, issue, record, receipt, now, touched)
            }
            (Effect::Propose { a, b, until, active }, Outcome::Link(id)) => {
                ensure!(id.as_u128() == arrival.makes, "proposed under another id");
                let (since, proposed_by) = (self.books.commits, issue.partner);
                let stands = Stands::Proposed;
                let link = Link { a: *a, b: *b, until: *until, proposed_by, stands, since };
                self.books.links.insert(id.as_u128(), link);
                touched.links.insert(id.as_u128());
                if *active {
                    touched.links.extend(self.books.activate(id.as_u128()));
                } else {
                    self.books.link_came(id.as_u128(), stands);
                }
                self.count("link proposed");
                Ok(())
            }
            (Effect::Confirm(link), Outcome::Link(id)) if id.as_u128() == *link => {
                touched.links.extend(self.books.activate(*link));
                self.count("link confirmed");
                Ok(())
            }
            (Effect::Revoke(link), Outcome::Link(id)) if id.as_u128() == *link => {
                self.books.revoke(*link);
                touched.links.insert(*link);
                self.count("link revoked");
                Ok(())
            }
            (effect, outcome) => Err(format!("predicted {effect:?}, decided {outcome:?}")),
        }
    }

    fn performed(
        &mut self,
        effect: &Effect,
        issue: &super::Issue,
        record: &TransactionRecord,
        receipt: &StoredReceipt,
        now: i64,
        touched: &mut Touched,
    ) -> Result<(), Finding> {
        let (source, target, sums, rate) = match effect {
            Effect::Reverse { original, back } => {
                let found = &self.books.transactions[original];
                (found.source, found.target, back.moves, found.rate)
            }
            Effect::Exchange(terms) => (terms.source, terms.target, terms.sums, terms.rate),
            _ => return Err("a transaction of a link".to_owned()),
        };
        let is_reversal = matches!(effect, Effect::Reverse { .. });
        let placed = self.receipt(effect, issue, record, receipt, now, touched)?;
        let reference = numbered(record.source_reference.as_str())?;
        self.books.references.insert((issue.partner, reference));
        match effect {
            Effect::Exchange(terms) => {
                self.books.quotes.insert(terms.id);
                let in_force = self.books.board_in_force(now).map_or(0, |board| board.number);
                if terms.rate.board < in_force {
                    self.count("exchange on a board of before");
                }
                touched.flows.extend(self.books.flows_on(terms, now));
                self.count("exchange");
            }
            Effect::Reverse { original, back } => {
                if let Some(found) = self.books.transactions.get_mut(original) {
                    found.reversed = back.after;
                }
                self.books.was_reversed(*original);
                touched.originals.insert(*original);
                let way = (source.program, target.program);
                touched.flows.extend(self.books.flows_back(way, sums.gross));
                self.count("reversal");
            }
            _ => {}
        }
        let transaction = Transaction {
            source,
            target,
            sums,
            rate,
            is_reversal,
            completed_at: placed.completed_at,
            reversed: (0, 0),
            since: self.books.commits,
            payload: placed.payload,
            corridor: placed.corridor,
            seq: placed.seq,
        };
        self.books.receipt_came(transaction.corridor, transaction.seq);
        self.books.transactions.insert(record.id.as_u128(), transaction);
        self.books.history.push(record.id.as_u128());
        Ok(())
    }

    /// Imports are whole, and members are numbered without gaps.
    fn imported_members(&mut self, writes: &Writes, touched: &mut Touched) -> Result<(), Finding> {
        let mut rows = writes.members.iter().peekable();
        while let Some(first) = rows.peek() {
            let place = self.rows.get(&first.new.wrapped_key);
            let import = place.ok_or("a member that nobody has handed in")?.0;
            let handed_in = self.operations.imports[import].clone();
            for (person, new) in handed_in {
                let row = rows.next().ok_or("an import in part")?;
                ensure!(row.new == new, "a member is not what was handed in");
                let number = row.member.0;
                ensure!(number == self.books.next_member, "member {number} leaves a gap");
                self.books.next_member += 1;
                let opening = i128::from(new.opening);
                let member = Member { number, opening, balance: 0 };
                let before = self.books.members.insert(person, member);
                ensure!(before.is_none(), "{person:?} is imported twice");
                self.books.give_member(person, opening);
                self.books.give(Place::Issued(person.program), -opening);
                touched.places.insert(Place::Issued(person.program));
            }
            ensure!(self.imported.insert(import), "an import is carried out twice");
            self.count("import");
        }
        Ok(())
    }

    /// An import of links has no key that tells its place in the batch. That an order was performed
    /// which needs its link does, and that a newer link has taken the imported one's place.
    fn link_came_before(
        &mut self,
        writes: &Writes,
        ask: &Ask,
        predicted: &Result<Effect, ProblemCode>,
        decided: &Outcome,
    ) -> bool {
        let refused = Outcome::Refused(ProblemCode::MembersNotLinked);
        let (pair, stands) = match (ask, predicted) {
            (
                Ask::Exchange { quote: Quote::Open(terms), .. },
                Err(ProblemCode::MembersNotLinked),
            ) if *decided != refused => (ends(terms.source, terms.target), None),
            (Ask::Propose { a, b, .. }, Ok(Effect::Propose { active: true, .. })) => {
                (ends(*a, *b), Some(LinkState::Revoked))
            }
            (Ask::Confirm(id), Ok(_)) => {
                let link = self.books.links[id];
                (ends(link.a, link.b), Some(LinkState::Revoked))
            }
            _ => return false,
        };
        for (id, record) in &writes.links {
            let id = id.as_u128();
            let new = !self.books.links.contains_key(&id);
            if let Some((import, row)) = self.link_rows.get(&id).copied().filter(|_| new) {
                let (_, a, b, _) = self.operations.link_imports[import][row];
                if ends(a, b) == pair && stands.is_none_or(|stands| record.state == stands) {
                    self.link_comes(id, import, row);
                    return true;
                }
            }
        }
        false
    }

    /// Whether a direction that was frozen must have been released before this order.
    fn release_is_seen(
        &mut self,
        (writes, at): (&Writes, usize),
        (caller, ask): (usize, &Ask),
        predicted: &Result<Effect, ProblemCode>,
        decided: &Outcome,
        now: i64,
        touched: &mut Touched,
    ) -> bool {
        let (Ask::Exchange { quote: Quote::Open(terms), .. }, Err(ProblemCode::RateFrozen)) =
            (ask, predicted)
        else {
            return false;
        };
        if *decided != Outcome::Refused(ProblemCode::RateFrozen) {
            return self.release_came_before(writes, terms, touched);
        }
        // Its time says that it was frozen anew: by the first order that would do so. Where a later
        // one found it open, by one after that: this one may have come before the release.
        let way = rates::way_of(terms);
        if self.is_found_open(way, &writes.keys[at + 1..]) {
            return false;
        }
        let Some(before) = self.frozen_anew(writes, way, now) else { return false };
        self.books.frozen.remove(&way);
        let freezes = rules::predict(&self.books, caller, ask, now);
        self.books.frozen.insert(way, before);
        matches!(freezes, Ok(Effect::Freeze(_))) && self.released(way, touched)
    }

    /// Whether any of these orders found this way open: whether it is frozen is looked at before
    /// points, caps and the breaker.
    fn is_found_open(&self, way: Way, keys: &[KeyRecord]) -> bool {
        use ProblemCode::{ExceedsNetDebitCap, InsufficientPoints, RateMoved};
        let after = [RateMoved, InsufficientPoints, ExceedsNetDebitCap];
        let found = keys.iter().filter(|key| match key.outcome {
            Outcome::Transaction(_) => true,
            Outcome::Refused(code) => after.contains(&code),
            _ => false,
        });
        let mut issues = found.filter_map(|key| {
            let arrival = self.arrivals.get(&key.request.as_u128())?;
            self.issues.get(arrival.issue)
        });
        issues.any(|issue| match &issue.ask {
            Ask::Exchange { quote: Quote::Open(terms), .. } => rates::way_of(terms) == way,
            _ => false,
        })
    }

    fn link_comes(&mut self, id: u128, import: usize, row: usize) {
        let (_, a, b, until) = self.operations.link_imports[import][row];
        let (since, proposed_by) = (self.books.commits, a.partner());
        let link = Link { a, b, until, proposed_by, stands: Stands::Active, since };
        self.books.links.insert(id, link);
        self.books.activate(id);
    }

    fn changed_links(&mut self, writes: &Writes, touched: &Touched) -> Result<(), Finding> {
        let mut imports: BTreeMap<usize, usize> = BTreeMap::new();
        for (id, record) in &writes.links {
            let id = id.as_u128();
            let import = self.link_rows.get(&id).copied();
            match import.filter(|(import, _)| !self.links_imported.contains(import)) {
                Some((import, row)) => {
                    if !self.books.links.contains_key(&id) {
                        let (_, a, b, _) = self.operations.link_imports[import][row];
                        let free = !self.books.active.contains_key(&ends(a, b));
                        ensure!(free, "{a:?} and {b:?} get a second active link");
                        self.link_comes(id, import, row);
                    }
                    *imports.entry(import).or_insert(0) += 1;
                }
                None => {
                    let asked = touched.links.contains(&id);
                    ensure!(asked, "a link changes that nobody asked for");
                }
            }
            self.same_link(id, record)?;
        }
        for id in &touched.links {
            let there = writes.links.keys().any(|written| written.as_u128() == *id);
            // Only taking back what is taken back already writes nothing.
            let revoked = self.books.links[id].stands == Stands::Revoked;
            ensure!(there || revoked, "a link's change was not written");
        }
        for (import, rows) in imports {
            let whole = self.operations.link_imports[import].len();
            ensure!(rows == whole, "{rows} of {whole} links of an import");
            ensure!(self.links_imported.insert(import), "an import is carried out twice");
            self.count("import of links");
        }
        Ok(())
    }

    pub(super) fn same_link(&self, id: u128, record: &LinkRecord) -> Result<(), Finding> {
        let link = self.books.links.get(&id).ok_or("a link that nobody made")?;
        let stands = match record.state {
            LinkState::Proposed => Stands::Proposed,
            LinkState::Active => Stands::Active,
            LinkState::Revoked => Stands::Revoked,
        };
        ensure!(stands == link.stands, "a link is {stands:?} that should be {:?}", link.stands);
        let until = record.consent.until.map(|until| until.as_millis());
        ensure!(until == link.until, "a link's consent has changed");
        for (person, side) in [(link.a, &record.a), (link.b, &record.b)] {
            let names = (PARTNERS[person.partner()], PROGRAMS[person.program].0);
            ensure!(names == (side.partner.as_str(), side.program.as_str()), "a link's ends");
            if let Some(member) = side.member {
                let known = self.books.members.get(&person).map(|member| member.number);
                ensure!(known == Some(member.0), "a link joins somebody else");
            } else {
                let found = side.lookup.and_then(|lookup| self.people.get(&lookup));
                ensure!(stands != Stands::Active, "an active link joins nobody");
                ensure!(found == Some(&person), "a link names somebody else");
            }
        }
        Ok(())
    }

    /// Balances and accounts: exactly those that postings touched, and exactly so much.
    fn moved(&self, writes: &Writes, touched: &Touched) -> Result<(), Finding> {
        let mut people = touched.people.clone();
        for (number, balance) in &writes.balances {
            let who = people.iter().copied().find(|person| {
                self.books.members.get(person).is_some_and(|member| member.number == number.0)
            });
            let person = who.ok_or_else(|| format!("member {} moves for nothing", number.0))?;
            people.remove(&person);
            let expected = self.books.balance(person);
            ensure!(
                i128::from(*balance) == expected,
                "{person:?} has {balance}, its postings come to {expected}"
            );
        }
        ensure!(people.is_empty(), "balances were not written: {people:?}");
        let mut places = touched.places.clone();
        for ((account, asset), balance) in &writes.accounts {
            let place = place_of(account, asset)?;
            ensure!(places.remove(&place), "{place:?} moves for nothing");
            let expected = self.books.account(place);
            ensure!(
                *balance == expected,
                "{place:?} stands at {balance}, its postings come to {expected}"
            );
        }
        ensure!(places.is_empty(), "accounts were not written: {places:?}");
        let mut originals = touched.originals.clone();
        for (id, (_, reversed)) in &writes.reversed {
            ensure!(originals.remove(&id.as_u128()), "reversed for nothing");
            let sums = (i128::from(reversed.source), i128::from(reversed.target));
            let expected = self.books.transactions[&id.as_u128()].reversed;
            ensure!(sums == expected, "{sums:?} reversed, should be {expected:?}");
        }
        ensure!(originals.is_empty(), "what is reversed was not written");
        Ok(())
    }

    /// Heads of chains, and checkpoints of them.
    fn grown(&mut self, writes: &Writes, touched: &Touched) -> Result<(), Finding> {
        ensure!(writes.heads.len() == touched.chains.len(), "a head too many or too few");
        for (at, before) in &touched.chains {
            let chain = &mut self.books.chains[*at];
            let written = writes.heads.iter().find(|(name, _)| name.as_str() == chain.name);
            let (_, (was, head)) = written.ok_or("a chain's head was not written")?;
            let root = chain.tree.root();
            ensure!(was == before, "{}: the head before was {before}, not {was}", chain.name);
            ensure!(
                (head.seq, head.head, head.completed_at.as_millis(), head.frontier.root())
                    == (chain.seq, chain.head, chain.completed_at, root),
                "{}: the head is not the last receipt's",
                chain.name
            );
            chain.roots.insert(chain.seq, root);
        }
        for (name, checkpoint) in &writes.checkpoints {
            let at = self.books.chain_named(name.as_str()).ok_or("no such chain")?;
            let chain = &mut self.books.chains[at];
            let size = checkpoint.size;
            ensure!(size >= chain.checkpoint, "{name}: a checkpoint goes back to {size}");
            ensure!(
                chain.roots.get(&size) == Some(&checkpoint.root),
                "{name}: a checkpoint of {size} that is not the tree's"
            );
            chain.checkpoint = size;
            self.count("checkpoint");
        }
        if let Some((period, _, destroy_before)) = &writes.quote_key {
            self.books.quote_keys.insert(*period);
            self.books.quote_keys.retain(|period| period >= destroy_before);
            self.count("quote key");
        }
        Ok(())
    }

    /// What is agreed from the next batch on.
    fn agreed(&mut self, writes: &Writes) -> Result<(), Finding> {
        for (name, since) in &writes.suspensions {
            let who = partner(name)?;
            let changed = match since {
                Some(_) => self.books.suspended.insert(who),
                None => self.books.suspended.remove(&who),
            };
            ensure!(changed, "{name} is suspended, or let go, for nothing");
            self.books.partner_is(who, since.is_some());
            self.count("suspension");
        }
        self.closed(writes)?;
        let Some(row) = &writes.definition else { return Ok(()) };
        let agreed = Agreed::of(&row.definition);
        let asked = self.operations.definitions.contains(&agreed);
        ensure!(asked, "a definition that nobody has handed in");
        ensure!(row.version == self.books.version + 1, "definition {} out of turn", row.version);
        let first = self.books.agreed.is_none();
        ensure!(writes.board.is_some() || !first, "no first board");
        if let Some(window) = row.window {
            ensure!(self.books.version == 0, "a second window");
            self.books.window = window.as_u128();
        }
        self.books.version = row.version;
        self.books.agreed = Some(agreed);
        self.count("definition");
        Ok(())
    }

    /// A window is closed by a commit without receipts, which opens the next: what every chain has
    /// grown by since the one before is in it.
    fn closed(&mut self, writes: &Writes) -> Result<(), Finding> {
        let Some(id) = writes.closes else {
            ensure!(writes.windows.is_empty(), "a window changes, and none is closed");
            return Ok(());
        };
        ensure!(id.as_u128() == self.books.window, "a window is closed that is not open");
        ensure!(writes.receipts.is_empty(), "receipts come with the closing of a window");
        let of = |state| writes.windows.values().filter(move |window| window.state == state);
        let (closed, open): (Vec<_>, Vec<_>) =
            (of(WindowState::Closed).collect(), of(WindowState::Open).collect());
        let ([closed], [open]) = (&closed[..], &open[..]) else {
            return Err(format!("{} closed, {} opened", closed.len(), open.len()));
        };
        let number = u64::try_from(self.books.closed.len()).unwrap() + 1;
        ensure!((closed.id, closed.number) == (id, number), "window {} closed", closed.number);
        ensure!(open.number == number + 1, "window {} opened", open.number);
        let slot = open.slot.map_or(0, |slot| slot.as_millis());
        ensure!(slot >= self.books.slot, "the schedule goes back");
        let ends: BTreeMap<usize, u64> = self
            .books
            .closed
            .iter()
            .flat_map(|c| &c.ranges)
            .map(|(at, (_, seq))| (*at, *seq))
            .collect();
        let grown = self.books.chains.iter().enumerate().filter_map(|(at, chain)| {
            let after = ends.get(&at).copied().unwrap_or(0);
            (chain.seq > after).then_some((at, (after, chain.seq)))
        });
        let ranges = grown.collect();
        self.books.closed.push(Closed { id: id.as_u128(), slots: (self.books.slot, slot), ranges });
        self.books.window = open.id.as_u128();
        self.books.slot = slot;
        self.books.window_came(number);
        self.count("window");
        Ok(())
    }

    /// Double entry: every asset sums to zero, always.
    fn totals(&self) -> Result<(), Finding> {
        let totals = self.books.totals;
        ensure!(totals.iter().all(|total| *total == 0), "assets sum to {totals:?}");
        Ok(())
    }
}

pub(super) fn place_of(account: &Account, asset: &Asset) -> Result<Place, Finding> {
    let money = matches!(asset, Asset::Currency(_));
    let place = match account {
        Account::Issued(program) => program_index(program.as_str()).map(Place::Issued),
        Account::Position(name) if money => partner_index(name.as_str()).map(Place::Position),
        Account::Fees if money => Some(Place::Fees),
        Account::Rounding if money => Some(Place::Rounding),
        _ => None,
    };
    place.ok_or_else(|| format!("an account {account} in {asset}"))
}
