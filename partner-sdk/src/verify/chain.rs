//! One corridor's chain, receipt by receipt: nothing is kept but its end and the right edge of
//! its Merkle tree, so that a chain of any length is verified in the same little memory.

use std::sync::Arc;

use alliance_contracts::corridor::{StreamEnd, StreamTrailer};
use alliance_contracts::encoding::{Hash, base64_decode, base64_encode};
use alliance_contracts::json;
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::merkle::{self, Frontier, ProofError};
use alliance_contracts::names::Corridor;
use alliance_contracts::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::checkpoint::VerifiedCheckpoint;
use super::fork::ForkEvidence;
use super::receipt::{ParsedReceipt, ReceiptFault, Signatures, VerifiedReceipt};
use super::terms::{TermsFault, check_terms};
use super::witness::WitnessedCheckpoint;

/// Where a chain stops being proven, and why. Every receipt before `seq` was verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("receipt {seq}: {fault}")]
pub struct ChainError {
    /// The first number that does not hold what it should.
    pub seq: u64,
    /// What is wrong there.
    #[source]
    pub fault: ChainFault,
}

/// What can be wrong with a place in a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// The receipt is bad by itself.
    #[error(transparent)]
    Receipt(#[from] ReceiptFault),
    /// The receipt contradicts itself.
    #[error("its terms are refused: {0}")]
    Terms(#[from] TermsFault),
    /// A receipt of another corridor.
    #[error("of the corridor {found}")]
    ForeignCorridor {
        /// The corridor that it names.
        found: Corridor,
    },
    /// Another number stands here: receipts were removed, repeated or swapped.
    #[error("found receipt {found} in its place")]
    WrongSeq {
        /// The number found.
        found: u64,
    },
    /// `prev` is not the hash of the receipt before, although the alliance signed both: its chain
    /// has been forked.
    #[error("names {found} as the receipt before it, which is {expected}")]
    Prev {
        /// The hash of the receipt before, as it was verified.
        expected: Hash,
        /// What this receipt says.
        found: Hash,
    },
    /// `completed_at` lies before that of the receipt before.
    #[error("completed at {found}, before the receipt before it ({previous})")]
    TimeBackwards {
        /// When the receipt before completed.
        previous: Timestamp,
        /// When this one says it did.
        found: Timestamp,
    },
    /// The line is neither `{"jws":…,"receipt":…}` nor `{"end":…}` in canonical form.
    #[error("the line is not in the export's form")]
    Line,
    /// A line without its line end, or longer than [`super::file::MAX_LINE_BYTES`].
    #[error("the line has no end")]
    LineEnd,
    /// The decoded `receipt` of a line is not, byte for byte, the payload of its `jws`.
    #[error("the decoded receipt differs from the signed one")]
    DecodedDiffers,
    /// The stream ended without its last line: receipts may be missing.
    #[error("the stream was cut: its last line, the end, is missing")]
    CutStream,
    /// The stream's last line names another end than the receipts have.
    #[error("the stream's end names receipt {} with the hash {}", .0.seq, .0.head)]
    EndMismatch(StreamEnd),
    /// A line after the stream's last.
    #[error("a line after the stream's end")]
    AfterEnd,
    /// The checkpoint has more receipts: the tail was cut.
    #[error("missing, although the checkpoint has {size} receipts")]
    Truncated {
        /// How many receipts the checkpoint has.
        size: u64,
    },
    /// The receipts and the checkpoint, both signed, do not belong to one history.
    #[error("{0}")]
    Fork(Box<ForkEvidence>),
    /// The checkpoint has fewer receipts than were verified, and the proof that the one grew out
    /// of the other does not hold.
    #[error("the consistency with the checkpoint of {size} receipts is not proven: {error}")]
    Unproven {
        /// How many receipts the checkpoint has.
        size: u64,
        /// What is wrong with the proof.
        error: ProofError,
    },
    /// The tree's root is not known, as the chain was not verified from its beginning.
    #[error("a checkpoint can be compared only with a chain verified from receipt 1")]
    NoTree,
}

/// The end of a chain as far as it was verified: all that is needed to go on later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainState {
    /// The corridor.
    pub corridor: Corridor,
    /// When the last receipt completed; none for an empty chain, or where it was not read.
    pub completed_at: Option<Timestamp>,
    /// SHA-256 of the last payload; zeros for an empty chain.
    pub head: Hash,
    /// The last number; 0 for an empty chain.
    pub seq: u64,
    /// The right edge of the Merkle tree, base64; none where the chain was not read from 1.
    pub tree: Option<String>,
}

