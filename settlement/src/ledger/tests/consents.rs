//! Consents to be debited: who may give what to whom, and how far it goes.

use alliance_contracts::debit_consent::{DebitConsent, MAX_LIVE_CONSENTS};
use alliance_contracts::ids::ConsentId;

use super::*;
use crate::alliance::{ConsentRecord, ConsentSpent};
use crate::audit::{Auditor, Finding, Placed};
use crate::command::GrantConsent;

fn key() -> SigningKey {
    SigningKey::from_seed(&[33; 32])
}

/// A world in which aurora has a key.
fn world() -> World {
    let mut definition = serde_json::to_value(definition()).unwrap();
    let x = alliance_contracts::encoding::base64url_encode(key().public_key().as_bytes());
    definition["partners"][0]["keys"] = serde_json::json!([{ "x": x }]);
    World::of(serde_json::from_value(definition).unwrap())
}

/// What 100 points of aurora's are worth is 5.
fn consent() -> DebitConsent {
    serde_json::from_value(serde_json::json!({
        "alliance": "demo", "kinds": ["exchange"],
        "limits": {"day": "10", "month": "12", "order": "5"},
        "programs": ["aurora"], "source": "aurora-air", "target": "borealis-coffee",
        "until": null, "v": 1
    }))
    .unwrap()
}

fn grant(world: &mut World, caller: &str, consent: &DebitConsent) -> Outcome {
    let (signed, _) = DebitConsent::read_signed(&consent.sign(&key())).unwrap();
    let keyed = world.keyed(caller, &format!("k{}", world.drawn), "d");
    let order = GrantConsent { id: world.draw(), consent: consent.clone(), signed };
    decide(&mut world.set, &Command::GrantConsent(keyed, Box::new(order)), NOW).outcome
}

/// Gives it, as if in a batch before this one.
fn given(world: &mut World, consent: &DebitConsent) -> ConsentId {
    let Outcome::Consent(id) = grant(world, "aurora-air", consent) else { panic!("not given") };
    let record = world.set.writes.consents.remove(&id).unwrap();
    Arc::get_mut(&mut world.set.registry).unwrap().consents.push(Arc::new(record));
    id
}

fn revoke(world: &mut World, caller: &str, id: ConsentId) -> Outcome {
    let keyed = world.keyed(caller, &format!("k{}", world.drawn), "d");
    decide(&mut world.set, &Command::RevokeConsent(keyed, id), NOW).outcome
}

/// Borealis orders so many of aurora's points for its own.
fn order(world: &mut World, points: &str) -> Decided {
    let terms = world.terms(("aurora", "A-1"), ("borealis", "B-1"), points);
    let name = format!("o{}", world.drawn);
    world.exchange("borealis-coffee", &name, &name, Quoted::Open(Box::new(terms)))
}

fn spent(world: &World, id: ConsentId) -> ConsentSpent {
    world.set.writes.consents_spent[&id]
}

#[test]
fn who_is_not_the_source_orders_under_a_consent_and_not_without() {
    let mut world = world();
    assert_eq!(order(&mut world, "100").outcome, refused(ProblemCode::KindNotAllowed));
    let id = given(&mut world, &consent());
    let made = accepted(&order(&mut world, "100"));
    let record: ConsentRecord = (**world.set.registry.consent(&id).unwrap()).clone();
    // The receipt names who asked, and what of the source's lets it.
    let draft = world.set.drafts.iter().find(|draft| draft.transaction == made).unwrap();
    let partners: Vec<_> = draft.evidence.iter().map(|one| one.partner.as_str()).collect();
    assert_eq!(partners, ["borealis-coffee", "aurora-air"]);
    assert_eq!(draft.evidence[1], record.evidence());
    assert_eq!(draft.evidence[1].base, Hash::of(&record.signing_input()));
    // The source itself needs none, and nothing is counted.
    let before = spent(&world, id);
    accepted(&world.order("100"));
    assert_eq!(spent(&world, id), before);
}

