//! The best edge of each ordered pair: all others can only take part in worse cycles.

use std::cmp::Ordering;

use super::graph::{Edge, Graph, TRILLION};

/// So many rows of a table are looked at together: their numbers in one column lie side by side.
const ROWS: usize = 8;

/// The best edge of each ordered pair of programs, as the search for a proof needs it.
pub(super) trait Ways {
    fn programs(&self) -> usize;

    /// What each program's points are counted in.
    fn units(&self) -> &[u64];

    /// The weights in 10⁻¹², rounded up, row by row; 0 where there is no edge.
    fn weights(&self) -> &[u64];

    /// The edge itself.
    fn edge(&self, from: usize, to: usize) -> Option<Edge>;
}

/// The best edges of a graph, in a table.
pub(super) struct Best<'a> {
    graph: &'a Graph,
    edges: Vec<Option<Edge>>,
    weights: Vec<u64>,
}

impl<'a> Best<'a> {
    pub(super) fn of(graph: &'a Graph) -> Self {
        let programs = graph.names().len();
        let mut edges: Vec<Option<Edge>> = vec![None; programs * programs];
        for edge in graph.edges() {
            let slot = &mut edges[edge.from as usize * programs + edge.to as usize];
            *slot = better(*slot, Some(*edge));
        }
        let units = graph.units();
        let scaled =
            |edge: &Edge| edge.weight.scaled(units[edge.from as usize], units[edge.to as usize]);
        let weights = edges.iter().map(|edge| edge.as_ref().map_or(0, scaled)).collect();
        Self { graph, edges, weights }
    }
}

impl Ways for Best<'_> {
    fn programs(&self) -> usize {
        self.graph.names().len()
    }

    fn units(&self) -> &[u64] {
        self.graph.units()
    }

    fn weights(&self) -> &[u64] {
        &self.weights
    }

    fn edge(&self, from: usize, to: usize) -> Option<Edge> {
        self.edges[from * self.programs() + to]
    }
}

/// Pairs whose round trip gains, exactly, in the order of the table.
pub(super) fn round_trips_that_gain(
    ways: &impl Ways,
    gains: fn(&[Edge]) -> bool,
) -> Vec<[Edge; 2]> {
    let (programs, weights) = (ways.programs(), ways.weights());
    let even = u128::from(TRILLION) * u128::from(TRILLION);
    let product = |there: u64, back: u64| u128::from(there) * u128::from(back);
    let mut found = Vec::new();
    let mut above: [Vec<(usize, u64, u64)>; ROWS] = Default::default();
    for first in (0..programs).step_by(ROWS) {
        let rows = ROWS.min(programs - first);
        for y in first + 1..programs {
            let backs = &weights[y * programs + first..][..rows];
            for (row, back) in backs.iter().enumerate().take(y - first) {
                let there = weights[(first + row) * programs + y];
                if product(there, *back) > even {
                    above[row].push((y, there, *back));
                }
            }
        }
        for (row, above) in above.iter_mut().enumerate() {
            let x = first + row;
            for (y, there, back) in above.drain(..) {
                let Some((one, other)) = ways.edge(x, y).zip(ways.edge(y, x)) else { continue };
                // Each was rounded up by less than one: what still gains one lower needs no proof.
                if product(there - 1, back - 1) >= even || gains(&[one, other]) {
                    found.push([one, other]);
                }
            }
        }
    }
    found
}

/// The better of two edges of one pair; of two that are as good, the one that was there before.
pub(super) fn better(before: Option<Edge>, other: Option<Edge>) -> Option<Edge> {
    match (before, other) {
        (Some(before), Some(other)) => {
            let greater = other.weight.compare(&before.weight) == Ordering::Greater;
            Some(if greater { other } else { before })
        }
        (before, other) => before.or(other),
    }
}
