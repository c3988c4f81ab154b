//! What a batch works on: loaded in one go before the first decision, written in one go after the
//! last. Hot rows (positions, fees, heads, balances) are folded here and written once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use alliance_contracts::adjustment::Adjustment;
use alliance_contracts::agreement::AgreementState;
use alliance_contracts::arithmetic::Reversed;
use alliance_contracts::board::{Board, FrozenPair};
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::{
    AgreementId, CampaignId, ConsentId, EndpointId, LinkId, QuoteId, RequestId, TransactionId,
    WindowId,
};
use alliance_contracts::keys::Kid;
use alliance_contracts::link::{Consent, LinkState};
use alliance_contracts::member::Erasure;
use alliance_contracts::merkle::Frontier;
use alliance_contracts::names::{
    Corridor, Currency, IdempotencyKey, MemberRef, PartnerId, Party, ProgramId, Pseudonym,
    ReasonCode, SourceReference,
};
use alliance_contracts::quote::{Bonus, CarriedExpiry, Rate, Settlement, TransactionKind};
use alliance_contracts::receipt::{Account, Asset};
use alliance_contracts::side::SideOf;
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::TransactionState;

use super::events::Happened;
use super::flow::{Direction, Flow, FlowEnd, FlowRow};
use super::kept::{Kept, Pair};
use super::lots::Lot;
use crate::alliance::{
    AgreementRecord, CampaignRecord, ConsentRecord, ConsentSpent, Definition, GatewayKeys,
    MasterKeyRecord, PartnerKeyRecord, PublishedBoard, Registry, RegistryChange,
};
use crate::command::{
    Command, Cosignature, EndpointChange, Keyed, LinkEnd, MemberNo, NewAdjustment, NewMember,
    Outcome, QuotedTerms, RequestEvidence, SignedCheckpoint,
};
use crate::events::NewEvents;
use crate::payments::instructions::EndToEndId;
use crate::payments::matching::Tracked;
use crate::payments::rounding::Settled;
use crate::rates::feeds::{Feeds, Observation};
use crate::rates::proposal::{OperatorName, RateProposal};
use crate::rates::terms::BoardTerms;
use crate::receipts::{ReceiptDraft, StoredReceipt, TreeNode};
use crate::rekeying::Rekeyed;
use crate::saga::{Saga, SignedAnswer};
use crate::vault::{Lookup, MemberKey, Sought, Vault};
use crate::webhooks::{AttemptRecord, DeliveryRecord, EndpointRecord};
use crate::windows::{SettlementProposal, WindowRecord};

/// What a batch needs to have loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Idempotency keys.
    pub keys: BTreeSet<(PartnerId, IdempotencyKey)>,
    /// Quotes, to know whether they are used.
    pub quotes: BTreeSet<QuoteId>,
    /// Source references, to know whether they are used.
    pub references: BTreeSet<(Party, SourceReference)>,
    /// Members by where they are found; the active links between any two of them come along.
    pub lookups: BTreeSet<Lookup>,
    /// Of those, the pairs that orders are about.
    pub pairs: BTreeSet<Pair>,
    /// Of those, members that orders name alone.
    pub alone: BTreeSet<Sought>,
    /// Members by number.
    pub members: BTreeSet<MemberNo>,
    /// Members to be forgotten, by where they are found: all their links come along, with the other
    /// members of those, and the transactions of theirs that are pending.
    pub forgotten: BTreeSet<Lookup>,
    /// Links by id; their members come along.
    pub links: BTreeSet<LinkId>,
    /// Agreements by id.
    pub agreements: BTreeSet<AgreementId>,
    /// Pairs, the lower first, whose agreement that waits for its second signature is wanted.
    pub proposals: BTreeSet<(PartnerId, PartnerId)>,
    /// Transactions by id.
    pub transactions: BTreeSet<TransactionId>,
    /// Transactions under way, or that have been, at connected brands.
    pub sagas: BTreeSet<TransactionId>,
    /// Transactions, to know whether a reversal of them is under way.
    pub reversals: BTreeSet<TransactionId>,
    /// Partners whose endpoints are wanted, all that are there.
    pub endpoints_of: BTreeSet<PartnerId>,
    /// Deliveries, by endpoint and number.
    pub deliveries: BTreeSet<(EndpointId, u64)>,
    /// Chain heads.
    pub corridors: BTreeSet<Corridor>,
    /// Accounts of the ledger other than members'.
    pub accounts: BTreeSet<(Account, Asset)>,
    /// Flows, by direction.
    pub flows: BTreeSet<Direction>,
    /// What members gave in a corridor in a day, by where the member is found.
    pub member_days: BTreeSet<(Lookup, Corridor)>,
    /// Consents, to know what was ordered under them.
    pub consents: BTreeSet<ConsentId>,
}

impl Wanted {
    /// What adjustments move, and the chains that they are in.
    fn add_adjustments(&mut self, currency: &Currency, adjustments: &[NewAdjustment]) {
        for made in adjustments {
            self.corridors.insert(Corridor::with_alliance(&made.partner));
            for line in &made.postings {
                for account in [&line.debit, &line.credit] {
                    self.accounts.insert((account.clone(), Asset::Currency(currency.clone())));
                }
            }
        }
    }

