//! Boards and quotes, computed again: what is accepted, and that each thing that is wrong is named.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use alliance_partner_sdk::contracts as c;
use alliance_partner_sdk::verify::board::{BoardFault, QuoteFault, VerifiedBoard, recompute_quote};
use c::arithmetic::{exchange_by_source, exchange_by_target};
use c::board::{Board, CommittedTerms, PairFee, PairTerms, Rates, TermsRoot, TermsTree, Volume};
use c::decimal::Decimal;
use c::encoding::Hash;
use c::jws::{self, JwsType};
use c::keys::SigningKey;
use c::program::Programs;
use c::quote::{AskedSide, FeeBearer, Quote, QuoteRequest, Rate, Settlement, Side};
use c::side::SideOf;
use c::total::Total;
use c::valuation::{
    Band, Basis, Input, InputKind, InputStatus, ProgramValuation, ValuationMismatch,
};
use support::{ALLIANCE, decimal, gateway, keys, partner_key, start};

/// A value that its band and one input come to.
fn value(program: &str, previous: Option<&str>, base: &str) -> ProgramValuation {
    let inputs = [Input {
        as_of: None,
        input: InputKind::Base,
        status: InputStatus::Declared,
        value: decimal(base),
        weight: Decimal::ONE,
    }];
    let basis = Basis {
        band: Band { max: decimal("2"), min: decimal("0.01") },
        halvings: 0,
        inputs: &inputs,
        max_step: decimal("0.05"),
        previous: previous.map(decimal),
        smoothing: Decimal::ONE,
    };
    ProgramValuation::of(program.parse().unwrap(), &basis).unwrap()
}

fn terms(source: &str, target: &str) -> PairTerms {
    PairTerms {
        exchanged: Total::ZERO,
        fee: decimal("0.02"),
        flow: Total::ZERO,
        late: Total::ZERO,
        limit: None,
        multiplier: decimal("0.95"),
        source: source.parse().unwrap(),
        surcharge: decimal("0.003"),
        suspended: false,
        target: target.parse().unwrap(),
        volume: Volume { before: Total::ZERO, month: "2026-11".into(), so_far: Total::ZERO },
        withheld: false,
    }
}

fn all_terms() -> Vec<PairTerms> {
    vec![terms("aurora", "borealis"), terms("borealis", "aurora"), terms("cedar", "dune")]
}

fn first() -> Board {
    Board {
        alliance: ALLIANCE.parse().unwrap(),
        board: 1,
        currency: "CNY".parse().unwrap(),
        effective_at: start().plus_seconds(60),
        previous: Hash::ZERO,
        published_at: start(),
        terms: TermsRoot::of(&all_terms()),
        values: vec![
            value("aurora", None, "0.05"),
            value("aurora-gold", None, "1.5"),
            value("borealis", None, "0.0723"),
        ],
    }
}

/// The board after it: aurora takes a step of a twentieth on its way up.
fn second() -> Board {
    let mut next = first();
    next.board = 2;
    next.previous = Hash::of(&first().payload());
    next.published_at = start().plus_seconds(3_600);
    next.effective_at = start().plus_seconds(3_660);
    next.values = vec![
        value("aurora", Some("0.05"), "0.06"),
        value("aurora-gold", Some("1.5"), "1.5"),
        value("borealis", Some("0.0723"), "0.0723"),
    ];
    next
}

fn signed_by(board: &Board, key: &SigningKey) -> String {
    jws::sign(JwsType::Board, &board.payload(), key)
}

fn verified(board: &Board) -> Result<VerifiedBoard, BoardFault> {
    VerifiedBoard::verify(&signed_by(board, &gateway()), &keys())
}

#[test]
fn a_board_is_accepted_when_its_signature_verifies_and_every_value_follows() {
    let board = verified(&second()).unwrap();
    assert_eq!((board.board(), board.hash()), (&second(), &Hash::of(&second().payload())));
    assert_eq!(board.board().value(&"aurora".parse().unwrap()), Some(decimal("0.0525")));
}

