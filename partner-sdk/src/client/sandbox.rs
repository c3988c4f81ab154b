//! A sandbox's own side (docs/sandbox.md): its clock, and what it has made of a partner's requests.
//! For tests: nothing of it is on a gateway that serves in earnest.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alliance_contracts::json;
use alliance_contracts::names::PartnerId;
use alliance_contracts::problem::Problem;
use alliance_contracts::sandbox::{BrandChange, BrandView, ClockChange, ClockView, RequestLog};
use alliance_contracts::time::Timestamp;
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;

use super::build::{base_url, http};
use super::error::{ConfigError, DecodeError, Error};
use super::{Clock, SystemClock, lock};

/// What it says is read up to so many bytes.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A sandbox, asked without a signature. It is also a [`Clock`]: the sandbox's, as it was told
/// last, and gone on since unless it was frozen. Clones are one.
///
/// ```no_run
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use alliance_partner_sdk::client::Sandbox;
/// let sandbox = Sandbox::at("http://127.0.0.1:8787")?;
/// sandbox.freeze().await?;
/// sandbox.advance(Duration::from_secs(3_600)).await?;
/// for request in sandbox.log(Some(&"own-brand".parse()?)).await?.requests {
///     println!("{} {} {}", request.at, request.route, request.status);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Sandbox {
    http: reqwest::Client,
    base: Url,
    told: Arc<Mutex<Option<(ClockView, Instant)>>>,
}

impl Clock for Sandbox {
    /// The machine's time, until the sandbox has told its own.
    fn now(&self) -> Timestamp {
        match *lock(&self.told) {
            None => SystemClock.now(),
            Some((view, _)) if view.frozen => view.now,
            Some((view, at)) => {
                let since = i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX);
                view.now.plus_millis(since)
            }
        }
    }
}

impl Sandbox {
    /// The sandbox at this address (`http://host[:port]`).
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn at(url: &str) -> Result<Self, Error> {
        let agent = concat!("alliance-partner-sdk/", env!("CARGO_PKG_VERSION"));
        Ok(Self { http: http(agent)?, base: base_url(url)?, told: Arc::default() })
    }

    /// How its clock stands.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn clock(&self) -> Result<ClockView, Error> {
        let view = self.ask(Method::GET, "/sandbox/clock", None).await?;
        Ok(self.heard(view))
    }

    /// Stops its clock.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn freeze(&self) -> Result<ClockView, Error> {
        self.set(ClockChange { frozen: Some(true), advance_seconds: None }).await
    }

    /// Lets its clock go on from where it stands.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn release(&self) -> Result<ClockView, Error> {
        self.set(ClockChange { frozen: Some(false), advance_seconds: None }).await
    }

    /// Puts its clock forward, by whole seconds.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn advance(&self, by: Duration) -> Result<ClockView, Error> {
        self.set(ClockChange { frozen: None, advance_seconds: Some(by.as_secs()) }).await
    }

    /// Sets its clock.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn set(&self, change: ClockChange) -> Result<ClockView, Error> {
        let body = json::canonical(&change);
        let view = self.ask(Method::POST, "/sandbox/clock", Some(body)).await?;
        Ok(self.heard(view))
    }

    fn heard(&self, view: ClockView) -> ClockView {
        *lock(&self.told) = Some((view, Instant::now()));
        view
    }

    /// Has a simulated brand answer where its mood is not to, or no more.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn speak(&self, brand: &PartnerId, speaks: bool) -> Result<BrandView, Error> {
        let body = json::canonical(&BrandChange { speaks });
        self.ask(Method::POST, &format!("/sandbox/brands/{brand}"), Some(body)).await
    }

    /// The last requests that were signed with a partner's key, or claimed to be; of none: those
    /// that named no known key. The newest first.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn log(&self, partner: Option<&PartnerId>) -> Result<RequestLog, Error> {
        let path = match partner {
            Some(partner) => format!("/sandbox/log/{partner}"),
            None => "/sandbox/log".to_owned(),
        };
        self.ask(Method::GET, &path, None).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, Error> {
        let url = self.base.join(path).map_err(|_| ConfigError::BaseUrl(self.base.to_string()))?;
        let mut request = self.http.request(method, url).timeout(ANSWER_WITHIN);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let transport = |error| Error::Transport(Box::new(error));
        let mut answer = request.send().await.map_err(transport)?;
        let status = answer.status();
        let refused = |source| Error::Decode { status: status.as_u16(), source };
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(transport)? {
            if bytes.len() + piece.len() > MAX_ANSWER_BYTES {
                return Err(refused(DecodeError::TooLarge { limit: MAX_ANSWER_BYTES }));
            }
            bytes.extend_from_slice(&piece);
        }
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|source| refused(source.into()));
        }
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Err(Error::Refused(Box::new(problem))),
            Err(source) => Err(refused(source.into())),
        }
    }
}
