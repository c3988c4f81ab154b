//! Commands: everything that can be asked of the writer, already parsed. From here on no field can
//! be malformed; ids and nonces were drawn at the door.

use std::sync::Arc;

use alliance_contracts::adjustment::Adjustment;
use alliance_contracts::agreement::Agreement;
use alliance_contracts::board::Board;
use alliance_contracts::campaign::Campaign;
use alliance_contracts::connector::Step;
use alliance_contracts::date::Date;
use alliance_contracts::debit_consent::DebitConsent;
use alliance_contracts::encoding::Hash;
use alliance_contracts::event::EventType;
use alliance_contracts::ids::{
    AgreementId, CampaignId, ConsentId, EndpointId, ErasureId, LinkId, QuoteId, RequestId,
    TransactionId, WindowId,
};
use alliance_contracts::jws::Parsed;
use alliance_contracts::keys::Kid;
use alliance_contracts::link::Consent;
use alliance_contracts::names::{
    Corridor, IdempotencyKey, MemberRef, PartnerId, ProgramId, ReasonCode, SourceReference,
};
use alliance_contracts::partner_key::ProvenKey;
use alliance_contracts::problem::{FieldError, ProblemCode};
use alliance_contracts::quote::{
    Bonus, CarriedExpiry, Rate, Settlement, SideAmount, TransactionKind,
};
use alliance_contracts::receipt::Posting;
use alliance_contracts::side::{AccountSide, ItemSide, SideOf};
use alliance_contracts::time::Timestamp;

use crate::alliance::{Definition, DefinitionFault, GatewayKeys, Registry, RotationFault};
use crate::ledger::working_set::{BankEntryRow, BankFile};
use crate::payments::matching::Tracked;
use crate::rates::feeds::{NotTaken, Observation};
use crate::rates::proposal::{OperatorName, Proposal};
use crate::rates::terms::BoardTerms;
use crate::rekeying::Rekeyed;
use crate::saga::{self, SignedAnswer};
use crate::vault::{Digest, MasterKeyId, Sought, Vault};
use crate::webhooks::{Report, Told};
use crate::windows::{NettedWindow, SettlementAction, SettlementFault};

/// A member's number: what the ledger knows it by, for ever; says nothing about the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberNo(pub i64);

/// The signed request that a command came in by: kept once, shared by all its orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestEvidence {
    /// The request.
    pub id: RequestId,
    /// Who signed.
    pub partner: PartnerId,
    /// With which key.
    pub kid: Kid,
    /// The RFC 9421 signature base.
    pub base: Vec<u8>,
    /// SHA-256 of `base`.
    pub base_hash: Hash,
    /// The signature over it.
    pub signature: [u8; 64],
    /// The body of a single order; none of a batch.
    pub body: Option<Vec<u8>>,
    /// The leaves of a batch's orders under `Alliance-Orders`; empty for a single order.
    pub orders: Vec<Hash>,
    /// The transactions that its orders become where they are performed; drawn at the door.
    pub transactions: Vec<TransactionId>,
    /// When it arrived.
    pub received_at: Timestamp,
}

/// Who asks, under which key, and what is compared when the key comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// Who asks.
    pub partner: PartnerId,
    /// The idempotency key.
    pub key: IdempotencyKey,
    /// SHA-256 of the order's bytes; of what names members, a blinded one.
    pub digest: Digest,
    /// The request it came in by.
    pub request: Arc<RequestEvidence>,
    /// Its place in a batch, from 0.
    pub index: u32,
}

/// A member's side of an order, as the quote has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderSide {
    /// The brand.
    pub partner: PartnerId,
    /// The program.
    pub program: ProgramId,
    /// Its decimals.
    pub scale: u32,
    /// The member as the caller named it.
    pub member: MemberRef,
    /// Where that member may be found.
    pub lookup: Sought,
    /// Points, in minor units.
    pub amount: i64,
    /// What it is entered as where its brand keeps its balance and nobody has named it before.
    pub newcomer: Option<Box<NewMember>>,
}

/// One side of an order, as the quote has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuotedSide {
    /// A member's account.
    Account(OrderSide),
    /// An item of a brand.
    Item(ItemSide),
    /// A brand alone: it gives no points.
    Partner(PartnerId),
}

