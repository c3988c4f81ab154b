//! Settlement windows in real runs: orders race with closing on one gateway and on two, and
//! gateways are killed while they settle.

use std::time::{Duration, Instant};

use alliance_contracts::window::WindowState;
use alliance_settlement::store::{self, Store};
use alliance_settlement::windows::WindowRecord;
use futures_util::stream::{self, StreamExt};

use crate::harness::{Alliance, Engine, Gateway, block_on, quote};

const AURORA: &str = "aurora-air";
const BOREALIS: &str = "borealis-coffee";

/// A window a second, and shares of the fees.
fn settling(name: &str, engine: Engine) -> Alliance {
    let alliance = Alliance::new(name, engine);
    let file = alliance.dir().join("alliance.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str("\n[settlement]\nschedule = \"* * * * * *\"\n\n[[revenue]]\nshare = \"0.3\"\n");
    std::fs::write(&file, text).unwrap();
    alliance
}

async fn open(alliance: &Alliance) -> std::sync::Arc<dyn Store> {
    let file = alliance.dir().join("alliance.db");
    let url = alliance.database().map_or_else(|| format!("sqlite:{}", file.display()), Into::into);
    store::open(&url, "demo".parse().unwrap()).await.unwrap()
}

async fn windows(store: &dyn Store) -> Vec<WindowRecord> {
    let mut windows = store.windows(u64::MAX, 10_000).await.unwrap();
    windows.reverse();
    windows
}

/// Orders in both directions over all gateways for a while; how many were made.
fn trade(alliance: &Alliance, gateways: &[&Gateway], wave: &str, seconds: u64) -> usize {
    let pairs = alliance.pairs("aurora", "borealis");
    let aurora: Vec<_> = gateways.iter().map(|g| alliance.client(AURORA, g)).collect();
    let borealis: Vec<_> = gateways.iter().map(|g| alliance.client(BOREALIS, g)).collect();
    let until = Instant::now() + Duration::from_secs(seconds);
    let order = |n: usize| {
        let (forth, pair) = (n % 3 != 0, &pairs[n % pairs.len()]);
        let client = if forth { &aurora[n % aurora.len()] } else { &borealis[n % borealis.len()] };
        let turned = (pair.1.clone(), pair.0.clone());
        let reference = format!("{wave}-{n}").parse().unwrap();
        async move {
            let pair = if forth { pair } else { &turned };
            let quote = quote(client, pair, "3").await;
            client.transact(&quote, reference).send().await.is_ok()
        }
    };
    block_on(async {
        let numbers = stream::iter(0..).take_while(|_| {
            let goes_on = Instant::now() < until;
            async move { goes_on }
        });
        numbers
            .map(order)
            .buffer_unordered(16)
            .filter(|made| {
                let made = *made;
                async move { made }
            })
            .count()
            .await
    })
}

/// Every window that is closed is netted, and all that follows is posted.
async fn wait_until_netted(store: &dyn Store) {
    for _ in 0..600 {
        let windows = windows(store).await;
        let waits = |w: &WindowRecord| {
            w.state == WindowState::Closed || w.to_post.is_some_and(|left| left > 0)
        };
        if windows.iter().filter(|w| waits(w)).count() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("windows wait to be netted: {:?}", windows(store).await);
}

/// Numbers without a gap, each time of the schedule once, every order in one window.
async fn check(store: &dyn Store, orders: usize) {
    let windows = windows(store).await;
    assert!(windows.len() >= 4, "{windows:?}");
    let (mut slots, mut receipts) = (Vec::new(), 0);
    for (window, number) in windows.iter().zip(1..) {
        assert_eq!(window.number, number);
        slots.extend(window.slot);
        for range in store.window_ranges(window.id, None, 1_000).await.unwrap() {
            if range.corridor.as_str() == "aurora-air~borealis-coffee" {
                receipts += usize::try_from(range.seq - range.after).unwrap();
            }
        }
        assert_eq!(
            window.state == WindowState::Open,
            usize::try_from(number).unwrap() == windows.len()
        );
    }
    assert!(slots.windows(2).all(|two| two[0] < two[1]), "each time once: {slots:?}");
    assert_eq!(slots.len(), windows.len() - 1);
    // Windows closed on after the last order: nothing is left in the open one.
    assert_eq!(receipts, orders);
    let shared = windows.iter().filter(|w| w.to_post == Some(0) && w.netted_at.is_some()).count();
    assert_eq!(shared, windows.len() - 1);
}

fn orders_race_with_closing(engine: Engine, gateways: usize) {
    let alliance = settling("closing", engine);
    let gateways: Vec<Gateway> = (0..gateways).map(|_| alliance.serve()).collect();
    let all: Vec<&Gateway> = gateways.iter().collect();
    let orders = trade(&alliance, &all, "race", 6);
    assert!(orders > 20, "{orders}");
    // One more window, for the last of them.
    std::thread::sleep(Duration::from_millis(1_500));
    for gateway in gateways {
        assert_eq!(gateway.terminate(), Some(0));
    }
    block_on(async {
        let store = open(&alliance).await;
        let left: Vec<_> = windows(store.as_ref()).await;
        let netted = left.iter().filter(|w| w.netted_at.is_some()).count();
        assert!(netted > 1, "{left:?}");
        store.close().await;
    });
    alliance.assert_audit_clean();
    // What the end has left open, the next start goes on with.
    let gateway = alliance.serve();
    block_on(async {
        let store = open(&alliance).await;
        wait_until_netted(store.as_ref()).await;
        store.close().await;
    });
    assert_eq!(gateway.terminate(), Some(0));
    block_on(async {
        let store = open(&alliance).await;
        check(store.as_ref(), orders).await;
        store.close().await;
    });
    alliance.assert_audit_clean();
}

#[test]
fn orders_race_with_closing_on_sqlite() {
    orders_race_with_closing(Engine::Sqlite, 1);
}

#[test]
fn orders_race_with_closing_over_two_gateways_on_postgres() {
    orders_race_with_closing(Engine::Postgres, 2);
}

/// Killed again and again while windows are closed, netted and shared: nothing is done twice, and
/// nothing is left out.
fn a_gateway_is_killed_while_it_settles(engine: Engine) {
    let alliance = settling("killed", engine);
    let mut orders = 0;
    for round in 0..6 {
        let gateway = alliance.serve();
        orders += trade(&alliance, &[&gateway], &format!("round-{round}"), 1);
        // At another place of a second each time.
        std::thread::sleep(Duration::from_millis(170 * (round % 6)));
        gateway.kill();
    }
    let gateway = alliance.serve();
    block_on(async {
        let store = open(&alliance).await;
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        wait_until_netted(store.as_ref()).await;
        store.close().await;
    });
    assert_eq!(gateway.terminate(), Some(0));
    assert!(orders > 10, "{orders}");
    alliance.assert_audit_clean();
}

#[test]
fn a_gateway_is_killed_while_it_settles_on_sqlite() {
    a_gateway_is_killed_while_it_settles(Engine::Sqlite);
}

#[test]
fn a_gateway_is_killed_while_it_settles_on_postgres() {
    a_gateway_is_killed_while_it_settles(Engine::Postgres);
}
