//! Drafts: an agreement in a file, JSON or TOML, in which some members may be left out.

use std::path::Path;

use alliance_contracts::agreement::Agreement;
use alliance_contracts::encoding::Hash;
use alliance_contracts::names::{AllianceId, PartnerId};
use serde_json::{Map, Value, json};

use super::told;
use crate::cli::failure::Failure;

/// What is filled in where a draft leaves it out.
const FILLED_IN: [&str; 4] = ["alliance", "previous", "v", "version"];

/// A draft. What cannot be read as an object is kept as it is, so that its faults are told.
pub struct Draft {
    name: String,
    text: Vec<u8>,
    members: Option<Map<String, Value>>,
}

/// Reads a draft.
///
/// # Errors
/// Where there is no such file, or TOML is none.
pub fn read(file: &Path) -> Result<Draft, Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("{name} cannot be read: {error}")))?;
    if file.extension().is_some_and(|extension| extension == "toml") {
        let table: toml::Table = toml::from_str(&text)
            .map_err(|error| Failure::wrong(format!("{name} is no TOML: {}", error.message())))?;
        let members = table.into_iter().map(|(name, value)| (name, from_toml(value))).collect();
        return Ok(Draft { name, text: Vec::new(), members: Some(members) });
    }
    // As it was typed where nothing is left out: then nothing that stands twice is overlooked.
    let members = match serde_json::from_str(&text) {
        Ok(Value::Object(members)) if is_incomplete(&members) => Some(members),
        _ => None,
    };
    Ok(Draft { name, text: text.into_bytes(), members })
}

fn is_incomplete(members: &Map<String, Value>) -> bool {
    FILLED_IN.iter().any(|name| !members.contains_key(*name))
}

/// TOML's numbers and times as the document has them: times are texts.
fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(value) => value.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(from_toml).collect(),
        toml::Value::Table(members) => {
            members.into_iter().map(|(name, value)| (name, from_toml(value))).collect()
        }
    }
}

impl Draft {
    /// Whether anything is left out that can be filled in.
    pub fn is_incomplete(&self) -> bool {
        self.members.as_ref().is_some_and(is_incomplete)
    }

    /// The other of its two partners.
    pub fn other(&self, partner: &PartnerId) -> Option<PartnerId> {
        let members = self.members.as_ref()?;
        let named = |name: &str| members.get(name)?.as_str()?.parse::<PartnerId>().ok();
        [named("a"), named("b")].into_iter().flatten().find(|named| named != partner)
    }

    /// Fills in what is left out: what follows on the last version that both have signed.
    pub fn complete(&mut self, alliance: &AllianceId, last: Option<&Agreement>) {
        let version = last.map_or(1, |last| last.version.saturating_add(1));
        let previous = last.map_or(Hash::ZERO, Agreement::hash);
        let members = self.members.iter_mut();
        for members in members {
            for (name, value) in [
                ("alliance", json!(alliance)),
                ("previous", json!(previous)),
                ("v", json!(1)),
                ("version", json!(version)),
            ] {
                members.entry(name).or_insert(value);
            }
        }
    }

    /// Fills in what is left out as for a first version of any alliance.
    pub fn assume(&mut self) {
        let any: Result<AllianceId, _> = "any-alliance".parse();
        if let Ok(any) = any {
            self.complete(&any, None);
        }
    }

    /// The agreement.
    ///
    /// # Errors
    /// All its faults.
    pub fn agreement(&self) -> Result<Agreement, Failure> {
        let text = match &self.members {
            Some(members) => serde_json::to_vec(members).unwrap_or_default(),
            None => self.text.clone(),
        };
        Agreement::read_draft(&text, None).map_err(|faults| {
            let name = &self.name;
            match faults.as_slice() {
                [_] => Failure::wrong(format!("{name} has a fault")),
                many => Failure::wrong(format!("{name} has {} faults", many.len())),
            }
            .with(told(&faults))
        })
    }
}
