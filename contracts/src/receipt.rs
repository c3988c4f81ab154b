//! Receipts: what both brands can prove, for years, without us (protocol § 5).
//!
//! The payload is JCS: these structs declare their fields in that order and hold only strings,
//! small integers and each other, so one pass of the serialiser emits it. The signed bytes are the
//! truth; [`parse`] accepts exactly those bytes that emitting its result would give again.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::adjustment::Adjustment;
use crate::decimal::Decimal;
use crate::encoding::Hash;
use crate::ids::{CampaignId, IdError, QuoteId, ReceiptId, TransactionId, WindowId};
use crate::json;
use crate::keys::Kid;
use crate::limits::MAX_JSON_INTEGER;
use crate::names::{AllianceId, Corridor, Currency, NameError, PartnerId, ProgramId, Pseudonym};
use crate::quote::{Bonus, CarriedExpiry, Rate, Settlement, TransactionKind};
pub use crate::side::ReceiptSide;
use crate::time::Timestamp;

/// The version of the payload.
pub const VERSION: u32 = 1;

/// An account of the double-entry ledger, as postings name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// `member:<program>:<pseudonym>`: a member's points.
    Member(ProgramId, Pseudonym),
    /// `issued:<program>`: all points of a program that are out; a program's liability.
    Issued(ProgramId),
    /// `position:<partner>`: what a partner is owed (positive) or owes (negative).
    Position(PartnerId),
    /// `held:<partner>`: gross that a partner will owe when what is under way completes. Counts
    /// against its cap; no posting of a receipt names it.
    Held(PartnerId),
    /// `alliance:fees`.
    Fees,
    /// `alliance:rounding`.
    Rounding,
    /// `campaign:<id>`: what a campaign has spent, below zero.
    Campaign(CampaignId),
    /// `alliance:bank`: what came in from banks, below zero, and went out to them.
    Bank,
    /// `alliance:losses`: what partners did not pay, until the others have borne it.
    Losses,
    /// `prefunding:<partner>`: what a partner has brought in ahead of what it will owe.
    Prefunding(PartnerId),
    /// `collateral:<partner>`: what stands for a partner that does not pay.
    Collateral(PartnerId),
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(program, pseudonym) => write!(f, "member:{program}:{pseudonym}"),
            Self::Issued(program) => write!(f, "issued:{program}"),
            Self::Position(partner) => write!(f, "position:{partner}"),
            Self::Held(partner) => write!(f, "held:{partner}"),
            Self::Fees => f.write_str("alliance:fees"),
            Self::Rounding => f.write_str("alliance:rounding"),
            Self::Campaign(campaign) => write!(f, "campaign:{campaign}"),
            Self::Bank => f.write_str("alliance:bank"),
            Self::Losses => f.write_str("alliance:losses"),
            Self::Prefunding(partner) => write!(f, "prefunding:{partner}"),
            Self::Collateral(partner) => write!(f, "collateral:{partner}"),
        }
    }
}

impl FromStr for Account {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        match text.split_once(':').ok_or(AccountError::Unknown)? {
            ("alliance", "fees") => Ok(Self::Fees),
            ("alliance", "rounding") => Ok(Self::Rounding),
            ("alliance", "bank") => Ok(Self::Bank),
            ("alliance", "losses") => Ok(Self::Losses),
            ("prefunding", partner) => Ok(Self::Prefunding(partner.parse()?)),
            ("collateral", partner) => Ok(Self::Collateral(partner.parse()?)),
            ("campaign", campaign) => Ok(Self::Campaign(campaign.parse()?)),
            ("held", partner) => Ok(Self::Held(partner.parse()?)),
            ("issued", program) => Ok(Self::Issued(program.parse()?)),
            ("position", partner) => Ok(Self::Position(partner.parse()?)),
            ("member", rest) => {
                let (program, pseudonym) = rest.split_once(':').ok_or(AccountError::Unknown)?;
                Ok(Self::Member(program.parse()?, pseudonym.parse()?))
            }
            _ => Err(AccountError::Unknown),
        }
    }
}

/// Why a text names no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// No such kind of account.
    #[error("no account of this form")]
    Unknown,
    /// A name in it breaks its rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An id in it is none.
    #[error(transparent)]
    Id(#[from] IdError),
}

impl Serialize for Account {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// What a posting is counted in: points of a program or a currency.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asset {
    /// Points.
    Program(ProgramId),
    /// Money.
    Currency(Currency),
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(program) => program.fmt(f),
            Self::Currency(currency) => currency.fmt(f),
        }
    }
}

