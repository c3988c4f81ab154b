//! `alliance listen`: a partner's events, forwarded to a developer's machine.

use alliance_contracts::event::EventCursor;
use alliance_settlement::clearing_house::Clock;
use clap::Args;
use futures_util::TryStreamExt;
use serde::Serialize;

use super::agreements::{As, failed};
use super::failure::{Exit, Failure};
use super::forward::{Forwarder, Signed};
use super::printer::{FAINT, LIVE, Printer, Shown, paint};

/// Events of a page, when only the last is looked for.
const PAGE: u32 = 1_000;

/// To where, from where on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    alliance listen --forward-to http://localhost:3000/hooks --client client.toml\n  \
    alliance listen --forward-to http://localhost:3000/hooks --after AAAAAAAAAGT7Yv0J")]
pub struct ListenArgs {
    /// The address to forward to
    #[arg(long, value_name = "URL")]
    forward_to: String,
    /// Begin after this place of the feed [default: with what happens from now on]
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    after: Option<EventCursor>,
    #[command(flatten)]
    signed: Signed,
    #[command(flatten)]
    who: As,
}

#[derive(Serialize)]
struct Ready {
    forward_to: String,
    partner: String,
    secret: String,
    after: EventCursor,
}

impl Shown for Ready {
    fn text(&self) -> String {
        let Self { forward_to, partner, secret, after } = self;
        format!(
            "Events of {partner} go to {}\n  secret  {secret}\n{}",
            paint(LIVE, forward_to),
            paint(FAINT, &format!("  from {after} on, until Ctrl-C")),
        )
    }
}

pub(super) fn run(args: &ListenArgs, printer: Printer) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::wrong)?;
    runtime.block_on(async {
        tokio::select! {
            listened = listen(args, printer) => listened,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Good),
        }
    })
}

async fn listen(args: &ListenArgs, printer: Printer) -> Result<Exit, Failure> {
    let forwarder = Forwarder::new(&args.forward_to, &args.signed)?;
    let client = args.who.client()?;
    let after = match &args.after {
        Some(after) => after.clone(),
        None => last(&client).await?,
    };
    printer.show(&Ready {
        forward_to: args.forward_to.clone(),
        partner: client.partner().to_string(),
        secret: forwarder.secret(),
        after: after.clone(),
    });
    let clock = Clock::system();
    let mut events = client.follow_events(Some(after));
    while let Some(followed) = events.try_next().await.map_err(|error| failed(&error))? {
        let (line, _) = forwarder.send(&followed.event, clock.now().as_millis()).await;
        let json = || serde_json::to_string(&followed.event).unwrap_or_default();
        printer.document(&if printer.is_json() { json() } else { line });
    }
    Ok(Exit::Good)
}

/// The place after the feed's last event.
async fn last(client: &alliance_partner_sdk::Client) -> Result<EventCursor, Failure> {
    let mut after = None;
    loop {
        let page = client.events(after.as_ref(), PAGE).await.map_err(|error| failed(&error))?;
        if !page.more {
            return Ok(page.next_after);
        }
        after = Some(page.next_after);
    }
}
