//! Problems: the one table of codes, and the `application/problem+json` body (protocol § 1,
//! RFC 9457).
//!
//! The codes stand in the order in which they are checked: of two broken rules the one that stands
//! first is told. A code names the rule that was broken.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::Corridor;

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

macro_rules! codes {
    ($($variant:ident, $code:literal, $status:literal, $decision:literal, $retry:literal, $meaning:literal;)*) => {
        /// Every way a request can be refused, in the order of the checks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum ProblemCode {$(
            #[doc = $meaning]
            $variant,
        )*}

        impl ProblemCode {
            /// Every code, in the order of the checks.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code as it stands on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {$(Self::$variant => $code,)*}
            }

            /// The HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self {$(Self::$variant => $status,)*}
            }

            /// Whether this outcome is a decision and consumes the idempotency key.
            #[must_use]
            pub const fn is_decision(self) -> bool {
                match self {$(Self::$variant => $decision,)*}
            }

            /// Whether the same request, sent again with the same key, may fare better.
            #[must_use]
            pub const fn is_retryable(self) -> bool {
                match self {$(Self::$variant => $retry,)*}
            }

            /// What the code means, in one sentence that says what to do.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {$(Self::$variant => $meaning,)*}
            }

            /// The code of a stored text.
            #[must_use]
            pub fn from_code(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text)
            }
        }
    };
}

// variant, code, status, decision (K), retryable, meaning
codes! {
    RateLimited, "rate_limited", 429, false, true, "Too many requests: wait as long as Retry-After says.";
    RequestTimeout, "request_timeout", 408, false, true, "The request did not arrive whole in time: send it again.";
    BodyTooLarge, "body_too_large", 413, false, false, "The body is larger than this route takes: send less, or in several requests.";
    UnsupportedMediaType, "unsupported_media_type", 415, false, false, "Send Content-Type application/json and no Content-Encoding.";
    SignatureIncomplete, "signature_incomplete", 401, false, false, "The signature lacks something that must be there: the detail names it.";
    SignatureExpired, "signature_expired", 401, false, false, "The signature's time is outside the window: compare your clock with the time in the detail and sign again.";
    SignatureInvalid, "signature_invalid", 401, false, false, "The signature does not verify under a valid key.";
    KeyScope, "key_scope", 403, false, false, "This key may not do this: use a key of full scope.";
    Malformed, "malformed", 400, false, false, "The request breaks the format: errors names each place.";
    NotFound, "not_found", 404, false, false, "There is no such thing, or it is not yours.";
    MethodNotAllowed, "method_not_allowed", 405, false, false, "This route does not take this method.";
    ChainFork, "chain_fork", 409, false, false, "The receipt you say you have seen is not the one in our chain: keep it, an operator is alarmed.";
    IdempotencyMismatch, "idempotency_mismatch", 422, false, false, "This idempotency key was used for another order: take a new key.";
    IdempotencyInFlight, "idempotency_in_flight", 409, false, true, "The first request with this key is still being worked on: ask again later.";
    QuoteUnknown, "quote_unknown", 404, true, false, "The token is no quote of ours to you: ask for a quote.";
    QuoteExpired, "quote_expired", 410, true, false, "The quote has expired: ask for a new one.";
    QuoteUsed, "quote_used", 409, true, false, "The quote has been used: one quote performs one order.";
    DuplicateReference, "duplicate_reference", 409, true, false, "This source reference belongs to another transaction of yours.";
    MembersNotLinked, "members_not_linked", 403, true, false, "The two members have no active link that allows this.";
    LinkNotProposed, "link_not_proposed", 409, true, false, "Only a proposed link can be confirmed: propose a new one.";
    AgreementNotProposed, "agreement_not_proposed", 409, true, false, "Only a proposed agreement can be countersigned or withdrawn: propose a new version.";
    AgreementPending, "agreement_pending", 409, true, false, "The other partner has proposed a version: countersign or withdraw that one first.";
    AgreementStale, "agreement_stale", 409, true, false, "This does not follow on the last version that both have signed, or takes effect too soon: propose again.";
    MemberUnknown, "member_unknown", 404, true, false, "You have no such member here.";
    MemberFrozen, "member_frozen", 423, true, false, "Your member is frozen.";
    MemberPending, "member_pending", 409, true, false, "A transaction of this member is under way: ask again with a new key when it has ended.";
    MemberHasPoints, "member_has_points", 409, true, false, "The member has points: let it spend them, or say forfeit to give them up with it.";
    KindNotAllowed, "kind_not_allowed", 403, true, false, "The agreement does not allow this kind of order to this caller now.";
    AmountTooSmall, "amount_too_small", 422, true, false, "The amount comes to nothing, is below the minimum or off the increment.";
    AmountOutOfRange, "amount_out_of_range", 422, true, false, "An amount is beyond 10^12.";
    RateFrozen, "rate_frozen", 409, true, false, "The pair's rate is frozen: no orders until it is released.";
    RateMoved, "rate_moved", 409, true, false, "The rate has moved too far since the quote: ask for a new one.";
    InsufficientPoints, "insufficient_points", 409, true, false, "The member has too few points.";
    ExceedsMemberLimit, "exceeds_member_limit", 409, true, false, "The member's limit would be exceeded.";
    ExceedsConsent, "exceeds_consent", 409, true, false, "The consent to be debited allows less in an order, a day or a month.";
    TooManyConsents, "too_many_consents", 409, true, false, "No more consents in force between two partners: revoke one first.";
    ExceedsNetDebitCap, "exceeds_net_debit_cap", 409, true, false, "The debtor's position would exceed its net debit cap.";
    ExceedsCampaignBudget, "exceeds_campaign_budget", 409, true, false, "The campaign's budget is spent.";
    ExceedsReversible, "exceeds_reversible", 409, true, false, "More than is left of the original transaction.";
    WeakKey, "weak_key", 422, false, false, "The public key is of low order, of mixed order or not canonical: generate another.";
    KeyProofInvalid, "key_proof_invalid", 422, false, false, "The proof of possession does not verify under the key.";
    DuplicateKey, "duplicate_key", 409, true, false, "This key is registered already, or was: generate another.";
    TooManyKeys, "too_many_keys", 409, true, false, "No more keys of one partner: let older ones end or revoke them first.";
    TooManyEndpoints, "too_many_endpoints", 409, true, false, "No more webhook endpoints of one partner: remove one first.";
    Unavailable, "unavailable", 503, false, true, "No durable answer now; nothing is known of the outcome: repeat with the same key.";
    InternalError, "internal_error", 500, false, true, "A fault of ours; nothing is known of the outcome: repeat with the same key.";
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A field at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// What is wrong with it (`malformed`, `amount_out_of_range`, …).
    pub code: ProblemCode,
    /// The fault in words.
    pub detail: String,
    /// Where it stands: an RFC 6901 pointer into the body.
    pub pointer: String,
}

