//! Keys that were changed after the definition, what they were accepted for, and cosignatures.

use std::sync::Arc;

use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::{LinkId, RequestId, TransactionId};
use alliance_contracts::json;
use alliance_contracts::jws;
use alliance_contracts::key_list::{Jwk, KeyStatement};
use alliance_contracts::keys::{Kid, SigningKey};
use alliance_contracts::names::PartnerId;
use alliance_contracts::partner_key::{KeyRegistration, KeyScope};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::TransactionState;

use super::place::Place;
use super::world::{BRANDS, World, corridor, name};
use crate::alliance::{GatewayKeys, PartnerKeyRecord};
use crate::command::{Command, Cosignature, Outcome, RequestEvidence};
use crate::store::KeyUseRecord;

fn add_key(world: &mut World, key: &SigningKey) -> Command {
    let (alliance, partner) = (world.store.alliance().clone(), name::<PartnerId>(BRANDS[0].0));
    let asked = KeyRegistration::new(alliance, partner, KeyScope::Trade, key.public_key());
    let proven = KeyRegistration::prove(&asked.sign(key), &asked.alliance, &asked.partner).unwrap();
    Command::AddKey(world.keyed(BRANDS[0].0), Box::new(proven))
}

pub async fn keys_of_after_the_definition_come_with_the_registry(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let (before, parts) = world.store.registry().await.unwrap().unwrap();
    assert_eq!((parts.partner_keys.len(), parts.gateway_keys), (0, None));
    let (added, defined) = (SigningKey::from_seed(&[77; 32]), world.partner_key(1));
    let add = add_key(&mut world, &added);
    let end = world.now.plus_seconds(3_600);
    let retire = Command::RetireKey(world.keyed(BRANDS[1].0), defined.kid().clone(), end);
    let outcomes = world.decide(vec![add.clone(), retire]).await;
    assert_eq!(outcomes, [added.kid(), defined.kid()].map(|kid| Outcome::Key(kid.clone())));
    let (version, parts) = world.store.registry().await.unwrap().unwrap();
    assert_eq!(version, before + 1);
    let kept = |kid: &Kid| parts.partner_keys.iter().find(|key| key.kid == *kid).unwrap().clone();
    let expected = PartnerKeyRecord {
        kid: added.kid().clone(),
        partner: name(BRANDS[0].0),
        x: alliance_contracts::encoding::base64url_encode(added.public_key().as_bytes()),
        scope: KeyScope::Trade,
        nbf: Some(world.now),
        exp: None,
        revoked_at: None,
        added_at: Some(world.now),
        changed_by: Some(world.key.kid().clone()),
    };
    assert_eq!(kept(added.kid()), expected);
    let retired = kept(defined.kid());
    assert_eq!((retired.exp, retired.added_at, retired.nbf), (Some(end), None, Some(world.now)));
    let statement = jws::parse(&parts.partner_keys_jws).unwrap().payload;
    let statement: KeyStatement = json::read(&statement).unwrap();
    let listed = statement.keys.iter().find(|key| key.kid == *added.kid()).unwrap();
    assert_eq!((statement.keys.len(), listed.scope.as_deref()), (3, Some("trade")));
    // A change keeps what does not change; the idempotency key still knows the first answer.
    world.now = world.now.plus_seconds(5);
    let revoke = Command::RevokeKeyOf(name(BRANDS[0].0), added.kid().clone());
    assert_eq!(world.decide(vec![revoke, add]).await[1], Outcome::Key(added.kid().clone()));
    let (version, parts) = world.store.registry().await.unwrap().unwrap();
    let revoked = PartnerKeyRecord { revoked_at: Some(world.now), changed_by: None, ..expected };
    assert_eq!(version, before + 2);
    assert!(parts.partner_keys.contains(&revoked), "{:?}", parts.partner_keys);
}

pub async fn a_changed_key_without_a_signed_list_is_refused(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let add = add_key(&mut world, &SigningKey::from_seed(&[77; 32]));
    let mut prepared = world.prepare(vec![add]).await;
    prepared.writes.partner_keys_jws = None;
    world.contradicts(prepared).await;
}

fn gateway_list(world: &World, number: u64, previous: Hash) -> GatewayKeys {
    let root = SigningKey::from_seed(&[99; 32]);
    let keys = vec![Jwk::new(world.key.public_key(), None)];
    let alliance = world.store.alliance().to_string();
    let list = KeyStatement { alliance, keys, number, previous }.publish(&root);
    GatewayKeys::read(&serde_json::to_string(&list).unwrap()).unwrap()
}

