//! `alliance keys draw-master` and `rotate-master`: another master key takes the place of the one
//! that the books are under, while the gateways serve.

use alliance_settlement::clearing_house::{RotateError, Rotated};
use alliance_settlement::vault::MasterKeyId;
use clap::Args;
use serde::Serialize;

use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::printer::{FAINT, GOOD, Printer, Shown, paint};
use crate::cli::progress::Progress;
use crate::instance::{Instance, MASTER_KEY_FILE, NEXT_MASTER_KEY_FILE, keyfile};

/// Of which alliance.
#[derive(Debug, Args)]
pub struct MasterArgs {
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Drawn {
    file: String,
    key_id: String,
}

impl Shown for Drawn {
    fn text(&self) -> String {
        let Self { file, key_id } = self;
        format!(
            "{} {file}\n  master key  {key_id}\n{}",
            paint(GOOD, "✓"),
            paint(
                FAINT,
                "  Bring it to every gateway, start each anew, then: alliance keys rotate-master"
            )
        )
    }
}

/// Draws the master key to come, beside the one that holds.
pub fn draw(args: &MasterArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let file = instance.folder.join(NEXT_MASTER_KEY_FILE);
    keyfile::generate_master(&file).map_err(Failure::usage)?;
    let key = keyfile::read_master(&file).map_err(Failure::config)?;
    let key_id = MasterKeyId::of(&key).to_string();
    printer.show(&Drawn { file: file.display().to_string(), key_id });
    Ok(Exit::Good)
}

#[derive(Serialize)]
struct RotatedKey {
    /// What the books are under now.
    key_id: String,
    /// What may be destroyed; none where nothing was to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<String>,
    /// Rows that this command has brought under the new key.
    rekeyed: u64,
    /// The file that holds the key of the books.
    file: &'static str,
    /// A file that is of no more use to these books.
    #[serde(skip_serializing_if = "Option::is_none")]
    obsolete: Option<&'static str>,
}

impl RotatedKey {
    fn of(instance: &Instance, rotated: Rotated) -> Self {
        let (key, retired, rekeyed) = match rotated {
            Rotated::Nothing(key) => (key, None, 0),
            Rotated::Done { from, to, rekeyed } => (to, Some(from.to_string()), rekeyed),
        };
        let next = instance.next_master_key.as_ref();
        let in_next = next.is_some_and(|next| MasterKeyId::of(next) == key);
        let (file, other) = if in_next {
            (NEXT_MASTER_KEY_FILE, MASTER_KEY_FILE)
        } else {
            (MASTER_KEY_FILE, NEXT_MASTER_KEY_FILE)
        };
        let obsolete = next.map(|_| other);
        Self { key_id: key.to_string(), retired, rekeyed, file, obsolete }
    }
}

impl Shown for RotatedKey {
    fn text(&self) -> String {
        let Self { key_id, retired, rekeyed, file, obsolete } = self;
        let head = match retired {
            Some(before) => format!(
                "{} Nothing is left under the master key {before}: the books are under {key_id} \
                 ({rekeyed} rows by this command)",
                paint(GOOD, "✓")
            ),
            None => format!(
                "{} Nothing to do: the books are under the master key {key_id}",
                paint(GOOD, "✓")
            ),
        };
        let Some(obsolete) = obsolete else { return head };
        let rest = format!(
            "  {file} holds that key. On every gateway, {obsolete} may now be destroyed: see \
             docs/key-rotation.md for what else opens with it"
        );
        format!("{head}\n{}", paint(FAINT, &rest))
    }
}

/// Rotates the master key, or goes on where that was broken off.
pub fn rotate(args: &MasterArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let books = instance.read_books().map_err(Failure::config)?;
    let progress = Progress::spinner(printer, "bringing rows under the new key");
    let rotated = books.wait(books.house().rotate_master_key(|at| {
        progress.say(&format!("{} rows rekeyed, {} members left", at.rekeyed, at.left));
        tracing::info!(rekeyed = at.rekeyed, left = at.left, "bringing rows under the new key");
    }));
    progress.done();
    let rotated = rotated.map_err(|error| failure(&instance, &error))?;
    printer.show(&RotatedKey::of(&instance, rotated));
    Ok(Exit::Good)
}

fn failure(instance: &Instance, error: &RotateError) -> Failure {
    match error {
        RotateError::NoNextKey => Failure::usage(format!(
            "{} is not there, so there is nothing to rotate to: draw a key with `alliance keys \
             draw-master`",
            instance.folder.join(NEXT_MASTER_KEY_FILE).display()
        )),
        RotateError::Refused(fault) => Failure::usage(fault),
        _ => Failure::wrong(format!(
            "{error}. What was done stays done; `alliance keys rotate-master` goes on from there"
        )),
    }
}
