//! Connected brands in the world: orders of every kind whose points two brands keep themselves, over
//! a network that loses, delays and doubles their calls, while gateways are killed anywhere and the
//! store fails. In the end the brands' books and ours are compared, transaction by transaction.
//!
//! The brands' side is a model of its own: it does what it is asked once for each key, and keeps
//! what it has said. What it refuses it draws: also a capture of what it has reserved.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use alliance_contracts::connector::{
    CancelCall, CreditCall, Credited, OperationKey, RefusalCode, ReserveCall, Reserved, Step,
};
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::json;
use alliance_contracts::keys::SigningKey;
use alliance_contracts::names::PartnerId;
use alliance_contracts::quote::{AskedSide, QuoteRequest, Side, SideAmount, TransactionKind};
use alliance_contracts::side::PricedItem;
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::TransactionState;
use alliance_settlement::clearing_house::{Call, Heard};
use alliance_settlement::command::{Command, Outcome};
use alliance_settlement::ledger::{TransactionRecord, TransactionSideRecord};
use alliance_settlement::saga::{Answer, Remark, SignedAnswer};
use alliance_settlement::store::conformance::world::{BRANDS, PEOPLE, World as Cast, name};
use futures_util::FutureExt as _;

use super::{Trouble, World};
use crate::cast::BEGINNING;
use crate::store::Manner;

/// The brands that keep their members' points themselves.
const CONNECTED: [usize; 2] = [1, 2];
/// Orders that are open at once.
const OPEN: usize = 24;
/// Calls that one gateway takes up of a brand at once.
const PLACES: u32 = 6;
/// How long a gateway waits for an answer.
const PATIENCE: i64 = 15_000;

/// What one transaction has done at one brand, in 10⁻⁶ points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Effects {
    reserved: i64,
    captured: i64,
    released: i64,
    credited: i64,
    cancelled: i64,
}

/// A brand: what it has said to each key, and what it has done.
#[derive(Default)]
struct Brand {
    said: BTreeMap<OperationKey, Said>,
    effects: BTreeMap<TransactionId, Effects>,
    refusals: BTreeMap<&'static str, u64>,
}

/// What a brand has said to a key, for ever.
#[derive(Clone)]
struct Said {
    asked: Vec<u8>,
    answer: Answer,
    body: Vec<u8>,
}

impl Brand {
    /// Does what it is asked, once; says the same again, however often it is asked.
    fn asked(&mut self, key: OperationKey, body: &[u8], refuses: bool) -> Result<Said, String> {
        if let Some(said) = self.said.get(&key) {
            if said.asked != body {
                return Err(format!("{key} is used for two calls"));
            }
            return Ok(said.clone());
        }
        let effects = self.effects.entry(key.transaction).or_default();
        let (answer, told) = if refuses {
            *self.refusals.entry(key.step.as_str()).or_insert(0) += 1;
            (Answer::Refused(RefusalCode::Refused), b"{\"code\":\"refused\"}".to_vec())
        } else {
            done(effects, key, body).ok_or_else(|| format!("{key}: no such call"))?
        };
        let said = Said { asked: body.to_vec(), answer, body: told };
        self.said.insert(key, said.clone());
        Ok(said)
    }
}

/// Carries a call out.
fn done(effects: &mut Effects, key: OperationKey, body: &[u8]) -> Option<(Answer, Vec<u8>)> {
    let held = effects.reserved - effects.captured - effects.released;
    match key.step {
        Step::Reserve => {
            let call: ReserveCall = json::read(body).ok()?;
            effects.reserved += call.amount.micros();
            let reservation = name(&format!("hold-{}", key.transaction));
            let told = json::canonical(&Reserved { reservation });
            Some((Answer::Done(Some(name(&format!("hold-{}", key.transaction)))), told))
        }
        Step::Capture => {
            effects.captured += held;
            (held > 0).then(|| (Answer::Done(None), b"{}".to_vec()))
        }
        Step::Release => {
            effects.released += held;
            (held > 0).then(|| (Answer::Done(None), b"{}".to_vec()))
        }
        Step::Credit => {
            let call: CreditCall = json::read(body).ok()?;
            effects.credited += call.amount.micros();
            let reference = name(&format!("gift-{}", key.transaction));
            let told = json::canonical(&Credited { reference });
            Some((Answer::Done(Some(name(&format!("gift-{}", key.transaction)))), told))
        }
        Step::Cancel => {
            let call: CancelCall = json::read(body).ok()?;
            effects.cancelled += call.amount.micros();
            Some((Answer::Done(None), b"{}".to_vec()))
        }
    }
}

