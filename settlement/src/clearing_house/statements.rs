//! A partner's statement of a window: drawn up from the books whenever it is asked for, in one pass
//! over the partner's receipts, memory by range. The same window gives the same payload.

use std::io;

use alliance_contracts::encoding::Hash;
use alliance_contracts::json;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::names::{PartnerId, Party};
use alliance_contracts::netting::NettingCertificate;
use alliance_contracts::statement::{
    Reckoning, Statement, StatementFault, StatementLine, StatementPayment, StatementRange, VERSION,
};
use alliance_contracts::total::Total;
use alliance_contracts::window::WindowState;

use super::ClearingHouse;
use super::settling::RECEIPTS;
use crate::alliance::MayNotSign;
use crate::payments::currencies::MinorUnit;
use crate::payments::standing::standing;
use crate::store::{StoreError, WindowRange};
use crate::windows::WindowRecord;

/// Told every line, in order.
pub type EachLine<'a> = &'a mut (dyn FnMut(&StatementLine) -> io::Result<()> + Send);

/// Why there is no statement.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// The window comes to nothing yet, or is not settled by itself.
    #[error("window {number} is {}: a statement is of one that was netted", .state.as_str())]
    State {
        /// The window's number.
        number: u64,
        /// How far it is.
        state: WindowState,
    },
    /// The partner was not there when the window was netted.
    #[error("window {number} has no line of {partner}")]
    NoLine {
        /// The window's number.
        number: u64,
        /// Who.
        partner: PartnerId,
    },
    /// The receipts are not what the window was netted from.
    #[error("the books are not those that the window was netted from, run the audit: {0}")]
    Books(#[from] StatementFault),
    /// Documents of the window are missing, or say something else than their names.
    #[error("the window's {0} cannot be read: run the audit")]
    Document(&'static str),
    /// The key that signs here may not.
    #[error(transparent)]
    MayNotSign(#[from] MayNotSign),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Where the lines go.
    #[error(transparent)]
    Written(#[from] io::Error),
}

/// A statement, and the JWS of its payload.
#[derive(Clone, Debug)]
pub struct SignedStatement {
    /// What it says.
    pub statement: Statement,
    /// Signed.
    pub jws: String,
}

impl ClearingHouse {
    /// Draws up what a window came to for a partner, and signs it. Each line is handed to `each`
    /// before the statement is known to hold: what was written of one that fails is worth nothing.
    ///
    /// # Errors
    /// [`StatementError`].
    pub async fn statement(
        &self,
        window: &WindowRecord,
        partner: &PartnerId,
        each: EachLine<'_>,
    ) -> Result<SignedStatement, StatementError> {
        // Read.
        let state = StatementError::State { number: window.number, state: window.state };
        let netted = matches!(
            window.state,
            WindowState::Netted | WindowState::Settling | WindowState::Settled
        );
        let (Some(closed_at), Some(issued_at), true) = (window.closed_at, window.netted_at, netted)
        else {
            return Err(state);
        };
        let id = window.id;
        let (lines, certificate, tracked) = self
            .read(move |store| async move {
                let lines = store.window_lines(id).await?;
                let certificate = store.window_document(id, "certificate").await?;
                Ok((lines, certificate, store.payments(id).await?))
            })
            .await?;
        let party = Party::from(partner);
        let line = lines.into_iter().find(|line| line.party == party);
        let line = line.ok_or_else(|| {
            let (number, partner) = (window.number, partner.clone());
            StatementError::NoLine { number, partner }
        })?;
        let certificate = certificate.ok_or(StatementError::Document("certificate"))?.document;
        let netting: NettingCertificate =
            json::read(&certificate).map_err(|_| StatementError::Document("certificate"))?;
        let mut reckoning = Reckoning::new(partner.clone(), window.currency.clone());
        for of in netting.carried.iter().chain([&window.id]) {
            for range in self.ranges(*of).await? {
                let (low, high) = range.corridor.parties();
                if low == partner.as_str() || high == partner.as_str() {
                    self.reckon(&mut reckoning, &range, *of, each).await?;
                }
            }
        }
        // Decide.
        let stands = standing(id, &tracked).map_err(|_| StatementError::Document("payments"))?;
        let unit = MinorUnit::of(&window.currency);
        let own = stands.payments.iter().filter(|p| p.debtor == party || p.creditor == party);
        let payment = |one: &crate::payments::standing::PaymentStanding| {
            let micros = unit.map(|unit| i128::from(one.amount) * unit.micros());
            Ok(StatementPayment {
                amount: Total::from_micros(micros.ok_or(StatementError::Document("currency"))?),
                creditor: one.creditor.clone(),
                debtor: one.debtor.clone(),
                number: one.number,
            })
        };
        let payments: Result<Vec<_>, StatementError> = own.map(payment).collect();
        let (ranges, totals) = reckoning.finish();
        let statement = Statement {
            activity: line.activity,
            alliance: self.alliance().clone(),
            carried: line.carried,
            carried_windows: netting.carried,
            certificate: Hash::of(&certificate),
            closed_at,
            currency: window.currency.clone(),
            id: Statement::id_of(&id, partner),
            issued_at,
            net: line.net,
            number: window.number,
            opened_at: window.opened_at,
            opening: line.opening,
            partner: partner.clone(),
            payment: line.payment,
            payments: payments?,
            provisional: window.provisional,
            ranges,
            totals,
            v: VERSION,
            value_date: window.value_date,
            window: id,
        };
        statement.check()?;
        let jws = jws::sign(JwsType::Statement, &statement.to_payload(), self.signer()?);
        Ok(SignedStatement { statement, jws })
    }

    /// Adds a range up, which must be the chain that it was when its window was closed.
    async fn reckon(
        &self,
        reckoning: &mut Reckoning,
        range: &WindowRange,
        window: alliance_contracts::ids::WindowId,
        each: EachLine<'_>,
    ) -> Result<(), StatementError> {
        let corridor = range.corridor.clone();
        let mut after = range.after;
        reckoning.begin(&StatementRange {
            after,
            amount: Total::ZERO,
            corridor: corridor.clone(),
            frontier: self.peaks_at(&corridor, after).await?,
            head: range.head_after,
            prev: range.head_after,
            root: Hash::ZERO,
            seq: after,
            window,
        })?;
        let mut head = range.head_after;
        while after < range.seq {
            let limit = u32::try_from(range.seq - after).unwrap_or(u32::MAX).min(RECEIPTS);
            let chain = corridor.clone();
            let page = self
                .read(move |store| async move { store.receipts(&chain, after, limit).await })
                .await?;
            let missing = StatementFault::Missing { corridor: corridor.clone(), seq: after + 1 };
            head = Hash::of(&page.last().ok_or(missing)?.payload);
            for stored in &page {
                let line = reckoning.take(&stored.payload)?;
                after = line.seq;
                each(&line)?;
            }
        }
        if head == range.head { Ok(()) } else { Err(StatementFault::Differs(corridor).into()) }
    }
}