    /// Adds what a command needs.
    pub fn add(&mut self, registry: &Registry, command: &Command) {
        if let Some(keyed) = command.keyed() {
            self.keys.insert((keyed.partner.clone(), keyed.key.clone()));
        }
        match command {
            Command::Order(keyed, order) => {
                let reference = (Party::from(&keyed.partner), order.source_reference.clone());
                self.references.insert(reference);
                if let crate::command::Quoted::Open(terms) = &order.quote {
                    self.quotes.insert(terms.id);
                    self.add_order(registry, terms);
                    self.add_consents(registry, &keyed.partner, terms);
                    if let Some(bonus) = &terms.bonus {
                        self.add_campaign(registry, bonus.campaign);
                    }
                }
            }
            Command::CloseWindow(_)
            | Command::NetWindow(_)
            | Command::ProposeSettlement(_)
            | Command::ApproveSettlement(..)
            | Command::WithdrawSettlement(..) => {}
            Command::PostAdjustments(posting) => {
                self.add_adjustments(&registry.definition.currency, &posting.adjustments);
            }
            Command::ImportBank(import) => {
                self.add_adjustments(&registry.definition.currency, &import.adjustments);
            }
            Command::Reverse(keyed, order) => {
                let reference = (Party::from(&keyed.partner), order.source_reference.clone());
                self.references.insert(reference);
                self.transactions.insert(order.original);
                if registry.has_connectors() {
                    self.reversals.insert(order.original);
                }
                self.members.extend(&order.members);
                self.add_corridor(registry, &order.corridor);
                self.add_flows(registry, &order.corridor);
                self.add_campaigns(registry, &order.corridor);
            }
            Command::ProposeLink(_, proposal) => {
                self.lookups.extend(proposal.a.lookup.places());
                self.lookups.extend(proposal.b.lookup.places());
            }
            Command::ConfirmLink(_, link, at) => {
                self.links.insert(*link);
                self.lookups.extend(at.iter().flat_map(Sought::places));
            }
            Command::RevokeLink(_, link) => {
                self.links.insert(*link);
            }
            Command::ForgetMember(_, order) => {
                self.lookups.extend(order.lookup.places());
                self.forgotten.extend(order.lookup.places());
            }
            Command::FreezeMember(_, order) => {
                self.lookups.extend(order.lookup.places());
            }
            Command::ProposeAgreement(_, order) => {
                let agreement = &order.agreement;
                self.proposals.insert((agreement.a.clone(), agreement.b.clone()));
            }
            Command::CountersignAgreement(_, order) => {
                self.agreements.insert(order.id);
            }
            Command::WithdrawAgreement(_, id) => {
                self.agreements.insert(*id);
            }
            Command::ImportMembers(members) => {
                self.lookups.extend(members.iter().flat_map(|member| member.lookup.places()));
                let programs = registry.definition.programs.iter();
                self.accounts.extend(programs.map(|p| issued(&p.program)));
            }
            Command::ImportLinks(links) => {
                let ends = links.iter().flat_map(|link| [&link.a.2, &link.b.2]);
                self.lookups.extend(ends.flat_map(Sought::places));
            }
            Command::TakeCalls(transactions) => self.sagas.extend(transactions),
            Command::AskAgain(id) => {
                self.sagas.insert(*id);
            }
            Command::Answered(told) => {
                self.sagas.insert(told.transaction);
                self.transactions.insert(told.transaction);
                self.transactions.extend(told.original);
                self.members.extend(told.members.iter().copied());
                self.add_corridor(registry, &told.corridor);
                self.add_flows(registry, &told.corridor);
                self.add_member_day(told.lookup.as_ref(), &told.corridor);
            }
            Command::StoreCheckpoint(checkpoint) => {
                self.corridors.insert(checkpoint.corridor.clone());
            }
            Command::Cosign(_, cosignature) => {
                self.corridors.insert(cosignature.corridor.clone());
            }
            Command::AddEndpoint(keyed, _) => {
                self.endpoints_of.insert(keyed.partner.clone());
            }
            Command::ChangeEndpoint(keyed, asked) => {
                self.endpoints_of.insert(keyed.partner.clone());
                if let EndpointChange::Resend(told) = &asked.change {
                    self.deliveries.insert((asked.endpoint, told.number));
                }
            }
            Command::TakeEndpoint(partner, _) => {
                self.endpoints_of.insert(partner.clone());
            }
            Command::Delivered(report) => {
                self.endpoints_of.insert(report.partner.clone());
                let sent = report.attempts.iter().map(|attempt| &attempt.told);
                let told = sent.chain(report.waiting.iter().map(|(told, _)| told));
                self.deliveries.extend(told.map(|told| (report.endpoint, told.number)));
            }
            Command::GrantConsent(..)
            | Command::RevokeConsent(..)
            | Command::AddKey(..)
            | Command::RetireKey(..)
            | Command::RevokeKey(..)
            | Command::RevokeKeyOf(..)
            | Command::ImportGatewayKeys(_)
            | Command::VouchForPartnerKeys
            | Command::Observe(_)
            | Command::ObserveAsPartner(..)
            | Command::Define(_)
            | Command::Suspend(..)
            | Command::Publish(_)
            | Command::Release(..)
            | Command::ProposeRates(_)
            | Command::ApproveRates(..)
            | Command::WithdrawProposal(..)
            | Command::ProposeCampaign(_)
            | Command::ApproveCampaign(_)
            | Command::StopCampaign(_)
            | Command::NameMasterKey(_)
            | Command::BeginRotation(_)
            | Command::Rekey(_)
            | Command::EndRotation(_)
            | Command::StoreQuoteKey { .. } => {}
        }
    }

    fn add_order(&mut self, registry: &Registry, terms: &QuotedTerms) {
        let (source, target) = (terms.source.account(), terms.target.account());
        match (source, target) {
            (Some(source), Some(target)) => {
                self.pairs.insert(pair(source.lookup, target.lookup));
            }
            (one, other) => self.alone.extend(one.or(other).map(|side| side.lookup)),
        }
        for side in [source, target].into_iter().flatten() {
            self.lookups.extend(side.lookup.places());
            self.accounts.insert(issued(&side.program));
        }
        let (giver, taker) = (terms.source.partner(), terms.target.partner());
        let corridor = Corridor::between(giver, taker);
        self.add_corridor(registry, &corridor);
        if giver != taker {
            let direction = (FlowEnd::quoted(&terms.source), FlowEnd::quoted(&terms.target));
            self.flows.insert(direction);
        }
        if registry.limits_orders(giver, taker) {
            self.add_flows(registry, &corridor);
            self.add_member_day(source.map(|source| &source.lookup), &corridor);
        }
    }

