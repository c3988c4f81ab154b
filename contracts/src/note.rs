//! Signed notes, checkpoints and cosignatures (C2SP signed-note, tlog-checkpoint,
//! tlog-cosignature, all v1).
//!
//! | in | out of scope |
//! | --- | --- |
//! | reading and writing notes and verifier keys | ECDSA, ML-DSA and other signature types |
//! | Ed25519 note signatures (0x01) and `cosignature/v1` (0x04) | policies over many witnesses |
//! | checkpoints of three lines | extension lines: refused, nobody could audit them |
//!
//! A corridor's log has one name: its origin, which is its key's name, too ([`corridor_origin`]).
//! The gateway signs a checkpoint twice with one key: as a note, for any C2SP client, and as a
//! cosignature, whose time shows that the checkpoint is not an old one (threat T35). The two
//! signed texts can't be confused: the second line of a checkpoint is a number, that of a
//! cosigned message is not.

use std::fmt;

use crate::encoding::{Hash, base64_decode, base64_decode_array, base64_encode, sha256_of_parts};
use crate::keys::{PublicKey, SigningKey};

/// Signature type byte of an Ed25519 signature over the note's text.
pub const ALG_ED25519: u8 = 0x01;
/// Signature type byte of a timestamped Ed25519 cosignature.
pub const ALG_COSIGNATURE_V1: u8 = 0x04;

/// The largest note that is read, in bytes.
pub const MAX_NOTE_BYTES: usize = 256 * 1024;
/// The most signature lines of a note.
pub const MAX_SIGNATURES: usize = 100;

/// Before each signature: em dash, space.
const LINE_START: &str = "\u{2014} ";

/// Why a note, checkpoint or verifier key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than [`MAX_NOTE_BYTES`], or with more than [`MAX_SIGNATURES`] signatures.
    #[error("the note is too large")]
    TooLarge,
    /// A control character other than the line end.
    #[error("the note holds a control character")]
    ControlCharacter,
    /// Not a text, an empty line and signature lines, each with its line end.
    #[error("not a signed note")]
    NotANote,
    /// A signature line is malformed.
    #[error("a signature line is malformed")]
    SignatureLine,
    /// A key name is empty or holds a space, a plus sign or a control character.
    #[error("not a key name")]
    KeyName,
    /// The text is not origin, size and root on three lines in their one spelling.
    #[error("the text is not a checkpoint")]
    NotACheckpoint,
    /// A verifier key is malformed, weak, or of an unknown type, or its id does not fit.
    #[error("not a verifier key")]
    NotAVerifierKey,
    /// A time beyond 2⁶³ − 1 seconds.
    #[error("the time is out of range")]
    TimeOutOfRange,
    /// No signature of that key.
    #[error("the note has no signature of the key")]
    NotSigned,
    /// A signature of that key, and it does not verify.
    #[error("a signature does not verify")]
    BadSignature,
    /// This key's signature is there already.
    #[error("the note has that signature already")]
    AlreadySigned,
}

// ---------------------------------------------------------------------------------------------
// Keys
// ---------------------------------------------------------------------------------------------

/// The id of a key in signature lines: the first four bytes, big-endian, of
/// SHA-256(name ‖ 0x0A ‖ type ‖ public key). An identifier, not a commitment.
#[must_use]
pub fn key_id(name: &str, alg_byte: u8, public: &PublicKey) -> u32 {
    let hash = sha256_of_parts(&[name.as_bytes(), b"\n", &[alg_byte], public.as_bytes()]);
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

/// A verifier key (`vkey`): what a client of a log is configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    /// The key's name.
    pub name: String,
    /// [`ALG_ED25519`] or [`ALG_COSIGNATURE_V1`].
    pub alg: u8,
    /// The key.
    pub public: PublicKey,
}

impl VerifierKey {
    /// Reads `<name>+<hex key id>+<base64 of type and key>`.
    ///
    /// # Errors
    /// [`NoteError::NotAVerifierKey`], [`NoteError::KeyName`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::NotAVerifierKey);
        };
        check_name(name)?;
        let key = base64_decode_array::<33>(key).map_err(|_| NoteError::NotAVerifierKey)?;
        let [alg, public @ ..] = key;
        let public = PublicKey::from_bytes(&public).map_err(|_| NoteError::NotAVerifierKey)?;
        let known = matches!(alg, ALG_ED25519 | ALG_COSIGNATURE_V1);
        if !known || id != format!("{:08x}", key_id(name, alg, &public)) {
            return Err(NoteError::NotAVerifierKey);
        }
        Ok(Self { name: name.to_owned(), alg, public })
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = key_id(&self.name, self.alg, &self.public);
        let key = [&[self.alg], &self.public.as_bytes()[..]].concat();
        write!(f, "{}+{id:08x}+{}", self.name, base64_encode(&key))
    }
}

