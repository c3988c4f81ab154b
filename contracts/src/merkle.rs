//! Merkle trees of RFC 6962 §2.1 over SHA-256: roots, proofs, and their verification.
//!
//! | in | out of scope |
//! | --- | --- |
//! | leaf, node, root; the right edge of a growing tree ([`Frontier`]) | where nodes are stored |
//! | inclusion and consistency paths, from complete subtrees only | checkpoints (`note`) |
//! | verifying both (RFC 9162 §2.1.3.2, §2.1.4.2: the same trees) | the leaves' meaning |
//!
//! Leaves and nodes are hashed with different first bytes, so that neither passes for the other
//! (threat T33). A tree of a given size has one shape: the left subtree is the largest power of
//! two that is smaller than the size. A complete subtree is named by its level (0: leaves) and
//! its index there: it covers leaves `index << level` up to `(index + 1) << level`. Complete
//! subtrees never change again, so that they are all a store has to keep.

use crate::encoding::{Hash, sha256_of_parts};

/// Why a proof is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// No such leaf in a tree of that size.
    #[error("the index is beyond the tree")]
    IndexBeyondSize,
    /// Nothing is consistent with, or proven by, the empty tree.
    #[error("the first tree is empty")]
    EmptyTree,
    /// The first tree is the larger one.
    #[error("the first tree is larger than the second")]
    Shrinks,
    /// More or fewer hashes than the sizes ask for.
    #[error("the proof has the wrong length")]
    WrongLength,
    /// The hashes lead to another root.
    #[error("the proof does not lead to the root")]
    RootMismatch,
}

/// A frontier's bytes do not fit its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frontier has 32 bytes for each one-bit of its size")]
pub struct BadFrontier;

/// The hash of a leaf: SHA-256(0x00 ‖ data).
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    sha256_of_parts(&[&[0], data]).into()
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left.as_bytes());
    bytes[33..].copy_from_slice(right.as_bytes());
    Hash::of(&bytes)
}

/// The root of the tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Hash::of(&[])
}

/// The root over leaves that are hashed already.
#[must_use]
pub fn root_of(leaf_hashes: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    leaf_hashes.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

// ---------------------------------------------------------------------------------------------
// The right edge
// ---------------------------------------------------------------------------------------------

/// All that is needed to let a tree grow and to know its root: its size and the roots of the
/// complete subtrees it consists of, one for each one-bit of the size, largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf. Amortised one node hash.
    pub fn push(&mut self, leaf: Hash) {
        self.push_with(leaf, |_, _, _| ());
    }

    /// Appends a leaf and tells `completed` every complete subtree that it completes, bottom up:
    /// level, index, root. The first is the leaf itself. (2⁶⁴ leaves are never reached.)
    pub fn push_with(&mut self, leaf: Hash, mut completed: impl FnMut(u32, u64, &Hash)) {
        completed(0, self.size, &leaf);
        let mut root = leaf;
        // Each one-bit at the low end is a subtree that the new one joins up with.
        for level in 1..=self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            root = node_hash(&left, &root);
            completed(level, self.size.checked_shr(level).unwrap_or(0), &root);
        }
        self.peaks.push(root);
        self.size = self.size.saturating_add(1);
    }

    /// The root of the whole tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold_right(&self.peaks).unwrap_or_else(empty_root)
    }

    /// The subtree roots, largest first, 32 bytes each; the size is kept beside them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.peaks.iter().flat_map(|peak| *peak.as_bytes()).collect()
    }

    /// Reads what [`Frontier::to_bytes`] wrote for a tree of `size` leaves.
    ///
    /// # Errors
    /// [`BadFrontier`] for another number of bytes.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Result<Self, BadFrontier> {
        let (peaks, rest) = bytes.as_chunks::<32>();
        let expected = usize::try_from(size.count_ones()).map_err(|_| BadFrontier)?;
        if !rest.is_empty() || peaks.len() != expected {
            return Err(BadFrontier);
        }
        Ok(Self { size, peaks: peaks.iter().map(|peak| Hash::from(*peak)).collect() })
    }
}

/// Joins neighbouring subtrees, largest first, into the root over all of them.
fn fold_right(peaks: &[Hash]) -> Option<Hash> {
    let (last, larger) = peaks.split_last()?;
    Some(larger.iter().rev().fold(*last, |root, left| node_hash(left, &root)))
}

