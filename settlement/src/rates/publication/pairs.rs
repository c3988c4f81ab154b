//! Terms of each direction: what was exchanged, what it costs, how much more there may be.

use std::collections::{BTreeMap, BTreeSet};

use alliance_contracts::board::{PairTerms, Volume};
use alliance_contracts::decimal::{Decimal, MICROS};
use alliance_contracts::names::{PartnerId, ProgramId};
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::time::Timestamp;
use alliance_contracts::total::Total;

use super::Situation;
use crate::alliance::{AgreementTerms, Breaker, Definition};
use crate::ledger::FlowRow;
use crate::rates::surcharge::{self, Flow, SurchargeModel};
use crate::rates::terms::{AgreedTerms, BoardTerms};

/// What the operator was handed, by pair of partners.
pub(super) fn defined(definition: &Definition) -> Vec<AgreedTerms> {
    let mut agreed: Vec<AgreedTerms> = definition
        .agreements
        .iter()
        .map(AgreementTerms::of_definition)
        .filter_map(|terms| agreed_terms(&terms, &Volumes::default()))
        .collect();
    agreed.sort_by(|one, other| (&one.a, &one.b).cmp(&(&other.a, &other.b)));
    agreed
}

/// What partners have agreed on now, by pair, each with the fee of the volume that it has reached.
pub(super) fn agreed(situation: &Situation<'_>, counted: &[PairTerms]) -> Vec<AgreedTerms> {
    let volumes = Volumes::of(situation, counted);
    let agreed = situation.registry.agreements_at(situation.now);
    agreed.iter().filter_map(|terms| agreed_terms(terms, &volumes)).collect()
}

/// None where no orders are taken.
fn agreed_terms(terms: &AgreementTerms<'_>, volumes: &Volumes) -> Option<AgreedTerms> {
    (!terms.kinds.is_empty()).then(|| AgreedTerms {
        a: terms.a.clone(),
        b: terms.b.clone(),
        fee: terms.fee_rate_at(volumes.between(terms.a, terms.b)),
        fee_bearer: terms.fee_bearer,
        exchanges: terms.kinds.contains(&TransactionKind::Exchange),
        quote_lifetime_seconds: terms.quote_lifetime_seconds,
        tiers: terms.tiers.to_vec(),
    })
}

/// What pairs of partners exchanged in the month before, both ways.
#[derive(Default)]
struct Volumes(BTreeMap<(PartnerId, PartnerId), i128>);

impl Volumes {
    fn of(situation: &Situation<'_>, counted: &[PairTerms]) -> Self {
        let partner = |program| situation.registry.program(program).map(|p| p.partner.clone());
        let mut volumes: BTreeMap<(PartnerId, PartnerId), i128> = BTreeMap::new();
        for pair in counted {
            if let Some((one, other)) = partner(&pair.source).zip(partner(&pair.target)) {
                let ends = if one <= other { (one, other) } else { (other, one) };
                *volumes.entry(ends).or_default() += pair.volume.before.micros();
            }
        }
        Self(volumes)
    }

    fn between(&self, a: &PartnerId, b: &PartnerId) -> Decimal {
        let volume = self.0.get(&(a.clone(), b.clone())).copied().unwrap_or(0);
        let volume = volume.clamp(0, alliance_contracts::limits::MAX_AMOUNT_MICROS.into());
        i64::try_from(volume).ok().and_then(Decimal::from_micros).unwrap_or(Decimal::ZERO)
    }
}

/// What was counted of every direction in which anything was ever exchanged, by source and target.
pub(super) fn counted(situation: &Situation<'_>, last: &BoardTerms) -> Vec<PairTerms> {
    let model = situation.registry.definition.rates.surcharge.as_ref();
    // What has a program at one end only has no way back: it makes no direction dearer.
    let between = situation.flows.iter().filter_map(|row: &FlowRow| {
        Some((row.source.program().zip(row.target.program())?, row.flow))
    });
    let flows: BTreeMap<_, _> = between.collect();
    let before: BTreeMap<_, _> =
        last.pairs.iter().map(|pair| ((&pair.source, &pair.target), pair)).collect();
    let directions: BTreeSet<(&ProgramId, &ProgramId)> =
        flows.keys().chain(before.keys()).copied().collect();
    let counted = directions.into_iter().map(|(source, target)| {
        let mut pair = plain(source, target, Decimal::ZERO);
        let flow = flows.get(&(source, target)).copied().unwrap_or_default();
        pair.exchanged = Total::from_micros(flow.exchanged);
        pair.late = Total::from_micros(flow.late);
        count(&mut pair, before.get(&(source, target)).copied(), model, situation.now);
        pair
    });
    counted.collect()
}

/// The terms of every direction that has been counted or has an override, as they are asked for.
pub(super) fn asked(
    situation: &Situation<'_>,
    agreed: Vec<AgreedTerms>,
    counted: Vec<PairTerms>,
) -> BoardTerms {
    let rates = &situation.registry.definition.rates;
    let mut terms = BoardTerms { agreed, pairs: counted };
    let overrides = situation.registry.agreements_at(situation.now);
    for factor in overrides.iter().flat_map(|agreed| agreed.overrides) {
        let at = place(&mut terms.pairs, &factor.source, &factor.target, Decimal::ZERO);
        if let Some(pair) = terms.pairs.get_mut(at) {
            pair.multiplier = factor.factor;
        }
    }
    // A direction whose partners agree on nothing any more has no terms; what was counted of it is
    // counted again from the flows, should they agree anew.
    let fees: Vec<Option<Decimal>> =
        terms.pairs.iter().map(|pair| fee_of(situation, &terms, pair)).collect();
    let mut fee = fees.into_iter();
    terms.pairs.retain_mut(|pair| match fee.next().flatten() {
        Some(fee) => {
            pair.fee = fee;
            true
        }
        None => false,
    });
    if let Some(model) = &rates.surcharge {
        charge(&mut terms.pairs, model);
    }
    if let Some(breaker) = &rates.breaker {
        let retention = retention(rates.surcharge.as_ref());
        for pair in &mut terms.pairs {
            pair.limit = Some(limit(pair, breaker, retention));
        }
    }
    terms
}