pub async fn the_last_gateway_key_list_comes_with_the_registry(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let first = gateway_list(&world, 1, Hash::ZERO);
    let second = gateway_list(&world, 2, *first.trusted.hash());
    for (list, outcome) in [(&first, 1), (&second, 1), (&second, 0)] {
        let import = Command::ImportGatewayKeys(Box::new(list.clone()));
        assert_eq!(world.decide(vec![import]).await, [Outcome::Done(outcome)]);
        let known = world.store.registry().await.unwrap().unwrap().1.gateway_keys.unwrap();
        assert_eq!(*known, *list);
    }
    let import = Command::ImportGatewayKeys(Box::new(first));
    let prepared = world.prepare(vec![import]).await;
    assert!(matches!(prepared.outcomes[..], [Outcome::KeyListRefused(_)]));
    assert!(prepared.writes.is_empty());
    drop(prepared);
    // One after the other.
    let fourth = gateway_list(&world, 4, *second.trusted.hash());
    let prepared = world.prepare(vec![Command::ImportGatewayKeys(Box::new(fourth))]).await;
    match &prepared.outcomes[..] {
        [Outcome::KeyListRefused(why)] => assert!(why.contains("import 3 first"), "{why}"),
        other => panic!("{other:?}"),
    }
    drop(prepared);
    // Every number once.
    let third = gateway_list(&world, 3, *second.trusted.hash());
    let mut prepared = world.prepare(vec![Command::ImportGatewayKeys(Box::new(third))]).await;
    prepared.writes.gateway_keys = Some(second);
    world.contradicts(prepared).await;
}

pub async fn the_partner_key_list_is_signed_anew_once_its_key_is_revoked(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let vouch = || vec![Command::VouchForPartnerKeys];
    let first = gateway_list(&world, 1, Hash::ZERO);
    let import = Command::ImportGatewayKeys(Box::new(first.clone()));
    assert_eq!(world.decide(vec![import]).await, [Outcome::Done(1)]);
    assert_eq!(world.decide(vouch()).await, [Outcome::Done(0)], "its key is in force");
    let mut keys = vec![Jwk::new(world.key.public_key(), None)];
    keys[0].revoked_at = Some(world.now);
    world.key = SigningKey::from_seed(&[98; 32]);
    keys.push(Jwk::new(world.key.public_key(), None));
    let (alliance, previous) = (world.store.alliance().to_string(), *first.trusted.hash());
    let second = KeyStatement { alliance, keys, number: 2, previous };
    let second = GatewayKeys::of(&second.publish(&SigningKey::from_seed(&[99; 32]))).unwrap();
    let import = Command::ImportGatewayKeys(Box::new(second));
    assert_eq!(world.decide(vec![import]).await, [Outcome::Done(1)]);
    assert_eq!(world.decide(vouch()).await, [Outcome::Done(1)]);
    let (_, parts) = world.store.registry().await.unwrap().unwrap();
    assert_eq!(jws::parse(&parts.partner_keys_jws).unwrap().kid, *world.key.kid());
    assert_eq!(world.decide(vouch()).await, [Outcome::Done(0)]);
}

/// An order whose request says which transaction it becomes.
async fn order(world: &mut World, person: usize) -> (Command, RequestId, TransactionId) {
    match world.exchange(0, 1, person, 1_000).await {
        Command::Order(mut keyed, order) => {
            let transactions = vec![order.transaction];
            let request = RequestEvidence { transactions, ..(*keyed.request).clone() };
            keyed.request = Arc::new(request);
            let (request, transaction) = (keyed.request.id, order.transaction);
            (Command::Order(keyed, order), request, transaction)
        }
        other => panic!("{other:?}"),
    }
}

