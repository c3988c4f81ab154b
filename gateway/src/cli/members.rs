//! `alliance members`: the operator imports them; a partner asks about its own, freezes and forgets
//! them, through the SDK, as the partner that the `client.toml` is of.

use alliance_contracts::decimal::Decimal;
use alliance_contracts::ids::ErasureId;
use alliance_contracts::member::{Erasure, MemberState, MemberStatus, SignedErasure};
use alliance_contracts::names::{MemberRef, ProgramId};
use alliance_contracts::quote::MemberAccount;
use alliance_partner_sdk::client::Client;
use alliance_partner_sdk::verify::erasure::verify_erasure;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::agreements::{As, failed};
use super::failure::{Exit, Failure};
use super::import;
use super::layout::{Column, counted, table};
use super::printer::{FAINT, GOOD, HEADING, Printer, Shown, paint};

/// Erasures that are asked for at once.
const PAGE: u32 = 1_000;

/// Import members; look one's own up, freeze and forget them.
#[derive(Debug, Subcommand)]
pub enum MembersCommand {
    /// Import members with their opening balances: all rows, or none
    ///
    /// The file's first line is program,member,balance. Every bad row is listed with its line, and
    /// nothing is imported while there is one. Works beside a running gateway.
    #[command(
        after_help = "Examples:\n  alliance members import members.csv --dir my-alliance\n  \
        alliance members import members.csv --dir my-alliance --dry-run"
    )]
    Import(import::ImportArgs),
    /// Say how members of this partner's stand, as the partner
    ///
    /// Ends with 1 where one of them is not here.
    #[command(after_help = "Example:\n  alliance members validate aurora A-1001 A-1002 \
        --client partners/aurora-air/client.toml")]
    Validate(ValidateArgs),
    /// Freeze a member of this partner's: it gives and gets nothing until it is let go
    #[command(after_help = "Example:\n  alliance members freeze aurora A-1001")]
    Freeze(MemberArgs),
    /// Let a member go that was frozen
    #[command(after_help = "Example:\n  alliance members unfreeze aurora A-1001")]
    Unfreeze(MemberArgs),
    /// Forget a member of this partner's, for ever
    ///
    /// Its key and its reference are destroyed and its links end; what it did stays in the books
    /// under pseudonyms that nobody can open. There is no way back. Prints what the alliance has
    /// signed about it: keep that.
    #[command(after_help = "Examples:\n  alliance members forget aurora A-1001\n  \
        alliance members forget aurora A-1001 --forfeit --json > erasure.json")]
    Forget(ForgetArgs),
    /// List and verify what was signed about members that were forgotten
    #[command(after_help = "Example:\n  alliance members erasures \
        --client partners/aurora-air/client.toml")]
    Erasures(ErasuresArgs),
}

/// Which members.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// The program
    #[arg(value_name = "PROGRAM")]
    program: ProgramId,
    /// The members, at most 100
    #[arg(value_name = "MEMBER", required = true, num_args = 1..=100)]
    members: Vec<MemberRef>,
    #[command(flatten)]
    who: As,
}

/// Which member.
#[derive(Debug, Args)]
pub struct MemberArgs {
    /// The program
    #[arg(value_name = "PROGRAM")]
    program: ProgramId,
    /// The member
    #[arg(value_name = "MEMBER")]
    member: MemberRef,
    #[command(flatten)]
    who: As,
}

/// Whom to forget.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// Give points up that the member still has
    #[arg(long)]
    forfeit: bool,
    #[command(flatten)]
    member: MemberArgs,
}

/// Whose erasures.
#[derive(Debug, Args)]
pub struct ErasuresArgs {
    #[command(flatten)]
    who: As,
}

pub(super) fn run(command: MembersCommand, printer: Printer) -> Result<Exit, Failure> {
    match command {
        MembersCommand::Import(args) => import::members(&args, printer),
        MembersCommand::Validate(args) => wait(validate(args, printer)),
        MembersCommand::Freeze(args) => wait(freeze(args, printer, true)),
        MembersCommand::Unfreeze(args) => wait(freeze(args, printer, false)),
        MembersCommand::Forget(args) => wait(forget(args, printer)),
        MembersCommand::Erasures(args) => wait(erasures(&args, printer)),
    }
}

