//! The new board while it is being settled: what it gives so far, and how a cycle is answered.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::super::Proof;
use super::super::best::{Ways, better};
use super::super::exact;
use super::super::gain::Gain;
use super::super::graph::{Edge, Factor, Graph, MAX_PROGRAMS, OutOfRange, Weight, units_of};
use super::{
    AT_REST, AliveBoard, Candidate, Distance, Lowered, Lowering, MAX_HALVINGS, NO_MULTIPLIERS,
    PATIENCE, Pair, Settled,
};

/// The new board while it is being settled.
pub(super) struct Board<'a> {
    programs: usize,
    alive: &'a [AliveBoard<'a>],
    candidate: &'a Candidate<'a>,
    /// The best quote of boards alive, by pair. They do not depend on the new values.
    standing: Vec<Option<Standing>>,
    halvings: Vec<u8>,
    /// What the new board gives now, by pair; [`Factor::NOTHING`] where it does not.
    given: Vec<Factor>,
    /// What those of the candidate's pairs give that give less than was asked for, and why; by
    /// place.
    lowered: BTreeMap<usize, (Option<Factor>, Lowering)>,
    /// Place in the candidate's pairs, by pair; made when a factor is to blame for the first time.
    places: OnceCell<Vec<Option<u32>>>,
    /// What the latest board alive gives, by pair; made with the places.
    latest: OnceCell<Vec<Option<Factor>>>,
    /// The new values, and what each program's points are counted in: its new value, which then
    /// cancels. As far as they are up to date.
    values: Vec<i64>,
    units: Vec<u64>,
    /// The weight of the best of all edges, by pair, as far as it is up to date.
    weights: Vec<u64>,
    /// Programs whose value, and pairs whose factor, has changed since it was.
    changed: Changed,
}

/// A quote of a board alive.
#[derive(Clone, Copy)]
struct Standing {
    /// Which of the boards alive.
    board: u32,
    factor: Factor,
}

/// What is no longer as the table of the weights has it.
#[derive(Default)]
struct Changed {
    /// Everything.
    all: bool,
    programs: Vec<usize>,
    slots: Vec<usize>,
}