#[test]
fn an_order_a_day_and_a_month_have_their_limits_to_the_digit() {
    let mut world = world();
    let id = given(&mut world, &consent());
    // 101 points are 5.05.
    assert_eq!(order(&mut world, "101").outcome, refused(ProblemCode::ExceedsConsent));
    accepted(&order(&mut world, "100"));
    accepted(&order(&mut world, "100"));
    assert_eq!(spent(&world, id).in_day, 10_000_000);
    assert_eq!(order(&mut world, "20").outcome, refused(ProblemCode::ExceedsConsent));
    // The next day there is room for two more in this month.
    let mut before = spent(&world, id);
    before.day -= 1;
    world.set.put_consent_spent(before);
    assert_eq!(order(&mut world, "41").outcome, refused(ProblemCode::ExceedsConsent));
    accepted(&order(&mut world, "40"));
    let now = spent(&world, id);
    assert_eq!((now.in_day, now.in_month), (2_000_000, 12_000_000));
    // The next month it begins anew.
    let mut before = spent(&world, id);
    (before.day, before.month) = (before.day - 1, before.month - 1);
    world.set.put_consent_spent(before);
    accepted(&order(&mut world, "100"));
    assert_eq!(spent(&world, id).in_month, 5_000_000);
}

#[test]
fn a_gateway_whose_clock_is_behind_begins_no_day_of_a_consent_again() {
    let mut world = world();
    let id = given(&mut world, &consent());
    accepted(&order(&mut world, "100"));
    accepted(&order(&mut world, "100"));
    // What another gateway has counted on what is tomorrow and the next month here.
    let mut before = spent(&world, id);
    (before.day, before.month) = (before.day + 1, before.month + 1);
    world.set.put_consent_spent(before);
    assert_eq!(order(&mut world, "20").outcome, refused(ProblemCode::ExceedsConsent));
    (before.in_day, before.in_month) = (9_000_000, 9_000_000);
    world.set.put_consent_spent(before);
    accepted(&order(&mut world, "20"));
    let after = ConsentSpent { in_day: 10_000_000, in_month: 10_000_000, ..before };
    assert_eq!(spent(&world, id), after);
}

#[test]
fn a_refused_order_takes_nothing_of_the_consent() {
    let mut world = world();
    let id = given(&mut world, &consent());
    world.set.members.get_mut(&MemberNo(1)).unwrap().balance = 10;
    assert_eq!(order(&mut world, "100").outcome, refused(ProblemCode::InsufficientPoints));
    assert!(!world.set.writes.consents_spent.contains_key(&id));
}

#[test]
fn a_consent_holds_for_what_it_names_and_until_it_is_revoked() {
    let bend = |bend: fn(&mut DebitConsent)| {
        let mut world = world();
        let mut bent = consent();
        bend(&mut bent);
        given(&mut world, &bent);
        order(&mut world, "100").outcome
    };
    let not_allowed = refused(ProblemCode::KindNotAllowed);
    assert_eq!(bend(|c| c.kinds = vec![TransactionKind::Redemption]), not_allowed);
    assert_eq!(bend(|c| c.programs = vec!["avia".parse().unwrap()]), not_allowed);
    assert_eq!(bend(|c| c.target = "cedar-hotels".parse().unwrap()), not_allowed);
    assert!(matches!(bend(|c| c.programs = vec![]), Outcome::Transaction(_)));
    for caller in ["aurora-air", "borealis-coffee"] {
        let mut world = world();
        let id = given(&mut world, &consent());
        accepted(&order(&mut world, "20"));
        assert_eq!(revoke(&mut world, "cedar-hotels", id), refused(ProblemCode::NotFound));
        assert_eq!(revoke(&mut world, caller, id), Outcome::Consent(id));
        assert_eq!(world.set.writes.consents[&id].revoked_at, Some(NOW));
        assert_eq!(order(&mut world, "20").outcome, not_allowed, "from this very batch on");
        assert_eq!(revoke(&mut world, caller, id), Outcome::Consent(id));
    }
}

#[test]
fn of_several_the_first_with_room_is_taken() {
    let mut world = world();
    let mut small = consent();
    small.limits.order = "1".parse().unwrap();
    let (small, large) = (given(&mut world, &small), given(&mut world, &consent()));
    accepted(&order(&mut world, "100"));
    accepted(&order(&mut world, "20"));
    assert_eq!((spent(&world, large).in_day, spent(&world, small).in_day), (5_000_000, 1_000_000));
}

