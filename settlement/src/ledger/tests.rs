//! The decision, as tables: who asks for what, and what becomes of it. Orders and receipts stand
//! here, the rest in files of its own.

mod agreed;
mod agreements;
mod books;
mod campaigns;
mod consents;
mod events;
mod feeds;
mod keys;
mod kinds;
mod limits;
mod links;
mod loading;
mod members;
mod operations;
mod pending;

use std::sync::Arc;

use alliance_contracts::arithmetic::exchange_by_source;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::{Id, Kind, QuoteId, RequestId, TransactionId};
use alliance_contracts::keys::SigningKey;
use alliance_contracts::link::{Consent, LinkState};
use alliance_contracts::names::{Corridor, MemberRef, PartnerId, ProgramId};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{
    AskedSide, FeeBearer, MemberAccount, QuoteRequest, Side, SideAmount, TransactionKind,
};
use alliance_contracts::receipt::{self, Account, Asset};
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::TransactionState;

use super::working_set::{Loaded, SealedMember};
use super::*;
use crate::alliance::{Definition, PublishedBoard, Registry, RegistryParts};
use crate::command::{
    Command, Keyed, LinkEnd, MemberNo, Order, Outcome, ProposeLink, Quoted, QuotedSide,
    QuotedTerms, RequestEvidence, Reverse,
};
use crate::pricing;
use crate::rates::publication;
use crate::receipts;
use crate::vault::Vault;

const NOW: Timestamp = Timestamp::from_millis(1_795_406_400_000);

/// Aurora (scale 0, 0.05), borealis (scale 0, 0.1), cedar (scale 2, 0.0723, and a second program of
/// aurora-air, avia), as in the demo; members A-1, B-1, C-1, V-1 hold 1000, 500, 99.99 and 10.
struct World {
    set: WorkingSet,
    drawn: u128,
}

fn definition() -> Definition {
    serde_json::from_value(serde_json::json!({
        "alliance": "demo", "currency": "CNY",
        "partners": [
            {"partner": "aurora-air", "name": "Aurora Air", "net_debit_cap": "100"},
            {"partner": "borealis-coffee", "name": "Borealis Coffee"},
            {"partner": "cedar-hotels", "name": "Cedar Hotels"}
        ],
        "programs": [
            {"program": "aurora", "partner": "aurora-air", "name": "Miles", "scale": 0, "value": "0.05"},
            {"program": "avia", "partner": "aurora-air", "name": "Avia", "scale": 2, "value": "0.02"},
            {"program": "borealis", "partner": "borealis-coffee", "name": "Stars", "scale": 0, "value": "0.1"},
            {"program": "cedar", "partner": "cedar-hotels", "name": "Nights", "scale": 2, "value": "0.0723"}
        ],
        "agreements": [
            {"a": "aurora-air", "b": "borealis-coffee", "fee": "0.01", "minimum_gross": "0.2"},
            {"a": "borealis-coffee", "b": "cedar-hotels", "fee": "0.025"}
        ]
    }))
    .unwrap()
}

/// The first board, as if it had been signed.
fn first_board(definition: &Definition) -> PublishedBoard {
    let (board, terms) = publication::first(definition, NOW);
    PublishedBoard { board, jws: String::new(), terms: terms.into(), slot: None }
}

impl World {
    fn new() -> Self {
        Self::of(definition())
    }

    fn of(definition: Definition) -> Self {
        definition.check().unwrap();
        let vault = Arc::new(Vault::new(definition.alliance.clone(), &[7; 32]));
        let registry = Registry::new(
            1,
            RegistryParts {
                windows: Vec::new(),
                settlement_proposals: Vec::new(),
                boards: vec![first_board(&definition)],
                definition,
                version: 1,
                partner_keys_jws: String::new(),
                consents: Vec::new(),
                partner_keys: Vec::new(),
                gateway_keys: None,
                master_keys: Default::default(),
                window: "win_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
                suspended: Vec::new(),
                frozen: Vec::new(),
                feeds: Default::default(),
                proposals: Vec::new(),
                agreements: Vec::new(),
                campaigns: Vec::new(),
            },
        );
        let members = [
            (1, "aurora", "A-1", 1_000),
            (2, "borealis", "B-1", 500),
            (3, "cedar", "C-1", 9_999),
            (4, "avia", "V-1", 1_000),
            (5, "aurora", "A-2", 1_000_000),
        ];
        let loaded = Loaded {
            next_member: 6,
            members: members.map(|m| sealed(&vault, m)).to_vec(),
            ..Loaded::default()
        };
        let mut world = Self { set: WorkingSet::new(Arc::new(registry), vault, loaded), drawn: 0 };
        for (one, other) in [(1, 2), (1, 4), (2, 3), (5, 2)] {
            world.link(one, other, LinkState::Active);
        }
        world
    }

