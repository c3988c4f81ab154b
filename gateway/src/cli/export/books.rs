//! Out of an instance's database, page by page.

use std::path::Path;

use alliance_contracts::encoding::Hash;
use alliance_contracts::names::{AllianceId, Corridor};
use alliance_contracts::receipt::{self, Receipt};
use alliance_contracts::time::Timestamp;
use alliance_settlement::inspection::books::{Books, books};
use alliance_settlement::journal::{Balances, Journal, Place, Span};
use alliance_settlement::store::Store;

use super::{ExportArgs, Exported, ProvedBy, Sheet, unread};
use crate::cli::failure::Failure;
use crate::cli::printer::Printer;
use crate::cli::progress::Progress;

/// Receipts read from the books at once.
const PAGE: u32 = 1_000;

/// One chain: how many receipts it has, and how many of them are before the span.
struct Chain {
    corridor: Corridor,
    before: u64,
    seq: u64,
}

pub(super) fn export(args: &ExportArgs, out: &Path, printer: Printer) -> Result<Exported, Failure> {
    let instance = args.place.load()?;
    let alliance = instance.definition.alliance.clone();
    instance
        .with_store(async |store| Ok(write(store, &alliance, args, out, printer).await))
        .map_err(Failure::config)?
}

async fn write(
    store: &dyn Store,
    alliance: &AllianceId,
    args: &ExportArgs,
    out: &Path,
    printer: Printer,
) -> Result<Exported, Failure> {
    let books = books(store).await.map_err(unread)?;
    let mut chains = chains(&books, args)?;
    // The books' balances are those of all corridors.
    let whole = args.corridor.is_none();
    let openings = if whole { books.openings.clone() } else { Balances::default() };
    let span = args.span();
    let mut journal = Journal::new(args.format(), args.members(), books.scales, openings);
    let mut sheet = Sheet::new(args, out)?;
    let bar = Progress::bar(printer, "exporting", chains.iter().map(|chain| chain.seq).sum());

    let mut first = None;
    for chain in &mut chains {
        let begins = open(store, chain, &span, &mut journal, &bar).await?;
        first = [first, begins].into_iter().flatten().min();
    }
    journal.begin(alliance, span.after.or(first), &mut sheet.text);
    for chain in &chains {
        let mut at = chain.before;
        while at < chain.seq {
            let page = page(store, &chain.corridor, at, PAGE).await?;
            if page.is_empty() {
                return Err(missing(chain, at));
            }
            // Receipts that came later than the books were looked at are no part of them.
            for (receipt, payload) in page.iter().filter(|(receipt, _)| receipt.seq <= chain.seq) {
                at = receipt.seq;
                if span.place(receipt.completed_at) == Place::Later {
                    journal.later(receipt);
                } else {
                    journal.receipt(receipt, payload, &mut sheet.text);
                }
                bar.step(1);
            }
            sheet.write()?;
        }
    }
    let (written, differences) = journal.end(whole.then_some(&books.balances), &mut sheet.text);
    sheet.finish()?;
    bar.done();
    let proved_by = if whole { ProvedBy::Books } else { ProvedBy::Receipts };
    Ok(Exported { written, differences, proved_by })
}

fn chains(books: &Books, args: &ExportArgs) -> Result<Vec<Chain>, Failure> {
    let asked = |corridor: &Corridor| args.corridor.as_ref().is_none_or(|only| only == corridor);
    let chains: Vec<Chain> = books
        .chains
        .iter()
        .filter(|(corridor, _)| asked(corridor))
        .map(|(corridor, seq)| Chain { corridor: corridor.clone(), before: 0, seq: *seq })
        .collect();
    match &args.corridor {
        Some(corridor) if chains.is_empty() => {
            Err(Failure::usage(format!("{corridor} has no receipts")))
        }
        _ => Ok(chains),
    }
}

/// Reads what is before the span; when its first receipt completed, where there is one.
async fn open(
    store: &dyn Store,
    chain: &mut Chain,
    span: &Span,
    journal: &mut Journal,
    bar: &Progress,
) -> Result<Option<Timestamp>, Failure> {
    let limit = if span.after.is_some() { PAGE } else { 1 };
    while chain.before < chain.seq {
        let page = page(store, &chain.corridor, chain.before, limit).await?;
        if page.is_empty() {
            return Err(missing(chain, chain.before));
        }
        for (receipt, _) in &page {
            if receipt.seq > chain.seq || span.place(receipt.completed_at) != Place::Before {
                return Ok(Some(receipt.completed_at));
            }
            journal.before(receipt);
            chain.before = receipt.seq;
            bar.step(1);
        }
    }
    Ok(None)
}

async fn page(
    store: &dyn Store,
    corridor: &Corridor,
    after: u64,
    limit: u32,
) -> Result<Vec<(Receipt, Hash)>, Failure> {
    let page = store.receipts(corridor, after, limit).await.map_err(unread)?;
    let parsed = page.iter().map(|stored| {
        let receipt = receipt::parse(&stored.payload).map_err(|error| {
            Failure::wrong(format!("receipt {corridor} {}: {error}", stored.seq))
        })?;
        Ok((receipt, Hash::of(&stored.payload)))
    });
    parsed.collect()
}

fn missing(chain: &Chain, at: u64) -> Failure {
    let Chain { corridor, seq, .. } = chain;
    Failure::wrong(format!("{corridor} ends at {at}, and should at {seq}: see `alliance audit`"))
}
