//! The new board while it is being settled: what it gives so far, and how a cycle is answered.

use super::super::Proof;
use super::super::best::{Best, better};
use super::super::exact;
use super::super::gain::Gain;
use super::super::graph::{Edge, Factor, Graph, MAX_PROGRAMS, OutOfRange, Weight, units_of};
use super::{
    AT_REST, AliveBoard, Candidate, Lowered, Lowering, MAX_HALVINGS, NO_MULTIPLIERS, PATIENCE,
    Pair, Settled,
};

/// The new board while it is being settled.
pub(super) struct Board<'a> {
    programs: usize,
    candidate: &'a Candidate<'a>,
    /// What the latest board alive gives, by pair.
    latest: Vec<Option<Factor>>,
    /// The best edge of boards alive, by pair. They do not depend on the new values.
    alive: Vec<Option<Edge>>,
    halvings: Vec<u8>,
    /// What each of the candidate's pairs gives now, and why less.
    factors: Vec<(Option<Factor>, Option<Lowering>)>,
    /// Place in the candidate's pairs, by pair.
    place: Vec<Option<usize>>,
    /// What each program's points are counted in: its new value, which then cancels.
    units: Vec<u64>,
    /// The best of all edges, as far as it is up to date.
    best: Best,
    /// Programs whose value, and pairs whose factor, has changed since it was.
    changed: Changed,
}

/// What is no longer as the table of the best has it.
#[derive(Default)]
struct Changed {
    /// Everything.
    all: bool,
    programs: Vec<usize>,
    slots: Vec<usize>,
}

impl<'a> Board<'a> {
    pub(super) fn of(
        names: &'a [String],
        alive: &[AliveBoard],
        candidate: &'a Candidate<'a>,
    ) -> Result<Self, OutOfRange> {
        let programs = names.len();
        let numbers = alive.iter().map(|board| board.number).chain([candidate.number]);
        if !numbers.is_sorted_by(|one, next| one < next) {
            return Err(OutOfRange::Boards);
        }
        if programs > MAX_PROGRAMS
            || candidate.movements.len() != programs
            || alive.iter().any(|board| board.values.len() != programs)
        {
            return Err(OutOfRange::Programs);
        }
        let slot = |from: u32, to: u32| slot(programs, from, to);
        let mut best_alive: Vec<Option<Edge>> = vec![None; programs * programs];
        for board in alive {
            let quoted = board.pairs.iter().filter(|pair| !pair.ends_with_board);
            for pair in quoted {
                let place = slot(pair.from, pair.to)?;
                let edge = edge(board.number, board.values, pair, pair.factor)?;
                best_alive[place] = better(best_alive[place], edge);
            }
        }
        let mut place = vec![None; programs * programs];
        for (at, pair) in candidate.pairs.iter().enumerate() {
            place[slot(pair.from, pair.to)?] = Some(at);
        }
        let mut latest = vec![None; programs * programs];
        for pair in alive.last().map_or(&[][..], |latest| latest.pairs) {
            latest[slot(pair.from, pair.to)?] = Some(pair.factor);
        }
        Ok(Self {
            programs,
            candidate,
            latest,
            alive: best_alive,
            halvings: vec![0; programs],
            factors: candidate.pairs.iter().map(|pair| (Some(pair.factor), None)).collect(),
            place,
            units: vec![1; programs],
            best: Best::none(programs),
            changed: Changed { all: true, ..Changed::default() },
        })
    }

    fn slot(&self, from: u32, to: u32) -> Result<usize, OutOfRange> {
        slot(self.programs, from, to)
    }

    fn values(&self) -> Vec<i64> {
        let movements = self.candidate.movements.iter().zip(&self.halvings);
        movements.map(|(movement, halvings)| movement.value(*halvings)).collect()
    }

    /// The best of all edges alive, and the units that it is in. Only what has changed since it was
    /// asked for last is looked at again: an answer changes few programs of many.
    pub(super) fn best(&mut self) -> Result<(&[u64], &Best), OutOfRange> {
        let values = self.values();
        let units: Vec<i64> =
            values.iter().map(|value| if *value == 0 { 1 } else { *value }).collect();
        self.units = units_of(&units)?;
        let Changed { all, programs, slots } = std::mem::take(&mut self.changed);
        let mut changed = vec![all; self.programs];
        programs.into_iter().for_each(|program| changed[program] = true);
        if changed.contains(&true) {
            // In the order of the table: many programs at a time change in some rounds.
            for (from, row) in changed.iter().enumerate() {
                for (to, _) in changed.iter().enumerate().filter(|(_, column)| *row || **column) {
                    self.look_again(from * self.programs + to, &values)?;
                }
            }
        }
        slots.into_iter().try_for_each(|slot| self.look_again(slot, &values))?;
        Ok((&self.units, &self.best))
    }

