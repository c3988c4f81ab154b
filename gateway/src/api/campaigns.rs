//! `GET /v1/campaigns`: what adds points to orders of the caller's programs.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::campaign::{CampaignBudget, CampaignView, Campaigns};
use alliance_contracts::decimal::Decimal;
use alliance_settlement::alliance::CampaignRecord;

use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::verify::{Read, VerifiedRequest};

/// Campaigns that were approved and cover a program of the caller's, oldest first. What one may
/// cost and has cost is shown to its sponsor alone.
#[utoipa::path(
    get, path = "/v1/campaigns", operation_id = "list_campaigns",
    tag = "campaigns",
    responses((status = 200, description = "The campaigns", body = Campaigns))
)]
pub async fn list(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let (records, spending) = gateway.house().campaigns().await?;
    let registry = gateway.house().registry();
    let caller = &request.partner;
    let seen = records
        .iter()
        .filter(|record| record.approved_at.is_some() && registry.concerns(record, caller));
    let campaigns = seen
        .map(|record| {
            let spent = spending.get(&record.id).copied().unwrap_or(0);
            let pays = record.campaign.sponsor == *caller;
            shown(record, pays.then(|| budget(record, spent)))
        })
        .collect();
    Ok(reply::json(StatusCode::OK, &Campaigns { campaigns }))
}

fn budget(record: &CampaignRecord, spent: i128) -> CampaignBudget {
    let campaign = &record.campaign;
    // Between zero and the budget, which is in range.
    let spent = i64::try_from(spent).ok().and_then(Decimal::from_micros);
    CampaignBudget {
        budget: campaign.budget,
        red_line: campaign.red_line,
        spent: spent.unwrap_or(Decimal::ZERO),
        warn_at: campaign.warn_at.clone(),
        warned: record.warned,
    }
}

fn shown(record: &CampaignRecord, budget: Option<CampaignBudget>) -> CampaignView {
    let campaign = record.campaign.clone();
    CampaignView {
        budget,
        from: campaign.from,
        holdback_days: campaign.holdback_days,
        id: record.id,
        multiplier: campaign.multiplier,
        name: campaign.name,
        segments: campaign.segments,
        source: campaign.source,
        sponsor: campaign.sponsor,
        state: record.state,
        stopped_at: record.stopped_at,
        target: campaign.target,
        tiers: campaign.tiers,
        until: campaign.until,
    }
}
