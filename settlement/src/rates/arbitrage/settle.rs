//! How far values move on a new board, so that no cycle over the boards alive gains.
//!
//! In rounds: find cycles that gain, answer each, look again. What a cycle is answered with depends
//! on whether it would gain with every value where it was:
//!
//! - It would not: the movement is to blame. Of the programs whose new value counts on the cycle
//!   (they are entered and left on different boards) those that move furthest are halved: within a
//!   factor of two of the furthest, so that a quiet program does not wait for a wild one.
//! - It would: the new factors are to blame. The largest multiplier above one on it is suspended;
//!   if there is none, factors that rose are held at what the latest board alive gives; a pair that
//!   board does not have is withheld.
//!
//! A board with no movement and no factor above the latest board's adds no edge to what was proved
//! when that one was published. So the answers come to an end, and a board is never refused for
//! them. Rounds are few: all pairs are answered at once, and after [`PATIENCE`] rounds everything
//! that moves is halved.

use super::best::Best;
use super::exact;
use super::gain::Gain;
use super::graph::{Edge, Factor, Graph, OutOfRange, TRILLION, Weight};
use super::{Cycles, Proof, find_proof};

/// After so many halvings a program does not move.
pub const MAX_HALVINGS: u8 = 20;
/// Rounds in which each cycle gets its own answer.
const PATIENCE: u32 = 24;
/// After so many, no multiplier is above one.
const NO_MULTIPLIERS: u32 = PATIENCE + MAX_HALVINGS as u32 + 4;
/// After so many, nothing is above the latest board. The board is then at rest.
const AT_REST: u32 = NO_MULTIPLIERS + 8;

/// What a board gives from one program to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Who is given up, by index.
    pub from: u32,
    /// Who is received, by index.
    pub to: u32,
    /// Fee, surcharge and multiplier.
    pub factor: Factor,
    /// Its quotes end when the next board takes effect, so they meet no other board's.
    pub ends_with_board: bool,
}

/// A board that has quotes alive when the new one takes effect.
#[derive(Clone, Copy, Debug)]
pub struct AliveBoard<'a> {
    /// Its number.
    pub number: u64,
    /// Values in 10⁻⁶, by program; 0 where it had none.
    pub values: &'a [i64],
    /// Its pairs. Those whose quotes have ended are left out, except on the latest board, where
    /// they say what a factor may be held at: there `ends_with_board` says that quotes have ended.
    pub pairs: &'a [Pair],
}

/// Where a program's value was, and where it would go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The latest board's value, in 10⁻⁶; none on a program's first board.
    pub previous: Option<i64>,
    /// The value after the limit on the step, in 10⁻⁶; 0 for none.
    pub target: i64,
}

impl Movement {
    /// The value after so many halvings: the movement's magnitude is rounded down.
    ///
    /// ```
    /// use alliance_settlement::rates::arbitrage::Movement;
    /// let up = Movement { previous: Some(1_000_000), target: 1_000_007 };
    /// assert_eq!([0, 1, 2, 3, 20].map(|h| up.value(h) - 1_000_000), [7, 3, 1, 0, 0]);
    /// let down = Movement { previous: Some(1_000_000), target: 999_993 };
    /// assert_eq!([0, 1, 2, 3, 20].map(|h| down.value(h) - 1_000_000), [-7, -3, -1, 0, 0]);
    /// ```
    #[must_use]
    pub fn value(self, halvings: u8) -> i64 {
        let Some(previous) = self.previous.filter(|_| self.target > 0) else { return self.target };
        if halvings >= MAX_HALVINGS {
            return previous;
        }
        // Division rounds toward zero, so the magnitude is what is rounded down.
        previous.saturating_add(self.target.saturating_sub(previous) / (1 << halvings))
    }

    /// Numerator and denominator of how far it moves, relative to where it was.
    fn relative(self, halvings: u8) -> (u128, u128) {
        let previous = self.previous.unwrap_or(self.target);
        let magnitude = self.value(halvings).abs_diff(previous);
        (magnitude.into(), previous.unsigned_abs().max(1).into())
    }
}

/// The board that is to be published.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its number.
    pub number: u64,
    /// By program.
    pub movements: &'a [Movement],
    /// Its pairs, each ordered pair at most once.
    pub pairs: &'a [Pair],
}

