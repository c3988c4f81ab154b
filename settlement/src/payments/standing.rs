//! Where a window's payments stand, and whether the window is settled.

use std::collections::BTreeMap;

use alliance_contracts::ids::WindowId;
use alliance_contracts::names::Party;

use super::instructions::EndToEndId;
use super::matching::{PaymentState, Tracked};

/// Where one payment of a window stands, all attempts at it together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentStanding {
    /// Who pays.
    pub debtor: Party,
    /// Who is paid.
    pub creditor: Party,
    /// Which payment of the window.
    pub number: u32,
    /// The last attempt at it.
    pub last: EndToEndId,
    /// How many minor units were to be paid, as the first attempt says.
    pub amount: u64,
    /// How many are paid, never more than that.
    pub paid: u64,
    /// How many more were paid: an earlier attempt came through after all, or somebody paid twice.
    pub excess: u128,
    /// How far it is: paid by all attempts together, else partly paid, else as its last attempt.
    pub state: PaymentState,
}

/// Where a window stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowStanding {
    /// Its payments, by number.
    pub payments: Vec<PaymentStanding>,
    /// Whether banks say that all of it is paid. A window without payments is.
    pub settled: bool,
}

/// Why nothing can be said of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StandingFault {
    /// An instruction of another window.
    #[error("{0} is of another window")]
    OtherWindow(EndToEndId),
    /// The first attempt at a payment is not there, or one after it.
    #[error("{0} follows on an attempt that is not there")]
    AttemptMissing(EndToEndId),
    /// An attempt between others than the first.
    #[error("{0} is between others than the attempt before")]
    OtherParties(EndToEndId),
}

/// Where a window stands: every attempt at each of its payments, in any order.
///
/// # Errors
/// [`StandingFault`].
pub fn standing<'a>(
    window: WindowId,
    tracked: impl IntoIterator<Item = &'a Tracked>,
) -> Result<WindowStanding, StandingFault> {
    let mut attempts: BTreeMap<EndToEndId, &Tracked> = BTreeMap::new();
    for tracked in tracked {
        let id = tracked.instruction.end_to_end_id;
        if id.window() != window {
            return Err(StandingFault::OtherWindow(id));
        }
        attempts.insert(id, tracked);
    }
    let mut payments: Vec<PaymentStanding> = Vec::new();
    for (id, tracked) in attempts {
        match payments.last_mut().filter(|payment| payment.number == id.number()) {
            None if id.attempt() == 1 => payments.push(PaymentStanding::first(id, tracked)),
            Some(payment) if payment.last.attempt() + 1 == id.attempt() => {
                payment.follow(id, tracked)?;
            }
            _ => return Err(StandingFault::AttemptMissing(id)),
        }
    }
    let settled = payments.iter().all(|payment| payment.state == PaymentState::Paid);
    Ok(WindowStanding { payments, settled })
}

impl PaymentStanding {
    fn first(id: EndToEndId, tracked: &Tracked) -> Self {
        let instruction = &tracked.instruction;
        Self {
            debtor: instruction.debtor.clone(),
            creditor: instruction.creditor.clone(),
            number: instruction.number,
            last: id,
            amount: instruction.amount,
            paid: tracked.paid(),
            excess: tracked.excess(),
            state: tracked.state(),
        }
    }

    /// Another attempt at it.
    fn follow(&mut self, id: EndToEndId, tracked: &Tracked) -> Result<(), StandingFault> {
        let instruction = &tracked.instruction;
        if (&self.debtor, &self.creditor) != (&instruction.debtor, &instruction.creditor) {
            return Err(StandingFault::OtherParties(id));
        }
        let moved = u128::from(self.paid) + self.excess;
        let moved = moved.saturating_add(tracked.moved());
        self.paid = u64::try_from(moved).unwrap_or(u64::MAX).min(self.amount);
        self.excess = moved - u128::from(self.paid);
        self.last = id;
        self.state = match self.paid {
            paid if paid == self.amount => PaymentState::Paid,
            0 => tracked.state(),
            _ => PaymentState::PartlyPaid,
        };
        Ok(())
    }
}
