//! A whole exported corridor: every line verified, totals drawn up on the way, in little memory
//! whatever the file's size. `alliance verify FILE.ndjson` is a call of [`verify`].
//!
//! Signatures are verified in batches, on all cores, unless [`Options::strict`] asks for one by
//! one. A batch also accepts a signature to whose R a point of low order was added, which most
//! verifiers refuse. Only the key's owner can make one, and it signs the same receipt; so it is no
//! forgery, but a receipt that the alliance could have others refuse.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead};
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::thread;

use alliance_contracts::decimal::format_micros;
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::CampaignId;
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::limits::MAX_BODY_BYTES;
use alliance_contracts::names::{Corridor, PartnerId, ProgramId};
use alliance_contracts::note;
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::receipt::{Account, Asset, Receipt};
use alliance_contracts::time::Timestamp;

use super::block::{Block, Checked, Checker};
use super::blocks::{self, Blocks, Unreadable};
use super::chain::{ChainError, ChainFault, ChainVerifier, NdjsonLine, Pushed};
use super::checkpoint::{CheckpointError, VerifiedCheckpoint};
use super::receipt::{ParsedReceipt, Signatures};
use super::witness::WitnessedCheckpoint;

/// The longest line that is read, its line end included. A receipt takes about 4 kB.
pub const MAX_LINE_BYTES: usize = MAX_BODY_BYTES;

/// How many receipts are verified at once, unless said otherwise: about 5 MB of a file. A batch
/// of twice as many signatures costs 3 % less for each.
const BLOCK_RECEIPTS: NonZeroUsize = NonZeroUsize::new(1_024).expect("it is not zero");

/// Where a file begins that does not begin at receipt 1; as text `SEQ:HASH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// The number of the last receipt before the file.
    pub seq: u64,
    /// SHA-256 of its payload.
    pub head: Hash,
}

/// The text is not `SEQ:HASH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be SEQ:HASH, a receipt's number and the SHA-256 of its payload in hex")]
pub struct AfterError;

impl FromStr for After {
    type Err = AfterError;

    fn from_str(text: &str) -> Result<Self, AfterError> {
        let (seq, head) = text.split_once(':').ok_or(AfterError)?;
        let seq = seq.parse().map_err(|_| AfterError)?;
        let head = head.parse().map_err(|_| AfterError)?;
        if seq == 0 && head != Hash::ZERO { Err(AfterError) } else { Ok(Self { seq, head }) }
    }
}

/// Checkpoints that partners cosigned.
#[derive(Clone, Debug)]
pub struct Cosigned {
    /// The notes.
    pub notes: Vec<String>,
    /// The list of all partners' keys, verified.
    pub partners: TrustedKeys,
}

/// What is known beforehand about a file.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The corridor; left out, the first receipt (or the checkpoint) names it.
    pub corridor: Option<Corridor>,
    /// Where the file begins; left out: at receipt 1.
    pub after: Option<After>,
    /// A signed checkpoint that the file must contain whole: shows that no tail was cut.
    pub checkpoint: Option<String>,
    /// Checkpoints that partners cosigned, which the file must contain whole, with the list of the
    /// partners' keys: receipts under a key that was revoked later count as far as they go.
    pub cosigned: Option<Cosigned>,
    /// Refuse a checkpoint that is stale at this time; left out: of any age.
    pub now: Option<Timestamp>,
    /// Verify every signature by itself, and refuse what only batch verification accepts.
    pub strict: bool,
    /// How many threads verify; left out: as many as the machine runs at once, 16 at most.
    pub threads: Option<NonZeroUsize>,
    /// How many receipts each thread verifies at once; left out: 1,024.
    pub block: Option<NonZeroUsize>,
}

impl Options {
    /// Nothing known beforehand: the file is a chain from its first receipt.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The corridor that the file must be of.
    #[must_use]
    pub fn corridor(mut self, corridor: Corridor) -> Self {
        self.corridor = Some(corridor);
        self
    }

