//! `alliance webhooks`: a partner's endpoints. It asks the gateway, through the SDK, as the partner
//! that the `client.toml` is of.

use alliance_contracts::endpoint::{
    Delivery, DeliveryAttempt, DeliveryLog, DeliveryState, Endpoint, EndpointChangeRequest,
    EndpointRequest, EndpointWithSecret,
};
use alliance_contracts::event::{EventCursor, EventType};
use alliance_contracts::ids::EndpointId;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::agreements::{As, failed};
use super::failure::{Exit, Failure};
use super::layout::{Column, counted, table};
use super::printer::{FAINT, GOOD, HEADING, Printer, Shown, paint};

/// Have a partner's events pushed to its endpoints.
#[derive(Debug, Subcommand)]
pub enum WebhooksCommand {
    /// List this partner's endpoints
    #[command(after_help = "Example:\n  alliance webhooks list --client client.toml")]
    List(ListArgs),
    /// Make an endpoint: it is sent what happens from now on
    ///
    /// Prints its secret, under which every webhook is signed (Standard Webhooks, v1). No other
    /// command shows it.
    #[command(after_help = "Examples:\n  \
        alliance webhooks add https://hooks.aurora.example/alliance\n  \
        alliance webhooks add https://hooks.aurora.example/a --type transaction.completed")]
    Add(AddArgs),
    /// Change where an endpoint is, or what it is sent
    #[command(after_help = "Example:\n  alliance webhooks change \
        end_01h455vb4pex5vsknk084sn02q --url https://hooks.aurora.example/new")]
    Change(ChangeArgs),
    /// Pause an endpoint: its events wait
    #[command(after_help = "Example:\n  \
        alliance webhooks pause end_01h455vb4pex5vsknk084sn02q")]
    Pause(OneArgs),
    /// Send to an endpoint again that was paused, or has answered 410
    #[command(after_help = "Example:\n  \
        alliance webhooks activate end_01h455vb4pex5vsknk084sn02q")]
    Activate(OneArgs),
    /// Give an endpoint a new secret; the old one signs beside it for a while
    #[command(after_help = "Example:\n  alliance webhooks rotate-secret \
        end_01h455vb4pex5vsknk084sn02q --overlap-seconds 3600")]
    RotateSecret(RotateArgs),
    /// Remove an endpoint
    #[command(after_help = "Example:\n  \
        alliance webhooks remove end_01h455vb4pex5vsknk084sn02q")]
    Remove(OneArgs),
    /// Say what has become of events at an endpoint
    #[command(after_help = "Examples:\n  \
        alliance webhooks deliveries end_01h455vb4pex5vsknk084sn02q --state dead\n  \
        alliance webhooks deliveries end_01h455vb4pex5vsknk084sn02q --json")]
    Deliveries(DeliveriesArgs),
    /// Say how every attempt to deliver one event went
    #[command(after_help = "Example:\n  alliance webhooks attempts \
        end_01h455vb4pex5vsknk084sn02q 42")]
    Attempts(EventArgs),
    /// Send an endpoint one event again
    #[command(after_help = "Example:\n  alliance webhooks resend \
        end_01h455vb4pex5vsknk084sn02q 42")]
    Resend(EventArgs),
    /// Send an endpoint everything after a place of the feed again
    #[command(after_help = "Examples:\n  \
        alliance webhooks replay end_01h455vb4pex5vsknk084sn02q --after AAAAAAAAAGT7Yv0J\n  \
        alliance webhooks replay end_01h455vb4pex5vsknk084sn02q --all")]
    Replay(ReplayArgs),
}

/// Whose endpoints.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    who: As,
}

/// What to make.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Where it is: an https address of the public internet
    #[arg(value_name = "URL")]
    url: String,
    /// Only events of this type; may be given more than once [default: all]
    #[arg(long = "type", value_name = "TYPE", value_parser = event_type)]
    types: Vec<EventType>,
    #[command(flatten)]
    who: As,
}

/// What to change.
#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = true, args = ["url", "types", "all_types"])]
pub struct ChangeArgs {
    /// The endpoint
    #[arg(value_name = "ID")]
    id: EndpointId,
    /// Where it is from now on
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Only events of this type from now on; may be given more than once
    #[arg(long = "type", value_name = "TYPE", value_parser = event_type)]
    types: Vec<EventType>,
    /// Events of all types from now on
    #[arg(long, conflicts_with = "types")]
    all_types: bool,
    #[command(flatten)]
    who: As,
}

/// Which endpoint.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The endpoint
    #[arg(value_name = "ID")]
    id: EndpointId,
    #[command(flatten)]
    who: As,
}

