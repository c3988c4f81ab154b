//! From figures to what is paid: the certificate, everybody's line, the instructions, and what has
//! to be posted because of it.

use std::collections::BTreeMap;

use alliance_contracts::adjustment::{AdjustmentCause, CampaignCost};
use alliance_contracts::calendar::Calendar;
use alliance_contracts::date::Date;
use alliance_contracts::ids::{CampaignId, WindowId};
use alliance_contracts::json;
use alliance_contracts::names::{AllianceId, Currency, PartnerId, Party};
use alliance_contracts::netting::NettingCertificate;
use alliance_contracts::revenue::{RevenueFault, RevenueInputs};
use alliance_contracts::time::Timestamp;
use alliance_contracts::total::Total;
use serde::{Deserialize, Serialize};

use super::figures::{Figures, FiguresFault, alliance};
use crate::alliance::NettingWay;
use crate::alliance::revenue::RevenueDefinition;
use crate::calendar::{NoValueDate, value_date};
use crate::netting::{self, NettingFault, Run};
use crate::payments::instructions::{InstructionFault, PaymentInstruction, instruct};
use crate::payments::rounding::{
    Carried, Position, RoundingFault, Settled, Settlement, Way, between_parties, dues,
    through_alliance,
};
use crate::revenue::{SharedWindow, shares};

/// What a window is netted by.
#[derive(Clone, Debug)]
pub struct NettingTerms {
    /// The alliance.
    pub alliance: AllianceId,
    /// The settlement currency.
    pub currency: Currency,
    /// The window.
    pub window: WindowId,
    /// When it was opened: the revenue rules of then hold.
    pub opened_at: Timestamp,
    /// The day it was closed on.
    pub closed_on: Date,
    /// Windows aborted before whose receipts are in its figures, oldest first.
    pub carried_windows: Vec<WindowId>,
    /// What the window before has carried: who goes on owing whom.
    pub openings: Vec<Carried>,
    /// Everybody who gets a line.
    pub partners: Vec<PartnerId>,
    /// Who bears what each campaign gives.
    pub sponsors: BTreeMap<CampaignId, PartnerId>,
    /// How what is owed is paid.
    pub way: NettingWay,
    /// Business days until it is due.
    pub days: u32,
    /// Calendars that must all have a business day.
    pub calendars: Vec<Calendar>,
    /// What partners get of the fees.
    pub revenue: Vec<RevenueDefinition>,
}