/// What a fork looks like: the receipt a partner has seen against the one we have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fork {
    /// The corridor.
    pub corridor: Corridor,
    /// SHA-256 of our payload with that number; none where it is beyond our head.
    pub ours: Option<String>,
    /// SHA-256 of the payload the partner has seen.
    pub seen: String,
    /// The number in the chain.
    pub seq: u64,
}

/// The body of an error answer (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// The rule that was broken: stable, for programs.
    pub code: ProblemCode,
    /// What happened and what to do, for a person.
    pub detail: String,
    /// The fields at fault, where fields are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The two sides of a fork (`chain_fork` only).
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
    /// The path that was asked for.
    pub instance: String,
    /// Names this request in our logs: quote it when you ask us.
    pub request_id: String,
    /// The HTTP status.
    pub status: u16,
    /// The code's meaning.
    pub title: String,
    /// A page about the code.
    #[serde(rename = "type")]
    pub kind: String,
}

impl Problem {
    /// A problem of this code, with a detail for this case.
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            fork: None,
            instance: String::new(),
            request_id: String::new(),
            status: code.status(),
            title: code.meaning().to_owned(),
            kind: format!("/docs/problems#{code}"),
        }
    }

    /// The problem of a code that needs no more words than its meaning.
    #[must_use]
    pub fn of(code: ProblemCode) -> Self {
        Self::new(code, code.meaning())
    }

    /// The same problem, naming the fields at fault.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_serialise_as_they_are_spelled() {
        for (at, code) in ProblemCode::ALL.iter().enumerate() {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
            assert_eq!(ProblemCode::from_code(code.as_str()), Some(*code));
            assert_eq!(ProblemCode::ALL.iter().position(|c| c.as_str() == code.as_str()), Some(at));
        }
    }

    #[test]
    fn the_codes_stand_in_the_order_of_the_protocol() {
        let protocol = [
            "rate_limited",
            "body_too_large",
            "unsupported_media_type",
            "signature_incomplete",
            "signature_expired",
            "signature_invalid",
            "key_scope",
            "malformed",
            "not_found",
            "chain_fork",
            "idempotency_mismatch",
            "idempotency_in_flight",
            "quote_unknown",
            "quote_expired",
            "quote_used",
            "duplicate_reference",
            "members_not_linked",
            "member_unknown",
            "member_frozen",
            "kind_not_allowed",
            "amount_too_small",
            "amount_out_of_range",
            "rate_frozen",
            "rate_moved",
            "insufficient_points",
            "exceeds_member_limit",
            "exceeds_net_debit_cap",
            "exceeds_campaign_budget",
            "exceeds_reversible",
            "unavailable",
        ];
        let places: Vec<_> = protocol
            .iter()
            .map(|code| ProblemCode::ALL.iter().position(|c| c.as_str() == *code).unwrap())
            .collect();
        assert!(places.is_sorted(), "{places:?}");
    }
}