/// One line of an export, taken apart but not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NdjsonLine<'a> {
    /// A receipt: its JWS, and the same decoded, for people.
    Item {
        /// The compact JWS.
        jws: &'a str,
        /// What must be its payload.
        decoded: &'a [u8],
    },
    /// The last line.
    End(StreamEnd),
}

impl<'a> NdjsonLine<'a> {
    /// Reads one line, without its line end. The form is canonical JSON, so there is exactly one
    /// place for each part and nothing to interpret.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        match line.strip_prefix(br#"{"jws":""#) {
            Some(rest) => Self::item(rest),
            None => Self::end(line),
        }
    }

    fn item(rest: &'a [u8]) -> Option<Self> {
        let quote = rest.iter().position(|byte| *byte == b'"')?;
        let (jws, rest) = rest.split_at(quote);
        let decoded = rest.strip_prefix(br#"","receipt":"#)?.strip_suffix(b"}")?;
        Some(Self::Item { jws: std::str::from_utf8(jws).ok()?, decoded })
    }

    fn end(line: &[u8]) -> Option<Self> {
        let trailer: StreamTrailer = json::read(line).ok()?;
        (json::canonical(&trailer) == line).then_some(Self::End(trailer.end))
    }
}

/// What a chain has to know of a receipt of which all else was verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) prev: Hash,
    pub(super) hash: Hash,
    pub(super) leaf_hash: Hash,
    pub(super) completed_at: Timestamp,
}

/// What a pushed line turned out to be.
#[derive(Clone, Debug)]
pub enum Pushed {
    /// A verified receipt.
    Receipt(Box<VerifiedReceipt>),
    /// The stream's last line, which agrees with the receipts.
    End(StreamEnd),
}

/// Verifies the chain of one corridor as it streams by.
///
/// ```
/// use alliance_partner_sdk::verify::{ChainError, ChainVerifier, Corridor, TrustedKeys};
/// fn last_seq(corridor: Corridor, receipts: &[String], keys: &TrustedKeys)
/// -> Result<u64, ChainError> {
///     let mut chain = ChainVerifier::new(corridor, keys);
///     for jws in receipts {
///         chain.push(jws)?;
///     }
///     Ok(chain.finish()?.seq)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ChainVerifier {
    keys: Arc<TrustedKeys>,
    corridor: Corridor,
    seq: u64,
    head: Hash,
    completed_at: Option<Timestamp>,
    tree: Option<Frontier>,
    awaited: Option<VerifiedCheckpoint>,
    witnessed: Vec<WitnessedCheckpoint>,
    of_lines: bool,
    ended: bool,
}

impl ChainVerifier {
    /// A verifier of the chain from its first receipt.
    #[must_use]
    pub fn new(corridor: Corridor, keys: &TrustedKeys) -> Self {
        Self {
            keys: Arc::new(keys.clone()),
            corridor,
            seq: 0,
            head: Hash::ZERO,
            completed_at: None,
            tree: Some(Frontier::new()),
            awaited: None,
            witnessed: Vec::new(),
            of_lines: false,
            ended: false,
        }
    }

    /// A verifier of what follows receipt `after_seq`, whose payload has the SHA-256 `head`.
    /// Without the tree it cannot be compared with checkpoints: see [`Self::resume_state`].
    #[must_use]
    pub fn resume(corridor: Corridor, after_seq: u64, head: Hash, keys: &TrustedKeys) -> Self {
        let tree = if after_seq == 0 { Some(Frontier::new()) } else { None };
        Self { seq: after_seq, head, tree, ..Self::new(corridor, keys) }
    }

    /// A verifier that goes on where another one stood. A state whose tree does not fit its
    /// number goes on without the tree.
    #[must_use]
    pub fn resume_state(state: ChainState, keys: &TrustedKeys) -> Self {
        let tree = state
            .tree
            .and_then(|text| base64_decode(&text).ok())
            .and_then(|bytes| Frontier::from_bytes(state.seq, &bytes).ok());
        let chain = Self::new(state.corridor, keys);
        let (seq, head, completed_at) = (state.seq, state.head, state.completed_at);
        Self { seq, head, completed_at, tree, ..chain }
    }

