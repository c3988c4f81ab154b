//! Orders, transactions and reversals (protocol § 3 and § 4).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::connector::RefusalCode;
use crate::decimal::Decimal;
use crate::encoding::Hash;
use crate::ids::{QuoteId, TransactionId};
use crate::json;
use crate::merkle;
use crate::names::{IdempotencyKey, PartnerId, ReasonCode, SourceReference};
use crate::problem::Problem;
use crate::quote::{Bonus, CarriedExpiry, Rate, Settlement, SideAmount, TransactionKind};
pub use crate::side::TransactionSide;
use crate::time::Timestamp;

/// Body of `POST /v1/transactions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// The quote's token.
    pub quote: String,
    /// The caller's own reference, unique per partner.
    pub source_reference: SourceReference,
}

/// One order of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BatchOrder {
    /// Its idempotency key, one like any other.
    pub key: IdempotencyKey,
    /// The quote's token.
    pub quote: String,
    /// The caller's own reference, unique per partner.
    pub source_reference: SourceReference,
}

/// Body of `POST /v1/transactions/batch`: up to 1,000 orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OrderBatchRequest {
    /// The orders, each decided by itself.
    pub orders: Vec<BatchOrder>,
}

/// One result of a batch of orders: either member is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OrderResult {
    /// Whether this is the first answer again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
    /// Why the order was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The status that the order alone would have had.
    pub status: u16,
    /// The transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Transaction>,
}

/// Answer of `POST /v1/transactions/batch`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OrderBatch {
    /// In the order of the orders.
    pub results: Vec<OrderResult>,
}

/// Body of `POST /v1/transactions/{id}/reversals`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReversalRequest {
    /// How much, told on one side of the original; left out: all that is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<SideAmount>,
    /// Why.
    pub reason: ReasonCode,
    /// The caller's own reference, unique per partner.
    pub source_reference: SourceReference,
}

/// Where a transaction stands. A state never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TransactionState {
    /// A connected brand has still to answer.
    Pending,
    /// Done; its receipt is in the chain.
    Completed,
    /// Ended without effect.
    Failed,
    /// Part of it has been turned round.
    PartiallyReversed,
    /// All of it has been turned round.
    Reversed,
}

impl TransactionState {
    /// As it stands on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::PartiallyReversed => "partially_reversed",
            Self::Reversed => "reversed",
        }
    }

    /// The state of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::Pending, Self::Completed, Self::Failed, Self::PartiallyReversed, Self::Reversed]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// Why a transaction came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Failure {
    /// What the brand said. Of another brand than the caller's always `refused`: whether its member
    /// exists, and what that has, is its own to know.
    pub code: RefusalCode,
    /// The brand that refused.
    pub partner: PartnerId,
}

impl Failure {
    /// As this caller may see it.
    #[must_use]
    pub fn seen_by(self, caller: &PartnerId) -> Self {
        let code = if self.partner == *caller { self.code } else { RefusalCode::Refused };
        Self { code, ..self }
    }
}

/// How much of a transaction has been turned round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReversedTotals {
    /// Of its source.
    pub source: Decimal,
    /// Of its target.
    pub target: Decimal,
}

/// A receipt as it is served: the signed bytes, and the same decoded for reading.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedReceipt {
    /// The compact JWS: what counts.
    pub jws: String,
    /// Its payload, decoded: for people. Verify the JWS, never this.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::receipt::Receipt))]
    pub receipt: Box<RawValue>,
}

/// A transaction.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Transaction {
    /// What a campaign added, or of a reversal: what of it was taken back; left out where nothing
    /// was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bonus: Option<Bonus>,
    /// When it completed.
    pub completed_at: Option<Timestamp>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the points that arrive expire, where that is carried over; left out where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<CarriedExpiry>,
    /// Why it came to nothing; only where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Its id.
    pub id: TransactionId,
    /// What kind of order it performs.
    pub kind: TransactionKind,
    /// The quote it performs; none for a reversal.
    pub quote: Option<QuoteId>,
    /// The rate.
    pub rate: Rate,
    /// Why it was made; reversals only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonCode>,
    /// Its receipt, once completed.
    pub receipt: Option<SignedReceipt>,
    /// How much of it has been turned round.
    pub reversed: ReversedTotals,
    /// The transaction it turns round; reversals only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<TransactionId>,
    /// Who owes what; none within one partner.
    pub settlement: Option<Settlement>,
    /// What was given (of a reversal: the original's side).
    pub source: TransactionSide,
    /// The caller's own reference.
    pub source_reference: SourceReference,
    /// Where it stands.
    pub state: TransactionState,
    /// What arrived (of a reversal: the original's side).
    pub target: TransactionSide,
}

/// What an order's digest and its place under `Alliance-Orders` are made of; JCS order.
#[derive(Clone, Debug, Serialize)]
struct Order<'a> {
    quote: &'a str,
    source_reference: &'a SourceReference,
}

/// The bytes of an order: JCS of `{"quote":…,"source_reference":…}`.
///
/// `quote` is the quote's id; of a token that is no quote of ours, the token itself.
#[must_use]
pub fn order_bytes(quote: &str, source_reference: &SourceReference) -> Vec<u8> {
    json::canonical(&Order { quote, source_reference })
}

/// The bytes of a reversal: JCS of `{"amount":…|null,"source_reference":…,"transaction":…}`.
#[must_use]
pub fn reversal_bytes(original: TransactionId, request: &ReversalRequest) -> Vec<u8> {
    #[derive(Serialize)]
    struct Reversal<'a> {
        amount: Option<SideAmount>,
        source_reference: &'a SourceReference,
        transaction: TransactionId,
    }
    let source_reference = &request.source_reference;
    json::canonical(&Reversal { amount: request.amount, source_reference, transaction: original })
}

/// The bytes that any other keyed POST is compared by: JCS of `{"body":…,"path":…}`.
#[must_use]
pub fn request_bytes<T: Serialize>(path: &str, body: &T) -> Vec<u8> {
    #[derive(Serialize)]
    struct Request<'a, T> {
        body: &'a T,
        path: &'a str,
    }
    json::canonical(&Request { body, path })
}

/// The root that `Alliance-Orders` carries: RFC 6962 over the bytes of each order, in order.
#[must_use]
pub fn orders_root<'a>(orders: impl IntoIterator<Item = &'a [u8]>) -> Hash {
    let leaves: Vec<Hash> = orders.into_iter().map(merkle::leaf_hash).collect();
    merkle::root_of(&leaves)
}