    fn draw<K: Kind>(&mut self) -> Id<K> {
        self.drawn += 1;
        Id::from_u128((0x0190_0000_0000_7000 << 64) | (0b10 << 62) | self.drawn)
    }

    fn link(&mut self, one: i64, other: i64, state: LinkState) {
        let id = self.draw();
        let side = |number: i64| {
            let member = &self.set.members[&MemberNo(number)];
            LinkSideRecord {
                partner: self.set.registry.program(&member.program).unwrap().partner.clone(),
                program: member.program.clone(),
                member: Some(member.member),
                lookup: None,
                supplied: None,
            }
        };
        let record = LinkRecord {
            id,
            state,
            a: side(one),
            b: side(other),
            consent: Consent { scope: vec![TransactionKind::Exchange], until: None },
            proposed_by: "aurora-air".parse().unwrap(),
            created_at: NOW,
        };
        self.set.put_link(record);
    }

    fn keyed(&mut self, partner: &str, key: &str, digest: &str) -> Keyed {
        let signing = SigningKey::from_seed(&[3; 32]);
        let id: RequestId = self.draw();
        Keyed {
            partner: partner.parse().unwrap(),
            key: key.parse().unwrap(),
            digest: Hash::of(digest.as_bytes()).into(),
            request: Arc::new(RequestEvidence {
                id,
                partner: partner.parse().unwrap(),
                kid: signing.kid().clone(),
                base: b"base".to_vec(),
                base_hash: Hash::of(b"base"),
                signature: [0; 64],
                body: Some(Vec::new()),
                orders: Vec::new(),
                transactions: Vec::new(),
                received_at: NOW,
            }),
            index: 0,
        }
    }

    /// Terms for `amount` source points between two of the members above.
    fn terms(&mut self, source: (&str, &str), target: (&str, &str), amount: &str) -> QuotedTerms {
        self.quoted(&QuoteRequest {
            expiry: None,
            amount: Some(SideAmount { side: Side::Source, value: amount.parse().unwrap() }),
            kind: TransactionKind::Exchange,
            segment: None,
            source: account(source).into(),
            target: account(target).into(),
            tier: None,
        })
    }

    /// Terms for whatever is asked for by the partner that gives.
    fn quoted(&mut self, request: &QuoteRequest) -> QuotedTerms {
        let registry = self.set.registry.clone();
        let caller = match &request.source {
            AskedSide::Account(account) => &registry.program(&account.program).unwrap().partner,
            AskedSide::Item(item) => &item.partner,
            AskedSide::Partner { partner } => partner,
        };
        let priced = pricing::price(&registry, caller, request, NOW).unwrap();
        let side = |side| QuotedSide::of(side, &registry, &self.set.vault).unwrap();
        QuotedTerms {
            source: side(priced.source),
            target: side(priced.target),
            id: self.draw(),
            kind: request.kind,
            expires_at: NOW.plus_seconds(60),
            rate: priced.rate,
            settlement: priced.settlement,
            bonus: priced.bonus,
            expiry: priced.expiry,
        }
    }

    fn exchange(&mut self, partner: &str, key: &str, reference: &str, quote: Quoted) -> Decided {
        let keyed = self.keyed(partner, key, &format!("{reference}{quote:?}"));
        let order =
            Order { transaction: self.draw(), source_reference: reference.parse().unwrap(), quote };
        decide(&mut self.set, &Command::Order(keyed, order), NOW)
    }