    fn add_member_day(&mut self, source: Option<&Sought>, corridor: &Corridor) {
        let places = source.into_iter().flat_map(Sought::places);
        self.member_days.extend(places.map(|at| (at, corridor.clone())));
    }

    /// Every flow that a reversal in this corridor can turn back: which, its original says.
    fn add_flows(&mut self, registry: &Registry, corridor: &Corridor) {
        let (low, high) = corridor.parties();
        let (Ok(low), Ok(high)) = (low.parse(), high.parse()) else { return };
        self.flows.extend(registry.directions(&low, &high));
        self.flows.extend(registry.directions(&high, &low));
    }

    /// Every consent that the order may be under, where its caller is not its source.
    fn add_consents(&mut self, registry: &Registry, caller: &PartnerId, terms: &QuotedTerms) {
        let source = terms.source.partner();
        if source != caller {
            self.consents.extend(registry.consents_between(source, caller).map(|one| one.id));
        }
    }

    fn add_campaign(&mut self, registry: &Registry, campaign: CampaignId) {
        let money = Asset::Currency(registry.definition.currency.clone());
        self.accounts.insert((Account::Campaign(campaign), money));
    }

    /// Every campaign that a reversal in this corridor can give money back to.
    fn add_campaigns(&mut self, registry: &Registry, corridor: &Corridor) {
        for record in &registry.campaigns {
            let target = registry.program(&record.campaign.target);
            if target.is_some_and(|target| corridor.includes(&target.partner)) {
                self.add_campaign(registry, record.id);
            }
        }
    }

    /// A chain's head, and every account that a receipt in it can touch.
    fn add_corridor(&mut self, registry: &Registry, corridor: &Corridor) {
        let money = Asset::Currency(registry.definition.currency.clone());
        let (low, high) = corridor.parties();
        for partner in [low, high].into_iter().filter_map(|name| name.parse().ok()) {
            if registry.has_connectors() {
                self.accounts.insert((Account::Held(PartnerId::clone(&partner)), money.clone()));
            }
            self.accounts.insert((Account::Position(partner), money.clone()));
        }
        let programs = registry.definition.programs.iter();
        let theirs = programs.filter(|program| corridor.includes(&program.partner));
        self.accounts.extend(theirs.map(|program| issued(&program.program)));
        self.accounts.insert((Account::Fees, money.clone()));
        self.accounts.insert((Account::Rounding, money));
        self.corridors.insert(corridor.clone());
    }
}

/// Two members by where they are found, the lower first.
fn pair(one: Sought, other: Sought) -> Pair {
    if one <= other { (one, other) } else { (other, one) }
}

/// Two members by number, the lower first.
fn ends(one: MemberNo, other: MemberNo) -> (MemberNo, MemberNo) {
    if one <= other { (one, other) } else { (other, one) }
}

fn issued(program: &ProgramId) -> (Account, Asset) {
    (Account::Issued(program.clone()), Asset::Program(program.clone()))
}

/// What an idempotency key was used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Whose key.
    pub partner: PartnerId,
    /// The key.
    pub key: IdempotencyKey,
    /// SHA-256 of the order's bytes.
    pub digest: Hash,
    /// What was decided: a transaction, a link, or a refusal that is a decision.
    pub outcome: Outcome,
    /// The request that was decided.
    pub request: RequestId,
}

/// A member of a hosted program.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its number.
    pub member: MemberNo,
    /// The program.
    pub program: ProgramId,
    /// Where it is found; none once forgotten.
    pub lookup: Option<Lookup>,
    /// Its key; none once forgotten.
    pub key: Option<MemberKey>,
    /// Its reference; none once forgotten.
    pub reference: Option<MemberRef>,
    /// Points it has, in minor units.
    pub balance: i64,
    /// Whether it is frozen.
    pub frozen: bool,
    /// Of its points, those that are held, or were.
    pub lots: Vec<Lot>,
}

/// One account of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSideRecord {
    /// The brand.
    pub partner: PartnerId,
    /// The program.
    pub program: ProgramId,
    /// The member; none while nobody has said that it exists.
    pub member: Option<MemberNo>,
    /// Where the member is to be found, while `member` is none.
    pub lookup: Option<Lookup>,
    /// What the proposer called it, sealed under the proposer's member's key; none for its own.
    pub supplied: Option<Vec<u8>>,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRecord {
    /// Its id.
    pub id: LinkId,
    /// Where it stands.
    pub state: LinkState,
    /// One account.
    pub a: LinkSideRecord,
    /// The other.
    pub b: LinkSideRecord,
    /// What the person has agreed to.
    pub consent: Consent,
    /// Who proposed it.
    pub proposed_by: PartnerId,
    /// When.
    pub created_at: Timestamp,
}

impl LinkRecord {
    /// Whether this partner is a party to it.
    #[must_use]
    pub fn includes(&self, partner: &PartnerId) -> bool {
        self.a.partner == *partner || self.b.partner == *partner
    }

    /// Whether it allows this kind of order then.
    #[must_use]
    pub fn allows(&self, kind: TransactionKind, now: Timestamp) -> bool {
        self.state == LinkState::Active
            && self.consent.scope.contains(&kind)
            && self.consent.until.is_none_or(|until| now < until)
    }
}

