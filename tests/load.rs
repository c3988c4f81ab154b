//! Load with a ledger: partners that order without end, each order under a key that is kept, and
//! what they were told of it. Whatever is done to the gateway meanwhile:
//!
//! | what must hold | looked at by |
//! | --- | --- |
//! | every order is settled in the end, the gateway recovers by itself | [`Load::during`] |
//! | acknowledged = present: the receipts are of what was told as done, and of nothing else | [`Load::verify`] |
//! | one effect per key: no order has two receipts, no key two transactions | [`Load::verify`] |
//! | the same key gives the same answer again, a refusal as well | [`Load::verify`] |
//! | nothing is rewritten: each chain goes on from where it was last seen | [`Load::verify`] |
//!
//! Out of scope: the books. `alliance audit` is run beside this.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::names::{Corridor, IdempotencyKey};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{MemberAccount, Quote};
use alliance_contracts::transaction::Transaction;
use alliance_partner_sdk::client::{Answered, Call, Client, Error, RetryPolicy};
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};

use crate::harness::Alliance;

/// The demo's partners, and the programs by which they exchange.
const PARTNERS: [(&str, &str); 3] =
    [("aurora-air", "aurora"), ("borealis-coffee", "borealis"), ("cedar-hotels", "cedar")];

/// What each partner's workers send: one order a request, or several.
const WORKERS: [usize; 3] = [1, 1, 9];

/// Orders that are under way at a gateway at most.
pub const UNDER_WAY: usize = PARTNERS.len() * 11;

/// So long an order may remain unsettled. Longer than any documented timeout together with what a
/// slow machine adds; when it passes, the gateway has not recovered by itself.
const PATIENCE: Duration = Duration::from_secs(90);

/// Chance that comes out the same for the same seed: splitmix64.
pub struct Chance(u64);

impl Chance {
    /// The stream of `ALLIANCE_SEED`, or else of a seed drawn now; either is printed, so that a
    /// failure names it. Moments are replayed by it; what the machine does in them is not.
    pub fn seeded() -> Self {
        let seed = std::env::var("ALLIANCE_SEED").map_or_else(
            |_| RandomState::new().build_hasher().finish(),
            |text| text.parse().expect("ALLIANCE_SEED is a number"),
        );
        println!("ALLIANCE_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of the range.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.next() % (range.end() - range.start() + 1)
    }

    /// A time of so many milliseconds.
    pub fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    fn of<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        let last = u64::try_from(things.len() - 1).unwrap();
        &things[usize::try_from(self.within(0..=last)).unwrap()]
    }
}

/// What was asked under a key.
#[derive(Clone)]
enum Asked {
    Order(Box<Quote>),
    Reversal(TransactionId),
}

/// What was told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Done(TransactionId),
    Refused(ProblemCode),
}

struct Entry {
    partner: usize,
    asked: Asked,
    told: Option<Told>,
}

/// Every key that was ever used. A key is its order's reference, too.
#[derive(Default)]
struct Ledger {
    entries: BTreeMap<String, Entry>,
    /// Keys whose answers have not been asked for again yet.
    unverified: Vec<String>,
}

impl Ledger {
    fn tell(&mut self, key: &str, told: Told) {
        let entry = self.entries.get_mut(key).expect("what is told was asked");
        assert!(
            entry.told.is_none_or(|before| before == told),
            "{key}: {:?}, {told:?}",
            entry.told
        );
        entry.told = Some(told);
    }
}

/// A partner under load, towards one gateway.
struct Partner {
    /// Its number among all partners of all gateways.
    at: usize,
    /// Of all its workers.
    client: Client,
    /// For looking afterwards, with patience and retries of its own.
    witness: Client,
    pairs: Vec<(MemberAccount, MemberAccount)>,
}

/// A corridor as it was last seen.
struct Chain {
    corridor: Corridor,
    party: usize,
    seen: Option<(u64, Hash)>,
}

