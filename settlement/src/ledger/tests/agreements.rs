//! Agreements: who may propose and countersign what, what follows on what, and what holds when.

use alliance_contracts::agreement::{
    Agreement, AgreementState, Expiry, Fee, OrderBounds, RateOverride, SignedAt, verify_agreement,
};
use alliance_contracts::encoding::base64url_encode;
use alliance_contracts::ids::AgreementId;
use alliance_contracts::jws;
use alliance_contracts::problem::FieldError;
use alliance_contracts::quote::FeeBearer;

use super::*;
use crate::alliance::{AgreementRecord, KeyDefinition};
use crate::command::{CountersignAgreement, ProposeAgreement};

const AURORA: &str = "aurora-air";
const BOREALIS: &str = "borealis-coffee";

fn key(partner: &str) -> SigningKey {
    SigningKey::from_seed(&[partner.as_bytes()[0]; 32])
}

/// The world with a key for each partner, of full scope, since long ago.
fn world() -> World {
    let mut world = World::new();
    let mut parts = RegistryParts::clone(&world.set.registry);
    for partner in &mut parts.definition.partners {
        partner.keys.push(KeyDefinition {
            nbf: Some(NOW.plus_seconds(-1_000)),
            exp: None,
            revoked_at: None,
            scope: crate::alliance::Scope::Full,
            x: base64url_encode(key(partner.partner.as_str()).public_key().as_bytes()),
        });
    }
    world.set.registry = Arc::new(Registry::new(1, parts));
    world
}

pub(super) fn first() -> Agreement {
    Agreement {
        answer_deadline_seconds: None,
        a: AURORA.parse().unwrap(),
        alliance: "demo".parse().unwrap(),
        b: BOREALIS.parse().unwrap(),
        caps: None,
        effective_at: NOW.plus_seconds(3_600),
        expiry: Expiry::Fresh,
        fee: Fee { bearer: FeeBearer::Member, rate: "0.02".parse().unwrap(), tiers: Vec::new() },
        kinds: vec![TransactionKind::Exchange],
        member_limits: Vec::new(),
        open_quote_limit: None,
        orders: Vec::new(),
        overrides: Vec::new(),
        previous: Hash::ZERO,
        quote_lifetime_seconds: 120,
        reversal_period_seconds: 0,
        tiers: Vec::new(),
        until: None,
        v: 1,
        version: 1,
    }
}

fn next(before: &Agreement) -> Agreement {
    let mut next = before.clone();
    next.version += 1;
    next.previous = before.hash();
    next.effective_at = before.effective_at.plus_seconds(3_600);
    next
}

fn propose_signed(world: &mut World, caller: &str, agreement: &Agreement, jws: &str) -> Outcome {
    let name = format!("key-{}", world.drawn);
    let keyed = world.keyed(caller, &name, &name);
    let (id, signed) = (world.draw(), jws::parse(jws).unwrap());
    let proposal = ProposeAgreement { id, agreement: agreement.clone(), signed };
    decide(&mut world.set, &Command::ProposeAgreement(keyed, Box::new(proposal)), NOW).outcome
}

fn propose(world: &mut World, caller: &str, agreement: &Agreement) -> Outcome {
    propose_signed(world, caller, agreement, &agreement.sign(&key(caller)))
}

fn proposed(world: &mut World, caller: &str, agreement: &Agreement) -> AgreementId {
    match propose(world, caller, agreement) {
        Outcome::Agreement(id) => id,
        other => panic!("{other:?}"),
    }
}

fn countersign_at(world: &mut World, caller: &str, id: AgreementId, now: Timestamp) -> Outcome {
    let agreement = world.set.agreement(&id).map_or_else(first, |record| record.agreement.clone());
    let signed = jws::parse(&agreement.sign(&key(caller))).unwrap();
    let name = format!("key-{}", world.drawn);
    let keyed = world.keyed(caller, &name, &name);
    let order = Box::new(CountersignAgreement { id, signed });
    decide(&mut world.set, &Command::CountersignAgreement(keyed, order), now).outcome
}

fn countersign(world: &mut World, caller: &str, id: AgreementId) -> Outcome {
    countersign_at(world, caller, id, NOW)
}

