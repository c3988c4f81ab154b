//! A crash at every await, and the scenes that are worth reading one by one.
//!
//! In the sweep a process is started, handed a batch of everything, let take `n` turns — one poll
//! of every task that can go on — and killed where it stands; for n = 0, 1, 2, … until it gets to
//! answer. Calls to the store let go before and after they are done, so that a kill falls on
//! "asked, not done", and on "done, not heard". Start-up is the real one (registry, checkpoints
//! beside the keys, writer, quote key) but for opening the store and making the runtime, which
//! leave nothing behind.

use std::path::PathBuf;

use crate::client::Errand;
use crate::stage::{Point, Verdict};
use crate::store::Manner;
use crate::world::{Trouble, World};

/// A folder of this test's own for the checkpoints beside the keys.
fn beside_the_keys(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// One of each, and so many exchanges.
fn a_batch_of_everything(world: &mut World, exchanges: usize) -> Vec<Errand> {
    let mut errands = vec![world.newcomers(), world.proposal()];
    errands.extend(world.reversal());
    errands.extend(world.definition());
    errands.extend(world.publication());
    errands.push(world.release());
    errands.extend(world.confirmation());
    let mut missing = exchanges;
    while missing > 0 {
        if let Some(exchange) = world.exchange() {
            errands.push(exchange);
            missing -= 1;
        }
    }
    errands
}

/// Kills after every number of turns up to `most`, or until all is answered. How often it was
/// killed before that.
fn swept(world: &mut World, exchanges: usize, holding: bool, most: usize) -> usize {
    for turns in 0..most {
        let errands = a_batch_of_everything(world, exchanges);
        world.kill_all();
        // Half a day back, so that this start has to bring a quote key, too.
        world.skew(0, -43_200_000 * i64::try_from(turns + 1).unwrap());
        world.boot(0, Manner::Yielding);
        let mut errands = Some(errands);
        for _ in 0..turns {
            world.turn(0);
            if world.gateways[0].is_up()
                && let Some(errands) = errands.take()
            {
                world.hand_over(0, errands);
            }
        }
        let answered = errands.is_none() && world.nothing_is_open();
        world.kill(0, holding);
        world.skew(0, 0);
        for errand in errands.into_iter().flatten() {
            world.send(errand);
        }
        // The others take over, and everybody asks again.
        world.settle();
        world.whole();
        if answered {
            world.audited();
            return turns;
        }
    }
    world.audited();
    most
}

#[test]
fn a_crash_at_every_await_of_start_up_and_sequencer_loses_and_doubles_nothing() {
    let mut world = World::with_checkpoints(100, 2, beside_the_keys("every-await"));
    let turns = swept(&mut world, 3, false, 2_000);
    println!("killed after each of 0 to {turns} turns; {}", world.summary());
    // Reads at the start, a quote key's batch, then a batch of everything: each call to the store
    // is two turns at least.
    assert!(turns > 20, "{turns} turns");
}

#[test]
fn a_crash_at_every_await_with_the_row_still_held_holds_the_others_up_and_no_more() {
    let mut world = World::with_checkpoints(101, 3, beside_the_keys("row-held"));
    let turns = swept(&mut world, 3, true, 2_000);
    println!("killed after each of 0 to {turns} turns; {}", world.summary());
    assert!(turns > 20, "{turns} turns");
}

/// From eight receipts on, other threads sign: how many turns that takes is theirs to say, so the
/// sweep is as long as one that signs by itself, and longer.
#[test]
fn a_crash_while_other_threads_sign_loses_and_doubles_nothing() {
    let mut world = World::with_checkpoints(102, 2, beside_the_keys("signing"));
    let turns = swept(&mut world, 24, false, 150);
    println!("killed after each of 0 to {turns} turns; {}", world.summary());
    assert!(turns > 20, "{turns} turns");
}

#[test]
fn while_a_dead_gateways_transaction_holds_the_row_the_other_waits_and_then_goes_on() {
    let mut world = World::new(103, 2);
    let (first, second) = (world.sure_exchange(), world.sure_exchange());
    world.hand_over(0, vec![first]);
    world.pass(0, Point::Begin, Verdict::Go);
    world.reach(0, Point::Load);
    world.kill(0, true);
    world.hold_limbo();
    world.hand_over(1, vec![second]);
    world.pass(1, Point::Begin, Verdict::Go);
    for _ in 0..1_000 {
        world.turn(1);
    }
    assert!(!world.is_at_a_gate(1), "it goes on beside a transaction that has not ended");
    assert_eq!(world.open_errands(), 2);
    world.release_limbo();
    world.pass(1, Point::Load, Verdict::Go);
    world.pass(1, Point::Commit, Verdict::Go);
    assert_eq!(world.open_errands(), 1, "the other's order is done, the dead one's is not");
    world.settle();
    world.whole();
}

#[test]
fn a_commit_that_the_database_still_works_on_is_waited_for_and_answered_as_the_first() {
    for commits in [true, false] {
        let mut world = World::new(104, 2);
        let before = world.exchanges();
        let order = world.sure_exchange();
        world.hand_over(0, vec![order]);
        world.pass(0, Point::Begin, Verdict::Go);
        world.pass(0, Point::Load, Verdict::Go);
        world.pass(0, Point::Commit, Verdict::LostLate { commits });
        world.hold_limbo();
        world.pass(0, Point::Begin, Verdict::Go);
        assert_eq!(world.exchanges(), before, "nothing is there yet");
        assert_eq!(world.open_errands(), 1, "and nothing has been answered");
        world.release_limbo();
        world.settle();
        assert_eq!(world.exchanges(), before + 1, "once, whichever way it ended");
        world.whole();
    }
}

/// Whoever published is told so, though the answer to the commit was lost and the board is the last
/// one by the time that it is decided again.
#[test]
fn a_board_whose_commit_nobody_answered_is_published_once_and_its_publisher_is_told_so() {
    use Verdict::{Go, LostAfter, LostBefore, LostLate};
    let lost = [LostAfter, LostBefore, LostLate { commits: true }, LostLate { commits: false }];
    for (verdict, slot) in lost.into_iter().flat_map(|verdict| [(verdict, 0), (verdict, 60_000)]) {
        let mut world = World::new(107, 2);
        world.skew(0, 0);
        world.skew(1, 0);
        let boards = world.counted("board");
        let board = world.sure_board(0, slot);
        world.hand_over(0, vec![board]);
        for (point, verdict) in [(Point::Begin, Go), (Point::Load, Go), (Point::Commit, verdict)] {
            world.pass(0, point, verdict);
        }
        world.release_limbo();
        world.settle();
        world.whole();
        assert_eq!(world.counted("board"), boards + 1, "{verdict:?}: once");
        assert!(world.counted("board is there") > 0, "{verdict:?}: and told so");
        assert_eq!(world.counted("board is stale"), 0, "{verdict:?}");
        assert_eq!(world.counted("slot was taken"), 0, "{verdict:?}");
    }
}

#[test]
fn a_gateway_that_lost_the_row_while_it_hung_writes_nothing_when_it_wakes() {
    for point in [Point::Load, Point::Commit] {
        let mut world = World::new(105, 2);
        let before = world.exchanges();
        let (first, second) = (world.sure_exchange(), world.sure_exchange());
        world.hand_over(0, vec![first]);
        world.pass(0, Point::Begin, Verdict::Go);
        if point == Point::Commit {
            world.pass(0, Point::Load, Verdict::Go);
        }
        world.pass(0, point, Verdict::RowLost);
        world.hand_over(1, vec![second]);
        for step in [Point::Begin, Point::Load, Point::Commit] {
            world.pass(1, step, Verdict::Go);
        }
        assert_eq!(world.exchanges(), before + 1, "the other went on");
        world.settle();
        assert_eq!(world.exchanges(), before + 2, "and then the first, once");
        world.whole();
    }
}

/// T53. Ten minutes ahead, a day behind, seconds apart, every few steps: order is by number, times
/// in a chain never go back, and a quote's end is judged by the clock that decides.
#[test]
fn clocks_that_jump_and_disagree_reorder_nothing() {
    let mut world = World::new(106, 3);
    world.run(6_000, Trouble { jumps: 150, ..Trouble::NONE });
    println!("{}", world.summary());
    assert!(world.times_that_stood_still() > 50, "no clock went back under a chain");
}
