//! Most edges raise nothing, and half of their digits say so: many are told apart at a time.
//!
//! Weights and the potentials that they begin at are rounded up to 31 bits, what they would have to
//! exceed is rounded down. An edge that exceeds nothing in these numbers exceeds nothing in exact
//! ones; any other is looked at exactly. So nothing is decided here but what need not be looked at.

use super::graph::TRILLION;

/// So many edges are looked at together.
pub(super) const CHUNK: usize = 16;
/// What is left of a potential, which stands in 10⁻¹⁸, and of the largest weight.
const BITS: u32 = 31;
/// What a potential is divided by, as a power of two: up to nine times the start it has `BITS`
/// bits.
const POTENTIAL: u32 = 32;

/// The numbers of a search, rounded.
pub(super) struct Glance {
    /// Chunks of one row.
    chunks: usize,
    /// Row by row, each filled up with edges that there are not; 0 where there is no edge.
    weights: Vec<[u32; CHUNK]>,
    /// What a weight is divided by, as a power of two; none where weights are too large to tell.
    weight: Option<u32>,
    /// By program: what a product must exceed to raise its potential.
    bounds: Vec<[u64; CHUNK]>,
}

impl Glance {
    /// At these weights, row by row, in 10⁻¹².
    pub(super) fn new(programs: usize, weights: &[u64]) -> Self {
        let chunks = programs.div_ceil(CHUNK);
        let largest = weights.iter().copied().max().unwrap_or(0);
        let weight = (u64::BITS - largest.leading_zeros()).saturating_sub(BITS);
        let mut rounded = vec![[0; CHUNK]; programs * chunks];
        for (row, rounded) in weights.chunks(programs.max(1)).zip(rounded.chunks_mut(chunks.max(1)))
        {
            for (weights, rounded) in row.chunks(CHUNK).zip(rounded) {
                for (exact, rounded) in weights.iter().zip(rounded) {
                    *rounded = u32::try_from(up(u128::from(*exact), weight)).unwrap_or(u32::MAX);
                }
            }
        }
        Self {
            chunks,
            weights: rounded,
            // The largest number stands for all that are larger.
            weight: (largest < u64::MAX).then_some(weight),
            bounds: vec![[0; CHUNK]; chunks],
        }
    }

    pub(super) fn chunks(&self) -> usize {
        self.chunks
    }

    /// Takes an edge out.
    pub(super) fn cut(&mut self, from: usize, to: usize) {
        self.weights[from * self.chunks + to / CHUNK][to % CHUNK] = 0;
    }

    pub(super) fn has_edge(&self, from: usize, to: usize) -> bool {
        self.weights[from * self.chunks + to / CHUNK][to % CHUNK] > 0
    }

    /// A program's potential stands between these two now.
    pub(super) fn raised(&mut self, program: usize, around: Option<(u128, u128)>) {
        let product = around.map_or(0, |(floor, _)| floor.saturating_mul(TRILLION.into()));
        let bound = product >> (POTENTIAL + self.weight.unwrap_or(0));
        // No product of two numbers of 31 bits is larger.
        let bound = i64::try_from(bound).unwrap_or(i64::MAX).unsigned_abs();
        self.bounds[program / CHUNK][program % CHUNK] = bound;
    }

    /// A potential that edges begin at; none where it is too large to tell.
    pub(super) fn from(&self, around: Option<(u128, u128)>) -> Option<u32> {
        let (_, ceiling) = around.filter(|_| self.weight.is_some())?;
        u32::try_from(up(ceiling, POTENTIAL)).ok().filter(|from| *from <= 1 << BITS)
    }

    /// Whether no edge of a chunk of the row of `from` raises anything, as far as can be told.
    pub(super) fn raises_nothing(&self, from: usize, chunk: usize, seen: Option<u32>) -> bool {
        let Some(seen) = seen else { return false };
        let (weights, bounds) = (&self.weights[from * self.chunks + chunk], &self.bounds[chunk]);
        // Both have 63 bits at most: the difference has the highest where the product exceeds.
        let exceeds = |(weight, bound): (&u32, &u64)| {
            bound.wrapping_sub(u64::from(*weight) * u64::from(seen))
        };
        weights.iter().zip(bounds).map(exceeds).fold(0, |any, next| any | next) >> 63 == 0
    }
}

/// Divided by a power of two, rounded up.
fn up(number: u128, power: u32) -> u128 {
    let whole = number >> power;
    whole + u128::from(whole << power < number)
}
