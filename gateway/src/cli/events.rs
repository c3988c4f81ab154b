//! `alliance events`.

use std::pin::pin;
use std::time::Duration;

use alliance_contracts::event::{Event, EventCursor, EventPage};
use alliance_contracts::names::{AllianceId, PartnerId};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::Place;
use super::failure::{Exit, Failure};
use super::layout::counted;
use super::printer::{FAINT, Printer, Shown, paint};
use crate::instance::open::Books;

/// How often `tail` looks for more.
const LOOK: Duration = Duration::from_millis(500);

/// See what partners are told.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// List a partner's events, oldest first
    ///
    /// What the partner itself reads at /v1/events, straight from the books. The last line says
    /// where to go on.
    #[command(after_help = "Examples:\n  alliance events list --partner aurora-air\n  \
        alliance events list --partner aurora-air --after AAAAAAAAAGT7Yv0J --limit 1000 --json")]
    List(ListArgs),
    /// Print a partner's events as they happen, until Ctrl-C
    ///
    /// One a line; with --json, each as the partner reads it.
    #[command(after_help = "Examples:\n  alliance events tail --partner aurora-air\n  \
        alliance events tail --partner aurora-air --all --json")]
    Tail(TailArgs),
}

/// Whose events, from where on.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    feed: Feed,
    /// How many at most, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
}

/// Whose events, from where on.
#[derive(Debug, Args)]
pub struct TailArgs {
    #[command(flatten)]
    feed: Feed,
    /// Begin with the partner's first event, not with the next
    #[arg(long, conflicts_with = "after")]
    all: bool,
}

#[derive(Debug, Args)]
struct Feed {
    /// The partner
    #[arg(long, value_name = "PARTNER")]
    partner: PartnerId,
    /// Only what came after this cursor
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    after: Option<EventCursor>,
    #[command(flatten)]
    place: Place,
}

impl Feed {
    /// The books, and the number of the event to begin after.
    fn open(&self) -> Result<(Books, Option<u64>), Failure> {
        let instance = self.place.load()?;
        let alliance = &instance.definition.alliance;
        let partner = &self.partner;
        if !instance.definition.partners.iter().any(|known| known.partner == *partner) {
            return Err(Failure::usage(format!(
                "{partner} is no partner of this alliance: see `alliance partner list`"
            )));
        }
        let after = self.after.as_ref().map(|cursor| {
            cursor.number(alliance, partner).ok_or_else(|| {
                Failure::usage(format!("{cursor} is no cursor of {partner}'s events"))
            })
        });
        Ok((instance.read_books().map_err(Failure::config)?, after.transpose()?))
    }

    fn page(&self, books: &Books, after: u64, limit: u32) -> Result<EventPage, Failure> {
        let page = books.house().events(self.partner.clone(), after, limit);
        books.wait(page).map_err(Failure::wrong)
    }
}

#[derive(Serialize)]
struct Listed {
    partner: PartnerId,
    #[serde(flatten)]
    page: EventPage,
}

impl Shown for Listed {
    fn text(&self) -> String {
        let Self { partner, page } = self;
        let mut lines: Vec<String> = page.items.iter().map(line).collect();
        let listed = counted(page.items.len(), "event");
        let next = &page.next_after;
        lines.push(if page.more {
            format!("{listed} of {partner}; there are more: --after {next}")
        } else {
            format!("{listed} of {partner}, up to the last: {next}")
        });
        lines.join("\n")
    }
}

/// One event on one line: number, time, type, what it is about.
fn line(event: &Event) -> String {
    let (number, kind) = (event.number().unwrap_or(0), event.r#type.as_str());
    let test = if event.test { "  (test)" } else { "" };
    format!(
        "{number:>8}  {}  {kind:<30}  {}{test}",
        paint(FAINT, &event.time.to_string()),
        event.subject
    )
}

pub(super) fn run(command: EventsCommand, printer: Printer) -> Result<Exit, Failure> {
    match command {
        EventsCommand::List(args) => list(&args, printer),
        EventsCommand::Tail(args) => tail(&args, printer),
    }
}

fn list(args: &ListArgs, printer: Printer) -> Result<Exit, Failure> {
    let (books, after) = args.feed.open()?;
    let page = args.feed.page(&books, after.unwrap_or(0), args.limit)?;
    printer.show(&Listed { partner: args.feed.partner.clone(), page });
    Ok(Exit::Good)
}

fn tail(args: &TailArgs, printer: Printer) -> Result<Exit, Failure> {
    let (books, after) = args.feed.open()?;
    let partner = &args.feed.partner;
    let mut after = match after {
        Some(after) => after,
        None if args.all => 0,
        None => books.wait(books.house().last_event(partner.clone())).map_err(Failure::wrong)?,
    };
    let alliance: AllianceId = books.house().alliance().clone();
    let cursor = EventCursor::at(&alliance, partner, after);
    printer.note(&format!("events of {partner} after {cursor}, until Ctrl-C"));
    // One for all rounds: what is pressed while a page is read must not be lost.
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    loop {
        let page = args.feed.page(&books, after, 100)?;
        for event in &page.items {
            after = event.number().unwrap_or(after);
            let json = || serde_json::to_string(event).unwrap_or_default();
            printer.document(&if printer.is_json() { json() } else { line(event) });
        }
        let waited = async { tokio::time::timeout(LOOK, interrupt.as_mut()).await };
        if !page.more && books.wait(waited).is_ok() {
            return Ok(Exit::Good);
        }
    }
}
