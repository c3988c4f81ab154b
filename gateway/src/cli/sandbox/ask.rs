//! Asking an open sandbox: its clock, its log, and an order of a partner's.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::{MemberRef, PartnerId, ProgramId};
use alliance_contracts::quote::MemberAccount;
use alliance_contracts::sandbox::{
    BaseDifference, BrandView, ClockChange, ClockView, LoggedRequest, SignatureComparison,
};
use alliance_contracts::transaction::{Transaction, TransactionState};
use alliance_partner_sdk::client::{Client, Error, Sandbox};
use clap::Args;
use serde::Serialize;

use crate::cli::agreements::{As, failed};
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::count;
use crate::cli::printer::{BAD, FAINT, GOOD, HEADING, Printer, Shown, paint};
use crate::draw;
use crate::instance::create;
use crate::instance::open::runtime;
use crate::sandbox::folder::{DEFAULT_MEMBERS, DEFAULT_SEED};
use crate::sandbox::people::People;

/// How often an order is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Which sandbox.
#[derive(Clone, Debug, Args)]
pub struct Where {
    /// The sandbox's address
    #[arg(
        long,
        value_name = "URL",
        env = "ALLIANCE_SANDBOX",
        default_value = "http://127.0.0.1:8787"
    )]
    url: String,
}

/// What the clock is to do.
#[derive(Debug, Args)]
pub struct ClockArgs {
    /// Stop it
    #[arg(long, conflicts_with = "release")]
    freeze: bool,
    /// Let it go on from where it stands
    #[arg(long)]
    release: bool,
    /// Put it forward: 90s, 15m, 36h, 7d, or several together
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    advance: Option<u64>,
    #[command(flatten)]
    sandbox: Where,
}

/// Whose requests.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// The partner; without it, requests that named no known key
    #[arg(long, value_name = "PARTNER")]
    partner: Option<PartnerId>,
    /// No more than the last so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: usize,
    #[command(flatten)]
    sandbox: Where,
}

/// Which brand.
#[derive(Debug, Args)]
pub struct SpeakArgs {
    /// The brand
    #[arg(value_name = "PARTNER")]
    brand: PartnerId,
    /// Let it go by its mood again
    #[arg(long)]
    hush: bool,
    #[command(flatten)]
    sandbox: Where,
}

/// How many people, and where to.
#[derive(Debug, Args)]
pub struct PeopleArgs {
    /// The folder for the files; made where it is not there
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Draw them from this seed
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// How many
    #[arg(long, value_name = "N", value_parser = super::members, default_value_t = DEFAULT_MEMBERS)]
    members: usize,
}

/// What to order.
#[derive(Debug, Args)]
pub struct OrderArgs {
    /// The program whose points are bought
    #[arg(value_name = "PROGRAM")]
    program: ProgramId,
    /// The member that they are for
    #[arg(value_name = "MEMBER")]
    member: MemberRef,
    /// How many
    #[arg(long, value_name = "N", default_value = "5")]
    points: Decimal,
    /// How many seconds to wait for the end
    #[arg(long, value_name = "N", default_value_t = 10)]
    wait: u64,
    #[command(flatten)]
    who: As,
}

/// A time as people write it, in seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || "write a time as in 90s, 15m, 36h, 7d or 1d12h".to_owned();
    let (mut all, mut digits) = (0_u64, String::new());
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        let unit = match letter {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        let more = number.checked_mul(unit).and_then(|more| all.checked_add(more));
        all = more.ok_or_else(wrong)?;
        digits.clear();
    }
    if digits.is_empty() && !text.is_empty() { Ok(all) } else { Err(wrong()) }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Clock(ClockView);

impl Shown for Clock {
    fn text(&self) -> String {
        let ClockView { frozen, message_time, now } = &self.0;
        let how = if *frozen { "frozen" } else { "running" };
        format!("{now}  {how}\n{message_time}  the machine's, which signatures go by")
    }
}