impl FromStr for Asset {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        // Currencies are upper case, programs lower: the two never meet.
        match text.parse() {
            Ok(currency) => Ok(Self::Currency(currency)),
            Err(_) => Ok(Self::Program(text.parse()?)),
        }
    }
}

impl Serialize for Asset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Asset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// One line of the journal: `debit` gives, `credit` receives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Posting {
    /// How much; above zero.
    pub amount: Decimal,
    /// Of what.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub asset: Asset,
    /// Who receives.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub credit: Account,
    /// Who gives.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub debit: Account,
}

/// A partner's own signature over what it asked for or answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// SHA-256 of the RFC 9421 signature base.
    pub base: Hash,
    /// The key it verifies under.
    pub kid: Kid,
    /// Whose it is.
    pub partner: PartnerId,
    /// The signature, base64.
    pub signature: String,
}

/// A receipt's payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Why an adjustment was made; left out of every other kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjustment: Option<Adjustment>,
    /// The alliance.
    pub alliance: AllianceId,
    /// What a campaign added, or of a reversal: what of it was taken back; left out where nothing
    /// was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bonus: Option<Bonus>,
    /// When it completed; never runs backwards within a corridor.
    pub completed_at: Timestamp,
    /// Whose chain it stands in.
    pub corridor: Corridor,
    /// The partners' own signatures.
    pub evidence: Vec<Evidence>,
    /// When the points that arrive expire, where that is carried over; left out where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<CarriedExpiry>,
    /// Its id.
    pub id: ReceiptId,
    /// What kind of transaction it is of.
    pub kind: TransactionKind,
    /// SHA-256 of the order's bytes.
    pub order: Hash,
    /// The journal lines, in the protocol's order.
    pub postings: Vec<Posting>,
    /// SHA-256 of the payload before it; zeros at `seq` 1.
    pub prev: Hash,
    /// The quote that was performed; none for a reversal.
    pub quote: Option<QuoteId>,
    /// The rate.
    pub rate: Rate,
    /// The transaction this one turns round.
    pub reverses: Option<TransactionId>,
    /// Its place in the chain, from 1.
    pub seq: u64,
    /// Who owes what; none within one partner.
    pub settlement: Option<Settlement>,
    /// What was given (of a reversal: the original's side).
    pub source: ReceiptSide,
    /// What arrived (of a reversal: the original's side).
    pub target: ReceiptSide,
    /// The transaction.
    pub transaction: TransactionId,
    /// Version of the payload: 1.
    pub v: u32,
    /// The settlement window of the commit.
    pub window: WindowId,
}

/// Why bytes are not a receipt's payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not the JSON of a receipt.
    #[error("not a receipt: {0}")]
    Malformed(String),
    /// A version this code does not know.
    #[error("a receipt of version {0}, which this verifier does not know")]
    UnknownVersion(u32),
    /// The same receipt in other bytes.
    #[error("not the canonical bytes of its receipt (RFC 8785)")]
    NotCanonical,
}

impl Receipt {
    /// The payload: RFC 8785 bytes, ready to hash and to sign.
    #[must_use]
    pub fn to_payload(&self) -> Vec<u8> {
        json::canonical(self)
    }
}

/// Reads a payload; `to_payload` of the result is these bytes again.
///
/// # Errors
/// [`ReceiptError`].
pub fn parse(payload: &[u8]) -> Result<Receipt, ReceiptError> {
    match json::read_canonical::<Receipt>(payload) {
        Some(receipt) if receipt.v == VERSION && receipt.seq <= MAX_JSON_INTEGER => Ok(receipt),
        _ => parse_with_reason(payload),
    }
}

/// The same, slower, with the reason of a refusal.
fn parse_with_reason(payload: &[u8]) -> Result<Receipt, ReceiptError> {
    let receipt: Receipt = json::read(payload)
        .map_err(|e| ReceiptError::Malformed(format!("{} {}", e.pointer, e.detail)))?;
    if receipt.v != VERSION {
        return Err(ReceiptError::UnknownVersion(receipt.v));
    }
    // Above it, RFC 8785 spells a number otherwise than by its digits.
    if receipt.seq > MAX_JSON_INTEGER {
        return Err(ReceiptError::Malformed("/seq beyond 2^53 - 1".to_owned()));
    }
    if receipt.to_payload() != payload {
        return Err(ReceiptError::NotCanonical);
    }
    Ok(receipt)
}
