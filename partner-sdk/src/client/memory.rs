//! What a client remembers of each corridor, so that nobody can tell it two histories.

use std::collections::BTreeMap;

use alliance_contracts::corridor::Seen;
use alliance_contracts::encoding::Hash;
use alliance_contracts::names::Corridor;
use alliance_contracts::note;
use serde::{Deserialize, Serialize};

/// The last that was verified of every corridor. Kept in memory; take it out with
/// [`Client::memory`](super::Client::memory) before the process ends and hand it to the next with
/// [`ClientBuilder::memory`](super::ClientBuilder::memory), and the alliance cannot rewrite in
/// between what was seen before. Holds no member's reference and no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    corridors: BTreeMap<Corridor, Remembered>,
    /// The corridor in which a receipt was verified last.
    newest: Option<Corridor>,
}

/// The last that was verified of one corridor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remembered {
    /// The last checkpoint, as it was signed.
    pub checkpoint: Option<String>,
    /// The last checkpoint that this partner has cosigned, as a witness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosigned: Option<String>,
    /// The receipt with the highest number.
    pub receipt: Option<SeenReceipt>,
}

/// A receipt that was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenReceipt {
    /// SHA-256 of its payload.
    pub hash: Hash,
    /// As it was signed: evidence, should the alliance deny it.
    pub jws: String,
    /// Its number.
    pub seq: u64,
}

impl Memory {
    /// What is remembered of a corridor.
    #[must_use]
    pub fn of(&self, corridor: &Corridor) -> Option<&Remembered> {
        self.corridors.get(corridor)
    }

    /// The corridors of which anything is remembered.
    pub fn corridors(&self) -> impl Iterator<Item = &Corridor> {
        self.corridors.keys()
    }

    /// The receipt to name in `Alliance-Seen`: the corridor's that a request is about, else the
    /// newest of any.
    pub(super) fn seen(&self, about: Option<&Corridor>) -> Option<Seen> {
        let of = |corridor: &Corridor| {
            let receipt = self.corridors.get(corridor)?.receipt.as_ref()?;
            Some(Seen { corridor: corridor.clone(), hash: receipt.hash, seq: receipt.seq })
        };
        about.and_then(of).or_else(|| self.newest.as_ref().and_then(of))
    }

    /// The receipt of that number, where it is the one remembered.
    pub(super) fn receipt(&self, corridor: &Corridor, seq: u64) -> Option<&SeenReceipt> {
        self.corridors.get(corridor)?.receipt.as_ref().filter(|receipt| receipt.seq == seq)
    }

    pub(super) fn remember(&mut self, corridor: &Corridor, receipt: SeenReceipt) {
        let remembered = self.entry(corridor);
        if remembered.receipt.as_ref().is_none_or(|known| known.seq < receipt.seq) {
            remembered.receipt = Some(receipt);
        }
        self.newest = Some(corridor.clone());
    }

    pub(super) fn remember_checkpoint(&mut self, corridor: &Corridor, note: String) {
        self.entry(corridor).checkpoint = Some(note);
    }

    pub(super) fn remember_cosigned(&mut self, corridor: &Corridor, note: String) {
        let size = |note: &str| note::parse_note(note).and_then(|n| n.checkpoint()).map(|c| c.size);
        let entry = self.entry(corridor);
        let known = entry.cosigned.as_deref().and_then(|known| size(known).ok());
        if known <= size(&note).ok() {
            entry.cosigned = Some(note);
        }
    }

    fn entry(&mut self, corridor: &Corridor) -> &mut Remembered {
        self.corridors.entry(corridor.clone()).or_default()
    }
}
