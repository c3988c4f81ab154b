//! What every store must do while the master key is being rotated, and after.

use std::sync::Arc;

use alliance_contracts::ids::EndpointId;
use alliance_contracts::link::LinkState;

use super::members;
use super::place::Place;
use super::world::{BRANDS, PEOPLE, World, name};
use crate::alliance::RotationFault;
use crate::command::{
    AddEndpoint, BeginRotation, ChangeEndpoint, Command, EndpointChange, MemberNo, NewLink, Outcome,
};
use crate::ledger::working_set::SealedMember;
use crate::rekeying::{self, QUOTE_KEY_PURPOSE, Rekeyed, WrappedMember};
use crate::vault::{KEY_LEN, MasterKeyId, Vault};
use crate::webhooks::{EndpointRecord, SECRET_PURPOSE};

/// The master key of every [`World`].
const OLD: [u8; KEY_LEN] = [7; KEY_LEN];
const NEW: [u8; KEY_LEN] = [9; KEY_LEN];
const NEWER: [u8; KEY_LEN] = [11; KEY_LEN];

fn id(key: &[u8; KEY_LEN]) -> MasterKeyId {
    MasterKeyId::of(key)
}

fn vault(keys: &[[u8; KEY_LEN]]) -> Arc<Vault> {
    let one = Vault::new(name("demo"), &keys[0]);
    Arc::new(keys[1..].iter().fold(one, |vault, key| vault.and(key)))
}

async fn begin(world: &mut World, from: &[u8; KEY_LEN], to: &[u8; KEY_LEN]) -> Outcome {
    let blind_keys = world.vault.carry_blind_key(id(from), id(to)).map(|key| (1, key));
    let order =
        BeginRotation { from: id(from), to: id(to), blind_keys: Vec::from_iter(blind_keys) };
    world.decide(vec![Command::BeginRotation(Box::new(order))]).await.remove(0)
}

async fn end(world: &mut World, to: &[u8; KEY_LEN]) -> Outcome {
    world.decide(vec![Command::EndRotation(id(to))]).await.remove(0)
}

async fn bring(world: &mut World, page: Rekeyed) -> Outcome {
    world.decide(vec![Command::Rekey(Arc::new(page))]).await.remove(0)
}

/// Every row that is not under this key, as it would be.
async fn all_pages(world: &World, to: MasterKeyId) -> Rekeyed {
    let (store, vault) = (&world.store, &world.vault);
    let mut page = Rekeyed::to(to);
    for (period, wrapped) in store.quote_keys().await.unwrap() {
        page.quote_keys.extend(rekeying::quote_key(vault, to, period, &wrapped).unwrap());
    }
    for record in endpoints(world).await {
        page.endpoints.extend(rekeying::endpoint(vault, to, &record).unwrap());
    }
    let mut after = None;
    loop {
        let links = store.links_looked_up(after, 2).await.unwrap();
        let Some(last) = links.last() else { break };
        after = Some(last.record.id);
        for one in &links {
            let keys = [&one.a_member, &one.b_member]
                .map(|member| member.as_ref().and_then(|one| one.wrapped_key.as_deref()));
            page.links.extend(rekeying::link(vault, to, &one.record, keys));
        }
    }
    for row in wrapped_members(world).await {
        page.members.extend(rekeying::member(vault, to, &row).unwrap());
    }
    page
}

/// Begins a rotation of a world that has had none, and brings everything.
pub async fn rotate(world: &mut World) {
    world.vault = vault(&[OLD, NEW]);
    assert_eq!(begin(world, &OLD, &NEW).await, Outcome::Done(1));
    let all = all_pages(world, id(&NEW)).await;
    for members in all.members.chunks(50) {
        let page = Rekeyed { members: members.to_vec(), ..Rekeyed::to(all.to) };
        assert_eq!(bring(world, page).await, Outcome::Done(members.len()));
    }
    bring(world, Rekeyed { members: Vec::new(), ..all }).await;
}

/// In pages.
async fn wrapped_members(world: &World) -> Vec<WrappedMember> {
    let (mut all, mut after) = (Vec::new(), MemberNo(0));
    loop {
        let page = world.store.wrapped_members(after, 4).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.member;
        all.extend(page);
    }
    assert_eq!(world.store.count_wrapped_members(MemberNo(0)).await.unwrap(), all.len() as u64);
    all
}

