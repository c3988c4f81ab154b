//! Boards that follow each other, told as stories of one small alliance.

use std::collections::BTreeMap;
use std::sync::Arc;

use alliance_contracts::agreement::{Agreement, AgreementState};
use alliance_contracts::campaign::{Campaign, CampaignState};
use alliance_contracts::ids::WindowId;
use alliance_contracts::names::ProgramId;

use super::*;
use crate::alliance::{
    AgreementRecord, Breaker, CampaignRecord, Definition, PublishedBoard, Registry, RegistryParts,
};
use crate::ledger::Flow;
use crate::rates::surcharge::SurchargeModel;

const NOW: Timestamp = Timestamp::from_millis(1_795_406_400_000);

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// Aurora 0.05 and borealis 0.1 with a fee of 1 %, cedar 1 with a fee of 5 % to aurora; each may
/// move by a tenth, all of the way to its target at once.
fn definition() -> Definition {
    let program = |program: &str, partner: &str, value: &str, max: &str| {
        serde_json::json!({
            "program": program, "partner": partner, "name": program, "scale": 0, "value": value,
            "model": {
                "band": {"min": "0.01", "max": max}, "max_step": "0.1", "smoothing": "1"
            }
        })
    };
    let partner = |partner: &str| serde_json::json!({"partner": partner, "name": partner});
    serde_json::from_value(serde_json::json!({
        "alliance": "demo", "currency": "CNY",
        "partners": [partner("aurora-air"), partner("borealis-coffee"), partner("cedar-hotels")],
        "programs": [
            program("borealis", "borealis-coffee", "0.1", "0.5"),
            program("aurora", "aurora-air", "0.05", "0.5"),
            program("cedar", "cedar-hotels", "1", "5")
        ],
        "agreements": [
            {"a": "aurora-air", "b": "borealis-coffee", "fee": "0.01"},
            {"a": "cedar-hotels", "b": "aurora-air", "fee": "0.05"}
        ],
        "rates": {"approval_threshold": "0.2"}
    }))
    .unwrap()
}

/// An alliance and its boards.
struct Story {
    definition: Definition,
    boards: Vec<PublishedBoard>,
    flows: Vec<FlowRow>,
    approved: BTreeMap<ProgramId, Decimal>,
    signed: Vec<Arc<AgreementRecord>>,
    campaigns: Vec<Arc<CampaignRecord>>,
    now: Timestamp,
}

impl Story {
    fn new(definition: Definition) -> Self {
        definition.check().unwrap();
        let (board, terms) = first(&definition, NOW);
        let first = PublishedBoard { board, jws: String::new(), terms: terms.into(), slot: None };
        Self {
            definition,
            boards: vec![first],
            flows: Vec::new(),
            approved: BTreeMap::new(),
            signed: Vec::new(),
            campaigns: Vec::new(),
            now: NOW,
        }
    }

    fn registry(&self) -> Registry {
        let parts = RegistryParts {
            windows: Vec::new(),
            settlement_proposals: Vec::new(),
            definition: self.definition.clone(),
            version: 1,
            boards: self.boards.iter().rev().take(2).rev().cloned().collect(),
            partner_keys_jws: String::new(),
            consents: Vec::new(),
            partner_keys: Vec::new(),
            gateway_keys: None,
            master_keys: Default::default(),
            window: WindowId::from_u128(1),
            suspended: Vec::new(),
            frozen: Vec::new(),
            agreements: self.signed.clone(),
            feeds: Default::default(),
            proposals: Vec::new(),
            campaigns: self.campaigns.clone(),
        };
        Registry::new(1, parts)
    }

    fn next(&self) -> Result<Publication, NoBoard> {
        next(&Situation {
            registry: &self.registry(),
            boards: still_quoted(&self.boards, self.now),
            flows: &self.flows,
            feeds: &BTreeMap::new(),
            approved: &self.approved,
            now: self.now,
        })
    }

    /// Publishes, and lets time pass until the board holds and the one before is forgotten.
    fn publish(&mut self) -> Publication {
        let publication = self.next().unwrap();
        let Publication { board, terms, .. } = publication.clone();
        self.now = board.effective_at.plus_seconds(3_600);
        self.boards.push(PublishedBoard {
            board,
            jws: String::new(),
            terms: terms.into(),
            slot: None,
        });
        publication
    }