/// A call on its way to a brand, or what was heard of it on its way back.
struct Flight {
    due: i64,
    /// The gateway that made the call, and in which of its lives.
    gateway: (usize, usize),
    call: Call,
    leg: Leg,
}

enum Leg {
    There,
    Back(Box<Heard>),
}

/// An order that its partner asks for until it has an answer.
struct Asking {
    command: Command,
    again_at: i64,
}

type Taken = Arc<Mutex<Vec<((usize, usize), Vec<Call>)>>>;

/// The world with its brands.
pub struct Brands {
    world: World,
    cast: Cast,
    brands: BTreeMap<PartnerId, Rc<RefCell<Brand>>>,
    key: SigningKey,
    flights: Vec<Flight>,
    taken: Taken,
    open: BTreeMap<u64, Asking>,
    deliveries: BTreeMap<u64, u64>,
    asked: u64,
    /// What was acknowledged, in its order.
    made: Vec<TransactionId>,
    refused: u64,
}

impl Brands {
    pub fn new(seed: u64, gateways: usize) -> Self {
        let mut world = World::empty(seed, gateways);
        world.stage.lock().watched = false;
        let begun = Cast::connected(world.store.clone(), CONNECTED.to_vec());
        let mut cast = begun.now_or_never().expect("memory answers at once");
        // What gateways draw by themselves is another's.
        cast.skip_ids(1 << 40);
        let brands = CONNECTED.map(|at| (name(BRANDS[at].0), Rc::default()));
        world.now = BEGINNING + 1_000;
        Self {
            world,
            cast,
            brands: brands.into_iter().collect(),
            key: SigningKey::from_seed(&[8; 32]),
            flights: Vec::new(),
            taken: Taken::default(),
            open: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            asked: 0,
            made: Vec::new(),
            refused: 0,
        }
    }

    /// Asks for so many orders, with all that goes wrong; then lets everything come to its end, and
    /// compares.
    pub fn run(&mut self, orders: u64, trouble: Trouble) {
        self.world.trouble = trouble;
        self.world.stage.lock().read_faults = trouble.store;
        while self.asked < orders {
            if self.open.len() < OPEN && self.world.dice.per_mille(500) {
                self.order();
            }
            self.step(20);
        }
        self.world.trouble = Trouble::NONE;
        self.world.stage.lock().read_faults = 0;
        for turn in 0_u64.. {
            // Waits are long by now: time passes faster.
            self.step(2_000);
            if turn.is_multiple_of(50) && self.is_quiet() {
                break;
            }
            assert!(turn < 200_000, "{}", self.told("it never comes to an end"));
        }
        self.compare();
    }

    fn is_quiet(&self) -> bool {
        let open = self.world.store.open_sagas().now_or_never().expect("memory").unwrap();
        self.open.is_empty() && self.flights.is_empty() && open.is_empty()
    }

    fn told(&self, what: &str) -> String {
        let seed = self.world.seed;
        format!(
            "{what}\nseed {seed}. To see it again:\n  ALLIANCE_SEED={seed} tests/run -- -E \
             'test(brands_of_a_seed_that_nobody_chose)'"
        )
    }

    // ------------------------------------------------------------------------------- one step

    fn step(&mut self, most: i64) {
        self.world.now += self.world.dice.between(0, most);
        // A night in which nobody answers: deadlines pass, and quotes end.
        if self.world.trouble.kills > 0 && self.world.dice.per_mille(1) {
            self.world.now += 2 * 86_400_000;
        }
        self.world.go_wrong();
        self.world.set_clocks();
        for at in 0..self.world.gateways.len() {
            if self.world.gateways[at].has_failed() {
                self.world.kill(at, false);
            }
            if !self.world.gateways[at].is_running() {
                self.world.boot(at, Manner::Gated);
            }
        }
        self.ask_again();
        self.take_calls();
        self.fly();
        self.run_gateways();
        self.world.open_gates();
        self.run_gateways();
        self.world.age_limbo();
        self.world.report();
    }

