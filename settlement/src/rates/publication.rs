//! The next board, out of what is known when it is made. Pure: whoever has the same inputs makes
//! the same board.
//!
//! | file | what |
//! | --- | --- |
//! | `values` | where each program's value would go |
//! | `numbered` | programs and partners by number |
//! | `pairs` | flows, volumes, surcharges, limits of each direction |
//! | `onward` | campaigns whose bonus can be exchanged onward, in the proof |
//! | `quoted` | what quotes of a board get, as the proof needs it |
//!
//! In this order: values by the model, each direction's terms by its flows, then the proof that
//! nobody gains over all boards whose quotes still stand ([`super::arbitrage`]), which halves
//! movements and lowers factors until it holds. Only then is anything said.

mod numbered;
mod onward;
mod pairs;
mod quoted;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::fmt;

use alliance_contracts::board::{Board, PairTerms, TermsRoot};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::encoding::Hash;
use alliance_contracts::names::ProgramId;
use alliance_contracts::time::Timestamp;
use alliance_contracts::valuation::ValuationError;

use super::arbitrage::{self, Candidate, Lowered, Lowering, MAX_HALVINGS, Settled, Unsettled};
use super::feeds::Feeds;
use super::terms::BoardTerms;
use crate::alliance::{Definition, ProgramDefinition, PublishedBoard, Registry};
use crate::ledger::FlowRow;

use numbered::Numbered;
use onward::Onward;
pub use onward::campaign_gain;
pub use quoted::still_quoted;

/// What a board is made from.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// What the alliance has agreed on.
    pub registry: &'a Registry,
    /// Boards by number, the last published one last; before it those whose quotes may still stand
    /// ([`still_quoted`]).
    pub boards: &'a [PublishedBoard],
    /// What has been exchanged in every direction.
    pub flows: &'a [FlowRow],
    /// What has been observed, by program.
    pub feeds: &'a BTreeMap<ProgramId, Feeds>,
    /// Values that two people approved for this board.
    pub approved: &'a BTreeMap<ProgramId, Decimal>,
    /// When it is made.
    pub now: Timestamp,
}

/// A board that has been worked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The board.
    pub board: Board,
    /// What it says beside the values.
    pub terms: BoardTerms,
    /// What had to be cut, and why.
    pub remarks: Vec<Remark>,
    /// Whether it says anything that the last board does not.
    pub changes: bool,
}

/// Something that was cut, so that nobody gains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// With everything as it was asked for, this cycle of quotes would have gained.
    Gain(String),
    /// A program's movement was halved so often.
    Halved(ProgramId, u32),
    /// A direction's multiplier above one is suspended on this board.
    Suspended(ProgramId, ProgramId),
    /// A direction keeps what the last board gives.
    Held(ProgramId, ProgramId),
    /// A direction takes no orders on this board.
    Withheld(ProgramId, ProgramId),
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gain(gain) => write!(f, "with everything as asked for, {gain}: so it was cut"),
            Self::Halved(program, halvings) if *halvings >= u32::from(MAX_HALVINGS) => {
                write!(f, "{program} does not move on this board")
            }
            Self::Halved(program, halvings) => {
                let times = if *halvings == 1 { "time" } else { "times" };
                write!(f, "the movement of {program} was halved {halvings} {times}")
            }
            Self::Suspended(source, target) => {
                write!(f, "the multiplier above 1 of {source} → {target} is suspended")
            }
            Self::Held(source, target) => {
                write!(f, "{source} → {target} keeps what the last board gives")
            }
            Self::Withheld(source, target) => {
                write!(f, "{source} → {target} takes no orders on this board")
            }
        }
    }
}

