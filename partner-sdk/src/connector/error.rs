//! Why a call has no good answer, and why no service was made.

use std::error::Error;

use alliance_contracts::connector::{Refusal, RefusalCode};
use alliance_contracts::names::NameError;

/// Why a brand does not do what it is asked to.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It has decided against it, for good: the refusal is recorded under the call's key.
    #[error("refused: {}", .0.code.as_str())]
    Refused(Refusal),
    /// It cannot decide now. Nothing is recorded; the gateway repeats the call. The reason goes to
    /// the log, not to the gateway.
    #[error("failed: {0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

impl CallError {
    /// A refusal with words for a person, which name no member.
    pub fn refused(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self::Refused(Refusal::new(code, detail))
    }

    /// Whatever stands in the way now.
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<RefusalCode> for CallError {
    fn from(code: RefusalCode) -> Self {
        Self::Refused(Refusal::new(code, ""))
    }
}

impl From<NameError> for CallError {
    /// A name of the brand's own that the wire does not take.
    fn from(error: NameError) -> Self {
        Self::failed(error)
    }
}

#[cfg(any(feature = "server-sqlite", feature = "server-postgres"))]
impl From<sqlx::Error> for CallError {
    fn from(error: sqlx::Error) -> Self {
        Self::failed(error)
    }
}

/// What a [`ServiceBuilder`](super::ServiceBuilder) lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Something that it cannot do without.
    #[error("a connector needs {0}")]
    Missing(&'static str),
    /// A public name that is no host.
    #[error("{0:?} is no public name: give host and, unless 443, port (brand.example:8443)")]
    PublicName(String),
    /// Not built within a Tokio runtime.
    #[error("a connector is built within the runtime that it works on: in an async function")]
    NoRuntime,
}
