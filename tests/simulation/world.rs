//! The world: one store, some gateways on it, a network, clients, clocks, and everything that can
//! go wrong, in an order that the seed decides. One thread; time stands still unless it is let go.

pub mod brands;
pub mod deals;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use alliance_contracts::key_list::TrustedKeys;
use alliance_settlement::clearing_house::Clock;
use alliance_settlement::command::Keyed;
use alliance_settlement::inspection;
use alliance_settlement::store::Store;
use alliance_settlement::store::memory::MemoryStore;
use futures_util::FutureExt as _;

use crate::auditor::Auditor;
use crate::cast::{Agreed, BEGINNING, PARTNERS, Props, name};
use crate::client::{Delivery, Errand, Message, Open};
use crate::dice::Dice;
use crate::gateway::Gateway;
use crate::stage::{Point, SharedStage, Verdict};
use crate::store::{Manner, StagedStore};
use crate::workload::Memory;

/// How much goes wrong; times in a thousand.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// Of calls to the store.
    pub store: usize,
    /// Of messages: lost, doubled, late.
    pub network: usize,
    /// Of steps: a gateway is killed.
    pub kills: usize,
    /// Of steps: a clock jumps.
    pub jumps: usize,
}

impl Trouble {
    pub const NONE: Self = Self { store: 0, network: 0, kills: 0, jumps: 0 };
    pub const USUAL: Self = Self { store: 25, network: 30, kills: 4, jumps: 3 };
}

/// What happened last, for the report.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "read by Debug")]
pub enum Event {
    Delivered { gateway: usize, delivery: u64 },
    Passed { gateway: usize, point: Point, verdict: Verdict },
    Answered { gateway: usize, delivery: u64, known: bool },
    Booted(usize),
    Killed { gateway: usize, holding: bool },
    Jumped { gateway: usize, to: i64 },
    Ended { commits: bool },
}

const EVENTS_KEPT: usize = 60;
/// Errands that are open at once.
const OPEN: usize = 56;
/// Between two readings of everything.
const WHOLE_EVERY: u64 = 20_000;

pub struct World {
    pub seed: u64,
    pub dice: Dice,
    pub props: Props,
    pub stage: SharedStage,
    pub gateways: Vec<Gateway>,
    pub memory: Memory,
    /// The true time.
    pub now: i64,
    /// Errands that were sent, for replays.
    pub sent: Vec<Errand>,
    /// Commands handed to a gateway.
    pub commands: u64,
    trusted: TrustedKeys,
    /// Where checkpoints are kept beside the keys.
    checkpoints: Option<PathBuf>,
    store: Arc<dyn Store>,
    trouble: Trouble,
    /// How far each gateway's clock is off.
    skews: Vec<i64>,
    open: BTreeMap<u64, Open>,
    network: Vec<Message>,
    deliveries: BTreeMap<u64, Delivery>,
    events: VecDeque<Event>,
    drawn: u64,
    steps: u64,
    read_at: u64,
}

impl World {
    /// An empty store, and gateways that are not running.
    pub fn empty(seed: u64, gateways: usize) -> Self {
        let mut dice = Dice::new(seed);
        let props = Props::new();
        let trusted = props.trusted();
        let auditor = Auditor::new(trusted.clone());
        let stage = SharedStage::new(auditor, gateways, Dice::new(dice.bits()));
        // As clocks are that nobody looks after: five seconds apart and more.
        let skews = (0..gateways).map(|_| dice.between(-5_000, 5_000)).collect();
        let mut world = Self {
            seed,
            dice,
            props,
            stage,
            gateways: (0..gateways).map(|_| Gateway::new()).collect(),
            memory: Memory::default(),
            now: BEGINNING,
            sent: Vec::new(),
            commands: 0,
            trusted,
            checkpoints: None,
            store: Arc::new(MemoryStore::new(name("demo"))),
            trouble: Trouble::NONE,
            skews,
            open: BTreeMap::new(),
            network: Vec::new(),
            deliveries: BTreeMap::new(),
            events: VecDeque::new(),
            drawn: 0,
            steps: 0,
            read_at: 0,
        };
        world.set_clocks();
        world
    }

    /// A world at work: agreed on, with its first people. Nothing goes wrong yet.
    pub fn new(seed: u64, gateways: usize) -> Self {
        Self::empty(seed, gateways).begun()
    }

    /// One whose gateways keep checkpoints beside their keys, and have signed some.
    pub fn with_checkpoints(seed: u64, gateways: usize, folder: PathBuf) -> Self {
        let mut world = Self::empty(seed, gateways);
        world.checkpoints = Some(folder);
        let mut world = world.begun();
        world.run(200, Trouble::NONE);
        while !world.stage.lock().auditor.tally.contains_key("checkpoint") {
            world.step();
        }
        world.settle();
        world
    }