    fn order(&mut self, amount: &str) -> Decided {
        let terms = self.terms(("aurora", "A-1"), ("borealis", "B-1"), amount);
        let name = format!("order-{}", self.drawn);
        self.exchange("aurora-air", &name, &name, Quoted::Open(Box::new(terms)))
    }

    fn reverse(
        &mut self,
        partner: &str,
        original: TransactionId,
        ask: Option<(Side, &str)>,
    ) -> Outcome {
        self.reverse_at(partner, original, ask, NOW)
    }

    fn reverse_at(
        &mut self,
        partner: &str,
        original: TransactionId,
        ask: Option<(Side, &str)>,
        now: Timestamp,
    ) -> Outcome {
        let name = format!("reversal-{}", self.drawn);
        let keyed = self.keyed(partner, &name, &name);
        let order = Reverse {
            transaction: self.draw(),
            original,
            corridor: "aurora-air~borealis-coffee".parse().unwrap(),
            members: vec![MemberNo(1), MemberNo(2)],
            amount: ask.map(|(side, value)| SideAmount { side, value: value.parse().unwrap() }),
            reason: "customer_request".parse().unwrap(),
            source_reference: name.parse().unwrap(),
        };
        decide(&mut self.set, &Command::Reverse(keyed, order), now).outcome
    }

    fn balance(&self, member: i64) -> i64 {
        self.set.members[&MemberNo(member)].balance
    }

    fn money(&self, account: Account) -> i128 {
        self.set.account(&account, &Asset::Currency("CNY".parse().unwrap()))
    }

    fn position(&self, partner: &str) -> i128 {
        self.money(Account::Position(partner.parse().unwrap()))
    }
}

fn account((program, member): (&str, &str)) -> MemberAccount {
    MemberAccount { program: program.parse().unwrap(), member: member.parse().unwrap() }
}

fn sealed(vault: &Vault, (number, program, name, balance): (i64, &str, &str, i64)) -> SealedMember {
    let program: ProgramId = program.parse().unwrap();
    let name: MemberRef = name.parse().unwrap();
    let secret = [u8::try_from(number).unwrap(); 32];
    let key = crate::vault::MemberKey::from_bytes(secret);
    SealedMember {
        member: MemberNo(number),
        lookup: Some(vault.sought(&program, &name).first()),
        wrapped_key: Some(vault.wrap(&secret, [1; 12])),
        sealed_reference: Some(key.seal(&name, [2; 12])),
        program,
        balance,
        frozen: false,
        lots: Vec::new(),
    }
}

fn accepted(decided: &Decided) -> TransactionId {
    match decided.outcome {
        Outcome::Transaction(id) => id,
        ref other => panic!("not accepted: {other:?}"),
    }
}

fn refused(code: ProblemCode) -> Outcome {
    Outcome::Refused(code)
}

#[test]
fn an_exchange_moves_points_and_money_as_the_protocol_says() {
    let mut world = World::new();
    let id = accepted(&world.order("1000"));
    assert_eq!((world.balance(1), world.balance(2)), (0, 995));
    assert_eq!(world.position("aurora-air"), -50_000_000);
    assert_eq!(world.position("borealis-coffee"), 49_500_000);
    assert_eq!(world.money(Account::Fees), 500_000);
    assert_eq!(world.money(Account::Rounding), 0);
    let lines: Vec<String> = world.set.drafts[0]
        .postings
        .iter()
        .map(|l| {
            let short =
                |a: &Account| a.to_string().split(':').take(2).collect::<Vec<_>>().join(":");
            format!("{} → {} {} {}", short(&l.debit), short(&l.credit), l.amount, l.asset)
        })
        .collect();
    assert_eq!(
        lines,
        [
            "member:aurora → issued:aurora 1000 aurora",
            "issued:borealis → member:borealis 495 borealis",
            "position:aurora-air → position:borealis-coffee 49.5 CNY",
            "position:aurora-air → alliance:fees 0.5 CNY",
        ]
    );
    assert_eq!(world.set.transaction(&id).unwrap().state, TransactionState::Completed);
}

