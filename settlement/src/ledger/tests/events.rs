//! Who is told what, in which order.

use alliance_contracts::event::{Event, LinkEvent, TransactionEvent};

use super::*;
use crate::events::{self, EventRow};
use crate::ledger::working_set::BoardRow;

impl World {
    /// What the batch tells so far, by partner: the rows of each feed, as a store numbers them.
    pub(super) fn rows(&mut self) -> Vec<(PartnerId, EventRow)> {
        super::super::events::pack(&mut self.set, NOW);
        let new = std::mem::take(&mut self.set.writes.events).into_iter();
        let row = |new: events::NewEvents| {
            let events::NewEvents { partner, first, last, at, entries } = new;
            (partner, EventRow { first, last, at, entries })
        };
        new.map(row).collect()
    }

    /// What the batch tells so far that needs no receipt: type and subject, by partner.
    pub(super) fn told(&mut self, partner: &str) -> Vec<(String, String)> {
        self.told_in_full(partner)
            .into_iter()
            .map(|event| (event.r#type.as_str().to_owned(), event.subject))
            .collect()
    }

    pub(super) fn told_in_full(&mut self, partner: &str) -> Vec<Event> {
        let happened = self.set.happened.clone();
        let rows = self.rows();
        self.set.happened = happened;
        let theirs = rows.into_iter().filter(|(of, _)| of.as_str() == partner);
        let theirs: Vec<EventRow> = theirs.map(|(_, row)| row).collect();
        let places = events::places(&theirs, 0, u64::MAX).unwrap();
        let (alliance, partner) = ("demo".parse().unwrap(), partner.parse().unwrap());
        let without = places.into_iter().filter(|place| place.receipt().is_none());
        without.map(|place| events::tell(&alliance, &partner, place, None).unwrap()).collect()
    }
}

fn kinds(told: &[(String, String)]) -> Vec<&str> {
    told.iter().map(|(kind, _)| kind.as_str()).collect()
}

/// The entries of each partner's rows, as text.
fn entries(rows: Vec<(PartnerId, EventRow)>) -> Vec<(String, String)> {
    rows.into_iter().map(|(partner, row)| (partner.to_string(), row.entries)).collect()
}

#[test]
fn transactions_of_a_batch_are_one_entry_for_each_of_the_two_partners() {
    let mut world = World::new();
    for _ in 0..3 {
        accepted(&world.order("10"));
    }
    receipts::chain(&mut world.set, NOW, SigningKey::from_seed(&[3; 32]).kid());
    let rows = world.rows();
    assert!(rows.iter().all(|(_, row)| (row.first, row.last, row.at) == (1, 3, NOW)));
    let entry = r#"[{"completed":{"corridor":"aurora-air~borealis-coffee","count":3,"seq":1}}]"#;
    let expected = ["aurora-air", "borealis-coffee"].map(|p| (p.to_owned(), entry.to_owned()));
    assert_eq!(entries(rows), expected, "and cedar-hotels is told nothing");
}

#[test]
fn a_reversal_tells_of_itself_and_of_what_it_turned_round() {
    let mut world = World::new();
    let id = accepted(&world.order("100"));
    let back = world.reverse("borealis-coffee", id, Some((Side::Target, "9")));
    assert!(matches!(back, Outcome::Transaction(_)), "{back:?}");
    receipts::chain(&mut world.set, NOW, SigningKey::from_seed(&[3; 32]).kid());
    let (_, row) = world.rows().swap_remove(0);
    assert_eq!((row.first, row.last), (1, 3));
    let told: serde_json::Value = serde_json::from_str(&row.entries).unwrap();
    let corridor = "aurora-air~borealis-coffee";
    let reversed = serde_json::json!({"reversed": {"corridor": corridor, "seq": 1,
        "source": told[1]["reversed"]["source"], "state": "partially_reversed", "target": "9"}});
    let of_receipt =
        |seq: u64| serde_json::json!({"completed": {"corridor": corridor, "count": 1, "seq": seq}});
    let mut expected = vec![of_receipt(1), reversed, of_receipt(2)];
    if told[1] != expected[1] {
        expected.swap(1, 2);
    }
    assert_eq!(told.as_array().unwrap(), &expected);
}

#[test]
fn what_is_refused_tells_nothing() {
    let mut world = World::new();
    assert_eq!(world.order("1001").outcome, refused(ProblemCode::InsufficientPoints));
    assert_eq!(world.rows(), []);
}

#[test]
fn a_link_is_told_by_pseudonyms_and_names_nobody_whose_partner_has_not_confirmed() {
    let mut world = World::new();
    let end = |world: &World, partner: &str, program: &str, member: &str| LinkEnd {
        partner: partner.parse().unwrap(),
        program: program.parse().unwrap(),
        member: member.parse().unwrap(),
        lookup: world.set.vault.sought(&program.parse().unwrap(), &member.parse().unwrap()),
        newcomer: None,
    };
    let a = end(&world, "aurora-air", "aurora", "A-2");
    let b = end(&world, "cedar-hotels", "cedar", "C-1");
    let keyed = world.keyed("aurora-air", "k", "k");
    let link = world.draw();
    let consent = Consent { scope: vec![TransactionKind::Exchange], until: None };
    let proposal = ProposeLink { link, a, b, consent, nonce: [4; 12] };
    let outcome = decide(&mut world.set, &Command::ProposeLink(keyed, proposal), NOW).outcome;
    assert_eq!(outcome, Outcome::Link(link));
    let proposed = world.told_in_full("cedar-hotels");
    assert_eq!(proposed.len(), 1);
    let said: LinkEvent = proposed[0].data().unwrap();
    assert!(said.a.member.is_some() && said.b.member.is_none(), "{said:?}");
    let keyed = world.keyed("cedar-hotels", "k2", "k2");
    decide(&mut world.set, &Command::ConfirmLink(keyed, link, None), NOW);
    let told = world.told_in_full("aurora-air");
    assert_eq!(told.len(), 2);
    let said: LinkEvent = told[1].data().unwrap();
    assert!(said.a.member.is_some() && said.b.member.is_some(), "{said:?}");
    let text = serde_json::to_string(&told).unwrap();
    assert!(!text.contains("A-2") && !text.contains("C-1"), "{text}");
    assert!(told.iter().all(|event| event.subject == link.to_string()));
    assert_eq!(world.told("borealis-coffee"), []);
}

#[test]
fn one_that_waits_for_a_connected_brand_and_fails_is_told_as_it_stands() {
    let mut world = World::new();
    let id = accepted(&world.order("100"));
    let mut record = world.set.transaction(&id).unwrap().clone();
    world.set.happened.clear();
    for state in [TransactionState::Pending, TransactionState::Failed] {
        record.state = state;
        super::super::events::transaction(&mut world.set, &record);
    }
    for partner in ["aurora-air", "borealis-coffee"] {
        let told = world.told_in_full(partner);
        let kinds: Vec<&str> = told.iter().map(|event| event.r#type.as_str()).collect();
        assert_eq!(kinds, ["transaction.pending", "transaction.failed"]);
        let said: TransactionEvent = told[0].data().unwrap();
        assert_eq!((said.id, said.state), (id, TransactionState::Pending));
        assert_eq!((said.receipt, said.seq, said.completed_at), (None, None, None));
    }
}

#[test]
fn a_board_is_told_to_all_and_an_override_that_ceases_to_hold_to_its_two_partners() {
    let mut world = World::new();
    let last = world.set.registry.last_board().unwrap().published.clone();
    let definition = world.set.registry.definition.clone();
    let mut row =
        BoardRow { board: last.board.clone(), terms: last.terms.clone(), slot: last.slot };
    row.board.board += 1;
    let pair = serde_json::json!({
        "exchanged": "0", "fee": "0.01", "flow": "0", "late": "0", "limit": null,
        "multiplier": "1", "source": "aurora", "surcharge": "0", "suspended": true,
        "target": "borealis", "volume": {"before": "0", "month": "2026-11", "so_far": "0"},
        "withheld": false
    });
    row.terms.pairs = vec![serde_json::from_value(pair).unwrap()];
    super::super::events::board(&mut world.set, &row, &definition);
    let both = ["board.published", "override.suspended"];
    assert_eq!(kinds(&world.told("aurora-air")), both);
    assert_eq!(kinds(&world.told("borealis-coffee")), both);
    assert_eq!(kinds(&world.told("cedar-hotels")), both[..1]);
    // As it was before: nothing has changed.
    row.terms.pairs[0].suspended = false;
    world.set.happened.clear();
    super::super::events::board(&mut world.set, &row, &definition);
    assert_eq!(kinds(&world.told("aurora-air")), both[..1]);
    // It holds again, or is not there any more.
    let registry = Arc::make_mut(&mut world.set.registry);
    let mut parts = RegistryParts::clone(registry);
    parts.boards[0].terms.pairs = row.terms.pairs.clone();
    parts.boards[0].terms.pairs[0].suspended = true;
    *registry = Registry::new(1, parts);
    for pairs in [row.terms.pairs.clone(), Vec::new()] {
        world.set.happened.clear();
        row.terms.pairs = pairs;
        super::super::events::board(&mut world.set, &row, &definition);
        let told = world.told("borealis-coffee");
        assert_eq!(kinds(&told), ["board.published", "override.restored"]);
        assert_eq!(told[1].1, "aurora/borealis");
    }
}

#[test]
fn a_suspension_is_told_to_whoever_has_an_agreement_with_the_partner() {
    let mut world = World::new();
    let suspend = Command::Suspend("aurora-air".parse().unwrap(), true);
    decide(&mut world.set, &suspend, NOW);
    decide(&mut world.set, &suspend, NOW);
    let once = [("partner.suspended".to_owned(), "aurora-air".to_owned())];
    assert_eq!(world.told("aurora-air"), once);
    assert_eq!(world.told("borealis-coffee"), once);
    assert_eq!(world.told("cedar-hotels"), []);
}

#[test]
fn a_full_row_is_followed_by_another() {
    let mut world = World::new();
    for suspended in [true, false].into_iter().cycle().take(2_500) {
        let partner: PartnerId = "cedar-hotels".parse().unwrap();
        super::super::events::suspended(&mut world.set, &partner, suspended);
    }
    let rows = world.rows();
    let cedar: Vec<&EventRow> =
        rows.iter().filter(|(p, _)| p.as_str() == "cedar-hotels").map(|(_, row)| row).collect();
    let bounded = cedar.iter().all(|row| row.last - row.first < events::MAX_EVENTS_PER_ROW);
    assert!(bounded && cedar.len() > 2, "{} rows", cedar.len());
    let last = cedar.iter().fold(0, |last, row| {
        assert_eq!(row.first, last + 1);
        row.last
    });
    assert_eq!(last, 2_500);
    assert_eq!(world.told("cedar-hotels"), [], "what was packed is not packed again");
}
