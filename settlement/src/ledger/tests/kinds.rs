//! Redemptions and accruals: orders with a member on one side only, and turning them round.

use alliance_contracts::quote::PricedItem;
use proptest::prelude::*;

use super::*;
use crate::ledger::working_set::Wanted;
use crate::vault::Sought;

const AIR: &str = "aurora-air";
const COFFEE: &str = "borealis-coffee";

/// Aurora and borealis have agreed on every kind.
fn world() -> World {
    let mut world = World::new();
    for agreement in &mut definition_of(&mut world).agreements {
        agreement.kinds =
            vec![TransactionKind::Exchange, TransactionKind::Redemption, TransactionKind::Accrual];
    }
    world
}

/// A coffee for points of A-1, part of its price paid in cash.
fn redemption(price: &str, cash: &str) -> QuoteRequest {
    let item = PricedItem {
        cash: cash.parse().unwrap(),
        item: "latte".parse().unwrap(),
        partner: COFFEE.parse().unwrap(),
        price: price.parse().unwrap(),
    };
    QuoteRequest {
        expiry: None,
        amount: None,
        kind: TransactionKind::Redemption,
        segment: None,
        source: account(("aurora", "A-1")).into(),
        target: AskedSide::Item(item),
        tier: None,
    }
}

/// Beans that the airline buys for B-1.
fn accrual(points: &str) -> QuoteRequest {
    QuoteRequest {
        expiry: None,
        amount: Some(SideAmount { side: Side::Target, value: points.parse().unwrap() }),
        kind: TransactionKind::Accrual,
        segment: None,
        source: AskedSide::Partner { partner: AIR.parse().unwrap() },
        target: account(("borealis", "B-1")).into(),
        tier: None,
    }
}

impl World {
    /// The airline orders what was asked for.
    fn ask(&mut self, request: &QuoteRequest) -> Decided {
        let terms = self.quoted(request);
        self.perform(terms)
    }

    fn perform(&mut self, terms: QuotedTerms) -> Decided {
        let name = format!("order-{}", self.drawn);
        self.exchange(AIR, &name, &name, Quoted::Open(Box::new(terms)))
    }

    /// What aurora-air, borealis-coffee, fees and rounding have.
    fn purses(&self) -> [i128; 4] {
        [
            self.position(AIR),
            self.position(COFFEE),
            self.money(Account::Fees),
            self.money(Account::Rounding),
        ]
    }

    /// The last transaction's lines, pseudonyms left out.
    fn lines(&self) -> Vec<String> {
        let short = |a: &Account| a.to_string().split(':').take(2).collect::<Vec<_>>().join(":");
        let last = self.set.drafts.last().unwrap();
        let line = |l: &receipt::Posting| {
            format!("{} → {} {} {}", short(&l.debit), short(&l.credit), l.amount, l.asset)
        };
        last.postings.iter().map(line).collect()
    }

    fn freeze_member(&mut self, number: i64) {
        self.set.members.get_mut(&MemberNo(number)).unwrap().frozen = true;
    }
}

fn moved(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Transaction(_)), "{outcome:?}");
}

#[test]
fn a_redemption_takes_points_and_owes_the_brand_what_they_pay_of_the_price() {
    let mut world = world();
    let id = accepted(&world.ask(&redemption("12.5", "0")));
    // 12.5 / 0.99 is 12.626263, and that is 252.5 miles: 253, worth 12.65.
    assert_eq!((world.balance(1), world.balance(2)), (747, 500));
    assert_eq!(world.purses(), [-12_650_000, 12_500_000, 126_500, 23_500]);
    assert_eq!(
        world.lines(),
        [
            "member:aurora → issued:aurora 253 aurora",
            "position:aurora-air → position:borealis-coffee 12.5 CNY",
            "position:aurora-air → alliance:fees 0.1265 CNY",
            "position:aurora-air → alliance:rounding 0.0235 CNY",
        ]
    );
    let record = world.set.transaction(&id).unwrap();
    assert_eq!((record.kind, record.members()[1]), (TransactionKind::Redemption, None));
    assert_eq!(record.rate.target_value, Decimal::ONE);
}

