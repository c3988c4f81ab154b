//! Agreements: proposed by one partner, looked at and countersigned by the other.

use alliance_contracts::agreement::{
    Agreement, AgreementDiff, AgreementRequest, AgreementState, AgreementView, Agreements,
    VerifiedAgreement,
};
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::AgreementId;
use alliance_contracts::link::Empty;
use alliance_contracts::names::PartnerId;

use super::error::{ConfigError, Error, VerificationError};
use super::{Call, Client};
use crate::verify::agreement::{verify_agreement, verify_proposal};

/// Which agreements to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgreementFilter {
    /// Only versions in this state.
    pub state: Option<AgreementState>,
    /// Only those with this partner.
    pub with: Option<PartnerId>,
    /// Only those after this one: the `next_after` of the page before.
    pub after: Option<AgreementId>,
    /// So many at most; 100 where left out.
    pub limit: Option<u32>,
}

impl AgreementFilter {
    fn query(&self) -> String {
        let pairs = [
            ("state", self.state.map(|state| state.as_str().to_owned())),
            ("with", self.with.as_ref().map(ToString::to_string)),
            ("after", self.after.map(|after| after.to_string())),
            ("limit", self.limit.map(|limit| limit.to_string())),
        ];
        let pairs =
            pairs.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        let query = pairs.collect::<Vec<_>>().join("&");
        if query.is_empty() { query } else { format!("?{query}") }
    }
}

/// Another partner's proposal that was verified and can be looked at: what
/// [`Client::countersign_agreement`] signs, and nothing else can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewedAgreement {
    view: AgreementView,
    verified: VerifiedAgreement,
}

impl ReviewedAgreement {
    /// What is proposed, as the other partner has signed it.
    #[must_use]
    pub const fn agreement(&self) -> &Agreement {
        &self.verified.agreement
    }

    /// SHA-256 of the bytes that the other partner has signed.
    #[must_use]
    pub const fn hash(&self) -> &Hash {
        &self.verified.hash
    }

    /// The version, as the gateway shows it.
    #[must_use]
    pub const fn view(&self) -> &AgreementView {
        &self.view
    }
}

/// Agreements.
impl Client {
    /// Signs the next version of an agreement and proposes it to the other partner. A second
    /// proposal takes the place of the first.
    ///
    /// A faulty one ends in [`Error::Refused`] with every fault under `errors`;
    /// [`Agreement::faults`] finds most of them before.
    ///
    /// ```no_run
    /// use alliance_partner_sdk::client::{AgreementFilter, Client};
    /// use alliance_partner_sdk::contracts::agreement::Agreement;
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let with = "borealis-coffee".parse()?;
    /// let mut next: Agreement = client.agreement_in_force(&with).await?.ok_or("none")?.agreement;
    /// next.previous = next.hash();
    /// next.version += 1;
    /// next.fee.rate = "0.012".parse()?;
    /// next.effective_at = "2027-01-01T00:00:00.000Z".parse()?;
    /// let proposed = client.propose_agreement(&next).await?;
    /// println!("{} waits for {}", proposed.id, proposed.agreement.b);
    /// # Ok(()) }
    /// ```
    pub fn propose_agreement(&self, agreement: &Agreement) -> Call<AgreementView> {
        let body = AgreementRequest { jws: agreement.sign(&self.signing_key()) };
        Call::post(self, "/v1/agreements", "/v1/agreements", &body)
    }

