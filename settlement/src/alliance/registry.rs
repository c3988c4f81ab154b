//! The registry: the snapshot of what is agreed that orders are priced and decided by.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use alliance_contracts::board::{Board, CommittedTerms, FrozenPair, PairTerms, TermsTree};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::{ConsentId, WindowId};
use alliance_contracts::jws;
use alliance_contracts::keys::{Kid, PublicKey};
use alliance_contracts::limits;
use alliance_contracts::names::{AllianceId, Currency, PartnerId, ProgramId};
use alliance_contracts::program::Balances;
use alliance_contracts::time::Timestamp;
use alliance_contracts::window::WindowState;

use crate::ledger::flow::{Direction, FlowEnd};
use crate::rates::feeds::Feeds;
use crate::rates::proposal::{ProposalState, RateProposal};
use crate::rates::terms::{AgreedTerms, BoardTerms, DirectedRate};

use crate::windows::{SettlementProposal, WindowRecord};

use super::agreements::AgreementRecord;
use super::campaigns::CampaignRecord;
use super::consents::ConsentRecord;
use super::definition::{
    AgreementDefinition, Definition, PartnerDefinition, ProgramDefinition, Scope, pair,
};
use super::keys::{self, Checked, GatewayKeys, ListedKey, MayNotSign, PartnerKeyRecord};
use super::master::MasterKeys;
use super::terms::AgreementTerms;

/// A partner key, ready to verify with.
#[derive(Clone, Debug)]
pub struct PartnerKey {
    /// Whose it is.
    pub partner: PartnerId,
    /// The key.
    pub public: PublicKey,
    /// What it may do.
    pub scope: Scope,
    /// From when it holds.
    pub nbf: Option<Timestamp>,
    /// Until when.
    pub exp: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was registered over the API; none of a key that stands in the definition.
    pub added_at: Option<Timestamp>,
}

impl PartnerKey {
    /// Whether a signature made then counts.
    #[must_use]
    pub fn valid_at(&self, at: Timestamp) -> bool {
        self.nbf.is_none_or(|nbf| nbf <= at)
            && self.exp.is_none_or(|exp| at < exp)
            && self.revoked_at.is_none_or(|revoked| at < revoked)
    }
}

/// The snapshot that orders are priced and decided by: [`RegistryParts`], to be looked up in. Cheap
/// to share, never changed in place.
#[derive(Clone, Debug)]
pub struct Registry {
    /// Grows with every change to any part of it; 0 before the first definition.
    pub seen_version: i64,
    parts: RegistryParts,
    partners: BTreeMap<PartnerId, usize>,
    programs: BTreeMap<ProgramId, usize>,
    agreements: HashMap<(PartnerId, PartnerId), usize>,
    /// Versions that both have signed, by pair, the first version first.
    signed: Arc<Signed>,
    keys: HashMap<Kid, PartnerKey>,
    /// For each of `boards`, its values and the places of its terms.
    rates: Vec<Arc<RatesIndex>>,
}

/// Versions that both have signed, by pair.
type Signed = HashMap<(PartnerId, PartnerId), Vec<Arc<AgreementRecord>>>;

#[derive(Clone, Debug)]
struct RatesIndex {
    values: HashMap<ProgramId, Decimal>,
    agreed: HashMap<(PartnerId, PartnerId), usize>,
    terms: HashMap<(ProgramId, ProgramId), usize>,
    /// Made when it is first asked for.
    tree: OnceLock<TermsTree>,
}

impl RatesIndex {
    fn of(published: &PublishedBoard) -> Self {
        let values = published.board.values.iter();
        let agreed = published.terms.agreed.iter().enumerate();
        let terms = published.terms.pairs.iter().enumerate();
        Self {
            agreed: agreed.map(|(at, agreed)| (pair(&agreed.a, &agreed.b), at)).collect(),
            values: values.map(|v| (v.program.clone(), v.value)).collect(),
            terms: terms.map(|(at, t)| ((t.source.clone(), t.target.clone()), at)).collect(),
            tree: OnceLock::new(),
        }
    }
}

