//! Terms of each direction: what was exchanged, what it costs, how much more there may be.

use std::collections::{BTreeMap, BTreeSet};

use alliance_contracts::board::{PairTerms, Volume};
use alliance_contracts::decimal::{Decimal, MICROS};
use alliance_contracts::names::ProgramId;
use alliance_contracts::quote::FeeBearer;
use alliance_contracts::time::Timestamp;
use alliance_contracts::total::Total;

use super::Situation;
use crate::alliance::{AgreementDefinition, Breaker, Definition};
use crate::rates::surcharge::{self, Flow, SurchargeModel};
use crate::rates::terms::{AgreedTerms, BoardTerms};

/// What is agreed now, by pair of partners.
pub(super) fn agreed(definition: &Definition) -> Vec<AgreedTerms> {
    let mut agreed: Vec<AgreedTerms> = definition.agreements.iter().map(agreed_terms).collect();
    agreed.sort_by(|one, other| (&one.a, &one.b).cmp(&(&other.a, &other.b)));
    agreed
}

fn agreed_terms(agreement: &AgreementDefinition) -> AgreedTerms {
    let AgreementDefinition { a, b, fee, quote_lifetime_seconds, .. } = agreement;
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    AgreedTerms {
        a: a.clone(),
        b: b.clone(),
        fee: *fee,
        fee_bearer: FeeBearer::Member,
        quote_lifetime_seconds: *quote_lifetime_seconds,
    }
}

/// The terms of every direction in which anything was ever exchanged, or which has terms of its
/// own; by source and target.
pub(super) fn terms(
    situation: &Situation<'_>,
    agreed: &[AgreedTerms],
    last: &BoardTerms,
) -> Vec<PairTerms> {
    let rates = &situation.registry.definition.rates;
    let flows: BTreeMap<_, _> =
        situation.flows.iter().map(|row| ((&row.source, &row.target), row.flow)).collect();
    let before: BTreeMap<_, _> =
        last.pairs.iter().map(|pair| ((&pair.source, &pair.target), pair)).collect();
    let directions: BTreeSet<(&ProgramId, &ProgramId)> =
        flows.keys().chain(before.keys()).copied().collect();
    let mut terms: Vec<PairTerms> = directions
        .into_iter()
        .filter_map(|(source, target)| {
            let fee = fee_of(situation, agreed, source, target)?;
            let mut pair = plain(source, target, fee);
            let flow = flows.get(&(source, target)).copied().unwrap_or_default();
            pair.exchanged = Total::from_micros(flow.exchanged);
            pair.late = Total::from_micros(flow.late);
            let before = before.get(&(source, target)).copied();
            count(&mut pair, before, rates.surcharge.as_ref(), situation.now);
            Some(pair)
        })
        .collect();
    if let Some(model) = &rates.surcharge {
        charge(&mut terms, model);
    }
    if let Some(breaker) = &rates.breaker {
        let retention = retention(rates.surcharge.as_ref());
        for pair in &mut terms {
            pair.limit = Some(limit(pair, breaker, retention));
        }
    }
    terms
}

fn fee_of(
    situation: &Situation<'_>,
    agreed: &[AgreedTerms],
    source: &ProgramId,
    target: &ProgramId,
) -> Option<Decimal> {
    let partner = |program| situation.registry.program(program).map(|program| &program.partner);
    let (one, other) = (partner(source)?, partner(target)?);
    let (a, b) = if one <= other { (one, other) } else { (other, one) };
    let at = agreed.binary_search_by(|terms| (&terms.a, &terms.b).cmp(&(a, b))).ok()?;
    agreed.get(at).map(|terms| terms.fee)
}

fn plain(source: &ProgramId, target: &ProgramId, fee: Decimal) -> PairTerms {
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

/// Surcharges on the directions that make an imbalance worse.
fn charge(terms: &mut [PairTerms], model: &SurchargeModel) {
    let flows: BTreeMap<(ProgramId, ProgramId), Flow> = terms
        .iter()
        .map(|pair| {
            let ends = (pair.source.clone(), pair.target.clone());
            (ends, Flow::from_micros(pair.flow.micros()))
        })
        .collect();
    let flow = |source: &ProgramId, target: &ProgramId| {
        flows.get(&(source.clone(), target.clone())).copied().unwrap_or_default()
    };
    for pair in terms {
        let (forward, back) = (flow(&pair.source, &pair.target), flow(&pair.target, &pair.source));
        pair.surcharge = surcharge::surcharge(forward, back, model);
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
