//! What a campaign adds to a quote.

use alliance_contracts::arithmetic::{self, Amounts};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::TierName;
use alliance_contracts::quote::{Bonus, QuoteRequest, Rate};
use alliance_contracts::time::Timestamp;

use crate::alliance::{BoardView, CampaignRecord, ProgramDefinition, Registry};

/// The bonus of the campaign that gives the member most, of equals the older one's, and until when
/// it can be had. None where no campaign is for this order.
pub(super) fn best(
    registry: &Registry,
    board: &BoardView<'_>,
    request: &QuoteRequest,
    (source, target): (&ProgramDefinition, &ProgramDefinition),
    (rate, amounts): (&Rate, &Amounts),
    now: Timestamp,
) -> Option<(Bonus, Timestamp)> {
    if source.partner == target.partner {
        return None;
    }
    // A bonus is a lot of its own, held in our books: no brand that keeps its own balances has one.
    if registry.is_connected(&source.program) || registry.is_connected(&target.program) {
        return None;
    }
    let terms = board.terms(&source.program, &target.program);
    let suspended = terms.is_some_and(|terms| terms.suspended);
    let fitting = registry.campaigns_on(&source.program, &target.program, now).filter(|record| {
        let for_member = record.campaign.is_for(request.tier.as_ref(), request.segment.as_ref());
        // What a board has suspended so that no cycle gains is given by nobody.
        for_member && !(suspended && record.campaign.comes_round())
    });
    let offers = fitting.filter_map(|record| {
        let bonus = of(record, target, rate, amounts)?;
        Some((bonus, record.campaign.until))
    });
    offers.reduce(|best, next| {
        let more = next.0.points > best.0.points;
        let older = next.0.points == best.0.points && next.0.campaign < best.0.campaign;
        if more || older { next } else { best }
    })
}

/// What one campaign adds; none where that is no point, or more than the campaign may ever spend.
fn of(
    record: &CampaignRecord,
    target: &ProgramDefinition,
    rate: &Rate,
    amounts: &Amounts,
) -> Option<Bonus> {
    let multiplier = record.campaign.multiplier;
    let bonus =
        arithmetic::bonus(amounts.target, target.scale, rate.target_value, multiplier).ok()?;
    if bonus.cost > record.campaign.limit_micros() {
        return None;
    }
    Some(Bonus {
        campaign: record.id,
        cost: Decimal::from_micros(bonus.cost)?,
        points: Decimal::from_minor(bonus.points, target.scale)?,
    })
}

/// Whether a campaign on this direction names the tier, running or not: so a partner may go on
/// saying it when the campaign is over.
pub(super) fn names_tier(
    registry: &Registry,
    source: &ProgramDefinition,
    target: &ProgramDefinition,
    tier: &TierName,
) -> bool {
    registry.campaigns.iter().map(|record| &record.campaign).any(|campaign| {
        campaign.covers(&source.program, &target.program)
            && campaign.tiers.as_ref().is_some_and(|tiers| tiers.contains(tier))
    })
}
