//! A corridor's receipts as a stream, each verified in its place before it is handed out.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use alliance_contracts::corridor::ReceiptPage;
use alliance_contracts::encoding::Hash;
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::names::Corridor;
use alliance_contracts::time::Timestamp;
use futures_core::Stream;
use futures_util::stream;

use super::error::{DecodeError, Error, VerificationError};
use super::{Call, Client};
use crate::verify::{
    ChainError, ChainFault, ChainState, ChainVerifier, ForkEvidence, ReceiptFault, VerifiedReceipt,
};

/// A download of a corridor's receipts: see [`Client::receipts`].
#[derive(Clone, Debug)]
#[must_use = "nothing is downloaded before `stream`"]
pub struct Receipts {
    client: Client,
    corridor: Corridor,
    from: Option<ChainState>,
    page_size: u32,
}

impl Client {
    /// The receipts of a corridor, from the first unless the answer's methods say otherwise.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    /// # use alliance_partner_sdk::Client;
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut receipts = client.receipts(&"aurora-air~borealis-coffee".parse()?).stream();
    /// while let Some(verified) = receipts.try_next().await? {
    ///     println!("{} {}", verified.receipt().seq, verified.receipt().transaction);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn receipts(&self, corridor: &Corridor) -> Receipts {
        let (client, corridor) = (self.clone(), corridor.clone());
        Receipts { client, corridor, from: None, page_size: 250 }
    }
}

impl Receipts {
    /// Begins after receipt `seq`, whose payload has the SHA-256 `head`.
    pub fn after(mut self, seq: u64, head: Hash) -> Self {
        let corridor = self.corridor.clone();
        self.from = Some(ChainState { corridor, completed_at: None, head, seq, tree: None });
        self
    }

    /// Begins where a chain stood before; the state's corridor is the one that is downloaded.
    pub fn resume(mut self, state: ChainState) -> Self {
        self.corridor = state.corridor.clone();
        self.from = Some(state);
        self
    }

    /// How many receipts are asked for at once, 1,000 at most; 250 unless set.
    pub const fn page_size(mut self, receipts: u32) -> Self {
        self.page_size = receipts;
        self
    }

    /// The stream. It ends after the last receipt that the gateway has, or with an error, before
    /// which every receipt was verified. Nothing is remembered of it but its chain's end.
    #[must_use]
    pub fn stream(self) -> ReceiptStream {
        let walk = stream::try_unfold(Walk::Begin(self), Walk::next);
        ReceiptStream(Box::pin(walk))
    }
}

/// Verified receipts, in their order.
pub struct ReceiptStream(Pin<Box<dyn Stream<Item = Result<VerifiedReceipt, Error>> + Send>>);

impl fmt::Debug for ReceiptStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiptStream").finish_non_exhaustive()
    }
}

impl Stream for ReceiptStream {
    type Item = Result<VerifiedReceipt, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

/// Where a download stands.
enum Walk {
    Begin(Receipts),
    Going(Box<Going>),
}

struct Going {
    client: Client,
    chain: ChainVerifier,
    page_size: u32,
    ready: VecDeque<VerifiedReceipt>,
    more: bool,
}

impl Walk {
    async fn next(self) -> Result<Option<(VerifiedReceipt, Self)>, Error> {
        let mut going = match self {
            Self::Begin(receipts) => Box::new(Going::begin(receipts).await?),
            Self::Going(going) => going,
        };
        loop {
            if let Some(verified) = going.ready.pop_front() {
                return Ok(Some((verified, Self::Going(going))));
            }
            if !going.more {
                return Ok(None);
            }
            going.turn_page().await?;
        }
    }
}

impl Going {
    async fn begin(receipts: Receipts) -> Result<Self, Error> {
        let Receipts { client, corridor, from, page_size } = receipts;
        let keys = client.trusted_keys().await?;
        let chain = match from {
            Some(state) => ChainVerifier::resume_state(state, &keys),
            None => ChainVerifier::new(corridor, &keys),
        };
        Ok(Self { client, chain, page_size, ready: VecDeque::new(), more: true })
    }

