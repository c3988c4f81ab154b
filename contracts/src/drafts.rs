//! Drafts of documents, read with every fault: of the form as well as of what they say.
//!
//! serde ends at the first fault. So a fault of the form is noted, what is at fault is put right
//! after a sample, and the text is read again, until it is read; then it is checked as a whole, and
//! what follows from something that was put right is not told.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::agreement::KnownProgram;
use crate::decimal::Decimal;
use crate::problem::{FieldError, ProblemCode};
use crate::{json, limits};

/// Faults of the form that are told at most: each costs a reading.
const MAX_FORM_FAULTS: usize = 50;

/// A document that people write.
pub(crate) trait Draft: DeserializeOwned + Serialize {
    /// One in which everything is there, each list with one item.
    fn sample() -> Value;

    /// Every fault of what it says, against the alliance's programs where those are known.
    fn all_faults(&self, programs: Option<&[KnownProgram]>) -> Vec<Fault>;
}

/// A fault, and the other places that it follows from.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) error: FieldError,
    pub(crate) follows_from: Vec<String>,
}

/// Faults as they are found.
#[derive(Default)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl Faults {
    pub(crate) fn at(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.with(pointer, &[], detail);
    }

    pub(crate) fn with(
        &mut self,
        pointer: impl Into<String>,
        others: &[&str],
        detail: impl Into<String>,
    ) {
        let (pointer, detail) = (pointer.into(), detail.into());
        let follows_from = others.iter().map(|&other| other.to_owned()).collect();
        let error = FieldError { code: ProblemCode::Malformed, detail, pointer };
        self.0.push(Fault { error, follows_from });
    }

    pub(crate) fn amount(&mut self, pointer: String, amount: Decimal) {
        if !limits::amount_in_range(amount) {
            self.at(pointer, "must be at most 1000000000000");
        }
    }

    pub(crate) fn rate(&mut self, pointer: String, rate: Decimal) {
        if !limits::fee_rate_in_range(rate) {
            self.at(pointer, "must be at least 0 and below 1");
        }
    }
}

/// Reads a draft: JSON in any layout, which may leave out empty lists and what may be null.
///
/// # Errors
/// Every fault there is, of the form and of what it says.
pub(crate) fn read<T: Draft>(
    text: &[u8],
    programs: Option<&[KnownProgram]>,
) -> Result<T, Vec<FieldError>> {
    let first = match json::read::<T>(text) {
        Ok(draft) => {
            let faults = draft.all_faults(programs);
            let told: Vec<FieldError> = faults.into_iter().map(|fault| fault.error).collect();
            return if told.is_empty() { Ok(draft) } else { Err(told) };
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
    let read = put_right::<T>(&mut value, &mut told);
    let Some(draft) = read else {
        return Err(if told.is_empty() { vec![first] } else { told });
    };
    let put_right: Vec<String> = told.iter().map(|fault| fault.pointer.clone()).collect();
    for fault in draft.all_faults(programs) {
        let places = std::iter::once(&fault.error.pointer).chain(&fault.follows_from);
        let invented = |place: &String| put_right.iter().any(|right| touches(place, right));
        if !places.into_iter().any(invented) {
            told.push(fault.error);
        }
    }
    Err(if told.is_empty() { vec![first] } else { told })
}

/// A fault of the whole.
pub(crate) fn whole(detail: &str) -> FieldError {
    let (detail, pointer) = (detail.to_owned(), String::new());
    FieldError { code: ProblemCode::Malformed, detail, pointer }
}

/// Reads until it is read. None where something cannot be put right.
fn put_right<T: Draft>(value: &mut Value, told: &mut Vec<FieldError>) -> Option<T> {
    let sample = T::sample();
    for _ in 0..MAX_FORM_FAULTS {
        let text = json::canonical(value);
        let mut fault = match json::read::<T>(&text) {
            Ok(draft) => return Some(draft),
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
