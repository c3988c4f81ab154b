//! Carrying the plan out, as the brands would: through the SDK, over HTTP, many at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alliance_contracts::decimal::Decimal;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::names::{IdempotencyKey, ProgramId, ReasonCode, SourceReference};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{Quote, Side, TransactionKind};
use alliance_contracts::transaction::Transaction;
use alliance_partner_sdk::client::Answered;
use alliance_partner_sdk::{Client, Error};
use tokio::task::JoinSet;

use super::cast::parsed;
use super::plan::{Order, Task, Then};
use crate::cli::failure::whole;
use crate::cli::progress::Progress;

/// Orders under way at once.
pub const AT_ONCE: usize = 32;
/// Of faults that nobody planned, so many are kept in words.
const FAULTS_KEPT: usize = 5;

/// What became of the orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Exchanges that were performed.
    pub exchanges: u64,
    /// Redemptions that were performed.
    pub redemptions: u64,
    /// Those of them that were paid in points and cash.
    pub with_cash: u64,
    /// Accruals that were performed.
    pub accruals: u64,
    /// Reversals that were performed.
    pub reversals: u64,
    /// Orders answered again under the key they had been answered under before.
    pub replays: u64,
    /// Orders that were refused, by the rule they broke.
    pub refused: BTreeMap<ProblemCode, u64>,
    /// What points bought, by the program they were given of.
    pub bought: BTreeMap<ProgramId, Bought>,
    /// Orders without the answer they must have: no plan has any.
    pub failed: u64,
    /// Some of those, in words.
    pub faults: Vec<String>,
}

/// What points of a program bought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bought {
    /// Points given, in 10⁻⁶ of a point.
    pub points: i128,
    /// What arrived was worth, in 10⁻⁶ of the currency.
    pub worth: i128,
}

impl Tally {
    /// Orders, reversals and replays that were sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.accepted() + self.replays + self.refusals() + self.failed
    }

    /// Orders and reversals that were performed: each has a receipt.
    #[must_use]
    pub const fn accepted(&self) -> u64 {
        self.exchanges + self.redemptions + self.accruals + self.reversals
    }

    /// Orders that were refused.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Adds what became of other orders.
    pub fn add(&mut self, other: Self) {
        self.exchanges += other.exchanges;
        self.redemptions += other.redemptions;
        self.with_cash += other.with_cash;
        self.accruals += other.accruals;
        self.reversals += other.reversals;
        self.replays += other.replays;
        for (code, number) in other.refused {
            *self.refused.entry(code).or_default() += number;
        }
        for (program, more) in other.bought {
            let bought = self.bought.entry(program).or_default();
            bought.points += more.points;
            bought.worth += more.worth;
        }
        self.failed += other.failed;
        self.faults.extend(other.faults);
        self.faults.truncate(FAULTS_KEPT);
    }

    fn count(&mut self, answer: &Result<Answered<Transaction>, Error>) {
        match answer {
            Ok(answered) if answered.replayed => self.replays += 1,
            Ok(answered) => self.performed(&answered.body),
            Err(error) => self.count_error(error),
        }
    }

    fn performed(&mut self, transaction: &Transaction) {
        match transaction.kind {
            TransactionKind::Exchange => self.exchanges += 1,
            TransactionKind::Redemption => self.redemptions += 1,
            TransactionKind::Accrual => self.accruals += 1,
            TransactionKind::Reversal | TransactionKind::Adjustment => {
                self.reversals += 1;
                return;
            }
        }
        if transaction.target.item().is_some_and(|item| !item.cash.is_zero()) {
            self.with_cash += 1;
        }
        if let Some((settlement, source)) =
            transaction.settlement.as_ref().zip(transaction.source.account())
        {
            let bought = self.bought.entry(source.program.clone()).or_default();
            bought.points += i128::from(source.amount.micros());
            bought.worth += i128::from(settlement.net.micros());
        }
    }

    fn count_error(&mut self, error: &Error) {
        match error.code().filter(|code| is_refusal(*code)) {
            Some(code) => *self.refused.entry(code).or_default() += 1,
            None => self.fail(&whole(error)),
        }
    }

    fn fail(&mut self, fault: &str) {
        self.failed += 1;
        if self.faults.len() < FAULTS_KEPT {
            self.faults.push(fault.to_owned());
        }
    }
}

/// Whether the code says no to an order: not to how it was sent, and not "ask again".
fn is_refusal(code: ProblemCode) -> bool {
    code.is_decision() || code == ProblemCode::IdempotencyMismatch
}

/// Carries out the tasks, [`AT_ONCE`] at a time.
pub async fn drive(clients: Arc<[Client; 3]>, tasks: &[Task], progress: &Progress) -> Tally {
    let tasks: Arc<[Task]> = tasks.into();
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (clients, tasks, next) = (clients.clone(), tasks.clone(), next.clone());
        let progress = progress.clone();
        workers.spawn(async move {
            let mut worker = Worker { clients, tally: Tally::default() };
            while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                let before = worker.tally.sent();
                worker.carry_out(task).await;
                progress.step(worker.tally.sent() - before);
            }
            worker.tally
        });
    }
    let mut tally = Tally::default();
    while let Some(worker) = workers.join_next().await {
        match worker {
            Ok(worked) => tally.add(worked),
            Err(error) => tally.fail(&error.to_string()),
        }
    }
    tally
}

