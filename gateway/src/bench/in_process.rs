//! Mode `store`: the sequencer and the store without HTTP. Commands are put together with the clock
//! stopped, exactly as the door would (a signed request, an opened token); then so many clients as
//! were asked for hand them in, and each waits for its answer.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use alliance_contracts::content_digest::content_digest;
use alliance_contracts::encoding::Hash;
use alliance_contracts::http_signature::{
    HeaderList, RequestSignatureParams, RequestView, Tag, required_components, sign_request,
};
use alliance_contracts::ids::QuoteId;
use alliance_contracts::json;
use alliance_contracts::keys::SigningKey;
use alliance_contracts::names::{IdempotencyKey, SourceReference};
use alliance_contracts::transaction::{OrderRequest, order_bytes};
use alliance_settlement::clearing_house::ClearingHouse;
use alliance_settlement::command::{Command, Keyed, Order, Outcome, RequestEvidence};
use futures_util::future::join_all;

use super::Options;
use super::check::{Checker, Shown, on_all_cores};
use super::cost::{Watched, file_system_of};
use super::drive::{Acknowledged, Tally};
use super::ground::{self, Ground};
use super::over_http::{Measured, Size, millis};
use super::report::{Findings, Memory, Report};
use crate::cli::failure::Failure;
use crate::cli::layout::per_second;
use crate::cli::printer::Printer;
use crate::cli::progress::Progress;
use crate::draw;
use crate::instance::open::{Books, runtime};

/// Commands put together for one round, at most.
const ROUND: usize = 20_000;
/// Commands put together for one round, at least.
const SMALL_ROUND: usize = 500;

/// Measures the clearing house of a ground.
///
/// # Errors
/// [`Failure`] where the run could not be carried out.
pub fn measure(ground: &Ground, options: &Options, printer: Printer) -> Result<Report, Failure> {
    let database = &ground.instance.gateway.database;
    let runtime = runtime().map_err(Failure::wrong)?;
    let before = runtime.block_on(Size::of(database));
    let gateway = Some(std::process::id());
    let watched = Watched { client: None, gateway, postmaster: before.postmaster };
    let mut run = Run::start(ground, options.clients)?;
    let (measured, memory) = run.measure(options.time, &watched, printer)?;
    run.books.wait(run.checker.compare(&Shown::Books(run.books.house())));
    let Run { books, checker, acknowledged, .. } = run;
    drop(books);
    let findings = Findings {
        tally: &measured.tally,
        time: measured.time,
        cost: measured.cost.unwrap_or_default(),
        memory,
        file_system: file_system_of(database),
        growth: runtime.block_on(Size::of(database)).since(&before),
        checker: &checker,
        acknowledged,
    };
    Ok(Report::of(options, &findings))
}

/// Performs so many orders, or as many as the time allows, and gives what was answered.
///
/// # Errors
/// [`Failure`] where not all of them were performed and verify.
pub fn orders(
    ground: &Ground,
    wanted: usize,
    time: Duration,
) -> Result<Vec<Acknowledged>, Failure> {
    let mut run = Run::start(ground, 256)?;
    let (began, mut found) = (Instant::now(), Vec::new());
    while found.len() < wanted && (found.is_empty() || began.elapsed() < time) {
        let prepared = run.prepare((wanted - found.len()).min(SMALL_ROUND * 4))?;
        let (tally, _) = run.round(prepared, time);
        run.checker.take(&tally.acknowledged);
        run.checker.count_errors(&tally);
        found.extend(tally.acknowledged);
    }
    match run.checker.faults.first() {
        Some(fault) => Err(Failure::wrong(fault)),
        None => Ok(found),
    }
}

struct Run<'a> {
    ground: &'a Ground,
    books: Books,
    keys: Vec<SigningKey>,
    checker: Checker,
    clients: usize,
    /// Orders put together.
    number: u64,
    acknowledged: u64,
}

/// A command that is ready, and what its receipt will be held against.
struct Prepared {
    quote: QuoteId,
    reference: SourceReference,
    command: Command,
}

impl<'a> Run<'a> {
    fn start(ground: &'a Ground, clients: usize) -> Result<Self, Failure> {
        let books = ground.instance.read_books().map_err(Failure::config)?;
        let key = |brand| -> Result<SigningKey, Failure> {
            SigningKey::from_pkcs8_pem(&ground.key_pem(brand)?).map_err(Failure::wrong)
        };
        let keys = (0..ground::brands()).map(key).collect::<Result<_, _>>()?;
        let checker = Checker::new(ground.instance.trusted_keys.clone().into());
        Ok(Self { ground, books, keys, checker, clients, number: 0, acknowledged: 0 })
    }

    /// A round to warm up, then as many as the time takes.
    fn measure(
        &mut self,
        time: Duration,
        watched: &Watched,
        printer: Printer,
    ) -> Result<(Measured, Option<Memory>), Failure> {
        let prepared = self.prepare(SMALL_ROUND)?;
        let (mut tally, took) = self.round(prepared, time);
        let mut speed = per_second(tally.done, took);
        self.verify(&mut tally);
        self.checker.count_errors(&tally);
        let mut measured = Measured::default();
        let bar = Progress::bar(printer, "measuring, in ms", millis(time));
        while measured.time < time {
            let left = time - measured.time;
            let wanted = usize::try_from(speed.saturating_mul(millis(left)) / 1_000 * 6 / 5);
            let prepared = self.prepare(wanted.unwrap_or(ROUND).clamp(SMALL_ROUND, ROUND))?;
            measured.resident.extend(watched.resident());
            let before = watched.cost();
            let (mut tally, took) = self.round(prepared, left);
            measured.spend(watched.cost().since(before));
            measured.resident.extend(watched.resident());
            measured.time += took;
            speed = per_second(tally.done, took);
            bar.step(millis(took));
            self.verify(&mut tally);
            let stuck = tally.done == 0;
            measured.tally.add(tally);
            if stuck {
                break;
            }
        }
        bar.done();
        let memory = Memory::of(&measured.resident, watched.resident_at_most());
        Ok((measured, memory))
    }

