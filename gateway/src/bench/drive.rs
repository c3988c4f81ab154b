//! The load: signed requests from the SDK, as many at once as there are clients.
//!
//! It runs on the processors that the gateway runs on, so it must cost little: a lane for each
//! processor, each a thread with a runtime, clients and connections of its own, so that no lane
//! waits for another's lock; nothing is verified while the clock runs; answers are kept and looked
//! at afterwards (`check`).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use alliance_contracts::ids::{QuoteId, TransactionId};
use alliance_contracts::limits::MAX_BATCH_ITEMS;
use alliance_contracts::names::{IdempotencyKey, SourceReference};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{Quote, QuoteRequest};
use alliance_contracts::transaction::Transaction;
use alliance_partner_sdk::client::{Batch, BatchAnswer};
use alliance_partner_sdk::{Client, Error};
use futures_util::future::join_all;
use tokio::runtime::Runtime;

use super::ground;
use super::histogram::Histogram;
use crate::cli::failure::{Failure, whole};

/// Of faults, so many are kept in words.
pub const FAULTS_KEPT: usize = 5;
/// Batches of quotes that a lane fetches at once.
const FETCHES: usize = 2;
/// A batch is sent again so often, at most.
const RESENDS: usize = 20;
/// The pause before.
const RESEND_AFTER: Duration = Duration::from_millis(100);

/// What is done again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// One order, on a token that is there.
    Order,
    /// A quote and its order.
    QuoteAndOrder,
    /// So many orders in one request, on tokens that are there.
    Batch(usize),
    /// A quote.
    Quote,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The clock starts.
    pub start: Instant,
    /// Nothing is begun any more.
    pub until: Instant,
    /// Time between two requests of a lane, whatever becomes of them; none: each client sends when
    /// it has been answered.
    pub every: Option<Duration>,
}

/// An order that was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The quote that was handed in.
    pub quote: QuoteId,
    /// The reference that was handed in.
    pub reference: SourceReference,
    /// The transaction that was named.
    pub transaction: TransactionId,
    /// The receipt that came with it.
    pub jws: String,
}

/// What came of a stretch of work.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Of requests that ended well.
    pub latencies: Histogram,
    /// Orders, or quotes where those are what is measured, that ended well.
    pub done: u64,
    /// Orders that were acknowledged, with their receipts.
    pub acknowledged: Vec<Acknowledged>,
    /// Tokens of quotes, where those are what is measured.
    pub tokens: Vec<String>,
    /// What ended otherwise.
    pub errors: u64,
    /// Some of that, in words.
    pub faults: Vec<String>,
    /// When the last answer came.
    pub ended: Option<Instant>,
}

impl Tally {
    /// Counts all that another one has counted.
    pub fn add(&mut self, other: Self) {
        self.latencies.add(&other.latencies);
        self.done += other.done;
        self.acknowledged.extend(other.acknowledged);
        self.tokens.extend(other.tokens);
        self.errors += other.errors;
        self.faults.extend(other.faults);
        self.faults.truncate(FAULTS_KEPT);
        self.ended = self.ended.max(other.ended);
    }

    /// Counts a request that began then and ends now.
    pub fn succeeded(&mut self, began: Instant) {
        let now = Instant::now();
        self.latencies.record(now.saturating_duration_since(began));
        self.ended = Some(now);
    }

    fn acknowledge(
        &mut self,
        quote: QuoteId,
        reference: SourceReference,
        transaction: Transaction,
    ) {
        match transaction.receipt {
            Some(receipt) => {
                let (transaction, jws) = (transaction.id, receipt.jws);
                self.acknowledged.push(Acknowledged { quote, reference, transaction, jws });
                self.done += 1;
            }
            None => self.fail(format!("{} was acknowledged without a receipt", transaction.id)),
        }
    }

    /// Counts a request that ended otherwise.
    pub fn fail(&mut self, fault: String) {
        self.errors += 1;
        self.ended = Some(Instant::now());
        if self.faults.len() < FAULTS_KEPT {
            self.faults.push(fault);
        }
    }
}

/// A thread's share of the clients.
pub struct Lane {
    runtime: Runtime,
    load: Load,
    clients: usize,
}

/// What the clients of a lane draw from.
struct Load {
    /// A client of the SDK for each brand.
    brands: Vec<Client>,
    people: usize,
    lane: usize,
    /// The number of the next order, and how many numbers it is to the one after.
    number: u64,
    stride: u64,
    /// Orders that were sent: what makes references unique.
    sent: u64,
    /// Quotes that were not used yet, by caller.
    ready: Vec<VecDeque<Quote>>,
    /// Whose quote is used next.
    turn: usize,
}