impl QuotedSide {
    /// What a quoted side is to the ledger: its member looked up by, its points counted. None where
    /// its program is not here, or has fewer decimals.
    #[must_use]
    pub fn of(side: SideOf<MemberRef>, registry: &Registry, vault: &Vault) -> Option<Self> {
        let AccountSide { amount, member, partner, program } = match side {
            SideOf::Account(side) => side,
            SideOf::Item(item) => return Some(Self::Item(item)),
            SideOf::Partner { partner } => return Some(Self::Partner(partner)),
        };
        let scale = registry.program(&program)?.scale;
        let (amount, lookup) = (amount.to_minor(scale)?, vault.sought(&program, &member));
        Some(Self::Account(OrderSide {
            partner,
            program,
            scale,
            member,
            lookup,
            amount,
            newcomer: None,
        }))
    }

    /// The brand.
    #[must_use]
    pub const fn partner(&self) -> &PartnerId {
        match self {
            Self::Account(side) => &side.partner,
            Self::Item(item) => &item.partner,
            Self::Partner(partner) => partner,
        }
    }

    /// The member's side, where it is one.
    #[must_use]
    pub const fn account(&self) -> Option<&OrderSide> {
        match self {
            Self::Account(side) => Some(side),
            Self::Item(_) | Self::Partner(_) => None,
        }
    }

    /// The same, to be changed.
    #[must_use]
    pub const fn account_mut(&mut self) -> Option<&mut OrderSide> {
        match self {
            Self::Account(side) => Some(side),
            Self::Item(_) | Self::Partner(_) => None,
        }
    }

    /// The program, of a member's side.
    #[must_use]
    pub fn program(&self) -> Option<&ProgramId> {
        self.account().map(|side| &side.program)
    }
}

/// The terms of a quote that is ours and the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotedTerms {
    /// The quote.
    pub id: QuoteId,
    /// What kind of order it is for.
    pub kind: TransactionKind,
    /// Until when it stands.
    pub expires_at: Timestamp,
    /// The rate.
    pub rate: Rate,
    /// Who will owe what.
    pub settlement: Option<Settlement>,
    /// What is given.
    pub source: QuotedSide,
    /// What arrives.
    pub target: QuotedSide,
    /// What a campaign adds.
    pub bonus: Option<Bonus>,
    /// When what arrives expires, where that is carried over.
    pub expiry: Option<CarriedExpiry>,
}

/// What the door made of the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quoted {
    /// No quote of ours to this caller.
    Unknown,
    /// Ours, but past its end, and the key that its members were sealed under may be destroyed.
    Expired,
    /// Ours and open.
    Open(Box<QuotedTerms>),
}

/// Performs a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The new transaction's id.
    pub transaction: TransactionId,
    /// The caller's reference.
    pub source_reference: SourceReference,
    /// The terms.
    pub quote: Quoted,
}

/// Turns an earlier transaction round, all or part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverse {
    /// The new transaction's id.
    pub transaction: TransactionId,
    /// The original.
    pub original: TransactionId,
    /// Its corridor (immutable, read at the door).
    pub corridor: Corridor,
    /// Its members, one or two (immutable, read at the door).
    pub members: Vec<MemberNo>,
    /// How much; none: all that is left.
    pub amount: Option<SideAmount>,
    /// Why.
    pub reason: ReasonCode,
    /// The caller's reference.
    pub source_reference: SourceReference,
}

/// One account of a link to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkEnd {
    /// The brand.
    pub partner: PartnerId,
    /// The program.
    pub program: ProgramId,
    /// The member as the caller named it.
    pub member: MemberRef,
    /// Where it may be found.
    pub lookup: Sought,
    /// What it is entered as where its brand keeps its balance and nobody has named it before.
    pub newcomer: Option<Box<NewMember>>,
}

/// Proposes a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposeLink {
    /// The new link's id.
    pub link: LinkId,
    /// One account.
    pub a: LinkEnd,
    /// The other.
    pub b: LinkEnd,
    /// What the person has agreed to.
    pub consent: Consent,
    /// For sealing what the caller supplied of the other side.
    pub nonce: crate::vault::NonceBytes,
}

/// Forgets a member of the caller's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgetMember {
    /// The erasure's id.
    pub erasure: ErasureId,
    /// The member's program.
    pub program: ProgramId,
    /// Where the member may be found.
    pub lookup: Sought,
    /// Whether points that it still has are given up.
    pub forfeit: bool,
}

/// Freezes a member of the caller's own, or lets it go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreezeMember {
    /// The member's program.
    pub program: ProgramId,
    /// Where the member may be found.
    pub lookup: Sought,
    /// Whether it is to be frozen.
    pub frozen: bool,
}

