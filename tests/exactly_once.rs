//! Exactly once, whatever is repeated, raced, or sent to two gateways at once.

use std::collections::HashMap;
use std::sync::Arc;

use alliance_contracts::names::Corridor;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{MemberAccount, Side};
use alliance_contracts::transaction::{Transaction, TransactionState};
use alliance_partner_sdk::client::{Client, Error};
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};

use crate::harness::{Alliance, Engine, Gateway, block_on, quote};

const AURORA: &str = "aurora-air";
const BOREALIS: &str = "borealis-coffee";
const CEDAR: &str = "cedar-hotels";

fn corridor(text: &str) -> Corridor {
    text.parse().unwrap()
}

async fn receipts(client: &Client, between: &str) -> usize {
    client
        .receipts(&corridor(between))
        .stream()
        .try_fold(0, |n, _| async move { Ok(n + 1) })
        .await
        .unwrap()
}

async fn balance(client: &Client, member: &MemberAccount) -> String {
    client.member_balance(member).await.unwrap().balance.to_string()
}

/// T12, T14: the same order a thousand times at once, over one gateway or two.
fn the_same_order_makes_one_receipt(engine: Engine, gateways: usize) {
    let alliance = Alliance::new("same-order", engine);
    let gateways: Vec<Gateway> = (0..gateways).map(|_| alliance.serve()).collect();
    let clients: Vec<Client> =
        gateways.iter().map(|gateway| alliance.client(AURORA, gateway)).collect();
    let pair = alliance.pairs("aurora", "borealis").remove(0);
    block_on(async {
        let quote = quote(&clients[0], &pair, "20").await;
        let before: i64 = balance(&clients[0], &pair.0).await.parse().unwrap();
        let calls = (0..1_000).map(|n| {
            clients[n % clients.len()]
                .transact(&quote, "the-order".parse().unwrap())
                .idempotency_key("the-key".parse().unwrap())
                .send()
        });
        let answers: Vec<_> = stream::iter(calls).buffer_unordered(1_000).collect().await;
        let mut fresh = 0;
        let mut ids = HashMap::new();
        for answer in answers {
            let answer = answer.unwrap();
            assert_eq!(answer.status, 201);
            fresh += usize::from(!answer.replayed);
            *ids.entry(answer.body.id).or_insert(0) += 1;
        }
        assert_eq!(
            (fresh, ids.len()),
            (1, 1),
            "one was performed, the others are its answer again"
        );
        assert_eq!(receipts(&clients[0], "aurora-air~borealis-coffee").await, 1);
        let after: i64 = balance(&clients[0], &pair.0).await.parse().unwrap();
        assert_eq!(before - after, 20);
    });
    alliance.assert_audit_clean();
}

#[test]
fn the_same_order_sent_a_thousand_times_at_once_makes_one_receipt_on_sqlite() {
    the_same_order_makes_one_receipt(Engine::Sqlite, 1);
}

#[test]
fn the_same_order_sent_to_two_gateways_a_thousand_times_makes_one_receipt_on_postgres() {
    the_same_order_makes_one_receipt(Engine::Postgres, 2);
}

/// T19, T20: all the points a member has, spent a hundred times at once, over two corridors and, on
/// PostgreSQL, two gateways.
fn a_balance_is_spent_once(engine: Engine, gateways: usize) {
    let alliance = Alliance::new("spend", engine);
    let gateways: Vec<Gateway> = (0..gateways).map(|_| alliance.serve()).collect();
    let clients: Vec<Client> =
        gateways.iter().map(|gateway| alliance.client(AURORA, gateway)).collect();
    let to_cedar: HashMap<_, _> = alliance
        .pairs("aurora", "cedar")
        .into_iter()
        .map(|(member, other)| (member.member.expose().to_owned(), other))
        .collect();
    let (member, borealis) = alliance
        .pairs("aurora", "borealis")
        .into_iter()
        .find(|(member, _)| to_cedar.contains_key(member.member.expose()))
        .expect("somebody is linked to both");
    let cedar = to_cedar[member.member.expose()].clone();
    block_on(async {
        let all = balance(&clients[0], &member).await;
        assert_ne!(all, "0");
        let targets = [(member.clone(), borealis), (member.clone(), cedar)];
        let mut orders = Vec::new();
        for n in 0..100 {
            let quote = quote(&clients[0], &targets[n % 2], &all).await;
            let reference = format!("spend-{n}").parse().unwrap();
            orders.push(clients[n / 2 % clients.len()].transact(&quote, reference).send());
        }
        let outcomes = join_all(orders).await;
        let made = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let short = outcomes
            .iter()
            .filter(|o| matches!(o, Err(e) if e.code() == Some(ProblemCode::InsufficientPoints)))
            .count();
        assert_eq!((made, short), (1, 99));
        assert_eq!(balance(&clients[0], &member).await, "0");
    });
    alliance.assert_audit_clean();
}

#[test]
fn a_balance_is_spent_once_by_a_hundred_orders_on_sqlite() {
    a_balance_is_spent_once(Engine::Sqlite, 1);
}