/// The verifier key string for notes signed with `public` under `name`.
///
/// # Errors
/// [`NoteError::KeyName`].
pub fn vkey(name: &str, alg: u8, public: &PublicKey) -> Result<String, NoteError> {
    check_name(name)?;
    Ok(VerifierKey { name: name.to_owned(), alg, public: public.clone() }.to_string())
}

fn check_name(name: &str) -> Result<(), NoteError> {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.contains(forbidden) { Err(NoteError::KeyName) } else { Ok(()) }
}

// ---------------------------------------------------------------------------------------------
// Checkpoints
// ---------------------------------------------------------------------------------------------

/// Origin and key name of a corridor's log: `alliance/<alliance>/<corridor>`.
#[must_use]
pub fn corridor_origin(alliance: &str, corridor: &str) -> String {
    ["alliance/", alliance, "/", corridor].concat()
}

/// The name of a partner's key in its cosignatures: `alliance/<alliance>/<partner>`. No corridor
/// has it: a corridor's name holds a `~`.
#[must_use]
pub fn witness_name(alliance: &str, partner: &str) -> String {
    ["alliance/", alliance, "/", partner].concat()
}

/// The head of a log: its first `size` leaves have that root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    /// The RFC 6962 root.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed: three lines.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64_encode(self.root.as_bytes()))
    }

    /// Reads what [`Checkpoint::to_text`] writes, and nothing else.
    ///
    /// # Errors
    /// [`NoteError::NotACheckpoint`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        Self::read(text).ok_or(NoteError::NotACheckpoint)
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let origin = lines.next().filter(|origin| is_clean_line(origin))?;
        let size = read_decimal(lines.next()?)?;
        let root = base64_decode_array::<32>(lines.next()?).ok()?;
        match lines.next() {
            None => Some(Self { origin: origin.to_owned(), size, root: root.into() }),
            Some(_) => None,
        }
    }
}

fn is_clean_line(line: &str) -> bool {
    !line.is_empty() && !line.bytes().any(|byte| byte < 0x20)
}

/// An ASCII decimal without sign or leading zeros.
pub(crate) fn read_decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // `parse` refuses what does not fit; alone it would let a plus sign through.
    if canonical && digits { text.parse().ok() } else { None }
}

// ---------------------------------------------------------------------------------------------
// Notes
// ---------------------------------------------------------------------------------------------

/// A note that was read; nothing is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The text, with its last line end: not to be trusted before it is verified.
    pub text: String,
    /// The signature lines in their order.
    pub signatures: Vec<NoteSignature>,
}

/// A signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The name of the key.
    pub name: String,
    /// The id of the key.
    pub key_id: u32,
    /// What follows the id: for types 0x01 and 0x04 64 and 72 bytes, at least one in general.
    pub signature: Vec<u8>,
}

impl Note {
    /// The text as a checkpoint.
    ///
    /// # Errors
    /// [`NoteError::NotACheckpoint`].
    pub fn checkpoint(&self) -> Result<Checkpoint, NoteError> {
        Checkpoint::parse(&self.text)
    }

    /// The signatures of one key; there may be several, and none that says anything.
    fn signatures_of(&self, name: &str, key_id: u32) -> impl Iterator<Item = &[u8]> {
        self.signatures
            .iter()
            .filter(move |line| line.name == name && line.key_id == key_id)
            .map(|line| line.signature.as_slice())
    }
}