    /// The receipt after which the file begins.
    #[must_use]
    pub const fn after(mut self, after: After) -> Self {
        self.after = Some(after);
        self
    }

    /// A signed checkpoint to compare with: the text of the note.
    #[must_use]
    pub fn checkpoint(mut self, note: impl Into<String>) -> Self {
        self.checkpoint = Some(note.into());
        self
    }

    /// Checkpoints that partners cosigned, and the list of all partners' keys.
    #[must_use]
    pub fn cosigned(mut self, notes: Vec<String>, partners: TrustedKeys) -> Self {
        self.cosigned = Some(Cosigned { notes, partners });
        self
    }

    /// The time against which the checkpoint must be fresh.
    #[must_use]
    pub const fn fresh_at(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// Every signature by itself, as RFC 8032 has it: three times the work.
    #[must_use]
    pub const fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// How many threads verify, beside the one that reads. One: it reads and verifies.
    #[must_use]
    pub const fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// How many receipts each thread verifies at once. Fewer take less memory (4 kB each, twice
    /// over for every thread), more are a little faster.
    #[must_use]
    pub const fn block(mut self, receipts: NonZeroUsize) -> Self {
        self.block = Some(receipts);
        self
    }

    const fn signatures(&self) -> Signatures {
        if self.strict { Signatures::Strict } else { Signatures::Batched }
    }
}

/// Why a file is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file could not be read.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
    /// The first bad receipt, and why.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The checkpoint itself is refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is not even a last line, and nothing to tell the corridor by.
    #[error("the file is empty: not even its last line, the end, is there")]
    Empty,
}

impl FileError {
    /// The first bad sequence number, where the fault has one.
    #[must_use]
    pub const fn seq(&self) -> Option<u64> {
        match self {
            Self::Chain(error) => Some(error.seq),
            Self::Empty => Some(1),
            _ => None,
        }
    }
}

/// An account as totals are drawn up by it: the members of a program are one holder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// All members of a program.
    Members(ProgramId),
    /// A program's issued points.
    Issued(ProgramId),
    /// A partner's position.
    Position(PartnerId),
    /// What a partner will owe when what is under way completes; in no receipt that holds.
    Held(PartnerId),
    /// The alliance's fees.
    Fees,
    /// The alliance's rounding account.
    Rounding,
    /// A campaign's spending.
    Campaign(CampaignId),
    /// What came in from banks and went out to them.
    Bank,
    /// What partners did not pay.
    Losses,
    /// What a partner has brought in ahead.
    Prefunding(PartnerId),
    /// What stands for a partner.
    Collateral(PartnerId),
}

impl Holder {
    fn of(account: &Account) -> Self {
        match account {
            Account::Member(program, _) => Self::Members(program.clone()),
            Account::Issued(program) => Self::Issued(program.clone()),
            Account::Position(partner) => Self::Position(partner.clone()),
            Account::Held(partner) => Self::Held(partner.clone()),
            Account::Fees => Self::Fees,
            Account::Rounding => Self::Rounding,
            Account::Campaign(campaign) => Self::Campaign(*campaign),
            Account::Bank => Self::Bank,
            Account::Losses => Self::Losses,
            Account::Prefunding(partner) => Self::Prefunding(partner.clone()),
            Account::Collateral(partner) => Self::Collateral(partner.clone()),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Members(program) => write!(f, "members:{program}"),
            Self::Issued(program) => write!(f, "issued:{program}"),
            Self::Position(partner) => write!(f, "position:{partner}"),
            Self::Held(partner) => write!(f, "held:{partner}"),
            Self::Fees => f.write_str("alliance:fees"),
            Self::Rounding => f.write_str("alliance:rounding"),
            Self::Campaign(campaign) => write!(f, "campaign:{campaign}"),
            Self::Bank => f.write_str("alliance:bank"),
            Self::Losses => f.write_str("alliance:losses"),
            Self::Prefunding(partner) => write!(f, "prefunding:{partner}"),
            Self::Collateral(partner) => write!(f, "collateral:{partner}"),
        }
    }
}

