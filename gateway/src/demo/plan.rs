//! What is ordered: a seeded mix of plain orders, batches, replays, reversals and orders that must
//! be refused, dealt in hands of a hundred so that every hundred orders have all of it.

use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::{IdempotencyKey, SourceReference};
use alliance_contracts::quote::{
    AskedSide, MemberAccount, PricedItem, QuoteRequest, Side, SideAmount, TransactionKind,
};

use super::cast::{AGREEMENTS, BRANDS, COMPANIES, COMPANY_ORDER, Cast, TIGHT, parsed, points};
use super::random::Seeded;

/// Orders in one batch request.
const BATCH: usize = 25;
/// One hand in so many has a company's order that breaks its brand's cap.
const CAP_EVERY: usize = 5;

/// An order: points of one brand for points or an item of another, or points bought for a customer.
#[derive(Clone, Debug)]
pub struct Order {
    /// Who calls: the brand that gives points, or that pays.
    pub caller: usize,
    /// What is asked for.
    pub asked: QuoteRequest,
    /// The caller's reference.
    pub reference: SourceReference,
    /// The idempotency key.
    pub key: IdempotencyKey,
}

impl Order {
    /// Has it tell its amount in the points that are given.
    fn gives(&mut self, value: Decimal) {
        self.asked.amount = Some(SideAmount { side: Side::Source, value });
    }
}

/// What is done after an order was accepted.
#[derive(Clone, Debug)]
pub enum Then {
    /// Nothing more.
    Nothing,
    /// The same again with the same key: answered with the first answer.
    Replay,
    /// The same quote with a new key: `quote_used`.
    UseQuoteAgain(SourceReference, IdempotencyKey),
    /// A new quote with the same reference: `duplicate_reference`.
    SameReference(IdempotencyKey),
    /// Another order with the same key: `idempotency_mismatch`.
    OtherOrderSameKey(SourceReference),
    /// The quote is handed in by another brand instead: `quote_unknown`.
    HandedInBy(usize),
    /// Part is turned round by the giving brand; then the rest by the receiving one, or not.
    ReversePart(Decimal, SourceReference, Option<SourceReference>),
    /// Part, told in what arrived, is turned round by the receiving brand.
    TakeBack(Decimal, SourceReference),
    /// All is turned round by the receiving brand.
    ReverseAll(SourceReference),
    /// More than there is is to be turned round: `exceeds_reversible`.
    ReverseTooMuch(Decimal, SourceReference),
}

/// What one of the workers does in one go.
#[derive(Clone, Debug)]
pub enum Task {
    /// A quote, an order, and what follows.
    Single(Box<Order>, Then),
    /// Quotes and orders of one brand, each in one request.
    Batch(Vec<Order>),
}

/// The kinds that a hand is dealt from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Card {
    Plain,
    Batch,
    Redeem,
    RedeemWithCash,
    TakeItemBack,
    Accrue,
    TakePointsBack,
    Replay,
    ReversePart,
    ReverseInTwo,
    ReverseAll,
    TooFewPoints,
    NotLinked,
    QuoteTwice,
    ReferenceTwice,
    KeyTwice,
    TooSmall,
    SomebodyElses,
    ReverseTooMuch,
    OverTheCap,
}

impl Card {
    /// How many orders, replays and reversals it sends.
    const fn slots(self) -> usize {
        match self {
            Self::Batch => BATCH,
            Self::ReverseInTwo => 3,
            Self::Replay
            | Self::ReversePart
            | Self::ReverseAll
            | Self::QuoteTwice
            | Self::ReferenceTwice
            | Self::KeyTwice
            | Self::ReverseTooMuch
            | Self::TakeItemBack
            | Self::TakePointsBack => 2,
            _ => 1,
        }
    }

    /// A hand: a hundred orders with the plain ones that fill it up.
    const HAND: &[(Self, usize)] = &[
        (Self::Batch, 1),
        (Self::Redeem, 4),
        (Self::RedeemWithCash, 4),
        (Self::TakeItemBack, 1),
        (Self::Accrue, 5),
        (Self::TakePointsBack, 1),
        (Self::Replay, 4),
        (Self::ReversePart, 2),
        (Self::ReverseInTwo, 1),
        (Self::ReverseAll, 1),
        (Self::TooFewPoints, 2),
        (Self::NotLinked, 2),
        (Self::QuoteTwice, 1),
        (Self::ReferenceTwice, 1),
        (Self::KeyTwice, 1),
        (Self::TooSmall, 1),
        (Self::SomebodyElses, 1),
        (Self::ReverseTooMuch, 1),
    ];
}

