//! Out of one corridor's receipts: verified first, then read once more.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use alliance_contracts::corridor::StreamEnd;
use alliance_contracts::encoding::Hash;
use alliance_contracts::receipt;
use alliance_partner_sdk::verify::NdjsonLine;
use alliance_partner_sdk::verify::file::{self, Options, Report};
use alliance_partner_sdk::verify::keys;
use alliance_settlement::journal::{Balances, Journal, Place};

use super::{ExportArgs, Exported, ProvedBy, Sheet, unread};
use crate::cli::failure::{Failure, whole};
use crate::cli::printer::Printer;
use crate::cli::progress::Progress;
use crate::instance::keyfile;

pub(super) fn export(
    args: &ExportArgs,
    receipts: &Path,
    jwks: &Path,
    out: &Path,
    printer: Printer,
) -> Result<Exported, Failure> {
    let verified = verified(args, receipts, jwks, printer)?;
    let span = args.span();
    let mut sheet = Sheet::new(args, out)?;
    let openings = Balances::default();
    let mut journal = Journal::new(args.format(), args.members(), BTreeMap::new(), openings);
    let (mut begun, mut alliance) = (false, None);
    let mut end = StreamEnd { head: Hash::ZERO, seq: 0 };
    let bar = Progress::bar(printer, "exporting", verified.receipts);
    for line in open(receipts)?.split(b'\n') {
        let line = line.map_err(|error| unreadable(receipts, &error))?;
        let Some(NdjsonLine::Item { decoded, .. }) = NdjsonLine::parse(&line) else { break };
        let receipt = receipt::parse(decoded).map_err(unread)?;
        let payload = Hash::of(decoded);
        end = StreamEnd { head: payload, seq: receipt.seq };
        let place = span.place(receipt.completed_at);
        if place != Place::Before && !begun {
            let begins = span.after.unwrap_or(receipt.completed_at);
            journal.begin(&receipt.alliance, Some(begins), &mut sheet.text);
            begun = true;
        }
        match place {
            Place::Before => journal.before(&receipt),
            Place::Within => journal.receipt(&receipt, &payload, &mut sheet.text),
            Place::Later => break,
        }
        alliance = Some(receipt.alliance);
        sheet.write()?;
        bar.step(1);
    }
    let read_whole = end.seq == verified.last_seq && end.head == verified.head;
    if !read_whole && span.until.is_none() {
        return Err(Failure::wrong(format!("{} changes while it is read", receipts.display())));
    }
    match alliance {
        Some(alliance) if !begun => journal.begin(&alliance, span.after, &mut sheet.text),
        Some(_) => {}
        None if begun => {}
        None => return Err(Failure::usage(format!("{} has no receipts", receipts.display()))),
    }
    let (written, differences) = journal.end(None, &mut sheet.text);
    sheet.finish()?;
    bar.done();
    Ok(Exported { written, differences, proved_by: ProvedBy::Receipts })
}

/// Every signature, every link of the chain.
fn verified(
    args: &ExportArgs,
    receipts: &Path,
    jwks: &Path,
    printer: Printer,
) -> Result<Report, Failure> {
    let list = fs::read(jwks).map_err(|error| unreadable(jwks, &error))?;
    let keys = keys::trust_key_list(&list)
        .map_err(|error| Failure::wrong(format!("{}: {error}", jwks.display())))?;
    let mut options = Options::new();
    if let Some(corridor) = &args.corridor {
        options = options.corridor(corridor.clone());
    }
    let bar = Progress::spinner(printer, "verifying");
    let report = file::verify(open(receipts)?, &keys, &options);
    bar.done();
    report.map_err(|error| Failure::wrong(format!("{}: {}", receipts.display(), whole(&error))))
}

fn open(file: &Path) -> Result<BufReader<File>, Failure> {
    let opened = File::open(file).map_err(|error| unreadable(file, &error))?;
    Ok(BufReader::with_capacity(1 << 18, opened))
}

fn unreadable(file: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{} {}", file.display(), keyfile::unreadable(error)))
}