#[test]
fn each_thing_that_is_wrong_with_a_board_is_named() {
    type Change = fn(&mut Board);
    type Named = fn(&BoardFault) -> bool;
    let changed: [(Change, Named); 6] = [
        (
            |board| board.values[0].value = decimal("0.0526"),
            |fault| matches!(fault, BoardFault::Value(ValuationMismatch::Value { .. })),
        ),
        (
            |board| board.values[0].target = decimal("0.07"),
            |fault| matches!(fault, BoardFault::Value(ValuationMismatch::Target { .. })),
        ),
        (
            |board| board.values[0].limited_by.clear(),
            |fault| matches!(fault, BoardFault::Value(ValuationMismatch::LimitedBy { .. })),
        ),
        (|board| board.values.swap(0, 1), |fault| *fault == BoardFault::Order),
        (
            |board| board.effective_at = board.published_at.plus_seconds(-1),
            |fault| *fault == BoardFault::Time,
        ),
        (
            |board| board.alliance = "other".parse().unwrap(),
            |fault| *fault == BoardFault::ForeignAlliance("other".to_owned()),
        ),
    ];
    for (at, (change, named)) in changed.into_iter().enumerate() {
        let mut board = second();
        change(&mut board);
        let fault = verified(&board).unwrap_err();
        assert!(named(&fault), "{at}: {fault}");
    }
    let unknown = VerifiedBoard::verify(&signed_by(&second(), &partner_key()), &keys());
    let kid = partner_key().kid().clone();
    assert_eq!(unknown.unwrap_err(), BoardFault::UnknownKey { kid });
    let mut early = first();
    early.published_at = "2025-12-31T00:00:00.000Z".parse().unwrap();
    let kid = gateway().kid().clone();
    assert_eq!(verified(&early).unwrap_err(), BoardFault::UnknownKey { kid });
    let other = jws::sign(JwsType::Receipt, &second().payload(), &gateway());
    assert!(matches!(VerifiedBoard::verify(&other, &keys()), Err(BoardFault::Jws(_))));
    let spaced = [&second().payload()[..], b" "].concat();
    let spaced = jws::sign(JwsType::Board, &spaced, &gateway());
    assert_eq!(VerifiedBoard::verify(&spaced, &keys()).unwrap_err(), BoardFault::Payload);
    // Under another board's signature.
    let first = jws::parse(&signed_by(&first(), &gateway())).unwrap();
    let forged = jws::assemble(JwsType::Board, &first.kid, &second().payload(), &first.signature);
    assert!(matches!(VerifiedBoard::verify(&forged, &keys()), Err(BoardFault::Jws(_))));
    assert!(matches!(VerifiedBoard::verify("a.b", &keys()), Err(BoardFault::Jws(_))));
}

#[test]
fn boards_follow_each_other_by_number_hash_time_and_values() {
    let before = verified(&first()).unwrap();
    let follows = |change: fn(&mut Board)| {
        let mut board = second();
        change(&mut board);
        verified(&board).unwrap().follows(&before)
    };
    assert_eq!(follows(|_| ()), Ok(()));
    let not_next: [fn(&mut Board); 3] = [
        |board| board.board = 3,
        |board| board.previous = Hash::ZERO,
        |board| {
            board.published_at = start();
            board.effective_at = start();
        },
    ];
    for change in not_next {
        assert!(matches!(follows(change), Err(BoardFault::NotNext { before: 1, .. })));
    }
    let jumped = follows(|board| board.values[0] = value("aurora", Some("0.055"), "0.06"));
    assert_eq!(jumped, Err(BoardFault::Previous("aurora".to_owned())));
    assert!(before.follows(&verified(&second()).unwrap()).is_err(), "the other way round");
}

fn committed() -> Vec<CommittedTerms> {
    let (all, tree) = (all_terms(), TermsTree::of(&all_terms()));
    (0..2).map(|at| tree.commit(at, all[at].clone())).collect()
}

