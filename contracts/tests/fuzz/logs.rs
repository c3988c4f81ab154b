//! Checkpoints, proofs, trees and key lists: what was signed or proven, and nothing near it.

use std::str;

use alliance_contracts::encoding::{Hash, hex_decode};
use alliance_contracts::json;
use alliance_contracts::key_list::{Jwk, KeyList, KeyStatement};
use alliance_contracts::keys::SigningKey;
use alliance_contracts::merkle::{
    Frontier, consistency_path_of, inclusion_path_of, leaf_hash, root_of, verify_consistency,
    verify_inclusion,
};
use alliance_contracts::note::{
    Checkpoint, Note, NoteSignature, VerifierKey, append_signature_line, corridor_origin, cosign,
    parse_note, sign_checkpoint, verify_cosignature, verify_note,
};
use alliance_contracts::tlog_proof::TlogProof;

use crate::engine::{Answer, Target};
use crate::{texts_named, told, vectors};

fn utf8(input: &[u8]) -> Result<&str, Answer> {
    str::from_utf8(input).map_err(|_| Answer::Refused("UTF-8".into()))
}

/// A log of our own: its key, and notes of two sizes that it signed and a witness cosigned.
fn own_notes() -> (SigningKey, String, Vec<String>) {
    let (key, witness) = (SigningKey::from_seed(&[5; 32]), SigningKey::from_seed(&[6; 32]));
    let origin = corridor_origin("demo", "aurora-air~borealis-coffee");
    let notes = [7, 12].map(|size| {
        let checkpoint =
            Checkpoint { origin: origin.clone(), size, root: Hash::of(&size.to_be_bytes()) };
        let mut note = sign_checkpoint(&checkpoint, &key, 1_795_406_706 + size).unwrap();
        let line = cosign(&checkpoint, "witness.example/w1", &witness, 1_795_406_800).unwrap();
        append_signature_line(&mut note, &line.to_string()).unwrap();
        note
    });
    (key, origin, notes.to_vec())
}

#[test]
fn a_checkpoint_comes_back_byte_for_byte_and_verifies_only_as_it_was_signed() {
    let (key, origin, own) = own_notes();
    let mut seeds = texts_named(&vectors("note.json"), "note");
    seeds.extend(own.iter().map(|note| note.clone().into_bytes()));
    let parsed: Vec<Note> = own.iter().map(|note| parse_note(note).unwrap()).collect();
    let check = |input: &[u8]| {
        let text = match utf8(input) {
            Ok(text) => text,
            Err(answer) => return answer,
        };
        let note = match parse_note(text) {
            Ok(note) => note,
            Err(error) => return Answer::Refused(error.to_string()),
        };
        assert_eq!(note.to_string(), text);
        assert!((1..=100).contains(&note.signatures.len()));
        for line in &note.signatures {
            assert_eq!(NoteSignature::parse(&line.to_string()).as_ref(), Ok(line));
        }
        let checkpoint = note.checkpoint();
        if let Ok(checkpoint) = &checkpoint {
            assert_eq!(checkpoint.to_text(), note.text);
        }
        let signed = verify_note(&note, &origin, key.public_key());
        let cosigned = verify_cosignature(&note, &origin, key.public_key());
        if signed.is_ok() || cosigned.is_ok() {
            let known = parsed.iter().find(|known| known.text == note.text);
            let known = known.expect("it verifies, and the log has not signed that text");
            // Each line of the log's own is one that it made, so that the time is true, too.
            if let Ok(seconds) = cosigned {
                assert_eq!(verify_cosignature(known, &origin, key.public_key()), Ok(seconds));
            }
        }
        let kind = (checkpoint.is_ok(), signed.is_ok(), cosigned.is_ok(), note.signatures.len());
        Answer::Accepted(format!("{:?} {}", kind, "|".repeat(kind.3.min(5))))
    };
    Target { name: "checkpoints", inputs: 50_000, seeds: &seeds, open: true, check: &check }.fuzz();
}

