//! Putting a client together.

use std::fmt;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use alliance_contracts::keys::{PublicKey, SigningKey};
use alliance_contracts::names::{AllianceId, PartnerId};
use reqwest::Url;
use ring::rand::SystemRandom;

use super::error::{ConfigError, Error};
use super::memory::Memory;
use super::retry::{RetryBudget, RetryPolicy};
use super::{Client, Inner};
use crate::clock::{Clock, SystemClock};
use crate::verify::keys;

/// The private key, as it was handed in.
enum KeySource {
    Pem(String),
    Key(SigningKey),
}

/// Collects what a [`Client`] needs; [`ClientBuilder::build`] checks it all at once.
pub struct ClientBuilder {
    base_url: String,
    authority: Option<String>,
    partner: Option<String>,
    alliance: Option<String>,
    key: Option<KeySource>,
    root: Option<String>,
    retry: RetryPolicy,
    clock: Box<dyn Clock>,
    alliance_clock: Option<Box<dyn Clock>>,
    memory: Memory,
    verify_answers: bool,
    user_agent: String,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("base_url", &self.base_url)
            .field("partner", &self.partner)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    pub(super) fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            authority: None,
            partner: None,
            alliance: None,
            key: None,
            root: None,
            retry: RetryPolicy::default(),
            clock: Box::new(SystemClock),
            alliance_clock: None,
            memory: Memory::default(),
            verify_answers: false,
            user_agent: concat!("alliance-partner-sdk/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Which partner calls. Required.
    #[must_use]
    pub fn partner(mut self, partner: impl Into<String>) -> Self {
        self.partner = Some(partner.into());
        self
    }

    /// The partner's private key as PKCS#8 PEM. This or [`Self::key`] is required.
    #[must_use]
    pub fn key_pem(mut self, pem: impl Into<String>) -> Self {
        self.key = Some(KeySource::Pem(pem.into()));
        self
    }

    /// The partner's private key.
    #[must_use]
    pub fn key(mut self, key: SigningKey) -> Self {
        self.key = Some(KeySource::Key(key));
        self
    }

    /// The alliance's root public key, base64url, as the partner was given it when it joined.
    /// Without it the client calls, but verifies nothing.
    #[must_use]
    pub fn root(mut self, x: impl Into<String>) -> Self {
        self.root = Some(x.into());
        self
    }

    /// The alliance's name: key lists of another one are refused then.
    #[must_use]
    pub fn alliance(mut self, alliance: impl Into<String>) -> Self {
        self.alliance = Some(alliance.into());
        self
    }

    /// The gateway's public name, where it is not the host of its address (behind a tunnel).
    #[must_use]
    pub fn authority(mut self, authority: impl Into<String>) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// How calls are retried, and how long they may take.
    #[must_use]
    pub const fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// All attempts of a call and the waits between them take no longer. 30 s unless set.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.retry.deadline = deadline;
        self
    }

    /// Takes the time from elsewhere: for tests.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The time that the alliance goes by, where that is not the client's: a sandbox's clock that
    /// was set ([`Sandbox`](super::Sandbox) is one). How old a checkpoint may be is judged by it;
    /// requests are signed, and signatures on answers judged, by the client's own.
    #[must_use]
    pub fn alliance_clock(mut self, clock: impl Clock) -> Self {
        self.alliance_clock = Some(Box::new(clock));
        self
    }

    /// Begins with what an earlier client remembered.
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = memory;
        self
    }

    /// Asks the gateway to sign its answers, and takes an answer without a good signature for no
    /// answer. Needs the root key. Receipts and key lists are signed by themselves in any case.
    #[must_use]
    pub const fn verify_answers(mut self, verify: bool) -> Self {
        self.verify_answers = verify;
        self
    }

    /// What calls itself in `User-Agent`.
    #[must_use]
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// The client.
    ///
    /// # Errors
    /// [`Error::Config`] with the first thing that is missing or wrong.
    pub fn build(self) -> Result<Client, Error> {
        let base = base_url(&self.base_url)?;
        let partner: PartnerId =
            required(self.partner, "partner")?.parse().map_err(ConfigError::Name)?;
        let alliance: Option<AllianceId> =
            self.alliance.map(|name| name.parse()).transpose().map_err(ConfigError::Name)?;
        let key = match required(self.key, "the private key")? {
            KeySource::Key(key) => key,
            KeySource::Pem(pem) => SigningKey::from_pkcs8_pem(&pem).map_err(ConfigError::Key)?,
        };
        let root: Option<PublicKey> =
            self.root.map(|x| keys::root_key(&x)).transpose().map_err(ConfigError::Root)?;
        if self.verify_answers && root.is_none() {
            return Err(ConfigError::NoRoot.into());
        }
        Ok(Client(Arc::new(Inner {
            http: http(&self.user_agent)?,
            authority: self.authority.unwrap_or_else(|| authority_of(&base)),
            base,
            partner,
            alliance,
            key: RwLock::new(Arc::new(key)),
            root,
            retry: self.retry,
            budget: RetryBudget::new(),
            clock: self.clock,
            alliance_clock: self.alliance_clock,
            random: SystemRandom::new(),
            memory: Mutex::new(self.memory),
            keys: Mutex::new(None),
            verify_answers: self.verify_answers,
        })))
    }
}

fn required<T>(value: Option<T>, what: &'static str) -> Result<T, ConfigError> {
    value.ok_or(ConfigError::Missing(what))
}

pub(super) fn base_url(text: &str) -> Result<Url, ConfigError> {
    let refused = || ConfigError::BaseUrl(text.to_owned());
    let url = Url::parse(text).map_err(|_| refused())?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if plain { Ok(url) } else { Err(refused()) }
}

/// Host and, unless it is the scheme's default, port: what `@authority` is.
fn authority_of(base: &Url) -> String {
    let host = base.host_str().unwrap_or_default();
    match base.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

pub(super) fn http(user_agent: &str) -> Result<reqwest::Client, ConfigError> {
    // Whoever installed a provider before keeps it: any of them speaks TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(user_agent)
        .connect_timeout(Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| ConfigError::Http(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_address_is_a_base() {
        for good in ["http://127.0.0.1:8080", "https://gateway.example", "http://[::1]:80/"] {
            assert!(base_url(good).is_ok(), "{good}");
        }
        for bad in [
            "gateway.example",
            "ftp://gateway.example",
            "https://gateway.example/v1",
            "https://user@gateway.example",
            "https://gateway.example?x",
            "",
            "https://",
        ] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_authority_has_no_default_port() {
        let authority = |url: &str| authority_of(&base_url(url).unwrap());
        assert_eq!(authority("https://Gateway.example:443"), "gateway.example");
        assert_eq!(authority("http://gateway.example:8080"), "gateway.example:8080");
        assert_eq!(authority("http://[::1]:8080"), "[::1]:8080");
    }
}