    /// Goes on under a newer key list.
    pub fn trust(&mut self, keys: &TrustedKeys) {
        self.keys = Arc::new(keys.clone());
    }

    /// The corridor.
    #[must_use]
    pub const fn corridor(&self) -> &Corridor {
        &self.corridor
    }

    /// The number of the last verified receipt; 0 before the first.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// SHA-256 of the last verified payload; zeros before the first.
    #[must_use]
    pub const fn head(&self) -> Hash {
        self.head
    }

    /// RFC 6962 root over all payloads; none where the chain was not read from 1.
    #[must_use]
    pub fn root(&self) -> Option<Hash> {
        self.tree.as_ref().map(Frontier::root)
    }

    /// Where the chain stands, to be kept and resumed from.
    #[must_use]
    pub fn state(&self) -> ChainState {
        ChainState {
            corridor: self.corridor.clone(),
            completed_at: self.completed_at,
            head: self.head,
            seq: self.seq,
            tree: self.tree.as_ref().map(|tree| base64_encode(&tree.to_bytes())),
        }
    }

    /// Verifies the next receipt. After an error the verifier stands where it stood before.
    ///
    /// # Errors
    /// [`ChainError`] with the number that was expected.
    pub fn push(&mut self, jws: &str) -> Result<VerifiedReceipt, ChainError> {
        let verified = ParsedReceipt::parse(jws)
            .and_then(|parsed| parsed.verify_by(Signatures::Strict, &self.keys, &self.witnessed))
            .map_err(|fault| self.error(fault))?;
        self.accept(&verified)?;
        Ok(verified)
    }

    /// Takes the next receipt whose signature was verified elsewhere (on another thread, in a
    /// batch), under the same key list.
    ///
    /// # Errors
    /// [`ChainError`] with the number that was expected.
    pub fn accept(&mut self, verified: &VerifiedReceipt) -> Result<(), ChainError> {
        self.check_place(verified).map_err(|fault| self.error(fault))?;
        check_terms(verified.receipt()).map_err(|fault| self.error(fault))?;
        if let Some(evidence) = self.awaited_mismatch(verified) {
            return Err(self.error(ChainFault::Fork(Box::new(evidence))));
        }
        if let Some(tree) = &mut self.tree {
            tree.push(verified.leaf_hash());
        }
        self.seq = verified.receipt().seq;
        self.head = verified.hash();
        self.completed_at = Some(verified.receipt().completed_at);
        Ok(())
    }

    /// Takes several receipts at once, of which everything has been verified but their place. All
    /// of them, or none: where it says no, the verifier stands where it stood, and pushing them
    /// one by one tells why.
    pub(super) fn extend(&mut self, links: &[Link]) -> bool {
        let (mut seq, mut head, mut completed_at) = (self.seq, self.head, self.completed_at);
        let mut tree = self.tree.clone();
        for link in links {
            let follows = !self.ended
                && seq.checked_add(1) == Some(link.seq)
                && link.prev == head
                && completed_at.is_none_or(|previous| link.completed_at >= previous);
            if !follows {
                return false;
            }
            (seq, head, completed_at) = (link.seq, link.hash, Some(link.completed_at));
            if let Some(tree) = &mut tree {
                tree.push(link.leaf_hash);
            }
            if self
                .expected_at(seq)
                .any(|(_, root)| tree.as_ref().map(Frontier::root) != Some(root))
            {
                return false;
            }
        }
        (self.seq, self.head, self.completed_at, self.tree) = (seq, head, completed_at, tree);
        true
    }

    fn check_place(&self, verified: &VerifiedReceipt) -> Result<(), ChainFault> {
        let receipt = verified.receipt();
        if self.ended {
            return Err(ChainFault::AfterEnd);
        }
        if receipt.corridor != self.corridor {
            return Err(ChainFault::ForeignCorridor { found: receipt.corridor.clone() });
        }
        if receipt.alliance.as_str() != self.keys.alliance() {
            return Err(ReceiptFault::ForeignAlliance {
                expected: self.keys.alliance().to_owned(),
                found: receipt.alliance.to_string(),
            }
            .into());
        }
        if receipt.seq != self.next() {
            return Err(ChainFault::WrongSeq { found: receipt.seq });
        }
        if receipt.prev != self.head {
            return Err(ChainFault::Prev { expected: self.head, found: receipt.prev });
        }
        match self.completed_at {
            Some(previous) if receipt.completed_at < previous => {
                Err(ChainFault::TimeBackwards { previous, found: receipt.completed_at })
            }
            _ => Ok(()),
        }
    }

