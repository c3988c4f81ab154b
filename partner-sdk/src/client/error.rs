//! What a call can end in, other than well.

use std::error::Error as StdError;

use alliance_contracts::content_digest::DigestError;
use alliance_contracts::http_signature::HttpSignatureError;
use alliance_contracts::keys::{KeyFileError, Kid};
use alliance_contracts::names::{IdempotencyKey, NameError};
use alliance_contracts::problem::{Problem, ProblemCode};

use crate::verify::agreement::AgreementFault;
use crate::verify::board::BoardFault;
use crate::verify::statement::StatementError;
use crate::verify::{
    ChainError, CheckpointError, ForkEvidence, KeysError, ReceiptFault, WitnessFault,
};

/// Why a call did not give what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The gateway refused. The whole problem is kept: its `code` is for programs, its `detail`
    /// for people, its `request_id` for the alliance's support.
    #[error("refused ({}): {} [request {}]", .0.code, .0.detail, .0.request_id)]
    Refused(Box<Problem>),
    /// No whole answer came: connection, TLS, time-out of an attempt.
    #[error("no answer from the gateway")]
    Transport(#[source] Box<dyn StdError + Send + Sync>),
    /// An answer came that cannot be read.
    #[error("the gateway's answer (status {status}) cannot be read")]
    Decode {
        /// The HTTP status.
        status: u16,
        /// Why it cannot be read.
        #[source]
        source: DecodeError,
    },
    /// What came does not verify: it is not used.
    #[error("the gateway's answer does not verify")]
    Verification(#[from] VerificationError),
    /// The alliance has told two histories. Keep the evidence, and ask the alliance about it.
    #[error("the alliance's history is forked: {0}")]
    Fork(#[source] Box<ForkEvidence>),
    /// Nobody knows yet whether the order was performed: the deadline passed, or the retries ran
    /// out, without an answer that settles it. **Repeat the same call with this key**: that gives
    /// the answer, and never performs it twice. A new key might.
    #[error(
        "the outcome is not known after {attempts} attempts: repeat the call with the \
         idempotency key {key}"
    )]
    Indeterminate {
        /// The key to repeat the call with.
        key: IdempotencyKey,
        /// How many attempts were made.
        attempts: u32,
        /// What the last attempt ended in.
        #[source]
        last: Box<Error>,
    },
    /// The client or the call was put together wrongly: nothing was sent.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
}

impl Error {
    /// The code of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<ProblemCode> {
        match self {
            Self::Refused(problem) => Some(problem.code),
            _ => None,
        }
    }

    /// The problem of a refusal.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }
}

/// Why an answer cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not the JSON that this call is answered with.
    #[error("not the expected JSON")]
    Json(#[from] serde_json::Error),
    /// Not UTF-8.
    #[error("not a text")]
    Utf8(#[from] std::string::FromUtf8Error),
    /// Larger than the client reads.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The most that is read.
        limit: usize,
    },
    /// The answer has another form than protocol § 5 and § 1 say.
    #[error("{0}")]
    Form(&'static str),
}

/// What did not verify.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerificationError {
    /// A receipt by itself.
    #[error(transparent)]
    Receipt(#[from] ReceiptFault),
    /// A receipt's place in its chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A checkpoint, or a proof against one.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A receipt under a revoked key, or what was to prove it.
    #[error(transparent)]
    Witness(#[from] WitnessFault),
    /// A key list.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The signed rate board, or a value on it that does not follow.
    #[error(transparent)]
    Board(#[from] BoardFault),
    /// Another board was signed than is answered.
    #[error("the rates are not those of the signed board")]
    BoardDiffers,
    /// An agreement, or who has signed it.
    #[error(transparent)]
    Agreement(#[from] AgreementFault),
    /// Another agreement was answered than was asked for.
    #[error("another agreement was answered than was asked for")]
    AnotherAgreement,
    /// A statement, or what the receipts come to.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// Another window's statement, or another partner's, was answered than was asked for.
    #[error("another statement was answered than was asked for")]
    AnotherStatement,
    /// The answer's signature.
    #[error("the answer's signature is refused: {0}")]
    Answer(#[from] HttpSignatureError),
    /// The answer's `Content-Digest`.
    #[error("the answer's digest is refused: {0}")]
    Digest(#[from] DigestError),
    /// Signed by a key that is not in the key list, or not in force.
    #[error("{kid} is no gateway key in force")]
    UnknownKey {
        /// The key.
        kid: Kid,
    },
}

/// How a client or a call was put together wrongly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The gateway's address is not `http(s)://host[:port]`.
    #[error("the gateway's address must be http(s)://host[:port] without a path: {0}")]
    BaseUrl(String),
    /// Nothing was said about something that must be known.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A name breaks its rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The private key cannot be read.
    #[error("the private key: {0}")]
    Key(#[from] KeyFileError),
    /// The root key cannot be read.
    #[error("the root key: {0}")]
    Root(#[from] KeysError),
    /// No root key is pinned, and nothing can be verified without.
    #[error("no root key is pinned: set `root`")]
    NoRoot,
    /// A request that cannot be signed or sent as it is.
    #[error("the request cannot be sent: {0}")]
    Request(&'static str),
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] Box<dyn StdError + Send + Sync>),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
    /// A configuration file, or the key file that it names, cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A configuration file is not what it should be.
    #[error("{path} is refused")]
    Format {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Error {
    /// Whether a checkpoint that a partner has cosigned before may tell otherwise.
    pub(super) const fn is_of_revoked_key(&self) -> bool {
        let Self::Verification(VerificationError::Receipt(fault)) = self else { return false };
        matches!(fault, ReceiptFault::RevokedKey { .. })
    }
}

impl VerificationError {
    /// Whether a newer key list may tell otherwise.
    pub(super) const fn is_of_unknown_key(&self) -> bool {
        matches!(
            self,
            Self::UnknownKey { .. }
                | Self::Receipt(ReceiptFault::UnknownKey { .. })
                | Self::Checkpoint(CheckpointError::UnknownKey)
        )
    }
}