    fn verify(&mut self, tally: &mut Tally) {
        let acknowledged = std::mem::take(&mut tally.acknowledged);
        self.acknowledged += acknowledged.len() as u64;
        self.checker.take(&acknowledged);
    }

    /// Puts commands together, on all cores.
    fn prepare(&mut self, wanted: usize) -> Result<Vec<Prepared>, Failure> {
        let numbers: Vec<u64> = (self.number..).take(wanted).collect();
        self.number += wanted as u64;
        let (house, people) = (self.books.house(), self.ground.people());
        let prepared = on_all_cores(&numbers, |number| prepare(house, &self.keys, *number, people));
        prepared.into_iter().collect::<Result<_, String>>().map_err(Failure::wrong)
    }

    /// Hands them in, until there are none left or the time is up; how long that took.
    fn round(&self, mut prepared: Vec<Prepared>, time: Duration) -> (Tally, Duration) {
        prepared.reverse();
        let start = Instant::now();
        let (queue, tally) = (RefCell::new(prepared), RefCell::new(Tally::default()));
        let house = self.books.house();
        let clients = (0..self.clients).map(|_| async {
            while start.elapsed() < time {
                let Some(next) = queue.borrow_mut().pop() else { return };
                hand_in(house, next, &tally).await;
            }
        });
        self.books.wait(join_all(clients));
        let tally = tally.into_inner();
        let ended = tally.ended.unwrap_or_else(Instant::now);
        (tally, ended.saturating_duration_since(start).max(Duration::from_millis(1)))
    }
}

async fn hand_in(house: &ClearingHouse, prepared: Prepared, tally: &RefCell<Tally>) {
    let Prepared { quote, reference, command } = prepared;
    let began = Instant::now();
    let answer = house.submit(command).await;
    let tally = &mut *tally.borrow_mut();
    let (outcome, view) = match answer {
        Ok(answer) => (answer.decided.outcome, answer.transaction),
        Err(unavailable) => return tally.fail(unavailable.to_string()),
    };
    match (outcome, view.and_then(|view| view.receipt)) {
        (Outcome::Transaction(transaction), Some(receipt)) => {
            tally.succeeded(began);
            tally.done += 1;
            let jws = receipt.jws();
            tally.acknowledged.push(Acknowledged { quote, reference, transaction, jws });
        }
        (outcome, _) => tally.fail(format!("an order came to {outcome:?}")),
    }
}

/// Order `number` as a command, the way the door makes one of a signed request.
fn prepare(
    house: &ClearingHouse,
    keys: &[SigningKey],
    number: u64,
    people: usize,
) -> Result<Prepared, String> {
    let (brand, request) = ground::order(number, people);
    let (caller, key) = (ground::partner(brand), &keys[brand]);
    let quote = house.quote(&caller, &request, draw::id()).map_err(|unpriced| unpriced.detail)?;
    let name = format!("bench-{number:010}");
    let rule = "letters, digits and hyphens are a reference and a key";
    let (reference, idempotency_key): (SourceReference, IdempotencyKey) =
        (name.parse().expect(rule), name.parse().expect(rule));
    let order = OrderRequest { quote: quote.token.clone(), source_reference: reference.clone() };
    let body = json::canonical(&order);
    let mut headers = HeaderList::default();
    headers.push("content-type", b"application/json");
    headers.push("content-digest", content_digest(&body).as_bytes());
    headers.push("idempotency-key", name.as_bytes());
    let view = RequestView {
        method: "POST",
        authority: "127.0.0.1:8787",
        path: "/v1/transactions",
        query: None,
        headers: &headers,
    };
    let now = house.now();
    let params =
        RequestSignatureParams { created: now, expires: None, nonce: None, tag: Tag::Request };
    let signed = sign_request(&view, required_components("POST"), &params, key)
        .map_err(|error| error.to_string())?;
    let transaction = draw::id();
    let evidence = RequestEvidence {
        id: draw::id(),
        partner: caller.clone(),
        kid: key.kid().clone(),
        base_hash: Hash::of(&signed.base),
        base: signed.base,
        signature: signed.signature_bytes,
        body: Some(body),
        orders: Vec::new(),
        transactions: vec![transaction],
        received_at: now,
    };
    let opened = house.open_token(&caller, &quote.token);
    let keyed = Keyed {
        partner: caller,
        key: idempotency_key,
        digest: Hash::of(&order_bytes(&opened.quote, &reference)).into(),
        request: evidence.into(),
        index: 0,
    };
    let source_reference = reference.clone();
    let order = Order { transaction, source_reference, quote: opened.quoted };
    Ok(Prepared { quote: quote.id, reference, command: Command::Order(keyed, order) })
}
