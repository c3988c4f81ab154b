//! JSON as the wire has it: read strictly (protocol § 1), written canonically (RFC 8785).
//!
//! Writing: our structs declare their fields in JCS order and hold only strings, integers, bools,
//! nulls, arrays and such structs; then serde_json's compact output *is* JCS (property-tested
//! against `serde_json_canonicalizer`). Floats never occur.

mod objects;

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::{FieldError, ProblemCode};

/// The canonical bytes of a value whose fields are declared in JCS order.
#[must_use]
pub fn canonical<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // Serialising to memory fails only for maps with non-string keys, and no wire type has a map.
    serde_json::to_vec(value).unwrap_or_default()
}

/// Reads one JSON text as `T`: duplicate keys, unknown fields (as `T` says), numbers for strings,
/// arrays for objects, invalid UTF-8, trailing bytes and nesting deeper than 128 are refused.
///
/// # Errors
/// The first place at fault, as a pointer and a reason.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FieldError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value =
        serde_path_to_error::deserialize(objects::Objects(&mut reader)).map_err(|error| {
            let pointer = pointer_of(error.path());
            malformed(pointer, &error.into_inner())
        })?;
    reader.end().map_err(|error| malformed(String::new(), &error))?;
    Ok(value)
}

/// Reads the canonical bytes of a `T`, and nothing else: what [`canonical`] would write again.
/// Where there is no need to say what is wrong this is the quick way: what [`read`] refuses is
/// never canonical, so nothing has to look for it.
#[must_use]
pub fn read_canonical<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Option<T> {
    // As text from the first byte on, so that not every string is looked through by itself.
    let value: T = serde_json::from_str(std::str::from_utf8(bytes).ok()?).ok()?;
    let mut expected = Expected(bytes);
    serde_json::to_writer(&mut expected, &value).ok()?;
    expected.0.is_empty().then_some(value)
}

/// What is still to be written; writing anything else fails.
struct Expected<'a>(&'a [u8]);

impl io::Write for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn malformed(pointer: String, error: &serde_json::Error) -> FieldError {
    let (detail, pointer) = (brief(error.to_string()), brief(pointer));
    FieldError { code: ProblemCode::Malformed, detail, pointer }
}

/// The longest reason that is told: a name that is no field's is quoted in it, and may be as long
/// as the whole body.
const MAX_REASON_BYTES: usize = 300;
/// How much of a longer one's end is told: line and column stand there.
const REASON_END_BYTES: usize = 60;

/// The beginning and the end of what is too long to be told.
fn brief(text: String) -> String {
    if text.len() <= MAX_REASON_BYTES {
        return text;
    }
    let start = text.floor_char_boundary(MAX_REASON_BYTES - REASON_END_BYTES - "…".len());
    let end = text.ceil_char_boundary(text.len() - REASON_END_BYTES);
    [&text[..start], "…", &text[end..]].concat()
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Empty;

    #[test]
    fn a_reason_is_short_however_long_the_name_it_quotes() {
        for name in ["x", "€"] {
            let body = format!("{{\"{}\":1}}", name.repeat(60_000));
            let error = read::<Empty>(body.as_bytes()).unwrap_err();
            assert!(error.pointer.len() + error.detail.len() <= 2 * MAX_REASON_BYTES);
            assert!(error.detail.starts_with("unknown field `"), "{}", error.detail);
            assert!(error.detail.contains(" at line 1 column "), "{}", error.detail);
        }
    }
}