// ---------------------------------------------------------------------------------------------
// Paths
// ---------------------------------------------------------------------------------------------

/// The inclusion path (RFC 6962 §2.1.1) of leaf `index` in the tree of the first `size` leaves,
/// the leaf's sibling first. `node(level, index)` gives the root of a complete subtree and is
/// asked for O(log size) of them. Empty where `index` ≥ `size`: check the range first.
///
/// # Errors
/// Whatever `node` answers.
pub fn inclusion_path<E>(
    index: u64,
    size: u64,
    node: &mut dyn FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut path = Vec::new();
    if index >= size {
        return Ok(path);
    }
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_root(middle, end, node)?);
            end = middle;
        } else {
            path.push(range_root(start, middle, node)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The consistency path (RFC 6962 §2.1.2) from the tree of the first `from` leaves to that of the
/// first `to`. `node` as in [`inclusion_path`]. Empty where `from` = `to`, and where there is
/// nothing to prove (`from` = 0 or `from` > `to`): check the range first.
///
/// # Errors
/// Whatever `node` answers.
pub fn consistency_path<E>(
    from: u64,
    to: u64,
    node: &mut dyn FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut path = Vec::new();
    if from == 0 || from >= to {
        return Ok(path);
    }
    let (mut start, mut end) = (0, to);
    // Down to the subtree where the old tree ends. As long as that is the left edge, the verifier
    // has its root: it is the old root.
    while from != end {
        let middle = start + split(end - start);
        if from <= middle {
            path.push(range_root(middle, end, node)?);
            end = middle;
        } else {
            path.push(range_root(start, middle, node)?);
            start = middle;
        }
    }
    if start > 0 {
        path.push(range_root(start, end, node)?);
    }
    path.reverse();
    Ok(path)
}

/// The root of the tree of the first `size` leaves. `node` as in [`inclusion_path`].
///
/// # Errors
/// Whatever `node` answers.
pub fn root_at<E>(size: u64, node: &mut dyn FnMut(u32, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    if size == 0 { Ok(empty_root()) } else { range_root(0, size, node) }
}

/// The roots of the complete subtrees that the tree of the first `size` leaves consists of, largest
/// first: what a [`Frontier`] of that size is made of. `node` as in [`inclusion_path`].
///
/// # Errors
/// Whatever `node` answers.
pub fn peaks_at<E>(
    size: u64,
    node: &mut dyn FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let levels = (0..u64::BITS).rev().filter(|level| (size >> level) & 1 == 1);
    // Before a subtree stand as many of its size as the bits above it count.
    levels.map(|level| node(level, (size >> level) & !1)).collect()
}

/// [`inclusion_path`] over leaf hashes at hand; empty where there is no such leaf.
#[must_use]
pub fn inclusion_path_of(leaf_hashes: &[Hash], index: u64) -> Vec<Hash> {
    in_memory(leaf_hashes, |size, node| inclusion_path(index, size, node))
}

/// [`consistency_path`] over leaf hashes at hand, to the tree of all of them.
#[must_use]
pub fn consistency_path_of(leaf_hashes: &[Hash], from: u64) -> Vec<Hash> {
    in_memory(leaf_hashes, |size, node| consistency_path(from, size, node))
}

type Never = std::convert::Infallible;
type NodeOf<'a> = &'a mut dyn FnMut(u32, u64) -> Result<Hash, Never>;

fn in_memory(
    leaf_hashes: &[Hash],
    path: impl FnOnce(u64, NodeOf<'_>) -> Result<Vec<Hash>, Never>,
) -> Vec<Hash> {
    let mut node = |level: u32, index: u64| {
        // Only complete subtrees are asked for: the range lies within the slice.
        let start = usize::try_from(index << level).unwrap_or(usize::MAX);
        let end = start.saturating_add(1 << level);
        Ok(root_of(leaf_hashes.get(start..end).unwrap_or_default()))
    };
    let Ok(path) = path(leaf_hashes.len() as u64, &mut node);
    path
}

/// The size of the left subtree of a tree of `size` > 1 leaves: the largest power of two below.
const fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The root over leaves `start..end`, where `start` is a multiple of the largest power of two
/// that is not larger than `end - start`: such a range is a row of complete subtrees.
fn range_root<E>(
    start: u64,
    end: u64,
    node: &mut dyn FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    let mut peaks = Vec::new();
    let mut at = start;
    while at < end {
        let level = (end - at).ilog2();
        peaks.push(node(level, at >> level)?);
        at += 1 << level;
    }
    Ok(fold_right(&peaks).unwrap_or_else(empty_root))
}

// ---------------------------------------------------------------------------------------------
// Verification
// ---------------------------------------------------------------------------------------------

/// Verifies that the leaf is number `index` (from 0) in the tree of `size` leaves with `root`.
///
/// # Errors
/// A [`ProofError`]; the proof shows nothing then.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf_hash: &Hash,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::IndexBeyondSize);
    }
    // At each level: where we are, and where the tree's last node is.
    let (mut at, mut last) = (index, size - 1);
    let mut computed = *leaf_hash;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if at % 2 == 1 || at == last {
            computed = node_hash(sibling, &computed);
            (at, last) = past_lone_levels(at, last);
        } else {
            computed = node_hash(&computed, sibling);
        }
        (at, last) = (at / 2, last / 2);
    }
    if last != 0 {
        return Err(ProofError::WrongLength);
    }
    if computed == *root { Ok(()) } else { Err(ProofError::RootMismatch) }
}

/// Verifies that the tree of `from` leaves with `from_root` is the beginning of the tree of `to`
/// leaves with `to_root`. Between equal sizes the roots must be equal and the proof empty.
///
/// # Errors
/// A [`ProofError`]; where both roots were signed and the sizes are right, somebody forked.
pub fn verify_consistency(
    from: u64,
    from_root: &Hash,
    to: u64,
    to_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if from == 0 {
        return Err(ProofError::EmptyTree);
    }
    if from > to {
        return Err(ProofError::Shrinks);
    }
    if from == to {
        return verify_equal(from_root, to_root, proof);
    }
    // Begin at the largest subtree that ends where the old tree ends: for a power of two the old
    // root itself, otherwise the proof's first hash.
    let lifted = from.trailing_zeros();
    let (mut at, mut last) = ((from - 1) >> lifted, (to - 1) >> lifted);
    let (seed, rest) = match proof.split_first() {
        _ if from.is_power_of_two() => (from_root, proof),
        Some((first, rest)) => (first, rest),
        None => return Err(ProofError::WrongLength),
    };
    let (mut old, mut new) = (*seed, *seed);
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if at % 2 == 1 || at == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            (at, last) = past_lone_levels(at, last);
        } else {
            new = node_hash(&new, sibling);
        }
        (at, last) = (at / 2, last / 2);
    }
    if last != 0 {
        return Err(ProofError::WrongLength);
    }
    if old == *from_root && new == *to_root { Ok(()) } else { Err(ProofError::RootMismatch) }
}

