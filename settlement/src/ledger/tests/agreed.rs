//! What partners have signed, held against orders: a member's day, a pair's cap, the form of an
//! order.

use alliance_contracts::agreement::{AgreementState, Caps, Expiry, MemberLimit, OrderBounds};
use alliance_contracts::quote::CarriedExpiry;

use super::agreements::first;
use super::*;
use crate::alliance::AgreementRecord;
use crate::ledger::working_set::Wanted;

/// A world in which aurora and borealis have signed this, from now on.
fn world(sign: impl FnOnce(&mut alliance_contracts::agreement::Agreement)) -> World {
    let mut world = World::new();
    let mut agreement = first();
    agreement.effective_at = NOW;
    sign(&mut agreement);
    let mut parts = RegistryParts::clone(&world.set.registry);
    parts.agreements.push(Arc::new(AgreementRecord {
        id: world.draw(),
        state: AgreementState::Active,
        payload: agreement.payload(),
        agreement,
        a: None,
        b: None,
        proposed_by: "aurora-air".parse().unwrap(),
        proposed_at: NOW,
        countersigned_at: Some(NOW),
    }));
    world.set.registry = Arc::new(Registry::new(1, parts));
    world
}

fn points(text: &str) -> alliance_contracts::decimal::Decimal {
    text.parse().unwrap()
}

impl World {
    fn at(&mut self, giver: (&str, &str), taker: (&str, &str), amount: &str) -> Decided {
        let partner = if giver.0 == "aurora" { "aurora-air" } else { "borealis-coffee" };
        let terms = self.terms(giver, taker, amount);
        let name = format!("order-{}", self.drawn);
        self.exchange(partner, &name, &name, Quoted::Open(Box::new(terms)))
    }
}

const A: (&str, &str) = ("aurora", "A-1");
const OTHER: (&str, &str) = ("aurora", "A-2");
const B: (&str, &str) = ("borealis", "B-1");

#[test]
fn a_member_gives_no_more_in_a_day_than_was_agreed() {
    let mut world = world(|agreed| {
        let program = "aurora".parse().unwrap();
        agreed.member_limits = vec![MemberLimit { points: points("300"), program }];
    });
    accepted(&world.at(A, B, "200"));
    let beyond = world.at(A, B, "101").outcome;
    assert_eq!(beyond, refused(ProblemCode::ExceedsMemberLimit));
    accepted(&world.at(A, B, "100"));
    let written: Vec<_> = world.set.writes.member_days.values().collect();
    assert_eq!((written.len(), written[0].given, written[0].member), (1, 300, MemberNo(1)));
    // Another member has a day of its own, and the way back has no limit.
    accepted(&world.at(OTHER, B, "300"));
    accepted(&world.at(B, A, "400"));
    // And the next day begins with nothing given.
    for day in world.set.member_days.values_mut() {
        day.day -= 1;
    }
    accepted(&world.at(A, B, "300"));
}

#[test]
fn one_partner_owes_the_other_no_more_than_the_pairs_cap() {
    let mut world = world(|agreed| {
        agreed.caps = Some(Caps { a: points("10"), b: points("1000") });
    });
    accepted(&world.at(A, B, "200"));
    let beyond = world.at(OTHER, B, "20").outcome;
    assert_eq!(beyond, refused(ProblemCode::ExceedsNetDebitCap));
    // What comes back makes room again: 2.5 of 10.
    accepted(&world.at(B, A, "25"));
    assert_eq!(world.at(OTHER, B, "51").outcome, refused(ProblemCode::ExceedsNetDebitCap));
    accepted(&world.at(OTHER, B, "50"));
}

#[test]
fn what_limits_need_to_know_is_asked_for_only_where_there_are_any() {
    for (limited, days, flows) in [(false, 0, 1), (true, 1, 10)] {
        let mut world = world(|agreed| {
            agreed.caps = limited.then(|| Caps { a: points("10"), b: points("10") });
        });
        let terms = world.terms(A, B, "100");
        let keyed = world.keyed("aurora-air", "k", "d");
        let order = Order {
            transaction: world.draw(),
            source_reference: "r".parse().unwrap(),
            quote: Quoted::Open(Box::new(terms)),
        };
        let mut wanted = Wanted::default();
        wanted.add(&world.set.registry, &Command::Order(keyed, order));
        // Aurora-air has two programs, so there are two ways there and two back.
        assert_eq!((wanted.member_days.len(), wanted.flows.len()), (days, flows));
    }
}