/// A board as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedBoard {
    /// What it says.
    pub board: Board,
    /// The same, as signed.
    pub jws: String,
    /// What it says beside the values.
    pub terms: Arc<BoardTerms>,
    /// Which time of the schedule it was made for; of one made by hand, that of the board before.
    pub slot: Option<Timestamp>,
}

impl PublishedBoard {
    /// SHA-256 of the payload: what the next board names as the one before it.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&self.board.payload())
    }
}

impl PublishedBoard {
    /// The terms that are wanted, each with what proves that the board commits to it.
    #[must_use]
    pub fn committed(&self, wanted: impl Fn(&PairTerms) -> bool) -> Vec<CommittedTerms> {
        commit(&self.terms.pairs, &TermsTree::of(&self.terms.pairs), wanted)
    }
}

fn commit(
    terms: &[PairTerms],
    tree: &TermsTree,
    wanted: impl Fn(&PairTerms) -> bool,
) -> Vec<CommittedTerms> {
    let wanted = terms.iter().enumerate().filter(|(_, terms)| wanted(terms));
    wanted.map(|(at, terms)| tree.commit(at, terms.clone())).collect()
}

/// A board of the registry, to look things up in.
#[derive(Clone, Copy, Debug)]
pub struct BoardView<'a> {
    /// The board.
    pub published: &'a PublishedBoard,
    index: &'a RatesIndex,
}

impl<'a> BoardView<'a> {
    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.published.board.board
    }

    /// A program's value.
    #[must_use]
    pub fn value(&self, program: &ProgramId) -> Option<Decimal> {
        self.index.values.get(program).copied()
    }

    /// The terms that are wanted, each with what proves that the board commits to it.
    #[must_use]
    pub fn committed(&self, wanted: impl Fn(&PairTerms) -> bool) -> Vec<CommittedTerms> {
        let pairs = &self.published.terms.pairs;
        commit(pairs, self.index.tree.get_or_init(|| TermsTree::of(pairs)), wanted)
    }

    /// What it says of one direction of a pair, where it says anything.
    #[must_use]
    pub fn terms(&self, source: &ProgramId, target: &ProgramId) -> Option<&'a PairTerms> {
        let at = self.index.terms.get(&(source.clone(), target.clone()))?;
        self.published.terms.pairs.get(*at)
    }

    /// What two partners have agreed on, as this board has taken it up.
    #[must_use]
    pub fn agreed(&self, a: &PartnerId, b: &PartnerId) -> Option<&'a AgreedTerms> {
        self.published.terms.agreed.get(*self.index.agreed.get(&pair(a, b))?)
    }

    /// What an order of this direction gets; none where the partners had no agreement when the
    /// board was made, or the pair is withheld.
    #[must_use]
    pub fn directed(
        &self,
        source: &ProgramDefinition,
        target: &ProgramDefinition,
    ) -> Option<DirectedRate> {
        if source.partner == target.partner {
            return Some(DirectedRate::WITHIN);
        }
        let agreed = self.agreed(&source.partner, &target.partner)?;
        agreed.directed(self.terms(&source.program, &target.program))
    }
}

