//! What an operator wants changed about rates, and who has agreed to it: a document of values to go
//! to, readings that were not believed, and frozen pairs to let go.
//!
//! A step of a value beyond the alliance's `approval_threshold`, a reading that the guard refused
//! and a release need a second person; a smaller step is approved by its own size
//! (docs/decisions/0021-four-eyes-on-rates.md). What can be wrong with a document says
//! [`Proposal::faults`], why a second person must look at it [`Proposal::reasons`].

mod check;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::ProgramId;
use alliance_contracts::time::Timestamp;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use super::feeds::Observation;
pub use check::Ground;

/// Changes of each kind at most.
pub const MAX_CHANGES: usize = 1_000;
/// The longest explanation, in characters.
pub const MAX_WHY: usize = 500;
/// The longest name of an operator, in characters.
const MAX_NAME: usize = 64;

/// Who proposes or approves, in one spelling: small letters, digits and `. _ + @ -`. `Ann` and
/// `ann` are one person.
///
/// ```
/// use alliance_settlement::rates::proposal::OperatorName;
/// let ann: OperatorName = "Ann@example.com".parse()?;
/// assert_eq!(ann.as_str(), "ann@example.com");
/// assert!("Ann Example".parse::<OperatorName>().is_err());
/// # Ok::<(), alliance_settlement::rates::proposal::BadOperatorName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct OperatorName(String);

/// A text that names no operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an operator's name has 1 to 64 letters, digits, and . _ + @ - only")]
pub struct BadOperatorName;

impl OperatorName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OperatorName {
    type Err = BadOperatorName;

    fn from_str(text: &str) -> Result<Self, BadOperatorName> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._+@-".contains(c);
        if (1..=MAX_NAME).contains(&text.len()) && text.chars().all(allowed) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(BadOperatorName)
        }
    }
}

impl<'de> Deserialize<'de> for OperatorName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value to go to on the next board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposedValue {
    /// Of which program.
    pub program: ProgramId,
    /// Settlement currency per point, in the program's band.
    pub value: Decimal,
}

/// A frozen pair that is to take orders again, in one direction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposedRelease {
    /// Whose points are given.
    pub source: ProgramId,
    /// Whose points arrive.
    pub target: ProgramId,
}

/// What is proposed.
///
/// ```
/// use alliance_settlement::rates::proposal::Proposal;
/// let proposal: Proposal = toml::from_str(r#"
///     why = "the program was revalued"
///     [[values]]
///     program = "aurora"
///     value = "0.055"
///     [[release]]
///     source = "aurora"
///     target = "borealis"
/// "#)?;
/// assert_eq!((proposal.values.len(), proposal.release.len()), (1, 1));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Proposal {
    /// Readings that the guard on jumps refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Observation>,
    /// Frozen pairs that take orders again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub release: Vec<ProposedRelease>,
    /// Values that go there straight on the next board.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ProposedValue>,
    /// Why, for whoever approves it and whoever reads it later.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Where a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProposalState {
    /// A second person must approve it.
    Waiting,
    /// Its values come with the next board.
    Approved,
    /// All of it has been carried out.
    Applied,
    /// It was taken back.
    Withdrawn,
}

impl ProposalState {
    /// The state in a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Applied => "applied",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A proposal as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RateProposal {
    /// Its number, from 1.
    pub number: u32,
    /// What is proposed.
    pub proposal: Proposal,
    /// By whom.
    pub proposed_by: OperatorName,
    /// When.
    pub proposed_at: Timestamp,
    /// Who has approved it: never who proposed it. None while nobody has, and for good where it was
    /// approved by its own size.
    pub approved_by: Option<OperatorName>,
    /// When it was approved.
    pub approved_at: Option<Timestamp>,
    /// Who has withdrawn it.
    pub withdrawn_by: Option<OperatorName>,
    /// When it was withdrawn.
    pub withdrawn_at: Option<Timestamp>,
    /// When the last of it was carried out.
    pub applied_at: Option<Timestamp>,
    /// The board that took its values up; none where it has no values.
    pub applied_board: Option<u32>,
}

impl RateProposal {
    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> ProposalState {
        if self.withdrawn_at.is_some() {
            ProposalState::Withdrawn
        } else if self.applied_at.is_some() {
            ProposalState::Applied
        } else if self.approved_at.is_some() {
            ProposalState::Approved
        } else {
            ProposalState::Waiting
        }
    }

    /// Whether anything can still become of it.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state(), ProposalState::Waiting | ProposalState::Approved)
    }

    /// Whether it was small enough to need no second person.
    #[must_use]
    pub const fn is_approved_by_size(&self) -> bool {
        self.approved_at.is_some() && self.approved_by.is_none()
    }
}
