//! The next board, out of what is known when it is made. Pure: whoever has the same inputs makes the
//! same board.

use alliance_contracts::board::{Board, TermsRoot};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::encoding::Hash;
use alliance_contracts::time::Timestamp;
use alliance_contracts::valuation::{Band, Input, InputKind, InputStatus, ProgramValuation};

use crate::alliance::{Definition, ProgramDefinition};

/// The first board: every program at its base value, in force at once.
#[must_use]
pub fn first(definition: &Definition, now: Timestamp) -> Board {
    let mut values: Vec<ProgramValuation> = definition.programs.iter().map(first_value).collect();
    values.sort_by(|one, other| one.program.cmp(&other.program));
    Board {
        alliance: definition.alliance.clone(),
        board: 1,
        currency: definition.currency.clone(),
        effective_at: now,
        previous: Hash::ZERO,
        published_at: now,
        terms: TermsRoot::of(&[]),
        values,
    }
}

fn first_value(program: &ProgramDefinition) -> ProgramValuation {
    let base = Input {
        as_of: None,
        input: InputKind::Base,
        status: InputStatus::Declared,
        value: program.value,
        weight: Decimal::ONE,
    };
    ProgramValuation {
        band: Band { max: program.value, min: program.value },
        halvings: 0,
        inputs: vec![base],
        limited_by: Vec::new(),
        max_step: Decimal::ONE,
        previous: None,
        program: program.program.clone(),
        smoothing: Decimal::ONE,
        target: program.value,
        value: program.value,
    }
}
