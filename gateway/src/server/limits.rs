//! Rate limits: how many requests of one partner and of one address are taken at once, and how
//! fast room for more comes back.
//!
//! | limit | counts | checked |
//! | --- | --- | --- |
//! | `address` | every request of an address but health checks | before anything else |
//! | `stranger` | what an address sends that no known key has signed | before its body is read |
//! | `partner` | what a partner's keys have signed | after its signature |
//!
//! A flood under unknown keys ends at the second: its bodies are not read and nothing is verified
//! for it (threat T49), while a partner behind the same address goes on. Every gateway counts for
//! itself. A batch is one request; what it holds is bounded by the ledger's queue.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use alliance_contracts::keys::Kid;
use alliance_contracts::names::PartnerId;
use alliance_contracts::problem::ProblemCode;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use super::refusal::Refusal;

/// So many requests at once; room for them comes back evenly within this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests.
    pub quota: NonZeroU32,
    /// The time, of at least a second.
    pub within: Duration,
}

impl Rate {
    /// So many in a second; none for 0, which means without bound.
    #[must_use]
    pub fn per_second(requests: u32) -> Option<Self> {
        let within = Duration::from_secs(1);
        NonZeroU32::new(requests).map(|quota| Self { quota, within })
    }
}

/// What is limited; none: without bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// Of each partner.
    pub partner: Option<Rate>,
    /// Of each address.
    pub address: Option<Rate>,
    /// Of each address, without a known key.
    pub stranger: Option<Rate>,
}

impl Default for LimitSettings {
    /// More than one honest partner sends, less than what would hold the others up.
    fn default() -> Self {
        Self {
            partner: Rate::per_second(10_000),
            address: Rate::per_second(20_000),
            stranger: Rate::per_second(200),
        }
    }
}

impl LimitSettings {
    /// Nothing is limited: for measuring.
    pub const NONE: Self = Self { partner: None, address: None, stranger: None };
}

type States<K> =
    RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// One limit, counted for each key.
struct Limit<K: Hash + Eq + Clone> {
    name: &'static str,
    rate: Rate,
    states: States<K>,
}

/// Where somebody stands with a limit, for the answer's header fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    name: &'static str,
    rate: Rate,
    remaining: u32,
    /// How long to wait; none: there was room.
    wait: Option<Duration>,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    fn new(name: &'static str, rate: Rate) -> Self {
        // Of a time too short to be told apart, the shortest there is.
        let each = (rate.within / rate.quota.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(each).unwrap_or_else(|| Quota::per_second(rate.quota));
        let states = RateLimiter::keyed(quota.allow_burst(rate.quota)).with_middleware();
        Self { name, rate, states }
    }

    fn take(&self, key: &K) -> Standing {
        let Self { name, rate, .. } = *self;
        match self.states.check_key(key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                Standing { name, rate, remaining, wait: None }
            }
            Err(not_until) => {
                let wait = Some(not_until.wait_time_from(DefaultClock::default().now()));
                Standing { name, rate, remaining: 0, wait }
            }
        }
    }

    fn forget_idle(&self) {
        self.states.retain_recent();
        self.states.shrink_to_fit();
    }
}

impl Standing {
    /// The refusal of what finds no room.
    fn admit(self) -> Result<Self, (Refusal, Self)> {
        match self.wait {
            None => Ok(self),
            Some(_) => Err((Refusal::of(ProblemCode::RateLimited).because(self.name), self)),
        }
    }

    /// Seconds until all room is there again.
    fn reset(&self) -> u64 {
        let taken = self.rate.quota.get().saturating_sub(self.remaining);
        whole_seconds(self.rate.within / self.rate.quota.get() * taken)
    }

    /// Puts the fields in: `RateLimit-Policy`, `RateLimit` and, of a refusal, `Retry-After`.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let Self { name, rate, remaining, wait } = self;
        let policy = format!("\"{name}\";q={};w={}", rate.quota, whole_seconds(rate.within));
        let state = format!("\"{name}\";r={remaining};t={}", self.reset());
        for (field, text) in [("ratelimit-policy", policy), ("ratelimit", state)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(HeaderName::from_static(field), value);
            }
        }
        if let Some(wait) = wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(*wait).max(1)));
        }
    }
}

/// Rounded up: who waits so long finds room.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// All limits of a gateway.
pub struct Limits {
    partner: Option<Limit<PartnerId>>,
    address: Option<Limit<IpAddr>>,
    stranger: Option<Limit<IpAddr>>,
}

/// Where the caller stands, if there is a limit; what finds no room is refused.
pub type Admitted = Result<Option<Standing>, (Refusal, Standing)>;

impl Limits {
    /// The limits of these settings.
    #[must_use]
    pub fn new(settings: &LimitSettings) -> Self {
        Self {
            partner: settings.partner.map(|rate| Limit::new("partner", rate)),
            address: settings.address.map(|rate| Limit::new("address", rate)),
            stranger: settings.stranger.map(|rate| Limit::new("stranger", rate)),
        }
    }