/// Why a window cannot be netted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowFault {
    /// Its receipts.
    #[error(transparent)]
    Figures(#[from] FiguresFault),
    /// What is owed.
    #[error(transparent)]
    Netting(#[from] NettingFault),
    /// What is paid.
    #[error(transparent)]
    Rounding(#[from] RoundingFault),
    /// Its payments.
    #[error(transparent)]
    Instructions(#[from] InstructionFault),
    /// When it is due.
    #[error(transparent)]
    ValueDate(#[from] NoValueDate),
    /// Shares of its fees.
    #[error(transparent)]
    Revenue(#[from] RevenueFault),
    /// A campaign that nobody knows.
    #[error("receipts name campaign {0}, which nobody sponsors")]
    NoSponsor(CampaignId),
    /// A document that says something else than its name.
    #[error("the document {0} cannot be read")]
    Document(String),
}

/// What a window comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NettedWindow {
    /// What was done, for anyone to check.
    pub certificate: NettingCertificate,
    /// Everybody's line, what is paid, what is carried.
    pub settlement: Settlement,
    /// What banks are asked to pay, once it is released.
    pub instructions: Vec<PaymentInstruction>,
    /// When; none where nothing is paid.
    pub value_date: Option<Date>,
    /// Whether it counts days that no calendar knows yet.
    pub provisional: bool,
    /// What adjustments that follow cite, by name: `fee_share/…`, `campaign_cost/…`.
    pub to_post: BTreeMap<String, Vec<u8>>,
}

/// Nets a window.
///
/// # Errors
/// [`WindowFault`].
pub fn net_window(terms: &NettingTerms, mut figures: Figures) -> Result<NettedWindow, WindowFault> {
    for Carried { debtor, creditor, amount } in &terms.openings {
        figures.owe(debtor, creditor, amount.micros())?;
    }
    let run = Run {
        alliance: terms.alliance.clone(),
        currency: terms.currency.clone(),
        window: Some(terms.window),
        carried: terms.carried_windows.clone(),
    };
    let certificate = netting::net(run, figures.owed())?;
    let settlement = settle(terms, &certificate)?;
    let due = value_date(terms.closed_on, terms.days, &terms.calendars.iter().collect::<Vec<_>>())?;
    let instructions = instruct(&settlement, terms.window, due.date)?;
    let pays = !instructions.is_empty();
    Ok(NettedWindow {
        certificate,
        settlement,
        instructions,
        value_date: pays.then_some(due.date),
        provisional: pays && due.provisional,
        to_post: documents(terms, &figures)?,
    })
}

/// What openings come to for each party: above zero it is owed.
fn opening_of(openings: &[Carried]) -> Result<BTreeMap<Party, i128>, RoundingFault> {
    let mut sums: BTreeMap<Party, i128> = BTreeMap::new();
    for Carried { debtor, creditor, amount } in openings {
        for (party, signed) in [(debtor, -amount.micros()), (creditor, amount.micros())] {
            let sum = sums.entry(party.clone()).or_insert(0);
            *sum = sum.checked_add(signed).ok_or(RoundingFault::Beyond)?;
        }
    }
    Ok(sums)
}

fn settle(
    terms: &NettingTerms,
    certificate: &NettingCertificate,
) -> Result<Settlement, WindowFault> {
    let openings = opening_of(&terms.openings)?;
    let nets: BTreeMap<&Party, i128> =
        certificate.parties.iter().zip(certificate.nets.iter().map(|net| net.micros())).collect();
    let parts = |party: &Party| {
        let (net, opening) = (nets.get(party).copied(), openings.get(party).copied());
        let (net, opening) = (net.unwrap_or(0), opening.unwrap_or(0));
        let activity = net.checked_sub(opening).ok_or(RoundingFault::Beyond)?;
        Ok::<_, RoundingFault>((Total::from_micros(opening), Total::from_micros(activity)))
    };
    let mut settlement = match terms.way {
        NettingWay::Multilateral => {
            let position = |partner: &PartnerId| {
                let (opening, activity) = parts(&Party::from(partner))?;
                Ok(Position { partner: partner.clone(), opening, activity })
            };
            let positions: Result<Vec<_>, RoundingFault> =
                terms.partners.iter().map(position).collect();
            through_alliance(&terms.currency, &positions?)?
        }
        NettingWay::Bilateral => {
            let dues = dues(certificate, Way::Bilateral)?;
            between_parties(&terms.currency, &terms.partners, dues)?
        }
        NettingWay::SetOff => {
            let dues = dues(certificate, Way::SetOff)?;
            between_parties(&terms.currency, &terms.partners, dues)?
        }
    };
    // Pair by pair the opening is a part of what is due; a line says both.
    for line in &mut settlement.lines {
        (line.opening, line.activity) = parts(&line.party)?;
    }
    Ok(settlement)
}

/// What adjustments cite: a share of fees for each partner and corridor, and for each campaign what
/// its sponsor bears. What comes to nothing is left out.
fn documents(
    terms: &NettingTerms,
    figures: &Figures,
) -> Result<BTreeMap<String, Vec<u8>>, WindowFault> {
    let mut found = BTreeMap::new();
    let window = SharedWindow {
        alliance: terms.alliance.clone(),
        currency: terms.currency.clone(),
        window: terms.window,
        opened_at: terms.opened_at,
    };
    for corridor in shares(&window, figures.income(), &terms.revenue)? {
        for inputs in corridor.inputs.iter().filter(|inputs| !inputs.share.is_zero()) {
            let cause = AdjustmentCause::FeeShare.as_str();
            let name = format!("{cause}/{}/{}", inputs.corridor, inputs.partner);
            found.insert(name, inputs.to_bytes());
        }
    }
    for (campaign, spent) in figures.campaigns() {
        let sponsor = terms.sponsors.get(&campaign).ok_or(WindowFault::NoSponsor(campaign))?;
        let cost = CampaignCost {
            alliance: terms.alliance.clone(),
            campaign,
            currency: terms.currency.clone(),
            spent: Total::from_micros(spent),
            sponsor: sponsor.clone(),
            v: 1,
            window: terms.window,
        };
        let name = format!("{}/{campaign}", AdjustmentCause::CampaignCost.as_str());
        found.insert(name, cost.to_bytes());
    }
    Ok(found)
}

/// What a document has posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToPost {
    /// With whom.
    pub partner: PartnerId,
    /// Why.
    pub cause: AdjustmentCause,
    /// What the partner is given; below zero it gives.
    pub amount: Total,
    /// Of a campaign's cost: the campaign.
    pub campaign: Option<CampaignId>,
}

/// What is to be posted because of a document, by its name.
///
/// # Errors
/// [`WindowFault::Document`].
pub fn to_post(name: &str, document: &[u8]) -> Result<ToPost, WindowFault> {
    let unreadable = || WindowFault::Document(name.to_owned());
    match name.split('/').next() {
        Some("fee_share") => {
            let inputs: RevenueInputs = json::read(document).map_err(|_| unreadable())?;
            let (partner, amount) = (inputs.partner, inputs.share);
            Ok(ToPost { partner, cause: AdjustmentCause::FeeShare, amount, campaign: None })
        }
        Some("campaign_cost") => {
            let cost: CampaignCost = json::read(document).map_err(|_| unreadable())?;
            let amount = cost.spent.micros().checked_neg().ok_or_else(unreadable)?;
            Ok(ToPost {
                partner: cost.sponsor,
                cause: AdjustmentCause::CampaignCost,
                amount: Total::from_micros(amount),
                campaign: Some(cost.campaign),
            })
        }
        _ => Err(unreadable()),
    }
}

/// A settlement as it is kept: RFC 8785 bytes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredCarried {
    carried: Vec<(Party, Party, Total)>,
}

impl NettedWindow {
    /// What is carried, as it is kept.
    #[must_use]
    pub fn carried_document(&self) -> Vec<u8> {
        let carried = self.settlement.carried.iter();
        let carried = carried.map(|c| (c.debtor.clone(), c.creditor.clone(), c.amount));
        json::canonical(&StoredCarried { carried: carried.collect() })
    }

    /// A partner's or the alliance's line.
    #[must_use]
    pub fn line(&self, party: &Party) -> Option<&Settled> {
        self.settlement.lines.iter().find(|line| line.party == *party)
    }
}

/// What a window has carried, as it is kept.
///
/// # Errors
/// [`WindowFault::Document`].
pub fn carried_of(document: &[u8]) -> Result<Vec<Carried>, WindowFault> {
    let unreadable = || WindowFault::Document("carried".to_owned());
    let stored: StoredCarried = json::read(document).map_err(|_| unreadable())?;
    let carried = stored.carried.into_iter();
    Ok(carried.map(|(debtor, creditor, amount)| Carried { debtor, creditor, amount }).collect())
}

/// The alliance as a party.
#[must_use]
pub fn alliance_party() -> Party {
    alliance()
}
