//! T23: somebody sees every board, holds every quote to its last moment, and trades in circles
//! with the protocol's own arithmetic, roundings and all. Whatever the alliance and however its
//! values and factors move, no circle brings more points than it took; and where boards are
//! published without the rule, many do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

use alliance_contracts::arithmetic::{Terms, exchange_by_source, exchange_by_target};
use alliance_contracts::decimal::{Decimal, MICROS};
use alliance_contracts::quote::FeeBearer;
use alliance_settlement::rates::arbitrage::{
    AliveBoard, Candidate, Factor, Movement, Pair, settle_steps, takes_nothing,
};
use alliance_settlement::rates::surcharge::{Flow, SurchargeModel, decay, surcharge};

const PUBLICATIONS: usize = 10;

/// SplitMix64: a seed is a world.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.unsigned_abs()).cast_signed()
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high - low + 1)
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as i64)).unwrap()]
    }
}

/// What is published, and what the adversary holds of it.
struct Published {
    number: u64,
    effective: i64,
    values: Vec<i64>,
    pairs: Vec<Pair>,
}

/// One quote alive: these terms, any amount.
#[derive(Clone, Copy, Debug)]
struct Quote {
    board: u64,
    from: usize,
    to: usize,
    terms: Terms,
}

struct World {
    random: Random,
    scales: Vec<u32>,
    fees: Vec<i64>,
    /// Seconds, by pair.
    lifetimes: Vec<i64>,
    multipliers: Vec<i64>,
    flows: Vec<Flow>,
    boards: Vec<Published>,
}

/// Whether boards follow the rule or are published as they were asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Kept,
    Broken,
}

/// What happened in a world, so that the tests can see that it was no idle one.
#[derive(Default)]
struct Seen {
    most_boards_alive: usize,
    halvings: usize,
    lowered: usize,
    moved: usize,
    gains: usize,
}