#[test]
fn within_one_partner_no_money_moves() {
    let mut world = World::new();
    let terms = world.terms(("aurora", "A-1"), ("avia", "V-1"), "100");
    assert!(terms.settlement.is_none());
    let decided = world.exchange("aurora-air", "k", "r", Quoted::Open(Box::new(terms)));
    let id = accepted(&decided);
    assert_eq!((world.balance(1), world.balance(4)), (900, 1_000 + 25_000));
    assert_eq!(world.set.transaction(&id).unwrap().corridor.as_str(), "aurora-air~aurora-air");
    assert!(
        world.set.writes.accounts.keys().all(|(account, _)| matches!(account, Account::Issued(_)))
    );
}

#[test]
fn the_same_key_gives_the_first_answer_again_and_another_order_is_a_mismatch() {
    let mut world = World::new();
    let terms = world.terms(("aurora", "A-1"), ("borealis", "B-1"), "100");
    let quote = Quoted::Open(Box::new(terms));
    let first = world.exchange("aurora-air", "key", "ref", quote.clone());
    let again = world.exchange("aurora-air", "key", "ref", quote);
    assert_eq!(again.outcome, first.outcome);
    assert!(again.replayed && !first.replayed);
    assert_eq!(again.first_request, first.first_request);
    let other = world.exchange("aurora-air", "key", "other", Quoted::Unknown);
    assert_eq!(other.outcome, refused(ProblemCode::IdempotencyMismatch));
    assert_eq!(world.set.drafts.len(), 1, "one effect");
    // Another partner's key of the same name is another key.
    let theirs = world.exchange("borealis-coffee", "key", "ref", Quoted::Unknown);
    assert_eq!(theirs.outcome, refused(ProblemCode::QuoteUnknown));
}

#[test]
fn a_refusal_consumes_the_key_and_leaves_quote_and_reference_free() {
    let mut world = World::new();
    let terms = world.terms(("aurora", "A-1"), ("borealis", "B-1"), "1001");
    let quote = Quoted::Open(Box::new(terms));
    let refusal = world.exchange("aurora-air", "k1", "ref", quote.clone());
    assert_eq!(refusal.outcome, refused(ProblemCode::InsufficientPoints));
    world.set.members.get_mut(&MemberNo(1)).unwrap().balance = 2_000;
    let again = world.exchange("aurora-air", "k1", "ref", quote.clone());
    assert_eq!(
        again.outcome,
        refused(ProblemCode::InsufficientPoints),
        "repeating never changes it"
    );
    assert!(again.replayed);
    accepted(&world.exchange("aurora-air", "k2", "ref", quote));
}