    /// A request that a partner has signed.
    pub fn of_partner(&self, partner: &PartnerId) -> Admitted {
        self.partner.as_ref().map(|limit| limit.take(partner).admit()).transpose()
    }

    /// A request from an address. Without one there is nothing to count.
    pub fn of_address(&self, address: Option<IpAddr>) -> Admitted {
        of(self.address.as_ref(), address)
    }

    /// A request from an address that no known key has signed.
    pub fn of_stranger(&self, address: Option<IpAddr>) -> Admitted {
        of(self.stranger.as_ref(), address)
    }

    /// Forgets whom there is nothing to remember of, so that a flood from many addresses does not
    /// stay in memory.
    pub fn forget_idle(&self) {
        self.partner.iter().for_each(Limit::forget_idle);
        self.address.iter().chain(&self.stranger).for_each(Limit::forget_idle);
    }
}

fn of(limit: Option<&Limit<IpAddr>>, address: Option<IpAddr>) -> Admitted {
    limit.zip(address).map(|(limit, address)| limit.take(&network(address)).admit()).transpose()
}

/// One customer has a whole /64 of IPv6 at least: all of it counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// The key names that a request claims to be signed with; whether it is, nobody has looked yet.
pub fn claimed_keys(headers: &HeaderMap) -> impl Iterator<Item = Kid> {
    let inputs = headers.get_all("signature-input").filter_map(|value| value.to_str().ok());
    inputs
        .flat_map(|input| input.split(";keyid=\"").skip(1))
        .filter_map(|rest| rest.split('"').next())
        .filter_map(|kid| Kid::parse(kid).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(quota: u32, seconds: u64) -> Option<Rate> {
        let quota = NonZeroU32::new(quota).unwrap();
        Some(Rate { quota, within: Duration::from_secs(seconds) })
    }

    fn field<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
        headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn each_key_has_room_of_its_own_and_is_told_how_much() {
        let settings = LimitSettings { partner: rate(3, 3_600), ..LimitSettings::NONE };
        let limits = Limits::new(&settings);
        let (one, other) = ("aurora-air".parse().unwrap(), "borealis-coffee".parse().unwrap());
        for (remaining, reset) in [(2, 1_200), (1, 2_400), (0, 3_600)] {
            let mut headers = HeaderMap::new();
            limits.of_partner(&one).unwrap_or_else(|_| panic!()).unwrap().tell(&mut headers);
            assert_eq!(field(&headers, "ratelimit-policy"), Some("\"partner\";q=3;w=3600"));
            let state = format!("\"partner\";r={remaining};t={reset}");
            assert_eq!(field(&headers, "ratelimit"), Some(&*state));
            assert_eq!(field(&headers, "retry-after"), None);
        }
        let (refusal, standing) = limits.of_partner(&one).unwrap_err();
        assert_eq!(refusal.code(), ProblemCode::RateLimited);
        let mut headers = HeaderMap::new();
        standing.tell(&mut headers);
        assert_eq!(field(&headers, "ratelimit"), Some("\"partner\";r=0;t=3600"));
        assert_eq!(field(&headers, "retry-after"), Some("1200"));
        assert!(limits.of_partner(&other).is_ok());
        assert!(matches!(limits.of_stranger(None), Ok(None)), "what is not limited says nothing");
    }

    #[test]
    fn a_whole_network_of_ipv6_is_one_address() {
        let settings = LimitSettings { address: rate(1, 3_600), ..LimitSettings::NONE };
        let limits = Limits::new(&settings);
        let of = |text: &str| limits.of_address(Some(text.parse().unwrap())).is_ok();
        assert!(of("2001:db8:1:2::1"));
        assert!(!of("2001:db8:1:2:ffff::2"));
        assert!(of("2001:db8:1:3::1"));
        assert!(of("192.0.2.1"));
        assert!(!of("::ffff:192.0.2.1"), "the same address, written otherwise");
        assert!(of("192.0.2.2"));
        limits.forget_idle();
        assert!(!of("192.0.2.2"), "who is not idle is remembered");
    }

    #[test]
    fn without_bound_is_zero() {
        assert_eq!(Rate::per_second(0), None);
        assert_eq!(Rate::per_second(7), rate(7, 1));
    }

    #[test]
    fn claimed_keys_are_read_without_a_look_at_anything_else() {
        let kid = "qBLWFFn9NmW8C8vIFT_KhJarPD3Lw-vVwFCTZbYpyrw";
        let mut headers = HeaderMap::new();
        let mut put = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            headers.append(HeaderName::from_static("signature-input"), value);
        };
        put("a=(\"@method\");created=1;keyid=\"x\";tag=\"other\"");
        put(&format!("b=(\"@method\");created=1;keyid=\"{kid}\";tag=\"alliance-v1\""));
        let claimed: Vec<String> = claimed_keys(&headers).map(|kid| kid.to_string()).collect();
        assert_eq!(claimed, [kid]);
        assert_eq!(claimed_keys(&HeaderMap::new()).count(), 0);
    }
}