/// Why a pair's factor is lower than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lowering {
    /// Its multiplier above one gained on a cycle, with no value moving: it counts as one.
    Suspended,
    /// It rose, and quotes of boards alive still count on what it was: it stays what it was.
    Held,
    /// It is new, and gains with quotes of boards alive: not on this board.
    Withheld,
}

/// A pair that the board must give less on than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lowered {
    /// The pair as it was asked for.
    pub pair: Pair,
    /// What it gives; a withheld pair has no rate at all.
    pub now: Option<Factor>,
    /// Why.
    pub why: Lowering,
}

/// A board that is proved.
#[derive(Clone, Debug)]
pub struct Settled {
    /// How often each program's movement was halved; [`MAX_HALVINGS`] where nothing is left.
    pub halvings: Vec<u8>,
    /// The values that come of it, in 10⁻⁶.
    pub values: Vec<i64>,
    /// Pairs that give less than was asked for, in the order of the candidate's pairs.
    pub lowered: Vec<Lowered>,
    /// The first cycle that gained, with values and factors as they were asked for.
    pub first_gain: Option<Gain>,
    /// All quotes that will be alive together.
    pub graph: Graph,
    /// That none of their cycles gains.
    pub proof: Proof,
    /// How often cycles were looked for.
    pub rounds: u32,
}

/// Why there is no board.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsettled {
    /// A number out of range, or lists that do not fit together.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// The quotes alive gain among themselves: they were not proved together. Wait until the
    /// oldest board's have ended.
    #[error("quotes already given gain without the new board: {0}")]
    Alive(Gain),
}

/// Whether nothing is lost going there and back. Quotes of such a pair must end with their board:
/// any movement at all would gain between two boards.
#[must_use]
pub fn takes_nothing(there: Factor, back: Factor) -> bool {
    let even = u128::from(TRILLION) * u128::from(TRILLION);
    u128::from(there.trillionths()) * u128::from(back.trillionths()) >= even
}

/// Halves movements, and lowers factors where that does not help, until no cycle over the boards
/// alive and the new one gains. `alive` are in the order of their numbers, the latest last.
///
/// # Errors
/// [`Unsettled`].
pub fn settle_steps(
    names: &[String],
    alive: &[AliveBoard],
    candidate: &Candidate,
) -> Result<Settled, Unsettled> {
    let mut board = Board::of(names, alive, candidate)?;
    let mut first_gain = None;
    for round in 1.. {
        let graph = board.graph()?;
        let cycles = match find(&graph) {
            Ok(proof) => return Ok(board.settled(graph, proof, first_gain, round)),
            Err(cycles) => cycles,
        };
        let told = Gain::first(&graph, &cycles);
        if !board.answer(&cycles, round) {
            return Err(Unsettled::Alive(told));
        }
        first_gain.get_or_insert(told);
    }
    Err(OutOfRange::Programs.into()) // a range without an end does not end
}

/// All gaining pairs, else the gaining cycles that keep the proof from being found.
fn find(graph: &Graph) -> Result<Proof, Vec<Vec<Edge>>> {
    let best = Best::of(graph);
    let mut pairs: Vec<Vec<Edge>> =
        best.round_trips().into_iter().map(|(there, back)| vec![*there, *back]).collect();
    pairs.retain(|pair| exact::gains(pair));
    if !pairs.is_empty() {
        return Err(pairs);
    }
    find_proof(graph, &best).map_err(|cycles| match cycles {
        Cycles::Gain(cycles) => cycles,
        Cycles::TooClose(cycle) => vec![cycle],
    })
}

/// The new board while it is being settled.
struct Board<'a> {
    names: &'a [String],
    candidate: &'a Candidate<'a>,
    /// What the latest board alive gives, by pair.
    latest: Vec<Option<Factor>>,
    /// The best edges of boards alive. They do not depend on the new values.
    alive: Vec<Edge>,
    halvings: Vec<u8>,
    /// What each of the candidate's pairs gives now, and why less.
    factors: Vec<(Option<Factor>, Option<Lowering>)>,
    /// Place in the candidate's pairs, by pair.
    place: Vec<Option<usize>>,
}

