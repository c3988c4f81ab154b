//! Lots: points that a campaign has added and that cannot be exchanged onward yet. They are part of
//! the balance; a member's orders give only what is not held.
//!
//! What one campaign adds on one UTC day is one lot. A member always has at least what is held: an
//! order gives from what is free, and a reversal takes an order's bonus from its own lot and all
//! else from what is free, so that nobody turns held points into free ones by going back.

use alliance_contracts::campaign::day_of;
use alliance_contracts::ids::CampaignId;
use alliance_contracts::time::Timestamp;

use super::working_set::{Member, WorkingSet};
use crate::command::MemberNo;

/// Points that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lot {
    /// The campaign that added them.
    pub campaign: CampaignId,
    /// The UTC day on which it did, as a number from 1970-01-01.
    pub day: i64,
    /// How many, in minor units.
    pub points: i64,
    /// Until when they cannot be exchanged onward.
    pub held_until: Timestamp,
}

impl Lot {
    fn is_of(&self, campaign: &CampaignId, day: i64) -> bool {
        self.campaign == *campaign && self.day == day
    }
}

/// How many of a member's points are held then, and until when the last of them.
#[must_use]
pub fn held(lots: &[Lot], now: Timestamp) -> (i64, Option<Timestamp>) {
    let held = lots.iter().filter(|lot| now < lot.held_until);
    held.fold((0, None), |(points, until), lot| {
        (points.saturating_add(lot.points), until.max(Some(lot.held_until)))
    })
}

/// What a member may give then, in minor units.
pub fn free(member: &Member, now: Timestamp) -> i64 {
    member.balance.saturating_sub(held(&member.lots, now).0).max(0)
}

/// How many points of one campaign and day are held then.
pub fn held_of(member: &Member, campaign: &CampaignId, day: i64, now: Timestamp) -> i64 {
    let mut lots = member.lots.iter().filter(|lot| lot.is_of(campaign, day));
    lots.find(|lot| now < lot.held_until).map_or(0, |lot| lot.points)
}

/// Holds points that a campaign has added to a member's balance now.
pub fn hold(
    set: &mut WorkingSet,
    member: MemberNo,
    campaign: &CampaignId,
    points: i64,
    now: Timestamp,
) {
    let Some(held_until) = set.campaign(campaign).and_then(|r| r.campaign.held_until(now)) else {
        return;
    };
    let Some(holder) = set.members.get_mut(&member) else { return };
    let day = day_of(now);
    let lot = match holder.lots.iter_mut().find(|lot| lot.is_of(campaign, day)) {
        Some(lot) => {
            lot.points = lot.points.saturating_add(points);
            *lot
        }
        None => {
            let lot = Lot { campaign: *campaign, day, points, held_until };
            holder.lots.push(lot);
            lot
        }
    };
    set.writes.lots.insert((member, *campaign, day), Some(lot));
}

/// Takes points out of a lot again.
pub fn take_back(
    set: &mut WorkingSet,
    member: MemberNo,
    campaign: &CampaignId,
    day: i64,
    points: i64,
) {
    let Some(holder) = set.members.get_mut(&member).filter(|_| points > 0) else { return };
    let Some(at) = holder.lots.iter().position(|lot| lot.is_of(campaign, day)) else { return };
    holder.lots[at].points = holder.lots[at].points.saturating_sub(points);
    let left = Some(holder.lots[at]).filter(|lot| lot.points > 0);
    if left.is_none() {
        holder.lots.remove(at);
    }
    set.writes.lots.insert((member, *campaign, day), left);
}

/// Forgets a member's lots that are no longer held.
pub fn forget_free(set: &mut WorkingSet, member: MemberNo, now: Timestamp) {
    let Some(holder) = set.members.get_mut(&member) else { return };
    for lot in holder.lots.extract_if(.., |lot| lot.held_until <= now) {
        set.writes.lots.insert((member, lot.campaign, lot.day), None);
    }
}