/// Which endpoint, and for how long.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// The endpoint
    #[arg(value_name = "ID")]
    id: EndpointId,
    /// How long the old secret signs, too [default: a day]
    #[arg(long, value_name = "SECONDS")]
    overlap_seconds: Option<u32>,
    #[command(flatten)]
    who: As,
}

/// Which deliveries.
#[derive(Debug, Args)]
pub struct DeliveriesArgs {
    /// The endpoint
    #[arg(value_name = "ID")]
    id: EndpointId,
    /// Only those that are waiting, delivered or dead
    #[arg(long)]
    state: Option<DeliveryState>,
    /// Only those after this one
    #[arg(long, value_name = "SEQUENCE")]
    after: Option<String>,
    #[command(flatten)]
    who: As,
}

/// Which event at which endpoint.
#[derive(Debug, Args)]
pub struct EventArgs {
    /// The endpoint
    #[arg(value_name = "ID")]
    id: EndpointId,
    /// The event's number in the feed
    #[arg(value_name = "SEQUENCE")]
    sequence: String,
    #[command(flatten)]
    who: As,
}

/// From where on.
#[derive(Debug, Args)]
#[group(id = "place", required = true, args = ["after", "all"])]
pub struct ReplayArgs {
    /// The endpoint
    #[arg(value_name = "ID")]
    id: EndpointId,
    /// The place of the feed, as `events list` prints it
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    after: Option<EventCursor>,
    /// From the first event on
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    who: As,
}

/// A type of events, by its name.
pub(super) fn event_type(text: &str) -> Result<EventType, String> {
    EventType::known(text).ok_or_else(|| {
        let known: Vec<&str> = EventType::KNOWN.iter().map(EventType::as_str).collect();
        format!("there are events of these types: {}", known.join(", "))
    })
}

pub(super) fn run(command: WebhooksCommand, printer: Printer) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::wrong)?;
    runtime.block_on(async {
        match command {
            WebhooksCommand::List(args) => list(&args, printer).await,
            WebhooksCommand::Add(args) => add(args, printer).await,
            WebhooksCommand::Change(args) => change(args, printer).await,
            WebhooksCommand::Pause(args) => activate(&args, false, printer).await,
            WebhooksCommand::Activate(args) => activate(&args, true, printer).await,
            WebhooksCommand::RotateSecret(args) => rotate(&args, printer).await,
            WebhooksCommand::Remove(args) => remove(&args, printer).await,
            WebhooksCommand::Deliveries(args) => deliveries(&args, printer).await,
            WebhooksCommand::Attempts(args) => attempts(&args, printer).await,
            WebhooksCommand::Resend(args) => resend(&args, printer).await,
            WebhooksCommand::Replay(args) => replay(args, printer).await,
        }
    })
}

fn types(endpoint: &Endpoint) -> String {
    if endpoint.types.is_empty() {
        return "all events".to_owned();
    }
    endpoint.types.iter().map(EventType::as_str).collect::<Vec<_>>().join(", ")
}

#[derive(Serialize)]
struct Listed {
    partner: String,
    items: Vec<Endpoint>,
}

impl Shown for Listed {
    fn text(&self) -> String {
        if self.items.is_empty() {
            return format!("{} has no endpoints: `alliance webhooks add URL`", self.partner);
        }
        let row = |one: &Endpoint| {
            vec![one.id.to_string(), one.state.as_str().to_owned(), one.url.clone(), types(one)]
        };
        let rows: Vec<Vec<String>> = self.items.iter().map(row).collect();
        let header = ["endpoint", "state", "address", "is sent"];
        let heading = paint(HEADING, &format!("Endpoints of {}", self.partner));
        format!("{heading}\n{}", table("  ", &[Column::Left; 4], &header, &rows))
    }
}

