//! Boards: what every program's points are worth from a moment on (`GET /v1/rates`).
//!
//! | what | where |
//! | --- | --- |
//! | the board, as signed: numbered, effective-dated, each naming the one before | [`Board`] |
//! | how each value came about, so that anyone recomputes it | [`crate::valuation`] |
//! | what holds for one direction of one pair, committed to by a Merkle root | [`PairTerms`] |
//! | what a partner is answered | [`Rates`] |
//!
//! A board tells every partner every value. What two partners pay each other is theirs: the board
//! holds only the root over all pairs' terms (RFC 6962 hashing, leaves are the JCS of each, in the
//! order of source and target), and each partner is shown its own pairs with their paths.

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::encoding::{Hash, base64_decode_array, base64_encode};
use crate::json;
use crate::merkle;
use crate::names::{AllianceId, Currency, PartnerId, ProgramId};
use crate::quote::FeeBearer;
use crate::time::Timestamp;
use crate::total::Total;
use crate::valuation::ProgramValuation;

/// A published set of values, as signed (`typ` `alliance-board+jws`); JCS order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// The alliance.
    pub alliance: AllianceId,
    /// Its number, from 1, without gaps.
    pub board: u32,
    /// What values are told in.
    pub currency: Currency,
    /// From when it holds; never before the board before it.
    pub effective_at: Timestamp,
    /// SHA-256 of the payload of the board before; 64 zeros for the first.
    pub previous: Hash,
    /// When it was worked out.
    pub published_at: Timestamp,
    /// What it commits to beside the values.
    pub terms: TermsRoot,
    /// Every program's value and how it came about, by slug.
    pub values: Vec<ProgramValuation>,
}

/// A commitment to the terms of all pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TermsRoot {
    /// How many there are.
    pub count: u64,
    /// RFC 6962 root over the JCS of each.
    pub root: Hash,
}

/// What holds on a board for orders of one direction of a pair, beyond the pair's agreement. A pair
/// without terms on a board has its agreement's fee and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PairTerms {
    /// Gross of all orders of this direction, less what was reversed, when the board was made.
    pub exchanged: Total,
    /// The agreement's fee rate, by the tier that the pair's volume has reached.
    pub fee: Decimal,
    /// Gross of this direction, older orders counting less and less: what surcharges are made of.
    pub flow: Total,
    /// Gross of orders on boards that were no longer in force, when the board was made.
    pub late: Total,
    /// Gross of this direction on this board at most; beyond, the pair is frozen. None: no bound.
    pub limit: Option<Decimal>,
    /// The agreed override of the pair's rate: a factor of at most one on the board's ratio.
    pub multiplier: Decimal,
    /// Whose points are given.
    pub source: ProgramId,
    /// Fee rate on top, for the direction that makes an imbalance worse.
    pub surcharge: Decimal,
    /// Whether a tier's multiplier is suspended, because with it going round would gain.
    pub suspended: bool,
    /// Whose points arrive.
    pub target: ProgramId,
    /// What was exchanged this month and the month before: what fee tiers go by.
    pub volume: Volume,
    /// Whether the direction takes no orders on this board: with the boards whose quotes still
    /// stand, somebody could have gained by it.
    pub withheld: bool,
}

/// Gross of one direction by calendar month (UTC).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Of the month before.
    pub before: Total,
    /// The month that the board was made in (`2026-11`).
    pub month: String,
    /// Of this month, until the board was made.
    pub so_far: Total,
}

/// A pair's terms with what proves that the board commits to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommittedTerms {
    /// Their place among the board's terms, from 0.
    pub index: u64,
    /// The RFC 6962 inclusion path, in base64 as proofs have it.
    pub path: Vec<String>,
    /// The terms.
    pub terms: PairTerms,
}

/// The fee that two partners have agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PairFee {
    /// One partner.
    pub a: PartnerId,
    /// The other.
    pub b: PartnerId,
    /// The part of the gross that the alliance takes, below one, where a pair's terms do not say
    /// another.
    pub fee: Decimal,
    /// Who bears it; left out: the member.
    #[serde(default, skip_serializing_if = "is_member")]
    pub fee_bearer: FeeBearer,
}

fn is_member(bearer: &FeeBearer) -> bool {
    *bearer == FeeBearer::Member
}

/// A pair that takes no orders in one direction until it is released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FrozenPair {
    /// The board whose rate was its last.
    pub board: u32,
    /// Since when.
    pub since: Timestamp,
    /// Whose points are given.
    pub source: ProgramId,
    /// Whose points arrive.
    pub target: ProgramId,
}

/// The board that follows the one that is shown, where it has been published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NextBoard {
    /// Its number.
    pub board: u32,
    /// From when it holds.
    pub effective_at: Timestamp,
}