#[test]
fn a_board_commits_to_its_terms_and_to_no_others() {
    let board = verified(&second()).unwrap();
    assert_eq!(board.commits_to(&committed()), Ok(()));
    let mut cheaper = committed();
    cheaper[1].terms.surcharge = Decimal::ZERO;
    let named = BoardFault::Terms(2, "borealis".to_owned(), "aurora".to_owned());
    assert_eq!(board.commits_to(&cheaper), Err(named));
    let mut elsewhere = committed();
    elsewhere[0].index = 1;
    assert!(board.commits_to(&elsewhere).is_err());
}

fn programs() -> Programs {
    serde_json::from_value(serde_json::json!({
        "alliance": ALLIANCE, "currency": "CNY", "programs": [
            {"balances": "hosted", "name": "Miles", "partner": "aurora-air",
             "program": "aurora", "scale": 0},
            {"balances": "hosted", "name": "Gold", "partner": "aurora-air",
             "program": "aurora-gold", "scale": 2},
            {"balances": "hosted", "name": "Stars", "partner": "borealis-coffee",
             "program": "borealis", "scale": 2},
            {"balances": "hosted", "name": "Nights", "partner": "cedar-hotels",
             "program": "cedar", "scale": 0},
        ],
    }))
    .unwrap()
}

/// The rates as a caller is shown them.
fn rates(bearer: FeeBearer) -> Rates {
    Rates {
        board: second(),
        fees: vec![PairFee {
            a: "aurora-air".parse().unwrap(),
            b: "borealis-coffee".parse().unwrap(),
            fee: decimal("0.02"),
            fee_bearer: bearer,
        }],
        frozen: Vec::new(),
        jws: signed_by(&second(), &gateway()),
        next: None,
        pairs: committed(),
    }
}

fn request(source: &str, target: &str, side: Side, value: &str) -> QuoteRequest {
    serde_json::from_value(serde_json::json!({
        "amount": {"side": side, "value": value}, "kind": "exchange",
        "source": {"member": "M-1", "program": source},
        "target": {"member": "M-2", "program": target},
    }))
    .unwrap()
}

/// A quote as the protocol says that it comes about, written down once more.
fn quote(request: &QuoteRequest, rate: Rate) -> Quote {
    let programs = programs();
    let find = |asked: &AskedSide| {
        let AskedSide::Account(account) = asked else { panic!("{asked:?}") };
        programs.programs.iter().find(|p| p.program == account.program).unwrap()
    };
    let (source, target) = (find(&request.source), find(&request.target));
    let terms = rate.terms(source.scale, target.scale);
    let asked = request.amount.as_ref().unwrap();
    let amounts = match asked.side {
        Side::Source => exchange_by_source(&terms, asked.value.to_minor(source.scale).unwrap()),
        Side::Target => exchange_by_target(&terms, asked.value.to_minor(target.scale).unwrap()),
    }
    .unwrap();
    let money = |micros| Decimal::from_micros(micros).unwrap();
    let settlement = (source.partner != target.partner).then(|| Settlement {
        creditor: target.partner.clone(),
        currency: "CNY".parse().unwrap(),
        debtor: source.partner.clone(),
        fee: money(amounts.fee),
        gross: money(amounts.gross),
        net: money(amounts.net),
        remainder: money(amounts.remainder),
    });
    let side = |program: &c::program::Program, minor| {
        serde_json::json!({
            "amount": Decimal::from_minor(minor, program.scale).unwrap(), "member": "M-1",
            "partner": program.partner, "program": program.program,
        })
    };
    serde_json::from_value(serde_json::json!({
        "expires_at": start().plus_seconds(4_000), "id": "quo_01h455vb4pex5vsknk084sn02q",
        "kind": "exchange", "rate": rate, "settlement": settlement,
        "source": side(source, amounts.source), "target": side(target, amounts.target),
        "token": "a.b.c",
    }))
    .unwrap()
}

/// Fee 0.02 and surcharge 0.003; the override 0.95 of the pair times the tier's 1.05.
fn rate(bearer: FeeBearer, multiplier: &str) -> Rate {
    let plain = Rate::plain(2, decimal("0.023"), decimal("0.0525"), decimal("0.0723"));
    Rate {
        fee_bearer: bearer,
        multiplier: decimal(multiplier),
        surcharge: decimal("0.003"),
        ..plain
    }
}