fn fee_of(situation: &Situation<'_>, terms: &BoardTerms, pair: &PairTerms) -> Option<Decimal> {
    let partner = |program| situation.registry.program(program).map(|program| &program.partner);
    let (one, other) = (partner(&pair.source)?, partner(&pair.target)?);
    terms.agreed_between(one, other).filter(|agreed| agreed.exchanges).map(|agreed| agreed.fee)
}

pub(super) fn plain(source: &ProgramId, target: &ProgramId, fee: Decimal) -> PairTerms {
    PairTerms {
        exchanged: Total::ZERO,
        fee,
        flow: Total::ZERO,
        late: Total::ZERO,
        limit: None,
        multiplier: Decimal::ONE,
        source: source.clone(),
        surcharge: Decimal::ZERO,
        suspended: false,
        target: target.clone(),
        volume: Volume { before: Total::ZERO, month: String::new(), so_far: Total::ZERO },
        withheld: false,
    }
}

/// Where a direction's terms stand in the list; made where they do not.
pub(super) fn place(
    pairs: &mut Vec<PairTerms>,
    source: &ProgramId,
    target: &ProgramId,
    fee: Decimal,
) -> usize {
    match pairs.binary_search_by(|pair| (&pair.source, &pair.target).cmp(&(source, target))) {
        Ok(at) => at,
        Err(at) => {
            pairs.insert(at, plain(source, target, fee));
            at
        }
    }
}

/// What was exchanged since the last board goes into flow and volume.
fn count(
    pair: &mut PairTerms,
    before: Option<&PairTerms>,
    model: Option<&SurchargeModel>,
    now: Timestamp,
) {
    let since = pair.exchanged.micros() - before.map_or(0, |before| before.exchanged.micros());
    let flow = Flow::from_micros(before.map_or(0, |before| before.flow.micros()));
    let kept = surcharge::decay(flow, retention(model), MICROS_U32);
    pair.flow = Total::from_micros((kept.micros() + since).max(0));
    pair.volume = volume(before.map(|before| &before.volume), since, now);
}

const MICROS_U32: u32 = 1_000_000;

/// What is left of a flow at the next board, in 10⁻⁶.
fn retention(model: Option<&SurchargeModel>) -> u32 {
    let default = SurchargeModel::default();
    u32::try_from(model.unwrap_or(&default).retention.micros()).unwrap_or(0)
}

/// By calendar month (UTC). What was exchanged since the last board counts for the month of this.
pub(super) fn volume(before: Option<&Volume>, since: i128, now: Timestamp) -> Volume {
    let month: String = now.to_string().chars().take(7).collect();
    let (previous, so_far) = match before {
        Some(volume) if volume.month == month => (volume.before, volume.so_far.micros()),
        Some(volume) if follows(&volume.month, &month) => (volume.so_far, 0),
        _ => (Total::ZERO, 0),
    };
    Volume { before: previous, month, so_far: Total::from_micros(so_far + since) }
}

/// Whether one month (`2026-11`) is the one after another.
fn follows(one: &str, next: &str) -> bool {
    let number = |month: &str| -> Option<i64> {
        let (year, month) = month.split_once('-')?;
        Some(year.parse::<i64>().ok()? * 12 + month.parse::<i64>().ok()?)
    };
    number(one).zip(number(next)).is_some_and(|(one, next)| one + 1 == next)
}

/// Surcharges on the directions that make an imbalance worse. The terms stand by source and target.
fn charge(terms: &mut [PairTerms], model: &SurchargeModel) {
    let flow = |pair: &PairTerms| Flow::from_micros(pair.flow.micros());
    let back = |pair: &PairTerms| {
        let turned = (&pair.target, &pair.source);
        let at = terms.binary_search_by(|other| (&other.source, &other.target).cmp(&turned)).ok();
        at.and_then(|at| terms.get(at)).map_or(Flow::default(), flow)
    };
    let backward: Vec<Flow> = terms.iter().map(back).collect();
    for (pair, back) in terms.iter_mut().zip(backward) {
        pair.surcharge = surcharge::surcharge(flow(pair), back, model);
    }
}

/// So many times the usual flow of a board, and at least the floor. A flow of which a part is kept
/// at every board is the usual flow divided by what is not kept.
fn limit(pair: &PairTerms, breaker: &Breaker, retention: u32) -> Decimal {
    let lost = i128::from(MICROS_U32.saturating_sub(retention));
    let usual = pair.flow.micros() / i128::from(MICROS) * lost
        + pair.flow.micros() % i128::from(MICROS) * lost / i128::from(MICROS);
    let limit = usual.saturating_mul(breaker.factor.micros().into()) / i128::from(MICROS);
    let limit = limit.clamp(0, alliance_contracts::limits::MAX_AMOUNT_MICROS.into());
    let limit = i64::try_from(limit).ok().and_then(Decimal::from_micros);
    limit.unwrap_or(breaker.floor).max(breaker.floor)
}
