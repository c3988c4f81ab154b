//! What the gateway asks a connected brand, and what the brand answers (protocol § 6).
//!
//! A brand that keeps its members' balances itself has a **connector**: an address that the
//! gateway calls, signed with [`Tag::Callback`](crate::http_signature::Tag::Callback). Every
//! answer is signed with [`Tag::CallbackResponse`](crate::http_signature::Tag::CallbackResponse);
//! an answer that is not is no answer.
//!
//! A call's `Idempotency-Key` is [`OperationKey`]: the same over every repetition, another one for
//! every step of every transaction. What a call with that key has led to never changes.
//!
//! | call | body | answer |
//! | --- | --- | --- |
//! | `POST reserve` | [`ReserveCall`] | 200 [`Reserved`], or a [`Refusal`] |
//! | `POST capture` | [`CaptureCall`] | 200 [`Done`] |
//! | `POST release` | [`ReleaseCall`] | 200 [`Done`] |
//! | `POST credit` | [`CreditCall`] | 200 [`Credited`], or a [`Refusal`] |
//! | `POST cancel` | [`CancelCall`] | 200 [`Done`], or `409 not_cancellable` |
//! | `GET operations/{key}` | | 200 [`Operation`] |

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::ids::TransactionId;
use crate::names::{Currency, ItemRef, MemberRef, OperationRef, PartnerId, ProgramId};
use crate::quote::{CarriedExpiry, TransactionKind};

/// The route that tells what became of a call, before its key.
pub const OPERATIONS: &str = "operations";

/// A call that changes something at a brand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Hold the member's points.
    Reserve,
    /// Take what was held.
    Capture,
    /// Let go of what was held.
    Release,
    /// Give the member points, or the benefit.
    Credit,
    /// Take back a benefit.
    Cancel,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 5] =
        [Self::Reserve, Self::Capture, Self::Release, Self::Credit, Self::Cancel];

    /// As it stands in the route and in the key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Capture => "capture",
            Self::Release => "release",
            Self::Credit => "credit",
            Self::Cancel => "cancel",
        }
    }

    /// The step of a text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Names one step of one transaction: `txn_….reserve`. It is the call's `Idempotency-Key` and the
/// last part of `operations/{key}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationKey {
    /// The transaction.
    pub transaction: TransactionId,
    /// Its step.
    pub step: Step,
}

impl fmt::Display for OperationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.transaction, self.step)
    }
}

/// A text that names no step of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an operation's key is a transaction's id, a dot and a step: txn_….reserve")]
pub struct OperationKeyError;

impl FromStr for OperationKey {
    type Err = OperationKeyError;
    fn from_str(text: &str) -> Result<Self, OperationKeyError> {
        let (transaction, step) = text.split_once('.').ok_or(OperationKeyError)?;
        let transaction = transaction.parse().map_err(|_| OperationKeyError)?;
        Ok(Self { transaction, step: Step::from_stored(step).ok_or(OperationKeyError)? })
    }
}

impl Serialize for OperationKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OperationKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Body of `reserve`: hold so many of a member's points until they are captured or released. What
/// is held has no expiry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReserveCall {
    /// Points, above zero, with the program's decimals.
    pub amount: Decimal,
    /// The other brand.
    pub counterparty: PartnerId,
    /// What the points are given for.
    pub kind: TransactionKind,
    /// Whose points: the brand's own id for its member.
    pub member: MemberRef,
    /// Points of which program.
    pub program: ProgramId,
    /// Of a reversal: the transaction that is turned round.
    pub reverses: Option<TransactionId>,
    /// The transaction that this is a step of.
    pub transaction: TransactionId,
}

/// The answer to `reserve`: the points are held, and the brand is bound to let them be captured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// The brand's name for what it holds.
    pub reservation: OperationRef,
}

/// Body of `capture`: take what was held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureCall {
    /// What `reserve` answered.
    pub reservation: OperationRef,
    /// The transaction that this is a step of.
    pub transaction: TransactionId,
}

