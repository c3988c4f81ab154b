//! The best edge of each ordered pair, in a table: all others can only take part in worse cycles.

use std::cmp::Ordering;

use super::graph::{Edge, Graph, TRILLION};

/// For each ordered pair, row by row, the best edge and its weight in the graph's units.
pub(super) struct Best {
    programs: usize,
    edges: Vec<Option<Edge>>,
    scaled: Vec<u64>,
}

impl Best {
    pub(super) fn of(graph: &Graph) -> Self {
        let programs = graph.names().len();
        let mut edges: Vec<Option<Edge>> = vec![None; programs * programs];
        for edge in graph.edges() {
            let slot = &mut edges[edge.from as usize * programs + edge.to as usize];
            *slot = better(*slot, Some(*edge));
        }
        let units = graph.units();
        let scaled = edges.iter().map(|edge| scaled(edge.as_ref(), units)).collect();
        Self { programs, edges, scaled }
    }

    /// A table without an edge.
    pub(super) fn none(programs: usize) -> Self {
        let pairs = programs * programs;
        Self { programs, edges: vec![None; pairs], scaled: vec![0; pairs] }
    }

    /// Puts the best edge of a pair in its place, whatever stood there.
    pub(super) fn put(&mut self, slot: usize, edge: Option<Edge>, units: &[u64]) {
        self.scaled[slot] = scaled(edge.as_ref(), units);
        self.edges[slot] = edge;
    }

    pub(super) fn programs(&self) -> usize {
        self.programs
    }

    /// The weights in 10⁻¹², rounded up, row by row; 0 where there is no edge.
    pub(super) fn weights(&self) -> &[u64] {
        &self.scaled
    }

    pub(super) fn largest(&self) -> u64 {
        self.scaled.iter().copied().max().unwrap_or(0)
    }

    pub(super) fn edge(&self, from: usize, to: usize) -> Option<&Edge> {
        self.edges[from * self.programs + to].as_ref()
    }

    /// Pairs whose round trip gains, or gains but for the rounding of the weights: `(there, back)`.
    pub(super) fn round_trips(&self) -> Vec<(&Edge, &Edge)> {
        let even = u128::from(TRILLION) * u128::from(TRILLION);
        let mut found = Vec::new();
        for x in 0..self.programs {
            let row = &self.scaled[x * self.programs..(x + 1) * self.programs];
            for (y, there) in row.iter().enumerate().skip(x + 1) {
                let back = self.scaled[y * self.programs + x];
                if u128::from(*there) * u128::from(back) > even {
                    found.extend(self.edge(x, y).zip(self.edge(y, x)));
                }
            }
        }
        found
    }
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

fn scaled(edge: Option<&Edge>, units: &[u64]) -> u64 {
    let scaled =
        |edge: &Edge| edge.weight.scaled(units[edge.from as usize], units[edge.to as usize]);
    edge.map_or(0, scaled)
}
