//! Self-contained inclusion proofs (C2SP tlog-proof v1): the file of `GET
//! /v1/receipts/{id}/proof`.
//!
//! | in | out of scope |
//! | --- | --- |
//! | reading and writing the text, in its one spelling | the leaf: a receipt's payload |
//! | verifying leaf, path, checkpoint and the log's signature | how many witnesses are enough |
//!
//! The file needs nothing but the log's name and key: no network, no database.

use std::fmt;

use crate::encoding::{Hash, base64_decode, base64_decode_array, base64_encode};
use crate::keys::PublicKey;
use crate::merkle::{ProofError, leaf_hash, verify_inclusion};
use crate::note::{
    Checkpoint, MAX_NOTE_BYTES, Note, NoteError, parse_note, read_decimal, verify_note,
};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// No tree of 2⁶⁴ leaves has longer paths.
const MAX_PATH: usize = 64;
/// The checkpoint, and as much again for everything before it.
const MAX_BYTES: usize = 2 * MAX_NOTE_BYTES;

/// Why a proof file is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Not the lines of a tlog-proof v1 in their one spelling.
    #[error("not a tlog-proof")]
    Malformed,
    /// The checkpoint is of another log.
    #[error("the checkpoint is of another log")]
    WrongOrigin,
    /// The checkpoint is no note, or the log has not signed it.
    #[error("checkpoint: {0}")]
    Note(#[from] NoteError),
    /// The leaf is not where the proof says.
    #[error("proof: {0}")]
    Proof(#[from] ProofError),
}

/// A proof that a leaf is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Opaque and not authenticated; ours have none. Empty is written like none.
    pub extra: Option<Vec<u8>>,
    /// The leaf's number, from 0.
    pub index: u64,
    /// The inclusion path, the leaf's sibling first.
    pub path: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = self.extra.as_deref().filter(|extra| !extra.is_empty()) {
            writeln!(f, "extra {}", base64_encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", base64_encode(hash.as_ref())))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl TlogProof {
    /// Reads a proof file. The checkpoint is taken verbatim and looked at by
    /// [`TlogProof::verify`].
    ///
    /// # Errors
    /// [`TlogProofError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, TlogProofError> {
        if text.len() > MAX_BYTES {
            return Err(TlogProofError::Malformed);
        }
        Self::read(text).ok_or(TlogProofError::Malformed)
    }

    fn read(text: &str) -> Option<Self> {
        // The first empty line ends the proof: none of its lines may be empty.
        let (head, checkpoint) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let mut line = lines.next()?;
        let mut extra = None;
        if let Some(data) = line.strip_prefix("extra ") {
            extra = Some(base64_decode(data).ok().filter(|data| !data.is_empty())?);
            line = lines.next()?;
        }
        let index = read_decimal(line.strip_prefix("index ")?)?;
        let path: Vec<Hash> = lines
            .take(MAX_PATH + 1)
            .map(|line| base64_decode_array::<32>(line).map(Hash::from).ok())
            .collect::<Option<_>>()?;
        if path.len() > MAX_PATH || checkpoint.is_empty() {
            return None;
        }
        Some(Self { extra, index, path, checkpoint: checkpoint.to_owned() })
    }

    /// The checkpoint as a note, for looking at cosignatures.
    ///
    /// # Errors
    /// Those of [`parse_note`].
    pub fn note(&self) -> Result<Note, NoteError> {
        parse_note(&self.checkpoint)
    }

    /// Verifies that `leaf` is leaf [`TlogProof::index`] of the log `origin` as `log_key` signed
    /// it, and gives the checkpoint. That the index is the right one for the leaf (a receipt's
    /// `seq` − 1) is the caller's to check.
    ///
    /// # Errors
    /// A [`TlogProofError`]; the proof shows nothing then.
    pub fn verify(
        &self,
        leaf: &[u8],
        origin: &str,
        log_key: &PublicKey,
    ) -> Result<Checkpoint, TlogProofError> {
        let note = self.note()?;
        verify_note(&note, origin, log_key)?;
        let checkpoint = note.checkpoint()?;
        if checkpoint.origin != origin {
            return Err(TlogProofError::WrongOrigin);
        }
        let hash = leaf_hash(leaf);
        verify_inclusion(self.index, checkpoint.size, &hash, &checkpoint.root, &self.path)?;
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{hex_decode, hex_encode};
    use crate::note::VerifierKey;
    use serde_json::Value;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../vectors/tlog_proof.json")).unwrap()
    }

    fn text<'a>(case: &'a Value, member: &str) -> &'a str {
        case[member].as_str().unwrap()
    }

    fn verify(vectors: &Value, case: &Value) -> Result<(TlogProof, Checkpoint), TlogProofError> {
        let key = VerifierKey::parse(text(vectors, "vkey")).unwrap();
        let leaf = hex_decode(text(case, "leaf")).unwrap();
        let proof = TlogProof::parse(text(case, "proof"))?;
        let checkpoint = proof.verify(&leaf, text(vectors, "origin"), &key.public)?;
        Ok((proof, checkpoint))
    }

    #[test]
    fn the_good_proofs_verify_and_come_back_byte_for_byte() {
        let vectors = vectors();
        for case in vectors["good"].as_array().unwrap() {
            let (proof, checkpoint) = verify(&vectors, case).unwrap();
            assert_eq!(proof.index, case["index"].as_u64().unwrap());
            assert_eq!(proof.extra.as_deref().map(hex_encode).as_deref(), case["extra"].as_str());
            assert_eq!(proof.to_string(), text(case, "proof"));
            assert_eq!(checkpoint.origin, text(&vectors, "origin"));
        }
    }

    #[test]
    fn the_bad_proofs_are_refused_by_name() {
        let vectors = vectors();
        for case in vectors["bad"].as_array().unwrap() {
            let name = match verify(&vectors, case).expect_err(text(case, "reason")) {
                TlogProofError::Malformed => "format",
                TlogProofError::WrongOrigin => "origin",
                TlogProofError::Note(_) => "note",
                TlogProofError::Proof(_) => "proof",
            };
            assert_eq!(name, text(case, "error"), "{case}");
        }
    }

    #[test]
    fn flipping_any_byte_before_the_signatures_is_noticed() {
        // T30
        let vectors = vectors();
        let mut case = vectors["good"][0].clone();
        let proof = text(&case, "proof").to_owned();
        for at in 0..proof.find('\u{2014}').unwrap() {
            let mut bytes = proof.clone().into_bytes();
            bytes[at] ^= 1;
            case["proof"] = Value::String(String::from_utf8(bytes).unwrap());
            assert!(verify(&vectors, &case).is_err(), "{at}");
        }
    }
}