/// Why there is no next board.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBoard {
    /// Before the first definition.
    #[error("there is no board to follow on: apply a definition first")]
    NoFirst,
    /// The last board is still to come.
    #[error("board {board} takes effect at {effective_at}: publish the next one after that")]
    NotYet {
        /// Its number.
        board: u32,
        /// When it takes effect.
        effective_at: Timestamp,
    },
    /// A program's model cannot be computed with.
    #[error("{program}: {error}")]
    Value {
        /// The program.
        program: ProgramId,
        /// Why.
        error: ValuationError,
    },
    /// No proof.
    #[error(transparent)]
    Unsettled(#[from] Unsettled),
}

/// The first board: every program at its base value, every agreement, in force at once.
#[must_use]
pub fn first(definition: &Definition, now: Timestamp) -> (Board, BoardTerms) {
    let programs = by_slug(definition);
    let terms = BoardTerms { agreed: pairs::defined(definition), pairs: Vec::new() };
    let board = Board {
        alliance: definition.alliance.clone(),
        board: 1,
        currency: definition.currency.clone(),
        effective_at: now,
        previous: Hash::ZERO,
        published_at: now,
        terms: TermsRoot::of(&terms.pairs),
        values: programs.into_iter().map(values::at_base).collect(),
    };
    (board, terms)
}

fn by_slug(definition: &Definition) -> Vec<&ProgramDefinition> {
    let mut programs: Vec<&ProgramDefinition> = definition.programs.iter().collect();
    programs.sort_by(|one, other| one.program.cmp(&other.program));
    programs
}

/// The board that follows on the last.
///
/// # Errors
/// [`NoBoard`].
pub fn next(situation: &Situation<'_>) -> Result<Publication, NoBoard> {
    let last = situation.boards.last().ok_or(NoBoard::NoFirst)?;
    let (board, effective_at) = (last.board.board, last.board.effective_at);
    if effective_at > situation.now {
        return Err(NoBoard::NotYet { board, effective_at });
    }
    let programs = by_slug(&situation.registry.definition);
    let wished = values::wished(situation, &programs, &last.board)?;
    let numbered = Numbered::of(&programs);
    let agreements = situation.registry.agreements_at(situation.now);
    let counted = pairs::counted(situation, &last.terms);
    let agreed = pairs::agreed(&numbered, &agreements, &counted);
    let asked = pairs::asked(situation, &numbered, &agreements, agreed, counted);
    let settled = settle(situation, &numbered, &wished, &asked, board + 1)?;
    let values = values::settled(&wished, &settled)?;
    let terms = lowered(asked, &settled.lowered, &programs, last);
    let moves = values.iter().any(|v| v.previous.is_some_and(|previous| previous != v.value));
    let changes = values.iter().any(|v| v.previous != Some(v.value))
        || !says_the_same(&terms, &last.terms)
        || !counts_the_same(situation, &terms, &last.terms);
    let notice = if moves { situation.registry.definition.rates.notice_seconds } else { 0 };
    let board = Board {
        board: board + 1,
        currency: situation.registry.definition.currency.clone(),
        effective_at: situation.now.plus_seconds(notice),
        previous: last.hash(),
        published_at: situation.now,
        terms: TermsRoot::of(&terms.pairs),
        values,
        ..last.board.clone()
    };
    Ok(Publication { board, terms, remarks: remarks(&settled, &programs), changes })
}

