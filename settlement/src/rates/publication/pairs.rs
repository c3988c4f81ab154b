//! Terms of each direction: what was exchanged, what it costs, how much more there may be.

use alliance_contracts::board::{PairTerms, Volume};
use alliance_contracts::decimal::{Decimal, MICROS};
use alliance_contracts::names::ProgramId;
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::time::Timestamp;
use alliance_contracts::total::Total;

use super::Situation;
use super::numbered::Numbered;
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
        .filter_map(|terms| agreed_terms(&terms, 0))
        .collect();
    agreed.sort_by(|one, other| (&one.a, &one.b).cmp(&(&other.a, &other.b)));
    agreed
}

/// What partners have agreed on now, by pair, each with the fee of the volume that it has reached.
pub(super) fn agreed(
    numbered: &Numbered<'_>,
    agreements: &[AgreementTerms<'_>],
    counted: &[PairTerms],
) -> Vec<AgreedTerms> {
    let volumes = volumes(numbered, counted);
    let reached = |terms: &AgreementTerms<'_>| {
        numbered.both(terms.a, terms.b).map_or(0, |[place, _]| volumes[place])
    };
    agreements.iter().filter_map(|terms| agreed_terms(terms, reached(terms))).collect()
}

/// None where no orders are taken.
fn agreed_terms(terms: &AgreementTerms<'_>, volume: i128) -> Option<AgreedTerms> {
    (!terms.kinds.is_empty()).then(|| AgreedTerms {
        a: terms.a.clone(),
        b: terms.b.clone(),
        fee: terms.fee_rate_at(amount(volume)),
        fee_bearer: terms.fee_bearer,
        exchanges: terms.kinds.contains(&TransactionKind::Exchange),
        quote_lifetime_seconds: terms.quote_lifetime_seconds,
        tiers: terms.tiers.to_vec(),
    })
}

/// What two partners exchanged in the month before, both ways, in 10⁻⁶; in a table of all.
fn volumes(numbered: &Numbered<'_>, counted: &[PairTerms]) -> Vec<i128> {
    let mut volumes = numbered.partners_table(0);
    let directions = numbered.directions(counted, |pair| (&pair.source, &pair.target));
    for (direction, pair) in directions.into_iter().zip(counted) {
        let Some((from, to)) = direction else { continue };
        for direction in [(from, to), (to, from)] {
            volumes[numbered.partners_slot(direction)] += pair.volume.before.micros();
        }
    }
    volumes
}

fn amount(micros: i128) -> Decimal {
    let micros = micros.clamp(0, alliance_contracts::limits::MAX_AMOUNT_MICROS.into());
    i64::try_from(micros).ok().and_then(Decimal::from_micros).unwrap_or(Decimal::ZERO)
}

/// What was counted of every direction in which anything was ever exchanged, by source and target.
pub(super) fn counted(situation: &Situation<'_>, last: &BoardTerms) -> Vec<PairTerms> {
    let model = situation.registry.definition.rates.surcharge.as_ref();
    let (retention, month) = (retention(model), month(situation.now));
    // What has a program at one end only has no way back: it makes no direction dearer.
    let between = situation.flows.iter().filter_map(|row: &FlowRow| {
        Some((row.source.program().zip(row.target.program())?, row.flow))
    });
    let mut flows: Vec<_> = between.collect();
    flows.sort_by_key(|(ends, _)| *ends);
    let mut before: Vec<&PairTerms> = last.pairs.iter().collect();
    before.sort_by(|one, other| ends(one).cmp(&ends(other)));
    let mut counted = Vec::with_capacity(flows.len().max(before.len()));
    let (mut flows, mut before) = (flows.into_iter().peekable(), before.into_iter().peekable());
    // Both by source and target: whichever comes first is next.
    loop {
        let next = (flows.peek().map(|(ends, _)| *ends), before.peek().map(|p| ends(p)));
        let ends = match next {
            (Some(one), Some(other)) => one.min(other),
            (one, other) => match one.or(other) {
                Some(ends) => ends,
                None => return counted,
            },
        };
        let flow = flows.next_if(|(at, _)| *at == ends).map(|(_, flow)| flow).unwrap_or_default();
        let before = before.next_if(|pair| self::ends(pair) == ends);
        let mut pair = plain(ends.0, ends.1, Decimal::ZERO);
        pair.exchanged = Total::from_micros(flow.exchanged);
        pair.late = Total::from_micros(flow.late);
        count(&mut pair, before, retention, &month);
        counted.push(pair);
    }
}

fn ends(pair: &PairTerms) -> (&ProgramId, &ProgramId) {
    (&pair.source, &pair.target)
}

