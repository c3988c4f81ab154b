//! A brand that keeps its members' balances itself: the real gateway calls a real connector over
//! HTTP, in whatever mood that is, and is killed meanwhile. In the end both have the same books.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use alliance_contracts::agreement::Agreement;
use alliance_contracts::connector::RefusalCode;
use alliance_contracts::encoding::{Hash, base64url_encode};
use alliance_contracts::ids::TransactionId;
use alliance_contracts::jws;
use alliance_contracts::keys::{SigningKey, pkcs8_pem_from_seed};
use alliance_contracts::link::{Consent, LinkRequest};
use alliance_contracts::quote::{CarriedExpiry, MemberAccount, Quote, Side, TransactionKind};
use alliance_contracts::receipt;
use alliance_contracts::side::PricedItem;
use alliance_contracts::transaction::{Transaction, TransactionState};
use alliance_gateway::sandbox::SimulatedBrand;
use alliance_gateway::sandbox::brand::Effects;
use alliance_partner_sdk::client::{Client, RetryPolicy, account};
use alliance_partner_sdk::verify::evidence::verify_evidence;
use alliance_settlement::clearing_house::Clock;
use futures_util::future::join_all;

use crate::harness::{Alliance, Engine, Gateway, block_on, free_port};
use crate::journal::hledger;
use crate::load::Chance;

const AURORA: &str = "aurora-air";
const DUNE: &str = "dune-books";
const SEED: [u8; 32] = [77; 32];

/// How long a transaction may stay pending whose brand answers, in tries 100 ms apart. Longer than
/// a lease, which is what a call that was taken up by a gateway that died has to wait for.
const PATIENCE: usize = 1_200;

/// The demo's alliance with one brand more, which keeps its balances.
struct Stage {
    alliance: Alliance,
    brand: SimulatedBrand,
    listen: String,
    metrics: String,
    gateways: Vec<Gateway>,
}

impl Stage {
    fn new(name: &str, engine: Engine) -> Self {
        Self::whose_quotes_stand(name, engine, 60)
    }

    fn whose_quotes_stand(name: &str, engine: Engine, seconds: u32) -> Self {
        let alliance = Alliance::new(name, engine);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let pem = std::fs::read_to_string(alliance.dir().join("keys/gateway.pem")).unwrap();
        let gateway = SigningKey::from_pkcs8_pem(&pem).unwrap();
        let key = SigningKey::from_seed(&SEED);
        let x = base64url_encode(key.public_key().as_bytes());
        let brand = SimulatedBrand::start(listener, key, gateway.public_key().clone()).unwrap();
        let file = alliance.dir().join("alliance.toml");
        let mut text = std::fs::read_to_string(&file).unwrap();
        let connector = brand.connector();
        text.push_str(&format!(
            "\n[[partners]]\npartner = \"{DUNE}\"\nname = \"Dune Books\"\nconnector = \"{connector}\"\n\
             keys = [{{ x = \"{x}\" }}]\n\n[[programs]]\nprogram = \"dune\"\npartner = \"{DUNE}\"\n\
             name = \"Dune Leaves\"\nscale = 0\nvalue = \"0.2\"\nbalances = \"connected\"\n\n\
             [[agreements]]\na = \"{AURORA}\"\nb = \"{DUNE}\"\nfee = \"0.01\"\n\
             kinds = [\"exchange\", \"redemption\", \"accrual\"]\n\
             quote_lifetime_seconds = {seconds}\n"
        ));
        let metrics = format!("127.0.0.1:{}", free_port());
        let off = "# metrics_listen = \"127.0.0.1:9464\"";
        assert!(text.contains(off));
        // On PostgreSQL there may be two gateways, and the port is one.
        let on = format!("metrics_listen = \"{metrics}\"");
        let text = if engine == Engine::Sqlite { text.replace(off, &on) } else { text };
        std::fs::write(&file, text).unwrap();
        let listen = format!("127.0.0.1:{}", free_port());
        let gateways = vec![Gateway::start_at(&listen, &alliance.args())];
        Self { alliance, brand, listen, metrics, gateways }
    }

    fn aurora(&self) -> Client {
        self.alliance.client(AURORA, &self.gateways[0])
    }

    fn dune(&self) -> Client {
        let client = self.aurora();
        Client::builder(&self.gateways[0].url())
            .retry(RetryPolicy::default())
            .partner(DUNE)
            .key_pem(pkcs8_pem_from_seed(&SEED))
            .root(base64url_encode(client.root_key().unwrap().as_bytes()))
            .alliance("demo")
            .build()
            .unwrap()
    }

