use num_bigint::BigUint;
use proptest::prelude::*;

use super::*;

mod settling;

/// A graph of programs a, b, c …, all worth one.
fn even(programs: usize) -> Graph {
    Graph::new(&names(programs), &vec![1_000_000; programs]).unwrap()
}

fn names(programs: usize) -> Vec<String> {
    ('a'..).take(programs).map(String::from).collect()
}

fn weight(from: i64, to: i64, fee: i64, multiplier: i64) -> Weight {
    Weight::new(from, to, Factor::new(fee, multiplier).unwrap()).unwrap()
}

fn edge(board: u64, from: u32, to: u32, weight: Weight) -> Edge {
    Edge { board, from, to, weight }
}

/// A cycle with these factors, by fee and multiplier, on one board.
fn ring(factors: &[(i64, i64)]) -> Graph {
    let mut graph = even(factors.len());
    let last = u32::try_from(factors.len()).unwrap();
    for (from, (fee, multiplier)) in (0..).zip(factors) {
        let factor = weight(1_000_000, 1_000_000, *fee, *multiplier);
        graph.add(edge(1, from, (from + 1) % last, factor)).unwrap();
    }
    graph
}

/// Whether fractions alone, without fixed point before them, prove it.
fn proved_in_fractions(graph: &Graph) -> bool {
    let proof = exact::find_proof(&Best::of(graph));
    assert!(!matches!(proof, Err(Stuck::Undecided)));
    proof.is_ok_and(|proof| {
        assert!(proof.verify(graph));
        true
    })
}

fn product_of(graph: &Graph) -> String {
    assert!(!proved_in_fractions(graph));
    match prove(graph) {
        Err(Unproven::Gain(gain)) => gain.product,
        other => panic!("{other:?}"),
    }
}

fn proved(graph: &Graph) -> bool {
    proved_in_fractions(graph) && prove(graph).is_ok_and(|proof| proof.verify(graph))
}

/// T23: 1,000 points there at the old rate and back at the new one come to 1,078.
#[test]
fn a_step_of_ten_percent_at_a_fee_of_one_is_named_with_what_it_brings() {
    let mut graph =
        Graph::new(&["aurora".to_owned(), "borealis".to_owned()], &[50_000, 110_000]).unwrap();
    for (board, borealis) in [(12, 100_000), (13, 110_000)] {
        graph.add(edge(board, 0, 1, weight(50_000, borealis, 10_000, 1_000_000))).unwrap();
        graph.add(edge(board, 1, 0, weight(borealis, 50_000, 10_000, 1_000_000))).unwrap();
    }
    let told = prove(&graph).unwrap_err().to_string();
    assert_eq!(
        told,
        "aurora → borealis (board 12, fee 0.01) → aurora (board 13, fee 0.01) \
         multiplies by 1.07811"
    );
}

#[test]
fn what_comes_to_one_exactly_is_no_gain() {
    // Fixed point multiplies these without a rounding.
    assert!(proved(&ring(&[(0, 1_250_000), (0, 800_000)])));
    assert!(proved(&ring(&[(500_000, 1_000_000), (0, 2_000_000)])));
    assert!(proved(&ring(&[(0, 1_000_000); 12])));
    let long = [(0, 1_250_000), (0, 800_000)].repeat(8);
    assert!(proved(&ring(&long)));
    // The longest chain of decimals: eight times 1.953125 needs 48, and 0.512 as many again.
    let deep: Vec<_> = std::iter::repeat_n((0, 1_953_125), 8).chain([(0, 512_000); 8]).collect();
    assert!(proved(&ring(&deep)));
}

#[test]
fn a_tie_between_boards_that_no_decimals_hold_is_no_gain_and_a_trace_more_is() {
    // 0.99 × 0.99 = 0.9801, and a value that went from 0.009801 to 0.01: 1 ÷ 0.9801 has no end.
    let between = |new: i64| {
        let mut graph = Graph::new(&names(3), &[1_000_000, new, 70_001]).unwrap();
        graph.add(edge(1, 0, 1, weight(1_000_000, 980_100, 10_000, 1_000_000))).unwrap();
        graph.add(edge(2, 1, 0, weight(new, 1_000_000, 10_000, 1_000_000))).unwrap();
        // Another tie that hangs on it, and a way in from outside.
        graph.add(edge(1, 1, 2, weight(980_100, 69_307, 10_000, 1_000_000))).unwrap();
        graph.add(edge(2, 2, 1, weight(70_001, new, 12_000, 1_000_000))).unwrap();
        graph
    };
    assert!(proved(&between(1_000_000)));
    assert_eq!(product_of(&between(1_000_001)), "1.000001");
}