#[test]
fn a_balance_is_spent_once_over_two_corridors_and_two_gateways_on_postgres() {
    a_balance_is_spent_once(Engine::Postgres, 2);
}

/// T20: one cap, spent over two corridors by two gateways: never passed, not even by one order.
#[test]
fn a_cap_is_never_passed_by_two_gateways_on_postgres() {
    let alliance = Alliance::new("cap", Engine::Postgres);
    let file = alliance.dir().join("alliance.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, after) = text.split_once("partner = \"aurora-air\"").unwrap();
    let (own, others) = after.split_once("[[").unwrap();
    let own: Vec<&str> = own.lines().filter(|line| !line.contains("net_debit_cap")).collect();
    let changed = format!(
        "{before}partner = \"aurora-air\"\nnet_debit_cap = \"10\"{}\n[[{others}",
        own.join("\n")
    );
    std::fs::write(&file, changed).unwrap();
    let gateways = [alliance.serve(), alliance.serve()];
    let clients: Vec<Client> = gateways.iter().map(|g| alliance.client(AURORA, g)).collect();
    let to_borealis = alliance.pairs("aurora", "borealis");
    let to_cedar = alliance.pairs("aurora", "cedar");
    block_on(async {
        let mut orders = Vec::new();
        for n in 0..60 {
            // 20 points are worth 1.00: ten orders fit under the cap of 10.
            let pairs = if n % 2 == 0 { &to_borealis } else { &to_cedar };
            let quote = quote(&clients[0], &pairs[n % pairs.len()], "20").await;
            let reference = format!("cap-{n}").parse().unwrap();
            orders.push(clients[n / 2 % 2].transact(&quote, reference).send());
        }
        let outcomes = join_all(orders).await;
        let made = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let refused = outcomes
            .iter()
            .filter(|o| matches!(o, Err(e) if e.code() == Some(ProblemCode::ExceedsNetDebitCap)))
            .count();
        assert_eq!(made, 10, "exactly as many as fit");
        assert_eq!(refused, 50);
    });
    alliance.assert_audit_clean();
}

/// T11: one consent, spent by its target through two gateways: never passed, not even by one order.
#[test]
fn a_consent_is_never_passed_by_two_gateways_on_postgres() {
    let alliance = Alliance::new("consent", Engine::Postgres);
    let gateways = [alliance.serve(), alliance.serve()];
    let aurora = alliance.client(AURORA, &gateways[0]);
    let clients: Vec<Client> = gateways.iter().map(|g| alliance.client(BOREALIS, g)).collect();
    let pairs = alliance.pairs("aurora", "borealis");
    // 20 points are worth 1.00: ten orders fit into a day.
    let consent = serde_json::json!({
        "alliance": "demo", "kinds": ["exchange"], "programs": ["aurora"],
        "limits": {"day": "10", "month": "20", "order": "1"},
        "source": AURORA, "target": BOREALIS, "until": null, "v": 1
    });
    block_on(async {
        aurora.grant_consent(&serde_json::from_value(consent).unwrap()).await.unwrap();
        let mut orders = Vec::new();
        for n in 0..40 {
            // The gateway that was not told by the partner knows of it within five seconds.
            let exchange = || {
                let (source, target) = pairs[n % pairs.len()].clone();
                clients[n % 2].exchange(source, target).give("20".parse().unwrap())
            };
            let mut quote = exchange().await;
            while quote.as_ref().is_err_and(|e| e.code() == Some(ProblemCode::KindNotAllowed)) {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                quote = exchange().await;
            }
            let reference = format!("consent-{n}").parse().unwrap();
            orders.push(clients[n / 2 % 2].transact(&quote.unwrap(), reference).send());
        }
        let outcomes = join_all(orders).await;
        let made = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let refused = outcomes
            .iter()
            .filter(|o| matches!(o, Err(e) if e.code() == Some(ProblemCode::ExceedsConsent)))
            .count();
        assert_eq!((made, refused), (10, 30), "exactly as many as fit");
    });
    alliance.assert_audit_clean();
}

