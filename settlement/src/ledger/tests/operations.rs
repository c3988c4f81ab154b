//! What operators and gateways ask: all of it or nothing, and harmless to repeat.

use alliance_contracts::board::FrozenPair;
use alliance_contracts::ids::WindowId;
use alliance_contracts::merkle::{Frontier, leaf_hash};

use super::*;
use crate::command::{
    Define, NewLink, NewMember, ProposeRates, Publish, RowFault, SignedCheckpoint,
};
use crate::rates::proposal::{OperatorName, Proposal, ProposalState, ProposedRelease};

fn new_member(world: &World, program: &str, member: &str, opening: i64) -> NewMember {
    let (program, name): (ProgramId, MemberRef) =
        (program.parse().unwrap(), member.parse().unwrap());
    NewMember {
        lookup: world.set.vault.sought(&program, &name),
        wrapped_key: vec![1],
        sealed_reference: vec![2],
        program,
        opening,
    }
}

fn new_link(world: &mut World, a: (&str, &str, &str), b: (&str, &str, &str)) -> NewLink {
    let vault = world.set.vault.clone();
    let end = |(partner, program, member): (&str, &str, &str)| {
        let program: ProgramId = program.parse().unwrap();
        let lookup = vault.sought(&program, &member.parse().unwrap());
        (partner.parse().unwrap(), program, lookup)
    };
    let consent = Consent { scope: vec![TransactionKind::Exchange], until: None };
    NewLink { link: world.draw(), a: end(a), b: end(b), consent }
}

fn ask(world: &mut World, command: &Command) -> Outcome {
    decide(&mut world.set, command, NOW).outcome
}