pub async fn what_a_key_was_accepted_for_comes_in_pages(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let kid = world.key.kid().clone();
    let begin = world.now;
    let mut expected = Vec::new();
    for person in 0..3 {
        world.now = world.now.plus_seconds(1);
        let (order, request, made) = order(&mut world, person).await;
        let proposal = world.proposal((0, person), (1, 90 + person));
        let link: LinkId = proposal.link;
        let propose = Command::ProposeLink(world.keyed(BRANDS[0].0), proposal);
        let used = |what: &str, request, subject: Option<String>, transactions| KeyUseRecord {
            received_at: world.now,
            request,
            what: what.to_owned(),
            subject,
            transactions,
        };
        expected.push(used("orders", request, None, vec![made]));
        let request = propose.keyed().unwrap().request.id;
        expected.push(used("link", request, Some(link.to_string()), Vec::new()));
        // Repeating it is no second use.
        world.decide(vec![order, propose.clone()]).await;
        world.decide(vec![propose]).await;
    }
    // What was refused is no use.
    let poor = world.exchange(0, 1, 0, i64::from(i32::MAX)).await;
    let refused = world.decide(vec![poor]).await;
    assert_eq!(refused, [Outcome::Refused(ProblemCode::InsufficientPoints)]);
    expected.sort_by_key(|used| (used.received_at, used.request));
    let store = world.store.clone();
    let from = |at: Timestamp| expected.iter().filter(move |used| used.received_at >= at).cloned();
    for at in [begin, begin.plus_seconds(2), begin.plus_seconds(4)] {
        let uses = store.key_uses(&kid, at, None, 100).await.unwrap();
        assert_eq!(uses, from(at).collect::<Vec<_>>());
    }
    let (mut pages, mut place) = (Vec::new(), (begin, None));
    loop {
        let page = store.key_uses(&kid, place.0, place.1, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        place = (last.received_at, Some(last.request));
        pages.extend(page);
    }
    assert_eq!(pages, expected);
    let other = world.partner_key(1);
    assert_eq!(store.key_uses(other.kid(), begin, None, 100).await.unwrap(), []);
    // Where its transactions stand, of those that there are.
    let mut made: Vec<_> = expected.iter().flat_map(|used| used.transactions.clone()).collect();
    made.sort();
    let mut asked = vec![world.id()];
    asked.extend(made.iter().copied());
    let standing = store.standing(&asked).await.unwrap();
    assert_eq!(standing.iter().map(|one| one.id).collect::<Vec<_>>(), made);
    assert!(standing.iter().all(|one| one.state == TransactionState::Completed));
    assert!(standing.iter().all(|one| one.corridor == corridor()));
    let mut seqs: Vec<_> = standing.iter().map(|one| one.seq).collect();
    seqs.sort();
    assert_eq!(seqs, [Some(1), Some(2), Some(3)]);
    assert_eq!(store.standing(&[]).await.unwrap(), []);
}

pub async fn the_first_cosignature_of_a_partner_over_so_many_receipts_stays(place: &Place) {
    let mut world = World::new(place.open().await).await;
    world.perform(0, 1, 0).await;
    world.perform(0, 1, 1).await;
    let cosignature = |world: &World, brand: usize, size, note: &str| Cosignature {
        corridor: corridor(),
        size,
        partner: name(BRANDS[brand].0),
        kid: world.key.kid().clone(),
        cosigned_at: world.now,
        note: note.to_owned(),
    };
    let mut kept = Vec::new();
    for (brand, size, note) in [(0, 1, "é"), (1, 2, "two"), (0, 2, "three"), (0, 2, "again")] {
        let one = cosignature(&world, brand, size, note);
        let cosign = Command::Cosign(world.keyed(BRANDS[brand].0), Box::new(one.clone()));
        assert_eq!(world.decide(vec![cosign]).await, [Outcome::Cosigned]);
        kept.push(one);
    }
    let beyond = cosignature(&world, 0, 3, "beyond");
    let cosign = Command::Cosign(world.keyed(BRANDS[0].0), Box::new(beyond));
    assert_eq!(world.decide(vec![cosign]).await, [Outcome::Refused(ProblemCode::NotFound)]);
    let (store, chain) = (world.store.clone(), corridor());
    let from = |size| store.cosignatures(&chain, size, 10);
    assert_eq!(from(1).await.unwrap(), [kept[0].clone(), kept[2].clone(), kept[1].clone()]);
    assert_eq!(from(2).await.unwrap(), [kept[2].clone(), kept[1].clone()]);
    assert_eq!(from(3).await.unwrap(), []);
    assert_eq!(store.cosignatures(&chain, 1, 1).await.unwrap(), [kept[0].clone()]);
    let newest = store.newest_cosignatures(&chain, 2).await.unwrap();
    assert_eq!(newest, [kept[1].clone(), kept[2].clone()]);
    let other = name("borealis-coffee~cumulus-stay");
    assert_eq!(store.newest_cosignatures(&other, 2).await.unwrap(), []);
}