/// What the receipts of a chain come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// For each asset, what was moved in all, in 10⁻⁶.
    pub moved: BTreeMap<Asset, i128>,
    /// For each asset and holder, received less given, in 10⁻⁶. Of each asset they sum to zero.
    pub net: BTreeMap<Asset, BTreeMap<Holder, i128>>,
    /// How many receipts there are of each kind, by name.
    pub kinds: BTreeMap<&'static str, u64>,
}

impl Totals {
    /// Adds one verified receipt.
    pub fn add(&mut self, receipt: &Receipt) {
        *self.kinds.entry(TransactionKind::as_str(receipt.kind)).or_default() += 1;
        for posting in &receipt.postings {
            let amount = i128::from(posting.amount.micros());
            *entry(&mut self.moved, &posting.asset) += amount;
            let holders = entry(&mut self.net, &posting.asset);
            *holders.entry(Holder::of(&posting.debit)).or_default() -= amount;
            *holders.entry(Holder::of(&posting.credit)).or_default() += amount;
        }
    }

    /// Adds what other receipts come to.
    pub fn merge(&mut self, other: Self) {
        for (kind, number) in other.kinds {
            *self.kinds.entry(kind).or_default() += number;
        }
        for (asset, amount) in other.moved {
            *self.moved.entry(asset).or_default() += amount;
        }
        for (asset, holders) in other.net {
            let all = self.net.entry(asset).or_default();
            for (holder, amount) in holders {
                *all.entry(holder).or_default() += amount;
            }
        }
    }
}

/// The entry of a key that is cloned only the first time.
fn entry<'m, V: Default>(map: &'m mut BTreeMap<Asset, V>, key: &Asset) -> &'m mut V {
    if !map.contains_key(key) {
        map.insert(key.clone(), V::default());
    }
    map.get_mut(key).expect("the key was inserted just now, where it was not there")
}

/// What a file was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The corridor; none for an empty file of which nothing tells it.
    pub corridor: Option<Corridor>,
    /// How many receipts the file has.
    pub receipts: u64,
    /// The number of the first receipt; `last_seq + 1` for an empty file.
    pub first_seq: u64,
    /// The number of the last receipt.
    pub last_seq: u64,
    /// SHA-256 of the last payload; zeros for an empty chain.
    pub head: Hash,
    /// RFC 6962 root over all payloads; none where the file does not begin at 1.
    pub root: Option<Hash>,
    /// When the first receipt completed.
    pub first_completed_at: Option<Timestamp>,
    /// When the last receipt completed.
    pub last_completed_at: Option<Timestamp>,
    /// The checkpoint that was compared with, where one was given: its size.
    pub checkpoint_size: Option<u64>,
    /// What the receipts come to.
    pub totals: Totals,
}

impl fmt::Display for Report {
    /// For people: some lines of text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let corridor = self.corridor.as_ref().map_or("empty", |corridor| corridor.as_str());
        writeln!(
            f,
            "{corridor}: {} receipts, {} to {}",
            self.receipts, self.first_seq, self.last_seq
        )?;
        writeln!(f, "head {}", self.head)?;
        if let Some(size) = self.checkpoint_size {
            writeln!(f, "agrees with the checkpoint of {size} receipts")?;
        }
        for (asset, holders) in &self.totals.net {
            for (holder, net) in holders {
                writeln!(f, "{asset} {holder} {}", format_micros(*net))?;
            }
        }
        Ok(())
    }
}

