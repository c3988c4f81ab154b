//! What the gateway has made of each partner's last requests: in memory, so many of each, and only
//! in a sandbox. Paths, bodies and header fields are not kept; of a signature that does not verify
//! both bases are, which hold what the request line and the covered fields said.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use alliance_contracts::names::PartnerId;
use alliance_contracts::sandbox::{LoggedRequest, RequestLog};

/// Requests that are kept of each partner, and of nobody known.
pub const KEPT: usize = 100;
/// A base longer than this is not kept.
const BASE_BYTES: usize = 8 << 10;

/// The log. Of the partners there are as many as the definition has.
#[derive(Default)]
pub struct Log(Mutex<BTreeMap<Option<PartnerId>, VecDeque<LoggedRequest>>>);

impl Log {
    /// Keeps a request; the oldest of its partner's makes room.
    pub fn note(&self, mut request: LoggedRequest) {
        let too_long = |base: &String| base.len() > BASE_BYTES;
        if let Some(comparison) = &request.signature
            && (too_long(&comparison.gateway_base)
                || comparison.client_base.as_ref().is_some_and(too_long))
        {
            request.signature = None;
        }
        let mut partners = self.partners();
        let requests = partners.entry(request.partner.clone()).or_default();
        if requests.len() == KEPT {
            requests.pop_front();
        }
        requests.push_back(request);
    }

    /// A partner's requests, or nobody's; the newest first.
    #[must_use]
    pub fn of(&self, partner: Option<&PartnerId>) -> RequestLog {
        let partners = self.partners();
        let requests = partners.get(&partner.cloned());
        RequestLog { requests: requests.into_iter().flatten().rev().cloned().collect() }
    }

    fn partners(&self) -> MutexGuard<'_, BTreeMap<Option<PartnerId>, VecDeque<LoggedRequest>>> {
        // Nothing panics while holding the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use alliance_contracts::sandbox::{SignatureComparison, SignatureFinding};
    use alliance_contracts::time::Timestamp;

    use super::*;

    fn request(partner: Option<&str>, id: usize, base: usize) -> LoggedRequest {
        let comparison = SignatureComparison {
            client_base: None,
            difference: None,
            finding: SignatureFinding::NotFound,
            gateway_base: "x".repeat(base),
        };
        LoggedRequest {
            at: Timestamp::from_millis(0),
            cause: None,
            code: None,
            detail: None,
            method: "GET".to_owned(),
            partner: partner.map(|partner| partner.parse().unwrap()),
            request_id: id.to_string(),
            route: "/v1/programs".to_owned(),
            signature: Some(comparison),
            status: 401,
        }
    }

    #[test]
    fn each_partner_has_its_own_last_requests_and_nobody_elses() {
        let log = Log::default();
        for id in 0..KEPT + 20 {
            log.note(request(Some("aurora-air"), id, 1));
        }
        log.note(request(None, 7, BASE_BYTES + 1));
        let aurora = log.of(Some(&"aurora-air".parse().unwrap())).requests;
        assert_eq!(aurora.len(), KEPT);
        assert_eq!(aurora[0].request_id, (KEPT + 19).to_string());
        assert_eq!(aurora[KEPT - 1].request_id, "20");
        let nobodys = log.of(None).requests;
        assert_eq!((nobodys.len(), &nobodys[0].signature), (1, &None));
        assert!(log.of(Some(&"borealis-coffee".parse().unwrap())).requests.is_empty());
    }
}
