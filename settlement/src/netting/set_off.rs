//! Cycles cancelled so that least is left: a minimum cost flow, one unit of cost for each unit
//! paid.
//!
//! What is paid is a flow along what is owed: from every party that owes more than it is owed, to
//! every party that is owed more than it owes. The least flow contains no cycle, and no detour that
//! a chain through others makes unnecessary. It starts from what is owed both ways, not from the
//! differences of pairs: to set off a pair first may take away the short way that a long one needs.
//!
//! The method is the primal-dual one (Ahuja, Magnanti, Orlin, *Network Flows*, § 9.8): distances
//! from those who have still to pay, in a graph where an obligation costs one and taking a payment
//! back gives one back; then as much as can be sent along shortest ways alone, which is a maximum
//! flow (Dinic), and so on until nobody has to pay any more. The sum of the distances so far is
//! what proves the result. Costs are ones, so the distances are small, and each phase has a
//! greater one: a thousand parties that all owe each other take three or four phases.
//!
//! Every loop ends: each phase raises the distance to the nearest unpaid creditor, which is below
//! the number of parties; within a phase each level graph is deeper than the one before.

use std::collections::VecDeque;

use alliance_contracts::netting::Owed;
use alliance_contracts::total::Total;

/// Beyond every distance.
const FAR: i64 = i64::MAX;

/// One direction of an obligation. Arcs come in twos: `2n` pays along obligation n, `2n + 1` takes
/// back what was paid.
struct Arc {
    to: u32,
    /// What can still be sent.
    left: i128,
}

struct Network {
    arcs: Vec<Arc>,
    /// For each party where its arcs begin in `of`; one more for the end.
    begins: Vec<u32>,
    /// Arcs by the party they leave.
    of: Vec<u32>,
    /// What each party has still to pay (above zero) or to be paid (below).
    excess: Vec<i128>,
    /// The sum of the distances of all phases.
    potential: Vec<i64>,
}

/// The least payments along `obligations` that leave every party its net, and the distances that
/// prove it. `obligations` are by debtor, then creditor, each once; `nets` are theirs.
pub(super) fn least(parties: usize, obligations: &[Owed], nets: &[i128]) -> (Vec<Owed>, Vec<u32>) {
    let mut network = Network::of(parties, obligations, nets);
    while let Some(distances) = network.distances() {
        for (potential, distance) in network.potential.iter_mut().zip(distances) {
            *potential += distance;
        }
        while let Some(levels) = network.levels() {
            network.send(&levels);
        }
    }
    let paid = |(at, owed): (usize, &Owed)| {
        // What can be taken back is what was paid.
        let amount = network.arcs[2 * at + 1].left;
        (amount > 0).then(|| Owed { amount: Total::from_micros(amount), ..*owed })
    };
    let payments = obligations.iter().enumerate().filter_map(paid).collect();
    let small = |potential: &i64| {
        u32::try_from(*potential).expect("a distance is at least 0 and below the number of parties")
    };
    (payments, network.potential.iter().map(small).collect())
}

impl Network {
    fn of(parties: usize, obligations: &[Owed], nets: &[i128]) -> Self {
        let mut begins = vec![0_u32; parties + 1];
        for owed in obligations {
            begins[owed.debtor as usize + 1] += 1;
            begins[owed.creditor as usize + 1] += 1;
        }
        for party in 0..parties {
            begins[party + 1] += begins[party];
        }
        let mut next = begins.clone();
        let mut of = vec![0_u32; 2 * obligations.len()];
        let mut arcs = Vec::with_capacity(2 * obligations.len());
        for (owed, arc) in obligations.iter().zip((0..).step_by(2)) {
            for (party, arc) in [(owed.debtor, arc), (owed.creditor, arc + 1)] {
                let place = &mut next[party as usize];
                of[*place as usize] = arc;
                *place += 1;
            }
            arcs.push(Arc { to: owed.creditor, left: owed.amount.micros() });
            arcs.push(Arc { to: owed.debtor, left: 0 });
        }
        let excess = nets.iter().map(|net| -net).collect();
        Self { arcs, begins, of, excess, potential: vec![0; parties] }
    }

    fn parties(&self) -> usize {
        self.excess.len()
    }

    /// The places in `of` of what leaves a party.
    fn leaving(&self, party: usize) -> std::ops::Range<usize> {
        self.begins[party] as usize..self.begins[party + 1] as usize
    }

    /// What sending one unit along an arc costs beyond the potentials: never below zero where
    /// something can be sent.
    fn reduced(&self, from: usize, arc: u32) -> i64 {
        let cost = if arc.is_multiple_of(2) { 1 } else { -1 };
        cost + self.potential[from] - self.potential[self.arcs[arc as usize].to as usize]
    }

