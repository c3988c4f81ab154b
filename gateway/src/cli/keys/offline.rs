//! `alliance keys introduce`, `revoke` and `sign-list`: the gateway's key list, signed with the
//! root key on a machine apart. They read the last list and the root key, and write the next list;
//! no database, no network, no configuration.

use std::path::{Path, PathBuf};

use alliance_contracts::json;
use alliance_contracts::key_list::{Jwk, KeyList};
use alliance_contracts::keys::{Kid, PublicKey};
use alliance_contracts::time::Timestamp;
use alliance_settlement::clearing_house::Clock;
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::cli::failure::{Exit, Failure};
use crate::cli::printer::{FAINT, GOOD, HEADING, LIVE, Printer, Shown, paint};
use crate::instance::keyfile;

/// What every list is made from.
#[derive(Debug, Args)]
pub struct Offline {
    /// The last signed list: a gateway's jwks.json, or what /.well-known/jwks.json answers
    #[arg(long, value_name = "FILE")]
    list: PathBuf,
    /// The root's private key
    #[arg(long, value_name = "FILE.pem")]
    root: PathBuf,
    /// The file to write [default: jwks-NUMBER.json beside the last list]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The key to introduce.
#[derive(Debug, Args)]
pub struct IntroduceArgs {
    /// The new key's public half: a PEM file, or its x
    #[arg(value_name = "PUBLIC.pem|X", allow_hyphen_values = true)]
    key: String,
    /// From when it holds [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Until when it holds [default: no end]
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    #[command(flatten)]
    offline: Offline,
}

/// The key to revoke.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The key's id
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: Kid,
    /// Since when it is not to be believed: the last time at which it was surely ours
    /// [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    #[command(flatten)]
    offline: Offline,
}

/// The list to sign.
#[derive(Debug, Args)]
pub struct SignListArgs {
    /// The keys of the next list: a copy of the last one that was changed by hand
    #[arg(value_name = "DRAFT.json")]
    draft: PathBuf,
    #[command(flatten)]
    offline: Offline,
}

/// Lets a new key sign.
pub fn introduce(args: &IntroduceArgs, printer: Printer) -> Result<Exit, Failure> {
    let public = public_key(&args.key)?;
    let last = read_list(&args.offline.list)?;
    if last.keys.iter().any(|key| key.kid == *public.kid()) {
        return Err(Failure::usage(format!(
            "the key {} is in the list already: a key is introduced once",
            public.kid()
        )));
    }
    // Checkpoints and signatures tell their time in seconds.
    let from = args.from.unwrap_or_else(|| now().floor_to_second());
    if args.until.is_some_and(|until| until <= from) {
        return Err(Failure::usage("--until must be after the time at which the key begins"));
    }
    let introduced = Jwk { exp: args.until, ..Jwk::new(&public, Some(from)) };
    let keys = last.keys.iter().cloned().chain([introduced]).collect();
    sign(&last, keys, &args.offline, printer)
}

/// Takes a key's word away.
pub fn revoke(args: &RevokeArgs, printer: Printer) -> Result<Exit, Failure> {
    let last = read_list(&args.offline.list)?;
    let (mut keys, now) = (last.keys.clone(), now());
    let Some(key) = keys.iter_mut().find(|key| key.kid == args.kid) else {
        let list = args.offline.list.display();
        return Err(Failure::usage(format!("{list} has no key {}", args.kid)));
    };
    let at = args.at.unwrap_or(now);
    if at > now {
        return Err(Failure::usage(format!(
            "it is {now}: a key is revoked since now or earlier; one that is to end later is \
             introduced with --until, or given an \"exp\" by `alliance keys sign-list`"
        )));
    }
    if let Some(before) = key.revoked_at.filter(|before| *before <= at) {
        return Err(Failure::usage(format!("the key {} is revoked since {before}", args.kid)));
    }
    key.revoked_at = Some(at);
    sign(&last, keys, &args.offline, printer)
}

