//! `alliance partner-keys`: a partner's own keys. It asks the gateway, through the SDK, as the
//! partner that the `client.toml` is of.

use std::path::PathBuf;

use alliance_contracts::keys::Kid;
use alliance_contracts::names::PartnerId;
use alliance_contracts::partner_key::{KeyScope, KeyUse, KeyView};
use alliance_contracts::time::Timestamp;
use alliance_partner_sdk::client::{Client, KEYS_KNOWN_WITHIN};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::agreements::{As, failed};
use super::failure::{Exit, Failure};
use super::layout::{Column, counted, table};
use super::printer::{FAINT, GOOD, HEADING, Printer, Shown, paint};
use crate::instance::keyfile;

/// Add, retire, revoke and list a partner's own keys.
#[derive(Debug, Subcommand)]
pub enum PartnerKeysCommand {
    /// List this partner's keys, whatever their state
    #[command(after_help = "Example:\n  \
        alliance partner-keys list --client partners/aurora-air/client.toml")]
    List(ListArgs),
    /// Register a key of this partner's
    ///
    /// The new key signs its own registration, the one in client.toml the request. Both hold from
    /// then on: put the new one into client.toml when all gateways know it, then retire the old.
    #[command(after_help = "Examples:\n  \
        alliance partner-keys add new-key.pem --client partners/aurora-air/client.toml\n  \
        alliance partner-keys add report-key.pem --scope read --until 2027-01-01T00:00:00.000Z")]
    Add(AddArgs),
    /// Let a key end at a time
    ///
    /// By the gateway's clock, now or later; an earlier end stays.
    #[command(after_help = "Example:\n  alliance partner-keys retire \
        qBLWFFn9NmW8C8vIFT_KhJarPD3Lw-vVwFCTZbYpyrw --at 2026-11-30T00:00:00.000Z")]
    Retire(RetireArgs),
    /// Revoke a key now, and say what it was accepted for
    #[command(after_help = "Example:\n  alliance partner-keys revoke \
        qBLWFFn9NmW8C8vIFT_KhJarPD3Lw-vVwFCTZbYpyrw --since 2026-11-20T00:00:00.000Z")]
    Revoke(UsesArgs),
    /// Say what a key was accepted for
    #[command(after_help = "Example:\n  alliance partner-keys uses \
        qBLWFFn9NmW8C8vIFT_KhJarPD3Lw-vVwFCTZbYpyrw --since 2026-11-20T00:00:00.000Z")]
    Uses(UsesArgs),
}

/// Whose keys.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    who: As,
}

/// The key to register.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The new private key, as `alliance keys generate` writes it
    #[arg(value_name = "FILE.pem")]
    file: PathBuf,
    /// What it may do: full, trade, read or witness
    #[arg(long, default_value = "full")]
    scope: KeyScope,
    /// From when it holds [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Until when it holds [default: no end]
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    #[command(flatten)]
    who: As,
}

/// The key to retire.
#[derive(Debug, Args)]
pub struct RetireArgs {
    /// The key's id
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: Kid,
    /// From when on it holds no more
    #[arg(long, value_name = "TIME")]
    at: Timestamp,
    #[command(flatten)]
    who: As,
}

/// Which key, and since when.
#[derive(Debug, Args)]
pub struct UsesArgs {
    /// The key's id
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: Kid,
    /// What it was accepted for from this time on [default: ever]
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    #[command(flatten)]
    who: As,
}

pub(super) fn run(command: PartnerKeysCommand, printer: Printer) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::wrong)?;
    runtime.block_on(async {
        match command {
            PartnerKeysCommand::List(args) => list(&args, printer).await,
            PartnerKeysCommand::Add(args) => add(&args, printer).await,
            PartnerKeysCommand::Retire(args) => retire(&args, printer).await,
            PartnerKeysCommand::Revoke(args) => revoke(&args, printer).await,
            PartnerKeysCommand::Uses(args) => uses(&args, printer).await,
        }
    })
}

/// How a key stands, in words.
fn standing(key: &KeyView) -> String {
    match (key.revoked_at, key.exp) {
        (Some(at), _) => format!("revoked {at}"),
        (None, Some(exp)) if key.in_force => format!("in force until {exp}"),
        (None, Some(exp)) => format!("holds until {exp}, not now"),
        (None, None) if key.in_force => "in force".to_owned(),
        (None, None) => "not yet in force".to_owned(),
    }
}

#[derive(Serialize)]
struct Listed {
    partner: PartnerId,
    keys: Vec<KeyView>,
}