    fn begun(self) -> Self {
        let mut world = self;
        world.settle();
        let agreed = Agreed::first();
        let definition = agreed.definition(&world.props.key);
        let window = world.props.id();
        world.stage.lock().auditor.operations.definitions.push(agreed.clone());
        let define = alliance_settlement::command::Define { definition, window };
        world.send(Errand::Define(Box::new((agreed, define))));
        world.settle();
        for _ in 0..8 {
            let newcomers = world.newcomers();
            world.send(newcomers);
        }
        world.settle();
        while let Some(links) = world.their_links() {
            world.send(links);
            world.settle();
        }
        world
    }

    /// Works until so many commands have been handed over, then until everybody knows, and reads
    /// everything back.
    pub fn run(&mut self, commands: u64, trouble: Trouble) {
        self.trouble = trouble;
        self.stage.lock().read_faults = trouble.store * 3;
        while self.commands < commands {
            let room = OPEN.saturating_sub(self.open.len());
            if room > 0 && self.dice.per_mille(400) {
                for _ in 0..self.dice.below(room + 1) {
                    if let Some(errand) = self.errand() {
                        self.send(errand);
                    }
                }
            }
            self.step();
        }
        self.trouble = Trouble::NONE;
        self.stage.lock().read_faults = 0;
        self.settle();
        self.whole();
        self.audited();
    }

    /// Lets the world run until every errand is done.
    pub fn settle(&mut self) {
        let mut patience = 200_000;
        loop {
            self.step();
            let up = self.gateways.iter().all(Gateway::is_up);
            if up && self.open.is_empty() && self.network.is_empty() && self.limbo_is_empty() {
                return;
            }
            patience -= 1;
            if patience == 0 {
                self.find(format!("{} errands never come to an end", self.open.len()));
                self.report();
            }
        }
    }

    fn limbo_is_empty(&self) -> bool {
        self.stage.lock().limbo.is_empty()
    }

    // ------------------------------------------------------------------------------- one step

    fn step(&mut self) {
        self.steps += 1;
        self.now += self.dice.between(0, 20);
        self.go_wrong();
        self.set_clocks();
        self.boot_all();
        self.ask_again();
        self.deliver();
        self.run_gateways();
        self.open_gates();
        self.run_gateways();
        self.age_limbo();
        if self.commands >= self.read_at + WHOLE_EVERY {
            self.read_at = self.commands;
            self.whole();
        }
        self.report();
    }

    fn set_clocks(&mut self) {
        let mut stage = self.stage.lock();
        for (seat, skew) in stage.seats.iter_mut().zip(&self.skews) {
            seat.clock = self.now + skew;
            seat.jumps += u64::from(seat.skew != *skew);
            seat.skew = *skew;
        }
    }

    fn go_wrong(&mut self) {
        if self.dice.per_mille(self.trouble.kills) {
            let gateway = self.dice.below(self.gateways.len());
            let holding = self.dice.per_mille(500);
            self.kill(gateway, holding);
        }
        // Somebody looks after a clock that is far off before long.
        for skew in &mut self.skews {
            if skew.abs() > 5_000 && self.dice.per_mille(15) {
                *skew = self.dice.between(-5_000, 5_000);
            }
        }
        if self.dice.per_mille(self.trouble.jumps) {
            let gateway = self.dice.below(self.gateways.len());
            let skew = match self.dice.below(8) {
                0 => 600_000,
                1 => -86_400_000,
                2 => 61_000,
                _ => self.dice.between(-5_000, 5_000),
            };
            self.skews[gateway] = skew;
            self.note(Event::Jumped { gateway, to: skew });
        }
    }

    fn boot_all(&mut self) {
        for at in 0..self.gateways.len() {
            if self.gateways[at].has_failed() {
                self.kill(at, false);
            }
            if !self.gateways[at].is_running() {
                self.boot(at, Manner::Gated);
            }
        }
    }

    /// Starts a process; it comes up as it is let run.
    pub fn boot(&mut self, gateway: usize, manner: Manner) {
        self.set_clocks();
        let store =
            StagedStore { inner: self.store.clone(), stage: self.stage.clone(), gateway, manner };
        let mut settings = self.props.settings(&self.trusted);
        settings.clock = Clock::told_by(self.stage.clock(gateway));
        settings.checkpoints_dir.clone_from(&self.checkpoints);
        self.gateways[gateway].boot(settings, store);
        self.note(Event::Booted(gateway));
    }