#[test]
fn a_gain_of_a_trillionth_on_a_cycle_of_seven_is_found() {
    // 10¹² + 1 = 10001 × 99990001.
    let tiny = [(0, 99_990_001), (0, 1_000_000), (989_999, 1_000_000)];
    let tiny: Vec<_> = tiny.into_iter().chain([(0, 1_000_000); 4]).collect();
    assert_eq!(product_of(&ring(&tiny)), "1.000000000001");
    // With the last digit of a factor one lower it is none.
    let less: Vec<_> = [(0, 99_990_000)].into_iter().chain(tiny[1..].iter().copied()).collect();
    assert!(proved(&ring(&less)));
}

#[test]
fn a_gain_far_below_what_fixed_point_holds_is_found_and_a_loss_as_small_is_none() {
    // n² / ((n − 1)(n + 1)) is 1 + 10⁻²⁴.
    let n = 999_999_999_999;
    let round = |one: (i64, i64), other: (i64, i64)| {
        let mut graph = even(2);
        graph.add(edge(1, 0, 1, weight(one.0, one.1, 0, 1_000_000))).unwrap();
        graph.add(edge(2, 1, 0, weight(other.0, other.1, 0, 1_000_000))).unwrap();
        graph
    };
    let gain = product_of(&round((n, n - 1), (n, n + 1)));
    assert_eq!(gain, "1.000000000000000000000001");
    assert!(proved(&round((n - 1, n), (n + 1, n))));
}

#[test]
fn of_many_edges_between_two_programs_the_exactly_best_counts() {
    let mut graph = even(2);
    graph.add(edge(1, 1, 0, weight(1_000_000, 1_000_000, 0, 1_000_000))).unwrap();
    // Both round up to the same trillionths; only the last is above one.
    let n = 999_999_999_999;
    for (from, to) in [(n - 1, n), (n, n), (n + 1, n), (n, n + 1)] {
        graph.add(edge(2, 0, 1, weight(from, to, 0, 1_000_000))).unwrap();
    }
    match prove(&graph).unwrap_err() {
        Unproven::Gain(gain) => {
            assert_eq!(gain.cycle[0].weight.values(), (1_000_000_000_000, 999_999_999_999))
        }
        other => panic!("{other}"),
    }
}

/// Round trips gain nothing, so a limit on each pair's step would let this through.
#[test]
fn directed_fees_gain_on_three_programs_where_no_two_do() {
    // 0.1 % one way round, 5 % the other; a rises by 2 %.
    let mut graph = Graph::new(&names(3), &[1_020_000, 1_000_000, 1_000_000]).unwrap();
    for (board, a) in [(1, 1_000_000), (2, 1_020_000)] {
        let values = [a, 1_000_000, 1_000_000];
        for (from, to) in [(0_u32, 1_u32), (1, 2), (2, 0)] {
            let (give, get) = (values[from as usize], values[to as usize]);
            graph.add(edge(board, from, to, weight(give, get, 1_000, 1_000_000))).unwrap();
            graph.add(edge(board, to, from, weight(get, give, 50_000, 1_000_000))).unwrap();
        }
    }
    assert!(best::round_trips_that_gain(&Best::of(&graph), |_| true).is_empty());
    // 0.999³ × 1.02.
    assert_eq!(
        prove(&graph).unwrap_err().to_string(),
        "a → b (board 2, fee 0.001) → c (board 1, fee 0.001) → a (board 1, fee 0.001) \
         multiplies by 1.01694"
    );
}

#[test]
fn a_proof_of_another_graph_does_not_verify() {
    let proof = prove(&ring(&[(10_000, 1_000_000), (10_000, 1_000_000)])).unwrap();
    assert!(!proof.verify(&ring(&[(10_000, 1_000_000), (0, 1_100_000)])));
    assert!(!proof.verify(&ring(&[(10_000, 1_000_000); 3])));
    let none = Proof { prices: vec![(BigUint::ZERO, BigUint::ZERO); 2] };
    assert!(!none.verify(&ring(&[(10_000, 1_000_000), (10_000, 1_000_000)])));
}