    /// Members of the airline, from the file.
    fn miles(&self) -> Vec<MemberAccount> {
        self.alliance.pairs("aurora", "borealis").into_iter().map(|(member, _)| member).collect()
    }

    /// What Prometheus is told.
    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(&self.metrics).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// Joins a member of the airline with one of the brand, which nobody has named before.
    async fn link(&self, member: &MemberAccount, other: &MemberAccount) {
        let consent = Consent { scope: vec![TransactionKind::Exchange], until: None };
        let request = LinkRequest { a: member.clone(), b: other.clone(), consent };
        let link = self.aurora().propose_link(&request).await.unwrap();
        self.dune().confirm_link(link.id).await.unwrap();
    }
}

fn reader(name: &str) -> MemberAccount {
    account("dune", name).unwrap()
}

fn book(item: &str, price: &str, cash: &str) -> PricedItem {
    PricedItem {
        cash: cash.parse().unwrap(),
        item: item.parse().unwrap(),
        partner: DUNE.parse().unwrap(),
        price: price.parse().unwrap(),
    }
}

/// Orders, and is told that a brand has to be asked.
async fn order(client: &Client, quote: &Quote, reference: &str) -> TransactionId {
    let answer = client.transact(quote, reference.parse().unwrap()).send().await.unwrap();
    assert_eq!((answer.status, answer.body.state), (202, TransactionState::Pending));
    assert!(answer.body.receipt.is_none());
    answer.body.id
}

/// Asks for a reversal of so much of the target, or of all that is left.
async fn turn_round(
    client: &Client,
    original: TransactionId,
    reference: &str,
    target: Option<&str>,
) -> Transaction {
    let reason = "returned".parse().unwrap();
    let mut reversal = client.reverse(original, reference.parse().unwrap(), reason);
    if let Some(points) = target {
        reversal = reversal.amount(Side::Target, points.parse().unwrap());
    }
    reversal.await.unwrap()
}

