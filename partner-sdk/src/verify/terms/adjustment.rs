//! What an adjustment may say: which accounts it may move money between, by its cause.
//!
//! | cause | between |
//! | --- | --- |
//! | fee share | `alliance:fees` and the partner's position |
//! | campaign cost | `campaign:<id>` and the partner's position |
//! | payment | `alliance:bank` and the partner's position |
//! | prefunding, collateral | `alliance:bank` and the partner's `prefunding:`, `collateral:` |
//! | loss | prefunding, collateral or `alliance:losses` and the partner's position |
//! | correction | fees, rounding or losses and the partner's position |

use alliance_contracts::adjustment::AdjustmentCause;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::{ALLIANCE_PARTY, PartnerId};
use alliance_contracts::receipt::{Account, Asset, Posting, Receipt};
use alliance_contracts::side::SideOf;

use super::TermsFault;

/// Checks an adjustment against itself. What it was worked out from is not in it, only its hash.
pub(super) fn check(receipt: &Receipt) -> Result<(), TermsFault> {
    let (SideOf::Partner { partner }, SideOf::Partner { partner: again }) =
        (&receipt.source, &receipt.target)
    else {
        return Err(TermsFault::Sides);
    };
    let (low, high) = receipt.corridor.parties();
    if low != ALLIANCE_PARTY || high != partner.as_str() || partner != again {
        return Err(TermsFault::Partners);
    }
    if receipt.quote.is_some() || receipt.reverses.is_some() {
        return Err(TermsFault::References);
    }
    if receipt.settlement.is_some() {
        return Err(TermsFault::SettlementParties);
    }
    if receipt.bonus.is_some() {
        return Err(TermsFault::Bonus);
    }
    if receipt.expiry.is_some() {
        return Err(TermsFault::Expiry);
    }
    let rate = &receipt.rate;
    let ones = [rate.source_value, rate.target_value, rate.multiplier];
    if ones.iter().any(|one| *one != Decimal::ONE)
        || !rate.fee.is_zero()
        || !rate.surcharge.is_zero()
    {
        return Err(TermsFault::Rate(receipt.kind));
    }
    let adjustment = receipt.adjustment.as_ref().ok_or(TermsFault::Adjustment)?;
    if receipt.postings.is_empty() {
        return Err(TermsFault::Posting { at: 0 });
    }
    let fits = |posting: &Posting| {
        let money = matches!(posting.asset, Asset::Currency(_)) && posting.amount > Decimal::ZERO;
        money && is_between(adjustment.cause, partner, &posting.debit, &posting.credit)
    };
    match receipt.postings.iter().position(|posting| !fits(posting)) {
        None => Ok(()),
        Some(at) => Err(TermsFault::Posting { at }),
    }
}

/// Whether one of the two is the partner's account and the other one that its cause names.
fn is_between(cause: AdjustmentCause, partner: &PartnerId, one: &Account, other: &Account) -> bool {
    let of_cause = |own: &Account, against: &Account| match cause {
        AdjustmentCause::FeeShare => is_position(own, partner) && *against == Account::Fees,
        AdjustmentCause::CampaignCost => {
            is_position(own, partner) && matches!(against, Account::Campaign(_))
        }
        AdjustmentCause::Payment => is_position(own, partner) && *against == Account::Bank,
        AdjustmentCause::Prefunding => {
            *own == Account::Prefunding(partner.clone()) && *against == Account::Bank
        }
        AdjustmentCause::Collateral => {
            *own == Account::Collateral(partner.clone()) && *against == Account::Bank
        }
        AdjustmentCause::Loss => {
            let stands = [
                Account::Prefunding(partner.clone()),
                Account::Collateral(partner.clone()),
                Account::Losses,
            ];
            is_position(own, partner) && stands.contains(against)
        }
        AdjustmentCause::Correction => {
            let kept = [Account::Fees, Account::Rounding, Account::Losses];
            is_position(own, partner) && kept.contains(against)
        }
    };
    of_cause(one, other) || of_cause(other, one)
}

fn is_position(account: &Account, partner: &PartnerId) -> bool {
    matches!(account, Account::Position(named) if named == partner)
}
