//! [`VerifiedRequest`]: a partner's request whose existence proves, in this order, its size, media
//! type, complete and timely signature under a valid key of that partner, digest, scope, plain
//! query and key, and that it contradicts no receipt the partner says it has seen.
//!
//! Verification reads the raw path, query, header fields and body: what was signed is what handlers
//! see. It runs right in the worker, the signature in one batch with those that came with it
//! ([`super::signatures`]).

use std::marker::PhantomData;
use std::rc::Rc;
use std::str::FromStr;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use alliance_contracts::content_digest::{DigestError, parse_orders_digest, verify_content_digest};
use alliance_contracts::corridor::Seen;
use alliance_contracts::encoding::Hash;
use alliance_contracts::http_signature::{
    Headers, HttpSignatureError, RequestView, SignedRequest, Tag, parse_request,
};
use alliance_contracts::ids::{RequestId, TransactionId};
use alliance_contracts::keys::Kid;
use alliance_contracts::limits::{MAX_BATCH_BODY_BYTES, MAX_BODY_BYTES};
use alliance_contracts::names::{Corridor, IdempotencyKey, PartnerId};
use alliance_contracts::partner_key::{KeyScope, KeyUseKind};
use alliance_contracts::problem::{Fork, ProblemCode};
use alliance_contracts::time::Timestamp;
use alliance_contracts::{json, merkle};
use alliance_settlement::command::RequestEvidence;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use super::body;
use super::context::{self, Binding, Context};
use super::gateway::Gateway;
use super::limits;
use super::media::{self, Media};
use super::refusal::Refusal;
use super::signatures::Bench;
use super::target::{NoQuery, Pairs, Query};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const ALLIANCE_SEEN: &str = "alliance-seen";
/// Carries the root over a batch's orders, or over the one order that comes as XML.
pub const ALLIANCE_ORDERS: &str = "alliance-orders";

/// How a route may be used; see the types below.
pub trait Access: 'static {
    /// What the route needs of `Idempotency-Key`.
    type Key;
    /// Bytes that a body may have.
    const BODY_LIMIT: usize;
    /// What it needs of the key's scope.
    const NEEDS: KeyUseKind;
    /// A field that must be there and be covered, beyond what every request must cover.
    const ALSO_COVERED: Option<&'static str>;
    /// Reads the idempotency key.
    fn key(headers: &HeaderMap) -> Result<Self::Key, Refusal>;
}

