//! What partners agree on in the world: versions that take effect meanwhile, orders that run into
//! limits, caps and increments, campaigns whose budgets end with orders in flight, boards whose
//! values two people have moved; over gateways that die anywhere, and a store that fails. The model
//! in `auditor/deals` predicts what becomes of each order.

use std::collections::BTreeMap;
use std::sync::Arc;

use alliance_contracts::agreement::Agreement;
use alliance_contracts::campaign::{Campaign, CampaignState};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::AgreementId;
use alliance_contracts::quote::{FeeBearer, QuoteRequest, Side, SideAmount, TransactionKind};
use alliance_contracts::time::Timestamp;
use alliance_settlement::alliance::{CampaignRecord, Definition, Registry};
use alliance_settlement::clearing_house::ClearingHouse;
use alliance_settlement::command::{
    ApproveCampaign, Command, Define, MemberNo, Order, Outcome, ProposeCampaign, Publish, Quoted,
    QuotedSide, QuotedTerms,
};
use alliance_settlement::pricing::{self, Priced};
use alliance_settlement::rates::proposal::{Proposal, ProposedValue};
use alliance_settlement::rates::publication::Publication;
use alliance_settlement::store::conformance::world::{BRANDS, PEOPLE, World as Cast, name};
use futures_util::FutureExt as _;

use super::{Trouble, World};
use crate::auditor::arithmetic::{Bears, Question, by_source, by_target};
use crate::auditor::deals::{Asked, Deals, Holder, scale};
use crate::cast::{BEGINNING, decimal};
use crate::dice::Dice;
use crate::store::Manner;

/// Orders that are open at once.
const OPEN: usize = 20;
/// Quotes that somebody keeps for later.
const KEPT: usize = 24;
const DAY: i64 = 86_400_000;

/// What somebody asks for until there is an answer.
struct Asking {
    command: Command,
    again_at: i64,
    what: What,
}

#[derive(Clone)]
enum What {
    Order,
    Proposal(Box<Agreement>),
    Other,
}

/// A quote that was given.
#[derive(Clone)]
struct Kept {
    terms: QuotedTerms,
    asked: Asked,
}

/// The world with its deals.
pub struct Dealing {
    world: World,
    cast: Cast,
    open: BTreeMap<u64, Asking>,
    deliveries: BTreeMap<u64, u64>,
    asked: u64,
    kept: Vec<Kept>,
    used: Vec<Kept>,
    /// Values as the last proposal wanted them, in 10⁻⁶.
    values: [i64; 3],
}

impl Dealing {
    pub fn new(seed: u64, gateways: usize) -> Self {
        let mut world = World::empty(seed, gateways);
        world.stage.lock().watched = false;
        let mut cast =
            Cast::new(world.store.clone()).now_or_never().expect("memory answers at once");
        let define = Define { definition: definition(&cast), window: cast.id() };
        let defined = cast.decide(vec![Command::Define(Box::new(define))]).now_or_never();
        assert_eq!(defined.expect("memory"), [Outcome::Done(1)]);
        let deals = begun(&cast);
        world.stage.lock().deals = Some(deals);
        // What gateways draw by themselves is another's.
        cast.skip_ids(1 << 40);
        world.now = BEGINNING + 1_000;
        Self {
            world,
            cast,
            open: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            asked: 0,
            kept: Vec::new(),
            used: Vec::new(),
            values: [100_000, 50_000, 200_000],
        }
    }

    /// Asks for so many orders, with all that goes wrong; then lets everything come to its end.
    pub fn run(&mut self, orders: u64, trouble: Trouble) {
        self.world.trouble = trouble;
        self.world.stage.lock().read_faults = trouble.store;
        while self.asked < orders {
            if self.open.len() < OPEN && self.world.dice.per_mille(600) {
                self.order();
            }
            if self.world.dice.per_mille(40) {
                self.deal();
            }
            self.step();
        }
        self.world.trouble = Trouble::NONE;
        self.world.stage.lock().read_faults = 0;
        for turn in 0.. {
            self.step();
            if self.open.is_empty() && self.world.limbo_is_empty() {
                break;
            }
            assert!(turn < 100_000, "{}", self.told("it never comes to an end"));
        }
        self.compare();
    }