    /// Aurora and borealis sign this besides a fee of 1 %; in force from now on.
    fn sign(&mut self, what: serde_json::Value) {
        let mut document = serde_json::json!({
            "a": "aurora-air", "alliance": "demo", "b": "borealis-coffee", "caps": null,
            "effective_at": NOW, "expiry": "fresh",
            "fee": {"bearer": "member", "rate": "0.01"}, "kinds": ["exchange"],
            "open_quote_limit": null, "previous": Hash::ZERO, "quote_lifetime_seconds": 60,
            "reversal_period_seconds": 0, "until": null, "v": 1, "version": 1
        });
        for (member, value) in what.as_object().unwrap() {
            document[member] = value.clone();
        }
        let agreement: Agreement = serde_json::from_value(document).unwrap();
        self.signed.push(Arc::new(AgreementRecord {
            id: "agr_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
            state: AgreementState::Active,
            payload: agreement.payload(),
            agreement,
            a: None,
            b: None,
            proposed_by: name("aurora-air"),
            proposed_at: NOW,
            countersigned_at: Some(NOW),
        }));
    }

    fn exchanged(&mut self, source: &str, target: &str, whole: i128) {
        let exchanged = whole * 1_000_000;
        self.flows.retain(|row| row.source != name(source) || row.target != name(target));
        let flow = Flow { exchanged, late: 0 };
        self.flows.push(FlowRow { source: name(source), target: name(target), flow });
    }
}

fn value(publication: &Publication, program: &str) -> String {
    publication.board.value(&name(program)).unwrap().to_string()
}

fn surcharge(publication: &Publication, source: &str, target: &str) -> String {
    let terms = publication.terms.pair(&name(source), &name(target));
    terms.map_or("none".to_owned(), |terms| terms.surcharge.to_string())
}

#[test]
fn where_nothing_has_changed_there_is_nothing_to_say() {
    let story = Story::new(definition());
    let next = story.next().unwrap();
    assert!(!next.changes && next.remarks.is_empty(), "{next:?}");
    assert_eq!(next, story.next().unwrap(), "the same inputs make the same board");
}

#[test]
fn a_value_goes_to_its_base_by_steps_and_what_moves_is_announced_before() {
    let mut story = Story::new(definition());
    story.definition.programs[2].value = name("1.2");
    let first = story.publish();
    assert_eq!((first.board.board, value(&first, "cedar").as_str()), (2, "1.1"));
    assert_eq!(first.board.effective_at, NOW.plus_seconds(120));
    assert_eq!(first.board.previous, story.boards[0].hash());
    let cedar = first.board.valuation(&name("cedar")).unwrap();
    assert_eq!(cedar.limited_by, [alliance_contracts::valuation::Limit::Step]);
    assert_eq!(value(&story.publish(), "cedar"), "1.2");
    assert!(!story.next().unwrap().changes);
    for published in &story.boards {
        for valuation in &published.board.values {
            valuation.recompute().unwrap();
        }
    }
}

#[test]
fn a_step_that_two_boards_would_turn_into_a_gain_is_halved() {
    // The worked example: 1,000 there on the old board, back on the new, would be 1,078.11.
    let mut story = Story::new(definition());
    story.definition.programs[1].value = name("0.055");
    let next = story.publish();
    let gain = next.remarks.first().unwrap();
    assert!(matches!(gain, Remark::Gain(told) if told.ends_with("by 1.07811")), "{gain:?}");
    assert!(next.remarks.contains(&Remark::Halved(name("aurora"), 3)), "{:?}", next.remarks);
    // An eighth of 0.005: 1.0125 × 0.99 × 0.99 is below 1.
    assert_eq!(value(&next, "aurora"), "0.050625");
    assert_eq!(next.board.valuation(&name("aurora")).unwrap().halvings, 3);
    // Cedar's fees are higher, and it is nobody's neighbour but aurora's: it was not to blame.
    assert_eq!(next.board.valuation(&name("cedar")).unwrap().halvings, 0);
}

#[test]
fn boards_in_quick_succession_are_proved_against_every_board_still_quoted() {
    let mut story = Story::new(definition());
    story.definition.programs[1].value = name("0.07");
    story.definition.rates.notice_seconds = 1;
    let mut values = Vec::new();
    for _ in 0..8 {
        let publication = story.publish();
        values.push(publication.board.value(&name("aurora")).unwrap().micros());
        // Quotes stand a minute: three boards are alive at once.
        story.now = publication.board.effective_at.plus_seconds(20);
    }
    for four in [&[50_000], values.as_slice()].concat().windows(4) {
        // From the first to the last of boards alive together there and back loses.
        assert!(four[3] * 9_801 <= four[0] * 10_000, "{values:?}");
    }
    assert!(values[7] > 51_000, "it moves all the same: {values:?}");
}