/// Lets another partner order in the caller's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantConsent {
    /// The new consent's id.
    pub id: ConsentId,
    /// What it says: read from what is signed.
    pub consent: DebitConsent,
    /// The caller's JWS; not verified yet.
    pub signed: Parsed,
}

/// Proposes a version of an agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposeAgreement {
    /// The new version's id.
    pub id: AgreementId,
    /// What it says: read from what is signed.
    pub agreement: Agreement,
    /// The proposer's JWS; not verified yet.
    pub signed: Parsed,
}

/// Countersigns a version of an agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountersignAgreement {
    /// Which version.
    pub id: AgreementId,
    /// The countersigner's JWS; not verified yet.
    pub signed: Parsed,
}

/// A member to be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMember {
    /// The program.
    pub program: ProgramId,
    /// Where it may be found; in the books, in the first place.
    pub lookup: Sought,
    /// Its key, wrapped.
    pub wrapped_key: Vec<u8>,
    /// Its reference, sealed under its key.
    pub sealed_reference: Vec<u8>,
    /// Opening balance, in minor units.
    pub opening: i64,
}

/// A link to be imported: both partners have handed it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLink {
    /// The new link's id.
    pub link: LinkId,
    /// One account.
    pub a: (PartnerId, ProgramId, Sought),
    /// The other.
    pub b: (PartnerId, ProgramId, Sought),
    /// What the person has agreed to.
    pub consent: Consent,
}

/// A checkpoint that has been signed, to be stored before it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// Whose chain.
    pub corridor: Corridor,
    /// How many receipts.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
    /// The note, with its signatures.
    pub note: String,
    /// When it was signed.
    pub signed_at: Timestamp,
}

/// Applies a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Define {
    /// The definition, checked.
    pub definition: Definition,
    /// The id of the first settlement window, used where none is open.
    pub window: WindowId,
}

/// Publishes a board that was worked out beside the writer, which only sees that nothing it rests
/// on has changed since: orders never wait for the working out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The board.
    pub board: Board,
    /// What it says beside the values.
    pub terms: Arc<BoardTerms>,
    /// The proposals whose values it takes up.
    pub proposals: Vec<u32>,
    /// The version of the registry that it was worked out from.
    pub based_on: i64,
    /// Which time of the schedule it is for; none of one made by hand.
    pub slot: Option<Timestamp>,
}

/// A cosignature that was verified at the door, over a tree that is a part of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// Whose chain.
    pub corridor: Corridor,
    /// How many receipts.
    pub size: u64,
    /// Who has cosigned.
    pub partner: PartnerId,
    /// With which key.
    pub kid: Kid,
    /// When, as the cosignature says.
    pub cosigned_at: Timestamp,
    /// The checkpoint with the gateway's signatures and this cosignature.
    pub note: String,
}

/// Proposes changes of rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposeRates {
    /// What is proposed.
    pub proposal: Proposal,
    /// By whom.
    pub by: OperatorName,
}

/// Proposes a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposeCampaign {
    /// The new campaign's id.
    pub id: CampaignId,
    /// What it says.
    pub campaign: Campaign,
    /// Who proposes it.
    pub by: OperatorName,
}

/// Approves a campaign. That nobody gains by it was looked at beside the writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApproveCampaign {
    /// Which.
    pub id: CampaignId,
    /// Who approves it.
    pub by: OperatorName,
    /// The version of the registry that it was looked at in.
    pub based_on: i64,
}

/// Stops a campaign, or declines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopCampaign {
    /// Which.
    pub id: CampaignId,
    /// Who stops it.
    pub by: OperatorName,
}

/// What a brand has answered to a call, or that it has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The transaction.
    pub transaction: TransactionId,
    /// The call.
    pub step: Step,
    /// What came of it.
    pub answer: saga::Answer,
    /// The answer as it was signed; none where none came.
    pub signed: Option<SignedAnswer>,
    /// The transaction's corridor (immutable, read before).
    pub corridor: Corridor,
    /// Its members, one or two (immutable, read before).
    pub members: Vec<MemberNo>,
    /// Where its source's member may be found, unless that was forgotten.
    pub lookup: Option<Sought>,
    /// The transaction that it turns round.
    pub original: Option<TransactionId>,
}

/// Makes an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddEndpoint {
    /// The new endpoint's id.
    pub id: EndpointId,
    /// Where it is: looked at at the door.
    pub url: String,
    /// Which types of events it is sent; empty: all.
    pub types: Vec<EventType>,
    /// Its secret, wrapped.
    pub secret: Vec<u8>,
    /// The number of its partner's last event: it is sent what comes after.
    pub after: u64,
}

