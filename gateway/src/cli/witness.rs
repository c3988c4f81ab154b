//! `alliance witness`: a partner looks at the checkpoints of its corridors, cosigns what has grown
//! out of what it saw before, and keeps what an offline verification needs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::names::Corridor;
use alliance_contracts::note;
use alliance_partner_sdk::Error;
use alliance_partner_sdk::client::{Client, ClientBuilder, Memory, Witnessed};
use clap::Args;
use serde::Serialize;

use super::agreements::{As, failed};
use super::failure::{Exit, Failure, whole};
use super::layout::count;
use super::printer::{BAD, FAINT, GOOD, Printer, Shown, paint};
use crate::instance::{create, keyfile};

/// What was seen and cosigned, in the folder.
const MEMORY_FILE: &str = "memory.json";
/// The gateway's keys, in the folder.
const GATEWAY_KEYS_FILE: &str = "jwks.json";
/// All partners' keys, in the folder.
const PARTNER_KEYS_FILE: &str = "partner-keys.json";

/// What to witness.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance witness --client client.toml\n  \
    alliance witness --client client.toml --every 60 --state /var/lib/witness")]
pub struct WitnessArgs {
    /// Only this corridor; may be given several times [default: all that have receipts]
    #[arg(long, value_name = "CORRIDOR")]
    corridor: Vec<Corridor>,
    /// Go on, with so many seconds between two looks, until Ctrl-C [default: look once]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    every: Option<u64>,
    /// Where to keep what was seen [default: the folder witness beside client.toml]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(flatten)]
    who: As,
}

#[derive(Serialize)]
struct Looked {
    partner: String,
    witnessed: Vec<Line>,
    folder: String,
}

#[derive(Serialize)]
struct Line {
    corridor: Corridor,
    size: u64,
    /// Whether the gateway had this partner's cosignature over so many receipts already.
    known: bool,
    file: String,
}

impl Shown for Looked {
    fn text(&self) -> String {
        let Self { partner, witnessed, folder } = self;
        if witnessed.is_empty() {
            return format!("{partner} has no receipts yet: nothing to witness");
        }
        let mut lines: Vec<String> = witnessed
            .iter()
            .map(|line| {
                let again = if line.known { ", as before" } else { "" };
                let (mark, size) = (paint(GOOD, "✓"), count(line.size));
                format!("{mark} {}: {size} receipts cosigned{again}", line.corridor)
            })
            .collect();
        lines.push(paint(FAINT, &format!("  Kept in {folder}, for `alliance verify --cosigned`.")));
        lines.join("\n")
    }
}

pub(super) fn run(args: &WitnessArgs, printer: Printer) -> Result<Exit, Failure> {
    let folder = args.state.clone().unwrap_or_else(|| args.who.beside("witness"));
    fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
    let client = client(args, &folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::wrong)?.block_on(async {
        let Some(seconds) = args.every else {
            look(args, &client, &folder, printer).await.map_err(Stop::failure)?;
            return Ok(Exit::Good);
        };
        loop {
            match look(args, &client, &folder, printer).await {
                Ok(()) => {}
                // What may pass is looked at again; a fork never passes.
                Err(Stop::Later(failure)) => {
                    printer.note(&format!("{} {}", paint(BAD, "✗"), failure.message));
                }
                Err(stop) => return Err(stop.failure()),
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
                _ = tokio::signal::ctrl_c() => return Ok(Exit::Good),
            }
        }
    })
}

/// Why a look came to nothing.
enum Stop {
    /// The next may be better.
    Later(Failure),
    /// Nothing that a repetition would change.
    Now(Failure),
}

impl Stop {
    fn failure(self) -> Failure {
        match self {
            Self::Later(failure) | Self::Now(failure) => failure,
        }
    }