macro_rules! access {
    ($(
        $(#[$doc:meta])*
        $name:ident: $key:ty, $limit:expr, $needs:ident, $also:expr, $read:expr;
    )*) => {$(
        $(#[$doc])*
        pub enum $name {}
        impl Access for $name {
            type Key = $key;
            const BODY_LIMIT: usize = $limit;
            const NEEDS: KeyUseKind = KeyUseKind::$needs;
            const ALSO_COVERED: Option<&'static str> = $also;
            fn key(headers: &HeaderMap) -> Result<$key, Refusal> {
                let read: fn(&HeaderMap) -> Result<$key, Refusal> = $read;
                read(headers)
            }
        }
    )*};
}

access! {
    /// A `GET`.
    Read: (), MAX_BODY_BYTES, Ask, None, |_| Ok(());
    /// A `POST` that decides nothing and ignores its key.
    Ask: (), MAX_BODY_BYTES, Ask, None, |_| Ok(());
    /// The same for many at once.
    AskMany: (), MAX_BATCH_BODY_BYTES, Ask, None, |_| Ok(());
    /// A `POST` that moves points, links accounts or reports readings.
    Change: IdempotencyKey, MAX_BODY_BYTES, Trade, None, idempotency_key;
    /// A `POST` of a cosignature.
    Witness: IdempotencyKey, MAX_BODY_BYTES, Witness, None, idempotency_key;
    /// A `POST` that binds the partner beyond an order: agreements, keys.
    Govern: IdempotencyKey, MAX_BODY_BYTES, Govern, None, idempotency_key;
    /// A `POST` of many orders, each with a key of its own; its own key must be one, too.
    ChangeMany: IdempotencyKey, MAX_BATCH_BODY_BYTES, Trade, Some(ALLIANCE_ORDERS), idempotency_key;
}

fn idempotency_key(headers: &HeaderMap) -> Result<IdempotencyKey, Refusal> {
    let value = headers.get(IDEMPOTENCY_KEY).and_then(|value| value.to_str().ok());
    value.and_then(|text| text.parse().ok()).ok_or_else(|| {
        Refusal::malformed("Idempotency-Key must be 1 to 255 printable ASCII characters")
    })
}

/// A partner's request; see the module.
pub struct VerifiedRequest<A: Access, Q: Query = NoQuery> {
    /// Who asks.
    pub partner: PartnerId,
    /// The idempotency key, where the route has one.
    pub key: A::Key,
    /// The query's parameters.
    pub query: Q,
    /// When it arrived.
    pub received_at: Timestamp,
    id: RequestId,
    signed: SignedRequest,
    media: Media,
    received: Bytes,
    /// The same as JSON.
    body: Bytes,
    http: HttpRequest,
    access: PhantomData<A>,
}

impl<A: Access, Q: Query> VerifiedRequest<A, Q> {
    /// Its id, as logs and problems name it.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// The key that it verified under.
    pub fn kid(&self) -> &Kid {
        &self.signed.kid
    }

    /// The raw path.
    pub fn path(&self) -> &str {
        self.http.uri().path()
    }

    /// The header fields.
    pub fn headers(&self) -> &HeaderMap {
        self.http.headers()
    }

    /// The body as JSON, whatever it came as.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body, read strictly.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        json::read(&self.body).map_err(Refusal::field)
    }

    /// A parameter of the path. What breaks its form names nothing: `not_found`.
    pub fn path_parameter<T: FromStr>(&self, name: &str) -> Result<T, Refusal> {
        self.http
            .match_info()
            .get(name)
            .and_then(|value| value.parse().ok())
            .ok_or_else(Refusal::not_found)
    }

    /// The path's corridor; another's, like one that is none, is not found (threat T07).
    pub fn corridor(&self) -> Result<Corridor, Refusal> {
        let corridor: Corridor = self.path_parameter("corridor")?;
        if corridor.includes(&self.partner) { Ok(corridor) } else { Err(Refusal::not_found()) }
    }

    /// The request as evidence of what is no order; its body is kept as it came.
    pub fn into_evidence(self) -> (A::Key, Arc<RequestEvidence>) {
        let body = self.received.to_vec();
        self.evidence(Some(body), Vec::new(), Vec::new())
    }

    /// The request as evidence of one order, which becomes this transaction. The body is kept: it
    /// is what was signed. One in XML would need a reader of XML to prove anything; so the order
    /// itself is signed, too, as a batch's orders are, and its leaf is kept beside it.
    ///
    /// # Errors
    /// An order in XML that is not signed, or is not what was signed.
    pub fn into_order_evidence(
        self,
        order: &[u8],
        made: TransactionId,
    ) -> Result<(A::Key, Arc<RequestEvidence>), Refusal> {
        let orders = match self.media {
            Media::Json => Vec::new(),
            Media::Xml => vec![merkle::leaf_hash(order)],
        };
        if self.media == Media::Xml {
            self.check_orders(&orders)?;
        }
        let body = self.body.to_vec();
        Ok(self.evidence(Some(body), orders, vec![made]))
    }

    /// The root that was signed must be the root over the orders that came.
    ///
    /// # Errors
    /// A root that is missing, is not covered by the signature, or is another.
    pub fn check_orders(&self, leaves: &[Hash]) -> Result<(), Refusal> {
        if !self.signed.covers(ALLIANCE_ORDERS) {
            return Err(Refusal::new(
                ProblemCode::SignatureIncomplete,
                "the signature must cover alliance-orders: sha-256=:<base64>:, the root over JCS \
                 of the orders, which is SHA-256 of a zero byte and the one order's JCS",
            ));
        }
        let fields = Fields(self.headers());
        let claimed = parse_orders_digest(&fields.values(ALLIANCE_ORDERS))
            .map_err(|_| Refusal::malformed("Alliance-Orders must be one sha-256=:…:"))?;
        if claimed == merkle::root_of(leaves) {
            Ok(())
        } else {
            Err(invalid("Alliance-Orders is not the root over the orders"))
        }
    }

    /// The request as evidence of many orders, by the leaves of their tree; each becomes one of
    /// these transactions.
    pub fn into_batch_evidence(
        self,
        orders: Vec<Hash>,
        made: Vec<TransactionId>,
    ) -> (A::Key, Arc<RequestEvidence>) {
        self.evidence(None, orders, made)
    }

    fn evidence(
        self,
        body: Option<Vec<u8>>,
        orders: Vec<Hash>,
        transactions: Vec<TransactionId>,
    ) -> (A::Key, Arc<RequestEvidence>) {
        let evidence = RequestEvidence {
            id: self.id,
            partner: self.partner,
            kid: self.signed.kid,
            base_hash: Hash::of(&self.signed.base),
            base: self.signed.base,
            signature: self.signed.signature,
            body,
            orders,
            transactions,
            received_at: self.received_at,
        };
        (self.key, Arc::new(evidence))
    }
}

impl<A: Access, Q: Query> FromRequest for VerifiedRequest<A, Q> {
    type Error = Refusal;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal>>;

    fn from_request(http: &HttpRequest, payload: &mut Payload) -> Self::Future {
        Box::pin(verify(http.clone(), payload.take()))
    }
}

/// actix's header fields as the signature profile reads them.
pub struct Fields<'a>(pub &'a HeaderMap);

