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

#[cfg(test)]
pub(super) mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::super::ground::Ground;
    use super::super::in_process;
    use super::*;
    use crate::cli::printer::Printer;

    /// A ground in a folder of its own, gone with it.
    pub struct GroundOfTests {
        pub ground: Ground,
        folder: PathBuf,
    }

    impl GroundOfTests {
        pub fn make(name: &str) -> Self {
            let name = format!("alliance-bench-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            let ground = Ground::make(&folder, None, 24, Printer::new(true)).unwrap();
            Self { ground, folder }
        }

        /// So many orders, performed and acknowledged.
        pub fn orders(&self, wanted: usize) -> Vec<Acknowledged> {
            in_process::orders(&self.ground, wanted, Duration::from_secs(60)).unwrap()
        }

        fn checker(&self) -> Checker {
            Checker::new(self.ground.instance.trusted_keys.clone().into())
        }

        /// What is wrong after the answers were taken and held against the books.
        fn faults(&self, answers: &[Acknowledged]) -> (u64, Vec<String>) {
            let mut checker = self.checker();
            checker.take(answers);
            let books = self.ground.instance.read_books().unwrap();
            books.wait(checker.compare(&Shown::Books(books.house())));
            assert_eq!(checker.faults.is_empty(), checker.wrong == 0);
            (checker.verified, checker.faults)
        }
    }

    impl Drop for GroundOfTests {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    /// A JWS with one bit of its signature turned.
    pub fn tampered(jws: &str) -> String {
        let (signed, signature) = jws.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        format!("{signed}.{first}{}", &signature[1..])
    }

    #[test]
    fn what_was_answered_and_is_there_verifies() {
        let ground = GroundOfTests::make("whole");
        let answers = ground.orders(40);
        assert_eq!(ground.faults(&answers), (40, Vec::new()));
        // In whatever order the answers came.
        let backwards: Vec<_> = answers.into_iter().rev().collect();
        assert_eq!(ground.faults(&backwards), (40, Vec::new()));
    }

    #[test]
    fn whatever_is_not_as_it_was_answered_is_noticed() {
        let ground = GroundOfTests::make("tampered");
        let answers = ground.orders(40);
        let spoilt = |spoil: &dyn Fn(&mut Vec<Acknowledged>)| {
            let mut answers = answers.clone();
            spoil(&mut answers);
            ground.faults(&answers)
        };
        let said = |spoil: &dyn Fn(&mut Vec<Acknowledged>), words: &str| {
            let (verified, faults) = spoilt(spoil);
            assert!(verified < 40, "{words}");
            assert!(faults.iter().any(|fault| fault.contains(words)), "{words}: {faults:?}");
        };
        said(&|a| a[7].jws = tampered(&a[7].jws), "the signature does not verify");
        said(&|a| a[7].jws = "x".to_owned(), "the JWS is refused");
        // One that was performed, and not acknowledged: the last of its chain, and one before.
        said(&|a| drop(a.remove(39)), "are there");
        said(&|a| drop(a.remove(3)), "in its place");
        said(&|a| a[3].jws = a[4].jws.clone(), "another order's receipt");
        said(&|a| a[3].reference = a[4].reference.clone(), "another order's receipt");
        said(&|a| a.clear(), "0 receipts were acknowledged");
    }

    #[test]
    fn an_order_that_was_acknowledged_and_is_not_there_is_noticed() {
        let (one, other) = (GroundOfTests::make("one"), GroundOfTests::make("other"));
        let (answers, _) = (one.orders(30), other.orders(12));
        let mut checker = one.checker();
        checker.take(&answers);
        assert_eq!((checker.verified, checker.wrong), (30, 0));
        // Held against books that never had them, as if the database had lost its end.
        let books = other.ground.instance.read_books().unwrap();
        books.wait(checker.compare(&Shown::Books(books.house())));
        assert!(checker.wrong >= 3, "{:?}", checker.faults);
    }

    #[test]
    fn receipts_that_are_shown_otherwise_than_they_were_answered_are_noticed() {
        let ground = GroundOfTests::make("shown");
        let mut checker = ground.checker();
        checker.take(&ground.orders(12));
        let kept = checker.corridors.values_mut().next().unwrap();
        kept.receipts[1] = Hash::of(b"another receipt with this number");
        let books = ground.ground.instance.read_books().unwrap();
        books.wait(checker.compare(&Shown::Books(books.house())));
        assert!(checker.faults[0].contains("receipt 2 is not the one"), "{:?}", checker.faults);
    }

    #[test]
    fn a_quote_that_is_not_signed_by_the_gateway_is_noticed() {
        let ground = GroundOfTests::make("token");
        let books = ground.ground.instance.read_books().unwrap();
        let (brand, request) = super::super::ground::order(0, 12);
        let caller = super::super::ground::partner(brand);
        let quote = books.house().quote(&caller, &request, crate::draw::id()).unwrap();
        let mut checker = ground.checker();
        checker.take_tokens(&[quote.token.clone(), tampered(&quote.token)]);
        assert_eq!((checker.tokens_verified, checker.wrong), (1, 1));
    }
}
