//! The next board, out of what is known when it is made. Pure: whoever has the same inputs makes the
//! same board.

use alliance_contracts::board::{Board, TermsRoot};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::encoding::Hash;
use alliance_contracts::quote::FeeBearer;
use alliance_contracts::time::Timestamp;
use alliance_contracts::valuation::{Band, Input, InputKind, InputStatus, ProgramValuation};

use super::model::ValueModel;
use super::terms::{AgreedTerms, BoardTerms};
use crate::alliance::{AgreementDefinition, Definition, ProgramDefinition};

/// The first board: every program at its base value, every agreement, in force at once.
#[must_use]
pub fn first(definition: &Definition, now: Timestamp) -> (Board, BoardTerms) {
    let mut values: Vec<ProgramValuation> = definition.programs.iter().map(first_value).collect();
    values.sort_by(|one, other| one.program.cmp(&other.program));
    let terms = BoardTerms { agreed: agreed(definition), pairs: Vec::new() };
    let board = Board {
        alliance: definition.alliance.clone(),
        board: 1,
        currency: definition.currency.clone(),
        effective_at: now,
        previous: Hash::ZERO,
        published_at: now,
        terms: TermsRoot::of(&terms.pairs),
        values,
    };
    (board, terms)
}

fn agreed(definition: &Definition) -> Vec<AgreedTerms> {
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