#[test]
fn every_broken_rule_is_told_by_its_code_in_the_order_of_the_table() {
    type Change = fn(&mut World, &mut QuotedTerms);
    let nothing: Change = |_, _| ();
    let freeze = |world: &mut World, number: i64| {
        world.set.members.get_mut(&MemberNo(number)).unwrap().frozen = true;
    };
    let _ = freeze;
    let rows: Vec<(&str, Change, ProblemCode)> = vec![
        ("expired", |_, t| t.expires_at = NOW, ProblemCode::QuoteExpired),
        (
            "used",
            |w, t| {
                w.set.quotes.insert(t.id);
            },
            ProblemCode::QuoteUsed,
        ),
        (
            "used and expired",
            |w, t| {
                w.set.quotes.insert(t.id);
                t.expires_at = NOW;
            },
            ProblemCode::QuoteExpired,
        ),
        (
            "reference taken",
            |w, _| {
                w.set.references.insert(("aurora-air".parse().unwrap(), "ref".parse().unwrap()));
            },
            ProblemCode::DuplicateReference,
        ),
        ("no link", |w, _| w.set.links.clear(), ProblemCode::MembersNotLinked),
        (
            "link for another kind",
            |w, _| {
                w.set
                    .links
                    .values_mut()
                    .for_each(|l| l.consent.scope = vec![TransactionKind::Accrual])
            },
            ProblemCode::MembersNotLinked,
        ),
        (
            "consent ended",
            |w, _| w.set.links.values_mut().for_each(|l| l.consent.until = Some(NOW)),
            ProblemCode::MembersNotLinked,
        ),
        (
            "link revoked",
            |w, _| w.set.links.values_mut().for_each(|l| l.state = LinkState::Revoked),
            ProblemCode::MembersNotLinked,
        ),
        (
            "own member unknown",
            |w, _| w.set.by_lookup.retain(|_, m| *m != MemberNo(1)),
            ProblemCode::MembersNotLinked,
        ),
        (
            "foreign member unknown",
            |w, _| w.set.by_lookup.retain(|_, m| *m != MemberNo(2)),
            ProblemCode::MembersNotLinked,
        ),
        (
            "foreign member frozen",
            |w, _| w.set.members.get_mut(&MemberNo(2)).unwrap().frozen = true,
            ProblemCode::MembersNotLinked,
        ),
        (
            "own member frozen",
            |w, _| w.set.members.get_mut(&MemberNo(1)).unwrap().frozen = true,
            ProblemCode::MemberFrozen,
        ),
        ("no agreement", |w, _| definition_of(w).agreements.clear(), ProblemCode::KindNotAllowed),
        (
            "an agreement on something else",
            |w, _| {
                let kinds = vec![TransactionKind::Accrual];
                definition_of(w).agreements.iter_mut().for_each(|a| a.kinds = kinds.clone());
            },
            ProblemCode::KindNotAllowed,
        ),
        ("source suspended", |w, _| suspend(w, "aurora-air"), ProblemCode::KindNotAllowed),
        ("target suspended", |w, _| suspend(w, "borealis-coffee"), ProblemCode::KindNotAllowed),
        (
            "too few points",
            |w, _| w.set.members.get_mut(&MemberNo(1)).unwrap().balance = 99,
            ProblemCode::InsufficientPoints,
        ),
        (
            "over the cap",
            |w, _| {
                w.set.accounts.insert(
                    (
                        Account::Position("aurora-air".parse().unwrap()),
                        Asset::Currency("CNY".parse().unwrap()),
                    ),
                    -95_000_001,
                );
            },
            ProblemCode::ExceedsNetDebitCap,
        ),
        (
            "too few points and over the cap",
            |w, t| {
                w.set.members.get_mut(&MemberNo(1)).unwrap().balance = 0;
                t.settlement.as_mut().unwrap().gross = "1000".parse().unwrap();
            },
            ProblemCode::InsufficientPoints,
        ),
    ];
    let mut world = World::new();
    let mut terms = world.terms(("aurora", "A-1"), ("borealis", "B-1"), "100");
    nothing(&mut world, &mut terms);
    accepted(&world.exchange("aurora-air", "key", "ref", Quoted::Open(Box::new(terms))));
    for (row, change, code) in rows {
        let mut world = World::new();
        let mut terms = world.terms(("aurora", "A-1"), ("borealis", "B-1"), "100");
        change(&mut world, &mut terms);
        let decided = world.exchange("aurora-air", "key", "ref", Quoted::Open(Box::new(terms)));
        assert_eq!(decided.outcome, refused(code), "{row}");
        assert!(world.set.drafts.is_empty() && world.set.writes.balances.is_empty(), "{row}");
    }
    let mut world = World::new();
    for (quote, code) in
        [(Quoted::Unknown, ProblemCode::QuoteUnknown), (Quoted::Expired, ProblemCode::QuoteExpired)]
    {
        let decided = world.exchange("aurora-air", code.as_str(), "ref", quote);
        assert_eq!(decided.outcome, refused(code));
    }
}

fn definition_of(world: &mut World) -> &mut Definition {
    &mut Arc::make_mut(&mut world.set.registry).definition
}

fn suspend(world: &mut World, partner: &str) {
    let registry = Arc::make_mut(&mut world.set.registry);
    registry.suspended.push(partner.parse().unwrap());
}

#[test]
fn the_cap_holds_to_the_digit() {
    let mut world = World::new();
    world.set.members.get_mut(&MemberNo(1)).unwrap().balance = 10_000;
    accepted(&world.order("2000"));
    assert_eq!(world.position("aurora-air"), -100_000_000, "exactly at the cap of 100");
    let over = world.order("4");
    assert_eq!(over.outcome, refused(ProblemCode::ExceedsNetDebitCap));
}

