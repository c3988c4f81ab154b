//! Where each program's value would go, and where it went.

use alliance_contracts::board::Board;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::limits::NO_MOVEMENT;
use alliance_contracts::names::ProgramId;
use alliance_contracts::valuation::{
    Basis, Input, InputKind, InputStatus, ProgramValuation, ValuationError,
};

use super::{NoBoard, Situation};
use crate::alliance::ProgramDefinition;
use crate::rates::arbitrage::{MAX_HALVINGS, Movement, Settled};
use crate::rates::feeds::{self, Feeds};
use crate::rates::model::ValueModel;

/// A program on the first board.
pub(super) fn at_base(program: &ProgramDefinition) -> ProgramValuation {
    let model = ValueModel::of(program);
    let base = Input {
        as_of: None,
        input: InputKind::Base,
        status: InputStatus::Declared,
        value: program.value,
        weight: Decimal::ONE,
    };
    ProgramValuation {
        band: model.band,
        halvings: 0,
        inputs: vec![base],
        limited_by: Vec::new(),
        max_step: model.max_step,
        previous: None,
        program: program.program.clone(),
        smoothing: model.smoothing,
        target: program.value,
        value: program.value,
    }
}

/// Where a program's value would go if nobody could gain by it.
pub(super) struct Wish<'a> {
    program: &'a ProgramDefinition,
    valuation: ProgramValuation,
}

impl Wish<'_> {
    /// The movement that the proof may halve.
    pub(super) fn movement(&self) -> Movement {
        Movement {
            previous: self.valuation.previous.map(Decimal::micros),
            target: self.valuation.value.micros(),
        }
    }
}

/// Every program's wish, in the order of the programs.
pub(super) fn wished<'a>(
    situation: &Situation<'_>,
    programs: &[&'a ProgramDefinition],
    last: &Board,
) -> Result<Vec<Wish<'a>>, NoBoard> {
    let nothing = Feeds::NOTHING;
    let threshold = situation.registry.definition.rates.approval_threshold;
    let wish = |program: &&'a ProgramDefinition| {
        let model = ValueModel::of(program);
        let feeds = situation.feeds.get(&program.program).unwrap_or(&nothing);
        let approved = situation.approved.get(&program.program).copied();
        let inputs = feeds::inputs(program.value, &model, feeds, approved, situation.now);
        // What two people have approved goes there at once; by itself no value goes further than
        // one person may let it.
        let (max_step, smoothing) = match approved {
            Some(_) => (longest_step(), Decimal::ONE),
            None => (model.max_step.min(threshold), model.smoothing),
        };
        let basis = Basis {
            band: model.band,
            halvings: 0,
            inputs: &inputs,
            max_step,
            previous: last.value(&program.program),
            smoothing,
        };
        let valuation = valued(&program.program, &basis)?;
        Ok(Wish { program, valuation })
    };
    programs.iter().map(wish).collect()
}

/// Nearly all of a value: whatever two people approve, it no more than doubles from one board to
/// the next.
fn longest_step() -> Decimal {
    Decimal::from_micros(999_999).unwrap_or(Decimal::ZERO)
}

/// The values as the proof has left them.
pub(super) fn settled(
    wished: &[Wish<'_>],
    settled: &Settled,
) -> Result<Vec<ProgramValuation>, NoBoard> {
    let each = wished.iter().zip(&settled.halvings);
    each.map(|(wish, halvings)| match halvings {
        0 => Ok(wish.valuation.clone()),
        halvings => {
            let halvings =
                if *halvings >= MAX_HALVINGS { NO_MOVEMENT } else { u32::from(*halvings) };
            let basis = Basis { halvings, ..wish.valuation.basis() };
            valued(&wish.program.program, &basis)
        }
    })
    .collect()
}

fn valued(program: &ProgramId, basis: &Basis<'_>) -> Result<ProgramValuation, NoBoard> {
    let fault = |error: ValuationError| NoBoard::Value { program: program.clone(), error };
    ProgramValuation::of(program.clone(), basis).map_err(fault)
}
