//! Settlement windows: what is settled together, and how far that is (docs/settlement.md).
//!
//! ```text
//! open → closed → netted → settling → settled
//!            └────────┴→ aborted: its obligations are the next window's
//! ```
//!
//! A receipt says the window of its commit, for ever. One window is open at any time.

use serde::{Deserialize, Serialize};

use crate::date::Date;
use crate::ids::WindowId;
use crate::names::Currency;
use crate::time::Timestamp;

/// How far a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WindowState {
    /// Receipts come into it.
    Open,
    /// None do any more.
    Closed,
    /// It is known what everybody pays and is paid.
    Netted,
    /// Banks were told to pay.
    Settling,
    /// Banks have said that all was paid, or nothing was to be.
    Settled,
    /// It is not settled by itself: its obligations are the next window's.
    Aborted,
}

impl WindowState {
    /// All of them, in order.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::Closed, Self::Netted, Self::Settling, Self::Settled, Self::Aborted];

    /// As it stands on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Netted => "netted",
            Self::Settling => "settling",
            Self::Settled => "settled",
            Self::Aborted => "aborted",
        }
    }

    /// The state of this name.
    ///
    /// ```
    /// use alliance_contracts::window::WindowState;
    /// assert_eq!(WindowState::from_stored("netted"), Some(WindowState::Netted));
    /// assert_eq!(WindowState::from_stored("Netted"), None);
    /// ```
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether nothing more becomes of it.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Settled | Self::Aborted)
    }
}

/// A window, as it is told. Fields in sorted order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Of one that was aborted: the window that its obligations are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried_into: Option<WindowId>,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// The day of that in the alliance's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = Date))]
    pub closed_on: Option<Date>,
    /// The settlement currency.
    pub currency: Currency,
    /// Its id.
    pub id: WindowId,
    /// Which window of the alliance it is, from 1.
    pub number: u64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Whether its value date counts days that no calendar knows yet.
    pub provisional: bool,
    /// When it was settled or aborted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How far it is.
    pub state: WindowState,
    /// When its payments are due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = Date))]
    pub value_date: Option<Date>,
}

/// Answer of `GET /v1/windows`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Windows {
    /// The windows on this page, oldest first.
    pub items: Vec<Window>,
    /// Whether there are more after them.
    pub more: bool,
    /// Ask for `after` this number to go on; none on an empty page.
    pub next_after: Option<u64>,
}

/// Answer of `GET /v1/windows/{id}/statement`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WindowStatement {
    /// The caller's statement as a compact JWS (`typ` `alliance-statement+jws`).
    pub statement: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_spelled_as_they_are_named() {
        for state in WindowState::ALL {
            let text = serde_json::to_string(&state).unwrap();
            assert_eq!(text, format!("\"{}\"", state.as_str()));
            assert_eq!(WindowState::from_stored(state.as_str()), Some(state));
        }
        let ended = WindowState::ALL.into_iter().filter(|state| state.has_ended());
        assert!(ended.eq([WindowState::Settled, WindowState::Aborted]));
    }
}