fn decimal(micros: i64) -> Decimal {
    Decimal::from_micros(micros).unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let programs = usize::try_from(random.between(2, 8)).unwrap();
        let cells = programs * programs;
        let fees: &[i64] = random.of(&[
            &[0][..],
            &[10_000],
            &[0, 1_000, 5_000, 10_000, 30_000],
            &[1_000, 1_000, 50_000],
        ]);
        let multipliers: &[i64] = random.of(&[
            &[MICROS][..],
            &[MICROS, MICROS, MICROS, 1_020_000, 900_000],
            &[1_250_000, 800_000, MICROS],
        ]);
        Self {
            scales: (0..programs).map(|_| random.of(&[0, 1, 2])).collect(),
            fees: (0..cells).map(|_| random.of(fees)).collect(),
            lifetimes: (0..cells).map(|_| random.between(1, 60)).collect(),
            multipliers: multipliers.to_vec(),
            flows: vec![Flow::default(); cells],
            boards: Vec::new(),
            random,
        }
    }

    fn programs(&self) -> usize {
        self.scales.len()
    }

    fn cells(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let programs = self.programs();
        (0..programs)
            .flat_map(move |from| (0..programs).map(move |to| (from, to)))
            .filter(|(from, to)| from != to)
    }

    fn cell(&self, from: usize, to: usize) -> usize {
        from * self.programs() + to
    }

    /// Fees with their surcharges, and this publication's multipliers.
    fn asked_pairs(&mut self) -> Vec<Pair> {
        let model = SurchargeModel::default();
        let mut factors = vec![Factor::ONE; self.flows.len()];
        for (from, to) in self.cells() {
            let (there, back) = (self.cell(from, to), self.cell(to, from));
            let traded = self.random.of(&[0, 0, 500_000_000_000_i64]);
            self.flows[there] =
                decay(self.flows[there], 9, 10).plus(self.random.between(0, traded));
            let charge = surcharge(self.flows[there], self.flows[back], &model).micros();
            let multiplier = self.random.of(&self.multipliers);
            factors[there] = Factor::new(self.fees[there] + charge, multiplier).unwrap();
        }
        let pair = |(from, to)| {
            let (there, back) = (factors[self.cell(from, to)], factors[self.cell(to, from)]);
            let index = |program: usize| u32::try_from(program).unwrap();
            let ends_with_board = takes_nothing(there, back);
            Pair { from: index(from), to: index(to), factor: there, ends_with_board }
        };
        self.cells().map(pair).collect()
    }

    fn movements(&mut self) -> Vec<Movement> {
        let most = self.random.of(&[1_000, 20_000, 150_000]);
        let previous = self.boards.last().map(|board| board.values.clone());
        (0..self.programs())
            .map(|program| match &previous {
                None => {
                    Movement { previous: None, target: self.random.between(100_000, 40_000_000) }
                }
                Some(values) => {
                    let was = values[program];
                    let step = was * self.random.between(-most, most) / MICROS;
                    Movement { previous: Some(was), target: (was + step).max(1) }
                }
            })
            .collect()
    }

    /// Whether a quote of a board's pair is alive at a moment, the next board's being the latest
    /// at which it could be given.
    fn lives(&self, board: usize, pair: &Pair, at: i64) -> bool {
        let lifetime = self.lifetimes[self.cell(pair.from as usize, pair.to as usize)];
        match self.boards.get(board + 1) {
            None => true,
            Some(next) if pair.ends_with_board => at < next.effective,
            Some(next) => at < next.effective + lifetime,
        }
    }

    fn publish(&mut self, rule: Rule, seen: &mut Seen) {
        let (pairs, movements) = (self.asked_pairs(), self.movements());
        let effective = self.boards.last().map_or(0, |board| board.effective)
            + self.random.of(&[1, 10, 40, 100]);
        let number = self.boards.len() as u64 + 1;
        let asked: Vec<i64> = movements.iter().map(|movement| movement.target).collect();
        // First as it was asked for, so that it counts when boards before it end.
        self.boards.push(Published { number, effective, values: asked, pairs: pairs.clone() });
        let last = self.boards.len() - 1;
        if rule == Rule::Broken {
            return;
        }
        let names: Vec<String> = (0..self.programs()).map(|n| format!("program-{n}")).collect();
        // Of the latest board all pairs; of those before, what is alive.
        let alive_pairs: Vec<Vec<Pair>> = (0..last)
            .map(|board| {
                let pairs = self.boards[board].pairs.iter().copied();
                pairs.filter(|p| board + 1 == last || self.lives(board, p, effective)).collect()
            })
            .collect();
        let alive: Vec<AliveBoard> = (0..last)
            .filter(|board| !alive_pairs[*board].is_empty())
            .map(|board| AliveBoard {
                number: self.boards[board].number,
                values: &self.boards[board].values,
                pairs: &alive_pairs[board],
            })
            .collect();
        let candidate = Candidate { number, movements: &movements, pairs: &pairs };
        let settled = settle_steps(&names, &alive, &candidate).expect("a board is never refused");
        let graph = settled.graph(&names, &alive, &candidate).expect("it was settled");
        assert!(settled.proof.verify(&graph));
        seen.halvings += settled.halvings.iter().map(|h| usize::from(*h)).sum::<usize>();
        seen.lowered += settled.lowered.len();
        let moved = movements.iter().zip(&settled.values).filter(|(m, v)| m.previous != Some(**v));
        seen.moved += moved.count();
        let board = &mut self.boards[last];
        board.values = settled.values;
        for lowered in &settled.lowered {
            board.pairs.retain(|pair| (pair.from, pair.to) != (lowered.pair.from, lowered.pair.to));
            board.pairs.extend(lowered.now.map(|factor| Pair { factor, ..lowered.pair }));
        }
    }

    /// Every quote alive at the moment the newest board takes effect: there are never more.
    fn quotes(&self) -> Vec<Quote> {
        let now = self.boards.last().map_or(0, |board| board.effective);
        let mut quotes = Vec::new();
        for (index, board) in self.boards.iter().enumerate() {
            for pair in board.pairs.iter().filter(|pair| self.lives(index, pair, now)) {
                let (from, to) = (pair.from as usize, pair.to as usize);
                // The multiplier is part of the source's value; a rounding takes a millionth.
                let folded = i128::from(board.values[from])
                    * i128::from(pair.factor.multiplier_micros())
                    / i128::from(MICROS);
                let terms = Terms {
                    source_scale: self.scales[from],
                    source_value: decimal(i64::try_from(folded).unwrap()),
                    target_scale: self.scales[to],
                    target_value: decimal(board.values[to]),
                    fee: decimal(pair.factor.fee_micros()),
                    multiplier: Decimal::ONE,
                    fee_bearer: FeeBearer::Member,
                };
                quotes.push(Quote { board: board.number, from, to, terms });
            }
        }
        quotes
    }
}