    fn look_again(&mut self, slot: usize, values: &[i64]) -> Result<(), OutOfRange> {
        let given = self.place[slot]
            .and_then(|place| self.candidate.pairs.get(place).zip(self.factors.get(place)?.0));
        let given = match given {
            Some((pair, factor)) => edge(self.candidate.number, values, pair, factor)?,
            None => None,
        };
        self.best.put(slot, better(self.alive[slot], given), &self.units);
        Ok(())
    }

    pub(super) fn settled(self, proof: Proof, first_gain: Option<Gain>, rounds: u32) -> Settled {
        let lowered =
            self.candidate.pairs.iter().zip(&self.factors).filter_map(|(pair, given)| {
                Some(Lowered { pair: *pair, now: given.0, why: given.1? })
            });
        Settled {
            lowered: lowered.collect(),
            values: self.values(),
            halvings: self.halvings,
            first_gain,
            proof,
            rounds,
        }
    }

    /// Answers every cycle; says whether anything changed.
    pub(super) fn answer(&mut self, cycles: &[Vec<Edge>], round: u32) -> bool {
        let mut halve = vec![false; self.programs];
        let mut changed = false;
        for cycle in cycles {
            if self.gains_at_rest(cycle) || !self.mark_furthest(cycle, &mut halve) {
                changed |= self.lower(cycle);
            }
        }
        for place in 0..self.factors.len() {
            changed |= (round > AT_REST && self.hold(place))
                || (round == NO_MULTIPLIERS + 1 && self.suspend(place));
        }
        let all = round > AT_REST || (round > PATIENCE && halve.contains(&true));
        for (program, _) in halve.iter().enumerate().filter(|(_, halve)| all || **halve) {
            changed |= self.halve(program, round > AT_REST);
        }
        changed
    }

    fn moves(&self, program: usize) -> bool {
        let movement = self.candidate.movements[program];
        movement.previous.is_some_and(|was| movement.value(self.halvings[program]) != was)
    }