    /// Ends a process where it stands. Who waits for it hears nothing.
    pub fn kill(&mut self, gateway: usize, holding: bool) {
        self.stage.lock().seats[gateway].holding = holding;
        self.gateways[gateway].kill();
        let mut stage = self.stage.lock();
        stage.seats[gateway].holding = false;
        stage.went_well(gateway);
        stage.waiting.retain(|gate| gate.gateway != gateway);
        drop(stage);
        self.deliveries.retain(|_, delivery| delivery.gateway != gateway);
        self.note(Event::Killed { gateway, holding });
    }

    // ---------------------------------------------------------------------------- the network

    /// Somebody has an errand, and asks until it is done.
    pub fn send(&mut self, errand: Errand) {
        self.drawn += 1;
        if matches!(errand, Errand::Order(..) | Errand::Import(..)) {
            if self.sent.len() < 400 {
                self.sent.push(errand.clone());
            } else {
                let at = self.dice.below(400);
                self.sent[at] = errand.clone();
            }
        }
        let number = self.drawn;
        self.open.insert(number, Open { errand, ask_again_at: 0 });
        self.ask(number);
    }

    fn ask(&mut self, number: u64) {
        let patience = self.dice.between(500, 3_000);
        let Some(open) = self.open.get_mut(&number) else { return };
        open.ask_again_at = self.now + patience;
        let errand = open.errand.clone();
        if self.dice.per_mille(self.trouble.network) {
            return;
        }
        let copies = if self.dice.per_mille(self.trouble.network) { 2 } else { 1 };
        for _ in 0..copies {
            let late = self.dice.per_mille(self.trouble.network);
            let due = self.now + self.dice.between(0, if late { 20_000 } else { 15 });
            let gateway = self.dice.below(self.gateways.len());
            let (open, errand) = (Some(number), errand.clone());
            self.network.push(Message { due, gateway, open, errand });
        }
    }