async fn list(args: &ListArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let items = client.endpoints().await.map_err(|error| failed(&error))?.items;
    printer.show(&Listed { partner: client.partner().to_string(), items });
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct Changed(Endpoint);

impl Shown for Changed {
    fn text(&self) -> String {
        let Self(one) = self;
        let (state, sent) = (one.state.as_str(), types(one));
        format!("{} {}  {state}  {}  {sent}", paint(GOOD, "✓"), one.id, one.url)
    }
}

#[derive(Serialize)]
struct WithSecret(EndpointWithSecret);

impl Shown for WithSecret {
    fn text(&self) -> String {
        let EndpointWithSecret { endpoint, secret } = &self.0;
        let mut lines = vec![Changed(endpoint.clone()).text(), format!("  secret  {secret}")];
        lines.extend(
            endpoint
                .old_secret_until
                .map(|until| paint(FAINT, &format!("  The one before signs, too, until {until}."))),
        );
        lines.push(paint(FAINT, "  Keep it where the endpoint reads it: it is not shown again."));
        lines.join("\n")
    }
}

async fn add(args: AddArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let made = client.create_endpoint(EndpointRequest { types: args.types, url: args.url }).await;
    printer.show(&WithSecret(made.map_err(|error| failed(&error))?));
    Ok(Exit::Good)
}

async fn change(args: ChangeArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let types = (args.all_types || !args.types.is_empty()).then_some(args.types);
    let asked = EndpointChangeRequest { active: None, types, url: args.url };
    let changed = client.change_endpoint(args.id, asked).await;
    printer.show(&Changed(changed.map_err(|error| failed(&error))?));
    Ok(Exit::Good)
}

async fn activate(args: &OneArgs, active: bool, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let asked = EndpointChangeRequest { active: Some(active), types: None, url: None };
    let changed = client.change_endpoint(args.id, asked).await;
    printer.show(&Changed(changed.map_err(|error| failed(&error))?));
    Ok(Exit::Good)
}

async fn rotate(args: &RotateArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let made = client.rotate_endpoint_secret(args.id, args.overlap_seconds).await;
    printer.show(&WithSecret(made.map_err(|error| failed(&error))?));
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct Removed {
    removed: EndpointId,
}

impl Shown for Removed {
    fn text(&self) -> String {
        format!("{} {} is gone", paint(GOOD, "✓"), self.removed)
    }
}

async fn remove(args: &OneArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    client.remove_endpoint(args.id).await.map_err(|error| failed(&error))?;
    printer.show(&Removed { removed: args.id });
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct Page(alliance_contracts::endpoint::Deliveries);

impl Shown for Page {
    fn text(&self) -> String {
        let Self(page) = self;
        let when = |time: Option<alliance_contracts::time::Timestamp>| {
            time.map_or_else(|| "–".to_owned(), |time| time.to_string())
        };
        let row = |one: &Delivery| {
            vec![
                one.sequence.trim_start_matches('0').to_owned(),
                one.r#type.as_str().to_owned(),
                one.state.as_str().to_owned(),
                one.attempts.to_string(),
                one.last_status.map_or_else(|| "–".to_owned(), |status| status.to_string()),
                when(one.last_at),
                when(one.due_at),
            ]
        };
        let rows: Vec<Vec<String>> = page.items.iter().map(row).collect();
        let header = ["event", "type", "state", "attempts", "status", "last", "next"];
        let left = Column::Left;
        let columns = [Column::Right, left, left, Column::Right, Column::Right, left, left];
        let end = match &page.next_after {
            Some(next) if page.more => format!("; there are more: --after {next}"),
            _ => String::new(),
        };
        let counted = format!("{}{end}", counted(page.items.len(), "event"));
        if rows.is_empty() {
            counted
        } else {
            format!("{}\n{counted}", table("", &columns, &header, &rows))
        }
    }
}

async fn deliveries(args: &DeliveriesArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let page = client.deliveries(args.id, args.state, args.after.as_deref()).await;
    printer.show(&Page(page.map_err(|error| failed(&error))?));
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct Log(DeliveryLog);

impl Shown for Log {
    fn text(&self) -> String {
        let DeliveryLog { delivery, log } = &self.0;
        let row = |one: &DeliveryAttempt| {
            vec![
                one.attempt.to_string(),
                one.at.to_string(),
                one.status.map_or_else(|| "–".to_owned(), |status| status.to_string()),
                format!("{} ms", one.took_millis),
                one.said.clone(),
            ]
        };
        let rows: Vec<Vec<String>> = log.iter().map(row).collect();
        let (left, right) = (Column::Left, Column::Right);
        let columns = [right, left, right, right, left];
        let header = ["attempt", "at", "status", "took", "it said"];
        let heading = format!(
            "{}  {}  {}: {}",
            delivery.event,
            delivery.r#type.as_str(),
            delivery.subject,
            delivery.state.as_str()
        );
        format!("{}\n{}", paint(HEADING, &heading), table("  ", &columns, &header, &rows))
    }
}

async fn attempts(args: &EventArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let log = client.delivery(args.id, &args.sequence).await;
    printer.show(&Log(log.map_err(|error| failed(&error))?));
    Ok(Exit::Good)
}

async fn resend(args: &EventArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let endpoint = client.resend_event(args.id, &args.sequence).await;
    printer.show(&Changed(endpoint.map_err(|error| failed(&error))?));
    Ok(Exit::Good)
}

async fn replay(args: ReplayArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let endpoint = client.replay_events(args.id, args.after).await;
    printer.show(&Changed(endpoint.map_err(|error| failed(&error))?));
    Ok(Exit::Good)
}
