//! The gateway's own key and the list that says whether it may sign. The folder's list is the
//! books' first; from then on the books have the list, and `alliance keys import` brings the next.

use alliance_contracts::keys::Kid;
use alliance_settlement::alliance::{GatewayKeys, MayNotSign};
use alliance_settlement::clearing_house::{ClearingHouse, Clock, ImportKeysError};

use super::{Fault, GATEWAY_KEY_FILE, Instance, KEY_LIST_FILE};

impl Instance {
    /// What keeps this gateway's key from signing, by the books' list; before they have one, by the
    /// folder's.
    #[must_use]
    pub fn key_faults(&self, listed: Option<&GatewayKeys>) -> Vec<Fault> {
        let now = Clock::system().now();
        let kid = self.signing_key.kid();
        let (list, whose) = match listed {
            Some(listed) => (listed, "the books' key list"),
            None => (&self.first_list, KEY_LIST_FILE),
        };
        let refused = list.may_sign(kid, now).err();
        let unfit = refused.map(|why| Fault::new(GATEWAY_KEY_FILE, key_fault(why, kid, whose)));
        unfit.into_iter().chain(listed.and_then(|listed| self.newer_list(listed))).collect()
    }

    /// A list beside the keys that is newer than the books': it may revoke what they trust.
    fn newer_list(&self, listed: &GatewayKeys) -> Option<Fault> {
        let (ours, theirs) = (self.trusted_keys.number(), listed.trusted.number());
        (ours > theirs).then(|| {
            let fault = format!(
                "has number {ours}, and the books have {theirs}: `alliance keys import \
                 {KEY_LIST_FILE}`, after those in between; or are the books an old backup?"
            );
            Fault::new(KEY_LIST_FILE, fault)
        })
    }

    /// Gives books without a list the folder's, which was made with them.
    ///
    /// # Errors
    /// Where the books do not take it.
    pub async fn bring_first_list(&self, house: &ClearingHouse) -> Result<(), Fault> {
        if house.registry().gateway_keys.is_some() {
            return Ok(());
        }
        match house.import_gateway_keys(self.first_list.clone()).await {
            // Refused: another gateway was first.
            Ok(_) | Err(ImportKeysError::Refused(_)) => Ok(()),
            Err(error) => Err(Fault::new(KEY_LIST_FILE, error)),
        }
    }
}

fn key_fault(refused: MayNotSign, kid: &Kid, whose: &str) -> String {
    match refused {
        MayNotSign::Unlisted => format!(
            "its key {kid} is not in {whose}: nobody would believe what it signs; put back the key \
             that is listed, or have the root key introduce this one and import the list \
             (docs/key-rotation.md)"
        ),
        MayNotSign::Revoked => format!(
            "its key {kid} is revoked in {whose}: put a key that the root key has introduced in \
             its place (docs/key-rotation.md)"
        ),
        MayNotSign::NotInForce => format!(
            "its key {kid} is not in force now by {whose}: put one that is in its place \
             (docs/key-rotation.md)"
        ),
    }
}