#[test]
fn what_is_new_takes_part_with_the_next_board_at_once() {
    let mut story = Story::new(definition());
    let mut delta = story.definition.programs[2].clone();
    delta.program = name("delta");
    delta.partner = name("borealis-coffee");
    story.definition.programs.push(delta);
    let mut agreement = story.definition.agreements[0].clone();
    agreement.b = name("cedar-hotels");
    agreement.a = name("borealis-coffee");
    story.definition.agreements.push(agreement);
    let next = story.publish();
    assert_eq!((value(&next, "delta").as_str(), next.board.effective_at), ("1", NOW));
    assert!(next.changes && next.terms.agreed.len() == 3);
    assert_eq!(next.board.valuation(&name("delta")).unwrap().previous, None);
}

#[test]
fn a_flow_that_runs_one_way_makes_that_way_dearer_and_no_value_moves() {
    let mut story = Story::new(definition());
    story.definition.rates.surcharge = Some(SurchargeModel::default());
    story.exchanged("aurora", "borealis", 60_000);
    let next = story.publish();
    // (60,000 − 10,000) / 100,000 × 1 %
    assert_eq!(surcharge(&next, "aurora", "borealis"), "0.005");
    assert_eq!(surcharge(&next, "borealis", "aurora"), "none");
    assert_eq!(value(&next, "aurora"), "0.05");
    // It comes back: dearer no more, and never a bonus.
    story.exchanged("borealis", "aurora", 58_200);
    let next = story.publish();
    assert_eq!(surcharge(&next, "aurora", "borealis"), "0");
    assert_eq!(surcharge(&next, "borealis", "aurora"), "0");
    // Another rush, and then nothing: it fades.
    story.exchanged("aurora", "borealis", 160_000);
    let mut last: Decimal = name("0.05");
    for round in 0..100 {
        let surcharge: Decimal = name(&surcharge(&story.publish(), "aurora", "borealis"));
        assert!(surcharge <= last, "{round}: {surcharge} after {last}");
        last = surcharge;
    }
    assert!(last.is_zero(), "{last}");
}

#[test]
fn a_fee_that_falls_is_held_while_quotes_of_larger_steps_still_stand() {
    let mut story = Story::new(definition());
    story.definition.rates.notice_seconds = 1;
    // A step that is as large as a fee of five hundredths allows.
    story.definition.programs[2].value = name("1.09");
    let moved = story.publish();
    assert_eq!(value(&moved, "cedar"), "1.09");
    story.now = moved.board.effective_at.plus_seconds(5);
    story.definition.agreements[1].fee = name("0.001");
    let next = story.publish();
    assert!(next.remarks.iter().any(|r| matches!(r, Remark::Held(..))), "{:?}", next.remarks);
    let held = |next: &Publication| {
        let agreed = next.terms.agreed[1].fee;
        let fee = |a: &str, b: &str| {
            next.terms.pair(&name(a), &name(b)).map_or(agreed, |terms| terms.fee).to_string()
        };
        [fee("aurora", "cedar"), fee("cedar", "aurora")]
    };
    assert!(held(&next).contains(&"0.05".to_owned()), "{:?}", held(&next));
    // A minute later those quotes have ended.
    let next = story.publish();
    assert_eq!(held(&next), ["0.001", "0.001"]);
}

#[test]
fn a_pairs_limit_is_its_usual_flow_so_many_times_and_at_least_the_floor() {
    let mut story = Story::new(definition());
    story.definition.rates.breaker = Some(Breaker { factor: name("10"), floor: name("50000") });
    story.exchanged("aurora", "borealis", 1_000);
    let limit = |next: &Publication| {
        next.terms.pair(&name("aurora"), &name("borealis")).unwrap().limit.unwrap().to_string()
    };
    assert_eq!(limit(&story.publish()), "50000");
    story.exchanged("aurora", "borealis", 2_001_000);
    // Three hundredths of 2,000,970 (some of the first thousand has faded), ten times.
    assert_eq!(limit(&story.publish()), "600291");
}

