//! `alliance settle close`, `release`, `abort`, `withdraw`: what people do about windows of the
//! books.

use std::path::PathBuf;

use alliance_contracts::names::Currency;
use alliance_contracts::window::WindowState;
use alliance_settlement::rates::proposal::OperatorName;
use alliance_settlement::windows::{SettlementAction, SettlementProposal};
use clap::Args;
use serde::Serialize;

use super::books::{self, Named};
use super::status;
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::printer::{GOOD, Printer, Shown, paint};
use crate::draw;
use crate::instance::open::Books;
use crate::schedule::day_at;
use crate::settler;

/// Who closes it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance settle close --as lin.wei --dir my-alliance")]
pub struct CloseArgs {
    /// Who you are
    #[arg(long = "as", value_name = "NAME", env = "ALLIANCE_OPERATOR")]
    operator: OperatorName,
    #[command(flatten)]
    place: Place,
}

/// Which window, and who.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance settle release 12 --as lin.wei\n  \
                        alliance settle release 12 --as chen.yu")]
pub struct ReleaseArgs {
    /// Its number, or its id
    #[arg(value_name = "WINDOW")]
    window: Named,
    /// Who you are
    #[arg(long = "as", value_name = "NAME", env = "ALLIANCE_OPERATOR")]
    operator: OperatorName,
    #[command(flatten)]
    place: Place,
}

/// Which window, why, and who.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    alliance settle abort 12 --why disputed --as lin.wei\n  \
    alliance settle abort 12 --as chen.yu")]
pub struct AbortArgs {
    /// Its number, or its id
    #[arg(value_name = "WINDOW")]
    window: Named,
    /// Why; whoever agrees leaves it out
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
    /// Who you are
    #[arg(long = "as", value_name = "NAME", env = "ALLIANCE_OPERATOR")]
    operator: OperatorName,
    #[command(flatten)]
    place: Place,
}

/// Which proposal, and who.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance settle withdraw 3 --as lin.wei")]
pub struct WithdrawArgs {
    /// The proposal's number
    #[arg(value_name = "PROPOSAL")]
    proposal: u32,
    /// Who you are
    #[arg(long = "as", value_name = "NAME", env = "ALLIANCE_OPERATOR")]
    operator: OperatorName,
    #[command(flatten)]
    place: Place,
}

/// Which window's certificate, and where to.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance settle certificate 12 --out netting.json\n  \
                        alliance settle check netting.json")]
