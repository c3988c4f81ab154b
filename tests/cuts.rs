//! T17, T52: what becomes of a commit whose connection is cut, silent, late or ended by PostgreSQL,
//! with everybody ordering meanwhile. The gateway is left alone: it has to recover by itself.

use std::time::{Duration, Instant};

use crate::harness::{Alliance, Engine, Gateway, block_on, once, psql};
use crate::load::{Chance, Load, UNDER_WAY};
use crate::proxy::{Fault, Proxy};

/// An alliance on PostgreSQL whose gateway reaches it through a proxy.
struct Cut {
    alliance: Alliance,
    proxy: Proxy,
    gateway: Gateway,
    load: Load,
    chance: Chance,
}

impl Cut {
    fn new(name: &str) -> Self {
        let chance = Chance::seeded();
        let alliance = Alliance::new(name, Engine::Postgres);
        let proxy = Proxy::before(alliance.database().unwrap());
        let gateway = Gateway::start(&alliance.args_over(Some(proxy.url())));
        let load = Load::new(&alliance, &[gateway.url()]);
        Self { alliance, proxy, gateway, load, chance }
    }

    /// So many times: something is armed at some moment, and strikes; then everything is compared.
    fn rounds(mut self, rounds: usize, mut arm: impl FnMut(&Proxy, &mut Chance)) {
        block_on(async {
            for round in 1..=rounds {
                let moment = self.chance.millis(0..=60);
                let (proxy, chance) = (&self.proxy, &mut self.chance);
                self.load
                    .during(async {
                        tokio::time::sleep(moment).await;
                        arm(proxy, chance);
                        while proxy.struck() < round {
                            tokio::time::sleep(Duration::from_millis(2)).await;
                        }
                    })
                    .await;
                self.load.verify().await;
                self.alliance.assert_audit_clean();
            }
            self.load.verify_all().await;
        });
        self.gateway.assert_faultless();
        println!("{} orders done, {} commits", self.load.done(), self.proxy.commits());
    }
}

#[test]
fn a_connection_cut_before_its_commit_loses_and_doubles_nothing() {
    Cut::new("cut-before").rounds(15, |proxy, _| proxy.arm(Fault::CutBefore));
}

#[test]
fn a_connection_cut_while_it_commits_loses_and_doubles_nothing() {
    Cut::new("cut-after").rounds(15, |proxy, _| proxy.arm(Fault::CutAfter));
}

#[test]
fn a_commit_whose_answer_is_cut_off_is_found_by_its_keys() {
    Cut::new("cut-answered").rounds(15, |proxy, _| proxy.arm(Fault::CutAnswered));
}

/// The gateway must not decide before the old transaction has ended: the keys are not there yet.
#[test]
fn an_unknown_commit_is_not_decided_before_the_old_transaction_has_ended() {
    Cut::new("cut-late").rounds(6, |proxy, chance| {
        proxy.arm(Fault::CutAndCommitLater(chance.millis(100..=1_500)));
    });
}

/// The server ends the old transaction after 8 s, the gateway gives its connection up after 20 s.
#[test]
fn a_commit_that_vanishes_in_silence_is_done_again() {
    Cut::new("silent-before").rounds(1, |proxy, _| proxy.arm(Fault::SilentBefore));
}

#[test]
fn a_commit_whose_answer_vanishes_in_silence_is_found_by_its_keys() {
    Cut::new("silent-after").rounds(1, |proxy, _| proxy.arm(Fault::SilentAfter));
}

#[test]
fn a_late_commit_is_answered_late() {
    Cut::new("late").rounds(6, |proxy, chance| proxy.arm(Fault::Late(chance.millis(50..=800))));
}

/// Readers and the writer alike, in either direction, in the middle of a message or between two.
#[test]
fn a_connection_cut_at_any_byte_loses_and_doubles_nothing() {
    Cut::new("any-byte").rounds(30, |proxy, chance| {
        let bytes = chance.within(0..=60_000);
        proxy.cut_after(usize::try_from(bytes).unwrap());
    });
}

