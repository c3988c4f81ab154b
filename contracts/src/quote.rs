//! Quotes: terms that stand until they expire (protocol § 4).

use serde::{Deserialize, Serialize};

use crate::arithmetic::Terms;
use crate::decimal::Decimal;
use crate::ids::{CampaignId, QuoteId};
use crate::limits;
use crate::names::{AllianceId, Currency, PartnerId, SegmentName, TierName};
use crate::problem::Problem;
pub use crate::side::{AskedSide, MemberAccount, PricedItem, QuoteSide};
use crate::time::Timestamp;

/// What kind of order a transaction performs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TransactionKind {
    /// Points of one program for points of another, same person.
    Exchange,
    /// Points for goods or a benefit of another brand.
    Redemption,
    /// Another brand's points for the customer of a shop.
    Accrual,
    /// All or part of an earlier transaction, turned round.
    Reversal,
    /// The outcome of a dispute, write-off, share or payment.
    Adjustment,
}

impl TransactionKind {
    /// As it stands on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Redemption => "redemption",
            Self::Accrual => "accrual",
            Self::Reversal => "reversal",
            Self::Adjustment => "adjustment",
        }
    }

    /// The kind of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::Exchange, Self::Redemption, Self::Accrual, Self::Reversal, Self::Adjustment]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// A side of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What is given.
    Source,
    /// What arrives.
    Target,
}

/// An amount told in one side's points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SideAmount {
    /// In whose points.
    pub side: Side,
    /// How many.
    pub value: Decimal,
}

/// What two partners have agreed on the date on which points expire: what arrives expires when what
/// was given would have. Where nothing is told of it, the target program's own rule says when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CarriedExpiry {
    /// When the points given would have expired, as the source partner says; null: it names no
    /// date.
    pub at: Option<Timestamp>,
}

/// Body of `POST /v1/quotes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct QuoteRequest {
    /// How much, told on one side; of an accrual, on the target's. Left out of a redemption, whose
    /// item says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<SideAmount>,
    /// When the points that are given expire, where the agreement carries that over; the source
    /// program's partner, who signs the request, says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<CarriedExpiry>,
    /// What kind of order.
    pub kind: TransactionKind,
    /// The member's segment, for campaigns; the source program's partner, who signs the request,
    /// says it. One that no campaign names changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<SegmentName>,
    /// Whose points are given; of an accrual, the partner that pays.
    pub source: AskedSide,
    /// Whose points arrive; of a redemption, the item.
    pub target: AskedSide,
    /// The member's tier in the source program; its partner, who signs the request, says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<TierName>,
}

/// Body of `POST /v1/quotes/batch`: up to 1,000 requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct QuoteBatchRequest {
    /// What is asked for, in order.
    pub quotes: Vec<QuoteRequest>,
}

/// Who bears the fee of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FeeBearer {
    /// The member: fewer points arrive.
    #[default]
    Member,
    /// The source partner: it owes the fee on top of what the points are worth.
    SourcePartner,
    /// The target partner: it is owed the less.
    TargetPartner,
}

/// The rate an order is computed at.
///
/// Of `fee_bearer`, `multiplier` and `surcharge` each is left out where it would say what its
/// absence says; spelling that out is not canonical.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// The board it stands on.
    pub board: u32,
    /// Fee rate in all, below one.
    pub fee: Decimal,
    /// Who bears the fee; left out: the member.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fee_bearer: FeeBearer,
    /// What the source points' worth is multiplied with, above zero and at most 10; left out: 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub multiplier: Decimal,
    /// Settlement currency per source point; of an accrual, whose source gives money: 1.
    pub source_value: Decimal,
    /// The part of the fee rate that is asked for this direction only, at most the fee; left out:
    /// 0. It tells why the fee is what it is and takes part in no sum.
    #[serde(default, skip_serializing_if = "is_default")]
    pub surcharge: Decimal,
    /// Settlement currency per target point; of a redemption, whose item has a price: 1.
    pub target_value: Decimal,
}

const fn one() -> Decimal {
    Decimal::ONE
}

