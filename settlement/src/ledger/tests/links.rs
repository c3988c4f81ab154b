//! Links: who may propose and confirm what, and what takes the place of what.

use super::*;
use crate::vault::MemberKey;

fn end(world: &World, partner: &str, program: &str, member: &str) -> LinkEnd {
    let (program, member): (ProgramId, MemberRef) =
        (program.parse().unwrap(), member.parse().unwrap());
    let lookup = world.set.vault.sought(&program, &member);
    LinkEnd { partner: partner.parse().unwrap(), program, member, lookup, newcomer: None }
}

fn aurora(world: &World) -> LinkEnd {
    end(world, "aurora-air", "aurora", "A-1")
}

fn borealis(world: &World) -> LinkEnd {
    end(world, "borealis-coffee", "borealis", "B-1")
}

fn propose(world: &mut World, caller: &str, a: LinkEnd, b: LinkEnd) -> Outcome {
    let keyed = world.keyed(caller, &format!("k{}", world.drawn), "d");
    let consent = Consent { scope: vec![TransactionKind::Exchange], until: None };
    let proposal = ProposeLink { link: world.draw(), a, b, consent, nonce: [4; 12] };
    decide(&mut world.set, &Command::ProposeLink(keyed, proposal), NOW).outcome
}

fn confirm(world: &mut World, caller: &str, link: Outcome) -> Outcome {
    let Outcome::Link(link) = link else { panic!("{link:?}") };
    let keyed = world.keyed(caller, &format!("k{}", world.drawn), "d");
    decide(&mut world.set, &Command::ConfirmLink(keyed, link, None), NOW).outcome
}

fn record(world: &World, link: &Outcome) -> LinkRecord {
    let Outcome::Link(link) = link else { panic!("{link:?}") };
    let written = &world.set.writes.links[link];
    assert_eq!(world.set.link(link), Some(written), "what is written is what is decided on");
    written.clone()
}

#[test]
fn a_proposal_holds_the_others_name_sealed_under_the_proposers_own_member() {
    let mut world = World::new();
    let (a, b) = (aurora(&world), borealis(&world));
    for (one, other) in [(a.clone(), b.clone()), (b.clone(), a.clone())] {
        let link = propose(&mut world, "aurora-air", one, other);
        let link = record(&world, &link);
        let (own, theirs) =
            if link.a.partner == a.partner { (link.a, link.b) } else { (link.b, link.a) };
        assert_eq!((own.member, own.lookup, own.supplied), (Some(MemberNo(1)), None, None));
        assert_eq!((theirs.member, theirs.lookup), (None, Some(b.lookup.first())));
        let name = MemberKey::from_bytes([1; 32]).open(&theirs.supplied.unwrap());
        assert_eq!(name.ok(), Some(b.member.clone()));
        assert_eq!((link.state, link.proposed_by), (LinkState::Proposed, a.partner.clone()));
    }
}

#[test]
fn the_newer_consent_takes_the_place_of_the_older_one_and_of_no_other() {
    let mut world = World::new();
    let states = |world: &World| {
        let mut states: Vec<_> = world
            .set
            .links
            .values()
            .filter(|link| link.a.member.is_some() && link.b.member.is_some())
            .map(|link| (link.a.member.unwrap().0, link.b.member.unwrap().0, link.state))
            .collect();
        states.sort_by_key(|(a, b, state)| (*a, *b, state.as_str()));
        states
    };
    world.set.links.clear();
    world.link(2, 1, LinkState::Active);
    world.link(1, 2, LinkState::Revoked);
    world.link(5, 2, LinkState::Active);
    let (a, b) = (aurora(&world), borealis(&world));
    let link = propose(&mut world, "aurora-air", a, b);
    assert_eq!(world.set.writes.links.len(), 1, "a proposal takes nothing away");
    assert_eq!(confirm(&mut world, "borealis-coffee", link.clone()), link);
    let confirmed = record(&world, &link);
    let members = (confirmed.a.member, confirmed.b.member, confirmed.b.lookup);
    assert_eq!(members, (Some(MemberNo(1)), Some(MemberNo(2)), None));
    use LinkState::{Active, Revoked};
    assert_eq!(states(&world), [(1, 2, Active), (1, 2, Revoked), (2, 1, Revoked), (5, 2, Active)]);
    assert_eq!(world.set.writes.links.len(), 2, "only what has changed is written");
}

#[test]
fn a_link_of_ones_own_two_programs_is_active_at_once() {
    let mut world = World::new();
    let (a, v) = (aurora(&world), end(&world, "aurora-air", "avia", "V-1"));
    let link = propose(&mut world, "aurora-air", v, a);
    let link = record(&world, &link);
    assert_eq!((link.state, link.a.member, link.b.member), {
        (LinkState::Active, Some(MemberNo(4)), Some(MemberNo(1)))
    });
    let between = |link: &&LinkRecord| {
        [link.a.member, link.b.member]
            .iter()
            .all(|m| [Some(MemberNo(1)), Some(MemberNo(4))].contains(m))
    };
    let active = world.set.links.values().filter(between).filter(|l| l.state == LinkState::Active);
    assert_eq!(active.count(), 1, "two members have one active link");
}

#[test]
fn a_frozen_member_of_ones_own_is_not_linked() {
    for frozen in [1, 2] {
        let mut world = World::new();
        let (a, b) = (aurora(&world), borealis(&world));
        world.set.members.get_mut(&MemberNo(frozen)).unwrap().frozen = true;
        let link = propose(&mut world, "aurora-air", a, b);
        if frozen == 1 {
            assert_eq!(link, refused(ProblemCode::MemberFrozen));
        } else {
            // The other brand's member is the other brand's business, and told to it alone.
            let outcome = confirm(&mut world, "borealis-coffee", link);
            assert_eq!(outcome, refused(ProblemCode::MemberFrozen));
        }
    }
}

#[test]
fn revoking_again_changes_nothing_and_is_no_strangers_to_do() {
    let mut world = World::new();
    let between = world.set.link_between(MemberNo(1), MemberNo(2), TransactionKind::Exchange, NOW);
    let link = between.unwrap().id;
    let revoke = |world: &mut World, caller: &str| {
        let keyed = world.keyed(caller, &format!("k{}", world.drawn), "d");
        world.drawn += 1;
        decide(&mut world.set, &Command::RevokeLink(keyed, link), NOW).outcome
    };
    assert_eq!(revoke(&mut world, "cedar-hotels"), refused(ProblemCode::NotFound));
    assert_eq!(revoke(&mut world, "borealis-coffee"), Outcome::Link(link));
    assert_eq!(world.set.link(&link).unwrap().state, LinkState::Revoked);
    world.set.writes.links.clear();
    assert_eq!(revoke(&mut world, "aurora-air"), Outcome::Link(link));
    assert!(world.set.writes.links.is_empty());
}
