//! The gateway is killed at random moments under load and started again at the same address, on
//! the same database, fifty times; its clients know nothing of it and repeat their keys.

use std::time::Duration;

use crate::harness::{Alliance, Engine, Gateway, block_on, free_port, psql};
use crate::load::{Chance, Load};

const KILLS: usize = 50;

/// How long a killed gateway's last transaction may live on, in tries 50 ms apart: the server ends
/// it after 10 s.
const LAST_TRANSACTION: usize = 300;

/// T16, T17, T51: what a kill leaves is whole, what was acknowledged is there, and each key has one
/// effect: that of the first try, or of the next.
fn fifty_kills_lose_nothing(engine: Engine) {
    let mut chance = Chance::seeded();
    let alliance = Alliance::new("kills", engine);
    let listen = format!("127.0.0.1:{}", free_port());
    let start = || Gateway::start_at(&listen, &alliance.args());
    let mut gateway = start();
    let mut load = Load::new(&alliance, &[gateway.url()]);
    let mut interrupted = 0;
    block_on(async {
        for kill in 0..KILLS {
            let killed = async {
                tokio::time::sleep(chance.millis(10..=150)).await;
                interrupted += usize::from(load.open() > 0);
                gateway.kill();
                // Every other time somebody looks at the books before they are recovered.
                if kill % 2 == 0 {
                    wait_for_the_last_transaction(&alliance);
                    alliance.assert_audit_clean();
                }
                let next = start();
                if chance.within(0..=4) > 0 {
                    return next;
                }
                // Once more when it has hardly started, with everybody at the door.
                tokio::time::sleep(chance.millis(0..=50)).await;
                next.kill();
                start()
            };
            gateway = load.during(killed).await;
            load.verify().await;
            if kill % 2 == 1 {
                alliance.assert_audit_clean();
            }
        }
        load.verify_all().await;
    });
    alliance.assert_audit_clean();
    println!("{} orders done, {interrupted} kills hit some under way", load.done());
    assert!(interrupted > KILLS / 2, "only {interrupted} kills hit an order under way");
}

/// The audit wants books that nobody writes to, and PostgreSQL ends a statement before it looks
/// whether anybody is still there.
fn wait_for_the_last_transaction(alliance: &Alliance) {
    let Some(url) = alliance.database() else { return };
    let left = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'alliance'";
    let gone = (0..LAST_TRANSACTION).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        psql(url, left) == "0"
    });
    assert!(gone, "a transaction has outlived its gateway");
}

#[test]
fn fifty_kills_under_load_lose_nothing_on_sqlite() {
    fifty_kills_lose_nothing(Engine::Sqlite);
}

#[test]
fn fifty_kills_under_load_lose_nothing_on_postgres() {
    fifty_kills_lose_nothing(Engine::Postgres);
}
