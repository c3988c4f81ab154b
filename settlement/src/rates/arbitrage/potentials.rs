//! Bellman–Ford in integers, with products for sums: raises potentials until no edge raises one.
//!
//! Every rounding is up, so a fixpoint is an exact proof whatever was rounded on the way. Only a
//! cycle can keep potentials rising; whether it gains or only drifts by its roundings is decided
//! elsewhere, exactly.

use super::best::Ways;
use super::glance::{CHUNK, Glance};
use super::graph::{Edge, TRILLION};

/// What an edge does to the potential of the program it goes to.
pub(super) enum Raise<P> {
    No,
    To(P),
    /// The arithmetic holds no number so large.
    Beyond,
}

/// Numbers that potentials are counted in.
pub(super) trait Arithmetic {
    type Potential: Clone;
    /// After the first cycle, so many passes look for more of them, where a pass is cheap: whoever
    /// answers cycles is then asked less often.
    const PASSES_FOR_MORE: usize;
    fn start(&self) -> Self::Potential;
    /// `weight` is in 10⁻¹², rounded up, not zero.
    fn raise(
        &self,
        from: (usize, &Self::Potential),
        weight: u64,
        to: (usize, &Self::Potential),
    ) -> Raise<Self::Potential>;
    /// The whole numbers of 10⁻¹⁸ below and above a potential; none where they are too large.
    fn around(&self, potential: &Self::Potential) -> Option<(u128, u128)>;
}

/// How the search ended.
pub(super) enum Outcome<P> {
    /// No edge raises anything.
    Fixpoint(Vec<P>),
    /// Cycles that raised themselves, no edge on two of them.
    Cycles(Vec<Vec<Edge>>),
    /// Left the arithmetic's range.
    Beyond,
}

/// Potentials in 10⁻¹⁸: eighteen decimals multiply without a rounding.
pub(super) struct Fixed {
    limit: u128,
}

impl Fixed {
    /// One.
    pub(super) const START: u128 = 1_000_000_000_000_000_000;

    pub(super) fn of(ways: &impl Ways) -> Self {
        let largest = ways.weights().iter().copied().max().unwrap_or(0);
        Self { limit: u128::MAX / u128::from(largest.max(TRILLION)) }
    }
}

impl Arithmetic for Fixed {
    type Potential = u128;
    const PASSES_FOR_MORE: usize = 64;

    fn start(&self) -> u128 {
        Self::START
    }

    fn raise(&self, from: (usize, &u128), weight: u64, to: (usize, &u128)) -> Raise<u128> {
        // Neither product overflows: no potential passes the limit, no weight the largest.
        let product = from.1 * u128::from(weight);
        if product <= to.1 * u128::from(TRILLION) {
            return Raise::No;
        }
        let raised = product.div_ceil(TRILLION.into());
        if raised > self.limit || weight == u64::MAX { Raise::Beyond } else { Raise::To(raised) }
    }

    fn around(&self, potential: &u128) -> Option<(u128, u128)> {
        Some((*potential, *potential))
    }
}

/// Raises until nothing rises, or only cycles would.
pub(super) fn relax<A: Arithmetic>(arithmetic: &A, ways: &impl Ways) -> Outcome<A::Potential> {
    let programs = ways.programs();
    let mut search = Search::new(arithmetic, ways);
    let mut found: Vec<Vec<Edge>> = Vec::new();
    // A rise in pass n comes of a chain of n edges, which closes a cycle among n programs.
    let mut passes = programs + 1;
    while passes > 0 {
        passes -= 1;
        match search.pass() {
            Pass::Raised => {}
            Pass::Still if found.is_empty() => return Outcome::Fixpoint(search.potentials),
            Pass::Still | Pass::Beyond => break,
        }
        for cycle in cycles(&search.raised_by, ways) {
            if found.is_empty() {
                passes = A::PASSES_FOR_MORE;
            }
            search.cut(&cycle);
            found.push(cycle);
        }
    }
    if found.is_empty() { Outcome::Beyond } else { Outcome::Cycles(found) }
}

/// How one pass over all programs ended.
enum Pass {
    Raised,
    Still,
    Beyond,
}

struct Search<'a, A: Arithmetic, W: Ways> {
    arithmetic: &'a A,
    ways: &'a W,
    glance: Glance,
    potentials: Vec<A::Potential>,
    raised_by: Vec<Option<usize>>,
    /// Raised since its edges were looked at.
    fresh: Vec<bool>,
}

impl<'a, A: Arithmetic, W: Ways> Search<'a, A, W> {
    fn new(arithmetic: &'a A, ways: &'a W) -> Self {
        let programs = ways.programs();
        let mut glance = Glance::new(programs, ways.weights());
        let start = arithmetic.start();
        (0..programs).for_each(|program| glance.raised(program, arithmetic.around(&start)));
        Self {
            arithmetic,
            ways,
            glance,
            potentials: vec![start; programs],
            raised_by: vec![None; programs],
            fresh: vec![true; programs],
        }
    }

    fn pass(&mut self) -> Pass {
        let programs = self.potentials.len();
        let weights = self.ways.weights();
        let mut pass = Pass::Still;
        for x in 0..programs {
            if !std::mem::take(&mut self.fresh[x]) {
                continue;
            }
            let from = self.potentials[x].clone();
            let seen = self.glance.from(self.arithmetic.around(&from));
            for some in 0..self.glance.chunks() {
                if self.glance.raises_nothing(x, some, seen) {
                    continue;
                }
                for y in (some * CHUNK..programs.min((some + 1) * CHUNK)).filter(|y| *y != x) {
                    if !self.glance.has_edge(x, y) {
                        continue;
                    }
                    let (weight, to) = (weights[x * programs + y], &self.potentials[y]);
                    match self.arithmetic.raise((x, &from), weight, (y, to)) {
                        Raise::No => {}
                        Raise::Beyond => return Pass::Beyond,
                        Raise::To(higher) => {
                            self.glance.raised(y, self.arithmetic.around(&higher));
                            self.potentials[y] = higher;
                            self.raised_by[y] = Some(x);
                            self.fresh[y] = true;
                            pass = Pass::Raised;
                        }
                    }
                }
            }
        }
        pass
    }

    fn cut(&mut self, cycle: &[Edge]) {
        for edge in cycle {
            let (from, to) = (edge.from as usize, edge.to as usize);
            self.glance.cut(from, to);
            self.raised_by[to] = None;
        }
    }
}

/// The cycles of "was raised by": each program has at most one predecessor, so none shares one.
fn cycles(raised_by: &[Option<usize>], ways: &impl Ways) -> Vec<Vec<Edge>> {
    let mut walk_of = vec![0_usize; raised_by.len()];
    let mut found = Vec::new();
    for start in 0..raised_by.len() {
        let mut at = start;
        while walk_of[at] == 0 {
            walk_of[at] = start + 1;
            let Some(before) = raised_by[at] else { break };
            at = before;
        }
        if walk_of[at] == start + 1 && raised_by[at].is_some() {
            found.push(cycle_through(at, raised_by, ways));
        }
    }
    found
}

fn cycle_through(last: usize, raised_by: &[Option<usize>], ways: &impl Ways) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut to = last;
    while let Some(from) = raised_by[to] {
        edges.extend(ways.edge(from, to));
        to = from;
        if to == last {
            break;
        }
    }
    edges.reverse();
    edges
}