/// Points plus cash is one order and one receipt: the cash stands there, and moves nothing.
#[test]
fn what_is_paid_in_cash_is_recorded_and_not_settled() {
    let mut world = world();
    accepted(&world.ask(&redemption("12.5", "2.5")));
    assert_eq!(world.balance(1), 1_000 - 203);
    assert_eq!(world.purses(), [-10_150_000, 10_000_000, 101_500, 48_500]);
    let key = SigningKey::from_seed(&[9; 32]);
    let stored = receipts::chain(&mut world.set, NOW, key.kid());
    let receipt = receipt::parse(&stored[0].payload).unwrap();
    let item = receipt.target.item().unwrap();
    let told = [item.amount, item.cash, item.price].map(|amount| amount.to_string());
    assert_eq!((told, item.item.as_str()), (["10", "2.5", "12.5"].map(Into::into), "latte"));
    assert!(receipt.postings.iter().all(|line| line.amount.to_string() != "2.5"));
}

#[test]
fn an_accrual_gives_points_that_the_shop_pays_for() {
    let mut world = world();
    let id = accepted(&world.ask(&accrual("20")));
    assert_eq!((world.balance(1), world.balance(2)), (1_000, 520));
    assert_eq!(world.purses(), [-2_020_000, 2_000_000, 20_000, 0]);
    assert_eq!(
        world.lines(),
        [
            "issued:borealis → member:borealis 20 borealis",
            "position:aurora-air → position:borealis-coffee 2 CNY",
            "position:aurora-air → alliance:fees 0.02 CNY",
        ]
    );
    let record = world.set.transaction(&id).unwrap();
    assert_eq!((record.kind, record.members()[0]), (TransactionKind::Accrual, None));
    assert_eq!(
        record.source,
        alliance_contracts::side::SideOf::Partner { partner: AIR.parse().unwrap() }
    );
}

#[test]
fn within_one_partner_goods_and_points_cost_no_money() {
    let mut world = world();
    let mut own = redemption("12.5", "0");
    let AskedSide::Item(item) = &mut own.target else { unreachable!("an item") };
    item.partner = AIR.parse().unwrap();
    accepted(&world.ask(&own));
    assert_eq!((world.balance(1), world.lines().len()), (750, 1));
    let own = QuoteRequest { target: account(("aurora", "A-1")).into(), ..accrual("30") };
    let id = accepted(&world.ask(&own));
    assert_eq!((world.balance(1), world.lines().len()), (780, 1));
    assert_eq!(world.purses(), [0; 4]);
    assert_eq!(world.set.transaction(&id).unwrap().settlement, None);
}

#[test]
fn a_redemption_is_turned_round_by_the_brand_that_gave_it_and_by_nobody_else() {
    let mut world = world();
    let id = accepted(&world.ask(&redemption("12.5", "2.5")));
    let by_the_airline = world.reverse(AIR, id, None);
    assert_eq!(by_the_airline, refused(ProblemCode::KindNotAllowed));
    // 4 of 10: 203 × 4 / 10 is 81.2, and 81 miles come back.
    moved(&world.reverse(COFFEE, id, Some((Side::Target, "4"))));
    assert_eq!(world.balance(1), 1_000 - 203 + 81);
    assert_eq!(world.purses(), [-6_090_000, 6_000_000, 60_900, 29_100]);
    assert_eq!(
        world.lines(),
        [
            "issued:aurora → member:aurora 81 aurora",
            "position:borealis-coffee → position:aurora-air 4 CNY",
            "alliance:fees → position:aurora-air 0.0406 CNY",
            "alliance:rounding → position:aurora-air 0.0194 CNY",
        ]
    );
    let state = |world: &World| world.set.transaction(&id).unwrap().state;
    assert_eq!(state(&world), TransactionState::PartiallyReversed);
    // By points: 22 more of 203 are 103/203 of 10, rounded up to a millionth.
    moved(&world.reverse(COFFEE, id, Some((Side::Source, "22"))));
    let reversed = world.set.transaction(&id).unwrap().reversed;
    assert_eq!((reversed.source, reversed.target), (103, 5_073_892));
    let too_much = world.reverse(COFFEE, id, Some((Side::Target, "4.926109")));
    assert_eq!(too_much, refused(ProblemCode::ExceedsReversible));
    // Long after, the brand may still.
    let later = NOW.plus_seconds(400 * 24 * 60 * 60);
    moved(&world.reverse_at(COFFEE, id, None, later));
    assert_eq!((world.balance(1), state(&world)), (1_000, TransactionState::Reversed));
    assert_eq!(world.purses(), [0; 4]);
    assert_eq!(world.reverse(COFFEE, id, None), refused(ProblemCode::ExceedsReversible));
}

