//! Documents of proposals: what is wrong with them, and who must look at them.

use std::borrow::Cow;

use alliance_contracts::ids::WindowId;

use super::*;
use crate::alliance::{Definition, PublishedBoard, Registry, RegistryParts};
use crate::rates::feeds::{FeedKind, Feeds, Known};
use crate::rates::model::ValueModel;
use crate::rates::publication;

const NOW: Timestamp = Timestamp::from_millis(1_795_406_400_000);

fn registry() -> Registry {
    let program = |program: &str, partner: &str, value: &str| {
        serde_json::json!({"program": program, "partner": partner, "name": program, "scale": 0,
            "value": value})
    };
    let definition: Definition = serde_json::from_value(serde_json::json!({
        "alliance": "demo", "currency": "CNY",
        "partners": [{"partner": "aurora-air", "name": "A"}, {"partner": "borealis", "name": "B"}],
        "programs": [program("aurora", "aurora-air", "0.05"), program("stars", "borealis", "0.1")],
        "agreements": [{"a": "aurora-air", "b": "borealis", "fee": "0.01"}]
    }))
    .unwrap();
    definition.check().unwrap();
    let (board, terms) = publication::first(&definition, NOW);
    let parts = RegistryParts {
        windows: Vec::new(),
        settlement_proposals: Vec::new(),
        boards: vec![PublishedBoard { board, jws: String::new(), terms: terms.into(), slot: None }],
        definition,
        version: 1,
        partner_keys_jws: String::new(),
        consents: Vec::new(),
        partner_keys: Vec::new(),
        gateway_keys: None,
        master_keys: Default::default(),
        window: WindowId::from_u128(1),
        suspended: Vec::new(),
        frozen: Vec::new(),
        feeds: Default::default(),
        proposals: Vec::new(),
        campaigns: Vec::new(),
        agreements: Vec::new(),
    };
    Registry::new(1, parts)
}

fn proposal(document: &str) -> Proposal {
    toml::from_str(document).unwrap()
}

fn faults(proposal: &Proposal, open: &[&RateProposal]) -> Vec<String> {
    let registry = registry();
    let mut feeds = Feeds::default();
    let model = ValueModel::default_for("0.05".parse().unwrap());
    let reserve = Observation {
        feed: FeedKind::Reserve,
        observed_at: NOW,
        program: "aurora".parse().unwrap(),
        value: "1800".parse().unwrap(),
    };
    feeds = feeds.observe(&reserve, &model, NOW).unwrap();
    proposal.faults(&Ground {
        registry: &registry,
        open,
        known: &|program| {
            let known = Known { model: Cow::Borrowed(&model), feeds: &feeds };
            (program.as_str() == "aurora").then_some(known)
        },
        frozen: &|release| release.source.as_str() == "aurora",
        now: NOW.plus_seconds(60),
    })
}

#[test]
fn every_fault_is_listed_with_its_place() {
    let bad = proposal(
        r#"
        [[values]]
        program = "aurora"
        value = "0.2"
        [[values]]
        program = "aurora"
        value = "0.05"
        [[values]]
        program = "zeppelin"
        value = "0.05"
        [[observations]]
        program = "aurora"
        feed = "breakage"
        value = "1"
        observed_at = "2036-11-23T00:00:00.000Z"
        [[release]]
        source = "stars"
        target = "aurora"
        "#,
    );
    let told = faults(&bad, &[]);
    let begins = [
        "values 1 (aurora): value 0.2 is outside the band 0.025 to 0.1",
        "values 2 (aurora): the program stands there twice",
        "values 2 (aurora): value 0.05 is what it has already",
        "values 3 (zeppelin): there is no such program",
        "observations 1: value 1: a breakage must be below 1",
        "observations 1: observed_at 2036-11-23T00:00:00.000Z is in the future",
        "release 1 (stars → aurora): the pair is not frozen",
    ];
    assert_eq!(told.len(), begins.len(), "{told:#?}");
    for (told, begin) in told.iter().zip(begins) {
        assert!(told.starts_with(begin), "{told}");
    }
    assert_eq!(faults(&Proposal::default(), &[]).len(), 1);
    let why = Proposal {
        why: "x\ny".to_owned(),
        ..proposal("[[release]]\nsource = \"aurora\"\ntarget = \"stars\"")
    };
    assert_eq!(faults(&why, &[]).len(), 1);
}

#[test]
fn a_jump_may_be_proposed_and_what_is_out_of_range_may_not() {
    let reserve = |value: &str| {
        proposal(&format!(
            "[[observations]]\nprogram = \"aurora\"\nfeed = \"reserve\"\nvalue = \"{value}\"\n\
             observed_at = \"{}\"",
            NOW.plus_seconds(1)
        ))
    };
    assert_eq!(faults(&reserve("1800000"), &[]), Vec::<String>::new());
    assert_eq!(faults(&reserve("10000000000000"), &[]).len(), 1);
    assert_eq!(faults(&reserve("0"), &[]).len(), 1);
}

#[test]
fn a_program_is_moved_by_one_open_proposal() {
    let moved = proposal("[[values]]\nprogram = \"aurora\"\nvalue = \"0.051\"");
    let open = RateProposal {
        number: 7,
        proposal: moved.clone(),
        proposed_by: "ann".parse().unwrap(),
        proposed_at: NOW,
        approved_by: None,
        approved_at: Some(NOW),
        withdrawn_by: None,
        withdrawn_at: None,
        applied_at: None,
        applied_board: None,
    };
    assert!(open.is_open() && open.is_approved_by_size());
    let told = faults(&moved, &[&open]);
    assert_eq!(told, ["values 1 (aurora): proposal 7 moves it, too: withdraw one of the two"]);
    let other = proposal("[[values]]\nprogram = \"stars\"\nvalue = \"0.101\"");
    assert_eq!(faults(&other, &[&open]), Vec::<String>::new());
}

#[test]
fn a_step_beyond_the_threshold_a_reading_and_a_release_need_a_second_person() {
    let registry = registry();
    let reasons = |document: &str| proposal(document).reasons(&registry);
    let value =
        |value: &str| reasons(&format!("[[values]]\nprogram = \"aurora\"\nvalue = \"{value}\""));
    // Five hundredths of 0.05 are 0.0025.
    for by_size in ["0.0525", "0.0475", "0.050001"] {
        assert_eq!(value(by_size), Vec::<String>::new(), "{by_size}");
    }
    assert_eq!(value("0.052501"), ["aurora goes from 0.05 to 0.052501: more than 5%"]);
    assert_eq!(value("0.047499").len(), 1);
    assert_eq!(reasons("[[release]]\nsource = \"aurora\"\ntarget = \"stars\"").len(), 1);
    let reading = "[[observations]]\nprogram = \"aurora\"\nfeed = \"cost\"\nvalue = \"0.05\"\n\
                   observed_at = \"2026-11-23T00:00:00.000Z\"";
    assert_eq!(reasons(reading).len(), 1);
}

#[test]
fn one_person_has_one_name() {
    let name = |text: &str| text.parse::<OperatorName>();
    assert_eq!(name("Ann"), name("ann"));
    for bad in ["", "ann ", "ann\n", "änn", &"a".repeat(65)] {
        assert!(name(bad).is_err(), "{bad:?}");
    }
}