/// What a registry is made of, as the store has it.
#[derive(Clone, Debug)]
pub struct RegistryParts {
    /// The definition as applied.
    pub definition: Definition,
    /// Its number.
    pub version: i64,
    /// The last two boards, by number: the one in force, and the one before it or after it.
    pub boards: Vec<PublishedBoard>,
    /// The partner key list's signed statement.
    pub partner_keys_jws: String,
    /// The open settlement window.
    pub window: WindowId,
    /// Windows whose obligations have not been discharged, the open one last, by number.
    pub windows: Vec<WindowRecord>,
    /// Proposals about settlement that wait for a second person, and the newest, by number.
    pub settlement_proposals: Vec<SettlementProposal>,
    /// Partners that may not trade now.
    pub suspended: Vec<PartnerId>,
    /// Pairs that take no orders in one direction now, by source and target.
    pub frozen: Vec<FrozenPair>,
    /// What is known of each program whose feeds have reported.
    pub feeds: BTreeMap<ProgramId, Feeds>,
    /// Proposals about rates that are open, and the newest others, by number.
    pub proposals: Vec<RateProposal>,
    /// Every version of an agreement that both partners have signed: of before, in force, and
    /// still to come.
    pub agreements: Vec<Arc<AgreementRecord>>,
    /// Every campaign, whatever its state, by id.
    pub campaigns: Vec<Arc<CampaignRecord>>,
    /// Every consent to be debited, whatever its state, by id.
    pub consents: Vec<Arc<ConsentRecord>>,
    /// Partners' keys as they were changed after the definition, by name.
    pub partner_keys: Vec<PartnerKeyRecord>,
    /// The gateway's key list that was imported last; none before the first.
    pub gateway_keys: Option<Arc<GatewayKeys>>,
    /// The master keys that the books have been under.
    pub master_keys: MasterKeys,
}

/// What a batch has changed of the registry, where that is little: all else stays as it is.
#[derive(Clone, Debug, Default)]
pub struct RegistryChange {
    /// The next board.
    pub board: Option<PublishedBoard>,
    /// What is known now of programs whose feeds have reported.
    pub feeds: BTreeMap<ProgramId, Feeds>,
    /// Pairs frozen, or released.
    pub frozen: BTreeMap<(ProgramId, ProgramId), Option<FrozenPair>>,
    /// Windows, new or as they are now.
    pub windows: BTreeMap<WindowId, WindowRecord>,
    /// Proposals about settlement, new or as they are now.
    pub settlement_proposals: BTreeMap<u32, SettlementProposal>,
}

impl RegistryParts {
    /// Windows and proposals as they are now: what is over is left out.
    fn take_windows(
        &mut self,
        windows: BTreeMap<WindowId, WindowRecord>,
        proposals: BTreeMap<u32, SettlementProposal>,
    ) {
        if !windows.is_empty() {
            self.windows.retain(|window| !windows.contains_key(&window.id));
            self.windows.extend(windows.into_values().filter(|window| window.ended_at.is_none()));
            self.windows.sort_by_key(|window| window.number);
        }
        if let Some(open) = self.windows.iter().find(|w| w.state == WindowState::Open) {
            self.window = open.id;
        }
        if !proposals.is_empty() {
            self.settlement_proposals.retain(|one| !proposals.contains_key(&one.number));
            self.settlement_proposals.extend(proposals.into_values());
            self.settlement_proposals.sort_by_key(|one| one.number);
            let newest = self.settlement_proposals.last().map(|one| one.number);
            self.settlement_proposals.retain(|one| one.is_open() || Some(one.number) == newest);
        }
    }

    /// A window whose obligations have not been discharged.
    #[must_use]
    pub fn window_of(&self, id: &WindowId) -> Option<&WindowRecord> {
        self.windows.iter().find(|window| window.id == *id)
    }
}

/// So many boards the registry has: see [`RegistryParts::boards`].
const BOARDS: usize = 2;

impl std::ops::Deref for Registry {
    type Target = RegistryParts;
    fn deref(&self) -> &RegistryParts {
        &self.parts
    }
}

/// Tests bend the agreement in place; the product makes a new registry of new parts.
#[cfg(test)]
impl std::ops::DerefMut for Registry {
    fn deref_mut(&mut self) -> &mut RegistryParts {
        &mut self.parts
    }
}

impl Registry {
    /// The registry of these parts.
    #[must_use]
    pub fn new(seen_version: i64, parts: RegistryParts) -> Self {
        Self::of(seen_version, parts, &Checked::new())
    }