#[test]
fn an_accrual_is_turned_round_in_points_while_the_member_has_them() {
    let mut world = world();
    let id = accepted(&world.ask(&accrual("20")));
    moved(&world.reverse(COFFEE, id, Some((Side::Target, "7"))));
    assert_eq!((world.balance(1), world.balance(2)), (1_000, 513));
    assert_eq!(world.purses(), [-1_313_000, 1_300_000, 13_000, 0]);
    // The shop gave no points, so none of its side can be asked for.
    let nothing = world.reverse(AIR, id, Some((Side::Source, "1")));
    assert_eq!(nothing, refused(ProblemCode::Malformed));
    let day = NOW.plus_seconds(24 * 60 * 60);
    let too_late = world.reverse_at(AIR, id, None, day);
    assert_eq!(too_late, refused(ProblemCode::KindNotAllowed));
    world.set.members.get_mut(&MemberNo(2)).unwrap().balance = 12;
    assert_eq!(world.reverse(AIR, id, None), refused(ProblemCode::InsufficientPoints));
    world.set.members.get_mut(&MemberNo(2)).unwrap().balance = 13;
    moved(&world.reverse(AIR, id, None));
    assert_eq!((world.balance(2), world.purses()), (0, [0; 4]));
    assert_eq!(world.set.transaction(&id).unwrap().state, TransactionState::Reversed);
}

/// What is refused of an order with one member, and how it is told.
#[test]
fn each_kind_is_refused_by_the_rule_it_breaks() {
    let unknown = |request: &QuoteRequest| {
        let mut request = request.clone();
        for side in [&mut request.source, &mut request.target] {
            if let AskedSide::Account(account) = side {
                account.member = "nobody".parse().unwrap();
            }
        }
        request
    };
    let coffee = redemption("12.5", "0");
    let dear = redemption("60", "0");
    let beans = accrual("20");
    // Of a member of its own, a partner is told; of a stranger's, nobody.
    let mut one = world();
    assert_eq!(one.ask(&unknown(&coffee)).outcome, refused(ProblemCode::MemberUnknown));
    assert_eq!(one.ask(&unknown(&beans)).outcome, refused(ProblemCode::MembersNotLinked));
    one.freeze_member(1);
    one.freeze_member(2);
    assert_eq!(one.ask(&coffee).outcome, refused(ProblemCode::MemberFrozen));
    assert_eq!(one.ask(&beans).outcome, refused(ProblemCode::MembersNotLinked));
    // Points and caps.
    let mut poor = world();
    assert_eq!(poor.ask(&dear).outcome, refused(ProblemCode::InsufficientPoints));
    assert_eq!(poor.ask(&accrual("2000")).outcome, refused(ProblemCode::ExceedsNetDebitCap));
    poor.set.members.get_mut(&MemberNo(1)).unwrap().balance = 100_000;
    let capped = poor.ask(&redemption("99.5", "0")).outcome;
    assert_eq!(capped, refused(ProblemCode::ExceedsNetDebitCap));
    let full = alliance_contracts::limits::MAX_AMOUNT_WHOLE;
    poor.set.members.get_mut(&MemberNo(2)).unwrap().balance = full;
    assert_eq!(poor.ask(&beans).outcome, refused(ProblemCode::AmountOutOfRange));
    // What is agreed on when the order comes, not when the quote was made.
    let mut ended = world();
    let quotes = [&coffee, &beans].map(|request| ended.quoted(request));
    for agreement in &mut definition_of(&mut ended).agreements {
        agreement.kinds = vec![TransactionKind::Exchange];
    }
    for terms in quotes {
        assert_eq!(ended.perform(terms).outcome, refused(ProblemCode::KindNotAllowed));
    }
    assert!(ended.set.writes.transactions.is_empty());
}

