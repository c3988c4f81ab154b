//! Which keys speak for the gateway: the alliance's key list, fetched when it is needed.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::keys::{Kid, PublicKey};
use alliance_contracts::time::Timestamp;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::verify::keys::check_successor;

/// A list is fetched anew after so long, so that revocations arrive.
const MAX_AGE_SECONDS: i64 = 60;
/// It is fetched no more often than that, whoever signs with what.
const PAUSE_SECONDS: i64 = 5;
/// A call does not wait longer for a list.
const FETCH_WITHIN: Duration = Duration::from_secs(3);

/// Why there is no list.
pub type KeySourceError = Box<dyn Error + Send + Sync>;

/// Where the gateway's keys come from. [`Client`](crate::Client) is one, with the feature
/// `client`: it fetches the list from the gateway and verifies it under the pinned root key.
pub trait KeyListSource: Send + Sync + 'static {
    /// The list as it is now, verified.
    fn fetch(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<TrustedKeys>, KeySourceError>> + Send + '_>>;
}

#[cfg(feature = "client")]
impl KeyListSource for crate::Client {
    fn fetch(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<TrustedKeys>, KeySourceError>> + Send + '_>> {
        Box::pin(async { Ok(self.gateway_keys().await?) })
    }
}

/// The keys that calls may be signed with.
pub(super) enum GatewayKeys {
    /// Those of the alliance's list.
    Listed(Box<Listed>),
    /// One, whatever the alliance says.
    Only(PublicKey),
}

impl fmt::Debug for GatewayKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listed(_) => "the alliance's list",
            Self::Only(_) => "one key",
        })
    }
}

impl GatewayKeys {
    pub fn listed(source: impl KeyListSource) -> Self {
        Self::Listed(Box::new(Listed {
            source: Box::new(source),
            known: RwLock::new(Known::default()),
            fetching: Mutex::new(()),
        }))
    }

    /// The key of that name, if it is in force now.
    pub async fn find(&self, kid: &Kid, now: Timestamp) -> Option<PublicKey> {
        match self {
            Self::Only(key) => (key.kid() == kid).then(|| key.clone()),
            Self::Listed(listed) => listed.find(kid, now).await,
        }
    }
}

/// A list, and how it is kept fresh.
pub(super) struct Listed {
    source: Box<dyn KeyListSource>,
    known: RwLock<Known>,
    /// Held while the list is fetched, so that many calls fetch it once.
    fetching: Mutex<()>,
}

#[derive(Clone, Default)]
struct Known {
    keys: Option<Arc<TrustedKeys>>,
    /// When the list was fetched.
    fetched: Option<Timestamp>,
    /// When that was tried.
    tried: Option<Timestamp>,
}

impl Known {
    /// Whether the list may still be relied on for this key: it has the key, and is not old.
    fn suffices(&self, kid: &Kid, now: Timestamp) -> bool {
        let has = self.keys.as_ref().is_some_and(|keys| keys.find(kid).is_some());
        has && self.fetched.is_some_and(|at| within(at, now, MAX_AGE_SECONDS))
    }

    fn may_try(&self, now: Timestamp) -> bool {
        !self.tried.is_some_and(|at| within(at, now, PAUSE_SECONDS))
    }
}

/// Whether it was at most so long ago; a clock that was put back makes nothing recent.
fn within(at: Timestamp, now: Timestamp, seconds: i64) -> bool {
    at <= now && now < at.plus_seconds(seconds)
}

impl Listed {
    async fn find(&self, kid: &Kid, now: Timestamp) -> Option<PublicKey> {
        if !self.known().suffices(kid, now) {
            self.refresh(kid, now).await;
        }
        // A list that could not be fetched anew still holds, until its keys end.
        let keys = self.known().keys?;
        let key = keys.find(kid).filter(|key| key.valid_at(now))?;
        Some(key.public.clone())
    }

    async fn refresh(&self, kid: &Kid, now: Timestamp) {
        let _turn = self.fetching.lock().await;
        let known = self.known();
        // Whoever waited for the turn finds what the one before has fetched.
        if known.suffices(kid, now) || !known.may_try(now) {
            return;
        }
        self.change(|known| known.tried = Some(now));
        match timeout(FETCH_WITHIN, self.source.fetch()).await {
            Ok(Ok(keys)) => self.take(keys, now),
            Ok(Err(error)) => tracing::warn!(%error, "the alliance's key list is not to be had"),
            Err(_) => tracing::warn!("the alliance's key list did not come in time"),
        }
    }

