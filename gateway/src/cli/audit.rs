//! `alliance audit`.

use alliance_settlement::inspection::AuditReport;
use clap::Args;
use serde::Serialize;

use super::Place;
use super::failure::{Exit, Failure};
use super::layout::{count, counted};
use super::printer::{BAD, GOOD, HEADING, Printer, Shown, paint};
use super::progress::Progress;

/// Whose books.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance audit --dir my-alliance")]
pub struct AuditArgs {
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Audited {
    ok: bool,
    alliance: String,
    #[serde(flatten)]
    report: AuditReport,
}

impl Shown for Audited {
    fn text(&self) -> String {
        let Self { ok, alliance, report } = self;
        let AuditReport { receipts, corridors, members, transactions, findings, .. } = report;
        let looked_at = format!(
            "  {} receipts in {}, {} transactions, {} members, {} boards, {} agreements, \
             {} campaigns, {} consents",
            count(*receipts),
            counted(*corridors, "corridor"),
            count(*transactions),
            count(*members),
            report.boards,
            count(report.agreements),
            report.campaigns,
            report.consents,
        );
        if *ok {
            let heading = format!("The books of \"{alliance}\" are what their receipts say");
            return format!("{} {}\n{looked_at}", paint(GOOD, "✓"), paint(HEADING, &heading));
        }
        let heading = format!("The books of \"{alliance}\" differ from their receipts");
        let mut lines =
            vec![format!("{} {}", paint(BAD, "✗"), paint(HEADING, &heading)), looked_at];
        let findings = findings.iter();
        lines.extend(findings.map(|finding| format!("  {}: {}", finding.place, finding.finding)));
        lines.join("\n")
    }
}

pub(super) fn run(args: &AuditArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let bar = Progress::spinner(printer, "recomputing the books");
    let report = instance.audit().map_err(Failure::config)?;
    bar.done();
    let ok = report.findings.is_empty();
    let alliance = instance.definition.alliance.to_string();
    printer.show(&Audited { ok, alliance, report });
    Ok(if ok { Exit::Good } else { Exit::Wrong })
}