    fn run_gateways(&mut self) {
        for at in 0..self.world.gateways.len() {
            let millis = self.world.dice.between(1, 20);
            self.world.gateways[at].run(u64::try_from(millis).unwrap());
            for (delivery, answer) in self.world.gateways[at].answers() {
                let Some(number) = self.deliveries.remove(&delivery) else { continue };
                let Ok(answer) = answer else { continue };
                if self.open.remove(&number).is_none() {
                    continue;
                }
                match answer.decided.outcome {
                    Outcome::Transaction(id) => self.made.push(id),
                    _ => self.refused += 1,
                }
            }
        }
        let taken = std::mem::take(&mut *lock(&self.taken));
        for (gateway, calls) in taken {
            for call in calls {
                self.depart(gateway, call);
            }
        }
    }

    // --------------------------------------------------------------------------------- orders

    fn order(&mut self) {
        self.cast.now = Timestamp::from_millis(self.world.now);
        let Some(command) = self.command() else { return };
        self.asked += 1;
        self.open.insert(self.asked, Asking { command, again_at: 0 });
    }

    fn command(&mut self) -> Option<Command> {
        let dice = &mut self.world.dice;
        if dice.below(5) == 0 && !self.made.is_empty() {
            let at = dice.recent(self.made.len(), 30);
            let part = if dice.below(2) == 0 { None } else { Some("1") };
            return self.cast.reversal(self.made[at], part).now_or_never();
        }
        let (source, person) = (dice.below(BRANDS.len()), dice.below(PEOPLE));
        let target = (source + 1 + dice.below(BRANDS.len() - 1)) % BRANDS.len();
        let (kind, amount) = (dice.below(4), dice.between(10, 400));
        let (kind, request) = match kind {
            0 | 1 => {
                let value = alliance_contracts::decimal::Decimal::from_minor(amount * 100, 2);
                let amount = Some(SideAmount { side: Side::Source, value: value? });
                let target = self.cast.account(target, person);
                (TransactionKind::Exchange, (amount, self.cast.account(source, person), target))
            }
            2 => {
                let item = PricedItem {
                    cash: name("1"),
                    item: name("atlas"),
                    partner: name(BRANDS[target].0),
                    price: name(&format!("{}", amount + 1)),
                };
                let source = self.cast.account(source, person);
                (TransactionKind::Redemption, (None, source, AskedSide::Item(item)))
            }
            _ => {
                let amount =
                    Some(SideAmount { side: Side::Target, value: name(&format!("{amount}")) });
                let giver = AskedSide::Partner { partner: name(BRANDS[source].0) };
                (TransactionKind::Accrual, (amount, giver, self.cast.account(target, person)))
            }
        };
        let (amount, from, to) = request;
        let request = QuoteRequest {
            expiry: None,
            amount,
            kind,
            segment: None,
            source: from,
            target: to,
            tier: None,
        };
        let registry = self.cast.registry().now_or_never()?;
        let order = self.cast.order_of(&registry, source, &request);
        Some(Command::Order(self.cast.keyed(BRANDS[source].0), order))
    }

    fn ask_again(&mut self) {
        let now = self.world.now;
        for (number, asking) in &mut self.open {
            if asking.again_at > now {
                continue;
            }
            asking.again_at = now + self.world.dice.between(500, 3_000);
            let copies = 1 + usize::from(self.world.dice.per_mille(self.world.trouble.network));
            for _ in 0..copies {
                if self.world.dice.per_mille(self.world.trouble.network) {
                    continue;
                }
                let gateway = self.world.dice.below(self.world.gateways.len());
                self.world.drawn += 1;
                let delivery = self.world.drawn;
                if self.world.gateways[gateway].deliver(delivery, asking.command.clone()) {
                    self.deliveries.insert(delivery, *number);
                }
            }
        }
    }

    // ---------------------------------------------------------------------------------- calls

