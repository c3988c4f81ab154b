//! Sending an event to a developer's own address, signed as a gateway's webhook is: what `listen`
//! and `trigger` share.

use alliance_contracts::event::Event;
use alliance_contracts::json;
use alliance_contracts::webhook::WebhookSecret;
use clap::Args;

use super::failure::Failure;
use super::printer::{BAD, FAINT, GOOD, paint};
use crate::outbound::address::CallbackUrl;
use crate::outbound::client::Outbound;
use crate::webhooks;

/// Bytes of a secret that is made up.
const SECRET_BYTES: usize = 32;

/// Under which secret.
#[derive(Debug, Args)]
pub struct Signed {
    /// The secret to sign under, as the endpoint knows it [default: a new one, printed]
    #[arg(long, value_name = "whsec_…", env = "ALLIANCE_WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<String>,
}

/// Whoever forwards.
pub struct Forwarder {
    to: CallbackUrl,
    secret: WebhookSecret,
    outbound: Outbound,
    /// Whether the secret was made up here.
    pub is_new: bool,
}

impl Forwarder {
    /// Reads where to, and under which secret.
    pub fn new(to: &str, signed: &Signed) -> Result<Self, Failure> {
        let to = CallbackUrl::parse(to, true)
            .map_err(|fault| Failure::usage(format!("{to} cannot be sent to: {fault}")))?;
        let secret = match &signed.secret {
            Some(text) => WebhookSecret::parse(text).map_err(Failure::usage)?,
            None => new_secret()?,
        };
        let outbound = Outbound::new(true).map_err(Failure::wrong)?;
        Ok(Self { to, secret, outbound, is_new: signed.secret.is_none() })
    }

    /// What a receiver must know to check what it is sent.
    pub fn secret(&self) -> String {
        self.secret.expose()
    }

    /// Sends one event; what came of it, for people, and whether it was taken.
    pub async fn send(&self, event: &Event, now_millis: i64) -> (String, bool) {
        let body = json::canonical(event);
        let secrets = std::slice::from_ref(&self.secret);
        let timestamp = now_millis.div_euclid(1_000);
        let fields = webhooks::fields(secrets, None, &event.id.to_string(), timestamp, &body);
        let answered = match fields {
            Ok(fields) => self.outbound.post(&self.to, fields, body).await,
            Err(error) => return (error.to_string(), false),
        };
        let (what, taken) = match answered {
            Ok(answer) => (answer.status.to_string(), (200..300).contains(&answer.status)),
            Err(error) => (super::failure::whole(&error), false),
        };
        let mark = if taken { paint(GOOD, "✓") } else { paint(BAD, "✗") };
        let number = event.number().unwrap_or(0);
        let kind = event.r#type.as_str();
        let line =
            format!("{mark} {number:>8}  {kind:<30}  {}  {}", event.subject, paint(FAINT, &what));
        (line, taken)
    }
}

fn new_secret() -> Result<WebhookSecret, Failure> {
    use ring::rand::{SecureRandom, SystemRandom};
    let mut bytes = [0; SECRET_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Failure::wrong("there is no randomness"))?;
    WebhookSecret::from_bytes(&bytes).map_err(Failure::wrong)
}
