//! Campaigns: looked at beside the writer before one takes effect, and what they have spent.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::rates::proposal::OperatorName;
use alliance_contracts::campaign::Campaign;
use alliance_contracts::ids::CampaignId;
use alliance_contracts::problem::FieldError;
use alliance_contracts::receipt::Account;

use super::ClearingHouse;
use crate::alliance::CampaignRecord;
use crate::command::{ApproveCampaign, Command, Outcome};
use crate::rates::arbitrage::Unproven;
use crate::rates::publication::{self, NoBoard};
use crate::sequencer::Unavailable;
use crate::store::StoreError;

/// How often a campaign is looked at anew because something has changed meanwhile.
const ATTEMPTS: u32 = 5;

/// What each campaign has spent, in 10⁻⁶ of the currency.
pub type CampaignSpending = BTreeMap<CampaignId, i128>;

/// Why a campaign was not approved.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// There is none of this id.
    #[error("there is no campaign {0}")]
    Unknown(CampaignId),
    /// Somebody would gain by it.
    #[error(
        "somebody could gain by it while it runs: {0}. Hold its points back until it is over \
         (holdback_days), or make it smaller"
    )]
    Gain(Unproven),
    /// What stands against it, all at once.
    #[error("it cannot be approved")]
    Refused(Vec<FieldError>),
    /// No proof could be tried.
    #[error(transparent)]
    NoBoard(#[from] NoBoard),
    /// The books.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Everything changes all the time.
    #[error("what it rests on has changed each time it was looked at: approve it again")]
    NeverStill,
}

impl From<StoreError> for ApproveError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(Unavailable::Store(error))
    }
}

impl ClearingHouse {
    /// Lets a campaign add points from its time on, where nobody gains by it. False: it is active
    /// already.
    ///
    /// # Errors
    /// [`ApproveError`].
    pub async fn approve_campaign(
        &self,
        id: CampaignId,
        by: OperatorName,
    ) -> Result<bool, ApproveError> {
        for _ in 0..ATTEMPTS {
            self.inner.sequencer.refresh().await?;
            let registry = self.registry();
            let record = registry.campaign(&id).ok_or(ApproveError::Unknown(id))?;
            if let Some(gain) = self.campaign_gain(&record.campaign).await? {
                return Err(ApproveError::Gain(gain));
            }
            let based_on = registry.seen_version;
            let approval = Box::new(ApproveCampaign { id, by: by.clone(), based_on });
            let answer = self.submit(Command::ApproveCampaign(approval)).await?;
            match answer.decided.outcome {
                Outcome::Done(changed) => return Ok(changed > 0),
                Outcome::CampaignRefused(faults) => return Err(ApproveError::Refused(faults)),
                _ => {}
            }
        }
        Err(ApproveError::NeverStill)
    }

    /// Whether anybody would gain by a campaign on the boards of the moment; none: nobody would.
    ///
    /// # Errors
    /// [`ApproveError`].
    pub async fn campaign_gain(
        &self,
        campaign: &Campaign,
    ) -> Result<Option<Unproven>, ApproveError> {
        let (registry, now) = (self.registry(), self.now());
        let boards = self.boards_still_quoted(&registry, now).await?;
        let campaign = campaign.clone();
        let work = move || publication::campaign_gain(&registry, &boards, &campaign, now);
        let worked = self.inner.handle.spawn_blocking(work).await;
        Ok(worked.map_err(|_| Unavailable::Lost)??)
    }

    /// Every campaign, oldest first, and what each has spent.
    ///
    /// # Errors
    /// What the store says.
    pub async fn campaigns(
        &self,
    ) -> Result<(Vec<Arc<CampaignRecord>>, CampaignSpending), StoreError> {
        let accounts = self.read(|store| async move { store.accounts().await }).await?;
        let spent = accounts.into_iter().filter_map(|account| match account.account {
            Account::Campaign(id) => Some((id, -account.balance)),
            _ => None,
        });
        Ok((self.registry().campaigns.clone(), spent.collect()))
    }
}