    /// Gateways look for what is due, as their drivers do.
    fn take_calls(&mut self) {
        let brands: Vec<PartnerId> = self.brands.keys().cloned().collect();
        for at in 0..self.world.gateways.len() {
            if !self.world.dice.per_mille(300) {
                continue;
            }
            let (taken, gateway) = (self.taken.clone(), (at, self.world.gateways[at].lives));
            let free = brands.iter().map(|brand| (brand.clone(), PLACES)).collect();
            self.world.gateways[at].spawn(|house| async move {
                if let Ok(calls) = house.take_calls(free).await {
                    lock(&taken).push((gateway, calls));
                }
            });
        }
    }

    /// A call leaves its gateway: it is lost, late, doubled, or there soon.
    fn depart(&mut self, gateway: (usize, usize), call: Call) {
        let (dice, network) = (&mut self.world.dice, self.world.trouble.network);
        let now = self.world.now;
        if dice.per_mille(network) {
            let due = now + PATIENCE;
            let heard = Heard { answer: Answer::Silent, signed: None };
            self.flights.push(Flight { due, gateway, call, leg: Leg::Back(Box::new(heard)) });
            return;
        }
        let copies = 1 + usize::from(dice.per_mille(network));
        for _ in 0..copies {
            let late = dice.per_mille(network);
            // Beyond the patience of its gateway, and beyond its lease.
            let due = now + dice.between(0, if late { 200_000 } else { 100 });
            self.flights.push(Flight { due, gateway, call: call.clone(), leg: Leg::There });
        }
    }

    fn fly(&mut self) {
        let now = self.world.now;
        let mut due: Vec<Flight> = self.flights.extract_if(.., |one| one.due <= now).collect();
        self.world.dice.shuffle(&mut due);
        for flight in due {
            match flight.leg {
                Leg::There => self.arrive(flight.gateway, flight.call),
                Leg::Back(heard) => self.come_back(flight.gateway, flight.call, *heard),
            }
        }
    }

    /// A call is at its brand; what it says goes back, or is lost, and is asked about.
    fn arrive(&mut self, gateway: (usize, usize), call: Call) {
        let refusing = match call.key.step {
            Step::Reserve | Step::Credit | Step::Cancel => 90,
            Step::Capture | Step::Release => 30,
        };
        let refuses = self.world.dice.per_mille(refusing);
        let brand = self.brands[&call.partner].clone();
        let said = brand.borrow_mut().asked(call.key, &call.body, refuses);
        let said = match said {
            Ok(said) => said,
            Err(finding) => return self.world.find(self.told(&finding)),
        };
        let dice = &mut self.world.dice;
        let lost = dice.per_mille(self.world.trouble.network * 2);
        let asks = dice.per_mille(500);
        let mut due = self.world.now + dice.between(0, 200);
        let heard = match (lost, asks) {
            (false, _) => self.signed(&call, &said),
            // `operations/{key}` tells the same; or nobody asks, or is told, in time.
            (true, true) => {
                due += PATIENCE;
                self.signed(&call, &said)
            }
            (true, false) => {
                due += PATIENCE;
                Heard { answer: Answer::Silent, signed: None }
            }
        };
        self.flights.push(Flight { due, gateway, call, leg: Leg::Back(Box::new(heard)) });
    }

    fn signed(&self, call: &Call, said: &Said) -> Heard {
        let base = format!("\"@status\": 200\n\"idempotency-key\";req: {}", call.key).into_bytes();
        let signed = SignedAnswer {
            transaction: call.key.transaction,
            step: call.key.step,
            partner: call.partner.clone(),
            kid: self.key.kid().clone(),
            base_hash: Hash::of(&base),
            signature: self.key.sign(&base),
            base,
            body: said.body.clone(),
            received_at: Timestamp::from_millis(self.world.now),
        };
        Heard { answer: said.answer.clone(), signed: Some(signed) }
    }

