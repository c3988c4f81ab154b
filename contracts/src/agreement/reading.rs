//! Reading an agreement with every fault of it: of the form as well as of what it says.
//!
//! serde ends at the first fault. So a fault of the form is noted, what is at fault is put right
//! after a sample, and the text is read again, until it is read; then it is checked as a whole, and
//! what follows from something that was put right is not told.

use serde_json::{Value, json};

use super::check::KnownProgram;
use super::{Agreement, MAX_AGREEMENT_BYTES};
use crate::encoding::Hash;
use crate::problem::{FieldError, ProblemCode};

/// Faults of the form that are told at most: each costs a reading.
const MAX_FORM_FAULTS: usize = 50;

/// An agreement in which everything is there, each list with one item.
fn sample() -> Value {
    json!({
        "a": "aa", "alliance": "aa", "b": "bb", "caps": {"a": "0", "b": "0"},
        "effective_at": "2000-01-01T00:00:00.000Z", "expiry": "fresh",
        "fee": {"bearer": "member", "rate": "0", "tiers": [{"from": "1", "rate": "0"}]},
        "kinds": ["exchange"], "member_limits": [{"points": "1", "program": "aa"}],
        "open_quote_limit": "0",
        "orders": [{"increment": "1", "maximum": "1", "minimum": "1", "program": "aa"}],
        "overrides": [{"factor": "1", "source": "aa", "target": "bb"}],
        "previous": Hash::ZERO, "quote_lifetime_seconds": 60, "reversal_period_seconds": 0,
        "tiers": [{
            "multiplier": "1", "source": "aa", "source_tier": "aa",
            "target": "bb", "target_tier": "bb",
        }],
        "until": "9999-01-01T00:00:00.000Z", "v": 1, "version": 1,
    })
}

impl Agreement {
    /// Reads a draft: JSON in any layout, which may leave out empty lists and what may be null.
    ///
    /// # Errors
    /// Every fault there is, of the form and of what it says; `programs` as for
    /// [`Agreement::faults`].
    ///
    /// ```
    /// use alliance_contracts::agreement::Agreement;
    /// let faults = Agreement::read_draft(br#"{"v":2,"fee":{"rate":"1"}}"#, None).unwrap_err();
    /// assert!(faults.iter().any(|fault| fault.pointer == "/v"));
    /// assert!(faults.iter().any(|fault| fault.pointer == "/fee/bearer"));
    /// assert!(faults.iter().any(|fault| fault.pointer == "/fee/rate"));
    /// ```
    pub fn read_draft(
        text: &[u8],
        programs: Option<&[KnownProgram]>,
    ) -> Result<Self, Vec<FieldError>> {
        if text.len() > MAX_AGREEMENT_BYTES {
            return Err(vec![whole("an agreement has at most 65536 bytes")]);
        }
        let first = match crate::json::read::<Self>(text) {
            Ok(agreement) => {
                let faults = agreement.faults(programs);
                return if faults.is_empty() { Ok(agreement) } else { Err(faults) };
            }
            Err(first) => first,
        };
        let Ok(mut value) = serde_json::from_slice::<Value>(text) else { return Err(vec![first]) };
        // A name that stands twice cannot be seen in a value.
        let mut told = Vec::new();
        if let Some(("duplicate field", name)) = quoted(&first.detail) {
            let pointer = format!("{}/{name}", first.pointer);
            told.push(FieldError { pointer, ..first.clone() });
        }
        let read = put_right(&mut value, &mut told);
        let Some(agreement) = read else {
            return Err(if told.is_empty() { vec![first] } else { told });
        };
        let put_right: Vec<String> = told.iter().map(|fault| fault.pointer.clone()).collect();
        for fault in agreement.all_faults(programs) {
            let places = std::iter::once(&fault.error.pointer).chain(&fault.follows_from);
            let invented = |place: &String| put_right.iter().any(|right| touches(place, right));
            if !places.into_iter().any(invented) {
                told.push(fault.error);
            }
        }
        Err(if told.is_empty() { vec![first] } else { told })
    }

    /// Reads the signed bytes: the one RFC 8785 form of an agreement without faults.
    ///
    /// # Errors
    /// As [`Agreement::read_draft`]; and where the bytes are not the one form.
    pub fn read_payload(
        payload: &[u8],
        programs: Option<&[KnownProgram]>,
    ) -> Result<Self, Vec<FieldError>> {
        let agreement = Self::read_draft(payload, programs)?;
        if agreement.payload() == payload {
            Ok(agreement)
        } else {
            Err(vec![whole(
                "not the one form that is signed (RFC 8785): every member there, sorted, no white \
                 space",
            )])
        }
    }
}

fn whole(detail: &str) -> FieldError {
    let (detail, pointer) = (detail.to_owned(), String::new());
    FieldError { code: ProblemCode::Malformed, detail, pointer }
}

/// Reads until it is read. None where something cannot be put right.
fn put_right(value: &mut Value, told: &mut Vec<FieldError>) -> Option<Agreement> {
    let sample = sample();
    for _ in 0..MAX_FORM_FAULTS {
        let text = crate::json::canonical(value);
        let mut fault = match crate::json::read::<Agreement>(&text) {
            Ok(agreement) => return Some(agreement),
            Err(fault) => fault,
        };
        // The place in a text that nobody has written.
        if let Some(end) = fault.detail.rfind(" at line ") {
            fault.detail.truncate(end);
        }
        let done = match quoted(&fault.detail) {
            Some(("missing field", name)) => {
                fault.pointer = format!("{}/{name}", fault.pointer);
                insert(value, &fault.pointer, &sample)
            }
            Some(("unknown field", name)) => remove(value, &mut fault.pointer, name),
            _ => insert(value, &fault.pointer, &sample),
        };
        told.push(fault);
        done?;
    }
    None
}

/// What serde says, and the field that it says it of.
fn quoted(detail: &str) -> Option<(&str, String)> {
    let (what, rest) = detail.split_once(" `")?;
    let (name, _) = rest.split_once('`')?;
    Some((what, name.to_owned()))
}

/// Puts what the sample has in its place.
fn insert(value: &mut Value, pointer: &str, sample: &Value) -> Option<()> {
    let steps: Vec<&str> = pointer.split('/').skip(1).collect();
    let is_index = |step: &&str| step.bytes().all(|byte| byte.is_ascii_digit());
    let of_sample: String =
        steps.iter().map(|step| format!("/{}", if is_index(step) { "0" } else { step })).collect();
    let right = sample.pointer(&of_sample)?.clone();
    let (parent, last) = pointer.rsplit_once('/')?;
    match value.pointer_mut(parent)? {
        Value::Object(members) => _ = members.insert(last.to_owned(), right),
        Value::Array(items) => *items.get_mut(last.parse::<usize>().ok()?)? = right,
        _ => return None,
    }
    Some(())
}

/// Takes a member away that should not be there; its place becomes the pointer.
fn remove(value: &mut Value, pointer: &mut String, name: String) -> Option<()> {
    let escaped = name.replace('~', "~0").replace('/', "~1");
    if let Some(parent) = pointer.strip_suffix(&format!("/{escaped}")) {
        *pointer = parent.to_owned();
    }
    value.pointer_mut(pointer)?.as_object_mut()?.remove(&name)?;
    *pointer = format!("{pointer}/{escaped}");
    Some(())
}

/// Whether one place lies within the other.
fn touches(one: &str, other: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(one, other) || within(other, one)
}
