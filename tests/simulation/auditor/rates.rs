//! Boards, frozen pairs and flows: what should be true of them, and whether an order's rate may
//! still be had. Told again from the protocol (`rate_frozen`, `rate_moved`) and from
//! `docs/value-model.md`, in whole 10⁻⁶ and maps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alliance_contracts::board::Board as Document;
use alliance_contracts::encoding::Hash;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::quote::FeeBearer;
use alliance_settlement::alliance::Registry;
use alliance_settlement::command::Publish;
use alliance_settlement::ledger::{FlowEnd, Writes};
use alliance_settlement::rates::terms::BoardTerms;

use super::arithmetic::Bears;
use super::books::Books;
use super::commits::{Touched, partner};
use super::rules::Terms;
use super::{Auditor, Finding, ensure};
use crate::cast::{Agreed, PARTNERS, PROGRAMS, partner_index, program_index};

/// One: of multipliers and of what is left to a member.
const ONE: i128 = 1_000_000;

/// A direction: the programs whose points are given and arrive.
pub type Way = (usize, usize);

/// What a quote gets, in 10⁻⁶; the fee with the surcharge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub board: u32,
    pub fee: i64,
    pub surcharge: i64,
    pub multiplier: i64,
    pub source_value: i64,
    pub target_value: i64,
    pub bears: Bears,
}

impl Rate {
    /// Whether there and back costs nothing, so that two boards at once would be a gain.
    pub fn takes_nothing(&self) -> bool {
        let fee = if self.bears == Bears::Member { self.fee } else { 0 };
        (ONE - i128::from(fee)) * i128::from(self.multiplier) >= ONE * ONE
    }

    /// As a document has it.
    pub fn of(rate: &alliance_contracts::quote::Rate) -> Self {
        Self {
            board: rate.board,
            fee: rate.fee.micros(),
            surcharge: rate.surcharge.micros(),
            multiplier: rate.multiplier.micros(),
            source_value: rate.source_value.micros(),
            target_value: rate.target_value.micros(),
            bears: bears(rate.fee_bearer),
        }
    }
}

const fn bears(bearer: FeeBearer) -> Bears {
    match bearer {
        FeeBearer::Member => Bears::Member,
        FeeBearer::SourcePartner => Bears::Giver,
        FeeBearer::TargetPartner => Bears::Taker,
    }
}

/// What a board says of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directed {
    pub fee: i64,
    pub surcharge: i64,
    pub multiplier: i64,
    pub withheld: bool,
    /// What had been exchanged, and late, when it was made.
    pub exchanged: i128,
    pub late: i128,
    pub limit: Option<i64>,
}

/// What a board has taken up of what two partners have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenUp {
    pub fee: i64,
    pub bears: Bears,
    pub seconds: i64,
}

/// A board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    pub number: u32,
    pub published_at: i64,
    pub effective_at: i64,
    /// The time of the schedule that it was made for, or the last one before it.
    pub slot: Option<i64>,
    pub previous: Hash,
    pub payload: Hash,
    pub values: [i64; PROGRAMS.len()],
    pub agreed: BTreeMap<(usize, usize), TakenUp>,
    pub ways: BTreeMap<Way, Directed>,
}

impl Board {
    /// As the documents have it.
    pub fn of(document: &Document, terms: &BoardTerms, slot: Option<i64>) -> Self {
        let value = |program: (&str, usize, u32)| {
            let here = document.values.iter().find(|value| value.program.as_str() == program.0);
            here.map_or(0, |value| value.value.micros())
        };
        let agreed = terms.agreed.iter().map(|terms| {
            let ends = [&terms.a, &terms.b].map(|name| partner_index(name.as_str()).unwrap());
            let seconds = terms.quote_lifetime_seconds;
            let taken_up =
                TakenUp { fee: terms.fee.micros(), bears: bears(terms.fee_bearer), seconds };
            ((ends[0].min(ends[1]), ends[0].max(ends[1])), taken_up)
        });
        let ways = terms.pairs.iter().map(|pair| {
            let ends =
                [&pair.source, &pair.target].map(|name| program_index(name.as_str()).unwrap());
            let directed = Directed {
                fee: pair.fee.micros(),
                surcharge: pair.surcharge.micros(),
                multiplier: pair.multiplier.micros(),
                withheld: pair.withheld,
                exchanged: pair.exchanged.micros(),
                late: pair.late.micros(),
                limit: pair.limit.map(|limit| limit.micros()),
            };
            ((ends[0], ends[1]), directed)
        });
        Self {
            number: document.board,
            published_at: document.published_at.as_millis(),
            effective_at: document.effective_at.as_millis(),
            slot,
            previous: document.previous,
            payload: Hash::of(&document.payload()),
            values: PROGRAMS.map(value),
            agreed: agreed.collect(),
            ways: ways.collect(),
        }
    }

