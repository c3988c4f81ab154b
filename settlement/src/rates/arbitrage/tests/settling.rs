use super::*;

fn pair(from: u32, to: u32, fee: i64, multiplier: i64) -> Pair {
    Pair { from, to, factor: Factor::new(fee, multiplier).unwrap(), ends_with_board: false }
}

/// Every pair of these programs, at one fee.
fn all_pairs(programs: u32, fee: i64) -> Vec<Pair> {
    let ways = (0..programs).flat_map(|from| (0..programs).map(move |to| (from, to)));
    ways.filter(|(from, to)| from != to).map(|(from, to)| pair(from, to, fee, 1_000_000)).collect()
}

fn movements(steps: &[(i64, i64)]) -> Vec<Movement> {
    steps.iter().map(|(was, target)| Movement { previous: Some(*was), target: *target }).collect()
}

fn settle(alive: &[(&[i64], &[Pair])], steps: &[Movement], pairs: &[Pair]) -> Settled {
    settled_with_quotes(alive, steps, pairs).0
}

/// The board, and all quotes that are alive with it.
fn settled_with_quotes(
    alive: &[(&[i64], &[Pair])],
    steps: &[Movement],
    pairs: &[Pair],
) -> (Settled, Graph) {
    let alive: Vec<AliveBoard> = (12..)
        .zip(alive)
        .map(|(number, (values, pairs))| AliveBoard { number, values, pairs })
        .collect();
    let number = 12 + alive.len() as u64;
    let candidate = Candidate { number, movements: steps, pairs };
    let names = names(steps.len());
    let settled = settle_steps(&names, &alive, &candidate).unwrap();
    let graph = settled.graph(&names, &alive, &candidate).unwrap();
    assert!(settled.proof.verify(&graph));
    (settled, graph)
}

/// T23: the step of 10 % at a fee of 1 % is cut until the round trip between boards brings nothing.
#[test]
fn a_step_that_would_gain_is_halved_until_it_does_not() {
    let pairs = all_pairs(2, 10_000);
    let steps = movements(&[(50_000, 50_000), (100_000, 110_000)]);
    let settled = settle(&[(&[50_000, 100_000], &pairs)], &steps, &pairs);
    // 10 %, 5 % and 2.5 % gain, 1.25 % does not: 0.99² × 1.0125 = 0.9924.
    assert_eq!((settled.halvings, settled.values), (vec![0, 3], vec![50_000, 101_250]));
    assert_eq!(settled.first_gain.unwrap().product, "1.07811");
    assert!(settled.lowered.is_empty());
}

#[test]
fn a_quiet_program_does_not_wait_for_a_wild_one() {
    let pairs = all_pairs(4, 10_000);
    let steps =
        movements(&[(50_000, 60_000), (100_000, 100_500), (70_000, 70_000), (90_000, 89_800)]);
    let settled = settle(&[(&[50_000, 100_000, 70_000, 90_000], &pairs)], &steps, &pairs);
    assert_eq!(settled.halvings, [4, 0, 0, 0]);
}

#[test]
fn two_that_part_as_fast_as_each_other_are_halved_alike() {
    let pairs = all_pairs(2, 10_000);
    let steps = movements(&[(100_000, 90_000), (100_000, 110_000)]);
    let settled = settle(&[(&[100_000, 100_000], &pairs)], &steps, &pairs);
    assert_eq!(settled.halvings, [4, 4]);
    // Both the same way is no movement between them.
    let steps = movements(&[(100_000, 110_000), (100_000, 110_000)]);
    let settled = settle(&[(&[100_000, 100_000], &pairs)], &steps, &pairs);
    assert_eq!((settled.halvings, settled.first_gain), (vec![0, 0], None));
}