/// The load, and what is known of it.
pub struct Load {
    partners: Vec<Arc<Partner>>,
    ledger: Arc<Mutex<Ledger>>,
    chains: Vec<Chain>,
    /// Transactions that have a receipt.
    receipts: BTreeSet<TransactionId>,
    /// Orders that have a receipt.
    orders: HashSet<Hash>,
    rounds: AtomicU64,
}

impl Load {
    /// Partners that call the gateways at these addresses, each all of them.
    pub fn new(alliance: &Alliance, urls: &[String]) -> Self {
        let partners = (0..PARTNERS.len() * urls.len())
            .map(|at| Arc::new(Partner::new(alliance, &urls[at / PARTNERS.len()], at)));
        let chains = [(0, 1), (1, 2), (2, 0)].map(|(one, other)| {
            let [one_id, other_id] = [one, other].map(|at: usize| PARTNERS[at].0.parse().unwrap());
            Chain { corridor: Corridor::between(&one_id, &other_id), party: one, seen: None }
        });
        Self {
            partners: partners.collect(),
            ledger: Arc::default(),
            chains: chains.into(),
            receipts: BTreeSet::new(),
            orders: HashSet::new(),
            rounds: AtomicU64::new(0),
        }
    }

    /// Orders while something happens; ends when every order sent is settled.
    pub async fn during<T>(&self, something: impl Future<Output = T>) -> T {
        let round = self.rounds.fetch_add(1, Ordering::Relaxed);
        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = Vec::new();
        for partner in &self.partners {
            for (number, orders) in WORKERS.into_iter().enumerate() {
                let name = format!("{round}-{}-{number}", partner.at);
                let seed = (round << 8) | u64::try_from(partner.at * 16 + number).unwrap();
                let (partner, ledger, stop) = (partner.clone(), self.ledger.clone(), stop.clone());
                let worker = Worker { partner, ledger, stop, name, chance: Chance(seed), sent: 0 };
                workers.push(tokio::spawn(worker.run(orders)));
            }
        }
        let came = something.await;
        stop.store(true, Ordering::Relaxed);
        for worker in join_all(workers).await {
            worker.expect("no worker ends before its orders are settled");
        }
        came
    }

    /// Enters an order of the first partner's that was made and done beside the load.
    pub fn enter(&self, key: &str, quote: Quote, done: TransactionId) {
        let (asked, told) = (Asked::Order(Box::new(quote)), Some(Told::Done(done)));
        let mut ledger = lock(&self.ledger);
        ledger.entries.insert(key.to_owned(), Entry { partner: 0, asked, told });
        ledger.unverified.push(key.to_owned());
    }

    /// How many orders nobody knows the outcome of at the moment.
    pub fn open(&self) -> usize {
        lock(&self.ledger).entries.values().filter(|entry| entry.told.is_none()).count()
    }

    /// How many a gateway told to be done.
    pub fn done_by(&self, gateway: usize) -> usize {
        let done = |entry: &&Entry| {
            entry.partner / PARTNERS.len() == gateway && matches!(entry.told, Some(Told::Done(_)))
        };
        lock(&self.ledger).entries.values().filter(done).count()
    }

    /// How many were told to be done.
    pub fn done(&self) -> usize {
        let done = |entry: &&Entry| matches!(entry.told, Some(Told::Done(_)));
        lock(&self.ledger).entries.values().filter(done).count()
    }

    /// Holds what was told against what is there. Call it when nothing is under way.
    pub async fn verify(&mut self) {
        self.read_new_receipts().await;
        let told: BTreeSet<TransactionId> = lock(&self.ledger)
            .entries
            .iter()
            .filter_map(|(key, entry)| match entry.told {
                None => panic!("{key} was not settled"),
                Some(Told::Done(id)) => Some(id),
                Some(Told::Refused(_)) => None,
            })
            .collect();
        assert_eq!(told.len(), self.done(), "two keys were told one transaction");
        let lost: Vec<_> = told.difference(&self.receipts).collect();
        assert!(lost.is_empty(), "told as done, and not there: {lost:?}");
        let untold: Vec<_> = self.receipts.difference(&told).collect();
        assert!(untold.is_empty(), "there, and told to nobody: {untold:?}");
        let keys = std::mem::take(&mut lock(&self.ledger).unverified);
        self.ask_again(keys).await;
    }