#[test]
fn a_verifier_key_and_a_checkpoints_text_have_one_spelling() {
    let (key, origin, own) = own_notes();
    let mut seeds = texts_named(&vectors("note.json"), "vkey");
    seeds.extend(texts_named(&vectors("note.json"), "cosigner_vkey"));
    let vkey = VerifierKey { name: origin, alg: 1, public: key.public_key().clone() };
    seeds.push(vkey.to_string().into_bytes());
    seeds.extend(own.iter().map(|note| parse_note(note).unwrap().text.into_bytes()));
    let check = |input: &[u8]| {
        let text = match utf8(input) {
            Ok(text) => text,
            Err(answer) => return answer,
        };
        let checkpoint = Checkpoint::parse(text).map(|checkpoint| checkpoint.to_text());
        let vkey = VerifierKey::parse(text).map(|key| key.to_string());
        match (checkpoint, vkey) {
            (Ok(again), Err(_)) | (Err(_), Ok(again)) => {
                assert_eq!(again, text);
                Answer::Accepted(String::new())
            }
            (Err(_), Err(error)) => Answer::Refused(error.to_string()),
            (Ok(_), Ok(_)) => panic!("one text is a checkpoint and a key"),
        }
    };
    Target { name: "vkeys", inputs: 50_000, seeds: &seeds, open: true, check: &check }.fuzz();
}

#[test]
fn a_proof_file_comes_back_byte_for_byte_and_proves_only_what_was_proven() {
    let all = vectors("tlog_proof.json");
    let seeds = texts_named(&all, "proof");
    let key = VerifierKey::parse(all["vkey"].as_str().unwrap()).unwrap();
    let origin = all["origin"].as_str().unwrap();
    let good = all["good"].as_array().unwrap();
    let leaves: Vec<Vec<u8>> = texts_named(&all["good"], "leaf")
        .iter()
        .map(|hex| hex_decode(str::from_utf8(hex).unwrap()).unwrap())
        .collect();
    let proven: Vec<TlogProof> = good
        .iter()
        .map(|case| TlogProof::parse(case["proof"].as_str().unwrap()).unwrap())
        .collect();
    let text_of = |proof: &TlogProof| proof.note().unwrap().text;
    let check = |input: &[u8]| {
        let text = match utf8(input) {
            Ok(text) => text,
            Err(answer) => return answer,
        };
        let proof = match TlogProof::parse(text) {
            Ok(proof) => proof,
            Err(error) => return Answer::Refused(error.to_string()),
        };
        assert_eq!(proof.to_string(), text);
        assert!(proof.path.len() <= 64);
        let mut answers = Vec::new();
        for leaf in &leaves {
            let verified = proof.verify(leaf, origin, &key.public);
            if verified.is_ok() {
                let same = |known: &&TlogProof| {
                    known.index == proof.index
                        && known.path == proof.path
                        && text_of(known) == text_of(&proof)
                };
                assert!(proven.iter().any(|known| same(&known)), "proven, and it was not");
            }
            answers.push(verified.map_or_else(|error| error.to_string(), |_| "proven".into()));
        }
        Answer::Accepted(answers.join(", "))
    };
    Target { name: "proofs", inputs: 50_000, seeds: &seeds, open: true, check: &check }.fuzz();
}

/// Numbers and hashes as bytes: two words of eight bytes, then 32 bytes each.
fn numbers_and_hashes(input: &[u8]) -> Option<(u64, u64, Vec<Hash>)> {
    let (one, rest) = input.split_first_chunk::<8>()?;
    let (other, rest) = rest.split_first_chunk::<8>()?;
    let hashes = rest.as_chunks::<32>().0.iter().map(|hash| Hash::from(*hash)).collect();
    Some((u64::from_be_bytes(*one), u64::from_be_bytes(*other), hashes))
}

