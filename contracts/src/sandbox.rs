//! What only a sandbox's gateway is asked (docs/sandbox.md): its clock, and what it has made of a
//! partner's requests. None of it is part of the protocol.

use serde::{Deserialize, Serialize};

use crate::names::PartnerId;
use crate::problem::ProblemCode;
use crate::time::Timestamp;

/// How the sandbox's clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockView {
    /// Whether it stands still.
    pub frozen: bool,
    /// The time that messages are signed at: the machine's, which nobody sets.
    pub message_time: Timestamp,
    /// The time that everything else goes by.
    pub now: Timestamp,
}

/// Sets the clock: stops it or lets it go, then puts it forward. It never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockChange {
    /// By so many seconds it is put forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advance_seconds: Option<u64>,
    /// Whether it is to stand still from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<bool>,
}

/// Has a simulated brand answer where its mood is not to, or no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrandChange {
    /// Whether it answers whatever its mood.
    pub speaks: bool,
}

/// A simulated brand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrandView {
    /// The brand.
    pub partner: PartnerId,
    /// Whether it answers whatever its mood.
    pub speaks: bool,
}

/// The last requests of a partner, or of nobody known; the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestLog {
    /// The requests.
    pub requests: Vec<LoggedRequest>,
}

/// One request, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedRequest {
    /// When it was answered, by the machine's clock.
    pub at: Timestamp,
    /// More than its caller was told of the reason; none where there is no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The refusal's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ProblemCode>,
    /// What its caller was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Its method.
    pub method: String,
    /// Whose key it claims to be signed with; none where that is no known key.
    pub partner: Option<PartnerId>,
    /// Its id, as its answer named it in `X-Request-Id`.
    pub request_id: String,
    /// The route's template; `unknown` where there is none.
    pub route: String,
    /// Of a signature that does not verify: why, as far as can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureComparison>,
    /// The HTTP status of the answer.
    pub status: u16,
}

/// What the gateway makes of a signature that does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureFinding {
    /// The client has signed another base: `client_base` verifies.
    AnotherBase,
    /// The client has signed a hash of the base; Ed25519 signs the base itself.
    HashSigned,
    /// Another key of the same partner has signed: `keyid` names the wrong one.
    AnotherKey,
    /// The base that was sent is the gateway's, and the key has not signed it.
    SameBase,
    /// The base that was sent is not the gateway's, and the key has not signed it either.
    SentBaseNotSigned,
    /// The key is none that is known: nothing can be tried.
    UnknownKey,
    /// No base that mistakes usually lead to was signed.
    NotFound,
}

impl SignatureFinding {
    /// What it means, and what to do.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::AnotherBase => "another base was signed: the difference says where",
            Self::HashSigned => "a hash was signed: Ed25519 takes the base itself, unhashed",
            Self::AnotherKey => "another key of this partner has signed: name it in keyid",
            Self::SameBase => {
                "the bases are equal, so another private key has signed, or the signature's bytes \
                 are not what was made: R and S, 64 bytes, base64 between colons"
            }
            Self::SentBaseNotSigned => {
                "the base that was sent differs from the gateway's, and is not what was signed: \
                 send the very bytes that the signature was made over"
            }
            Self::UnknownKey => {
                "no key of that name is known: keyid is the RFC 7638 thumbprint of the public key"
            }
            Self::NotFound => {
                "what was signed is not known: send the base that you sign as Alliance-Debug-Base"
            }
        }
    }
}

/// The two bases of a signature that does not verify, side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureComparison {
    /// What the client has signed, or says that it has; none where nobody knows.
    pub client_base: Option<String>,
    /// Where the two begin to differ; none where they do not, or one is not known.
    pub difference: Option<BaseDifference>,
    /// What was found.
    pub finding: SignatureFinding,
    /// What the gateway has built from the request that it received.
    pub gateway_base: String,
}

/// The first place where two signature bases differ. Counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseDifference {
    /// The byte of the base.
    pub byte: u64,
    /// The client's line, without its end; none where its base has ended.
    pub client_line: Option<String>,
    /// The byte of the line.
    pub column: u64,
    /// The gateway's line, without its end; none where its base has ended.
    pub gateway_line: Option<String>,
    /// The line.
    pub line: u64,
}
