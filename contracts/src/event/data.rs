//! What each type of event says; JCS order. A partner reads the same for ever: nothing here changes
//! after the event, and nothing here names a member otherwise than by its pseudonym.

use serde::{Deserialize, Serialize};

use crate::agreement::AgreementState;
use crate::campaign::CampaignState;
use crate::date::Date;
use crate::encoding::Hash;
use crate::endpoint::EndpointState;
use crate::ids::{
    AgreementId, CampaignId, ConsentId, EndpointId, ErasureId, LinkId, QuoteId, ReceiptId,
    StatementId, TransactionId, WindowId,
};
use crate::link::{Consent, LinkState};
use crate::names::{Corridor, Currency, PartnerId, ProgramId, Pseudonym};
use crate::quote::{Bonus, CarriedExpiry, Rate, Settlement, TransactionKind};
use crate::receipt::ReceiptSide;
use crate::time::Timestamp;
use crate::total::Total;
use crate::transaction::{ReversedTotals, TransactionState};

/// `transaction.*`: where the transaction stood after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TransactionEvent {
    /// What a campaign added, or of a reversal: what of it was taken back; left out where nothing
    /// was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bonus: Option<Bonus>,
    /// When it completed; none while pending, and of one that failed.
    pub completed_at: Option<Timestamp>,
    /// Whose chain it belongs to.
    pub corridor: Corridor,
    /// When the points that arrive expire, where that is carried over; left out where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<CarriedExpiry>,
    /// The transaction.
    pub id: TransactionId,
    /// What kind of order it performs.
    pub kind: TransactionKind,
    /// The quote it performs; none for a reversal.
    pub quote: Option<QuoteId>,
    /// The rate.
    pub rate: Rate,
    /// Its receipt; none where there is none.
    pub receipt: Option<ReceiptId>,
    /// How much of it has been turned round.
    pub reversed: ReversedTotals,
    /// The transaction it turns round; left out where it turns none round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<TransactionId>,
    /// Its receipt's place in the chain; none where there is none.
    pub seq: Option<u64>,
    /// Who owes what; none within one partner.
    pub settlement: Option<Settlement>,
    /// What was given (of a reversal: the original's side).
    pub source: ReceiptSide,
    /// Where it stood.
    pub state: TransactionState,
    /// What arrived (of a reversal: the original's side).
    pub target: ReceiptSide,
}

/// One account of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkEventSide {
    /// The member, as seen in the two partners' corridor; none while its own partner has not said
    /// that there is one.
    pub member: Option<Pseudonym>,
    /// The brand.
    pub partner: PartnerId,
    /// The program.
    pub program: ProgramId,
}

/// `link.*`: where the link stood after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkEvent {
    /// One account.
    pub a: LinkEventSide,
    /// The other.
    pub b: LinkEventSide,
    /// What the person has agreed to.
    pub consent: Consent,
    /// The link.
    pub id: LinkId,
    /// Who proposed it.
    pub proposed_by: PartnerId,
    /// Where it stood.
    pub state: LinkState,
}

/// `consent.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsentEvent {
    /// The consent.
    pub id: ConsentId,
    /// Who will owe.
    pub source: PartnerId,
    /// Who may order.
    pub target: PartnerId,
}

/// `member.forgotten`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberEvent {
    /// What was forgotten: `GET /v1/erasures/{id}` says more.
    pub erasure: ErasureId,
    /// The member's program.
    pub program: ProgramId,
}

/// `board.published`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BoardEvent {
    /// Its number.
    pub board: u32,
    /// From when it holds.
    pub effective_at: Timestamp,
    /// SHA-256 of its payload: what is signed.
    pub hash: Hash,
    /// SHA-256 of the payload of the board before it.
    pub previous: Hash,
    /// When it was made.
    pub published_at: Timestamp,
}

/// `pair.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PairEvent {
    /// The board whose rate was its last; none of one that was released.
    pub board: Option<u32>,
    /// Whose points are given.
    pub source: ProgramId,
    /// Whose points arrive.
    pub target: ProgramId,
}

/// `override.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OverrideEvent {
    /// The first board that it is so on.
    pub board: u32,
    /// Whose points are given.
    pub source: ProgramId,
    /// Whose points arrive.
    pub target: ProgramId,
}

/// `agreement.*`: where the version stood after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgreementEvent {
    /// One partner.
    pub a: PartnerId,
    /// The other.
    pub b: PartnerId,
    /// From when it holds, once both have signed.
    pub effective_at: Timestamp,
    /// SHA-256 of the bytes that are signed.
    pub hash: Hash,
    /// The version's id.
    pub id: AgreementId,
    /// Who proposed it.
    pub proposed_by: PartnerId,
    /// Where it stood.
    pub state: AgreementState,
    /// Its number.
    pub version: u32,
}

/// `campaign.*`: where the campaign stood after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CampaignEvent {
    /// The campaign.
    pub id: CampaignId,
    /// What people call it.
    pub name: String,
    /// Where it stood.
    pub state: CampaignState,
    /// How many of its three warning levels were reached; told to its sponsor alone, and left out
    /// for everybody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warned: Option<u32>,
}

/// `partner.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartnerEvent {
    /// The partner.
    pub partner: PartnerId,
}

/// `statement.*`: the figures of a partner's statement. Told to its own partner alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatementEvent {
    /// The opening of the next window.
    pub carried: Total,
    /// The settlement currency.
    pub currency: Currency,
    /// The statement.
    pub id: StatementId,
    /// Above zero the partner is owed.
    pub net: Total,
    /// Its number: the window's.
    pub number: u64,
    /// What banks move; above zero the partner is paid.
    pub payment: Total,
    /// When its payments are due; left out where nothing is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = Date))]
    pub value_date: Option<Date>,
    /// The window.
    pub window: WindowId,
}

/// `endpoint.*`: where the endpoint stood after it. Told to its own partner alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndpointEvent {
    /// The endpoint.
    pub id: EndpointId,
    /// Where it stood.
    pub state: EndpointState,
}
