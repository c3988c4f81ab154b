//! `alliance trigger`: a sample of any event, sent to a developer's machine.

use std::collections::BTreeMap;

use alliance_contracts::event::{Event, EventType, Told};
use alliance_contracts::names::AllianceId;
use alliance_settlement::clearing_house::Clock;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::failure::{Exit, Failure};
use super::forward::{Forwarder, Signed};
use super::printer::{Printer, Shown};
use super::webhooks::event_type;
use crate::draw;

/// The page that describes events has a sample of each, one a line.
const PAGE: &str = include_str!("../../../docs/formats/events.md");

/// Which event, to where.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    alliance trigger transaction.completed --to http://localhost:3000/hooks\n  \
    alliance trigger link.active --to http://localhost:3000/hooks --secret whsec_…")]
pub struct TriggerArgs {
    /// The event's type
    #[arg(value_name = "EVENT", value_parser = event_type)]
    event: EventType,
    /// The address to send it to
    #[arg(long, value_name = "URL")]
    to: String,
    /// The alliance it is to come from
    #[arg(long, value_name = "ALLIANCE", default_value = "demo")]
    alliance: AllianceId,
    #[command(flatten)]
    signed: Signed,
}

#[derive(Deserialize)]
struct Sample {
    data: Box<RawValue>,
    subject: String,
    r#type: EventType,
}

/// The samples, by type.
fn samples() -> BTreeMap<EventType, Sample> {
    let lines = PAGE.lines().filter(|line| line.starts_with("{\"data\":"));
    let read = lines.filter_map(|line| serde_json::from_str::<Sample>(line).ok());
    read.map(|sample| (sample.r#type.clone(), sample)).collect()
}

#[derive(Serialize)]
struct Sent {
    event: Event,
    secret: Option<String>,
    taken: bool,
    #[serde(skip)]
    line: String,
}

impl Shown for Sent {
    fn text(&self) -> String {
        match &self.secret {
            Some(secret) => format!("{}\n  secret  {secret}", self.line),
            None => self.line.clone(),
        }
    }
}

pub(super) fn run(args: &TriggerArgs, printer: Printer) -> Result<Exit, Failure> {
    let forwarder = Forwarder::new(&args.to, &args.signed)?;
    let sample = samples()
        .remove(&args.event)
        .ok_or_else(|| Failure::wrong(format!("there is no sample of {}", args.event.as_str())))?;
    let now = Clock::system().now();
    let Sample { data, subject, r#type } = sample;
    let told = Told { r#type, subject, data, test: true };
    let event = Event::new(&args.alliance, draw::id(), 1, now, told);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::wrong)?;
    let (line, taken) = runtime.block_on(forwarder.send(&event, now.as_millis()));
    let secret = forwarder.is_new.then(|| forwarder.secret());
    printer.show(&Sent { event, secret, taken, line });
    Ok(if taken { Exit::Good } else { Exit::Wrong })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_sample_of_every_type() {
        let samples = samples();
        for known in EventType::KNOWN {
            assert!(samples.contains_key(known), "{}", known.as_str());
        }
    }
}
