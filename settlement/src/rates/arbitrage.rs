//! No cycle of quotes gains: proved exactly, or the cycle that does is named.
//!
//! A node is a program. An edge from x to y is what an order gets on one board: its weight is
//! v(x) / v(y) × c, and c is what fees and multipliers leave. A walk that comes back to its program
//! multiplies the points by the product of its weights; no product may be above one, whichever of
//! the boards alive each edge is from. `docs/no-arbitrage.md` has the promise and the reasoning.
//!
//! | file | what |
//! | --- | --- |
//! | `graph` | weights, edges, the graph |
//! | `best` | the best edge of each ordered pair |
//! | `glance` | which edges the search need not look at |
//! | `potentials` | the search for a fixpoint, in any arithmetic |
//! | `exact` | products and potentials without rounding |
//! | `gain` | what a gain says |
//! | `settle` | how values move so that the proof exists |
//!
//! Deliberately absent: logarithms and every other float, a tolerance, a limit on a program's step
//! by itself (directed fees make it insufficient).

mod best;
mod exact;
mod gain;
mod glance;
mod graph;
mod potentials;
mod settle;
#[cfg(test)]
mod tests;

use num_bigint::BigUint;

pub use gain::{Gain, Unproven};
pub use graph::{Edge, Factor, Graph, MAX_MULTIPLIER_MICROS, MAX_PROGRAMS, OutOfRange, Weight};
pub use settle::{
    AliveBoard, Candidate, Lowered, Lowering, MAX_HALVINGS, Movement, Pair, Settled, Unsettled,
    settle_steps, takes_nothing,
};

use best::{Best, Ways};
use potentials::{Fixed, Outcome, relax};

/// Prices at which no edge gains: a proof that no cycle does.
///
/// Each program's point has a price. No edge brings points of a higher price than those it takes,
/// so neither does any chain of edges, and a chain that comes back to its program has not more
/// points than it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// For each program, numerator and denominator; all above zero.
    prices: Vec<(BigUint, BigUint)>,
}

impl Proof {
    /// Checks the proof against every edge by itself, without anything that led to it: the weight
    /// times the price of `to` is at most the price of `from`.
    #[must_use]
    pub fn verify(&self, graph: &Graph) -> bool {
        let zero = BigUint::ZERO;
        let positive = self.prices.iter().all(|(above, below)| *above > zero && *below > zero);
        let holds = |edge: &Edge| {
            let from = self.prices.get(edge.from as usize);
            let to = self.prices.get(edge.to as usize);
            let (weight, unit) = (edge.weight.numerator(), edge.weight.denominator());
            from.zip(to)
                .is_some_and(|(from, to)| &to.0 * &from.1 * weight <= &from.0 * &to.1 * unit)
        };
        positive && graph.edges().iter().all(holds)
    }
}

/// Proves that no cycle of the graph gains.
///
/// # Errors
/// [`Unproven::Gain`] names a cycle whose exact product is above one.
///
/// ```
/// use alliance_settlement::rates::arbitrage::{Edge, Factor, Graph, Weight, prove};
/// let names = ["aurora".to_owned(), "borealis".to_owned()];
/// let fee = Factor::new(10_000, 1_000_000)?; // 0.01, times 1
/// let mut graph = Graph::new(&names, &[1_000_000, 1_100_000])?;
/// graph.add(Edge { board: 12, from: 0, to: 1, weight: Weight::new(1_000_000, 1_000_000, fee)? })?;
/// graph.add(Edge { board: 13, from: 1, to: 0, weight: Weight::new(1_100_000, 1_000_000, fee)? })?;
/// // There on the old board, back on the new: 0.99 × 1.1 × 0.99.
/// assert_eq!(
///     prove(&graph).expect_err("it gains").to_string(),
///     "aurora → borealis (board 12, fee 0.01) → aurora (board 13, fee 0.01) multiplies by 1.07811"
/// );
/// # Ok::<(), alliance_settlement::rates::arbitrage::OutOfRange>(())
/// ```
pub fn prove(graph: &Graph) -> Result<Proof, Unproven> {
    find_proof(&Best::of(graph)).map_err(|stuck| match stuck {
        Stuck::Gains(cycles) => Unproven::Gain(Gain::first(graph.names(), &cycles)),
        Stuck::Undecided => Unproven::Undecided,
    })
}

/// What stands in the way of a proof.
enum Stuck {
    /// Cycles with products above one; never empty.
    Gains(Vec<Vec<Edge>>),
    /// The search ended without an answer.
    Undecided,
}

/// Fixed point first: it settles nearly everything. What it cannot tell apart goes to exact
/// arithmetic.
fn find_proof(ways: &impl Ways) -> Result<Proof, Stuck> {
    match relax(&Fixed::of(ways), ways) {
        Outcome::Fixpoint(potentials) => {
            let price = |(potential, unit): (u128, &u64)| (BigUint::from(*unit), potential.into());
            return Ok(Proof {
                prices: potentials.into_iter().zip(ways.units()).map(price).collect(),
            });
        }
        Outcome::Cycles(cycles) => {
            let gains = exact::gaining(cycles);
            if !gains.is_empty() {
                return Err(Stuck::Gains(gains));
            }
        }
        Outcome::Beyond => {}
    }
    exact::find_proof(ways)
}
