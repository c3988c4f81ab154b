//! Links: two members' accounts that belong to one person (protocol § 4).

use serde::{Deserialize, Serialize};

use crate::ids::LinkId;
use crate::names::{PartnerId, ProgramId};
use crate::quote::{MemberAccount, TransactionKind};
use crate::time::Timestamp;

/// What the person has agreed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// For which kinds of order; at least one.
    pub scope: Vec<TransactionKind>,
    /// Until when; none: until revoked.
    pub until: Option<Timestamp>,
}

/// Body of `POST /v1/links`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LinkRequest {
    /// One account.
    pub a: MemberAccount,
    /// The other.
    pub b: MemberAccount,
    /// What the person has agreed to.
    pub consent: Consent,
}

/// Body of a POST that says all in its path: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// Where a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// One partner has said so; the other has still to confirm.
    Proposed,
    /// Both have said so.
    Active,
    /// One of them, or the member, has taken it back.
    Revoked,
}

impl LinkState {
    /// As it stands on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Active => "active",
            Self::Revoked => "revoked",
        }
    }

    /// The state of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::Proposed, Self::Active, Self::Revoked].into_iter().find(|s| s.as_str() == text)
    }
}

/// One account of a link, as this caller may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkSide {
    /// The caller's own member's reference, or what it supplied itself; else the pseudonym; none
    /// where there is neither.
    pub member: Option<String>,
    /// The brand.
    pub partner: PartnerId,
    /// The program.
    pub program: ProgramId,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Link {
    /// One account.
    pub a: LinkSide,
    /// The other.
    pub b: LinkSide,
    /// What the person has agreed to.
    pub consent: Consent,
    /// When it was proposed.
    pub created_at: Timestamp,
    /// Its id.
    pub id: LinkId,
    /// Who proposed it.
    pub proposed_by: PartnerId,
    /// Where it stands.
    pub state: LinkState,
}

/// Answer of `GET /v1/links`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Links {
    /// The links on this page, oldest first.
    pub items: Vec<Link>,
    /// Whether there are more after them.
    pub more: bool,
    /// Ask for `after` this to go on; none on an empty page.
    pub next_after: Option<LinkId>,
}
