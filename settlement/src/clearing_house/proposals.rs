//! Proposals about rates, as operators make them: tried on the next board before anybody says yes.

use alliance_contracts::names::ProgramId;

use super::ClearingHouse;
use super::publisher::PublishError;
use crate::command::{Command, Outcome, ProposeRates};
use crate::rates::feeds::{Known, take_in};
use crate::rates::model::ValueModel;
use crate::rates::proposal::{OperatorName, Proposal, RateProposal};
use crate::rates::publication::Publication;
use crate::sequencer::Unavailable;
use crate::store::StoreError;

/// Why a proposal was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum ProposalError {
    /// Every fault.
    #[error("nothing was changed: {}", .0.join("; "))]
    Refused(Vec<String>),
    /// The books.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<StoreError> for ProposalError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(Unavailable::Store(error))
    }
}

impl ClearingHouse {
    /// Makes a proposal; where no second person is needed it is approved at once.
    ///
    /// # Errors
    /// [`ProposalError`].
    pub async fn propose(
        &self,
        proposal: Proposal,
        by: OperatorName,
    ) -> Result<RateProposal, ProposalError> {
        let propose = ProposeRates { proposal, by };
        self.changed(Command::ProposeRates(Box::new(propose))).await
    }

    /// Approves another's proposal.
    ///
    /// # Errors
    /// [`ProposalError`].
    pub async fn approve(
        &self,
        number: u32,
        by: OperatorName,
    ) -> Result<RateProposal, ProposalError> {
        self.changed(Command::ApproveRates(number, by)).await
    }

    /// Takes a proposal back.
    ///
    /// # Errors
    /// [`ProposalError`].
    pub async fn withdraw(
        &self,
        number: u32,
        by: OperatorName,
    ) -> Result<RateProposal, ProposalError> {
        self.changed(Command::WithdrawProposal(number, by)).await
    }

    async fn changed(&self, command: Command) -> Result<RateProposal, ProposalError> {
        let number = match self.submit(command).await?.decided.outcome {
            Outcome::Proposal(number) => number,
            Outcome::ProposalRefused(faults) => return Err(ProposalError::Refused(faults)),
            _ => return Err(Unavailable::Lost.into()),
        };
        let record = self.proposal(number).await?;
        record.ok_or(ProposalError::Unavailable(Unavailable::Lost))
    }

    /// A proposal.
    ///
    /// # Errors
    /// What the store says.
    pub async fn proposal(&self, number: u32) -> Result<Option<RateProposal>, StoreError> {
        let newest = self.read(move |store| async move { store.proposals(number, 1).await });
        Ok(newest.await?.pop().filter(|record| record.number == number))
    }

    /// The newest proposals, at most `limit`.
    ///
    /// # Errors
    /// What the store says.
    pub async fn proposals(&self, limit: u32) -> Result<Vec<RateProposal>, StoreError> {
        self.read(move |store| async move { store.proposals(u32::MAX, limit).await }).await
    }

    /// The next board with this proposal carried out, to see what would be cut; nothing is changed.
    /// Where a board is still to come, the one after it.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn trial(&self, proposal: &Proposal) -> Result<Publication, PublishError> {
        let registry = self.registry();
        let last = registry.last_board().map(|board| board.published.board.effective_at);
        let now = last.map_or(self.now(), |last| last.max(self.now()));
        let mut approved = registry.approved_values();
        approved.extend(proposal.values.iter().map(|one| (one.program.clone(), one.value)));
        let mut feeds = registry.feeds.clone();
        let nothing = crate::rates::feeds::Feeds::NOTHING;
        let known = |program: &ProgramId| {
            let model = ValueModel::of(registry.program(program)?);
            Some(Known { model, feeds: registry.feeds.get(program).unwrap_or(&nothing) })
        };
        // Faulty ones are told by whoever refuses the proposal.
        let taken = take_in(&proposal.observations, known, true, now).unwrap_or_default();
        feeds.extend(taken.feeds);
        self.worked_out(registry.clone(), feeds, approved, now).await
    }
}
