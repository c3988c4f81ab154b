//! What `alliance campaigns` shows.

use alliance_contracts::campaign::{Campaign, CampaignState};
use alliance_contracts::decimal::format_micros;
use alliance_contracts::ids::CampaignId;
use alliance_contracts::time::Timestamp;
use alliance_settlement::alliance::CampaignRecord;
use serde::Serialize;

use super::super::layout::{Column, grouped, table};
use super::super::printer::{FAINT, GOOD, HEADING, Shown, paint};

/// A campaign and where it stands.
#[derive(Serialize)]
pub(super) struct CampaignLine {
    pub(super) id: String,
    state: &'static str,
    spent: String,
    warned: u32,
    proposed_by: String,
    proposed_at: Timestamp,
    approved_by: Option<String>,
    approved_at: Option<Timestamp>,
    stopped_by: Option<String>,
    stopped_at: Option<Timestamp>,
    campaign: Campaign,
}

impl CampaignLine {
    pub(super) fn of(record: &CampaignRecord, spent: i128, now: Timestamp) -> Self {
        let state = match record.state {
            CampaignState::Proposed => "proposed",
            CampaignState::Stopped => "stopped",
            CampaignState::Active if now < record.campaign.from => "approved",
            CampaignState::Active if now < record.campaign.until => "running",
            CampaignState::Active => "over",
        };
        let name = |name: &Option<_>| name.as_ref().map(ToString::to_string);
        Self {
            id: record.id.to_string(),
            state,
            spent: format_micros(spent),
            warned: record.warned,
            proposed_by: record.proposed_by.to_string(),
            proposed_at: record.proposed_at,
            approved_by: name(&record.approved_by),
            approved_at: record.approved_at,
            stopped_by: name(&record.stopped_by),
            stopped_at: record.stopped_at,
            campaign: record.campaign.clone(),
        }
    }
}

fn joined<T: std::fmt::Display>(list: &[T]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Shown for CampaignLine {
    fn text(&self) -> String {
        let campaign = &self.campaign;
        let by = |name: &Option<String>| name.clone().unwrap_or_else(|| "itself".to_owned());
        let source = campaign.source.as_ref().map_or("any", |source| source.as_str());
        let all = || "all".to_owned();
        let levels = joined(&campaign.warn_at);
        let mut lines = vec![
            paint(HEADING, &format!("{} is {}", campaign.name, self.state)),
            format!("  id          {}", self.id),
            format!("  for         {source} to {}", campaign.target),
            format!("  tiers       {}", campaign.tiers.as_deref().map_or_else(all, joined)),
            format!("  segments    {}", campaign.segments.as_deref().map_or_else(all, joined)),
            format!("  multiplier  {}", campaign.multiplier),
            format!("  time        {} to {}", campaign.from, campaign.until),
            format!("  holdback    {} days", campaign.holdback_days),
            format!("  sponsor     {}", campaign.sponsor),
            format!("  budget      {}", grouped(&campaign.budget.to_string())),
            format!("  red line    {} of it", campaign.red_line),
            format!("  spent       {}", grouped(&self.spent)),
            format!("  warnings    {} of 3, at {}", self.warned, levels),
            format!("  proposed    {} by {}", self.proposed_at, self.proposed_by),
        ];
        if let Some(at) = self.approved_at {
            lines.push(format!("  approved    {at} by {}", by(&self.approved_by)));
        }
        if let Some(at) = self.stopped_at {
            lines.push(format!("  stopped     {at} by {}", by(&self.stopped_by)));
        }
        lines.join("\n")
    }
}

/// All of them.
#[derive(Serialize)]
pub(super) struct CampaignLines {
    pub(super) alliance: String,
    pub(super) currency: String,
    pub(super) campaigns: Vec<CampaignLine>,
}

impl Shown for CampaignLines {
    fn text(&self) -> String {
        let Self { alliance, currency, campaigns } = self;
        if campaigns.is_empty() {
            return format!("The alliance \"{alliance}\" has no campaigns");
        }
        let row = |line: &CampaignLine| {
            let campaign = &line.campaign;
            let source = campaign.source.as_ref().map_or("any", |source| source.as_str());
            vec![
                line.id.clone(),
                campaign.name.clone(),
                format!("{source} to {}", campaign.target),
                format!("× {}", campaign.multiplier),
                grouped(&campaign.budget.to_string()),
                grouped(&line.spent),
                line.state.to_owned(),
            ]
        };
        let rows: Vec<Vec<String>> = campaigns.iter().map(row).collect();
        let left = Column::Left;
        let columns = [left, left, left, left, Column::Right, Column::Right, left];
        let (budget, spent) = (format!("budget ({currency})"), format!("spent ({currency})"));
        let header = ["id", "name", "for", "gives", &budget, &spent, "state"];
        let heading = paint(HEADING, &format!("Campaigns of the alliance \"{alliance}\""));
        format!("{heading}\n{}", table("  ", &columns, &header, &rows))
    }
}

/// A file without a fault.
#[derive(Serialize)]
pub(super) struct Checked {
    pub(super) file: String,
    pub(super) comes_round: bool,
}

impl Shown for Checked {
    fn text(&self) -> String {
        let bonus = if self.comes_round {
            "its points can be exchanged onward while it runs, and nobody gains by that now"
        } else {
            "its points are held until it is over"
        };
        format!("{} {} can be proposed: {bonus}", paint(GOOD, "✓"), self.file)
    }
}

/// Something was done with a campaign.
#[derive(Serialize)]
pub(super) struct Done {
    id: String,
    done: &'static str,
    changed: bool,
}

impl Done {
    pub(super) fn proposed(id: CampaignId) -> Self {
        Self { id: id.to_string(), done: "proposed", changed: true }
    }

    pub(super) fn approved(id: CampaignId, changed: bool) -> Self {
        Self { id: id.to_string(), done: "approved", changed }
    }

    pub(super) fn stopped(id: CampaignId, changed: bool) -> Self {
        Self { id: id.to_string(), done: "stopped", changed }
    }
}

impl Shown for Done {
    fn text(&self) -> String {
        let Self { id, done, changed } = self;
        let first = match changed {
            true => format!("{} {id} is {done}", paint(GOOD, "✓")),
            false => format!("{} {id} was {done} already", paint(GOOD, "✓")),
        };
        if *done == "proposed" {
            let next = format!("  next: alliance campaigns approve {id} --as SOMEBODY-ELSE");
            return format!("{first}\n{}", paint(FAINT, &next));
        }
        first
    }
}