/// The tasks of run number `run`, which send `orders` orders in all.
#[must_use]
pub fn plan(cast: &Cast, run: u32, orders: usize) -> Vec<Task> {
    let mut dealer = Dealer { cast, run, number: 0, seeded: Seeded::new(u64::from(run)) };
    let mut tasks = Vec::with_capacity(orders);
    let mut left = orders;
    for hand in 0.. {
        if left == 0 {
            break;
        }
        for card in dealer.hand(hand) {
            // What no longer fits is filled up with plain orders.
            let card = if card.slots() <= left { card } else { Card::Plain };
            if left == 0 {
                break;
            }
            left -= card.slots();
            tasks.push(dealer.task(card));
        }
    }
    tasks
}

struct Dealer<'a> {
    cast: &'a Cast,
    run: u32,
    number: u32,
    seeded: Seeded,
}

impl Dealer<'_> {
    fn hand(&mut self, hand: usize) -> Vec<Card> {
        let mut cards: Vec<Card> =
            Card::HAND.iter().flat_map(|(card, times)| vec![*card; *times]).collect();
        if hand.is_multiple_of(CAP_EVERY) {
            cards.push(Card::OverTheCap);
        }
        let dealt: usize = cards.iter().map(|card| card.slots()).sum();
        cards.resize(cards.len() + 100_usize.saturating_sub(dealt), Card::Plain);
        self.seeded.shuffle(&mut cards);
        cards
    }

    fn task(&mut self, card: Card) -> Task {
        match card {
            Card::Batch => self.batch(),
            Card::Plain
            | Card::Redeem
            | Card::RedeemWithCash
            | Card::Accrue
            | Card::NotLinked
            | Card::TooFewPoints
            | Card::TooSmall
            | Card::OverTheCap => {
                let order = self.order_for(card);
                Task::Single(Box::new(order), Then::Nothing)
            }
            Card::TakeItemBack | Card::TakePointsBack => self.taken_back(card),
            _ => self.with_sequel(card),
        }
    }

    fn order_for(&mut self, card: Card) -> Order {
        match card {
            Card::NotLinked => self.order_of(false),
            Card::TooFewPoints => {
                // More than anybody has: no order refused for it can be a matter of time.
                let mut order = self.order_of(true);
                order.gives(points(999_999_999, 0));
                order
            }
            Card::TooSmall => {
                // A mile is worth half a bean, and there are no half beans.
                let mut order = self.order_between(0, 1);
                order.gives(points(1, 0));
                order
            }
            Card::OverTheCap => {
                let company = self.seeded.below(COMPANIES);
                let target = self.other_than(TIGHT);
                let mut order = self.order(company, TIGHT, target);
                order.gives(points(COMPANY_ORDER, BRANDS[TIGHT].scale));
                order
            }
            Card::Redeem | Card::TakeItemBack => self.redemption(false),
            Card::RedeemWithCash => self.redemption(true),
            Card::Accrue | Card::TakePointsBack => self.accrual(),
            _ => self.order_of(true),
        }
    }

    fn with_sequel(&mut self, card: Card) -> Task {
        let mut order = self.order_of(true);
        let then = match card {
            Card::Replay => Then::Replay,
            Card::QuoteTwice => {
                let (reference, key) = self.names();
                Then::UseQuoteAgain(reference, key)
            }
            Card::ReferenceTwice => Then::SameReference(self.names().1),
            Card::KeyTwice => Then::OtherOrderSameKey(self.names().0),
            Card::SomebodyElses => Then::HandedInBy(self.other_than(order.caller)),
            _ => {
                let minor = self.give(&mut order);
                let brand = BRANDS[order.caller];
                let part = points(minor / 3, brand.scale);
                let too_much = points(minor + minor / 2, brand.scale);
                let reference = self.names().0;
                match card {
                    Card::ReverseAll => Then::ReverseAll(reference),
                    Card::ReverseInTwo => Then::ReversePart(part, reference, Some(self.names().0)),
                    Card::ReverseTooMuch => Then::ReverseTooMuch(too_much, reference),
                    _ => Then::ReversePart(part, reference, None),
                }
            }
        };
        Task::Single(Box::new(order), then)
    }

    /// Has the order tell its amount on the source's side; in minor units.
    fn give(&mut self, order: &mut Order) -> i64 {
        let brand = BRANDS[order.caller];
        let minor = self.seeded.between(brand.order.0, brand.order.1);
        order.gives(points(minor, brand.scale));
        minor
    }

    fn batch(&mut self) -> Task {
        let caller = self.seeded.below(BRANDS.len());
        let orders = (0..BATCH).map(|_| {
            let target = self.other_than(caller);
            let person = self.person(caller, target, true);
            self.order(person, caller, target)
        });
        Task::Batch(orders.collect())
    }

    fn order_of(&mut self, linked: bool) -> Order {
        let source = self.seeded.below(BRANDS.len());
        let target = self.other_than(source);
        let person = self.person(source, target, linked);
        self.order(person, source, target)
    }

    fn order_between(&mut self, source: usize, target: usize) -> Order {
        let person = self.person(source, target, true);
        self.order(person, source, target)
    }

    fn order(&mut self, person: usize, source: usize, target: usize) -> Order {
        let side = if self.seeded.percent(70) { Side::Source } else { Side::Target };
        let told = if side == Side::Source { BRANDS[source] } else { BRANDS[target] };
        let amount = points(self.seeded.between(told.order.0, told.order.1), told.scale);
        let (source_account, target) = (self.account(person, source), self.account(person, target));
        self.asking(
            source,
            QuoteRequest {
                expiry: None,
                amount: Some(SideAmount { side, value: amount }),
                kind: TransactionKind::Exchange,
                segment: None,
                source: source_account.into(),
                target: target.into(),
                tier: None,
            },
        )
    }

    /// An item of another brand for somebody's points; half of its price paid in cash, or nothing.
    fn redemption(&mut self, with_cash: bool) -> Order {
        let source = self.seeded.below(BRANDS.len());
        let target = self.other_than(source);
        let person = self.person(source, target, true);
        let (item, price) = BRANDS[target].item(self.seeded.below(2));
        let cash = if with_cash { price.micros() / 2 } else { 0 };
        let item = PricedItem {
            cash: Decimal::from_micros(cash).unwrap_or_default(),
            item,
            partner: self.cast.partners[target].clone(),
            price,
        };
        let source_account = self.account(person, source);
        self.asking(
            source,
            QuoteRequest {
                expiry: None,
                amount: None,
                kind: TransactionKind::Redemption,
                segment: None,
                source: source_account.into(),
                target: AskedSide::Item(item),
                tier: None,
            },
        )
    }

    /// Points that a brand buys for a customer of its own, who collects another brand's.
    fn accrual(&mut self) -> Order {
        let payer = self.seeded.below(BRANDS.len());
        let target = self.other_than(payer);
        let person = self.person(payer, target, true);
        let brand = BRANDS[target];
        let minor = self.seeded.between(brand.order.0, brand.order.1);
        let target = self.account(person, target);
        self.asking(
            payer,
            QuoteRequest {
                expiry: None,
                amount: Some(SideAmount { side: Side::Target, value: points(minor, brand.scale) }),
                kind: TransactionKind::Accrual,
                segment: None,
                source: AskedSide::Partner { partner: self.cast.partners[payer].clone() },
                target: target.into(),
                tier: None,
            },
        )
    }

    /// Half of an item's price, or of the points that were bought, comes back.
    fn taken_back(&mut self, card: Card) -> Task {
        let order = self.order_for(card);
        let arrives = match &order.asked.target {
            AskedSide::Item(item) => item.amount(),
            _ => order.asked.amount.map(|amount| amount.value),
        };
        // Whole points where the program has no others: an item's price has six decimals.
        let whole = arrives.unwrap_or_default().micros() / 2;
        let half = whole - whole % 1_000_000;
        let reference = self.names().0;
        let part = Decimal::from_micros(half.max(1_000_000)).unwrap_or_default();
        Task::Single(Box::new(order), Then::TakeBack(part, reference))
    }

    fn asking(&mut self, caller: usize, asked: QuoteRequest) -> Order {
        let (reference, key) = self.names();
        Order { caller, asked, reference, key }
    }

    fn account(&self, person: usize, brand: usize) -> MemberAccount {
        let member = self.cast.people[person].accounts[brand].member.clone();
        MemberAccount { member, program: self.cast.programs[brand].clone() }
    }

    /// Somebody, not a company, whose two accounts are linked, or not.
    fn person(&mut self, one: usize, other: usize, linked: bool) -> usize {
        let pair =
            AGREEMENTS.iter().position(|(a, b, _)| (*a, *b) == (one.min(other), one.max(other)));
        let people = self.cast.people.len();
        let first = self
            .seeded
            .between(i64::try_from(COMPANIES).unwrap_or(0), i64::try_from(people).unwrap_or(1) - 1);
        let first = usize::try_from(first).unwrap_or(COMPANIES);
        let fits = |at: &usize| pair.is_some_and(|p| self.cast.people[*at].linked[p] == linked);
        (first..people).chain(COMPANIES..first).find(fits).unwrap_or(first)
    }

    fn other_than(&mut self, brand: usize) -> usize {
        (brand + 1 + self.seeded.below(BRANDS.len() - 1)) % BRANDS.len()
    }

    /// A reference and a key that no run has used.
    fn names(&mut self) -> (SourceReference, IdempotencyKey) {
        self.number += 1;
        let (run, number) = (self.run, self.number);
        (parsed(&format!("demo-{run}-{number}")), parsed(&format!("demo-{run}-key-{number}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(tasks: &[Task]) -> usize {
        tasks
            .iter()
            .map(|task| match task {
                Task::Batch(orders) => orders.len(),
                Task::Single(_, Then::Nothing | Then::HandedInBy(_)) => 1,
                Task::Single(_, Then::ReversePart(_, _, Some(_))) => 3,
                Task::Single(..) => 2,
            })
            .sum()
    }

    #[test]
    fn a_plan_sends_exactly_as_many_orders_as_asked_for() {
        let cast = Cast::new();
        for orders in [1, 2, 7, 99, 100, 101, 200, 1_234] {
            assert_eq!(sent(&plan(&cast, 1, orders)), orders);
        }
    }

    #[test]
    fn plans_are_the_same_every_time_and_another_in_every_run() {
        let cast = Cast::new();
        let text = |run| format!("{:?}", plan(&cast, run, 300));
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }

    #[test]
    fn every_hundred_orders_have_all_kinds() {
        let cast = Cast::new();
        let tasks = plan(&cast, 3, 100);
        let has = |wanted: fn(&Then) -> bool| {
            tasks.iter().any(|task| matches!(task, Task::Single(_, then) if wanted(then)))
        };
        assert!(tasks.iter().any(|task| matches!(task, Task::Batch(_))));
        assert!(has(|then| matches!(then, Then::Replay)));
        assert!(has(|then| matches!(then, Then::UseQuoteAgain(..))));
        assert!(has(|then| matches!(then, Then::SameReference(_))));
        assert!(has(|then| matches!(then, Then::OtherOrderSameKey(_))));
        assert!(has(|then| matches!(then, Then::HandedInBy(_))));
        assert!(has(|then| matches!(then, Then::ReversePart(_, _, None))));
        assert!(has(|then| matches!(then, Then::ReversePart(_, _, Some(_)))));
        assert!(has(|then| matches!(then, Then::ReverseAll(_))));
        assert!(has(|then| matches!(then, Then::ReverseTooMuch(..))));
        let singles = tasks.iter().filter_map(|task| match task {
            Task::Single(order, then) => Some((&order.asked, then)),
            Task::Batch(_) => None,
        });
        let of = |kind| singles.clone().filter(move |(asked, _)| asked.kind == kind);
        for kind in [TransactionKind::Redemption, TransactionKind::Accrual] {
            assert!(of(kind).any(|(_, then)| matches!(then, Then::TakeBack(..))), "{kind:?}");
        }
        let in_cash = |asked: &QuoteRequest| match &asked.target {
            AskedSide::Item(item) => !item.cash.is_zero(),
            _ => false,
        };
        assert!(of(TransactionKind::Redemption).any(|(asked, _)| in_cash(asked)));
    }

    #[test]
    fn no_two_orders_share_a_reference_or_a_key() {
        let cast = Cast::new();
        let tasks = plan(&cast, 1, 2_000);
        let orders = tasks.iter().flat_map(|task| match task {
            Task::Batch(orders) => orders.iter().collect::<Vec<_>>(),
            Task::Single(order, _) => vec![&**order],
        });
        let mut keys: Vec<_> = orders.map(|order| order.key.as_str().to_owned()).collect();
        let before = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), before);
    }
}