/// The terms of every direction that has been counted or has an override, as they are asked for.
pub(super) fn asked(
    situation: &Situation<'_>,
    numbered: &Numbered<'_>,
    agreements: &[AgreementTerms<'_>],
    agreed: Vec<AgreedTerms>,
    mut pairs: Vec<PairTerms>,
) -> BoardTerms {
    let rates = &situation.registry.definition.rates;
    overridden(numbered, agreements, &mut pairs);
    // A direction whose partners agree on nothing any more has no terms; what was counted of it is
    // counted again from the flows, should they agree anew.
    let between = numbered.between(&agreed);
    let directions = numbered.directions(&pairs, ends).into_iter();
    let fee = |direction| {
        let agreed: Option<&AgreedTerms> = between[numbered.partners_slot(direction)];
        agreed.filter(|agreed| agreed.exchanges).map(|agreed| agreed.fee)
    };
    let fees: Vec<Option<Decimal>> = directions.map(|direction| direction.and_then(fee)).collect();
    let mut fee = fees.into_iter();
    pairs.retain_mut(|pair| match fee.next().flatten() {
        Some(fee) => {
            pair.fee = fee;
            true
        }
        None => false,
    });
    if let Some(model) = &rates.surcharge {
        charge(numbered, &mut pairs, model);
    }
    if let Some(breaker) = &rates.breaker {
        let retention = retention(rates.surcharge.as_ref());
        for pair in &mut pairs {
            pair.limit = Some(limit(pair, breaker, retention));
        }
    }
    BoardTerms { agreed, pairs }
}

/// Puts in what pairs of partners have agreed on for single directions.
fn overridden(
    numbered: &Numbered<'_>,
    agreements: &[AgreementTerms<'_>],
    pairs: &mut Vec<PairTerms>,
) {
    let mut place = places(numbered, pairs);
    let counted = pairs.len();
    for agreed in agreements {
        let directions = numbered.directions(agreed.overrides, |one| (&one.source, &one.target));
        for (direction, one) in directions.into_iter().zip(agreed.overrides) {
            // Without both programs there is nothing to put it on.
            let Some(direction) = direction else { continue };
            let place = &mut place[numbered.slot(direction)];
            let at = *place.get_or_insert_with(|| {
                pairs.push(plain(&one.source, &one.target, Decimal::ZERO));
                pairs.len() - 1
            });
            if let Some(pair) = pairs.get_mut(at) {
                pair.multiplier = one.factor;
            }
        }
    }
    if pairs.len() > counted {
        pairs.sort_by(|one, other| ends(one).cmp(&ends(other)));
    }
}

/// Where the terms of each direction stand, in a table of all.
fn places(numbered: &Numbered<'_>, pairs: &[PairTerms]) -> Vec<Option<usize>> {
    let mut places = numbered.table(None);
    for (at, direction) in numbered.directions(pairs, ends).into_iter().enumerate() {
        if let Some(direction) = direction {
            places[numbered.slot(direction)] = Some(at);
        }
    }
    places
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
fn count(pair: &mut PairTerms, before: Option<&PairTerms>, retention: u32, month: &str) {
    let since = pair.exchanged.micros() - before.map_or(0, |before| before.exchanged.micros());
    let flow = Flow::from_micros(before.map_or(0, |before| before.flow.micros()));
    let kept = surcharge::decay(flow, retention, MICROS_U32);
    pair.flow = Total::from_micros((kept.micros() + since).max(0));
    pair.volume = volume(before.map(|before| &before.volume), since, month);
}

const MICROS_U32: u32 = 1_000_000;

/// What is left of a flow at the next board, in 10⁻⁶.
fn retention(model: Option<&SurchargeModel>) -> u32 {
    let default = SurchargeModel::default();
    u32::try_from(model.unwrap_or(&default).retention.micros()).unwrap_or(0)
}

/// The calendar month (UTC).
pub(super) fn month(now: Timestamp) -> String {
    now.to_string().chars().take(7).collect()
}

/// By calendar month. What was exchanged since the last board counts for the month of this.
pub(super) fn volume(before: Option<&Volume>, since: i128, month: &str) -> Volume {
    let (previous, so_far) = match before {
        Some(volume) if volume.month == month => (volume.before, volume.so_far.micros()),
        Some(volume) if follows(&volume.month, month) => (volume.so_far, 0),
        _ => (Total::ZERO, 0),
    };
    let month = month.to_owned();
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
fn charge(numbered: &Numbered<'_>, terms: &mut [PairTerms], model: &SurchargeModel) {
    let mut flows = numbered.table(Flow::default());
    let directions = numbered.directions(terms, ends);
    for (direction, pair) in directions.iter().zip(&*terms) {
        if let Some(direction) = direction {
            flows[numbered.slot(*direction)] = Flow::from_micros(pair.flow.micros());
        }
    }
    for (direction, pair) in directions.iter().zip(terms) {
        if let Some((from, to)) = *direction {
            let flow = |direction| flows[numbered.slot(direction)];
            pair.surcharge = surcharge::surcharge(flow((from, to)), flow((to, from)), model);
        }
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
