//! What the audit finds of what was changed behind the writer's back, beside receipts and balances:
//! agreements, boards, late orders, campaigns and their lots, consents, erasures.

use alliance_contracts::debit_consent::DebitConsent;
use alliance_contracts::encoding::Hash;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::key_list::{Jwk, KeyStatement, TrustedKeys};
use alliance_contracts::keys::SigningKey;

use super::behaviours::with_running_campaign;
use super::members::forget;
use super::place::Place;
use super::world::{BRANDS, World, name};
use crate::audit::Finding;
use crate::command::{Command, GrantConsent, Outcome};
use crate::inspection::audit;

fn trusted(world: &World) -> TrustedKeys {
    let root = SigningKey::from_seed(&[1; 32]);
    let statement = KeyStatement {
        alliance: world.store.alliance().to_string(),
        keys: vec![Jwk::new(world.key.public_key(), None)],
        number: 1,
        previous: Hash::ZERO,
    };
    statement.publish(&root).verify(root.public_key()).unwrap()
}

async fn found(world: &World) -> Vec<Finding> {
    audit(world.store.as_ref(), &trusted(world)).await.unwrap().findings
}

/// Two versions of an agreement, two boards, a bonus and a part of one taken back, an order on a
/// board that was no longer in force.
async fn eventful(place: &Place) -> World {
    let mut world = World::new(place.open().await).await;
    let first = world.agreement(None);
    world.agree(&first).await;
    let second = world.agreement(Some(&first));
    world.agree(&second).await;
    let proposed = world.propose(1, &world.agreement(Some(&second)));
    assert!(matches!(world.decide(vec![proposed]).await[..], [Outcome::Agreement(_)]));
    with_running_campaign(&mut world).await;
    let original = world.perform(0, 1, 0).await;
    world.perform(0, 1, 1).await;
    let back = world.reversal(original, Some("30")).await;
    assert!(matches!(world.decide(vec![back]).await[..], [Outcome::Transaction(_)]));
    let board = world.next_board("0.11", None).await;
    let published = world.decide(vec![Command::Publish(Box::new(board))]).await;
    assert_eq!(published, [Outcome::Done(1)]);
    world.now = world.now.plus_seconds(30);
    let late = world.exchange(0, 2, 2, 1_000).await;
    world.now = world.now.plus_seconds(31);
    world.perform(0, 2, 3).await;
    assert!(matches!(world.decide(vec![late]).await[..], [Outcome::Transaction(_)]));
    world
}

/// Bytes of a table as text, with something in them replaced.
fn replaced(place: &Place, column: &str, from: &str, to: &str) -> String {
    if place.is_postgres() {
        let text = format!("convert_from({column}, 'UTF8')");
        format!("{column} = convert_to(replace({text}, '{from}', '{to}'), 'UTF8')")
    } else {
        let text = format!("CAST({column} AS TEXT)");
        format!("{column} = CAST(replace({text}, '{from}', '{to}') AS BLOB)")
    }
}

