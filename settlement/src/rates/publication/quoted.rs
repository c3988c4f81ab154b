//! What quotes of a board get, in the shape that the proof needs: every direction of every pair, at
//! what the luckiest member gets.

use std::collections::HashMap;

use alliance_contracts::agreement::TierMapping;
use alliance_contracts::board::PairTerms;
use alliance_contracts::limits;
use alliance_contracts::names::{PartnerId, ProgramId};
use alliance_contracts::time::Timestamp;

use super::onward::Onward;
use crate::alliance::{ProgramDefinition, PublishedBoard};
use crate::rates::arbitrage::{AliveBoard, Factor, Pair};
use crate::rates::terms::{self, AgreedTerms, BoardTerms, DirectedRate};

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
            pairs: pairs(programs, &published.terms, Quotes::Standing, onward),
        }
    }

    pub(super) fn alive(&self) -> AliveBoard<'_> {
        AliveBoard { number: self.number, values: &self.values, pairs: &self.pairs }
    }
}

/// Whose quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quotes {
    /// Of the board that is made: all that it gives.
    Given,
    /// Of boards before: what still stands of it.
    Standing,
}

/// Every direction that orders are taken in.
pub(super) fn pairs(
    programs: &[&ProgramDefinition],
    terms: &BoardTerms,
    quotes: Quotes,
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
            let directed = if of[from] == of[to] {
                Some(DirectedRate::WITHIN)
            } else {
                let (source, target) = (&programs[from].program, &programs[to].program);
                let terms = own.get(&(from, to)).copied();
                agreed.and_then(|agreed| best(&by_tier(agreed, terms, source, target), quotes))
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

/// What members get in a direction: without a tier, and with each that says something there.
fn by_tier(
    agreed: &AgreedTerms,
    terms: Option<&PairTerms>,
    source: &ProgramId,
    target: &ProgramId,
) -> Vec<DirectedRate> {
    let Some(plain) = agreed.directed(terms) else { return Vec::new() };
    let there = |tier: &&TierMapping| tier.source == *source && tier.target == *target;
    let mut rates = vec![plain];
    for tier in agreed.tiers.iter().filter(there) {
        let brings = agreed.tier(source, &tier.source_tier, target, terms);
        let multiplier = brings.and_then(|brings| terms::product(plain.multiplier, brings));
        rates.extend(multiplier.map(|multiplier| DirectedRate { multiplier, ..plain }));
    }
    rates
}

/// The best that members get. Of a board that others have followed, the best that did not end with
/// it, where anything did not.
fn best(rates: &[DirectedRate], quotes: Quotes) -> Option<DirectedRate> {
    let most = |rates: &mut dyn Iterator<Item = &DirectedRate>| {
        rates.max_by_key(|rate| rate.keeps()).copied()
    };
    let lasting = match quotes {
        Quotes::Given => None,
        Quotes::Standing => most(&mut rates.iter().filter(|rate| !rate.takes_nothing())),
    };
    lasting.or_else(|| most(&mut rates.iter()))
}

/// None where nothing is left to anybody.
fn pair(from: usize, to: usize, directed: &DirectedRate, multiplier: i64) -> Option<Pair> {
    let factor = Factor::new(directed.members_fee().micros(), multiplier).ok()?;
    let (from, to) = (u32::try_from(from).ok()?, u32::try_from(to).ok()?);
    Some(Pair { from, to, factor, ends_with_board: directed.takes_nothing() })
}