    /// What a direction gets, and for how many seconds a quote stands; none: no orders.
    pub fn rate(&self, way: Way) -> Option<(Rate, i64)> {
        let (giver, taker) = (PROGRAMS[way.0].1, PROGRAMS[way.1].1);
        let plain = Rate {
            board: self.number,
            fee: 0,
            surcharge: 0,
            multiplier: 1_000_000,
            source_value: self.values[way.0],
            target_value: self.values[way.1],
            bears: Bears::Member,
        };
        if giver == taker {
            return Some((plain, 60));
        }
        let taken_up = self.agreed.get(&(giver.min(taker), giver.max(taker)))?;
        let TakenUp { fee, bears, seconds } = *taken_up;
        let Some(own) = self.ways.get(&way) else {
            return Some((Rate { fee, bears, ..plain }, seconds));
        };
        if own.withheld {
            return None;
        }
        let fee = (own.fee + own.surcharge).min(999_999);
        let (surcharge, multiplier) = (fee - own.fee, own.multiplier);
        Some((Rate { fee, surcharge, multiplier, bears, ..plain }, seconds))
    }
}

/// What was exchanged in one direction, in 10⁻⁶ of the currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Less what was reversed.
    pub exchanged: i128,
    pub late: i128,
}

/// A direction that takes no orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frozen {
    pub board: u32,
    pub since: i64,
    /// The commit that froze it.
    pub commit: u64,
}

/// A board that somebody hands in.
#[derive(Clone, Debug)]
pub struct Draft {
    pub board: Arc<Board>,
    /// All of what is handed in.
    pub publish: Box<Publish>,
    /// What it was worked out from.
    pub based_on: i64,
    pub slot: Option<i64>,
}

/// The registry as it was at one of its versions.
#[derive(Clone, Debug)]
pub struct View {
    pub agreed: Agreed,
    /// The last two.
    pub boards: Vec<Arc<Board>>,
    pub frozen: BTreeSet<Way>,
    pub suspended: BTreeSet<usize>,
}

impl View {
    pub fn in_force(&self, at: i64) -> &Board {
        in_force(&self.boards, at).unwrap()
    }

    /// Published, and to come.
    pub fn announced(&self, at: i64) -> Option<&Board> {
        self.boards.last().map(|last| &**last).filter(|last| last.effective_at > at)
    }
}

/// Of the last two boards the newest that has taken effect; before both, the first of them.
fn in_force(boards: &[Arc<Board>], at: i64) -> Option<&Board> {
    let last_two = &boards[boards.len().saturating_sub(2)..];
    let begun = last_two.iter().rev().find(|board| board.effective_at <= at);
    begun.or(last_two.first()).map(|board| &**board)
}

/// Why an order's rate cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    Frozen,
    Moved,
}

pub fn way_of(terms: &Terms) -> Way {
    (terms.source.program, terms.target.program)
}

fn between_partners(way: Way) -> bool {
    PROGRAMS[way.0].1 != PROGRAMS[way.1].1
}

impl Books {
    pub fn board_in_force(&self, at: i64) -> Option<&Board> {
        in_force(&self.boards, at)
    }

    pub fn flow(&self, way: Way) -> Flow {
        self.flows.get(&way).copied().unwrap_or_default()
    }