    /// Fetches another partner's proposal and verifies that this partner has signed exactly what is
    /// shown: look at it, then [`countersign`](Client::countersign_agreement) it or
    /// [`withdraw`](Client::withdraw_agreement) it.
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::Client;
    /// # use alliance_partner_sdk::contracts::agreement::AgreementView;
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let id = "agr_01h455vb4pex5vsknk084sn02q".parse()?;
    /// let proposal = client.review_agreement(id).await?;
    /// for change in client.agreement_diff(id, None).await?.changes {
    ///     println!("{change}");
    /// }
    /// if proposal.agreement().fee.rate <= "0.012".parse()? {
    ///     client.countersign_agreement(&proposal).await?;
    /// } else {
    ///     client.withdraw_agreement(id).await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Verification`] where it is not what its proposer has signed;
    /// [`ConfigError::Request`] where it is not the other partner's proposal to this one; otherwise
    /// any [`Error`].
    pub async fn review_agreement(&self, id: AgreementId) -> Result<ReviewedAgreement, Error> {
        let view = self.agreement(id).await?;
        let keys = self.partner_keys().await?;
        let verified = verify_proposal(&view, &keys).map_err(VerificationError::Agreement)?;
        let other = verified.agreement.other(&view.proposed_by);
        if other != Some(self.partner()) {
            let fault = "an agreement is countersigned by the partner that did not propose it";
            return Err(ConfigError::Request(fault).into());
        }
        if view.id != id {
            return Err(VerificationError::AnotherAgreement.into());
        }
        Ok(ReviewedAgreement { view, verified })
    }

    /// Countersigns a proposal: signs the very document that was verified and looked at.
    pub fn countersign_agreement(&self, reviewed: &ReviewedAgreement) -> Call<AgreementView> {
        let body = AgreementRequest { jws: reviewed.agreement().sign(&self.signing_key()) };
        let target = format!("/v1/agreements/{}/countersign", reviewed.view.id);
        Call::post(self, "/v1/agreements/{id}/countersign", target, &body)
    }

    /// Takes this partner's proposal back, or declines the other's.
    pub fn withdraw_agreement(&self, id: AgreementId) -> Call<AgreementView> {
        let target = format!("/v1/agreements/{id}/withdraw");
        Call::post(self, "/v1/agreements/{id}/withdraw", target, &Empty {})
    }

    /// One version of an agreement, with what each of the two has signed; not verified:
    /// [`Client::verify_agreement`] does.
    pub fn agreement(&self, id: AgreementId) -> Call<AgreementView> {
        Call::get(self, "/v1/agreements/{id}", format!("/v1/agreements/{id}"))
    }

    /// A page of the caller's agreements, every version of them, oldest first.
    pub fn agreements(&self, filter: &AgreementFilter) -> Call<Agreements> {
        Call::get(self, "/v1/agreements", format!("/v1/agreements{}", filter.query()))
    }

    /// The version of the agreement with a partner that holds now, if the two have signed any.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn agreement_in_force(
        &self,
        with: &PartnerId,
    ) -> Result<Option<AgreementView>, Error> {
        let state = Some(AgreementState::Active);
        let mut filter = AgreementFilter { state, with: Some(with.clone()), ..Default::default() };
        loop {
            let page = self.agreements(&filter).await?;
            if let Some(found) = page.items.into_iter().find(|version| version.in_force) {
                return Ok(Some(found));
            }
            if !page.more || page.next_after.is_none() {
                return Ok(None);
            }
            filter.after = page.next_after;
        }
    }

    /// What changes from one version to another; without `to`, from the version in force to this
    /// one.
    pub fn agreement_diff(&self, id: AgreementId, to: Option<AgreementId>) -> Call<AgreementDiff> {
        let query = to.map(|to| format!("?to={to}")).unwrap_or_default();
        let target = format!("/v1/agreements/{id}/diff{query}");
        Call::get(self, "/v1/agreements/{id}/diff", target)
    }

    /// Verifies that both partners have signed this version, under the pinned root key: see
    /// [`verify::agreement`](crate::verify::agreement) for doing so offline.
    ///
    /// # Errors
    /// [`Error::Verification`]; otherwise any [`Error`].
    pub async fn verify_agreement(&self, view: &AgreementView) -> Result<VerifiedAgreement, Error> {
        let keys = self.partner_keys().await?;
        Ok(verify_agreement(view, &keys).map_err(VerificationError::Agreement)?)
    }
}
