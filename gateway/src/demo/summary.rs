//! What the demo found, as one object: printed as JSON as it is, and as text by [`super::render`].

use std::collections::BTreeMap;
use std::time::Duration;

use alliance_contracts::decimal::format_micros;
use alliance_settlement::inspection::AuditReport;
use serde::Serialize;

use super::books::Money;
use super::connected::ConnectedOrders;
use super::drive::{AT_ONCE, Tally};
use super::folder::{Folder, LINKS_FILE, MEMBERS_FILE};
use super::offline::Findings;
use super::rates::RatesMoved;
use super::settled::SettledWindow;
use crate::cli::layout::per_second;
use crate::instance::{CONFIG_FILE, KEY_LIST_FILE};

/// Everything.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Whether everything verified and the positions sum to zero.
    pub ok: bool,
    /// The alliance.
    pub alliance: String,
    /// What it settles in.
    pub currency: String,
    /// Which run on this folder.
    pub run: u32,
    /// The gateway's address.
    pub gateway: String,
    /// The brands.
    pub partners: Vec<Partner>,
    /// What became of the orders.
    pub orders: Orders,
    /// What a brand that keeps its own balances was asked for; none where nothing was ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<ConnectedOrders>,
    /// How rates moved meanwhile.
    pub rates: RatesMoved,
    /// The chains.
    pub corridors: Vec<Corridor>,
    /// What each brand found.
    pub verification: Verification,
    /// Who owes and who is owed.
    pub positions: Positions,
    /// What the window of these orders came to; none where nothing was ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled: Option<SettledWindow>,
    /// What recomputing the books from their receipts found.
    pub audit: Audit,
    /// Where things lie.
    pub files: Files,
    /// How this program is called here.
    #[serde(skip)]
    pub program: String,
}

/// A brand.
#[derive(Debug, Serialize)]
pub struct Partner {
    /// Its slug.
    pub partner: String,
    /// Its program.
    pub program: String,
    /// What a point is worth.
    pub value: String,
    /// Its members.
    pub members: usize,
}

/// What became of the orders.
#[derive(Debug, Serialize)]
pub struct Orders {
    /// Orders, reversals and replays sent.
    pub sent: u64,
    /// Performed: orders of every kind and reversals.
    pub accepted: u64,
    /// Exchanges among them.
    pub exchanges: u64,
    /// Redemptions among them.
    pub redemptions: u64,
    /// Of those, paid in points and cash.
    pub with_cash: u64,
    /// Accruals among them.
    pub accruals: u64,
    /// Reversals among them.
    pub reversals: u64,
    /// Answered again under the same key.
    pub replays: u64,
    /// Refused, in all.
    pub refused: u64,
    /// Refused, by rule.
    pub refused_by_code: BTreeMap<String, u64>,
    /// Without the answer they must have.
    pub failed: u64,
    /// Some of those, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// Orders under way at once.
    pub at_once: usize,
    /// How long it took.
    pub milliseconds: u64,
    /// How many a second.
    pub per_second: u64,
}

/// A chain.
#[derive(Debug, Serialize)]
pub struct Corridor {
    /// Which.
    pub corridor: String,
    /// How many receipts.
    pub receipts: u64,
    /// SHA-256 of the last.
    pub head: String,
    /// How many receipts the signed checkpoint is about.
    pub checkpoint_size: u64,
    /// Whether both partners have the same receipts.
    pub both_agree: bool,
}

/// What the brands found.
#[derive(Debug, Serialize)]
pub struct Verification {
    /// Whether everything verified.
    pub ok: bool,
    /// Receipts verified, each by both its partners.
    pub receipts_verified: u64,
    /// How long it took, the download included.
    pub milliseconds: u64,
    /// Whether the chains have grown by exactly one receipt an accepted order.
    pub one_receipt_an_order: bool,
    /// Each brand.
    pub partners: Vec<PartnerFindings>,
}