    /// As [`Load::verify`], and asks every key again that was ever used.
    pub async fn verify_all(&mut self) {
        self.verify().await;
        let keys = lock(&self.ledger).entries.keys().cloned().collect();
        self.ask_again(keys).await;
    }

    async fn read_new_receipts(&mut self) {
        for chain in &mut self.chains {
            let receipts = self.partners[chain.party].witness.receipts(&chain.corridor);
            // Verified as it comes: signatures, and that it follows what was seen before.
            let mut stream = match chain.seen {
                None => receipts.stream(),
                Some((seq, head)) => receipts.after(seq, head).stream(),
            };
            while let Some(verified) = stream.try_next().await.unwrap() {
                let receipt = verified.receipt();
                chain.seen = Some((receipt.seq, verified.hash()));
                assert!(self.receipts.insert(receipt.transaction), "two of one transaction");
                assert!(self.orders.insert(receipt.order), "one order has had two effects");
            }
        }
    }

    async fn ask_again(&self, keys: Vec<String>) {
        let calls = keys.into_iter().map(|key| async move {
            let (partner, asked, told) = {
                let ledger = lock(&self.ledger);
                let entry = &ledger.entries[&key];
                // At another gateway than before, where there is one.
                let next = (entry.partner + PARTNERS.len()) % self.partners.len();
                (self.partners[next].clone(), entry.asked.clone(), entry.told)
            };
            let again = asked.call(&partner.witness, &key).send().await;
            if let Ok(answered) = &again {
                assert!(answered.replayed, "{key} was performed again");
            }
            let again = outcome(again).unwrap_or_else(|error| panic!("{key}: {error:?}"));
            assert_eq!(Some(again), told, "{key}");
        });
        stream::iter(calls).buffer_unordered(16).for_each(|()| std::future::ready(())).await;
    }
}

impl Partner {
    fn new(alliance: &Alliance, url: &str, at: usize) -> Self {
        let (partner, program) = PARTNERS[at % PARTNERS.len()];
        let others = PARTNERS.iter().filter(|(_, other)| *other != program);
        // Back soon after a kill, so that the next one finds a gateway at work.
        let eager = RetryPolicy {
            max_attempts: 20,
            base: Duration::from_millis(20),
            cap: Duration::from_millis(250),
            ..RetryPolicy::default()
        };
        Self {
            at,
            client: alliance.client_of(partner, url, eager),
            witness: alliance.client_of(partner, url, RetryPolicy::default()),
            pairs: others.flat_map(|(_, other)| alliance.pairs(program, other)).collect(),
        }
    }
}

impl Asked {
    fn call(&self, client: &Client, key: &str) -> Call<Transaction> {
        let reference = key.parse().unwrap();
        let call = match self {
            Self::Order(quote) => client.transact(quote, reference),
            Self::Reversal(original) => {
                client.reverse(*original, reference, "customer_request".parse().unwrap()).call()
            }
        };
        call.idempotency_key(key_of(key))
    }
}

/// One of a partner's senders.
struct Worker {
    partner: Arc<Partner>,
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    name: String,
    chance: Chance,
    sent: usize,
}

impl Worker {
    async fn run(mut self, orders: usize) {
        let mut last = None;
        while !self.stop.load(Ordering::Relaxed) {
            // Now and then the order before is turned round: an effect under a key like any other.
            match last.take() {
                Some(original) if self.chance.within(0..=5) == 0 => {
                    let key = self.asks(Asked::Reversal(original));
                    self.settle_one(&key).await;
                }
                _ if orders == 1 => {
                    let Some(quote) = self.quote().await else { return };
                    let key = self.asks(Asked::Order(Box::new(quote)));
                    if let Told::Done(id) = self.settle_one(&key).await {
                        last = Some(id);
                    }
                }
                _ => {
                    let mut keys = Vec::new();
                    for _ in 0..orders {
                        let Some(quote) = self.quote().await else { break };
                        keys.push(self.asks(Asked::Order(Box::new(quote))));
                    }
                    self.settle_batch(&keys).await;
                }
            }
        }
    }

