//! `alliance agreements`: the partner's side. It asks the gateway, through the SDK, as the partner
//! that the `client.toml` is of.

mod draft;
mod shown;

use std::path::{Path, PathBuf};

use alliance_contracts::agreement::{AgreementState, AgreementView};
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::AgreementId;
use alliance_contracts::names::PartnerId;
use alliance_contracts::problem::FieldError;
use alliance_partner_sdk::client::{AgreementFilter, Client};
use alliance_partner_sdk::verify::agreement::{AgreementFault, verify_agreement, verify_proposal};
use alliance_partner_sdk::{Error, verify};
use clap::{Args, Subcommand};

use super::failure::{Exit, Failure, whole};
use super::printer::Printer;
use shown::{Checked, Diffed, Listed, Reviewed, Shown};

/// Propose, countersign, list and compare agreements.
#[derive(Debug, Subcommand)]
pub enum AgreementsCommand {
    /// List this partner's agreements, every version of them
    #[command(after_help = "Examples:\n  \
        alliance agreements list --client partners/aurora-air/client.toml\n  \
        alliance agreements list --state proposed --with borealis-coffee")]
    List(ListArgs),
    /// Show one version, and verify who has signed it
    #[command(after_help = "Example:\n  alliance agreements show agr_01h455vb4pex5vsknk084sn02q")]
    Show(OneArgs),
    /// Sign the next version and propose it to the other partner
    ///
    /// FILE is JSON, or TOML where its name ends so. It may leave out what is empty, and v,
    /// alliance, version and previous, which are then filled in after the last version that both
    /// have signed.
    #[command(after_help = "Example:\n  \
        alliance agreements propose next.toml --client partners/aurora-air/client.toml")]
    Propose(ProposeArgs),
    /// Countersign what the other partner has proposed
    ///
    /// Verifies that the other partner has signed it, and shows it. Signs only what --hash names:
    /// without it nothing is signed, and the command to type is told.
    #[command(after_help = "Examples:\n  \
        alliance agreements countersign agr_01h455vb4pex5vsknk084sn02q\n  \
        alliance agreements countersign agr_01h455vb4pex5vsknk084sn02q \
        --hash e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    Countersign(CountersignArgs),
    /// Take a proposal back, or decline the other partner's
    #[command(
        after_help = "Example:\n  alliance agreements withdraw agr_01h455vb4pex5vsknk084sn02q"
    )]
    Withdraw(OneArgs),
    /// Say what changes from one version to another
    ///
    /// With one version: what it changes of the version in force.
    #[command(after_help = "Examples:\n  \
        alliance agreements diff agr_01h455vb4pex5vsknk084sn02q\n  \
        alliance agreements diff agr_01h455vb4pex5vsknk084sn02q agr_01h455vb4pex5vsknk084sn02r")]
    Diff(DiffArgs),
    /// Say everything that is wrong with a draft, offline
    ///
    /// Everything but what only the gateway knows: programs and their decimals, the last version,
    /// and how soon it may begin. Ends with 1 where anything is wrong.
    #[command(after_help = "Example:\n  alliance agreements check next.toml")]
    Check(CheckArgs),
}

/// As which partner.
#[derive(Clone, Debug, Args)]
pub struct As {
    /// The partner's settings, as `alliance partner add` writes them
    #[arg(long, value_name = "FILE", env = "ALLIANCE_CLIENT", default_value = "client.toml")]
    client: PathBuf,
}

/// Which agreements.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those in this state
    #[arg(long, value_parser = state)]
    state: Option<AgreementState>,
    /// Only those with this partner
    #[arg(long, value_name = "PARTNER")]
    with: Option<PartnerId>,
    #[command(flatten)]
    who: As,
}

/// Which version.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The version's id
    #[arg(value_name = "ID")]
    id: AgreementId,
    #[command(flatten)]
    who: As,
}

/// What to propose.
#[derive(Debug, Args)]
pub struct ProposeArgs {
    /// The draft
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    who: As,
}

/// What to countersign.
#[derive(Debug, Args)]
pub struct CountersignArgs {
    /// The version's id
    #[arg(value_name = "ID")]
    id: AgreementId,
    /// The SHA-256 of the document that was looked at
    #[arg(long, value_name = "SHA-256", value_parser = hash)]
    hash: Option<Hash>,
    #[command(flatten)]
    who: As,
}

/// What to compare.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The version that is compared with
    #[arg(value_name = "A")]
    a: AgreementId,
    /// The version that would follow on it
    #[arg(value_name = "B")]
    b: Option<AgreementId>,
    #[command(flatten)]
    who: As,
}

/// What to check.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The draft
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

fn state(text: &str) -> Result<AgreementState, String> {
    AgreementState::from_stored(text).ok_or_else(|| "is proposed, active or withdrawn".to_owned())
}

fn hash(text: &str) -> Result<Hash, String> {
    text.parse().map_err(|_| "is 64 lower-case hex digits".to_owned())
}

pub(super) fn run(command: AgreementsCommand, printer: Printer) -> Result<Exit, Failure> {
    if let AgreementsCommand::Check(args) = &command {
        return check(args, printer);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::wrong)?;
    runtime.block_on(async {
        match command {
            AgreementsCommand::List(args) => list(args, printer).await,
            AgreementsCommand::Show(args) => show(&args, printer).await,
            AgreementsCommand::Propose(args) => propose(&args, printer).await,
            AgreementsCommand::Countersign(args) => countersign(&args, printer).await,
            AgreementsCommand::Withdraw(args) => withdraw(&args, printer).await,
            AgreementsCommand::Diff(args) => diff(&args, printer).await,
            AgreementsCommand::Check(args) => check(&args, printer),
        }
    })
}