    /// Verifies one line of `application/x-ndjson`, without its line end.
    ///
    /// # Errors
    /// [`ChainError`] with the number that was expected.
    pub fn push_ndjson_line(&mut self, line: &[u8]) -> Result<Pushed, ChainError> {
        self.push_line(line, Signatures::Strict)
    }

    pub(super) fn push_line(
        &mut self,
        line: &[u8],
        signatures: Signatures,
    ) -> Result<Pushed, ChainError> {
        self.of_lines = true;
        if self.ended {
            return Err(self.error(ChainFault::AfterEnd));
        }
        match NdjsonLine::parse(line) {
            Some(NdjsonLine::Item { jws, decoded }) => self.push_item(jws, decoded, signatures),
            Some(NdjsonLine::End(end)) => self.push_end(end),
            None => Err(self.error(ChainFault::Line)),
        }
    }

    fn push_item(
        &mut self,
        jws: &str,
        decoded: &[u8],
        signatures: Signatures,
    ) -> Result<Pushed, ChainError> {
        let verified = ParsedReceipt::parse(jws)
            .and_then(|parsed| parsed.verify_by(signatures, &self.keys, &self.witnessed))
            .map_err(|fault| self.error(fault))?;
        if verified.payload() != decoded {
            return Err(self.error(ChainFault::DecodedDiffers));
        }
        self.accept(&verified)?;
        Ok(Pushed::Receipt(Box::new(verified)))
    }

    fn push_end(&mut self, end: StreamEnd) -> Result<Pushed, ChainError> {
        if (end.seq, end.head) != (self.seq, self.head) {
            return Err(self.error(ChainFault::EndMismatch(end)));
        }
        self.ended = true;
        Ok(Pushed::End(end))
    }

    /// Expects lines, so that even an empty stream has to have its last one.
    pub(super) fn expect_end(&mut self) {
        self.of_lines = true;
    }

    /// Has the chain compared with a checkpoint when it gets there; if it never does,
    /// [`Self::finish`] says that its tail was cut.
    ///
    /// # Errors
    /// [`ChainFault::NoTree`]; for a checkpoint that lies behind, as [`Self::verify_checkpoint`]
    /// without a proof.
    pub fn expect_checkpoint(&mut self, checkpoint: VerifiedCheckpoint) -> Result<(), ChainError> {
        if self.tree.is_none() {
            return Err(self.error(ChainFault::NoTree));
        }
        if checkpoint.size() <= self.seq || *checkpoint.corridor() != self.corridor {
            return self.verify_checkpoint(&checkpoint, &[]);
        }
        self.awaited = Some(checkpoint);
        Ok(())
    }

    /// Has receipts under a revoked key count as far as this checkpoint goes, which was cosigned
    /// before. The chain is compared with it when it gets there; if it never does, [`Self::finish`]
    /// says that its tail was cut. One that lies behind says nothing of what follows.
    ///
    /// # Errors
    /// [`ChainFault::NoTree`], [`ChainFault::ForeignCorridor`].
    pub fn witnessed(&mut self, checkpoint: WitnessedCheckpoint) -> Result<(), ChainError> {
        if *checkpoint.corridor() != self.corridor {
            let found = checkpoint.corridor().clone();
            return Err(self.error(ChainFault::ForeignCorridor { found }));
        }
        if self.tree.is_none() {
            return Err(self.error(ChainFault::NoTree));
        }
        if checkpoint.size() > self.seq {
            self.witnessed.push(checkpoint);
        }
        Ok(())
    }

    /// The checkpoint that receipts may have been accepted by although the chain has not reached
    /// it; see [`Self::verify_growth`].
    #[must_use]
    pub fn witness_ahead(&self) -> Option<&WitnessedCheckpoint> {
        self.witnessed.iter().rfind(|checkpoint| checkpoint.size() > self.seq)
    }

