//! What every store must do with members that are forgotten or frozen, and with consents.

use std::sync::Arc;

use alliance_contracts::debit_consent::DebitConsent;
use alliance_contracts::ids::ErasureId;
use alliance_contracts::json;
use alliance_contracts::jws;
use alliance_contracts::link::LinkState;
use alliance_contracts::member::Erasure;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{QuoteRequest, Side, SideAmount, TransactionKind};

use super::place::Place;
use super::world::{BRANDS, World, corridor, name};
use crate::command::{
    Command, ForgetMember, FreezeMember, GrantConsent, MemberNo, Outcome, Quoted,
};
use crate::store::LinkDetail;

/// Forgets a brand's member of a person.
pub fn forget(world: &mut World, brand: usize, person: usize) -> Command {
    let (partner, program) = BRANDS[brand];
    let lookup = world.sought(brand, person);
    let order = ForgetMember { erasure: world.id(), program: name(program), lookup, forfeit: true };
    Command::ForgetMember(world.keyed(partner), order)
}

async fn links_of(world: &World, brand: usize) -> Vec<LinkDetail> {
    world.store.links(&name(BRANDS[brand].0), None, None, 1_000).await.unwrap()
}

pub async fn of_a_forgotten_member_a_number_is_left(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let done = world.perform(0, 1, 3).await;
    let lookup = world.lookup(0, 3);
    let before = world.store.member(lookup).await.unwrap().unwrap();
    let books = world.store.member_books(MemberNo(0), 1_000).await.unwrap();
    // Proposals that name it from either side, one of which its own brand has revoked.
    let mut proposals = Vec::new();
    for (a, b) in [((0, 3), (1, 5)), ((1, 5), (0, 3)), ((1, 6), (0, 3))] {
        let proposal = world.proposal(a, b);
        proposals.push(proposal.link);
        let propose = Command::ProposeLink(world.keyed(BRANDS[1].0), proposal);
        assert_eq!(world.decide(vec![propose]).await, [Outcome::Link(*proposals.last().unwrap())]);
    }
    let confirm = Command::ConfirmLink(world.keyed(BRANDS[0].0), proposals[1], None);
    let revoke = Command::RevokeLink(world.keyed(BRANDS[0].0), proposals[1]);
    world.decide(vec![confirm]).await;
    world.decide(vec![revoke]).await;
    let order = forget(&mut world, 0, 3);
    let outcomes = world.decide(vec![order.clone()]).await;
    let [Outcome::Erased(id)] = outcomes[..] else { panic!("{outcomes:?}") };
    // Nothing finds it any more, and nothing opens what is left.
    assert_eq!(world.store.member(lookup).await.unwrap(), None);
    let detail = world.store.transaction(done).await.unwrap().unwrap();
    let left = detail.source_member.unwrap();
    assert_eq!((left.member, left.balance), (before.member, before.balance));
    assert_eq!((left.lookup, left.wrapped_key, left.sealed_reference), (None, None, None));
    assert_eq!(world.store.member_books(MemberNo(0), 1_000).await.unwrap(), books);
    // Its links have ended, and no other's; no name is left in them.
    let links = links_of(&world, 0).await;
    let theirs: Vec<&LinkDetail> = links
        .iter()
        .filter(|l| [l.record.a.member, l.record.b.member].contains(&Some(left.member)))
        .collect();
    assert_eq!(theirs.len(), 3, "two imported, one confirmed");
    for detail in theirs {
        assert_eq!(detail.record.state, LinkState::Revoked);
        assert_eq!((&detail.record.a.supplied, &detail.record.b.supplied), (&None, &None));
    }
    for proposed in [proposals[0], proposals[2]] {
        let link = world.store.link(proposed).await.unwrap().unwrap().record;
        assert_eq!((link.state, link.a.lookup, link.b.lookup), (LinkState::Proposed, None, None));
    }
    let active = links.iter().filter(|l| l.record.state == LinkState::Active).count();
    assert_eq!(active, 2 * (super::world::PEOPLE - 1));
    // What was signed about it is kept as it was signed; the key knows it.
    let signed = world.store.erasure(id).await.unwrap().unwrap();
    let payload = jws::parse(&signed.jws).unwrap().payload;
    assert_eq!(json::read_canonical::<Erasure>(&payload).unwrap(), signed.erasure);
    let seen = &detail.record.source.member().unwrap().pseudonym;
    let said = signed.erasure.pseudonyms.iter().find(|one| one.corridor == corridor()).unwrap();
    assert_eq!(&said.member, seen);
    assert_eq!(world.decide(vec![order]).await, [Outcome::Erased(id)]);
    let again = forget(&mut world, 0, 3);
    assert_eq!(world.decide(vec![again]).await, [Outcome::Refused(ProblemCode::MemberUnknown)]);
}

pub async fn whoever_is_named_again_after_it_was_forgotten_is_another(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let lookup = world.lookup(0, 1);
    let old = world.store.member(lookup).await.unwrap().unwrap().member;
    let again = world.new_member(BRANDS[0].1, 1, 5);
    // In one batch: the look-up is free for the newcomer, however the batch is written.
    let batch =
        vec![forget(&mut world, 0, 1), Command::ImportMembers(Arc::new(vec![again.clone()]))];
    let outcomes = world.decide(batch).await;
    assert!(matches!(outcomes[..], [Outcome::Erased(_), Outcome::Done(1)]), "{outcomes:?}");
    let new = world.store.member(lookup).await.unwrap().unwrap();
    assert_ne!(new.member, old);
    assert_eq!(new.wrapped_key, Some(again.wrapped_key));
    let active = links_of(&world, 0).await.into_iter();
    let active = active.filter(|l| l.record.state == LinkState::Active);
    assert!(active.into_iter().all(|l| l.record.a.member != Some(new.member)));
}