impl NoteSignature {
    /// Reads a signature line without its line end.
    ///
    /// # Errors
    /// [`NoteError::SignatureLine`].
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        Self::read(line).ok_or(NoteError::SignatureLine)
    }

    fn read(line: &str) -> Option<Self> {
        let (name, blob) = line.strip_prefix(LINE_START)?.split_once(' ')?;
        check_name(name).ok()?;
        let blob = base64_decode(blob).ok()?;
        let (key_id, signature) = blob.split_first_chunk::<4>()?;
        if signature.is_empty() {
            return None;
        }
        Some(Self {
            name: name.to_owned(),
            key_id: u32::from_be_bytes(*key_id),
            signature: signature.to_vec(),
        })
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [&self.key_id.to_be_bytes(), &self.signature[..]].concat();
        write!(f, "{LINE_START}{} {}", self.name, base64_encode(&blob))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Reads a signed note. Lines of unknown keys and types are kept, as they must be ignored.
///
/// # Errors
/// A [`NoteError`] naming the first broken rule of the format.
pub fn parse_note(note: &str) -> Result<Note, NoteError> {
    if note.len() > MAX_NOTE_BYTES {
        return Err(NoteError::TooLarge);
    }
    if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteError::ControlCharacter);
    }
    // The last empty line separates: the text may hold empty lines itself.
    let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::NotANote)?;
    let lines = lines.strip_suffix('\n').ok_or(NoteError::NotANote)?;
    if lines.split('\n').count() > MAX_SIGNATURES {
        return Err(NoteError::TooLarge);
    }
    let signatures = lines.split('\n').map(NoteSignature::parse).collect::<Result<_, _>>()?;
    Ok(Note { text: [text, "\n"].concat(), signatures })
}

/// Verifies the note signature (type 0x01) of the key of that name.
///
/// # Errors
/// [`NoteError::NotSigned`] where the key has no line, [`NoteError::BadSignature`] where any line
/// of it does not verify.
pub fn verify_note(note: &Note, name: &str, public: &PublicKey) -> Result<(), NoteError> {
    let mut signed = Err(NoteError::NotSigned);
    for signature in note.signatures_of(name, key_id(name, ALG_ED25519, public)) {
        let verified = public.verify(note.text.as_bytes(), signature);
        verified.map_err(|_| NoteError::BadSignature)?;
        signed = Ok(());
    }
    signed
}

/// Verifies the `cosignature/v1` (type 0x04) of the key of that name, and gives its time in
/// seconds since 1970: the latest, where it has several. Whether that is recent is the caller's
/// to judge.
///
/// # Errors
/// [`NoteError::NotACheckpoint`] for another text, otherwise as [`verify_note`].
pub fn verify_cosignature(note: &Note, name: &str, public: &PublicKey) -> Result<u64, NoteError> {
    note.checkpoint()?;
    let mut latest = Err(NoteError::NotSigned);
    for blob in note.signatures_of(name, key_id(name, ALG_COSIGNATURE_V1, public)) {
        let (time, signature) = blob.split_first_chunk::<8>().ok_or(NoteError::BadSignature)?;
        let seconds = u64::from_be_bytes(*time);
        let message = cosigned_message(&note.text, seconds).map_err(|_| NoteError::BadSignature)?;
        let verified = public.verify(message.as_bytes(), signature);
        verified.map_err(|_| NoteError::BadSignature)?;
        latest = Ok(latest.map_or(seconds, |other: u64| other.max(seconds)));
    }
    latest
}

/// What a cosigner signs: its statement's name, the time, the checkpoint's text.
fn cosigned_message(text: &str, seconds: u64) -> Result<String, NoteError> {
    if i64::try_from(seconds).is_err() {
        return Err(NoteError::TimeOutOfRange);
    }
    Ok(format!("cosignature/v1\ntime {seconds}\n{text}"))
}

/// Signs a checkpoint as its log: the note, with both signatures under the origin's name.
/// `cosigned_at_seconds` is the time since 1970 that the cosignature states.
///
/// # Errors
/// [`NoteError::KeyName`] for an origin that is no key name, [`NoteError::TimeOutOfRange`].
pub fn sign_checkpoint(
    checkpoint: &Checkpoint,
    key: &SigningKey,
    cosigned_at_seconds: u64,
) -> Result<String, NoteError> {
    let name = checkpoint.origin.as_str();
    check_name(name)?;
    let text = checkpoint.to_text();
    let signed = NoteSignature {
        name: name.to_owned(),
        key_id: key_id(name, ALG_ED25519, key.public_key()),
        signature: key.sign(text.as_bytes()).to_vec(),
    };
    let cosigned = cosign(checkpoint, name, key, cosigned_at_seconds)?;
    Ok(Note { text, signatures: vec![signed, cosigned] }.to_string())
}