impl Shown for Listed {
    fn text(&self) -> String {
        let since = |key: &KeyView| key.nbf.map_or_else(|| "ever".to_owned(), |at| at.to_string());
        let row = |key: &KeyView| {
            vec![key.kid.to_string(), key.scope.as_str().to_owned(), since(key), standing(key)]
        };
        let rows: Vec<Vec<String>> = self.keys.iter().map(row).collect();
        let header = ["key id", "scope", "since", "state"];
        let heading = paint(HEADING, &format!("Keys of {}", self.partner));
        format!("{heading}\n{}", table("  ", &[Column::Left; 4], &header, &rows))
    }
}

async fn list(args: &ListArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let keys = client.keys().await.map_err(|error| failed(&error))?.items;
    printer.show(&Listed { partner: client.partner().clone(), keys });
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct Changed {
    #[serde(flatten)]
    key: KeyView,
    #[serde(skip)]
    hint: &'static str,
}

impl Shown for Changed {
    fn text(&self) -> String {
        let KeyView { kid, scope, .. } = &self.key;
        let line =
            format!("{} {kid}  {}  {}", paint(GOOD, "✓"), scope.as_str(), standing(&self.key));
        if self.hint.is_empty() { line } else { format!("{line}\n{}", paint(FAINT, self.hint)) }
    }
}

async fn add(args: &AddArgs, printer: Printer) -> Result<Exit, Failure> {
    let key = keyfile::read_private(&args.file).map_err(Failure::usage)?;
    let client = args.who.client()?;
    let asked = client.key_registration(&key, args.scope).await;
    let mut asked = asked.map_err(|error| failed(&error))?;
    (asked.nbf, asked.exp) = (args.from, args.until);
    let key = client.register_key(&asked, &key).await.map_err(|error| failed(&error))?;
    const _: () = assert!(KEYS_KNOWN_WITHIN.as_secs() == 5, "the hint says so");
    printer.show(&Changed { key, hint: "  Every gateway knows it within 5 seconds." });
    Ok(Exit::Good)
}

async fn retire(args: &RetireArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let retired = client.retire_key(&args.kid, args.at).await;
    printer.show(&Changed { key: retired.map_err(|error| failed(&error))?, hint: "" });
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct Used {
    kid: Kid,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
    since: Option<Timestamp>,
    uses: Vec<KeyUse>,
}

impl Shown for Used {
    fn text(&self) -> String {
        let since = self.since.map_or_else(|| "ever".to_owned(), |at| format!("since {at}"));
        let revoked = self
            .revoked_at
            .map(|at| format!("{} {} is revoked from {at} on\n", paint(GOOD, "✓"), self.kid));
        let requests = counted(self.uses.len(), "request");
        let heading = format!("{} was accepted for, {since}: {requests}", self.kid);
        let heading = format!("{}{}", revoked.unwrap_or_default(), paint(HEADING, &heading));
        if self.uses.is_empty() {
            return heading;
        }
        let mut rows = Vec::new();
        for used in &self.uses {
            let head = vec![used.received_at.to_string(), used.what.clone()];
            let subject = used.subject.clone().unwrap_or_default();
            let made = used.transactions.iter().map(|made| {
                let seq = made.seq.map_or_else(String::new, |seq| format!(", receipt {seq}"));
                format!("{} {} {}{seq}", made.id, made.state.as_str(), made.corridor)
            });
            let mut whats: Vec<String> = made.collect();
            if whats.is_empty() {
                whats.push(subject);
            }
            rows.extend(whats.into_iter().map(|what| [head.clone(), vec![what]].concat()));
        }
        let header = ["when", "what", "of which came"];
        format!("{heading}\n{}", table("  ", &[Column::Left; 3], &header, &rows))
    }
}

async fn revoke(args: &UsesArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let revoked = client.revoke_key(&args.kid, args.since).await.map_err(|error| failed(&error))?;
    let revoked_at = revoked.key.revoked_at;
    // A key that has revoked itself cannot ask for the rest: what has come is shown.
    let own = client.kid() == args.kid;
    let uses =
        if revoked.uses.more && !own { all_uses(&client, args).await? } else { revoked.uses.items };
    printer.show(&Used { kid: args.kid.clone(), revoked_at, since: args.since, uses });
    Ok(Exit::Good)
}

async fn uses(args: &UsesArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let uses = all_uses(&client, args).await?;
    printer.show(&Used { kid: args.kid.clone(), revoked_at: None, since: args.since, uses });
    Ok(Exit::Good)
}

async fn all_uses(client: &Client, args: &UsesArgs) -> Result<Vec<KeyUse>, Failure> {
    let (mut uses, mut after) = (Vec::new(), None);
    loop {
        let page = client.key_uses(&args.kid, args.since, after).await;
        let page = page.map_err(|error| failed(&error))?;
        uses.extend(page.items);
        after = page.next_after;
        if !page.more || after.is_none() {
            return Ok(uses);
        }
    }
}
