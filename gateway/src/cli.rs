//! The command line: what a person types (design § 8).
//!
//! Every command ends with 0 (good), 1 (found something wrong), 2 (typed wrongly) or 78 (the
//! configuration); says what is wrong in one line with what to do about it; shows its result as one
//! object with `--json`; and writes through [`printer`] and nothing else.

mod agreements;
mod audit;
mod bench;
mod campaigns;
mod check;
mod completions;
mod config_text;
mod conformance;
mod consents;
mod core_dumps;
mod demo;
mod events;
mod export;
pub mod failure;
mod forward;
mod import;
mod init;
mod keys;
pub mod layout;
mod listen;
mod members;
mod migrate;
mod openapi;
mod partner;
mod partner_keys;
mod pending;
pub mod printer;
pub mod progress;
mod rates;
mod receipts;
mod sandbox;
mod serve;
pub mod settle;
mod trigger;
mod verify;
mod webhooks;
mod witness;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Style};
use clap::{Args, Parser, Subcommand};

use crate::instance::database_url::DatabaseUrl;
use crate::instance::{Instance, Overrides};
use failure::{Exit, Failure};
use printer::Printer;

const STYLES: Styles = Styles::styled()
    .header(Style::new().bold())
    .usage(Style::new().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(Style::new().dimmed());

/// The clearing house of a loyalty alliance: brands exchange points, receipts verify offline.
#[derive(Debug, Parser)]
#[command(
    name = "alliance",
    version,
    styles = STYLES,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Example: see three brands exchange points, with nothing to set up\n  \
                  alliance demo\n\nExit codes: 0 good, 1 found something wrong, 2 typed wrongly, \
                  78 the configuration"
)]
pub struct Cli {
    /// Show the result as one JSON object.
    #[arg(long, global = true, display_order = 900)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show three brands exchanging points, and verify every receipt
    ///
    /// Makes a folder with a whole alliance in it, opens its gateway on this machine, sends orders
    /// through the SDK over HTTP as the three brands would, downloads every receipt as each brand,
    /// and verifies them offline. Stays open until Ctrl-C unless --once is given. On a folder of an
    /// earlier demo it goes on with the same alliance.
    Demo(demo::DemoArgs),
    /// Try against brands of every character, with a clock that you set
    ///
    /// Makes a folder with a whole alliance in it, with seven simulated brands that keep their
    /// members' balances themselves, and opens its gateway on this machine until Ctrl-C. On the
    /// folder of an earlier sandbox it goes on with the same alliance. Every outcome can be had by
    /// a member's name: docs/sandbox.md.
    Sandbox(sandbox::SandboxCommand),
    /// Make an empty alliance to fill in, with new keys
    ///
    /// The folder must be empty, or not there. alliance.toml comes with an explanation of every
    /// field; `alliance partner add` fills in brand after brand.
    Init(init::InitArgs),
    /// Say everything that is wrong with the configuration and what it needs
    ///
    /// Looks at alliance.toml, the keys and who may read them, the key list, the database and its
    /// schema, and whether the addresses are free. Changes nothing. Ends with 78 where anything is
    /// wrong.
    Check(check::CheckArgs),
    /// Open the gateway
    ///
    /// Brings the database's schema up to date, applies alliance.toml, and serves until SIGTERM or
    /// Ctrl-C; then answers what it has accepted, and ends. Several may serve one PostgreSQL at
    /// once.
    Serve(serve::ServeArgs),
    /// Bring the database's schema up to date
    ///
    /// Makes an SQLite file that is missing. `serve` does this by itself at its start; again does
    /// no harm, and two at once wait for each other.
    Migrate(migrate::MigrateArgs),
    /// Add, list and suspend partners
    #[command(subcommand)]
    Partner(partner::PartnerCommand),
    /// Add, retire, revoke and list a partner's own keys, as the partner
    #[command(subcommand)]
    PartnerKeys(partner_keys::PartnerKeysCommand),
    /// Propose, approve, stop and list campaigns
    #[command(subcommand)]
    Campaigns(campaigns::CampaignsCommand),
    /// See what connected brands have not answered yet, and have them asked again
    #[command(subcommand)]
    Pending(pending::PendingCommand),
    /// Import members; look one's own up, freeze and forget them, as a partner
    #[command(subcommand)]
    Members(members::MembersCommand),
    /// Import links between members' accounts
    #[command(subcommand)]
    Links(import::LinksCommand),
    /// Give, list and revoke consents to be debited, as a partner
    #[command(subcommand)]
    Consents(consents::ConsentsCommand),
    /// Propose, countersign, list and compare agreements, as a partner
    #[command(subcommand)]
    Agreements(agreements::AgreementsCommand),
    /// List, generate and export keys; introduce and revoke gateway keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// See what points are worth, and what a model would make of them
    #[command(subcommand)]
    Rates(rates::RatesCommand),
    /// Net what partners owe, prove it, and count business days
    #[command(subcommand)]
    Settle(settle::SettleCommand),
    /// See what partners are told
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Have a partner's events pushed to its endpoints, as the partner
    #[command(subcommand)]
    Webhooks(webhooks::WebhooksCommand),
    /// Forward a partner's events to an address of your own, signed, as they happen
    ///
    /// For developing a receiver without an address on the public internet. Until Ctrl-C.
    Listen(listen::ListenArgs),
    /// Send a sample of any event to an address of your own, signed
    ///
    /// For developing a receiver without waiting for it to happen. The event says that it is a
    /// test; nothing has happened, and no gateway is asked.
    Trigger(trigger::TriggerArgs),
    /// Export receipts
    #[command(subcommand)]
    Receipts(receipts::ReceiptsCommand),
    /// Export the whole journal for other bookkeeping: hledger, beancount, CSV
    ///
    /// Every receipt becomes one entry with its postings, behind the openings that members were
    /// imported with. The journal ends with the balances of all accounts as the books have them,
    /// so that hledger or beancount proves the books. Gateways may serve meanwhile. Ends with 1
    /// where the books differ from their receipts. Account by account: docs/formats/journal.md.
    Export(export::ExportArgs),
    /// Verify exported receipts, offline
    ///
    /// Every signature, every link of the chain, every amount against its terms; with --checkpoint
    /// also that the end was not cut off. Receipts under a gateway key that was revoked count as
    /// far as a checkpoint goes that a partner cosigned before (--cosigned). Needs the receipts and
    /// the key list and nothing else: no network, no database. Ends with 1 where anything is wrong,
    /// naming the first bad receipt.
    Verify(verify::VerifyArgs),
    /// Witness what the corridors' receipts are, as a partner: cosign their checkpoints
    ///
    /// Fetches each corridor's checkpoint, verifies it and that it has grown out of the last one
    /// that this witness cosigned, cosigns it and hands the cosignature in. What was witnessed
    /// before a gateway key was revoked counts for ever; nothing else under that key does. Ends
    /// with 1 where the alliance tells two histories, and keeps both.
    Witness(witness::WitnessArgs),
    /// Recompute all balances, positions and chains from the receipts
    ///
    /// Reads every receipt in the books, verifies it, and works out anew what every member and
    /// every account must have. Changes nothing. Stop the gateways before: what they write
    /// meanwhile may show as a difference. Ends with 1 where anything differs.
    Audit(audit::AuditArgs),
    /// Measure how fast this machine performs exchanges
    ///
    /// Makes an alliance to throw away, opens a gateway for it as a process of its own, sends it
    /// signed orders through the SDK over HTTP, and verifies every receipt and chain before it says
    /// anything. Ends with 1 where anything was wrong.
    Bench(bench::BenchArgs),
    /// Try a brand's connector, as a gateway would, and report every case
    ///
    /// Signs calls with --key, which the connector must take for a gateway's; moves points of
    /// --member and counts them, so that an effect that comes twice, or not at all, is seen. Use a
    /// test system: points are captured and credited, about as many as before are left. Ends with
    /// 1 where a case failed.
    Conformance(conformance::ConformanceArgs),
    /// Print the API's description (OpenAPI, JSON)
    ///
    /// The same document as the running gateway's /openapi.json.
    Openapi(openapi::OpenapiArgs),
    /// Print a script that completes commands in your shell
    Completions(completions::CompletionsArgs),
}

