use super::*;
use crate::encoding::hex_decode;
use crate::keys::SigningKey;
use proptest::prelude::*;
use serde_json::Value;

/// A key, what it signed, and the signature.
#[derive(Clone, Debug)]
struct Signed {
    key: PublicKey,
    message: Vec<u8>,
    signature: [u8; 64],
}

fn signed(seed: u8, message: &[u8]) -> Signed {
    let key = SigningKey::from_seed(&[seed; 32]);
    let signature = key.sign(message);
    Signed { key: key.public_key().clone(), message: message.to_vec(), signature }
}

/// Some good signatures of three keys.
fn good(number: u8) -> Vec<Signed> {
    (0..number).map(|at| signed(at % 3, &[at])).collect()
}

fn claims(all: &[Signed]) -> Vec<Claim<'_>> {
    all.iter()
        .map(|one| Claim { key: &one.key, message: &one.message, signature: &one.signature })
        .collect()
}

fn each(all: &[Signed]) -> Vec<bool> {
    verify_each(&claims(all))
}

fn whole(all: &[Signed]) -> bool {
    verify_batch(&claims(all)).is_ok()
}

fn strictly(one: &Signed) -> bool {
    one.key.verify(&one.message, &one.signature).is_ok()
}

fn alone(one: &Signed) -> bool {
    claims(std::slice::from_ref(one))[0].verify().is_ok()
}

/// Puts one among good ones, at every place of batches on both sides of every threshold, and
/// expects the same verdict everywhere.
fn expect_everywhere(one: &Signed, verdict: bool) {
    assert_eq!(alone(one), verdict, "{one:?}");
    for size in [1, 2, 3, 5, 40] {
        for at in [0, size / 2, size - 1] {
            let mut all = good(u8::try_from(size).unwrap());
            all[at] = one.clone();
            assert_eq!(whole(&all), verdict, "{at} of {size}: {one:?}");
            let expected: Vec<bool> = (0..size).map(|place| place != at || verdict).collect();
            assert_eq!(each(&all), expected, "{at} of {size}: {one:?}");
        }
    }
}

fn of_file(file: &Value, list: &str) -> Vec<Signed> {
    let bytes = |value: &Value| hex_decode(value.as_str().unwrap()).unwrap();
    let key = PublicKey::from_bytes(&bytes(&file["public"])).unwrap();
    let message = bytes(&file["message"]);
    let cases = file[list].as_array().unwrap();
    assert!(!cases.is_empty());
    let signature = |case: &Value| bytes(&case["signature"]).try_into().unwrap();
    cases
        .iter()
        .map(|case| Signed {
            key: key.clone(),
            message: message.clone(),
            signature: signature(case),
        })
        .collect()
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../vectors/ed25519_batch.json")).unwrap()
}

#[test]
fn good_signatures_are_good_in_batches_of_every_size() {
    assert!(whole(&[]) && each(&[]).is_empty());
    // Some sizes on either side of where the multiplication changes its method.
    for size in [1, 2, 3, 4, 8, 100, 186, 187, 188, 250] {
        let all = good(size);
        assert!(whole(&all), "{size}");
        assert_eq!(each(&all), vec![true; all.len()]);
    }
}

#[test]
fn what_both_accept_is_accepted_everywhere() {
    for one in of_file(&vectors(), "accepted") {
        assert!(strictly(&one));
        expect_everywhere(&one, true);
    }
}

#[test]
fn torsioned_signatures_are_accepted_in_batches_only() {
    let torsioned = of_file(&vectors(), "accepted_in_batches");
    assert_eq!(torsioned.len(), 14);
    for one in &torsioned {
        assert!(!strictly(one));
        expect_everywhere(one, true);
    }
    assert!(whole(&torsioned));
    // The company of a bad one changes nothing for them.
    let mut company = torsioned.clone();
    company.push(Signed { message: b"another".to_vec(), ..torsioned[0].clone() });
    let expected: Vec<bool> = (0..company.len()).map(|at| at < torsioned.len()).collect();
    assert_eq!(each(&company), expected);
}

#[test]
fn second_spellings_and_damage_are_refused_everywhere() {
    for one in of_file(&vectors(), "refused") {
        assert!(!strictly(&one));
        expect_everywhere(&one, false);
    }
}

#[test]
fn bad_signatures_are_refused_in_batches_too() {
    // T09
    let file: Value =
        serde_json::from_str(include_str!("../../../vectors/ed25519_keys.json")).unwrap();
    let bytes = |case: &Value, member: &str| hex_decode(case[member].as_str().unwrap()).unwrap();
    let mut differ = Vec::new();
    for case in file["bad_signatures"].as_array().unwrap() {
        // Of another length they can't be claimed at all.
        let Ok(signature) = bytes(case, "signature").try_into() else { continue };
        let key = PublicKey::from_bytes(&bytes(case, "public")).unwrap();
        let one = Signed { key, message: bytes(case, "message"), signature };
        if alone(&one) {
            differ.push(case["reason"].as_str().unwrap().to_owned());
        }
        expect_everywhere(&one, alone(&one));
    }
    assert_eq!(differ, ["R torsioned"]);
}