    fn ask_again(&mut self) {
        let now = self.now;
        let due: Vec<u64> = self
            .open
            .iter()
            .filter(|(_, open)| open.ask_again_at <= now)
            .map(|(number, _)| *number)
            .collect();
        for number in due {
            self.ask(number);
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        let mut due: Vec<Message> = self.network.extract_if(.., |m| m.due <= now).collect();
        self.dice.shuffle(&mut due);
        for message in due {
            let Message { gateway, open, errand, .. } = message;
            if !self.gateways[gateway].is_up() {
                continue;
            }
            let clock = self.stage.lock().seats[gateway].clock;
            let at = (gateway, clock);
            let (command, told) = errand.arrives(&mut self.props, &self.stage, at);
            self.drawn += 1;
            let delivery = self.drawn;
            if self.gateways[gateway].deliver(delivery, command) {
                self.commands += 1;
                self.deliveries.insert(delivery, Delivery { open, gateway, told });
                self.note(Event::Delivered { gateway, delivery });
            }
        }
    }

    fn hear(&mut self, gateway: usize) {
        for (number, answer) in self.gateways[gateway].answers() {
            let Some(delivery) = self.deliveries.remove(&number) else { continue };
            let known = {
                let mut stage = self.stage.lock();
                let excuse = stage.excuse(gateway);
                match stage.auditor.answered(&delivery.told, &answer, excuse) {
                    Ok(known) => known,
                    Err(finding) => {
                        stage.find(format!("answer {number} of gateway {gateway}: {finding}"));
                        return;
                    }
                }
            };
            self.note(Event::Answered { gateway, delivery: number, known });
            // The answer may get lost on its way.
            if known
                && !self.dice.per_mille(self.trouble.network)
                && let Some(open) = delivery.open
            {
                self.open.remove(&open);
            }
        }
    }

    // ---------------------------------------------------------------------------- the gateways

    fn run_gateways(&mut self) {
        let all_wait = self.stage.lock().waiting.is_empty();
        for at in 0..self.gateways.len() {
            let millis = if all_wait { self.dice.between(1, 40) } else { 1 };
            self.gateways[at].run(u64::try_from(millis).unwrap());
            self.hear(at);
        }
    }

    /// Each call that waits goes on, or not, or not as it should.
    fn open_gates(&mut self) {
        let mut gates = std::mem::take(&mut self.stage.lock().waiting);
        self.dice.shuffle(&mut gates);
        let mut kept = Vec::new();
        let mut dies = Vec::new();
        for gate in gates {
            if self.dice.per_mille(150) {
                kept.push(gate);
                continue;
            }
            let verdict = self.verdict(gate.point);
            if verdict == Verdict::DoneUnheard {
                dies.push(gate.gateway);
            }
            self.note(Event::Passed { gateway: gate.gateway, point: gate.point, verdict });
            // Where nobody hears it, its gateway has died.
            let _ = gate.verdict.send(verdict);
        }
        self.stage.lock().waiting.extend(kept);
        for gateway in dies {
            self.gateways[gateway].run(1);
            self.hear(gateway);
            self.kill(gateway, false);
        }
    }

    fn verdict(&mut self, point: Point) -> Verdict {
        if !self.dice.per_mille(self.trouble.store) {
            return Verdict::Go;
        }
        match (point, self.dice.below(8)) {
            (Point::Begin, _) | (Point::Registry | Point::Load, 0..4) => Verdict::Fail,
            (Point::Registry | Point::Load, _) => Verdict::RowLost,
            (Point::Commit, 0) => Verdict::Fail,
            (Point::Commit, 1) => Verdict::RowLost,
            (Point::Commit, 2) => Verdict::LostBefore,
            (Point::Commit, 3) => Verdict::LostAfter,
            (Point::Commit, 4) => Verdict::LostLate { commits: true },
            (Point::Commit, 5) => Verdict::LostLate { commits: false },
            (Point::Commit, 6) => Verdict::Contradiction,
            (Point::Commit, _) => Verdict::DoneUnheard,
        }
    }

    /// Transactions that nobody holds any more come to their end.
    fn age_limbo(&mut self) {
        let ended = {
            let mut stage = self.stage.lock();
            for limbo in &mut stage.limbo {
                limbo.steps -= 1;
            }
            stage.limbo.extract_if(.., |limbo| limbo.steps == 0).collect::<Vec<_>>()
        };
        for limbo in ended {
            let commits = limbo.writes.is_some();
            if let Some((writes, readings)) = limbo.writes {
                let done = limbo.batch.commit(&writes).now_or_never();
                let mut stage = self.stage.lock();
                match done {
                    Some(Ok(())) => stage.committed(&writes, &readings),
                    Some(Err(error)) => stage.refused(&writes, &error.to_string()),
                    None => stage.find("memory writes at once".to_owned()),
                }
            }
            self.note(Event::Ended { commits });
        }
    }

    // -------------------------------------------------------------------------------- looking

    /// Everything that the store shows is what the auditor has in its books.
    pub fn whole(&mut self) {
        let store = self.store.clone();
        let mut stage = self.stage.lock();
        if let Err(finding) = stage.auditor.whole(store.as_ref()) {
            stage.find(format!("the books: {finding}"));
        }
        drop(stage);
        self.report();
    }

    /// The product's own audit agrees.
    pub fn audited(&mut self) {
        let store = self.store.clone();
        let report = inspection::audit(store.as_ref(), &self.trusted).now_or_never();
        let findings = report.expect("memory reads at once").expect("a definition").findings;
        if let Some(first) = findings.first() {
            self.find(format!("the product's audit: {first:?}"));
        }
        self.report();
    }

    pub fn find(&self, finding: String) {
        self.stage.lock().find(finding);
    }

    fn note(&mut self, event: Event) {
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Ends the test where something is not as it should be, and says how to see it again.
    pub fn report(&mut self) {
        let Some(finding) = self.stage.lock().finding.take() else { return };
        let events: Vec<String> = self.events.iter().map(|event| format!("  {event:?}")).collect();
        panic!(
            "{finding}\n\nwhat happened last:\n{}\n\nseed {}, command {}, step {}. To see it \
             again:\n  ALLIANCE_SEED={} ALLIANCE_COMMANDS={} tests/run -- -E \
             'test(a_seed_that_nobody_chose)'\n",
            events.join("\n"),
            self.seed,
            self.commands,
            self.steps,
            self.seed,
            self.commands + 1,
        );
    }

    /// What the world came to, in one line.
    pub fn summary(&self) -> String {
        let stage = self.stage.lock();
        let mut tally: Vec<_> = stage.auditor.tally.iter().collect();
        tally.sort();
        let tally: Vec<String> = tally.iter().map(|(what, n)| format!("{what} {n}")).collect();
        let lives: usize = self.gateways.iter().map(|gateway| gateway.lives).sum();
        format!(
            "seed {}: {} commands, {} commits, {} steps, {lives} processes; {}",
            self.seed,
            self.commands,
            stage.auditor.books.commits,
            self.steps,
            tally.join(", ")
        )
    }

    // ----------------------------------------------------------------------------- for scenes

    /// Puts a clock so far off.
    pub fn skew(&mut self, gateway: usize, millis: i64) {
        self.skews[gateway] = millis;
        self.set_clocks();
    }

    pub fn kill_all(&mut self) {
        for gateway in 0..self.gateways.len() {
            self.kill(gateway, false);
        }
    }

    /// Hands errands to one gateway, past the network.
    pub fn hand_over(&mut self, gateway: usize, errands: Vec<Errand>) {
        let (due, ask_again_at) = (self.now, self.now + 1);
        for errand in errands {
            self.drawn += 1;
            let open = Some(self.drawn);
            self.open.insert(self.drawn, Open { errand: errand.clone(), ask_again_at });
            self.network.push(Message { due, gateway, open, errand });
        }
        self.deliver();
    }

    /// Lets every task of a gateway take a turn.
    pub fn turn(&mut self, gateway: usize) {
        self.gateways[gateway].turn();
        self.hear(gateway);
        self.report();
    }

    pub fn nothing_is_open(&self) -> bool {
        self.open.is_empty()
    }

    pub fn open_errands(&self) -> usize {
        self.open.len()
    }

    pub fn is_at_a_gate(&self, gateway: usize) -> bool {
        self.stage.lock().waiting.iter().any(|gate| gate.gateway == gateway)
    }

    /// Lets a gateway run until it is there.
    pub fn reach(&mut self, gateway: usize, point: Point) {
        let there = |world: &Self| {
            let stage = world.stage.lock();
            stage.waiting.iter().any(|gate| gate.gateway == gateway && gate.point == point)
        };
        for _ in 0..100 {
            if there(self) {
                return;
            }
            self.gateways[gateway].run(10);
            self.hear(gateway);
            self.report();
        }
        panic!("gateway {gateway} never comes to {point:?}");
    }

    /// Lets a gateway come to a gate, go on from it, and run.
    pub fn pass(&mut self, gateway: usize, point: Point, verdict: Verdict) {
        self.reach(gateway, point);
        let gates = std::mem::take(&mut self.stage.lock().waiting);
        let (these, others): (Vec<_>, Vec<_>) =
            gates.into_iter().partition(|gate| gate.gateway == gateway && gate.point == point);
        self.stage.lock().waiting.extend(others);
        for gate in these {
            let _ = gate.verdict.send(verdict);
        }
        self.gateways[gateway].run(1);
        self.hear(gateway);
        self.report();
    }

    /// What is in limbo stays there.
    pub fn hold_limbo(&mut self) {
        for limbo in &mut self.stage.lock().limbo {
            limbo.steps = usize::MAX;
        }
    }

    pub fn release_limbo(&mut self) {
        for limbo in &mut self.stage.lock().limbo {
            limbo.steps = 1;
        }
        self.age_limbo();
        self.report();
    }

    /// How often something was seen.
    pub fn counted(&self, what: &str) -> u64 {
        self.stage.lock().auditor.tally.get(what).copied().unwrap_or(0)
    }

    /// Exchanges that were committed.
    pub fn exchanges(&self) -> u64 {
        self.counted("exchange")
    }

    /// Receipts that took the time of the one before because the clock had gone back.
    pub fn times_that_stood_still(&self) -> u64 {
        self.counted("time stood still")
    }

    // -------------------------------------------------------------------- for the workload

    pub fn somebody_defines(&self) -> bool {
        let defines = |errand: &Errand| matches!(errand, Errand::Define(_));
        self.open.values().any(|open| defines(&open.errand))
            || self.network.iter().any(|message| defines(&message.errand))
            || self.is_in_flight(|told| matches!(told, crate::auditor::Told::Definition(_)))
    }

    pub fn somebody_suspends(&self) -> bool {
        let suspends = |errand: &Errand| matches!(errand, Errand::Suspend(..));
        self.open.values().any(|open| suspends(&open.errand))
            || self.network.iter().any(|message| suspends(&message.errand))
            || self.is_in_flight(|told| matches!(told, crate::auditor::Told::Suspension(..)))
    }

    fn is_in_flight(&self, which: impl Fn(&crate::auditor::Told) -> bool) -> bool {
        self.deliveries.values().any(|delivery| which(&delivery.told))
    }

    /// A key's place in a command that has not been delivered.
    pub fn no_key(&mut self, partner: usize) -> Keyed {
        let request = self.props.request(partner, self.now);
        Keyed {
            partner: name(PARTNERS[partner]),
            key: name("none"),
            digest: alliance_contracts::encoding::Hash::ZERO.into(),
            request,
            index: 0,
        }
    }
}