pub(super) fn clock(args: &ClockArgs, printer: Printer) -> Result<Exit, Failure> {
    let frozen = (args.freeze || args.release).then_some(args.freeze);
    let change = ClockChange { advance_seconds: args.advance, frozen };
    let sandbox = at(&args.sandbox)?;
    let view = wait(async {
        if change == ClockChange::default() {
            return sandbox.clock().await;
        }
        sandbox.set(change).await
    })?;
    printer.show(&Clock(view));
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct Log {
    requests: Vec<LoggedRequest>,
}

impl Shown for Log {
    fn text(&self) -> String {
        if self.requests.is_empty() {
            return "There is no request yet".to_owned();
        }
        let lines = self.requests.iter().map(request);
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn request(request: &LoggedRequest) -> String {
    let LoggedRequest { at, method, route, status, request_id, .. } = request;
    let (style, code) = match &request.code {
        None => (GOOD, ""),
        Some(code) => (BAD, code.as_str()),
    };
    let answered = paint(style, &format!("{status} {code}"));
    let mut lines = vec![format!("{at}  {answered:<4}  {method} {route}  {request_id}")];
    lines.extend(request.detail.iter().map(|detail| format!("    {detail}")));
    lines.extend(request.cause.iter().map(|cause| format!("    {}", paint(FAINT, cause))));
    lines.extend(request.signature.iter().map(compared));
    lines.join("\n")
}

/// The two bases, side by side: line by line, where they differ marked.
fn compared(comparison: &SignatureComparison) -> String {
    let SignatureComparison { client_base, difference, finding, gateway_base } = comparison;
    let mut lines = vec![format!("    {}", paint(HEADING, finding.meaning()))];
    let ours: Vec<&str> = gateway_base.split('\n').collect();
    let theirs: Vec<&str> = client_base.iter().flat_map(|base| base.split('\n')).collect();
    let longest = if theirs.is_empty() { ours.len() } else { ours.len().max(theirs.len()) };
    for at in 0..longest {
        let (gateway, client) = (ours.get(at).copied(), theirs.get(at).copied());
        if gateway == client {
            lines.push(format!("      both     {}", gateway.unwrap_or_default()));
        } else if theirs.is_empty() {
            lines.push(format!("      gateway  {}", gateway.unwrap_or_default()));
        } else {
            lines.push(format!("      gateway  {}", gateway.unwrap_or("(has ended)")));
            lines.push(format!("      client   {}", client.unwrap_or("(has ended)")));
        }
    }
    if let Some(BaseDifference { byte, column, line, .. }) = difference {
        lines.push(format!("    first difference: line {line}, column {column} (byte {byte})"));
    }
    lines.join("\n")
}

pub(super) fn log(args: &LogArgs, printer: Printer) -> Result<Exit, Failure> {
    let sandbox = at(&args.sandbox)?;
    let mut requests = wait(sandbox.log(args.partner.as_ref()))?.requests;
    requests.truncate(args.last);
    // For people the newest stands last, as in every log.
    requests.reverse();
    printer.show(&Log { requests });
    Ok(Exit::Good)
}

#[derive(Serialize)]
#[serde(transparent)]
struct Speaker(BrandView);

impl Shown for Speaker {
    fn text(&self) -> String {
        let BrandView { partner, speaks } = &self.0;
        match speaks {
            true => format!("{partner} answers, whatever its mood"),
            false => format!("{partner} goes by its mood"),
        }
    }
}

pub(super) fn speak(args: &SpeakArgs, printer: Printer) -> Result<Exit, Failure> {
    let sandbox = at(&args.sandbox)?;
    printer.show(&Speaker(wait(sandbox.speak(&args.brand, !args.hush))?));
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct Written {
    members: usize,
    files: Vec<String>,
}

impl Shown for Written {
    fn text(&self) -> String {
        let people = count(u64::try_from(self.members).unwrap_or(u64::MAX));
        let heading = format!("{} {people} people in", paint(GOOD, "✓"));
        let files = self.files.iter().map(|file| format!("  {file}"));
        std::iter::once(heading).chain(files).collect::<Vec<_>>().join("\n")
    }
}

pub(super) fn people(args: &PeopleArgs, printer: Printer) -> Result<Exit, Failure> {
    let PeopleArgs { dir, seed, members } = args;
    std::fs::create_dir_all(dir)
        .map_err(|error| Failure::usage(format!("{}: {error}", dir.display())))?;
    let mut files = Vec::new();
    for (name, text) in People::new(*seed, *members).files() {
        let file = dir.join(name);
        create::write(&file, &text).map_err(Failure::wrong)?;
        files.push(file.display().to_string());
    }
    printer.show(&Written { members: *members, files });
    Ok(Exit::Good)
}

#[derive(Serialize)]
#[serde(transparent)]
struct Ordered(Transaction);

impl Shown for Ordered {
    fn text(&self) -> String {
        let Transaction { id, failure, .. } = &self.0;
        match (self.0.state, failure) {
            (TransactionState::Completed, _) => {
                format!("{} {id} is completed: see its receipt with --json", paint(GOOD, "✓"))
            }
            (TransactionState::Failed, Some(failure)) => {
                let code = failure.code.as_str();
                format!("{} {id} has failed: {code} by {}", paint(BAD, "✗"), failure.partner)
            }
            (state, _) => format!("{id} is {}: the brand has not answered yet", state.as_str()),
        }
    }
}

pub(super) fn order(args: &OrderArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let account = MemberAccount { program: args.program.clone(), member: args.member.clone() };
    let transaction = wait(async {
        let quote = client.accrue(account, args.points).await?;
        let reference: alliance_contracts::ids::RequestId = draw::id();
        let reference = reference
            .to_string()
            .parse()
            .map_err(alliance_partner_sdk::client::ConfigError::Name)?;
        let made = client.transact(&quote, reference).await?;
        ended(&client, made, Duration::from_secs(args.wait)).await
    })?;
    printer.show(&Ordered(transaction));
    Ok(Exit::Good)
}

async fn ended(
    client: &Client,
    mut transaction: Transaction,
    patience: Duration,
) -> Result<Transaction, Error> {
    let begun = Instant::now();
    while transaction.state == TransactionState::Pending && begun.elapsed() < patience {
        tokio::time::sleep(LOOK_EVERY).await;
        transaction = client.transaction(transaction.id).await?;
    }
    Ok(transaction)
}

fn at(sandbox: &Where) -> Result<Sandbox, Failure> {
    Sandbox::at(&sandbox.url).map_err(|error| failed(&error))
}

fn wait<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    let runtime = runtime().map_err(Failure::wrong)?;
    runtime.block_on(answer).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, wanted) in [("90s", 90), ("15m", 900), ("1d12h", 129_600), ("0s", 0)] {
            assert_eq!(seconds(text), Ok(wanted), "{text}");
        }
        for bad in ["", "90", "h", "1w", "1h30", "-1h", "99999999999999999999d"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
