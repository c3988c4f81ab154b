//! `alliance campaigns`.

mod show;

use std::path::{Path, PathBuf};

use alliance_contracts::agreement::KnownProgram;
use alliance_contracts::campaign::Campaign;
use alliance_contracts::ids::CampaignId;
use alliance_contracts::problem::FieldError;
use alliance_settlement::clearing_house::ApproveError;
use alliance_settlement::command::{Command, Outcome, ProposeCampaign, StopCampaign};
use alliance_settlement::rates::proposal::OperatorName;
use clap::{Args, Subcommand};

use super::Place;
use super::failure::{Exit, Failure};
use super::printer::Printer;
use crate::draw;
use crate::instance::Instance;
use crate::instance::config::sqlite_file;
use crate::instance::open::Books;
use show::{CampaignLine, CampaignLines, Checked, Done};

/// Propose, approve, stop and list campaigns.
#[derive(Debug, Subcommand)]
pub enum CampaignsCommand {
    /// List the campaigns, what each may cost and has cost
    #[command(after_help = "Example:\n  alliance campaigns list --dir my-alliance")]
    List(ListArgs),
    /// Show all that a campaign says, and who proposed, approved and stopped it
    #[command(after_help = "Example:\n  \
        alliance campaigns show cmp_01h455vb4pex5vsknk084sn02q --dir my-alliance")]
    Show(ShowArgs),
    /// Say everything that is wrong with a campaign's file; nothing is proposed
    ///
    /// Where there are books, also whether anybody would gain by it on the boards of the moment.
    #[command(after_help = "Example:\n  alliance campaigns check double-stars.json")]
    Check(CheckArgs),
    /// Propose a campaign; it adds nothing until it is approved
    #[command(after_help = "Example:\n  \
        alliance campaigns propose double-stars.json --as lin.wei --dir my-alliance")]
    Propose(ProposeArgs),
    /// Approve a campaign: it adds points from its time on
    ///
    /// Refused where anybody would gain by it, with the cycle and its gain; and, above the budget
    /// that the definition sets, to whoever has proposed it.
    #[command(after_help = "Example:\n  \
        alliance campaigns approve cmp_01h455vb4pex5vsknk084sn02q --as chen.yu")]
    Approve(NameArgs),
    /// Stop a campaign, or decline it: it adds nothing more, and does not come back
    #[command(after_help = "Example:\n  \
        alliance campaigns stop cmp_01h455vb4pex5vsknk084sn02q --as chen.yu")]
    Stop(NameArgs),
}

/// Whose campaigns.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    place: Place,
}

/// Which campaign.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The campaign's id
    #[arg(value_name = "ID")]
    id: CampaignId,
    #[command(flatten)]
    place: Place,
}

/// Which file.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The campaign, JSON
    #[arg(value_name = "FILE.json")]
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

/// Which file, and who proposes it.
#[derive(Debug, Args)]
pub struct ProposeArgs {
    /// The campaign, JSON
    #[arg(value_name = "FILE.json")]
    file: PathBuf,
    /// Who you are
    #[arg(long = "as", value_name = "NAME", env = "ALLIANCE_OPERATOR")]
    operator: OperatorName,
    #[command(flatten)]
    place: Place,
}