pub async fn the_audit_names_what_was_tampered_with(place: &Place) {
    let world = eventful(place).await;
    assert_eq!(found(&world).await, []);
    let late = world.store.flows().await.unwrap();
    assert_eq!(late.iter().filter(|row| row.flow.late > 0).count(), 1);
    let lots = world.store.lots(None, 10).await.unwrap();
    let (member, lot) = lots[0];
    assert_eq!(world.store.lots(None, 1).await.unwrap(), lots[..1]);
    let after = Some((member, lot.campaign, lot.day));
    assert_eq!(world.store.lots(after, 10).await.unwrap(), lots[1..2]);
    let agreements = world.store.all_agreements(None, 10).await.unwrap();
    assert_eq!(world.store.all_agreements(None, 1).await.unwrap(), agreements[..1]);
    let after = Some(agreements[0].id);
    assert_eq!(world.store.all_agreements(after, 10).await.unwrap(), agreements[1..3]);
    let boards = world.store.boards(2, 2).await.unwrap();
    let parsed = jws::parse(&boards[0].jws).unwrap();
    let first = jws::parse(&boards[1].jws).unwrap();
    let unsigned = jws::assemble(JwsType::Board, &parsed.kid, &parsed.payload, &first.signature);
    let fee = replaced(place, "payload", "\"rate\":\"0.01\"", "\"rate\":\"0.02\"");
    let budget = replaced(place, "payload", "\"budget\":\"1000000\"", "\"budget\":\"0.5\"");
    let target = replaced(place, "payload", "\"target\":\"borealis\"", "\"target\":\"cumulus\"");
    for (table, change, named, finding) in [
        (
            "agreements",
            format!("UPDATE agreements SET {fee} WHERE version = 1"),
            "agreement ",
            "does not verify",
        ),
        (
            "agreements",
            format!("UPDATE agreements SET {fee} WHERE state = 'proposed'"),
            "agreement ",
            "the signature of borealis-coffee does not verify",
        ),
        (
            "agreements",
            "UPDATE agreements SET b_kid = a_kid, b_signature = a_signature".to_owned(),
            "agreement ",
            "is no key of borealis-coffee",
        ),
        (
            "agreements",
            "UPDATE agreements SET a_kid = NULL, a_signature = NULL".to_owned(),
            "agreement ",
            "is not signed by aurora-air",
        ),
        (
            "agreements",
            "DELETE FROM agreements WHERE version = 1".to_owned(),
            "agreement ",
            "is version 2 of aurora-air and borealis-coffee; 0 is the last",
        ),
        (
            "boards",
            "UPDATE boards SET terms = replace(terms, '0.95', '0.96')".to_owned(),
            "board 2",
            "the terms that are kept are not those",
        ),
        (
            "boards",
            format!("UPDATE boards SET jws = '{unsigned}' WHERE board = 2"),
            "board 2",
            "its signature does not verify",
        ),
        ("boards", "DELETE FROM boards WHERE board = 1".to_owned(), "board 2", "out of sequence"),
        (
            "flows",
            "UPDATE flows SET late = '0'".to_owned(),
            "flow aurora to cumulus",
            "says 0 micros were late",
        ),
        (
            "flows",
            "UPDATE flows SET late = '1' WHERE target = 'borealis'".to_owned(),
            "flow aurora to borealis",
            "from 0 to 0 were",
        ),
        (
            "lots",
            "UPDATE lots SET points = points + 1".to_owned(),
            "lot of member ",
            "its orders come to",
        ),
        ("lots", "DELETE FROM lots".to_owned(), "lot of member ", "holds nothing"),
        (
            "lots",
            "UPDATE lots SET held_until = held_until - 1".to_owned(),
            "lot of member ",
            "which is not its campaign's",
        ),
        (
            "campaigns",
            format!("UPDATE campaigns SET {budget}"),
            "campaign cmp_",
            "it may spend from 0 to 500000",
        ),
        (
            "campaigns",
            format!("UPDATE campaigns SET {target}"),
            "receipt aurora-air~borealis-coffee 1",
            "that it does not give",
        ),
        (
            "campaigns",
            "UPDATE campaigns SET warned = 3".to_owned(),
            "campaign cmp_",
            "says that 3 warnings were reached",
        ),
        (
            "campaigns",
            "UPDATE campaigns SET state = 'proposed', approved_by = NULL".to_owned(),
            "campaign cmp_",
            "nobody has approved it",
        ),
        (
            "campaigns",
            "DELETE FROM campaigns".to_owned(),
            "receipt aurora-air~borealis-coffee 1",
            "which is no campaign",
        ),
        (
            "accounts",
            "UPDATE accounts SET balance = '-1' WHERE account LIKE 'campaign:%'".to_owned(),
            "account campaign:",
            "its postings come to",
        ),
    ] {
        changed(place, &world, table, &change, (named, finding)).await;
    }
}

/// What the change of a table makes the audit say; undone, it says nothing.
async fn changed(place: &Place, world: &World, table: &str, change: &str, told: (&str, &str)) {
    place.execute(&format!("CREATE TABLE kept AS SELECT * FROM {table}; {change}")).await;
    let findings = found(world).await;
    let (named, finding) = told;
    let told = |told: &Finding| told.place.starts_with(named) && told.finding.contains(finding);
    assert!(findings.iter().any(told), "{change}: {findings:?}");
    let undo = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept;");
    place.execute(&format!("{undo} DROP TABLE kept")).await;
    assert_eq!(found(world).await, [], "{change}, undone");
}

/// The second brand orders three times in the name of the first, under two consents of which one
/// is revoked then; a member of the first is forgotten.
async fn with_consents(place: &Place) -> World {
    let mut world = World::new(place.open().await).await;
    for (at, kind) in ["exchange", "redemption"].into_iter().enumerate() {
        let given = consent(&world, kind);
        let (signed, _) = DebitConsent::read_signed(&given.sign(&world.partner_key(0))).unwrap();
        let order = GrantConsent { id: world.id(), consent: given, signed };
        let id = order.id;
        let grant = Command::GrantConsent(world.keyed(BRANDS[0].0), Box::new(order));
        assert_eq!(world.decide(vec![grant]).await, [Outcome::Consent(id)]);
        if at == 1 {
            let revoke = Command::RevokeConsent(world.keyed(BRANDS[1].0), id);
            assert_eq!(world.decide(vec![revoke]).await, [Outcome::Consent(id)]);
        }
    }
    for person in 0..3 {
        let registry = world.registry().await;
        let order = world.order(&registry, 0, 1, person, 1_000);
        let order = Command::Order(world.keyed(BRANDS[1].0), order);
        assert!(matches!(world.decide(vec![order]).await[..], [Outcome::Transaction(_)]));
    }
    world.perform(0, 1, 3).await;
    let order = forget(&mut world, 0, 4);
    assert!(matches!(world.decide(vec![order]).await[..], [Outcome::Erased(_)]));
    world
}

