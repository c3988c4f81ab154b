//! The new board while it is being settled: what it gives so far, and how a cycle is answered.

use alliance_contracts::decimal::MICROS;

use super::super::Proof;
use super::super::best::Best;
use super::super::exact;
use super::super::gain::Gain;
use super::super::graph::{Edge, Factor, Graph, OutOfRange, Weight};
use super::{
    AT_REST, AliveBoard, Candidate, Lowered, Lowering, MAX_HALVINGS, NO_MULTIPLIERS, PATIENCE,
    Pair, Settled,
};

/// The new board while it is being settled.
pub(super) struct Board<'a> {
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
        if candidate.movements.len() != programs
            || alive.iter().any(|board| board.values.len() != programs)
        {
            return Err(OutOfRange::Programs);
        }
        // Any units do to compare the edges of one pair.
        let mut old = Graph::new(names, &vec![MICROS; programs])?;
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
    pub(super) fn graph(&self) -> Result<Graph, OutOfRange> {
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

    pub(super) fn settled(
        self,
        graph: Graph,
        proof: Proof,
        first_gain: Option<Gain>,
        rounds: u32,
    ) -> Settled {
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
    pub(super) fn answer(&mut self, cycles: &[Vec<Edge>], round: u32) -> bool {
        let mut halve = vec![false; self.names.len()];
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
        assert!(
            super::super::find_proof(&board.graph().unwrap(), &Best::of(&board.graph().unwrap()))
                .is_ok()
        );
    }
}
