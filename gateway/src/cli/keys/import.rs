//! `alliance keys import`: a signed list of the gateway's keys comes into the books.

use std::path::PathBuf;

use alliance_contracts::key_list::KeyList;
use alliance_contracts::keys::PublicKey;
use alliance_settlement::alliance::GatewayKeys;
use alliance_settlement::clearing_house::ImportKeysError;
use clap::Args;
use serde::Serialize;

use super::offline::read_list;
use super::root_x;
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::printer::{FAINT, GOOD, Printer, Shown, paint};
use crate::instance::{Instance, KEY_LIST_FILE, create, keyfile};

/// Which list.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The signed list, as `alliance keys introduce` and `revoke` write it
    #[arg(value_name = "FILE.json")]
    file: PathBuf,
    /// The public root key [default: of keys/root.pem, or of a partner's client.toml here]
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    root: Option<String>,
    /// Take it even if this gateway's own key may sign no more by it: it then serves nothing until
    /// its key is replaced
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Imported {
    number: u64,
    changed: bool,
    /// Whether this gateway's own key may sign by the list.
    may_sign: bool,
}

impl Shown for Imported {
    fn text(&self) -> String {
        let Self { number, changed, may_sign } = self;
        let state = if *changed { "is in the books" } else { "was in the books already" };
        let mut lines = vec![format!("{} List {number} {state}", paint(GOOD, "✓"))];
        lines.push(paint(FAINT, "  Every gateway follows it within 5 seconds."));
        if !may_sign {
            lines.push(
                "  This gateway's key may not sign any more: put the new key into its place, and \
                 start the gateway anew"
                    .to_owned(),
            );
        }
        lines.join("\n")
    }
}

/// Verifies the list under the root key, and hands it to the writer.
pub fn run(args: &ImportArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let list = read_list(&args.file)?;
    let keys = verified(args, &instance, &list)?;
    let number = keys.trusted.number();
    let books = instance.read_books().map_err(Failure::config)?;
    let house = books.house();
    if house.registry().gateway_keys.is_none() {
        books.wait(instance.apply(house)).map_err(|faults| Failure::of_faults(&faults))?;
    }
    let may_sign = keys.may_sign(instance.signing_key.kid(), house.now());
    if let Err(refused) = may_sign
        && !args.force
    {
        let file = args.file.display();
        return Err(Failure::wrong(format!(
            "{file} is not imported, as by it {refused}. Serve with a key that it has first, or, \
             if the old key must sign nothing from now on, take it with --force"
        )));
    }
    let changed = books.wait(house.import_gateway_keys(keys)).map_err(|error| match error {
        ImportKeysError::Refused(why) => {
            Failure::wrong(format!("{} is refused: {why}", args.file.display()))
        }
        ImportKeysError::Unavailable(error) => Failure::wrong(error),
    })?;
    keep(&instance, &list, number)?;
    printer.show(&Imported { number, changed, may_sign: may_sign.is_ok() });
    Ok(Exit::Good)
}

fn verified(
    args: &ImportArgs,
    instance: &Instance,
    list: &KeyList,
) -> Result<GatewayKeys, Failure> {
    let refused =
        |why: String| Failure::wrong(format!("{} is refused: {why}", args.file.display()));
    let x = root_x(instance, args.root.as_deref())?;
    let root: PublicKey =
        keyfile::parse_public(&x).map_err(|fault| Failure::usage(format!("--root {x} {fault}")))?;
    list.verify(&root).map_err(|error| refused(error.to_string()))?;
    GatewayKeys::of(list).map_err(|error| refused(error.to_string()))
}

/// The folder's copy: for `alliance verify`, and so that older books are noticed.
fn keep(instance: &Instance, list: &KeyList, number: u64) -> Result<(), Failure> {
    if instance.trusted_keys.number() >= number {
        return Ok(());
    }
    let text = serde_json::to_string_pretty(list).map_err(Failure::wrong)?;
    create::write(&instance.folder.join(KEY_LIST_FILE), &format!("{text}\n"))
        .map_err(Failure::wrong)
}
