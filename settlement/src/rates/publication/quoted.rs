//! What quotes of a board get, in the shape that the proof needs: every direction of every pair, at
//! what the luckiest member gets.

use std::collections::HashMap;

use alliance_contracts::limits;
use alliance_contracts::names::PartnerId;
use alliance_contracts::time::Timestamp;

use super::onward::Onward;
use crate::alliance::{ProgramDefinition, PublishedBoard};
use crate::rates::arbitrage::{AliveBoard, Factor, Pair};
use crate::rates::terms::{AgreedTerms, BoardTerms, DirectedRate};

/// The boards, by number, whose quotes may still stand at `then`: the last of `boards` and those
/// before it that were in force less than a quote's lifetime before.
#[must_use]
pub fn still_quoted(boards: &[PublishedBoard], then: Timestamp) -> &[PublishedBoard] {
    let ended = |pair: &[PublishedBoard]| match pair {
        [board, next] => {
            let longest = board.terms.agreed.iter().map(|a| a.quote_lifetime_seconds).max();
            let longest = longest.unwrap_or(0).max(limits::QUOTE_LIFETIME_SECONDS);
            next.board.effective_at.plus_seconds(longest) <= then
        }
        _ => false,
    };
    let first = boards.windows(2).rposition(ended).map_or(0, |at| at + 1);
    boards.get(first..).unwrap_or(boards)
}

/// A board's quotes.
pub(super) struct Quoted {
    number: u64,
    values: Vec<i64>,
    pairs: Vec<Pair>,
}

impl Quoted {
    pub(super) fn of(
        programs: &[&ProgramDefinition],
        published: &PublishedBoard,
        onward: &Onward<'_>,
    ) -> Self {
        let value = |program: &&ProgramDefinition| {
            published.board.value(&program.program).map_or(0, |value| value.micros())
        };
        Self {
            number: published.board.board.into(),
            values: programs.iter().map(value).collect(),
            pairs: pairs(programs, &published.terms, onward),
        }
    }

    pub(super) fn alive(&self) -> AliveBoard<'_> {
        AliveBoard { number: self.number, values: &self.values, pairs: &self.pairs }
    }
}

/// Every direction that orders are taken in.
pub(super) fn pairs(
    programs: &[&ProgramDefinition],
    terms: &BoardTerms,
    onward: &Onward<'_>,
) -> Vec<Pair> {
    let mut partners: Vec<&PartnerId> = programs.iter().map(|program| &program.partner).collect();
    partners.sort_unstable();
    partners.dedup();
    let partner = |partner: &PartnerId| partners.binary_search(&partner).ok();
    let mut agreed: Vec<Option<&AgreedTerms>> = vec![None; partners.len() * partners.len()];
    for terms in &terms.agreed {
        if let Some((a, b)) = partner(&terms.a).zip(partner(&terms.b)) {
            agreed[a * partners.len() + b] = Some(terms);
            agreed[b * partners.len() + a] = Some(terms);
        }
    }
    let of: Vec<usize> = programs.iter().map(|p| partner(&p.partner).unwrap_or(0)).collect();
    let place: HashMap<_, _> =
        programs.iter().enumerate().map(|(at, p)| (&p.program, at)).collect();
    let own: HashMap<(usize, usize), _> = terms
        .pairs
        .iter()
        .filter_map(|pair| Some(((*place.get(&pair.source)?, *place.get(&pair.target)?), pair)))
        .collect();
    let mut quoted = Vec::with_capacity(programs.len() * programs.len());
    for from in 0..programs.len() {
        for to in (0..programs.len()).filter(|to| *to != from) {
            let agreed = agreed[of[from] * partners.len() + of[to]];
            let directed = match (of[from] == of[to], agreed) {
                (true, _) => Some(DirectedRate::WITHIN),
                (false, Some(agreed)) => agreed.directed(own.get(&(from, to)).copied()),
                (false, None) => None,
            };
            let suspended = own.get(&(from, to)).is_some_and(|terms| terms.suspended);
            let raised = |directed: &DirectedRate| match suspended {
                true => directed.multiplier.micros(),
                false => onward.on(programs[from], programs[to], directed.multiplier.micros()),
            };
            quoted.extend(directed.and_then(|directed| {
                let raised = raised(&directed);
                pair(from, to, &directed, raised)
            }));
        }
    }
    quoted
}

/// None where nothing is left to anybody.
fn pair(from: usize, to: usize, directed: &DirectedRate, multiplier: i64) -> Option<Pair> {
    let factor = Factor::new(directed.members_fee().micros(), multiplier).ok()?;
    let (from, to) = (u32::try_from(from).ok()?, u32::try_from(to).ok()?);
    Some(Pair { from, to, factor, ends_with_board: directed.takes_nothing() })
}