#[test]
fn numbers_that_no_rate_may_have_are_refused() {
    assert_eq!(Factor::new(-1, 1), Err(OutOfRange::Fee));
    assert_eq!(Factor::new(1_000_001, 1), Err(OutOfRange::Fee));
    assert_eq!(Factor::new(0, MAX_MULTIPLIER_MICROS + 1), Err(OutOfRange::Multiplier));
    for value in [-1, 0, 1_000_000_000_001, i64::MAX, i64::MIN] {
        assert_eq!(Weight::new(value, 1, Factor::ONE), Err(OutOfRange::Value));
        assert_eq!(Weight::new(1, value, Factor::ONE), Err(OutOfRange::Value));
    }
    let mut graph = even(2);
    for (from, to) in [(0, 2), (2, 0), (1, 1)] {
        let away = edge(1, from, to, weight(1, 1, 0, 1));
        assert_eq!(graph.add(away), Err(OutOfRange::Program));
    }
}

/// The largest weights there are, both ways: nothing overflows, and the gain is told.
#[test]
fn the_largest_numbers_there_are_have_a_product() {
    let top = 1_000_000_000_000;
    let mut graph = Graph::new(&names(2), &[top, 1]).unwrap();
    graph.add(edge(1, 0, 1, weight(top, 1, 0, MAX_MULTIPLIER_MICROS))).unwrap();
    assert!(proved(&graph));
    graph.add(edge(2, 1, 0, weight(top, 1, 0, MAX_MULTIPLIER_MICROS))).unwrap();
    assert_eq!(product_of(&graph), format!("1{}", "0".repeat(28)));
}

/// Every simple cycle, tried one by one: whether any has an exact product above one.
fn any_cycle_gains(graph: &Graph) -> bool {
    fn walk(graph: &Graph, path: &mut Vec<Edge>, start: u32, at: u32) -> bool {
        graph.edges().iter().filter(|edge| edge.from == at).any(|edge| {
            path.push(*edge);
            let found = if edge.to == start {
                exact::gains(path)
            } else {
                edge.to > start
                    && path.iter().all(|before| before.from != edge.to)
                    && walk(graph, path, start, edge.to)
            };
            path.pop();
            found
        })
    }
    (0..u32::try_from(graph.names().len()).unwrap())
        .any(|start| walk(graph, &mut Vec::new(), start, start))
}

/// Factors that tie often: divisors of one another, next to ones that just miss.
fn factor() -> impl Strategy<Value = (i64, i64)> {
    let multiplier = prop::sample::select(vec![
        500_000, 800_000, 999_999, 1_000_000, 1_000_000, 1_000_001, 1_250_000, 2_000_000,
    ]);
    (prop_oneof![Just(0_i64), Just(10_000), Just(200_000), 0..300_000_i64], multiplier)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    /// T23: what is proved has no gaining cycle, and what has none is proved.
    #[test]
    fn the_proof_and_a_search_of_every_cycle_agree(
        programs in 2..6_u32,
        values in prop::collection::vec((1..4_i64, 1..4_i64, 1..2_000_000_i64), 5),
        edges in prop::collection::vec((0..5_u32, 0..5_u32, 0..2_usize, factor()), 1..16),
        round in any::<bool>(),
    ) {
        let value = |program: u32, board: usize| {
            let (one, other, any) = values[program as usize];
            if round { [one, other][board] * 490_050 } else { any + board as i64 * one }
        };
        let units: Vec<_> = (0..programs).map(|program| value(program, 1)).collect();
        let mut graph = Graph::new(&names(programs as usize), &units).unwrap();
        for (from, to, board, (fee, multiplier)) in edges {
            let (from, to) = (from % programs, to % programs);
            if from != to {
                let weight = weight(value(from, board), value(to, board), fee, multiplier);
                graph.add(edge(board as u64, from, to, weight)).unwrap();
            }
        }
        prop_assert_eq!(proved_in_fractions(&graph), prove(&graph).is_ok());
        match prove(&graph) {
            Ok(proof) => {
                prop_assert!(proof.verify(&graph));
                prop_assert!(!any_cycle_gains(&graph));
            }
            Err(Unproven::Gain(gain)) => {
                prop_assert!(exact::gains(&gain.cycle));
                let next = gain.cycle.iter().cycle().skip(1);
                prop_assert!(gain.cycle.iter().zip(next).all(|(edge, next)| edge.to == next.from));
                prop_assert!(gain.product.starts_with(|digit: char| digit != '0'));
            }
            Err(Unproven::Undecided) => prop_assert!(false, "undecided"),
        }
    }
}