/// Which campaign, and who decides.
#[derive(Debug, Args)]
pub struct NameArgs {
    /// The campaign's id
    #[arg(value_name = "ID")]
    id: CampaignId,
    /// Who you are
    #[arg(long = "as", value_name = "NAME", env = "ALLIANCE_OPERATOR")]
    operator: OperatorName,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(command: CampaignsCommand, printer: Printer) -> Result<Exit, Failure> {
    match command {
        CampaignsCommand::List(args) => list(&args, printer),
        CampaignsCommand::Show(args) => show_one(&args, printer),
        CampaignsCommand::Check(args) => check(&args, printer),
        CampaignsCommand::Propose(args) => propose(&args, printer),
        CampaignsCommand::Approve(args) => approve(&args, printer),
        CampaignsCommand::Stop(args) => stop(&args, printer),
    }
}

fn lines(books: &Books) -> Result<Vec<CampaignLine>, Failure> {
    let known = books.wait(books.house().campaigns()).map_err(Failure::wrong)?;
    let (records, spending) = known;
    let now = books.house().now();
    let spent = |id| spending.get(&id).copied().unwrap_or(0);
    Ok(records.iter().map(|record| CampaignLine::of(record, spent(record.id), now)).collect())
}

fn list(args: &ListArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let campaigns = match books_where_there_are(&instance)? {
        Some(books) => lines(&books)?,
        None => Vec::new(),
    };
    let (alliance, currency) =
        (instance.definition.alliance.to_string(), instance.definition.currency.to_string());
    printer.show(&CampaignLines { alliance, currency, campaigns });
    Ok(Exit::Good)
}

fn show_one(args: &ShowArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let books = instance.read_books().map_err(Failure::config)?;
    let found = lines(&books)?.into_iter().find(|line| line.id == args.id.to_string());
    printer.show(&found.ok_or_else(|| unknown(args.id))?);
    Ok(Exit::Good)
}

fn check(args: &CheckArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let campaign = read(&args.file, &instance)?;
    let gain = match books_where_there_are(&instance)? {
        Some(books) if books.house().registry().version > 0 => {
            books.wait(books.house().campaign_gain(&campaign)).map_err(Failure::wrong)?
        }
        _ => None,
    };
    if let Some(gain) = gain {
        return Err(Failure::wrong(ApproveError::Gain(gain)));
    }
    let (file, comes_round) = (args.file.display().to_string(), campaign.comes_round());
    printer.show(&Checked { file, comes_round });
    Ok(Exit::Good)
}

fn propose(args: &ProposeArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let campaign = read(&args.file, &instance)?;
    let books = instance.write_books().map_err(|faults| Failure::of_faults(&faults))?;
    let (id, by) = (draw::id(), args.operator.clone());
    let proposal = Box::new(ProposeCampaign { id, campaign, by });
    let answer = books.wait(books.house().submit(Command::ProposeCampaign(proposal)));
    let file = args.file.display().to_string();
    match answer.map_err(Failure::wrong)?.decided.outcome {
        Outcome::Done(_) => {}
        Outcome::CampaignRefused(faults) => return Err(refused(&file, &faults)),
        _ => return Err(Failure::wrong("the ledger answered something else")),
    }
    printer.show(&Done::proposed(id));
    Ok(Exit::Good)
}

fn approve(args: &NameArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let books = instance.write_books().map_err(|faults| Failure::of_faults(&faults))?;
    let approved = books.wait(books.house().approve_campaign(args.id, args.operator.clone()));
    let changed = approved.map_err(|error| match error {
        ApproveError::Unknown(id) => unknown(id),
        ApproveError::Refused(faults) => refused(&args.id.to_string(), &faults),
        other => Failure::wrong(other),
    })?;
    printer.show(&Done::approved(args.id, changed));
    Ok(Exit::Good)
}

fn stop(args: &NameArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let books = instance.write_books().map_err(|faults| Failure::of_faults(&faults))?;
    let order = Box::new(StopCampaign { id: args.id, by: args.operator.clone() });
    let answer = books.wait(books.house().submit(Command::StopCampaign(order)));
    let changed = match answer.map_err(Failure::wrong)?.decided.outcome {
        Outcome::Done(changed) => changed > 0,
        Outcome::CampaignRefused(_) => return Err(unknown(args.id)),
        _ => return Err(Failure::wrong("the ledger answered something else")),
    };
    printer.show(&Done::stopped(args.id, changed));
    Ok(Exit::Good)
}

fn unknown(id: CampaignId) -> Failure {
    Failure::usage(format!("there is no campaign {id}: see `alliance campaigns list`"))
}

fn refused(what: &str, faults: &[FieldError]) -> Failure {
    let told = |fault: &FieldError| match fault.pointer.as_str() {
        "" => fault.detail.clone(),
        pointer => format!("{pointer} {}", fault.detail),
    };
    match faults {
        [only] => Failure::wrong(format!("{what}: {}", told(only))),
        many => Failure::wrong(format!("{what}: {} things are wrong", many.len()))
            .with(many.iter().map(told)),
    }
}

/// Reads a campaign's file against the instance's programs; every fault at once.
fn read(file: &Path, instance: &Instance) -> Result<Campaign, Failure> {
    let name = file.display().to_string();
    let text = std::fs::read(file).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let programs = instance.definition.programs.iter().map(|known| KnownProgram {
        partner: known.partner.clone(),
        program: known.program.clone(),
        scale: known.scale,
    });
    let programs: Vec<KnownProgram> = programs.collect();
    Campaign::read_draft(&text, Some(&programs)).map_err(|faults| refused(&name, &faults))
}

/// Before there are books, there are no campaigns.
fn books_where_there_are(instance: &Instance) -> Result<Option<Books>, Failure> {
    let none = sqlite_file(&instance.gateway.database).is_some_and(|file| !file.exists());
    if none { Ok(None) } else { instance.read_books().map(Some).map_err(Failure::config) }
}