#[test]
fn quotes_that_end_with_their_board_cut_no_step() {
    let ending = |pair: Pair| Pair { ends_with_board: true, ..pair };
    let pairs: Vec<_> = all_pairs(2, 0).into_iter().map(ending).collect();
    let steps = movements(&[(50_000, 50_000), (100_000, 110_000)]);
    let settled = settle(&[(&[50_000, 100_000], &pairs)], &steps, &pairs);
    assert_eq!(settled.values, [50_000, 110_000]);
    // Quotes that outlive it, with nothing taken, allow no movement at all.
    let pairs = all_pairs(2, 0);
    assert!(takes_nothing(pairs[0].factor, pairs[1].factor));
    let settled = settle(&[(&[50_000, 100_000], &pairs)], &steps, &pairs);
    assert_eq!((settled.values, settled.halvings), (vec![50_000, 100_000], vec![0, MAX_HALVINGS]));
}

#[test]
fn a_board_two_back_still_counts() {
    let pairs = all_pairs(2, 10_000);
    let steps = movements(&[(50_000, 50_000), (101_900, 102_900)]);
    let one = settle(&[(&[50_000, 101_900], &pairs)], &steps, &pairs);
    assert_eq!(one.halvings, [0, 0]);
    let two = settle(&[(&[50_000, 100_000], &pairs), (&[50_000, 101_900], &pairs)], &steps, &pairs);
    assert_eq!(two.halvings, [0, 3]); // 0.99² × 1.02025 is below one, × 1.0204 is above
    assert_eq!(two.first_gain.unwrap().cycle.iter().map(|e| e.board).collect::<Vec<_>>(), [12, 14]);
}

#[test]
fn a_multiplier_that_gains_on_its_own_board_is_suspended_and_nothing_is_halved() {
    let old = all_pairs(3, 10_000);
    let mut pairs = old.clone();
    for pair in pairs.iter_mut().filter(|pair| (pair.from, pair.to) == (0, 1)) {
        pair.factor = Factor::new(10_000, 1_030_000).unwrap();
    }
    let steps = movements(&[(50_000, 50_100), (100_000, 100_000), (70_000, 70_000)]);
    let settled = settle(&[(&[50_000, 100_000, 70_000], &old)], &steps, &pairs);
    assert_eq!(settled.halvings, [0, 0, 0]);
    let [lowered] = settled.lowered[..] else { panic!("{:?}", settled.lowered) };
    assert_eq!((lowered.pair, lowered.why), (pairs[0], Lowering::Suspended));
    assert_eq!(lowered.now, Factor::new(10_000, 1_000_000).ok());
    assert_eq!(settled.first_gain.unwrap().product, "1.01152");
}

#[test]
fn a_bonus_that_loses_on_every_round_stays() {
    let mut pairs = all_pairs(2, 10_000);
    pairs[0].factor = Factor::new(10_000, 1_010_000).unwrap();
    pairs[1].factor = Factor::new(20_000, 1_000_000).unwrap();
    let steps = movements(&[(50_000, 50_000), (100_000, 100_000)]);
    let settled = settle(&[(&[50_000, 100_000], &pairs)], &steps, &pairs);
    assert_eq!((settled.lowered, settled.first_gain), (vec![], None));
}

#[test]
fn a_fee_that_falls_while_a_bonus_is_still_quoted_is_held() {
    // 1.2 there, 0.8 back; then the bonus ends, and with it the high fee of the way back.
    let old = [pair(0, 1, 0, 1_200_000), pair(1, 0, 200_000, 1_000_000)];
    let pairs = all_pairs(2, 10_000);
    let steps = movements(&[(50_000, 50_000), (100_000, 100_000)]);
    let settled = settle(&[(&[50_000, 100_000], &old)], &steps, &pairs);
    let [lowered] = settled.lowered[..] else { panic!("{:?}", settled.lowered) };
    assert_eq!((lowered.pair, lowered.why), (pairs[1], Lowering::Held));
    assert_eq!(lowered.now, Some(old[1].factor));
}

