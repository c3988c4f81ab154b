use super::*;
use crate::key_list::{Jwk, KeyStatement, TrustedKeys};
use crate::problem::FieldError;

/// An agreement with something in every place.
pub(crate) const FULL: &str = r#"{"a":"aurora-air","alliance":"demo","b":"borealis-coffee","caps":{"a":"50000","b":"20000.5"},"effective_at":"2026-12-01T00:00:00.000Z","expiry":"carry_over","fee":{"bearer":"member","rate":"0.01","tiers":[{"from":"10000","rate":"0.008"},{"from":"50000","rate":"0.005"}]},"kinds":["exchange"],"member_limits":[{"points":"20000","program":"aurora"}],"open_quote_limit":"5000","orders":[{"increment":"100","maximum":"100000","minimum":"500","program":"aurora"},{"increment":null,"maximum":null,"minimum":"10","program":"borealis"}],"overrides":[{"factor":"0.95","source":"borealis","target":"aurora"}],"previous":"0000000000000000000000000000000000000000000000000000000000000000","quote_lifetime_seconds":120,"reversal_period_seconds":86400,"tiers":[{"multiplier":"1.05","source":"aurora","source_tier":"gold","target":"borealis","target_tier":"platinum"}],"until":null,"v":1,"version":1}"#;

fn full() -> Agreement {
    Agreement::read_payload(FULL.as_bytes(), Some(&programs())).unwrap()
}

fn programs() -> Vec<KnownProgram> {
    let one = |partner: &str, program: &str, scale| KnownProgram {
        partner: partner.parse().unwrap(),
        program: program.parse().unwrap(),
        scale,
    };
    vec![
        one("aurora-air", "aurora", 0),
        one("aurora-air", "avia", 2),
        one("borealis-coffee", "borealis", 0),
        one("cedar-hotels", "cedar", 2),
    ]
}

fn pointers(faults: &[FieldError]) -> Vec<&str> {
    faults.iter().map(|fault| fault.pointer.as_str()).collect()
}

/// The faults of [`FULL`] with parts of its text replaced.
fn faults(changes: &[(&str, &str)]) -> Vec<FieldError> {
    let mut text = FULL.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    Agreement::read_draft(text.as_bytes(), Some(&programs())).unwrap_err()
}

#[test]
fn a_full_agreement_is_read_from_its_own_bytes() {
    assert_eq!(full().payload(), FULL.as_bytes());
    assert_eq!(full().faults(None), []);
}

#[test]
fn a_draft_may_leave_out_what_may_be_empty_or_null() {
    let draft = r#"{"a":"aurora-air","b":"borealis-coffee","alliance":"demo","v":1,"version":1,
        "effective_at":"2026-12-01T00:00:00.000Z","expiry":"fresh","kinds":["exchange"],
        "fee":{"bearer":"member","rate":"0.01"},"quote_lifetime_seconds":60,
        "reversal_period_seconds":0,
        "previous":"0000000000000000000000000000000000000000000000000000000000000000"}"#;
    let read = Agreement::read_draft(draft.as_bytes(), Some(&programs())).unwrap();
    assert_eq!((read.until, read.caps, read.tiers.len()), (None, None, 0));
    assert!(Agreement::read_payload(draft.as_bytes(), None).is_err(), "only one form is signed");
    assert!(Agreement::read_payload(&read.payload(), None).is_ok());
}

