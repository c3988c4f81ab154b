//! `alliance verify`.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use alliance_contracts::decimal::format_micros;
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::names::Corridor;
use alliance_contracts::receipt::Asset;
use alliance_partner_sdk::verify::file::{self, After, FileError, Options, Report};
use alliance_partner_sdk::verify::keys;
use clap::Args;
use serde::Serialize;

use super::failure::{Exit, Failure};
use super::layout::{Column, count, counted, grouped, on_the_point, table};
use super::printer::{BAD, FAINT, GOOD, HEADING, Printer, Shown, paint};
use crate::instance::keyfile;

/// What to verify, and what with.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance verify receipts.ndjson --jwks jwks.json\n  \
    alliance verify receipts.ndjson --jwks jwks.json --checkpoint receipts.checkpoint\n  \
    alliance verify receipts.ndjson --jwks witness/jwks.json --partner-keys \
    witness/partner-keys.json --cosigned witness/aurora-air~borealis-coffee.KID.note")]
pub struct VerifyArgs {
    /// The exported receipts; - reads standard input
    #[arg(value_name = "FILE.ndjson")]
    file: PathBuf,
    /// The gateways' key list
    #[arg(long, value_name = "FILE")]
    jwks: PathBuf,
    /// The alliance's public root key, which must have signed the key list
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    root: Option<String>,
    /// A signed checkpoint of the corridor, which the receipts must contain
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// A checkpoint that a partner cosigned, which the receipts must contain; may be given several
    /// times: receipts under a key that was revoked later count as far as it goes
    #[arg(long, value_name = "FILE", requires = "partner_keys")]
    cosigned: Vec<PathBuf>,
    /// The list of all partners' keys, as `alliance witness` keeps it
    #[arg(long, value_name = "FILE", requires = "cosigned")]
    partner_keys: Option<PathBuf>,
    /// Where the file begins, if not at receipt 1: the receipt before, and its hash
    #[arg(long, value_name = "SEQ:HASH")]
    after: Option<After>,
    /// The corridor that the receipts must be of
    #[arg(long, value_name = "CORRIDOR")]
    corridor: Option<Corridor>,
    /// Verify every signature by itself, as other tools do
    ///
    /// Signatures are verified in batches, which takes a third of the time. A batch also accepts
    /// a signature to which the owner of the key has added a point of low order; verifiers that
    /// follow RFC 8032 to the letter refuse it. Nobody else can make one. With --strict such a
    /// receipt is refused, too.
    #[arg(long)]
    strict: bool,
}

#[derive(Serialize)]
struct Verified {
    ok: bool,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    /// The first bad receipt's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    bad_seq: Option<u64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    found: Option<Found>,
    /// Whether the root key that the caller named has signed the key list.
    root_checked: bool,
    /// Whether every signature was verified by itself.
    strict: bool,
}

#[derive(Serialize)]
struct Found {
    corridor: Option<String>,
    receipts: u64,
    first_seq: u64,
    last_seq: u64,
    head: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    root_hash: Option<String>,
    first_completed_at: Option<String>,
    last_completed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint_size: Option<u64>,
    totals: Vec<Total>,
}

#[derive(Serialize)]
struct Total {
    asset: String,
    account: String,
    net: String,
    #[serde(skip)]
    is_money: bool,
}

impl Found {
    fn of(report: &Report) -> Self {
        let totals = report.totals.net.iter().flat_map(|(asset, holders)| {
            holders.iter().map(|(holder, net)| Total {
                asset: asset.to_string(),
                account: holder.to_string(),
                net: format_micros(*net),
                is_money: matches!(asset, Asset::Currency(_)),
            })
        });
        Self {
            corridor: report.corridor.as_ref().map(ToString::to_string),
            receipts: report.receipts,
            first_seq: report.first_seq,
            last_seq: report.last_seq,
            head: report.head.to_string(),
            root_hash: report.root.map(|root| root.to_string()),
            first_completed_at: report.first_completed_at.map(|at| at.to_string()),
            last_completed_at: report.last_completed_at.map(|at| at.to_string()),
            checkpoint_size: report.checkpoint_size,
            totals: totals.collect(),
        }
    }

    fn text(&self) -> Vec<String> {
        let mut lines = vec![
            format!("  receipts    {} to {}", count(self.first_seq), count(self.last_seq)),
            format!("  head        {}", self.head),
        ];
        if let Some((first, last)) =
            self.first_completed_at.as_ref().zip(self.last_completed_at.as_ref())
        {
            lines.push(format!("  completed   {first} to {last}"));
        }
        if let Some(size) = self.checkpoint_size {
            let whole = if size == self.last_seq { "" } else { ", and go on after it" };
            lines.push(format!("  checkpoint  they contain its {} receipts{whole}", count(size)));
        }
        let money: Vec<&Total> = self.totals.iter().filter(|total| total.is_money).collect();
        if let Some(first) = money.first() {
            lines.push(String::new());
            let come_to = format!("What they come to, in {}", first.asset);
            lines.push(paint(HEADING, &come_to));
            let amounts: Vec<String> = money.iter().map(|total| grouped(&total.net)).collect();
            let rows: Vec<Vec<String>> = money
                .iter()
                .zip(on_the_point(&amounts))
                .map(|(total, amount)| vec![total.account.clone(), amount])
                .collect();
            lines.push(table("  ", &[Column::Left, Column::Right], &[], &rows));
        }
        lines
    }
}

