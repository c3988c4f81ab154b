//! Quote tokens: offered, signed, and opened again (protocol § 4).
//!
//! A token is stateless: whatever gateway of the alliance gets it can honour it. Its members are
//! sealed under a key of the period, destroyed within a day: `<period>.<base64url>`.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

use alliance_contracts::encoding::sha256;
use alliance_contracts::ids::QuoteId;
use alliance_contracts::json;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::names::{MemberRef, PartnerId};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{Quote, QuoteClaims, QuoteRequest, QuoteSide};
use alliance_contracts::side::SideOf;
use alliance_contracts::time::Timestamp;

use super::{ClearingHouse, lock, read_lock};
use crate::command::{Quoted, QuotedSide, QuotedTerms};
use crate::pricing::{self, Unpriced};

/// A quote key seals for half a day and is destroyed when the period after it ends: within a day.
const PERIOD_MILLIS: i64 = 12 * 60 * 60 * 1_000;
/// Tokens remembered at most; at 32 bytes and some they cost less than 20 MB.
const TOKENS_REMEMBERED: usize = 200_000;

pub(super) const fn period(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(PERIOD_MILLIS)
}

/// A token, looked at: what the order's digest names, and what the ledger is to decide on.
#[derive(Clone, Debug)]
pub struct OpenedToken {
    /// The quote's id; of a token that is no quote of ours, the token itself.
    pub quote: String,
    /// For the ledger.
    pub quoted: Quoted,
}

/// SHA-256 of tokens that this gateway has signed, until they expire: a hit needs no signature
/// check. Bounded; the oldest go first.
#[derive(Default)]
pub(super) struct TokenMemory(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    tokens: HashSet<[u8; 32]>,
    /// In the order they were signed in, which is nearly the order they expire in.
    signed: VecDeque<([u8; 32], Timestamp)>,
}

impl TokenMemory {
    fn remember(&self, token: &str, expires_at: Timestamp, now: Timestamp) {
        let hash = sha256(token.as_bytes());
        let mut memory = lock(&self.0);
        memory.tokens.insert(hash);
        memory.signed.push_back((hash, expires_at));
        let full = memory.signed.len() > TOKENS_REMEMBERED;
        let past = |memory: &Remembered| memory.signed.front().is_some_and(|(_, end)| *end <= now);
        if full || past(&memory) {
            if let Some((oldest, _)) = memory.signed.pop_front() {
                memory.tokens.remove(&oldest);
            }
            // One more for each that comes: what has expired goes faster than it came.
            if past(&memory)
                && let Some((next, _)) = memory.signed.pop_front()
            {
                memory.tokens.remove(&next);
            }
        }
    }

    fn knows(&self, token: &str) -> bool {
        lock(&self.0).tokens.contains(&sha256(token.as_bytes()))
    }
}

impl ClearingHouse {
    /// Offers terms to a caller.
    ///
    /// # Errors
    /// [`Unpriced`].
    pub fn quote(
        &self,
        caller: &PartnerId,
        request: &QuoteRequest,
        id: QuoteId,
    ) -> Result<Quote, Unpriced> {
        let now = self.now();
        let key = self.signer().map_err(|refused| Unpriced {
            code: ProblemCode::Unavailable,
            pointer: None,
            detail: refused.to_string(),
        })?;
        let priced = pricing::price(&self.registry(), caller, request, now)?;
        let expires_at = priced.expires_at;
        let unavailable = || Unpriced {
            code: ProblemCode::Unavailable,
            pointer: None,
            detail: "no quote key yet: ask again in a second".to_owned(),
        };
        let sealed = |side: &SideOf<MemberRef>, which| {
            let sealed = side.clone().map(|member| self.seal(id, which, &member)).named();
            sealed.ok_or_else(unavailable)
        };
        let claims = QuoteClaims {
            alliance: self.alliance().clone(),
            bonus: priced.bonus,
            caller: caller.clone(),
            expires_at,
            expiry: priced.expiry,
            id,
            kind: request.kind,
            rate: priced.rate,
            segment: request.segment.clone(),
            settlement: priced.settlement,
            source: sealed(&priced.source, "source")?,
            target: sealed(&priced.target, "target")?,
            tier: request.tier.clone(),
        };
        let token = jws::sign(JwsType::Quote, &json::canonical(&claims), key);
        self.inner.tokens.remember(&token, expires_at, now);
        let plain = |side: SideOf<MemberRef>| side.map(|member| member.expose().to_owned());
        Ok(Quote {
            bonus: claims.bonus,
            expires_at,
            expiry: claims.expiry,
            id,
            kind: claims.kind,
            rate: claims.rate,
            segment: claims.segment,
            settlement: claims.settlement,
            source: plain(priced.source),
            target: plain(priced.target),
            tier: claims.tier,
            token,
        })
    }

