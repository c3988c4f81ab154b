//! The gateway's own key: whether it may sign, the list that says so, and what is signed anew when
//! the key under it is revoked.

use std::sync::Arc;

use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::keys::{PublicKey, SigningKey};

use super::{ClearingHouse, PublishError};
use crate::alliance::{GatewayKeys, MayNotSign, Registry};
use crate::command::{Command, Outcome};
use crate::sequencer::Unavailable;

/// Why a list of the gateway's keys was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum ImportKeysError {
    /// It may not take the place of the one that is known.
    #[error("the key list is refused: {0}")]
    Refused(String),
    /// The writer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl ClearingHouse {
    /// The key that signs here, as long as the root key lets it.
    ///
    /// # Errors
    /// [`MayNotSign`].
    pub fn signer(&self) -> Result<&Arc<SigningKey>, MayNotSign> {
        self.registry().may_sign(self.inner.key.kid(), self.now())?;
        Ok(&self.inner.key)
    }

    /// The public half of the key that signs here, or would.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        self.inner.key.public_key()
    }

    /// The gateway's keys as the books have them; before a list was imported, as this gateway was
    /// started with.
    pub(super) fn gateway_keys<'a>(&'a self, registry: &'a Registry) -> &'a TrustedKeys {
        registry.gateway_keys.as_ref().map_or(&self.inner.gateway_keys, |list| &list.trusted)
    }

    /// Takes in a list of the gateway's keys that was verified under the root key. False: it is the
    /// one that is known. Every gateway follows it with its next look at the registry.
    ///
    /// # Errors
    /// [`ImportKeysError`].
    pub async fn import_gateway_keys(&self, list: GatewayKeys) -> Result<bool, ImportKeysError> {
        let answer = self.submit(Command::ImportGatewayKeys(Box::new(list))).await?;
        match answer.decided.outcome {
            Outcome::KeyListRefused(why) => Err(ImportKeysError::Refused(why)),
            Outcome::Done(changes) => Ok(changes > 0),
            other => Err(ImportKeysError::Refused(format!("{other:?}"))),
        }
    }

    /// Signs anew what nobody believes any more since the key under it was revoked: the partner key
    /// list, and the board. One gateway does it for all.
    pub(super) async fn vouch_anew(&self) -> Result<(), PublishError> {
        if self.signer().is_err() {
            return Ok(());
        }
        let registry = self.registry();
        if !registry.signer_counts(&registry.partner_keys_jws) {
            self.submit(Command::VouchForPartnerKeys).await?;
        }
        if registry.boards.last().is_some_and(|last| !registry.signer_counts(&last.jws)) {
            self.publish(None).await?;
        }
        Ok(())
    }
}
