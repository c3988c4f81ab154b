//! What a batch asks to have loaded, what it makes of it, and when it has nothing to write.

use super::*;
use crate::alliance::AgreementRecord;
use crate::command::{NewLink, NewMember};
use crate::ledger::working_set::{DefinitionRow, MemberRow};
use crate::vault::{Lookup, MemberKey};

fn wanted(world: &World, command: &Command) -> Wanted {
    let mut wanted = Wanted::default();
    wanted.add(&world.set.registry, command);
    wanted
}

fn names<T: ToString>(all: impl IntoIterator<Item = T>) -> Vec<String> {
    all.into_iter().map(|one| one.to_string()).collect()
}

fn accounts(wanted: &Wanted) -> Vec<String> {
    names(wanted.accounts.iter().map(|(account, asset)| format!("{account} {asset}")))
}

const CORRIDOR: &str = "aurora-air~borealis-coffee";
/// Whatever a receipt of that corridor can post to, members left out.
const ACCOUNTS: [&str; 7] = [
    "issued:aurora aurora",
    "issued:avia avia",
    "issued:borealis borealis",
    "position:aurora-air CNY",
    "position:borealis-coffee CNY",
    "alliance:fees CNY",
    "alliance:rounding CNY",
];

#[test]
fn an_order_asks_for_its_key_quote_reference_members_and_corridor() {
    let mut world = World::new();
    let terms = world.terms(("aurora", "A-1"), ("borealis", "B-1"), "10");
    let keyed = world.keyed("aurora-air", "k", "d");
    let transaction = world.draw();
    let order = |quote| Order { transaction, source_reference: "ref".parse().unwrap(), quote };
    let open = order(Quoted::Open(Box::new(terms.clone())));
    let asked = wanted(&world, &Command::Order(keyed.clone(), open));
    let partner: PartnerId = "aurora-air".parse().unwrap();
    assert!(asked.keys.contains(&(partner.clone(), "k".parse().unwrap())) && asked.keys.len() == 1);
    assert!(asked.references.contains(&((&partner).into(), "ref".parse().unwrap())));
    assert_eq!(asked.quotes.iter().collect::<Vec<_>>(), [&terms.id]);
    assert_eq!(
        asked.lookups,
        [&terms.source, &terms.target].map(|side| side.account().unwrap().lookup.first()).into()
    );
    assert_eq!((names(&asked.corridors), accounts(&asked)), (names([CORRIDOR]), names(ACCOUNTS)));
    assert!(asked.members.is_empty() && asked.links.is_empty() && asked.transactions.is_empty());
    // Of a token that is no quote, there is nothing to look up but key and reference.
    let asked = wanted(&world, &Command::Order(keyed, order(Quoted::Unknown)));
    assert_eq!((asked.keys.len(), asked.references.len()), (1, 1));
    assert!(asked.quotes.is_empty() && asked.lookups.is_empty() && asked.corridors.is_empty());
}

#[test]
fn a_reversal_asks_for_its_original_members_and_corridor() {
    let mut world = World::new();
    let keyed = world.keyed("borealis-coffee", "k", "d");
    let original: TransactionId = world.draw();
    let order = Reverse {
        transaction: world.draw(),
        original,
        corridor: CORRIDOR.parse().unwrap(),
        members: vec![MemberNo(1), MemberNo(2)],
        amount: None,
        reason: "customer_request".parse().unwrap(),
        source_reference: "ref".parse().unwrap(),
    };
    let asked = wanted(&world, &Command::Reverse(keyed, order));
    assert_eq!((asked.keys.len(), asked.references.len()), (1, 1));
    assert_eq!(asked.transactions, [original].into());
    assert_eq!(asked.members, [MemberNo(1), MemberNo(2)].into());
    assert_eq!((names(&asked.corridors), accounts(&asked)), (names([CORRIDOR]), names(ACCOUNTS)));
}

#[test]
fn links_and_imports_ask_for_the_members_they_name() {
    let mut world = World::new();
    let keyed = world.keyed("aurora-air", "k", "d");
    let lookup = |n: u8| Lookup([n; 16]);
    let end = |partner: &str, n| LinkEnd {
        partner: partner.parse().unwrap(),
        program: "aurora".parse().unwrap(),
        member: "A-1".parse().unwrap(),
        lookup: lookup(n).into(),
        newcomer: None,
    };
    let consent = Consent { scope: vec![TransactionKind::Exchange], until: None };
    let link = world.draw();
    let (a, b) = (end("aurora-air", 1), end("borealis-coffee", 2));
    let ends = |end: &LinkEnd| (end.partner.clone(), end.program.clone(), end.lookup);
    let imported = NewLink { link, a: ends(&a), b: ends(&b), consent: consent.clone() };
    let proposal = ProposeLink { link, a, b, consent, nonce: [0; 12] };
    let proposed = wanted(&world, &Command::ProposeLink(keyed.clone(), proposal));
    assert_eq!((proposed.lookups, proposed.keys.len()), ([lookup(1), lookup(2)].into(), 1));
    for command in
        [Command::ConfirmLink(keyed.clone(), link, None), Command::RevokeLink(keyed.clone(), link)]
    {
        assert_eq!(wanted(&world, &command).links, [link].into());
    }
    let asked = wanted(&world, &Command::ImportLinks(Arc::new(vec![imported])));
    assert_eq!(asked.lookups, [lookup(1), lookup(2)].into());
    let member = NewMember {
        program: "aurora".parse().unwrap(),
        lookup: lookup(9).into(),
        wrapped_key: Vec::new(),
        sealed_reference: Vec::new(),
        opening: 0,
    };
    let asked = wanted(&world, &Command::ImportMembers(Arc::new(vec![member])));
    assert_eq!((asked.lookups.len(), asked.keys.len()), (1, 0));
    let issued = [
        "issued:aurora aurora",
        "issued:avia avia",
        "issued:borealis borealis",
        "issued:cedar cedar",
    ];
    assert_eq!(accounts(&asked), names(issued));
}

