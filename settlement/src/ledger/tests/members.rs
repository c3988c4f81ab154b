//! Forgetting and freezing members: whom, when not, and what is left.

use alliance_contracts::member::Erasure;
use alliance_contracts::transaction::TransactionState;

use super::*;
use crate::command::{ForgetMember, FreezeMember};
use crate::vault::MemberKey;

fn forget_with(world: &mut World, partner: &str, who: (&str, &str), forfeit: bool) -> Outcome {
    let keyed = world.keyed(partner, &format!("k{}", world.drawn), "d");
    let (program, member): (ProgramId, MemberRef) =
        (who.0.parse().unwrap(), who.1.parse().unwrap());
    let lookup = world.set.vault.sought(&program, &member);
    let order = ForgetMember { erasure: world.draw(), program, lookup, forfeit };
    decide(&mut world.set, &Command::ForgetMember(keyed, order), NOW).outcome
}

fn forget(world: &mut World) -> Outcome {
    forget_with(world, "aurora-air", ("aurora", "A-1"), true)
}

fn freeze(world: &mut World, partner: &str, who: (&str, &str), frozen: bool) -> Outcome {
    let keyed = world.keyed(partner, &format!("k{}", world.drawn), "d");
    let (program, member): (ProgramId, MemberRef) =
        (who.0.parse().unwrap(), who.1.parse().unwrap());
    let lookup = world.set.vault.sought(&program, &member);
    let order = FreezeMember { program, lookup, frozen };
    decide(&mut world.set, &Command::FreezeMember(keyed, order), NOW).outcome
}

fn erasure(world: &World) -> Erasure {
    world.set.writes.erasures.last().unwrap().erasure.clone()
}

#[test]
fn a_forgotten_member_is_a_number_and_its_points_are_nobodys() {
    let mut world = World::new();
    let corridor: Corridor = "aurora-air~borealis-coffee".parse().unwrap();
    let done = accepted(&world.order("100"));
    let seen = world.set.transaction(&done).unwrap().source.member().unwrap().pseudonym.clone();
    let id = match forget(&mut world) {
        Outcome::Erased(id) => id,
        other => panic!("{other:?}"),
    };
    let member = world.set.member(MemberNo(1)).unwrap();
    assert!(member.lookup.is_none() && member.key.is_none() && member.reference.is_none());
    assert_eq!(world.balance(1), 900, "its points stay where they are");
    assert!(!world.set.writes.balances.contains_key(&MemberNo(5)));
    let erasure = erasure(&world);
    assert_eq!((erasure.id, erasure.forfeited.to_string()), (id, "900".to_owned()));
    // What its receipts call it is what the erasure says, in that corridor and in its brand's own.
    let named = erasure.pseudonyms.iter().find(|one| one.corridor == corridor).unwrap();
    assert_eq!(named.member, seen);
    let corridors: Vec<_> = erasure.pseudonyms.iter().map(|p| p.corridor.to_string()).collect();
    assert_eq!(corridors, ["aurora-air~aurora-air", "aurora-air~borealis-coffee"]);
    // Its two links have ended, and no other.
    let revoked = world.set.links.values().filter(|link| link.state == LinkState::Revoked);
    let mut revoked: Vec<_> = revoked.map(|link| link.id).collect();
    revoked.sort_unstable();
    assert_eq!((erasure.links.len(), &erasure.links), (2, &revoked));
    // To everybody it is as if it had never been.
    assert_eq!(forget(&mut world), refused(ProblemCode::MemberUnknown));
    assert_eq!(world.order("100").outcome, refused(ProblemCode::MembersNotLinked));
}

#[test]
fn points_are_not_lost_by_accident() {
    let mut world = World::new();
    let kept = forget_with(&mut world, "aurora-air", ("aurora", "A-1"), false);
    assert_eq!(kept, refused(ProblemCode::MemberHasPoints));
    assert!(world.set.writes.erasures.is_empty() && world.set.writes.links.is_empty());
    assert!(world.set.member(MemberNo(1)).unwrap().key.is_some());
    world.set.members.get_mut(&MemberNo(1)).unwrap().balance = 0;
    let gone = forget_with(&mut world, "aurora-air", ("aurora", "A-1"), false);
    assert!(matches!(gone, Outcome::Erased(_)), "{gone:?}");
    assert_eq!(erasure(&world).forfeited, Decimal::ZERO);
}

#[test]
fn nobody_is_forgotten_while_a_transaction_is_under_way() {
    for side in [1, 2] {
        let mut world = World::new();
        let id = accepted(&world.order("100"));
        // As the store would have it, had a brand still to answer.
        let record = world.set.transactions.remove(&id).unwrap();
        world.set.pending = vec![(MemberNo(side), id)];
        let (partner, who) = match side {
            1 => ("aurora-air", ("aurora", "A-1")),
            _ => ("borealis-coffee", ("borealis", "B-1")),
        };
        let outcome = forget_with(&mut world, partner, who, true);
        assert_eq!(outcome, refused(ProblemCode::MemberPending));
        // It has ended in this very batch.
        world.set.transactions.insert(id, record.clone());
        let mut pending = record;
        pending.state = TransactionState::Pending;
        world.set.transactions.insert(id, pending.clone());
        let outcome = forget_with(&mut world, partner, who, true);
        assert_eq!(outcome, refused(ProblemCode::MemberPending), "begun in this batch");
        pending.state = TransactionState::Completed;
        world.set.transactions.insert(id, pending);
        let outcome = forget_with(&mut world, partner, who, true);
        assert!(matches!(outcome, Outcome::Erased(_)), "{outcome:?}");
    }
}

