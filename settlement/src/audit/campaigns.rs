//! Campaigns: what they have spent is what receipts say, within the budget; and the points that are
//! held are those that receipts have added.
//!
//! A lot counts until an order finds it free; from then on its row may be empty, and only then.

use std::collections::HashMap;

use alliance_contracts::campaign::{CampaignState, day_of};
use alliance_contracts::ids::{CampaignId, TransactionId};
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::receipt::{Account, Asset, Receipt};
use alliance_contracts::time::Timestamp;

use super::{Auditor, Placed};
use crate::alliance::CampaignRecord;
use crate::command::MemberNo;
use crate::ledger::lots::Lot;

const DAY: i64 = 86_400_000;

/// Everything that is known of campaigns so far.
#[derive(Default)]
pub(super) struct Campaigns {
    known: HashMap<CampaignId, CampaignRecord>,
    /// Cost of all bonuses, those that were taken back included, in 10⁻⁶.
    granted: HashMap<CampaignId, i128>,
    /// The bonuses by transaction: a reversal takes from its original's.
    grants: HashMap<TransactionId, (MemberNo, Lot)>,
    /// What should be held, by member, campaign and day.
    lots: HashMap<(MemberNo, CampaignId, i64), Lot>,
    /// When each member's last order was decided: that one emptied what was free.
    last_order: HashMap<MemberNo, Timestamp>,
}

