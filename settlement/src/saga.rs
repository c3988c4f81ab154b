//! Transactions that need a connected brand: which call comes next, and what an answer means
//! (protocol § 6). Pure: [`first`] and [`after`] are the whole table, `docs/sagas.md` shows it, and
//! the tests are generated from it.
//!
//! A transaction takes something from a **giver** and gives something to a **receiver**. Where our
//! own books keep what is taken, it is held in the commit that accepts the order, and taken or
//! given back in the commit that ends it; where a brand keeps it, it is asked.
//!
//! | phase | waits for | who owes whom meanwhile |
//! | --- | --- | --- |
//! | `reserving` | `reserve` at the giver | nobody; the debtor's gross is held against its cap |
//! | `cancelling` | `cancel` of a benefit | nobody; held |
//! | `crediting` | `credit` at the receiver | nobody; held, and the giver is bound |
//! | `capturing` | `capture` at the giver | from here on the debtor owes: the end is `completed` |
//! | `releasing` | `release` at the giver | from here on nobody: the end is `failed` |
//! | `completed` | – | as the receipt says |
//! | `failed` | – | nobody |

mod wait;

#[cfg(test)]
mod tests;

use alliance_contracts::connector::{Credited, Operation, RefusalCode, Step};
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::json;
use alliance_contracts::keys::Kid;
use alliance_contracts::names::{OperationRef, PartnerId};
use alliance_contracts::time::Timestamp;

pub use wait::{LEASE_SECONDS, PARKED_EVERY_SECONDS, wait_millis};

/// What is taken, and who keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Taken {
    /// Nothing: an accrual, or a benefit of a brand without a connector that is turned round.
    Nothing,
    /// Points that our own books keep; held since the order was accepted.
    Hosted,
    /// Points that a connected brand keeps.
    Reserved,
    /// A benefit of a brand with a connector.
    Cancelled,
}

impl Taken {
    const ALL: [Self; 4] = [Self::Nothing, Self::Hosted, Self::Reserved, Self::Cancelled];

    /// As it stands in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Hosted => "hosted",
            Self::Reserved => "reserved",
            Self::Cancelled => "cancelled",
        }
    }

    /// Of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|taken| taken.as_str() == text)
    }
}

/// What is given, and who keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Given {
    /// Nothing that anybody is told of.
    Nothing,
    /// Points that our own books keep; given by the commit that completes the transaction.
    Hosted,
    /// Points that a connected brand keeps, or a benefit of a brand with a connector.
    Credited,
}

impl Given {
    const ALL: [Self; 3] = [Self::Nothing, Self::Hosted, Self::Credited];

    /// As it stands in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Hosted => "hosted",
            Self::Credited => "credited",
        }
    }

    /// Of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|given| given.as_str() == text)
    }
}

/// How a transaction goes: settled when it is accepted, whatever is defined anew meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plan {
    /// What is taken.
    pub taken: Taken,
    /// What is given.
    pub given: Given,
}

impl Plan {
    /// Every plan there can be, those that need no brand included.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let with = |taken| Given::ALL.into_iter().map(move |given| Self { taken, given });
        Taken::ALL.into_iter().flat_map(with).collect()
    }

    /// Whether a brand has to be asked at all.
    #[must_use]
    pub fn asks(self) -> bool {
        first(self) != Phase::Completed
    }
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Waits for `reserve`.
    Reserving,
    /// Waits for `cancel`.
    Cancelling,
    /// Waits for `credit`.
    Crediting,
    /// Waits for `capture`; will complete.
    Capturing,
    /// Waits for `release`; will fail.
    Releasing,
    /// Done.
    Completed,
    /// Ended without effect.
    Failed,
}

impl Phase {
    /// Every phase, in the order in which they may follow on each other.
    pub const ALL: [Self; 7] = [
        Self::Reserving,
        Self::Cancelling,
        Self::Crediting,
        Self::Capturing,
        Self::Releasing,
        Self::Completed,
        Self::Failed,
    ];

