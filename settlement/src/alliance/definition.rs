//! The definition: one document (`alliance.toml`) that says what the alliance has agreed on. It is
//! checked whole: every fault is listed, and nothing is applied while there is one.

use std::collections::HashMap;

use alliance_contracts::calendar::Calendar;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::encoding;
use alliance_contracts::keys::PublicKey;
use alliance_contracts::limits;
use alliance_contracts::names::{AllianceId, Currency, PartnerId, ProgramId};
pub use alliance_contracts::partner_key::KeyScope as Scope;
use alliance_contracts::program::Balances;
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::rates::RatesDefinition;
use super::revenue::{self, RevenueDefinition};
use super::settlement::SettlementDefinition;
use crate::payments::accounts::BankAccount;
use crate::rates::model::ValueModel;

/// A partner's public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyDefinition {
    /// From when it holds; as the file has it, or the time it was first applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<Timestamp>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// What it may do.
    #[serde(default)]
    pub scope: Scope,
    /// The Ed25519 public key, base64url.
    pub x: String,
}

/// A brand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerDefinition {
    /// Its slug.
    pub partner: PartnerId,
    /// What people call it.
    pub name: String,
    /// How far its position may go below zero, in the settlement currency; none: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_debit_cap: Option<Decimal>,
    /// Where it is called for members whose balances it keeps itself, and for its benefits
    /// (protocol § 6); none: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// Where it is paid; none: its payments are not written into a bank's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<BankAccount>,
    /// Its keys.
    #[serde(default)]
    pub keys: Vec<KeyDefinition>,
}

/// A loyalty currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramDefinition {
    /// Its slug.
    pub program: ProgramId,
    /// The brand it belongs to.
    pub partner: PartnerId,
    /// What people call it.
    pub name: String,
    /// Decimals of its points: 0 to 2.
    pub scale: u32,
    /// Settlement currency per point.
    pub value: Decimal,
    /// Who keeps its members' balances.
    #[serde(default = "hosted")]
    pub balances: Balances,
    /// How its value moves; none: by `value` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ValueModel>,
}

fn hosted() -> Balances {
    Balances::Hosted
}

/// What two partners have agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgreementDefinition {
    /// One partner.
    pub a: PartnerId,
    /// The other.
    pub b: PartnerId,
    /// The part of the gross that the alliance takes, below one.
    pub fee: Decimal,
    /// Which kinds of order are allowed.
    #[serde(default = "exchange_only")]
    pub kinds: Vec<TransactionKind>,
    /// The least gross of an order, in the settlement currency.
    #[serde(default)]
    pub minimum_gross: Decimal,
    /// Gross that may be ordered in each direction at boards that are no longer in force, while a
    /// board holds; none: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_quote_limit: Option<Decimal>,
    /// How long a quote stands.
    #[serde(default = "quote_lifetime")]
    pub quote_lifetime_seconds: i64,
    /// How long the source partner may reverse.
    #[serde(default = "reversal_period")]
    pub reversal_period_seconds: i64,
}

fn exchange_only() -> Vec<TransactionKind> {
    vec![TransactionKind::Exchange]
}

fn quote_lifetime() -> i64 {
    limits::QUOTE_LIFETIME_SECONDS
}

fn reversal_period() -> i64 {
    limits::REVERSAL_PERIOD_SECONDS
}

/// The whole definition, as the file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The alliance.
    pub alliance: AllianceId,
    /// What is settled in.
    pub currency: Currency,
    /// The brands.
    #[serde(default)]
    pub partners: Vec<PartnerDefinition>,
    /// Their loyalty currencies.
    #[serde(default)]
    pub programs: Vec<ProgramDefinition>,
    /// What pairs of them have agreed on.
    #[serde(default)]
    pub agreements: Vec<AgreementDefinition>,
    /// How boards are made.
    #[serde(default)]
    pub rates: RatesDefinition,
    /// What partners get of the fees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revenue: Vec<RevenueDefinition>,
    /// When windows are closed, and how they are settled.
    #[serde(default)]
    pub settlement: SettlementDefinition,
    /// Calendars of business days beside those that are shipped, or in their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calendars: Vec<Calendar>,
}