#[test]
fn a_balance_can_be_spent_once_however_often_it_is_tried() {
    let mut world = World::new();
    world.set.members.get_mut(&MemberNo(1)).unwrap().balance = 10;
    let outcomes: Vec<Outcome> = (0..100).map(|_| world.order("10").outcome).collect();
    let made = outcomes.iter().filter(|o| matches!(o, Outcome::Transaction(_))).count();
    let short = refused(ProblemCode::InsufficientPoints);
    assert_eq!((made, outcomes.iter().filter(|o| **o == short).count()), (1, 99));
    assert_eq!(world.balance(1), 0);
}

#[test]
fn reversals_restore_everything_to_the_digit() {
    let mut world = World::new();
    let id = accepted(&world.order("999"));
    for ask in [(Side::Source, "10"), (Side::Target, "7"), (Side::Source, "1")] {
        let outcome = world.reverse("borealis-coffee", id, Some(ask));
        assert!(matches!(outcome, Outcome::Transaction(_)), "{outcome:?}");
        assert_eq!(world.set.transaction(&id).unwrap().state, TransactionState::PartiallyReversed);
    }
    assert!(matches!(world.reverse("aurora-air", id, None), Outcome::Transaction(_)));
    assert_eq!(world.set.transaction(&id).unwrap().state, TransactionState::Reversed);
    assert_eq!((world.balance(1), world.balance(2)), (1_000, 500));
    for account in [
        Account::Position("aurora-air".parse().unwrap()),
        Account::Position("borealis-coffee".parse().unwrap()),
        Account::Fees,
        Account::Rounding,
    ] {
        assert_eq!(world.money(account.clone()), 0, "{account}");
    }
    assert_eq!(world.reverse("borealis-coffee", id, None), refused(ProblemCode::ExceedsReversible));
}

/// Who bears the fee changes what the three of them owe, and no rule of the ledger.
#[test]
fn an_extended_rate_is_posted_as_its_settlement_says_and_reversed_to_the_digit() {
    for (bearer, target, money) in [
        (FeeBearer::Member, 618, [-62_500_000, 61_800_000, 625_000, 75_000]),
        (FeeBearer::SourcePartner, 625, [-63_125_000, 62_500_000, 625_000, 0]),
        (FeeBearer::TargetPartner, 625, [-62_500_000, 61_875_000, 625_000, 0]),
    ] {
        let mut world = World::new();
        let mut terms = world.terms(("aurora", "A-1"), ("borealis", "B-1"), "1000");
        terms.rate.multiplier = "1.25".parse().unwrap();
        (terms.rate.surcharge, terms.rate.fee_bearer) = ("0.002".parse().unwrap(), bearer);
        let sums = exchange_by_source(&terms.rate.terms(0, 0), 1_000).unwrap();
        let micros = |micros| Decimal::from_micros(micros).unwrap();
        let settlement = terms.settlement.as_mut().unwrap();
        (settlement.gross, settlement.net) = (micros(sums.gross), micros(sums.net));
        (settlement.fee, settlement.remainder) = (micros(sums.fee), micros(sums.remainder));
        terms.target.account_mut().unwrap().amount = sums.target;
        let rate = terms.rate.clone();
        let decided = world.exchange("aurora-air", "k", "r", Quoted::Open(Box::new(terms)));
        let id = accepted(&decided);
        assert_eq!((world.balance(1), world.balance(2)), (0, 500 + target));
        let accounts = [
            Account::Position("aurora-air".parse().unwrap()),
            Account::Position("borealis-coffee".parse().unwrap()),
            Account::Fees,
            Account::Rounding,
        ];
        assert_eq!(accounts.clone().map(|account| world.money(account)), money, "{bearer:?}");
        for ask in [Some((Side::Source, "10")), Some((Side::Target, "7")), None] {
            let outcome = world.reverse("borealis-coffee", id, ask);
            assert!(matches!(outcome, Outcome::Transaction(_)), "{outcome:?}");
        }
        assert_eq!(accounts.map(|account| world.money(account)), [0; 4], "{bearer:?}");
        assert_eq!((world.balance(1), world.balance(2)), (1_000, 500));
        let made = world.set.drafts.iter().map(|draft| &draft.transaction);
        assert!(made.clone().count() == 4);
        assert!(made.into_iter().all(|id| world.set.transaction(id).unwrap().rate == rate));
    }
}

