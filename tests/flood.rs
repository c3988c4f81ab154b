//! A flood under unknown keys, against the real gateway (threat T49): it is turned away, and the
//! partners' calls are all answered meanwhile. How long they take, beside and without the flood, is
//! printed and not judged: `cargo nextest run --test world flood --no-capture`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use alliance_contracts::keys::SigningKey;
use alliance_contracts::problem::ProblemCode;
use alliance_partner_sdk::Error;
use alliance_partner_sdk::client::{Client, RetryPolicy};

use crate::harness::{Alliance, Engine, Gateway, once, quote};

/// Strangers' requests that are looked at in a second.
const LOOKED_AT: usize = 20;
/// Strangers at once.
const STRANGERS: usize = 8;
/// How long each of them waits between two requests: together they send some five hundred a second,
/// many times what is looked at.
const PAUSE: Duration = Duration::from_millis(15);
/// Requests of the flood at most, in every round: the load stays bounded.
const FLOOD: usize = 4_000;
/// A partner's calls in every round.
const CALLS: usize = 150;
/// Rounds without and with the flood, in turns.
const ROUNDS: usize = 3;

/// What became of the flood.
#[derive(Default)]
struct Flood {
    looked_at: AtomicUsize,
    turned_away: AtomicUsize,
    answered: AtomicUsize,
    stop: AtomicBool,
}

fn stranger(gateway: &Gateway, number: usize) -> Client {
    let key = SigningKey::from_seed(&[u8::try_from(200 + number).unwrap(); 32]);
    let builder = Client::builder(&gateway.url()).partner("aurora-air").key(key);
    builder.retry(once()).build().unwrap()
}

impl Flood {
    fn sent(&self) -> usize {
        let counts = [&self.looked_at, &self.turned_away, &self.answered];
        counts.into_iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// The partner is done, and the flood was more than what is looked at: where the partner's calls
    /// are answered fast, it may take longer than they do.
    fn may_end(&self) -> bool {
        let [looked_at, turned_away] =
            [&self.looked_at, &self.turned_away].map(|count| count.load(Ordering::Relaxed));
        self.stop.load(Ordering::Relaxed) && turned_away > looked_at
    }

    async fn go_on(self: Arc<Self>, stranger: Client) {
        while !self.may_end() && self.sent() < FLOOD {
            let count = match stranger.programs().await {
                Err(Error::Refused(problem)) if problem.code == ProblemCode::SignatureInvalid => {
                    &self.looked_at
                }
                Err(Error::Refused(problem)) if problem.code == ProblemCode::RateLimited => {
                    &self.turned_away
                }
                _ => &self.answered,
            };
            count.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A partner's calls, one after the other: each must be answered. How long each took.
async fn calls(client: &Client, world: &Alliance, round: usize) -> Vec<Duration> {
    let pair = world.pairs("aurora", "borealis").swap_remove(round);
    let mut took = Vec::new();
    for call in 0..CALLS {
        let begun = Instant::now();
        if call % 10 == 0 {
            let quoted = quote(client, &pair, "20").await;
            let reference = format!("{round}-{call}").parse().unwrap();
            client.transact(&quoted, reference).await.unwrap();
        } else {
            client.programs().await.unwrap();
        }
        took.push(begun.elapsed());
    }
    took
}

fn p99(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_under_unknown_keys_is_turned_away_and_every_call_of_a_partner_is_answered() {
    let world = Alliance::new("flood", Engine::Sqlite);
    let file = world.dir().join("alliance.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let limit = format!("[gateway]\nstranger_requests_per_second = {LOOKED_AT}");
    assert!(text.contains("[gateway]"), "{text}");
    std::fs::write(&file, text.replacen("[gateway]", &limit, 1)).unwrap();
    let gateway = world.serve();
    // A call that were refused once would be seen.
    let client = world.client_of("aurora-air", &gateway.url(), once());
    let strangers: Vec<Client> = (0..STRANGERS).map(|number| stranger(&gateway, number)).collect();
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        alone.extend(calls(&client, &world, 2 * round).await);
        let flood = Arc::new(Flood::default());
        let begun = Instant::now();
        let going: Vec<_> = strangers
            .iter()
            .map(|stranger| tokio::spawn(flood.clone().go_on(stranger.clone())))
            .collect();
        beside.extend(calls(&client, &world, 2 * round + 1).await);
        flood.stop.store(true, Ordering::Relaxed);
        for one in going {
            one.await.unwrap();
        }
        let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
        let looked_at = flood.looked_at.load(Ordering::Relaxed);
        assert_eq!(flood.answered.load(Ordering::Relaxed), 0, "a stranger was answered");
        // What stands in the bucket at the begin, and what comes back.
        assert!(looked_at <= LOOKED_AT * (seconds + 1), "{looked_at} in {seconds} s");
        assert!(looked_at > 0 && flood.turned_away.load(Ordering::Relaxed) > looked_at);
    }
    let (alone, beside) = (p99(alone), p99(beside));
    println!("p99 of a partner's calls: {alone:?} alone, {beside:?} beside the flood");
    let percent = beside.as_micros() * 100 / alone.as_micros().max(1);
    println!("beside the flood, in per cent of alone: {percent}");
    // Who retries is never told of it at all.
    world.client_of("aurora-air", &gateway.url(), RetryPolicy::default()).programs().await.unwrap();
    gateway.assert_faultless();
    world.assert_audit_clean();
}
