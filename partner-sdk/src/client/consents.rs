//! Consents to be debited: what the partner lets another order in its name, and the other way
//! round.

use alliance_contracts::debit_consent::{ConsentRequest, ConsentView, Consents, DebitConsent};
use alliance_contracts::ids::ConsentId;
use alliance_contracts::link::Empty;

use super::{Call, Client};

/// Consents to be debited.
impl Client {
    /// Signs a consent and hands it in: from then on its target may order in this partner's name.
    ///
    /// ```no_run
    /// use alliance_partner_sdk::contracts::debit_consent::{DebitConsent, DebitLimits};
    /// use alliance_partner_sdk::contracts::quote::TransactionKind;
    /// # use alliance_partner_sdk::Client;
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let consent = DebitConsent {
    ///     alliance: "demo".parse()?,
    ///     kinds: vec![TransactionKind::Redemption],
    ///     limits: DebitLimits {
    ///         order: "50".parse()?,
    ///         day: "1000".parse()?,
    ///         month: "20000".parse()?,
    ///     },
    ///     programs: vec!["aurora".parse()?],
    ///     source: "aurora-air".parse()?,
    ///     target: "borealis-coffee".parse()?,
    ///     until: Some("2027-07-01T00:00:00.000Z".parse()?),
    ///     v: 1,
    /// };
    /// println!("{}", client.grant_consent(&consent).await?.id);
    /// # Ok(()) }
    /// ```
    pub fn grant_consent(&self, consent: &DebitConsent) -> Call<ConsentView> {
        let body = ConsentRequest { jws: consent.sign(&self.signing_key()) };
        Call::post(self, "/v1/consents", "/v1/consents", &body)
    }

    /// Consents that this partner has given or been given, whatever their state, oldest first.
    pub fn consents(&self) -> Call<Consents> {
        Call::get(self, "/v1/consents", "/v1/consents")
    }

    /// One of them.
    pub fn consent(&self, id: ConsentId) -> Call<ConsentView> {
        Call::get(self, "/v1/consents/{id}", format!("/v1/consents/{id}"))
    }

    /// Ends a consent, from now on.
    pub fn revoke_consent(&self, id: ConsentId) -> Call<ConsentView> {
        let target = format!("/v1/consents/{id}/revoke");
        Call::post(self, "/v1/consents/{id}/revoke", target, &Empty {})
    }
}