/// What the clients of a lane share while they work; each holds it only between its requests.
struct Shared<'a> {
    load: &'a mut Load,
    tally: Tally,
    begun: u32,
}

impl Lane {
    /// Lane `at` of `lanes`, with its share of the clients.
    ///
    /// # Errors
    /// Where no runtime can be made.
    pub fn new(
        at: usize,
        lanes: usize,
        clients: usize,
        brands: Vec<Client>,
        people: usize,
    ) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::wrong)?;
        let load = Load {
            people,
            lane: at,
            number: at as u64,
            stride: lanes as u64,
            sent: 0,
            ready: brands.iter().map(|_| VecDeque::new()).collect(),
            brands,
            turn: at,
        };
        let clients = (clients / lanes + usize::from(at < clients % lanes)).max(1);
        Ok(Self { runtime, load, clients })
    }

    /// Fetches quotes, `/v1/quotes/batch`, until so many are there.
    ///
    /// # Errors
    /// What came instead of a quote.
    pub fn supply(&mut self, wanted: usize) -> Result<(), String> {
        let Self { runtime, load, .. } = self;
        for (brand, requests) in load.requests(wanted).into_iter().enumerate() {
            let batches: Vec<_> = requests.chunks(MAX_BATCH_ITEMS).map(<[_]>::to_vec).collect();
            for batches in batches.chunks(FETCHES) {
                let client = &load.brands[brand];
                let fetches = batches.iter().map(|batch| client.quotes(batch.clone()).send());
                for answer in runtime.block_on(join_all(fetches)) {
                    for result in answer.map_err(|error| whole(&error))?.body.results {
                        let problem = result.problem;
                        let refused = || format!("a quote was refused: {problem:?}");
                        load.ready[brand].push_back(result.quote.ok_or_else(refused)?);
                    }
                }
            }
        }
        Ok(())
    }

    /// Works until the time is up, or what was fetched is used up.
    pub fn run(&mut self, work: Work, pace: Pace) -> Tally {
        let Self { runtime, load, clients } = self;
        let shared = RefCell::new(Shared { load, tally: Tally::default(), begun: 0 });
        runtime.block_on(join_all((0..*clients).map(|_| client(&shared, work, pace))));
        shared.into_inner().tally
    }
}

impl Load {
    fn next_request(&mut self) -> (usize, QuoteRequest) {
        let order = ground::order(self.number, self.people);
        self.number += self.stride;
        order
    }

    /// What must be asked for, by caller, so that so many quotes are there.
    fn requests(&mut self, wanted: usize) -> Vec<Vec<QuoteRequest>> {
        let there: usize = self.ready.iter().map(VecDeque::len).sum();
        let mut requests: Vec<Vec<QuoteRequest>> = self.brands.iter().map(|_| Vec::new()).collect();
        for _ in there..wanted {
            let (brand, request) = self.next_request();
            requests[brand].push(request);
        }
        requests
    }

    /// So many quotes of one caller; none where no caller has so many left.
    fn take(&mut self, wanted: usize) -> Option<(Client, Vec<Quote>)> {
        for _ in 0..self.ready.len() {
            self.turn = (self.turn + 1) % self.ready.len();
            let ready = &mut self.ready[self.turn];
            if ready.len() >= wanted {
                return Some((self.brands[self.turn].clone(), ready.drain(..wanted).collect()));
            }
        }
        None
    }

    /// A reference that no order before had; it makes a good idempotency key, too.
    fn name(&mut self) -> (SourceReference, IdempotencyKey) {
        self.sent += 1;
        let name = format!("bench-{}-{:08}", self.lane, self.sent);
        let rule = "letters, digits and hyphens are a reference and a key";
        (name.parse().expect(rule), name.parse().expect(rule))
    }
}

/// One client: a request, its answer, the next request.
async fn client(shared: &RefCell<Shared<'_>>, work: Work, pace: Pace) {
    while let Some(began) = next_begin(shared, pace).await {
        let answered = match work {
            Work::Order => order(shared, began).await,
            Work::QuoteAndOrder => quote_and_order(shared, began).await,
            Work::Batch(size) => batch(shared, size, began).await,
            Work::Quote => quote(shared, began).await,
        };
        if answered.is_none() {
            return;
        }
    }
}