    /// Terms for some pair of members; none when the load ends before there are any.
    async fn quote(&mut self) -> Option<Quote> {
        let (source, target) = self.chance.of(&self.partner.pairs).clone();
        while !self.stop.load(Ordering::Relaxed) {
            let call = self.partner.client.exchange(source.clone(), target.clone());
            match call.give("20".parse().unwrap()).await {
                Ok(quote) => return Some(quote),
                Err(error) => assert!(is_open(&error), "a quote: {error:?}"),
            }
        }
        None
    }

    /// Writes down what is going to be asked, before it is.
    fn asks(&mut self, asked: Asked) -> String {
        self.sent += 1;
        let key = format!("{}-{}", self.name, self.sent);
        let mut ledger = lock(&self.ledger);
        ledger.unverified.push(key.clone());
        let partner = self.partner.at;
        ledger.entries.insert(key.clone(), Entry { partner, asked, told: None });
        key
    }

    fn asked(&self, key: &str) -> Asked {
        lock(&self.ledger).entries[key].asked.clone()
    }

    /// Asks under the key until the answer settles it: what a partner does.
    async fn settle_one(&self, key: &str) -> Told {
        let begun = Instant::now();
        let call = self.asked(key).call(&self.partner.client, key);
        loop {
            match outcome(call.clone().send().await) {
                Ok(told) => {
                    lock(&self.ledger).tell(key, told);
                    return told;
                }
                Err(error) => wait_for_better(key, &error, begun).await,
            }
        }
    }

    /// The same for several orders in one request, sent again as it is.
    async fn settle_batch(&self, keys: &[String]) {
        let begun = Instant::now();
        let mut batch = self.partner.client.transact_batch();
        for key in keys {
            let Asked::Order(quote) = self.asked(key) else { unreachable!("only orders") };
            batch = batch.order_with_key(key_of(key), &quote, key.parse().unwrap());
        }
        let mut left = !keys.is_empty();
        while left {
            left = false;
            let answers = match batch.send().await {
                Ok(answers) => answers,
                Err(error) => {
                    wait_for_better(&keys[0], &error, begun).await;
                    left = true;
                    continue;
                }
            };
            for (key, answer) in keys.iter().zip(answers) {
                match settled(answer.outcome.map(|transaction| transaction.id)) {
                    Ok(told) => lock(&self.ledger).tell(key, told),
                    Err(error) => {
                        wait_for_better(key, &error, begun).await;
                        left = true;
                    }
                }
            }
        }
    }
}

/// What an answer settles, or why it settles nothing.
fn outcome(answer: Result<Answered<Transaction>, Error>) -> Result<Told, Error> {
    settled(answer.map(|answered| answered.body.id))
}

fn settled(answer: Result<TransactionId, Error>) -> Result<Told, Error> {
    match answer {
        Ok(id) => Ok(Told::Done(id)),
        Err(Error::Refused(problem)) if problem.code.is_decision() => {
            Ok(Told::Refused(problem.code))
        }
        Err(error) => Err(error),
    }
}

/// Whether an error says that the same call may end otherwise later. Any other is a wrong answer.
fn is_open(error: &Error) -> bool {
    match error {
        Error::Transport(_) | Error::Indeterminate { .. } => true,
        Error::Refused(problem) => problem.code == ProblemCode::Unavailable,
        _ => false,
    }
}

async fn wait_for_better(key: &str, error: &Error, begun: Instant) {
    assert!(is_open(error), "{key}: {error:?}");
    assert!(begun.elapsed() < PATIENCE, "{key} is still open: {error:?}");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

fn key_of(key: &str) -> IdempotencyKey {
    key.parse().unwrap()
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap()
}