/// A round trip takes 30 ms: slow, and nothing else.
#[test]
fn a_database_far_away_makes_it_slow_and_nothing_else() {
    let mut cut = Cut::new("far");
    block_on(async {
        cut.proxy.slow_down(Duration::from_millis(15));
        cut.load.during(tokio::time::sleep(Duration::from_secs(3))).await;
        cut.load.verify().await;
    });
    cut.gateway.assert_faultless();
    assert!(cut.load.done() > 0);
    cut.alliance.assert_audit_clean();
}

/// As after a failover that nobody was told of: every connection is silent at once, those that are
/// being read from as well. Each is given up after 20 s, and none keeps its place in the pool.
#[test]
fn connections_that_fall_silent_are_replaced_by_others() {
    const READS: usize = 16;
    let mut cut = Cut::new("silence");
    let pair = cut.alliance.pairs("aurora", "borealis").remove(0);
    let client = cut.alliance.client("aurora-air", &cut.gateway);
    block_on(async {
        // So slow, and so many at once, that all connections are in use: eight that read, one that
        // writes.
        cut.proxy.slow_down(Duration::from_millis(100));
        let reads: Vec<_> = (0..READS)
            .map(|_| {
                let (client, pair) = (client.clone(), pair.clone());
                tokio::spawn(async move {
                    loop {
                        let _ = client.member_balance(&pair.0).retry(once()).await;
                    }
                })
            })
            .collect();
        let recovered = async {
            let url = cut.alliance.database().unwrap();
            while psql(url, &format!("SELECT count(*) >= 9 {OF_THE_GATEWAY}")) != "t" {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            let silent = psql(url, &format!("SELECT string_agg(pid::text, ',') {OF_THE_GATEWAY}"));
            cut.proxy.silence();
            cut.proxy.slow_down(Duration::ZERO);
            reads.iter().for_each(tokio::task::JoinHandle::abort);
            // More than can have been under way, and so with quotes asked for since.
            let enough = cut.load.done() + UNDER_WAY + 1;
            let begun = Instant::now();
            while cut.load.done() < enough {
                assert!(begun.elapsed() < Duration::from_secs(90), "it has not recovered");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let left = format!("SELECT count(*) {OF_THE_GATEWAY} AND pid IN ({silent})");
            while psql(url, &left) != "0" {
                assert!(begun.elapsed() < Duration::from_secs(90), "a silent one is still held");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            println!("recovered after {:?}", begun.elapsed());
        };
        cut.load.during(recovered).await;
        cut.load.verify_all().await;
    });
    cut.gateway.assert_faultless();
    cut.alliance.assert_audit_clean();
}

/// Fifty times, PostgreSQL ends the connection that is writing at the moment.
#[test]
fn fifty_backends_terminated_while_they_write_lose_nothing() {
    let mut chance = Chance::seeded();
    let alliance = Alliance::new("backends", Engine::Postgres);
    let gateway = alliance.serve();
    let mut load = Load::new(&alliance, &[gateway.url()]);
    let url = alliance.database().unwrap();
    block_on(async {
        for round in 1..=10 {
            let terminated = async {
                for _ in 0..5 {
                    tokio::time::sleep(chance.millis(0..=40)).await;
                    psql(url, TERMINATE_THE_WRITER);
                }
            };
            load.during(terminated).await;
            load.verify().await;
            if round % 2 == 0 {
                alliance.assert_audit_clean();
            }
        }
        load.verify_all().await;
    });
    gateway.assert_faultless();
    println!("{} orders done", load.done());
}

/// Waits until a transaction has written something, and ends its connection.
const TERMINATE_THE_WRITER: &str = "DO $$ BEGIN LOOP \
    PERFORM pg_stat_clear_snapshot(); \
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'alliance' \
        AND backend_xid IS NOT NULL; \
    EXIT WHEN FOUND; \
    PERFORM pg_sleep(0.001); \
    END LOOP; END $$";

const OF_THE_GATEWAY: &str = "FROM pg_stat_activity \
    WHERE datname = current_database() AND application_name = 'alliance'";