#[test]
fn an_agreed_override_takes_effect_with_the_next_board_and_in_its_direction_only() {
    let mut story = Story::new(definition());
    story.sign(serde_json::json!({
        "overrides": [{"factor": "0.95", "source": "aurora", "target": "borealis"}]
    }));
    let next = story.publish();
    let terms = next.terms.pair(&name("aurora"), &name("borealis")).unwrap();
    assert_eq!(
        (terms.multiplier.to_string(), terms.fee.to_string()),
        ("0.95".into(), "0.01".into())
    );
    assert!(next.terms.pair(&name("borealis"), &name("aurora")).is_none());
    assert_eq!(next.board.terms, TermsRoot::of(&next.terms.pairs));
}

fn tiers(multiplier: &str) -> serde_json::Value {
    serde_json::json!({"tiers": [{
        "multiplier": multiplier, "source": "aurora", "source_tier": "gold",
        "target": "borealis", "target_tier": "platinum"
    }]})
}

#[test]
fn a_tier_by_which_going_round_would_gain_is_suspended_and_blocks_no_board() {
    for (multiplier, gains) in [("1.02", false), ("1.020304", false), ("1.020305", true)] {
        let mut story = Story::new(definition());
        story.sign(tiers(multiplier));
        story.definition.programs[2].value = name("1.05");
        let next = story.publish();
        let suspended = Remark::Suspended(name("aurora"), name("borealis"));
        assert_eq!(next.remarks.contains(&suspended), gains, "{multiplier}: {:?}", next.remarks);
        assert_eq!(value(&next, "cedar"), "1.05", "the board goes on");
        let agreed = next.terms.agreed_between(&name("aurora-air"), &name("borealis-coffee"));
        let terms = next.terms.pair(&name("aurora"), &name("borealis"));
        let brings = agreed.unwrap().tier(&name("aurora"), &name("gold"), &name("borealis"), terms);
        assert_eq!(brings.unwrap().to_string(), if gains { "1" } else { multiplier });
    }
}

#[test]
fn a_fee_goes_by_the_volume_of_the_month_before_both_ways() {
    let mut story = Story::new(definition());
    story.sign(serde_json::json!({
        "fee": {"bearer": "member", "rate": "0.01", "tiers": [{"from": "1000", "rate": "0.008"}]}
    }));
    story.now = name("2026-11-30T12:00:00.000Z");
    story.exchanged("aurora", "borealis", 600);
    story.exchanged("borealis", "aurora", 400);
    let fee = |next: &Publication| {
        let agreed = next.terms.agreed_between(&name("aurora-air"), &name("borealis-coffee"));
        let pair = next.terms.pair(&name("aurora"), &name("borealis")).unwrap();
        (agreed.unwrap().fee.to_string(), pair.fee.to_string())
    };
    assert_eq!(fee(&story.publish()), ("0.01".to_owned(), "0.01".to_owned()));
    story.now = name("2026-12-01T00:00:00.000Z");
    assert_eq!(fee(&story.publish()), ("0.008".to_owned(), "0.008".to_owned()));
    story.now = name("2027-01-01T00:00:00.000Z");
    assert_eq!(fee(&story.publish()), ("0.01".to_owned(), "0.01".to_owned()));
}

#[test]
fn volumes_are_by_calendar_month() {
    let at = |text: &str| -> Timestamp { name(text) };
    let mut volume = None;
    for (time, since, expected) in [
        ("2026-11-30T23:59:59.999Z", 5, ("2026-11", 0, 5)),
        ("2026-11-30T23:59:59.999Z", 2, ("2026-11", 0, 7)),
        ("2026-12-01T00:00:00.000Z", 3, ("2026-12", 7, 3)),
        ("2027-01-15T00:00:00.000Z", 4, ("2027-01", 3, 4)),
        ("2027-03-15T00:00:00.000Z", 1, ("2027-03", 0, 1)),
    ] {
        let next = pairs::volume(volume.as_ref(), since, &pairs::month(at(time)));
        let told = (next.month.as_str(), next.before.micros(), next.so_far.micros());
        assert_eq!(told, expected);
        volume = Some(next);
    }
}

#[test]
fn there_is_no_next_board_before_the_last_holds() {
    let mut story = Story::new(definition());
    story.definition.programs[2].value = name("1.2");
    story.publish();
    story.now = NOW.plus_seconds(119);
    assert!(matches!(story.next(), Err(NoBoard::NotYet { board: 2, .. })));
}

