//! Settlement windows, and the statements that one's own receipts prove.

use alliance_contracts::ids::WindowId;
use alliance_contracts::window::{Window, WindowStatement, Windows};
use futures_util::TryStreamExt;

use super::error::{Error, VerificationError};
use super::{Call, Client};
use crate::verify::statement::{StatementError, StatementLine, VerifiedStatement};

impl Client {
    /// A page of the alliance's settlement windows, oldest first: those with a number above
    /// `after`, `limit` at most.
    pub fn windows(&self, after: u64, limit: u32) -> Call<Windows> {
        Call::get(self, "/v1/windows", format!("/v1/windows?after={after}&limit={limit}"))
    }

    /// One settlement window.
    pub fn window(&self, id: WindowId) -> Call<Window> {
        Call::get(self, "/v1/windows/{id}", format!("/v1/windows/{id}"))
    }

    /// This partner's statement of a window that was netted, verified: signed by the alliance, and
    /// consistent. That the receipts come to it, [`Client::recompute_statement`] says.
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::Client;
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let window = "win_01h455vb4pex5vsknk084sn02q".parse()?;
    /// let verified = client.statement(window).await?;
    /// let lines = client.recompute_statement(&verified).await?;
    /// let statement = verified.statement();
    /// println!("{} receipts come to {} {}", lines.len(), statement.activity, statement.currency);
    /// println!("we are paid {}, and {} is carried", statement.payment, statement.carried);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Verification`] where it is not what was asked for or does not hold; otherwise any
    /// [`Error`], as `not_found` of a window that was not netted yet.
    pub async fn statement(&self, window: WindowId) -> Result<VerifiedStatement, Error> {
        let target = format!("/v1/windows/{window}/statement");
        let call: Call<WindowStatement> = Call::get(self, "/v1/windows/{id}/statement", target);
        let answered = call.await?;
        let keys = self.gateway_keys().await?;
        let verified = VerifiedStatement::verify(&answered.statement, &keys);
        let verified = verified.map_err(VerificationError::Statement)?;
        let statement = verified.statement();
        if statement.window != window || statement.partner != *self.partner() {
            return Err(VerificationError::AnotherStatement.into());
        }
        Ok(verified)
    }

    /// Computes a statement again: downloads the receipts of its ranges, verifies each in its
    /// place, and holds every sum, head and root against what is stated. Answers its lines. A
    /// brand that keeps its receipts needs no download: see [`VerifiedStatement::recompute`].
    ///
    /// # Errors
    /// [`Error::Verification`] where a receipt does not verify or the receipts come to something
    /// else; otherwise any [`Error`].
    pub async fn recompute_statement(
        &self,
        verified: &VerifiedStatement,
    ) -> Result<Vec<StatementLine>, Error> {
        let wrong = |fault| VerificationError::Statement(StatementError::Fault(fault));
        let mut recomputation = verified.recompute();
        let mut lines = Vec::new();
        for range in &verified.statement().ranges {
            let mut receipts =
                self.receipts(&range.corridor).after(range.after, range.prev).stream();
            let mut left = range.seq - range.after;
            while left > 0
                && let Some(receipt) = receipts.try_next().await?
            {
                lines.push(recomputation.take(&receipt).map_err(wrong)?);
                left -= 1;
            }
        }
        recomputation.finish().map_err(wrong)?;
        Ok(lines)
    }
}