async fn endpoints(world: &World) -> Vec<EndpointRecord> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = world.store.all_endpoints(after, 1).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = Some(last.id);
        all.extend(page);
    }
}

async fn endpoint(world: &mut World) -> EndpointId {
    let id = world.id();
    let url = "https://hooks.example.com/".to_owned();
    let secret = world.vault.wrap_secret(SECRET_PURPOSE, b"first", [1; 12]);
    let add = AddEndpoint { id, url, types: Vec::new(), secret, after: 0 };
    let add = Command::AddEndpoint(world.keyed(BRANDS[0].0), Box::new(add));
    assert_eq!(world.decide(vec![add]).await, [Outcome::Endpoint(id)]);
    id
}

async fn change(world: &mut World, endpoint: EndpointId, change: EndpointChange) {
    let change = Box::new(ChangeEndpoint { endpoint, change });
    let change = Command::ChangeEndpoint(world.keyed(BRANDS[0].0), change);
    assert_eq!(world.decide(vec![change]).await, [Outcome::Endpoint(endpoint)]);
}

fn new_secret(vault: &Vault) -> EndpointChange {
    let wrapped = vault.wrap_secret(SECRET_PURPOSE, b"second", [2; 12]);
    EndpointChange::Secret { wrapped, overlap_seconds: 600 }
}

async fn at(
    world: &World,
    key: &[u8; KEY_LEN],
    brand: usize,
    person: usize,
) -> Option<SealedMember> {
    let alone = Vault::new(name("demo"), key);
    let sought = alone.sought(&name(BRANDS[brand].1), &world.person(person));
    world.store.member(sought.first()).await.unwrap()
}

/// How many things in the store open under a key alone, and how many do not.
async fn opened_by(world: &World, key: &[u8; KEY_LEN]) -> (usize, usize) {
    let alone = Vault::new(name("demo"), key);
    let mut opens = Vec::new();
    for (_, wrapped) in world.store.quote_keys().await.unwrap() {
        opens.push(alone.unwrap_secret(QUOTE_KEY_PURPOSE, &wrapped).is_ok());
    }
    for record in endpoints(world).await {
        opens.push(alone.unwrap_secret(SECRET_PURPOSE, &record.secret).is_ok());
        let old = record.old_secret.iter();
        opens.extend(old.map(|old| alone.unwrap_secret(SECRET_PURPOSE, &old.wrapped).is_ok()));
    }
    for row in wrapped_members(world).await {
        opens.push(alone.unwrap(&row.wrapped_key).is_ok());
    }
    let all = opens.len();
    let opened = opens.into_iter().filter(|opens| *opens).count();
    (opened, all - opened)
}

async fn store_quote_key(world: &mut World, period: i64) {
    let wrapped = world.vault.wrap_secret(QUOTE_KEY_PURPOSE, &[5; 32], [3; 12]);
    let store = Command::StoreQuoteKey { period, wrapped, destroy_before: 0 };
    assert_eq!(world.decide(vec![store]).await, [Outcome::Done(1)]);
}