/// What a brand found.
#[derive(Debug, Serialize)]
pub struct PartnerFindings {
    /// Which brand.
    pub partner: String,
    /// Receipts it verified.
    pub receipts: u64,
    /// What was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Who owes and who is owed.
#[derive(Debug, Serialize)]
pub struct Positions {
    /// Every account of money.
    pub accounts: Vec<Position>,
    /// What they sum to.
    pub sum: String,
    /// Whether that is zero.
    pub sum_is_zero: bool,
    /// Whether the books say what the verified receipts say.
    pub as_receipts_say: bool,
}

/// An account of money.
#[derive(Debug, Serialize)]
pub struct Position {
    /// The account.
    pub account: String,
    /// What it has: below zero, it owes.
    pub balance: String,
}

/// What recomputing the books found.
#[derive(Debug, Serialize)]
pub struct Audit {
    /// Whether nothing differs.
    pub ok: bool,
    /// What was looked at, and what differs.
    #[serde(flatten)]
    pub report: Option<AuditReport>,
    /// Why it could not be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Where things lie.
#[derive(Debug, Serialize)]
pub struct Files {
    /// The folder.
    pub dir: String,
    /// What the alliance has agreed on.
    pub config: String,
    /// The gateway keys, signed by the root.
    pub jwks: String,
    /// Members and balances.
    pub members: String,
    /// Links.
    pub links: String,
    /// A brand's settings for the SDK.
    pub client: String,
    /// A corridor's receipts, as a brand downloaded them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipts: Option<String>,
    /// That corridor's signed checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
}

impl Orders {
    /// What became of the orders, and how long it took.
    #[must_use]
    pub fn of(tally: &Tally, took: Duration) -> Self {
        Self {
            sent: tally.sent(),
            accepted: tally.accepted(),
            exchanges: tally.exchanges,
            redemptions: tally.redemptions,
            with_cash: tally.with_cash,
            accruals: tally.accruals,
            reversals: tally.reversals,
            replays: tally.replays,
            refused: tally.refusals(),
            refused_by_code: tally
                .refused
                .iter()
                .map(|(code, number)| (code.to_string(), *number))
                .collect(),
            failed: tally.failed,
            faults: tally.faults.clone(),
            at_once: AT_ONCE,
            milliseconds: millis(took),
            per_second: per_second(tally.sent(), took),
        }
    }
}

/// Milliseconds of a duration.
#[must_use]
pub fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// The corridors, each held against what its other partner found.
#[must_use]
pub fn corridors(findings: &[Findings]) -> Vec<Corridor> {
    let mut ends: BTreeMap<String, Vec<&super::offline::Verified>> = BTreeMap::new();
    for verified in findings.iter().flat_map(|found| &found.corridors) {
        ends.entry(verified.corridor.to_string()).or_default().push(verified);
    }
    let corridor = |(corridor, seen): (String, Vec<&super::offline::Verified>)| {
        let first = seen.first()?;
        Some(Corridor {
            corridor,
            receipts: first.report.last_seq,
            head: first.report.head.to_string(),
            checkpoint_size: first.checkpoint_size,
            both_agree: seen.len() == 2 && seen.iter().all(|s| s.report == first.report),
        })
    };
    ends.into_iter().filter_map(corridor).collect()
}

impl Verification {
    /// What the brands found; `before` is how many receipts there were before the orders.
    #[must_use]
    pub fn of(
        findings: &[Findings],
        chains: &[Corridor],
        before: u64,
        accepted: u64,
        took: Duration,
    ) -> Self {
        let partners: Vec<PartnerFindings> = findings
            .iter()
            .map(|found| PartnerFindings {
                partner: found.partner.clone(),
                receipts: found.corridors.iter().map(|c| c.report.last_seq).sum(),
                fault: found.fault.clone(),
            })
            .collect();
        let after: u64 = chains.iter().map(|chain| chain.receipts).sum();
        let one_receipt_an_order = after.checked_sub(before) == Some(accepted);
        let ok = one_receipt_an_order
            && partners.iter().all(|partner| partner.fault.is_none())
            && chains.iter().all(|chain| chain.both_agree);
        Self {
            ok,
            receipts_verified: partners.iter().map(|partner| partner.receipts).sum(),
            milliseconds: millis(took),
            one_receipt_an_order,
            partners,
        }
    }
}

impl Positions {
    /// The money accounts in words.
    #[must_use]
    pub fn of(money: &Money) -> Self {
        let accounts = money.lines.iter().map(|line| Position {
            account: line.account.clone(),
            balance: format_micros(line.balance),
        });
        Self {
            accounts: accounts.collect(),
            sum: format_micros(money.sum),
            sum_is_zero: money.sum == 0,
            as_receipts_say: money.as_receipts_say,
        }
    }
}

impl Files {
    /// Where things lie in a demo's folder.
    #[must_use]
    pub fn of(folder: &Folder, findings: &[Findings]) -> Self {
        let shown = |path: std::path::PathBuf| path.display().to_string();
        let example = findings.first().and_then(|found| found.corridors.first());
        Self {
            dir: folder.path.display().to_string(),
            config: shown(folder.path.join(CONFIG_FILE)),
            jwks: shown(folder.path.join(KEY_LIST_FILE)),
            members: shown(folder.path.join(MEMBERS_FILE)),
            links: shown(folder.path.join(LINKS_FILE)),
            client: shown(folder.partner(0).join("client.toml")),
            receipts: example.map(|verified| shown(verified.file.clone())),
            checkpoint: example.map(|verified| shown(verified.checkpoint_file.clone())),
        }
    }
}