/// Cosigns a checkpoint under the witness's own name. The witness has checked before that the
/// checkpoint is consistent with the last one it cosigned.
///
/// # Errors
/// [`NoteError::KeyName`], [`NoteError::TimeOutOfRange`].
pub fn cosign(
    checkpoint: &Checkpoint,
    name: &str,
    key: &SigningKey,
    seconds: u64,
) -> Result<NoteSignature, NoteError> {
    check_name(name)?;
    let message = cosigned_message(&checkpoint.to_text(), seconds)?;
    let signature = key.sign(message.as_bytes());
    Ok(NoteSignature {
        name: name.to_owned(),
        key_id: key_id(name, ALG_COSIGNATURE_V1, key.public_key()),
        signature: [&seconds.to_be_bytes()[..], &signature].concat(),
    })
}

/// Appends a signature line (without its line end) to a note, which stays a note.
///
/// # Errors
/// Those of [`parse_note`] for the note, [`NoteError::SignatureLine`] for the line,
/// [`NoteError::AlreadySigned`] if the same line is there, [`NoteError::TooLarge`] if it is one
/// too many. The note is unchanged then.
pub fn append_signature_line(note: &mut String, line: &str) -> Result<(), NoteError> {
    let signatures = parse_note(note)?.signatures;
    let signature = NoteSignature::parse(line)?;
    if signatures.contains(&signature) {
        return Err(NoteError::AlreadySigned);
    }
    if signatures.len() == MAX_SIGNATURES || note.len() + line.len() >= MAX_NOTE_BYTES {
        return Err(NoteError::TooLarge);
    }
    note.push_str(line);
    note.push('\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::hex_decode;
    use serde_json::Value;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../vectors/note.json")).unwrap()
    }

    fn text<'a>(case: &'a Value, member: &str) -> &'a str {
        case[member].as_str().unwrap()
    }

    fn verifier(case: &Value, member: &str) -> VerifierKey {
        VerifierKey::parse(text(case, member)).unwrap()
    }

    fn name(error: NoteError) -> &'static str {
        match error {
            NoteError::TooLarge => "large",
            NoteError::ControlCharacter => "control",
            NoteError::NotANote => "format",
            NoteError::SignatureLine => "line",
            NoteError::KeyName => "name",
            NoteError::NotACheckpoint => "checkpoint",
            NoteError::NotAVerifierKey => "vkey",
            NoteError::TimeOutOfRange => "time",
            NoteError::NotSigned => "unsigned",
            NoteError::BadSignature => "signature",
            NoteError::AlreadySigned => "already",
        }
    }

    #[test]
    fn the_good_notes_verify_and_are_signed_alike() {
        for case in vectors()["good"].as_array().unwrap() {
            let seed: [u8; 32] = hex_decode(text(case, "seed")).unwrap().try_into().unwrap();
            let key = SigningKey::from_seed(&seed);
            let checkpoint = Checkpoint {
                origin: text(case, "origin").to_owned(),
                size: case["size"].as_u64().unwrap(),
                root: text(case, "root").parse().unwrap(),
            };
            let time = case["cosigned_at"].as_u64().unwrap();
            assert_eq!(sign_checkpoint(&checkpoint, &key, time).unwrap(), text(case, "note"));
            let note = parse_note(text(case, "note")).unwrap();
            assert_eq!(note.to_string(), text(case, "note"));
            assert_eq!(note.checkpoint(), Ok(checkpoint.clone()));
            assert_eq!(verify_note(&note, &checkpoint.origin, key.public_key()), Ok(()));
            let cosigned = verify_cosignature(&note, &checkpoint.origin, key.public_key());
            assert_eq!(cosigned, Ok(time));
        }
    }

    #[test]
    fn the_bad_notes_are_refused_by_name() {
        let vectors = vectors();
        let key = verifier(&vectors, "vkey");
        for case in vectors["bad"].as_array().unwrap() {
            let refused = parse_note(text(case, "note"))
                .and_then(|note| verify_note(&note, &key.name, &key.public).map(|()| note))
                .and_then(|note| note.checkpoint());
            assert_eq!(refused.map_err(name), Err(text(case, "error")), "{case}");
        }
    }

    #[test]
    fn the_bad_cosignatures_are_refused_by_name() {
        let vectors = vectors();
        let key = verifier(&vectors, "cosigner_vkey");
        for case in vectors["bad_cosignatures"].as_array().unwrap() {
            let note = parse_note(text(case, "note")).unwrap();
            let refused = verify_cosignature(&note, &key.name, &key.public);
            assert_eq!(refused.map_err(name), Err(text(case, "error")), "{case}");
        }
    }

    #[test]
    fn verifier_keys_read_what_they_write() {
        let vectors = vectors();
        let key = verifier(&vectors, "vkey");
        assert_eq!(key.to_string(), text(&vectors, "vkey"));
        assert_eq!(vkey(&key.name, key.alg, &key.public).unwrap(), text(&vectors, "vkey"));
        assert_eq!(vkey("a b", 1, &key.public), Err(NoteError::KeyName));
        for case in vectors["bad_vkeys"].as_array().unwrap() {
            assert!(VerifierKey::parse(text(case, "vkey")).is_err(), "{case}");
        }
    }

    #[test]
    fn a_witness_joins_in() {
        let vectors = vectors();
        let mut note = text(&vectors["good"][0], "note").to_owned();
        let line = text(&vectors["witnessed"], "line");
        append_signature_line(&mut note, line).unwrap();
        assert_eq!(note, text(&vectors["witnessed"], "note"));
        assert_eq!(append_signature_line(&mut note, line), Err(NoteError::AlreadySigned));
        for bad in ["", "\u{2014} x", &format!("{line}\n"), &format!("{line} ")] {
            let refused = append_signature_line(&mut note, bad);
            assert_eq!(refused, Err(NoteError::SignatureLine), "{bad:?}");
        }
        let note = parse_note(&note).unwrap();
        let log = verifier(&vectors, "vkey");
        let witness = verifier(&vectors["witnessed"], "witness_vkey");
        assert_eq!(verify_note(&note, &log.name, &log.public), Ok(()));
        let time = vectors["witnessed"]["cosigned_at"].as_u64().unwrap();
        assert_eq!(verify_cosignature(&note, &witness.name, &witness.public), Ok(time));
    }

    #[test]
    fn unknown_signatures_are_ignored() {
        let vectors = vectors();
        let log = verifier(&vectors, "vkey");
        let note = parse_note(text(&vectors, "unknown_signature")).unwrap();
        assert_eq!(note.signatures.len(), 3);
        assert_eq!(verify_note(&note, &log.name, &log.public), Ok(()));
    }

    #[test]
    fn the_latest_cosignature_counts() {
        let key = SigningKey::from_seed(&[3; 32]);
        let checkpoint = Checkpoint { origin: "o".into(), size: 1, root: Hash::ZERO };
        let mut note = sign_checkpoint(&checkpoint, &key, 20).unwrap();
        for seconds in [30, 10] {
            let line = cosign(&checkpoint, "o", &key, seconds).unwrap().to_string();
            append_signature_line(&mut note, &line).unwrap();
        }
        let note = parse_note(&note).unwrap();
        assert_eq!(verify_cosignature(&note, "o", key.public_key()), Ok(30));
    }

    #[test]
    fn what_can_not_be_read_is_not_signed() {
        let key = SigningKey::from_seed(&[3; 32]);
        let sign = |origin: &str, time| {
            let checkpoint = Checkpoint { origin: origin.into(), size: 1, root: Hash::ZERO };
            sign_checkpoint(&checkpoint, &key, time)
        };
        for origin in ["", "a b", "a\n9", "a+b", "a\u{2003}b", "a\0"] {
            assert_eq!(sign(origin, 1), Err(NoteError::KeyName), "{origin:?}");
        }
        assert_eq!(sign("a", 1 << 63), Err(NoteError::TimeOutOfRange));
        assert!(sign("a", (1 << 63) - 1).is_ok());
    }

    #[test]
    fn a_note_has_bounds() {
        let key = SigningKey::from_seed(&[3; 32]);
        let checkpoint = Checkpoint { origin: "o".into(), size: 1, root: Hash::ZERO };
        let mut note = sign_checkpoint(&checkpoint, &key, 0).unwrap();
        for seconds in 1..=98 {
            let line = cosign(&checkpoint, "w", &key, seconds).unwrap().to_string();
            append_signature_line(&mut note, &line).unwrap();
        }
        let line = cosign(&checkpoint, "w", &key, 99).unwrap().to_string();
        assert_eq!(append_signature_line(&mut note, &line), Err(NoteError::TooLarge));
        assert_eq!(parse_note(&note).unwrap().signatures.len(), MAX_SIGNATURES);
        let long = format!("{}\n\n{line}\n", "x".repeat(MAX_NOTE_BYTES));
        assert_eq!(parse_note(&long), Err(NoteError::TooLarge));
    }
}