/// A fault of a definition: where, and which rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct DefinitionFault {
    /// Where it stands (`programs[2] aurora`).
    pub place: String,
    /// What is wrong and what would be right.
    pub fault: String,
}

impl Definition {
    /// Checks the whole definition.
    ///
    /// # Errors
    /// Every fault there is.
    pub fn check(&self) -> Result<(), Vec<DefinitionFault>> {
        let mut faults = Vec::new();
        self.check_partners(&mut faults);
        self.check_programs(&mut faults);
        self.check_agreements(&mut faults);
        let of_rates = self.rates.check().into_iter();
        faults.extend(of_rates.map(|fault| DefinitionFault { place: "rates".to_owned(), fault }));
        faults.extend(revenue::faults(&self.revenue, &self.partners));
        let of_settlement = self.settlement.check(&self.calendars).into_iter();
        let at = |fault| DefinitionFault { place: "settlement".to_owned(), fault };
        faults.extend(of_settlement.map(at));
        self.check_calendars(&mut faults);
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn check_calendars(&self, faults: &mut Vec<DefinitionFault>) {
        for (at, calendar) in self.calendars.iter().enumerate() {
            let place = format!("calendars[{at}] {}", calendar.calendar);
            let mut fault = |fault: String| {
                faults.push(DefinitionFault { place: place.clone(), fault });
            };
            if self.calendars[..at].iter().any(|other| other.calendar == calendar.calendar) {
                fault("this calendar stands here twice".to_owned());
            }
            for wrong in calendar.check().err().into_iter().flatten() {
                fault(wrong.to_string());
            }
        }
    }

    fn check_partners(&self, faults: &mut Vec<DefinitionFault>) {
        let mut partners = HashMap::new();
        let mut keys = HashMap::new();
        for (at, partner) in self.partners.iter().enumerate() {
            let place = format!("partners[{at}] {}", partner.partner);
            let mut fault = |fault: String| {
                faults.push(DefinitionFault { place: place.clone(), fault });
            };
            if partners.insert(partner.partner.clone(), at).is_some() {
                fault("this partner stands here twice".to_owned());
            }
            if partner.net_debit_cap.is_some_and(|cap| !limits::amount_in_range(cap)) {
                fault("net_debit_cap is beyond 10^12".to_owned());
            }
            if let Some(connector) = &partner.connector
                && !is_address(connector)
            {
                fault(format!(
                    "connector {connector:?} is no address: write one as in \
                     \"https://brand.example/connector\""
                ));
            }
            for key in &partner.keys {
                match key.public_key() {
                    Err(reason) => fault(format!("key {}: {reason}", key.x)),
                    Ok(public) => {
                        if keys.insert(public.kid().clone(), at).is_some() {
                            fault(format!("key {} stands here twice", key.x));
                        }
                    }
                }
            }
        }
    }

    fn check_programs(&self, faults: &mut Vec<DefinitionFault>) {
        let mut seen = HashMap::new();
        for (at, program) in self.programs.iter().enumerate() {
            let place = format!("programs[{at}] {}", program.program);
            let mut fault = |fault: String| {
                faults.push(DefinitionFault { place: place.clone(), fault });
            };
            if seen.insert(program.program.clone(), at).is_some() {
                fault("this program stands here twice".to_owned());
            }
            if !self.partners.iter().any(|p| p.partner == program.partner) {
                fault(format!("no partner {} is defined", program.partner));
            }
            if program.scale > limits::MAX_PROGRAM_SCALE {
                fault("scale must be 0, 1 or 2".to_owned());
            }
            if !limits::value_in_range(program.value) {
                fault("value must be above 0 and at most 1000000".to_owned());
            }
            for wrong in program.model.iter().flat_map(|model| model.check(program.value)) {
                fault(format!("model: {wrong}"));
            }
            let owner = self.partners.iter().find(|p| p.partner == program.partner);
            let reachable = owner.is_some_and(|owner| owner.connector.is_some());
            if program.balances == Balances::Connected && !reachable {
                fault(format!(
                    "connected balances are kept by {}, which has no connector: give it one, or \
                     use hosted",
                    program.partner
                ));
            }
        }
    }

    fn check_agreements(&self, faults: &mut Vec<DefinitionFault>) {
        let mut seen = HashMap::new();
        for (at, agreement) in self.agreements.iter().enumerate() {
            let place = format!("agreements[{at}] {} and {}", agreement.a, agreement.b);
            let mut fault = |fault: String| {
                faults.push(DefinitionFault { place: place.clone(), fault });
            };
            for partner in [&agreement.a, &agreement.b] {
                if !self.partners.iter().any(|p| p.partner == *partner) {
                    fault(format!("no partner {partner} is defined"));
                }
            }
            if agreement.a == agreement.b {
                fault("a partner needs no agreement with itself".to_owned());
            }
            if seen.insert(pair(&agreement.a, &agreement.b), at).is_some() {
                fault("this pair stands here twice".to_owned());
            }
            if !limits::fee_rate_in_range(agreement.fee) {
                fault("fee must be at least 0 and below 1".to_owned());
            }
            if !limits::amount_in_range(agreement.minimum_gross) {
                fault("minimum_gross is beyond 10^12".to_owned());
            }
            if agreement.open_quote_limit.is_some_and(|limit| !limits::amount_in_range(limit)) {
                fault("open_quote_limit is beyond 10^12".to_owned());
            }
            let no_order = [TransactionKind::Reversal, TransactionKind::Adjustment];
            if agreement.kinds.iter().any(|kind| no_order.contains(kind)) {
                fault("kinds are exchange, redemption and accrual".to_owned());
            }
            if !(1..=3_600).contains(&agreement.quote_lifetime_seconds) {
                fault("quote_lifetime_seconds must be 1 to 3600".to_owned());
            }
            if !(0..=31_536_000).contains(&agreement.reversal_period_seconds) {
                fault("reversal_period_seconds must be 0 to 31536000, a year".to_owned());
            }
        }
    }

    /// The same definition with every key's `nbf` filled in: as it was known before, else the
    /// second that `now` is in, because signatures tell their time in seconds.
    #[must_use]
    pub fn with_key_times(mut self, before: Option<&Self>, now: Timestamp) -> Self {
        let known: HashMap<&str, Timestamp> = before
            .iter()
            .flat_map(|definition| &definition.partners)
            .flat_map(|partner| &partner.keys)
            .filter_map(|key| Some((key.x.as_str(), key.nbf?)))
            .collect();
        let second = now.floor_to_second();
        for key in self.partners.iter_mut().flat_map(|partner| &mut partner.keys) {
            let begun = known.get(key.x.as_str()).copied().unwrap_or(second);
            key.nbf = key.nbf.or(Some(begun));
        }
        self
    }
}

impl KeyDefinition {
    /// The key itself.
    ///
    /// # Errors
    /// Why it is none, in words.
    pub fn public_key(&self) -> Result<PublicKey, String> {
        let bytes = encoding::base64url_decode(&self.x)
            .map_err(|_| "not base64url without padding".to_owned())?;
        PublicKey::from_bytes(&bytes).map_err(|weak| format!("weak_key: {weak}"))
    }
}

/// Whether a text can be the address of a connector: a scheme, a host, perhaps a path.
fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    !host.is_empty()
        && text.len() <= 2_000
        && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
        && !text.contains(['?', '#', '@', '\\'])
}

/// Two partners, whichever comes first.
pub(super) fn pair(a: &PartnerId, b: &PartnerId) -> (PartnerId, PartnerId) {
    if a <= b { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) }
}
