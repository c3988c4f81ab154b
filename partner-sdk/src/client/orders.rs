//! Quotes and orders: the calls with something to choose.

use std::fmt;
use std::future::IntoFuture;

use alliance_contracts::content_digest::orders_digest;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::names::{
    Corridor, IdempotencyKey, MemberRef, NameError, ProgramId, ReasonCode, SegmentName,
    SourceReference, TierName,
};
use alliance_contracts::quote::{
    CarriedExpiry, MemberAccount, Quote, QuoteRequest, Side, SideAmount, TransactionKind,
};
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::{
    BatchOrder, OrderBatch, OrderBatchRequest, OrderResult, ReversalRequest, Transaction,
    order_bytes, orders_root,
};

use super::Client;
use super::call::{BoxFuture, Call};
use super::error::{ConfigError, DecodeError, Error};

/// A member's account: its program and the brand's own reference for the member.
///
/// # Errors
/// [`NameError`] for a text that breaks the protocol's rule.
///
/// ```
/// # use alliance_partner_sdk::client::account;
/// let account = account("aurora", "A-1001")?;
/// assert!(!format!("{account:?}").contains("A-1001"));
/// # Ok::<(), alliance_partner_sdk::contracts::names::NameError>(())
/// ```
pub fn account(program: &str, member: &str) -> Result<MemberAccount, NameError> {
    let (program, member): (ProgramId, MemberRef) = (program.parse()?, member.parse()?);
    Ok(MemberAccount { member, program })
}

/// An exchange that lacks nothing but its amount: see [`Client::exchange`].
#[derive(Clone, Debug)]
#[must_use = "say how much to give or to receive"]
pub struct Exchange {
    pub(super) client: Client,
    pub(super) source: MemberAccount,
    pub(super) target: MemberAccount,
    pub(super) expiry: Option<CarriedExpiry>,
    pub(super) segment: Option<SegmentName>,
    pub(super) tier: Option<TierName>,
}

impl Exchange {
    /// Says when the points that are given expire, which the source partner alone knows: where the
    /// agreement carries that over, those that arrive get that date. Refused where it does not.
    pub const fn expiring(mut self, at: Timestamp) -> Self {
        self.expiry = Some(CarriedExpiry { at: Some(at) });
        self
    }

    /// Says the member's segment, for campaigns; one that no campaign names changes nothing.
    pub fn segment(mut self, segment: SegmentName) -> Self {
        self.segment = Some(segment);
        self
    }

    /// Says the member's tier in the source program, which the source partner alone knows; an
    /// agreement says what the tier is worth, and one that maps no such tier is refused.
    pub fn tier(mut self, tier: TierName) -> Self {
        self.tier = Some(tier);
        self
    }

    /// Asks for terms to give so many source points.
    pub fn give(self, points: Decimal) -> Call<Quote> {
        self.quote(Side::Source, points)
    }

    /// Asks for terms under which so many target points arrive.
    pub fn receive(self, points: Decimal) -> Call<Quote> {
        self.quote(Side::Target, points)
    }

    fn quote(self, side: Side, value: Decimal) -> Call<Quote> {
        let Self { client, source, target, expiry, segment, tier } = self;
        let (amount, kind) = (Some(SideAmount { side, value }), TransactionKind::Exchange);
        let (source, target) = (source.into(), target.into());
        client.quote(&QuoteRequest { amount, expiry, kind, segment, source, target, tier })
    }
}

/// A reversal: see [`Client::reverse`]. Made when it is awaited.
#[derive(Clone)]
#[must_use = "a reversal does nothing unless it is awaited"]
pub struct Reversal {
    client: Client,
    original: TransactionId,
    request: ReversalRequest,
    key: Option<IdempotencyKey>,
}

impl fmt::Debug for Reversal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reversal").field("original", &self.original).finish_non_exhaustive()
    }
}

impl Reversal {
    pub(super) const fn new(
        client: Client,
        original: TransactionId,
        source_reference: SourceReference,
        reason: ReasonCode,
    ) -> Self {
        let request = ReversalRequest { amount: None, reason, source_reference };
        Self { client, original, request, key: None }
    }

    /// How much, told on one side of the original; all that is left unless set.
    pub const fn amount(mut self, side: Side, value: Decimal) -> Self {
        self.request.amount = Some(SideAmount { side, value });
        self
    }

    /// The idempotency key; drawn at random unless set.
    pub fn idempotency_key(mut self, key: IdempotencyKey) -> Self {
        self.key = Some(key);
        self
    }

