//! Products and potentials in integers of any length, for what fixed point cannot tell apart.

use std::cmp::Ordering;

use num_bigint::BigUint;

use super::best::Best;
use super::graph::{Edge, Graph};
use super::potentials::{Arithmetic, Outcome, Raise, relax};
use super::{Cycles, Proof};

/// After so many changes of units and precision the search gives up: each settles a cycle.
const ROUNDS: u32 = 64;
/// Nor does it go on with potentials longer than this, in bits.
const LONGEST: u64 = 1 << 17;

/// The exact product along edges, as numerator and denominator.
pub(super) fn product(edges: &[Edge]) -> (BigUint, BigUint) {
    let one = BigUint::from(1_u32);
    edges.iter().fold((one.clone(), one), |(above, below), edge| {
        (above * edge.weight.numerator(), below * edge.weight.denominator())
    })
}

/// Whether going round brings more than it took, exactly.
pub(super) fn gains(cycle: &[Edge]) -> bool {
    compare(cycle) == Ordering::Greater
}

fn compare(cycle: &[Edge]) -> Ordering {
    let (above, below) = product(cycle);
    above.cmp(&below)
}

/// Those of the cycles that gain.
pub(super) fn gaining(mut cycles: Vec<Vec<Edge>>) -> Vec<Vec<Edge>> {
    cycles.retain(|cycle| gains(cycle));
    cycles
}

/// Points of each program counted in units of its own, so that a cycle that comes to one exactly
/// has edges that weigh one exactly, and nothing is left to round.
struct Exact<'a, 'b> {
    best: &'b Best<'a>,
    start: BigUint,
    /// What a unit is worth, numerator and denominator.
    units: Vec<(BigUint, BigUint)>,
}

impl Exact<'_, '_> {
    /// An edge's weight in these units.
    fn weight(&self, edge: &Edge) -> (BigUint, BigUint) {
        let (from, to) = (&self.units[edge.from as usize], &self.units[edge.to as usize]);
        (&to.0 * &from.1 * edge.weight.numerator(), &to.1 * &from.0 * edge.weight.denominator())
    }
}

impl Arithmetic for Exact<'_, '_> {
    type Potential = BigUint;

    fn start(&self) -> BigUint {
        self.start.clone()
    }

    fn raise(&self, from: (usize, &BigUint), _: u64, to: (usize, &BigUint)) -> Raise<BigUint> {
        let Some(edge) = self.best.edge(from.0, to.0) else { return Raise::No };
        let (above, below) = self.weight(edge);
        let product = above * from.1;
        if product <= &below * to.1 {
            return Raise::No;
        }
        Raise::To((product + &below - 1_u32) / below)
    }
}

/// As [`super::find_proof`], without a rounding that could not be made smaller.
pub(super) fn find_proof(graph: &Graph, best: &Best) -> Result<Proof, Cycles> {
    let one = BigUint::from(1_u32);
    let units = graph.units().iter().map(|unit| (BigUint::from(*unit), one.clone())).collect();
    let start = BigUint::from(10_u32).pow(18);
    let mut exact = Exact { best, start, units };
    let mut groups: Vec<usize> = (0..best.programs()).collect();
    let mut last = Vec::new();
    for _ in 0..ROUNDS {
        let cycles = match relax(&exact, best) {
            Outcome::Fixpoint(potentials) => {
                let price = |((above, below), potential)| (above, below * potential);
                let prices = exact.units.into_iter().zip(potentials).map(price);
                return Ok(Proof { potentials: prices.collect() });
            }
            Outcome::Cycles(cycles) => cycles,
            Outcome::Beyond => break,
        };
        for cycle in &cycles {
            match compare(cycle) {
                Ordering::Greater => {
                    return Err(Cycles::Gain(gaining(cycles)));
                }
                Ordering::Equal => align(&mut exact, &mut groups, cycle),
                // Less by at least one part in the denominator: that much finer, it shows.
                Ordering::Less => exact.start *= product(cycle).1,
            }
        }
        last = cycles.into_iter().next().unwrap_or_default();
        if exact.start.bits() > LONGEST {
            break;
        }
    }
    Err(Cycles::TooClose(last))
}

/// Changes units so that every edge of a cycle that comes to one weighs one. Programs that were
/// aligned before keep their ratio: they move together.
fn align(exact: &mut Exact, groups: &mut [usize], cycle: &[Edge]) {
    for edge in cycle {
        let (from, to) = (groups[edge.from as usize], groups[edge.to as usize]);
        if from == to {
            continue;
        }
        let (above, below) = exact.weight(edge);
        for (unit, group) in exact.units.iter_mut().zip(groups.iter_mut()) {
            if *group == to {
                *unit = (&unit.0 * &below, &unit.1 * &above);
                *group = from;
            }
        }
    }
}