    fn take(&self, keys: Arc<TrustedKeys>, now: Timestamp) {
        let follows = match self.known().keys {
            Some(known) => check_successor(&known, &keys),
            None => Ok(()),
        };
        match follows {
            Ok(()) => self.change(|known| {
                known.keys = Some(keys);
                known.fetched = Some(now);
            }),
            Err(error) => tracing::error!(%error, "a key list is refused; the old one holds"),
        }
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use alliance_contracts::encoding::Hash;
    use alliance_contracts::key_list::{Jwk, KeyStatement};
    use alliance_contracts::keys::SigningKey;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_406_706_789);

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn list(number: u64, keys: Vec<Jwk>) -> Arc<TrustedKeys> {
        let alliance = "demo".to_owned();
        let statement = KeyStatement { alliance, keys, number, previous: Hash::ZERO };
        Arc::new(statement.publish(&key(9)).verify(key(9).public_key()).unwrap())
    }

    #[derive(Default)]
    struct Source {
        list: std::sync::Mutex<Option<Arc<TrustedKeys>>>,
        fetched: AtomicUsize,
    }

    impl KeyListSource for Arc<Source> {
        fn fetch(
            &self,
        ) -> Pin<Box<dyn Future<Output = Result<Arc<TrustedKeys>, KeySourceError>> + Send + '_>>
        {
            self.fetched.fetch_add(1, Ordering::Relaxed);
            let list = self.list.lock().unwrap().clone();
            Box::pin(async { list.ok_or_else(|| "no list".into()) })
        }
    }

    fn keys() -> (GatewayKeys, Arc<Source>) {
        let source = Arc::new(Source::default());
        (GatewayKeys::listed(Arc::clone(&source)), source)
    }

    impl Source {
        fn holds(&self, list: Arc<TrustedKeys>) {
            *self.list.lock().unwrap() = Some(list);
        }

        fn fetched(&self) -> usize {
            self.fetched.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn an_unknown_key_has_the_list_fetched_at_most_every_few_seconds() {
        let (keys, source) = keys();
        source.holds(list(1, vec![Jwk::new(key(1).public_key(), None)]));
        for _ in 0..5 {
            assert!(keys.find(key(1).kid(), NOW).await.is_some());
            assert!(keys.find(key(2).kid(), NOW).await.is_none());
        }
        assert_eq!(source.fetched(), 1);
        let next = [key(1), key(2)].map(|key| Jwk::new(key.public_key(), None));
        source.holds(list(3, next.to_vec()));
        assert!(keys.find(key(2).kid(), NOW.plus_seconds(4)).await.is_none());
        assert!(keys.find(key(2).kid(), NOW.plus_seconds(5)).await.is_some());
        assert_eq!(source.fetched(), 2);
    }

    #[tokio::test]
    async fn a_revocation_arrives_within_a_minute_and_an_old_list_never_comes_back() {
        let (keys, source) = keys();
        let good = Jwk::new(key(1).public_key(), None);
        source.holds(list(1, vec![good.clone()]));
        assert!(keys.find(key(1).kid(), NOW).await.is_some());
        let revoked = Jwk { revoked_at: Some(NOW), ..good.clone() };
        source.holds(list(3, vec![revoked]));
        assert!(keys.find(key(1).kid(), NOW.plus_seconds(60)).await.is_none());
        source.holds(list(1, vec![good]));
        assert!(keys.find(key(1).kid(), NOW.plus_seconds(200)).await.is_none());
        assert_eq!(source.fetched(), 3);
    }

    #[tokio::test]
    async fn a_key_counts_only_while_it_is_in_force() {
        let (keys, source) = keys();
        let (from, until) = (Some(NOW.plus_seconds(10)), Some(NOW.plus_seconds(20)));
        let later = Jwk { exp: until, ..Jwk::new(key(1).public_key(), from) };
        source.holds(list(1, vec![later]));
        for (seconds, good) in [(9, false), (10, true), (19, true), (20, false)] {
            let found = keys.find(key(1).kid(), NOW.plus_seconds(seconds)).await;
            assert_eq!(found.is_some(), good, "{seconds}");
        }
    }

    #[tokio::test]
    async fn without_a_new_list_the_old_one_holds() {
        let (keys, source) = keys();
        assert!(keys.find(key(1).kid(), NOW).await.is_none());
        source.holds(list(1, vec![Jwk::new(key(1).public_key(), None)]));
        assert!(keys.find(key(1).kid(), NOW.plus_seconds(5)).await.is_some());
        *source.list.lock().unwrap() = None;
        assert!(keys.find(key(1).kid(), NOW.plus_seconds(500)).await.is_some());
    }

    #[tokio::test]
    async fn many_calls_at_once_fetch_the_list_once() {
        let (keys, source) = keys();
        source.holds(list(1, vec![Jwk::new(key(1).public_key(), None)]));
        let kid = key(1).kid().clone();
        let all = (0..50).map(|_| keys.find(&kid, NOW));
        let found = futures_util::future::join_all(all).await;
        assert!(found.iter().all(Option::is_some));
        assert_eq!(source.fetched(), 1);
    }
}
