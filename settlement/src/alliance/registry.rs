//! The registry: the snapshot of what is agreed that orders are priced and decided by.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use alliance_contracts::decimal::Decimal;
use alliance_contracts::ids::WindowId;
use alliance_contracts::keys::{Kid, PublicKey};
use alliance_contracts::limits;
use alliance_contracts::names::{AllianceId, Currency, PartnerId, ProgramId};
use alliance_contracts::program::Board;
use alliance_contracts::time::Timestamp;

use super::agreements::AgreementRecord;
use super::definition::{
    AgreementDefinition, Definition, KeyDefinition, PartnerDefinition, ProgramDefinition, Scope,
    pair,
};
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
    signed: HashMap<(PartnerId, PartnerId), Vec<Arc<AgreementRecord>>>,
    keys: HashMap<Kid, PartnerKey>,
    values: HashMap<ProgramId, Decimal>,
}

/// What a registry is made of, as the store has it.
#[derive(Clone, Debug)]
pub struct RegistryParts {
    /// The definition as applied.
    pub definition: Definition,
    /// Its number.
    pub version: i64,
    /// The board in force.
    pub board: Board,
    /// The board as signed.
    pub board_jws: String,
    /// The partner key list's signed statement.
    pub partner_keys_jws: String,
    /// The open settlement window.
    pub window: WindowId,
    /// Partners that may not trade now.
    pub suspended: Vec<PartnerId>,
    /// Every version of an agreement that both partners have signed: of before, in force, and
    /// still to come.
    pub agreements: Vec<Arc<AgreementRecord>>,
}

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
        let definition = &parts.definition;
        let keys = definition
            .partners
            .iter()
            .flat_map(|partner| partner.keys.iter().map(move |key| (partner, key)))
            .filter_map(|(partner, key)| {
                let public = key.public_key().ok()?;
                let kid = public.kid().clone();
                let partner = partner.partner.clone();
                let KeyDefinition { nbf, exp, revoked_at, scope, .. } = *key;
                Some((kid, PartnerKey { partner, public, scope, nbf, exp, revoked_at }))
            })
            .collect();
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
            signed: signed(&parts.agreements),
            keys,
            values: parts.board.values.iter().map(|v| (v.program.clone(), v.value)).collect(),
            parts,
        }
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
        };
        let board = definition.board(0, Timestamp::from_millis(0));
        Self::new(
            0,
            RegistryParts {
                definition,
                version: 0,
                board,
                board_jws: String::new(),
                partner_keys_jws: String::new(),
                window: WindowId::from_u128(0),
                suspended: Vec::new(),
                agreements: Vec::new(),
            },
        )
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

    /// A program's value on the board in force.
    #[must_use]
    pub fn value(&self, program: &ProgramId) -> Option<Decimal> {
        self.values.get(program).copied()
    }

    /// What two partners have agreed on.
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

    /// A partner key.
    #[must_use]
    pub fn key(&self, kid: &Kid) -> Option<&PartnerKey> {
        self.keys.get(kid)
    }

    /// Whether this partner may not trade now.
    #[must_use]
    pub fn is_suspended(&self, partner: &PartnerId) -> bool {
        self.suspended.contains(partner)
    }

    /// How long the source partner may reverse; as the protocol says within one partner.
    #[must_use]
    pub fn reversal_period_seconds(&self, a: &PartnerId, b: &PartnerId) -> i64 {
        self.agreement(a, b)
            .map_or(limits::REVERSAL_PERIOD_SECONDS, |agreed| agreed.reversal_period_seconds)
    }
}

fn signed(
    agreements: &[Arc<AgreementRecord>],
) -> HashMap<(PartnerId, PartnerId), Vec<Arc<AgreementRecord>>> {
    let mut signed: HashMap<_, Vec<Arc<AgreementRecord>>> = HashMap::new();
    for record in agreements {
        signed.entry(record.pair()).or_default().push(record.clone());
    }
    for versions in signed.values_mut() {
        versions.sort_by_key(|record| record.agreement.version);
    }
    signed
}
