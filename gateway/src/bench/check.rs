//! What was acknowledged must be true: every receipt's signature, its place in its corridor's
//! chain, and that the gateway still has it, byte for byte, when the run is over.
//!
//! 1. After each stretch of work, with the clock stopped, all cores verify the signatures
//!    ([`Checker::take`]); then each corridor's receipts are put into their chain in order. As
//!    nobody but the benchmark sends orders, a gap means an order that was performed and not
//!    acknowledged.
//! 2. At the end the gateway is asked for every corridor's receipts ([`Checker::compare`]), as a
//!    partner would ask. What it shows must be what it answered, and end where that ended.
//!
//! Of each receipt 32 bytes are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use alliance_contracts::corridor::ReceiptPage;
use alliance_contracts::encoding::Hash;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::limits::MAX_PAGE_ITEMS;
use alliance_contracts::names::Corridor;
use alliance_contracts::transaction::order_bytes;
use alliance_partner_sdk::Client;
use alliance_partner_sdk::verify::{ChainVerifier, ParsedReceipt, VerifiedReceipt};
use alliance_settlement::clearing_house::ClearingHouse;
use alliance_settlement::receipts::StoredReceipt;

use super::drive::{Acknowledged, FAULTS_KEPT, Tally};
use crate::cli::failure::whole;

/// Verifies what a run was answered.
pub struct Checker {
    keys: Arc<TrustedKeys>,
    corridors: BTreeMap<Corridor, Kept>,
    /// Receipts that verified, and stood in their place.
    pub verified: u64,
    /// Tokens of quotes that verified.
    pub tokens_verified: u64,
    /// How much was wrong.
    pub wrong: u64,
    /// Some of it, in words.
    pub faults: Vec<String>,
}

/// One corridor, as it was acknowledged.
struct Kept {
    chain: ChainVerifier,
    /// SHA-256 of the JWS of receipt 1, 2, 3 …
    receipts: Vec<Hash>,
    /// Nothing after a first fault has a place.
    broken: bool,
}

/// A receipt whose signature was verified, beside the hash of its JWS.
type Signed = (VerifiedReceipt, Hash);

impl Checker {
    /// A checker under these gateway keys.
    #[must_use]
    pub fn new(keys: Arc<TrustedKeys>) -> Self {
        Self {
            keys,
            corridors: BTreeMap::new(),
            verified: 0,
            tokens_verified: 0,
            wrong: 0,
            faults: Vec::new(),
        }
    }

    /// Verifies receipts, and puts them into their chains. All that were acknowledged up to now
    /// must be among them: the next must follow them.
    pub fn take(&mut self, acknowledged: &[Acknowledged]) {
        let mut places: Vec<Signed> = Vec::with_capacity(acknowledged.len());
        for outcome in signatures(acknowledged, &self.keys) {
            match outcome {
                Ok(signed) => places.push(signed),
                Err(fault) => self.fault(fault),
            }
        }
        places.sort_by(|(one, _), (other, _)| {
            let (one, other) = (one.receipt(), other.receipt());
            (&one.corridor, one.seq).cmp(&(&other.corridor, other.seq))
        });
        for (verified, jws) in places {
            self.place(&verified, jws);
        }
    }

    fn place(&mut self, verified: &VerifiedReceipt, jws: Hash) {
        let corridor = &verified.receipt().corridor;
        let kept = self.corridors.entry(corridor.clone()).or_insert_with(|| Kept {
            chain: ChainVerifier::new(corridor.clone(), &self.keys),
            receipts: Vec::new(),
            broken: false,
        });
        if kept.broken {
            self.wrong += 1;
            return;
        }
        match kept.chain.accept(verified) {
            Ok(()) => {
                kept.receipts.push(jws);
                self.verified += 1;
            }
            Err(error) => {
                kept.broken = true;
                self.fault(format!("{corridor}: {error}"));
            }
        }
    }

    /// Verifies tokens of quotes.
    pub fn take_tokens(&mut self, tokens: &[String]) {
        let keys = &self.keys;
        let outcomes = on_all_cores(tokens, |token| {
            let parsed = jws::parse(token).map_err(|error| format!("a quote: {error}"))?;
            let key = keys.find(&parsed.kid).ok_or("a quote is signed by an unknown key")?;
            let verified = parsed.verify(JwsType::Quote, &key.public);
            verified.map_err(|error| format!("a quote: {error}"))
        });
        for outcome in outcomes {
            match outcome {
                Ok(()) => self.tokens_verified += 1,
                Err(fault) => self.fault(fault),
            }
        }
    }

