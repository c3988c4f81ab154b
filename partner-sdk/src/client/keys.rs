//! The partner's own keys: registered, one after the other, revoked.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use alliance_contracts::keys::{Kid, SigningKey};
use alliance_contracts::partner_key::{
    KeyRegistration, KeyRequest, KeyScope, KeyUses, KeyView, Keys, RetireKeyRequest,
    RevokeKeyRequest, RevokedKey, UseCursor,
};
use alliance_contracts::time::Timestamp;

use super::error::Error;
use super::{Call, Client};

/// Within this time every gateway of the alliance knows a key that was registered, and refuses one
/// that was revoked.
pub const KEYS_KNOWN_WITHIN: Duration = Duration::from_secs(5);

/// Keys of the partner's own.
impl Client {
    /// The partner's keys, whatever their state.
    pub fn keys(&self) -> Call<Keys> {
        Call::get(self, "/v1/keys", "/v1/keys")
    }

    /// One key of the partner's.
    pub fn key(&self, kid: &Kid) -> Call<KeyView> {
        Call::get(self, "/v1/keys/{kid}", format!("/v1/keys/{kid}"))
    }

    /// A registration of this key for this partner, to be looked at, given times, and registered.
    ///
    /// # Errors
    /// Any [`Error`], where the client was not told the alliance's name and has to ask for it.
    pub async fn key_registration(
        &self,
        new: &SigningKey,
        scope: KeyScope,
    ) -> Result<KeyRegistration, Error> {
        let alliance = match &self.0.alliance {
            Some(alliance) => alliance.clone(),
            None => self.programs().await?.alliance,
        };
        Ok(KeyRegistration::new(alliance, self.partner().clone(), scope, new.public_key()))
    }

    /// Registers a key, which signs its own registration; the client's key, of scope `full`, signs
    /// the request. Every older key holds as before. To put a new key in another's place:
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::Client;
    /// use alliance_partner_sdk::client::KEYS_KNOWN_WITHIN;
    /// use alliance_partner_sdk::contracts::keys::SigningKey;
    /// use alliance_partner_sdk::contracts::partner_key::KeyScope;
    /// # async fn f(client: Client, new: SigningKey) -> Result<(), Box<dyn std::error::Error>> {
    /// let old = client.kid();
    /// let asked = client.key_registration(&new, KeyScope::Full).await?;
    /// client.register_key(&asked, &new).await?;
    /// tokio::time::sleep(KEYS_KNOWN_WITHIN).await;
    /// client.use_key(new);
    /// // As soon as nobody signs with the old one any more:
    /// client.retire_key(&old, "2026-11-30T00:00:00.000Z".parse()?).await?;
    /// # Ok(()) }
    /// ```
    pub fn register_key(&self, asked: &KeyRegistration, new: &SigningKey) -> Call<KeyView> {
        Call::post(self, "/v1/keys", "/v1/keys", &KeyRequest { jws: asked.sign(new) })
    }

    /// Lets a key end at a time, by the gateway's clock; an earlier end that it has stays.
    pub fn retire_key(&self, kid: &Kid, at: Timestamp) -> Call<KeyView> {
        let target = format!("/v1/keys/{kid}/retire");
        Call::post(self, "/v1/keys/{kid}/retire", target, &RetireKeyRequest { at })
    }

    /// Revokes a key: from now on nothing is accepted under it, on every gateway within
    /// [`KEYS_KNOWN_WITHIN`]. Tells what it was accepted for since that time; what does not fit is
    /// told by [`Client::key_uses`].
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::Client;
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let stolen = "qBLWFFn9NmW8C8vIFT_KhJarPD3Lw-vVwFCTZbYpyrw".parse()?;
    /// let since = "2026-11-20T00:00:00.000Z".parse()?;
    /// for used in client.revoke_key(&stolen, Some(since)).await?.uses.items {
    ///     println!("{} {} {:?}", used.received_at, used.what, used.transactions);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn revoke_key(&self, kid: &Kid, since: Option<Timestamp>) -> Call<RevokedKey> {
        let target = format!("/v1/keys/{kid}/revoke");
        Call::post(self, "/v1/keys/{kid}/revoke", target, &RevokeKeyRequest { since })
    }

    /// A page of what a key was accepted for since a time, oldest first, after the `next_after` of
    /// the page before.
    pub fn key_uses(
        &self,
        kid: &Kid,
        since: Option<Timestamp>,
        after: Option<UseCursor>,
    ) -> Call<KeyUses> {
        let since = since.map(|since| format!("since={since}"));
        let after = after.map(|after| format!("after={after}"));
        let query: Vec<String> = since.into_iter().chain(after).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let target = format!("/v1/keys/{kid}/uses{mark}{}", query.join("&"));
        Call::get(self, "/v1/keys/{kid}/uses", target)
    }

    /// The key that signs.
    #[must_use]
    pub fn kid(&self) -> Kid {
        self.signing_key().kid().clone()
    }

    /// Signs with another key from the next attempt on: this client and all its clones.
    pub fn use_key(&self, key: SigningKey) {
        *self.0.key.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }

    pub(super) fn signing_key(&self) -> Arc<SigningKey> {
        self.0.key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
