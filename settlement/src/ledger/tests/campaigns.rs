//! Campaigns: who may start one, what they add, how they end; points that are held.

use crate::rates::proposal::OperatorName;
use alliance_contracts::campaign::{Campaign, CampaignState};
use alliance_contracts::ids::CampaignId;
use proptest::prelude::*;

use super::super::lots;
use super::*;
use crate::alliance::CampaignRecord;
use crate::command::{ApproveCampaign, ProposeCampaign, StopCampaign};

const DAY: i64 = 86_400;

/// Twice the stars for a week, held until it is over.
fn double(budget: &str) -> Campaign {
    campaign(serde_json::json!({"budget": budget}))
}

fn campaign(changes: serde_json::Value) -> Campaign {
    let mut draft = serde_json::json!({
        "v": 1, "alliance": "demo", "name": "Double stars", "sponsor": "borealis-coffee",
        "source": "aurora", "target": "borealis", "multiplier": "2", "budget": "1000",
        "from": NOW, "until": NOW.plus_seconds(7 * DAY), "holdback_days": 7
    });
    for (name, value) in changes.as_object().unwrap() {
        draft[name] = value.clone();
    }
    let campaign: Campaign = serde_json::from_value(draft).unwrap();
    assert_eq!(campaign.faults(None), []);
    campaign
}

fn operator(name: &str) -> OperatorName {
    name.parse().unwrap()
}

impl World {
    fn propose_campaign(&mut self, campaign: &Campaign, by: &str) -> (CampaignId, Outcome) {
        let id = self.draw();
        let proposal = ProposeCampaign { id, campaign: campaign.clone(), by: operator(by) };
        let command = Command::ProposeCampaign(Box::new(proposal));
        let outcome = decide(&mut self.set, &command, NOW).outcome;
        self.commit_campaigns();
        (id, outcome)
    }

    fn approve_campaign(&mut self, id: CampaignId, by: &str) -> Outcome {
        let based_on = self.set.registry.seen_version;
        let approval = ApproveCampaign { id, by: operator(by), based_on };
        let command = Command::ApproveCampaign(Box::new(approval));
        let outcome = decide(&mut self.set, &command, NOW).outcome;
        self.commit_campaigns();
        outcome
    }

    /// As if this batch had been committed: its campaigns are in the registry.
    fn commit_campaigns(&mut self) {
        let written = std::mem::take(&mut self.set.writes.campaigns);
        let registry = Arc::make_mut(&mut self.set.registry);
        for (id, record) in written {
            registry.campaigns.retain(|known| known.id != id);
            registry.campaigns.push(Arc::new(record));
            registry.seen_version += 1;
        }
        registry.campaigns.sort_by_key(|record| record.id);
    }

    fn run_campaign(&mut self, campaign: &Campaign) -> CampaignId {
        let (id, proposed) = self.propose_campaign(campaign, "lin");
        assert_eq!(proposed, Outcome::Done(1));
        assert_eq!(self.approve_campaign(id, "chen"), Outcome::Done(1));
        id
    }

    fn record(&self, id: CampaignId) -> CampaignRecord {
        self.set.campaign(&id).unwrap().clone()
    }

    fn spent(&self, id: CampaignId) -> i128 {
        -self.money(Account::Campaign(id))
    }

    fn held(&self, member: i64, now: Timestamp) -> i64 {
        lots::held(&self.set.members[&MemberNo(member)].lots, now).0
    }

    /// B-1 gives so many stars for miles of A-1.
    fn back(&mut self, amount: &str, now: Timestamp) -> Outcome {
        let mut terms = self.terms(("borealis", "B-1"), ("aurora", "A-1"), amount);
        terms.expires_at = now.plus_seconds(60);
        let name = format!("back-{}", self.drawn);
        let keyed = self.keyed("borealis-coffee", &name, &name);
        let order = Order {
            transaction: self.draw(),
            source_reference: name.parse().unwrap(),
            quote: Quoted::Open(Box::new(terms)),
        };
        decide(&mut self.set, &Command::Order(keyed, order), now).outcome
    }
}

