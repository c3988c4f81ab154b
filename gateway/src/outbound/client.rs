//! Calls to partners: to public addresses alone, without redirects, in bounded time and memory
//! (threats T42, T43).

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::address::{CallbackUrl, is_public};

/// All of a call: name, connection, TLS, answer.
pub const WHOLE: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);
/// Of an answer so much is read, and no more: what it says beyond is nobody's concern.
const ANSWER_BYTES: usize = 64 << 10;

/// Whoever calls partners.
#[derive(Clone, Debug)]
pub struct Outbound(reqwest::Client);

/// What a partner has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After` in seconds; its form as a date is not read.
    pub retry_after: Option<u64>,
    /// What it says, cut where it is long.
    pub body: Vec<u8>,
}

/// No whole answer came.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
pub struct NoAnswer(#[source] Box<dyn StdError + Send + Sync>);

/// A name leads to nothing that may be called.
#[derive(Debug, thiserror::Error)]
#[error("its name leads to no address of the public internet")]
struct NotPublic;

/// Looks names up, and forgets addresses that are not public: those that are left are the ones
/// connected to, so that a name that changes between two looks gains nothing.
#[derive(Debug)]
struct PublicOnly {
    private: bool,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            allowed(found, private)
        })
    }
}

fn allowed(
    found: impl Iterator<Item = SocketAddr>,
    private: bool,
) -> Result<Addrs, Box<dyn StdError + Send + Sync>> {
    let found: Vec<_> = found.filter(|address| private || is_public(address.ip())).collect();
    if found.is_empty() { Err(NotPublic.into()) } else { Ok(Box::new(found.into_iter())) }
}

impl Outbound {
    /// `private` allows the gateway's own network.
    ///
    /// # Errors
    /// Where the HTTP client cannot be set up.
    pub fn new(private: bool) -> Result<Self, reqwest::Error> {
        // Whoever installed a provider before keeps it: any of them speaks TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(concat!("alliance-gateway/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(std::sync::Arc::new(PublicOnly { private }))
            .build()?;
        Ok(Self(client))
    }

    /// Posts a body, and reads the answer.
    ///
    /// # Errors
    /// [`NoAnswer`]: nobody knows whether the partner has it.
    pub async fn post(
        &self,
        url: &CallbackUrl,
        fields: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answered, NoAnswer> {
        let no_answer = |error: reqwest::Error| NoAnswer(Box::new(error.without_url()));
        let sent = self.0.post(url.url().clone()).headers(fields).body(body).send();
        let mut response = sent.await.map_err(no_answer)?;
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|seconds| seconds.trim().parse().ok());
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(no_answer)? {
            let room = ANSWER_BYTES.saturating_sub(body.len());
            body.extend_from_slice(&piece[..piece.len().min(room)]);
            if body.len() >= ANSWER_BYTES {
                break;
            }
        }
        Ok(Answered { status, retry_after, body })
    }
}
