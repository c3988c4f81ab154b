//! Members and links as their partners may see them.

use alliance_contracts::ids::{ErasureId, LinkId};
use alliance_contracts::link::LinkState;
use alliance_contracts::member::SignedErasure;
use alliance_contracts::names::{Corridor, MemberRef, PartnerId, ProgramId, Pseudonym};
use alliance_contracts::time::Timestamp;

use super::ClearingHouse;
use crate::command::NewMember;
use crate::ledger::working_set::SealedMember;
use crate::ledger::{LinkRecord, lots};
use crate::rekeying;
use crate::store::{LinkDetail, Store, StoreError};
use crate::vault::{Digest, KEY_LEN, MemberKey, Sought};

/// A member of the caller's.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// Points it has, in minor units.
    pub balance: i64,
    /// Of these, those that cannot be exchanged onward yet.
    pub held: i64,
    /// Whether it is frozen.
    pub frozen: bool,
    sealed: SealedMember,
}

impl MemberView {
    fn of(sealed: SealedMember, now: Timestamp) -> Self {
        Self {
            balance: sealed.balance,
            held: lots::held(&sealed.lots, now).0,
            frozen: sealed.frozen,
            sealed,
        }
    }
}

/// A link, ready to be rendered.
#[derive(Clone, Debug)]
pub struct LinkView {
    /// The link.
    pub record: LinkRecord,
    /// What the members are called, as far as anyone may know; a before b.
    pub members: [Option<MemberRef>; 2],
    /// What the proposer called the other side's member.
    pub supplied: [Option<MemberRef>; 2],
    /// The members as seen in the corridor of the two partners.
    pub pseudonyms: [Option<Pseudonym>; 2],
}

/// A member, wherever it may be found. It moves once, while the master key is being rotated, and
/// perhaps between two looks: the first place is looked at again.
async fn find(store: &dyn Store, sought: Sought) -> Result<Option<SealedMember>, StoreError> {
    for place in sought.places().chain(sought.places().skip(1).map(|_| sought.first())) {
        if let Some(sealed) = store.member(place).await? {
            return Ok(Some(sealed));
        }
    }
    Ok(None)
}

impl ClearingHouse {
    /// A member by its brand's reference.
    ///
    /// # Errors
    /// What the store says.
    pub async fn member(
        &self,
        program: &ProgramId,
        member: &MemberRef,
    ) -> Result<Option<MemberView>, StoreError> {
        let (sought, now) = (self.vault().sought(program, member), self.now());
        let found = self.read(move |store| async move { find(&*store, sought).await }).await?;
        Ok(found.map(|sealed| MemberView::of(sealed, now)))
    }

    /// Members of one program, in the order of their references.
    ///
    /// # Errors
    /// What the store says.
    pub async fn members(
        &self,
        program: &ProgramId,
        members: &[MemberRef],
    ) -> Result<Vec<Option<MemberView>>, StoreError> {
        let sought = members.iter().map(|member| self.vault().sought(program, member));
        let sought: Vec<_> = sought.collect();
        let found = self
            .read(move |store| async move {
                let mut found = Vec::with_capacity(sought.len());
                for sought in sought {
                    found.push(find(&*store, sought).await?);
                }
                Ok(found)
            })
            .await?;
        let now = self.now();
        Ok(found
            .into_iter()
            .map(|sealed| sealed.map(|sealed| MemberView::of(sealed, now)))
            .collect())
    }

    /// What was signed about a member that was forgotten.
    ///
    /// # Errors
    /// What the store says.
    pub async fn erasure(&self, id: ErasureId) -> Result<Option<SignedErasure>, StoreError> {
        self.read(move |store| async move { store.erasure(id).await }).await
    }

    /// The same of a partner's members, with `id > after`, by id.
    ///
    /// # Errors
    /// What the store says.
    pub async fn erasures(
        &self,
        partner: PartnerId,
        after: Option<ErasureId>,
        limit: u32,
    ) -> Result<Vec<SignedErasure>, StoreError> {
        self.read(move |store| async move { store.erasures(&partner, after, limit).await }).await
    }

