//! The partner's own members: how they stand, frozen, forgotten.

use alliance_contracts::corridor::{MemberBalance, Opening};
use alliance_contracts::ids::ErasureId;
use alliance_contracts::member::{
    Erasures, ForgetRequest, MemberStatus, SignedErasure, ValidateRequest, Validated,
};
use alliance_contracts::names::{Corridor, MemberRef, ProgramId};
use alliance_contracts::quote::MemberAccount;

use super::{Call, Client};

/// Members of the partner's own.
impl Client {
    /// The balance of a member of the caller's.
    pub fn member_balance(&self, member: &MemberAccount) -> Call<MemberBalance> {
        let MemberAccount { program, member } = member;
        let target = format!("/v1/members/{program}/{}/balance", member.expose());
        Call::get(self, "/v1/members/{program}/{member}/balance", target)
    }

    /// What opens the pseudonym of a member of the caller's in one corridor.
    pub fn opening(&self, member: &MemberAccount, corridor: &Corridor) -> Call<Opening> {
        let MemberAccount { program, member } = member;
        let target = format!("/v1/members/{program}/{}/openings/{corridor}", member.expose());
        Call::get(self, "/v1/members/{program}/{member}/openings/{corridor}", target)
    }

    /// How members of a program of the caller's stand, up to 100 at once.
    pub fn validate_members(&self, program: ProgramId, members: Vec<MemberRef>) -> Call<Validated> {
        let body = ValidateRequest { members, program };
        Call::post(self, "/v1/members/validate", "/v1/members/validate", &body).harmless()
    }

    /// Freezes a member of the caller's: it gives and gets nothing until it is let go.
    pub fn freeze_member(&self, member: &MemberAccount) -> Call<MemberStatus> {
        Call::post(self, "/v1/members/freeze", "/v1/members/freeze", member)
    }

    /// Lets a member go that was frozen.
    pub fn unfreeze_member(&self, member: &MemberAccount) -> Call<MemberStatus> {
        Call::post(self, "/v1/members/unfreeze", "/v1/members/unfreeze", member)
    }

    /// Forgets a member of the caller's, for ever: its key and its reference are destroyed, its
    /// links end. Refused while a transaction of it is under way, and while it has points, unless
    /// `forfeit` says that they are given up. Verify the answer with
    /// [`verify_erasure`](crate::verify::erasure::verify_erasure), and keep it.
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::client::{Client, account};
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let signed = client.forget_member(&account("aurora", "A-1001")?, false).await?;
    /// println!("{} at {}", signed.erasure.id, signed.erasure.erased_at);
    /// # Ok(()) }
    /// ```
    pub fn forget_member(&self, member: &MemberAccount, forfeit: bool) -> Call<SignedErasure> {
        let MemberAccount { program, member } = member.clone();
        let body = ForgetRequest { forfeit, member, program };
        Call::post(self, "/v1/members/forget", "/v1/members/forget", &body)
    }

    /// What was signed about a member that was forgotten.
    pub fn erasure(&self, id: ErasureId) -> Call<SignedErasure> {
        Call::get(self, "/v1/erasures/{id}", format!("/v1/erasures/{id}"))
    }

    /// A page of the caller's erasures, oldest first: those after `after`, `limit` at most.
    pub fn erasures(&self, after: Option<ErasureId>, limit: u32) -> Call<Erasures> {
        let target = match after {
            Some(after) => format!("/v1/erasures?after={after}&limit={limit}"),
            None => format!("/v1/erasures?limit={limit}"),
        };
        Call::get(self, "/v1/erasures", target)
    }
}
