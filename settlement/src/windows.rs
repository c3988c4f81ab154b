//! Settlement windows: what is settled together, what that comes to, and who agrees to pay it.
//!
//! | file | what |
//! | --- | --- |
//! | here | a window as it is kept; what operators propose about it |
//! | `figures` | receipts of a window → obligations, fee income, what campaigns gave |
//! | `what_if` | the same receipts under other terms |
//! | `netted` | figures → nets, payments, instructions, and what adjustments cite |
//!
//! Pure: the same receipts give the same documents, to the byte, in whatever parts they are read.
//!
//! Deliberately absent: when a window is closed (the gateway keeps the schedule), reading receipts
//! (`clearing_house::settling`), deciding and writing (`ledger::windows`).

mod figures;
mod netted;
#[cfg(test)]
mod tests;
pub mod what_if;

pub use figures::{Figures, FiguresFault};
pub use netted::{
    NettedWindow, NettingTerms, ToPost, WindowFault, alliance_party, carried_of, net_window,
    to_post,
};

use alliance_contracts::date::Date;
use alliance_contracts::ids::WindowId;
use alliance_contracts::names::Currency;
use alliance_contracts::time::Timestamp;
use alliance_contracts::window::{Window, WindowState};
use serde::{Deserialize, Serialize};

use crate::rates::proposal::OperatorName;

/// A window as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowRecord {
    /// Its id.
    pub id: WindowId,
    /// Which window of the alliance it is, from 1.
    pub number: u64,
    /// The settlement currency.
    pub currency: Currency,
    /// How far it is.
    pub state: WindowState,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The last time of the schedule before it was opened; none before the first.
    pub slot: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// The day of that, where the alliance is.
    pub closed_on: Option<Date>,
    /// When it was netted.
    pub netted_at: Option<Timestamp>,
    /// When its payments are due.
    pub value_date: Option<Date>,
    /// Whether the value date counts days that no calendar knows yet.
    pub provisional: bool,
    /// How many adjustments that follow from it are still to be posted; none before it is netted.
    pub to_post: Option<u64>,
    /// When its obligations were discharged: when it was settled, or, of one that was aborted, when
    /// the window was that they are in.
    pub ended_at: Option<Timestamp>,
    /// Of one that was aborted: the window that its obligations are in.
    pub carried_into: Option<WindowId>,
}

impl WindowRecord {
    /// A window that opens now.
    #[must_use]
    pub const fn open(
        id: WindowId,
        number: u64,
        currency: Currency,
        opened_at: Timestamp,
        slot: Option<Timestamp>,
    ) -> Self {
        Self {
            id,
            number,
            currency,
            state: WindowState::Open,
            opened_at,
            slot,
            closed_at: None,
            closed_on: None,
            netted_at: None,
            value_date: None,
            provisional: false,
            to_post: None,
            ended_at: None,
            carried_into: None,
        }
    }

    /// As it is told.
    #[must_use]
    pub fn told(&self) -> Window {
        Window {
            carried_into: self.carried_into,
            closed_at: self.closed_at,
            closed_on: self.closed_on,
            currency: self.currency.clone(),
            ended_at: self.ended_at,
            id: self.id,
            number: self.number,
            opened_at: self.opened_at,
            provisional: self.provisional,
            state: self.state,
            value_date: self.value_date,
        }
    }
}

/// What somebody wants done that takes a second person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum SettlementAction {
    /// Banks are told to pay what a window comes to.
    Release {
        /// The window.
        window: WindowId,
    },
    /// A window is not settled by itself: its obligations join the next.
    Abort {
        /// The window.
        window: WindowId,
        /// Why.
        why: String,
    },
}

impl SettlementAction {
    /// The window that it is about.
    #[must_use]
    pub const fn window(&self) -> WindowId {
        match self {
            Self::Release { window } | Self::Abort { window, .. } => *window,
        }
    }

    /// What it is called.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Release { .. } => "release",
            Self::Abort { .. } => "abort",
        }
    }
}

/// A proposal about settlement: made by one person, carried out when another approves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettlementProposal {
    /// Its number, from 1.
    pub number: u32,
    /// What is to be done.
    pub action: SettlementAction,
    /// Who wants it.
    pub proposed_by: OperatorName,
    /// Since when.
    pub proposed_at: Timestamp,
    /// Who has approved it: somebody else, as the table says, too.
    pub approved_by: Option<OperatorName>,
    /// When; it was carried out by that.
    pub approved_at: Option<Timestamp>,
    /// Who has taken it back.
    pub withdrawn_by: Option<OperatorName>,
    /// When.
    pub withdrawn_at: Option<Timestamp>,
}

impl SettlementProposal {
    /// Whether it waits for a second person.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.approved_at.is_none() && self.withdrawn_at.is_none()
    }
}

/// The rule that a command about settlement breaks; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettlementFault {
    /// No window of this id whose obligations are open.
    #[error("there is no window {0} that is still to be settled")]
    NoSuchWindow(WindowId),
    /// The window is not where the command needs it.
    #[error("window {number} is {}: it must be {needed}", .state.as_str())]
    State {
        /// The window's number.
        number: u64,
        /// How far it is.
        state: WindowState,
        /// Where it would have to be.
        needed: &'static str,
    },
    /// Windows are netted in their order.
    #[error("window {before} comes first: net or abort it")]
    EarlierFirst {
        /// The number of the one before.
        before: u64,
    },
    /// What follows rests on it.
    #[error("window {later} was netted on what window {number} carries: abort that one first")]
    LaterRests {
        /// The window's number.
        number: u64,
        /// The number of the one that was netted after it.
        later: u64,
    },
    /// Not this person's to do.
    #[error("{name} may not {what}: it takes the role {role}")]
    Role {
        /// Who.
        name: OperatorName,
        /// What was asked.
        what: &'static str,
        /// Which role may.
        role: &'static str,
    },
    /// A second person is needed.
    #[error("proposal {number} is {name}'s own: a second person must approve it")]
    OwnProposal {
        /// The proposal.
        number: u32,
        /// Whose.
        name: OperatorName,
    },
    /// No such proposal, or it is over.
    #[error("there is no proposal {0} that waits")]
    NoSuchProposal(u32),
    /// The same is proposed already.
    #[error("proposal {0} asks for the same")]
    ProposedAlready(u32),
    /// An explanation is needed, or too long.
    #[error("say why, in 1 to 500 characters")]
    Why,
    /// A bank's file was imported before.
    #[error("this file was imported before: nothing was done again")]
    FileTwice,
}