#[test]
fn only_the_source_gives_a_consent_and_only_a_sound_one() {
    let faulty = |caller: &str, bend: fn(&mut DebitConsent)| {
        let mut world = world();
        let mut bent = consent();
        bend(&mut bent);
        match grant(&mut world, caller, &bent) {
            Outcome::ConsentRefused(faults) => {
                assert!(world.set.writes.is_empty(), "the key stays unused");
                faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>().join(" ")
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(faulty("borealis-coffee", |_| ()), "/source");
    assert_eq!(faulty("aurora-air", |c| c.alliance = "other".parse().unwrap()), "/alliance");
    assert_eq!(faulty("aurora-air", |c| c.target = "nobody".parse().unwrap()), "/target");
    let others = |c: &mut DebitConsent| c.programs.push("borealis".parse().unwrap());
    assert_eq!(faulty("aurora-air", others), "/programs/1");
    assert_eq!(faulty("aurora-air", |c| c.until = Some(NOW)), "/until");
    // Borealis has no key, so nothing is its signature.
    let swapped = |c: &mut DebitConsent| {
        std::mem::swap(&mut c.source, &mut c.target);
        c.programs.clear();
    };
    assert_eq!(faulty("borealis-coffee", swapped), "/jws");
    let mut world = world();
    for _ in 0..MAX_LIVE_CONSENTS {
        assert!(matches!(grant(&mut world, "aurora-air", &consent()), Outcome::Consent(_)));
    }
    let more = grant(&mut world, "aurora-air", &consent());
    assert_eq!(more, refused(ProblemCode::TooManyConsents));
}

/// What the audit says of an order whose receipt cites this consent, and of the consent.
fn audited(bend: impl Fn(&mut ConsentRecord)) -> Vec<String> {
    let mut world = world();
    let id = given(&mut world, &consent());
    accepted(&order(&mut world, "100"));
    accepted(&order(&mut world, "60"));
    let mut record = (**world.set.registry.consent(&id).unwrap()).clone();
    bend(&mut record);
    let (signed, _) = DebitConsent::read_signed(&record.consent.sign(&key())).unwrap();
    record.signature = signed.signature;
    world.set.drafts.iter_mut().for_each(|draft| draft.evidence[1] = record.evidence());
    let mut receipts = receipts::chain(&mut world.set, NOW, books::gateway().kid());
    receipts::sign(&mut receipts, &books::gateway());
    let (registry, keys) = (&world.set.registry, books::keys());
    let mut auditor = Auditor::new(&registry.definition, &keys);
    auditor.open_window(registry.window);
    auditor.consent(&Arc::new(record), registry);
    auditor.consent_spent(&spent(&world, id));
    let placed = Placed { members: [Some(MemberNo(1)), Some(MemberNo(2))], decided_at: Some(NOW) };
    receipts.iter().for_each(|receipt| auditor.receipt(receipt, &placed));
    let findings = auditor.finish(&[]).1.into_iter();
    let of_consent = |f: &Finding| f.place.starts_with("receipt") || f.place.starts_with("consent");
    findings.filter(of_consent).map(|finding| finding.finding).collect()
}

#[test]
fn an_order_beyond_what_its_consent_allows_is_named_by_the_audit() {
    let says = |bend: fn(&mut ConsentRecord), words: &str| {
        let said = audited(bend);
        assert!(!said.is_empty(), "{words}");
        assert!(said.iter().all(|said| said.contains(words)), "{words}: {said:?}");
    };
    assert_eq!(audited(|_| ()), [""; 0]);
    says(|c| c.consent.kinds = vec![TransactionKind::Accrual], "does not cover it");
    says(|c| c.consent.programs = vec!["avia".parse().unwrap()], "does not cover it");
    says(|c| c.consent.until = Some(NOW), "does not cover it");
    says(|c| c.consent.target = "cedar-hotels".parse().unwrap(), "is between others");
    says(|c| c.consent.limits.order = "4.99".parse().unwrap(), "allows less in one order");
    says(|c| c.granted_at = NOW.plus_seconds(61), "was given later");
    // Clocks of two gateways may be a minute apart.
    assert_eq!(audited(|c| c.granted_at = NOW.plus_seconds(60)), [""; 0]);
    says(|c| c.consent.limits.day = "7.99".parse().unwrap(), "allows 7990000 micros a day");
    says(|c| c.consent.alliance = "other".parse().unwrap(), "is one of the alliance other");
}