    /// Whether a quote's rate may still be had: a frozen direction takes nothing; a board to come
    /// and free quotes of other values are refused; so is more than was agreed of boards before.
    pub fn rate_is_there(&self, terms: &Terms, now: i64) -> Result<(), Gone> {
        let way = way_of(terms);
        if self.frozen.contains_key(&way) {
            return Err(Gone::Frozen);
        }
        let board = self.board_in_force(now).ok_or(Gone::Frozen)?;
        if terms.rate.board == board.number {
            return Ok(());
        }
        if terms.rate.board > board.number {
            return Err(Gone::Moved);
        }
        let values = (board.values[way.0], board.values[way.1]);
        let moved = values != (terms.rate.source_value, terms.rate.target_value);
        if terms.rate.takes_nothing() && moved {
            return Err(Gone::Moved);
        }
        let pair = self.agreed.as_ref();
        let pair = pair.and_then(|a| a.pair(PROGRAMS[way.0].1, PROGRAMS[way.1].1));
        if let Some(limit) = pair.and_then(|pair| pair.open_quote_limit)
            && between_partners(way)
        {
            let before = board.ways.get(&way).map_or(0, |own| own.late);
            let late = self.flow(way).late - before + terms.sums.gross;
            if late > i128::from(limit) {
                return Err(Gone::Moved);
            }
        }
        Ok(())
    }

    /// Whether an order that breaks no rule is more than this board lets through.
    pub fn trips(&self, terms: &Terms, now: i64) -> bool {
        let way = way_of(terms);
        let own = self.board_in_force(now).and_then(|board| board.ways.get(&way));
        let Some((own, limit)) = own.and_then(|own| Some((own, own.limit?))) else { return false };
        let after = self.flow(way).exchanged + terms.sums.gross;
        between_partners(way) && after - own.exchanged > i128::from(limit)
    }

    /// An order has been performed.
    pub fn flows_on(&mut self, terms: &Terms, now: i64) -> Option<Way> {
        let way = way_of(terms);
        if !between_partners(way) {
            return None;
        }
        let in_force = self.board_in_force(now).map_or(0, |board| board.number);
        let flow = self.flows.entry(way).or_default();
        flow.exchanged += terms.sums.gross;
        if terms.rate.board < in_force {
            flow.late += terms.sums.gross;
        }
        Some(way)
    }

    /// So much of an order has been turned round.
    pub fn flows_back(&mut self, way: Way, gross: i128) -> Option<Way> {
        if !between_partners(way) {
            return None;
        }
        self.flows.entry(way).or_default().exchanged -= gross;
        Some(way)
    }

    /// What becomes of a board that is handed in now: its slot is taken, or it does not follow.
    pub fn board_fits(&self, draft: &Draft, now: i64) -> Result<(), Unfit> {
        let last = self.boards.last().ok_or(Unfit::Stale)?;
        if draft.slot.is_some_and(|slot| last.slot.is_some_and(|taken| taken >= slot)) {
            return Err(Unfit::Taken);
        }
        let board = &draft.board;
        let follows = board.number == last.number + 1 && board.previous == last.payload;
        let newest = draft.based_on == self.registry_version;
        // What moves no value may hold from when it was made.
        let kept = last.values.iter().zip(&board.values);
        let at_rest = board.published_at == board.effective_at
            && kept.into_iter().all(|(was, is)| *was == 0 || was == is);
        let in_time =
            board.effective_at >= last.effective_at && (board.effective_at >= now || at_rest);
        if follows && newest && in_time { Ok(()) } else { Err(Unfit::Stale) }
    }
}

/// Why a board is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Another one has its slot.
    Taken,
    Stale,
}

impl Auditor {
    /// Somebody works a board out; none where there is one like it already.
    pub fn drafts(&mut self, publish: Box<Publish>) -> Option<usize> {
        let slot = publish.slot.map(|slot| slot.as_millis());
        let board = Arc::new(Board::of(&publish.board, &publish.terms, slot));
        let number = self.operations.drafts.len();
        if self.drafted.contains_key(&board.payload) {
            return None;
        }
        self.drafted.insert(board.payload, number);
        let based_on = publish.based_on;
        self.operations.drafts.push(Draft { board, publish, based_on, slot });
        Some(number)
    }