pub struct CertificateArgs {
    /// Its number, or its id
    #[arg(value_name = "WINDOW")]
    window: Named,
    /// The file; without it, the certificate is shown
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Closed {
    closed: bool,
    window: Option<status::Came>,
}

impl Shown for Closed {
    fn text(&self) -> String {
        match &self.window {
            Some(came) => came.text(),
            None => "somebody else has closed the window just now: see `alliance settle status`"
                .to_owned(),
        }
    }
}

pub(super) fn close(args: &CloseArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let open = instance.write_books().map_err(|faults| Failure::of_faults(&faults))?;
    let house = open.house();
    let zone = house.registry().definition.settlement.time_zone.clone();
    let today = day_at(&zone, house.now()).map_err(Failure::wrong)?;
    let by = Some(args.operator.clone());
    let closed = open.wait(house.close_window(draw::id(), None, by, today));
    let Some(window) = closed.map_err(|error| books::refused(&error))? else {
        printer.show(&Closed { closed: false, window: None });
        return Ok(Exit::Good);
    };
    let netted = open.wait(house.net_windows(&settler::ids(), &books::progress(printer)));
    netted.map_err(|error| books::refused(&error))?;
    let record = books::find(&open, Named::Id(window))?;
    let came = status::came(&open, record.told())?;
    printer.show(&Closed { closed: true, window: Some(came) });
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct Netted {
    windows: Vec<u64>,
}

impl Shown for Netted {
    fn text(&self) -> String {
        if self.windows.is_empty() {
            return "no closed window waits to be netted".to_owned();
        }
        let numbers: Vec<String> = self.windows.iter().map(ToString::to_string).collect();
        format!("netted: {}; see `alliance settle show {}`", numbers.join(", "), numbers[0])
    }
}

/// Nets what is closed, and posts what follows: what a gateway does by itself, after a crash.
pub(super) fn net(place: &Place, printer: Printer) -> Result<Exit, Failure> {
    let instance = place.load()?;
    let open = instance.write_books().map_err(|faults| Failure::of_faults(&faults))?;
    let netted = open.wait(open.house().net_windows(&settler::ids(), &books::progress(printer)));
    let mut windows = Vec::new();
    for id in netted.map_err(|error| books::refused(&error))? {
        windows.push(books::find(&open, Named::Id(id))?.number);
    }
    printer.show(&Netted { windows });
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct Agreed {
    proposal: u32,
    action: &'static str,
    window: u64,
    carried_out: bool,
    #[serde(skip)]
    next: String,
}

impl Shown for Agreed {
    fn text(&self) -> String {
        let Self { proposal, action, window, .. } = self;
        let said = if self.carried_out {
            paint(GOOD, &format!("{action} of window {window} is agreed and carried out"))
        } else {
            format!(
                "proposal {proposal}: {action} window {window}; now a second person has to agree"
            )
        };
        format!("{said}\n  {}", self.next)
    }
}

/// Agrees to what another person has proposed of this window, or proposes it.
fn agree(
    open: &Books,
    action: SettlementAction,
    by: &OperatorName,
    window: u64,
    next: [String; 2],
) -> Result<Agreed, Failure> {
    let same = |one: &&SettlementProposal| {
        let (that, this) = (&one.action, &action);
        that.window() == this.window() && that.as_str() == this.as_str()
    };
    let waits = books::waiting(open);
    let other = waits.iter().find(same).filter(|one| one.proposed_by != *by);
    let (house, name) = (open.house(), action.as_str());
    let [to_agree, to_do] = next;
    let (proposal, carried_out, next) = match other {
        Some(other) => {
            let done = open.wait(house.approve_settlement(other.number, by.clone()));
            (done.map_err(|error| books::refused(&error))?, true, to_do)
        }
        None => {
            let made = open.wait(house.propose_settlement(action, by.clone()));
            (made.map_err(|error| books::refused(&error))?, false, to_agree)
        }
    };
    Ok(Agreed { proposal, action: name, window, carried_out, next })
}

pub(super) fn release(args: &ReleaseArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let open = instance.write_books().map_err(|faults| Failure::of_faults(&faults))?;
    let window = books::find(&open, args.window)?;
    let number = window.number;
    let next = [
        format!("alliance settle release {number} --as ANOTHER"),
        format!("write the files for banks: alliance settle payments {number} --out DIR"),
    ];
    let action = SettlementAction::Release { window: window.id };
    printer.show(&agree(&open, action, &args.operator, number, next)?);
    Ok(Exit::Good)
}

pub(super) fn abort(args: &AbortArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let open = instance.write_books().map_err(|faults| Failure::of_faults(&faults))?;
    let window = books::find(&open, args.window)?;
    let number = window.number;
    let next = [
        format!("alliance settle abort {number} --as ANOTHER"),
        "its obligations are in the next window".to_owned(),
    ];
    let action = SettlementAction::Abort { window: window.id, why: args.why.clone() };
    printer.show(&agree(&open, action, &args.operator, number, next)?);
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct Withdrawn {
    proposal: u32,
}

impl Shown for Withdrawn {
    fn text(&self) -> String {
        format!("proposal {} is taken back", self.proposal)
    }
}

pub(super) fn withdraw(args: &WithdrawArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let open = instance.write_books().map_err(|faults| Failure::of_faults(&faults))?;
    let by = args.operator.clone();
    let done = open.wait(open.house().withdraw_settlement(args.proposal, by));
    printer.show(&Withdrawn { proposal: done.map_err(|error| books::refused(&error))? });
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct Certified {
    window: u64,
    currency: Currency,
    file: String,
    bytes: usize,
}

impl Shown for Certified {
    fn text(&self) -> String {
        let Self { window, file, bytes, .. } = self;
        let proof = "`alliance settle check` proves it";
        format!("wrote {file}: what window {window} came to, {bytes} bytes; {proof}")
    }
}

pub(super) fn certificate(args: &CertificateArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let open = instance.read_books().map_err(Failure::config)?;
    let window = books::find(&open, args.window)?;
    if !status::is_netted(window.state) && window.state != WindowState::Aborted {
        return Err(Failure::usage(format!(
            "window {} is {}: it is not netted yet",
            window.number,
            window.state.as_str()
        )));
    }
    let (_, bytes) = books::certificate(&open, &window)?;
    let Some(path) = &args.out else {
        printer.document(&String::from_utf8_lossy(&bytes));
        return Ok(Exit::Good);
    };
    std::fs::write(path, &bytes)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    let (number, currency) = (window.number, window.currency);
    let file = path.display().to_string();
    printer.show(&Certified { window: number, currency, file, bytes: bytes.len() });
    Ok(Exit::Good)
}
