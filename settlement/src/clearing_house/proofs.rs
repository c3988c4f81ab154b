//! Checkpoints and proofs (protocol § 5): the tree is read from kept nodes and leaves, a checkpoint
//! is stored before it is served, and its copy beside the keys outlives the database.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

use alliance_contracts::encoding::{self, Hash};
use alliance_contracts::limits::CHECKPOINT_MAX_LAG_SECONDS;
use alliance_contracts::merkle;
use alliance_contracts::names::Corridor;
use alliance_contracts::note::{self, Checkpoint};

use super::{ClearingHouse, StartError};
use crate::alliance::MayNotSign;
use crate::command::{Command, Outcome, SignedCheckpoint};
use crate::ledger::ChainHead;
use crate::receipts::KEPT_LEVEL_STEP;
use crate::sequencer::Unavailable;
use crate::store::{Store, StoreError};

/// A checkpoint of this age is signed anew when asked for: half of what the protocol allows.
const REFRESH_SECONDS: i64 = CHECKPOINT_MAX_LAG_SECONDS / 2;

/// Why there is no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefused {
    /// The numbers are outside the chain.
    #[error("the numbers must be between 1 and the head, {head}")]
    OutOfRange {
        /// The last receipt's number.
        head: u64,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why there is no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Signing would contradict what was signed before: never done.
    #[error("the tree of {0} contradicts a checkpoint that was signed before")]
    Inconsistent(Corridor),
    /// The key that signs here may not.
    #[error(transparent)]
    MayNotSign(#[from] MayNotSign),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The writer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl ClearingHouse {
    /// The corridor's checkpoint, at most half a minute old; none for an empty chain.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub async fn checkpoint(
        &self,
        corridor: &Corridor,
    ) -> Result<Option<SignedCheckpoint>, CheckpointError> {
        let Some(head) = self.head(corridor).await?.filter(|head| head.seq > 0) else {
            return Ok(None);
        };
        if let Some(last) = &head.checkpoint
            && self.now() < last.signed_at.plus_seconds(REFRESH_SECONDS)
            && self.is_believed(last)
        {
            return Ok(Some(last.clone()));
        }
        self.sign_checkpoint(corridor, &head).await.map(Some)
    }

    /// The corridor's last checkpoint if it includes receipt `seq`, else one signed now; none where
    /// the chain is shorter.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub async fn checkpoint_including(
        &self,
        corridor: &Corridor,
        seq: u64,
    ) -> Result<Option<SignedCheckpoint>, CheckpointError> {
        let Some(head) = self.head(corridor).await?.filter(|head| head.seq >= seq) else {
            return Ok(None);
        };
        match &head.checkpoint {
            Some(last) if last.size >= seq && self.is_believed(last) => Ok(Some(last.clone())),
            _ => self.sign_checkpoint(corridor, &head).await.map(Some),
        }
    }

    /// Whether no key has signed it that is revoked since.
    fn is_believed(&self, checkpoint: &SignedCheckpoint) -> bool {
        let registry = self.registry();
        let mut revoked = self.gateway_keys(&registry).iter().filter(|k| k.revoked_at.is_some());
        let origin = note::corridor_origin(self.alliance().as_str(), checkpoint.corridor.as_str());
        let Ok(note) = note::parse_note(&checkpoint.note) else { return false };
        !revoked.any(|key| {
            let id = note::key_id(&origin, note::ALG_ED25519, &key.public);
            note.signatures.iter().any(|line| line.name == origin && line.key_id == id)
        })
    }

    async fn head(&self, corridor: &Corridor) -> Result<Option<ChainHead>, StoreError> {
        let corridor = corridor.clone();
        self.read(move |store| async move { store.head(&corridor).await }).await
    }

    /// Compare with what was signed before, sign, store, copy beside the keys, and only then serve.
    async fn sign_checkpoint(
        &self,
        corridor: &Corridor,
        head: &ChainHead,
    ) -> Result<SignedCheckpoint, CheckpointError> {
        if let Some(last) = &head.checkpoint
            && self.root_at(corridor, last.size).await? != last.root
        {
            return Err(CheckpointError::Inconsistent(corridor.clone()));
        }
        let key = self.signer()?;
        let signed_at = self.now();
        let root = head.frontier.root();
        let text = Checkpoint {
            origin: note::corridor_origin(self.alliance().as_str(), corridor.as_str()),
            size: head.seq,
            root,
        };
        let seconds = u64::try_from(signed_at.as_seconds()).unwrap_or(0);
        let signed = SignedCheckpoint {
            corridor: corridor.clone(),
            size: head.seq,
            root,
            note: note::sign_checkpoint(&text, key, seconds)
                .map_err(|error| StoreError::Corrupt(error.to_string()))?,
            signed_at,
        };
        let answer = self.submit(Command::StoreCheckpoint(signed.clone())).await?;
        if answer.decided.outcome == Outcome::CheckpointRefused {
            // Another gateway has signed a later one meanwhile: that one is served.
            return match self.head(corridor).await?.and_then(|head| head.checkpoint) {
                Some(later) if later.size >= signed.size => Ok(later),
                _ => Err(CheckpointError::Inconsistent(corridor.clone())),
            };
        }
        self.keep_beside_keys(&signed).await;
        Ok(signed)
    }

    /// Signs a checkpoint for every chain that has grown since its last.
    pub(super) async fn checkpoint_all(&self) {
        let heads = match self.read(|store| async move { store.heads().await }).await {
            Ok(heads) => heads,
            Err(error) => return tracing::warn!(%error, "chain heads cannot be read"),
        };
        for (corridor, head) in heads {
            let grown = head.checkpoint.as_ref().is_none_or(|last| last.size < head.seq);
            if head.seq > 0
                && grown
                && let Err(error) = self.sign_checkpoint(&corridor, &head).await
            {
                tracing::error!(%error, %corridor, "no checkpoint");
            }
        }
    }

    async fn keep_beside_keys(&self, signed: &SignedCheckpoint) {
        let Some(dir) = self.inner.checkpoints_dir.clone() else { return };
        let (alliance, signed) = (self.alliance().to_string(), signed.clone());
        let drawn = encoding::hex_encode(&self.random::<8>());
        let kept = self.inner.handle.spawn_blocking(move || keep(&dir, &alliance, &signed, &drawn));
        if let Ok(Err(error)) = kept.await {
            tracing::error!(%error, "the checkpoint could not be kept beside the keys");
        }
    }

    /// T31: every checkpoint kept beside the keys must be in the database, or nothing is served.
    pub(super) async fn compare_kept_checkpoints(&self) -> Result<(), StartError> {
        let Some(dir) = &self.inner.checkpoints_dir else { return Ok(()) };
        let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
        for entry in entries.flatten() {
            let Some(kept) = kept_checkpoint(&entry.path(), self.alliance().as_str()) else {
                continue;
            };
            let (corridor, kept) = kept;
            let head = self.inner.store.head(&corridor).await?.map_or(0, |head| head.seq);
            let forked = |reason: String| StartError::Forked {
                corridor: corridor.clone(),
                signed: kept.size,
                reason,
            };
            if head < kept.size {
                return Err(forked(format!("it has {head}")));
            }
            if root_at(self.inner.store.as_ref(), &corridor, kept.size).await? != kept.root {
                return Err(forked("they are not the same receipts".to_owned()));
            }
        }
        Ok(())
    }

    /// The root of the tree of the first `size` receipts.
    ///
    /// # Errors
    /// What the store says.
    pub async fn root_at(&self, corridor: &Corridor, size: u64) -> Result<Hash, StoreError> {
        let corridor = corridor.clone();
        self.read(move |store| async move { root_at(store.as_ref(), &corridor, size).await }).await
    }

    /// What the tree of the first `size` receipts consists of ([`merkle::peaks_at`]).
    ///
    /// # Errors
    /// What the store says.
    pub async fn peaks_at(&self, corridor: &Corridor, size: u64) -> Result<Vec<Hash>, StoreError> {
        let corridor = corridor.clone();
        self.read(move |store| async move {
            path(store.as_ref(), &corridor, |node| merkle::peaks_at(size, node)).await
        })
        .await
    }

    /// The path from receipt `seq` to the root of the first `size` receipts.
    ///
    /// # Errors
    /// [`ProofRefused`].
    pub async fn inclusion(
        &self,
        corridor: &Corridor,
        seq: u64,
        size: u64,
    ) -> Result<Vec<Hash>, ProofRefused> {
        self.check_range(corridor, seq, size).await?;
        let corridor = corridor.clone();
        let path = self.read(move |store| async move {
            path(store.as_ref(), &corridor, |node| merkle::inclusion_path(seq - 1, size, node))
                .await
        });
        Ok(path.await?)
    }

    /// The path from the tree of the first `from` receipts to that of the first `to`.
    ///
    /// # Errors
    /// [`ProofRefused`].
    pub async fn consistency(
        &self,
        corridor: &Corridor,
        from: u64,
        to: u64,
    ) -> Result<Vec<Hash>, ProofRefused> {
        self.check_range(corridor, from, to).await?;
        let corridor = corridor.clone();
        let path = self.read(move |store| async move {
            path(store.as_ref(), &corridor, |node| merkle::consistency_path(from, to, node)).await
        });
        Ok(path.await?)
    }

    async fn check_range(
        &self,
        corridor: &Corridor,
        low: u64,
        high: u64,
    ) -> Result<(), ProofRefused> {
        let head = self.head(corridor).await?.map_or(0, |head| head.seq);
        if 1 <= low && low <= high && high <= head {
            Ok(())
        } else {
            Err(ProofRefused::OutOfRange { head })
        }
    }
}