    /// The registry that a gateway goes by, which must be one that there was.
    pub fn view(&self, registry: &Registry) -> Result<Arc<View>, Finding> {
        let version = registry.seen_version;
        let view = self.books.views.get(&version).ok_or_else(|| {
            format!("a gateway goes by registry {version}, which there was never")
        })?;
        let boards: Vec<u32> = registry.boards.iter().map(|board| board.board.board).collect();
        let expected: Vec<u32> = view.boards.iter().map(|board| board.number).collect();
        ensure!(boards == expected, "registry {version} has boards {boards:?}, not {expected:?}");
        let frozen: BTreeSet<Way> =
            registry.frozen.iter().filter_map(|pair| way(&pair.source, &pair.target)).collect();
        ensure!(frozen == view.frozen, "registry {version} has {frozen:?} frozen");
        let suspended: BTreeSet<usize> =
            registry.suspended.iter().filter_map(|name| partner_index(name.as_str())).collect();
        ensure!(suspended == view.suspended, "registry {version} has {suspended:?} suspended");
        let agreed = Agreed::of(&registry.definition);
        ensure!(agreed == view.agreed, "registry {version} has another definition");
        Ok(view.clone())
    }

    /// A direction was frozen and an order of it is not refused for that: in this batch somebody
    /// released it before the order. Such a command has no key that tells its place.
    pub(super) fn release_came_before(
        &mut self,
        writes: &Writes,
        terms: &Terms,
        touched: &mut Touched,
    ) -> bool {
        let way = way_of(terms);
        let written = frozen_in(writes, way);
        if written.is_none() || !self.books.frozen.contains_key(&way) {
            return false;
        }
        self.released(way, touched)
    }

    /// What a direction was frozen by before this batch, where the batch has released it and frozen
    /// it anew.
    pub(super) fn frozen_anew(&self, writes: &Writes, way: Way, now: i64) -> Option<Frozen> {
        let before = *self.books.frozen.get(&way)?;
        let written = frozen_in(writes, way).flatten()?.since.as_millis();
        let anew = written == now && before.since != now && before.commit < self.books.commits;
        anew.then_some(before)
    }

    pub(super) fn released(&mut self, way: Way, touched: &mut Touched) -> bool {
        if !self.operations.releases.contains(&way) {
            return false;
        }
        self.books.frozen.remove(&way);
        self.books.released.insert(way, self.books.commits);
        self.books.way_is(way, false);
        touched.frozen.insert(way);
        self.count("release");
        true
    }

    /// An order was more than its direction takes.
    pub(super) fn tripped(&mut self, terms: &Terms, now: i64, touched: &mut Touched) {
        let way = way_of(terms);
        let board = self.books.board_in_force(now).map_or(0, |board| board.number);
        let commit = self.books.commits;
        self.books.frozen.insert(way, Frozen { board, since: now, commit });
        self.books.tripped.insert(way, commit);
        self.books.way_is(way, true);
        touched.frozen.insert(way);
        self.count("breaker");
    }

    /// Exactly the flows that orders have moved, and exactly so far.
    pub(super) fn flowed(&self, writes: &Writes, touched: &Touched) -> Result<(), Finding> {
        let mut ways = touched.flows.clone();
        for ((source, target), flow) in &writes.flows {
            let way = flow_way(source, target).ok_or("a flow of no program")?;
            ensure!(ways.remove(&way), "the flow {source} to {target} moves for nothing");
            let expected = self.books.flow(way);
            let told = Flow { exchanged: flow.exchanged, late: flow.late };
            ensure!(told == expected, "{source} to {target}: {told:?}, should be {expected:?}");
        }
        ensure!(ways.is_empty(), "flows were not written: {ways:?}");
        Ok(())
    }