    /// As it stands in the database and in the console.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserving => "reserving",
            Self::Cancelling => "cancelling",
            Self::Crediting => "crediting",
            Self::Capturing => "capturing",
            Self::Releasing => "releasing",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// The phase of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text)
    }

    /// The call that it waits for; none where it has ended.
    #[must_use]
    pub const fn step(self) -> Option<Step> {
        match self {
            Self::Reserving => Some(Step::Reserve),
            Self::Cancelling => Some(Step::Cancel),
            Self::Crediting => Some(Step::Credit),
            Self::Capturing => Some(Step::Capture),
            Self::Releasing => Some(Step::Release),
            Self::Completed | Self::Failed => None,
        }
    }

    /// Whether nothing more is to be asked.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// What has come of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A signed 200, from the call or from `operations/{key}`; with what the brand calls it.
    Done(Option<OperationRef>),
    /// A signed refusal, from either.
    Refused(RefusalCode),
    /// `operations/{key}` has not seen the key: nothing was done, and the call may still travel.
    Unknown,
    /// No answer, or one that is not signed.
    Silent,
}

/// Something that finance has to look at though the transaction has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Remark {
    /// `capture` was refused of what had been reserved: the transaction is completed, and the
    /// giver's brand owes.
    CaptureRefused,
    /// `credit` was refused after a benefit had been cancelled: the reversal is completed, and the
    /// receiver's brand owes its member.
    CreditRefused,
    /// `release` was refused: the giver's brand holds points of a transaction that has failed.
    ReleaseRefused,
    /// A brand has answered one call in two ways.
    Contradiction,
}

impl Remark {
    const ALL: [Self; 4] =
        [Self::CaptureRefused, Self::CreditRefused, Self::ReleaseRefused, Self::Contradiction];

    /// As it stands in the database and in the console.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CaptureRefused => "capture_refused",
            Self::CreditRefused => "credit_refused",
            Self::ReleaseRefused => "release_refused",
            Self::Contradiction => "contradiction",
        }
    }

    /// Of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|remark| remark.as_str() == text)
    }
}

/// What follows on an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// Where the transaction stands now.
    pub phase: Phase,
    /// What finance has to look at.
    pub remark: Option<Remark>,
}

/// Where a transaction begins; [`Phase::Completed`] where no brand has to be asked.
#[must_use]
pub const fn first(plan: Plan) -> Phase {
    match (plan.taken, plan.given) {
        (Taken::Reserved, _) => Phase::Reserving,
        (Taken::Cancelled, _) => Phase::Cancelling,
        (Taken::Nothing | Taken::Hosted, Given::Credited) => Phase::Crediting,
        (Taken::Nothing | Taken::Hosted, Given::Nothing | Given::Hosted) => Phase::Completed,
    }
}

/// What follows on the answer to the call that a phase waits for.
#[must_use]
pub const fn after(plan: Plan, phase: Phase, answer: &Answer) -> Next {
    let (phase, remark) = match answer {
        // Nothing is known, or nothing was done: the same call is repeated, under the same key.
        Answer::Unknown | Answer::Silent => (phase, None),
        Answer::Done(_) => (after_done(plan, phase), None),
        Answer::Refused(_) => after_refused(plan, phase),
    };
    Next { phase, remark }
}

const fn after_done(plan: Plan, phase: Phase) -> Phase {
    match (phase, plan.taken, plan.given) {
        (Phase::Reserving | Phase::Cancelling, _, Given::Credited) => Phase::Crediting,
        (Phase::Reserving, ..) | (Phase::Crediting, Taken::Reserved, _) => Phase::Capturing,
        (Phase::Cancelling | Phase::Crediting | Phase::Capturing | Phase::Completed, ..) => {
            Phase::Completed
        }
        (Phase::Releasing | Phase::Failed, ..) => Phase::Failed,
    }
}