/// Written aside under a name of its own, made durable, and renamed: a crash, or another gateway on
/// the same folder, leaves one note or the other, whole. A later one is never replaced.
fn keep(dir: &Path, alliance: &str, signed: &SignedCheckpoint, drawn: &str) -> io::Result<()> {
    let path = dir.join(format!("{}.note", signed.corridor));
    if kept_checkpoint(&path, alliance).is_some_and(|(_, kept)| kept.size > signed.size) {
        return Ok(());
    }
    std::fs::create_dir_all(dir)?;
    let aside = path.with_extension(format!("{drawn}.new"));
    let mut file = std::fs::File::create(&aside)?;
    file.write_all(signed.note.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&aside, &path)?;
    // A rename is on the disk when its folder is; only Unix opens folders.
    if cfg!(unix) { std::fs::File::open(dir)?.sync_all() } else { Ok(()) }
}

fn kept_checkpoint(path: &Path, alliance: &str) -> Option<(Corridor, Checkpoint)> {
    if path.extension().is_none_or(|extension| extension != "note") {
        return None;
    }
    let note = note::parse_note(&std::fs::read_to_string(path).ok()?).ok()?;
    let checkpoint = note.checkpoint().ok()?;
    let corridor = checkpoint.origin.strip_prefix("alliance/")?.strip_prefix(alliance)?;
    Some((corridor.strip_prefix('/')?.parse().ok()?, checkpoint))
}