    /// The call, for its other settings.
    pub fn call(self) -> Call<Transaction> {
        let target = format!("/v1/transactions/{}/reversals", self.original);
        let route = "/v1/transactions/{id}/reversals";
        let call = Call::post(&self.client, route, target, &self.request);
        match self.key {
            Some(key) => call.idempotency_key(key),
            None => call,
        }
    }
}

impl IntoFuture for Reversal {
    type Output = Result<Transaction, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.call().into_future()
    }
}

/// Up to 1,000 orders in one signed request: see [`Client::transact_batch`].
///
/// Every order has an idempotency key of its own, drawn when it is added. Where [`Batch::send`]
/// ends in [`Error::Indeterminate`], or an order in `unavailable`, send the **same** batch again:
/// what was decided is answered again, the rest is decided.
#[derive(Clone)]
#[must_use = "a batch does nothing unless it is sent"]
pub struct Batch {
    client: Client,
    body: OrderBatchRequest,
    /// What `Alliance-Orders` is drawn up over.
    orders: Vec<Vec<u8>>,
    corridor: Option<Corridor>,
    failed: bool,
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("orders", &self.orders.len()).finish_non_exhaustive()
    }
}

/// What became of one order of a batch.
#[derive(Debug)]
pub struct BatchAnswer {
    /// The order's idempotency key.
    pub key: IdempotencyKey,
    /// The order's reference.
    pub source_reference: SourceReference,
    /// Whether this is the first answer again.
    pub replayed: bool,
    /// The transaction, or why there is none.
    pub outcome: Result<Transaction, Error>,
}

impl Batch {
    pub(super) const fn new(client: Client) -> Self {
        let body = OrderBatchRequest { orders: Vec::new() };
        Self { client, body, orders: Vec::new(), corridor: None, failed: false }
    }

    /// Adds an order, with a key drawn at random.
    pub fn order(mut self, quote: &Quote, source_reference: SourceReference) -> Self {
        match self.client.draw_key() {
            Ok(key) => self.order_with_key(key, quote, source_reference),
            Err(_) => {
                self.failed = true;
                self
            }
        }
    }

    /// Adds an order with a key of the caller's.
    pub fn order_with_key(
        mut self,
        key: IdempotencyKey,
        quote: &Quote,
        source_reference: SourceReference,
    ) -> Self {
        self.orders.push(order_bytes(&quote.id.to_string(), &source_reference));
        self.corridor = Some(corridor_of(quote));
        let quote = quote.token.clone();
        self.body.orders.push(BatchOrder { key, quote, source_reference });
        self
    }

    /// How many orders it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// Sends all orders; what became of each, in their order.
    ///
    /// # Errors
    /// Any [`Error`] of the request as a whole. What an order was refused for stands in its
    /// [`BatchAnswer`].
    pub async fn send(&self) -> Result<Vec<BatchAnswer>, Error> {
        if self.failed {
            return Err(ConfigError::Random.into());
        }
        let root = orders_root(self.orders.iter().map(Vec::as_slice));
        let route = "/v1/transactions/batch";
        let mut call =
            Call::post(&self.client, route, route, &self.body).orders(orders_digest(&root));
        if let Some(corridor) = &self.corridor {
            call = call.about(corridor.clone());
        }
        let answered = call.send().await?;
        let OrderBatch { results } = answered.body;
        if results.len() != self.orders.len() {
            let source = DecodeError::Form("not one result for each order");
            return Err(Error::Decode { status: answered.status, source });
        }
        Ok(self.body.orders.iter().zip(results).map(|(o, r)| self.answer(o, r)).collect())
    }

    fn answer(&self, order: &BatchOrder, result: OrderResult) -> BatchAnswer {
        let OrderResult { replayed, problem, status, transaction } = result;
        let outcome = match (transaction, problem) {
            (Some(transaction), None) => Ok(transaction),
            (None, Some(problem)) => Err(self.client.refused(problem)),
            _ => {
                let source = DecodeError::Form("a result is a transaction or a problem");
                Err(Error::Decode { status, source })
            }
        };
        let (key, source_reference) = (order.key.clone(), order.source_reference.clone());
        BatchAnswer { key, source_reference, replayed, outcome }
    }
}

/// The corridor in which the receipt of an order under this quote will stand.
pub(super) fn corridor_of(quote: &Quote) -> Corridor {
    Corridor::between(quote.source.partner(), quote.target.partner())
}