/// Verifies an exported corridor: NDJSON, one receipt a line, the end in the last.
///
/// # Errors
/// [`FileError`]; [`FileError::Chain`] names the first bad number and why.
///
/// ```no_run
/// use alliance_partner_sdk::verify::{file, keys};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = keys::trust_key_list(&std::fs::read("jwks.json")?)?;
/// let export = std::io::BufReader::new(std::fs::File::open("receipts.ndjson")?);
/// let report = file::verify(export, &keys, &file::Options::new())?;
/// println!("{} receipts, head {}", report.receipts, report.head);
/// # Ok(())
/// # }
/// ```
pub fn verify(
    export: impl BufRead,
    keys: &TrustedKeys,
    options: &Options,
) -> Result<Report, FileError> {
    verify_watched(export, keys, options, &mut |_| ())
}

/// The same, telling `watch` now and then how many receipts more have been verified.
///
/// # Errors
/// As [`verify`].
pub fn verify_watched(
    export: impl BufRead,
    keys: &TrustedKeys,
    options: &Options,
    watch: &mut dyn FnMut(u64),
) -> Result<Report, FileError> {
    let after = options.after.unwrap_or(After { seq: 0, head: Hash::ZERO });
    let mut blocks = Blocks::new(export, options.block.unwrap_or(BLOCK_RECEIPTS));
    let mut first = Block::default();
    blocks.fill(&mut first);
    if first.len() == 0 {
        check_end(&mut blocks, after.seq)?;
    }
    let corridor = corridor_of(first.lines().next(), after.seq, keys, options)?;
    let Some(corridor) = corridor else { return verify_empty(&mut blocks, &first, after) };
    let mut chain = ChainVerifier::resume(corridor.clone(), after.seq, after.head, keys);
    chain.expect_end();
    let checkpoint_size = await_checkpoint(&mut chain, keys, options)?;
    let witnessed = witnessed(&corridor, options)?;
    for checkpoint in &witnessed {
        chain.witnessed(checkpoint.clone())?;
    }
    let (signatures, totals) = (options.signatures(), Totals::default());
    let mut taken = Taken { chain, signatures, totals, first_completed_at: None };
    let checker = Checker::new(&corridor, keys, signatures, &witnessed);
    let threads = options.threads.or_else(|| thread::available_parallelism().ok());
    blocks::check_all(
        &mut blocks,
        first,
        checker,
        threads.unwrap_or(NonZeroUsize::MIN),
        &mut |block, checked| {
            let before = taken.chain.seq();
            taken.take(block, checked)?;
            watch(taken.chain.seq() - before);
            Ok::<(), FileError>(())
        },
    )?;
    let Taken { chain, totals, first_completed_at, .. } = taken;
    check_end(&mut blocks, chain.seq())?;
    let root = chain.root();
    let end = chain.finish()?;
    Ok(Report {
        corridor: Some(corridor),
        receipts: end.seq - after.seq,
        first_seq: after.seq.saturating_add(1),
        last_seq: end.seq,
        head: end.head,
        root,
        first_completed_at,
        last_completed_at: end.completed_at,
        checkpoint_size,
        totals,
    })
}

fn witnessed(
    corridor: &Corridor,
    options: &Options,
) -> Result<Vec<WitnessedCheckpoint>, CheckpointError> {
    let Some(Cosigned { notes, partners }) = &options.cosigned else { return Ok(Vec::new()) };
    notes.iter().map(|note| WitnessedCheckpoint::verify(note, corridor, partners)).collect()
}

/// The chain so far, and what its receipts come to.
struct Taken {
    chain: ChainVerifier,
    signatures: Signatures,
    totals: Totals,
    first_completed_at: Option<Timestamp>,
}

impl Taken {
    /// Takes the next block: what was verified of it as a whole if it follows, and all else line
    /// by line, by which the first fault is named.
    fn take(&mut self, block: &Block, checked: Checked) -> Result<(), ChainError> {
        let Checked { links, totals } = checked;
        let mut done = 0;
        if self.chain.extend(&links) {
            done = links.len();
            self.totals.merge(totals);
            let first = links.first().map(|link| link.completed_at);
            self.first_completed_at = self.first_completed_at.or(first);
        }
        for line in block.lines().skip(done) {
            if let Pushed::Receipt(verified) = self.chain.push_line(line, self.signatures)? {
                self.totals.add(verified.receipt());
                self.first_completed_at.get_or_insert(verified.receipt().completed_at);
            }
        }
        Ok(())
    }
}

