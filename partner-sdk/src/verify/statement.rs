//! Statements: that the alliance has signed one, that its figures hold, and that your own receipts
//! come to the same digits.

use alliance_contracts::jws::{self, JwsError, JwsType};
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::keys::Kid;
use alliance_contracts::statement::Reckoning;
pub use alliance_contracts::statement::{
    Statement, StatementFault, StatementLine, StatementPayment, StatementRange, StatementTotals,
};

use super::VerifiedReceipt;

/// Why a statement is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// No JWS of a statement, or not signed by that key.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// Its figures, or what the receipts come to.
    #[error(transparent)]
    Fault(#[from] StatementFault),
    /// Another alliance's.
    #[error("a statement of the alliance {0}")]
    ForeignAlliance(String),
    /// A key that the list does not have.
    #[error("{0} is no key of the gateway in the list")]
    UnknownKey(Kid),
    /// A key that was revoked: have the statement drawn up anew.
    #[error("the key {0} was revoked: ask for the statement again")]
    RevokedKey(Kid),
}

/// A statement that the alliance has signed and whose figures are consistent. That they are what
/// the receipts come to is for [`VerifiedStatement::recompute`] to say.
#[derive(Clone, Debug)]
pub struct VerifiedStatement {
    statement: Statement,
}

impl VerifiedStatement {
    /// Verifies signature and figures. A statement is drawn up when it is asked for, so that any
    /// key of the list counts that was not revoked.
    ///
    /// # Errors
    /// [`StatementError`].
    ///
    /// ```
    /// use alliance_partner_sdk::verify::statement::{StatementError, VerifiedStatement};
    /// use alliance_partner_sdk::verify::{TrustedKeys, VerifiedReceipt};
    ///
    /// /// What we are paid, in the settlement currency, once our own receipts say the same.
    /// fn to_be_paid(
    ///     statement: &str,
    ///     ours: &[VerifiedReceipt],
    ///     keys: &TrustedKeys,
    /// ) -> Result<String, StatementError> {
    ///     let verified = VerifiedStatement::verify(statement, keys)?;
    ///     let mut recomputation = verified.recompute();
    ///     for receipt in ours {
    ///         recomputation.take(receipt)?;
    ///     }
    ///     recomputation.finish()?;
    ///     Ok(verified.statement().payment.to_string())
    /// }
    /// ```
    pub fn verify(text: &str, keys: &TrustedKeys) -> Result<Self, StatementError> {
        let parsed = jws::parse(text)?;
        let key = keys.find(&parsed.kid);
        let key = key.ok_or_else(|| StatementError::UnknownKey(parsed.kid.clone()))?;
        if key.revoked_at.is_some() {
            return Err(StatementError::RevokedKey(parsed.kid));
        }
        parsed.verify(JwsType::Statement, &key.public)?;
        let statement = Statement::parse(&parsed.payload)?;
        if statement.alliance.as_str() != keys.alliance() {
            return Err(StatementError::ForeignAlliance(statement.alliance.to_string()));
        }
        Ok(Self { statement })
    }

    /// What it says.
    #[must_use]
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Begins to compute it again from receipts.
    #[must_use]
    pub fn recompute(&self) -> Recomputation<'_> {
        let Statement { partner, currency, .. } = &self.statement;
        let reckoning = Reckoning::new(partner.clone(), currency.clone());
        Recomputation { stated: &self.statement, reckoning, begun: 0, left: 0 }
    }
}

/// A statement being computed again: give it the receipts of its ranges, range by range.
#[derive(Clone, Debug)]
pub struct Recomputation<'s> {
    stated: &'s Statement,
    reckoning: Reckoning,
    begun: usize,
    left: u64,
}

impl Recomputation<'_> {
    /// Takes the next receipt of the statement's ranges, in their order: its line.
    ///
    /// # Errors
    /// [`StatementFault`].
    pub fn take(&mut self, receipt: &VerifiedReceipt) -> Result<StatementLine, StatementFault> {
        while self.left == 0 {
            let range = self.stated.ranges.get(self.begun).ok_or(StatementFault::TooMany)?;
            self.reckoning.begin(range)?;
            self.left = range.seq - range.after;
            self.begun += 1;
        }
        let line = self.reckoning.take(receipt.payload())?;
        self.left -= 1;
        Ok(line)
    }

    /// Compares what the receipts came to with what the statement says: every range's sum, head and
    /// root, and every total.
    ///
    /// # Errors
    /// [`StatementFault::Missing`], [`StatementFault::Differs`], [`StatementFault::Sum`].
    pub fn finish(mut self) -> Result<(), StatementFault> {
        let missing = |range: &StatementRange, seq| {
            Err(StatementFault::Missing { corridor: range.corridor.clone(), seq })
        };
        if self.left > 0
            && let Some(range) = self.stated.ranges.get(self.begun - 1)
        {
            return missing(range, range.seq - self.left + 1);
        }
        for range in self.stated.ranges.iter().skip(self.begun) {
            if range.after < range.seq {
                return missing(range, range.after + 1);
            }
            self.reckoning.begin(range)?;
        }
        let (ranges, totals) = self.reckoning.finish();
        for (stated, found) in self.stated.ranges.iter().zip(&ranges) {
            if stated != found {
                return Err(StatementFault::Differs(stated.corridor.clone()));
            }
        }
        if totals == self.stated.totals { Ok(()) } else { Err(StatementFault::Sum("totals")) }
    }
}
