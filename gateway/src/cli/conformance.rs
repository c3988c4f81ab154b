//! `alliance conformance`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use alliance_contracts::conformance::{CaseOutcome, CaseReport, ConformanceReport};
use alliance_contracts::names::{Currency, ItemRef, MemberRef, PartnerId, ProgramId};
use clap::Args;
use serde::Serialize;

use super::failure::{Exit, Failure};
use super::layout::counted;
use super::printer::{BAD, FAINT, GOOD, Printer, Shown, paint};
use crate::instance::keyfile;
use alliance_partner_sdk::client::SystemClock;
use alliance_partner_sdk::conformance::{self, Restart, Target};

/// What is tried, and with what.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  alliance conformance --connector http://127.0.0.1:8090/alliance \
    --key brand.pem --program borealis --member B-77\n  \
    alliance conformance --connector https://test.brand.example/alliance --key tester.pem \
    --brand-key WKnEG1ahyyv53VOOjwofPyHndYBkGXzxbCD7JsI41A8 --program borealis --member B-77 \
    --frozen B-99 --item latte --report report.json"
)]
pub struct ConformanceArgs {
    /// The connector's address: /reserve and the others are below it
    #[arg(long, value_name = "URL")]
    connector: String,
    /// The private key that signs the calls and the report
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The brand's public key, which signs the answers [default: that of --key]
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    brand_key: Option<String>,
    /// The program whose points are moved
    #[arg(long, value_name = "PROGRAM")]
    program: ProgramId,
    /// A member with 20 points or more, which nobody else moves meanwhile
    #[arg(long, value_name = "MEMBER")]
    member: String,
    /// A member that is frozen
    #[arg(long, value_name = "MEMBER")]
    frozen: Option<String>,
    /// A benefit that can be given and taken back
    #[arg(long, value_name = "ITEM")]
    item: Option<ItemRef>,
    /// The currency of the benefit's price
    #[arg(long, value_name = "CODE", default_value = "CNY")]
    currency: Currency,
    /// The other brand, as calls name it
    #[arg(long, value_name = "PARTNER", default_value = "conformance-tester")]
    counterparty: PartnerId,
    /// How many seconds an answer may take
    #[arg(long, value_name = "SECONDS", default_value = "15")]
    wait: u64,
    /// A command that kills the connector and comes back when it is there again
    #[arg(long, value_name = "COMMAND")]
    restart: Option<String>,
    /// Write the signed report to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

#[derive(Serialize)]
struct Tried {
    /// The compact JWS over the report.
    jws: String,
    report: ConformanceReport,
}

impl Shown for Tried {
    fn text(&self) -> String {
        let report = &self.report;
        let count = |count: u32, what: &str| format!("{count} {what}");
        let mut ended = vec![count(report.passed, "passed")];
        if report.failed > 0 {
            ended.push(count(report.failed, "failed"));
        }
        if report.not_tried > 0 {
            ended.push(count(report.not_tried, "not tried"));
        }
        let verdict = if report.failed > 0 {
            paint(BAD, "does not conform")
        } else if report.not_tried > 0 {
            paint(GOOD, "conforms, as far as it was tried")
        } else {
            paint(GOOD, "conforms")
        };
        let cases = counted(report.cases.len(), "case");
        format!("\n{} {verdict}: of {cases}, {}", report.connector, ended.join(", "))
    }
}

/// Tries the connector.
pub fn run(args: ConformanceArgs, printer: Printer) -> Result<Exit, Failure> {
    let report = args.report.clone();
    let target = target(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::wrong)?;
    let watch = |case: &CaseReport, what: &str| printer.note(&line(case, what));
    let tried = runtime.block_on(conformance::run(&target, SystemClock, watch));
    let tried = tried.map_err(Failure::usage)?;
    let exit = if tried.failed > 0 { Exit::Wrong } else { Exit::Good };
    let tried = Tried { jws: tried.sign(&target.key), report: tried };
    if let Some(file) = report {
        let text = serde_json::to_vec_pretty(&tried).map_err(Failure::wrong)?;
        fs::write(&file, text)
            .map_err(|error| Failure::wrong(format!("{}: {error}", file.display())))?;
    }
    printer.show(&tried);
    Ok(exit)
}

/// All that is wrong with what was typed, at once.
fn target(args: ConformanceArgs) -> Result<Target, Failure> {
    let mut faults = Vec::new();
    let key = keyfile::read_private(&args.key).map_err(|fault| faults.push(fault.to_string())).ok();
    let brand_key = match &args.brand_key {
        None => key.as_ref().map(|key| key.public_key().clone()),
        Some(text) => keyfile::parse_public(text)
            .map_err(|fault| faults.push(format!("--brand-key: {fault}")))
            .ok(),
    };
    let mut member = |option: &str, text: &str| -> Option<MemberRef> {
        text.parse().map_err(|error| faults.push(format!("{option}: {error}"))).ok()
    };
    let tried = member("--member", &args.member);
    let frozen = args.frozen.as_deref().map(|text| member("--frozen", text));
    let (Some(key), Some(brand_key), Some(member), true) =
        (key, brand_key, tried, faults.is_empty())
    else {
        return Err(Failure::usage("nothing was tried").with(faults));
    };
    Ok(Target {
        brand_key,
        connector: args.connector,
        counterparty: args.counterparty,
        currency: args.currency,
        frozen: frozen.flatten(),
        item: args.item,
        key: Arc::new(key),
        member,
        patience: Duration::from_secs(args.wait.max(1)),
        program: args.program,
        restart: args.restart.map(restart),
    })
}

fn line(case: &CaseReport, what: &str) -> String {
    let name = case.name.replace('_', " ");
    match case.outcome {
        CaseOutcome::Passed => format!("{} {name}", paint(GOOD, "passed   ")),
        CaseOutcome::NotTried => {
            format!("{} {name}\n          {}", paint(FAINT, "not tried"), case.detail)
        }
        CaseOutcome::Failed => {
            let why = format!("{}\n          wanted: {what}", case.detail);
            format!("{} {name}\n          {why}", paint(BAD, "FAILED   "))
        }
    }
}

/// The command, as the shell understands it.
fn restart(command: String) -> Restart {
    Arc::new(move || {
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", &command]).stdin(Stdio::null()).stdout(Stdio::null());
        match shell.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("the command of --restart: {status}")),
            Err(error) => Err(format!("the command of --restart does not start: {error}")),
        }
    })
}
