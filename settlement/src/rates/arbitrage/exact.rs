//! Products and potentials as exact fractions, for what fixed point cannot tell apart.

use num_bigint::BigUint;

use super::best::Ways;
use super::graph::{Edge, TRILLION};
use super::potentials::{Arithmetic, Fixed, Outcome, Raise, relax};
use super::{Proof, Stuck};

/// The exact product along edges, as numerator and denominator.
pub(super) fn product(edges: &[Edge]) -> (BigUint, BigUint) {
    let one = BigUint::from(1_u32);
    edges.iter().fold((one.clone(), one), |(above, below), edge| {
        (above * edge.weight.numerator(), below * edge.weight.denominator())
    })
}

/// Whether going round brings more than it took, exactly.
pub(super) fn gains(cycle: &[Edge]) -> bool {
    if let Some((above, below)) = small_product(cycle) {
        return above > below;
    }
    let (above, below) = product(cycle);
    above > below
}

/// The exact product along edges where its parts are short enough for machine numbers, as those of
/// nearly every pair are.
fn small_product(edges: &[Edge]) -> Option<(u128, u128)> {
    edges.iter().try_fold((1_u128, 1_u128), |(above, below), edge| {
        let above = above.checked_mul(edge.weight.numerator())?;
        Some((above, below.checked_mul(edge.weight.denominator())?))
    })
}

/// Those of the cycles that gain.
pub(super) fn gaining(mut cycles: Vec<Vec<Edge>>) -> Vec<Vec<Edge>> {
    cycles.retain(|cycle| gains(cycle));
    cycles
}

/// A potential without rounding, and the fixed-point numbers around it, which decide nearly every
/// comparison; none where they are too large.
#[derive(Clone)]
struct Fraction {
    above: BigUint,
    below: BigUint,
    floor: Option<u128>,
    ceiling: Option<u128>,
}

impl Fraction {
    fn new(above: BigUint, below: BigUint) -> Self {
        let scaled = &above * Fixed::START;
        let floor = u128::try_from(&scaled / &below).ok();
        let whole = &scaled % &below == BigUint::ZERO;
        let ceiling = floor.and_then(|floor| floor.checked_add(u128::from(!whole)));
        Self { above, below, floor, ceiling }
    }
}

/// Nothing is rounded, so that a product of exactly one raises nothing, and only a gain keeps
/// potentials rising.
struct Exact<'a, W: Ways>(&'a W);

impl<W: Ways> Arithmetic for Exact<'_, W> {
    type Potential = Fraction;
    const PASSES_FOR_MORE: usize = 0;

    fn start(&self) -> Fraction {
        Fraction::new(BigUint::from(1_u32), BigUint::from(1_u32))
    }

    fn raise(
        &self,
        from: (usize, &Fraction),
        weight: u64,
        to: (usize, &Fraction),
    ) -> Raise<Fraction> {
        let at_most = from.1.ceiling.and_then(|ceiling| ceiling.checked_mul(weight.into()));
        let at_least = to.1.floor.and_then(|floor| floor.checked_mul(TRILLION.into()));
        let apart = at_most.zip(at_least).is_some_and(|(most, least)| most <= least);
        if apart && weight < u64::MAX {
            return Raise::No;
        }
        let Some(edge) = self.0.edge(from.0, to.0) else { return Raise::No };
        let units = self.0.units();
        let above = &from.1.above * edge.weight.numerator() * units[to.0];
        let below = &from.1.below * edge.weight.denominator() * units[from.0];
        if &above * &to.1.below <= &to.1.above * &below {
            return Raise::No;
        }
        Raise::To(Fraction::new(above, below))
    }

    fn around(&self, potential: &Fraction) -> Option<(u128, u128)> {
        potential.floor.zip(potential.ceiling)
    }
}

/// As [`super::find_proof`], without a rounding.
pub(super) fn find_proof(ways: &impl Ways) -> Result<Proof, Stuck> {
    match relax(&Exact(ways), ways) {
        Outcome::Fixpoint(potentials) => {
            let price =
                |(unit, potential): (&u64, Fraction)| (potential.below * *unit, potential.above);
            let prices = ways.units().iter().zip(potentials).map(price);
            Ok(Proof { prices: prices.collect() })
        }
        Outcome::Cycles(cycles) => {
            let gains = gaining(cycles);
            Err(if gains.is_empty() { Stuck::Undecided } else { Stuck::Gains(gains) })
        }
        Outcome::Beyond => Err(Stuck::Undecided),
    }
}