impl<'a> Board<'a> {
    fn of(
        names: &'a [String],
        alive: &[AliveBoard],
        candidate: &'a Candidate<'a>,
    ) -> Result<Self, OutOfRange> {
        let programs = names.len();
        let numbers = alive.iter().map(|board| board.number).chain([candidate.number]);
        if !numbers.is_sorted_by(|one, next| one < next) {
            return Err(OutOfRange::Boards);
        }
        if candidate.movements.len() != programs
            || alive.iter().any(|board| board.values.len() != programs)
        {
            return Err(OutOfRange::Programs);
        }
        // Any units do to compare edges of one pair; these keep the numbers small.
        let mut old = Graph::new(names, &vec![TRILLION as i64; programs])?;
        for board in alive {
            let quoted = board.pairs.iter().filter(|pair| !pair.ends_with_board);
            add_board(&mut old, board.number, board.values, quoted.map(|p| (p, p.factor)))?;
        }
        let best = Best::of(&old);
        let alive_edges = (0..programs)
            .flat_map(|x| {
                (0..programs).filter_map(|y| best.edge(x, y).copied()).collect::<Vec<_>>()
            })
            .collect();
        let mut board = Self {
            names,
            candidate,
            latest: vec![None; programs * programs],
            alive: alive_edges,
            halvings: vec![0; programs],
            factors: candidate.pairs.iter().map(|pair| (Some(pair.factor), None)).collect(),
            place: vec![None; programs * programs],
        };
        for (place, pair) in candidate.pairs.iter().enumerate() {
            let slot = board.slot(pair.from, pair.to)?;
            board.place[slot] = Some(place);
        }
        for pair in alive.last().map_or(&[][..], |latest| latest.pairs) {
            let slot = board.slot(pair.from, pair.to)?;
            board.latest[slot] = Some(pair.factor);
        }
        Ok(board)
    }

    fn slot(&self, from: u32, to: u32) -> Result<usize, OutOfRange> {
        let (from, to, programs) = (from as usize, to as usize, self.names.len());
        if from == to || from >= programs || to >= programs {
            return Err(OutOfRange::Program);
        }
        Ok(from * programs + to)
    }

    fn values(&self) -> Vec<i64> {
        let movements = self.candidate.movements.iter().zip(&self.halvings);
        movements.map(|(movement, halvings)| movement.value(*halvings)).collect()
    }

    /// All edges alive, in units in which the new board's values cancel.
    fn graph(&self) -> Result<Graph, OutOfRange> {
        let values = self.values();
        let units: Vec<i64> =
            values.iter().map(|value| if *value == 0 { 1 } else { *value }).collect();
        let mut graph = Graph::new(self.names, &units)?;
        for edge in &self.alive {
            graph.add(*edge)?;
        }
        let pairs = self.candidate.pairs.iter().zip(&self.factors);
        let given = pairs.filter_map(|(pair, (factor, _))| Some((pair, (*factor)?)));
        add_board(&mut graph, self.candidate.number, &values, given)?;
        Ok(graph)
    }

    fn settled(self, graph: Graph, proof: Proof, first_gain: Option<Gain>, rounds: u32) -> Settled {
        let lowered =
            self.candidate.pairs.iter().zip(&self.factors).filter_map(|(pair, given)| {
                Some(Lowered { pair: *pair, now: given.0, why: given.1? })
            });
        Settled {
            lowered: lowered.collect(),
            values: self.values(),
            halvings: self.halvings,
            first_gain,
            graph,
            proof,
            rounds,
        }
    }

    /// Answers every cycle; says whether anything changed.
    fn answer(&mut self, cycles: &[Vec<Edge>], round: u32) -> bool {
        let mut halve = vec![round > PATIENCE; self.names.len()];
        let mut changed = false;
        for cycle in cycles {
            if self.gains_at_rest(cycle) || !self.mark_furthest(cycle, &mut halve) {
                changed |= self.lower(cycle);
            }
        }
        if round > NO_MULTIPLIERS {
            for place in 0..self.factors.len() {
                changed |= self.suspend(place) || (round > AT_REST && self.hold(place));
            }
        }
        for (program, _) in halve.iter().enumerate().filter(|(_, halve)| **halve) {
            changed |= self.halve(program);
        }
        changed
    }

    fn moves(&self, program: usize) -> bool {
        let movement = self.candidate.movements[program];
        movement.previous.is_some_and(|was| movement.value(self.halvings[program]) != was)
    }

    /// Once more; straight to the end where halving leaves nothing.
    fn halve(&mut self, program: usize) -> bool {
        if !self.moves(program) {
            return false;
        }
        self.halvings[program] += 1;
        if !self.moves(program) {
            self.halvings[program] = MAX_HALVINGS;
        }
        true
    }

