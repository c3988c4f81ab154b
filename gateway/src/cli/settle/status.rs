//! `alliance settle status` and `show`: where windows stand, and what one came to.

use alliance_contracts::netting::NettingCertificate;
use alliance_contracts::total::Total;
use alliance_contracts::window::{Window, WindowState};
use alliance_settlement::payments::matching::PaymentState;
use alliance_settlement::payments::rounding::Settled;
use alliance_settlement::payments::standing::PaymentStanding;
use alliance_settlement::windows::SettlementProposal;
use clap::Args;
use serde::Serialize;

use super::books::{self, Named};
use super::shown;
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::{Column, grouped, on_the_point, table};
use crate::cli::printer::{FAINT, HEADING, Printer, Shown, paint};
use crate::instance::open::Books;

/// So many windows are shown without --all.
const SHOWN: u32 = 12;
/// So many with it.
const ALL: u32 = 10_000;

/// Which windows.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance settle status --dir my-alliance")]
pub struct StatusArgs {
    /// All windows, not the newest alone
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    place: Place,
}

/// Which window.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance settle show 12 --dir my-alliance")]
pub struct ShowArgs {
    /// Its number, or its id
    #[arg(value_name = "WINDOW")]
    window: Named,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    window: Window,
    payments: usize,
    paid: usize,
    next: String,
}

#[derive(Serialize)]
struct Status {
    windows: Vec<Line>,
    proposals: Vec<SettlementProposal>,
}

impl Shown for Status {
    fn text(&self) -> String {
        let day = |at: &Option<_>| at.as_ref().map_or_else(String::new, ToString::to_string);
        let row = |line: &Line| {
            let window = &line.window;
            let due = day(&window.value_date);
            let due = if window.provisional { format!("{due}, provisional") } else { due };
            let at = |at: &Option<alliance_contracts::time::Timestamp>| {
                at.map_or_else(String::new, |at| at.floor_to_second().to_string())
            };
            vec![
                window.number.to_string(),
                window.state.as_str().to_owned(),
                at(&Some(window.opened_at)),
                at(&window.closed_at),
                due,
                line.next.clone(),
            ]
        };
        let rows: Vec<Vec<String>> = self.windows.iter().map(row).collect();
        let header = ["window", "state", "opened", "closed", "due", "next"];
        let mut columns = [Column::Left; 6];
        columns[0] = Column::Right;
        let mut text = table("  ", &columns, &header, &rows);
        for one in &self.proposals {
            let what = one.action.as_str();
            text.push_str(&format!(
                "\n\nproposal {}: {} wants to {what} {}; another person does the same to agree",
                one.number,
                one.proposed_by,
                one.action.window(),
            ));
        }
        if self.windows.iter().any(|line| line.window.provisional) {
            let note = "provisional: it counts days that no calendar knows yet; take in what was \
                        published: alliance settle calendar";
            text.push_str(&format!("\n\n{}", paint(FAINT, note)));
        }
        text
    }
}

pub(super) fn status(args: &StatusArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let open = instance.read_books().map_err(Failure::config)?;
    let mut windows = Vec::new();
    for window in books::newest(&open, if args.all { ALL } else { SHOWN })? {
        let (payments, _) = books::payments(&open, window.id)?;
        let is_paid = |one: &&PaymentStanding| one.state == PaymentState::Paid;
        let paid = payments.iter().filter(is_paid).count();
        let next = books::next_step(&window, paid, payments.len());
        windows.push(Line { window: window.told(), payments: payments.len(), paid, next });
    }
    printer.show(&Status { windows, proposals: books::waiting(&open) });
    Ok(Exit::Good)
}

/// What a window came to.
#[derive(Serialize)]
pub(super) struct Came {
    #[serde(flatten)]
    window: Window,
    lines: Vec<PartyLine>,
    #[serde(skip)]
    certificate: Option<NettingCertificate>,
    payments: Vec<PaymentLine>,
}

#[derive(Serialize)]
struct PartyLine {
    party: String,
    opening: Total,
    activity: Total,
    net: Total,
    payment: Total,
    carried: Total,
}

#[derive(Serialize)]
pub(super) struct PaymentLine {
    number: u32,
    debtor: String,
    creditor: String,
    amount: String,
    paid: String,
    state: PaymentState,
    end_to_end_id: String,
}

impl PaymentLine {
    pub(super) fn of(currency: &str, one: &PaymentStanding) -> Self {
        Self {
            number: one.number,
            debtor: one.debtor.to_string(),
            creditor: one.creditor.to_string(),
            amount: books::money(currency, one.amount),
            paid: books::money(currency, one.paid),
            state: one.state,
            end_to_end_id: one.last.to_string(),
        }
    }
}