#[test]
fn a_reversal_is_refused_by_the_rule_it_breaks() {
    let day = NOW.plus_seconds(24 * 60 * 60);
    type Row<'a> = (&'a str, &'a str, Option<(Side, &'a str)>, Timestamp, ProblemCode);
    let rows: [Row<'_>; 9] = [
        ("stranger", "cedar-hotels", None, NOW, ProblemCode::NotFound),
        ("decimals", "aurora-air", Some((Side::Source, "1.5")), NOW, ProblemCode::Malformed),
        ("period over", "aurora-air", None, day, ProblemCode::KindNotAllowed),
        ("zero", "aurora-air", Some((Side::Source, "0")), NOW, ProblemCode::AmountTooSmall),
        (
            "beyond 10^12",
            "aurora-air",
            Some((Side::Source, "1000000000001")),
            NOW,
            ProblemCode::AmountOutOfRange,
        ),
        (
            "beyond any",
            "aurora-air",
            Some((Side::Target, "99999999999999")),
            NOW,
            ProblemCode::AmountOutOfRange,
        ),
        (
            "more than given",
            "aurora-air",
            Some((Side::Source, "1001")),
            NOW,
            ProblemCode::ExceedsReversible,
        ),
        (
            "more than arrived",
            "borealis-coffee",
            Some((Side::Target, "496")),
            NOW,
            ProblemCode::ExceedsReversible,
        ),
        (
            "more than the member has",
            "borealis-coffee",
            Some((Side::Target, "996")),
            NOW,
            ProblemCode::InsufficientPoints,
        ),
    ];
    for (row, partner, ask, now, code) in rows {
        let mut world = World::new();
        let id = accepted(&world.order("1000"));
        assert_eq!(world.reverse_at(partner, id, ask, now), refused(code), "{row}");
    }
    let mut world = World::new();
    let id = accepted(&world.order("1000"));
    assert!(matches!(world.reverse_at("borealis-coffee", id, None, day), Outcome::Transaction(_)));
    let reversal = world.set.writes.transactions.last().unwrap().id;
    assert_eq!(
        world.reverse("borealis-coffee", reversal, None),
        refused(ProblemCode::KindNotAllowed)
    );
    let mut spent = World::new();
    let id = accepted(&spent.order("1000"));
    spent.set.members.get_mut(&MemberNo(2)).unwrap().balance = 494;
    let outcome = spent.reverse("borealis-coffee", id, None);
    assert_eq!(outcome, refused(ProblemCode::InsufficientPoints));
}

#[test]
fn reversals_are_never_checked_against_caps() {
    let mut world = World::new();
    world.set.members.get_mut(&MemberNo(1)).unwrap().balance = 10_000;
    let id = accepted(&world.order("2000"));
    let registry = Arc::make_mut(&mut world.set.registry);
    for partner in &mut registry.definition.partners {
        partner.net_debit_cap = Some("0".parse().unwrap());
    }
    assert!(matches!(world.reverse("borealis-coffee", id, None), Outcome::Transaction(_)));
}

#[test]
fn receipts_of_a_corridor_chain_without_a_gap_and_time_never_runs_back() {
    let mut world = World::new();
    for _ in 0..3 {
        accepted(&world.order("10"));
    }
    let key = SigningKey::from_seed(&[9; 32]);
    let mut receipts = receipts::chain(&mut world.set, NOW, key.kid());
    accepted(&world.order("10"));
    // The clock has jumped back a day: the chain's time stands still instead.
    let yesterday = NOW.plus_seconds(-86_400);
    receipts.extend(receipts::chain(&mut world.set, yesterday, key.kid()));
    receipts::sign(&mut receipts, &key);
    let mut prev = Hash::ZERO;
    for (at, stored) in receipts.iter().enumerate() {
        let parsed = alliance_contracts::jws::parse(&stored.jws()).unwrap();
        parsed.verify(alliance_contracts::jws::JwsType::Receipt, key.public_key()).unwrap();
        let receipt = receipt::parse(&parsed.payload).unwrap();
        assert_eq!(receipt.seq, u64::try_from(at).unwrap() + 1);
        assert_eq!(receipt.prev, prev);
        assert_eq!(receipt.completed_at, NOW);
        assert_eq!(receipt.id, receipts::receipt_id(receipt.transaction));
        prev = Hash::of(&stored.payload);
    }
    let corridor: Corridor = "aurora-air~borealis-coffee".parse().unwrap();
    let (before, head) = &world.set.writes.heads[&corridor];
    assert_eq!((*before, head.seq, head.head), (0, 4, prev));
}

