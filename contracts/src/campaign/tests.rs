//! Faults of campaigns, what they cover, how far they go.

use super::*;
use crate::agreement::KnownProgram;
use crate::json;

fn draft() -> serde_json::Value {
    serde_json::json!({
        "v": 1, "alliance": "demo", "name": "Double stars", "sponsor": "borealis-coffee",
        "source": "aurora", "target": "borealis", "multiplier": "2", "budget": "1000",
        "from": "2026-12-01T00:00:00.000Z", "until": "2026-12-08T00:00:00.000Z",
        "holdback_days": 7
    })
}

fn programs() -> Vec<KnownProgram> {
    let known = [("aurora-air", "aurora"), ("aurora-air", "avia"), ("borealis-coffee", "borealis")];
    known
        .map(|(partner, program)| KnownProgram {
            partner: partner.parse().unwrap(),
            program: program.parse().unwrap(),
            scale: 0,
        })
        .to_vec()
}

fn read(value: &serde_json::Value) -> Result<Campaign, Vec<String>> {
    let text = value.to_string();
    Campaign::read_draft(text.as_bytes(), Some(&programs()))
        .map_err(|faults| faults.into_iter().map(|fault| fault.pointer).collect())
}

fn with(changes: serde_json::Value) -> serde_json::Value {
    let mut draft = draft();
    for (name, value) in changes.as_object().unwrap() {
        draft[name] = value.clone();
    }
    draft
}

#[test]
fn a_draft_without_what_may_be_left_out_is_read_and_kept_in_one_form() {
    let campaign = read(&draft()).unwrap();
    assert_eq!(campaign.red_line, Decimal::ONE);
    assert_eq!(campaign.warn_at, ["0.5", "0.8", "0.95"].map(|level| level.parse().unwrap()));
    let payload = campaign.payload();
    assert_eq!(json::read_canonical::<Campaign>(&payload), Some(campaign));
    assert!(String::from_utf8(payload).unwrap().contains(r#""segments":null,"source":"aurora""#));
}

#[test]
fn all_faults_are_listed_at_once() {
    let bad = with(serde_json::json!({
        "v": 2, "name": "", "multiplier": "1", "budget": "0", "red_line": "1.5",
        "warn_at": ["0.5", "0.5"], "tiers": [], "segments": ["a", "a"], "holdback_days": 3651,
        "until": "2026-12-01T00:00:00.000Z", "target": "nowhere", "sponsor": "cedar-hotels"
    }));
    let places = [
        "/v",
        "/name",
        "/until",
        "/holdback_days",
        "/multiplier",
        "/budget",
        "/red_line",
        "/warn_at",
        "/warn_at/1",
        "/tiers",
        "/segments/1",
        "/target",
    ];
    assert_eq!(read(&bad).unwrap_err(), places);
    // Faults of the form and of what it says, and nothing that follows from a fault of the form.
    let worse = with(serde_json::json!({"holdback_days": "7", "from": 1, "multiplier": "11"}));
    let mut found = read(&worse).unwrap_err();
    found.sort();
    assert_eq!(found, ["/from", "/holdback_days", "/multiplier"]);
}

#[test]
fn who_may_pay_is_a_party_to_what_it_covers() {
    let faults = |changes| read(&with(changes)).map(|_| ()).unwrap_err();
    assert!(read(&with(serde_json::json!({"sponsor": "aurora-air"}))).is_ok());
    assert_eq!(faults(serde_json::json!({"sponsor": "cedar-hotels"})), ["/sponsor"]);
    let any = serde_json::json!({"source": null, "sponsor": "aurora-air"});
    assert_eq!(faults(any), ["/sponsor"], "of any source's partner nobody was asked");
    assert!(read(&with(serde_json::json!({"source": null}))).is_ok());
    let own = serde_json::json!({"source": "aurora", "target": "avia", "sponsor": "aurora-air"});
    assert_eq!(faults(own), ["/target"]);
    assert_eq!(faults(serde_json::json!({"source": "borealis"})), ["/target"]);
}

#[test]
fn a_campaign_covers_what_it_says() {
    let (aurora, avia, borealis) =
        ("aurora".parse().unwrap(), "avia".parse().unwrap(), "borealis".parse().unwrap());
    let campaign = read(&draft()).unwrap();
    assert!(campaign.covers(&aurora, &borealis) && !campaign.covers(&avia, &borealis));
    assert!(!campaign.covers(&borealis, &aurora));
    let any = read(&with(serde_json::json!({"source": null}))).unwrap();
    assert!(any.covers(&avia, &borealis));
    let (gold, new) = ("gold".parse().unwrap(), "new".parse().unwrap());
    assert!(campaign.is_for(None, None) && campaign.is_for(Some(&gold), Some(&new)));
    let few = with(serde_json::json!({"tiers": ["gold"], "segments": ["new"]}));
    let few = read(&few).unwrap();
    assert!(few.is_for(Some(&gold), Some(&new)));
    assert!(!few.is_for(Some(&gold), None) && !few.is_for(None, Some(&new)));
    let (first, last) = (campaign.from, campaign.until);
    assert!(campaign.runs_at(first) && !campaign.runs_at(last));
    assert!(!campaign.runs_at(Timestamp::from_millis(first.as_millis() - 1)));
}

#[test]
fn levels_and_red_line_are_parts_of_the_budget_rounded_down() {
    let changes = serde_json::json!({"budget": "0.000003", "red_line": "0.99", "warn_at":
        ["0.3", "0.5", "0.9"]});
    let campaign = read(&with(changes)).unwrap();
    assert_eq!(campaign.limit_micros(), 2);
    assert_eq!([-1, 0, 1, 2].map(|spent| campaign.warnings_at(spent)), [0, 1, 2, 3]);
    let campaign = read(&draft()).unwrap();
    let spent = [499_999_999, 500_000_000, 799_999_999, 950_000_000, 1_000_000_000];
    assert_eq!(spent.map(|spent| campaign.warnings_at(spent)), [0, 1, 1, 3, 3]);
    let nothing = with(serde_json::json!({"budget": "0.000001", "red_line": "0.99"}));
    assert!(read(&nothing).unwrap_err().contains(&"/red_line".to_owned()));
}

#[test]
fn points_come_round_only_where_they_are_free_before_the_end() {
    // Held from the end of 1 December on: 7 days later the campaign is over.
    let comes_round =
        |days: u32| read(&with(serde_json::json!({"holdback_days": days}))).unwrap().comes_round();
    assert!(comes_round(0) && comes_round(5) && !comes_round(6) && !comes_round(7));
    let campaign = read(&with(serde_json::json!({"holdback_days": 0}))).unwrap();
    assert_eq!(campaign.held_until(campaign.from), None);
}
