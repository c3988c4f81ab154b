//! T14, T52: a gateway that is frozen (SIGSTOP) while it holds the sequencer row. The others go on
//! within the database's timeout; thawed, it finds its transaction gone, and what became of it.

use std::time::{Duration, Instant};

use alliance_contracts::problem::ProblemCode;
use alliance_partner_sdk::client::{Error, RetryPolicy};

use crate::harness::{Alliance, Engine, Gateway, block_on, psql, quote};
use crate::load::{Chance, Load, UNDER_WAY};

/// The server ends an idle transaction after 8 s; the rest is for a slow machine.
const THE_OTHERS_GO_ON: Duration = Duration::from_secs(8 + 12);

/// Freezes the gateway at random moments until it is frozen with the lock in its hands.
async fn freeze_with_the_lock(gateway: &Gateway, chance: &mut Chance, holds: impl Fn() -> bool) {
    for freeze in 1..=1_000 {
        tokio::time::sleep(chance.millis(0..=25)).await;
        gateway.signal("-STOP");
        if holds() {
            println!("frozen with the lock in its hands at try {freeze}");
            return;
        }
        gateway.signal("-CONT");
    }
    panic!("it was never frozen with the lock in its hands");
}

/// Whether some transaction that has written goes on waiting for its gateway: that of the frozen
/// one, for all others move.
fn a_transaction_waits(alliance: &Alliance) -> bool {
    let waiting = || {
        let transactions = "SELECT pid, xact_start FROM pg_stat_activity \
            WHERE datname = current_database() AND application_name = 'alliance' \
            AND backend_xid IS NOT NULL AND state = 'idle in transaction'";
        psql(alliance.database().unwrap(), transactions)
    };
    let first = waiting();
    std::thread::sleep(Duration::from_millis(100));
    !first.is_empty() && waiting() == first
}

#[test]
fn a_gateway_frozen_with_the_row_stops_the_other_for_seconds_only_on_postgres() {
    const OTHER: usize = 1;
    let mut chance = Chance::seeded();
    let alliance = Alliance::new("frozen", Engine::Postgres);
    let (frozen, other) = (alliance.serve(), alliance.serve());
    let mut load = Load::new(&alliance, &[frozen.url(), other.url()]);
    block_on(async {
        for _ in 0..2 {
            load.during(async {
                let holds = || a_transaction_waits(&alliance);
                freeze_with_the_lock(&frozen, &mut chance, holds).await;
                let begun = Instant::now();
                // More than can have been committed before, and was only answered after.
                let enough = load.done_by(OTHER) + UNDER_WAY + 1;
                while load.done_by(OTHER) < enough {
                    assert!(begun.elapsed() < THE_OTHERS_GO_ON, "the other waits for the frozen");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                println!("the other went on after {:?}", begun.elapsed());
                tokio::time::sleep(Duration::from_millis(500)).await;
                frozen.signal("-CONT");
            })
            .await;
            load.verify().await;
            alliance.assert_audit_clean();
        }
        load.verify_all().await;
    });
    frozen.assert_faultless();
    other.assert_faultless();
}

/// Whether the process holds the write lock of the database's log: byte 120 of the file beside it.
fn holds_the_write_lock(gateway: &Gateway) -> bool {
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    let pid = gateway.pid().to_string();
    locks.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(words[..], [_, "POSIX", _, "WRITE", holder, _, "120", "120"] if holder == pid)
    })
}

/// A file has no server that could end a transaction: whoever holds its lock keeps it. The other
/// says that it cannot tell, goes on reading, and goes on writing when the frozen one does.
#[test]
fn a_gateway_frozen_with_the_file_makes_the_other_say_unavailable_on_sqlite() {
    let mut chance = Chance::seeded();
    let alliance = Alliance::new("frozen", Engine::Sqlite);
    let (frozen, other) = (alliance.serve(), alliance.serve());
    let mut load = Load::new(&alliance, &[frozen.url()]);
    let patient = RetryPolicy {
        max_attempts: 1,
        attempt_timeout: Duration::from_secs(60),
        deadline: Duration::from_secs(60),
        ..RetryPolicy::default()
    };
    let client = alliance.client_of("aurora-air", &other.url(), patient);
    let pair = alliance.pairs("aurora", "borealis").remove(0);
    block_on(async {
        let (asked, order) = load
            .during(async {
                let holds = || holds_the_write_lock(&frozen);
                freeze_with_the_lock(&frozen, &mut chance, holds).await;
                let asked = quote(&client, &pair, "20").await;
                let order = client
                    .transact(&asked, "frozen".parse().unwrap())
                    .idempotency_key("frozen".parse().unwrap());
                let Err(Error::Indeterminate { last, .. }) = order.clone().await else {
                    panic!("it was answered while the file was locked");
                };
                assert_eq!(last.code(), Some(ProblemCode::Unavailable));
                frozen.signal("-CONT");
                (asked, order)
            })
            .await;
        let done = order.await.unwrap();
        load.enter("frozen", asked, done.id);
        load.verify().await;
    });
    frozen.assert_faultless();
    other.assert_faultless();
    alliance.assert_audit_clean();
}