pub async fn whose_transaction_is_pending_is_not_forgotten(place: &Place) {
    let mut world = World::connected(place.open().await, vec![1]).await;
    let registry = world.registry().await;
    let request = QuoteRequest {
        expiry: None,
        amount: Some(SideAmount { side: Side::Source, value: name("1000") }),
        kind: TransactionKind::Exchange,
        segment: None,
        source: world.account(0, 2),
        target: world.account(1, 2),
        tier: None,
    };
    let order = world.order_of(&registry, 0, &request);
    let order = Command::Order(world.keyed(BRANDS[0].0), order);
    let accepted = world.decide(vec![order]).await;
    assert!(matches!(accepted[..], [Outcome::Transaction(_)]), "{accepted:?}");
    for brand in [0, 1] {
        let order = forget(&mut world, brand, 2);
        let refused = world.decide(vec![order]).await;
        assert_eq!(refused, [Outcome::Refused(ProblemCode::MemberPending)]);
    }
    let other = forget(&mut world, 0, 3);
    assert!(matches!(world.decide(vec![other]).await[..], [Outcome::Erased(_)]));
}

pub async fn erasures_come_in_pages_by_partner(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let mut made: Vec<ErasureId> = Vec::new();
    for (brand, person) in [(0, 0), (1, 0), (0, 1), (0, 2)] {
        let order = forget(&mut world, brand, person);
        let outcomes = world.decide(vec![order]).await;
        let [Outcome::Erased(id)] = outcomes[..] else { panic!("{outcomes:?}") };
        if brand == 0 {
            made.push(id);
        }
    }
    let partner = name(BRANDS[0].0);
    let page = async |after, limit| {
        let page = world.store.erasures(&partner, after, limit).await.unwrap();
        page.into_iter().map(|signed| signed.erasure.id).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2).await, made[..2]);
    assert_eq!(page(Some(made[1]), 2).await, made[2..]);
    assert_eq!(page(Some(made[2]), 2).await, []);
    let unknown = world.id();
    assert_eq!(world.store.erasure(unknown).await.unwrap(), None);
}

pub async fn an_erasure_without_its_signature_is_refused(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let order = forget(&mut world, 0, 0);
    let mut prepared = world.prepare(vec![order]).await;
    prepared.writes.erasures[0].jws = None;
    world.contradicts(prepared).await;
}

pub async fn members_are_frozen_and_let_go(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let lookup = world.lookup(1, 4);
    for frozen in [true, true, false] {
        let order = FreezeMember { program: name(BRANDS[1].1), lookup: lookup.into(), frozen };
        let order = Command::FreezeMember(world.keyed(BRANDS[1].0), order);
        assert_eq!(world.decide(vec![order.clone()]).await, [Outcome::Member]);
        assert_eq!(world.decide(vec![order]).await, [Outcome::Member], "the key knows it");
        let member = world.store.member(lookup).await.unwrap().unwrap();
        assert_eq!(member.frozen, frozen);
        assert!(member.wrapped_key.is_some());
    }
}

/// What the first brand lets the second do.
fn consent(world: &World) -> DebitConsent {
    let document = serde_json::json!({
        "alliance": world.store.alliance(), "kinds": ["exchange"],
        "limits": {"day": "1000", "month": "1000", "order": "1000"}, "programs": [],
        "source": BRANDS[0].0, "target": BRANDS[1].0, "until": null, "v": 1
    });
    serde_json::from_value(document).unwrap()
}

pub async fn what_was_ordered_under_a_consent_is_kept_and_its_end_too(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let consent = consent(&world);
    let (signed, _) = DebitConsent::read_signed(&consent.sign(&world.partner_key(0))).unwrap();
    let (id, before) = (world.id(), world.store.registry().await.unwrap().unwrap().0);
    let grant = GrantConsent { id, consent: consent.clone(), signed };
    let grant = Command::GrantConsent(world.keyed(BRANDS[0].0), Box::new(grant));
    assert_eq!(world.decide(vec![grant.clone()]).await, [Outcome::Consent(id)]);
    assert_eq!(world.decide(vec![grant]).await, [Outcome::Consent(id)], "the key knows it");
    let (version, parts) = world.store.registry().await.unwrap().unwrap();
    assert_eq!((version, parts.consents.len()), (before + 1, 1));
    let record = &parts.consents[0];
    assert_eq!((record.id, &record.consent, record.revoked_at), (id, &consent, None));
    assert_eq!(record.jws(), consent.sign(&world.partner_key(0)));
    // The second brand orders, twice: the second order finds what the first has left.
    let mut gross = 0;
    for person in 0..2 {
        let registry = world.registry().await;
        let order = world.order(&registry, 0, 1, person, 1_000);
        if let Quoted::Open(terms) = &order.quote {
            gross += terms.settlement.as_ref().unwrap().gross.micros();
        }
        let order = Command::Order(world.keyed(BRANDS[1].0), order);
        let prepared = world.prepare(vec![order]).await;
        assert!(matches!(prepared.outcomes[..], [Outcome::Transaction(_)]));
        let spent = prepared.writes.consents_spent[&id];
        assert_eq!((spent.in_day, spent.in_month), (gross, gross));
        prepared.commit().await.unwrap();
    }
    let revoke = Command::RevokeConsent(world.keyed(BRANDS[1].0), id);
    assert_eq!(world.decide(vec![revoke]).await, [Outcome::Consent(id)]);
    let revoked = world.store.registry().await.unwrap().unwrap().1.consents;
    assert_eq!(revoked[0].revoked_at, Some(world.now));
}