async fn root_at(store: &dyn Store, corridor: &Corridor, size: u64) -> Result<Hash, StoreError> {
    let hashes = path(store, corridor, |node| Ok(vec![merkle::root_at(size, node)?])).await?;
    hashes.first().copied().ok_or_else(|| StoreError::Corrupt("no root".to_owned()))
}

/// A complete subtree's level and position, and its root once it has been read.
type Nodes = HashMap<(u32, u64), Hash>;
type NodeOf<'a> = &'a mut dyn FnMut(u32, u64) -> Result<Hash, StoreError>;

/// Walks twice: first to learn which complete subtrees the walk asks for, then, when they have been
/// read, for the hashes.
async fn path(
    store: &dyn Store,
    corridor: &Corridor,
    walk: impl Fn(NodeOf<'_>) -> Result<Vec<Hash>, StoreError> + Send,
) -> Result<Vec<Hash>, StoreError> {
    let mut asked = Vec::new();
    walk(&mut |level, position| {
        asked.push((level, position));
        Ok(Hash::ZERO)
    })?;
    let mut nodes = Nodes::new();
    for (level, position) in asked {
        let root = subtree_root(store, corridor, level, position).await?;
        nodes.insert((level, position), root);
    }
    walk(&mut |level, position| {
        let missing = || StoreError::Corrupt(format!("no node {level}/{position} in {corridor}"));
        nodes.get(&(level, position)).copied().ok_or_else(missing)
    })
}

/// The root of a complete subtree: from at most 256 leaves, or at most 128 kept nodes.
async fn subtree_root(
    store: &dyn Store,
    corridor: &Corridor,
    level: u32,
    position: u64,
) -> Result<Hash, StoreError> {
    let kept = level - level % KEPT_LEVEL_STEP;
    let width = 1_u64 << (level - kept);
    let (from, to) = (position * width, (position + 1) * width);
    let hashes: Vec<Hash> = if kept == 0 {
        let limit = u32::try_from(width).unwrap_or(u32::MAX);
        let receipts = store.receipts(corridor, from, limit).await?;
        receipts.iter().map(|receipt| merkle::leaf_hash(&receipt.payload)).collect()
    } else {
        store.nodes(corridor, kept, from, to).await?
    };
    if u64::try_from(hashes.len()) != Ok(width) {
        return Err(StoreError::Corrupt(format!("{corridor} lacks part of its tree")));
    }
    Ok(merkle::root_of(&hashes))
}
