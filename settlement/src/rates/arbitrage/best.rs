//! The best edge of each ordered pair, in a table: all others can only take part in worse cycles.

use std::cmp::Ordering;

use super::graph::{Edge, Graph, TRILLION};

/// No edge.
const NONE: u32 = u32::MAX;

/// For each ordered pair, row by row, the best edge and its weight in the graph's units.
pub(super) struct Best<'a> {
    edges: &'a [Edge],
    programs: usize,
    scaled: Vec<u64>,
    index: Vec<u32>,
}

impl<'a> Best<'a> {
    pub(super) fn of(graph: &'a Graph) -> Self {
        let programs = graph.names().len();
        let mut index = vec![NONE; programs * programs];
        for (number, edge) in (0_u32..).zip(graph.edges()) {
            let slot = &mut index[edge.from as usize * programs + edge.to as usize];
            let better = graph
                .edges()
                .get(*slot as usize)
                .is_none_or(|old| edge.weight.compare(&old.weight) == Ordering::Greater);
            if better {
                *slot = number;
            }
        }
        let units = graph.units();
        let scale = |number: &u32| {
            let scaled = |edge: &Edge| {
                edge.weight.scaled(units[edge.from as usize], units[edge.to as usize])
            };
            graph.edges().get(*number as usize).map_or(0, scaled)
        };
        let scaled = index.iter().map(scale).collect();
        Self { edges: graph.edges(), programs, scaled, index }
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

    pub(super) fn edge(&self, from: usize, to: usize) -> Option<&'a Edge> {
        self.edges.get(self.index[from * self.programs + to] as usize)
    }

    /// Pairs whose round trip gains, or gains but for the rounding of the weights: `(there, back)`.
    pub(super) fn round_trips(&self) -> Vec<(&'a Edge, &'a Edge)> {
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