    /// What a member of a program whose brand keeps its balance is entered as, should nobody have
    /// named it before; none of a hosted program: its members are imported.
    #[must_use]
    pub fn newcomer(&self, program: &ProgramId, member: &MemberRef) -> Option<Box<NewMember>> {
        self.registry().is_connected(program).then(|| {
            let key: [u8; KEY_LEN] = self.random();
            Box::new(NewMember {
                program: program.clone(),
                lookup: self.vault().sought(program, member),
                wrapped_key: self.vault().wrap(&key, self.random()),
                sealed_reference: MemberKey::from_bytes(key).seal(member, self.random()),
                opening: 0,
            })
        })
    }

    /// What opens a member's pseudonym in one corridor: the key and the pseudonym.
    #[must_use]
    pub fn opening(
        &self,
        member: &MemberView,
        corridor: &Corridor,
    ) -> Option<([u8; KEY_LEN], Pseudonym)> {
        let member = member.sealed.clone().open(self.vault());
        let (key, reference) = (member.key?, member.reference?);
        let pseudonym = self.vault().pseudonym(&key, corridor, &member.program, &reference);
        Some((self.vault().opening(&key, corridor), pseudonym))
    }

    /// A link.
    ///
    /// # Errors
    /// What the store says.
    pub async fn link(&self, id: LinkId) -> Result<Option<LinkView>, StoreError> {
        let detail = self.read(move |store| async move { store.link(id).await }).await?;
        Ok(detail.map(|detail| self.link_view(detail)))
    }

    /// Where the member of a proposal's other side may be found, while the master key is being
    /// rotated: the link and the member need not be under the same one.
    ///
    /// # Errors
    /// What the store says.
    pub async fn sought_by(&self, id: LinkId) -> Result<Option<Sought>, StoreError> {
        if self.registry().master_keys.retiring().is_none() {
            return Ok(None);
        }
        let detail = self.read(move |store| async move { store.link(id).await }).await?;
        Ok(detail.and_then(|LinkDetail { record, a_member, b_member }| {
            let [a_key, b_key] = [&a_member, &b_member]
                .map(|member| member.as_ref().and_then(|member| member.wrapped_key.as_deref()));
            let sides = [(&record.a, b_key), (&record.b, a_key)];
            let named = sides.into_iter().find_map(|(side, proposer)| {
                side.lookup?;
                Some((side, rekeying::supplied(self.vault(), side, proposer)?))
            });
            named.map(|(side, name)| self.vault().sought(&side.program, &name))
        }))
    }

    /// What a request that names members is compared by when its key comes again.
    #[must_use]
    pub fn blind(&self, text: &[u8]) -> Digest {
        self.vault().blind(self.registry().master_keys.current_id(), text)
    }

    /// A partner's links with `id > after`, by id.
    ///
    /// # Errors
    /// What the store says.
    pub async fn links(
        &self,
        partner: PartnerId,
        state: Option<LinkState>,
        after: Option<LinkId>,
        limit: u32,
    ) -> Result<Vec<LinkView>, StoreError> {
        let details = self
            .read(move |store| async move { store.links(&partner, state, after, limit).await })
            .await?;
        Ok(details.into_iter().map(|detail| self.link_view(detail)).collect())
    }

    fn link_view(&self, detail: LinkDetail) -> LinkView {
        let record = detail.record;
        let corridor = Corridor::between(&record.a.partner, &record.b.partner);
        let opened = [detail.a_member, detail.b_member]
            .map(|member| member.map(|sealed| sealed.open(self.vault())));
        let keys = opened.each_ref().map(|m| m.as_ref().and_then(|m| m.key.clone()));
        let supplied = |sealed: &Option<Vec<u8>>, proposer: usize| {
            keys[proposer].as_ref().zip(sealed.as_ref()).and_then(|(key, s)| key.open(s).ok())
        };
        LinkView {
            supplied: [supplied(&record.a.supplied, 1), supplied(&record.b.supplied, 0)],
            pseudonyms: opened.each_ref().map(|member| {
                let member = member.as_ref()?;
                let (key, name) = (member.key.as_ref()?, member.reference.as_ref()?);
                Some(self.vault().pseudonym(key, &corridor, &member.program, name))
            }),
            members: opened.map(|member| member.and_then(|member| member.reference)),
            record,
        }
    }
}