/// Which instance.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// The instance's folder [default: this one]
    #[arg(long, value_name = "DIR", env = "ALLIANCE_DIR", conflicts_with = "config")]
    pub dir: Option<PathBuf>,
    /// The configuration file, where it is not DIR/alliance.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The database, over the configuration's: sqlite:FILE or postgres://…
    #[arg(long, value_name = "URL", env = "ALLIANCE_DATABASE", hide_env_values = true)]
    pub database: Option<DatabaseUrl>,
}

impl Place {
    /// The folder or file.
    #[must_use]
    pub fn path(&self) -> &Path {
        let chosen = self.config.as_deref().or(self.dir.as_deref());
        chosen.unwrap_or_else(|| Path::new("."))
    }

    /// What is set here over the configuration.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides { database: self.database.clone(), ..Overrides::default() }
    }

    /// Reads the instance.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(&self) -> Result<Instance, Failure> {
        Instance::load(self.path(), &self.overrides()).map_err(|f| Failure::of_faults(&f))
    }
}

/// Reads the command line, does what it says, and gives the process's exit code.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows which is which, and where each goes.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code()));
        }
    };
    let printer = Printer::new(cli.json);
    match carry_out(cli.command, printer) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            printer.failure(&failure);
            failure.exit.into()
        }
    }
}

