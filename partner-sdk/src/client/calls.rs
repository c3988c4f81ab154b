//! One function for each route of protocol § 4 and § 5.

use alliance_contracts::campaign::Campaigns;
use alliance_contracts::corridor::{Corridors, EvidenceList};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::ids::{LinkId, ReceiptId, TransactionId};
use alliance_contracts::link::{Empty, Link, LinkRequest, Links};
use alliance_contracts::names::{ReasonCode, SourceReference};
use alliance_contracts::observation::{Observation, ObservationsAccepted, ObservationsRequest};
use alliance_contracts::program::Programs;
use alliance_contracts::quote::{
    AskedSide, MemberAccount, PricedItem, Quote, QuoteBatch, QuoteBatchRequest, QuoteRequest, Side,
    SideAmount, TransactionKind,
};
use alliance_contracts::transaction::{OrderRequest, SignedReceipt, Transaction};
use serde::Serialize;

use super::orders::corridor_of;
use super::{Batch, Call, Client, Exchange, Reversal};

/// Quotes and orders.
impl Client {
    /// An exchange of points of `source` for points of `target`, both the same person's: say next
    /// how much to [`give`](Exchange::give) or to [`receive`](Exchange::receive).
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::client::{Client, account};
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let (mine, theirs) = (account("aurora", "A-1001")?, account("borealis", "B-77")?);
    /// let quote = client.exchange(mine, theirs).receive("500".parse()?).await?;
    /// println!("costs {} until {}", quote.source.amount(), quote.expires_at);
    /// # Ok(()) }
    /// ```
    pub fn exchange(&self, source: MemberAccount, target: MemberAccount) -> Exchange {
        Exchange { client: self.clone(), source, target, expiry: None, segment: None, tier: None }
    }

    /// Asks for terms to redeem points of `source` for an item of another brand, all of its price
    /// or what the cash leaves of it.
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::client::{Client, account};
    /// # use alliance_partner_sdk::contracts::quote::PricedItem;
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let latte = PricedItem {
    ///     partner: "borealis-coffee".parse()?,
    ///     item: "latte".parse()?,
    ///     price: "12.5".parse()?,
    ///     cash: "2.5".parse()?,
    /// };
    /// let quote = client.redeem(account("aurora", "A-1001")?, latte).await?;
    /// println!("costs {} points and 2.5 in cash", quote.source.amount());
    /// # Ok(()) }
    /// ```
    pub fn redeem(&self, source: MemberAccount, item: PricedItem) -> Call<Quote> {
        self.quote(&QuoteRequest {
            expiry: None,
            amount: None,
            kind: TransactionKind::Redemption,
            segment: None,
            source: source.into(),
            target: AskedSide::Item(item),
            tier: None,
        })
    }

    /// Asks for terms to buy so many of another brand's points for a customer of the caller's.
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::client::{Client, account};
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let quote = client.accrue(account("borealis", "B-77")?, "20".parse()?).await?;
    /// if let Some(settlement) = &quote.settlement {
    ///     println!("20 points cost {}", settlement.gross);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn accrue(&self, target: MemberAccount, points: Decimal) -> Call<Quote> {
        self.quote(&QuoteRequest {
            expiry: None,
            amount: Some(SideAmount { side: Side::Target, value: points }),
            kind: TransactionKind::Accrual,
            segment: None,
            source: AskedSide::Partner { partner: self.partner().clone() },
            target: target.into(),
            tier: None,
        })
    }

    /// Asks for terms.
    pub fn quote(&self, request: &QuoteRequest) -> Call<Quote> {
        Call::post(self, "/v1/quotes", "/v1/quotes", request).harmless()
    }

    /// Asks for up to 1,000 terms at once; each answer is a quote or a problem.
    pub fn quotes(&self, quotes: Vec<QuoteRequest>) -> Call<QuoteBatch> {
        let body = QuoteBatchRequest { quotes };
        Call::post(self, "/v1/quotes/batch", "/v1/quotes/batch", &body).harmless()
    }

    /// Performs the order that a quote is for, once. `source_reference` is the caller's own, and
    /// unique: the gateway refuses a second order with it.
    ///
    /// Where this ends in [`Error::Indeterminate`](super::Error::Indeterminate), call it again
    /// with that error's key:
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::{Client, Error};
    /// # use alliance_partner_sdk::contracts::quote::Quote;
    /// # async fn f(client: Client, quote: Quote) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut order = client.transact(&quote, "booking-4711".parse()?);
    /// let done = loop {
    ///     match order.clone().await {
    ///         Err(Error::Indeterminate { key, .. }) => order = order.idempotency_key(key),
    ///         settled => break settled?,
    ///     }
    /// };
    /// # let _ = done; Ok(()) }
    /// ```
    pub fn transact(&self, quote: &Quote, source_reference: SourceReference) -> Call<Transaction> {
        let body = OrderRequest { quote: quote.token.clone(), source_reference };
        Call::post(self, "/v1/transactions", "/v1/transactions", &body).about(corridor_of(quote))
    }