fn pointers(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::CampaignRefused(faults) => faults.iter().map(|f| f.pointer.clone()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_faulty_campaign_is_refused_with_all_its_faults_and_nothing_is_kept() {
    let mut world = World::new();
    let mut bad = double("1000");
    bad.alliance = "other".parse().unwrap();
    bad.until = NOW;
    bad.from = NOW.plus_seconds(-10);
    bad.multiplier = Decimal::ONE;
    bad.sponsor = "cedar-hotels".parse().unwrap();
    let (id, outcome) = world.propose_campaign(&bad, "lin");
    assert_eq!(pointers(&outcome), ["/multiplier", "/sponsor", "/alliance", "/until"]);
    assert!(world.set.campaign(&id).is_none() && world.set.writes.is_empty());
}

#[test]
fn a_campaign_takes_effect_when_another_operator_has_approved_it() {
    let mut world = World::new();
    let (id, proposed) = world.propose_campaign(&double("1000"), "lin");
    assert_eq!(proposed, Outcome::Done(1));
    let quoted = |world: &mut World| world.terms(("aurora", "A-1"), ("borealis", "B-1"), "100");
    assert_eq!(quoted(&mut world).bonus, None, "proposed, it adds nothing");
    assert_eq!(pointers(&world.approve_campaign(id, "lin")), [""]);
    assert_eq!(world.record(id).state, CampaignState::Proposed);
    assert_eq!(world.approve_campaign(id, "chen"), Outcome::Done(1));
    assert_eq!(world.approve_campaign(id, "chen"), Outcome::Done(0), "again does no harm");
    let record = world.record(id);
    assert_eq!((record.state, record.approved_by), (CampaignState::Active, Some(operator("chen"))));
    let bonus = quoted(&mut world).bonus.unwrap();
    assert_eq!((bonus.points.to_string(), bonus.cost.to_string()), ("49".into(), "4.9".into()));
    let stop = StopCampaign { id, by: operator("lin") };
    let stop = Command::StopCampaign(Box::new(stop));
    assert_eq!(decide(&mut world.set, &stop, NOW).outcome, Outcome::Done(1));
    world.commit_campaigns();
    assert_eq!(decide(&mut world.set, &stop, NOW).outcome, Outcome::Done(0));
    assert_eq!(quoted(&mut world).bonus, None);
    assert_eq!(pointers(&world.approve_campaign(id, "chen")), [""], "it does not come back");
}

#[test]
fn within_the_budget_that_one_may_approve_the_proposer_may() {
    let mut world = World::new();
    let rates = &mut Arc::make_mut(&mut world.set.registry).definition.rates;
    rates.campaign_approval_budget = "1000".parse().unwrap();
    let (small, _) = world.propose_campaign(&double("1000"), "lin");
    assert_eq!(world.approve_campaign(small, "lin"), Outcome::Done(1));
    let (large, _) = world.propose_campaign(&double("1000.000001"), "lin");
    assert_eq!(pointers(&world.approve_campaign(large, "lin")), [""]);
}

#[test]
fn what_was_looked_at_in_another_registry_is_stale() {
    let mut world = World::new();
    let (id, _) = world.propose_campaign(&double("1000"), "lin");
    let approval = ApproveCampaign { id, by: operator("chen"), based_on: 1 };
    let command = Command::ApproveCampaign(Box::new(approval));
    assert_eq!(decide(&mut world.set, &command, NOW).outcome, Outcome::CampaignStale);
    assert_eq!(world.record(id).state, CampaignState::Proposed);
}

#[test]
fn a_bonus_is_posted_beside_the_order_and_is_a_lot_of_its_own() {
    let mut world = World::new();
    let id = world.run_campaign(&double("1000"));
    let transaction = accepted(&world.order("1000"));
    assert_eq!((world.balance(1), world.balance(2)), (0, 500 + 495 + 495));
    assert_eq!(world.held(2, NOW), 495);
    assert_eq!(world.spent(id), 49_500_000);
    assert_eq!(world.position("borealis-coffee"), 99_000_000);
    let money = world.set.accounts.iter().filter(|((_, asset), _)| asset.to_string() == "CNY");
    assert_eq!(money.map(|(_, balance)| balance).sum::<i128>(), 0);
    let lines = &world.set.drafts[0].postings;
    let last: Vec<String> =
        lines[4..].iter().map(|l| format!("{} {} {}", l.debit, l.amount, l.asset)).collect();
    assert_eq!(
        last,
        ["issued:borealis 495 borealis".to_owned(), format!("campaign:{id} 49.5 CNY")]
    );
    let signed = receipts::chain(&mut world.set, NOW, SigningKey::from_seed(&[9; 32]).kid());
    let receipt = receipt::parse(&signed[0].payload).unwrap();
    assert_eq!(receipt.bonus, world.set.transaction(&transaction).unwrap().bonus);
    assert_eq!(receipt.bonus.unwrap().campaign, id);
}

#[test]
fn of_several_campaigns_the_best_for_the_member_adds_and_of_equals_the_older() {
    let mut world = World::new();
    let first = world.run_campaign(&double("1000"));
    world.run_campaign(&double("1000"));
    let many = campaign(serde_json::json!({
        "multiplier": "3", "source": null, "tiers": ["gold"], "segments": ["new"]
    }));
    let large = world.run_campaign(&many);
    world.run_campaign(&campaign(serde_json::json!({"multiplier": "10", "budget": "4"})));
    world.run_campaign(&campaign(serde_json::json!({"multiplier": "9", "target": "cedar",
        "source": "borealis", "sponsor": "cedar-hotels"})));
    let registry = world.set.registry.clone();
    let mut request = QuoteRequest {
        expiry: None,
        amount: Some(SideAmount { side: Side::Source, value: "100".parse().unwrap() }),
        kind: TransactionKind::Exchange,
        segment: Some("new".parse().unwrap()),
        source: account(("aurora", "A-1")).into(),
        target: account(("borealis", "B-1")).into(),
        tier: None,
    };
    let caller = "aurora-air".parse().unwrap();
    let best = |request: &QuoteRequest| {
        let priced = pricing::price(&registry, &caller, request, NOW).unwrap();
        let bonus = priced.bonus.unwrap();
        (bonus.campaign, bonus.points.to_string())
    };
    assert_eq!(best(&request), (first, "49".to_owned()), "the tenfold cannot pay 44.1");
    request.tier = Some("gold".parse().unwrap());
    assert_eq!(best(&request), (large, "98".to_owned()));
    request.tier = Some("silver".parse().unwrap());
    assert!(pricing::price(&registry, &caller, &request, NOW).is_err(), "nobody knows silver");
    request.tier = None;
    let last_second = double("1").until.plus_seconds(-1);
    let priced = pricing::price(&registry, &caller, &request, last_second).unwrap();
    assert_eq!(priced.expires_at, double("1").until, "no quote outlives its campaign");
    let over = pricing::price(&registry, &caller, &request, double("1").until).unwrap();
    assert_eq!(over.bonus, None);
}

#[test]
fn held_points_are_not_exchanged_onward_until_the_holdback_ends() {
    let mut world = World::new();
    definition_of(&mut world).partners[0].net_debit_cap = None;
    world.run_campaign(&double("1000"));
    accepted(&world.order("1000"));
    assert_eq!(world.back("996", NOW), refused(ProblemCode::InsufficientPoints));
    assert!(matches!(world.back("995", NOW), Outcome::Transaction(_)));
    assert_eq!((world.balance(2), world.held(2, NOW)), (495, 495));
    assert_eq!(world.back("2", NOW), refused(ProblemCode::InsufficientPoints));
    let until = double("1").held_until(NOW).unwrap();
    let before = Timestamp::from_millis(until.as_millis() - 1);
    assert_eq!(world.back("495", before), refused(ProblemCode::InsufficientPoints));
    assert!(matches!(world.back("495", until), Outcome::Transaction(_)));
    assert!(world.set.members[&MemberNo(2)].lots.is_empty(), "what is free is forgotten");
    assert_eq!(world.set.writes.lots.values().next(), Some(&None));
}

#[test]
fn bonuses_of_one_campaign_and_day_are_one_lot() {
    let mut world = World::new();
    let id = world.run_campaign(&double("1000"));
    accepted(&world.order("100"));
    accepted(&world.order("100"));
    let lots = &world.set.members[&MemberNo(2)].lots;
    assert_eq!((lots.len(), lots[0].points, lots[0].campaign), (1, 98, id));
    let without = campaign(serde_json::json!({"holdback_days": 0, "multiplier": "3"}));
    let free = world.run_campaign(&without);
    accepted(&world.order("100"));
    assert!(world.spent(free) > 0 && world.held(2, NOW) == 98, "nothing is held");
}

#[test]
fn a_budget_warns_at_three_levels_and_ends_at_its_red_line_exactly() {
    let mut world = World::new();
    definition_of(&mut world).partners[0].net_debit_cap = None;
    world.set.members.get_mut(&MemberNo(1)).unwrap().balance = 100_000;
    // 100 miles cost 4.9: ten of them to the red line of 98 % of 50.
    let id = world.run_campaign(&campaign(serde_json::json!({"budget": "50", "red_line": "0.98"})));
    let mut levels = Vec::new();
    // A quote of each from before it ends: they stand.
    let quotes: Vec<QuotedTerms> =
        (0..12).map(|_| world.terms(("aurora", "A-1"), ("borealis", "B-1"), "100")).collect();
    let mut outcomes = Vec::new();
    for (n, terms) in quotes.into_iter().enumerate() {
        let name = format!("order-{n}");
        let quote = Quoted::Open(Box::new(terms));
        outcomes.push(world.exchange("aurora-air", &name, &name, quote).outcome);
        levels.push(world.record(id).warned);
    }
    let made = outcomes.iter().filter(|o| matches!(o, Outcome::Transaction(_))).count();
    assert_eq!(made, 10);
    assert!(outcomes[10..].iter().all(|o| *o == refused(ProblemCode::ExceedsCampaignBudget)));
    assert_eq!(levels, [0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 3, 3]);
    assert_eq!(world.spent(id), 49_000_000);
    let record = world.record(id);
    assert_eq!((record.state, record.stopped_by), (CampaignState::Stopped, None));
    // Its sponsor hears of each level; whoever sees it, of its beginning and its end.
    let of = |told: Vec<(String, String)>| -> Vec<String> {
        let kinds = told.into_iter().map(|(kind, _)| kind);
        kinds.filter(|kind| kind.starts_with("campaign.")).collect()
    };
    let levels = ["campaign.warned"; 3];
    let sponsors = [&["campaign.approved"][..], &levels, &["campaign.exhausted"]].concat();
    assert_eq!(of(world.told("borealis-coffee")), sponsors);
    assert_eq!(of(world.told("aurora-air")), ["campaign.approved", "campaign.exhausted"]);
    assert_eq!(of(world.told("cedar-hotels")), [""; 0]);
    world.commit_campaigns();
    let next = world.terms(("aurora", "A-1"), ("borealis", "B-1"), "100");
    assert_eq!(next.bonus, None, "and the next quote has none");
}

#[test]
fn an_order_that_does_not_fit_stops_the_campaign_and_moves_nothing() {
    let mut world = World::new();
    let id = world.run_campaign(&double("10"));
    accepted(&world.order("100"));
    let refusal = world.order("200");
    assert_eq!(refusal.outcome, refused(ProblemCode::ExceedsCampaignBudget));
    assert_eq!((world.spent(id), world.balance(1)), (4_900_000, 900));
    assert_eq!(world.record(id).state, CampaignState::Stopped);
    // Nor one that is a millionth too much.
    let mut world = World::new();
    let id = world.run_campaign(&double("9.799999"));
    accepted(&world.order("100"));
    assert_eq!(world.order("100").outcome, refused(ProblemCode::ExceedsCampaignBudget));
    assert_eq!(world.spent(id), 4_900_000);
    // One that could not have been performed anyway stops nothing.
    let mut world = World::new();
    let id = world.run_campaign(&double("60"));
    accepted(&world.order("1000"));
    assert_eq!(world.order("300").outcome, refused(ProblemCode::InsufficientPoints));
    assert_eq!(world.record(id).state, CampaignState::Active);
}

#[test]
fn a_reversal_takes_the_bonus_back_and_gives_the_campaign_its_cost() {
    let mut world = World::new();
    let id = world.run_campaign(&double("1000"));
    let original = accepted(&world.order("1000"));
    let part = world.reverse("borealis-coffee", original, Some((Side::Target, "100")));
    let Outcome::Transaction(part) = part else { panic!("{part:?}") };
    let bonus = world.set.transaction(&part).unwrap().bonus.clone().unwrap();
    assert_eq!((bonus.points.to_string(), bonus.cost.to_string()), ("100".into(), "10".into()));
    assert_eq!((world.balance(2), world.held(2, NOW)), (500 + 790, 395));
    assert_eq!(world.spent(id), 39_500_000);
    let lines = &world.set.drafts[1].postings;
    assert_eq!(lines.len(), 6, "zero lines are left out");
    assert_eq!(lines[5].credit, Account::Campaign(id));
    let rest = world.reverse("borealis-coffee", original, None);
    assert!(matches!(rest, Outcome::Transaction(_)));
    assert_eq!((world.balance(1), world.balance(2), world.held(2, NOW)), (1_000, 500, 0));
    assert_eq!((world.spent(id), world.position("borealis-coffee")), (0, 0));
    assert!(world.set.members[&MemberNo(2)].lots.is_empty());
}

#[test]
fn going_back_does_not_turn_held_points_into_free_ones() {
    let mut world = World::new();
    definition_of(&mut world).partners[0].net_debit_cap = None;
    let plain = accepted(&world.order("1000"));
    world.run_campaign(&double("1000"));
    world.set.members.get_mut(&MemberNo(1)).unwrap().balance = 1_000;
    let with_bonus = accepted(&world.order("1000"));
    // All that is free goes onward: what is left is the bonus.
    assert!(matches!(world.back("1490", NOW), Outcome::Transaction(_)));
    assert_eq!((world.balance(2), world.held(2, NOW)), (495, 495));
    let refusal = refused(ProblemCode::InsufficientPoints);
    assert_eq!(world.reverse("borealis-coffee", plain, None), refusal);
    assert_eq!(world.reverse("borealis-coffee", with_bonus, None), refusal);
    assert_eq!((world.balance(2), world.held(2, NOW)), (495, 495));
}

#[test]
fn a_bonus_that_is_free_by_now_is_taken_back_from_what_is_free() {
    let mut world = World::new();
    let id = world.run_campaign(&double("1000"));
    let original = accepted(&world.order("1000"));
    let later = double("1").held_until(NOW).unwrap();
    let name = "late".to_owned();
    let keyed = world.keyed("borealis-coffee", &name, &name);
    let order = Reverse {
        transaction: world.draw(),
        original,
        corridor: "aurora-air~borealis-coffee".parse().unwrap(),
        members: vec![MemberNo(1), MemberNo(2)],
        amount: None,
        reason: "customer_request".parse().unwrap(),
        source_reference: name.parse().unwrap(),
    };
    let reversed = decide(&mut world.set, &Command::Reverse(keyed, order), later).outcome;
    assert!(matches!(reversed, Outcome::Transaction(_)));
    assert_eq!((world.balance(2), world.spent(id)), (500, 0));
}

/// What a greedy member does next.
#[derive(Clone, Debug)]
enum Move {
    There(u32),
    Back(u32),
    Undo(usize),
    Later(i64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (1_u32..=100).prop_map(Move::There),
        4 => (1_u32..=100).prop_map(Move::Back),
        2 => (0_usize..8).prop_map(Move::Undo),
        1 => (0_i64..2 * DAY).prop_map(Move::Later),
    ];
    prop::collection::vec(one, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever it orders, sends back and turns round while a doubling campaign runs: what it can
    /// exchange is never worth more than what it came with, and nobody's books are out.
    #[test]
    fn a_greedy_member_gains_nothing_it_can_exchange_before_the_holdback_ends(moves in moves()) {
        let mut world = World::new();
        definition_of(&mut world).partners[0].net_debit_cap = None;
        let id = world.run_campaign(&double("1000"));
        let (mut now, mut made) = (NOW, Vec::new());
        let until = world.record(id).campaign.until;
        // Miles are worth 0.05, stars 0.1; in 10^-2.
        let worth = |world: &World, now| {
            let free = world.balance(2) - world.held(2, now);
            5 * world.balance(1) + 10 * free
        };
        let at_first = worth(&world, now);
        for one in moves {
            match one {
                Move::Later(seconds) => now = now.plus_seconds(seconds),
                Move::There(percent) if now < until => {
                    let amount = world.balance(1) * i64::from(percent) / 100;
                    if amount < 4 { continue }
                    let mut terms =
                        world.terms(("aurora", "A-1"), ("borealis", "B-1"), &amount.to_string());
                    terms.expires_at = now.plus_seconds(60);
                    let name = format!("there-{}", world.drawn);
                    let keyed = world.keyed("aurora-air", &name, &name);
                    let order = Order {
                        transaction: world.draw(),
                        source_reference: name.parse().unwrap(),
                        quote: Quoted::Open(Box::new(terms)),
                    };
                    let command = Command::Order(keyed, order);
                    if let Outcome::Transaction(id) = decide(&mut world.set, &command, now).outcome {
                        made.push(id);
                    }
                    world.commit_campaigns();
                }
                Move::Back(percent) => {
                    // All of the balance, as if nothing were held: then what is free.
                    let free = world.balance(2) - world.held(2, now);
                    for whole in [world.balance(2), free] {
                        let amount = whole * i64::from(percent) / 100;
                        if amount >= 2 {
                            world.back(&amount.to_string(), now);
                        }
                    }
                }
                Move::Undo(at) if !made.is_empty() => {
                    let original = made[at % made.len()];
                    world.reverse_at("borealis-coffee", original, None, now);
                }
                _ => {}
            }
            let end = world.record(id).campaign.held_until(NOW).unwrap();
            if now < end {
                prop_assert!(worth(&world, now) <= at_first, "{} of {at_first}", worth(&world, now));
            }
            prop_assert!(world.balance(2) >= world.held(2, now), "more is held than there is");
            let money = world.set.accounts.iter().filter(|((_, a), _)| a.to_string() == "CNY");
            prop_assert_eq!(money.map(|(_, balance)| balance).sum::<i128>(), 0);
            let spent = world.spent(id);
            prop_assert!((0..=1_000_000_000).contains(&spent), "spent {spent}");
        }
    }
}