/// A last node without a sibling stands for itself on the levels above, up to where it is a right
/// child and finds one there.
const fn past_lone_levels(at: u64, last: u64) -> (u64, u64) {
    let levels = at.trailing_zeros();
    if levels < u64::BITS { (at >> levels, last >> levels) } else { (0, 0) }
}

fn verify_equal(from_root: &Hash, to_root: &Hash, proof: &[Hash]) -> Result<(), ProofError> {
    if !proof.is_empty() {
        return Err(ProofError::WrongLength);
    }
    if from_root == to_root { Ok(()) } else { Err(ProofError::RootMismatch) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::hex_decode;
    use proptest::prelude::*;
    use serde_json::Value;

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    /// RFC 6962 §2.1, word for word.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    /// RFC 6962 §2.1.1, word for word.
    fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() < 2 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut path, sibling) = if index < left.len() {
            (naive_path(index, left), right)
        } else {
            (naive_path(index - left.len(), right), left)
        };
        path.push(naive_root(sibling));
        path
    }

    /// RFC 6962 §2.1.2, SUBPROOF word for word.
    fn naive_subproof(from: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
        if from == leaves.len() {
            return if known { Vec::new() } else { vec![naive_root(leaves)] };
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut path, sibling) = if from <= left.len() {
            (naive_subproof(from, left, known), right)
        } else {
            (naive_subproof(from - left.len(), right, false), left)
        };
        path.push(naive_root(sibling));
        path
    }

    fn hash(value: &Value) -> Hash {
        value.as_str().unwrap().parse().unwrap()
    }

    fn hashes(value: &Value) -> Vec<Hash> {
        value.as_array().unwrap().iter().map(hash).collect()
    }

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../vectors/merkle.json")).unwrap()
    }

    fn name(error: ProofError) -> &'static str {
        match error {
            ProofError::IndexBeyondSize => "index",
            ProofError::EmptyTree => "empty",
            ProofError::Shrinks => "shrinks",
            ProofError::WrongLength => "length",
            ProofError::RootMismatch => "root",
        }
    }

    #[test]
    fn the_good_trees_and_proofs_agree() {
        let vectors = vectors();
        let data = vectors["leaves"].as_array().unwrap();
        let leaves: Vec<Hash> = data
            .iter()
            .map(|leaf| leaf_hash(&hex_decode(leaf.as_str().unwrap()).unwrap()))
            .collect();
        assert_eq!(leaves, hashes(&vectors["leaf_hashes"]));
        let roots = hashes(&vectors["good"]["roots"]);
        for (size, root) in roots.iter().enumerate() {
            assert_eq!(root_of(&leaves[..size]), *root);
        }
        for case in vectors["good"]["inclusion"].as_array().unwrap() {
            let (index, size) = (case["index"].as_u64().unwrap(), case["size"].as_u64().unwrap());
            let proof = hashes(&case["proof"]);
            let leaf = &leaves[index as usize];
            assert_eq!(inclusion_path_of(&leaves[..size as usize], index), proof);
            assert_eq!(verify_inclusion(index, size, leaf, &roots[size as usize], &proof), Ok(()));
        }
        for case in vectors["good"]["consistency"].as_array().unwrap() {
            let (from, to) = (case["from"].as_u64().unwrap(), case["to"].as_u64().unwrap());
            let proof = hashes(&case["proof"]);
            let (old, new) = (&roots[from as usize], &roots[to as usize]);
            assert_eq!(consistency_path_of(&leaves[..to as usize], from), proof);
            assert_eq!(verify_consistency(from, old, to, new, &proof), Ok(()));
        }
    }

    #[test]
    fn the_bad_proofs_are_refused_by_name() {
        // T33
        let vectors = vectors();
        for case in vectors["bad"]["inclusion"].as_array().unwrap() {
            let (index, size) = (case["index"].as_u64().unwrap(), case["size"].as_u64().unwrap());
            let (leaf, root) = (hash(&case["leaf_hash"]), hash(&case["root"]));
            let refused = verify_inclusion(index, size, &leaf, &root, &hashes(&case["proof"]));
            assert_eq!(refused.map_err(name), Err(case["error"].as_str().unwrap()), "{case}");
        }
        for case in vectors["bad"]["consistency"].as_array().unwrap() {
            let (from, to) = (case["from"].as_u64().unwrap(), case["to"].as_u64().unwrap());
            let (old, new) = (hash(&case["from_root"]), hash(&case["to_root"]));
            let refused = verify_consistency(from, &old, to, &new, &hashes(&case["proof"]));
            assert_eq!(refused.map_err(name), Err(case["error"].as_str().unwrap()), "{case}");
        }
    }

    #[test]
    fn every_small_tree_agrees_with_the_definition() {
        let all = leaves(70);
        let mut frontier = Frontier::new();
        for size in 0..all.len() {
            let tree = &all[..size];
            assert_eq!(frontier.root(), naive_root(tree));
            for index in 0..size {
                assert_eq!(inclusion_path_of(tree, index as u64), naive_path(index, tree));
                let path = consistency_path_of(tree, index as u64 + 1);
                assert_eq!(path, naive_subproof(index + 1, tree, true));
            }
            frontier.push(all[size]);
        }
    }

    #[test]
    fn paths_that_do_not_exist_are_empty() {
        let tree = leaves(5);
        assert!(inclusion_path_of(&tree, 5).is_empty());
        assert!(inclusion_path_of(&[], 0).is_empty());
        assert!(consistency_path_of(&tree, 0).is_empty());
        assert!(consistency_path_of(&tree, 5).is_empty());
        assert!(consistency_path_of(&tree, 6).is_empty());
    }

    #[test]
    fn huge_sizes_ask_for_few_complete_subtrees() {
        let mut asked = 0_u32;
        let mut node = |level: u32, index: u64| {
            asked += 1;
            assert!(index.checked_add(1).unwrap() <= u64::MAX >> level);
            Ok::<_, ()>(Hash::ZERO)
        };
        inclusion_path(u64::MAX - 1, u64::MAX, &mut node).unwrap();
        inclusion_path(0, u64::MAX, &mut node).unwrap();
        consistency_path(1, u64::MAX, &mut node).unwrap();
        consistency_path(u64::MAX - 1, u64::MAX, &mut node).unwrap();
        assert!(asked < 8 * 64);
        let proof = [Hash::ZERO; 64];
        assert!(verify_inclusion(0, u64::MAX, &Hash::ZERO, &Hash::ZERO, &proof).is_err());
        let root = Hash::ZERO;
        assert!(verify_consistency(1, &root, u64::MAX, &root, &proof).is_err());
        assert!(verify_consistency(1 << 63, &root, u64::MAX, &root, &proof).is_err());
    }

    #[test]
    fn a_store_that_fails_is_heard() {
        let mut node = |_: u32, _: u64| Err("gone");
        assert_eq!(inclusion_path(0, 2, &mut node), Err("gone"));
        assert_eq!(consistency_path(1, 2, &mut node), Err("gone"));
    }

    #[test]
    fn a_frontier_reads_what_it_writes_and_refuses_the_rest() {
        let mut frontier = Frontier::new();
        for leaf in leaves(11) {
            frontier.push(leaf);
        }
        let bytes = frontier.to_bytes();
        assert_eq!(Frontier::from_bytes(11, &bytes), Ok(frontier));
        for (size, bytes) in [(12, &bytes[..]), (11, &bytes[1..]), (0, &bytes), (1, &[])] {
            assert_eq!(Frontier::from_bytes(size, bytes), Err(BadFrontier));
        }
        let full = Frontier::from_bytes(u64::MAX, &[0; 64 * 32]).unwrap();
        full.clone().push(Hash::ZERO);
    }

    proptest! {
        #[test]
        fn proofs_verify_from_stored_subtrees(size in 1_u64..600, pick in any::<(u64, u64)>()) {
            let leaves = leaves(size as usize);
            let mut stored = std::collections::HashMap::new();
            let mut frontier = Frontier::new();
            for leaf in &leaves {
                frontier.push_with(*leaf, |level, index, root| {
                    assert_eq!(stored.insert((level, index), *root), None);
                });
            }
            let mut node = |level, index| stored.get(&(level, index)).copied().ok_or(());
            let root = frontier.root();
            prop_assert_eq!(root_at(size, &mut node), Ok(root));
            let (index, from) = (pick.0 % size, pick.1 % size + 1);
            let path = inclusion_path(index, size, &mut node).unwrap();
            let leaf = &leaves[index as usize];
            prop_assert_eq!(verify_inclusion(index, size, leaf, &root, &path), Ok(()));
            let old = naive_root(&leaves[..from as usize]);
            prop_assert_eq!(root_at(from, &mut node), Ok(old));
            let path = consistency_path(from, size, &mut node).unwrap();
            prop_assert_eq!(verify_consistency(from, &old, size, &root, &path), Ok(()));
        }

        #[test]
        fn a_changed_proof_is_refused(
            size in 2_u64..200, pick in any::<(u64, u64, usize, usize)>(), bit in 0_u8..8,
        ) {
            let leaves = leaves(size as usize);
            let root = root_of(&leaves);
            let (index, from) = (pick.0 % size, pick.1 % (size - 1) + 1);
            let change = |path: &mut Vec<Hash>| {
                let (at, byte) = (pick.2 % path.len(), pick.3 % 32);
                let mut bytes = *path[at].as_bytes();
                bytes[byte] ^= 1 << bit;
                path[at] = bytes.into();
            };
            let mut path = inclusion_path_of(&leaves, index);
            change(&mut path);
            let leaf = &leaves[index as usize];
            prop_assert!(verify_inclusion(index, size, leaf, &root, &path).is_err());
            let old = root_of(&leaves[..from as usize]);
            let mut path = consistency_path_of(&leaves, from);
            change(&mut path);
            prop_assert!(verify_consistency(from, &old, size, &root, &path).is_err());
        }
    }
}
