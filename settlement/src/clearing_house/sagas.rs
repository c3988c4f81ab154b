//! Transactions under way at connected brands, for whoever makes the calls. Sending, and judging
//! whether an answer is a brand's own, are the door's; what a call says is settled here.

use alliance_contracts::connector::{
    Benefit, CancelCall, CaptureCall, CreditCall, OperationKey, ReleaseCall, ReserveCall, Step,
};
use alliance_contracts::ids::TransactionId;
use alliance_contracts::json;
use alliance_contracts::names::{MemberRef, PartnerId};
use alliance_contracts::quote::TransactionKind;
use tokio::task::JoinSet;

use super::ClearingHouse;
use crate::command::{Answered, Command, Outcome};
use crate::ledger::TransactionSideRecord;
use crate::saga::{Answer, Saga, SignedAnswer};
use crate::sequencer::{TransactionView, Unavailable};
use crate::store::{OpenSagas, StoreError};

/// A call to be made.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which step of which transaction: its idempotency key.
    pub key: OperationKey,
    /// The brand.
    pub partner: PartnerId,
    /// Where it is called.
    pub connector: String,
    /// What it is asked, the same bytes every time.
    pub body: Vec<u8>,
    /// How often it has been taken up, this time included.
    pub attempts: u32,
    /// What is handed in of it, but for the answer.
    told: Answered,
}

/// What came of a call.
#[derive(Clone, Debug)]
pub struct Heard {
    /// What the brand has said.
    pub answer: Answer,
    /// As it was signed; none where nothing was said.
    pub signed: Option<SignedAnswer>,
}

/// Why calls were not handed out, or an answer not taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The writer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The books contradict themselves: nothing was written.
    #[error("the books refuse the answer: {0:?}")]
    Refused(Outcome),
}

impl ClearingHouse {
    /// What connected brands are being asked for, by brand.
    ///
    /// # Errors
    /// What the store says.
    pub async fn open_sagas(&self) -> Result<Vec<OpenSagas>, StoreError> {
        self.read(|store| async move { store.open_sagas().await }).await
    }

    /// Comes back when this gateway has written that a brand is to be asked, since the last time.
    pub async fn saga_written(&self) {
        self.inner.sequencer.sagas_written.notified().await;
    }