/// One more on one S, one less on the other: their plain sum is right.
#[test]
fn two_wrong_ones_do_not_make_up_for_each_other() {
    let mut all = vec![signed(1, b"one"), signed(1, b"two"), signed(1, b"three")];
    let shift = |one: &mut Signed, by: Scalar| {
        let s: [u8; 32] = one.signature[32..].try_into().unwrap();
        let s = Scalar::from_canonical_bytes(s).unwrap() + by;
        one.signature[32..].copy_from_slice(s.as_bytes());
    };
    shift(&mut all[0], Scalar::ONE);
    shift(&mut all[2], -Scalar::ONE);
    assert!(!whole(&all));
    assert_eq!(each(&all), [false, true, false]);
}

#[test]
fn exchanged_signatures_are_refused() {
    for (one, other) in [((1, b"one"), (1, b"two")), ((1, b"one"), (2, b"one"))] {
        let (mut one, mut other) = (signed(one.0, one.1), signed(other.0, other.1));
        std::mem::swap(&mut one.signature, &mut other.signature);
        assert_eq!(each(&[one, other, signed(3, b"good")]), [false, false, true]);
    }
}

/// The first numbers drawn for a batch.
fn drawn(all: &[Signed]) -> Vec<Scalar> {
    let claims = claims(all);
    let parts: Vec<Parts> = claims.iter().map(|claim| Parts::of(claim).unwrap()).collect();
    let (keys, _) = distinct_keys(&claims);
    let mut multipliers = Multipliers::of(&keys, &claims, &parts);
    (0..9).map(|_| multipliers.next()).collect()
}

#[test]
fn every_multiplier_is_its_own_and_changes_with_every_part_of_a_batch() {
    let all = good(5);
    let mut seen = drawn(&all);
    assert_eq!(seen, drawn(&all));
    let mut other = all.clone();
    other[3].message = b"another".to_vec();
    seen.extend(drawn(&other));
    for byte in [0, 32] {
        // The lowest bit of R, then that of S.
        let mut other = all.clone();
        other[2].signature[byte] ^= 1;
        seen.extend(drawn(&other));
    }
    let mut other = all.clone();
    other[4].key = all[3].key.clone();
    seen.extend(drawn(&other));
    let mut other = all.clone();
    other.swap(0, 3);
    seen.extend(drawn(&other));
    seen.extend(drawn(&all[..4]));
    let drawn = seen.len();
    seen.sort_by_key(Scalar::to_bytes);
    seen.dedup();
    assert_eq!(seen.len(), drawn);
    // 128 bits, and all of them used.
    assert!(seen.iter().all(|z| z.as_bytes()[16..] == [0; 16]));
    assert!(seen.iter().any(|z| z.as_bytes()[15] > 127));
}

#[test]
fn equal_keys_are_one_key_wherever_they_stand() {
    let all = [signed(1, b"a"), signed(2, b"b"), signed(1, b"c"), signed(1, b"d"), signed(2, b"e")];
    let claims = claims(&all);
    let (keys, key_of) = distinct_keys(&claims);
    assert_eq!((keys, key_of), (vec![&all[0].key, &all[1].key], vec![0, 1, 0, 0, 1]));
}

#[test]
fn the_only_spelling_of_a_point_is_told_without_an_inversion() {
    let compressed = |bytes: &[u8; 32]| {
        CompressedEdwardsY(*bytes).decompress().map(|point| point.compress().0 == *bytes)
    };
    let (mut canonical, mut second) = (0, 0);
    for sign in [0, 0x80] {
        for (fill, last) in [(0, 0), (0xff, 0x7f)] {
            for first in 0..=255 {
                let mut bytes = [fill; 32];
                (bytes[0], bytes[31]) = (first, last | sign);
                match compressed(&bytes) {
                    Some(expected) => {
                        assert_eq!(is_canonical(&bytes), expected, "{bytes:?}");
                        if expected { canonical += 1 } else { second += 1 }
                    }
                    None => continue,
                }
            }
        }
    }
    assert!(canonical > 100 && second > 10, "{canonical} {second}");
}

/// What happened to a signature on its way.
#[derive(Clone, Debug)]
enum Damage {
    None,
    Signature { bit: usize },
    Message,
    Key,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        6 => Just(Damage::None),
        2 => (0..512_usize).prop_map(|bit| Damage::Signature { bit }),
        1 => Just(Damage::Message),
        1 => Just(Damage::Key),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_verdict_is_that_of_single_verification(
        orders in prop::collection::vec((0..4_u8, any::<[u8; 3]>(), damage()), 0..24),
    ) {
        let all: Vec<Signed> = orders
            .iter()
            .map(|(seed, message, damage)| {
                let mut one = signed(*seed, message);
                match damage {
                    Damage::None => {}
                    Damage::Signature { bit } => one.signature[bit / 8] ^= 1 << (bit % 8),
                    Damage::Message => one.message.push(0),
                    Damage::Key => one.key = signed(seed + 1, b"").key,
                }
                one
            })
            .collect();
        let expected: Vec<bool> = all.iter().map(strictly).collect();
        prop_assert_eq!(whole(&all), expected.iter().all(|good| *good));
        prop_assert_eq!(each(&all), expected);
    }

    #[test]
    fn random_bytes_have_the_spelling_that_compressing_gives(bytes in any::<[u8; 32]>()) {
        if let Some(point) = CompressedEdwardsY(bytes).decompress() {
            prop_assert_eq!(is_canonical(&bytes), point.compress().0 == bytes);
        }
    }
}