impl Auditor<'_> {
    /// A campaign as the books have it; all of them before the receipts.
    pub fn campaign(&mut self, record: &CampaignRecord) {
        let place = format!("campaign {}", record.id);
        if record.state != CampaignState::Active || record.approved_by.is_some() {
            let alone = record.approved_by.as_ref() == Some(&record.proposed_by);
            if record.needs_two && alone {
                self.find(&place, "needs two, and was approved by who proposed it");
            }
        } else {
            self.find(&place, "is active, and nobody has approved it");
        }
        self.campaigns.known.insert(record.id, record.clone());
    }

    /// What a receipt adds to lots, or takes from one.
    pub(super) fn note_bonus(&mut self, place: &str, receipt: &Receipt, placed: &Placed) {
        if self.campaigns.known.is_empty() && receipt.bonus.is_none() {
            return;
        }
        let forward = receipt.kind != TransactionKind::Reversal;
        if forward && let Some(at) = placed.decided_at {
            for member in placed.members.into_iter().flatten() {
                let last = self.campaigns.last_order.entry(member).or_insert(at);
                *last = at.max(*last);
            }
        }
        let Some(bonus) = &receipt.bonus else { return };
        let Some(record) = self.campaigns.known.get(&bonus.campaign).cloned() else {
            let finding = format!("has points of {}, which is no campaign", bonus.campaign);
            return self.find(place, finding);
        };
        let ends = receipt.source.program().zip(receipt.target.program());
        let scale = ends.and_then(|(_, target)| self.scales.get(target)).copied().unwrap_or(0);
        let points = bonus.points.to_minor(scale).unwrap_or(0);
        if forward {
            let cost = i128::from(bonus.cost.micros());
            *self.campaigns.granted.entry(bonus.campaign).or_insert(0) += cost;
            let campaign = &record.campaign;
            let of_another = !ends.is_some_and(|(source, target)| campaign.covers(source, target));
            let too_late = placed.decided_at.is_some_and(|at| !campaign.runs_at(at));
            if of_another || too_late {
                self.find(place, format!("has points of {} that it does not give", bonus.campaign));
            }
        }
        match (forward, placed.members[1], placed.decided_at, receipt.reverses) {
            (true, Some(holder), Some(at), _) => {
                let Some(held_until) = record.campaign.held_until(at) else { return };
                let lot = Lot { campaign: record.id, day: day_of(at), points, held_until };
                let key = (holder, lot.campaign, lot.day);
                self.campaigns.grants.insert(receipt.transaction, (holder, lot));
                let held = self.campaigns.lots.entry(key).or_insert(Lot { points: 0, ..lot });
                held.points += points;
            }
            (false, _, Some(at), Some(original)) => {
                let granted = self.campaigns.grants.get(&original);
                let Some((holder, lot)) = granted.filter(|(_, lot)| at < lot.held_until) else {
                    return;
                };
                let key = (*holder, lot.campaign, lot.day);
                if let Some(held) = self.campaigns.lots.get_mut(&key) {
                    held.points -= points.min(held.points);
                }
            }
            _ => {}
        }
    }

    /// A lot as the books have it, with points in it; after all receipts.
    pub fn lot(&mut self, member: MemberNo, lot: &Lot) {
        let place = format!("lot of member {}, campaign {}", member.0, lot.campaign);
        let expected = self.campaigns.lots.remove(&(member, lot.campaign, lot.day));
        let points = expected.map_or(0, |expected| expected.points);
        if points != lot.points {
            self.find(&place, format!("holds {}, its orders come to {points}", lot.points));
        }
        let begun = Timestamp::from_millis(lot.day.saturating_mul(DAY));
        let record = self.campaigns.known.get(&lot.campaign);
        if record.and_then(|record| record.campaign.held_until(begun)) != Some(lot.held_until) {
            let finding = format!("is held until {}, which is not its campaign's", lot.held_until);
            self.find(&place, finding);
        }
    }

    /// Lots that should be there, and what campaigns have spent; after all lots and receipts.
    pub(super) fn finish_campaigns(&mut self, spent: &HashMap<CampaignId, i128>) {
        let lots = std::mem::take(&mut self.campaigns.lots);
        let mut missing: Vec<(MemberNo, Lot)> = lots
            .into_iter()
            .filter(|((member, ..), lot)| {
                let last = self.campaigns.last_order.get(member);
                lot.points > 0 && last.is_some_and(|last| *last < lot.held_until)
            })
            .map(|((member, ..), lot)| (member, lot))
            .collect();
        missing.sort_unstable_by_key(|(member, lot)| (*member, lot.campaign, lot.day));
        for (member, lot) in missing {
            let place = format!("lot of member {}, campaign {}", member.0, lot.campaign);
            self.find(place, format!("holds nothing, its orders come to {}", lot.points));
        }
        let mut known: Vec<CampaignRecord> = self.campaigns.known.drain().map(|(_, r)| r).collect();
        known.sort_unstable_by_key(|record| record.id);
        for record in known {
            let spent = spent.get(&record.id).copied().unwrap_or(0);
            let granted = self.campaigns.granted.get(&record.id).copied().unwrap_or(0);
            self.budget(&record, spent, granted);
        }
    }

    /// What a campaign has spent, and all that it ever granted, against its budget.
    fn budget(&mut self, record: &CampaignRecord, spent: i128, granted: i128) {
        let place = format!("campaign {}", record.id);
        let limit = i128::from(record.campaign.limit_micros());
        if spent < 0 || spent > limit {
            let finding = format!("has spent {spent} micros; it may spend from 0 to {limit}");
            self.find(&place, finding);
        }
        if granted > 0 && spent >= limit && record.state != CampaignState::Stopped {
            self.find(&place, "has come to its red line, and has not stopped");
        }
        if granted > 0 && record.approved_by.is_none() {
            self.find(&place, "has added points, and nobody has approved it");
        }
        let reached = |spent| record.campaign.warnings_at(spent);
        if record.warned < reached(spent) || record.warned > reached(granted) {
            let finding = format!("says that {} warnings were reached", record.warned);
            self.find(&place, finding);
        }
    }
}

/// What a campaign's account says that it has spent, in 10⁻⁶; none of another account.
pub(super) fn spent_by(
    account: &Account,
    asset: &Asset,
    balance: i128,
) -> Option<(CampaignId, i128)> {
    match (account, asset) {
        (Account::Campaign(campaign), Asset::Currency(_)) => Some((*campaign, -balance)),
        _ => None,
    }
}
