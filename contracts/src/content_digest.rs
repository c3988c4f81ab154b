//! `Content-Digest` (RFC 9530) and `Alliance-Orders`: SHA-256 values as structured fields.
//!
//! | in | out of scope |
//! | --- | --- |
//! | writing `sha-256=:…:` | other algorithms: they are ignored |
//! | checking a received field against the body's bytes | `Repr-Digest`, `Want-Content-Digest` |
//! | the Merkle root of a batch's orders (protocol §4) | computing that root (`merkle`) |
//!
//! One field line and one value per algorithm: a field that says two things about one body is
//! refused even where one of them is true (threat T02).

use sfv::BareItemFromInput;

use crate::encoding::{Hash, base64_encode, sha256};
use crate::http_signature::structured::{self, StructureError, Value};

/// Why a digest field is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The field is not there.
    #[error("the digest field is missing")]
    Missing,
    /// The field is there more than once.
    #[error("the digest field is repeated")]
    Repeated,
    /// Not a dictionary of canonical byte sequences (RFC 9651), or one without end.
    #[error("the digest field is malformed")]
    Malformed,
    /// Two values for one algorithm.
    #[error("the digest field names an algorithm twice")]
    DuplicateKey,
    /// No `sha-256` among the algorithms.
    #[error("the digest field has no sha-256")]
    NoSha256,
    /// The body's bytes have another digest.
    #[error("the digest does not match the body")]
    Mismatch,
}

/// The value of `Content-Digest` for `body`.
#[must_use]
pub fn content_digest(body: &[u8]) -> String {
    field_value(&sha256(body))
}

/// The value of `Alliance-Orders` for the RFC 6962 root over a batch's orders.
#[must_use]
pub fn orders_digest(root: &Hash) -> String {
    field_value(root.as_bytes())
}

fn field_value(digest: &[u8; 32]) -> String {
    ["sha-256=:", &base64_encode(digest), ":"].concat()
}

/// Checks `Content-Digest` against the bytes received. `header_values` are the field lines as
/// they came, one value each.
///
/// # Errors
/// A [`DigestError`] naming the first broken rule.
pub fn verify_content_digest(header_values: &[&[u8]], body: &[u8]) -> Result<(), DigestError> {
    let claimed = read_sha256(header_values)?;
    if claimed == Hash::of(body) { Ok(()) } else { Err(DigestError::Mismatch) }
}

/// Reads the root that `Alliance-Orders` names.
///
/// # Errors
/// A [`DigestError`] other than [`DigestError::Mismatch`].
pub fn parse_orders_digest(header_values: &[&[u8]]) -> Result<Hash, DigestError> {
    read_sha256(header_values)
}

fn read_sha256(header_values: &[&[u8]]) -> Result<Hash, DigestError> {
    let field = match header_values {
        [] => return Err(DigestError::Missing),
        [one] => *one,
        _ => return Err(DigestError::Repeated),
    };
    let members = structured::dictionary(field).map_err(|error| match error {
        StructureError::DuplicateKey => DigestError::DuplicateKey,
        _ => DigestError::Malformed,
    })?;
    structured::refuse_second_spellings(field).map_err(|_| DigestError::Malformed)?;
    let member =
        members.iter().find(|member| member.key == "sha-256").ok_or(DigestError::NoSha256)?;
    match &member.value {
        Value::Item(BareItemFromInput::ByteSequence(bytes)) if member.params.is_empty() => {
            Hash::try_from(bytes.as_slice()).map_err(|_| DigestError::Malformed)
        }
        _ => Err(DigestError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], body: &str) -> Result<(), DigestError> {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        verify_content_digest(&lines, body.as_bytes())
    }

    // RFC 9530 appendix D uses this body; its SHA-256 was computed with another tool.
    const BODY: &str = "{\"hello\": \"world\"}\n";
    const GOOD: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";

    #[test]
    fn the_published_example_matches() {
        assert_eq!(content_digest(BODY.as_bytes()), GOOD);
        assert_eq!(check(&[GOOD], BODY), Ok(()));
    }

    #[test]
    fn other_algorithms_are_ignored() {
        assert_eq!(check(&[&format!("md5=:AA==:, {GOOD}, future=token;p=1")], BODY), Ok(()));
        assert_eq!(check(&["sha-512=:AA==:"], BODY), Err(DigestError::NoSha256));
        // What looks like a byte sequence inside a string is none.
        assert_eq!(check(&[&format!(r#"a="\"=:x", b="=:y", {GOOD}"#)], BODY), Ok(()));
    }

    #[test]
    fn a_field_that_says_two_things_is_refused() {
        // T02
        let wrong = content_digest(b"other");
        let both = format!("{GOOD}, {wrong}");
        assert_eq!(check(&[&both], BODY), Err(DigestError::DuplicateKey));
        assert_eq!(check(&[GOOD, &wrong], BODY), Err(DigestError::Repeated));
        assert_eq!(check(&[GOOD, GOOD], BODY), Err(DigestError::Repeated));
    }

    #[test]
    fn what_is_not_a_digest_is_refused() {
        assert_eq!(check(&[], BODY), Err(DigestError::Missing));
        assert_eq!(check(&[GOOD], "other"), Err(DigestError::Mismatch));
        let second_spelling = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDh=:";
        let unpadded = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg:";
        for bad in [
            second_spelling,
            unpadded,
            "sha-256=:AA==:",
            "sha-256",
            "sha-256=\"x\"",
            "sha-256=(:AA==:)",
            "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:;p",
            "sha-256=:RK",
            "SHA-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:",
            "\u{e9}",
        ] {
            assert_eq!(check(&[bad], BODY), Err(DigestError::Malformed), "{bad}");
        }
        assert_eq!(check(&[""], BODY), Err(DigestError::NoSha256));
    }

    #[test]
    fn an_orders_digest_reads_what_it_writes() {
        let root = Hash::of(b"orders");
        let field = orders_digest(&root);
        assert_eq!(parse_orders_digest(&[field.as_bytes()]), Ok(root));
    }
}