    /// Verifies that all receipts so far are the first of those that the checkpoint is about:
    /// `proof` is the consistency proof from [`Self::seq`] to its size.
    ///
    /// # Errors
    /// [`ChainFault::Unproven`], [`ChainFault::NoTree`].
    pub fn verify_growth(
        &self,
        checkpoint: &WitnessedCheckpoint,
        proof: &[Hash],
    ) -> Result<(), ChainError> {
        let root = self.root().ok_or_else(|| self.error(ChainFault::NoTree))?;
        let size = checkpoint.size();
        merkle::verify_consistency(self.seq, &root, size, &checkpoint.root(), proof)
            .map_err(|error| self.error(ChainFault::Unproven { size, error }))
    }

    /// The checkpoints that are about just so many receipts: note and root.
    fn expected_at(&self, seq: u64) -> impl Iterator<Item = (&str, Hash)> {
        let awaited = self.awaited.iter().map(|c| (c.size(), c.note(), c.root()));
        let witnessed = self.witnessed.iter().map(|c| (c.size(), c.note(), c.root()));
        let all = awaited.chain(witnessed);
        all.filter(move |(size, ..)| *size == seq).map(|(_, note, root)| (note, root))
    }

    /// What the receipt would make of the tree, where that is the tree a checkpoint is about.
    fn awaited_mismatch(&self, verified: &VerifiedReceipt) -> Option<ForkEvidence> {
        let seq = verified.receipt().seq;
        self.expected_at(seq).next()?;
        let mut tree = self.tree.clone()?;
        tree.push(verified.leaf_hash());
        let root = tree.root();
        let (note, _) = self.expected_at(seq).find(|(_, expected)| *expected != root)?;
        Some(ForkEvidence::Chain {
            corridor: self.corridor.clone(),
            checkpoint: note.to_owned(),
            head: verified.hash(),
            root,
            size: seq,
        })
    }

    /// Compares all receipts so far with a checkpoint. Where it has fewer receipts, `proof` is
    /// the consistency proof from its size to [`Self::seq`]; otherwise it is empty.
    ///
    /// # Errors
    /// [`ChainFault::Truncated`] where the checkpoint has more receipts, [`ChainFault::Fork`]
    /// where it has as many and another root, [`ChainFault::Unproven`], [`ChainFault::NoTree`],
    /// [`ChainFault::ForeignCorridor`].
    pub fn verify_checkpoint(
        &self,
        checkpoint: &VerifiedCheckpoint,
        proof: &[Hash],
    ) -> Result<(), ChainError> {
        self.compare(checkpoint, proof).map_err(|fault| self.error(fault))
    }

    fn compare(&self, checkpoint: &VerifiedCheckpoint, proof: &[Hash]) -> Result<(), ChainFault> {
        if *checkpoint.corridor() != self.corridor {
            return Err(ChainFault::ForeignCorridor { found: checkpoint.corridor().clone() });
        }
        let root = self.root().ok_or(ChainFault::NoTree)?;
        let size = checkpoint.size();
        if size > self.seq {
            return Err(ChainFault::Truncated { size });
        }
        let same_size = size == self.seq;
        if (same_size && root != checkpoint.root())
            || (size == 0 && checkpoint.root() != merkle::empty_root())
        {
            return Err(ChainFault::Fork(Box::new(ForkEvidence::Chain {
                corridor: self.corridor.clone(),
                checkpoint: checkpoint.note().to_owned(),
                head: self.head,
                root,
                size: self.seq,
            })));
        }
        if same_size || size == 0 {
            return Ok(());
        }
        merkle::verify_consistency(size, &checkpoint.root(), self.seq, &root, proof)
            .map_err(|error| ChainFault::Unproven { size, error })
    }

    /// Ends the chain and says where it stands.
    ///
    /// # Errors
    /// [`ChainFault::CutStream`] where lines were pushed and the last one is missing,
    /// [`ChainFault::Truncated`] where the expected checkpoint was never reached.
    pub fn finish(self) -> Result<ChainState, ChainError> {
        if self.of_lines && !self.ended {
            return Err(self.error(ChainFault::CutStream));
        }
        let awaited = self.awaited.iter().map(VerifiedCheckpoint::size);
        let sizes = awaited.chain(self.witnessed.iter().map(WitnessedCheckpoint::size));
        match sizes.max().filter(|size| *size > self.seq) {
            Some(size) => Err(self.error(ChainFault::Truncated { size })),
            None => Ok(self.state()),
        }
    }

    const fn next(&self) -> u64 {
        self.seq.saturating_add(1)
    }

    pub(super) fn error(&self, fault: impl Into<ChainFault>) -> ChainError {
        ChainError { seq: self.next(), fault: fault.into() }
    }
}
