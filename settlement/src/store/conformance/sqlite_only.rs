//! What only a file can suffer.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::place::Place;
use super::world::{World, corridor};
use super::{masters, members};
use crate::command::{Command, MemberNo, Outcome};
use crate::store::StoreError;

/// T54: while a batch is under way its log is deleted, then the whole database replaced. What was
/// written into files without a name is not told as done; reading goes on.
pub async fn files_taken_away_under_a_batch_make_its_commit_unknown(place: &Place) {
    let mut world = World::new(place.open().await).await;
    world.perform(0, 1, 0).await;
    let books = place.url().strip_prefix("sqlite:").unwrap();
    for taken in [format!("{books}-wal"), books.to_owned()] {
        let aside = format!("{taken}-aside");
        let order = world.exchange(0, 1, 1, 1_000).await;
        let prepared = world.prepare(vec![order]).await;
        std::fs::rename(&taken, &aside).unwrap();
        let told = prepared.commit().await;
        assert!(matches!(told, Err(StoreError::UnknownCommit(_))), "{taken}: {told:?}");
        // Nothing more is written, nothing new in its place, and whoever asks is told.
        let begun = world.store.begin().await.err();
        assert!(matches!(begun, Some(StoreError::Unavailable(_))), "{taken}: {begun:?}");
        let ping = world.store.ping().await.err();
        assert!(matches!(ping, Some(StoreError::Unavailable(_))), "{taken}: {ping:?}");
        std::fs::write(&taken, b"").unwrap();
        let begun = world.store.begin().await.err();
        assert!(matches!(begun, Some(StoreError::Unavailable(_))), "{taken}: {begun:?}");
        // Put back, it goes on from there.
        std::fs::rename(&aside, &taken).unwrap();
        world.store.ping().await.unwrap();
        world.perform(0, 1, 2).await;
    }
    assert_eq!(world.store.receipts(&corridor(), 0, 10).await.unwrap().len(), 5);
}

/// SQLite deletes the log with its last connection: not while the store is open, though the only
/// connection that was ever used is lost with a batch that failed.
pub async fn a_store_that_lost_its_connections_keeps_its_log(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let order = world.exchange(0, 1, 0, 1_000).await;
    let prepared = world.prepare(vec![order]).await;
    let mut writes = prepared.writes;
    writes.keys.push(writes.keys[0].clone());
    drop(prepared.batch);
    world.store.close().await;
    let log = format!("{}-wal", place.url().strip_prefix("sqlite:").unwrap());
    assert!(!std::fs::exists(&log).unwrap(), "the last connection tidies up");

    let store = place.open().await;
    let told = store.begin().await.unwrap().commit(&writes).await;
    assert!(matches!(told, Err(StoreError::Contradiction(_))), "{told:?}");
    for _ in 0..20 {
        // The lost connection is closed by a thread of its own.
        assert!(std::fs::exists(&log).unwrap(), "the log is gone, and would be taken for stolen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(store.begin().await.unwrap());
    store.close().await;
}

/// What is destroyed is gone from the file and from its log, too, not only out of reach.
pub async fn of_a_forgotten_member_no_byte_is_left_in_the_files(place: &Place) {
    let mut world = World::new(place.open().await).await;
    world.perform(0, 1, 3).await;
    let member = world.store.member(world.lookup(0, 3)).await.unwrap().unwrap();
    let secrets = [
        member.wrapped_key.unwrap(),
        member.sealed_reference.unwrap(),
        member.lookup.unwrap().0.to_vec(),
    ];
    let books = place.url().strip_prefix("sqlite:").unwrap();
    let found = || {
        let files = [books.to_owned(), format!("{books}-wal")];
        let files = files.map(|file| std::fs::read(file).unwrap());
        let has = |secret: &Vec<u8>| {
            files.iter().any(|file| file.windows(secret.len()).any(|bytes| bytes == secret))
        };
        secrets.iter().filter(|secret| has(secret)).count()
    };
    assert_eq!(found(), 3);
    let order = members::forget(&mut world, 0, 3);
    assert!(matches!(world.decide(vec![order]).await[..], [Outcome::Erased(_)]));
    // The log is emptied beside the writer, as soon as nobody reads it.
    for _ in 0..100 {
        if found() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(found(), 0);
    world.perform(0, 1, 4).await;
}

/// What was under the master key before is gone from the file and its log, too.
pub async fn of_what_was_under_another_master_key_no_byte_is_left_in_the_files(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let people: Vec<_> = (1_000..1_600).map(|one| world.new_member("aurora", one, 7)).collect();
    let imported = Command::ImportMembers(Arc::new(people));
    assert_eq!(world.decide(vec![imported]).await, [Outcome::Done(600)]);
    let rows = world.store.wrapped_members(MemberNo(0), 10_000).await.unwrap();
    let keys = rows.iter().map(|row| row.wrapped_key.clone());
    let lookups = rows.iter().filter_map(|row| row.lookup).map(|lookup| lookup.0.to_vec());
    let old: HashSet<Vec<u8>> = keys.chain(lookups).collect();
    let books = place.url().strip_prefix("sqlite:").unwrap().to_owned();
    let found = || {
        let files = [books.clone(), format!("{books}-wal")];
        let files = files.map(|file| std::fs::read(file).unwrap());
        let has = |length: usize| {
            let parts = files.iter().flat_map(move |file| file.windows(length));
            parts.filter(|part| old.contains(*part)).collect::<HashSet<_>>().len()
        };
        old.iter().map(Vec::len).collect::<HashSet<_>>().into_iter().map(has).sum::<usize>()
    };
    assert_eq!(found(), old.len());
    masters::rotate(&mut world).await;
    world.store.clear_away().await.unwrap();
    assert_eq!(found(), 0);
    world.perform(0, 1, 4).await;
}
