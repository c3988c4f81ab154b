//! Everything that a store shows, read back and compared with the books.

use alliance_contracts::encoding::Hash;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::merkle;
use alliance_settlement::command::MemberNo;
use alliance_settlement::store::{Store, StoreError, StoreFuture};
use futures_util::FutureExt as _;

use super::commits::{numbered, place_of};
use super::{Auditor, Finding, ensure};
use crate::cast::{PARTNERS, PROGRAMS, name, partner_index};

const PAGE: u32 = 5_000;

/// What memory reads at once.
pub(super) fn read<T>(answer: StoreFuture<'_, T>) -> Result<T, Finding> {
    let answer = answer.now_or_never().ok_or("memory reads at once")?;
    answer.map_err(|error: StoreError| error.to_string())
}

impl Auditor {
    /// Reads all of it. Signatures are verified once each.
    pub fn whole(&mut self, store: &dyn Store) -> Result<(), Finding> {
        self.chains_are_whole(store)?;
        self.windows_are_whole(store)?;
        self.members_are_whole(store)?;
        self.accounts_are_whole(store)?;
        self.transactions_are_whole(store)?;
        self.keys_are_whole(store)?;
        self.agreements_are_whole(store)?;
        self.feeds_are_whole(store)
    }

    /// Every chain from its beginning: numbers, hashes, tree, signatures.
    fn chains_are_whole(&mut self, store: &dyn Store) -> Result<(), Finding> {
        let heads = read(store.heads())?;
        let used = self.books.chains.iter().filter(|chain| chain.seq > 0).count();
        ensure!(heads.len() == used, "{} chains, should be {used}", heads.len());
        for (corridor, head) in heads {
            let at = self.books.chain_named(corridor.as_str()).ok_or("a chain of nobody")?;
            let (mut after, mut prev) = (0, Hash::ZERO);
            let mut leaves = Vec::new();
            loop {
                let page = read(store.receipts(&corridor, after, PAGE))?;
                let Some(last) = page.last() else { break };
                for receipt in &page {
                    after += 1;
                    ensure!(receipt.seq == after, "{corridor}: a gap before {}", receipt.seq);
                    prev = Hash::of(&receipt.payload);
                    leaves.push(merkle::leaf_hash(&receipt.payload));
                    let id = receipt.transaction.as_u128();
                    let known = self.books.transactions.get(&id);
                    let same = known
                        .is_some_and(|t| (t.payload, t.corridor, t.seq) == (prev, at, receipt.seq));
                    ensure!(same, "{corridor} {after}: not the receipt that was committed");
                    if receipt.seq > self.books.chains[at].verified {
                        let key = self.keys.find(&receipt.kid).ok_or("an unknown key")?;
                        let input =
                            jws::signing_input(JwsType::Receipt, &receipt.kid, &receipt.payload);
                        let signed = key.public.verify(&input, &receipt.signature);
                        ensure!(signed.is_ok(), "{corridor} {after}: its signature");
                        self.books.chains[at].verified = receipt.seq;
                    }
                }
                after = last.seq;
            }
            let chain = &self.books.chains[at];
            ensure!((after, prev) == (chain.seq, chain.head), "{corridor} ends at {after}");
            ensure!((head.seq, head.head) == (after, prev), "{corridor}: the head is elsewhere");
            let root = merkle::root_of(&leaves);
            ensure!(head.frontier.root() == root, "{corridor}: the tree is another");
            let checkpoint = head.checkpoint.map_or(0, |checkpoint| checkpoint.size);
            ensure!(checkpoint == chain.checkpoint, "{corridor}: the checkpoint is another");
        }
        Ok(())
    }

    /// Every window that was closed, with the receipts that it had then, and the one that is open.
    fn windows_are_whole(&self, store: &dyn Store) -> Result<(), Finding> {
        let windows = read(store.windows(u64::MAX, PAGE))?;
        let (closed, open) = (&self.books.closed, self.books.window);
        ensure!(windows.len() == closed.len() + 1, "{} windows", windows.len());
        ensure!(windows[0].id.as_u128() == open, "another window is open");
        for (window, known) in windows[1..].iter().rev().zip(closed) {
            ensure!(window.id.as_u128() == known.id, "window {} is another", window.number);
            let ranges = read(store.window_ranges(window.id, None, PAGE))?;
            let mut there = std::collections::BTreeMap::new();
            for range in ranges {
                let at = self.books.chain_named(range.corridor.as_str());
                there.insert(at.ok_or("a range of nobody")?, (range.after, range.seq));
            }
            ensure!(there == known.ranges, "window {}: {there:?}", window.number);
        }
        Ok(())
    }

