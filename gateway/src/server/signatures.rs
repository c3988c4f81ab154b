//! Request signatures, verified many at once where many are there.
//!
//! Every worker is one thread with a bench of its own. A request lays its signature on the bench
//! and waits; as soon as the worker has nothing else to do — once round what is ready, no timer —
//! all that lies there is verified in one batch, for a third of the price of one by one. On an idle
//! gateway that is a batch of one, at once.
//!
//! A wrong signature makes its batch fall back to one by one, so that it alone is refused. What is
//! accepted does not depend on the company: RFC 8032's equation with its cofactor
//! ([`alliance_contracts::keys::batch`]).

use std::cell::RefCell;
use std::rc::Rc;

use alliance_contracts::http_signature::SignedRequest;
use alliance_contracts::keys::PublicKey;
use alliance_contracts::keys::batch::{Claim, verify_each};
use tokio::sync::oneshot;

/// Signatures of one batch at most: about a millisecond of work, then others get a turn.
const AT_ONCE: usize = 64;

/// A request that waits for its verdict.
struct Waiting {
    key: PublicKey,
    signed: SignedRequest,
    verdict: oneshot::Sender<Option<SignedRequest>>,
}

/// A worker's bench.
#[derive(Clone, Default)]
pub struct Bench(Rc<RefCell<Vec<Waiting>>>);

impl Bench {
    /// The request again, once its signature has been verified under the key; none where it does
    /// not verify.
    pub async fn verify(&self, key: PublicKey, signed: SignedRequest) -> Option<SignedRequest> {
        let (verdict, told) = oneshot::channel();
        let first = {
            let mut bench = self.0.borrow_mut();
            bench.push(Waiting { key, signed, verdict });
            bench.len() == 1
        };
        if first {
            actix_web::rt::spawn(self.clone().clear());
        }
        // The bench tells everyone; a worker that ends takes all its requests with it.
        told.await.ok().flatten()
    }

    async fn clear(self) {
        // Whatever else is ready to be read lays its signature down first.
        tokio::task::yield_now().await;
        loop {
            let batch: Vec<Waiting> = {
                let mut bench = self.0.borrow_mut();
                let taken = bench.len().min(AT_ONCE);
                bench.drain(..taken).collect()
            };
            tell(batch);
            // Looked at and left in one go: who comes to an empty bench starts the next round.
            if self.0.borrow().is_empty() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn tell(batch: Vec<Waiting>) {
    let claims: Vec<Claim<'_>> = batch
        .iter()
        .map(|waiting| Claim {
            key: &waiting.key,
            message: &waiting.signed.base,
            signature: &waiting.signed.signature,
        })
        .collect();
    let verdicts = verify_each(&claims);
    for (waiting, good) in batch.into_iter().zip(verdicts) {
        // Whoever has gone does not hear it.
        let _ = waiting.verdict.send(good.then_some(waiting.signed));
    }
}

#[cfg(test)]
mod tests {
    use alliance_contracts::http_signature::{
        HeaderList, RequestSignatureParams, RequestView, Tag, parse_request, required_components,
        sign_request,
    };
    use alliance_contracts::keys::SigningKey;
    use alliance_contracts::time::Timestamp;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

    fn view<'a>(headers: &'a HeaderList, path: &'a str) -> RequestView<'a> {
        let authority = "gateway.example";
        RequestView { method: "GET", authority, path, query: None, headers }
    }

    fn signed(key: &SigningKey, path: &str) -> SignedRequest {
        let mut headers = HeaderList::default();
        headers.push("accept", b"application/json");
        let parameters =
            RequestSignatureParams { created: NOW, expires: None, nonce: None, tag: Tag::Request };
        let covered = required_components("GET");
        let made = sign_request(&view(&headers, path), covered, &parameters, key).unwrap();
        headers.push("signature-input", made.signature_input.as_bytes());
        headers.push("signature", made.signature.as_bytes());
        parse_request(&view(&headers, path), Tag::Request, NOW).unwrap()
    }

    #[actix_web::test]
    async fn of_many_at_once_each_gets_its_own_verdict() {
        let (key, other) = (SigningKey::from_seed(&[7; 32]), SigningKey::from_seed(&[8; 32]));
        let bench = Bench::default();
        let verdicts = (0..200).map(|at| {
            let mut request = signed(&key, &format!("/v1/links/{at}"));
            let under = if at % 50 == 49 { other.public_key() } else { key.public_key() };
            if at % 50 == 24 {
                request.base.push(b' ');
            }
            bench.verify(under.clone(), request)
        });
        let verdicts = futures_util::future::join_all(verdicts).await;
        for (at, verdict) in verdicts.iter().enumerate() {
            assert_eq!(verdict.is_some(), at % 25 != 24, "request {at}");
            let path = format!("\"@path\": /v1/links/{at}\n");
            let own =
                |signed: &SignedRequest| String::from_utf8_lossy(&signed.base).contains(&path);
            assert!(verdict.as_ref().is_none_or(own), "request {at} got another's answer");
        }
        assert!(bench.0.borrow().is_empty());
    }
}