#[test]
fn each_broken_rule_is_told_at_its_place() {
    let cases: &[(&str, &str, &str)] = &[
        (r#""v":1,"#, r#""v":2,"#, "/v"),
        (r#""until":null"#, r#""until":"2026-12-01T00:00:00.000Z""#, "/until"),
        (r#""version":1"#, r#""version":2"#, "/previous"),
        (r#""version":1"#, r#""version":0"#, "/version"),
        ("[\"exchange\"]", "[]", "/kinds"),
        ("[\"exchange\"]", "[\"exchange\",\"exchange\"]", "/kinds/1"),
        ("[\"exchange\"]", "[\"reversal\"]", "/kinds/0"),
        (r#"seconds":120"#, r#"seconds":0"#, "/quote_lifetime_seconds"),
        (r#"seconds":120"#, r#"seconds":3601"#, "/quote_lifetime_seconds"),
        (r#"seconds":86400"#, r#"seconds":31536001"#, "/reversal_period_seconds"),
        (r#""a":"50000""#, r#""a":"1000000000000.000001""#, "/caps/a"),
        (r#""5000","#, r#""1000000000001","#, "/open_quote_limit"),
        (r#""rate":"0.01""#, r#""rate":"1""#, "/fee/rate"),
        (r#""from":"10000""#, r#""from":"0""#, "/fee/tiers/0/from"),
        (r#""from":"50000""#, r#""from":"10000""#, "/fee/tiers/1/from"),
        (r#""rate":"0.005""#, r#""rate":"0.009""#, "/fee/tiers/1/rate"),
        (r#""points":"20000""#, r#""points":"0""#, "/member_limits/0/points"),
        (r#""points":"20000""#, r#""points":"0.5""#, "/member_limits/0/points"),
        (r#""minimum":"500""#, r#""minimum":"550""#, "/orders/0/minimum"),
        (r#""maximum":"100000""#, r#""maximum":"400""#, "/orders/0/maximum"),
        (r#""minimum":"10""#, r#""minimum":null"#, "/orders/1"),
        (r#""program":"borealis""#, r#""program":"aurora""#, "/orders/1/program"),
        (r#""program":"borealis""#, r#""program":"cedar""#, "/orders/1/program"),
        (r#""program":"borealis""#, r#""program":"nowhere""#, "/orders/1/program"),
        (r#""factor":"0.95""#, r#""factor":"1.000001""#, "/overrides/0/factor"),
        (r#""factor":"0.95""#, r#""factor":"0""#, "/overrides/0/factor"),
        (r#""target":"aurora""#, r#""target":"borealis""#, "/overrides/0/target"),
        (
            r#""source":"borealis","target":"aurora""#,
            r#""source":"avia","target":"aurora""#,
            "/overrides/0/target",
        ),
        (r#""multiplier":"1.05""#, r#""multiplier":"10.000001""#, "/tiers/0/multiplier"),
        (r#""multiplier":"1.05""#, r#""multiplier":"0""#, "/tiers/0/multiplier"),
        // Of the form.
        (r#""v":1,"#, "", "/v"),
        (r#""v":1,"#, r#""v":1,"w":1,"#, "/w"),
        (r#""rate":"0.01""#, r#""rate":0.01"#, "/fee/rate"),
        (r#""expiry":"carry_over""#, r#""expiry":"never""#, "/expiry"),
        (r#""source_tier":"gold""#, r#""source_tier":"Gold""#, "/tiers/0/source_tier"),
        (r#""version":1"#, r#""version":1,"version":1"#, "/version"),
    ];
    let swapped = FULL.replacen(r#""b":"borealis-coffee""#, r#""b":"aaa""#, 1);
    let swapped = Agreement::read_draft(swapped.as_bytes(), None).unwrap_err();
    assert_eq!(pointers(&swapped), ["/b"]);
    for (from, to, pointer) in cases {
        let found = faults(&[(from, to)]);
        assert_eq!(pointers(&found), [*pointer], "{from} → {to}: {found:?}");
    }
}

#[test]
fn all_faults_are_told_at_once_those_of_the_form_too() {
    let found = faults(&[
        (r#""v":1,"#, ""),
        (r#""rate":"0.01""#, r#""rate":0.01,"more":{}"#),
        (r#""factor":"0.95""#, r#""factor":"2""#),
        (r#""program":"borealis""#, r#""program":"Borealis""#),
        (r#""minimum":"500""#, r#""minimum":"050""#),
        (r#""maximum":"100000""#, r#""maximum":"1""#),
        (r#"seconds":120"#, r#"seconds":"120""#),
        (r#""caps":{"a":"50000","b":"20000.5"}"#, r#""caps":[]"#),
    ]);
    let mut found = pointers(&found);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "/caps",
            "/fee/more",
            "/fee/rate",
            "/orders/0/maximum",
            "/orders/0/minimum",
            "/orders/1/program",
            "/overrides/0/factor",
            "/quote_lifetime_seconds",
            "/v",
        ]
    );
}

#[test]
fn what_is_no_object_at_all_is_refused_in_one_fault() {
    for text in ["", "[]", "1", "{", "null", "\u{0}"] {
        let found = Agreement::read_draft(text.as_bytes(), None).unwrap_err();
        assert_eq!(pointers(&found), [""], "{text:?}: {found:?}");
    }
    let long = format!("{{\"a\":\"{}\"}}", "a".repeat(MAX_AGREEMENT_BYTES));
    assert_eq!(pointers(&Agreement::read_draft(long.as_bytes(), None).unwrap_err()), [""]);
}

#[test]
fn a_larger_month_costs_less() {
    let rate = |gross: &str| full().fee_rate(gross.parse().unwrap()).to_string();
    assert_eq!(
        ["0", "9999.999999", "10000", "49999", "50000", "1000000"].map(rate),
        ["0.01", "0.01", "0.008", "0.008", "0.005", "0.005"]
    );
}

#[test]
fn it_holds_from_its_beginning_until_before_its_end() {
    let mut agreement = full();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    assert!(!agreement.holds_at(at("2026-11-30T23:59:59.999Z")));
    assert!(agreement.holds_at(at("2026-12-01T00:00:00.000Z")));
    agreement.until = Some(at("2027-01-01T00:00:00.000Z"));
    assert!(agreement.holds_at(at("2026-12-31T23:59:59.999Z")));
    assert!(!agreement.holds_at(at("2027-01-01T00:00:00.000Z")));
}

#[test]
fn a_diff_tells_items_by_what_they_are_about() {
    let before = full();
    let mut after = before.clone();
    after.version = 2;
    after.previous = before.hash();
    after.fee.rate = "0.012".parse().unwrap();
    after.fee.tiers.remove(0);
    after.orders.reverse();
    after.orders[1].minimum = Some("1000".parse().unwrap());
    after.tiers.clear();
    after.until = Some("2027-12-01T00:00:00.000Z".parse().unwrap());
    let said: Vec<String> = diff(Some(&before), &after).iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "version: 1 → 2",
            "fee.rate: 0.01 → 0.012",
            "fee.tiers[from 10000].rate: 0.008 → none",
            "orders[aurora].minimum: 500 → 1000",
            "tiers[aurora gold → borealis].target_tier: platinum → none",
            "tiers[aurora gold → borealis].multiplier: 1.05 → none",
            "until: none → 2027-12-01T00:00:00.000Z",
        ]
    );
    let changes = diff(Some(&before), &after);
    assert_eq!(changes[3].pointer, "/orders/1/minimum", "where it stands now");
    assert_eq!(changes[2].pointer, "/fee/tiers/0/rate", "where it stood");
    assert_eq!(diff(Some(&after), &after), []);
    assert!(diff(None, &after).iter().all(|change| change.before.is_none()));
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// aurora-air has key 1, revoked later, and key 4, which only reads; borealis-coffee key 2.
fn keys() -> TrustedKeys {
    let jwk = |seed: u8, partner: &str, scope: &str| {
        let mut jwk = Jwk::new(key(seed).public_key(), Some(Timestamp::from_millis(1_000)));
        (jwk.partner, jwk.scope) = (Some(partner.to_owned()), Some(scope.to_owned()));
        jwk.revoked_at = (seed == 1).then(|| Timestamp::from_millis(9_000));
        jwk
    };
    let keys = vec![
        jwk(1, "aurora-air", "full"),
        jwk(2, "borealis-coffee", "full"),
        jwk(4, "aurora-air", "read"),
    ];
    let alliance = "demo".to_owned();
    let statement = KeyStatement { alliance, keys, number: 1, previous: Hash::ZERO };
    statement.publish(&key(9)).trust_without_root().unwrap()
}

#[test]
fn both_must_have_signed_the_same_bytes_with_a_key_that_counted_then() {
    let (agreement, keys) = (full(), keys());
    let (a, b) = (agreement.sign(&key(1)), agreement.sign(&key(2)));
    let then = |a, b| SignedAt { a: Timestamp::from_millis(a), b: Timestamp::from_millis(b) };
    let good = verify_agreement(&a, &b, &keys, then(1_000, 20_000)).unwrap();
    assert_eq!((good.hash, &good.agreement), (agreement.hash(), &agreement));
    let refused = |a: &str, b: &str, at| verify_agreement(a, b, &keys, at).unwrap_err();
    let unknown = |error| matches!(error, AgreementError::UnknownKey { .. });
    assert!(unknown(refused(&b, &a, then(2_000, 2_000))), "each by its own");
    assert!(unknown(refused(&a, &a, then(2_000, 2_000))), "twice the same partner");
    assert!(unknown(refused(&a, &b, then(9_000, 2_000))), "revoked");
    assert!(unknown(refused(&a, &b, then(2_000, 999))), "not yet valid");
    let by_reader = agreement.sign(&key(4));
    assert!(unknown(refused(&by_reader, &b, then(2_000, 2_000))), "a key that only reads");
    assert!(unknown(refused(&a, &agreement.sign(&key(3)), then(2_000, 2_000))), "a stranger");
    let mut other = agreement.clone();
    other.quote_lifetime_seconds = 60;
    let differs = refused(&a, &other.sign(&key(2)), then(2_000, 2_000));
    assert_eq!(differs, AgreementError::Differs);
    let forged = crate::jws::assemble(
        JwsType::Agreement,
        key(2).kid(),
        &agreement.payload(),
        &key(3).sign(b"something else"),
    );
    let forged = refused(&a, &forged, then(2_000, 2_000));
    assert!(matches!(forged, AgreementError::Signature { .. }), "{forged:?}");
}

#[test]
fn another_typ_and_other_spellings_are_no_agreement() {
    let agreement = full();
    let as_board = crate::jws::sign(JwsType::Board, &agreement.payload(), &key(1));
    assert_eq!(pointers(&read_signed(&as_board).unwrap_err()), ["/jws"]);
    let spaced = FULL.replacen(':', ": ", 1);
    let spaced = crate::jws::sign(JwsType::Agreement, spaced.as_bytes(), &key(1));
    assert_eq!(pointers(&read_signed(&spaced).unwrap_err()), [""]);
    assert_eq!(pointers(&read_signed("a.b").unwrap_err()), ["/jws"]);
}
