//! A window that was closed, worked out again as it was and under other terms. Reads only.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use alliance_contracts::encoding::Hash;
use alliance_contracts::names::PartnerId;
use alliance_contracts::receipt::{self, Receipt};
use alliance_contracts::time::Timestamp;
use alliance_contracts::total::Total;

use super::ClearingHouse;
use super::settling::{OnProgress, Progress, SettleError};
use crate::alliance::NettingWay;
use crate::store::{StoreError, WindowRange};
use crate::windows::what_if::{OtherTerms, Refused, Replay, WhatIfFault};
use crate::windows::{Figures, NettedWindow, WindowRecord, net_window};

/// Receipts of all chains that are held at a time.
const HELD: usize = 100_000;

/// Why a window cannot be worked out under other terms.
#[derive(Debug, thiserror::Error)]
pub enum WhatIfError {
    /// A receipt.
    #[error(transparent)]
    Fault(#[from] WhatIfFault),
    /// The window, or the books.
    #[error(transparent)]
    Settle(#[from] SettleError),
}

impl From<StoreError> for WhatIfError {
    fn from(error: StoreError) -> Self {
        Self::Settle(error.into())
    }
}

/// A window twice.
#[derive(Clone, Debug)]
pub struct WhatIf {
    /// As its receipts are, netted by the definition of today.
    pub was: NettedWindow,
    /// Under the other terms.
    pub then: NettedWindow,
    /// What the alliance's fees come to.
    pub fees_was: Total,
    /// The same under the other terms.
    pub fees_then: Total,
    /// Its receipts.
    pub receipts: u64,
    /// Orders that would not have been made.
    pub refused: Refused,
}

impl ClearingHouse {
    /// Works a window out under other terms and, where `way` is named, another netting.
    ///
    /// # Errors
    /// [`WhatIfError`].
    pub async fn what_if(
        &self,
        window: &WindowRecord,
        terms: OtherTerms,
        way: Option<NettingWay>,
        progress: &OnProgress,
    ) -> Result<WhatIf, WhatIfError> {
        // Read.
        let registry = self.registry();
        let (netting, ranges) = self.inputs(&registry, window).await?;
        let scales = registry.definition.programs.iter();
        let scales = scales.map(|program| (program.program.clone(), program.scale)).collect();
        let mut openings: BTreeMap<PartnerId, i128> = BTreeMap::new();
        for carried in &netting.openings {
            let amount = carried.amount.micros();
            for (party, signed) in [(&carried.debtor, -amount), (&carried.creditor, amount)] {
                if let Ok(partner) = party.as_str().parse() {
                    *openings.entry(partner).or_insert(0) += signed;
                }
            }
        }
        let of = ranges.iter().map(|(range, _)| range.seq - range.after).sum();
        let mut replay = Replay::new(terms, scales, openings);
        let currency = netting.currency.clone();
        let (mut was, mut then) = (Figures::new(currency.clone()), Figures::new(currency));
        let mut merged = Merged::of(self, ranges).await?;
        let mut done = 0;
        while let Some((receipt, fees)) = merged.next(self).await? {
            was.add(&receipt, fees).map_err(SettleError::from)?;
            if let Some(turned) = replay.next(&receipt)? {
                then.add(&turned, fees).map_err(SettleError::from)?;
            }
            done += 1;
            if done % 1_000 == 0 || done == of {
                progress(Progress { done, of, what: "receipts" });
                tokio::task::yield_now().await;
            }
        }
        // Decide.
        let mut other = netting.clone();
        other.way = way.unwrap_or(netting.way);
        let (fees_was, fees_then) = (was.fees(), then.fees());
        let was = net_window(&netting, was).map_err(SettleError::from)?;
        let then = net_window(&other, then).map_err(SettleError::from)?;
        let refused = replay.refused();
        Ok(WhatIf { was, then, fees_was, fees_then, receipts: done, refused })
    }
}

/// Receipts of several chains in the order in which they completed; of the same time, by chain.
struct Merged {
    chains: Vec<Chain>,
    heads: BinaryHeap<Reverse<(Timestamp, usize)>>,
    page: u32,
}

struct Chain {
    range: WindowRange,
    fees: bool,
    after: u64,
    head: Hash,
    read: VecDeque<Receipt>,
}

impl Merged {
    async fn of(
        house: &ClearingHouse,
        ranges: VecDeque<(WindowRange, bool)>,
    ) -> Result<Self, SettleError> {
        let page = (HELD / ranges.len().max(1)).clamp(8, 1_000);
        let chain = |(range, fees): (WindowRange, bool)| Chain {
            after: range.after,
            head: range.head_after,
            range,
            fees,
            read: VecDeque::new(),
        };
        let chains: Vec<Chain> = ranges.into_iter().map(chain).collect();
        let page = u32::try_from(page).unwrap_or(8);
        let mut merged = Self { chains, heads: BinaryHeap::new(), page };
        for at in 0..merged.chains.len() {
            merged.stand(house, at).await?;
        }
        Ok(merged)
    }

    /// Puts a chain's next receipt in its place among the others'.
    async fn stand(&mut self, house: &ClearingHouse, at: usize) -> Result<(), SettleError> {
        let page = self.page;
        let Some(chain) = self.chains.get_mut(at) else { return Ok(()) };
        if chain.read.is_empty() {
            chain.read_on(house, page).await?;
        }
        if let Some(next) = chain.read.front() {
            self.heads.push(Reverse((next.completed_at, at)));
        }
        Ok(())
    }

    async fn next(
        &mut self,
        house: &ClearingHouse,
    ) -> Result<Option<(Receipt, bool)>, SettleError> {
        let Some(Reverse((_, at))) = self.heads.pop() else { return Ok(None) };
        let next =
            self.chains.get_mut(at).and_then(|chain| Some((chain.read.pop_front()?, chain.fees)));
        self.stand(house, at).await?;
        Ok(next)
    }
}

impl Chain {
    async fn read_on(&mut self, house: &ClearingHouse, page: u32) -> Result<(), SettleError> {
        let books = || SettleError::Books(self.range.corridor.clone());
        if self.after == self.range.seq {
            return if self.head == self.range.head { Ok(()) } else { Err(books()) };
        }
        let limit = u32::try_from(self.range.seq - self.after).unwrap_or(u32::MAX).min(page);
        let (corridor, after) = (self.range.corridor.clone(), self.after);
        let stored =
            house.read(move |store| async move { store.receipts(&corridor, after, limit).await });
        let stored = stored.await?;
        if stored.is_empty() {
            return Err(books());
        }
        for one in stored {
            let receipt = receipt::parse(&one.payload).map_err(|_| books())?;
            if receipt.prev != self.head || receipt.seq != self.after + 1 {
                return Err(books());
            }
            self.head = Hash::of(&one.payload);
            self.after = receipt.seq;
            self.read.push_back(receipt);
        }
        Ok(())
    }
}
