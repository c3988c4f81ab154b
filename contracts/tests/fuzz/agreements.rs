//! Agreements: what is accepted has one form, and what is not is told whole, however it is bent.

use alliance_contracts::agreement::{Agreement, KnownProgram, diff};

use crate::engine::{Answer, Target};
use crate::told;

const SEEDS: &[&str] = &[
    r#"{"a":"aurora-air","alliance":"demo","b":"borealis-coffee","caps":{"a":"50000","b":"20000.5"},"effective_at":"2026-12-01T00:00:00.000Z","expiry":"carry_over","fee":{"bearer":"member","rate":"0.01","tiers":[{"from":"10000","rate":"0.008"}]},"kinds":["exchange"],"member_limits":[{"points":"20000","program":"aurora"}],"open_quote_limit":"5000","orders":[{"increment":"100","maximum":"100000","minimum":"500","program":"aurora"}],"overrides":[{"factor":"0.95","source":"borealis","target":"aurora"}],"previous":"0000000000000000000000000000000000000000000000000000000000000000","quote_lifetime_seconds":120,"reversal_period_seconds":86400,"tiers":[{"multiplier":"1.05","source":"aurora","source_tier":"gold","target":"borealis","target_tier":"platinum"}],"until":null,"v":1,"version":1}"#,
    r#"{"a":"aurora-air","alliance":"demo","b":"borealis-coffee","effective_at":"2026-12-01T00:00:00.000Z","expiry":"fresh","fee":{"bearer":"target_partner","rate":"0"},"kinds":["accrual","redemption"],"previous":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","quote_lifetime_seconds":60,"reversal_period_seconds":0,"until":"2027-12-01T00:00:00.000Z","v":1,"version":2}"#,
    r#"{"fee":{"rate":1},"orders":[{}],"tiers":[[]],"v":2}"#,
    "{}",
];

#[test]
fn an_accepted_agreement_has_one_form_and_a_refused_one_is_told_whole() {
    let known = |partner: &str, program: &str, scale| KnownProgram {
        partner: partner.parse().unwrap(),
        program: program.parse().unwrap(),
        scale,
    };
    let programs = [known("aurora-air", "aurora", 0), known("borealis-coffee", "borealis", 2)];
    let seeds: Vec<Vec<u8>> = SEEDS.iter().map(|text| text.as_bytes().to_vec()).collect();
    let check = |input: &[u8]| match Agreement::read_draft(input, Some(&programs)) {
        Ok(agreement) => {
            let payload = agreement.payload();
            assert_eq!(Agreement::read_payload(&payload, Some(&programs)).as_ref(), Ok(&agreement));
            assert_eq!(Agreement::read_payload(input, None).is_ok(), payload == input);
            assert_eq!(diff(Some(&agreement), &agreement), []);
            Answer::Accepted("agreement".to_owned())
        }
        Err(faults) => {
            for fault in &faults {
                let long = fault.detail.len() + fault.pointer.len();
                assert!(long <= 700, "{long} bytes of reasons");
                let place = fault.pointer.is_empty() || fault.pointer.starts_with('/');
                assert!(place, "{}", fault.pointer);
            }
            told(faults.first().expect("a reason"))
        }
    };
    Target { name: "agreements", inputs: 20_000, seeds: &seeds, open: true, check: &check }.fuzz();
}