#[test]
fn a_new_pair_that_gains_with_quotes_given_waits() {
    let old = [pair(0, 1, 0, 1_200_000), pair(1, 2, 0, 1_000_000)];
    let pairs = [pair(2, 0, 10_000, 1_000_000)];
    let steps = movements(&[(1_000, 1_000), (1_000, 1_000), (1_000, 1_000)]);
    let settled = settle(&[(&[1_000, 1_000, 1_000], &old)], &steps, &pairs);
    let [lowered] = settled.lowered[..] else { panic!("{:?}", settled.lowered) };
    assert_eq!((lowered.now, lowered.why), (None, Lowering::Withheld));
}

#[test]
fn programs_come_and_go_without_a_value() {
    let pairs = all_pairs(3, 10_000);
    let steps = [
        Movement { previous: Some(50_000), target: 0 },
        Movement { previous: None, target: 100_000 },
        Movement { previous: None, target: 0 },
    ];
    let (settled, quotes) = settled_with_quotes(&[(&[50_000, 0, 0], &pairs)], &steps, &pairs);
    assert_eq!(settled.values, [0, 100_000, 0]);
    assert!(quotes.edges().is_empty());
}

#[test]
fn quotes_that_gain_among_themselves_are_told_not_looped_on() {
    let values: &[i64] = &[50_000, 100_000];
    let broken = [pair(0, 1, 0, 1_200_000), pair(1, 0, 0, 1_000_000)];
    let alive = [AliveBoard { number: 3, values, pairs: &broken }];
    let steps = movements(&[(50_000, 51_000), (100_000, 99_000)]);
    let pairs = all_pairs(2, 10_000);
    let candidate = Candidate { number: 4, movements: &steps, pairs: &pairs };
    let told = settle_steps(&names(2), &alive, &candidate).unwrap_err().to_string();
    assert!(told.starts_with("quotes already given gain without the new board: a → b"), "{told}");
}

#[test]
fn boards_out_of_order_and_lists_that_do_not_fit_are_refused() {
    let values: &[i64] = &[50_000, 100_000];
    let (pairs, steps) = (all_pairs(2, 0), movements(&[(50_000, 51_000), (100_000, 99_000)]));
    let settle = |number, values, names: &[String]| {
        let alive = [AliveBoard { number: 3, values, pairs: &pairs }];
        settle_steps(names, &alive, &Candidate { number, movements: &steps, pairs: &pairs })
            .unwrap_err()
    };
    assert_eq!(settle(3, values, &names(2)), Unsettled::OutOfRange(OutOfRange::Boards));
    assert_eq!(settle(4, &values[..1], &names(2)), Unsettled::OutOfRange(OutOfRange::Programs));
    assert_eq!(settle(4, values, &names(3)), Unsettled::OutOfRange(OutOfRange::Programs));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// However violently all move, and whatever the factors: a proved board, in few rounds.
    #[test]
    fn every_board_is_settled_and_proved(
        programs in 2..12_usize,
        values in prop::collection::vec((1..2_000_000_i64, 1..2_000_000_i64), 12),
        old in prop::collection::vec(0..200_000_i64, 132),
        new in prop::collection::vec((0..200_000_i64, 900_000..1_100_000_i64), 132),
    ) {
        let values = &values[..programs];
        let count = u32::try_from(programs).unwrap();
        let mut before = all_pairs(count, 0);
        let mut after = before.clone();
        for (pair, fee) in before.iter_mut().zip(&old) {
            pair.factor = Factor::new(*fee, 1_000_000).unwrap();
        }
        for (pair, (fee, multiplier)) in after.iter_mut().zip(&new) {
            pair.factor = Factor::new(*fee, *multiplier).unwrap();
        }
        let was: Vec<i64> = values.iter().map(|(was, _)| *was).collect();
        let settled = settle(&[(&was, &before)], &movements(values), &after);
        prop_assert!(settled.rounds < 60, "{} rounds", settled.rounds);
        for ((was, target), value) in values.iter().zip(&settled.values) {
            prop_assert!(value.min(was) >= target.min(was) && value.max(was) <= target.max(was));
        }
    }
}
