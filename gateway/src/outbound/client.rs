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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc;

    use super::*;

    /// Answers one connection with these bytes, then with more of the last ones for as long as
    /// anybody reads.
    fn server(answer: &'static [u8], more: &'static [u8]) -> (CallbackUrl, mpsc::Receiver<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (told, written) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 4_096];
            let _ = stream.read(&mut head).unwrap();
            let mut sent = 0;
            let mut next = answer;
            while !next.is_empty() && stream.write_all(next).is_ok() && sent < 64 << 20 {
                sent += next.len();
                next = more;
            }
            told.send(sent).unwrap();
        });
        (CallbackUrl::parse(&url, true).unwrap(), written)
    }

    /// How much the server got rid of, while the client goes on with what it does.
    async fn told(written: &mpsc::Receiver<usize>) -> usize {
        for _ in 0..1_000 {
            if let Ok(written) = written.try_recv() {
                return written;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server is still writing");
    }

    async fn post(url: &CallbackUrl) -> Result<Answered, NoAnswer> {
        Outbound::new(true).unwrap().post(url, HeaderMap::new(), b"{}".to_vec()).await
    }

    #[actix_web::test]
    async fn of_an_answer_without_end_only_its_beginning_is_read() {
        // T43
        const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        const CHUNK: &[u8] = b"10\r\nxxxxxxxxxxxxxxxx\r\n";
        let (url, written) = server(HEAD, CHUNK);
        let answer = post(&url).await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, ANSWER_BYTES));
        // Then the connection was closed: the server did not get rid of all it had.
        assert!(told(&written).await < 64 << 20);
    }

    #[actix_web::test]
    async fn header_fields_without_end_are_no_answer() {
        // T43
        let (url, written) = server(b"HTTP/1.1 200 OK\r\n", b"x-more: and more and more\r\n");
        assert!(post(&url).await.is_err());
        assert!(told(&written).await < 64 << 20);
    }

    #[actix_web::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        // T42
        const ANSWER: &[u8] = b"HTTP/1.1 302 Found\r\n\
            location: http://169.254.169.254/latest/meta-data\r\ncontent-length: 0\r\n\r\n";
        let (url, _) = server(ANSWER, b"");
        assert_eq!(post(&url).await.unwrap().status, 302);
    }

    #[test]
    fn of_the_addresses_of_a_name_only_the_public_ones_are_connected_to() {
        // T42: whatever the name led to when it was registered.
        let found = || ["10.0.0.1:0", "8.8.8.8:0", "[::1]:0"].map(|text| text.parse().unwrap());
        let left: Vec<SocketAddr> = allowed(found().into_iter(), false).unwrap().collect();
        assert_eq!(left, ["8.8.8.8:0".parse().unwrap()]);
        assert_eq!(allowed(found().into_iter(), true).unwrap().count(), 3);
        let own = ["127.0.0.1:0".parse().unwrap()];
        assert!(allowed(own.into_iter(), false).is_err());
    }

    #[actix_web::test]
    async fn a_name_that_leads_to_this_machine_is_not_called() {
        // T42: the name itself would pass.
        let url = CallbackUrl::parse("http://localhost:1/", true).unwrap();
        let strict = Outbound::new(false).unwrap();
        let error = strict.post(&url, HeaderMap::new(), Vec::new()).await.unwrap_err();
        let mut causes = Vec::new();
        let mut cause: Option<&dyn StdError> = Some(&error);
        while let Some(this) = cause {
            causes.push(this.to_string());
            cause = this.source();
        }
        assert!(causes.last().unwrap().contains("no address of the public"), "{causes:?}");
    }
}
