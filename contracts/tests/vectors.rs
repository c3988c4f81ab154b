//! Published test vectors, run against the public functions: Wycheproof (Ed25519), RFC 6962
//! proofs, a tessera log, the C2SP examples. (RFC 9421's run beside the signature base.)
//!
//! They live outside the project, in `../../shared/vectors`; where that is absent, each test says
//! so in one line and passes. The project's own vectors (`contracts/vectors/`) always run.

// Clippy knows tests by their attribute; the helpers here are tests as much.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};

use alliance_contracts::encoding::{Hash, base64_decode, hex_decode};
use alliance_contracts::keys::batch::{Claim, verify_batch, verify_each};
use alliance_contracts::keys::{PublicKey, SigningKey};
use alliance_contracts::merkle::{
    Frontier, inclusion_path_of, leaf_hash, root_of, verify_consistency, verify_inclusion,
};
use alliance_contracts::note::{
    NoteError, VerifierKey, parse_note, verify_cosignature, verify_note,
};
use alliance_contracts::tlog_proof::TlogProof;
use serde_json::Value;

/// The folder of that name, or nothing (and one line saying so).
fn published(folder: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors").join(folder);
    if !root.is_dir() {
        println!("passed over: the published vectors `{folder}` are not here");
        return None;
    }
    Some(root)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn text<'a>(case: &'a Value, member: &str) -> &'a str {
    case[member].as_str().unwrap()
}

#[test]
fn wycheproof_agrees_on_every_ed25519_signature() {
    let Some(root) = published("wycheproof") else { return };
    let file = json(&root.join("ed25519_test.json"));
    let mut seen = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let bytes = hex_decode(text(&group["publicKey"], "pk")).unwrap();
        let key = PublicKey::from_bytes(&bytes);
        for case in group["tests"].as_array().unwrap() {
            let (message, signature) =
                (hex_decode(text(case, "msg")).unwrap(), hex_decode(text(case, "sig")).unwrap());
            // A key that we refuse verifies nothing.
            let verified = key.as_ref().is_ok_and(|key| key.verify(&message, &signature).is_ok());
            assert_eq!(verified, text(case, "result") == "valid", "{case}");
            if verified {
                seen.0 += 1
            } else {
                seen.1 += 1
            }
            // In batches nothing differs: none of these signatures is torsioned.
            if let (Ok(key), Ok(signature)) = (&key, <[u8; 64]>::try_from(&*signature)) {
                let claim = Claim { key, message: &message, signature: &signature };
                in_batches(claim, verified);
            }
        }
    }
    assert_eq!(seen, (88, 63));
}

/// Expects the verdict on a claim alone, and on it between good ones.
fn in_batches(claim: Claim<'_>, verdict: bool) {
    assert_eq!(verify_batch(&[claim]).is_ok(), verdict);
    let key = SigningKey::from_seed(&[9; 32]);
    let (key, signature) = (key.public_key(), key.sign(b"good"));
    let good = Claim { key, message: b"good", signature: &signature };
    let company = [good, good, claim, good];
    assert_eq!(verify_batch(&company).is_ok(), verdict);
    assert_eq!(verify_each(&company), [true, true, verdict, true]);
}

/// Every JSON file below `folder`.
fn cases(folder: &Path, found: &mut Vec<Value>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            cases(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(json(&path));
        }
    }
}

/// A hash of the published proofs. Some are texts of other lengths that only ever are compared:
/// those stand for themselves by their own hash. Nothing at all is no hash.
fn hash(value: &Value) -> Option<Hash> {
    let bytes = base64_decode(value.as_str().unwrap_or_default()).unwrap();
    match bytes.len() {
        0 => None,
        32 => Hash::try_from(bytes.as_slice()).ok(),
        _ => Some(Hash::of(&bytes)),
    }
}

fn proof(case: &Value) -> Option<Vec<Hash>> {
    case["proof"].as_array().map_or(Some(Vec::new()), |path| path.iter().map(hash).collect())
}

fn proves_inclusion(case: &Value) -> Option<()> {
    let (index, size) = (case["leafIdx"].as_u64()?, case["treeSize"].as_u64()?);
    let (leaf, root) = (hash(&case["leafHash"])?, hash(&case["root"])?);
    verify_inclusion(index, size, &leaf, &root, &proof(case)?).ok()
}

fn proves_consistency(case: &Value) -> Option<()> {
    let (from, to) = (case["size1"].as_u64()?, case["size2"].as_u64()?);
    let (old, new) = (hash(&case["root1"])?, hash(&case["root2"])?);
    verify_consistency(from, &old, to, &new, &proof(case)?).ok()
}