const fn after_refused(plan: Plan, phase: Phase) -> (Phase, Option<Remark>) {
    match (phase, plan.taken) {
        (Phase::Reserving | Phase::Cancelling | Phase::Failed, _) => (Phase::Failed, None),
        (Phase::Crediting, Taken::Reserved) => (Phase::Releasing, None),
        // What was cancelled stays so: nobody can give a benefit back to the brand.
        (Phase::Crediting, Taken::Cancelled) => (Phase::Completed, Some(Remark::CreditRefused)),
        (Phase::Crediting, Taken::Nothing | Taken::Hosted) => (Phase::Failed, None),
        (Phase::Capturing, _) => (Phase::Completed, Some(Remark::CaptureRefused)),
        (Phase::Completed, _) => (Phase::Completed, None),
        (Phase::Releasing, _) => (Phase::Failed, Some(Remark::ReleaseRefused)),
    }
}

/// What a call that is not waited for any more was answered with; none where it was never made.
/// `refused` is the first call that was refused; `remark` tells of another.
#[must_use]
pub fn answered(
    plan: Plan,
    phase: Phase,
    refused: Option<Step>,
    remark: Option<Remark>,
    step: Step,
) -> Option<bool> {
    let mut at = first(plan);
    while at != phase {
        let asked = at.step()?;
        let done = match (asked, remark) {
            (Step::Release, Some(Remark::ReleaseRefused)) => false,
            _ => refused != Some(asked),
        };
        if asked == step {
            return Some(done);
        }
        at = if done { after_done(plan, at) } else { after_refused(plan, at).0 };
    }
    None
}

/// A transaction under way, beside its terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saga {
    /// The transaction.
    pub transaction: TransactionId,
    /// How it goes.
    pub plan: Plan,
    /// Where it stands.
    pub phase: Phase,
    /// Whose points are taken, or whose benefit is cancelled.
    pub giver: PartnerId,
    /// To whom something is given.
    pub receiver: PartnerId,
    /// When the call that it waits for is next to be made: whoever takes it up moves this on, so
    /// that of several gateways one makes it.
    pub due_at: Timestamp,
    /// How often the call that it waits for has been taken up.
    pub attempts: u32,
    /// From when on a person is told that it is still not known.
    pub deadline_at: Timestamp,
    /// Since when a person has been told.
    pub parked_at: Option<Timestamp>,
    /// What `reserve` answered.
    pub reservation: Option<OperationRef>,
    /// What `credit` answered.
    pub reference: Option<OperationRef>,
    /// The first call that was refused, and why.
    pub refusal: Option<(Step, RefusalCode)>,
    /// What finance has to look at.
    pub remark: Option<Remark>,
    /// Points held in our own books, in minor units; zero where none are.
    pub held: i64,
    /// The transaction that it turns round.
    pub reverses: Option<TransactionId>,
    /// What its receipt will say: a payload without its place in the chain, with the evidence so
    /// far. Its bytes, because a receipt is nothing but bytes.
    pub terms: Vec<u8>,
}

impl Saga {
    /// Who is to be called next; none where it has ended.
    #[must_use]
    pub fn partner(&self) -> Option<&PartnerId> {
        match self.phase.step()? {
            Step::Credit => Some(&self.receiver),
            Step::Reserve | Step::Capture | Step::Release | Step::Cancel => Some(&self.giver),
        }
    }
}

/// A brand's signed answer, as it is kept: with it and the partner key list anybody can see what
/// the brand has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedAnswer {
    /// The transaction.
    pub transaction: TransactionId,
    /// The call that was answered.
    pub step: Step,
    /// The brand.
    pub partner: PartnerId,
    /// Its key.
    pub kid: Kid,
    /// The RFC 9421 signature base.
    pub base: Vec<u8>,
    /// SHA-256 of `base`.
    pub base_hash: Hash,
    /// The signature over it.
    pub signature: [u8; 64],
    /// The body, as it came.
    pub body: Vec<u8>,
    /// When it came.
    pub received_at: Timestamp,
}

/// What a brand calls what it has given, out of its signed answer: to the call itself, or to the
/// question what became of it.
#[must_use]
pub fn reference_in(body: &[u8]) -> Option<OperationRef> {
    let direct = json::read::<Credited>(body).ok();
    let asked = || {
        let operation = json::read::<Operation>(body).ok()?;
        serde_json::from_value::<Credited>(operation.body?).ok()
    };
    direct.or_else(asked).map(|credited| credited.reference)
}