/// The most that any walk of so many orders brings back, from every program: as more given never
/// brings less, the best way to each program is all that a next order needs.
fn best_return(programs: usize, quotes: &[Quote], start: usize, amount: i64) -> i64 {
    let mut held = vec![0; programs];
    held[start] = amount;
    let mut most = 0;
    for _ in 0..=programs.max(4) {
        let mut next = vec![0; programs];
        for quote in quotes.iter().filter(|quote| held[quote.from] > 0) {
            if let Ok(amounts) = exchange_by_source(&quote.terms, held[quote.from]) {
                next[quote.to] = amounts.target.max(next[quote.to]);
            }
        }
        most = most.max(next[start]);
        held = next;
    }
    most
}

/// The least that any walk needs so that this amount comes back, asking by what arrives.
fn least_needed(programs: usize, quotes: &[Quote], start: usize, amount: i64) -> i64 {
    let mut wanted = vec![i64::MAX; programs];
    wanted[start] = amount;
    let mut least = i64::MAX;
    for _ in 0..=programs.max(4) {
        let mut next = vec![i64::MAX; programs];
        for quote in quotes.iter().filter(|quote| wanted[quote.to] < i64::MAX) {
            if let Ok(amounts) = exchange_by_target(&quote.terms, wanted[quote.to]) {
                next[quote.from] = amounts.source.min(next[quote.from]);
            }
        }
        least = least.min(next[start]);
        wanted = next;
    }
    least
}

/// Plays a world; at every publication the adversary looks for its best circle.
fn play(seed: u64, rule: Rule, seen: &mut Seen) {
    let mut world = World::new(seed);
    for _ in 0..PUBLICATIONS {
        world.publish(rule, seen);
        let quotes = world.quotes();
        let boards: std::collections::BTreeSet<u64> = quotes.iter().map(|q| q.board).collect();
        seen.most_boards_alive = seen.most_boards_alive.max(boards.len());
        for start in 0..world.programs() {
            for amount in [7, 1_000, world.random.between(1, 1_000_000_000)] {
                let back = best_return(world.programs(), &quotes, start, amount);
                let given = least_needed(world.programs(), &quotes, start, amount);
                if back > amount || given < amount {
                    seen.gains += 1;
                    if rule == Rule::Kept {
                        panic!("seed {seed}: {amount} became {back}, or took {given}: {quotes:?}");
                    }
                }
            }
        }
    }
}

/// T23: on one board, or on two, three and more that are alive together.
#[test]
fn no_circle_over_boards_alive_together_brings_more_than_it_took() {
    let mut seen = Seen::default();
    for seed in 0..400 {
        play(seed, Rule::Kept, &mut seen);
    }
    assert!(seen.most_boards_alive >= 3, "{} boards alive", seen.most_boards_alive);
    assert!(seen.halvings > 1_000 && seen.lowered > 100 && seen.moved > 1_000);
}