    /// Exactly the directions that orders froze, or that somebody released.
    pub(super) fn froze(&mut self, writes: &Writes, touched: &mut Touched) -> Result<(), Finding> {
        for ((source, target), written) in &writes.frozen {
            let way = way(source, target).ok_or("a frozen pair of no program")?;
            let Some(pair) = written else {
                if self.books.frozen.contains_key(&way) {
                    let asked = self.released(way, touched);
                    ensure!(asked, "{source} to {target} is released, and nobody asked for it");
                }
                ensure!(touched.frozen.remove(&way), "{source} to {target} was not frozen");
                continue;
            };
            let frozen = self.books.frozen.get(&way);
            let frozen = frozen.ok_or_else(|| format!("{source} to {target} freezes in vain"))?;
            let told = (pair.board, pair.since.as_millis());
            let expected = (frozen.board, frozen.since);
            ensure!(told == expected, "{source} to {target} frozen {told:?}, not {expected:?}");
            ensure!(touched.frozen.remove(&way), "{source} to {target} is frozen twice");
        }
        let missing = &touched.frozen;
        ensure!(missing.is_empty(), "frozen or released, and not written: {missing:?}");
        Ok(())
    }

    /// A board follows on the last one, is signed, and is one that somebody handed in and that
    /// nothing stood in the way of; or it is the first.
    pub(super) fn boarded(&mut self, writes: &Writes, readings: &[i64]) -> Result<(), Finding> {
        let Some(row) = &writes.board else { return Ok(()) };
        let slot = row.slot.map(|slot| slot.as_millis());
        let board = Board::of(&row.board, &row.terms, slot);
        let number = board.number;
        let signed = writes.board_jws.as_ref().ok_or("a board that nobody signed")?;
        self.signed(signed, &board)?;
        let Some(last) = self.books.boards.last() else {
            ensure!(writes.definition.is_some(), "a board before the first definition");
            self.first(&board, readings)?;
            self.books.boards.push(Arc::new(board));
            self.books.board_came(number);
            self.count("board");
            return Ok(());
        };
        let draft = self.drafted.get(&board.payload);
        let draft = draft.ok_or("a board that nobody has handed in")?;
        let draft = &self.operations.drafts[*draft];
        ensure!(row.terms == draft.publish.terms, "board {number} has other terms");
        ensure!(board.number == last.number + 1, "board {number} comes after {}", last.number);
        ensure!(board.previous == last.payload, "board {number}: previous is not the last");
        ensure!(board.effective_at >= last.effective_at, "board {number} goes back in time");
        let taken = self.books.boards.iter().filter_map(|board| board.slot).max();
        let again = draft.slot.is_some_and(|slot| taken.is_some_and(|taken| taken >= slot));
        ensure!(!again, "board {number} is a second one for {:?}", draft.slot);
        ensure!(slot == draft.slot.or(taken), "board {number} is kept for {slot:?}");
        let fits = readings.iter().map(|now| self.books.board_fits(draft, *now));
        let fits = fits.collect::<Vec<_>>();
        ensure!(fits.contains(&Ok(())), "board {number} should not have been: {fits:?}");
        self.books.boards.push(Arc::new(board));
        self.books.board_came(number);
        self.count("board");
        Ok(())
    }

    fn first(&self, board: &Board, readings: &[i64]) -> Result<(), Finding> {
        ensure!((board.number, board.previous) == (1, Hash::ZERO), "not a first board");
        ensure!(readings.contains(&board.effective_at), "the first board waits");
        let agreed = self.books.agreed.as_ref().ok_or("nothing is agreed on")?;
        ensure!(board.values == agreed.values, "the first board has other values");
        let taken_up = agreed.pairs.iter().filter_map(|(ends, pair)| {
            let pair = (*pair)?;
            let seconds = pair.quote_seconds;
            Some((*ends, TakenUp { fee: pair.fee, bears: Bears::Member, seconds }))
        });
        ensure!(board.agreed == taken_up.collect(), "the first board has other terms");
        ensure!(board.ways.is_empty(), "the first board says more than was agreed");
        Ok(())
    }