#[test]
fn an_order_has_the_size_and_the_step_that_were_agreed() {
    let world = world(|agreed| {
        agreed.orders = vec![OrderBounds {
            increment: Some(points("50")),
            maximum: Some(points("500")),
            minimum: Some(points("100")),
            program: "aurora".parse().unwrap(),
        }];
    });
    let registry = world.set.registry.clone();
    let ask = |side: Side, value: &str| {
        let request = QuoteRequest {
            expiry: None,
            amount: Some(SideAmount { side, value: value.parse().unwrap() }),
            kind: TransactionKind::Exchange,
            segment: None,
            source: account(A).into(),
            target: account(B).into(),
            tier: None,
        };
        let caller = "aurora-air".parse().unwrap();
        pricing::price(&registry, &caller, &request, NOW).map_err(|refused| refused.code)
    };
    for (value, told) in [
        ("100", Ok(())),
        ("150", Ok(())),
        ("500", Ok(())),
        ("99", Err(ProblemCode::AmountTooSmall)),
        ("120", Err(ProblemCode::AmountTooSmall)),
        ("550", Err(ProblemCode::AmountOutOfRange)),
    ] {
        assert_eq!(ask(Side::Source, value).map(drop), told, "{value}");
    }
    // Asked by what arrives, what is given must be a whole step all the same.
    assert!(ask(Side::Target, "99").is_ok() && ask(Side::Target, "98").is_err());
}

#[test]
fn the_date_of_what_is_given_is_carried_over_where_that_was_agreed() {
    let carrying = world(|agreed| agreed.expiry = Expiry::CarryOver);
    let fresh = world(|agreed| agreed.expiry = Expiry::Fresh);
    let ask = |world: &World, expiry: Option<CarriedExpiry>| {
        let request = QuoteRequest {
            amount: Some(SideAmount { side: Side::Source, value: points("100") }),
            expiry,
            kind: TransactionKind::Exchange,
            segment: None,
            source: account(A).into(),
            target: account(B).into(),
            tier: None,
        };
        let caller = "aurora-air".parse().unwrap();
        let priced = pricing::price(&world.set.registry, &caller, &request, NOW);
        priced
            .map(|priced| priced.expiry)
            .map_err(|refused| (refused.code, refused.pointer.unwrap_or_default()))
    };
    let at = |seconds| Some(CarriedExpiry { at: Some(NOW.plus_seconds(seconds)) });
    let none = CarriedExpiry { at: None };
    assert_eq!(ask(&carrying, at(1)), Ok(at(1)));
    assert_eq!(ask(&carrying, None), Ok(Some(none)), "the source names no date");
    let past = (ProblemCode::Malformed, "/expiry/at");
    assert_eq!((ask(&carrying, at(0)), ask(&carrying, at(-1))), (Err(past), Err(past)));
    let nobody = (ProblemCode::Malformed, "/expiry");
    assert_eq!(ask(&fresh, None), Ok(None));
    assert_eq!((ask(&fresh, at(1)), ask(&fresh, Some(none))), (Err(nobody), Err(nobody)));
}

#[test]
fn a_receipt_says_which_date_was_carried_over_and_its_reversal_says_none() {
    let mut world = world(|agreed| {
        agreed.expiry = Expiry::CarryOver;
        agreed.reversal_period_seconds = 60;
    });
    let expiry = Some(CarriedExpiry { at: Some(NOW.plus_seconds(86_400)) });
    let mut terms = world.terms(A, B, "100");
    assert_eq!(terms.expiry, Some(CarriedExpiry { at: None }));
    terms.expiry = expiry;
    let made = world.exchange("aurora-air", "one", "one", Quoted::Open(Box::new(terms)));
    accepted(&made);
    let Outcome::Transaction(id) = made.outcome else { panic!("{made:?}") };
    let Outcome::Transaction(_) = world.reverse("aurora-air", id, None) else { panic!() };
    let key = SigningKey::from_seed(&[8; 32]);
    let chained = receipts::chain(&mut world.set, NOW, key.kid());
    let told: Vec<_> = chained
        .iter()
        .map(|stored| alliance_contracts::receipt::parse(&stored.payload).unwrap().expiry)
        .collect();
    assert_eq!(told, [expiry, None]);
}
