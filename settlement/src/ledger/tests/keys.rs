//! Partners' keys: what is refused, what stays, and that a revocation holds under the lock.

use alliance_contracts::encoding::base64url_encode;
use alliance_contracts::keys::{Kid, SigningKey};
use alliance_contracts::partner_key::{KeyRegistration, KeyScope, MAX_LIVE_KEYS};

use super::*;
use crate::command::Define;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn registration(partner: &str, key: &SigningKey) -> KeyRegistration {
    let alliance = definition().alliance;
    KeyRegistration::new(alliance, partner.parse().unwrap(), KeyScope::Trade, key.public_key())
}

fn command(world: &mut World, asked: &KeyRegistration, key: &SigningKey, name: &str) -> Command {
    let proven = KeyRegistration::prove(&asked.sign(key), &asked.alliance, &asked.partner).unwrap();
    let keyed = world.keyed(asked.partner.as_str(), name, name);
    Command::AddKey(keyed, Box::new(proven))
}

fn add(world: &mut World, seed: u8) -> Outcome {
    let key = key(seed);
    let command = command(world, &registration("aurora-air", &key), &key, &format!("add {seed}"));
    decide(&mut world.set, &command, NOW).outcome
}

fn end(world: &World, kid: &Kid) -> Option<Timestamp> {
    world.set.listed_key(kid).unwrap().record.exp
}

#[test]
fn a_key_is_registered_once_and_is_nobody_elses() {
    let mut world = World::new();
    assert_eq!(add(&mut world, 61), Outcome::Key(key(61).kid().clone()));
    let listed = world.set.listed_key(key(61).kid()).unwrap();
    assert_eq!((listed.defined, listed.record.nbf), (false, Some(NOW.floor_to_second())));
    let again = command(&mut world, &registration("aurora-air", &key(61)), &key(61), "again");
    let stolen = registration("borealis-coffee", &key(61));
    let stolen = command(&mut world, &stolen, &key(61), "stolen");
    for command in [again, stolen] {
        let outcome = decide(&mut world.set, &command, NOW).outcome;
        assert_eq!(outcome, refused(ProblemCode::DuplicateKey));
    }
    // Nor is a definition believed that gives it to another.
    let mut definition = world.set.registry.definition.clone();
    let x = base64url_encode(key(61).public_key().as_bytes());
    let given = serde_json::from_value(serde_json::json!({ "x": x })).unwrap();
    let other = definition.partners.iter_mut().find(|p| p.partner.as_str() == "borealis-coffee");
    other.unwrap().keys.push(given);
    let define = Define { definition, window: world.draw() };
    let outcome = decide(&mut world.set, &Command::Define(Box::new(define)), NOW).outcome;
    match outcome {
        Outcome::DefinitionRefused(faults) => {
            assert!(faults[0].fault.contains("aurora-air"), "{faults:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_partner_has_so_many_keys_at_once() {
    let mut world = World::new();
    let mine = world.set.listed_keys();
    let mine = mine.values().filter(|key| key.record.partner.as_str() == "aurora-air").count();
    let room = u8::try_from(MAX_LIVE_KEYS - mine).unwrap();
    for seed in 0..room {
        assert!(matches!(add(&mut world, 100 + seed), Outcome::Key(_)), "{seed}");
    }
    assert_eq!(add(&mut world, 99), refused(ProblemCode::TooManyKeys));
    let keyed = world.keyed("aurora-air", "revoke", "revoke");
    let revoke = Command::RevokeKey(keyed, key(100).kid().clone());
    assert!(matches!(decide(&mut world.set, &revoke, NOW).outcome, Outcome::Key(_)));
    let key = key(98);
    let command = command(&mut world, &registration("aurora-air", &key), &key, "room again");
    assert!(matches!(decide(&mut world.set, &command, NOW).outcome, Outcome::Key(_)));
}

#[test]
fn a_key_begins_now_or_later_and_ends_after_that() {
    let mut world = World::new();
    let key = key(61);
    let plain = registration("aurora-air", &key);
    let at = |seconds| Some(NOW.plus_seconds(seconds));
    for (nbf, exp, places) in [
        (at(-2), None, vec!["/jws/nbf"]),
        (at(10), at(10), vec!["/jws/exp"]),
        (None, Some(NOW), vec!["/jws/exp"]),
        (at(-2), at(-3), vec!["/jws/nbf", "/jws/exp"]),
    ] {
        let asked = KeyRegistration { nbf, exp, ..plain.clone() };
        let command = command(&mut world, &asked, &key, "faulty");
        match decide(&mut world.set, &command, NOW).outcome {
            Outcome::KeyRefused(faults) => {
                let found: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
                assert_eq!(found, places);
            }
            other => panic!("{other:?}"),
        }
    }
    // The idempotency key is unused: the same again, put right, is taken.
    let asked = KeyRegistration { nbf: at(10), exp: at(20), ..plain };
    let command = command(&mut world, &asked, &key, "faulty");
    assert!(matches!(decide(&mut world.set, &command, NOW).outcome, Outcome::Key(_)));
}

#[test]
fn an_end_is_never_put_off_nor_set_in_the_past() {
    let mut world = World::new();
    add(&mut world, 61);
    let kid = key(61).kid().clone();
    let retire = |world: &mut World, seconds: i64| {
        let name = format!("retire {seconds}");
        let keyed = world.keyed("aurora-air", &name, &name);
        let command = Command::RetireKey(keyed, kid.clone(), NOW.plus_seconds(seconds));
        decide(&mut world.set, &command, NOW).outcome
    };
    assert_eq!(retire(&mut world, 100), Outcome::Key(kid.clone()));
    assert_eq!(retire(&mut world, 200), Outcome::Key(kid.clone()));
    assert_eq!(end(&world, &kid), Some(NOW.plus_seconds(100)));
    assert_eq!(retire(&mut world, 50), Outcome::Key(kid.clone()));
    assert!(matches!(retire(&mut world, -2), Outcome::KeyRefused(_)));
    assert_eq!(end(&world, &kid), Some(NOW.plus_seconds(50)));
}

#[test]
fn from_its_revocation_on_nothing_is_accepted_under_a_key_whatever_door_let_it_in() {
    // T37
    let mut world = World::new();
    let keyed = world.keyed("aurora-air", "first", "first");
    let used = keyed.request.kid.clone();
    let mine = registration("aurora-air", &key(61));
    let first = command(&mut world, &mine, &key(61), "first");
    assert!(matches!(decide(&mut world.set, &first, NOW).outcome, Outcome::Key(_)));
    // Another gateway's command of the same batch has revoked the key that signs here.
    let record = crate::alliance::PartnerKeyRecord {
        kid: used.clone(),
        revoked_at: Some(NOW),
        ..world.set.listed_key(key(61).kid()).unwrap().record
    };
    world.set.writes.partner_keys.insert(used, record);
    let order = world.order("100");
    assert_eq!(order.outcome, refused(ProblemCode::SignatureInvalid));
    let mine = registration("aurora-air", &key(62));
    let second = command(&mut world, &mine, &key(62), "second");
    let outcome = decide(&mut world.set, &second, NOW).outcome;
    assert_eq!(outcome, refused(ProblemCode::SignatureInvalid));
    // Not even what was decided before is told again.
    let again = decide(&mut world.set, &first, NOW).outcome;
    assert_eq!(again, refused(ProblemCode::SignatureInvalid));
    let earlier = decide(&mut world.set, &first, NOW.plus_seconds(-1)).outcome;
    assert!(matches!(earlier, Outcome::Key(_)), "before its revocation it was one");
}