    fn of(error: &Error) -> Self {
        match error {
            Error::Fork(_) => Self::Now(Failure::wrong(format!(
                "{}. Both checkpoints are in the witness's folder: they prove it",
                whole(error)
            ))),
            Error::Config(_) => Self::Now(failed(error)),
            _ => Self::Later(failed(error)),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Now(failure)
    }
}

fn client(args: &WitnessArgs, folder: &Path) -> Result<Client, Failure> {
    let file = folder.join(MEMORY_FILE);
    let memory = match fs::read(&file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            let file = file.display();
            Failure::config(format!("{file} is not what a witness has kept: {error}"))
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Memory::default(),
        Err(error) => {
            let unreadable = keyfile::unreadable(&error);
            return Err(Failure::config(format!("{} {unreadable}", file.display())));
        }
    };
    let builder = ClientBuilder::from_config(args.who.file()).map_err(|error| failed(&error))?;
    builder.memory(memory).build().map_err(|error| failed(&error))
}

/// One look at every corridor.
async fn look(
    args: &WitnessArgs,
    client: &Client,
    folder: &Path,
    printer: Printer,
) -> Result<(), Stop> {
    let corridors = if args.corridor.is_empty() {
        let all = client.corridors().await.map_err(|error| Stop::of(&error))?.corridors;
        all.into_iter().filter(|one| one.seq > 0).map(|one| one.corridor).collect()
    } else {
        args.corridor.clone()
    };
    let mut witnessed = Vec::new();
    for corridor in &corridors {
        witnessed.push(witness(client, corridor, folder).await?);
    }
    keep_lists(client, folder).await?;
    printer.show(&Looked {
        partner: client.partner().to_string(),
        witnessed,
        folder: folder.display().to_string(),
    });
    Ok(())
}

/// Cosigns, keeps, and only then hands in: what is known of this witness, it knows itself.
async fn witness(client: &Client, corridor: &Corridor, folder: &Path) -> Result<Line, Stop> {
    let cosigned = client.cosign(corridor).await;
    if let Err(Error::Fork(evidence)) = &cosigned {
        let text = format!("{evidence:#?}\n");
        keep(&folder.join(format!("{corridor}.fork.txt")), &text)?;
    }
    let cosigned = cosigned.map_err(|error| Stop::of(&error))?;
    let keys = client.gateway_keys().await.map_err(|error| Stop::of(&error))?;
    let file = folder.join(note_file(&cosigned, &keys));
    keep(&file, &cosigned.note)?;
    let memory = serde_json::to_string_pretty(&client.memory()).map_err(Failure::wrong)?;
    keep(&folder.join(MEMORY_FILE), &memory)?;
    client.hand_in(&cosigned).await.map_err(|error| Stop::of(&error))?;
    let Witnessed { size, known, .. } = cosigned;
    Ok(Line { corridor: corridor.clone(), size, known, file: file.display().to_string() })
}

/// One file for each corridor and gateway key: the last cosigned under a key stays, when the key is
/// revoked and another takes its place.
fn note_file(witnessed: &Witnessed, keys: &TrustedKeys) -> String {
    let corridor = &witnessed.corridor;
    let origin = note::corridor_origin(keys.alliance(), corridor.as_str());
    let parsed = note::parse_note(&witnessed.note).ok();
    let signer = parsed.and_then(|parsed| {
        keys.iter().find(|key| note::verify_note(&parsed, &origin, &key.public).is_ok())
    });
    match signer {
        Some(key) => format!("{corridor}.{}.note", key.kid),
        None => format!("{corridor}.note"),
    }
}

/// The key lists as they are served: with the notes and an export all that it takes offline.
async fn keep_lists(client: &Client, folder: &Path) -> Result<(), Stop> {
    let lists = client.signed_key_lists().await.map_err(|error| Stop::of(&error))?;
    keep(&folder.join(GATEWAY_KEYS_FILE), &lists.gateway)?;
    keep(&folder.join(PARTNER_KEYS_FILE), &lists.partners)?;
    Ok(())
}

fn keep(file: &Path, text: &str) -> Result<(), Failure> {
    create::write(file, text).map_err(Failure::wrong)
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::config(format!("{} cannot be written: {error}", path.display()))
}
