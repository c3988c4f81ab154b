//! The same boards of the same inputs, to the byte: however they are worked out, what was published
//! before must come out again, or partners that recompute a board get other digits.
#![cfg(test)]

#[path = "../examples/publish_bench/world.rs"]
mod world;

use std::collections::BTreeMap;

use alliance_contracts::encoding::Hash;
use alliance_contracts::jws::{self, JwsType};
use alliance_settlement::alliance::PublishedBoard;
use alliance_settlement::rates::publication::{self, Publication, Situation, still_quoted};

use world::World;

/// Boards of each alliance: on the last, quotes of three before it still stand.
const BOARDS: usize = 5;
const BETWEEN_SECONDS: i64 = 25;

/// Every board's signed bytes, its terms as they are kept, and what was cut, one after another.
fn published(most: i64) -> String {
    let key = world::key(world::PARTNERS);
    let mut world = World::new(12, "2026-11-23T04:00:00.000Z".parse().unwrap()).unwrap();
    let (board, terms) = publication::first(&world.definition, world.now);
    world.boards.push(PublishedBoard {
        board,
        jws: String::new(),
        terms: terms.into(),
        slot: None,
    });
    let mut published = Hash::ZERO;
    for _ in 0..BOARDS {
        world.goes_on(BETWEEN_SECONDS, most).unwrap();
        let Publication { board, terms, remarks, .. } = publication::next(&Situation {
            registry: &world.registry(),
            boards: still_quoted(&world.boards, world.now),
            flows: &world.flows,
            feeds: &world.feeds,
            approved: &BTreeMap::new(),
            now: world.now,
        })
        .unwrap();
        let jws = jws::sign(JwsType::Board, &board.payload(), &key);
        let row = serde_json::to_string(&terms).unwrap();
        published = Hash::of(format!("{published}{jws}{row}{remarks:?}").as_bytes());
        world.boards.push(PublishedBoard { board, jws, terms: terms.into(), slot: None });
    }
    published.to_string()
}

#[test]
fn calm_boards_are_the_same_to_the_byte() {
    assert_eq!(
        published(1_000),
        "547e5cc42e37a0e3c2165fb762928feab1a1d3f79956748a0d04d7fb1e002851"
    );
}

#[test]
fn boards_on_which_most_programs_are_cut_are_the_same_to_the_byte() {
    assert_eq!(
        published(20_000),
        "f5901f762ad53cbe9d547f827c9e2618c111a493b57e886f79b8a93741b995b8"
    );
}

#[test]
fn boards_on_which_every_program_is_cut_are_the_same_to_the_byte() {
    assert_eq!(
        published(400_000),
        "6083e216096b432abf0dad9b9f7b44f8786458dca9b690fce6199868fb8e17d8"
    );
}