fn settle(
    situation: &Situation<'_>,
    numbered: &Numbered<'_>,
    wished: &[values::Wish<'_>],
    asked: &BoardTerms,
    number: u32,
) -> Result<Settled, NoBoard> {
    let names: Vec<String> = numbered.programs.iter().map(|p| p.program.to_string()).collect();
    let onward = Onward::of(situation.registry, situation.now);
    let quoted = |published| quoted::Quoted::of(numbered, published, &onward);
    let quoted: Vec<quoted::Quoted> = situation.boards.iter().map(quoted).collect();
    let alive: Vec<_> = quoted.iter().map(quoted::Quoted::alive).collect();
    let movements: Vec<_> = wished.iter().map(values::Wish::movement).collect();
    let given = quoted::Quotes::Given;
    let pairs = quoted::pairs(numbered, asked, given, &onward);
    let candidate = Candidate { number: number.into(), movements: &movements, pairs: &pairs };
    Ok(arbitrage::settle_steps(&names, &alive, &candidate)?)
}

/// The terms as they may be given.
fn lowered(
    mut terms: BoardTerms,
    lowered: &[Lowered],
    programs: &[&ProgramDefinition],
    last: &PublishedBoard,
) -> BoardTerms {
    for Lowered { pair, why, .. } in lowered {
        let Some((source, target)) = ends(programs, pair.from, pair.to) else { continue };
        let fee = |terms: &BoardTerms| {
            let agreed = terms.agreed_between(&source.partner, &target.partner);
            agreed.map_or(Decimal::ZERO, |agreed| agreed.fee)
        };
        let (asked, was) = (fee(&terms), fee(&last.terms));
        let at = pairs::place(&mut terms.pairs, &source.program, &target.program, asked);
        let before = last.terms.pair(&source.program, &target.program);
        let Some(now) = terms.pairs.get_mut(at) else { continue };
        match why {
            Lowering::Suspended => now.suspended = true,
            Lowering::Withheld => now.withheld = true,
            Lowering::Held => {
                now.fee = before.map_or(was, |before| before.fee);
                now.surcharge = before.map_or(Decimal::ZERO, |before| before.surcharge);
                now.multiplier = before.map_or(Decimal::ONE, |before| before.multiplier);
                // What it was proved at is without tiers that leave the member everything.
                now.suspended = true;
            }
        }
    }
    terms
}

fn ends<'a>(
    programs: &[&'a ProgramDefinition],
    from: u32,
    to: u32,
) -> Option<(&'a ProgramDefinition, &'a ProgramDefinition)> {
    let of = |at: u32| programs.get(usize::try_from(at).ok()?).copied();
    of(from).zip(of(to))
}

/// Whether orders get the same, whatever has been counted meanwhile.
fn says_the_same(one: &BoardTerms, other: &BoardTerms) -> bool {
    fn said(pair: &PairTerms) -> impl PartialEq + use<'_> {
        let factors = (pair.fee, pair.surcharge, pair.multiplier);
        ((&pair.source, &pair.target), factors, (pair.suspended, pair.withheld, pair.limit))
    }
    one.agreed == other.agreed && one.pairs.iter().map(said).eq(other.pairs.iter().map(said))
}

/// Whether what surcharges and limits are made of has stood still. A board that only lets flows
/// fade says something, too: without it they would be charged for ever.
fn counts_the_same(situation: &Situation<'_>, one: &BoardTerms, other: &BoardTerms) -> bool {
    let rates = &situation.registry.definition.rates;
    let counted = |pair: &PairTerms| (pair.exchanged, pair.flow);
    let used = rates.surcharge.is_some() || rates.breaker.is_some();
    !used || one.pairs.iter().map(counted).eq(other.pairs.iter().map(counted))
}

fn remarks(settled: &Settled, programs: &[&ProgramDefinition]) -> Vec<Remark> {
    let mut remarks: Vec<Remark> =
        settled.first_gain.iter().map(|gain| Remark::Gain(gain.to_string())).collect();
    for (program, halvings) in programs.iter().zip(&settled.halvings) {
        if *halvings > 0 {
            remarks.push(Remark::Halved(program.program.clone(), u32::from(*halvings)));
        }
    }
    for Lowered { pair, why, .. } in &settled.lowered {
        let Some((source, target)) = ends(programs, pair.from, pair.to) else { continue };
        let (source, target) = (source.program.clone(), target.program.clone());
        remarks.push(match why {
            Lowering::Suspended => Remark::Suspended(source, target),
            Lowering::Held => Remark::Held(source, target),
            Lowering::Withheld => Remark::Withheld(source, target),
        });
    }
    remarks
}