impl<'a> Board<'a> {
    pub(super) fn of(
        names: &[String],
        alive: &'a [AliveBoard<'a>],
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
        let mut given = vec![Factor::NOTHING; programs * programs];
        for pair in candidate.pairs {
            given[slot(programs, pair.from, pair.to)?] = pair.factor;
        }
        Ok(Self {
            programs,
            alive,
            candidate,
            standing: standing(programs, alive)?,
            halvings: vec![0; programs],
            given,
            lowered: BTreeMap::new(),
            places: OnceCell::new(),
            latest: OnceCell::new(),
            values: vec![0; programs],
            units: vec![1; programs],
            weights: vec![0; programs * programs],
            changed: Changed { all: true, ..Changed::default() },
        })
    }

    fn moved(&self) -> Vec<i64> {
        let movements = self.candidate.movements.iter().zip(&self.halvings);
        movements.map(|(movement, halvings)| movement.value(*halvings)).collect()
    }

    /// Brings the weights of the best of all edges up to date, and the units that they are in. Only
    /// what has changed since they were is looked at again: an answer changes few programs of many.
    pub(super) fn bring_up_to_date(&mut self) -> Result<(), OutOfRange> {
        self.values = self.moved();
        let units: Vec<i64> =
            self.values.iter().map(|value| if *value == 0 { 1 } else { *value }).collect();
        self.units = units_of(&units)?;
        let Changed { all, programs, slots } = std::mem::take(&mut self.changed);
        let mut changed = vec![all; self.programs];
        programs.into_iter().for_each(|program| changed[program] = true);
        let columns: Vec<usize> = (0..self.programs).filter(|to| changed[*to]).collect();
        if !columns.is_empty() {
            // In the order of the table: many programs at a time change in some rounds.
            for (from, row) in changed.iter().enumerate() {
                if *row {
                    (0..self.programs).for_each(|to| self.look_again(from, to));
                } else {
                    columns.iter().for_each(|to| self.look_again(from, *to));
                }
            }
        }
        for slot in slots {
            self.look_again(slot / self.programs, slot % self.programs);
        }
        Ok(())
    }

    /// Of two edges of one pair the better one has the larger weight, and still has once both are
    /// rounded up.
    fn look_again(&mut self, from: usize, to: usize) {
        let slot = from * self.programs + to;
        // In units that are the new values, what the new board gives is exactly what it leaves.
        let has_values = self.values[from] > 0 && self.values[to] > 0;
        let given = if has_values { self.given[slot].trillionths() } else { 0 };
        let units = (self.units[from], self.units[to]);
        let standing = self.standing[slot].and_then(|standing| {
            let weight = self.weight(standing, from, to)?;
            weight.exceeds(given, units).then(|| weight.scaled(units.0, units.1))
        });
        self.weights[slot] = standing.unwrap_or(given);
    }

    /// What a quote of a board alive brings. Its values are in range, or it would not stand.
    fn weight(&self, standing: Standing, from: usize, to: usize) -> Option<Weight> {
        let values = self.alive[standing.board as usize].values;
        Weight::new(values[from], values[to], standing.factor).ok()
    }

    /// What the candidate's pair at this place gives now.
    fn factor(&self, place: usize) -> Option<Factor> {
        let asked = Some(self.candidate.pairs[place].factor);
        self.lowered.get(&place).map_or(asked, |(now, _)| *now)
    }

    /// The place of a pair in the candidate's pairs.
    fn place(&self, from: u32, to: u32) -> Option<usize> {
        let places = self.places.get_or_init(|| {
            let mut places = vec![None; self.programs * self.programs];
            for (place, pair) in (0..).zip(self.candidate.pairs) {
                places[pair.from as usize * self.programs + pair.to as usize] = Some(place);
            }
            places
        });
        places[slot(self.programs, from, to).ok()?].map(|place| place as usize)
    }

    /// What the latest board alive gives.
    fn latest(&self, pair: &Pair) -> Option<Factor> {
        let latest = self.latest.get_or_init(|| {
            let mut latest = vec![None; self.programs * self.programs];
            for pair in self.alive.last().map_or(&[][..], |latest| latest.pairs) {
                latest[pair.from as usize * self.programs + pair.to as usize] = Some(pair.factor);
            }
            latest
        });
        latest[slot(self.programs, pair.from, pair.to).ok()?]
    }

    pub(super) fn settled(self, proof: Proof, first_gain: Option<Gain>, rounds: u32) -> Settled {
        let lowered = self.lowered.iter().map(|(place, (now, why))| Lowered {
            pair: self.candidate.pairs[*place],
            now: *now,
            why: *why,
        });
        Settled {
            lowered: lowered.collect(),
            values: self.moved(),
            halvings: self.halvings,
            first_gain,
            proof,
            rounds,
        }
    }

    /// Answers every cycle; says whether anything changed.
    pub(super) fn answer(&mut self, cycles: &[impl AsRef<[Edge]>], round: u32) -> bool {
        let movements = self.candidate.movements.iter().zip(&self.halvings);
        let distances: Vec<Distance> =
            movements.map(|(movement, halvings)| movement.relative(*halvings)).collect();
        let mut halve = vec![false; self.programs];
        let mut changed = false;
        for cycle in cycles.iter().map(AsRef::as_ref) {
            let blamed =
                !self.gains_at_rest(cycle) && self.mark_furthest(cycle, &distances, &mut halve);
            if !blamed {
                changed |= self.lower(cycle);
            }
        }
        if round > NO_MULTIPLIERS {
            for place in 0..self.candidate.pairs.len() {
                changed |= (round > AT_REST && self.hold(place))
                    || (round == NO_MULTIPLIERS + 1 && self.suspend(place));
            }
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
    fn mark_furthest(&self, cycle: &[Edge], distances: &[Distance], halve: &mut [bool]) -> bool {
        let moving = || {
            let into = cycle.iter().cycle().skip(cycle.len().saturating_sub(1));
            let both = into.zip(cycle);
            let counted = both.filter(|(into, out)| self.is_new(into) != self.is_new(out));
            counted.map(|(_, out)| out.from as usize)
        };
        let less = |one: Distance, other: Distance| one.0 * other.1 < other.0 * one.1;
        let furthest = moving()
            .map(|program| distances[program])
            .fold((0, 1), |most, next| if less(most, next) { next } else { most });
        for program in moving() {
            let (magnitude, of) = distances[program];
            halve[program] |= !less((2 * magnitude, of), furthest);
        }
        furthest.0 > 0
    }

    /// Lowers new factors on a cycle that movement is not to blame for.
    fn lower(&mut self, cycle: &[Edge]) -> bool {
        let new = cycle.iter().filter(|edge| self.is_new(edge));
        let places: Vec<usize> = new.filter_map(|edge| self.place(edge.from, edge.to)).collect();
        let multiplier = |place: &usize| self.factor(*place).map_or(0, Factor::multiplier_micros);
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
        let one = Factor::ONE.multiplier_micros();
        let above = self.factor(place).filter(|factor| factor.multiplier_micros() > one);
        let Some(plain) = above.and_then(|above| Factor::new(above.fee_micros(), one).ok()) else {
            return false;
        };
        self.gives(place, Some(plain), Lowering::Suspended);
        true
    }

    fn hold(&mut self, place: usize) -> bool {
        let latest = self.latest(&self.candidate.pairs[place]);
        let amount = |factor: Option<Factor>| factor.map_or(0, Factor::trillionths);
        if amount(self.factor(place)) <= amount(latest) {
            return false;
        }
        let why = if latest.is_some() { Lowering::Held } else { Lowering::Withheld };
        self.gives(place, latest, why);
        true
    }

    /// Another factor stands at this place of the candidate's pairs from now on.
    fn gives(&mut self, place: usize, factor: Option<Factor>, why: Lowering) {
        let pair = self.candidate.pairs[place];
        let slot = pair.from as usize * self.programs + pair.to as usize;
        self.lowered.insert(place, (factor, why));
        self.given[slot] = factor.unwrap_or(Factor::NOTHING);
        self.changed.slots.push(slot);
    }
}

impl Ways for Board<'_> {
    fn programs(&self) -> usize {
        self.programs
    }

    fn units(&self) -> &[u64] {
        &self.units
    }

    fn weights(&self) -> &[u64] {
        &self.weights
    }

    fn edge(&self, from: usize, to: usize) -> Option<Edge> {
        let slot = from * self.programs + to;
        let ends = (u32::try_from(from).ok()?, u32::try_from(to).ok()?);
        let edge = |board, weight| Edge { board, from: ends.0, to: ends.1, weight };
        let standing = self.standing[slot].and_then(|standing| {
            let board = self.alive[standing.board as usize].number;
            Some(edge(board, self.weight(standing, from, to)?))
        });
        let given = weight(&self.values, ends, self.given[slot]).ok().flatten();
        better(standing, given.map(|weight| edge(self.candidate.number, weight)))
    }
}