pub async fn the_generations_of_the_master_key_come_with_the_registry(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let keys = world.registry().await.master_keys.clone();
    assert_eq!(keys.current_id(), Some(id(&OLD)), "the first definition names it");
    assert!(keys.retiring().is_none());
    // What is refused changes nothing.
    let refused = |fault| Outcome::RotationRefused(fault);
    assert_eq!(end(&mut world, &NEW).await, refused(RotationFault::GoneOn(id(&OLD))));
    assert_eq!(begin(&mut world, &OLD, &OLD).await, refused(RotationFault::UsedBefore(id(&OLD))));
    assert_eq!(begin(&mut world, &NEWER, &NEW).await, refused(RotationFault::GoneOn(id(&OLD))));
    assert_eq!(world.registry().await.master_keys, keys);
    // Begun: once, whoever begins it how often.
    world.vault = vault(&[OLD, NEW]);
    let before = world.registry().await.seen_version;
    assert_eq!(begin(&mut world, &OLD, &NEW).await, Outcome::Done(1));
    assert_eq!(begin(&mut world, &OLD, &NEW).await, Outcome::Done(0));
    let registry = world.registry().await;
    assert_eq!(registry.seen_version, before + 1, "every gateway sees it with its next batch");
    let keys = &registry.master_keys;
    assert_eq!(
        (keys.current_id(), keys.retiring().map(|one| one.id)),
        (Some(id(&NEW)), Some(id(&OLD)))
    );
    let carried = keys.iter().map(|record| record.blind_key.is_some());
    assert_eq!(Vec::from_iter(carried), [true, false]);
    for (has, fits) in [(&[OLD][..], false), (&[NEW], false), (&[OLD, NEW], true)] {
        assert_eq!(keys.fit(&vault(has)).is_ok(), fits, "{} keys", has.len());
    }
    // Another one has to wait for its end.
    let unended = refused(RotationFault::NotEnded(id(&NEW)));
    assert_eq!(begin(&mut world, &NEW, &NEWER).await, unended);
    assert_eq!(end(&mut world, &NEW).await, Outcome::Done(1));
    assert_eq!(end(&mut world, &NEW).await, Outcome::Done(0));
    let keys = world.registry().await.master_keys.clone();
    assert!(keys.retiring().is_none());
    assert!(keys.fit(&vault(&[NEW])).is_ok() && keys.fit(&vault(&[OLD])).is_err());
    assert_eq!(begin(&mut world, &NEW, &OLD).await, refused(RotationFault::UsedBefore(id(&OLD))));
    // After the end no page changes anything.
    world.vault = vault(&[OLD, NEW]);
    let page = all_pages(&world, id(&NEW)).await;
    assert!(page.rows() > 0);
    assert_eq!(bring(&mut world, page).await, Outcome::Done(0));
}

pub async fn everything_is_brought_under_another_master_key(place: &Place) {
    let mut world = World::new(place.open().await).await;
    store_quote_key(&mut world, 1).await;
    let hook = endpoint(&mut world).await;
    let secret = new_secret(&world.vault);
    change(&mut world, hook, secret).await;
    let gone = endpoint(&mut world).await;
    change(&mut world, gone, EndpointChange::Remove).await;
    // Proposals to a member that is here, to nobody, and one taken back.
    for (a, b) in [((0, 3), (1, 5)), ((1, 6), (0, 900)), ((1, 6), (0, 3))] {
        let proposal = world.proposal(a, b);
        let proposer = if a.0 == 0 { BRANDS[0].0 } else { BRANDS[1].0 };
        let propose = Command::ProposeLink(world.keyed(proposer), proposal);
        assert!(matches!(world.decide(vec![propose]).await[..], [Outcome::Link(_)]));
    }
    let order = members::forget(&mut world, 2, 4);
    assert!(matches!(world.decide(vec![order]).await[..], [Outcome::Erased(_)]));
    let (all, none) = opened_by(&world, &OLD).await;
    assert_eq!((all, none), (1 + 3 + BRANDS.len() * PEOPLE - 1, 0));
    world.vault = vault(&[OLD, NEW]);
    assert_eq!(begin(&mut world, &OLD, &NEW).await, Outcome::Done(1));
    assert_eq!(opened_by(&world, &OLD).await, (all, 0), "to begin changes no row");
    let page = all_pages(&world, id(&NEW)).await;
    assert_eq!((page.quote_keys.len(), page.endpoints.len(), page.links.len()), (1, 2, 3));
    let again = page.clone();
    assert_eq!(bring(&mut world, page).await, Outcome::Done(again.rows()));
    assert_eq!(opened_by(&world, &NEW).await, (all, 0));
    assert_eq!(opened_by(&world, &OLD).await, (0, all));
    // Nothing is left to do, and the same page once more does nothing.
    assert_eq!(all_pages(&world, id(&NEW)).await.rows(), 0);
    let books = wrapped_members(&world).await;
    bring(&mut world, again).await;
    assert_eq!(wrapped_members(&world).await, books);
    assert_eq!(end(&mut world, &NEW).await, Outcome::Done(1));
    // The new key alone: everybody is found, and whoever was forgotten is nobody.
    world.vault = vault(&[NEW]);
    for (brand, person) in [(0, 0), (1, 5), (2, PEOPLE - 1)] {
        assert!(at(&world, &OLD, brand, person).await.is_none());
        let member = at(&world, &NEW, brand, person).await.unwrap().open(&world.vault);
        assert_eq!(member.reference, Some(world.person(person)));
    }
    for key in [OLD, NEW] {
        assert!(at(&world, &key, 2, 4).await.is_none());
    }
    world.perform(0, 1, 3).await;
    // What was proposed before is confirmed after, by whoever was named, imported meanwhile.
    let links = world.store.links_looked_up(None, 10).await.unwrap();
    let newcomer = world.new_member(BRANDS[0].1, 900, 5);
    world.decide(vec![Command::ImportMembers(Arc::new(vec![newcomer]))]).await;
    for link in links.iter().map(|detail| &detail.record) {
        let confirmer = if link.proposed_by == name(BRANDS[0].0) { 1 } else { 0 };
        let confirm = Command::ConfirmLink(world.keyed(BRANDS[confirmer].0), link.id, None);
        assert_eq!(world.decide(vec![confirm]).await, [Outcome::Link(link.id)]);
        let state = world.store.link(link.id).await.unwrap().unwrap().record.state;
        assert_eq!(state, LinkState::Active);
    }
}