    /// The gateway hears it, unless it has died; one that nothing came to may ask what became of
    /// the call, while it still travels.
    fn come_back(&mut self, (at, life): (usize, usize), call: Call, heard: Heard) {
        let gateway = &self.world.gateways[at];
        if gateway.lives != life || !gateway.is_up() {
            return;
        }
        let seen = self.brands[&call.partner].borrow().said.contains_key(&call.key);
        let unknown = heard.answer == Answer::Silent && !seen && self.world.dice.per_mille(500);
        let heard = if unknown { Heard { answer: Answer::Unknown, signed: None } } else { heard };
        gateway.spawn(|house| async move {
            // What is not written is asked again.
            let _ = house.answered(&call, heard).await;
        });
    }

    // ------------------------------------------------------------------------------- the end

    /// Each transaction has ended, and has done at each brand what its receipt says, once; the
    /// product's own audit agrees.
    fn compare(&mut self) {
        let store = self.world.store.clone();
        let (mut after, mut seen, mut remarks) = (None, BTreeMap::new(), BTreeMap::new());
        let mut ends: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        loop {
            let page = store.transaction_places(after, 500).now_or_never().unwrap().unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for place in page {
                let detail = store.transaction(place.id).now_or_never().unwrap().unwrap().unwrap();
                let remark = detail.saga.as_ref().and_then(|saga| saga.remark);
                let parked = detail.saga.as_ref().is_some_and(|saga| saga.parked_at.is_some());
                let record = detail.record;
                *ends.entry((record.kind.as_str(), record.state.as_str())).or_insert(0) += 1;
                if let Some(remark) = remark {
                    *remarks.entry(remark.as_str()).or_insert(0_u64) += 1;
                }
                if let Some(fault) = self.fault(&record, remark) {
                    panic!("{}", self.told(&format!("{}: {fault}", record.id)));
                }
                assert!(!parked || record.state != TransactionState::Pending);
                seen.insert(record.id, record.state);
            }
        }
        for id in &self.made {
            assert!(seen.contains_key(id), "{}", self.told(&format!("{id} was acknowledged")));
        }
        for brand in self.brands.values() {
            for id in brand.borrow().effects.keys() {
                assert!(seen.contains_key(id), "{}", self.told(&format!("{id} is nobody's")));
            }
        }
        self.world.audited();
        let lives: usize = self.world.gateways.iter().map(|gateway| gateway.lives).sum();
        let refusals: Vec<_> =
            self.brands.values().map(|brand| brand.borrow().refusals.clone()).collect();
        println!(
            "seed {}: {} orders, {} refused, {lives} processes; {ends:?}; {remarks:?}; {refusals:?}",
            self.world.seed, self.asked, self.refused
        );
    }

    /// What a transaction should have done at the brands, against what it has.
    fn fault(&self, record: &TransactionRecord, remark: Option<Remark>) -> Option<String> {
        let done = match record.state {
            TransactionState::Pending => return Some("it is pending for ever".to_owned()),
            TransactionState::Failed => false,
            _ => true,
        };
        let backward = record.kind == TransactionKind::Reversal;
        let (from, to) = if backward {
            (&record.target, &record.source)
        } else {
            (&record.source, &record.target)
        };
        for (partner, brand) in &self.brands {
            let told = brand.borrow().effects.get(&record.id).copied().unwrap_or_default();
            let mut expected = Effects::default();
            let points = |side: &TransactionSideRecord| side.amount().micros();
            if from.partner() == partner && from.account().is_some() && points(from) > 0 {
                // Reserved where it came so far; then taken, given back, or kept from us.
                expected.reserved = if done { points(from) } else { told.reserved };
                let kept = remark == Some(Remark::CaptureRefused);
                expected.captured = if done && !kept { points(from) } else { 0 };
                let held = remark == Some(Remark::ReleaseRefused);
                expected.released = if done || held { 0 } else { told.reserved };
            }
            let is_item = |side: &TransactionSideRecord| {
                side.account().is_none() && side.amount().micros() > 0
            };
            if backward && done && from.partner() == partner && is_item(from) {
                expected.cancelled = points(from);
            }
            let gives = to.account().is_some() || (!backward && is_item(to));
            if done && to.partner() == partner && gives && remark != Some(Remark::CreditRefused) {
                expected.credited = points(to);
            }
            if told != expected {
                return Some(format!("{partner} has {told:?}, should be {expected:?}: {record:?}"));
            }
        }
        None
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