/// Answer of `GET /v1/rates`: a pair's rate is `value(source) · (1 − fee) / value(target)`, times
/// the pair's multiplier where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rates {
    /// The board.
    #[serde(flatten)]
    pub board: Board,
    /// The caller's own agreements.
    pub fees: Vec<PairFee>,
    /// The caller's pairs that take no orders now.
    pub frozen: Vec<FrozenPair>,
    /// The board as signed.
    pub jws: String,
    /// The board after it, where there is one already.
    pub next: Option<NextBoard>,
    /// The caller's own pairs' terms.
    pub pairs: Vec<CommittedTerms>,
}

impl Board {
    /// The bytes that are signed and chained.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        json::canonical(self)
    }

    /// A program's value.
    #[must_use]
    pub fn value(&self, program: &ProgramId) -> Option<Decimal> {
        self.valuation(program).map(|valuation| valuation.value)
    }

    /// How a program's value came about.
    #[must_use]
    pub fn valuation(&self, program: &ProgramId) -> Option<&ProgramValuation> {
        let at = self.values.binary_search_by(|value| value.program.cmp(program)).ok()?;
        self.values.get(at)
    }
}

impl PairTerms {
    /// The leaf that the board's root commits to.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        merkle::leaf_hash(&json::canonical(self))
    }
}

impl TermsRoot {
    /// The commitment to terms in their order.
    #[must_use]
    pub fn of(terms: &[PairTerms]) -> Self {
        let leaves: Vec<Hash> = terms.iter().map(PairTerms::leaf).collect();
        Self { count: leaves.len() as u64, root: merkle::root_of(&leaves) }
    }
}

impl CommittedTerms {
    /// Whether the board commits to exactly these terms.
    #[must_use]
    pub fn stand_on(&self, board: &Board) -> bool {
        let path: Option<Vec<Hash>> = self
            .path
            .iter()
            .map(|hash| base64_decode_array::<32>(hash).ok().map(Hash::from))
            .collect();
        let TermsRoot { count, root } = board.terms;
        path.is_some_and(|path| {
            let leaf = self.terms.leaf();
            merkle::verify_inclusion(self.index, count, &leaf, &root, &path).is_ok()
        })
    }
}

/// The tree over a board's terms, with every complete subtree at hand.
#[derive(Clone, Debug)]
pub struct TermsTree(Vec<Vec<Hash>>);

impl TermsTree {
    /// The tree over these terms.
    #[must_use]
    pub fn of(terms: &[PairTerms]) -> Self {
        let mut levels = vec![terms.iter().map(PairTerms::leaf).collect::<Vec<Hash>>()];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let (pairs, _) = below.as_chunks::<2>();
            levels.push(pairs.iter().map(|[left, right]| merkle::node_hash(left, right)).collect());
        }
        Self(levels)
    }

    /// What proves that these terms stand at this place.
    #[must_use]
    pub fn commit(&self, index: usize, terms: PairTerms) -> CommittedTerms {
        let size = self.0.first().map_or(0, Vec::len) as u64;
        let mut node = |level: u32, position: u64| {
            let level = self.0.get(usize::try_from(level).unwrap_or(usize::MAX));
            let position = usize::try_from(position).unwrap_or(usize::MAX);
            level.and_then(|nodes| nodes.get(position)).copied().ok_or(())
        };
        let path = merkle::inclusion_path(index as u64, size, &mut node).unwrap_or_default();
        let path = path.iter().map(|hash| base64_encode(hash.as_bytes())).collect();
        CommittedTerms { index: index as u64, path, terms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(at: usize) -> PairTerms {
        PairTerms {
            exchanged: Total::from_micros(12_500_000),
            fee: Decimal::ZERO,
            flow: Total::ZERO,
            late: Total::ZERO,
            limit: None,
            multiplier: Decimal::ONE,
            source: format!("program-{at}").parse().unwrap(),
            surcharge: Decimal::ZERO,
            suspended: false,
            target: "borealis".parse().unwrap(),
            volume: Volume {
                before: Total::ZERO,
                month: "2026-11".to_owned(),
                so_far: Total::ZERO,
            },
            withheld: false,
        }
    }

    #[test]
    fn each_of_a_boards_terms_is_proven_and_no_other() {
        for count in [1, 2, 3, 7, 8, 13] {
            let all: Vec<PairTerms> = (0..count).map(terms).collect();
            let board = Board {
                alliance: "demo".parse().unwrap(),
                board: 1,
                currency: "CNY".parse().unwrap(),
                effective_at: Timestamp::from_millis(0),
                previous: Hash::ZERO,
                published_at: Timestamp::from_millis(0),
                terms: TermsRoot::of(&all),
                values: Vec::new(),
            };
            let tree = TermsTree::of(&all);
            for (at, one) in all.iter().enumerate() {
                let committed = tree.commit(at, one.clone());
                assert!(committed.stand_on(&board), "{at} of {count}");
                let mut changed = committed.clone();
                changed.terms.surcharge = Decimal::ONE;
                assert!(!changed.stand_on(&board));
                let elsewhere = CommittedTerms { index: committed.index + 1, ..committed };
                assert!(!elsewhere.stand_on(&board));
            }
        }
    }
}