    fn seal(&self, id: QuoteId, side: &str, member: &MemberRef) -> Option<String> {
        let sealers = read_lock(&self.inner.sealers);
        let now = period(self.now());
        // Just after midnight the new key may not be here yet: the last one still lives.
        let (period, sealer) =
            sealers.get_key_value(&now).or_else(|| sealers.get_key_value(&(now - 1)))?;
        let sealed = sealer.seal(&format!("{id}/{side}"), member, self.random());
        Some(format!("{period}.{sealed}"))
    }

    fn unseal(&self, id: QuoteId, side: &str, sealed: &str) -> Option<MemberRef> {
        let (period, sealed) = sealed.split_once('.')?;
        let sealers = read_lock(&self.inner.sealers);
        let sealer = sealers.get(&period.parse().ok()?)?;
        sealer.open(&format!("{id}/{side}"), sealed).ok()
    }

    /// Opens a token that a caller hands in.
    #[must_use]
    pub fn open_token(&self, caller: &PartnerId, token: &str) -> OpenedToken {
        let unknown = |quote: String| OpenedToken { quote, quoted: Quoted::Unknown };
        let Some(claims) = self.verified_claims(token) else {
            return unknown(token.to_owned());
        };
        let quote = claims.id.to_string();
        if claims.alliance != *self.alliance() || claims.caller != *caller {
            return unknown(quote);
        }
        if self.now() >= claims.expires_at {
            return OpenedToken { quote, quoted: Quoted::Expired };
        }
        let Some(terms) = self.terms(claims) else { return unknown(quote) };
        OpenedToken { quote, quoted: Quoted::Open(Box::new(terms)) }
    }

    fn verified_claims(&self, token: &str) -> Option<QuoteClaims> {
        let parsed = jws::parse(token).ok()?;
        if !self.inner.tokens.knows(token) {
            let registry = self.registry();
            let key = self.gateway_keys(&registry).find(&parsed.kid)?;
            if !key.valid_at(self.now()) {
                return None;
            }
            parsed.verify(JwsType::Quote, &key.public).ok()?;
        }
        json::read(&parsed.payload).ok()
    }

    fn terms(&self, claims: QuoteClaims) -> Option<QuotedTerms> {
        let registry = self.registry();
        let side = |side: QuoteSide, which: &str| {
            let side = side.map(|sealed| self.unseal(claims.id, which, &sealed)).named()?;
            let mut side = QuotedSide::of(side, &registry, self.vault())?;
            if let Some(account) = side.account_mut() {
                account.newcomer = self.newcomer(&account.program, &account.member);
            }
            Some(side)
        };
        Some(QuotedTerms {
            id: claims.id,
            kind: claims.kind,
            expires_at: claims.expires_at,
            rate: claims.rate.clone(),
            settlement: claims.settlement.clone(),
            source: side(claims.source.clone(), "source")?,
            target: side(claims.target.clone(), "target")?,
            bonus: claims.bonus.clone(),
            expiry: claims.expiry,
        })
    }
}
