//! What the books say beside the receipts, all of one moment: how far the chains go, what members
//! were imported with, what every account has. The journal is proved by it.

use std::collections::BTreeMap;

use alliance_contracts::limits::MONEY_SCALE;
use alliance_contracts::names::{Corridor, ProgramId};
use alliance_contracts::program::Balances as KeptBy;
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::receipt::{self, Account, Asset};

use super::PAGE;
use crate::command::MemberNo;
use crate::journal::{Balances, Holder};
use crate::ledger::AccountBalance;
use crate::saga::Phase;
use crate::store::{Store, StoreError};

/// How often the books are looked at while others write, before these are made to wait.
const LOOKS: u32 = 3;

/// The books at one moment.
#[derive(Clone, Debug)]
pub struct Books {
    /// How many receipts each chain has.
    pub chains: Vec<(Corridor, u64)>,
    /// Decimals of each program.
    pub scales: BTreeMap<ProgramId, u32>,
    /// What members were imported with, and what their programs had issued by that.
    pub openings: Balances,
    /// What every account has. What is held of a member's points for what is under way is still
    /// the member's. Members of connected programs are left out: their brands keep their balances.
    pub balances: Balances,
}

/// What changes with every commit that the journal could miss.
#[derive(PartialEq, Eq)]
struct Moving {
    chains: Vec<(Corridor, u64)>,
    accounts: Vec<AccountBalance>,
    held: BTreeMap<ProgramId, i128>,
}

/// Members of one program in sum, in minor units.
#[derive(Default)]
struct Sum {
    opening: i128,
    balance: i128,
}

/// Reads the books of one moment. Others may write meanwhile: it is looked whether they have, and
/// only where they always have, they wait for the last look.
///
/// # Errors
/// What the store says.
pub async fn books(store: &dyn Store) -> Result<Books, StoreError> {
    let Some((_, parts)) = store.registry().await? else {
        return Err(StoreError::NotMigrated("no definition has been applied".to_owned()));
    };
    let programs = &parts.definition.programs;
    let scales: BTreeMap<_, _> = programs.iter().map(|p| (p.program.clone(), p.scale)).collect();
    let hosted = programs.iter().filter(|program| program.balances != KeptBy::Connected);
    let hosted: Vec<&ProgramId> = hosted.map(|program| &program.program).collect();
    let (moving, members) = one_moment(store).await?;
    let (mut openings, mut balances) = (Balances::default(), Balances::default());
    for (program, sum) in &members {
        let (all, asset) = (Holder::Members(program.clone()), Asset::Program(program.clone()));
        let issued = Holder::Account(Account::Issued(program.clone()));
        let scale = scales.get(program).copied().unwrap_or(0);
        openings.add_minor(&all, &asset, sum.opening, scale);
        openings.add_minor(&issued, &asset, -sum.opening, scale);
        if hosted.contains(&program) {
            let held = moving.held.get(program).copied().unwrap_or(0);
            balances.add_minor(&all, &asset, sum.balance + held, scale);
        }
    }
    for AccountBalance { account, asset, balance } in &moving.accounts {
        // What is held is nobody's yet: no receipt names it.
        if matches!(account, Account::Held(_)) {
            continue;
        }
        let scale = match asset {
            Asset::Program(program) => scales.get(program).copied().unwrap_or(0),
            Asset::Currency(_) => MONEY_SCALE,
        };
        balances.add_minor(&Holder::of(account), asset, *balance, scale);
    }
    Ok(Books { chains: moving.chains, scales, openings, balances })
}

async fn one_moment(store: &dyn Store) -> Result<(Moving, BTreeMap<ProgramId, Sum>), StoreError> {
    let mut before = moving(store).await?;
    for _ in 0..LOOKS {
        let members = members(store).await?;
        let after = moving(store).await?;
        if before == after {
            return Ok((after, members));
        }
        before = after;
    }
    // Whoever holds a batch is the only writer; dropped, it leaves no trace.
    let writer = store.begin().await?;
    let found = (moving(store).await?, members(store).await?);
    drop(writer);
    Ok(found)
}

async fn moving(store: &dyn Store) -> Result<Moving, StoreError> {
    let heads = store.heads().await?;
    Ok(Moving {
        chains: heads.into_iter().map(|(corridor, head)| (corridor, head.seq)).collect(),
        accounts: store.accounts().await?,
        held: held(store).await?,
    })
}

async fn members(store: &dyn Store) -> Result<BTreeMap<ProgramId, Sum>, StoreError> {
    let (mut sums, mut after) = (BTreeMap::<ProgramId, Sum>::new(), MemberNo(i64::MIN));
    loop {
        let page = store.member_books(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(sums) };
        after = last.member;
        for books in page {
            let sum = sums.entry(books.program).or_default();
            sum.opening += i128::from(books.opening);
            sum.balance += i128::from(books.balance);
        }
    }
}

/// Members' points that are held for what is under way, by program, in minor units.
async fn held(store: &dyn Store) -> Result<BTreeMap<ProgramId, i128>, StoreError> {
    let (mut sums, mut after) = (BTreeMap::new(), None);
    loop {
        let page = store.sagas(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(sums) };
        after = Some(last.transaction);
        let open = page.iter().filter(|saga| saga.phase != Phase::Completed && saga.held > 0);
        for saga in open {
            let terms = receipt::parse(&saga.terms).map_err(|_| {
                StoreError::Corrupt("what a receipt is to say cannot be read".to_owned())
            })?;
            let backward = terms.kind == TransactionKind::Reversal;
            let giver = if backward { &terms.target } else { &terms.source };
            if let Some(program) = giver.program() {
                *sums.entry(program.clone()).or_insert(0) += i128::from(saga.held);
            }
        }
    }
}