    /// The registry of these parts after another: keys that stood there are not checked again.
    #[must_use]
    pub fn after(&self, seen_version: i64, parts: RegistryParts) -> Self {
        let checked = self.keys.iter().map(|(kid, key)| (kid, &key.public)).collect();
        Self::of(seen_version, parts, &checked)
    }

    fn of(seen_version: i64, parts: RegistryParts, checked: &Checked<'_>) -> Self {
        let definition = &parts.definition;
        let listed = keys::listed(definition, &parts.partner_keys);
        let keys = listed.into_values().filter_map(|listed| ready(listed, checked)).collect();
        Self {
            seen_version,
            partners: definition
                .partners
                .iter()
                .enumerate()
                .map(|(at, p)| (p.partner.clone(), at))
                .collect(),
            programs: definition
                .programs
                .iter()
                .enumerate()
                .map(|(at, p)| (p.program.clone(), at))
                .collect(),
            agreements: definition
                .agreements
                .iter()
                .enumerate()
                .map(|(at, g)| (pair(&g.a, &g.b), at))
                .collect(),
            signed: Arc::new(signed(&parts.agreements)),
            keys,
            rates: parts.boards.iter().map(RatesIndex::of).map(Arc::new).collect(),
            parts,
        }
    }

    /// The registry after a change: the same that all of its parts, read again, would make. What
    /// has not changed is shared with this one, as far as it is large.
    #[must_use]
    pub fn changed(&self, seen_version: i64, change: RegistryChange) -> Self {
        let mut next = Self { seen_version, ..self.clone() };
        let parts = &mut next.parts;
        parts.feeds.extend(change.feeds);
        for ((source, target), frozen) in change.frozen {
            parts.frozen.retain(|pair| pair.source != source || pair.target != target);
            parts.frozen.extend(frozen);
        }
        let pair = |pair: &FrozenPair| (pair.source.clone(), pair.target.clone());
        parts.frozen.sort_by_key(pair);
        parts.take_windows(change.windows, change.settlement_proposals);
        if let Some(board) = change.board {
            next.rates.push(Arc::new(RatesIndex::of(&board)));
            parts.boards.push(board);
            let before = parts.boards.len().saturating_sub(BOARDS);
            parts.boards.drain(..before);
            next.rates.drain(..before);
        }
        next
    }

    /// The registry before the first definition.
    #[must_use]
    pub fn empty(alliance: AllianceId, currency: Currency) -> Self {
        let definition = Definition {
            alliance,
            currency,
            partners: Vec::new(),
            programs: Vec::new(),
            agreements: Vec::new(),
            rates: super::RatesDefinition::default(),
            revenue: Vec::new(),
            settlement: super::SettlementDefinition::default(),
            calendars: Vec::new(),
        };
        Self::new(
            0,
            RegistryParts {
                definition,
                version: 0,
                boards: Vec::new(),
                partner_keys_jws: String::new(),
                window: WindowId::from_u128(0),
                windows: Vec::new(),
                settlement_proposals: Vec::new(),
                suspended: Vec::new(),
                frozen: Vec::new(),
                feeds: BTreeMap::new(),
                proposals: Vec::new(),
                agreements: Vec::new(),
                campaigns: Vec::new(),
                consents: Vec::new(),
                partner_keys: Vec::new(),
                gateway_keys: None,
                master_keys: MasterKeys::default(),
            },
        )
    }

    /// Proposals whose values come with the next board, by number.
    pub fn approved_proposals(&self) -> impl Iterator<Item = &RateProposal> {
        self.proposals.iter().filter(|one| one.state() == ProposalState::Approved)
    }

    /// The values that come with the next board.
    #[must_use]
    pub fn approved_values(&self) -> BTreeMap<ProgramId, Decimal> {
        let values = self.approved_proposals().flat_map(|one| &one.proposal.values);
        values.map(|value| (value.program.clone(), value.value)).collect()
    }

