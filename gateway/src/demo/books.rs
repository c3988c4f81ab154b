//! What stands in the books when the orders are done: positions, fees and roundings, held against
//! what the verified receipts come to.

use alliance_contracts::names::Currency;
use alliance_contracts::receipt::{Account, Asset};
use alliance_partner_sdk::verify::file::{Holder, Totals};
use alliance_settlement::clearing_house::ClearingHouse;
use alliance_settlement::inspection::{AuditReport, audit};
use alliance_settlement::ledger::AccountBalance;
use alliance_settlement::store::StoreError;

/// An account of money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The account.
    pub account: String,
    /// What it has, in 10⁻⁶ of the currency.
    pub balance: i128,
}

/// The alliance's money, looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// Positions, fees, rounding.
    pub lines: Vec<Line>,
    /// What they sum to, in 10⁻⁶: zero, or a point has been lost.
    pub sum: i128,
    /// Whether every account is what the verified receipts say.
    pub as_receipts_say: bool,
}

/// Reads the alliance's money accounts.
///
/// # Errors
/// What the store says.
pub async fn money(house: &ClearingHouse, receipts: &Totals) -> Result<Money, StoreError> {
    let mut accounts = house.read(|store| async move { store.accounts().await }).await?;
    accounts.retain(|account| matches!(account.asset, Asset::Currency(_)));
    // What is held is nobody's yet.
    accounts.retain(|account| !matches!(account.account, Account::Held(_)));
    // Positions by partner, then what the alliance keeps.
    accounts.sort_by(|one, other| one.account.cmp(&other.account));
    let currency = house.registry().definition.currency.clone();
    let as_receipts_say = agree(&accounts, receipts, &currency);
    let lines: Vec<Line> = accounts
        .into_iter()
        .map(|account| Line { account: account.account.to_string(), balance: account.balance })
        .collect();
    let sum = lines.iter().map(|line| line.balance).sum();
    Ok(Money { lines, sum, as_receipts_say })
}

/// Whether the books and the receipts know the same accounts with the same amounts; an account that
/// nothing has moved may stand in one of them only.
fn agree(accounts: &[AccountBalance], receipts: &Totals, currency: &Currency) -> bool {
    let said = receipts.net.get(&Asset::Currency(currency.clone()));
    let says = |holder: &Holder| said.and_then(|net| net.get(holder)).copied().unwrap_or(0);
    let holder = |account: &Account| match account {
        Account::Position(partner) => Some(Holder::Position(partner.clone())),
        Account::Fees => Some(Holder::Fees),
        Account::Rounding => Some(Holder::Rounding),
        Account::Campaign(campaign) => Some(Holder::Campaign(*campaign)),
        Account::Bank => Some(Holder::Bank),
        Account::Losses => Some(Holder::Losses),
        Account::Prefunding(partner) => Some(Holder::Prefunding(partner.clone())),
        Account::Collateral(partner) => Some(Holder::Collateral(partner.clone())),
        Account::Member(..) | Account::Issued(_) | Account::Held(_) => None,
    };
    let booked = accounts
        .iter()
        .all(|account| holder(&account.account).is_some_and(|h| says(&h) == account.balance));
    let known = |wanted: &Holder| {
        accounts.iter().any(|account| holder(&account.account).as_ref() == Some(wanted))
    };
    booked && said.into_iter().flatten().all(|(holder, net)| *net == 0 || known(holder))
}

/// Recomputes everything from the receipts.
///
/// # Errors
/// What the store says.
pub async fn audited(
    house: &ClearingHouse,
    keys: alliance_contracts::key_list::TrustedKeys,
) -> Result<AuditReport, StoreError> {
    house.read(move |store| async move { audit(store.as_ref(), &keys).await }).await
}