/// A member of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenMember {
    /// The member; none where the row does not say.
    pub number: Option<MemberNo>,
    /// As seen in the corridor.
    pub pseudonym: Pseudonym,
}

/// One side of a transaction.
pub type TransactionSideRecord = SideOf<SeenMember>;

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionRecord {
    /// Its id.
    pub id: TransactionId,
    /// What kind of order it performs.
    pub kind: TransactionKind,
    /// Where it stands.
    pub state: TransactionState,
    /// Who asked for it.
    pub caller: Party,
    /// The caller's reference.
    pub source_reference: SourceReference,
    /// The quote it performs.
    pub quote: Option<QuoteId>,
    /// SHA-256 of the order's bytes.
    pub order: Hash,
    /// What was given (of a reversal: the original's side).
    pub source: TransactionSideRecord,
    /// What arrived (of a reversal: the original's side).
    pub target: TransactionSideRecord,
    /// The rate.
    pub rate: Rate,
    /// Who owes what.
    pub settlement: Option<Settlement>,
    /// What a campaign has added; of a reversal, what of it was taken back.
    pub bonus: Option<Bonus>,
    /// When what arrives expires, where that is carried over.
    pub expiry: Option<CarriedExpiry>,
    /// Why an adjustment was made; none of any other kind.
    pub adjustment: Option<Adjustment>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it completed.
    pub completed_at: Option<Timestamp>,
    /// How much of it has been turned round, in minor units.
    pub reversed: Reversed,
    /// The transaction it turns round.
    pub reverses: Option<TransactionId>,
    /// Why.
    pub reason: Option<ReasonCode>,
    /// Its chain.
    pub corridor: Corridor,
    /// Its receipt's place in the chain, once completed.
    pub seq: Option<u64>,
    /// The request that asked for it.
    pub request: RequestId,
    /// Its place in a batch request.
    pub request_index: u32,
}

impl TransactionRecord {
    /// The members of source and target, where they have one.
    #[must_use]
    pub fn members(&self) -> [Option<MemberNo>; 2] {
        [&self.source, &self.target].map(|side| side.member().and_then(|seen| seen.number))
    }
}

/// The end of a corridor's chain.
#[derive(Clone, Debug)]
pub struct ChainHead {
    /// The last receipt's number; 0 for an empty chain.
    pub seq: u64,
    /// SHA-256 of its payload; zeros for an empty chain.
    pub head: Hash,
    /// The Merkle tree's right edge.
    pub frontier: Frontier,
    /// The last receipt's time.
    pub completed_at: Timestamp,
    /// The last checkpoint that was signed.
    pub checkpoint: Option<SignedCheckpoint>,
}

impl Default for ChainHead {
    fn default() -> Self {
        Self {
            seq: 0,
            head: Hash::ZERO,
            frontier: Frontier::new(),
            completed_at: Timestamp::from_millis(0),
            checkpoint: None,
        }
    }
}

/// An account's new balance, in minor units of the asset (money: 10⁻⁶).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountBalance {
    /// The account; never a member's.
    pub account: Account,
    /// Counted in.
    pub asset: Asset,
    /// Received less given.
    pub balance: i128,
}

/// What a member gave in a corridor in one UTC day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDay {
    /// The member.
    pub member: MemberNo,
    /// To whom: the corridor of the member's partner and the other.
    pub corridor: Corridor,
    /// The day, counted from 1970.
    pub day: i64,
    /// Points, in minor units of the member's program.
    pub given: i64,
}

/// A board to be written; signed by the sequencer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardRow {
    /// What it says.
    pub board: Board,
    /// What it says beside the values.
    pub terms: Arc<BoardTerms>,
    /// Which time of the schedule it is for; of one made by hand, that of the board before.
    pub slot: Option<Timestamp>,
}

/// A reading to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservationRow {
    /// The reading.
    pub observation: Observation,
    /// Who sent it; none of what an operator imported.
    pub partner: Option<PartnerId>,
    /// When it was taken in.
    pub taken_at: Timestamp,
}

/// A member to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRow {
    /// Its number.
    pub member: MemberNo,
    /// What was handed in.
    pub new: NewMember,
}

/// A definition to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionRow {
    /// Its number.
    pub version: i64,
    /// The document.
    pub definition: Definition,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// Whether partner keys changed, so that a new list is to be signed.
    pub keys_changed: bool,
    /// The first window, where none is open.
    pub window: Option<WindowId>,
}

/// What a key was accepted for, other than orders: those keep their whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUseRow {
    /// The key.
    pub kid: Kid,
    /// The request that it signed.
    pub request: RequestId,
    /// Whose it is.
    pub partner: PartnerId,
    /// When the request arrived.
    pub received_at: Timestamp,
    /// What it was: `link`, `agreement`, ….
    pub what: &'static str,
    /// What it changed; none where that has no name.
    pub subject: Option<String>,
}

/// A member that was forgotten, to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureRow {
    /// Its number: the row stays, without key, reference and look-up.
    pub member: MemberNo,
    /// What is signed.
    pub erasure: Erasure,
    /// The same, signed by the sequencer.
    pub jws: Option<String>,
}

