//! `alliance partner`.

use std::path::PathBuf;

use alliance_contracts::decimal::Decimal;
use alliance_contracts::encoding::base64url_encode;
use alliance_contracts::keys::Kid;
use alliance_contracts::names::{PartnerId, ProgramId};
use alliance_contracts::program::Balances;
use alliance_contracts::quote::TransactionKind;
use alliance_settlement::command::{Command, Outcome};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::Place;
use super::config_text;
use super::failure::{Exit, Failure};
use super::keys::root_x;
use super::layout::{Column, grouped, table};
use super::printer::{FAINT, GOOD, HEADING, Printer, Shown, paint};
use crate::instance::config::sqlite_file;
use crate::instance::template::{self, AgreementEntry, PartnerEntry, ProgramEntry};
use crate::instance::{CONFIG_FILE, Instance, create, keyfile};

/// Add, list and suspend partners.
#[derive(Debug, Subcommand)]
pub enum PartnerCommand {
    /// Add a partner: to alliance.toml, which keeps its comments, and to the books
    ///
    /// Makes a key and a client.toml for the partner, unless its public key is given. A gateway
    /// that runs on the same database takes the change over within seconds.
    #[command(after_help = "Examples:\n  \
        alliance partner add aurora-air --name Aurora --program aurora --value 0.05 --scale 0\n  \
        alliance partner add cedar-hotels --name Cedar --key-file cedar-public.pem --fee 0.01")]
    Add(Box<AddArgs>),
    /// List the partners and how they stand
    #[command(after_help = "Example:\n  alliance partner list --dir my-alliance")]
    List(ListArgs),
    /// Suspend a partner: it trades no more, and nothing is lost
    #[command(
        after_help = "Examples:\n  alliance partner suspend aurora-air --dir my-alliance\n  \
        alliance partner suspend aurora-air --undo --dir my-alliance"
    )]
    Suspend(SuspendArgs),
    /// Revoke a key of a partner's, where the partner cannot do so itself
    ///
    /// Nothing is accepted under it any more, on every gateway within 5 seconds. For good: the key
    /// stays in the lists, revoked.
    #[command(
        name = "revoke-key",
        after_help = "Example:\n  alliance partner revoke-key aurora-air \
        qBLWFFn9NmW8C8vIFT_KhJarPD3Lw-vVwFCTZbYpyrw --dir my-alliance"
    )]
    RevokeKey(RevokeKeyArgs),
}

/// The partner to add.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Its name in addresses and receipts: a-z, 0-9 and -
    #[arg(value_name = "PARTNER")]
    partner: PartnerId,
    /// What people call it
    #[arg(long)]
    name: String,
    /// Its public key, a PEM file [default: a new key is made here]
    #[arg(long, value_name = "public.pem", conflicts_with = "jwk_x")]
    key_file: Option<PathBuf>,
    /// Its public key, the x of its JWK
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    jwk_x: Option<String>,
    /// How far it may owe the others, in the settlement currency [default: without bound]
    #[arg(long, value_name = "AMOUNT")]
    net_debit_cap: Option<Decimal>,
    /// A program of its own: a-z, 0-9 and -
    #[arg(long, value_name = "SLUG", requires_all = ["value", "scale"])]
    program: Option<ProgramId>,
    /// What people call the program [default: the partner's name]
    #[arg(long, value_name = "NAME", requires = "program")]
    program_name: Option<String>,
    /// What a point is worth, in the settlement currency
    #[arg(long, value_name = "VALUE", requires = "program")]
    value: Option<Decimal>,
    /// Decimals of its points: 0, 1 or 2
    #[arg(long, value_name = "SCALE", requires = "program")]
    scale: Option<u32>,
    /// Where it is called, if it keeps its members' balances itself: its program is connected then
    #[arg(long, value_name = "URL")]
    connector: Option<String>,
    /// Agree on this fee rate with every partner that is there [default: agree with nobody]
    #[arg(long, value_name = "RATE")]
    fee: Option<Decimal>,
    /// Which kinds of order they allow each other
    #[arg(long, value_name = "KIND", requires = "fee", value_delimiter = ',',
          value_parser = kind, default_value = "exchange")]
    kinds: Vec<TransactionKind>,
    /// The alliance's public root key, where its private half is offline
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    root: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Whose partners.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    place: Place,
}

/// The partner to suspend.
#[derive(Debug, Args)]
pub struct SuspendArgs {
    /// Which partner
    #[arg(value_name = "PARTNER")]
    partner: PartnerId,
    /// Let it trade again
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    place: Place,
}