/// The best quote of boards alive, by pair.
fn standing(programs: usize, alive: &[AliveBoard]) -> Result<Vec<Option<Standing>>, OutOfRange> {
    let mut best: Vec<Option<Standing>> = vec![None; programs * programs];
    for (board, quoted) in (0..).zip(alive) {
        for Pair { from, to, factor, ends_with_board } in quoted.pairs.iter().copied() {
            let slot = slot(programs, from, to)?;
            let weight =
                if ends_with_board { None } else { weight(quoted.values, (from, to), factor)? };
            let Some(weight) = weight else { continue };
            let beaten = match best[slot] {
                None => true,
                Some(Standing { board, factor }) => {
                    let before = self::weight(alive[board as usize].values, (from, to), factor)?;
                    before.is_none_or(|before| weight.compare(&before) == Ordering::Greater)
                }
            };
            if beaten {
                best[slot] = Some(Standing { board, factor });
            }
        }
    }
    Ok(best)
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
fn weight(
    values: &[i64],
    (from, to): (u32, u32),
    factor: Factor,
) -> Result<Option<Weight>, OutOfRange> {
    let value = |program: u32| values.get(program as usize).copied().ok_or(OutOfRange::Program);
    let (value_from, value_to) = (value(from)?, value(to)?);
    if value_from == 0 || value_to == 0 || factor.trillionths() == 0 {
        return Ok(None);
    }
    Weight::new(value_from, value_to, factor).map(Some)
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
            add(&mut graph, (board.number, board.values), pair, pair.factor)?;
        }
    }
    for (pair, factor) in candidate.pairs.iter().filter_map(|pair| Some((pair, given(pair)?))) {
        add(&mut graph, (candidate.number, values), pair, factor)?;
    }
    Ok(graph)
}

fn add(
    graph: &mut Graph,
    (board, values): (u64, &[i64]),
    pair: &Pair,
    factor: Factor,
) -> Result<(), OutOfRange> {
    let Pair { from, to, .. } = *pair;
    let weight = weight(values, (from, to), factor)?;
    weight.map_or(Ok(()), |weight| graph.add(Edge { board, from, to, weight }))
}

#[cfg(test)]
mod tests {
    use super::super::super::best::round_trips_that_gain;
    use super::super::{Movement, Stuck, find_proof};
    use super::*;

    const NO_CYCLES: &[[Edge; 2]] = &[];

    /// As they are found in each round.
    fn gaining(board: &Board) -> Option<Vec<Vec<Edge>>> {
        let pairs = round_trips_that_gain(board, exact::gains);
        if !pairs.is_empty() {
            return Some(pairs.iter().map(|pair| pair.to_vec()).collect());
        }
        match find_proof(board) {
            Err(Stuck::Gains(cycles)) => Some(cycles),
            Err(Stuck::Undecided) | Ok(_) => None,
        }
    }

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
            board.bring_up_to_date().unwrap();
            find_proof(board).is_ok()
        };
        assert!(!proved(&mut board));
        assert!(board.answer(NO_CYCLES, NO_MULTIPLIERS + 1));
        let suspended = Factor::new(0, 1_000_000).ok();
        let lowered = |board: &Board| board.lowered.values().copied().collect::<Vec<_>>();
        assert_eq!(lowered(&board), [(suspended, Lowering::Suspended); 2]);
        assert_eq!(board.halvings, [0, 0]);
        assert!(board.answer(NO_CYCLES, AT_REST + 1));
        assert_eq!(board.halvings, [MAX_HALVINGS; 2]);
        assert_eq!(board.moved(), [50_000, 100_000]);
        // 1 is above 0.99 × 1.01.
        let held = (Some(before[0].factor), Lowering::Held);
        assert_eq!(lowered(&board), [held, (None, Lowering::Withheld)]);
        assert!(!board.answer(NO_CYCLES, AT_REST + 2));
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
                    board.bring_up_to_date().unwrap();
                    let kept = board.weights.clone();
                    board.changed.all = true;
                    board.bring_up_to_date().unwrap();
                    prop_assert_eq!(&kept, &board.weights, "round {}", round);
                    let Some(cycles) = gaining(&board) else { break };
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