#[test]
fn a_quote_is_computed_again_to_the_digit_from_either_side_and_whoever_bears_the_fee() {
    for bearer in [FeeBearer::Member, FeeBearer::SourcePartner, FeeBearer::TargetPartner] {
        for (side, value) in [(Side::Source, "1000"), (Side::Target, "512.34")] {
            let request = request("aurora", "borealis", side, value);
            let quoted = quote(&request, rate(bearer, "0.95"));
            let shown = rates(bearer);
            let again = recompute_quote(&shown, &programs(), &request, &quoted, Decimal::ONE);
            assert_eq!(again, Ok(()), "{bearer:?} {side:?}");
            let quoted = quote(&request, rate(bearer, "0.9975"));
            let tier = decimal("1.05");
            assert_eq!(recompute_quote(&shown, &programs(), &request, &quoted, tier), Ok(()));
        }
    }
    // 1000 × 0.0525 × 0.95 × (1 − 0.023) / 0.0723 = 673.96…, by hand.
    let request = request("aurora", "borealis", Side::Source, "1000");
    let quoted = quote(&request, rate(FeeBearer::Member, "0.95"));
    assert_eq!(quoted.target.amount(), decimal("673.96"));
}

#[test]
fn within_one_partner_nothing_is_taken() {
    let request = request("aurora", "aurora-gold", Side::Source, "1000");
    let rate = Rate::plain(2, Decimal::ZERO, decimal("0.0525"), decimal("1.5"));
    let quoted = quote(&request, rate);
    let shown = rates(FeeBearer::Member);
    let again = recompute_quote(&shown, &programs(), &request, &quoted, Decimal::ONE);
    assert_eq!((again, &quoted.settlement), (Ok(()), &None));
}

#[test]
fn each_thing_that_a_quote_does_not_come_to_is_named() {
    let asked = request("aurora", "borealis", Side::Source, "1000");
    let right = quote(&asked, rate(FeeBearer::Member, "0.95"));
    let shown = rates(FeeBearer::Member);
    let again = |quoted: &Quote, shown: &Rates, request: &QuoteRequest| {
        recompute_quote(shown, &programs(), request, quoted, Decimal::ONE)
    };
    let mut one_more = right.clone();
    let SideOf::Account(side) = &mut one_more.target else { panic!("no points") };
    side.amount = decimal("673.97");
    assert_eq!(again(&one_more, &shown, &asked), Err(QuoteFault::Amounts));
    let mut dearer = right.clone();
    let settlement = dearer.settlement.as_mut().unwrap();
    settlement.fee = Decimal::from_micros(settlement.fee.micros() + 1).unwrap();
    assert_eq!(again(&dearer, &shown, &asked), Err(QuoteFault::Amounts));
    let unsettled = Quote { settlement: None, ..right.clone() };
    assert_eq!(again(&unsettled, &shown, &asked), Err(QuoteFault::Amounts));
    // At the agreement's fee alone, as if the pair had no terms of its own.
    let plain = Rate::plain(2, decimal("0.02"), decimal("0.0525"), decimal("0.0723"));
    let other = quote(&asked, plain);
    assert!(matches!(again(&other, &shown, &asked), Err(QuoteFault::Rate { .. })));
    let mut without_terms = shown.clone();
    without_terms.pairs.clear();
    assert_eq!(again(&other, &without_terms, &asked), Ok(()));
    let mut another = right.clone();
    another.rate.board = 1;
    let fault = QuoteFault::AnotherBoard { quoted: 1, shown: 2 };
    assert_eq!(again(&another, &shown, &asked), Err(fault));
    let mut strangers = shown.clone();
    strangers.fees.clear();
    assert_eq!(again(&right, &strangers, &asked), Err(QuoteFault::NoAgreement));
    for unknown in ["cedar", "dune"] {
        let elsewhere = request("aurora", unknown, Side::Source, "1000");
        let fault = QuoteFault::UnknownProgram(unknown.to_owned());
        assert_eq!(again(&right, &shown, &elsewhere), Err(fault), "not listed, or without a value");
    }
}