    async fn turn_page(&mut self) -> Result<(), Error> {
        let (corridor, after) = (self.chain.corridor().clone(), self.chain.seq());
        let limit = self.page_size;
        let target = format!("/v1/corridors/{corridor}/receipts?after={after}&limit={limit}");
        let route = "/v1/corridors/{corridor}/receipts";
        let page: ReceiptPage = Call::get(&self.client, route, target).about(corridor).await?;
        for item in &page.items {
            let verified = self.push(&item.jws).await?;
            self.client.check_seen(&verified, &item.jws)?;
            self.ready.push_back(verified);
        }
        self.prove_growth().await?;
        if let (Some(verified), Some(item)) = (self.ready.back(), page.items.last()) {
            self.client.remember(verified, &item.jws);
        }
        self.more = page.more;
        let form = |what| Err(Error::Decode { status: 200, source: DecodeError::Form(what) });
        match (page.more && page.items.is_empty(), page.next_after == self.chain.seq()) {
            (true, _) => form("a page without receipts that promises more"),
            (_, false) => form("next_after is not the last receipt's number"),
            _ => Ok(()),
        }
    }

    async fn push(&mut self, jws: &str) -> Result<VerifiedReceipt, Error> {
        match self.chain.push(jws) {
            Ok(verified) => Ok(verified),
            // The key list may be older than the key.
            Err(ChainError { fault: ChainFault::Receipt(fault), .. }) if is_unknown_key(&fault) => {
                let keys = self.client.gateway_keys().await?;
                self.push_under(&keys, jws)
            }
            Err(error) => match error.fault {
                ChainFault::Receipt(ReceiptFault::RevokedKey { revoked_at, .. }) => {
                    self.push_witnessed(error, revoked_at, jws).await
                }
                _ => Err(self.judge(error, jws)),
            },
        }
    }

    /// A receipt under a revoked key counts as far as a checkpoint goes that was cosigned before:
    /// looks for one, and goes on as far as it vouches.
    async fn push_witnessed(
        &mut self,
        error: ChainError,
        revoked_at: Timestamp,
        jws: &str,
    ) -> Result<VerifiedReceipt, Error> {
        let (corridor, seq) = (self.chain.corridor().clone(), error.seq);
        match self.client.witnessed_before(&corridor, seq, revoked_at).await? {
            None => Err(self.judge(error, jws)),
            Some(witnessed) => {
                self.chain.witnessed(witnessed).map_err(|error| self.judge(error, jws))?;
                self.chain.push(jws).map_err(|error| self.judge(error, jws))
            }
        }
    }

    /// Before receipts are handed out that only count by a witnessed checkpoint further on, they
    /// are proven to be the first of its.
    async fn prove_growth(&self) -> Result<(), Error> {
        let Some(ahead) = self.chain.witness_ahead() else { return Ok(()) };
        let (from, to) = (self.chain.seq(), ahead.size());
        let proof = self.client.consistency_proof(ahead.corridor(), from, to).await?;
        self.chain.verify_growth(ahead, &proof).map_err(VerificationError::Chain)?;
        Ok(())
    }

    fn push_under(&mut self, keys: &TrustedKeys, jws: &str) -> Result<VerifiedReceipt, Error> {
        self.chain.trust(keys);
        self.chain.push(jws).map_err(|error| self.judge(error, jws))
    }

    /// A signed receipt that does not follow a signed receipt is a fork, and evidence of it.
    fn judge(&self, error: ChainError, jws: &str) -> Error {
        match error.fault {
            ChainFault::Prev { expected, .. } => {
                let (corridor, seen_seq) = (self.chain.corridor().clone(), self.chain.seq());
                let seen = self.client.remembered(|m| m.receipt(&corridor, seen_seq).cloned());
                let seen_jws = seen.filter(|s| s.hash == expected).map(|s| s.jws);
                Error::Fork(Box::new(ForkEvidence::Receipt {
                    corridor,
                    seq: error.seq,
                    seen_seq,
                    seen: expected,
                    seen_jws,
                    jws: jws.to_owned(),
                }))
            }
            ChainFault::Fork(evidence) => Error::Fork(evidence),
            _ => VerificationError::Chain(error).into(),
        }
    }
}

const fn is_unknown_key(fault: &ReceiptFault) -> bool {
    matches!(fault, ReceiptFault::UnknownKey { .. })
}