#[test]
fn a_changed_path_leads_nowhere() {
    let leaves: Vec<Hash> = (0..23_u8).map(|n| leaf_hash(&[n])).collect();
    let size = leaves.len() as u64;
    let root = root_of(&leaves);
    let bytes = |one: u64, other: u64, path: &[Hash]| {
        let mut bytes = [one.to_be_bytes(), other.to_be_bytes()].concat();
        path.iter().for_each(|hash| bytes.extend_from_slice(hash.as_ref()));
        bytes
    };
    let mut seeds = Vec::new();
    for at in 0..size {
        seeds.push(bytes(at, at, &inclusion_path_of(&leaves, at)));
        seeds.push(bytes(at, at + 1, &consistency_path_of(&leaves, at + 1)));
    }
    let check = |input: &[u8]| {
        let Some((index, from, path)) = numbers_and_hashes(input) else {
            return Answer::Refused("too short".into());
        };
        // Sizes and roots are signed; what is asked for and the path are the prover's.
        let mut answers = String::new();
        for at in [index % 32, index] {
            let leaf = usize::try_from(at).ok().and_then(|at| leaves.get(at)).unwrap_or(&root);
            let included = verify_inclusion(at, size, leaf, &root, &path);
            let right = at < size && path == inclusion_path_of(&leaves, at);
            assert_eq!(included.is_ok(), right, "leaf {at}: {included:?}");
            answers += &format!("{included:?} ");
        }
        for from in [from % 32, from] {
            let before = usize::try_from(from).ok().and_then(|from| leaves.get(..from));
            let old = before.map_or(Hash::ZERO, root_of);
            let grown = verify_consistency(from, &old, size, &root, &path);
            let right = (1..=size).contains(&from) && path == consistency_path_of(&leaves, from);
            assert_eq!(grown.is_ok(), right, "from {from}: {grown:?}");
            answers += &format!("{grown:?} ");
        }
        // Any numbers at all end, and end soon: no more than a hash for each level.
        let _ = verify_inclusion(index, from, &root, &root, &path);
        let _ = verify_consistency(index, &root, from, &root, &path);
        if let Ok(frontier) = Frontier::from_bytes(from, &input[16..]) {
            assert_eq!(frontier.to_bytes(), &input[16..]);
            answers += "frontier";
        }
        match answers.contains("Ok") || answers.contains("frontier") {
            true => Answer::Accepted(answers),
            false => Answer::Refused(answers),
        }
    };
    Target { name: "paths", inputs: 50_000, seeds: &seeds, open: true, check: &check }.fuzz();
}

#[test]
fn a_key_list_is_trusted_only_as_the_root_signed_it() {
    let root = SigningKey::from_seed(&[8; 32]);
    let jwk = |seed: u8| Jwk::new(SigningKey::from_seed(&[seed; 32]).public_key(), None);
    let mut partners = jwk(3);
    (partners.partner, partners.scope) = (Some("aurora-air".into()), Some("full".into()));
    let mut ended = jwk(4);
    ended.exp = Some("2027-01-01T00:00:00.000Z".parse().unwrap());
    let first = vec![jwk(2)];
    let lists = [first.clone(), [first, vec![partners, ended]].concat()];
    let lists: Vec<KeyList> = (1..)
        .zip(lists)
        .map(|(number, keys)| {
            let alliance = "demo".to_owned();
            KeyStatement { alliance, keys, number, previous: Hash::ZERO }.publish(&root)
        })
        .collect();
    let compact = lists.iter().map(|list| serde_json::to_vec(list).unwrap());
    let pretty = lists.iter().map(|list| serde_json::to_vec_pretty(list).unwrap());
    let seeds: Vec<Vec<u8>> = compact.chain(pretty).collect();
    let check = |input: &[u8]| {
        let list: KeyList = match json::read(input) {
            Ok(list) => list,
            Err(error) => return told(&error),
        };
        assert_eq!(json::read(&json::canonical(&list)).as_ref(), Ok(&list));
        let trusted = list.verify(root.public_key());
        assert_eq!(trusted.is_ok(), lists.contains(&list), "{trusted:?}");
        match (trusted, list.trust_without_root()) {
            (Ok(_), known) => Answer::Accepted(format!("{}", known.is_ok())),
            (Err(error), _) => Answer::Refused(error.to_string()),
        }
    };
    Target { name: "key lists", inputs: 50_000, seeds: &seeds, open: true, check: &check }.fuzz();
}