#[test]
fn a_quote_of_either_kind_is_used_once_and_needs_no_link() {
    let mut world = world();
    world.set.links_between.clear();
    for request in [redemption("12.5", "0"), accrual("20")] {
        let terms = world.quoted(&request);
        accepted(&world.perform(terms.clone()));
        world.drawn += 1;
        assert_eq!(world.perform(terms).outcome, refused(ProblemCode::QuoteUsed));
    }
}

/// A request of one member loads that member, and no pair.
#[test]
fn an_order_with_one_member_asks_for_nobody_else() {
    let mut world = world();
    for (request, program, reference) in
        [(redemption("12.5", "0"), "aurora", "A-1"), (accrual("20"), "borealis", "B-1")]
    {
        let terms = world.quoted(&request);
        let keyed = world.keyed(AIR, "k", "d");
        let order = Order {
            transaction: world.draw(),
            source_reference: "r".parse().unwrap(),
            quote: Quoted::Open(Box::new(terms)),
        };
        let mut wanted = Wanted::default();
        wanted.add(&world.set.registry, &Command::Order(keyed, order));
        assert_eq!((wanted.lookups.len(), wanted.pairs.len(), wanted.flows.len()), (1, 0, 1));
        let alone: Vec<_> = wanted.alone.iter().map(Sought::first).collect();
        assert_eq!(alone, Vec::from_iter(wanted.lookups));
        let of = (program.parse().unwrap(), reference.parse().unwrap());
        assert!(wanted.alone.contains(&world.set.vault.sought(&of.0, &of.1)));
    }
}

/// What a request says that no quote can be made of, and where.
#[test]
fn a_request_that_does_not_fit_its_kind_is_told_where() {
    type Change = fn(&mut QuoteRequest);
    fn item(request: &mut QuoteRequest) -> &mut PricedItem {
        let AskedSide::Item(item) = &mut request.target else { unreachable!("an item") };
        item
    }
    let (coffee, beans) = (redemption("12.5", "0"), accrual("20"));
    let tier = |request: &mut QuoteRequest| request.tier = Some("gold".parse().unwrap());
    let rows: [(&QuoteRequest, Change, ProblemCode, &str); 15] = [
        (&coffee, |r| r.amount = accrual("1").amount, ProblemCode::Malformed, "/amount"),
        (&coffee, |r| r.target = r.source.clone(), ProblemCode::Malformed, "/target"),
        (&coffee, |r| r.source = accrual("1").source, ProblemCode::Malformed, "/source"),
        (
            &coffee,
            |r| item(r).cash = "12.6".parse().unwrap(),
            ProblemCode::Malformed,
            "/target/cash",
        ),
        (&coffee, tier, ProblemCode::Malformed, "/tier"),
        (
            &coffee,
            |r| item(r).partner = "nobody".parse().unwrap(),
            ProblemCode::NotFound,
            "/target/partner",
        ),
        (
            &coffee,
            |r| item(r).cash = "12.5".parse().unwrap(),
            ProblemCode::AmountTooSmall,
            "/target/price",
        ),
        (
            &coffee,
            |r| item(r).price = "1000000000001".parse().unwrap(),
            ProblemCode::AmountOutOfRange,
            "/target/price",
        ),
        (
            &coffee,
            |r| item(r).partner = "cedar-hotels".parse().unwrap(),
            ProblemCode::KindNotAllowed,
            "/kind",
        ),
        (&beans, |r| r.amount = None, ProblemCode::Malformed, "/amount"),
        (
            &beans,
            |r| r.amount.as_mut().unwrap().side = Side::Source,
            ProblemCode::Malformed,
            "/amount/side",
        ),
        (&beans, |r| r.source = r.target.clone(), ProblemCode::Malformed, "/source"),
        (&beans, tier, ProblemCode::Malformed, "/tier"),
        (
            &beans,
            |r| r.source = AskedSide::Partner { partner: "borealis-coffee".parse().unwrap() },
            ProblemCode::KindNotAllowed,
            "/source/partner",
        ),
        (
            &beans,
            |r| r.amount.as_mut().unwrap().value = "1".parse().unwrap(),
            ProblemCode::AmountTooSmall,
            "/amount/value",
        ),
    ];
    let world = world();
    for (row, (request, change, code, pointer)) in rows.into_iter().enumerate() {
        let mut request = request.clone();
        change(&mut request);
        let caller = AIR.parse().unwrap();
        let refused = pricing::price(&world.set.registry, &caller, &request, NOW).unwrap_err();
        assert_eq!((refused.code, refused.pointer), (code, Some(pointer)), "row {row}");
    }
}

