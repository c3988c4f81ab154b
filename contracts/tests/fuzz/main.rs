//! Fuzz targets of the wire's formats: whatever is accepted must have one spelling and hold what
//! it promises; nothing may panic, and nothing that was changed may verify. How it runs, and how
//! to run it for longer: docs/decisions/0013.
//!
//! | target | holds |
//! | --- | --- |
//! | `texts` | decimals, times, names, ids, encodings: printed as they were read; decimals have the value that `rust_decimal` reads |
//! | `signatures` | request heads: what is accepted has the base that RFC 9421 says, and verifies only as it was signed |
//! | `bodies` | request bodies: nothing is lost, added or said twice |
//! | `agreements` | drafts and payloads: one form, or every fault |
//! | `receipts` | payloads and JWS: canonical or refused |
//! | `logs` | checkpoints, proofs, trees, key lists: nothing changed verifies |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a target fails by panicking and says what it ran"
)]

mod agreements;
mod bodies;
mod engine;
mod logs;
mod receipts;
mod signatures;
mod texts;

use std::path::Path;

use alliance_contracts::problem::FieldError;
use serde_json::Value;

use engine::Answer;

/// A file of the project's vectors.
fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Every text that stands anywhere in a value.
fn texts_of(value: &Value) -> Vec<Vec<u8>> {
    match value {
        Value::String(text) => vec![text.clone().into_bytes()],
        Value::Array(items) => items.iter().flat_map(texts_of).collect(),
        Value::Object(members) => members.values().flat_map(texts_of).collect(),
        _ => Vec::new(),
    }
}

/// The texts of that member, wherever it stands in a value.
fn texts_named(value: &Value, name: &str) -> Vec<Vec<u8>> {
    match value {
        Value::Array(items) => items.iter().flat_map(|item| texts_named(item, name)).collect(),
        Value::Object(members) => members
            .iter()
            .flat_map(|(key, value)| match value {
                Value::String(text) if key == name => vec![text.clone().into_bytes()],
                other => texts_named(other, name),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Where and why JSON was refused, as an answer: how deep, not in which member.
fn told(error: &FieldError) -> Answer {
    let depth = error.pointer.matches('/').count().min(8);
    Answer::Refused(["/".repeat(depth), error.detail.clone()].concat())
}