#[test]
fn no_name_for_a_forgotten_member_is_left_in_a_link() {
    let mut world = World::new();
    let end = |world: &World, partner: &str, program: &str, member: &str| {
        let (program, member): (ProgramId, MemberRef) =
            (program.parse().unwrap(), member.parse().unwrap());
        let lookup = world.set.vault.sought(&program, &member);
        LinkEnd { partner: partner.parse().unwrap(), program, member, lookup, newcomer: None }
    };
    let (a, b) = (
        end(&world, "aurora-air", "aurora", "A-1"),
        end(&world, "borealis-coffee", "borealis", "B-1"),
    );
    let keyed = world.keyed("borealis-coffee", "propose", "d");
    let consent = Consent { scope: vec![TransactionKind::Exchange], until: None };
    let proposal = ProposeLink { link: world.draw(), a, b, consent, nonce: [4; 12] };
    let proposed = proposal.link;
    decide(&mut world.set, &Command::ProposeLink(keyed, proposal.clone()), NOW);
    // A second of the kind is confirmed: then it is the member's, and ends with it.
    let keyed = world.keyed("borealis-coffee", "propose-2", "d");
    let confirmed = world.draw();
    let second = ProposeLink { link: confirmed, ..proposal };
    decide(&mut world.set, &Command::ProposeLink(keyed, second), NOW);
    let keyed = world.keyed("aurora-air", "confirm", "d");
    decide(&mut world.set, &Command::ConfirmLink(keyed, confirmed, None), NOW);
    let supplied = |world: &World, id| world.set.link(id).unwrap().a.supplied.clone();
    let name = MemberKey::from_bytes([2; 32]).open(&supplied(&world, &confirmed).unwrap());
    assert_eq!(name.unwrap().expose(), "A-1", "borealis' member's key opens it");
    assert!(matches!(forget(&mut world), Outcome::Erased(_)));
    let ended = world.set.link(&confirmed).unwrap();
    assert_eq!((ended.state, &ended.a.supplied), (LinkState::Revoked, &None));
    assert!(erasure(&world).links.contains(&confirmed));
    // Of what nobody has confirmed the other brand sees what it saw before: nothing is told.
    let open = world.set.link(&proposed).unwrap().clone();
    assert_eq!((open.state, open.a.lookup), (LinkState::Proposed, None));
    assert!(open.a.supplied.is_some() && !erasure(&world).links.contains(&proposed));
    assert_eq!(world.set.writes.links[&proposed], open);
    let keyed = world.keyed("aurora-air", "confirm-2", "d");
    let late = decide(&mut world.set, &Command::ConfirmLink(keyed, proposed, None), NOW).outcome;
    assert_eq!(late, refused(ProblemCode::MemberUnknown));
}

#[test]
fn the_same_key_gives_the_same_erasure_again() {
    let mut world = World::new();
    let keyed = world.keyed("aurora-air", "forget", "d");
    let (program, member): (ProgramId, MemberRef) =
        ("aurora".parse().unwrap(), "A-1".parse().unwrap());
    let lookup = world.set.vault.sought(&program, &member);
    let order = ForgetMember { erasure: world.draw(), program, lookup, forfeit: true };
    let command = Command::ForgetMember(keyed, order);
    let first = decide(&mut world.set, &command, NOW);
    let again = decide(&mut world.set, &command, NOW);
    assert_eq!((&again.outcome, again.replayed), (&first.outcome, true));
    assert_eq!(world.set.writes.erasures.len(), 1);
}

#[test]
fn of_anothers_program_nothing_is_told() {
    for who in [("borealis", "B-1"), ("borealis", "nobody"), ("nowhere", "B-1")] {
        let mut world = World::new();
        let outcome = forget_with(&mut world, "aurora-air", who, true);
        assert_eq!(outcome, refused(ProblemCode::NotFound));
        let outcome = freeze(&mut world, "aurora-air", who, true);
        assert_eq!(outcome, refused(ProblemCode::NotFound));
        assert!(world.set.writes.is_empty(), "the key stays unused");
    }
}

#[test]
fn a_frozen_member_gives_nothing_until_it_is_let_go_and_may_be_forgotten() {
    let mut world = World::new();
    let own = ("aurora", "A-1");
    assert_eq!(freeze(&mut world, "aurora-air", own, true), Outcome::Member);
    assert_eq!(world.set.writes.frozen_members[&MemberNo(1)], Some(NOW));
    assert_eq!(world.order("100").outcome, refused(ProblemCode::MemberFrozen));
    assert_eq!(freeze(&mut world, "aurora-air", own, false), Outcome::Member);
    assert_eq!(world.set.writes.frozen_members[&MemberNo(1)], None);
    accepted(&world.order("100"));
    let mut world = World::new();
    assert_eq!(freeze(&mut world, "aurora-air", own, false), Outcome::Member);
    assert!(world.set.writes.frozen_members.is_empty(), "nothing has changed");
    freeze(&mut world, "aurora-air", own, true);
    assert!(matches!(forget(&mut world), Outcome::Erased(_)));
    let unknown = freeze(&mut world, "aurora-air", ("aurora", "A-0"), true);
    assert_eq!(unknown, refused(ProblemCode::MemberUnknown));
}