#[test]
fn all_published_merkle_proofs_agree() {
    let Some(root) = published("merkle-rfc6962") else { return };
    for kind in ["inclusion", "consistency"] {
        let mut found = Vec::new();
        cases(&root.join("testdata").join(kind), &mut found);
        assert_eq!(found.len(), 98, "{kind}");
        for case in found {
            let proven = if kind == "inclusion" {
                proves_inclusion(&case)
            } else {
                proves_consistency(&case)
            };
            assert_eq!(proven.is_none(), case["wantErr"] == true, "{kind}: {case}");
        }
    }
}

const TESSERA_KEY: &str =
    "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

/// The entries of a tlog-tiles bundle: each behind its length in two bytes.
fn entries(mut bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at(u16::from_be_bytes(*length).into());
        entries.push(entry.to_vec());
        bundle = rest;
    }
    entries
}

#[test]
fn the_tessera_log_verifies_and_has_our_roots() {
    let Some(root) = published("tlog-tessera-testlog") else { return };
    let root = root.join("testdata/log");
    let key = VerifierKey::parse(TESSERA_KEY).unwrap();
    assert_eq!(key.to_string(), TESSERA_KEY);
    let leaves = entries(&fs::read(root.join("tile/entries/000.p/15")).unwrap());
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    assert_eq!(hashes.len(), 15);
    let mut frontier = Frontier::new();
    for size in 0..=15 {
        let text = fs::read_to_string(root.join(format!("checkpoint.{size}"))).unwrap();
        let note = parse_note(&text).unwrap();
        assert_eq!(verify_note(&note, &key.name, &key.public), Ok(()));
        let checkpoint = note.checkpoint().unwrap();
        assert_eq!((&*checkpoint.origin, checkpoint.size), (&*key.name, size as u64));
        assert_eq!(checkpoint.root, root_of(&hashes[..size]));
        assert_eq!(checkpoint.root, frontier.root());
        if size == 0 {
            frontier.push(hashes[0]);
            continue;
        }
        // The tile is the leaf hashes themselves.
        let tile = fs::read(root.join(format!("tile/0/000.p/{size}"))).unwrap();
        let stored: Vec<u8> = hashes[..size].iter().flat_map(|hash| *hash.as_bytes()).collect();
        assert_eq!(tile, stored);
        for index in 0..size as u64 {
            let path = inclusion_path_of(&hashes[..size], index);
            let proof = TlogProof { extra: None, index, path, checkpoint: text.clone() };
            let read = TlogProof::parse(&proof.to_string()).unwrap();
            assert_eq!(read, proof);
            let leaf = &leaves[usize::try_from(index).unwrap()];
            assert_eq!(read.verify(leaf, &key.name, &key.public).unwrap(), checkpoint);
        }
        if size < 15 {
            frontier.push(hashes[size]);
        }
    }
}

#[test]
fn the_c2sp_examples_read_as_they_should() {
    let Some(root) = published("c2sp-examples") else { return };
    // The files lack the last line end, which the examples in the specifications have.
    let read = |name: &str| {
        let text = fs::read_to_string(root.join(name)).unwrap();
        [text.trim_end_matches('\n'), "\n"].concat()
    };
    let vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    let key = VerifierKey::parse(vkey).unwrap();
    let note = parse_note(&read("signed-note-02.txt")).unwrap();
    assert_eq!(verify_note(&note, &key.name, &key.public), Ok(()));

    for name in ["signed-note-01.txt", "tlog-checkpoint-01.txt", "tlog-cosignature-01.txt"] {
        let note = parse_note(&read(name)).unwrap();
        assert_eq!(note.to_string(), read(name));
        let unsigned = Err(NoteError::NotSigned);
        assert_eq!(verify_note(&note, &key.name, &key.public), unsigned);
    }
    // Text may hold empty lines: the last one separates.
    let poem = parse_note(&read("signed-note-01.txt")).unwrap();
    assert!(poem.text.contains("\n\n") && poem.text.ends_with("sera.\n"));
    assert!(poem.checkpoint().is_err());
    let cosigned = parse_note(&read("tlog-cosignature-01.txt")).unwrap();
    assert_eq!(cosigned.checkpoint().unwrap().size, 20_852_163);
    assert_eq!(cosigned.signatures[1].signature.len(), 72);
    let unsigned = verify_cosignature(&cosigned, &key.name, &key.public);
    assert_eq!(unsigned, Err(NoteError::NotSigned));
    // This example's signatures are abridged: the proof is read, the checkpoint is no note.
    let proof = TlogProof::parse(&read("tlog-proof-01.txt")).unwrap();
    assert_eq!(proof.to_string(), read("tlog-proof-01.txt"));
    assert_eq!((proof.index, proof.path.len()), (73_894, 5));
    assert!(proof.note().is_err());
}