pub async fn a_row_that_is_not_as_it_was_read_is_left_alone(place: &Place) {
    let mut world = World::new(place.open().await).await;
    store_quote_key(&mut world, 1).await;
    let hook = endpoint(&mut world).await;
    let proposal = world.proposal((1, 5), (0, 3));
    let link = proposal.link;
    let propose = Command::ProposeLink(world.keyed(BRANDS[1].0), proposal);
    world.decide(vec![propose]).await;
    world.vault = vault(&[OLD, NEW]);
    begin(&mut world, &OLD, &NEW).await;
    // Read, and changed before it is written.
    let stale = all_pages(&world, id(&NEW)).await;
    let secret = new_secret(&world.vault);
    change(&mut world, hook, secret).await;
    let changed = endpoints(&world).await;
    let order = members::forget(&mut world, 0, 3);
    assert!(matches!(world.decide(vec![order]).await[..], [Outcome::Erased(_)]));
    let mut foreign = stale.clone();
    foreign.quote_keys[0].before = vec![1, 2, 3];
    foreign.members.iter_mut().for_each(|row| row.before[20] ^= 1);
    let before = (wrapped_members(&world).await, world.store.quote_keys().await.unwrap());
    bring(&mut world, foreign).await;
    assert_eq!((wrapped_members(&world).await, world.store.quote_keys().await.unwrap()), before);
    bring(&mut world, stale).await;
    assert_eq!(endpoints(&world).await, changed);
    for key in [OLD, NEW] {
        assert!(at(&world, &key, 0, 3).await.is_none(), "forgotten stays forgotten");
    }
    let record = world.store.link(link).await.unwrap().unwrap().record;
    assert_eq!((record.a.lookup, record.b.lookup), (None, None));
    // What the writer has changed, it has brought there itself.
    assert_eq!(all_pages(&world, id(&NEW)).await.rows(), 0);
    assert_eq!(opened_by(&world, &OLD).await.0, 0);
}