/// Aurora to borealis by a half more, held for so many days of a week.
fn half_more(holdback_days: u32) -> Campaign {
    serde_json::from_value(serde_json::json!({
        "v": 1, "alliance": "demo", "name": "Half more", "sponsor": "borealis-coffee",
        "source": "aurora", "target": "borealis", "multiplier": "1.5", "budget": "1000",
        "from": NOW, "until": NOW.plus_seconds(7 * 86_400), "holdback_days": holdback_days
    }))
    .unwrap()
}

impl Story {
    fn run(&mut self, campaign: Campaign) {
        self.campaigns.push(Arc::new(CampaignRecord {
            id: "cmp_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
            campaign,
            state: CampaignState::Active,
            warned: 0,
            needs_two: true,
            proposed_by: name("lin"),
            proposed_at: NOW,
            approved_by: Some(name("chen")),
            approved_at: Some(NOW),
            stopped_by: None,
            stopped_at: None,
        }));
    }

    fn gain_by(&self, campaign: &Campaign) -> Option<String> {
        let boards = still_quoted(&self.boards, self.now);
        let gain = campaign_gain(&self.registry(), boards, campaign, self.now).unwrap();
        gain.map(|gain| gain.to_string())
    }
}

#[test]
fn a_campaign_whose_bonus_goes_round_is_refused_with_the_cycle_and_its_gain() {
    let story = Story::new(definition());
    let gain = story.gain_by(&half_more(0)).unwrap();
    // 0.99 × 1.5 there, 0.99 back.
    assert!(gain.contains("aurora") && gain.contains("borealis"), "{gain}");
    assert!(gain.ends_with("multiplies by 1.4701"), "{gain}");
    assert!(story.gain_by(&half_more(5)).is_some(), "free before the week is over");
    assert_eq!(story.gain_by(&half_more(7)), None, "held until it is over, it counts nothing");
    let small = Campaign { multiplier: name("1.02"), ..half_more(0) };
    assert_eq!(story.gain_by(&small), None, "the fees are more: 0.99 × 1.02 × 0.99");
}

#[test]
fn a_campaign_is_looked_at_beside_those_that_run() {
    let mut story = Story::new(definition());
    let small = Campaign { multiplier: name("1.02"), ..half_more(0) };
    story.run(small.clone());
    let back = Campaign {
        source: Some(name("borealis")),
        target: name("aurora"),
        sponsor: name("aurora-air"),
        ..small
    };
    assert!(story.gain_by(&back).is_some(), "0.99 × 1.02 twice");
    story.campaigns.clear();
    assert_eq!(story.gain_by(&back), None);
}

#[test]
fn a_board_moves_less_where_a_campaigns_bonus_goes_round() {
    let moves = |campaign: Option<Campaign>| {
        let mut story = Story::new(definition());
        story.definition.programs[1].value = name("0.0505");
        campaign.into_iter().for_each(|campaign| story.run(campaign));
        let next = story.next().unwrap();
        let suspended = next.terms.pairs.iter().any(|pair| pair.suspended);
        (value(&next, "aurora"), suspended)
    };
    let free = moves(None);
    assert_eq!(free, ("0.0505".to_owned(), false));
    let small = |days| Campaign { multiplier: name("1.015"), ..half_more(days) };
    assert_eq!(moves(Some(small(7))), free, "what is held counts nothing");
    let (less, suspended) = moves(Some(small(0)));
    assert!(name::<Decimal>(&less) < name("0.0505") && !suspended, "{less}");
}

#[test]
fn a_bonus_that_would_gain_on_the_next_board_is_suspended_on_it() {
    let mut story = Story::new(definition());
    story.run(Campaign { multiplier: name("1.02"), ..half_more(0) });
    assert!(!story.next().unwrap().changes, "at one per cent each way nobody gains");
    for agreement in &mut story.definition.agreements {
        agreement.fee = name("0.002");
    }
    let next = story.publish();
    let pair = next.terms.pair(&name("aurora"), &name("borealis")).unwrap();
    assert!(pair.suspended, "{:?}", next.remarks);
    assert!(next.remarks.contains(&Remark::Suspended(name("aurora"), name("borealis"))));
    assert_eq!(story.gain_by(&half_more(0)), None, "suspended, it is given by nobody");
}
