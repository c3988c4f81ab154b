//! Boards as partners ask for them.

use alliance_contracts::board::{NextBoard, PairFee, PairTerms, Rates};
use alliance_contracts::names::PartnerId;
use alliance_contracts::time::Timestamp;
use tokio::sync::watch;

use std::sync::Arc;

use super::ClearingHouse;
use crate::alliance::{PublishedBoard, Registry};
use crate::store::StoreError;

/// Which board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichBoard {
    /// The one in force.
    InForce,
    /// The one of this number.
    Number(u32),
    /// The one that was, or will be, in force then.
    At(Timestamp),
}

impl ClearingHouse {
    /// A board as a partner sees it: every value, its own pairs' terms and nobody else's.
    ///
    /// # Errors
    /// What the store says.
    pub async fn rates(
        &self,
        partner: &PartnerId,
        which: WhichBoard,
    ) -> Result<Option<Rates>, StoreError> {
        let registry = self.registry();
        let now = self.now();
        let own = |terms: &PairTerms| {
            let of = |program| registry.program(program).is_some_and(|p| p.partner == *partner);
            of(&terms.source) || of(&terms.target)
        };
        let known = match which {
            WhichBoard::InForce => registry.board_at(now),
            WhichBoard::At(at) => {
                registry.board_at(at).filter(|board| board.published.board.effective_at <= at)
            }
            WhichBoard::Number(number) => registry.board_numbered(number),
        };
        if let Some(known) = known {
            let pairs = known.committed(own);
            return Ok(Some(shown(&registry, partner, known.published.clone(), pairs, now)));
        }
        let found = self
            .read(move |store| async move {
                match which {
                    WhichBoard::InForce => Ok(None),
                    WhichBoard::At(at) => store.board_at(at).await,
                    WhichBoard::Number(number) => {
                        let newest = store.boards(number, 1).await?.pop();
                        Ok(newest.filter(|published| published.board.board == number))
                    }
                }
            })
            .await?;
        Ok(found.map(|published| {
            let pairs = published.committed(own);
            shown(&registry, partner, published, pairs, now)
        }))
    }

    /// Boards after this number, in order, at most `limit`.
    ///
    /// # Errors
    /// What the store says.
    pub async fn boards_after(
        &self,
        number: u32,
        limit: u32,
    ) -> Result<Vec<PublishedBoard>, StoreError> {
        let last = number.saturating_add(limit);
        let boards = self.read(move |store| async move { store.boards(last, limit).await }).await?;
        let after = boards.into_iter().rev().filter(|published| published.board.board > number);
        Ok(after.collect())
    }

    /// Tells of every change of the registry: boards, frozen pairs, agreements.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Registry>> {
        self.inner.registry.clone()
    }
}

fn shown(
    registry: &Registry,
    partner: &PartnerId,
    published: PublishedBoard,
    pairs: Vec<alliance_contracts::board::CommittedTerms>,
    now: Timestamp,
) -> Rates {
    let own = |program| registry.program(program).is_some_and(|p| p.partner == *partner);
    let frozen = registry.frozen.iter().filter(|pair| own(&pair.source) || own(&pair.target));
    let next = registry.next_board(now).map(|next| &next.board);
    let next = next.filter(|next| next.board > published.board.board);
    Rates {
        fees: published
            .terms
            .agreed
            .iter()
            .filter(|agreed| agreed.a == *partner || agreed.b == *partner)
            .map(|agreed| PairFee {
                a: agreed.a.clone(),
                b: agreed.b.clone(),
                fee: agreed.fee,
                fee_bearer: agreed.fee_bearer,
            })
            .collect(),
        frozen: frozen.cloned().collect(),
        next: next.map(|next| NextBoard { board: next.board, effective_at: next.effective_at }),
        board: published.board,
        jws: published.jws,
        pairs,
    }
}