    /// Once more; straight to the end where halving leaves nothing, or at once.
    fn halve(&mut self, program: usize, to_the_end: bool) -> bool {
        if !self.moves(program) {
            return false;
        }
        self.changed.programs.push(program);
        self.halvings[program] += 1;
        if to_the_end || !self.moves(program) {
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
        let mut changed = false;
        for place in places {
            changed |= self.hold(place);
        }
        changed
    }

    fn suspend(&mut self, place: usize) -> bool {
        let (factor, why) = &mut self.factors[place];
        let one = Factor::ONE.multiplier_micros();
        let above = factor.filter(|factor| factor.multiplier_micros() > one);
        let Some(plain) = above.and_then(|above| Factor::new(above.fee_micros(), one).ok()) else {
            return false;
        };
        (*factor, *why) = (Some(plain), Some(Lowering::Suspended));
        self.has_changed(place);
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
        self.has_changed(place);
        true
    }

    /// Another factor stands at this place of the candidate's pairs.
    fn has_changed(&mut self, place: usize) {
        let pair = self.candidate.pairs[place];
        self.changed.slots.extend(self.slot(pair.from, pair.to));
    }
}

/// Where a pair stands in a table of all.
fn slot(programs: usize, from: u32, to: u32) -> Result<usize, OutOfRange> {
    let (from, to) = (from as usize, to as usize);
    if from == to || from >= programs || to >= programs {
        return Err(OutOfRange::Program);
    }
    Ok(from * programs + to)
}

/// What a board gives from one program to another; none where one of them has no value, or nothing
/// is given.
fn edge(
    board: u64,
    values: &[i64],
    pair: &Pair,
    factor: Factor,
) -> Result<Option<Edge>, OutOfRange> {
    let Pair { from, to, .. } = *pair;
    let value = |program: u32| values.get(program as usize).copied().ok_or(OutOfRange::Program);
    let (value_from, value_to) = (value(from)?, value(to)?);
    if value_from == 0 || value_to == 0 || factor.trillionths() == 0 {
        return Ok(None);
    }
    let weight = Weight::new(value_from, value_to, factor)?;
    Ok(Some(Edge { board, from, to, weight }))
}

/// All quotes alive together: every one of the boards alive, and the new board's.
pub(super) fn graph(
    names: &[String],
    alive: &[AliveBoard],
    candidate: &Candidate,
    values: &[i64],
    given: impl Fn(&Pair) -> Option<Factor>,
) -> Result<Graph, OutOfRange> {
    let units: Vec<i64> = values.iter().map(|value| if *value == 0 { 1 } else { *value }).collect();
    let mut graph = Graph::new(names, &units)?;
    for board in alive {
        for pair in board.pairs.iter().filter(|pair| !pair.ends_with_board) {
            let edge = edge(board.number, board.values, pair, pair.factor)?;
            edge.map_or(Ok(()), |edge| graph.add(edge))?;
        }
    }
    for (pair, factor) in candidate.pairs.iter().filter_map(|pair| Some((pair, given(pair)?))) {
        let edge = edge(candidate.number, values, pair, factor)?;
        edge.map_or(Ok(()), |edge| graph.add(edge))?;
    }
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::super::Movement;
    use super::*;

    /// What ends the rounds should all else fail.
    #[test]
    fn a_board_at_rest_gives_nothing_that_the_latest_did_not() {
        let names = ["a".to_owned(), "b".to_owned()];
        let pair = |from, to, fee, multiplier| Pair {
            from,
            to,
            factor: Factor::new(fee, multiplier).unwrap(),
            ends_with_board: false,
        };
        let before = [pair(0, 1, 10_000, 1_010_000)];
        let alive = [AliveBoard { number: 1, values: &[50_000, 100_000], pairs: &before }];
        let asked = [pair(0, 1, 0, 1_200_000), pair(1, 0, 0, 1_200_000)];
        let movements = [(50_000, 60_000), (100_000, 70_000)]
            .map(|(was, target)| Movement { previous: Some(was), target });
        let candidate = Candidate { number: 2, movements: &movements, pairs: &asked };
        let mut board = Board::of(&names, &alive, &candidate).unwrap();
        let proved = |board: &mut Board| {
            let (units, best) = board.best().unwrap();
            super::super::find_proof(units, best).is_ok()
        };
        assert!(!proved(&mut board));
        assert!(board.answer(&[], NO_MULTIPLIERS + 1));
        let suspended = Factor::new(0, 1_000_000).ok();
        assert_eq!(board.factors, [(suspended, Some(Lowering::Suspended)); 2]);
        assert_eq!(board.halvings, [0, 0]);
        assert!(board.answer(&[], AT_REST + 1));
        assert_eq!(board.halvings, [MAX_HALVINGS; 2]);
        assert_eq!(board.values(), [50_000, 100_000]);
        // 1 is above 0.99 × 1.01.
        assert_eq!(board.factors[0], (Some(before[0].factor), Some(Lowering::Held)));
        assert_eq!(board.factors[1], (None, Some(Lowering::Withheld)));
        assert!(!board.answer(&[], AT_REST + 2));
        assert!(proved(&mut board));
    }

    /// Cycles answered, with the table brought up to date after each answer, and with all of it
    /// looked at again: the same table.
    #[test]
    fn what_an_answer_has_changed_is_all_that_is_looked_at_again() {
        use proptest::prelude::*;
        const PROGRAMS: u32 = 6;
        let ways = || {
            (0..PROGRAMS)
                .flat_map(|from| (0..PROGRAMS).map(move |to| (from, to)))
                .filter(|(from, to)| from != to)
        };
        let factors = || prop::collection::vec((0..30_000_i64, 950_000..1_060_000_i64), 30);
        let values = || prop::collection::vec(40_000..60_000_i64, 6);
        let pairs_of = |factors: &[(i64, i64)]| -> Vec<Pair> {
            let pair = |((from, to), (fee, multiplier)): ((u32, u32), &(i64, i64))| {
                let factor = Factor::new(*fee, *multiplier).unwrap();
                Pair { from, to, factor, ends_with_board: (from + to) % 5 == 0 }
            };
            ways().zip(factors).map(pair).collect()
        };
        let names: Vec<String> = (0..PROGRAMS).map(|at| at.to_string()).collect();
        let answered = std::cell::Cell::new(0);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let boards = (factors(), factors(), values(), values());
        runner
            .run(&boards, |(old, new, was, target)| {
                let (old, new) = (pairs_of(&old), pairs_of(&new));
                let alive = [AliveBoard { number: 1, values: &was, pairs: &old }];
                let movements: Vec<Movement> = was
                    .iter()
                    .zip(&target)
                    .map(|(was, target)| Movement { previous: Some(*was), target: *target })
                    .collect();
                let candidate = Candidate { number: 2, movements: &movements, pairs: &new };
                let mut board = Board::of(&names, &alive, &candidate).unwrap();
                for round in 1.. {
                    let (units, best) = board.best().unwrap();
                    let (kept, found) = (best.weights().to_vec(), super::super::find(units, best));
                    board.changed.all = true;
                    prop_assert_eq!(&kept, board.best().unwrap().1.weights(), "round {}", round);
                    let Err(super::super::Stuck::Gains(cycles)) = found else { break };
                    if !board.answer(&cycles, round) {
                        break;
                    }
                    answered.set(answered.get() + 1);
                }
                Ok(())
            })
            .unwrap();
        assert!(answered.get() > 100, "{answered:?} answers say little");
    }
}