    /// Takes up calls that are due, of each brand at most so many: for a while they are the
    /// caller's, and nobody else is given them.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn take_calls(&self, free: Vec<(PartnerId, u32)>) -> Result<Vec<Call>, CallError> {
        let now = self.now();
        let due = self
            .read(move |store| async move {
                let mut due = Vec::new();
                for (partner, limit) in free {
                    due.extend(store.due_sagas(&partner, now, limit).await?);
                }
                Ok(due)
            })
            .await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let taken = match self.submit(Command::TakeCalls(due)).await?.decided.outcome {
            Outcome::Taken(taken) => taken,
            other => return Err(CallError::Refused(other)),
        };
        // Read side by side: one after the other would take as long as all of them.
        let mut reading = JoinSet::new();
        for id in taken {
            let house = self.clone();
            reading.spawn_on(async move { house.to_be_called(id).await }, &self.inner.handle);
        }
        let mut calls = Vec::with_capacity(reading.len());
        while let Some(read) = reading.join_next().await {
            let read = read.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            calls.extend(read?);
        }
        Ok(calls)
    }

    /// The call that a transaction waits for. Where none can be made nothing is heard either: past
    /// the deadline a person is told.
    async fn to_be_called(&self, id: TransactionId) -> Result<Option<Call>, CallError> {
        let Some(view) = self.transaction(id).await? else { return Ok(None) };
        let call = self.call(&view).await?;
        let step = view.saga.as_ref().and_then(|saga| saga.phase.step());
        if let (None, Some(step)) = (&call, step) {
            tracing::error!(transaction = %id, "a brand cannot be asked: its member is forgotten, \
                or it has no connector any more");
            let nothing = Heard { answer: Answer::Silent, signed: None };
            self.hand_in(self.told(&view, step, nothing)).await?;
        }
        Ok(call)
    }

    fn told(&self, view: &TransactionView, step: Step, heard: Heard) -> Answered {
        let record = &view.record;
        let source = record.source.account().zip(view.source_member.as_ref());
        Answered {
            transaction: record.id,
            step,
            answer: heard.answer,
            signed: heard.signed,
            corridor: record.corridor.clone(),
            members: record.members().into_iter().flatten().collect(),
            lookup: source.map(|(side, name)| self.vault().sought(&side.program, name)),
            original: record.reverses,
        }
    }

    /// Hands in what came of a call.
    ///
    /// # Errors
    /// [`CallError`]: nothing was written, and the call is made again later.
    pub async fn answered(&self, call: &Call, heard: Heard) -> Result<(), CallError> {
        let told = Answered { answer: heard.answer, signed: heard.signed, ..call.told.clone() };
        self.hand_in(told).await
    }

    async fn hand_in(&self, told: Answered) -> Result<(), CallError> {
        match self.submit(Command::Answered(Box::new(told))).await?.decided.outcome {
            Outcome::Done(_) => Ok(()),
            other => Err(CallError::Refused(other)),
        }
    }

    /// Has a brand asked again now; whether there was anything to be asked.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn ask_again(&self, transaction: TransactionId) -> Result<bool, CallError> {
        match self.submit(Command::AskAgain(transaction)).await?.decided.outcome {
            Outcome::Done(asked) => Ok(asked > 0),
            other => Err(CallError::Refused(other)),
        }
    }

    /// Transactions at connected brands with `id > after`, by id, at most `limit`: those under way,
    /// those that failed, and those that finance has to look at.
    ///
    /// # Errors
    /// What the store says.
    pub async fn sagas(
        &self,
        after: Option<TransactionId>,
        limit: u32,
    ) -> Result<Vec<Saga>, StoreError> {
        self.read(move |store| async move { store.sagas(after, limit).await }).await
    }

    /// What brands have answered about a transaction, the first answer first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn answers(&self, id: TransactionId) -> Result<Vec<SignedAnswer>, StoreError> {
        self.read(move |store| async move { store.answers(id).await }).await
    }

    /// The call that a transaction waits for; none where it waits for none, or none can be made.
    async fn call(&self, view: &TransactionView) -> Result<Option<Call>, StoreError> {
        let Some(saga) = &view.saga else { return Ok(None) };
        let Some((step, partner)) = saga.phase.step().zip(saga.partner()) else { return Ok(None) };
        let registry = self.registry();
        let Some(connector) = registry.connector(partner) else { return Ok(None) };
        let Some(body) = self.body(view, saga, step).await? else { return Ok(None) };
        let nothing = Heard { answer: Answer::Silent, signed: None };
        Ok(Some(Call {
            key: OperationKey { transaction: view.record.id, step },
            partner: partner.clone(),
            connector: connector.to_owned(),
            body,
            attempts: saga.attempts,
            told: self.told(view, step, nothing),
        }))
    }

    /// What a brand is asked.
    async fn body(
        &self,
        view: &TransactionView,
        saga: &Saga,
        step: Step,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let record = &view.record;
        let named = [(&record.source, &view.source_member), (&record.target, &view.target_member)];
        let [(from, giver), (to, receiver)] = match record.kind {
            TransactionKind::Reversal => [named[1], named[0]],
            _ => named,
        };
        let (transaction, kind, reverses) = (record.id, record.kind, record.reverses);
        let body = match step {
            Step::Reserve => from.account().zip(giver.clone()).map(|(side, member)| {
                json::canonical(&ReserveCall {
                    amount: side.amount,
                    counterparty: to.partner().clone(),
                    kind,
                    member,
                    program: side.program.clone(),
                    reverses,
                    transaction,
                })
            }),
            Step::Capture => saga
                .reservation
                .clone()
                .map(|reservation| json::canonical(&CaptureCall { reservation, transaction })),
            Step::Release => saga
                .reservation
                .clone()
                .map(|reservation| json::canonical(&ReleaseCall { reservation, transaction })),
            Step::Credit => credit(view, from, to, receiver.as_ref()),
            Step::Cancel => {
                let Some(original) = reverses else { return Ok(None) };
                Some(json::canonical(&CancelCall {
                    amount: from.amount(),
                    counterparty: to.partner().clone(),
                    reference: self.credited(original).await?,
                    reverses: original,
                    transaction,
                }))
            }
        };
        Ok(body)
    }

    /// What a brand called the benefit that it gave; none where it had no connector then.
    async fn credited(
        &self,
        original: TransactionId,
    ) -> Result<Option<alliance_contracts::names::OperationRef>, StoreError> {
        let answers = self.answers(original).await?;
        let credit = answers.into_iter().find(|answer| answer.step == Step::Credit);
        Ok(credit.and_then(|answer| crate::saga::reference_in(&answer.body)))
    }
}

fn credit(
    view: &TransactionView,
    from: &TransactionSideRecord,
    to: &TransactionSideRecord,
    receiver: Option<&MemberRef>,
) -> Option<Vec<u8>> {
    let record = &view.record;
    let benefit = match to {
        TransactionSideRecord::Item(item) => Some(Benefit {
            cash: item.cash,
            currency: record.settlement.as_ref()?.currency.clone(),
            item: item.item.clone(),
            price: item.price,
        }),
        _ => None,
    };
    if to.account().is_some() && receiver.is_none() {
        return None;
    }
    Some(json::canonical(&CreditCall {
        amount: to.amount(),
        benefit,
        counterparty: from.partner().clone(),
        expiry: record.expiry,
        kind: record.kind,
        member: receiver.cloned(),
        program: to.program().cloned(),
        reverses: record.reverses,
        transaction: record.id,
    }))
}