/// The key to revoke.
#[derive(Debug, Args)]
pub struct RevokeKeyArgs {
    /// Whose key
    #[arg(value_name = "PARTNER")]
    partner: PartnerId,
    /// The key's id
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: Kid,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(command: PartnerCommand, printer: Printer) -> Result<Exit, Failure> {
    match command {
        PartnerCommand::Add(args) => add(&args, printer),
        PartnerCommand::List(args) => list(&args, printer),
        PartnerCommand::Suspend(args) => suspend(&args, printer),
        PartnerCommand::RevokeKey(args) => revoke_key(&args, printer),
    }
}

#[derive(Serialize)]
struct Added {
    partner: String,
    x: String,
    agreements: usize,
    /// The file with the partner's own settings, where its key was made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
}

impl Shown for Added {
    fn text(&self) -> String {
        let heading = paint(HEADING, &format!("{} is a partner", self.partner));
        let mut lines =
            vec![format!("{} {heading}", paint(GOOD, "✓")), format!("  public key  {}", self.x)];
        if let Some(client) = &self.client {
            lines.push(format!("  for itself  {client} and key.pem beside it"));
            lines
                .push(paint(FAINT, "  Hand both over and keep neither: the key is the partner's."));
        }
        if self.agreements == 0 {
            lines.push(format!(
                "  It has no agreement with anybody yet: add [[agreements]] to {CONFIG_FILE}"
            ));
        }
        lines.join("\n")
    }
}

fn add(args: &AddArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let definition = &instance.definition;
    if definition.partners.iter().any(|known| known.partner == args.partner) {
        return Err(Failure::usage(format!(
            "{} is a partner already: change its entry in {CONFIG_FILE}",
            args.partner
        )));
    }
    for name in std::iter::once(&args.name).chain(&args.program_name) {
        if !template::is_name(name) {
            return Err(Failure::usage("a name has 1 to 80 visible characters"));
        }
    }
    let given = given_key(args)?;
    let folder = instance.partner_folder(args.partner.as_str());
    let made = given.is_none();
    let root = if made { Some(root_x(&instance, args.root.as_deref())?) } else { None };
    let x = match given {
        Some(x) => x,
        None => create::partner_key(&folder).map_err(Failure::usage)?,
    };
    let (entries, agreements) = entries(args, &instance, &x);
    if let Err(failure) = config_text::append(&instance, &args.place, &entries) {
        if made {
            // Nothing names this key: the next attempt makes another.
            let _ = std::fs::remove_file(folder.join("key.pem"));
            let _ = std::fs::remove_dir(&folder);
        }
        return Err(failure);
    }
    let client = match root {
        Some(root) => {
            let url = instance.public_url(instance.gateway.listen);
            create::client_toml(&folder, &url, &args.partner, &root, &definition.alliance)
                .map_err(Failure::wrong)?;
            Some(folder.join("client.toml").display().to_string())
        }
        None => None,
    };
    // Read again as it was written, and applied.
    args.place.load()?.write_books().map_err(|faults| Failure::of_faults(&faults))?;
    printer.show(&Added { partner: args.partner.to_string(), x, agreements, client });
    Ok(Exit::Good)
}

/// A kind that partners can agree on.
pub(super) fn kind(text: &str) -> Result<TransactionKind, String> {
    let kinds = [TransactionKind::Exchange, TransactionKind::Redemption, TransactionKind::Accrual];
    let found = kinds.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| "exchange, redemption or accrual".to_owned())
}

fn given_key(args: &AddArgs) -> Result<Option<String>, Failure> {
    let text = match (&args.key_file, &args.jwk_x) {
        (Some(file), _) => Some(std::fs::read_to_string(file).map_err(|error| {
            Failure::usage(format!("{} {}", file.display(), keyfile::unreadable(&error)))
        })?),
        (None, x) => x.clone(),
    };
    let Some(text) = text else { return Ok(None) };
    let key = keyfile::parse_public(&text)
        .map_err(|fault| Failure::usage(format!("the partner's key {fault}")))?;
    Ok(Some(base64url_encode(key.as_bytes())))
}

/// What is added to the configuration, and how many agreements are among it.
fn entries(args: &AddArgs, instance: &Instance, x: &str) -> (String, usize) {
    let (partner, name) = (&args.partner, args.name.as_str());
    let net_debit_cap = args.net_debit_cap;
    let connector = args.connector.as_deref();
    let entry = PartnerEntry { partner, name, net_debit_cap, connector, x, remark: "" };
    let mut text = entry.text();
    if let (Some(program), Some(value), Some(scale)) = (&args.program, args.value, args.scale) {
        let name = args.program_name.as_deref().unwrap_or(name);
        // A brand that is called for its members keeps their balances.
        let balances = connector.map_or(Balances::Hosted, |_| Balances::Connected);
        let entry = ProgramEntry { program, partner, name, scale, value, balances };
        text.push_str(&entry.text());
    }
    let mut agreements = 0;
    if let Some(fee) = args.fee {
        for other in &instance.definition.partners {
            let kinds = &args.kinds;
            let entry = AgreementEntry { a: &other.partner, b: partner, fee, kinds, remark: "" };
            text.push_str(&entry.text());
            agreements += 1;
        }
    }
    (text, agreements)
}