/// Three orders of 1,000 points and more fit into it.
fn consent(world: &World, kind: &str) -> DebitConsent {
    let document = serde_json::json!({
        "alliance": world.store.alliance(), "kinds": [kind],
        "limits": {"day": "1000", "month": "1000", "order": "1000"}, "programs": [],
        "source": BRANDS[0].0, "target": BRANDS[1].0, "until": null, "v": 1
    });
    serde_json::from_value(document).unwrap()
}

pub async fn the_audit_names_a_consent_and_an_erasure_that_were_tampered_with(place: &Place) {
    let world = with_consents(place).await;
    assert_eq!(found(&world).await, []);
    let spent = world.store.consents_spent().await.unwrap();
    assert_eq!(spent.len(), 1, "one was ordered under: {spent:?}");
    let (given, at) = (spent[0].in_day, world.now.as_millis());
    assert!(given > 0 && given % 3 == 0);
    let text = |from: &str, to: &str| replaced(place, "payload", from, to);
    let raised = text("\"day\":\"1000\"", "\"day\":\"1001\"");
    let other = text("\"exchange\"", "\"accrual\"");
    let partner = text(BRANDS[1].0, "cedar-hotels");
    let flipped = match place.is_postgres() {
        true => "set_byte(signature, 9, 255 - get_byte(signature, 9))",
        false => "zeroblob(64)",
    };
    let receipt = "receipt aurora-air~borealis-coffee 1";
    let consents = [
        (format!("UPDATE consents SET {raised} WHERE {LIVE}"), "consent cns_", "does not verify"),
        (
            format!("UPDATE consents SET {raised} WHERE {LIVE}"),
            receipt,
            "without a consent in the books",
        ),
        (
            format!("UPDATE consents SET {other} WHERE {LIVE}"),
            receipt,
            "without a consent in the books",
        ),
        (
            format!("UPDATE consents SET {partner} WHERE {LIVE}"),
            receipt,
            "without a consent in the books",
        ),
        (
            format!("UPDATE consents SET signature = {flipped} WHERE {LIVE}"),
            receipt,
            "another signature",
        ),
        (
            format!("UPDATE consents SET granted_at = {} WHERE {LIVE}", at + 3_600_000),
            receipt,
            "which was given later",
        ),
        (
            format!("UPDATE consents SET revoked_at = granted_at - 3600000 WHERE {LIVE}"),
            receipt,
            "which was revoked before",
        ),
        (
            format!("UPDATE consents SET revoked_at = granted_at - 3600000 WHERE {LIVE}"),
            "consent cns_",
            "was revoked before it was given",
        ),
        (
            "UPDATE consents SET revoked_at = NULL".to_owned(),
            "consent cns_",
            "is in force, its partners were told otherwise",
        ),
        (format!("DELETE FROM consents WHERE {LIVE}"), receipt, "without a consent in the books"),
        (
            "DELETE FROM consents WHERE revoked_at IS NOT NULL".to_owned(),
            "consent cns_",
            "was told of, and is not in the books",
        ),
    ];
    for (change, named, finding) in &consents {
        changed(place, &world, "consents", change, (named, finding)).await;
    }
    let counted = [
        ("UPDATE consents_spent SET in_day = in_day - 1", "in day"),
        ("UPDATE consents_spent SET in_month = in_month + 1", "in month"),
        ("UPDATE consents_spent SET day = day - 1", "does not count the last day"),
        ("UPDATE consents_spent SET month = month + 1", "in month"),
        ("DELETE FROM consents_spent", "does not count the last day"),
    ];
    for (change, finding) in counted {
        changed(place, &world, "consents_spent", change, ("consent cns_", finding)).await;
    }
    let erasures = [
        ("UPDATE erasures SET partner = 'borealis-coffee'", "not of borealis-coffee"),
        ("DELETE FROM erasures", "was told of, and is not in the books"),
    ];
    for (change, finding) in erasures {
        changed(place, &world, "erasures", change, ("erasure ers_", finding)).await;
    }
    // The signature of another document of the same key's.
    let kept = world.store.erasures(&name(BRANDS[0].0), None, 2).await.unwrap();
    let signed = jws::parse(&kept[0].jws).unwrap();
    let mut signature = signed.signature;
    signature[3] ^= 1;
    let forged = jws::assemble(JwsType::Erasure, &signed.kid, &signed.payload, &signature);
    let forged = format!("UPDATE erasures SET jws = '{forged}'");
    changed(place, &world, "erasures", &forged, ("erasure ers_", "does not verify")).await;
    let payload = String::from_utf8(signed.payload).unwrap();
    let bent = payload.replace("\"forfeited\":\"", "\"forfeited\":\"1");
    assert_ne!(bent, payload);
    let bent = jws::assemble(JwsType::Erasure, &signed.kid, bent.as_bytes(), &signed.signature);
    let bent = format!("UPDATE erasures SET jws = '{bent}'");
    changed(place, &world, "erasures", &bent, ("erasure ers_", "does not verify")).await;
}

/// The consent that was ordered under.
const LIVE: &str = "revoked_at IS NULL";