fn is_one(multiplier: &Decimal) -> bool {
    *multiplier == Decimal::ONE
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Rate {
    /// A rate without a multiplier or a surcharge, whose fee the member bears.
    ///
    /// ```
    /// use alliance_contracts::quote::Rate;
    /// let rate = Rate::plain(12, "0.01".parse()?, "0.05".parse()?, "0.1".parse()?);
    /// let json = r#"{"board":12,"fee":"0.01","source_value":"0.05","target_value":"0.1"}"#;
    /// assert_eq!(serde_json::to_string(&rate)?, json);
    /// let raised = Rate { multiplier: "1.25".parse()?, ..rate };
    /// let json = serde_json::to_string(&raised)?;
    /// assert!(json.contains(r#""fee":"0.01","multiplier":"1.25","source_value""#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn plain(
        board: u32,
        fee: Decimal,
        source_value: Decimal,
        target_value: Decimal,
    ) -> Self {
        Self {
            board,
            fee,
            fee_bearer: FeeBearer::Member,
            multiplier: Decimal::ONE,
            source_value,
            surcharge: Decimal::ZERO,
            target_value,
        }
    }

    /// What an order at this rate is computed from, given the two programs' decimals.
    #[must_use]
    pub const fn terms(&self, source_scale: u32, target_scale: u32) -> Terms {
        Terms {
            source_scale,
            source_value: self.source_value,
            target_scale,
            target_value: self.target_value,
            multiplier: self.multiplier,
            fee: self.fee,
            fee_bearer: self.fee_bearer,
        }
    }

    /// Whether every number of it is within the protocol's limits, and the surcharge in the fee.
    #[must_use]
    pub const fn in_range(&self) -> bool {
        limits::value_in_range(self.source_value)
            && limits::value_in_range(self.target_value)
            && limits::fee_rate_in_range(self.fee)
            && limits::multiplier_in_range(self.multiplier)
            && limits::surcharge_in_range(self.surcharge, self.fee)
    }
}

/// What a campaign adds to an order: points that arrive beside the target amount, in a lot of their
/// own. In a reversal, what is taken back of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Bonus {
    /// The campaign, whose budget pays.
    pub campaign: CampaignId,
    /// What the target partner is owed for the points, by the campaign's sponsor.
    pub cost: Decimal,
    /// Points of the target program.
    pub points: Decimal,
}

/// Who owes what to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Settlement {
    /// Who is owed the net.
    pub creditor: PartnerId,
    /// In which currency.
    pub currency: Currency,
    /// Who owes.
    pub debtor: PartnerId,
    /// Owed to the alliance for its service.
    pub fee: Decimal,
    /// `net + fee + remainder`.
    pub gross: Decimal,
    /// Owed to the creditor.
    pub net: Decimal,
    /// Owed to the alliance's rounding account.
    pub remainder: Decimal,
}

/// Answer of `POST /v1/quotes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quote {
    /// What a campaign adds; left out where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bonus: Option<Bonus>,
    /// Until when the terms stand.
    pub expires_at: Timestamp,
    /// When the points that arrive expire, where that is carried over; left out where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<CarriedExpiry>,
    /// Its id.
    pub id: QuoteId,
    /// What kind of order it is for.
    pub kind: TransactionKind,
    /// The rate.
    pub rate: Rate,
    /// The segment that was told, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<SegmentName>,
    /// Who will owe what; none within one partner.
    pub settlement: Option<Settlement>,
    /// What is given.
    pub source: QuoteSide,
    /// What arrives.
    pub target: QuoteSide,
    /// The tier that was asked for, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<TierName>,
    /// The terms as the gateway signed them: hand this in to perform the order.
    pub token: String,
}

/// One result of a batch of quotes: either member is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuoteResult {
    /// Why there is no quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<Quote>,
    /// The status that the request alone would have had.
    pub status: u16,
}

/// Answer of `POST /v1/quotes/batch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuoteBatch {
    /// In the order of the requests.
    pub results: Vec<QuoteResult>,
}

/// What a quote's token says (`typ` `alliance-quote+jws`); JCS order.
///
/// It is the answer without `token`, each `member` sealed for the gateway, plus the alliance and
/// the caller, so that any gateway of the alliance can honour it and nobody else can use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuoteClaims {
    /// The alliance that offered it.
    pub alliance: AllianceId,
    /// What a campaign adds, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bonus: Option<Bonus>,
    /// The partner it was offered to.
    pub caller: PartnerId,
    /// Until when it stands.
    pub expires_at: Timestamp,
    /// When the points that arrive expire, where that is carried over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<CarriedExpiry>,
    /// Its id.
    pub id: QuoteId,
    /// What kind of order it is for.
    pub kind: TransactionKind,
    /// The rate.
    pub rate: Rate,
    /// The segment that was told, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<SegmentName>,
    /// Who will owe what.
    pub settlement: Option<Settlement>,
    /// What is given; member sealed.
    pub source: QuoteSide,
    /// What arrives; member sealed.
    pub target: QuoteSide,
    /// The tier that was asked for, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<TierName>,
}