/// When the next request begins, or should have begun; none when the time is up. At a given pace
/// that is fixed beforehand: a gateway that lags is not spared the requests that wait for it, nor
/// their waiting.
async fn next_begin(shared: &RefCell<Shared<'_>>, pace: Pace) -> Option<Instant> {
    let now = Instant::now();
    let Some(every) = pace.every else {
        return (now < pace.until).then_some(now);
    };
    let intended = {
        let mut shared = shared.borrow_mut();
        shared.begun += 1;
        pace.start + every * (shared.begun - 1)
    };
    if intended >= pace.until {
        return None;
    }
    if intended > now {
        tokio::time::sleep_until(intended.into()).await;
    }
    Some(intended)
}

/// Each of the following answers none where there was nothing left to do.
async fn order(shared: &RefCell<Shared<'_>>, began: Instant) -> Option<()> {
    let (client, quotes, reference, key) = {
        let load = &mut *shared.borrow_mut().load;
        let (client, quotes) = load.take(1)?;
        let (reference, key) = load.name();
        (client, quotes, reference, key)
    };
    let quote = quotes.first()?;
    transact(shared, &client, quote, reference, key, began).await;
    Some(())
}

async fn quote_and_order(shared: &RefCell<Shared<'_>>, began: Instant) -> Option<()> {
    let (client, request, reference, key) = {
        let load = &mut *shared.borrow_mut().load;
        let (brand, request) = load.next_request();
        let (reference, key) = load.name();
        (load.brands[brand].clone(), request, reference, key)
    };
    match client.quote(&request).send().await {
        Ok(quote) => transact(shared, &client, &quote.body, reference, key, began).await,
        Err(error) => shared.borrow_mut().tally.fail(whole(&error)),
    }
    Some(())
}

async fn transact(
    shared: &RefCell<Shared<'_>>,
    client: &Client,
    quote: &Quote,
    reference: SourceReference,
    key: IdempotencyKey,
    began: Instant,
) {
    let answer = client.transact(quote, reference.clone()).idempotency_key(key).send().await;
    let tally = &mut shared.borrow_mut().tally;
    match answer {
        Ok(answered) => {
            tally.succeeded(began);
            tally.acknowledge(quote.id, reference, answered.body);
        }
        Err(error) => tally.fail(whole(&error)),
    }
}

async fn batch(shared: &RefCell<Shared<'_>>, size: usize, began: Instant) -> Option<()> {
    let (batch, quotes) = {
        let load = &mut *shared.borrow_mut().load;
        let (client, quotes) = load.take(size)?;
        let mut batch = client.transact_batch();
        for quote in &quotes {
            let (reference, key) = load.name();
            batch = batch.order_with_key(key, quote, reference);
        }
        (batch, quotes)
    };
    let answers = send_until_decided(&batch).await;
    let tally = &mut shared.borrow_mut().tally;
    match answers {
        Ok(answers) => {
            tally.succeeded(began);
            for (quote, answer) in quotes.iter().zip(answers) {
                match answer.outcome {
                    Ok(done) => tally.acknowledge(quote.id, answer.source_reference, done),
                    Err(error) => tally.fail(whole(&error)),
                }
            }
        }
        Err(error) => tally.fail(whole(&error)),
    }
    Some(())
}

/// Sends a batch, and again while any of its orders was not decided for want of room in the queue,
/// as a partner must: what was decided is answered again.
async fn send_until_decided(batch: &Batch) -> Result<Vec<BatchAnswer>, Error> {
    let undecided = |answer: &BatchAnswer| {
        answer.outcome.as_ref().is_err_and(|e| e.code() == Some(ProblemCode::Unavailable))
    };
    let mut answers = batch.send().await?;
    for _ in 0..RESENDS {
        if !answers.iter().any(undecided) {
            break;
        }
        tokio::time::sleep(RESEND_AFTER).await;
        answers = batch.send().await?;
    }
    Ok(answers)
}

async fn quote(shared: &RefCell<Shared<'_>>, began: Instant) -> Option<()> {
    let (client, request) = {
        let load = &mut *shared.borrow_mut().load;
        let (brand, request) = load.next_request();
        (load.brands[brand].clone(), request)
    };
    let answer = client.quote(&request).send().await;
    let tally = &mut shared.borrow_mut().tally;
    match answer {
        Ok(answered) => {
            tally.succeeded(began);
            tally.tokens.push(answered.body.token);
            tally.done += 1;
        }
        Err(error) => tally.fail(whole(&error)),
    }
    Some(())
}