/// Members, half of them under the new key: whoever is named is found, whatever names them.
pub async fn while_the_master_key_is_rotated_everything_goes_on(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let proposals: Vec<_> = [((1, 5), (0, 3)), ((1, 6), (0, 4))]
        .map(|(a, b)| world.proposal(a, b))
        .into_iter()
        .collect();
    let ids: Vec<_> = proposals.iter().map(|proposal| proposal.link).collect();
    for proposal in proposals {
        let propose = Command::ProposeLink(world.keyed(BRANDS[1].0), proposal);
        world.decide(vec![propose]).await;
    }
    world.vault = vault(&[OLD, NEW]);
    begin(&mut world, &OLD, &NEW).await;
    let mut page = all_pages(&world, id(&NEW)).await;
    page.members.retain(|row| row.member.0 % 2 == 0);
    page.links.retain(|row| row.link == ids[1]);
    bring(&mut world, page).await;
    let (there, here) = opened_by(&world, &NEW).await;
    assert!(there > 0 && here > 0, "{there} {here}");
    for led_by in [OLD, NEW] {
        world.vault = Arc::new(Vault::new(name("demo"), &OLD).and(&NEW).led_by(id(&led_by)));
        for person in 0..PEOPLE {
            world.perform(0, 1, person).await;
        }
        // Imported again: they are here, wherever they are found.
        let again: Vec<_> =
            (0..PEOPLE).map(|person| world.new_member(BRANDS[0].1, person, 1)).collect();
        let outcome = world.decide(vec![Command::ImportMembers(Arc::new(again))]).await.remove(0);
        assert!(matches!(outcome, Outcome::BadRows(rows) if rows.len() == PEOPLE));
        // New ones come under the new key, whatever the door has wrapped them under.
        let person = 500 + usize::from(led_by[0]);
        let newcomer = world.new_member(BRANDS[0].1, person, 1);
        let import = Command::ImportMembers(Arc::new(vec![newcomer]));
        assert_eq!(world.decide(vec![import]).await, [Outcome::Done(1)]);
        assert!(at(&world, &OLD, 0, person).await.is_none());
        let sealed = at(&world, &NEW, 0, person).await.unwrap();
        assert_eq!(sealed.open(&vault(&[NEW])).reference, Some(world.person(person)));
        let end = |(brand, person): (usize, usize)| {
            let place = world.sought(brand, person);
            (name(BRANDS[brand].0), name(BRANDS[brand].1), place)
        };
        let (a, b) = (end((0, person)), end((1, 2)));
        let link = NewLink { link: world.id(), a, b, consent: super::world::consent() };
        let import = Command::ImportLinks(Arc::new(vec![link]));
        assert_eq!(world.decide(vec![import]).await, [Outcome::Done(1)]);
        store_quote_key(&mut world, i64::from(led_by[0])).await;
        let hook = endpoint(&mut world).await;
        let record = endpoints(&world).await.into_iter().find(|one| one.id == hook).unwrap();
        assert!(vault(&[NEW]).unwrap_secret(SECRET_PURPOSE, &record.secret).is_ok());
    }
    // A proposal is under the one key and its member under the other, in both ways.
    let mut missed = 0;
    for (link, person) in ids.into_iter().zip([3, 4]) {
        let bare = Command::ConfirmLink(world.keyed(BRANDS[0].0), link, None);
        let told = Some(world.sought(0, person));
        let confirm = Command::ConfirmLink(world.keyed(BRANDS[0].0), link, told);
        let prepared = world.prepare(vec![bare]).await;
        missed += usize::from(prepared.outcomes != [Outcome::Link(link)]);
        drop(prepared);
        assert_eq!(world.decide(vec![confirm]).await, [Outcome::Link(link)]);
    }
    assert_eq!(missed, 2, "the look-up alone does not find them");
    // Named by a proposal of the other partner, under either key, and forgotten under either.
    for person in [1, 2] {
        let proposal = world.proposal((1, 7), (0, person));
        let (link, place) = (proposal.link, world.vault.place(id(&NEW), &proposal.b.lookup));
        let propose = Command::ProposeLink(world.keyed(BRANDS[1].0), proposal);
        world.decide(vec![propose]).await;
        let record = world.store.link(link).await.unwrap().unwrap().record;
        assert_eq!(record.b.lookup, Some(place));
        let order = members::forget(&mut world, 0, person);
        assert!(matches!(world.decide(vec![order]).await[..], [Outcome::Erased(_)]));
        for key in [OLD, NEW] {
            assert!(at(&world, &key, 0, person).await.is_none());
        }
        let record = world.store.link(link).await.unwrap().unwrap().record;
        assert_eq!(record.b.lookup, None);
    }
    let rest = all_pages(&world, id(&NEW)).await;
    bring(&mut world, rest).await;
    assert_eq!(opened_by(&world, &OLD).await.0, 0);
}

/// A side of a link that nobody can name any more.
pub async fn a_look_up_that_cannot_be_made_anew_is_left_out(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let proposal = world.proposal((1, 5), (0, 3));
    let link = proposal.link;
    let propose = Command::ProposeLink(world.keyed(BRANDS[1].0), proposal);
    world.decide(vec![propose]).await;
    world.vault = vault(&[OLD, NEW]);
    begin(&mut world, &OLD, &NEW).await;
    let detail = world.store.links_looked_up(None, 10).await.unwrap().remove(0);
    // Its proposer's member does not open any more.
    let row = rekeying::link(&world.vault, id(&NEW), &detail.record, [None, None]).unwrap();
    assert_eq!((row.link, row.before[0], row.lookups), (link, None, [None, None]));
    let page = Rekeyed { links: vec![row], ..Rekeyed::to(id(&NEW)) };
    assert_eq!(bring(&mut world, page).await, Outcome::Done(1));
    assert_eq!(world.store.links_looked_up(None, 10).await.unwrap().len(), 0);
}