/// Body of `release`: let go of what was held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseCall {
    /// What `reserve` answered.
    pub reservation: OperationRef,
    /// The transaction that this is a step of.
    pub transaction: TransactionId,
}

/// What a redemption buys: goods or a benefit of the brand that is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Benefit {
    /// The part of the price that the customer pays to the brand itself.
    pub cash: Decimal,
    /// The currency of price and cash.
    pub currency: Currency,
    /// The brand's own name for it.
    pub item: ItemRef,
    /// What it costs.
    pub price: Decimal,
}

/// Body of `credit`: give a member points, or the benefit. Either `benefit`, or `member` and
/// `program`, are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditCall {
    /// Points, above zero, with the program's decimals; of a benefit: what the points pay of its
    /// price, in the currency.
    pub amount: Decimal,
    /// What is given instead of points.
    pub benefit: Option<Benefit>,
    /// The other brand.
    pub counterparty: PartnerId,
    /// The date that these points get, as the two brands have agreed: that of the points given.
    /// Left out: the brand's own rule says when they expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<CarriedExpiry>,
    /// What the points are given for.
    pub kind: TransactionKind,
    /// Who receives: the brand's own id for its member.
    pub member: Option<MemberRef>,
    /// Points of which program.
    pub program: Option<ProgramId>,
    /// Of a reversal: the transaction that is turned round.
    pub reverses: Option<TransactionId>,
    /// The transaction that this is a step of.
    pub transaction: TransactionId,
}

/// What a `credit` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gift<'a> {
    /// Points.
    Points {
        /// Who receives them.
        member: &'a MemberRef,
        /// Of which program.
        program: &'a ProgramId,
    },
    /// Goods or a benefit.
    Benefit(&'a Benefit),
}

impl CreditCall {
    /// What is given; none where the body says neither, or both: it is malformed then.
    #[must_use]
    pub const fn gift(&self) -> Option<Gift<'_>> {
        match (&self.benefit, &self.member, &self.program) {
            (None, Some(member), Some(program)) => Some(Gift::Points { member, program }),
            (Some(benefit), _, None) => Some(Gift::Benefit(benefit)),
            _ => None,
        }
    }
}

/// The answer to `credit`: it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credited {
    /// The brand's name for what it gave.
    pub reference: OperationRef,
}

/// Body of `cancel`: take back a benefit, or so much of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelCall {
    /// How much of what the points paid is turned round, in the currency.
    pub amount: Decimal,
    /// The other brand.
    pub counterparty: PartnerId,
    /// What `credit` answered; none where the brand had no connector then.
    pub reference: Option<OperationRef>,
    /// The redemption that is turned round.
    pub reverses: TransactionId,
    /// The transaction that this is a step of.
    pub transaction: TransactionId,
}

/// The answer to `capture`, `release` and `cancel`: an empty object. What else is in it is not
/// looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

/// Why a brand refuses a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// 409: the member has too few points. `reserve` only.
    InsufficientPoints,
    /// 404: the brand has no such member.
    MemberUnknown,
    /// 423: the member is frozen.
    MemberFrozen,
    /// 409: the benefit cannot be taken back. `cancel` only.
    NotCancellable,
    /// 409: this key was used for another call. The gateway never does that.
    IdempotencyMismatch,
    /// 422: whatever else the brand has against it; `detail` says what.
    Refused,
}

impl RefusalCode {
    /// Every code.
    pub const ALL: [Self; 6] = [
        Self::InsufficientPoints,
        Self::MemberUnknown,
        Self::MemberFrozen,
        Self::NotCancellable,
        Self::IdempotencyMismatch,
        Self::Refused,
    ];