    fn members_are_whole(&self, store: &dyn Store) -> Result<(), Finding> {
        let mut people: Vec<_> = self.books.members.iter().collect();
        people.sort_by_key(|(_, member)| member.number);
        let mut people = people.into_iter();
        let mut after = MemberNo(i64::MIN);
        loop {
            let page = read(store.member_books(after, PAGE))?;
            let Some(last) = page.last() else { break };
            after = last.member;
            for there in page {
                let (person, member) = people.next().ok_or("a member that nobody imported")?;
                let expected = (member.number, member.opening, member.balance);
                let told = (there.member.0, there.opening.into(), there.balance.into());
                ensure!(told == expected, "{person:?}: {told:?}, should be {expected:?}");
                ensure!(there.program.as_str() == PROGRAMS[person.program].0, "another program");
            }
        }
        ensure!(people.next().is_none(), "members are missing");
        Ok(())
    }

    fn accounts_are_whole(&self, store: &dyn Store) -> Result<(), Finding> {
        let accounts = read(store.accounts())?;
        ensure!(accounts.len() == self.books.accounts.len(), "{} accounts", accounts.len());
        let mut money = 0;
        for account in accounts {
            let place = place_of(&account.account, &account.asset)?;
            let expected = self.books.account(place);
            let told = account.balance;
            ensure!(told == expected, "{place:?}: {told}, should be {expected}");
            if !matches!(place, super::books::Place::Issued(_)) {
                money += told;
            }
        }
        ensure!(money == 0, "net positions, fees and rounding sum to {money}");
        Ok(())
    }

    fn transactions_are_whole(&self, store: &dyn Store) -> Result<(), Finding> {
        let (mut after, mut counted) = (None, 0);
        loop {
            let page = read(store.transaction_places(after, PAGE))?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            counted += page.len();
            for place in page {
                let known = self.books.transactions.get(&place.id.as_u128());
                let known = known.ok_or("a transaction that nobody asked for")?;
                let reversed = (place.reversed.source.into(), place.reversed.target.into());
                ensure!(place.seq == Some(known.seq), "{}: its place", place.id);
                ensure!(reversed == known.reversed, "{}: {reversed:?} reversed", place.id);
            }
        }
        let expected = self.books.transactions.len();
        ensure!(counted == expected, "{counted} transactions, should be {expected}");
        Ok(())
    }

    /// One effect per key, and each key that was acknowledged.
    fn keys_are_whole(&self, store: &dyn Store) -> Result<(), Finding> {
        for ((partner, number), kept) in &self.books.keys {
            let (partner, key) = (name(PARTNERS[*partner]), name(&format!("k-{number}")));
            let there = read(store.key(&partner, &key))?;
            let there = there.ok_or_else(|| format!("{partner}'s key {key} is gone"))?;
            ensure!(there.outcome == kept.outcome, "{partner}'s key {key} has another outcome");
            ensure!(there.digest == kept.digest, "{partner}'s key {key} is another order's");
            ensure!(there.request.as_u128() == kept.request, "{key} is another request's");
            debug_assert_eq!(numbered(key.as_str()), Ok(*number));
        }
        Ok(())
    }

    fn agreements_are_whole(&self, store: &dyn Store) -> Result<(), Finding> {
        for (id, link) in &self.books.links {
            let id = alliance_contracts::ids::LinkId::from_u128(*id);
            let there = read(store.link(id))?.ok_or_else(|| format!("{id} is gone"))?;
            self.same_link(id.as_u128(), &there.record)?;
            let stands = link.stands == super::books::Stands::Active;
            let pair = super::books::ends(link.a, link.b);
            let one = self.books.active.get(&pair) == Some(&id.as_u128());
            ensure!(stands == one, "two members have two active links");
        }
        let suspended = read(store.suspensions())?;
        let suspended: Vec<_> =
            suspended.iter().filter_map(|(name, _)| partner_index(name.as_str())).collect();
        let expected: Vec<_> = self.books.suspended.iter().copied().collect();
        ensure!(suspended == expected, "{suspended:?} are suspended, not {expected:?}");
        let periods: Vec<_> = read(store.quote_keys())?.into_iter().map(|(at, _)| at).collect();
        let expected: Vec<_> = self.books.quote_keys.iter().copied().collect();
        ensure!(periods == expected, "quote keys of {periods:?}, should be of {expected:?}");
        let registry = read(store.registry())?;
        let version = registry.as_ref().map_or(0, |(_, parts)| parts.version);
        ensure!(version == self.books.version, "definition {version} is in force");
        let seen = registry.as_ref().map_or(0, |(seen, _)| *seen);
        ensure!(seen == self.books.registry_version, "the registry's version is {seen}");
        if let Some((_, parts)) = &registry {
            let mut boards = read(store.boards(u32::MAX, PAGE))?;
            boards.reverse();
            self.rates_are_whole(&boards, &read(store.flows())?, parts)?;
        }
        let agreed = registry.map(|(_, parts)| crate::cast::Agreed::of(&parts.definition));
        ensure!(agreed == self.books.agreed, "another definition is in force");
        Ok(())
    }
}