/// The adversary is no fool: without the rule it gains in most worlds.
#[test]
fn without_the_rule_the_same_adversary_gains() {
    let won = (0..100).filter(|seed| {
        let mut seen = Seen::default();
        play(*seed, Rule::Broken, &mut seen);
        seen.gains > 0
    });
    assert!(won.count() > 80);
}

/// T23: 1,000 points, a fee of 1 %, a step of 10 %: 1,078 without the rule, less than 1,000 with.
#[test]
fn the_worked_example_brings_78_points_without_the_rule_and_costs_some_with_it() {
    let names = ["aurora".to_owned(), "borealis".to_owned()];
    let factor = Factor::new(10_000, MICROS).unwrap();
    let pairs =
        [(0, 1), (1, 0)].map(|(from, to)| Pair { from, to, factor, ends_with_board: false });
    let old = [50_000, 100_000];
    let movements = [
        Movement { previous: Some(50_000), target: 50_000 },
        Movement { previous: Some(100_000), target: 110_000 },
    ];
    let alive = [AliveBoard { number: 12, values: &old, pairs: &pairs }];
    let candidate = Candidate { number: 13, movements: &movements, pairs: &pairs };
    let settled = settle_steps(&names, &alive, &candidate).unwrap();
    let terms = |from: i64, to: i64| Terms {
        source_scale: 0,
        source_value: decimal(from),
        target_scale: 0,
        target_value: decimal(to),
        fee: decimal(10_000),
        multiplier: Decimal::ONE,
        fee_bearer: FeeBearer::Member,
    };
    let there_and_back = |new: i64| {
        let there = exchange_by_source(&terms(50_000, 100_000), 1_000).unwrap();
        exchange_by_source(&terms(new, 50_000), there.target).unwrap().target
    };
    assert_eq!(there_and_back(110_000), 1_078);
    assert_eq!((settled.values[1], there_and_back(settled.values[1])), (101_250, 992));
}

/// T23: half a million small orders, whole and split, on the quotes of all boards alive: points
/// never grow.
#[test]
fn dust_and_split_orders_bring_nothing() {
    let (mut orders, mut seed) = (0_u32, 1_000);
    while orders < 500_000 {
        let mut world = World::new(seed);
        seed += 1;
        for _ in 0..4 {
            world.publish(Rule::Kept, &mut Seen::default());
        }
        let quotes = world.quotes();
        for _ in 0..2_000 {
            let amount = world.random.between(1, 97);
            let back = random_circle(&mut world, &quotes, amount, &mut orders);
            assert!(back <= amount, "seed {seed}: {amount} became {back}");
        }
    }
}

/// Goes round some programs on any quotes alive, each amount cut into parts, and comes back.
fn random_circle(world: &mut World, quotes: &[Quote], amount: i64, orders: &mut u32) -> i64 {
    let hops = world.random.between(2, 4);
    let programs = world.programs();
    let start = usize::try_from(world.random.below(programs as i64)).unwrap();
    let (mut at, mut held) = (start, amount);
    for hop in 1..=hops {
        let ways: Vec<&Quote> = quotes
            .iter()
            .filter(|quote| quote.from == at && (hop < hops || quote.to == start))
            .collect();
        if ways.is_empty() {
            return 0;
        }
        let to = world.random.of(&ways).to;
        let ways: Vec<&Quote> = ways.into_iter().filter(|quote| quote.to == to).collect();
        let (mut left, mut got) = (held, 0);
        let whole = world.random.of(&[true, false]);
        while left > 0 {
            let part = if whole { left } else { world.random.between(1, left) };
            let terms = world.random.of(&ways).terms;
            got += exchange_by_source(&terms, part).map_or(0, |amounts| amounts.target);
            left -= part;
            *orders += 1;
        }
        (at, held) = (to, got);
    }
    held
}