    /// As it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InsufficientPoints => "insufficient_points",
            Self::MemberUnknown => "member_unknown",
            Self::MemberFrozen => "member_frozen",
            Self::NotCancellable => "not_cancellable",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::Refused => "refused",
        }
    }

    /// The status that it is answered with.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InsufficientPoints | Self::NotCancellable | Self::IdempotencyMismatch => 409,
            Self::MemberUnknown => 404,
            Self::MemberFrozen => 423,
            Self::Refused => 422,
        }
    }

    /// The code of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }
}

/// The body of a refusal (`application/problem+json`); more members may be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why, for programs.
    pub code: RefusalCode,
    /// Why, for people; never a member's reference.
    #[serde(default)]
    pub detail: String,
    /// The status.
    pub status: u16,
    /// In a few words.
    #[serde(default)]
    pub title: String,
}

impl Refusal {
    /// A refusal for this reason.
    #[must_use]
    pub fn new(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            status: code.status(),
            title: code.as_str().replace('_', " "),
        }
    }
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// It was answered with 200, and has had its effect.
    Done,
    /// It was refused, and had no effect.
    Refused,
    /// It has not come in yet: nothing was done. It may still come in.
    Unknown,
}

/// The answer of `operations/{key}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// What the call was answered with, word for word; none where it is unknown.
    pub body: Option<serde_json::Value>,
    /// What became of it.
    pub state: OperationState,
    /// The status it was answered with; none where it is unknown.
    pub status: Option<u16>,
}

impl Operation {
    /// What a brand answers about a key that it has never seen.
    #[must_use]
    pub const fn unknown() -> Self {
        Self { body: None, state: OperationState::Unknown, status: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_one_step_of_one_transaction() {
        let transaction: TransactionId =
            "txn_01jd6c3v5kf0rb5h2t6e8m9qzx".parse().expect("a transaction's id");
        for step in Step::ALL {
            let key = OperationKey { transaction, step };
            assert_eq!(key.to_string(), format!("txn_01jd6c3v5kf0rb5h2t6e8m9qzx.{step}"));
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for bad in [
            "",
            "reserve",
            "txn_01jd6c3v5kf0rb5h2t6e8m9qzx",
            "txn_.reserve",
            "txn_01jd6c3v5kf0rb5h2t6e8m9qzx.refund",
            "quo_01jd6c3v5kf0rb5h2t6e8m9qzx.reserve",
        ] {
            assert!(bad.parse::<OperationKey>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_credit_gives_points_or_a_benefit() {
        let body = |benefit: &str, member: &str, program: &str| {
            let text = format!(
                "{{\"amount\":\"5\",\"benefit\":{benefit},\"counterparty\":\"aurora-air\",\"kind\":\
                 \"exchange\",\"member\":{member},\"program\":{program},\"reverses\":null,\
                 \"transaction\":\"txn_01jd6c3v5kf0rb5h2t6e8m9qzx\"}}"
            );
            crate::json::read::<CreditCall>(text.as_bytes()).expect("a body of credit")
        };
        let benefit = "{\"cash\":\"0\",\"currency\":\"CNY\",\"item\":\"latte\",\"price\":\"5\"}";
        let (member, program) = ("\"B-77\"", "\"borealis\"");
        assert!(matches!(body("null", member, program).gift(), Some(Gift::Points { .. })));
        assert!(matches!(body(benefit, "null", "null").gift(), Some(Gift::Benefit(_))));
        for neither in [
            body("null", member, "null"),
            body("null", "null", program),
            body(benefit, member, program),
        ] {
            assert_eq!(neither.gift(), None);
        }
    }

    #[test]
    fn a_refusal_says_its_status() {
        for code in RefusalCode::ALL {
            let refusal = Refusal::new(code, "because");
            let text = serde_json::to_string(&refusal).unwrap();
            assert!(text.contains(&format!("\"code\":\"{}\"", code.as_str())), "{text}");
            assert_eq!(serde_json::from_str::<Refusal>(&text).unwrap(), refusal);
            assert_eq!(RefusalCode::from_stored(code.as_str()), Some(code));
        }
    }
}