#[test]
fn what_operators_ask_needs_no_more_than_the_definition_and_a_checkpoint_its_chain() {
    let world = World::new();
    let checkpoint = crate::command::SignedCheckpoint {
        corridor: CORRIDOR.parse().unwrap(),
        size: 1,
        root: Hash::ZERO,
        note: String::new(),
        signed_at: NOW,
    };
    let asked = wanted(&world, &Command::StoreCheckpoint(checkpoint));
    assert_eq!((names(&asked.corridors), asked.accounts.len()), (names([CORRIDOR]), 0));
    let suspend = Command::Suspend("aurora-air".parse().unwrap(), true);
    assert_eq!(wanted(&world, &suspend), Wanted::default());
}

#[test]
fn a_batch_has_nothing_to_write_until_anything_is() {
    let mut world = World::new();
    accepted(&world.order("10"));
    let made = std::mem::take(&mut world.set.writes);
    let link = world.set.links.values().next().unwrap().clone();
    let agreement = super::agreements::record(super::agreements::first(), 1);
    let agreement = AgreementRecord::clone(&agreement);
    let corridor: Corridor = CORRIDOR.parse().unwrap();
    let checkpoint = crate::command::SignedCheckpoint {
        corridor: corridor.clone(),
        size: 1,
        root: Hash::ZERO,
        note: String::new(),
        signed_at: NOW,
    };
    let member = MemberRow {
        member: MemberNo(9),
        new: NewMember {
            program: "aurora".parse().unwrap(),
            lookup: Lookup([9; 16]).into(),
            wrapped_key: Vec::new(),
            sealed_reference: Vec::new(),
            opening: 0,
        },
    };
    let row = DefinitionRow {
        version: 2,
        definition: definition(),
        applied_at: NOW,
        keys_changed: false,
        window: None,
    };
    let some = Writes::default;
    let each = [
        Writes { keys: made.keys, ..some() },
        Writes { transactions: made.transactions, ..some() },
        Writes { links: [(link.id, link)].into(), ..some() },
        Writes { agreements: [(agreement.id, agreement)].into(), ..some() },
        Writes { members: vec![member], ..some() },
        Writes { definition: Some(row), ..some() },
        Writes { suspensions: [("aurora-air".parse().unwrap(), None)].into(), ..some() },
        Writes { checkpoints: [(corridor, checkpoint)].into(), ..some() },
        Writes { quote_key: Some((1, Vec::new(), 0)), ..some() },
    ];
    assert!(some().is_empty());
    for (at, writes) in each.iter().enumerate() {
        assert!(!writes.is_empty(), "{at}");
    }
}

#[test]
fn a_member_whose_key_or_name_does_not_open_counts_as_forgotten() {
    let world = World::new();
    let vault = &world.set.vault;
    let whole = sealed(vault, (1, "aurora", "A-1", 10));
    let opened = whole.clone().open(vault);
    assert!(opened.key.is_some());
    assert_eq!(opened.reference, Some("A-1".parse().unwrap()));
    let name: MemberRef = "A-1".parse().unwrap();
    let anothers = MemberKey::from_bytes([9; 32]).seal(&name, [2; 12]);
    let foreign = SealedMember { sealed_reference: Some(anothers), ..whole.clone() };
    assert_eq!(foreign.open(vault).reference, None);
    let keyless = SealedMember { wrapped_key: Some(vec![0; 60]), ..whole }.open(vault);
    assert!(keyless.key.is_none() && keyless.reference.is_none());
    assert_eq!((keyless.balance, keyless.member), (10, MemberNo(1)));
}

#[test]
fn the_link_between_two_members_is_found_from_either_end_and_only_theirs() {
    let world = World::new();
    let between = |one, other, kind| {
        let found = world.set.link_between(MemberNo(one), MemberNo(other), kind, NOW);
        found.map(|link| (link.a.member.unwrap().0, link.b.member.unwrap().0))
    };
    let exchange = TransactionKind::Exchange;
    assert_eq!(between(1, 2, exchange), Some((1, 2)));
    assert_eq!(between(2, 1, exchange), Some((1, 2)));
    assert_eq!(between(5, 2, exchange), Some((5, 2)));
    for (one, other) in [(1, 3), (5, 1), (4, 2), (1, 1), (2, 2)] {
        assert_eq!(between(one, other, exchange), None, "{one} {other}");
    }
    assert_eq!(between(1, 2, TransactionKind::Accrual), None);
}

#[test]
fn a_link_belongs_to_both_its_partners_and_to_nobody_else() {
    let world = World::new();
    let link = world.set.link_between(MemberNo(1), MemberNo(2), TransactionKind::Exchange, NOW);
    let theirs = |partner: &str| link.unwrap().includes(&partner.parse().unwrap());
    assert!(theirs("aurora-air") && theirs("borealis-coffee") && !theirs("cedar-hotels"));
}