    fn signed(&self, text: &str, board: &Board) -> Result<(), Finding> {
        let parsed = jws::parse(text).map_err(|error| error.to_string())?;
        ensure!(parsed.typ == JwsType::Board, "a board signed as something else");
        let payload = Hash::of(&parsed.payload);
        ensure!(payload == board.payload, "board {}: another one was signed", board.number);
        let key = self.keys.find(&parsed.kid).ok_or("a board signed by a stranger")?;
        let verified = key.public.verify(&parsed.signing_input, &parsed.signature);
        ensure!(verified.is_ok(), "board {}: its signature", board.number);
        Ok(())
    }

    /// The registry has another version when any part of it is another, and only then.
    pub(super) fn versioned(&mut self, writes: &Writes) {
        let changed = writes.definition.is_some()
            || writes.board.is_some()
            || !writes.suspensions.is_empty()
            || !writes.frozen.is_empty()
            || !writes.windows.is_empty();
        let Some(agreed) = self.books.agreed.clone().filter(|_| changed) else { return };
        let books = &mut self.books;
        books.registry_version += 1;
        let view = View {
            agreed,
            boards: books.boards[books.boards.len().saturating_sub(2)..].to_vec(),
            frozen: books.frozen.keys().copied().collect(),
            suspended: books.suspended.clone(),
        };
        books.views.insert(books.registry_version, Arc::new(view));
    }

    /// The boards of a store, signed and chained; its flows and frozen pairs.
    pub(super) fn rates_are_whole(
        &self,
        boards: &[alliance_settlement::alliance::PublishedBoard],
        flows: &[alliance_settlement::ledger::FlowRow],
        registry: &alliance_settlement::alliance::RegistryParts,
    ) -> Result<(), Finding> {
        ensure!(boards.len() == self.books.boards.len(), "{} boards", boards.len());
        for (there, known) in boards.iter().zip(&self.books.boards) {
            let slot = there.slot.map(|slot| slot.as_millis());
            let same = Board::of(&there.board, &there.terms, slot) == **known;
            ensure!(same, "board {} is not the one that was published", known.number);
            self.signed(&there.jws, known)?;
        }
        let mut expected = self.books.flows.clone();
        for row in flows {
            let way = flow_way(&row.source, &row.target).ok_or("a flow of no program")?;
            let told = Flow { exchanged: row.flow.exchanged, late: row.flow.late };
            let known = expected.remove(&way);
            ensure!(known == Some(told), "flow {way:?} is {told:?}, should be {known:?}");
        }
        ensure!(expected.is_empty(), "flows are missing: {expected:?}");
        let frozen = registry.frozen.iter().filter_map(|pair| {
            Some((way(&pair.source, &pair.target)?, (pair.board, pair.since.as_millis())))
        });
        let frozen: BTreeMap<Way, (u32, i64)> = frozen.collect();
        let expected = self.books.frozen.iter();
        let expected: BTreeMap<Way, (u32, i64)> =
            expected.map(|(way, frozen)| (*way, (frozen.board, frozen.since))).collect();
        ensure!(frozen == expected, "{frozen:?} are frozen, should be {expected:?}");
        let suspended = registry.suspended.iter().map(partner).collect::<Result<Vec<_>, _>>()?;
        let expected: Vec<usize> = self.books.suspended.iter().copied().collect();
        ensure!(suspended == expected, "{suspended:?} of {PARTNERS:?} are suspended");
        Ok(())
    }
}

fn frozen_in(
    writes: &Writes,
    (source, target): Way,
) -> Option<Option<&alliance_contracts::board::FrozenPair>> {
    let names = (PROGRAMS[source].0, PROGRAMS[target].0);
    let mut pairs = writes.frozen.iter();
    let found = pairs.find(|((source, target), _)| (source.as_str(), target.as_str()) == names);
    found.map(|(_, pair)| pair.as_ref())
}

/// Two programs by name.
fn way(
    source: &alliance_contracts::names::ProgramId,
    target: &alliance_contracts::names::ProgramId,
) -> Option<Way> {
    program_index(source.as_str()).zip(program_index(target.as_str()))
}

fn flow_way(source: &FlowEnd, target: &FlowEnd) -> Option<Way> {
    way(source.program()?, target.program()?)
}
