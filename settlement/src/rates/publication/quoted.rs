//! What quotes of a board get, in the shape that the proof needs: every direction of every pair, at
//! what the luckiest member gets.

use alliance_contracts::agreement::TierMapping;
use alliance_contracts::board::PairTerms;
use alliance_contracts::limits;
use alliance_contracts::names::ProgramId;
use alliance_contracts::time::Timestamp;

use super::numbered::Numbered;
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
        numbered: &Numbered<'_>,
        published: &PublishedBoard,
        onward: &Onward<'_>,
    ) -> Self {
        let value = |program: &&ProgramDefinition| {
            published.board.value(&program.program).map_or(0, |value| value.micros())
        };
        Self {
            number: published.board.board.into(),
            values: numbered.programs.iter().map(value).collect(),
            pairs: pairs(numbered, &published.terms, Quotes::Standing, onward),
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
    numbered: &Numbered<'_>,
    terms: &BoardTerms,
    quotes: Quotes,
    onward: &Onward<'_>,
) -> Vec<Pair> {
    let programs = numbered.programs;
    let between = numbered.between(&terms.agreed);
    // Most directions have no terms of their own: those of two partners all get the same.
    let alike = |agreed: Option<&AgreedTerms>| {
        agreed.filter(|agreed| agreed.tiers.is_empty() && onward.is_nothing())?.directed(None)
    };
    let alike: Vec<Option<Quote>> =
        between.iter().map(|agreed| alike(*agreed).as_ref().and_then(Quote::of)).collect();
    let mut own: Vec<Option<&PairTerms>> = numbered.table(None);
    let directions = numbered.directions(&terms.pairs, |pair| (&pair.source, &pair.target));
    for (direction, pair) in directions.into_iter().zip(&terms.pairs) {
        if let Some(direction) = direction {
            own[numbered.slot(direction)] = Some(pair);
        }
    }
    let quote = |from: usize, to: usize| {
        if numbered.owner(from) == numbered.owner(to) {
            return Quote::of(&DirectedRate::WITHIN);
        }
        let partners = numbered.partners_slot((from, to));
        let own = own[numbered.slot((from, to))];
        if own.is_none() && alike[partners].is_some() {
            return alike[partners];
        }
        let ends = (programs[from], programs[to]);
        best(between[partners]?, own, (&ends.0.program, &ends.1.program), quotes)
            .and_then(|directed| Quote::raised(&directed, own, ends, onward))
    };
    let mut quoted = Vec::with_capacity(programs.len() * programs.len());
    for (from, source) in (0..programs.len()).zip(0..) {
        for (to, target) in (0..programs.len()).zip(0..).filter(|(to, _)| *to != from) {
            if let Some(Quote { factor, ends_with_board }) = quote(from, to) {
                quoted.push(Pair { from: source, to: target, factor, ends_with_board });
            }
        }
    }
    quoted
}

/// What a direction gets.
#[derive(Clone, Copy)]
struct Quote {
    factor: Factor,
    ends_with_board: bool,
}

impl Quote {
    fn of(directed: &DirectedRate) -> Option<Self> {
        Self::at(directed, directed.multiplier.micros())
    }

    /// With what campaigns add; where the multiplier is suspended they do not.
    fn raised(
        directed: &DirectedRate,
        own: Option<&PairTerms>,
        (source, target): (&ProgramDefinition, &ProgramDefinition),
        onward: &Onward<'_>,
    ) -> Option<Self> {
        let multiplier = directed.multiplier.micros();
        if own.is_some_and(|terms| terms.suspended) {
            return Self::at(directed, multiplier);
        }
        Self::at(directed, onward.on(source, target, multiplier))
    }

    /// None where nothing is left to anybody.
    fn at(directed: &DirectedRate, multiplier: i64) -> Option<Self> {
        let factor = Factor::new(directed.members_fee().micros(), multiplier).ok()?;
        Some(Self { factor, ends_with_board: directed.takes_nothing() })
    }
}

/// The best that members get in a direction, without a tier and with each that says something
/// there. Of a board that others have followed, the best that did not end with it, where anything
/// did not.
fn best(
    agreed: &AgreedTerms,
    terms: Option<&PairTerms>,
    (source, target): (&ProgramId, &ProgramId),
    quotes: Quotes,
) -> Option<DirectedRate> {
    let plain = agreed.directed(terms)?;
    let there = |tier: &&TierMapping| tier.source == *source && tier.target == *target;
    let by_tier = agreed.tiers.iter().filter(there).filter_map(|tier| {
        let brings = agreed.tier(source, &tier.source_tier, target, terms)?;
        let multiplier = terms::product(plain.multiplier, brings)?;
        Some(DirectedRate { multiplier, ..plain })
    });
    let standing = quotes == Quotes::Standing;
    // What ends with its board comes after all that does not, where it is not given any more.
    let rank = |rate: &DirectedRate| (!standing || !rate.takes_nothing(), rate.keeps());
    std::iter::once(plain).chain(by_tier).max_by_key(rank)
}

#[cfg(test)]
mod tests {
    use alliance_contracts::decimal::Decimal;
    use alliance_contracts::quote::FeeBearer;
    use proptest::prelude::*;

    use super::*;

    const FROM: &str = "aurora";
    const TO: &str = "borealis";

    /// As it reads: a list of all that members get, of which the best is chosen in two steps.
    fn chosen(
        agreed: &AgreedTerms,
        terms: Option<&PairTerms>,
        (source, target): (&ProgramId, &ProgramId),
        quotes: Quotes,
    ) -> Option<DirectedRate> {
        let mut rates = vec![agreed.directed(terms)?];
        for tier in &agreed.tiers {
            if tier.source == *source && tier.target == *target {
                let brings = agreed.tier(source, &tier.source_tier, target, terms);
                let multiplier = brings.and_then(|b| terms::product(rates[0].multiplier, b));
                rates.extend(multiplier.map(|multiplier| DirectedRate { multiplier, ..rates[0] }));
            }
        }
        let most = |rates: Vec<DirectedRate>| rates.into_iter().max_by_key(DirectedRate::keeps);
        let lasting = rates.iter().copied().filter(|rate| !rate.takes_nothing()).collect();
        let lasting = (quotes == Quotes::Standing).then(|| most(lasting)).flatten();
        lasting.or_else(|| most(rates))
    }

    fn micros(from: i64, to: i64) -> impl Strategy<Value = Decimal> {
        (from..=to).prop_map(|micros| Decimal::from_micros(micros).unwrap())
    }

    fn tier() -> impl Strategy<Value = TierMapping> {
        let ends = prop_oneof![Just((FROM, TO)), Just((TO, FROM)), Just((FROM, "cumulus"))];
        (ends, "[a-c]", micros(900_000, 1_100_000)).prop_map(
            |((source, target), name, multiplier)| TierMapping {
                multiplier,
                source: source.parse().unwrap(),
                source_tier: name.parse().unwrap(),
                target: target.parse().unwrap(),
                target_tier: "gold".parse().unwrap(),
            },
        )
    }

    proptest! {
        #[test]
        fn the_best_of_a_direction_is_the_one_that_the_whole_list_has(
            fee in prop_oneof![Just(Decimal::ZERO), micros(0, 30_000)],
            bearer in prop_oneof![Just(FeeBearer::Member), Just(FeeBearer::SourcePartner)],
            tiers in prop::collection::vec(tier(), 0..4),
            own in prop::option::of(
                (micros(0, 20_000), micros(900_000, 1_000_000), any::<[bool; 2]>())
            ),
            standing in any::<bool>(),
        ) {
            let agreed = AgreedTerms {
                a: "aurora-air".parse().unwrap(),
                b: "borealis-coffee".parse().unwrap(),
                exchanges: true,
                fee,
                fee_bearer: bearer,
                quote_lifetime_seconds: 60,
                tiers,
            };
            let (source, target): (ProgramId, ProgramId) =
                (FROM.parse().unwrap(), TO.parse().unwrap());
            let own = own.map(|(surcharge, multiplier, [suspended, withheld])| PairTerms {
                surcharge,
                multiplier,
                suspended,
                withheld,
                ..super::super::pairs::plain(&source, &target, fee)
            });
            let quotes = if standing { Quotes::Standing } else { Quotes::Given };
            let ends = (&source, &target);
            prop_assert_eq!(
                best(&agreed, own.as_ref(), ends, quotes),
                chosen(&agreed, own.as_ref(), ends, quotes)
            );
        }
    }
}