    /// How far each party is from those who have still to pay, at most as far as the nearest that
    /// has still to be paid; `None` when nobody has to pay any more.
    fn distances(&self) -> Option<Vec<i64>> {
        let mut distance = vec![FAR; self.parties()];
        // Reduced costs are small whole numbers: a list of parties for each distance.
        let mut lists: Vec<Vec<u32>> = vec![Vec::new()];
        for (party, number) in (0..self.parties()).zip(0..) {
            if self.excess[party] > 0 {
                distance[party] = 0;
                lists[0].push(number);
            }
        }
        let mut at = 0;
        let mut nearest = None;
        while at < lists.len() && nearest.is_none() {
            let mut waiting = std::mem::take(&mut lists[at]);
            while let Some(party) = waiting.pop() {
                let party = party as usize;
                let here = i64::try_from(at).expect("distances are below the number of parties");
                if distance[party] != here {
                    continue;
                }
                if self.excess[party] < 0 {
                    nearest = Some(here);
                    continue;
                }
                for place in self.leaving(party) {
                    let arc = self.of[place];
                    let Arc { to, left } = self.arcs[arc as usize];
                    if left == 0 {
                        continue;
                    }
                    let there = here + self.reduced(party, arc);
                    if there >= distance[to as usize] {
                        continue;
                    }
                    distance[to as usize] = there;
                    if there == here {
                        waiting.push(to);
                        continue;
                    }
                    let list = usize::try_from(there).expect("reduced costs are not below zero");
                    if lists.len() <= list {
                        lists.resize_with(list + 1, Vec::new);
                    }
                    lists[list].push(to);
                }
            }
            at += 1;
        }
        // What is owed reaches everybody who is to be paid: where nobody is reached,
        // nobody pays.
        let nearest = nearest?;
        Some(distance.into_iter().map(|distance| distance.min(nearest)).collect())
    }

    /// How many arcs each party is from those who have still to pay, along shortest ways alone;
    /// `None` where nobody who is to be paid is reached.
    fn levels(&self) -> Option<Vec<u32>> {
        let mut levels = vec![u32::MAX; self.parties()];
        let mut queue: VecDeque<usize> = VecDeque::new();
        for (party, level) in levels.iter_mut().enumerate() {
            if self.excess[party] > 0 {
                *level = 0;
                queue.push_back(party);
            }
        }
        let mut reached = false;
        while let Some(party) = queue.pop_front() {
            reached |= self.excess[party] < 0;
            for place in self.leaving(party) {
                let arc = self.of[place];
                let Arc { to, left } = self.arcs[arc as usize];
                let to = to as usize;
                if left > 0 && levels[to] == u32::MAX && self.reduced(party, arc) == 0 {
                    levels[to] = levels[party] + 1;
                    queue.push_back(to);
                }
            }
        }
        reached.then_some(levels)
    }

    /// Sends along the level graph until no way through it is left. No recursion: ways may be as
    /// long as there are parties.
    fn send(&mut self, levels: &[u32]) {
        let mut next: Vec<u32> = self.begins.clone();
        for start in 0..self.parties() {
            while self.excess[start] > 0 {
                match self.way(start, levels, &mut next) {
                    Some(way) => self.send_along(start, &way),
                    None => break,
                }
            }
        }
    }

    /// A way from `start` to one who is to be paid, as arcs; arcs that lead nowhere are not looked
    /// at again.
    fn way(&self, start: usize, levels: &[u32], next: &mut [u32]) -> Option<Vec<u32>> {
        let mut way: Vec<u32> = Vec::new();
        let mut party = start;
        loop {
            if self.excess[party] < 0 {
                return Some(way);
            }
            let end = self.begins[party + 1];
            let onward = (next[party]..end).find(|place| {
                let arc = self.of[*place as usize];
                let Arc { to, left } = self.arcs[arc as usize];
                let deeper = levels[to as usize] == levels[party].saturating_add(1);
                left > 0 && deeper && self.reduced(party, arc) == 0
            });
            next[party] = onward.unwrap_or(end);
            match (onward, way.pop()) {
                (Some(place), last) => {
                    way.extend(last);
                    let arc = self.of[place as usize];
                    way.push(arc);
                    party = self.arcs[arc as usize].to as usize;
                }
                (None, Some(last)) => {
                    // Back to where the last arc came from, which is done with it.
                    party = self.arcs[(last ^ 1) as usize].to as usize;
                    next[party] += 1;
                }
                (None, None) => return None,
            }
        }
    }

    fn send_along(&mut self, start: usize, way: &[u32]) {
        let end = way.last().map_or(start, |last| self.arcs[*last as usize].to as usize);
        let narrowest = way.iter().map(|arc| self.arcs[*arc as usize].left).min();
        let ends = self.excess[start].min(-self.excess[end]);
        let amount = narrowest.map_or(ends, |narrowest| narrowest.min(ends));
        for arc in way {
            self.arcs[*arc as usize].left -= amount;
            self.arcs[(*arc ^ 1) as usize].left += amount;
        }
        self.excess[start] -= amount;
        self.excess[end] += amount;
    }
}
