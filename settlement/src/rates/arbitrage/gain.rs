//! What a gain says to whoever must do something about it.

use std::fmt;

use alliance_contracts::decimal::format_micros;
use num_bigint::BigUint;

use super::exact::product;
use super::graph::{Edge, Factor};

/// A cycle of quotes, and what it multiplies points by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gain {
    /// The edges in their order; each begins where the one before ends.
    pub cycle: Vec<Edge>,
    /// The exact product as a decimal, cut after the fourth digit of what it has above one.
    pub product: String,
    /// The names of the programs, each where its edge begins.
    pub names: Vec<String>,
}

/// Why there is no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The product is above one, exactly.
    #[error("{0}")]
    Gain(Gain),
    /// The search ended without a proof and without a cycle. By the theorem it rests on that does
    /// not happen; were there a mistake in it, nothing may be published on its strength.
    #[error("the search for a proof ended without an answer: do not publish; report this")]
    Undecided,
}

impl Gain {
    /// Told from the program with the lowest index on, so that it reads the same every time.
    pub(super) fn of(programs: &[String], cycle: &[Edge]) -> Self {
        let mut cycle = cycle.to_vec();
        let first = (0..cycle.len()).min_by_key(|at| cycle[*at].from).unwrap_or(0);
        cycle.rotate_left(first);
        let name = |edge: &Edge| programs.get(edge.from as usize).cloned().unwrap_or_default();
        let names = cycle.iter().map(name).collect();
        let (above, below) = product(&cycle);
        Self { cycle, product: decimal(&above, &below), names }
    }

    /// Of cycles that all gain, the first; callers never pass none.
    pub(super) fn first(programs: &[String], cycles: &[impl AsRef<[Edge]>]) -> Self {
        Self::of(programs, cycles.first().map_or(&[], AsRef::as_ref))
    }
}

impl fmt::Display for Gain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.names.first().map_or("", String::as_str))?;
        let ends = self.names.iter().cycle().skip(1);
        for (edge, name) in self.cycle.iter().zip(ends) {
            write!(f, " → {name} (board {}", edge.board)?;
            let factor = edge.weight.factor;
            if factor.fee_micros() != Factor::ONE.fee_micros() {
                write!(f, ", fee {}", format_micros(factor.fee_micros().into()))?;
            }
            if factor.multiplier_micros() != Factor::ONE.multiplier_micros() {
                let multiplier = format_micros(factor.multiplier_micros().into());
                write!(f, ", multiplier {multiplier}")?;
            }
            write!(f, ")")?;
        }
        write!(f, " multiplies by {}", self.product)
    }
}

/// A ratio in plain digits, cut (never rounded up) after the fourth that says something: of a
/// product above one that is a digit of the gain, however small.
fn decimal(above: &BigUint, below: &BigUint) -> String {
    let mut text = (above / below).to_string();
    let mut rest = above % below;
    let mut digits = String::new();
    let (mut telling, mut begun) = (0, false);
    while rest != BigUint::ZERO && telling < 4 {
        rest *= 10_u32;
        let digit = (&rest / below).to_string();
        rest %= below;
        begun |= digit != "0";
        telling += u32::from(begun);
        digits.push_str(&digit);
    }
    let digits = digits.trim_end_matches('0');
    if !digits.is_empty() {
        text.push('.');
        text.push_str(digits);
    }
    text
}