    /// Holds what was acknowledged against what is shown now.
    pub async fn compare(&mut self, shown: &Shown<'_>) {
        let heads = match shown.heads().await {
            Ok(heads) => heads,
            Err(fault) => return self.fault(fault),
        };
        let corridors = std::mem::take(&mut self.corridors);
        for corridor in corridors.keys().filter(|corridor| !heads.contains_key(*corridor)) {
            self.fault(format!("{corridor}: receipts were acknowledged, and none is shown"));
        }
        for (corridor, seq) in heads {
            let acknowledged = corridors.get(&corridor).map_or(&[][..], |kept| &kept.receipts);
            if let Err(fault) = compare_corridor(shown, &corridor, seq, acknowledged).await {
                self.fault(format!("{corridor}: {fault}"));
            }
        }
        self.corridors = corridors;
    }

    /// Notes what went wrong outside the measured time: it counts all the same.
    pub fn count_errors(&mut self, tally: &Tally) {
        self.wrong += tally.errors;
        self.faults.extend(tally.faults.iter().cloned());
        self.faults.truncate(FAULTS_KEPT);
    }

    /// Notes that something is wrong.
    pub fn fault(&mut self, fault: String) {
        self.wrong += 1;
        if self.faults.len() < FAULTS_KEPT {
            self.faults.push(fault);
        }
    }
}

/// Who is asked for all receipts in the end.
pub enum Shown<'a> {
    /// The gateway, as the partners of these clients.
    Gateway(&'a [Client]),
    /// The books, where there is no gateway.
    Books(&'a ClearingHouse),
}

impl Shown<'_> {
    /// Every chain's last number.
    async fn heads(&self) -> Result<BTreeMap<Corridor, u64>, String> {
        let mut heads = BTreeMap::new();
        match self {
            Self::Gateway(clients) => {
                for client in *clients {
                    let listed = client.corridors().await.map_err(|error| whole(&error))?;
                    heads.extend(listed.corridors.into_iter().map(|c| (c.corridor, c.seq)));
                }
            }
            Self::Books(house) => {
                let found = house.read(|store| async move { store.heads().await }).await;
                let found = found.map_err(|error| error.to_string())?;
                heads.extend(found.into_iter().map(|(corridor, head)| (corridor, head.seq)));
            }
        }
        Ok(heads)
    }

    /// Some receipts after number `after`, as they were signed.
    async fn page(&self, corridor: &Corridor, after: u64) -> Result<Vec<String>, String> {
        match self {
            Self::Gateway(clients) => {
                let party = clients.iter().find(|client| corridor.includes(client.partner()));
                let client = party.ok_or("a corridor that is nobody's")?;
                let limit = MAX_PAGE_ITEMS;
                let path = format!("/v1/corridors/{corridor}/receipts?after={after}&limit={limit}");
                let page: ReceiptPage = client.get(&path).await.map_err(|error| whole(&error))?;
                Ok(page.items.into_iter().map(|item| item.jws).collect())
            }
            Self::Books(house) => {
                let corridor = corridor.clone();
                let found = house.read(move |store| async move {
                    store.receipts(&corridor, after, MAX_PAGE_ITEMS).await
                });
                let found = found.await.map_err(|error| error.to_string())?;
                Ok(found.iter().map(StoredReceipt::jws).collect())
            }
        }
    }
}

async fn compare_corridor(
    shown: &Shown<'_>,
    corridor: &Corridor,
    seq: u64,
    acknowledged: &[Hash],
) -> Result<(), String> {
    if seq != acknowledged.len() as u64 {
        return Err(format!("{} receipts were acknowledged, {seq} are there", acknowledged.len()));
    }
    let mut left = acknowledged.iter();
    let mut after = 0;
    while after < seq {
        let page = shown.page(corridor, after).await?;
        if page.is_empty() {
            return Err(format!("receipt {} is missing", after + 1));
        }
        for jws in page {
            after += 1;
            if left.next() != Some(&Hash::of(jws.as_bytes())) {
                return Err(format!("receipt {after} is not the one that was answered"));
            }
        }
    }
    Ok(())
}

/// The signature of each receipt, and that it is the receipt of the order it came for.
fn signatures(acknowledged: &[Acknowledged], keys: &TrustedKeys) -> Vec<Result<Signed, String>> {
    on_all_cores(acknowledged, |answer| {
        let receipt = |error| format!("the receipt of {}: {error}", answer.transaction);
        let parsed = ParsedReceipt::parse(&answer.jws).map_err(receipt)?;
        let verified = parsed.verify(keys).map_err(receipt)?;
        let order = Hash::of(&order_bytes(&answer.quote.to_string(), &answer.reference));
        if (verified.receipt().transaction, verified.receipt().order) != (answer.transaction, order)
        {
            return Err(format!("{} came with another order's receipt", answer.transaction));
        }
        Ok((verified, Hash::of(answer.jws.as_bytes())))
    })
}

/// Looks at each, on all cores; outcomes in the same order.
pub fn on_all_cores<T: Sync, R: Send>(items: &[T], look: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let look = &look;
    std::thread::scope(|scope| {
        let parts = items.chunks(items.len().div_ceil(cores).max(1));
        let threads: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(look).collect::<Vec<R>>()))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("what looks at an answer does not panic"))
            .collect()
    })
}