    /// Begins a batch of up to 1,000 orders, each decided by itself.
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::Client;
    /// # use alliance_partner_sdk::contracts::quote::Quote;
    /// # async fn f(client: Client, a: Quote, b: Quote) -> Result<(), Box<dyn std::error::Error>> {
    /// let batch = client.transact_batch().order(&a, "r-1".parse()?).order(&b, "r-2".parse()?);
    /// for answer in batch.send().await? {
    ///     match answer.outcome {
    ///         Ok(transaction) => println!("{} {:?}", transaction.id, transaction.state),
    ///         Err(refused) => println!("{} {refused}", answer.source_reference),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn transact_batch(&self) -> Batch {
        Batch::new(self.clone())
    }

    /// Where a transaction stands.
    pub fn transaction(&self, id: TransactionId) -> Call<Transaction> {
        Call::get(self, "/v1/transactions/{id}", format!("/v1/transactions/{id}"))
    }

    /// Turns a transaction round, all of what is left of it unless
    /// [`amount`](Reversal::amount) says less.
    pub fn reverse(
        &self,
        original: TransactionId,
        source_reference: SourceReference,
        reason: ReasonCode,
    ) -> Reversal {
        Reversal::new(self.clone(), original, source_reference, reason)
    }
}

/// Programs.
impl Client {
    /// All programs of the alliance.
    pub fn programs(&self) -> Call<Programs> {
        Call::get(self, "/v1/programs", "/v1/programs")
    }

    /// Reports what points of the caller's own programs bought, cost and are backed by: up to 1,000
    /// readings, of one feed the older first. All of them are taken, or none; then
    /// [`Error::Refused`](super::Error::Refused) names every fault under `errors`.
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::Client;
    /// use alliance_partner_sdk::contracts::observation::{FeedKind, Observation};
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let (program, observed_at) = ("aurora".parse()?, "2026-11-23T00:00:00.000Z".parse()?);
    /// let value = "1800000".parse()?;
    /// let reserve = Observation { feed: FeedKind::Reserve, observed_at, program, value };
    /// client.observe(&[reserve]).await?;
    /// # Ok(()) }
    /// ```
    pub fn observe(&self, observations: &[Observation]) -> Call<ObservationsAccepted> {
        let body = ObservationsRequest { observations: observations.to_vec() };
        Call::post(self, "/v1/rates/observations", "/v1/rates/observations", &body)
    }

    /// Campaigns that were approved and cover a program of the caller's.
    pub fn campaigns(&self) -> Call<Campaigns> {
        Call::get(self, "/v1/campaigns", "/v1/campaigns")
    }
}

/// Links.
impl Client {
    /// Says that two accounts are the same person's, with that person's consent.
    pub fn propose_link(&self, link: &LinkRequest) -> Call<Link> {
        Call::post(self, "/v1/links", "/v1/links", link)
    }

    /// Confirms a link that the other partner proposed.
    pub fn confirm_link(&self, id: LinkId) -> Call<Link> {
        let target = format!("/v1/links/{id}/confirm");
        Call::post(self, "/v1/links/{id}/confirm", target, &Empty {})
    }

    /// Takes a link back.
    pub fn revoke_link(&self, id: LinkId) -> Call<Link> {
        let target = format!("/v1/links/{id}/revoke");
        Call::post(self, "/v1/links/{id}/revoke", target, &Empty {})
    }

    /// One link.
    pub fn link(&self, id: LinkId) -> Call<Link> {
        Call::get(self, "/v1/links/{id}", format!("/v1/links/{id}"))
    }

    /// A page of the caller's links, oldest first: those after `after`, `limit` at most.
    pub fn links(&self, after: Option<LinkId>, limit: u32) -> Call<Links> {
        let target = match after {
            Some(after) => format!("/v1/links?after={after}&limit={limit}"),
            None => format!("/v1/links?limit={limit}"),
        };
        Call::get(self, "/v1/links", target)
    }
}

/// Receipts.
impl Client {
    /// One receipt, as it is served: give it to [`Client::verify_receipt`].
    pub fn receipt(&self, id: ReceiptId) -> Call<SignedReceipt> {
        Call::get(self, "/v1/receipts/{id}", format!("/v1/receipts/{id}"))
    }

    /// What the partners themselves signed: give each piece to
    /// [`verify_evidence`](crate::verify::evidence::verify_evidence).
    pub fn receipt_evidence(&self, id: ReceiptId) -> Call<EvidenceList> {
        Call::get(self, "/v1/receipts/{id}/evidence", format!("/v1/receipts/{id}/evidence"))
    }

    /// The corridors that the caller has receipts in, and where each ends.
    pub fn corridors(&self) -> Call<Corridors> {
        Call::get(self, "/v1/corridors", "/v1/corridors")
    }
}

/// For routes that this version does not know: signed, retried and bounded like all others.
impl Client {
    /// A GET of a path, which begins with `/` and may have a query.
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::{Client, Error};
    /// # async fn f(client: Client) -> Result<(), Error> {
    /// use alliance_partner_sdk::contracts::program::Programs;
    /// let programs = client.get::<Programs>("/v1/programs").await?;
    /// # let _ = programs; Ok(()) }
    /// ```
    pub fn get<T>(&self, path: &str) -> Call<T> {
        Call::get(self, "(other)", path)
    }

    /// A POST of a body as JSON. Counts as one that changes something.
    pub fn post<T>(&self, path: &str, body: &(impl Serialize + ?Sized)) -> Call<T> {
        Call::post(self, "(other)", path, body)
    }
}