/// Everything a batch writes, in one commit.
#[derive(Clone, Debug, Default)]
pub struct Writes {
    /// New idempotency keys.
    pub keys: Vec<KeyRecord>,
    /// The requests that new transactions came in by.
    pub requests: BTreeMap<RequestId, Arc<RequestEvidence>>,
    /// New transactions.
    pub transactions: Vec<TransactionRecord>,
    /// Older transactions that a reversal changed: state and totals reversed.
    pub reversed: BTreeMap<TransactionId, (TransactionState, Reversed)>,
    /// Transactions that were pending, as they have ended.
    pub finished: BTreeMap<TransactionId, TransactionRecord>,
    /// Transactions under way at connected brands, as they are now; none: gone.
    pub sagas: BTreeMap<TransactionId, Option<Saga>>,
    /// What brands have answered.
    pub answers: Vec<SignedAnswer>,
    /// New or changed endpoints.
    pub endpoints: BTreeMap<EndpointId, EndpointRecord>,
    /// What has become of events at endpoints.
    pub deliveries: BTreeMap<(EndpointId, u64), DeliveryRecord>,
    /// Attempts to deliver.
    pub attempts: Vec<AttemptRecord>,
    /// New balances of members.
    pub balances: BTreeMap<MemberNo, i64>,
    /// New balances of the other accounts.
    pub accounts: BTreeMap<(Account, Asset), i128>,
    /// New receipts, signed.
    pub receipts: Vec<StoredReceipt>,
    /// New chain heads; each with the head it replaces, asserted by the store.
    pub heads: BTreeMap<Corridor, (u64, ChainHead)>,
    /// New roots of complete Merkle subtrees.
    pub nodes: Vec<TreeNode>,
    /// What partners are told, by partner.
    pub events: Vec<NewEvents>,
    /// New or changed links.
    pub links: BTreeMap<LinkId, LinkRecord>,
    /// New or changed agreements.
    pub agreements: BTreeMap<AgreementId, AgreementRecord>,
    /// New or changed campaigns.
    pub campaigns: BTreeMap<CampaignId, CampaignRecord>,
    /// Lots by member, campaign and day: as they are now; none: gone.
    pub lots: BTreeMap<(MemberNo, CampaignId, i64), Option<Lot>>,
    /// New members.
    pub members: Vec<MemberRow>,
    /// New or ended consents to be debited.
    pub consents: BTreeMap<ConsentId, ConsentRecord>,
    /// What was ordered under consents.
    pub consents_spent: BTreeMap<ConsentId, ConsentSpent>,
    /// Members that were forgotten.
    pub erasures: Vec<ErasureRow>,
    /// Members frozen (when), or let go.
    pub frozen_members: BTreeMap<MemberNo, Option<Timestamp>>,
    /// A new definition.
    pub definition: Option<DefinitionRow>,
    /// A new board.
    pub board: Option<BoardRow>,
    /// `board`, signed.
    pub board_jws: Option<String>,
    /// Pairs frozen, or released.
    pub frozen: BTreeMap<(ProgramId, ProgramId), Option<FrozenPair>>,
    /// New flows, by direction.
    pub flows: BTreeMap<Direction, Flow>,
    /// What members gave in a day.
    pub member_days: BTreeMap<(MemberNo, Corridor), MemberDay>,
    /// What is known of programs whose feeds have reported.
    pub feeds: BTreeMap<ProgramId, Feeds>,
    /// The readings that it follows from.
    pub observations: Vec<ObservationRow>,
    /// New or changed proposals about rates.
    pub proposals: BTreeMap<u32, RateProposal>,
    /// Partners' keys, new or changed.
    pub partner_keys: BTreeMap<Kid, PartnerKeyRecord>,
    /// Whether the partner key list is to be signed anew, though no key has changed.
    pub partner_keys_anew: bool,
    /// Partner key list signed for `definition`, `partner_keys` and `partner_keys_anew`.
    pub partner_keys_jws: Option<String>,
    /// A new list of the gateway's keys.
    pub gateway_keys: Option<GatewayKeys>,
    /// What keys were accepted for, other than orders.
    pub key_uses: Vec<KeyUseRow>,
    /// Cosignatures.
    pub cosignatures: Vec<Cosignature>,
    /// Partners suspended (when) or let go.
    pub suspensions: BTreeMap<PartnerId, Option<Timestamp>>,
    /// Checkpoints.
    pub checkpoints: BTreeMap<Corridor, SignedCheckpoint>,
    /// A quote key: period, wrapped, and the period before which keys are destroyed.
    pub quote_key: Option<(i64, Vec<u8>, i64)>,
    /// Generations of the master key, new or changed.
    pub master_keys: Vec<MasterKeyRecord>,
    /// Rows brought under the master key of the books.
    pub rekeyed: Option<Rekeyed>,
    /// Settlement windows, new or as they are now.
    pub windows: BTreeMap<WindowId, WindowRecord>,
    /// The window that is closed: what every chain has grown by since the one before is its.
    pub closes: Option<WindowId>,
    /// What a window comes to for each party.
    pub window_lines: Vec<WindowLine>,
    /// Documents of windows.
    pub window_documents: Vec<WindowDocument>,
    /// Payments, new or as far as they are now.
    pub payments: BTreeMap<EndToEndId, Tracked>,
    /// Proposals about settlement, new or as they are now.
    pub settlement_proposals: BTreeMap<u32, SettlementProposal>,
    /// A bank's file that was taken in.
    pub bank_file: Option<BankFile>,
    /// What it said.
    pub bank_entries: Vec<BankEntryRow>,
}

/// A party's line of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowLine {
    /// The window.
    pub window: WindowId,
    /// What it comes to.
    pub settled: Settled,
}

/// A document of a window: bytes that are served and cited as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowDocument {
    /// The window.
    pub window: WindowId,
    /// What it is called: `certificate`, `carried`, `fee_share/…`, `campaign_cost/…`.
    pub name: String,
    /// The bytes.
    pub document: Vec<u8>,
}

/// A bank's file, known by its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankFile {
    /// SHA-256 of its bytes.
    pub hash: Hash,
    /// What whoever brought it calls it.
    pub name: String,
    /// Who brought it.
    pub by: OperatorName,
    /// When.
    pub at: Timestamp,
    /// How many entries it has.
    pub entries: u64,
}