/// What is to become of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointChange {
    /// Other settings; none: as they are.
    Settings {
        /// Where it is: looked at at the door.
        url: Option<String>,
        /// Which types of events it is sent; empty: all.
        types: Option<Vec<EventType>>,
        /// Whether it is sent anything.
        active: Option<bool>,
    },
    /// Another secret.
    Secret {
        /// The secret, wrapped.
        wrapped: Vec<u8>,
        /// How long the one before signs, too.
        overlap_seconds: u32,
    },
    /// It goes.
    Remove,
    /// One event again.
    Resend(Told),
    /// Every event after this number, again or for once.
    Replay(u64),
}

/// Changes an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeEndpoint {
    /// Which.
    pub endpoint: EndpointId,
    /// How.
    pub change: EndpointChange,
}

/// Begins to rotate the master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeginRotation {
    /// The key that the books are under.
    pub from: MasterKeyId,
    /// The key that takes its place.
    pub to: MasterKeyId,
    /// What blinded digests in each generation so far, wrapped under `to`.
    pub blind_keys: Vec<(i64, Vec<u8>)>,
}

/// Closes the open window and opens the next, in one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseWindow {
    /// The window that is open, as whoever asks knows it: closing it again does nothing.
    pub window: WindowId,
    /// The id of the next.
    pub next: WindowId,
    /// The time of the schedule; none of one closed by hand.
    pub slot: Option<Timestamp>,
    /// Who closes it by hand.
    pub by: Option<OperatorName>,
    /// The day it is, where the alliance is.
    pub today: Date,
}

/// What a closed window comes to, worked out beside the writer: its receipts do not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetWindow {
    /// The window.
    pub window: WindowId,
    /// What it comes to.
    pub netted: NettedWindow,
}

/// An adjustment to be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAdjustment {
    /// Its id, and that of the request that its transaction names: nobody's.
    pub transaction: TransactionId,
    /// See `transaction`.
    pub request: RequestId,
    /// With whom.
    pub partner: PartnerId,
    /// Why, out of what.
    pub adjustment: Adjustment,
    /// What it moves.
    pub postings: Vec<Posting>,
    /// What it is called, once for ever.
    pub reference: SourceReference,
}

/// Posts the next of what follows from a window that was netted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostAdjustments {
    /// The window.
    pub window: WindowId,
    /// How many are to be posted, these included: fewer there are where somebody else has posted
    /// some meanwhile.
    pub left: u64,
    /// The next of them, in the order of their documents' names.
    pub adjustments: Vec<NewAdjustment>,
}

/// Proposes what takes a second person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposeSettlement {
    /// What is to be done.
    pub action: SettlementAction,
    /// Who wants it.
    pub by: OperatorName,
}

/// Takes in a bank's file, matched beside the writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportBank {
    /// The file.
    pub file: BankFile,
    /// Its entries that no file had told of before.
    pub entries: Vec<BankEntryRow>,
    /// Payments, as they are now.
    pub payments: Vec<Tracked>,
    /// Windows all of whose payments are paid by it.
    pub paid: Vec<WindowId>,
    /// What it posts.
    pub adjustments: Vec<NewAdjustment>,
    /// The version of the registry that it was matched in.
    pub based_on: i64,
}

