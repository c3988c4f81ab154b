//! Which rule holds, and every fault of the rules.

use super::super::Definition;
use super::*;

const PARTNERS: &str = r#"
alliance = "demo"
currency = "CNY"
partners = [
    { partner = "aurora-air", name = "A" },
    { partner = "borealis-coffee", name = "B" },
    { partner = "cedar-hotels", name = "C" },
]
"#;

fn definition(rules: &str) -> Definition {
    toml::from_str(&format!("{PARTNERS}{rules}")).unwrap()
}

fn faults(rules: &str) -> Vec<String> {
    let faults = definition(rules).check().err().unwrap_or_default();
    faults.iter().map(ToString::to_string).collect()
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// The rules of docs/revenue-share.md, as they stand there.
#[test]
fn the_pages_rules_are_read() {
    let page = include_str!("../../../../docs/revenue-share.md");
    let begin = page.find("```toml\n").unwrap() + "```toml\n".len();
    let rules = &page[begin..];
    let definition = definition(&rules[..rules.find("```").unwrap()]);
    assert_eq!(definition.check(), Ok(()));
    let corridor = |text: &str| text.parse::<Corridor>().unwrap();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let found = |pair: &str, time: &str| {
        let rule = rule_for(&definition.revenue, &corridor(pair), at(time));
        rule.map(|rule| definition.revenue.iter().position(|one| one == rule).unwrap())
    };
    let (before, after) = ("2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00.000Z");
    assert_eq!(found("aurora-air~borealis-coffee", before), Some(1));
    assert_eq!(found("aurora-air~borealis-coffee", after), Some(1));
    assert_eq!(found("aurora-air~cedar-hotels", before), Some(0));
    assert_eq!(found("aurora-air~cedar-hotels", after), None);
    let written = definition.revenue.iter().map(|rule| serde_json::to_string(rule).unwrap());
    for (text, rule) in written.zip(&definition.revenue) {
        assert_eq!(serde_json::from_str::<RevenueDefinition>(&text).unwrap(), *rule);
    }
}

#[test]
fn without_rules_a_definition_is_written_as_before() {
    let text = serde_json::to_string(&definition("")).unwrap();
    assert!(!text.contains("revenue"), "{text}");
}

#[test]
fn parts_follow_the_names_whichever_was_named_first() {
    for (a, b, part) in [
        ("aurora-air", "borealis-coffee", "{ a = \"0.6\", b = \"0.4\" }"),
        ("borealis-coffee", "aurora-air", "{ a = \"0.4\", b = \"0.6\" }"),
    ] {
        let text = format!(
            "[[revenue]]\na = \"{a}\"\nb = \"{b}\"\nshare = \"0.3\"\nsplit = {{ partner = {part} }}"
        );
        let definition = definition(&text);
        assert_eq!(definition.check(), Ok(()));
        let low_gets = Split::Partner { high: decimal("0.4"), low: decimal("0.6") };
        assert_eq!(definition.revenue[0].rule().split, low_gets);
        let corridor = "aurora-air~borealis-coffee".parse().unwrap();
        assert!(rule_for(&definition.revenue, &corridor, Timestamp::from_millis(0)).is_some());
    }
}

#[test]
fn every_fault_is_listed_with_its_place() {
    let found = faults(
        r#"
[[revenue]]
a = "aurora-air"
share = "0.3"
[[revenue]]
a = "aurora-air"
b = "nobody-here"
from = "2026-01-01T00:00:00.000Z"
until = "2026-01-01T00:00:00.000Z"
share = "1.5"
tiers = [{ above = "5", share = "0.1" }]
[[revenue]]
split = { partner = { a = "0.5", b = "0.6" } }
tiers = [{ above = "5", share = "0.1" }]
[[revenue]]
a = "cedar-hotels"
b = "cedar-hotels"
"#,
    );
    let expected = [
        "revenue[0]: name both partners of a pair, or none for all pairs",
        "revenue[1] aurora-air and nobody-here: no partner nobody-here is defined",
        "revenue[1] aurora-air and nobody-here: until must be after from",
        "revenue[1] aurora-air and nobody-here: write either share or tiers",
        "revenue[2]: the first tier must be above 0",
        "revenue[2]: the parts of the split must sum to 1",
        "revenue[2]: a split by partner needs a and b; for all pairs use contribution",
        "revenue[2]: holds at the same time as revenue[0]",
        "revenue[3] cedar-hotels and cedar-hotels: a partner pays no fees within itself",
        "revenue[3] cedar-hotels and cedar-hotels: write either share or tiers",
    ];
    assert_eq!(found, expected);
}

#[test]
fn rules_of_one_pair_follow_each_other_and_never_meet() {
    let rules = |until: &str, from: &str| {
        let pair = |a: &str, b: &str, time: &str| {
            format!("[[revenue]]\na = \"{a}\"\nb = \"{b}\"\nshare = \"0.1\"\n{time}\n")
        };
        let until = format!("until = \"{until}\"");
        let from = format!("from = \"{from}\"");
        let (one, other) = ("aurora-air", "borealis-coffee");
        faults(&(pair(one, other, &until) + &pair(other, one, &from)))
    };
    let (first, second) = ("2026-06-01T00:00:00.000Z", "2026-06-01T00:00:00.001Z");
    assert_eq!(rules(first, first), [""; 0]);
    assert_eq!(rules(first, second), [""; 0]);
    assert_eq!(rules(second, first).len(), 1);
}

#[test]
fn what_is_not_known_is_refused() {
    for rule in ["shares = \"0.3\"", "share = 0.3", "split = { even = {} }", "method = \"best\""] {
        let text = format!("{PARTNERS}[[revenue]]\n{rule}");
        assert!(toml::from_str::<Definition>(&text).is_err(), "{rule}");
    }
}