    fn is_new(&self, edge: &Edge) -> bool {
        edge.board == self.candidate.number
    }

    /// Whether the cycle would gain if no value moved.
    fn gains_at_rest(&self, cycle: &[Edge]) -> bool {
        if cycle.iter().all(|edge| self.is_new(edge)) {
            return true;
        }
        let rest = |program: u32| {
            let movement = self.candidate.movements[program as usize];
            movement.previous.unwrap_or(movement.target)
        };
        let at_rest = |edge: &Edge| {
            if !self.is_new(edge) {
                return *edge;
            }
            let still = Weight::new(rest(edge.from), rest(edge.to), edge.weight.factor);
            Edge { weight: still.unwrap_or(edge.weight), ..*edge }
        };
        let still: Vec<Edge> = cycle.iter().map(at_rest).collect();
        exact::gains(&still)
    }

    /// The programs whose new value counts on the cycle, and that move at least half as far as the
    /// one that moves furthest. Says whether any does.
    fn mark_furthest(&self, cycle: &[Edge], halve: &mut [bool]) -> bool {
        let into = cycle.iter().cycle().skip(cycle.len().saturating_sub(1));
        let counted = into.zip(cycle).filter(|(into, out)| self.is_new(into) != self.is_new(out));
        let moving: Vec<usize> = counted.map(|(_, out)| out.from as usize).collect();
        let distance = |at: &usize| self.candidate.movements[*at].relative(self.halvings[*at]);
        let less = |one: (u128, u128), other: (u128, u128)| one.0 * other.1 < other.0 * one.1;
        let furthest = moving
            .iter()
            .map(distance)
            .fold((0, 1), |most, next| if less(most, next) { next } else { most });
        for program in moving {
            let (magnitude, of) = distance(&program);
            halve[program] |= !less((2 * magnitude, of), furthest);
        }
        furthest.0 > 0
    }

    /// Lowers new factors on a cycle that movement is not to blame for.
    fn lower(&mut self, cycle: &[Edge]) -> bool {
        let new = cycle.iter().filter(|edge| self.is_new(edge));
        let places: Vec<usize> =
            new.filter_map(|edge| self.place[self.slot(edge.from, edge.to).ok()?]).collect();
        let multiplier =
            |place: &usize| self.factors[*place].0.map_or(0, Factor::multiplier_micros);
        let largest = places.iter().copied().max_by_key(multiplier);
        if largest.is_some_and(|place| self.suspend(place)) {
            return true;
        }
        places.into_iter().fold(false, |changed, place| self.hold(place) || changed)
    }

    fn suspend(&mut self, place: usize) -> bool {
        let (factor, why) = &mut self.factors[place];
        let one = Factor::ONE.multiplier_micros();
        let above = factor.filter(|factor| factor.multiplier_micros() > one);
        let Some(plain) = above.and_then(|above| Factor::new(above.fee_micros(), one).ok()) else {
            return false;
        };
        (*factor, *why) = (Some(plain), Some(Lowering::Suspended));
        true
    }

    fn hold(&mut self, place: usize) -> bool {
        let pair = self.candidate.pairs[place];
        let latest = self.slot(pair.from, pair.to).ok().and_then(|slot| self.latest[slot]);
        let (factor, why) = &mut self.factors[place];
        let amount = |factor: Factor| factor.trillionths();
        if factor.map_or(0, amount) <= latest.map_or(0, amount) {
            return false;
        }
        let reason = if latest.is_some() { Lowering::Held } else { Lowering::Withheld };
        (*factor, *why) = (latest, Some(reason));
        true
    }
}

/// Adds the pairs of a board whose programs have values, and that give anything.
fn add_board<'p>(
    graph: &mut Graph,
    board: u64,
    values: &[i64],
    pairs: impl Iterator<Item = (&'p Pair, Factor)>,
) -> Result<(), OutOfRange> {
    let value = |program: u32| values.get(program as usize).copied().ok_or(OutOfRange::Program);
    for (Pair { from, to, .. }, factor) in pairs {
        let (value_from, value_to) = (value(*from)?, value(*to)?);
        if value_from == 0 || value_to == 0 || factor.trillionths() == 0 {
            continue;
        }
        let weight = Weight::new(value_from, value_to, factor)?;
        graph.add(Edge { board, from: *from, to: *to, weight })?;
    }
    Ok(())
}