/// What the end of the reading says about the place behind `last_seq`.
fn check_end<R: BufRead>(blocks: &mut Blocks<R>, last_seq: u64) -> Result<(), FileError> {
    match blocks.fault() {
        None => Ok(()),
        Some(Unreadable::LineEnd) => Err(at(last_seq, ChainFault::LineEnd)),
        Some(Unreadable::Io(error)) => Err(FileError::Io(error)),
    }
}

fn at(last_seq: u64, fault: ChainFault) -> FileError {
    ChainError { seq: last_seq.saturating_add(1), fault }.into()
}

/// The corridor that the file is verified as: what the caller or the first receipt says, which
/// the receipts then have to bear out.
fn corridor_of(
    first: Option<&[u8]>,
    last_seq: u64,
    keys: &TrustedKeys,
    options: &Options,
) -> Result<Option<Corridor>, FileError> {
    if options.corridor.is_some() {
        return Ok(options.corridor.clone());
    }
    match first.map(NdjsonLine::parse) {
        Some(None) => Err(at(last_seq, ChainFault::Line)),
        Some(Some(NdjsonLine::Item { jws, .. })) => {
            let parsed = ParsedReceipt::parse(jws).map_err(|fault| at(last_seq, fault.into()))?;
            Ok(Some(parsed.unverified().corridor.clone()))
        }
        None | Some(Some(NdjsonLine::End(_))) => corridor_of_checkpoint(keys, options),
    }
}

fn corridor_of_checkpoint(
    keys: &TrustedKeys,
    options: &Options,
) -> Result<Option<Corridor>, FileError> {
    let Some(note) = &options.checkpoint else { return Ok(None) };
    let origin = note::parse_note(note)
        .and_then(|note| note.checkpoint())
        .map_err(CheckpointError::from)?
        .origin;
    let prefix = note::corridor_origin(keys.alliance(), "");
    let corridor = origin.strip_prefix(&prefix).and_then(|name| name.parse().ok());
    match corridor {
        Some(corridor) => Ok(Some(corridor)),
        None => Err(CheckpointError::ForeignOrigin { found: origin }.into()),
    }
}

/// Has the chain compared with the checkpoint of the options, and gives its size.
fn await_checkpoint(
    chain: &mut ChainVerifier,
    keys: &TrustedKeys,
    options: &Options,
) -> Result<Option<u64>, FileError> {
    let Some(note) = &options.checkpoint else { return Ok(None) };
    let checkpoint = VerifiedCheckpoint::verify(note, chain.corridor(), keys)?;
    if let Some(now) = options.now {
        checkpoint.check_fresh(now)?;
    }
    let size = checkpoint.size();
    chain.expect_checkpoint(checkpoint)?;
    Ok(Some(size))
}

/// A file without receipts, of a corridor that nothing names.
fn verify_empty<R: BufRead>(
    blocks: &mut Blocks<R>,
    first: &Block,
    after: After,
) -> Result<Report, FileError> {
    let Some(Some(NdjsonLine::End(end))) = first.lines().next().map(NdjsonLine::parse) else {
        return Err(FileError::Empty);
    };
    if (end.seq, end.head) != (after.seq, after.head) {
        return Err(at(after.seq, ChainFault::EndMismatch(end)));
    }
    let mut more = Block::default();
    blocks.fill(&mut more);
    if first.len() + more.len() > 1 {
        return Err(at(after.seq, ChainFault::AfterEnd));
    }
    check_end(blocks, after.seq)?;
    Ok(Report {
        corridor: None,
        receipts: 0,
        first_seq: after.seq.saturating_add(1),
        last_seq: after.seq,
        head: after.head,
        root: None,
        first_completed_at: None,
        last_completed_at: None,
        checkpoint_size: None,
        totals: Totals::default(),
    })
}
