//! Sums by account and asset, and how an amount is spelled.

use std::collections::BTreeMap;

use alliance_contracts::decimal::Decimal;
use alliance_contracts::limits::MONEY_SCALE;
use alliance_contracts::receipt::{Account, Asset, Receipt};

use super::Holder;

/// Received less given, in 10⁻⁶, by account and asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balances(BTreeMap<Holder, BTreeMap<Asset, i128>>);

impl Balances {
    /// What an account has.
    #[must_use]
    pub fn of(&self, holder: &Holder, asset: &Asset) -> i128 {
        self.0.get(holder).and_then(|assets| assets.get(asset)).copied().unwrap_or(0)
    }

    /// Makes an account have so much.
    pub fn set(&mut self, holder: &Holder, asset: &Asset, micros: i128) {
        *self.entry(holder, asset) = micros;
    }

    /// Adds so much to an account.
    pub fn add(&mut self, holder: &Holder, asset: &Asset, micros: i128) {
        *self.entry(holder, asset) += micros;
    }

    /// Adds so many minor units of an asset with so many decimals, six at most.
    pub fn add_minor(&mut self, holder: &Holder, asset: &Asset, minor: i128, scale: u32) {
        let factor = 10_i128.pow(MONEY_SCALE.saturating_sub(scale));
        self.add(holder, asset, minor * factor);
    }

    /// What a receipt does.
    pub(super) fn post(&mut self, receipt: &Receipt) {
        for posting in &receipt.postings {
            let amount = i128::from(Decimal::micros(posting.amount));
            let mut add = |account: &Account, micros| {
                self.add(&Holder::of(account), &posting.asset, micros);
            };
            add(&posting.debit, -amount);
            add(&posting.credit, amount);
        }
    }

    /// All of them, by account.
    pub fn all(&self) -> impl Iterator<Item = (&Holder, &Asset, i128)> {
        self.0.iter().flat_map(|(holder, assets)| {
            assets.iter().map(move |(asset, amount)| (holder, asset, *amount))
        })
    }

    /// Those that are not zero, to keep.
    pub(super) fn not_zero(&self) -> impl Iterator<Item = (Holder, Asset, i128)> {
        let kept = self.all().filter(|(_, _, amount)| *amount != 0);
        kept.map(|(holder, asset, amount)| (holder.clone(), asset.clone(), amount))
    }

    fn entry(&mut self, holder: &Holder, asset: &Asset) -> &mut i128 {
        let assets = self.0.entry(holder.clone()).or_default();
        assets.entry(asset.clone()).or_default()
    }
}

/// The amount with all decimals of its asset, and more where it has more: `-0.495000`, `10`.
pub(super) fn spelled(micros: i128, scale: u32) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let magnitude = micros.unsigned_abs();
    let (whole, rest) = (magnitude / 1_000_000, magnitude % 1_000_000);
    let mut digits = format!("{rest:06}");
    let least = usize::try_from(scale).unwrap_or(0).min(digits.len());
    while digits.len() > least && digits.ends_with('0') {
        digits.pop();
    }
    if digits.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{digits}") }
}