#[derive(Serialize)]
struct PartnerLine {
    partner: String,
    name: String,
    programs: Vec<String>,
    keys: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    net_debit_cap: Option<Decimal>,
    state: &'static str,
}

#[derive(Serialize)]
struct PartnerLines {
    alliance: String,
    currency: String,
    partners: Vec<PartnerLine>,
}

impl Shown for PartnerLines {
    fn text(&self) -> String {
        let Self { alliance, currency, partners } = self;
        if partners.is_empty() {
            return format!(
                "The alliance \"{alliance}\" has no partners yet: `alliance partner add`"
            );
        }
        let rows: Vec<Vec<String>> = partners
            .iter()
            .map(|partner| {
                vec![
                    partner.partner.clone(),
                    partner.name.clone(),
                    partner.programs.join(", "),
                    partner.keys.to_string(),
                    partner
                        .net_debit_cap
                        .map_or_else(|| "none".to_owned(), |cap| grouped(&cap.to_string())),
                    partner.state.to_owned(),
                ]
            })
            .collect();
        let heading = paint(HEADING, &format!("Partners of the alliance \"{alliance}\""));
        let columns =
            [Column::Left, Column::Left, Column::Left, Column::Right, Column::Right, Column::Left];
        let cap = format!("net debit cap ({currency})");
        let header = ["partner", "name", "programs", "keys", &cap, "state"];
        format!("{heading}\n{}", table("  ", &columns, &header, &rows))
    }
}

fn list(args: &ListArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let definition = &instance.definition;
    // Before there are books, nobody is suspended in them.
    let no_books = sqlite_file(&instance.gateway.database).is_some_and(|file| !file.exists());
    let registry = if no_books {
        None
    } else {
        Some(instance.read_books().map_err(Failure::config)?.house().registry())
    };
    let state = |partner: &PartnerId| match &registry {
        Some(books) if books.is_suspended(partner) => "suspended",
        Some(books) if books.partner(partner).is_some() => "active",
        _ => "not applied yet",
    };
    let programs = |partner: &PartnerId| {
        let own = definition.programs.iter().filter(|program| program.partner == *partner);
        own.map(|program| program.program.to_string()).collect()
    };
    let partners = definition.partners.iter().map(|partner| PartnerLine {
        partner: partner.partner.to_string(),
        name: partner.name.clone(),
        programs: programs(&partner.partner),
        keys: partner.keys.len(),
        net_debit_cap: partner.net_debit_cap,
        state: state(&partner.partner),
    });
    printer.show(&PartnerLines {
        alliance: definition.alliance.to_string(),
        currency: definition.currency.to_string(),
        partners: partners.collect(),
    });
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct Suspended {
    partner: String,
    suspended: bool,
    changed: bool,
}

impl Shown for Suspended {
    fn text(&self) -> String {
        let Self { partner, suspended, changed } = self;
        let state = match (suspended, changed) {
            (true, true) => "is suspended: it trades no more",
            (true, false) => "was suspended already",
            (false, true) => "trades again",
            (false, false) => "was not suspended",
        };
        format!("{} {partner} {state}", paint(GOOD, "✓"))
    }
}

fn suspend(args: &SuspendArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let (partner, suspended) = (args.partner.clone(), !args.undo);
    if !instance.definition.partners.iter().any(|known| known.partner == partner) {
        return Err(Failure::usage(format!(
            "{partner} is no partner: see `alliance partner list`"
        )));
    }
    let books = instance.write_books().map_err(|faults| Failure::of_faults(&faults))?;
    let command = Command::Suspend(partner.clone(), suspended);
    let answer = books.wait(books.house().submit(command)).map_err(Failure::wrong)?;
    let changed = matches!(answer.decided.outcome, Outcome::Done(changes) if changes > 0);
    printer.show(&Suspended { partner: partner.to_string(), suspended, changed });
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct RevokedKey {
    partner: String,
    kid: String,
    changed: bool,
}

impl Shown for RevokedKey {
    fn text(&self) -> String {
        let Self { partner, kid, changed } = self;
        let state = if *changed { "is revoked" } else { "was revoked already" };
        format!("{} {kid} of {partner} {state}", paint(GOOD, "✓"))
    }
}

fn revoke_key(args: &RevokeKeyArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let (partner, kid) = (&args.partner, &args.kid);
    let books = instance.write_books().map_err(|faults| Failure::of_faults(&faults))?;
    let revoked = books.wait(books.house().revoke_key_of(partner.clone(), kid.clone()));
    let changed = revoked.map_err(Failure::wrong)?.ok_or_else(|| {
        Failure::usage(format!("{partner} has no key {kid}: see `alliance keys list`"))
    })?;
    let (partner, kid) = (partner.to_string(), kid.to_string());
    printer.show(&RevokedKey { partner, kid, changed });
    Ok(Exit::Good)
}