    /// How often something was seen.
    pub fn counted(&self, what: &str) -> u64 {
        let stage = self.world.stage.lock();
        let deals = stage.deals.as_ref().expect("from the beginning");
        deals.tally.get(what).copied().unwrap_or(0)
    }

    fn told(&self, what: &str) -> String {
        let seed = self.world.seed;
        format!(
            "{what}\nseed {seed}. To see it again:\n  ALLIANCE_SEED={seed} tests/run -- -E \
             'test(deals_of_a_seed_that_nobody_chose)'"
        )
    }

    fn with<T>(&self, look: impl FnOnce(&mut Deals) -> T) -> T {
        look(self.world.stage.lock().deals.as_mut().expect("from the beginning"))
    }

    // ------------------------------------------------------------------------------- one step

    fn step(&mut self) {
        self.world.now += self.world.dice.between(0, 20);
        // A lull, and a night: boards take effect, quotes end, days and months begin.
        if self.world.dice.per_mille(12) {
            self.world.now += self.world.dice.between(1_000, 40_000);
        }
        if self.world.trouble.kills > 0 && self.world.dice.per_mille(3) {
            self.world.now += self.world.dice.between(DAY / 4, DAY);
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
        self.run_gateways();
        self.world.open_gates();
        self.run_gateways();
        self.world.age_limbo();
        let finding = self.world.stage.lock().finding.take();
        if let Some(finding) = finding {
            panic!("{}", self.told(&finding));
        }
    }

    fn run_gateways(&mut self) {
        for at in 0..self.world.gateways.len() {
            let millis = self.world.dice.between(1, 20);
            self.world.gateways[at].run(u64::try_from(millis).unwrap());
            for (delivery, answer) in self.world.gateways[at].answers() {
                let Some(number) = self.deliveries.remove(&delivery) else { continue };
                let Ok(answer) = answer else { continue };
                let Some(asking) = self.open.remove(&number) else { continue };
                if let (What::Proposal(agreement), Outcome::Agreement(id)) =
                    (asking.what, answer.decided.outcome)
                {
                    self.countersign(id, &agreement);
                }
            }
        }
    }

    fn ask(&mut self, command: Command, what: What) {
        self.asked += u64::from(matches!(what, What::Order));
        self.world.drawn += 1;
        self.open.insert(self.world.drawn, Asking { command, again_at: 0, what });
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

    // --------------------------------------------------------------------------------- orders

    /// Somebody orders: by a new quote, one that was kept, or one that was used before.
    fn order(&mut self) {
        self.cast.now = Timestamp::from_millis(self.world.now);
        let quoted = match self.world.dice.below(100) {
            0..8 if !self.kept.is_empty() => {
                let at = self.world.dice.below(self.kept.len());
                Some(self.kept.swap_remove(at))
            }
            8..10 if !self.used.is_empty() => {
                let at = self.world.dice.recent(self.used.len(), 20);
                Some(self.used[at].clone())
            }
            _ => self.quote(),
        };
        let Some(Kept { terms, mut asked }) = quoted else { return };
        if self.world.dice.per_mille(150) && self.kept.len() < KEPT {
            self.kept.push(Kept { terms, asked });
            return;
        }
        asked.transaction = self.cast.id();
        self.used.push(Kept { terms: terms.clone(), asked: asked.clone() });
        let keyed = self.cast.keyed(BRANDS[asked.source.brand].0);
        let order = Order {
            transaction: asked.transaction,
            source_reference: name(&format!("order {}", asked.transaction)),
            quote: Quoted::Open(Box::new(terms)),
        };
        self.with(|deals| deals.asks(keyed.key.as_str().to_owned(), asked));
        self.ask(Command::Order(keyed, order), What::Order);
    }

    fn quote(&mut self) -> Option<Kept> {
        let gateway = self.world.dice.below(self.world.gateways.len());
        let registry = self.world.gateways[gateway].registry()?;
        let now = self.world.stage.lock().seats[gateway].clock;
        let (source, target) = self.ends();
        let (side, minor) = self.amount(source, target, now);
        let holder = if side == Side::Source { source } else { target };
        let gold = (source.brand, target.brand) == (0, 1) && self.world.dice.per_mille(300);
        let request = QuoteRequest {
            amount: Some(SideAmount {
                side,
                value: Decimal::from_minor(minor, scale(holder.brand))?,
            }),
            expiry: None,
            kind: TransactionKind::Exchange,
            segment: None,
            source: self.cast.account(source.brand, source.person),
            target: self.cast.account(target.brand, target.person),
            tier: gold.then(|| name("gold")),
        };
        let caller = name(BRANDS[source.brand].0);
        let at = Timestamp::from_millis(now);
        let priced = pricing::price(&registry, &caller, &request, at);
        let priced = match priced {
            Ok(priced) => priced,
            Err(refused) => {
                self.with(|deals| deals.count(refused.code.as_str()));
                return None;
            }
        };
        let signed = registry.agreement_at(&caller, &name(BRANDS[target.brand].0), at);
        let signed = signed.and_then(|agreed| agreed.signed);
        let signed = self.with(|deals| signed.and_then(|id| deals.signed(id).cloned()));
        let ends = (source, target, gold);
        match self.kept_as(&registry, &priced, ends, (side, minor), signed.as_ref()) {
            Ok(kept) => Some(kept),
            Err(finding) => panic!("{}", self.told(&format!("a quote: {finding}: {request:?}"))),
        }
    }

    /// Holds a quote against the auditor's own sums.
    fn kept_as(
        &mut self,
        registry: &Registry,
        priced: &Priced,
        (source, target, gold): (Holder, Holder, bool),
        (side, minor): (Side, i64),
        signed: Option<&Agreement>,
    ) -> Result<Kept, String> {
        let rate = priced.rate.clone();
        let question = Question {
            source_scale: scale(source.brand),
            target_scale: scale(target.brand),
            source_value: rate.source_value.micros(),
            target_value: rate.target_value.micros(),
            multiplier: rate.multiplier.micros(),
            fee: rate.fee.micros(),
            bears: match rate.fee_bearer {
                FeeBearer::Member => Bears::Member,
                FeeBearer::SourcePartner => Bears::Giver,
                FeeBearer::TargetPartner => Bears::Taker,
            },
        };
        let sums = match side {
            Side::Source => by_source(question, minor),
            Side::Target => by_target(question, minor),
        };
        let sums = sums.map_err(|_| "there is no such order".to_owned())?;
        let narrow = |amount: i128| i64::try_from(amount).unwrap();
        let (given, taken) = (narrow(sums.source), narrow(sums.target));
        let settlement = priced.settlement.as_ref().ok_or("no settlement")?;
        let told = [settlement.gross, settlement.fee, settlement.net, settlement.remainder];
        let told = told.map(|part| i128::from(part.micros()));
        if told != [sums.gross, sums.fee, sums.net, sums.remainder] {
            return Err(format!("{told:?}, should be {sums:?}"));
        }
        if !signed.is_none_or(|agreed| in_bounds(agreed, source, given)) {
            return Err(format!("{given} points are not as agreed"));
        }
        if let Some(bonus) = &priced.bonus {
            let points = bonus.points.to_minor(scale(target.brand)).ok_or("half a point")?;
            let worth = i128::from(points) * i128::from(rate.target_value.micros());
            let one = 10_i128.pow(scale(target.brand));
            if i128::from(bonus.cost.micros()) != (worth + one - 1) / one {
                return Err(format!("{bonus:?} costs something else"));
            }
        }
        let side = |side| QuotedSide::of(side, registry, &self.cast.vault).ok_or("no side");
        let (from, to) = (side(priced.source.clone())?, side(priced.target.clone())?);
        let terms = QuotedTerms {
            id: self.cast.id(),
            kind: TransactionKind::Exchange,
            expires_at: priced.expires_at,
            rate: rate.clone(),
            settlement: priced.settlement.clone(),
            source: from,
            target: to,
            bonus: priced.bonus.clone(),
            expiry: priced.expiry,
        };
        let asked = Asked {
            transaction: self.cast.id(),
            quote: terms.id,
            expires_at: terms.expires_at.as_millis(),
            source,
            target,
            given,
            taken,
            gross: narrow(sums.gross),
            gold,
            rate,
            bonus: terms.bonus.clone(),
        };
        Ok(Kept { terms, asked })
    }

    fn ends(&mut self) -> (Holder, Holder) {
        let dice = &mut self.world.dice;
        // One direction and a few people are hot.
        let (source, target) = if dice.per_mille(450) {
            (0, 1)
        } else {
            let source = dice.below(BRANDS.len());
            (source, (source + 1 + dice.below(BRANDS.len() - 1)) % BRANDS.len())
        };
        let person = if dice.per_mille(500) { dice.below(2) } else { dice.below(PEOPLE) };
        (Holder { brand: source, person }, Holder { brand: target, person })
    }

    /// At some edge: all that is free and one more, all with what is held, what is left of a day.
    fn amount(&mut self, source: Holder, target: Holder, now: i64) -> (Side, i64) {
        let (free, all, room) = self.with(|deals| {
            let room = deals.room(source, target.brand, now);
            (deals.free(source, now), deals.balance(source), room)
        });
        let dice = &mut self.world.dice;
        let one = 10_i64.pow(scale(source.brand));
        match (dice.below(100), room) {
            (0..6, _) => (Side::Source, free.max(1)),
            (6..8, _) => (Side::Source, free.max(0) + 1),
            (8..12, _) => (Side::Source, all.max(1)),
            (12..40, Some(room)) => (Side::Source, room.max(1) + dice.between(0, 1) * 10 * one),
            (40..50, _) => (Side::Target, dice.between(1, 4_000)),
            (50..55, _) => (Side::Source, dice.between(1, 20)),
            _ => (Side::Source, dice.between(1, 300) * 10 * one),
        }
    }

    // ---------------------------------------------------------------------------------- deals

    /// Somebody changes what holds.
    fn deal(&mut self) {
        self.cast.now = Timestamp::from_millis(self.world.now);
        let gateway = self.world.dice.below(self.world.gateways.len());
        match self.world.dice.below(12) {
            0 => self.propose_agreement(),
            1 => self.propose_campaign(),
            2 | 3 => self.approve_campaigns(gateway),
            4 | 5 => self.move_values(gateway),
            6 | 7 => self.approve_values(gateway),
            _ => self.publish(gateway),
        }
    }

    /// Begins something that is worked out on a thread of its own: alone, because else the seed
    /// would not say what comes first.
    fn alone<F>(&mut self, gateway: usize, work: impl FnOnce(ClearingHouse) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.world.gateways[gateway].spawn(work);
        self.world.gateways[gateway].run(1);
    }

    /// Works the next board out and hands it in, once: what is not published now is later.
    fn publish(&mut self, gateway: usize) {
        self.alone(gateway, |house| async move {
            let Ok((registry, publication)) = house.next_board().await else { return };
            let proposals: Vec<u32> = registry.approved_proposals().map(|one| one.number).collect();
            if !publication.changes && proposals.is_empty() {
                return;
            }
            let Publication { board, terms, .. } = publication;
            let terms = Arc::new(terms);
            let based_on = registry.seen_version;
            let publish = Publish { board, terms, proposals, based_on, slot: None };
            let _ = house.submit(Command::Publish(Box::new(publish))).await;
        });
    }

    fn propose_agreement(&mut self) {
        let last = self.with(|deals| deals.last_signed().cloned());
        let agreement = agreement(&self.cast, &mut self.world.dice, last.as_ref());
        let Command::ProposeAgreement(keyed, proposal) = self.cast.propose(0, &agreement) else {
            unreachable!("a proposal is one")
        };
        self.with(|deals| deals.signs(proposal.id, agreement.clone()));
        let command = Command::ProposeAgreement(keyed, proposal);
        self.ask(command, What::Proposal(Box::new(agreement)));
    }

    fn countersign(&mut self, id: AgreementId, agreement: &Agreement) {
        self.cast.now = Timestamp::from_millis(self.world.now);
        let command = self.cast.countersign(1, id, agreement);
        self.ask(command, What::Other);
    }

    fn propose_campaign(&mut self) {
        let (id, campaign) = (self.cast.id(), campaign(&self.cast, &mut self.world.dice));
        self.with(|deals| deals.proposes(id, campaign.clone()));
        let propose = ProposeCampaign { id, campaign, by: name("lin") };
        self.ask(Command::ProposeCampaign(Box::new(propose)), What::Other);
    }

    /// Two people look through what waits: one of them has proposed it.
    fn approve_campaigns(&mut self, gateway: usize) {
        let Some(registry) = self.world.gateways[gateway].registry() else { return };
        let waits = |record: &CampaignRecord| record.state == CampaignState::Proposed;
        let waiting: Vec<Arc<CampaignRecord>> =
            registry.campaigns.iter().filter(|record| waits(record)).cloned().collect();
        for record in waiting {
            let by = if self.world.dice.per_mille(300) { "lin" } else { "chen" };
            self.alone(gateway, |house| async move {
                // Not where somebody would gain; and refused where its maker asks.
                let based_on = house.registry().seen_version;
                let Ok(None) = house.campaign_gain(&record.campaign).await else { return };
                let approval = ApproveCampaign { id: record.id, by: name(by), based_on };
                let _ = house.submit(Command::ApproveCampaign(Box::new(approval))).await;
            });
        }
    }

    fn move_values(&mut self, gateway: usize) {
        let at = self.world.dice.below(BRANDS.len());
        let base = [100_000, 50_000, 200_000][at];
        let parts = self.world.dice.between(850, 1_150);
        self.values[at] = base * parts / 1_000;
        let value =
            ProposedValue { program: name(BRANDS[at].1), value: name(&decimal(self.values[at])) };
        let proposal = Proposal { values: vec![value], ..Proposal::default() };
        self.world.gateways[gateway].spawn(|house| async move {
            let _ = house.propose(proposal, name("lin")).await;
        });
    }

    fn approve_values(&mut self, gateway: usize) {
        let by = if self.world.dice.per_mille(300) { "lin" } else { "chen" };
        self.world.gateways[gateway].spawn(|house| async move {
            let Ok(all) = house.proposals(5).await else { return };
            for one in all.iter().filter(|one| one.approved_at.is_none()) {
                // Refused where its maker asks.
                let _ = house.approve(one.number, name(by)).await;
            }
        });
    }

    // ------------------------------------------------------------------------------- the end

    fn compare(&mut self) {
        let store = self.world.store.clone();
        let books = store.member_books(MemberNo(-1), 1_000).now_or_never().unwrap().unwrap();
        let balances: Vec<_> = books.iter().map(|one| (one.member, one.balance)).collect();
        if let Err(finding) = self.with(|deals| deals.whole(&balances)) {
            panic!("{}", self.told(&finding));
        }
        self.world.audited();
        let lives: usize = self.world.gateways.iter().map(|gateway| gateway.lives).sum();
        let tally = self.with(|deals| deals.tally.clone());
        let days = (self.world.now - BEGINNING) / DAY;
        println!("seed {}: {days} days, {lives} processes; {tally:?}", self.world.seed);
    }
}

/// Two brands sign, three exchange; values move, and whoever goes the way of all pays for it.
fn definition(cast: &Cast) -> Definition {
    let mut document = serde_json::to_value(cast.definition()).unwrap();
    document["rates"] = serde_json::json!({
        "notice_seconds": 4, "schedule": "", "approval_threshold": "0.02",
        "surcharge": {
            "deadband": "100", "depth": "2000", "max": "0.03", "retention": "0.9", "slope": "0.01",
        },
    });
    let definition: Definition = serde_json::from_value(document).unwrap();
    definition.check().unwrap();
    definition
}

/// The model of what is there.
fn begun(cast: &Cast) -> Deals {
    let registry = cast.registry().now_or_never().expect("memory");
    let people = (0..BRANDS.len()).flat_map(|brand| {
        let opening = alliance_settlement::store::conformance::world::OPENING;
        (0..PEOPLE).map(move |person| (Holder { brand, person }, opening))
    });
    let boards = registry.boards.iter().map(|one| (one.board.clone(), one.terms.clone()));
    Deals::new(BRANDS, people, boards)
}

/// A version of the first two brands' agreement, with something of everything.
fn agreement(cast: &Cast, dice: &mut Dice, last: Option<&Agreement>) -> Agreement {
    let fee = dice.between(12_000, 30_000);
    let some = |dice: &mut Dice, value: serde_json::Value| {
        if dice.per_mille(650) { value } else { serde_json::Value::Null }
    };
    let limit = dice.between(10, 300) * 10;
    let caps = serde_json::json!({
        "a": decimal(dice.between(500, 8_000) * 1_000_000),
        "b": decimal(dice.between(500, 8_000) * 1_000_000),
    });
    let bounds = serde_json::json!([{
        "program": BRANDS[0].1, "minimum": "10", "increment": "10",
        "maximum": decimal(dice.between(50, 300) * 10 * 1_000_000),
    }]);
    let factor = |dice: &mut Dice| decimal(dice.between(900_000, 1_000_000));
    let (there, back) = (factor(dice), factor(dice));
    let late = decimal(dice.between(20, 300) * 1_000_000);
    let (caps, late) = (some(dice, caps), some(dice, late.into()));
    let limits = if dice.per_mille(700) {
        serde_json::json!([{"program": BRANDS[0].1, "points": limit.to_string()}])
    } else {
        serde_json::json!([])
    };
    let orders = if dice.per_mille(600) { bounds } else { serde_json::json!([]) };
    let overrides = if dice.per_mille(600) {
        serde_json::json!([
            {"source": BRANDS[0].1, "target": BRANDS[1].1, "factor": there},
            {"source": BRANDS[1].1, "target": BRANDS[0].1, "factor": back},
        ])
    } else {
        serde_json::json!([])
    };
    let tiers = if dice.per_mille(700) {
        serde_json::json!([{
            "source": BRANDS[0].1, "source_tier": "gold", "target": BRANDS[1].1,
            "target_tier": "platinum", "multiplier": decimal(dice.between(1_000_000, 1_080_000)),
        }])
    } else {
        serde_json::json!([])
    };
    let version = last.map_or(1, |last| last.version + 1);
    serde_json::from_value(serde_json::json!({
        "a": BRANDS[0].0, "alliance": "demo", "b": BRANDS[1].0,
        "caps": caps,
        "effective_at": cast.now.plus_seconds(dice.between(130, 400)),
        "expiry": if dice.per_mille(500) { "carry_over" } else { "fresh" },
        "fee": {
            "bearer": "member", "rate": decimal(fee),
            "tiers": [{"from": "2000", "rate": decimal(fee - 4_000)}],
        },
        "kinds": ["exchange"], "member_limits": limits, "open_quote_limit": late,
        "orders": orders, "overrides": overrides,
        "previous": last.map_or(Hash::ZERO, Agreement::hash),
        "quote_lifetime_seconds": dice.between(30, 120),
        "reversal_period_seconds": 0, "tiers": tiers, "v": 1, "version": version,
    }))
    .unwrap()
}

/// A campaign with a small budget; its points are held until it is over, or not at all.
fn campaign(cast: &Cast, dice: &mut Dice) -> Campaign {
    let (source, target) = *dice.pick(&[(0, 1), (0, 1), (1, 2), (2, 0)]);
    let days = dice.between(1, 4);
    let held = if dice.per_mille(800) { days + dice.between(1, 5) } else { 0 };
    let multiplier = if held > 0 { dice.between(1_200, 3_000) } else { dice.between(1_001, 1_020) };
    serde_json::from_value(serde_json::json!({
        "v": 1, "alliance": "demo", "name": "More", "sponsor": BRANDS[target].0,
        "source": BRANDS[source].1, "target": BRANDS[target].1,
        "multiplier": decimal(multiplier * 1_000),
        "budget": decimal(dice.between(20, 600) * 1_000_000),
        "red_line": if dice.per_mille(500) { "1" } else { "0.97" },
        "from": cast.now.plus_seconds(-60), "until": cast.now.plus_seconds(days * 86_400),
        "holdback_days": held, "segments": null, "tiers": null,
    }))
    .unwrap()
}

/// Whether an order gives what one may give.
fn in_bounds(agreed: &Agreement, source: Holder, given: i64) -> bool {
    let bounds = agreed.orders.iter().find(|one| one.program.as_str() == BRANDS[source.brand].1);
    let minor =
        |bound: Option<Decimal>| bound.and_then(|bound| bound.to_minor(scale(source.brand)));
    bounds.is_none_or(|bounds| {
        minor(bounds.minimum).is_none_or(|least| given >= least)
            && minor(bounds.maximum).is_none_or(|most| given <= most)
            && minor(bounds.increment).is_none_or(|step| given % step == 0)
    })
}