/// Signs a list that somebody has drafted.
pub fn sign_list(args: &SignListArgs, printer: Printer) -> Result<Exit, Failure> {
    /// A list's keys; a statement that stands beside them is of the list before.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Draft {
        keys: Vec<Jwk>,
        #[serde(default, rename = "statement")]
        _of_before: Option<String>,
    }
    let last = read_list(&args.offline.list)?;
    let draft: Draft = read(&args.draft)?;
    if draft.keys == last.keys {
        return Err(Failure::usage("the draft says what the last list says: nothing to sign"));
    }
    sign(&last, draft.keys, &args.offline, printer)
}

#[derive(Serialize)]
struct Signed {
    number: u64,
    file: String,
    changes: Vec<String>,
}

impl Shown for Signed {
    fn text(&self) -> String {
        let Self { number, file, changes } = self;
        let heading = paint(HEADING, &format!("List {number} is signed"));
        let mut lines = vec![format!("{} {heading}  {file}", paint(GOOD, "✓"))];
        lines.extend(changes.iter().map(|change| format!("  {change}")));
        lines.push(paint(FAINT, "  Keep it, whatever comes after. On a gateway's machine:"));
        lines.push(format!("  {}", paint(LIVE, &format!("alliance keys import {file}"))));
        lines.join("\n")
    }
}

/// The one place where the root key signs: the next list after `last`, shown change by change.
fn sign(
    last: &KeyList,
    keys: Vec<Jwk>,
    offline: &Offline,
    printer: Printer,
) -> Result<Exit, Failure> {
    if let Some(fault) = keyfile::too_open(&offline.root) {
        printer.note(&format!("warning: {fault}"));
    }
    let root = keyfile::read_private(&offline.root).map_err(Failure::usage)?;
    let next = last.next(keys, &root).map_err(|error| {
        Failure::usage(format!("{} cannot be followed: {error}", offline.list.display()))
    })?;
    let number = next.verify(root.public_key()).map_err(Failure::wrong)?.number();
    let file = offline
        .out
        .clone()
        .unwrap_or_else(|| offline.list.with_file_name(format!("jwks-{number}.json")));
    let text = serde_json::to_string_pretty(&next).map_err(Failure::wrong)?;
    keyfile::write_new(&file, &format!("{text}\n")).map_err(Failure::usage)?;
    let changes = next.keys.iter().filter_map(|key| change(last, key)).collect();
    printer.show(&Signed { number, file: file.display().to_string(), changes });
    Ok(Exit::Good)
}

/// What the next list says of a key that the last does not.
fn change(last: &KeyList, key: &Jwk) -> Option<String> {
    let kid = &key.kid;
    let Some(before) = last.keys.iter().find(|before| before.kid == *kid) else {
        let from = key.nbf.map_or_else(|| "ever".to_owned(), |from| from.to_string());
        return Some(format!("introduces {kid}, which holds since {from}"));
    };
    match (key.revoked_at, key.exp) {
        (Some(at), _) if before.revoked_at != Some(at) => Some(format!("revokes {kid} since {at}")),
        (_, Some(exp)) if before.exp != Some(exp) => Some(format!("ends {kid} at {exp}")),
        _ => None,
    }
}

fn public_key(given: &str) -> Result<PublicKey, Failure> {
    let file = Path::new(given);
    let text = if file.is_file() {
        std::fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("{given} {}", keyfile::unreadable(&error))))?
    } else {
        given.to_owned()
    };
    keyfile::parse_public(&text).map_err(|fault| Failure::usage(format!("{given} {fault}")))
}

/// Reads a signed list. Who signed it is seen when the next is made.
pub(super) fn read_list(file: &Path) -> Result<KeyList, Failure> {
    read(file)
}

fn read<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T, Failure> {
    let shown = file.display();
    let bytes = std::fs::read(file)
        .map_err(|error| Failure::usage(format!("{shown} {}", keyfile::unreadable(&error))))?;
    json::read(&bytes).map_err(|error| {
        Failure::usage(format!("{shown} is no key list: {} {}", error.pointer, error.detail))
    })
}

fn now() -> Timestamp {
    Clock::system().now()
}