/// Everything that can be asked of the writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A partner performs a quote.
    Order(Keyed, Order),
    /// A partner turns a transaction round.
    Reverse(Keyed, Reverse),
    /// A partner proposes a link.
    ProposeLink(Keyed, ProposeLink),
    /// A partner confirms a link of its member, which may be found there, too, while the master
    /// key is being rotated.
    ConfirmLink(Keyed, LinkId, Option<Sought>),
    /// A partner revokes a link.
    RevokeLink(Keyed, LinkId),
    /// A partner lets another order in its name.
    GrantConsent(Keyed, Box<GrantConsent>),
    /// A partner ends a consent that it has given, or been given.
    RevokeConsent(Keyed, ConsentId),
    /// A partner forgets a member of its own.
    ForgetMember(Keyed, ForgetMember),
    /// A partner freezes a member of its own, or lets it go.
    FreezeMember(Keyed, FreezeMember),
    /// A partner proposes a version of an agreement.
    ProposeAgreement(Keyed, Box<ProposeAgreement>),
    /// The other partner countersigns it.
    CountersignAgreement(Keyed, Box<CountersignAgreement>),
    /// A partner takes its proposal back, or declines the other's.
    WithdrawAgreement(Keyed, AgreementId),
    /// A partner reports on its own programs: all or none.
    ObserveAsPartner(Keyed, Arc<Vec<Observation>>),
    /// A partner registers a key that it has proven to possess.
    AddKey(Keyed, Box<ProvenKey>),
    /// A partner lets a key of its own end.
    RetireKey(Keyed, Kid, Timestamp),
    /// A partner revokes a key of its own.
    RevokeKey(Keyed, Kid),
    /// A partner cosigns a checkpoint.
    Cosign(Keyed, Box<Cosignature>),
    /// A partner makes an endpoint.
    AddEndpoint(Keyed, Box<AddEndpoint>),
    /// A partner changes an endpoint of its own.
    ChangeEndpoint(Keyed, Box<ChangeEndpoint>),
    /// A gateway takes up an endpoint of this partner's, to send it what it has to be sent.
    TakeEndpoint(PartnerId, EndpointId),
    /// A gateway hands in what came of it.
    Delivered(Box<Report>),
    /// An operator revokes a partner's key.
    RevokeKeyOf(PartnerId, Kid),
    /// An operator imports the gateway's key list; it was verified under the root key.
    ImportGatewayKeys(Box<GatewayKeys>),
    /// A gateway signs the partner key list anew, as the key that did is revoked.
    VouchForPartnerKeys,
    /// An operator imports what partners report: all or none.
    Observe(Arc<Vec<Observation>>),
    /// An operator imports members: all or none.
    ImportMembers(Arc<Vec<NewMember>>),
    /// An operator imports links: all or none.
    ImportLinks(Arc<Vec<NewLink>>),
    /// An operator applies a definition.
    Define(Box<Define>),
    /// An operator suspends a partner, or lets it trade again.
    Suspend(PartnerId, bool),
    /// The publisher, or an operator, publishes a board.
    Publish(Box<Publish>),
    /// An operator lets a pair that was frozen take orders again, in one direction.
    Release(ProgramId, ProgramId),
    /// An operator proposes changes of rates.
    ProposeRates(Box<ProposeRates>),
    /// Another operator approves them.
    ApproveRates(u32, OperatorName),
    /// An operator takes a proposal back.
    WithdrawProposal(u32, OperatorName),
    /// An operator proposes a campaign.
    ProposeCampaign(Box<ProposeCampaign>),
    /// An operator approves it.
    ApproveCampaign(Box<ApproveCampaign>),
    /// An operator stops it.
    StopCampaign(Box<StopCampaign>),
    /// A gateway by its schedule, or an operator, closes the open window.
    CloseWindow(Box<CloseWindow>),
    /// A gateway says what a closed window comes to.
    NetWindow(Box<NetWindow>),
    /// A gateway posts what follows from it.
    PostAdjustments(Box<PostAdjustments>),
    /// An operator proposes what takes a second person.
    ProposeSettlement(Box<ProposeSettlement>),
    /// Another operator approves it, and it is carried out.
    ApproveSettlement(u32, OperatorName),
    /// An operator takes it back.
    WithdrawSettlement(u32, OperatorName),
    /// An operator brings a bank's file.
    ImportBank(Box<ImportBank>),
    /// A gateway takes up the calls that these transactions wait for, as far as they are due.
    TakeCalls(Vec<TransactionId>),
    /// A gateway hands in what a brand has answered.
    Answered(Box<Answered>),
    /// An operator has a brand asked again now.
    AskAgain(TransactionId),
    /// A gateway stores a checkpoint that it has signed.
    StoreCheckpoint(SignedCheckpoint),
    /// A gateway names the master key that the books are under, where they name none.
    NameMasterKey(MasterKeyId),
    /// An operator begins to rotate the master key.
    BeginRotation(Box<BeginRotation>),
    /// What was under the master key before, under the one of the books.
    Rekey(Arc<Rekeyed>),
    /// Nothing is left under the master key before: this is the one that there is.
    EndRotation(MasterKeyId),
    /// A gateway brings the quote key of a period, wrapped; older ones are destroyed.
    StoreQuoteKey {
        /// Which period of time it is for.
        period: i64,
        /// The key, wrapped.
        wrapped: Vec<u8>,
        /// Periods before this are destroyed.
        destroy_before: i64,
    },
}

