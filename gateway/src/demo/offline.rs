//! What each brand does for itself: downloads the receipts of its corridors, keeps them as files,
//! and verifies them — from the files, under the root key that it pinned, without the gateway.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use alliance_contracts::corridor::{ReceiptPage, StreamEnd, StreamTrailer};
use alliance_contracts::encoding::Hash;
use alliance_contracts::json;
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::names::Corridor;
use alliance_partner_sdk::verify::VerifiedCheckpoint;
use alliance_partner_sdk::verify::file::{Options, Report, Totals, verify_watched};
use alliance_partner_sdk::{Client, Error};

use crate::cli::failure::whole;
use crate::cli::progress::Progress;

/// Receipts downloaded at once.
const PAGE: u32 = 500;

/// One corridor, as one of its partners has found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Which corridor.
    pub corridor: Corridor,
    /// What the receipts' file was found to be.
    pub report: Report,
    /// How many receipts the signed checkpoint is about.
    pub checkpoint_size: u64,
    /// The receipts' file.
    pub file: PathBuf,
    /// The checkpoint's file.
    pub checkpoint_file: PathBuf,
}

/// What one brand has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// Which brand.
    pub partner: String,
    /// Its corridors.
    pub corridors: Vec<Verified>,
    /// What was wrong, if anything.
    pub fault: Option<String>,
}

/// What the receipts of all corridors come to, each counted once.
pub type SharedTotals = Arc<Mutex<Totals>>;

/// Downloads and verifies everything that one brand may see.
pub async fn verify(
    client: Client,
    folder: PathBuf,
    totals: SharedTotals,
    progress: Progress,
) -> Findings {
    let partner = client.partner().to_string();
    let mut corridors = Vec::new();
    let fault = verify_all(&client, &folder, &totals, &progress, &mut corridors).await.err();
    Findings { partner, corridors, fault }
}

async fn verify_all(
    client: &Client,
    folder: &Path,
    totals: &SharedTotals,
    progress: &Progress,
    done: &mut Vec<Verified>,
) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    let keys = client.gateway_keys().await.map_err(|error| whole(&error))?;
    let listed = client.corridors().await.map_err(|error| whole(&error))?;
    for known in listed.corridors {
        let corridor = known.corridor;
        let file = folder.join(format!("{corridor}.ndjson"));
        download(client, &corridor, &file).await?;
        let checkpoint = client.checkpoint(&corridor).await.map_err(|error| whole(&error))?;
        let checkpoint_file = folder.join(format!("{corridor}.checkpoint"));
        fs::write(&checkpoint_file, checkpoint.note())
            .map_err(|error| cannot_write(&checkpoint_file, &error))?;
        // Both partners verify every receipt; for the totals each corridor counts once.
        let counts = corridor.parties().0 == client.partner().as_str();
        let work = Work {
            corridor: corridor.clone(),
            file: file.clone(),
            checkpoint,
            keys: Arc::clone(&keys),
            totals: counts.then(|| Arc::clone(totals)),
            progress: progress.clone(),
        };
        let checkpoint_size = work.checkpoint.size();
        let verified = tokio::task::spawn_blocking(move || work.verify()).await;
        let report = verified.map_err(|error| error.to_string())??;
        done.push(Verified { corridor, report, checkpoint_size, file, checkpoint_file });
    }
    Ok(())
}

/// Writes a corridor's receipts as an export: one a line, as served, and the end.
async fn download(client: &Client, corridor: &Corridor, file: &Path) -> Result<(), String> {
    let unwritable = |error: std::io::Error| cannot_write(file, &error);
    let mut out = BufWriter::new(File::create(file).map_err(unwritable)?);
    let mut end = StreamEnd { head: Hash::ZERO, seq: 0 };
    loop {
        let after = end.seq;
        let path = format!("/v1/corridors/{corridor}/receipts?after={after}&limit={PAGE}");
        let page: ReceiptPage = client.get(&path).await.map_err(|error: Error| whole(&error))?;
        for item in &page.items {
            let payload = item.receipt.get().as_bytes();
            end.head = Hash::of(payload);
            out.write_all(br#"{"jws":""#).map_err(unwritable)?;
            out.write_all(item.jws.as_bytes()).map_err(unwritable)?;
            out.write_all(br#"","receipt":"#).map_err(unwritable)?;
            out.write_all(payload).map_err(unwritable)?;
            out.write_all(b"}\n").map_err(unwritable)?;
        }
        end.seq = page.next_after;
        if !page.more {
            break;
        }
    }
    out.write_all(&json::canonical(&StreamTrailer { end })).map_err(unwritable)?;
    out.write_all(b"\n").map_err(unwritable)?;
    out.flush().map_err(unwritable)
}

fn cannot_write(path: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be written: {error}", path.display())
}

/// One file to be verified, and what with.
struct Work {
    corridor: Corridor,
    file: PathBuf,
    checkpoint: VerifiedCheckpoint,
    keys: Arc<TrustedKeys>,
    totals: Option<SharedTotals>,
    progress: Progress,
}

impl Work {
    /// What `alliance verify` does, with the totals of all corridors in one.
    fn verify(self) -> Result<Report, String> {
        let Self { corridor, file, checkpoint, keys, totals, progress } = self;
        let wrong = |error: &dyn std::fmt::Display| format!("{corridor}: {error}");
        let options = Options::new().corridor(corridor.clone()).checkpoint(checkpoint.note());
        let opened = File::open(&file).map_err(|error| wrong(&error))?;
        let export = BufReader::with_capacity(1 << 18, opened);
        let report = verify_watched(export, &keys, &options, &mut |more| progress.step(more))
            .map_err(|error| wrong(&error))?;
        if let Some(totals) = &totals {
            let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
            totals.merge(report.totals.clone());
        }
        Ok(report)
    }
}