impl Headers for Fields<'_> {
    fn values<'a>(&'a self, lower_name: &str) -> Vec<&'a [u8]> {
        self.0.get_all(lower_name).map(header::HeaderValue::as_bytes).collect()
    }
}

/// The request as the signature profile sees it.
pub fn view<'a>(
    http: &'a HttpRequest,
    authority: &'a str,
    fields: &'a Fields<'a>,
) -> RequestView<'a> {
    RequestView {
        method: http.method().as_str(),
        authority,
        path: http.uri().path(),
        query: http.uri().query(),
        headers: fields,
    }
}

async fn verify<A: Access, Q: Query>(
    http: HttpRequest,
    payload: Payload,
) -> Result<VerifiedRequest<A, Q>, Refusal> {
    let gateway = http
        .app_data::<Data<Gateway>>()
        .cloned()
        .ok_or_else(|| Refusal::internal("the app has no gateway"))?;
    let payload = admit_stranger(&gateway, &http, payload)?;
    let body = body::receive(&http, payload, A::BODY_LIMIT).await?;
    let media = check_media_type(&http)?;
    let received_at = gateway.house().now();
    let signed = parse_signature::<A>(&gateway, &http, gateway.house().message_time())?;
    let (signed, partner, scope) = verify_signature(&gateway, &http, signed, received_at).await?;
    context::admit(&http, gateway.limits().of_partner(&partner))?;
    check_digest(&http, &body)?;
    let id = note_partner(&http, &partner)?;
    if !scope.allows(A::NEEDS) {
        return Err(Refusal::of(ProblemCode::KeyScope));
    }
    if !takes_body(&http) && body::is_announced(&http) {
        return Err(Refusal::malformed("this method takes no body"));
    }
    let key = A::key(http.headers())?;
    let mut pairs = Pairs::parse(http.uri().query())?;
    let query = Q::take(&mut pairs)?;
    pairs.finish()?;
    let received = body.clone();
    let body = media::as_json(&http, media, body)?;
    check_seen(&gateway, &http, &partner).await?;
    let access = PhantomData;
    Ok(VerifiedRequest {
        partner,
        key,
        query,
        received_at,
        id,
        signed,
        media,
        received,
        body,
        http,
        access,
    })
}

/// What no known key has signed finds room for itself before anything of it is read (threat T49).
fn admit_stranger(
    gateway: &Gateway,
    http: &HttpRequest,
    payload: Payload,
) -> Result<Payload, Refusal> {
    let registry = gateway.house().registry();
    if limits::claimed_keys(http.headers()).any(|kid| registry.key(&kid).is_some()) {
        return Ok(payload);
    }
    let address = http.peer_addr().map(|peer| peer.ip());
    match context::admit(http, gateway.limits().of_stranger(address)) {
        Ok(()) => Ok(payload),
        Err(refusal) => {
            context::leave_unread(http, payload);
            Err(refusal)
        }
    }
}

/// Of the methods that there are, only this one has a body.
fn takes_body(http: &HttpRequest) -> bool {
    http.method() == actix_web::http::Method::POST
}

/// What the body is written in, told as such, and as it is: nothing here unpacks (threat T46).
pub fn check_media_type(http: &HttpRequest) -> Result<Media, Refusal> {
    let headers = http.headers();
    let media = if takes_body(http) { media::of_body(headers) } else { Some(Media::Json) };
    media
        .filter(|_| !headers.contains_key(header::CONTENT_ENCODING))
        .ok_or_else(|| Refusal::of(ProblemCode::UnsupportedMediaType))
}

fn parse_signature<A: Access>(
    gateway: &Gateway,
    http: &HttpRequest,
    now: Timestamp,
) -> Result<SignedRequest, Refusal> {
    let mut hosts = http.headers().get_all(header::HOST);
    let host = hosts.next().map(header::HeaderValue::as_bytes);
    if hosts.next().is_some() {
        return Err(Refusal::malformed("Host is there twice"));
    }
    let authority = gateway.authority(http.uri(), host);
    let fields = Fields(http.headers());
    let view = view(http, authority, &fields);
    let parsed = parse_request(&view, Tag::Request, now);
    let signed = parsed.map_err(|error| refused_signature(error, now))?;
    bind(http, authority, &signed);
    if gateway.sandbox().is_some() {
        keep(http, &signed);
    }
    let seen = http.headers().contains_key(ALLIANCE_SEEN).then_some(ALLIANCE_SEEN);
    match [A::ALSO_COVERED, seen].into_iter().flatten().find(|name| !signed.covers(name)) {
        Some(missing) => Err(Refusal::incomplete(missing)),
        None => Ok(signed),
    }
}