/// Two gateways on one PostgreSQL under load from all sides: chains whole, nothing lost or doubled.
#[test]
fn two_gateways_under_load_keep_the_chains_whole() {
    let alliance = Alliance::new("two", Engine::Postgres);
    let gateways = [alliance.serve(), alliance.serve()];
    let routes = [
        (AURORA, "aurora", "borealis"),
        (BOREALIS, "borealis", "cedar"),
        (CEDAR, "cedar", "aurora"),
    ];
    block_on(async {
        let mut work = Vec::new();
        for (n, (partner, source, target)) in routes.iter().enumerate() {
            let pairs = Arc::new(alliance.pairs(source, target));
            for worker in 0..4 {
                let client = alliance.client(partner, &gateways[(n + worker) % 2]);
                let (pairs, partner) = (pairs.clone(), partner.to_string());
                work.push(tokio::spawn(async move {
                    let mut made = Vec::new();
                    for order in 0..40 {
                        let pair = &pairs[(worker * 40 + order) % pairs.len()];
                        let quote = quote(&client, pair, "20").await;
                        let reference = format!("{partner}-{worker}-{order}").parse().unwrap();
                        match client.transact(&quote, reference).await {
                            Ok(transaction) => made.push(transaction),
                            Err(Error::Refused(_)) => {}
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                    made
                }));
            }
        }
        let made: Vec<Transaction> =
            join_all(work).await.into_iter().flat_map(|made| made.unwrap()).collect();
        assert!(made.len() > 300, "{} orders were accepted", made.len());
        let mut counted = 0;
        for (partner, between) in [
            (AURORA, "aurora-air~borealis-coffee"),
            (BOREALIS, "borealis-coffee~cedar-hotels"),
            (CEDAR, "aurora-air~cedar-hotels"),
        ] {
            // The stream verifies: signatures, chain, terms.
            counted += receipts(&alliance.client(partner, &gateways[0]), between).await;
        }
        assert_eq!(
            counted,
            made.len(),
            "each acknowledged order has its receipt, and no other has"
        );
    });
    alliance.assert_audit_clean();
}

/// T13, T15, T18, T21 as a partner sees them.
#[test]
fn keys_references_and_quotes_are_used_once() {
    let alliance = Alliance::new("once", Engine::Sqlite);
    let gateway = alliance.serve();
    let (aurora, borealis) =
        (alliance.client(AURORA, &gateway), alliance.client(BOREALIS, &gateway));
    let pair = alliance.pairs("aurora", "borealis").remove(0);
    block_on(async {
        let order = |client: &Client, quote: &_, reference: &str, key: &str| {
            client
                .transact(quote, reference.parse().unwrap())
                .idempotency_key(key.parse().unwrap())
                .send()
        };
        let code = |outcome: Result<_, Error>| {
            outcome
                .map(|_: alliance_partner_sdk::client::Answered<Transaction>| ())
                .unwrap_err()
                .code()
        };
        let (one, two) = (quote(&aurora, &pair, "20").await, quote(&aurora, &pair, "20").await);
        let first = order(&aurora, &one, "r1", "k1").await.unwrap();
        assert!(!first.replayed);
        // The same again: the first answer, and no effect.
        let again = order(&aurora, &one, "r1", "k1").await.unwrap();
        assert!(again.replayed && again.body.id == first.body.id);
        // T15: another order under the key; another route under the key.
        let mismatch = Some(ProblemCode::IdempotencyMismatch);
        assert_eq!(code(order(&aurora, &two, "r1", "k1").await), mismatch);
        assert_eq!(code(order(&aurora, &one, "r2", "k1").await), mismatch);
        let reversal = aurora
            .reverse(first.body.id, "r9".parse().unwrap(), "customer_request".parse().unwrap())
            .idempotency_key("k1".parse().unwrap());
        assert_eq!(reversal.await.unwrap_err().code(), mismatch);
        // T21: the quote is used; another partner's quote is unknown.
        assert_eq!(code(order(&aurora, &one, "r3", "k3").await), Some(ProblemCode::QuoteUsed));
        assert_eq!(code(order(&borealis, &two, "r1", "k1").await), Some(ProblemCode::QuoteUnknown));
        // T18: the reference is taken, under whatever key; the refusal leaves the quote free.
        let taken = Some(ProblemCode::DuplicateReference);
        assert_eq!(code(order(&aurora, &two, "r1", "k4").await), taken);
        assert!(order(&aurora, &two, "r5", "k5").await.is_ok());
        // A refusal repeated is the same refusal.
        assert_eq!(code(order(&aurora, &two, "r1", "k4").await), taken);
        // A replay shows the transaction as it is now.
        let part = aurora
            .reverse(first.body.id, "r6".parse().unwrap(), "customer_request".parse().unwrap())
            .amount(Side::Source, "5".parse().unwrap());
        part.await.unwrap();
        let now = order(&aurora, &one, "r1", "k1").await.unwrap();
        assert_eq!(now.body.state, TransactionState::PartiallyReversed);
        assert_eq!(now.body.reversed.source.to_string(), "5");
    });
    alliance.assert_audit_clean();
}

/// A gateway with other agreements refuses, and nobody gains: a quote expires where it says.
#[test]
fn an_expired_quote_is_refused_and_its_key_keeps_the_refusal() {
    let alliance = Alliance::new("expiry", Engine::Sqlite);
    let file = alliance.dir().join("alliance.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let brief = "[[agreements]]\nquote_lifetime_seconds = 1";
    let kept: Vec<&str> =
        text.lines().filter(|line| !line.starts_with("quote_lifetime_seconds")).collect();
    std::fs::write(&file, kept.join("\n").replace("[[agreements]]", brief)).unwrap();
    let gateway = alliance.serve();
    let client = alliance.client(AURORA, &gateway);
    let pair = alliance.pairs("aurora", "borealis").remove(0);
    block_on(async {
        let quote = quote(&client, &pair, "20").await;
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        for replayed in [false, true] {
            let outcome = client
                .transact(&quote, "late".parse().unwrap())
                .idempotency_key("late".parse().unwrap())
                .await;
            assert_eq!(outcome.unwrap_err().code(), Some(ProblemCode::QuoteExpired), "{replayed}");
        }
    });
}