#[test]
fn a_link_is_active_when_both_have_said_so_and_tells_nothing_of_strangers() {
    let mut world = World::new();
    world.set.links.clear();
    let end = |world: &World, partner: &str, program: &str, member: &str| {
        let (program, member): (ProgramId, MemberRef) =
            (program.parse().unwrap(), member.parse().unwrap());
        let lookup = world.set.vault.sought(&program, &member);
        LinkEnd { partner: partner.parse().unwrap(), program, member, lookup, newcomer: None }
    };
    let propose = |world: &mut World, caller: &str, a: LinkEnd, b: LinkEnd| {
        let keyed = world.keyed(caller, &format!("k{}", world.drawn), "d");
        let consent = Consent { scope: vec![TransactionKind::Exchange], until: None };
        let link = world.draw();
        let proposal = ProposeLink { link, a, b, consent, nonce: [0; 12] };
        decide(&mut world.set, &Command::ProposeLink(keyed, proposal), NOW).outcome
    };
    let confirm = |world: &mut World, caller: &str, link| {
        let keyed = world.keyed(caller, &format!("k{}", world.drawn), "d");
        decide(&mut world.set, &Command::ConfirmLink(keyed, link, None), NOW).outcome
    };
    let (a, b) = (
        end(&world, "aurora-air", "aurora", "A-1"),
        end(&world, "borealis-coffee", "borealis", "B-1"),
    );
    let ghost = end(&world, "borealis-coffee", "borealis", "nobody");
    let unknown = end(&world, "aurora-air", "aurora", "nobody");
    let Outcome::Link(link) = propose(&mut world, "aurora-air", a.clone(), b.clone()) else {
        panic!()
    };
    let Outcome::Link(haunted) = propose(&mut world, "aurora-air", a.clone(), ghost) else {
        panic!("a proposal to a stranger's unknown member looks like any other")
    };
    assert_eq!(
        propose(&mut world, "aurora-air", unknown, b.clone()),
        refused(ProblemCode::MemberUnknown)
    );
    assert_eq!(propose(&mut world, "cedar-hotels", a, b), refused(ProblemCode::KindNotAllowed));
    assert_eq!(world.order("10").outcome, refused(ProblemCode::MembersNotLinked), "only proposed");
    assert_eq!(confirm(&mut world, "cedar-hotels", link), refused(ProblemCode::NotFound));
    assert_eq!(confirm(&mut world, "aurora-air", link), refused(ProblemCode::KindNotAllowed));
    assert_eq!(
        confirm(&mut world, "borealis-coffee", haunted),
        refused(ProblemCode::MemberUnknown)
    );
    assert_eq!(confirm(&mut world, "borealis-coffee", link), Outcome::Link(link));
    accepted(&world.order("10"));
    assert_eq!(confirm(&mut world, "borealis-coffee", link), refused(ProblemCode::LinkNotProposed));
    let keyed = world.keyed("aurora-air", "revoke", "d");
    let revoked = decide(&mut world.set, &Command::RevokeLink(keyed, link), NOW).outcome;
    assert_eq!(revoked, Outcome::Link(link));
    assert_eq!(world.order("10").outcome, refused(ProblemCode::MembersNotLinked));
}

#[test]
fn a_quote_is_spent_once_even_by_two_orders_of_one_batch() {
    let mut world = World::new();
    let terms = world.terms(("aurora", "A-1"), ("borealis", "B-1"), "100");
    let quote: QuoteId = terms.id;
    let open = Quoted::Open(Box::new(terms));
    accepted(&world.exchange("aurora-air", "k1", "r1", open.clone()));
    let second = world.exchange("aurora-air", "k2", "r2", open);
    assert_eq!(second.outcome, refused(ProblemCode::QuoteUsed));
    assert!(world.set.quotes.contains(&quote));
}