fn carry_out(command: Command, printer: Printer) -> Result<Exit, Failure> {
    match command {
        Command::Demo(args) => demo::run(args, printer),
        Command::Sandbox(command) => sandbox::run(command, printer),
        Command::Init(args) => init::run(&args, printer),
        Command::Check(args) => check::run(&args, printer),
        Command::Serve(args) => serve::run(&args, printer),
        Command::Migrate(args) => migrate::run(&args, printer),
        Command::Partner(command) => partner::run(command, printer),
        Command::PartnerKeys(command) => partner_keys::run(command, printer),
        Command::Campaigns(command) => campaigns::run(command, printer),
        Command::Pending(command) => pending::run(command, printer),
        Command::Members(command) => members::run(command, printer),
        Command::Links(command) => import::links(command, printer),
        Command::Consents(command) => consents::run(command, printer),
        Command::Agreements(command) => agreements::run(command, printer),
        Command::Keys(command) => keys::run(command, printer),
        Command::Rates(command) => rates::run(command, printer),
        Command::Settle(command) => settle::run(&command, printer),
        Command::Events(command) => events::run(command, printer),
        Command::Webhooks(command) => webhooks::run(command, printer),
        Command::Listen(args) => listen::run(&args, printer),
        Command::Trigger(args) => trigger::run(&args, printer),
        Command::Receipts(command) => receipts::run(command, printer),
        Command::Export(args) => export::run(&args, printer),
        Command::Verify(args) => verify::run(&args, printer),
        Command::Witness(args) => witness::run(&args, printer),
        Command::Audit(args) => audit::run(&args, printer),
        Command::Bench(args) => bench::run(args, printer),
        Command::Conformance(args) => conformance::run(args, printer),
        Command::Openapi(args) => openapi::run(&args, printer),
        Command::Completions(args) => completions::run(&args, printer),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
        for sub in command.get_subcommands() {
            let path = format!("{path} {}", sub.get_name());
            if sub.has_subcommands() {
                leaves(sub, &path, found);
            } else {
                found.push((path, sub.clone()));
            }
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example_that_parses() {
        let mut found = Vec::new();
        leaves(&Cli::command(), "alliance", &mut found);
        assert!(found.len() >= 18, "{}", found.len());
        for (path, command) in found {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Example"), "{path} has no example");
            assert!(command.get_about().is_some(), "{path} says not what it does");
            let examples: Vec<&str> =
                help.lines().map(str::trim).filter(|line| line.starts_with("alliance ")).collect();
            assert!(examples.iter().any(|e| e.starts_with(&path)), "{path}: {examples:?}");
            for example in examples {
                let (typed, _) = example.split_once(" > ").unwrap_or((example, ""));
                let words = typed.split_whitespace().map(|word| word.trim_matches('"'));
                let parsed = Cli::try_parse_from(words);
                assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn a_key_may_begin_with_a_hyphen() {
        for typed in ["verify f --jwks j --root -x_", "partner add p1 --name P --jwk-x -x_"] {
            let words = std::iter::once("alliance").chain(typed.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{typed}");
        }
    }

    #[test]
    fn help_fits_a_narrow_terminal_and_says_no_word_twice() {
        let mut found = Vec::new();
        leaves(&Cli::command(), "alliance", &mut found);
        for (path, mut command) in found {
            let help = command.render_help().to_string();
            let widest = help.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(widest <= 100, "{path}: {widest} columns\n{help}");
        }
    }
}