/// An entry of a bank's file, and what it became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankEntryRow {
    /// What tells it from every other entry.
    pub key: Hash,
    /// The file that told of it first.
    pub file: Hash,
    /// Its place in that file, from 1.
    pub place: u64,
    /// The payment that it is of; none where it is nobody's.
    pub payment: Option<EndToEndId>,
    /// What it became, in words.
    pub became: String,
    /// What the bank said, as JSON.
    pub entry: String,
}

impl Writes {
    /// Whether the batch changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
            && self.transactions.is_empty()
            && self.sagas.is_empty()
            && self.endpoints.is_empty()
            && self.deliveries.is_empty()
            && self.links.is_empty()
            && self.agreements.is_empty()
            && self.campaigns.is_empty()
            && self.lots.is_empty()
            && self.members.is_empty()
            && self.consents.is_empty()
            && self.erasures.is_empty()
            && self.frozen_members.is_empty()
            && self.definition.is_none()
            && self.board.is_none()
            && self.frozen.is_empty()
            && self.feeds.is_empty()
            && self.observations.is_empty()
            && self.proposals.is_empty()
            && self.suspensions.is_empty()
            && self.partner_keys.is_empty()
            && !self.partner_keys_anew
            && self.gateway_keys.is_none()
            && self.key_uses.is_empty()
            && self.cosignatures.is_empty()
            && self.checkpoints.is_empty()
            && self.quote_key.is_none()
            && self.master_keys.is_empty()
            && self.rekeyed.is_none()
            && self.windows.is_empty()
            && self.settlement_proposals.is_empty()
            && self.bank_file.is_none()
    }

    /// Whether the partner key list is another one after the batch.
    #[must_use]
    pub fn changes_partner_keys(&self) -> bool {
        !self.partner_keys.is_empty()
            || self.partner_keys_anew
            || self.definition.as_ref().is_some_and(|d| d.keys_changed)
    }

    /// Whether the registry is another one after the batch.
    #[must_use]
    pub fn changes_registry(&self) -> bool {
        self.board.is_some()
            || !self.frozen.is_empty()
            || !self.feeds.is_empty()
            || !self.windows.is_empty()
            || !self.settlement_proposals.is_empty()
            || self.bank_file.is_some()
            || self.changes_agreed()
    }

    /// What the batch changes of the registry; none where it changes more of it than what comes and
    /// goes while the alliance runs. Then it is read again.
    #[must_use]
    pub fn registry_change(&self) -> Option<RegistryChange> {
        if self.changes_agreed() {
            return None;
        }
        let board = match (&self.board, &self.board_jws) {
            (Some(BoardRow { board, terms, slot }), Some(jws)) => {
                let (board, jws, terms) = (board.clone(), jws.clone(), terms.clone());
                Some(PublishedBoard { board, jws, terms, slot: *slot })
            }
            _ => None,
        };
        Some(RegistryChange {
            board,
            feeds: self.feeds.clone(),
            frozen: self.frozen.clone(),
            windows: self.windows.clone(),
            settlement_proposals: self.settlement_proposals.clone(),
        })
    }

    /// Whether what people have agreed on, or may do, is another after the batch.
    fn changes_agreed(&self) -> bool {
        let active = |record: &AgreementRecord| record.state == AgreementState::Active;
        self.definition.is_some()
            || !self.suspensions.is_empty()
            || !self.partner_keys.is_empty()
            || self.partner_keys_anew
            || self.gateway_keys.is_some()
            || !self.proposals.is_empty()
            || !self.campaigns.is_empty()
            || !self.consents.is_empty()
            || !self.master_keys.is_empty()
            || self.agreements.values().any(active)
    }
}

/// What a batch works on.
pub struct WorkingSet {
    /// The agreements of the moment.
    pub registry: Arc<Registry>,
    /// Opens members and names them in corridors.
    pub vault: Arc<Vault>,
    /// The number that the next new member gets.
    pub next_member: MemberNo,
    /// What is to be written.
    pub writes: Writes,
    /// Receipts to be chained, in order.
    pub drafts: Vec<ReceiptDraft>,
    /// What partners are to be told, in order.
    pub(crate) happened: Vec<Happened>,
    pub(crate) keys: HashMap<(PartnerId, IdempotencyKey), KeyRecord>,
    pub(crate) quotes: BTreeSet<QuoteId>,
    pub(crate) references: BTreeSet<(Party, SourceReference)>,
    pub(crate) members: HashMap<MemberNo, Member>,
    pub(crate) by_lookup: HashMap<Lookup, MemberNo>,
    pub(crate) links: HashMap<LinkId, LinkRecord>,
    /// Links by the two members they join, the lower first.
    pub(crate) links_between: HashMap<(MemberNo, MemberNo), Vec<LinkId>>,
    /// Pairs whose members are here, and every active link between them.
    pub(crate) pairs: HashSet<Pair>,
    pub(crate) agreements: HashMap<AgreementId, AgreementRecord>,
    pub(crate) transactions: HashMap<TransactionId, TransactionRecord>,
    pub(crate) sagas: HashMap<TransactionId, Saga>,
    /// Transactions of which a reversal is under way.
    pub(crate) reversing: HashSet<TransactionId>,
    /// Transactions that were pending when the batch began, of members to be forgotten.
    pub(crate) pending: Vec<(MemberNo, TransactionId)>,
    /// What was ordered under consents.
    pub(crate) consents_spent: HashMap<ConsentId, ConsentSpent>,
    pub(crate) endpoints: BTreeMap<EndpointId, EndpointRecord>,
    pub(crate) deliveries: HashMap<(EndpointId, u64), DeliveryRecord>,
    pub(crate) accounts: HashMap<(Account, Asset), i128>,
    pub(crate) heads: HashMap<Corridor, ChainHead>,
    /// By direction.
    pub(crate) flows: HashMap<Direction, Flow>,
    pub(crate) member_days: HashMap<(MemberNo, Corridor), MemberDay>,
}