fn withdraw(world: &mut World, caller: &str, id: AgreementId) -> Outcome {
    let name = format!("key-{}", world.drawn);
    let keyed = world.keyed(caller, &name, &name);
    decide(&mut world.set, &Command::WithdrawAgreement(keyed, id), NOW).outcome
}

fn state(world: &World, id: AgreementId) -> AgreementState {
    world.set.writes.agreements[&id].state
}

fn pointers(outcome: Outcome) -> Vec<String> {
    match outcome {
        Outcome::AgreementRefused(faults) => {
            faults.into_iter().map(|FieldError { pointer, .. }| pointer).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_one_proposes_and_the_other_countersigns_is_signed_by_both() {
    let mut world = world();
    let id = proposed(&mut world, BOREALIS, &first());
    assert_eq!(state(&world, id), AgreementState::Proposed);
    assert!(!world.set.writes.changes_registry(), "a proposal changes no terms");
    assert_eq!(countersign(&mut world, AURORA, id), Outcome::Agreement(id));
    let record = &world.set.writes.agreements[&id];
    assert_eq!((record.state, record.countersigned_at), (AgreementState::Active, Some(NOW)));
    assert!(world.set.writes.changes_registry(), "every gateway is to see it");
    let [a, b] = [AURORA, BOREALIS].map(|p| record.jws(&p.parse().unwrap()).unwrap());
    let at = SignedAt { a: NOW, b: NOW };
    let told = [AURORA, BOREALIS, "cedar-hotels"].map(|partner| world.told(partner));
    let both =
        ["agreement.proposed", "agreement.active"].map(|kind| (kind.to_owned(), id.to_string()));
    assert_eq!(told, [both.to_vec(), both.to_vec(), Vec::new()], "both hear of both");
    let record = &world.set.writes.agreements[&id];
    let verified = verify_agreement(&a, &b, &*world.set.registry, at).unwrap();
    assert_eq!((verified.agreement, verified.hash), (first(), record.hash()));
}

#[test]
fn every_fault_of_a_proposal_is_told_at_once_and_the_key_stays_unused() {
    let mut world = world();
    let mut bad = first();
    bad.alliance = "other".parse().unwrap();
    bad.b = "nobody".parse().unwrap();
    bad.effective_at = NOW.plus_seconds(59);
    bad.overrides.push(RateOverride {
        factor: "1.5".parse().unwrap(),
        source: "aurora".parse().unwrap(),
        target: "cedar".parse().unwrap(),
    });
    bad.orders.push(OrderBounds {
        increment: Some("0.5".parse().unwrap()),
        maximum: None,
        minimum: None,
        program: "aurora".parse().unwrap(),
    });
    let by_a_stranger = bad.sign(&SigningKey::from_seed(&[99; 32]));
    let told = pointers(propose_signed(&mut world, BOREALIS, &bad, &by_a_stranger));
    assert_eq!(
        told,
        [
            "/orders/0/increment",
            "/overrides/0/target",
            "/overrides/0/factor",
            "/alliance",
            "/a",
            "/b",
            "/effective_at",
            "/jws",
        ]
    );
    assert!(world.set.writes.is_empty());
}

#[test]
fn quotes_given_before_both_had_signed_have_expired_when_it_begins() {
    let mut world = world();
    let mut early = first();
    // The definition's quotes live a minute.
    early.effective_at = NOW.plus_seconds(60);
    let id = proposed(&mut world, AURORA, &early);
    let late = countersign_at(&mut world, BOREALIS, id, NOW.plus_seconds(1));
    assert_eq!(late, refused(ProblemCode::AgreementStale), "by now it would begin too soon");
    assert_eq!(countersign(&mut world, BOREALIS, id), Outcome::Agreement(id));
}

#[test]
fn a_signature_must_be_the_callers_own_over_these_very_bytes() {
    let mut world = world();
    let anothers = first().sign(&key(BOREALIS));
    assert_eq!(pointers(propose_signed(&mut world, AURORA, &first(), &anothers)), ["/jws"]);
    let other = next(&first()).sign(&key(AURORA));
    assert_eq!(pointers(propose_signed(&mut world, AURORA, &first(), &other)), [""]);
    let id = proposed(&mut world, AURORA, &first());
    let keyed = world.keyed(BOREALIS, "other bytes", "other bytes");
    for signer in [AURORA, "cedar-hotels"] {
        let signed = jws::parse(&first().sign(&key(signer))).unwrap();
        let order = Box::new(CountersignAgreement { id, signed });
        let command = Command::CountersignAgreement(keyed.clone(), order);
        assert_eq!(pointers(decide(&mut world.set, &command, NOW).outcome), ["/jws"], "{signer}");
    }
    let mut changed = first();
    changed.fee.rate = "0.03".parse().unwrap();
    let signed = jws::parse(&changed.sign(&key(BOREALIS))).unwrap();
    let order = Box::new(CountersignAgreement { id, signed });
    let command = Command::CountersignAgreement(keyed, order);
    assert_eq!(pointers(decide(&mut world.set, &command, NOW).outcome), ["/jws"]);
    assert_eq!(state(&world, id), AgreementState::Proposed);
}

#[test]
fn a_proposers_key_that_was_revoked_from_before_its_signature_counts_no_more() {
    let mut world = world();
    let id = proposed(&mut world, AURORA, &first());
    let mut parts = RegistryParts::clone(&world.set.registry);
    parts.definition.partners[0].keys[0].revoked_at = Some(NOW);
    world.set.registry = Arc::new(Registry::new(2, parts));
    assert_eq!(countersign(&mut world, BOREALIS, id), refused(ProblemCode::AgreementStale));
}

#[test]
fn what_no_longer_follows_on_the_last_version_is_not_countersigned() {
    let mut world = world();
    let id = proposed(&mut world, AURORA, &first());
    let mut parts = RegistryParts::clone(&world.set.registry);
    parts.agreements.push(record(first(), 1));
    world.set.registry = Arc::new(Registry::new(2, parts));
    assert_eq!(countersign(&mut world, BOREALIS, id), refused(ProblemCode::AgreementStale));
}

#[test]
fn nobody_countersigns_its_own_proposal_and_foreign_ones_do_not_exist() {
    let mut world = world();
    let id = proposed(&mut world, AURORA, &first());
    assert_eq!(countersign(&mut world, AURORA, id), refused(ProblemCode::KindNotAllowed));
    let not_found = refused(ProblemCode::NotFound);
    assert_eq!(countersign(&mut world, "cedar-hotels", id), not_found);
    assert_eq!(withdraw(&mut world, "cedar-hotels", id), not_found);
    let unknown = world.draw();
    assert_eq!(countersign(&mut world, BOREALIS, unknown), not_found);
    assert_eq!(withdraw(&mut world, BOREALIS, unknown), not_found);
}

#[test]
fn either_may_withdraw_a_proposal_and_nobody_what_both_have_signed() {
    let mut world = world();
    for who in [AURORA, BOREALIS] {
        let id = proposed(&mut world, AURORA, &first());
        assert_eq!(withdraw(&mut world, who, id), Outcome::Agreement(id));
        assert_eq!(state(&world, id), AgreementState::Withdrawn);
        assert_eq!(withdraw(&mut world, who, id), Outcome::Agreement(id), "harmless to repeat");
        let again = countersign(&mut world, BOREALIS, id);
        assert_eq!(again, refused(ProblemCode::AgreementNotProposed));
    }
    let id = proposed(&mut world, AURORA, &first());
    countersign(&mut world, BOREALIS, id);
    let not_proposed = refused(ProblemCode::AgreementNotProposed);
    assert_eq!(withdraw(&mut world, AURORA, id), not_proposed);
    assert_eq!(countersign(&mut world, BOREALIS, id), not_proposed);
}

#[test]
fn a_pair_has_one_open_proposal_and_only_its_proposer_replaces_it() {
    let mut world = world();
    let one = proposed(&mut world, AURORA, &first());
    let pending = propose(&mut world, BOREALIS, &first());
    assert_eq!(pending, refused(ProblemCode::AgreementPending));
    let mut better = first();
    better.fee.rate = "0.01".parse().unwrap();
    let other = proposed(&mut world, AURORA, &better);
    assert_eq!(state(&world, one), AgreementState::Withdrawn);
    assert_eq!(state(&world, other), AgreementState::Proposed);
    // Another pair's is another matter.
    let mut with_cedar = first();
    with_cedar.b = "cedar-hotels".parse().unwrap();
    proposed(&mut world, "cedar-hotels", &with_cedar);
    assert_eq!(state(&world, other), AgreementState::Proposed);
}

#[test]
fn a_version_follows_on_the_last_that_both_have_signed() {
    let mut world = world();
    let stale = refused(ProblemCode::AgreementStale);
    let second = next(&first());
    assert_eq!(propose(&mut world, AURORA, &second), stale, "there is no first");
    let id = proposed(&mut world, AURORA, &first());
    withdraw(&mut world, AURORA, id);
    assert_eq!(propose(&mut world, AURORA, &second), stale, "the first was not countersigned");
    let id = proposed(&mut world, AURORA, &first());
    countersign(&mut world, BOREALIS, id);
    assert_eq!(propose(&mut world, AURORA, &first()), stale, "there is a first");
    let mut forked = second.clone();
    forked.previous = Hash::of(b"another first");
    assert_eq!(propose(&mut world, AURORA, &forked), stale);
    let third = next(&second);
    assert_eq!(propose(&mut world, AURORA, &third), stale);
    // The last one may be known from the registry alone.
    let last = world.set.agreements[&id].clone();
    world.set.agreements.clear();
    assert_eq!(propose(&mut world, AURORA, &second), stale);
    let mut parts = RegistryParts::clone(&world.set.registry);
    parts.agreements.push(Arc::new(last));
    world.set.registry = Arc::new(Registry::new(2, parts));
    let id = proposed(&mut world, AURORA, &second);
    assert_eq!(countersign(&mut world, BOREALIS, id), Outcome::Agreement(id));
}

#[test]
fn the_same_key_gets_the_first_answer_and_a_decision_uses_it_up() {
    let mut world = world();
    let keyed = world.keyed(AURORA, "once", "once");
    let signed = jws::parse(&first().sign(&key(AURORA))).unwrap();
    let proposal = ProposeAgreement { id: world.draw(), agreement: first(), signed };
    let again = ProposeAgreement { id: world.draw(), ..proposal.clone() };
    let command = |p| Command::ProposeAgreement(keyed.clone(), Box::new(p));
    let made = decide(&mut world.set, &command(proposal), NOW);
    let replay = decide(&mut world.set, &command(again), NOW);
    assert_eq!((made.replayed, replay.replayed), (false, true));
    assert_eq!(made.outcome, replay.outcome);
    assert_eq!(world.set.writes.agreements.len(), 1);
    assert_eq!(world.set.writes.keys.len(), 1);
}

pub(super) fn record(agreement: Agreement, number: u128) -> Arc<AgreementRecord> {
    Arc::new(AgreementRecord {
        id: AgreementId::from_u128(number),
        state: AgreementState::Active,
        payload: agreement.payload(),
        proposed_by: agreement.a.clone(),
        agreement,
        a: None,
        b: None,
        proposed_at: NOW,
        countersigned_at: Some(NOW),
    })
}

#[test]
fn what_is_signed_takes_the_definitions_place_from_its_beginning_on() {
    let world = world();
    let mut parts = RegistryParts::clone(&world.set.registry);
    let (one, mut two) = (first(), next(&first()));
    two.fee.rate = "0.03".parse().unwrap();
    two.until = Some(two.effective_at.plus_seconds(3_600));
    // In whatever order they come.
    parts.agreements = vec![record(two.clone(), 2), record(one.clone(), 1)];
    let registry = Registry::new(2, parts);
    let (a, b): (PartnerId, PartnerId) = (AURORA.parse().unwrap(), BOREALIS.parse().unwrap());
    let fee = |at: Timestamp| {
        let terms = registry.agreement_at(&b, &a, at);
        assert_eq!(terms, registry.agreement_at(&a, &b, at), "whichever comes first");
        let signed = registry.signed_agreement(&a, &b, at).map(|record| record.id);
        assert_eq!(signed, terms.and_then(|terms| terms.signed));
        terms.map(|terms| (terms.fee_rate.to_string(), terms.minimum_gross.to_string()))
    };
    let told = |fee: &str, minimum: &str| Some((fee.to_owned(), minimum.to_owned()));
    assert_eq!(fee(NOW), told("0.01", "0.2"), "as the operator was handed");
    assert_eq!(fee(one.effective_at.plus_seconds(-1)), told("0.01", "0.2"));
    assert_eq!(fee(one.effective_at), told("0.02", "0"));
    assert_eq!(fee(two.effective_at.plus_seconds(-1)), told("0.02", "0"));
    assert_eq!(fee(two.effective_at), told("0.03", "0"));
    let end = two.until.unwrap();
    assert_eq!(fee(end.plus_seconds(-1)), told("0.03", "0"));
    assert_eq!(fee(end), None, "what has ended leaves nothing in force");
    assert_eq!(registry.last_agreement(&b, &a).unwrap().agreement.version, 2);
    let cedar = "cedar-hotels".parse().unwrap();
    assert_eq!(registry.agreement_at(&b, &cedar, end).unwrap().fee_rate.to_string(), "0.025");
    assert_eq!(registry.agreement_at(&a, &cedar, end), None);
}

#[test]
fn terms_answer_by_program_direction_and_tier() {
    let mut agreed = first();
    agreed.fee.tiers = serde_json::from_str(r#"[{"from":"100","rate":"0.01"}]"#).unwrap();
    agreed.overrides =
        serde_json::from_str(r#"[{"factor":"0.9","source":"aurora","target":"borealis"}]"#)
            .unwrap();
    agreed.member_limits =
        serde_json::from_str(r#"[{"points":"500","program":"aurora"}]"#).unwrap();
    agreed.tiers = serde_json::from_str(
        r#"[{"multiplier":"1.1","source":"aurora","source_tier":"gold","target":"borealis",
            "target_tier":"platinum"}]"#,
    )
    .unwrap();
    let record = record(agreed, 1);
    let terms = crate::alliance::AgreementTerms::of_signed(&record);
    let (aurora, borealis): (ProgramId, ProgramId) =
        ("aurora".parse().unwrap(), "borealis".parse().unwrap());
    assert_eq!(terms.factor(&aurora, &borealis).to_string(), "0.9");
    assert_eq!(terms.factor(&borealis, &aurora).to_string(), "1");
    assert_eq!(terms.member_limit(&aurora).unwrap().to_string(), "500");
    assert_eq!(terms.member_limit(&borealis), None);
    assert_eq!(terms.fee_rate_at("99.999999".parse().unwrap()).to_string(), "0.02");
    assert_eq!(terms.fee_rate_at("100".parse().unwrap()).to_string(), "0.01");
    assert!(terms.order_bounds(&aurora).is_none());
    let (gold, silver) = ("gold".parse().unwrap(), "silver".parse().unwrap());
    assert_eq!(terms.tier(&aurora, &gold, &borealis).unwrap().target_tier.as_str(), "platinum");
    assert_eq!(terms.tier(&aurora, &silver, &borealis), None);
    assert_eq!(terms.tier(&borealis, &gold, &aurora), None);
}

#[test]
fn commands_ask_for_the_agreements_they_are_about() {
    let mut world = world();
    let keyed = world.keyed(AURORA, "k", "d");
    let (id, signed) = (world.draw(), jws::parse(&first().sign(&key(AURORA))).unwrap());
    let wanted = |command: Command| {
        let mut wanted = Wanted::default();
        wanted.add(&world.set.registry, &command);
        assert_eq!(wanted.keys.len(), 1);
        (wanted.agreements, wanted.proposals)
    };
    let proposal = ProposeAgreement { id, agreement: first(), signed: signed.clone() };
    let pair = (AURORA.parse().unwrap(), BOREALIS.parse().unwrap());
    let asked = wanted(Command::ProposeAgreement(keyed.clone(), Box::new(proposal)));
    assert_eq!(asked, ([].into(), [pair].into()));
    let order = Box::new(CountersignAgreement { id, signed });
    let asked = wanted(Command::CountersignAgreement(keyed.clone(), order));
    assert_eq!(asked, ([id].into(), [].into()));
    assert_eq!(wanted(Command::WithdrawAgreement(keyed, id)), ([id].into(), [].into()));
}

#[test]
fn a_suspended_partner_signs_no_agreement_and_may_take_its_own_back() {
    let mut world = world();
    let own = proposed(&mut world, AURORA, &first());
    suspend(&mut world, AURORA);
    assert_eq!(propose(&mut world, AURORA, &first()), refused(ProblemCode::KindNotAllowed));
    assert_eq!(withdraw(&mut world, AURORA, own), Outcome::Agreement(own));
    let other = proposed(&mut world, BOREALIS, &first());
    assert_eq!(countersign(&mut world, AURORA, other), refused(ProblemCode::KindNotAllowed));
    assert_eq!(state(&world, other), AgreementState::Proposed);
}
