//! What is asked and answered about agreements (`/v1/agreements`).

use serde::{Deserialize, Serialize};

use super::{Agreement, Change};
use crate::ids::AgreementId;
use crate::names::PartnerId;
use crate::time::Timestamp;

/// Body of `POST /v1/agreements` and of `POST /v1/agreements/{id}/countersign`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AgreementRequest {
    /// The document as the caller has signed it (`typ` `alliance-agreement+jws`).
    pub jws: String,
}

/// Where a version of an agreement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AgreementState {
    /// One partner has signed; the other has still to countersign.
    Proposed,
    /// Both have signed: it holds from its `effective_at` on, until a later version does.
    Active,
    /// The proposer has taken it back, or the other has declined it.
    Withdrawn,
}

impl AgreementState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Proposed, Self::Active, Self::Withdrawn];

    /// As it stands on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Active => "active",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The state of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A version of an agreement, as its two partners see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgreementView {
    /// The document as its `a` has signed it; null while it has not.
    pub a_jws: Option<String>,
    /// The document, decoded. What counts is what was signed.
    pub agreement: Agreement,
    /// The document as its `b` has signed it; null while it has not.
    pub b_jws: Option<String>,
    /// When the other partner countersigned; null while it has not.
    pub countersigned_at: Option<Timestamp>,
    /// Its id.
    pub id: AgreementId,
    /// Whether it is the version that holds now.
    pub in_force: bool,
    /// When it was proposed.
    pub proposed_at: Timestamp,
    /// Who proposed it.
    pub proposed_by: PartnerId,
    /// Where it stands.
    pub state: AgreementState,
}

/// Answer of `GET /v1/agreements`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Agreements {
    /// The versions on this page, oldest first.
    pub items: Vec<AgreementView>,
    /// Whether there are more after them.
    pub more: bool,
    /// Ask for `after` this to go on; none on an empty page.
    pub next_after: Option<AgreementId>,
}

/// Answer of `GET /v1/agreements/{id}/diff`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgreementDiff {
    /// What differs, term by term.
    pub changes: Vec<Change>,
    /// The version that is compared with; null where the two have signed none that holds.
    pub from: Option<AgreementId>,
    /// The version that would take its place.
    pub to: AgreementId,
}
