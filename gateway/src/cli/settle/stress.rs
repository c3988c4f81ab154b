//! `alliance settle stress`: what would happen if a partner did not pay what it owes for a window.

use std::collections::BTreeMap;

use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::{Corridor, PartnerId};
use alliance_contracts::netting::NettingCertificate;
use alliance_contracts::receipt::{Account, Asset};
use alliance_contracts::total::Total;
use alliance_contracts::waterfall::StepFrom;
use alliance_settlement::alliance::Registry;
use alliance_settlement::ledger::working_set::AccountBalance;
use alliance_settlement::payments::rounding::Settled;
use alliance_settlement::waterfall::stress::{Fallen, Standing, Stress, stress};
use alliance_settlement::windows::WindowRecord;
use clap::Args;
use serde::Serialize;

use super::books::{self, Named};
use super::shown::Set;
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::{Column, grouped, on_the_point, table};
use crate::cli::printer::{BAD, FAINT, GOOD, HEADING, Printer, Shown, paint};

/// Who fails, on which window.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance settle stress 12 --partner aurora-air")]
pub struct StressArgs {
    /// Its number, or its id
    #[arg(value_name = "WINDOW")]
    window: Named,
    /// Who pays nothing of what it owes
    #[arg(long)]
    partner: PartnerId,
    /// What a partner has brought in beforehand, other than the books say; may be repeated
    #[arg(long, value_name = "PARTNER=AMOUNT")]
    prefunding: Vec<Set<PartnerId>>,
    /// What a partner has pledged, other than the books say; may be repeated
    #[arg(long, value_name = "PARTNER=AMOUNT")]
    collateral: Vec<Set<PartnerId>>,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Fails {
    partner: PartnerId,
    round: u32,
    owed: Total,
    prefunding: Total,
    collateral: Total,
    shared: Total,
    alliance: Total,
}

impl From<&Fallen> for Fails {
    fn from(fallen: &Fallen) -> Self {
        let from = |from: StepFrom| {
            let steps = fallen.steps.iter().filter(|step| step.from == from);
            Total::from_micros(steps.map(|step| step.amount.micros()).sum())
        };
        Self {
            partner: fallen.partner.clone(),
            round: fallen.round,
            owed: fallen.owed,
            prefunding: from(StepFrom::Prefunding),
            collateral: from(StepFrom::Collateral),
            shared: from(StepFrom::Shared),
            alliance: from(StepFrom::Alliance),
        }
    }
}

#[derive(Serialize)]
struct Bears {
    partner: PartnerId,
    net: Total,
    loss: Total,
    net_after: Total,
    position_after: Total,
    #[serde(skip_serializing_if = "Option::is_none")]
    falls: Option<u32>,
}

#[derive(Serialize)]
struct Shows {
    window: u64,
    currency: String,
    fallen: Vec<Fails>,
    partners: Vec<Bears>,
    alliance_loss: Total,
}

impl Shown for Shows {
    fn text(&self) -> String {
        let money = |figures: Vec<Total>| {
            let figures: Vec<String> =
                figures.iter().map(|figure| grouped(&figure.to_string())).collect();
            on_the_point(&figures)
        };
        let of = |column: fn(&Fails) -> Total| money(self.fallen.iter().map(column).collect());
        let fails = [
            self.fallen.iter().map(|one| one.round.to_string()).collect(),
            self.fallen.iter().map(|one| one.partner.to_string()).collect(),
            of(|one| one.owed),
            of(|one| one.prefunding),
            of(|one| one.collateral),
            of(|one| one.shared),
        ];
        let of = |column: fn(&Bears) -> Total| money(self.partners.iter().map(column).collect());
        let falls =
            |one: &Bears| one.falls.map_or_else(String::new, |round| format!("in round {round}"));
        let bears = [
            self.partners.iter().map(|one| one.partner.to_string()).collect(),
            of(|one| one.net),
            of(|one| one.loss),
            of(|one| one.net_after),
            of(|one| one.position_after),
            self.partners.iter().map(falls).collect(),
        ];
        let (left, right) = (Column::Left, Column::Right);
        let first = table(
            "  ",
            &[right, left, right, right, right, right],
            &["round", "fails", "owes", "its prefunding", "its collateral", "borne by others"],
            &turned(&fails),
        );
        let second = table(
            "  ",
            &[left, right, right, right, right, left],
            &["partner", "net", "bears", "net after", "position after", "falls"],
            &turned(&bears),
        );
        let others = self.fallen.len().saturating_sub(1);
        let verdict = match (others, self.alliance_loss.is_zero()) {
            (_, false) => {
                let loss = grouped(&self.alliance_loss.to_string());
                paint(BAD, &format!("nobody is left to bear {loss}: it is the alliance's"))
            }
            (0, true) => paint(GOOD, "nobody else falls by it"),
            (1, true) => paint(BAD, "one other partner falls by it"),
            (many, true) => paint(BAD, &format!("{many} other partners fall by it")),
        };
        let title = format!("if it does not pay for window {}, in {}", self.window, self.currency);
        let note = "others bear by [settlement.loss] of alliance.toml (docs/waterfall.md). Nothing \
                    was changed.";
        let (title, note) = (paint(HEADING, &title), paint(FAINT, note));
        format!("{title}\n{first}\n\n{second}\n\n{verdict}\n{note}")
    }
}

/// Columns as rows.
fn turned(columns: &[Vec<String>]) -> Vec<Vec<String>> {
    let many = columns.first().map_or(0, Vec::len);
    (0..many).map(|at| columns.iter().map(|column| column[at].clone()).collect()).collect()
}

pub(super) fn run(args: &StressArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let open = instance.read_books().map_err(Failure::config)?;
    let window = books::find(&open, args.window)?;
    let registry = open.house().registry();
    let named = args.prefunding.iter().chain(&args.collateral).map(|set| &set.name);
    for partner in named.chain([&args.partner]) {
        if registry.partner(partner).is_none() {
            return Err(Failure::usage(format!("there is no partner {partner}")));
        }
    }
    let (certificate, _) = books::certificate(&open, &window)?;
    let lines = books::lines(&open, window.id)?;
    let read = open.house().read(move |store| async move { store.accounts().await });
    let accounts = open.wait(read).map_err(Failure::wrong)?;
    let standings = standings(args, &registry, &window, &lines, &accounts);
    let rule = registry.definition.settlement.loss.rule;
    let result = stress(&standings, &traded(&certificate), rule, &args.partner);
    printer.show(&shows(&window, &result.map_err(Failure::wrong)?));
    Ok(Exit::Good)
}

fn standings(
    args: &StressArgs,
    registry: &Registry,
    window: &WindowRecord,
    lines: &[Settled],
    accounts: &[AccountBalance],
) -> Vec<Standing> {
    let currency = Asset::Currency(window.currency.clone());
    let balance = |account: &Account| {
        let of = |one: &&AccountBalance| one.account == *account && one.asset == currency;
        accounts.iter().find(of).map(|one| Total::from_micros(one.balance))
    };
    let total = |amount: Decimal| Total::from_micros(amount.micros().into());
    let said = |sets: &[Set<PartnerId>], partner: &PartnerId| {
        let set = sets.iter().rev().find(|set| set.name == *partner);
        set.map(|set| total(set.number))
    };
    let partners = registry.definition.partners.iter();
    partners
        .map(|defined| {
            let partner = &defined.partner;
            let line = lines.iter().find(|line| line.party.as_str() == partner.as_str());
            // What is held for a partner is received from it: its account is above zero.
            let held = |account: Account| balance(&account).filter(|held| held.micros() > 0);
            let prefunding = held(Account::Prefunding(partner.clone()));
            let collateral = held(Account::Collateral(partner.clone()));
            Standing {
                partner: partner.clone(),
                position: balance(&Account::Position(partner.clone())).unwrap_or_default(),
                net: line.map_or(Total::ZERO, |line| line.net),
                prefunding: said(&args.prefunding, partner).or(prefunding),
                collateral: said(&args.collateral, partner).or(collateral).unwrap_or_default(),
                net_debit_cap: defined.net_debit_cap.map(total),
            }
        })
        .collect()
}

/// What each two partners owed each other in all, both ways.
fn traded(certificate: &NettingCertificate) -> BTreeMap<Corridor, Total> {
    let mut sums: BTreeMap<Corridor, i128> = BTreeMap::new();
    let partner = |at: u32| -> Option<PartnerId> {
        let party = certificate.parties.get(usize::try_from(at).ok()?)?;
        party.as_str().parse().ok()
    };
    for owed in &certificate.obligations {
        if let (Some(one), Some(other)) = (partner(owed.debtor), partner(owed.creditor)) {
            let sum = sums.entry(Corridor::between(&one, &other)).or_insert(0);
            *sum = sum.saturating_add(owed.amount.micros());
        }
    }
    sums.into_iter().map(|(corridor, sum)| (corridor, Total::from_micros(sum))).collect()
}

fn shows(window: &WindowRecord, result: &Stress) -> Shows {
    Shows {
        window: window.number,
        currency: window.currency.to_string(),
        fallen: result.fallen.iter().map(Fails::from).collect(),
        partners: (result.rows.iter())
            .map(|row| Bears {
                partner: row.partner.clone(),
                net: row.net,
                loss: row.loss,
                net_after: row.net_after,
                position_after: row.position_after,
                falls: row.falls,
            })
            .collect(),
        alliance_loss: result.alliance_loss,
    }
}