impl As {
    /// The settings' file.
    pub(super) fn file(&self) -> &Path {
        &self.client
    }

    /// A place beside them.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.client.with_file_name(name)
    }

    pub(super) fn client(&self) -> Result<Client, Failure> {
        Client::from_config(&self.client).map_err(|error| failed(&error))
    }
}

/// What a call came to, in the words of the command line.
pub(super) fn failed(error: &Error) -> Failure {
    match error {
        Error::Config(_) => Failure::config(whole(error)),
        Error::Refused(problem) => Failure::wrong(error).with(told(&problem.errors)),
        _ => Failure::wrong(whole(error)),
    }
}

fn told(faults: &[FieldError]) -> impl Iterator<Item = String> {
    faults.iter().map(|fault| match fault.pointer.as_str() {
        "" => fault.detail.clone(),
        pointer => format!("{pointer}: {}", fault.detail),
    })
}

async fn list(args: ListArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let ListArgs { state, with, .. } = args;
    let mut filter = AgreementFilter { state, with, after: None, limit: None };
    let mut items = Vec::new();
    loop {
        let page = client.agreements(&filter).await.map_err(|error| failed(&error))?;
        items.extend(page.items);
        filter.after = page.next_after;
        if !page.more || filter.after.is_none() {
            break;
        }
    }
    printer.show(&Listed { partner: client.partner().clone(), agreements: items });
    Ok(Exit::Good)
}

async fn show(args: &OneArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let view = client.agreement(args.id).await.map_err(|error| failed(&error))?;
    let verified = verified(&client, &view).await?;
    printer.show(&Shown { hash: verified, agreement: view });
    Ok(Exit::Good)
}

/// Verifies who has signed; the hash of what they have.
async fn verified(client: &Client, view: &AgreementView) -> Result<Hash, Failure> {
    let keys = client.partner_keys().await.map_err(|error| failed(&error))?;
    let check: fn(&AgreementView, &verify::TrustedKeys) -> Result<_, AgreementFault> =
        if view.a_jws.is_some() && view.b_jws.is_some() {
            verify_agreement
        } else {
            verify_proposal
        };
    let verified = check(view, &keys)
        .map_err(|fault| Failure::wrong(format!("{} does not verify: {fault}", view.id)))?;
    Ok(verified.hash)
}

async fn propose(args: &ProposeArgs, printer: Printer) -> Result<Exit, Failure> {
    let mut draft = draft::read(&args.file)?;
    let client = args.who.client()?;
    if draft.is_incomplete() {
        let programs = client.programs().await.map_err(|error| failed(&error))?;
        let last = match draft.other(client.partner()) {
            Some(other) => last_signed(&client, other).await?,
            None => None,
        };
        draft.complete(&programs.alliance, last.as_ref().map(|last| &last.agreement));
    }
    let agreement = draft.agreement()?;
    let view = client.propose_agreement(&agreement).await.map_err(|error| failed(&error))?;
    let hash = agreement.hash();
    printer.show(&Shown { hash, agreement: view });
    Ok(Exit::Good)
}

async fn last_signed(client: &Client, with: PartnerId) -> Result<Option<AgreementView>, Failure> {
    let state = Some(AgreementState::Active);
    let mut filter = AgreementFilter { state, with: Some(with), after: None, limit: None };
    let mut last: Option<AgreementView> = None;
    loop {
        let page = client.agreements(&filter).await.map_err(|error| failed(&error))?;
        last = last.into_iter().chain(page.items).max_by_key(|view| view.agreement.version);
        filter.after = page.next_after;
        if !page.more || filter.after.is_none() {
            return Ok(last);
        }
    }
}

async fn countersign(args: &CountersignArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let reviewed = client.review_agreement(args.id).await.map_err(|error| failed(&error))?;
    let Some(hash) = args.hash else {
        let diff = client.agreement_diff(args.id, None).await.map_err(|error| failed(&error))?;
        printer.show(&Reviewed {
            countersigned: false,
            hash: *reviewed.hash(),
            agreement: reviewed.view().clone(),
            changes: diff.changes,
        });
        return Ok(Exit::Usage);
    };
    if hash != *reviewed.hash() {
        return Err(Failure::wrong(format!(
            "what is proposed has the hash {}: look at it again, nothing was signed",
            reviewed.hash()
        )));
    }
    let call = client.countersign_agreement(&reviewed);
    let view = call.await.map_err(|error| failed(&error))?;
    let hash = verified(&client, &view).await?;
    printer.show(&Shown { hash, agreement: view });
    Ok(Exit::Good)
}

async fn withdraw(args: &OneArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let view = client.withdraw_agreement(args.id).await.map_err(|error| failed(&error))?;
    let hash = view.agreement.hash();
    printer.show(&Shown { hash, agreement: view });
    Ok(Exit::Good)
}

async fn diff(args: &DiffArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let diff = client.agreement_diff(args.a, args.b).await.map_err(|error| failed(&error))?;
    printer.show(&Diffed(diff));
    Ok(Exit::Good)
}

fn check(args: &CheckArgs, printer: Printer) -> Result<Exit, Failure> {
    let mut draft = draft::read(&args.file)?;
    draft.assume();
    let agreement = draft.agreement()?;
    printer.show(&Checked { terms: agreement.terms().len(), faults: [] });
    Ok(Exit::Good)
}