pub(super) fn wait(asked: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::wrong)?.block_on(asked)
}

#[derive(Serialize)]
struct Standing {
    members: Vec<MemberStatus>,
}

impl Shown for Standing {
    fn text(&self) -> String {
        let row = |one: &MemberStatus| {
            let state = one.state.as_str().to_owned();
            vec![one.program.to_string(), one.member.expose().to_owned(), state]
        };
        let rows: Vec<Vec<String>> = self.members.iter().map(row).collect();
        table("", &[Column::Left; 3], &["program", "member", "state"], &rows)
    }
}

async fn validate(args: ValidateArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let validated = client.validate_members(args.program, args.members).await;
    let members = validated.map_err(|error| failed(&error))?.results;
    let missing = members.iter().any(|one| one.state == MemberState::Unknown);
    printer.show(&Standing { members });
    Ok(if missing { Exit::Wrong } else { Exit::Good })
}

async fn freeze(args: MemberArgs, printer: Printer, frozen: bool) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let member = MemberAccount { member: args.member, program: args.program };
    let changed = if frozen {
        client.freeze_member(&member).await
    } else {
        client.unfreeze_member(&member).await
    };
    printer.show(&Standing { members: vec![changed.map_err(|error| failed(&error))?] });
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct Forgotten(SignedErasure);

impl Shown for Forgotten {
    fn text(&self) -> String {
        let Erasure { erased_at, forfeited, id, links, program, .. } = &self.0.erasure;
        let heading = format!("{} A member of {program} is forgotten", paint(GOOD, "✓"));
        let mut lines = vec![heading, format!("  {id}  {erased_at}")];
        lines.push(format!("  {}", paint(FAINT, "Signed by the alliance, and verified: keep it.")));
        if *forfeited != Decimal::ZERO {
            lines.push(format!("  given up  {forfeited} points: write them off"));
        }
        if !links.is_empty() {
            lines.push(format!("  ended     {}", counted(links.len(), "link")));
        }
        lines.push(self.0.jws.clone());
        lines.join("\n")
    }
}

async fn forget(args: ForgetArgs, printer: Printer) -> Result<Exit, Failure> {
    let ForgetArgs { forfeit, member } = args;
    let client = member.who.client()?;
    let account = MemberAccount { member: member.member, program: member.program };
    let signed = client.forget_member(&account, forfeit).await.map_err(|error| failed(&error))?;
    verified(&client, std::slice::from_ref(&signed)).await?;
    printer.show(&Forgotten(signed));
    Ok(Exit::Good)
}

async fn verified(client: &Client, erasures: &[SignedErasure]) -> Result<(), Failure> {
    let keys = client.gateway_keys().await.map_err(|error| failed(&error))?;
    for signed in erasures {
        verify_erasure(signed, &keys).map_err(Failure::wrong)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Listed {
    erasures: Vec<SignedErasure>,
}

impl Shown for Listed {
    fn text(&self) -> String {
        let heading = format!("{}, verified", counted(self.erasures.len(), "erasure"));
        if self.erasures.is_empty() {
            return paint(HEADING, "Nobody was forgotten");
        }
        let row = |signed: &SignedErasure| {
            let Erasure { erased_at, forfeited, id, program, requested_with, .. } = &signed.erasure;
            [id.to_string(), erased_at.to_string(), program.to_string(), forfeited.to_string()]
                .into_iter()
                .chain([requested_with.to_string()])
                .collect()
        };
        let rows: Vec<Vec<String>> = self.erasures.iter().map(row).collect();
        let columns = [Column::Left, Column::Left, Column::Left, Column::Right, Column::Left];
        let header = ["erasure", "when", "program", "given up", "asked for with key"];
        format!("{}\n{}", paint(HEADING, &heading), table("  ", &columns, &header, &rows))
    }
}

async fn erasures(args: &ErasuresArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let (mut erasures, mut after): (Vec<SignedErasure>, Option<ErasureId>) = (Vec::new(), None);
    loop {
        let page = client.erasures(after, PAGE).await.map_err(|error| failed(&error))?;
        erasures.extend(page.items);
        after = page.next_after;
        if !page.more || after.is_none() {
            break;
        }
    }
    verified(&client, &erasures).await?;
    printer.show(&Listed { erasures });
    Ok(Exit::Good)
}