/// What the store has loaded.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The number that the next new member gets.
    pub next_member: i64,
    /// Keys that have been used.
    pub keys: Vec<KeyRecord>,
    /// Quotes that have been used.
    pub quotes: Vec<QuoteId>,
    /// References that have been used by transactions that did not fail.
    pub references: Vec<(Party, SourceReference)>,
    /// Members, still sealed.
    pub members: Vec<SealedMember>,
    /// Links.
    pub links: Vec<LinkRecord>,
    /// Agreements.
    pub agreements: Vec<AgreementRecord>,
    /// Transactions.
    pub transactions: Vec<TransactionRecord>,
    /// Transactions under way, or that have been, at connected brands.
    pub sagas: Vec<Saga>,
    /// Transactions of which a reversal is under way.
    pub reversing: Vec<TransactionId>,
    /// Pending transactions of members to be forgotten.
    pub pending: Vec<(MemberNo, TransactionId)>,
    /// What was ordered under consents.
    pub consents_spent: Vec<ConsentSpent>,
    /// Endpoints.
    pub endpoints: Vec<EndpointRecord>,
    /// What has become of events at endpoints.
    pub deliveries: Vec<DeliveryRecord>,
    /// Accounts other than members'.
    pub accounts: Vec<AccountBalance>,
    /// Chain heads.
    pub heads: Vec<(Corridor, ChainHead)>,
    /// Flows.
    pub flows: Vec<FlowRow>,
    /// What members gave in a day.
    pub member_days: Vec<MemberDay>,
}

/// A member as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedMember {
    /// Its number.
    pub member: MemberNo,
    /// The program.
    pub program: ProgramId,
    /// Where it is found.
    pub lookup: Option<Lookup>,
    /// Its key, wrapped.
    pub wrapped_key: Option<Vec<u8>>,
    /// Its reference, sealed.
    pub sealed_reference: Option<Vec<u8>>,
    /// Points it has, in minor units.
    pub balance: i64,
    /// Whether it is frozen.
    pub frozen: bool,
    /// Of its points, those that are held, or were.
    pub lots: Vec<Lot>,
}

impl SealedMember {
    /// The member, opened; what does not open counts as forgotten.
    #[must_use]
    pub fn open(self, vault: &Vault) -> Member {
        let key = self.wrapped_key.and_then(|wrapped| vault.unwrap(&wrapped).ok());
        let reference = key
            .as_ref()
            .zip(self.sealed_reference)
            .and_then(|(key, sealed)| key.open(&sealed).ok());
        Member {
            member: self.member,
            program: self.program,
            lookup: self.lookup,
            key,
            reference,
            balance: self.balance,
            frozen: self.frozen,
            lots: self.lots,
        }
    }
}

impl WorkingSet {
    /// The set of what was loaded.
    #[must_use]
    pub fn new(registry: Arc<Registry>, vault: Arc<Vault>, loaded: Loaded) -> Self {
        let mut set = Self {
            registry,
            vault,
            next_member: MemberNo(loaded.next_member),
            writes: Writes::default(),
            drafts: Vec::new(),
            happened: Vec::new(),
            keys: HashMap::new(),
            quotes: BTreeSet::new(),
            references: BTreeSet::new(),
            members: HashMap::new(),
            by_lookup: HashMap::new(),
            links: HashMap::new(),
            links_between: HashMap::new(),
            pairs: HashSet::new(),
            agreements: HashMap::new(),
            transactions: HashMap::new(),
            sagas: HashMap::new(),
            reversing: HashSet::new(),
            pending: Vec::new(),
            consents_spent: HashMap::new(),
            endpoints: BTreeMap::new(),
            deliveries: HashMap::new(),
            accounts: HashMap::new(),
            heads: HashMap::new(),
            flows: HashMap::new(),
            member_days: HashMap::new(),
        };
        set.take(loaded);
        set
    }

    /// The set of what is kept and of what was loaded beside it because it was not.
    #[must_use]
    pub fn resume(
        registry: Arc<Registry>,
        vault: Arc<Vault>,
        kept: Option<Kept>,
        loaded: Loaded,
        wanted: &Wanted,
    ) -> Self {
        let empty = Loaded { next_member: loaded.next_member, ..Loaded::default() };
        let mut set = Self::new(registry, vault, empty);
        if let Some(kept) = kept {
            set.members = kept.members;
            set.by_lookup = kept.by_lookup;
            set.links = kept.links;
            set.links_between = kept.links_between;
            set.pairs = kept.pairs;
            set.accounts = kept.accounts;
            set.heads = kept.heads;
            set.flows = kept.flows;
        }
        set.take(loaded);
        // Who is not found is asked for again: kept is what is there.
        for pair in &wanted.pairs {
            if set.found(&pair.0).is_some() && set.found(&pair.1).is_some() {
                set.pairs.insert(*pair);
            }
        }
        for account in &wanted.accounts {
            set.accounts.entry(account.clone()).or_insert(0);
        }
        for pair in &wanted.flows {
            set.flows.entry(pair.clone()).or_default();
        }
        set
    }