impl Command {
    /// Whether nothing of it is signed, whatever comes of it: a gateway whose key may not sign any
    /// more can carry it out.
    #[must_use]
    pub const fn needs_no_signature(&self) -> bool {
        matches!(
            self,
            Self::ImportGatewayKeys(_)
                | Self::StoreQuoteKey { .. }
                | Self::NameMasterKey(_)
                | Self::BeginRotation(_)
                | Self::Rekey(_)
                | Self::EndRotation(_)
        )
    }

    /// Who asked, of what partners ask.
    #[must_use]
    pub fn keyed(&self) -> Option<&Keyed> {
        match self {
            Self::Order(keyed, _)
            | Self::Reverse(keyed, _)
            | Self::ProposeLink(keyed, _)
            | Self::ConfirmLink(keyed, ..)
            | Self::RevokeLink(keyed, _)
            | Self::GrantConsent(keyed, _)
            | Self::RevokeConsent(keyed, _)
            | Self::ForgetMember(keyed, _)
            | Self::FreezeMember(keyed, _)
            | Self::ProposeAgreement(keyed, _)
            | Self::CountersignAgreement(keyed, _)
            | Self::WithdrawAgreement(keyed, _)
            | Self::AddKey(keyed, _)
            | Self::RetireKey(keyed, ..)
            | Self::RevokeKey(keyed, _)
            | Self::Cosign(keyed, _)
            | Self::AddEndpoint(keyed, _)
            | Self::ChangeEndpoint(keyed, _)
            | Self::ObserveAsPartner(keyed, _) => Some(keyed),
            _ => None,
        }
    }
}

/// What an import row breaks: its place in the command, and the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// Index of the row in the command.
    pub row: usize,
    /// What is wrong with it.
    pub fault: &'static str,
}

/// What became of a command. For partners' commands this is what the idempotency key keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The transaction was performed.
    Transaction(TransactionId),
    /// The link was made or changed.
    Link(LinkId),
    /// The consent was given or ended.
    Consent(ConsentId),
    /// A consent is faulty; nothing was changed. No decision: the key stays unused.
    ConsentRefused(Vec<FieldError>),
    /// The member was forgotten.
    Erased(ErasureId),
    /// The member was frozen, or let go.
    Member,
    /// The agreement was made or changed.
    Agreement(AgreementId),
    /// A partner's readings are in the books.
    Observed,
    /// A partner's key was registered or changed.
    Key(Kid),
    /// A cosignature is kept.
    Cosigned,
    /// An endpoint was made or changed.
    Endpoint(EndpointId),
    /// A key's times are faulty; nothing was changed. No decision: the key stays unused.
    KeyRefused(Vec<FieldError>),
    /// The gateway's key list may not take the place of the one that is known; nothing was changed.
    KeyListRefused(String),
    /// A rule was broken; nothing was changed.
    Refused(ProblemCode),
    /// An operator's command was carried out, on so many rows.
    Done(usize),
    /// An import was refused whole; nothing was changed.
    BadRows(Vec<RowFault>),
    /// A definition changes what may not change; nothing was changed.
    DefinitionRefused(Vec<DefinitionFault>),
    /// A board was worked out from what has changed since: work it out again.
    BoardStale,
    /// A partner's agreement is faulty; nothing was changed. No decision: the key stays unused.
    AgreementRefused(Vec<FieldError>),
    /// Readings are not to be believed, or not now; nothing was changed. No decision: a partner's
    /// key stays unused.
    ObservationsRefused(Vec<NotTaken>),
    /// A proposal about rates was made or changed.
    Proposal(u32),
    /// A proposal cannot be made or changed so; nothing was changed.
    ProposalRefused(Vec<String>),
    /// A campaign is faulty, or may not be approved by this operator; nothing was changed.
    CampaignRefused(Vec<FieldError>),
    /// A campaign was looked at in what has changed since: look again.
    CampaignStale,
    /// These calls belong to the gateway that asked, for a while.
    Taken(Vec<TransactionId>),
    /// The master key cannot be rotated so; nothing was changed.
    RotationRefused(RotationFault),
    /// A checkpoint contradicts one that was signed before: it must not be served.
    CheckpointRefused,
    /// A command about settlement breaks a rule; nothing was changed.
    SettlementRefused(SettlementFault),
    /// It was worked out from what has changed since: work it out again.
    SettlementStale,
}

/// What a partner's command came to, and whether this is the first answer again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// What became of it.
    pub outcome: Outcome,
    /// Whether the key had been used for the same order before.
    pub replayed: bool,
    /// The request that was decided first.
    pub first_request: Option<RequestId>,
}