proptest! {
    /// However orders of all kinds are mixed and cut up: nobody gains, and when everything has been
    /// turned round, everything is as it was.
    #[test]
    fn whatever_is_ordered_and_turned_round_comes_back_to_the_digit(
        orders in prop::collection::vec((0_u8..3, 1_i64..400, 0_i64..400, 1_i64..1_000), 1..8),
    ) {
        let mut world = world();
        for number in [1, 2] {
            world.set.members.get_mut(&MemberNo(number)).unwrap().balance = 100_000;
        }
        definition_of(&mut world).partners[0].net_debit_cap = None;
        let mut made = Vec::new();
        for (kind, cents, cash, part) in orders {
            let decimal = |cents: i64| Decimal::from_minor(cents, 2).unwrap();
            let (price, cash) = ((cents + cash + 100), cash);
            let request = match kind {
                0 => redemption(&decimal(price).to_string(), &decimal(cash).to_string()),
                1 => accrual(&(cents + 10).to_string()),
                _ => QuoteRequest { expiry: None,
                    amount: Some(SideAmount {
                        side: Side::Source,
                        value: (cents + 10).to_string().parse().unwrap(),
                    }),
                    kind: TransactionKind::Exchange,
                    segment: None,
                    source: account(("aurora", "A-1")).into(),
                    target: account(("borealis", "B-1")).into(),
                    tier: None,
                },
            };
            let id = accepted(&world.ask(&request));
            // Some of it, by whichever side has an amount.
            let side = if kind == 0 { "0.5".to_owned() } else { (1 + part % 4).to_string() };
            let outcome = world.reverse(COFFEE, id, Some((Side::Target, &side)));
            prop_assert!(matches!(outcome, Outcome::Transaction(_)), "{outcome:?}");
            made.push(id);
            prop_assert_eq!(world.purses().iter().sum::<i128>(), 0);
            prop_assert!(world.purses()[0] <= 0 && world.purses()[1] >= 0);
            prop_assert!(world.money(Account::Fees) >= 0 && world.money(Account::Rounding) >= 0);
        }
        for id in made {
            moved(&world.reverse(COFFEE, id, None));
        }
        prop_assert_eq!(world.purses(), [0; 4]);
        prop_assert_eq!((world.balance(1), world.balance(2)), (100_000, 100_000));
        for row in world.set.writes.flows.values() {
            prop_assert_eq!(row.exchanged, 0);
        }
    }
}