    /// A partner.
    #[must_use]
    pub fn partner(&self, partner: &PartnerId) -> Option<&PartnerDefinition> {
        self.partners.get(partner).and_then(|at| self.definition.partners.get(*at))
    }

    /// A program.
    #[must_use]
    pub fn program(&self, program: &ProgramId) -> Option<&ProgramDefinition> {
        self.programs.get(program).and_then(|at| self.definition.programs.get(*at))
    }

    /// The board in force then: the newest that has taken effect. Before the first has, the first.
    #[must_use]
    pub fn board_at(&self, at: Timestamp) -> Option<BoardView<'_>> {
        let in_force = |published: &PublishedBoard| published.board.effective_at <= at;
        let place = self.boards.iter().rposition(in_force).unwrap_or(0);
        let (published, index) = (self.boards.get(place)?, self.rates.get(place)?);
        Some(BoardView { published, index })
    }

    /// The board of this number, where it is one of the last two.
    #[must_use]
    pub fn board_numbered(&self, number: u32) -> Option<BoardView<'_>> {
        let mut all = self.boards.iter().zip(&self.rates);
        let (published, index) = all.find(|(published, _)| published.board.board == number)?;
        Some(BoardView { published, index })
    }

    /// The board published last, in force or not.
    #[must_use]
    pub fn last_board(&self) -> Option<BoardView<'_>> {
        let (published, index) = (self.boards.last()?, self.rates.last()?);
        Some(BoardView { published, index })
    }

    /// The board that has been published but is not in force then.
    #[must_use]
    pub fn next_board(&self, at: Timestamp) -> Option<&PublishedBoard> {
        self.boards.last().filter(|last| last.board.effective_at > at)
    }

    /// Since when a pair takes no orders in this direction, where it takes none.
    #[must_use]
    pub fn frozen(&self, source: &ProgramId, target: &ProgramId) -> Option<&FrozenPair> {
        self.frozen.iter().find(|pair| pair.source == *source && pair.target == *target)
    }

    /// What the operator was handed of two partners.
    #[must_use]
    pub fn agreement(&self, a: &PartnerId, b: &PartnerId) -> Option<&AgreementDefinition> {
        self.agreements.get(&pair(a, b)).and_then(|at| self.definition.agreements.get(*at))
    }

    /// The version of a signed agreement that holds then: of those that have begun, the one with
    /// the highest number, unless it has ended.
    #[must_use]
    pub fn signed_agreement(
        &self,
        a: &PartnerId,
        b: &PartnerId,
        at: Timestamp,
    ) -> Option<&AgreementRecord> {
        self.begun(a, b, at).filter(|record| record.agreement.holds_at(at))
    }

    fn begun(&self, a: &PartnerId, b: &PartnerId, at: Timestamp) -> Option<&AgreementRecord> {
        let versions = self.signed.get(&pair(a, b))?;
        let begun = |record: &&Arc<AgreementRecord>| record.agreement.effective_at <= at;
        versions.iter().rev().find(begun).map(|record| &**record)
    }

    /// The last version that both have signed, whether or not it has begun.
    #[must_use]
    pub fn last_agreement(&self, a: &PartnerId, b: &PartnerId) -> Option<&AgreementRecord> {
        self.signed.get(&pair(a, b))?.last().map(|record| &**record)
    }

    /// The terms that hold between two partners then: of what they have signed, and until the
    /// first of that begins, of the definition. None: nothing is agreed, or it has ended.
    #[must_use]
    pub fn agreement_at(
        &self,
        a: &PartnerId,
        b: &PartnerId,
        at: Timestamp,
    ) -> Option<AgreementTerms<'_>> {
        match self.begun(a, b, at) {
            Some(begun) => begun.agreement.holds_at(at).then(|| AgreementTerms::of_signed(begun)),
            None => self.agreement(a, b).map(AgreementTerms::of_definition),
        }
    }

    /// Every direction in which one partner can give and another receive: each end a program, or
    /// on one side the partner itself. None within one partner.
    #[must_use]
    pub fn directions(&self, giver: &PartnerId, taker: &PartnerId) -> Vec<Direction> {
        if giver == taker {
            return Vec::new();
        }
        let programs_of = |partner: &PartnerId| -> Vec<FlowEnd> {
            let programs = self.definition.programs.iter();
            let own = programs.filter(|program| program.partner == *partner);
            own.map(|own| FlowEnd::Program(own.program.clone())).collect()
        };
        let (given, taken) = (programs_of(giver), programs_of(taker));
        let (pays, gives) = (FlowEnd::Partner(giver.clone()), FlowEnd::Partner(taker.clone()));
        let mut directions = Vec::with_capacity((given.len() + 1) * (taken.len() + 1));
        for source in &given {
            directions.extend(taken.iter().map(|target| (source.clone(), target.clone())));
            directions.push((source.clone(), gives.clone()));
        }
        directions.extend(taken.into_iter().map(|target| (pays.clone(), target)));
        directions
    }

    /// Whether any version of what two partners have signed limits what a member may give in a day,
    /// or what one may owe the other: then an order needs to know what was given.
    #[must_use]
    pub fn limits_orders(&self, a: &PartnerId, b: &PartnerId) -> bool {
        let versions = self.signed.get(&pair(a, b)).into_iter().flatten();
        let mut agreed = versions.map(|record| &record.agreement);
        agreed.any(|agreed| !agreed.member_limits.is_empty() || agreed.caps.is_some())
    }

    /// The keys of a partner, by name.
    #[must_use]
    pub fn keys_of(&self, partner: &PartnerId) -> Vec<&PartnerKey> {
        let mut keys: Vec<_> = self.keys.values().filter(|key| key.partner == *partner).collect();
        keys.sort_by(|one, other| one.public.kid().cmp(other.public.kid()));
        keys
    }

    /// Whether the gateway key of this name may sign now. Before any list was imported, all may:
    /// who starts a gateway has looked.
    ///
    /// # Errors
    /// [`MayNotSign`].
    pub fn may_sign(&self, kid: &Kid, now: Timestamp) -> Result<(), MayNotSign> {
        self.gateway_keys.as_ref().map_or(Ok(()), |keys| keys.may_sign(kid, now))
    }

    /// Whether a document that a gateway key has signed is believed still: whoever has stolen the
    /// key could have made another. What is not signed yet needs nobody to believe it.
    #[must_use]
    pub fn signer_counts(&self, jws: &str) -> bool {
        match (&self.gateway_keys, jws::parse(jws)) {
            (Some(list), Ok(jws)) => {
                list.trusted.find(&jws.kid).is_some_and(|key| key.revoked_at.is_none())
            }
            (None, _) | (_, Err(_)) => true,
        }
    }

    /// A partner key.
    #[must_use]
    pub fn key(&self, kid: &Kid) -> Option<&PartnerKey> {
        self.keys.get(kid)
    }

    /// Where a brand is called; none where it is not.
    #[must_use]
    pub fn connector(&self, partner: &PartnerId) -> Option<&str> {
        self.partner(partner).and_then(|partner| partner.connector.as_deref())
    }

    /// How long after its acceptance a transaction of these two may wait for an answer before a
    /// person is told.
    #[must_use]
    pub fn answer_deadline_seconds(&self, a: &PartnerId, b: &PartnerId, at: Timestamp) -> i64 {
        self.agreement_at(a, b, at)
            .and_then(|agreed| agreed.answer_deadline_seconds)
            .unwrap_or(limits::ANSWER_DEADLINE_SECONDS)
    }

    /// Whether any brand is called at all.
    #[must_use]
    pub fn has_connectors(&self) -> bool {
        self.definition.partners.iter().any(|partner| partner.connector.is_some())
    }

    /// Whether a brand keeps the balances of this program's members itself.
    #[must_use]
    pub fn is_connected(&self, program: &ProgramId) -> bool {
        self.program(program).is_some_and(|program| program.balances == Balances::Connected)
    }

    /// Consents that one partner has given another, whatever their state, oldest first.
    pub fn consents_between<'a>(
        &'a self,
        source: &'a PartnerId,
        target: &'a PartnerId,
    ) -> impl Iterator<Item = &'a Arc<ConsentRecord>> {
        let consents = self.parts.consents.iter();
        consents.filter(move |one| one.consent.source == *source && one.consent.target == *target)
    }

    /// A consent, whatever its state.
    #[must_use]
    pub fn consent(&self, id: &ConsentId) -> Option<&Arc<ConsentRecord>> {
        let at = self.parts.consents.binary_search_by_key(id, |one| one.id).ok()?;
        self.parts.consents.get(at)
    }

    /// Whether a consent was here before this batch.
    #[must_use]
    pub fn knows_consent(&self, id: &ConsentId) -> bool {
        self.consent(id).is_some()
    }

    /// A partner, and everybody it has an agreement with, of now or of later.
    #[must_use]
    pub fn partners_in_agreement(&self, partner: &PartnerId) -> BTreeSet<PartnerId> {
        let defined = self.definition.agreements.iter().map(|agreed| (&agreed.a, &agreed.b));
        let signed = self.parts.agreements.iter().map(|record| &record.agreement);
        let pairs = defined.chain(signed.map(|agreed| (&agreed.a, &agreed.b)));
        let theirs = pairs.filter(|(a, b)| *a == partner || *b == partner);
        let own = std::iter::once(partner.clone());
        own.chain(theirs.flat_map(|(a, b)| [a.clone(), b.clone()])).collect()
    }

    /// Whether this partner may not trade now.
    #[must_use]
    pub fn is_suspended(&self, partner: &PartnerId) -> bool {
        self.suspended.contains(partner)
    }

    /// Every pair of partners that has agreed on anything then, the lower first, by pair.
    #[must_use]
    pub fn agreements_at(&self, at: Timestamp) -> Vec<AgreementTerms<'_>> {
        let pairs: BTreeSet<&(PartnerId, PartnerId)> =
            self.agreements.keys().chain(self.signed.keys()).collect();
        pairs.into_iter().filter_map(|(a, b)| self.agreement_at(a, b, at)).collect()
    }

    /// How long the source partner may reverse; as the protocol says within one partner, and where
    /// nothing is agreed any more.
    #[must_use]
    pub fn reversal_period_seconds(&self, a: &PartnerId, b: &PartnerId, at: Timestamp) -> i64 {
        self.agreement_at(a, b, at)
            .map_or(limits::REVERSAL_PERIOD_SECONDS, |agreed| agreed.reversal_period_seconds)
    }
}

/// A key, ready to verify with; none where it is none.
fn ready(listed: ListedKey, checked: &Checked<'_>) -> Option<(Kid, PartnerKey)> {
    let record = listed.record;
    let public = match checked.get(&record.kid) {
        Some(public) => (*public).clone(),
        None => record.public_key()?,
    };
    let key = PartnerKey {
        partner: record.partner,
        public,
        scope: record.scope,
        nbf: record.nbf,
        exp: record.exp,
        revoked_at: record.revoked_at,
        added_at: record.added_at,
    };
    Some((record.kid, key))
}

fn signed(agreements: &[Arc<AgreementRecord>]) -> Signed {
    let mut signed = Signed::new();
    for record in agreements {
        signed.entry(record.pair()).or_default().push(record.clone());
    }
    for versions in signed.values_mut() {
        versions.sort_by_key(|record| record.agreement.version);
    }
    signed
}
