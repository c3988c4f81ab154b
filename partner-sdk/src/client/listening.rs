//! A stream of server-sent events over connections that break: each break is waited out, as
//! [`RetryPolicy`](super::RetryPolicy) says, for as long as it takes.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Client;
use super::error::Error;
use super::sse::{Parser, ServerSent};

/// The gateway sends a sign of life every 15 s: a connection that is silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(45);

/// From where on a connection is to go on.
pub(super) struct From {
    /// Path and query.
    pub target: String,
    /// The last event that was received, where it is not told in the query.
    pub last_event_id: Option<String>,
}

/// Somebody who listens.
pub(super) struct Listening {
    client: Client,
    route: &'static str,
    /// How often in a row no connection, or one without a good event, was had.
    failures: u32,
    connection: Option<Connection>,
    ready: VecDeque<ServerSent>,
}

struct Connection {
    response: reqwest::Response,
    parser: Parser,
}

impl Listening {
    pub(super) const fn new(client: Client, route: &'static str) -> Self {
        Self { client, route, failures: 0, connection: None, ready: VecDeque::new() }
    }

    /// The next event; a new connection begins where `from` says.
    pub(super) async fn next(&mut self, from: impl Fn() -> From) -> Result<ServerSent, Error> {
        loop {
            if let Some(sent) = self.ready.pop_front() {
                return Ok(sent);
            }
            match self.connection.take() {
                None => self.connect(from()).await?,
                Some(connection) => self.read(connection).await?,
            }
        }
    }

    /// The event was a good one.
    pub(super) const fn went_well(&mut self) {
        self.failures = 0;
    }

    /// The event cannot be judged now: after a wait it comes again.
    pub(super) async fn again(&mut self, sent: ServerSent) {
        self.failures = self.failures.saturating_add(1);
        self.ready.push_front(sent);
        self.wait().await;
    }

    async fn wait(&self) {
        sleep(self.client.0.retry.wait(self.failures, &self.client.0.random)).await;
    }

    async fn connect(&mut self, from: From) -> Result<(), Error> {
        if self.failures > 0 {
            self.wait().await;
        }
        // It counts as a failure until an event comes.
        self.failures = self.failures.saturating_add(1);
        match self.client.listen(self.route, from).await {
            Ok(response) => {
                self.connection = Some(Connection { response, parser: Parser::default() });
                Ok(())
            }
            Err(refused) if !refused.again => Err(refused.error),
            Err(refused) => {
                sleep(refused.wait.unwrap_or(Duration::ZERO)).await;
                Ok(())
            }
        }
    }

    /// Reads on; a connection that ended or is dead is not kept.
    async fn read(&mut self, mut connection: Connection) -> Result<(), Error> {
        let Ok(Ok(Some(bytes))) = timeout(SILENCE, connection.response.chunk()).await else {
            return Ok(());
        };
        let parsed = connection.parser.feed(&bytes);
        self.ready.extend(parsed.map_err(|source| Error::Decode { status: 200, source })?);
        self.connection = Some(connection);
        Ok(())
    }
}