impl Shown for Verified {
    fn text(&self) -> String {
        let file = &self.file;
        if let Some(fault) = &self.fault {
            return format!("{} {file}: {fault}", paint(BAD, "✗"));
        }
        let Some(found) = &self.found else { return String::new() };
        let receipts = counted(usize::try_from(found.receipts).unwrap_or(usize::MAX), "receipt");
        let of = found.corridor.as_deref().unwrap_or("no corridor");
        let heading = paint(HEADING, &format!("{receipts} of {of}, all good"));
        let mut lines = vec![format!("{} {heading}", paint(GOOD, "✓"))];
        lines.extend(found.text());
        if !self.root_checked {
            lines.push(String::new());
            lines.push(paint(
                FAINT,
                "The key list was believed as it is: --root X checks who signed it.",
            ));
        }
        lines.join("\n")
    }
}

pub(super) fn run(args: &VerifyArgs, printer: Printer) -> Result<Exit, Failure> {
    let list = read(&args.jwks)?;
    let note = args.checkpoint.as_deref().map(read).transpose()?;
    let export: Box<dyn Read> = if args.file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(&args.file).map_err(|error| unreadable(&args.file, &error))?)
    };
    let mut verified = Verified {
        ok: false,
        file: args.file.display().to_string(),
        fault: None,
        bad_seq: None,
        found: None,
        root_checked: args.root.is_some(),
        strict: args.strict,
    };
    let cosigned = cosigned(args)?;
    let keys = trusted(args, &list);
    let with_options = keys.and_then(|keys| {
        let partners = partner_keys(args, &cosigned, &keys)?;
        let options = options(args, note.as_deref(), cosigned.notes, partners);
        Ok((keys, options))
    });
    match with_options {
        Err(fault) => verified.fault = Some(fault),
        Ok((keys, options)) => {
            match file::verify(BufReader::with_capacity(1 << 18, export), &keys, &options) {
                Ok(report) => {
                    verified.ok = true;
                    verified.found = Some(Found::of(&report));
                }
                Err(FileError::Io(error)) => return Err(unreadable(&args.file, &error)),
                Err(error) => {
                    verified.bad_seq = error.seq();
                    verified.fault = Some(super::failure::whole(&error));
                }
            }
        }
    }
    printer.show(&verified);
    Ok(if verified.ok { Exit::Good } else { Exit::Wrong })
}

fn trusted(args: &VerifyArgs, list: &[u8]) -> Result<TrustedKeys, String> {
    let trusted = match &args.root {
        Some(x) => keys::root_key(x).and_then(|root| keys::verify_key_list(list, &root)),
        None => keys::trust_key_list(list),
    };
    trusted.map_err(|error| format!("{}: {error}", args.jwks.display()))
}

/// What was cosigned, and who vouches for the cosigners, as read.
struct Cosigned {
    notes: Vec<String>,
    partner_list: Option<Vec<u8>>,
}

fn cosigned(args: &VerifyArgs) -> Result<Cosigned, Failure> {
    let notes = args.cosigned.iter().map(|file| read(file));
    let notes = notes.map(|note| Ok(String::from_utf8_lossy(&note?).into_owned()));
    Ok(Cosigned {
        notes: notes.collect::<Result<_, Failure>>()?,
        partner_list: args.partner_keys.as_deref().map(read).transpose()?,
    })
}

fn partner_keys(
    args: &VerifyArgs,
    cosigned: &Cosigned,
    keys: &TrustedKeys,
) -> Result<Option<TrustedKeys>, String> {
    let Some((list, file)) = cosigned.partner_list.as_ref().zip(args.partner_keys.as_ref()) else {
        return Ok(None);
    };
    let partners = keys::verify_partner_list(list, keys);
    partners.map(Some).map_err(|error| format!("{}: {error}", file.display()))
}

fn options(
    args: &VerifyArgs,
    note: Option<&[u8]>,
    cosigned: Vec<String>,
    partners: Option<TrustedKeys>,
) -> Options {
    let mut options = Options::new();
    if let Some(partners) = partners {
        options = options.cosigned(cosigned, partners);
    }
    if let Some(note) = note {
        options = options.checkpoint(String::from_utf8_lossy(note));
    }
    if let Some(after) = args.after {
        options = options.after(after);
    }
    if let Some(corridor) = &args.corridor {
        options = options.corridor(corridor.clone());
    }
    if args.strict {
        options = options.strict();
    }
    options
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{} {}", path.display(), keyfile::unreadable(error)))
}