fn faults(outcome: Outcome) -> Vec<(usize, &'static str)> {
    match outcome {
        Outcome::BadRows(faults) => faults.iter().map(|f| (f.row, f.fault)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn imported_members_are_numbered_on_and_what_they_open_with_is_issued() {
    let mut world = World::new();
    let members = vec![
        new_member(&world, "aurora", "A-7", 100),
        new_member(&world, "cedar", "C-7", 5),
        new_member(&world, "aurora", "A-8", 11),
    ];
    let command = Command::ImportMembers(Arc::new(members.clone()));
    assert_eq!(ask(&mut world, &command), Outcome::Done(3));
    assert_eq!(world.set.next_member, MemberNo(9));
    let rows: Vec<_> =
        world.set.writes.members.iter().map(|row| (row.member.0, row.new.clone())).collect();
    let expected: Vec<_> = (6..).zip(members).collect();
    assert_eq!(rows, expected);
    let issued = |program: &str| {
        let program: ProgramId = program.parse().unwrap();
        let place = (Account::Issued(program.clone()), Asset::Program(program));
        assert_eq!(world.set.writes.accounts.get(&place), world.set.accounts.get(&place));
        world.set.account(&place.0, &place.1)
    };
    assert_eq!((issued("aurora"), issued("cedar"), issued("borealis")), (-111, -5, 0));
}

#[test]
fn one_bad_member_refuses_the_whole_import_and_every_fault_is_told() {
    let mut world = World::new();
    let members = vec![
        new_member(&world, "aurora", "A-7", 1),
        new_member(&world, "nowhere", "A-7", 1),
        new_member(&world, "aurora", "A-1", 1),
        new_member(&world, "aurora", "A-7", 1),
    ];
    let outcome = ask(&mut world, &Command::ImportMembers(Arc::new(members)));
    assert_eq!(
        faults(outcome),
        [
            (1, "there is no such program"),
            (2, "this member is here already"),
            (3, "this member stands in the file twice")
        ]
    );
    assert!(world.set.writes.is_empty() && world.set.writes.accounts.is_empty());
    assert_eq!(world.set.next_member, MemberNo(6));
}

#[test]
fn imported_links_are_active_and_one_bad_row_refuses_them_all() {
    let (a1, b1) = (("aurora-air", "aurora", "A-1"), ("borealis-coffee", "borealis", "B-1"));
    let (c1, v1) = (("cedar-hotels", "cedar", "C-1"), ("aurora-air", "avia", "V-1"));
    let mut world = World::new();
    let good = vec![new_link(&mut world, c1, v1), new_link(&mut world, a1, c1)];
    let command = Command::ImportLinks(Arc::new(good.clone()));
    assert_eq!(ask(&mut world, &command), Outcome::Done(2));
    assert_eq!(world.set.writes.links.len(), 2);
    for (link, ends) in good.iter().zip([(3, 4), (1, 3)]) {
        let record = &world.set.writes.links[&link.link];
        let members = (record.a.member.unwrap().0, record.b.member.unwrap().0);
        assert_eq!((record.state, members), (LinkState::Active, ends));
        assert_eq!((&record.proposed_by, &record.a.partner), (&link.a.0, &link.a.0));
        assert_eq!((&record.a.program, record.a.lookup), (&link.a.1, None));
    }

    let mut world = World::new();
    let ghost = ("aurora-air", "aurora", "nobody");
    let ends = [(a1, c1), (c1, a1), (ghost, b1), (b1, a1), (a1, b1), (c1, c1)];
    let bad: Vec<NewLink> = ends.map(|(a, b)| new_link(&mut world, a, b)).to_vec();
    let outcome = ask(&mut world, &Command::ImportLinks(Arc::new(bad)));
    assert_eq!(
        faults(outcome),
        [
            (1, "this link stands in the file twice"),
            (2, "there is no such member"),
            (3, "these members are linked already"),
            (4, "this link stands in the file twice"),
            (5, "a member is not linked to itself")
        ]
    );
    assert!(world.set.writes.is_empty());
}

#[test]
fn a_revoked_link_does_not_stand_in_the_way_of_an_import() {
    let mut world = World::new();
    world.set.links.values_mut().for_each(|link| link.state = LinkState::Revoked);
    let (a1, b1) = (("aurora-air", "aurora", "A-1"), ("borealis-coffee", "borealis", "B-1"));
    let link = new_link(&mut world, a1, b1);
    let command = Command::ImportLinks(Arc::new(vec![link]));
    assert_eq!(ask(&mut world, &command), Outcome::Done(1));
}

#[test]
fn an_import_is_here_whole_only_where_every_row_is_here() {
    let fault = |row, fault| RowFault { row, fault };
    let here =
        [fault(0, "this member is here already"), fault(1, "these members are linked already")];
    let other = [here[0].clone(), fault(1, "there is no such program")];
    assert!(is_here_whole(2, &here));
    assert!(!is_here_whole(3, &here), "a row had no fault");
    assert!(!is_here_whole(2, &other));
    assert!(!is_here_whole(0, &[]), "nothing is not here");
}

fn define(world: &mut World, definition: Definition) -> Outcome {
    let window: WindowId = world.draw();
    ask(world, &Command::Define(Box::new(Define { definition, window })))
}

#[test]
fn a_definition_publishes_only_what_it_changes() {
    // The first: all of it.
    let mut world = World::new();
    let empty = Registry::empty("demo".parse().unwrap(), "CNY".parse().unwrap());
    world.set.registry = Arc::new(empty);
    assert_eq!(define(&mut world, definition()), Outcome::Done(1));
    let row = world.set.writes.definition.as_ref().unwrap();
    assert_eq!((row.version, row.keys_changed, row.applied_at), (1, true, NOW));
    assert!(row.window.is_some());
    let board = &world.set.writes.board.as_ref().unwrap().board;
    assert_eq!((board.board, board.effective_at, board.previous), (1, NOW, Hash::ZERO));
    // The same again: nothing.
    let mut world = World::new();
    assert_eq!(define(&mut world, definition()), Outcome::Done(0));
    assert!(world.set.writes.is_empty());
    // A name: a version, and nothing that is signed.
    let mut renamed = definition();
    renamed.partners[0].name = "Aurora".to_owned();
    assert_eq!(define(&mut world, renamed), Outcome::Done(1));
    let row = world.set.writes.definition.as_ref().unwrap();
    assert_eq!((row.version, row.keys_changed), (2, false));
    assert!(row.window.is_none() && world.set.writes.board.is_none());
    // A value: a version; the publisher's next board takes it up.
    let mut revalued = definition();
    revalued.programs[0].value = "0.06".parse().unwrap();
    assert_eq!(define(&mut world, revalued), Outcome::Done(1));
    let row = world.set.writes.definition.as_ref().unwrap();
    assert!(!row.keys_changed && world.set.writes.board.is_none());
    // What may not change: refused, nothing written.
    let mut world = World::new();
    let mut rescaled = definition();
    rescaled.programs[0].scale = 2;
    let outcome = define(&mut world, rescaled);
    assert!(matches!(outcome, Outcome::DefinitionRefused(ref faults) if !faults.is_empty()));
    assert!(world.set.writes.is_empty());
}

#[test]
fn a_partners_new_key_is_published() {
    let mut world = World::new();
    let mut keyed = definition();
    let x = alliance_contracts::encoding::base64url_encode(
        SigningKey::from_seed(&[3; 32]).public_key().as_bytes(),
    );
    keyed.partners[0].keys = vec![serde_json::from_value(serde_json::json!({"x": x})).unwrap()];
    assert_eq!(define(&mut world, keyed), Outcome::Done(1));
    let row = world.set.writes.definition.as_ref().unwrap();
    assert!(row.keys_changed && world.set.writes.board.is_none());
}

#[test]
fn a_partner_is_suspended_once_and_let_go_once() {
    let mut world = World::new();
    let partner: PartnerId = "aurora-air".parse().unwrap();
    let asked = |suspended| Command::Suspend("aurora-air".parse().unwrap(), suspended);
    assert_eq!(ask(&mut world, &asked(false)), Outcome::Done(0));
    assert!(world.set.writes.is_empty());
    assert_eq!(ask(&mut world, &asked(true)), Outcome::Done(1));
    assert_eq!(world.set.writes.suspensions.get(&partner), Some(&Some(NOW)));
    suspend(&mut world, "aurora-air");
    assert_eq!(ask(&mut world, &asked(true)), Outcome::Done(0));
    assert_eq!(ask(&mut world, &asked(false)), Outcome::Done(1));
    assert_eq!(world.set.writes.suspensions.get(&partner), Some(&None));
}

#[test]
fn a_checkpoint_that_contradicts_the_chain_or_an_earlier_one_is_refused() {
    let corridor: Corridor = "aurora-air~borealis-coffee".parse().unwrap();
    let mut frontier = Frontier::new();
    (0..5_u8).for_each(|leaf| frontier.push(leaf_hash(&[leaf])));
    let root = frontier.root();
    let (other, none) = (Hash::of(b"another history"), None);
    let checkpoint = |size, root| SignedCheckpoint {
        corridor: "aurora-air~borealis-coffee".parse().unwrap(),
        size,
        root,
        note: format!("{size}"),
        signed_at: NOW,
    };
    // The chain has five receipts. Signed before, asked now, taken or not.
    type Asked = (u64, Hash);
    let rows: [(&str, Option<Asked>, Asked, bool); 9] = [
        ("the head", none, (5, root), true),
        ("before the head", none, (3, other), true),
        ("beyond the head", none, (6, other), false),
        ("another root of the head", none, (5, other), false),
        ("the same again", Some((5, root)), (5, root), true),
        ("grown", Some((3, other)), (5, root), true),
        ("smaller than the last", Some((4, other)), (3, other), false),
        ("another root of the last", Some((3, other)), (3, root), false),
        ("the last again, before the head", Some((3, other)), (3, other), true),
    ];
    for (row, last, (size, root), taken) in rows {
        let mut world = World::new();
        let head = ChainHead {
            seq: 5,
            frontier: frontier.clone(),
            checkpoint: last.map(|(size, root)| checkpoint(size, root)),
            ..ChainHead::default()
        };
        let before = head.checkpoint.clone();
        world.set.heads.insert(corridor.clone(), head);
        let asked = checkpoint(size, root);
        let outcome = ask(&mut world, &Command::StoreCheckpoint(asked.clone()));
        let (written, kept) =
            (world.set.writes.checkpoints.get(&corridor), &world.set.heads[&corridor].checkpoint);
        if taken {
            assert_eq!((outcome, written), (Outcome::Done(1), Some(&asked)), "{row}");
            assert_eq!(kept, &Some(asked), "{row}");
        } else {
            assert_eq!((outcome, written), (Outcome::CheckpointRefused, None), "{row}");
            assert_eq!(kept, &before, "{row}");
        }
    }
    let mut world = World::new();
    let outcome = ask(&mut world, &Command::StoreCheckpoint(checkpoint(0, root)));
    assert_eq!(outcome, Outcome::CheckpointRefused, "a chain that is not there");
}

#[test]
fn a_quote_key_is_kept_with_the_period_before_which_others_are_destroyed() {
    let mut world = World::new();
    let command = Command::StoreQuoteKey { period: 7, wrapped: vec![1, 2], destroy_before: 5 };
    assert_eq!(ask(&mut world, &command), Outcome::Done(1));
    assert_eq!(world.set.writes.quote_key, Some((7, vec![1, 2], 5)));
}

/// Working a board out takes time: one that moves nothing may be written after its moment.
#[test]
fn a_board_that_moves_no_value_holds_from_when_it_was_made_and_others_when_they_say() {
    for (value, at_once) in [("0.05", true), ("0.06", false)] {
        let mut world = World::new();
        let mut parts = RegistryParts::clone(&world.set.registry);
        parts.definition.programs[0].value = value.parse().unwrap();
        parts.definition.agreements[0].fee = "0.02".parse().unwrap();
        let registry = Arc::new(Registry::new(1, parts));
        world.set.registry = registry.clone();
        let next = publication::next(&publication::Situation {
            registry: &registry,
            boards: &registry.boards,
            flows: &[],
            feeds: &registry.feeds,
            approved: &registry.approved_values(),
            now: NOW,
        })
        .unwrap();
        assert_eq!(next.board.effective_at == NOW, at_once);
        let publish = Publish {
            board: next.board.clone(),
            terms: next.terms,
            proposals: Vec::new(),
            based_on: 1,
            slot: None,
        };
        let command = Command::Publish(Box::new(publish));
        let written = NOW.plus_seconds(3);
        assert_eq!(decide(&mut world.set, &command, written).outcome, Outcome::Done(1));
        let row = world.set.writes.board.take().unwrap();
        assert_eq!(row.board, next.board);
        // Its answer was lost: found by what it says.
        let mut parts = RegistryParts::clone(&registry);
        let (board, terms) = (row.board, row.terms);
        parts.boards.push(PublishedBoard { board, jws: String::new(), terms, slot: None });
        world.set.registry = Arc::new(Registry::new(2, parts));
        let again = decide(&mut world.set, &command, written.plus_seconds(1));
        assert_eq!(again.outcome, Outcome::Done(1));
        assert!(world.set.writes.board.is_none());
    }
}

/// A pair that was frozen takes orders again by a proposal of one operator and the approval of
/// another, and by nothing less.
#[test]
fn a_frozen_pair_is_released_by_two_persons() {
    let mut world = World::new();
    let pair: (ProgramId, ProgramId) = ("aurora".parse().unwrap(), "borealis".parse().unwrap());
    let quoted = world.terms(("aurora", "A-1"), ("borealis", "B-1"), "200");
    let order = |world: &mut World, name: &str| {
        world.exchange("aurora-air", name, name, Quoted::Open(Box::new(quoted.clone())))
    };
    let frozen =
        FrozenPair { board: 1, since: NOW, source: pair.0.clone(), target: pair.1.clone() };
    let mut parts = RegistryParts::clone(&world.set.registry);
    parts.frozen.push(frozen);
    world.set.registry = Arc::new(Registry::new(1, parts));
    assert_eq!(order(&mut world, "one").outcome, refused(ProblemCode::RateFrozen));
    let release = ProposedRelease { source: pair.0.clone(), target: pair.1.clone() };
    let proposal = Proposal { release: vec![release], ..Proposal::default() };
    let by = |name: &str| name.parse::<OperatorName>().unwrap();
    let proposed = ProposeRates { proposal, by: by("ann") };
    let outcome = ask(&mut world, &Command::ProposeRates(Box::new(proposed)));
    assert_eq!(outcome, Outcome::Proposal(1));
    assert_eq!(world.set.writes.proposals[&1].state(), ProposalState::Waiting);
    let own = ask(&mut world, &Command::ApproveRates(1, by("Ann")));
    assert!(matches!(own, Outcome::ProposalRefused(_)), "{own:?}");
    assert_eq!(order(&mut world, "two").outcome, refused(ProblemCode::RateFrozen));
    assert!(!world.set.writes.frozen.contains_key(&pair));
    let other = ask(&mut world, &Command::ApproveRates(1, by("bob")));
    assert_eq!(other, Outcome::Proposal(1));
    assert_eq!(world.set.writes.frozen.get(&pair), Some(&None));
    accepted(&order(&mut world, "three"));
}