    fn take(&mut self, loaded: Loaded) {
        self.keys.extend(
            loaded.keys.into_iter().map(|key| ((key.partner.clone(), key.key.clone()), key)),
        );
        self.quotes.extend(loaded.quotes);
        self.references.extend(loaded.references);
        for sealed in loaded.members {
            let member = sealed.open(&self.vault);
            if let Some(lookup) = member.lookup {
                self.by_lookup.insert(lookup, member.member);
            }
            self.members.insert(member.member, member);
        }
        for link in loaded.links {
            self.put_link(link);
        }
        self.agreements.extend(loaded.agreements.into_iter().map(|one| (one.id, one)));
        self.transactions.extend(loaded.transactions.into_iter().map(|t| (t.id, t)));
        self.sagas.extend(loaded.sagas.into_iter().map(|saga| (saga.transaction, saga)));
        self.reversing.extend(loaded.reversing);
        self.pending.extend(loaded.pending);
        let spent = loaded.consents_spent.into_iter();
        self.consents_spent.extend(spent.map(|spent| (spent.consent, spent)));
        self.endpoints.extend(loaded.endpoints.into_iter().map(|one| (one.id, one)));
        let deliveries = loaded.deliveries.into_iter();
        self.deliveries.extend(deliveries.map(|one| ((one.endpoint, one.told.number), one)));
        self.accounts
            .extend(loaded.accounts.into_iter().map(|a| ((a.account, a.asset), a.balance)));
        self.heads.extend(loaded.heads);
        let days = loaded.member_days.into_iter();
        self.member_days.extend(days.map(|day| ((day.member, day.corridor.clone()), day)));
        self.flows.extend(loaded.flows.into_iter().map(|row| ((row.source, row.target), row.flow)));
    }

    /// Takes a link in, or its new version.
    pub(crate) fn put_link(&mut self, link: LinkRecord) {
        if let Some((a, b)) = link.a.member.zip(link.b.member) {
            let between = self.links_between.entry(ends(a, b)).or_default();
            if !between.contains(&link.id) {
                between.push(link.id);
            }
        }
        self.links.insert(link.id, link);
    }

    /// What a key was used for.
    #[must_use]
    pub fn key(&self, partner: &PartnerId, key: &IdempotencyKey) -> Option<&KeyRecord> {
        self.keys.get(&(partner.clone(), key.clone()))
    }

    /// Notes that a key has been used.
    pub fn remember_key(&mut self, keyed: &Keyed, outcome: Outcome) {
        let record = KeyRecord {
            partner: keyed.partner.clone(),
            key: keyed.key.clone(),
            digest: keyed.digest.kept,
            outcome,
            request: keyed.request.id,
        };
        self.keys.insert((keyed.partner.clone(), keyed.key.clone()), record.clone());
        self.writes.keys.push(record);
    }

    /// A transaction.
    #[must_use]
    pub fn transaction(&self, id: &TransactionId) -> Option<&TransactionRecord> {
        self.transactions.get(id)
    }

    /// A link.
    #[must_use]
    pub fn link(&self, id: &LinkId) -> Option<&LinkRecord> {
        self.links.get(id)
    }

    /// The member that is sought.
    #[must_use]
    pub fn found(&self, sought: &Sought) -> Option<&Member> {
        sought.places().find_map(|place| self.found_at(&place))
    }

    /// The member that is found there.
    #[must_use]
    pub fn found_at(&self, place: &Lookup) -> Option<&Member> {
        self.members.get(self.by_lookup.get(place)?)
    }

    /// A member by number.
    #[must_use]
    pub fn member(&self, member: MemberNo) -> Option<&Member> {
        self.members.get(&member)
    }

    /// The link between two members, in either order, that allows a kind of order then.
    #[must_use]
    pub fn link_between(
        &self,
        one: MemberNo,
        other: MemberNo,
        kind: TransactionKind,
        now: Timestamp,
    ) -> Option<&LinkRecord> {
        let between = self.links_between.get(&ends(one, other))?;
        let links = between.iter().filter_map(|id| self.links.get(id));
        links.into_iter().find(|link| link.allows(kind, now))
    }

    /// An account's balance.
    #[must_use]
    pub fn account(&self, account: &Account, asset: &Asset) -> i128 {
        self.accounts.get(&(account.clone(), asset.clone())).copied().unwrap_or(0)
    }

    /// What a member gave in a corridor, on the last day that it gave anything.
    #[must_use]
    pub fn member_day(&self, member: MemberNo, corridor: &Corridor) -> Option<&MemberDay> {
        self.member_days.get(&(member, corridor.clone()))
    }

    /// Notes what a member gave in a day.
    pub(crate) fn put_member_day(&mut self, given: MemberDay) {
        let place = (given.member, given.corridor.clone());
        self.member_days.insert(place.clone(), given.clone());
        self.writes.member_days.insert(place, given);
    }

    /// A consent as this batch has left it.
    #[must_use]
    pub fn consent(&self, id: &ConsentId) -> Option<&ConsentRecord> {
        self.writes.consents.get(id).or_else(|| self.registry.consent(id).map(AsRef::as_ref))
    }

    /// What was ordered under a consent, on the last day that anything was.
    #[must_use]
    pub fn consent_spent(&self, id: &ConsentId) -> Option<&ConsentSpent> {
        self.consents_spent.get(id)
    }

    /// Notes what was ordered under a consent.
    pub(crate) fn put_consent_spent(&mut self, spent: ConsentSpent) {
        self.consents_spent.insert(spent.consent, spent);
        self.writes.consents_spent.insert(spent.consent, spent);
    }

    /// What has been ordered in one direction.
    #[must_use]
    pub fn flow(&self, direction: &Direction) -> Flow {
        self.flows.get(direction).copied().unwrap_or_default()
    }

    /// Notes what has been ordered in one direction.
    pub(crate) fn put_flow(&mut self, direction: Direction, flow: Flow) {
        self.flows.insert(direction.clone(), flow);
        self.writes.flows.insert(direction, flow);
    }

    /// The member that a link end names, where it is the caller's own.
    pub(crate) fn own<'a>(&'a self, caller: &PartnerId, end: &LinkEnd) -> Option<&'a Member> {
        if end.partner == *caller { self.found(&end.lookup) } else { None }
    }
}
