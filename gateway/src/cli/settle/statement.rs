//! `alliance settle statement`: what a window came to for each partner, signed, with its lines.

use std::path::PathBuf;

use alliance_contracts::names::PartnerId;
use alliance_contracts::statement::Statement;
use clap::Args;
use serde::Serialize;

use super::books::{self, Named};
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::{Column, count, grouped, on_the_point, table};
use crate::cli::printer::{FAINT, HEADING, Printer, Shown, paint};
use crate::cli::progress::Progress;
use crate::statement_files::{self, Language, Paper};

/// Which window, whose, and where to.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance settle statement 12 --partner aurora-air --out .")]
pub struct StatementArgs {
    /// Its number, or its id
    #[arg(value_name = "WINDOW")]
    window: Named,
    /// One partner's, not everybody's
    #[arg(long)]
    partner: Option<PartnerId>,
    /// The language of the pages and the workbook: en or zh-CN
    #[arg(long, value_name = "LANGUAGE", default_value = "en")]
    language: Language,
    /// The folder for the files
    #[arg(long, value_name = "DIR", default_value = "statements")]
    out: PathBuf,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct One {
    statement: Statement,
    files: [String; 4],
}

#[derive(Serialize)]
struct Issued {
    window: u64,
    currency: String,
    folder: String,
    statements: Vec<One>,
}

impl Shown for Issued {
    fn text(&self) -> String {
        let all = |of: fn(&Statement) -> String| {
            self.statements.iter().map(|one| of(&one.statement)).collect::<Vec<_>>()
        };
        let money = |of: fn(&Statement) -> String| {
            let figures = all(of).iter().map(|figure| grouped(figure)).collect::<Vec<_>>();
            on_the_point(&figures)
        };
        let columns = [
            all(|s| s.partner.to_string()),
            all(|s| count(s.totals.lines)),
            money(|s| s.opening.to_string()),
            money(|s| s.activity.to_string()),
            money(|s| s.net.to_string()),
            money(|s| s.payment.to_string()),
            money(|s| s.carried.to_string()),
        ];
        let rows: Vec<Vec<String>> = (0..self.statements.len())
            .map(|at| columns.iter().map(|column| column[at].clone()).collect())
            .collect();
        let header = ["partner", "lines", "opening", "activity", "net", "payment", "carried"];
        let mut sides = [Column::Right; 7];
        sides[0] = Column::Left;
        let title = format!("statements of window {}, in {}", self.window, self.currency);
        let note = "above zero the partner is owed, or is paid; each .pdf is a page to send, each \
                    .xlsx and .csv has the lines, each .ndjson the lines and the signed statement";
        format!(
            "{}\n{}\nwrote {} files into {}\n{}",
            paint(HEADING, &title),
            table("  ", &sides, &header, &rows),
            4 * self.statements.len(),
            self.folder,
            paint(FAINT, note)
        )
    }
}

pub(super) fn statement(args: &StatementArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let open = instance.read_books().map_err(Failure::config)?;
    let window = books::find(&open, args.window)?;
    let partners = match &args.partner {
        Some(partner) => vec![partner.clone()],
        None => {
            let lines = books::lines(&open, window.id)?;
            let others = lines.iter().filter(|line| !books::is_alliance(&line.party));
            others.filter_map(|line| line.party.as_str().parse().ok()).collect()
        }
    };
    if partners.is_empty() {
        let (number, state) = (window.number, window.state.as_str());
        return Err(Failure::usage(format!("window {number} is {state}: it is not netted yet")));
    }
    let paper = Paper::of(args.language).map_err(Failure::usage)?;
    let bar = Progress::bar(printer, "statements", partners.len().try_into().unwrap_or(0));
    let mut statements = Vec::new();
    for partner in &partners {
        let written = statement_files::write(open.house(), &window, partner, &args.out, &paper);
        let written = open.wait(written).map_err(Failure::wrong)?;
        let files = written.files().map(|path| path.display().to_string());
        statements.push(One { statement: written.signed.statement, files });
        bar.step(1);
    }
    drop(bar);
    let (currency, folder) = (window.currency.to_string(), args.out.display().to_string());
    printer.show(&Issued { window: window.number, currency, folder, statements });
    Ok(Exit::Good)
}