/// Keeps what was read, to tell why it does not verify, should it not.
fn keep(http: &HttpRequest, signed: &SignedRequest) {
    if let Some(context) = http.extensions_mut().get_mut::<Context>() {
        context.signed = Some(signed.clone());
    }
}

/// Remembers what a signed answer is bound to.
fn bind(http: &HttpRequest, authority: &str, signed: &SignedRequest) {
    if let Some(context) = http.extensions_mut().get_mut::<Context>() {
        context.binding = Some(Binding {
            authority: Rc::from(authority),
            label: signed.label.clone(),
            signature: signed.signature,
        });
    }
}

fn note_partner(http: &HttpRequest, partner: &PartnerId) -> Result<RequestId, Refusal> {
    let mut extensions = http.extensions_mut();
    let context = extensions
        .get_mut::<Context>()
        .ok_or_else(|| Refusal::internal("the request has no context"))?;
    context.partner = Some(partner.clone());
    Ok(context.id)
}

fn refused_signature(error: HttpSignatureError, now: Timestamp) -> Refusal {
    match error {
        HttpSignatureError::Incomplete { missing } => Refusal::incomplete(&missing),
        HttpSignatureError::Expired => Refusal::new(
            ProblemCode::SignatureExpired,
            format!("the signature is not within its time; the gateway's time is {now}"),
        ),
        HttpSignatureError::RepeatedField { name } => {
            Refusal::malformed(format!("the signed field {name} is there twice"))
        }
        HttpSignatureError::Invalid(reason) => invalid(reason),
    }
}

/// One answer for every reason; the reason is for our own log.
pub fn invalid(reason: &'static str) -> Refusal {
    Refusal::of(ProblemCode::SignatureInvalid).because(reason)
}

async fn verify_signature(
    gateway: &Gateway,
    http: &HttpRequest,
    signed: SignedRequest,
    now: Timestamp,
) -> Result<(SignedRequest, PartnerId, KeyScope), Refusal> {
    let registry = gateway.house().registry();
    let key = registry.key(&signed.kid).ok_or_else(|| invalid("unknown key"))?;
    if !key.valid_at(now) {
        return Err(invalid("the key is not valid now"));
    }
    let (partner, scope) = (key.partner.clone(), key.scope);
    let bench = http.app_data::<Bench>().ok_or_else(|| Refusal::internal("no bench"))?;
    let verified = bench.verify(key.public.clone(), signed).await;
    let signed = verified.ok_or_else(|| invalid("the signature does not verify"))?;
    Ok((signed, partner, scope))
}

/// After the signature, so that only a partner can make us hash four megabytes.
fn check_digest(http: &HttpRequest, body: &[u8]) -> Result<(), Refusal> {
    if !takes_body(http) {
        return Ok(());
    }
    let fields = Fields(http.headers());
    verify_content_digest(&fields.values("content-digest"), body).map_err(|error| match error {
        DigestError::Mismatch => invalid("the digest does not match the body"),
        DigestError::Missing => Refusal::incomplete("content-digest"),
        DigestError::NoSha256 => Refusal::malformed("Content-Digest has no sha-256"),
        DigestError::Repeated | DigestError::Malformed | DigestError::DuplicateKey => {
            Refusal::malformed("Content-Digest must be one sha-256=:…:")
        }
    })
}

/// What the partner says it has seen against the chain as the database has it (protocol § 5).
async fn check_seen(
    gateway: &Gateway,
    http: &HttpRequest,
    partner: &PartnerId,
) -> Result<(), Refusal> {
    let Some(value) = http.headers().get(ALLIANCE_SEEN) else { return Ok(()) };
    let seen: Seen =
        value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
            Refusal::malformed("Alliance-Seen must be <corridor>=<seq>:<sha-256>")
        })?;
    if !seen.corridor.includes(partner) {
        return Err(Refusal::not_found());
    }
    let corridor = seen.corridor.clone();
    let before = seen.seq - 1;
    let ours = gateway
        .house()
        .read(move |store| async move { store.receipts(&corridor, before, 1).await })
        .await?;
    let ours = ours.first().map(|receipt| Hash::of(&receipt.payload));
    if ours == Some(seen.hash) {
        return Ok(());
    }
    // Both sides hold the evidence now; an operator has to look at it.
    tracing::error!(
        %partner,
        corridor = %seen.corridor,
        seq = seen.seq,
        seen = %seen.hash,
        ours = ours.map(tracing::field::display),
        "chain_fork: a partner has seen another receipt than ours"
    );
    Err(Refusal::fork(Fork {
        corridor: seen.corridor,
        ours: ours.map(|hash| hash.to_string()),
        seen: seen.hash.to_string(),
        seq: seen.seq,
    }))
}