/// A window's payments, as a table.
pub(super) fn payments_table(currency: &str, payments: &[PaymentLine]) -> String {
    let figures = |of: fn(&PaymentLine) -> &String| {
        on_the_point(&payments.iter().map(|one| grouped(of(one))).collect::<Vec<_>>())
    };
    let rows: Vec<Vec<String>> = payments
        .iter()
        .zip(figures(|one| &one.amount))
        .zip(figures(|one| &one.paid))
        .map(|((one, amount), paid)| {
            let state = serde_json::to_string(&one.state).unwrap_or_default();
            let state = state.trim_matches('"').replace('_', " ");
            let (from, to) = (one.debtor.clone(), one.creditor.clone());
            vec![one.number.to_string(), from, to, amount, paid, state, one.end_to_end_id.clone()]
        })
        .collect();
    let header = ["", "from", "to", currency, "paid", "", "end-to-end id"];
    let mut columns = [Column::Left; 7];
    for right in [0, 3, 4] {
        columns[right] = Column::Right;
    }
    table("  ", &columns, &header, &rows)
}

impl Shown for Came {
    fn text(&self) -> String {
        let window = &self.window;
        let state = window.state.as_str();
        let mut parts = vec![paint(HEADING, &format!("window {} is {state}", window.number))];
        parts.push(format!("  {}", window.id));
        if let Some(due) = window.value_date {
            let provisional = if window.provisional { " (provisional)" } else { "" };
            parts.push(format!("  due {due}{provisional}"));
        }
        if let Some(into) = window.carried_into {
            parts.push(format!("  its obligations are in {into}"));
        }
        if !self.lines.is_empty() {
            parts.push(String::new());
            parts.push(lines_table(window.currency.as_str(), &self.lines));
        }
        if let Some(certificate) = &self.certificate {
            parts.push(String::new());
            parts.push(shown::comparison(certificate));
        }
        if !self.payments.is_empty() {
            parts.push(String::new());
            parts.push(payments_table(window.currency.as_str(), &self.payments));
        }
        parts.join("\n")
    }
}

/// Everybody's line, and their sums.
fn lines_table(currency: &str, lines: &[PartyLine]) -> String {
    let columns: [fn(&PartyLine) -> Total; 5] =
        [|l| l.opening, |l| l.activity, |l| l.net, |l| l.payment, |l| l.carried];
    let figures: Vec<Vec<String>> = columns
        .iter()
        .map(|of| {
            let sum: i128 = lines.iter().map(|line| of(line).micros()).sum();
            let all = lines.iter().map(of).chain([Total::from_micros(sum)]);
            on_the_point(&all.map(|total| grouped(&total.to_string())).collect::<Vec<_>>())
        })
        .collect();
    let names = lines.iter().map(|line| line.party.clone()).chain(["sum".to_owned()]);
    let row = |(at, name): (usize, String)| {
        std::iter::once(name).chain(figures.iter().map(|column| column[at].clone())).collect()
    };
    let rows: Vec<Vec<String>> = names.enumerate().map(row).collect();
    let header = ["party", "opening", "activity", "net (+ is owed)", "payment", "carried"];
    let mut sides = [Column::Right; 6];
    sides[0] = Column::Left;
    format!(
        "{}\n{}",
        table("  ", &sides, &header, &rows),
        paint(FAINT, &format!("  all in {currency}"))
    )
}

/// What a window came to, read from the books.
pub(super) fn came(open: &Books, window: Window) -> Result<Came, Failure> {
    let line = |line: Settled| PartyLine {
        party: line.party.to_string(),
        opening: line.opening,
        activity: line.activity,
        net: line.net,
        payment: line.payment,
        carried: line.carried,
    };
    let lines = books::lines(open, window.id)?.into_iter().map(line).collect();
    let certificate = match books::document(open, window.id, "certificate")? {
        None => None,
        Some(bytes) => {
            let read = alliance_contracts::json::read(&bytes);
            Some(read.map_err(|error| Failure::wrong(error.detail))?)
        }
    };
    let (payments, _) = books::payments(open, window.id)?;
    let currency = window.currency.to_string();
    let payments = payments.iter().map(|one| PaymentLine::of(&currency, one)).collect();
    Ok(Came { window, lines, certificate, payments })
}

pub(super) fn show(args: &ShowArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let open = instance.read_books().map_err(Failure::config)?;
    let window = books::find(&open, args.window)?;
    printer.show(&came(&open, window.told())?);
    Ok(Exit::Good)
}

/// Whether anything is to be paid for it.
pub(super) const fn is_netted(state: WindowState) -> bool {
    !matches!(state, WindowState::Open | WindowState::Closed)
}