/// The transaction once it has ended.
async fn ended(client: &Client, id: TransactionId) -> Transaction {
    for _ in 0..PATIENCE {
        let transaction = client.transaction(id).await.unwrap();
        if transaction.state != TransactionState::Pending {
            return transaction;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{id} is still pending");
}

/// The brand's own signature is the receipt's evidence, once for each call it has answered.
async fn assert_evidence(client: &Client, transaction: &Transaction, answers: usize) {
    let signed = transaction.receipt.as_ref().unwrap();
    let payload = jws::parse(&signed.jws).unwrap().payload;
    let parsed = receipt::parse(&payload).unwrap();
    let keys = client.partner_keys().await.unwrap();
    let list = client.receipt_evidence(parsed.id).await.unwrap();
    let theirs = list.evidence.iter().filter(|one| one.order.is_none()).count();
    assert_eq!((list.evidence.len(), theirs), (1 + answers, answers));
    for detail in &list.evidence {
        verify_evidence(&parsed, detail, &keys).unwrap();
        assert_eq!(
            detail.order.is_none(),
            detail.evidence.partner.as_str() == DUNE || answers == 0
        );
    }
    // Another's answer proves nothing here.
    let mut other = parsed.clone();
    other.transaction = TransactionId::from_u128(other.transaction.as_u128() ^ 1);
    let answer = list.evidence.iter().find(|one| one.order.is_none()).unwrap();
    verify_evidence(&other, answer, &keys).unwrap_err();
}

fn amount(transaction: &Transaction) -> i64 {
    transaction.target.amount().micros()
}

/// Every kind at a connected brand, and all and part of each turned round.
fn every_kind_is_carried_out_and_turned_round(engine: Engine) {
    let stage = Stage::new("kinds-connected", engine);
    block_on(async {
        let (aurora, dune) = (stage.aurora(), stage.dune());
        let miles = stage.miles().remove(0);
        stage.link(&miles, &reader("R-1")).await;
        let points = |value: &str| value.parse().unwrap();
        // Points for points: the brand gives.
        let quote =
            aurora.exchange(miles.clone(), reader("R-1")).give(points("400")).await.unwrap();
        let given = ended(&aurora, order(&aurora, &quote, "exchange").await).await;
        assert_eq!(given.state, TransactionState::Completed);
        assert_evidence(&aurora, &given, 1).await;
        let effects = stage.brand.books().await.effects[&given.id];
        assert_eq!(effects, Effects { credited: amount(&given), calls: 1, ..Effects::default() });
        // The other way: the brand is asked for points, and they are captured.
        let quote = dune.exchange(reader("R-1"), miles.clone()).give(points("10")).await.unwrap();
        let taken = ended(&dune, order(&dune, &quote, "back").await).await;
        assert_eq!(taken.state, TransactionState::Completed);
        let effects = stage.brand.books().await.effects[&taken.id];
        assert_eq!(
            (effects.reserved, effects.captured, effects.calls),
            (10_000_000, 10_000_000, 2)
        );
        // A book for miles and money, in one receipt.
        let quote = aurora.redeem(miles.clone(), book("atlas", "30", "12.5")).await.unwrap();
        let redeemed = ended(&aurora, order(&aurora, &quote, "book").await).await;
        assert_eq!(redeemed.state, TransactionState::Completed);
        assert_eq!(redeemed.settlement.as_ref().unwrap().net, points("17.5"));
        assert_evidence(&aurora, &redeemed, 1).await;
        // The airline buys leaves for a customer of its own.
        let quote = aurora.accrue(reader("R-2"), points("25")).await.unwrap();
        let accrued = ended(&aurora, order(&aurora, &quote, "leaves").await).await;
        assert_eq!(accrued.state, TransactionState::Completed);
        assert_evidence(&aurora, &accrued, 1).await;
        // Turned round: what was given is reserved and captured, or cancelled.
        let books = stage.brand.books().await;
        for (client, id, part) in [
            (&dune, given.id, "3"),
            (&aurora, taken.id, "1"),
            (&dune, redeemed.id, "2.5"),
            (&dune, accrued.id, "5"),
        ] {
            for (amount, state) in [
                (Some(part), TransactionState::PartiallyReversed),
                (None, TransactionState::Reversed),
            ] {
                let name = format!("r-{id}-{}", amount.is_some());
                let reversal = turn_round(client, id, &name, amount).await;
                let reversal = ended(client, reversal.id).await;
                assert_eq!(reversal.state, TransactionState::Completed, "{reversal:?}");
                assert_eq!(client.transaction(id).await.unwrap().state, state);
            }
        }
        let after = stage.brand.books().await;
        let moved = |books: &alliance_gateway::sandbox::Books, name: &str| {
            books.moved.get(name).copied().unwrap_or(0)
        };
        assert_eq!(moved(&books, "R-2"), 25_000_000);
        assert_eq!((moved(&after, "R-1"), moved(&after, "R-2")), (0, 0));
        let cancelled: i64 = after.effects.values().map(|effects| effects.cancelled).sum();
        assert_eq!(cancelled, amount_of_benefit(&after));
    });
    stop(stage);
}

fn amount_of_benefit(books: &alliance_gateway::sandbox::Books) -> i64 {
    books.effects.values().map(|effects| effects.benefit).sum()
}

/// Stops in order, and looks at the books.
fn stop(stage: Stage) {
    let Stage { alliance, gateways, .. } = stage;
    for gateway in gateways {
        assert_eq!(gateway.terminate(), Some(0));
    }
    alliance.assert_audit_clean();
}

#[test]
fn every_kind_is_carried_out_at_a_connected_brand_and_turned_round_on_sqlite() {
    every_kind_is_carried_out_and_turned_round(Engine::Sqlite);
}

#[test]
fn every_kind_is_carried_out_at_a_connected_brand_and_turned_round_on_postgres() {
    every_kind_is_carried_out_and_turned_round(Engine::Postgres);
}

/// While a brand has not answered, what is held of a member's points is still the member's in the
/// journal, and the books agree; its members' own balances are its own.
#[test]
fn the_journal_is_proved_while_points_are_held() {
    let stage = Stage::new("held-journal", Engine::Sqlite);
    block_on(async {
        let aurora = stage.aurora();
        let miles = stage.miles();
        let mut orders = Vec::new();
        for (name, member) in ["R", "silent-R"].into_iter().zip(&miles) {
            stage.link(member, &reader(name)).await;
            let give = aurora.exchange(member.clone(), reader(name)).give("40".parse().unwrap());
            orders.push(order(&aurora, &give.await.unwrap(), name).await);
        }
        assert_eq!(ended(&aurora, orders[0]).await.state, TransactionState::Completed);
        let pending = aurora.transaction(orders[1]).await.unwrap();
        assert_eq!(pending.state, TransactionState::Pending);
        let file = stage.alliance.dir().join("held.journal");
        let out = file.to_str().unwrap();
        let export = ["export", "--format", "hledger", "--json", "--force", "--out", out];
        let exported = |receipts: u64| {
            let output = stage.alliance.run(&export);
            let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(
                (&said["ok"], &said["receipts"]),
                (&true.into(), &receipts.into()),
                "{said}"
            );
            let (good, told) = hledger(&file);
            assert!(good, "{told}");
        };
        exported(1);
        stage.brand.voice().set_speaking(true);
        let retried = stage.alliance.run(&["pending", "retry", &orders[1].to_string()]);
        assert!(retried.status.success(), "{}", String::from_utf8_lossy(&retried.stderr));
        assert_eq!(ended(&aurora, orders[1]).await.state, TransactionState::Completed);
        exported(2);
    });
    stop(stage);
}

/// Whatever mood a brand is in: done once, or refused, or still asked; and nobody learns of
/// another's members.
#[test]
fn a_brand_in_any_mood_ends_as_it_says() {
    let stage = Stage::new("moods", Engine::Sqlite);
    block_on(async {
        let (aurora, dune) = (stage.aurora(), stage.dune());
        let accrue = async |name: &str| {
            let quote = aurora.accrue(reader(name), "5".parse().unwrap()).await.unwrap();
            order(&aurora, &quote, name).await
        };
        let mut accrued = BTreeMap::new();
        for mood in [
            "",
            "slow-",
            "late-",
            "lost-",
            "unknown-",
            "frozen-",
            "ungiving-",
            "silent-",
            "unsigned-",
        ] {
            accrued.insert(mood, accrue(&format!("{mood}R")).await);
        }
        let refusals = [
            ("unknown-", RefusalCode::MemberUnknown),
            ("frozen-", RefusalCode::MemberFrozen),
            ("ungiving-", RefusalCode::Refused),
        ];
        for (mood, code) in refusals {
            let seen = ended(&aurora, accrued[mood]).await;
            assert_eq!(seen.state, TransactionState::Failed);
            assert_eq!(seen.failure.unwrap().code, RefusalCode::Refused, "{mood} says too much");
            let own = dune.transaction(accrued[mood]).await.unwrap().failure.unwrap();
            assert_eq!((own.code, own.partner.as_str()), (code, DUNE));
        }
        for mood in ["", "slow-", "late-", "lost-"] {
            let done = ended(&aurora, accrued[mood]).await;
            assert_eq!(done.state, TransactionState::Completed, "{mood}");
            let effects = stage.brand.books().await.effects[&done.id];
            assert_eq!((effects.credited, effects.calls), (5_000_000, 1), "{mood}");
        }
        for mood in ["silent-", "unsigned-"] {
            let pending = aurora.transaction(accrued[mood]).await.unwrap();
            assert_eq!(pending.state, TransactionState::Pending, "{mood} is never guessed");
        }
        let told = "alliance_transactions_pending{";
        let waiting = |line: &str| line.starts_with(told) && line.ends_with(" 2");
        let mut tries = 0..PATIENCE;
        while !stage.metrics().lines().any(waiting) {
            tries.next().unwrap_or_else(|| panic!("{}", stage.metrics()));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let silent = accrued["silent-"].to_string();
        let listed = stage.alliance.run(&["pending", "list"]);
        let text = String::from_utf8(listed.stdout).unwrap();
        assert!(text.contains(&silent) && text.contains("crediting"), "{text}");
        assert!(listed.status.success(), "nothing is parked yet: {text}");
        stage.brand.voice().set_speaking(true);
        let retried = stage.alliance.run(&["pending", "retry", &silent]);
        assert!(retried.status.success(), "{}", String::from_utf8_lossy(&retried.stderr));
        for mood in ["silent-", "unsigned-"] {
            let done = ended(&aurora, accrued[mood]).await;
            assert_eq!(done.state, TransactionState::Completed);
            assert_eq!(stage.brand.books().await.effects[&done.id].calls, 1);
        }
        let none = stage.alliance.run(&["pending", "retry", &silent]);
        assert_eq!(none.status.code(), Some(2), "it waits for nobody any more");
        let shown = stage.alliance.run(&["pending", "show", &silent, "--json"]);
        let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
        assert_eq!(
            (&shown["state"], &shown["answers"][0]["step"]),
            (&"completed".into(), &"credit".into())
        );
        // Asked for points: too few, or reserved and not let go of.
        let miles = stage.miles();
        for (name, member) in ["poor-R", "uncapturable-R"].into_iter().zip(&miles) {
            stage.link(member, &reader(name)).await;
            let give = dune.exchange(reader(name), member.clone()).give("4".parse().unwrap());
            let quote = give.await.unwrap();
            let ended = ended(&dune, order(&dune, &quote, name).await).await;
            if name == "poor-R" {
                assert_eq!(ended.failure.unwrap().code, RefusalCode::InsufficientPoints);
                assert_eq!(stage.brand.books().await.effects.get(&ended.id), None);
            } else {
                assert_eq!(ended.state, TransactionState::Completed, "the brand owes");
            }
        }
        // A benefit that is not taken back: nothing is turned round.
        let item = book("uncancellable-atlas", "5", "0");
        let quote = aurora.redeem(miles[0].clone(), item).await.unwrap();
        let redeemed = ended(&aurora, order(&aurora, &quote, "kept").await).await;
        let reversal = turn_round(&dune, redeemed.id, "kept-back", None).await;
        let reversal = ended(&dune, reversal.id).await;
        assert_eq!(reversal.failure.unwrap().code, RefusalCode::NotCancellable);
        let still = dune.transaction(redeemed.id).await.unwrap();
        assert_eq!(still.state, TransactionState::Completed);
        let listed = stage.alliance.run(&["pending", "list", "--json"]);
        let pending: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
        assert_eq!(pending["pending"][0]["remark"], "capture_refused");
        assert_eq!(listed.status.code(), Some(1), "finance has to look at it");
    });
    stop(stage);
}

/// The gateway is killed at random moments, with calls under way to a brand in all moods: every
/// transaction ends, on both sides in the same way.
fn a_killed_gateway_leaves_nothing_half(engine: Engine) {
    let mut chance = Chance::seeded();
    let mut stage = Stage::new("kill-sagas", engine);
    let ids = block_on(async {
        let aurora = stage.aurora();
        let mut ids = Vec::new();
        for round in 0..6 {
            let orders = ["", "lost-", "late-", "slow-", "ungiving-", "lost-", ""].into_iter();
            let orders = orders.enumerate().map(|(at, mood)| {
                let (aurora, miles) = (aurora.clone(), stage.miles());
                async move {
                    let name = format!("{mood}{round}-{at}");
                    let quote = match at % 2 {
                        0 => aurora.accrue(reader(&name), "5".parse().unwrap()).await.unwrap(),
                        _ => {
                            let item = book(&name, "1", "0");
                            aurora.redeem(miles[at].clone(), item).await.unwrap()
                        }
                    };
                    order(&aurora, &quote, &name).await
                }
            });
            ids.extend(join_all(orders).await);
            tokio::time::sleep(chance.millis(0..=400)).await;
            stage.gateways.remove(0).kill();
            if round % 2 == 0 && engine == Engine::Sqlite {
                stage.alliance.assert_audit_clean();
            }
            stage.gateways.push(Gateway::start_at(&stage.listen, &stage.alliance.args()));
        }
        for id in &ids {
            let ended = ended(&aurora, *id).await;
            let effects = stage.brand.books().await.effects.get(id).copied().unwrap_or_default();
            match ended.state {
                TransactionState::Completed => {
                    assert_eq!(effects.credited + effects.benefit, amount(&ended), "{ended:?}");
                    assert_eq!(effects.calls, 1, "one effect per key");
                    assert_evidence(&aurora, &ended, 1).await;
                }
                _ => assert_eq!(effects, Effects::default(), "{ended:?}"),
            }
        }
        ids
    });
    assert_eq!(ids.len(), 42);
    stop(stage);
}

#[test]
fn a_gateway_killed_amid_calls_leaves_nothing_half_on_sqlite() {
    a_killed_gateway_leaves_nothing_half(Engine::Sqlite);
}

#[test]
fn a_gateway_killed_amid_calls_leaves_nothing_half_on_postgres() {
    a_killed_gateway_leaves_nothing_half(Engine::Postgres);
}

/// However many wait, a brand is called sixty-four times at once and no more, by one gateway; and
/// what one gateway has taken up another does not make.
#[test]
fn many_pending_are_driven_by_two_gateways_with_few_calls_at_once() {
    let mut stage = Stage::new("many-pending", Engine::Postgres);
    stage.gateways.push(stage.alliance.serve());
    stage.brand.set_delay(Duration::from_millis(50));
    block_on(async {
        let aurora = stage.aurora();
        let orders = (0..400).map(|n| {
            let aurora = aurora.clone();
            async move {
                let name = format!("R-{n}");
                let quote = aurora.accrue(reader(&name), "5".parse().unwrap()).await.unwrap();
                aurora.transact(&quote, name.parse().unwrap()).await.unwrap().id
            }
        });
        let ids = join_all(orders).await;
        for id in &ids {
            let done = ended(&aurora, *id).await;
            assert_eq!(done.state, TransactionState::Completed);
        }
        let books = stage.brand.books().await;
        assert_eq!(books.effects.len(), 400);
        assert!(books.effects.values().all(|effects| effects.calls == 1));
    });
    let most = stage.brand.most_calls_at_once();
    assert!(most <= 128, "{most} calls at once");
    assert!(most > 8, "{most} calls at once: they wait for each other");
    stop(stage);
}

/// What the two brands have signed about expiry dates: the brand that gives the points is told the
/// date, and the receipt holds both to it.
fn a_date_is_carried_over_to_the_brand_that_gives(engine: Engine) {
    let stage = Stage::whose_quotes_stand("carried", engine, 1);
    block_on(async {
        let (aurora, dune) = (stage.aurora(), stage.dune());
        let miles = stage.miles().remove(0);
        stage.link(&miles, &reader("R-1")).await;
        let now = Clock::system().now();
        let date = now.plus_seconds(90 * 86_400);
        let exchange = || aurora.exchange(miles.clone(), reader("R-1"));
        let points = |value: &str| value.parse().unwrap();
        // Nothing is agreed on it yet: a date that nobody would give is refused.
        let refused = exchange().expiring(date).give(points("400")).await.unwrap_err();
        assert_eq!(refused.problem().unwrap().errors[0].pointer, "/expiry");
        let agreement: Agreement = serde_json::from_value(serde_json::json!({
            "a": AURORA, "alliance": "demo", "b": DUNE, "effective_at": now.plus_seconds(4),
            "expiry": "carry_over", "fee": {"bearer": "member", "rate": "0.01"},
            "kinds": ["exchange", "redemption"], "previous": Hash::ZERO,
            "quote_lifetime_seconds": 60, "reversal_period_seconds": 600, "v": 1, "version": 1,
        }))
        .unwrap();
        let proposed = aurora.propose_agreement(&agreement).await.unwrap();
        let reviewed = dune.review_agreement(proposed.id).await.unwrap();
        dune.countersign_agreement(&reviewed).await.unwrap();
        let with = DUNE.parse().unwrap();
        while aurora.agreement_in_force(&with).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let quotes = [
            (Some(date), exchange().expiring(date).give(points("400")).await.unwrap()),
            (None, exchange().give(points("400")).await.unwrap()),
        ];
        for (number, (at, quote)) in quotes.iter().enumerate() {
            let expiry = Some(CarriedExpiry { at: *at });
            assert_eq!(quote.expiry, expiry);
            let id = order(&aurora, quote, &format!("carried-{number}")).await;
            let made = ended(&aurora, id).await;
            assert_eq!((made.state, made.expiry), (TransactionState::Completed, expiry));
            assert_eq!(
                stage.brand.books().await.expiries.get(&id).copied(),
                expiry,
                "the credit call"
            );
            // Both brands' receipt, from what was signed.
            for client in [&aurora, &dune] {
                let seen = client.transaction(id).await.unwrap().receipt.unwrap();
                let verified = client.verify_receipt(&seen).await.unwrap();
                assert_eq!(verified.receipt().expiry, expiry);
            }
        }
        // The other way round the date is the other brand's to say.
        let home = dune.exchange(reader("R-1"), miles.clone()).expiring(date);
        let quote = home.give(points("20")).await.unwrap();
        let id = order(&dune, &quote, "home").await;
        let made = ended(&dune, id).await;
        assert_eq!(made.expiry, Some(CarriedExpiry { at: Some(date) }));
        let back = turn_round(&aurora, id, "back", None).await;
        assert_eq!(ended(&aurora, back.id).await.expiry, None, "the original says it");
        // What buys a benefit has no date.
        let price = aurora.redeem(miles.clone(), book("atlas", "20", "5")).await.unwrap();
        assert_eq!(price.expiry, None);
    });
    stage.alliance.assert_audit_clean();
}

#[test]
fn a_date_is_carried_over_to_the_brand_that_gives_on_sqlite() {
    a_date_is_carried_over_to_the_brand_that_gives(Engine::Sqlite);
}

#[test]
fn a_date_is_carried_over_to_the_brand_that_gives_on_postgres() {
    a_date_is_carried_over_to_the_brand_that_gives(Engine::Postgres);
}
