//! `alliance consents`: what a partner lets another order in its name. It asks the gateway, through
//! the SDK, as the partner that the `client.toml` is of.

use alliance_contracts::debit_consent::{CONSENT_VERSION, ConsentView, DebitConsent, DebitLimits};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::ids::ConsentId;
use alliance_contracts::names::{PartnerId, ProgramId};
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::time::Timestamp;
use alliance_partner_sdk::client::Client;
use alliance_partner_sdk::verify::consent::verify_consent;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::agreements::{As, failed};
use super::failure::{Exit, Failure};
use super::layout::{Column, table};
use super::members::wait;
use super::partner::kind;
use super::printer::{HEADING, Printer, Shown, paint};

/// Give, list and revoke consents to be debited.
#[derive(Debug, Subcommand)]
pub enum ConsentsCommand {
    /// Let another partner order in this partner's name, within limits
    ///
    /// Amounts are gross, in the settlement currency. This partner's key signs it.
    #[command(
        after_help = "Example:\n  alliance consents grant borealis-coffee --kinds redemption \
        --program aurora --order 50 --day 1000 --month 20000 \
        --client partners/aurora-air/client.toml"
    )]
    Grant(GrantArgs),
    /// List and verify consents that this partner has given or been given
    #[command(after_help = "Example:\n  alliance consents list \
        --client partners/aurora-air/client.toml")]
    List(ListArgs),
    /// Show and verify one consent
    #[command(after_help = "Example:\n  alliance consents show cns_01h455vb4pex5vsknk084sn02q")]
    Show(OneArgs),
    /// End a consent now; either partner's to do
    #[command(after_help = "Example:\n  alliance consents revoke cns_01h455vb4pex5vsknk084sn02q")]
    Revoke(OneArgs),
}

/// What to let whom.
#[derive(Debug, Args)]
pub struct GrantArgs {
    /// Who may order
    #[arg(value_name = "PARTNER")]
    target: PartnerId,
    /// Which kinds of order
    #[arg(long, value_name = "KIND", value_delimiter = ',', required = true, value_parser = kind)]
    kinds: Vec<TransactionKind>,
    /// Out of which of this partner's programs [default: all, and what it pays for itself]
    #[arg(long = "program", value_name = "SLUG", value_delimiter = ',')]
    programs: Vec<ProgramId>,
    /// At most so much in one order
    #[arg(long, value_name = "AMOUNT")]
    order: Decimal,
    /// At most so much in a UTC day
    #[arg(long, value_name = "AMOUNT")]
    day: Decimal,
    /// At most so much in a UTC month
    #[arg(long, value_name = "AMOUNT")]
    month: Decimal,
    /// Until when [default: until revoked]
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    #[command(flatten)]
    who: As,
}

/// Whose consents.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    who: As,
}

/// Which consent.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The consent's id
    #[arg(value_name = "ID")]
    id: ConsentId,
    #[command(flatten)]
    who: As,
}

pub(super) fn run(command: ConsentsCommand, printer: Printer) -> Result<Exit, Failure> {
    match command {
        ConsentsCommand::Grant(args) => wait(grant(args, printer)),
        ConsentsCommand::List(args) => wait(list(args, printer)),
        ConsentsCommand::Show(args) => wait(show(args, printer)),
        ConsentsCommand::Revoke(args) => wait(revoke(args, printer)),
    }
}

#[derive(Serialize)]
struct Listed {
    consents: Vec<ConsentView>,
}

impl Shown for Listed {
    fn text(&self) -> String {
        if self.consents.is_empty() {
            return paint(HEADING, "No consents, given or been given");
        }
        let row = |view: &ConsentView| {
            let DebitConsent { kinds, limits, programs, source, target, until, .. } = &view.consent;
            let state = match (view.revoked_at, until) {
                (Some(at), _) => format!("revoked {at}"),
                (None, Some(until)) => format!("until {until}"),
                (None, None) => "until revoked".to_owned(),
            };
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
            let programs: Vec<&str> = programs.iter().map(|program| program.as_str()).collect();
            let programs = if programs.is_empty() { "all".into() } else { programs.join(", ") };
            vec![
                view.id.to_string(),
                format!("{source} lets {target}"),
                kinds.join(", "),
                programs,
                format!("{} / {} / {}", limits.order, limits.day, limits.month),
                state,
            ]
        };
        let rows: Vec<Vec<String>> = self.consents.iter().map(row).collect();
        let header = ["consent", "who", "kinds", "programs", "order / day / month", "state"];
        let heading = paint(HEADING, "Consents to be debited, verified");
        format!("{heading}\n{}", table("  ", &[Column::Left; 6], &header, &rows))
    }
}

async fn grant(args: GrantArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let alliance = client.programs().await.map_err(|error| failed(&error))?.alliance;
    let consent = DebitConsent {
        alliance,
        kinds: args.kinds,
        limits: DebitLimits { day: args.day, month: args.month, order: args.order },
        programs: args.programs,
        source: client.partner().clone(),
        target: args.target,
        until: args.until,
        v: CONSENT_VERSION,
    };
    let view = client.grant_consent(&consent).await.map_err(|error| failed(&error))?;
    verified(&client, vec![view], printer).await
}

async fn list(args: ListArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let consents = client.consents().await.map_err(|error| failed(&error))?.items;
    verified(&client, consents, printer).await
}

async fn show(args: OneArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let view = client.consent(args.id).await.map_err(|error| failed(&error))?;
    verified(&client, vec![view], printer).await
}

async fn revoke(args: OneArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let view = client.revoke_consent(args.id).await.map_err(|error| failed(&error))?;
    verified(&client, vec![view], printer).await
}

async fn verified(
    client: &Client,
    consents: Vec<ConsentView>,
    printer: Printer,
) -> Result<Exit, Failure> {
    let partners = client.partner_keys().await.map_err(|error| failed(&error))?;
    for view in &consents {
        verify_consent(view, &partners).map_err(Failure::wrong)?;
    }
    printer.show(&Listed { consents });
    Ok(Exit::Good)
}