struct Worker {
    clients: Arc<[Client; 3]>,
    tally: Tally,
}

impl Worker {
    async fn carry_out(&mut self, task: &Task) {
        match task {
            Task::Single(order, then) => self.single(order, then).await,
            Task::Batch(orders) => self.batch(orders).await,
        }
    }

    fn client(&self, brand: usize) -> Client {
        self.clients[brand].clone()
    }

    async fn single(&mut self, order: &Order, then: &Then) {
        let client = self.client(order.caller);
        let quote = match client.quote(&order.asked).await {
            Ok(quote) => quote,
            // Refused before there was an order to send.
            Err(error) => return self.tally.count_error(&error),
        };
        let (reference, key) = (&order.reference, &order.key);
        if let Then::HandedInBy(other) = then {
            let other = self.client(*other);
            return self.transact(&other, &quote, reference, key).await.map_or((), drop);
        }
        let Some(done) = self.transact(&client, &quote, reference, key).await else { return };
        self.follow_up(&client, order, &quote, done, then).await;
    }

    async fn transact(
        &mut self,
        client: &Client,
        quote: &Quote,
        reference: &SourceReference,
        key: &IdempotencyKey,
    ) -> Option<TransactionId> {
        let call = client.transact(quote, reference.clone()).idempotency_key(key.clone());
        let answer = call.send().await;
        self.tally.count(&answer);
        Some(answer.ok()?.body.id)
    }

    async fn follow_up(
        &mut self,
        client: &Client,
        order: &Order,
        quote: &Quote,
        done: TransactionId,
        then: &Then,
    ) {
        let (reference, key) = (&order.reference, &order.key);
        match then {
            Then::Nothing | Then::HandedInBy(_) => {}
            Then::Replay => {
                let again = self.transact(client, quote, reference, key).await;
                if again.is_some_and(|again| again != done) {
                    self.tally.fail("a key was answered with another transaction than before");
                }
            }
            Then::UseQuoteAgain(reference, key) => {
                self.transact(client, quote, reference, key).await;
            }
            Then::OtherOrderSameKey(reference) => {
                self.transact(client, quote, reference, key).await;
            }
            Then::SameReference(key) => match client.quote(&order.asked).await {
                Ok(another) => {
                    self.transact(client, &another, reference, key).await;
                }
                Err(error) => self.tally.count_error(&error),
            },
            Then::ReversePart(part, reference, rest) => {
                self.reverse(client, done, reference, Some((Side::Source, *part))).await;
                if let Some(reference) = rest {
                    let receiver = self.receiver(quote);
                    self.reverse(&receiver, done, reference, None).await;
                }
            }
            Then::TakeBack(part, reference) => {
                let receiver = self.receiver(quote);
                self.reverse(&receiver, done, reference, Some((Side::Target, *part))).await;
            }
            Then::ReverseAll(reference) => {
                let receiver = self.receiver(quote);
                self.reverse(&receiver, done, reference, None).await;
            }
            Then::ReverseTooMuch(amount, reference) => {
                self.reverse(client, done, reference, Some((Side::Source, *amount))).await;
            }
        }
    }

    /// The brand whose points arrived, or that gave the item: it may always turn an order round.
    fn receiver(&self, quote: &Quote) -> Client {
        let receiver = self.clients.iter().find(|c| c.partner() == quote.target.partner());
        receiver.unwrap_or(&self.clients[0]).clone()
    }

    async fn reverse(
        &mut self,
        client: &Client,
        original: TransactionId,
        reference: &SourceReference,
        part: Option<(Side, Decimal)>,
    ) {
        let reason: ReasonCode = parsed("customer_request");
        let mut reversal = client.reverse(original, reference.clone(), reason);
        if let Some((side, part)) = part {
            reversal = reversal.amount(side, part);
        }
        let answer = reversal.call().send().await;
        self.tally.count(&answer);
    }

    async fn batch(&mut self, orders: &[Order]) {
        let Some(first) = orders.first() else { return };
        let client = self.client(first.caller);
        let quotes =
            match client.quotes(orders.iter().map(|order| order.asked.clone()).collect()).await {
                Ok(answer) => answer.results,
                Err(error) => return orders.iter().for_each(|_| self.tally.count_error(&error)),
            };
        let mut batch = client.transact_batch();
        for (order, result) in orders.iter().zip(quotes) {
            match (result.quote, result.problem) {
                (Some(quote), _) => {
                    let (key, reference) = (order.key.clone(), order.reference.clone());
                    batch = batch.order_with_key(key, &quote, reference);
                }
                (None, Some(problem)) => {
                    self.tally.count_error(&Error::Refused(Box::new(problem)));
                }
                (None, None) => self.tally.fail("neither a quote nor a problem"),
            }
        }
        if batch.is_empty() {
            return;
        }
        match batch.send().await {
            Err(error) => (0..batch.len()).for_each(|_| self.tally.count_error(&error)),
            Ok(answers) => {
                for answer in answers {
                    match answer.outcome {
                        Ok(_) if answer.replayed => self.tally.replays += 1,
                        Ok(transaction) => self.tally.performed(&transaction),
                        Err(error) => self.tally.count_error(&error),
                    }
                }
            }
        }
    }
}
