//! Settlement windows in real runs: orders race with closing on one gateway and on two, and
//! gateways are killed while they settle. A window from its closing to what the bank says, as an
//! accountant meets it.

use std::process::Output;
use std::time::{Duration, Instant};

use alliance_contracts::event::{EventType, StatementEvent};
use alliance_contracts::key_list::KeyList;
use alliance_contracts::window::WindowState;
use alliance_partner_sdk::Client;
use alliance_partner_sdk::verify::statement::{Statement, StatementFault, VerifiedStatement};
use alliance_partner_sdk::verify::{TrustedKeys, VerifiedReceipt};
use alliance_settlement::receipts::StoredReceipt;
use alliance_settlement::store::{self, Store};
use alliance_settlement::windows::WindowRecord;
use futures_util::stream::{self, StreamExt};
use serde_json::Value;

use crate::harness::{Alliance, Engine, Gateway, block_on, quote};
use crate::statement_files::{check_pages, check_workbook, file};

const AURORA: &str = "aurora-air";
const BOREALIS: &str = "borealis-coffee";

/// A window a second, and shares of the fees.
fn settling(name: &str, engine: Engine) -> Alliance {
    let alliance = Alliance::new(name, engine);
    let file = alliance.dir().join("alliance.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str("\n[settlement]\nschedule = \"* * * * * *\"\n\n[[revenue]]\nshare = \"0.3\"\n");
    std::fs::write(&file, text).unwrap();
    alliance
}

async fn open(alliance: &Alliance) -> std::sync::Arc<dyn Store> {
    let file = alliance.dir().join("alliance.db");
    let url = alliance.database().map_or_else(|| format!("sqlite:{}", file.display()), Into::into);
    store::open(&url, "demo".parse().unwrap()).await.unwrap()
}

async fn windows(store: &dyn Store) -> Vec<WindowRecord> {
    let mut windows = store.windows(u64::MAX, 10_000).await.unwrap();
    windows.reverse();
    windows
}

/// Orders in both directions over all gateways for a while; how many were made.
fn trade(alliance: &Alliance, gateways: &[&Gateway], wave: &str, seconds: u64) -> usize {
    let pairs = alliance.pairs("aurora", "borealis");
    let aurora: Vec<_> = gateways.iter().map(|g| alliance.client(AURORA, g)).collect();
    let borealis: Vec<_> = gateways.iter().map(|g| alliance.client(BOREALIS, g)).collect();
    let until = Instant::now() + Duration::from_secs(seconds);
    let order = |n: usize| {
        let (forth, pair) = (!n.is_multiple_of(3), &pairs[n % pairs.len()]);
        let client = if forth { &aurora[n % aurora.len()] } else { &borealis[n % borealis.len()] };
        let turned = (pair.1.clone(), pair.0.clone());
        let reference = format!("{wave}-{n}").parse().unwrap();
        async move {
            let pair = if forth { pair } else { &turned };
            let quote = quote(client, pair, "3").await;
            client.transact(&quote, reference).send().await.is_ok()
        }
    };
    block_on(async {
        let numbers = stream::iter(0..).take_while(|_| {
            let goes_on = Instant::now() < until;
            async move { goes_on }
        });
        numbers
            .map(order)
            .buffer_unordered(16)
            .filter(|made| {
                let made = *made;
                async move { made }
            })
            .count()
            .await
    })
}

/// Every window that is closed is netted, and all that follows is posted.
async fn wait_until_netted(store: &dyn Store) {
    for _ in 0..600 {
        let windows = windows(store).await;
        let waits = |w: &WindowRecord| {
            w.state == WindowState::Closed || w.to_post.is_some_and(|left| left > 0)
        };
        if windows.iter().filter(|w| waits(w)).count() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("windows wait to be netted: {:?}", windows(store).await);
}

/// Numbers without a gap, each time of the schedule once, every order in one window.
async fn check(store: &dyn Store, orders: usize) {
    let windows = windows(store).await;
    assert!(windows.len() >= 4, "{windows:?}");
    let (mut slots, mut receipts) = (Vec::new(), 0);
    for (window, number) in windows.iter().zip(1..) {
        assert_eq!(window.number, number);
        slots.extend(window.slot);
        for range in store.window_ranges(window.id, None, 1_000).await.unwrap() {
            if range.corridor.as_str() == "aurora-air~borealis-coffee" {
                receipts += usize::try_from(range.seq - range.after).unwrap();
            }
        }
        assert_eq!(
            window.state == WindowState::Open,
            usize::try_from(number).unwrap() == windows.len()
        );
    }
    assert!(slots.windows(2).all(|two| two[0] < two[1]), "each time once: {slots:?}");
    assert_eq!(slots.len(), windows.len() - 1);
    // Windows closed on after the last order: nothing is left in the open one.
    assert_eq!(receipts, orders);
    let shared = windows.iter().filter(|w| w.to_post == Some(0) && w.netted_at.is_some()).count();
    assert_eq!(shared, windows.len() - 1);
}

fn orders_race_with_closing(engine: Engine, gateways: usize) {
    let alliance = settling("closing", engine);
    let gateways: Vec<Gateway> = (0..gateways).map(|_| alliance.serve()).collect();
    let all: Vec<&Gateway> = gateways.iter().collect();
    let orders = trade(&alliance, &all, "race", 6);
    assert!(orders > 20, "{orders}");
    // One more window, for the last of them.
    std::thread::sleep(Duration::from_millis(1_500));
    for gateway in gateways {
        assert_eq!(gateway.terminate(), Some(0));
    }
    block_on(async {
        let store = open(&alliance).await;
        let left: Vec<_> = windows(store.as_ref()).await;
        let netted = left.iter().filter(|w| w.netted_at.is_some()).count();
        assert!(netted > 1, "{left:?}");
        store.close().await;
    });
    alliance.assert_audit_clean();
    // What the end has left open, the next start goes on with.
    let gateway = alliance.serve();
    block_on(async {
        let store = open(&alliance).await;
        wait_until_netted(store.as_ref()).await;
        store.close().await;
    });
    assert_eq!(gateway.terminate(), Some(0));
    block_on(async {
        let store = open(&alliance).await;
        check(store.as_ref(), orders).await;
        store.close().await;
    });
    alliance.assert_audit_clean();
}

#[test]
fn orders_race_with_closing_on_sqlite() {
    orders_race_with_closing(Engine::Sqlite, 1);
}

#[test]
fn orders_race_with_closing_over_two_gateways_on_postgres() {
    orders_race_with_closing(Engine::Postgres, 2);
}

/// Killed again and again while windows are closed, netted and shared: nothing is done twice, and
/// nothing is left out.
fn a_gateway_is_killed_while_it_settles(engine: Engine) {
    let alliance = settling("killed", engine);
    let mut orders = 0;
    for round in 0..6 {
        let gateway = alliance.serve();
        orders += trade(&alliance, &[&gateway], &format!("round-{round}"), 1);
        // At another place of a second each time.
        std::thread::sleep(Duration::from_millis(170 * (round % 6)));
        gateway.kill();
    }
    let gateway = alliance.serve();
    block_on(async {
        let store = open(&alliance).await;
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        wait_until_netted(store.as_ref()).await;
        store.close().await;
    });
    assert_eq!(gateway.terminate(), Some(0));
    assert!(orders > 10, "{orders}");
    alliance.assert_audit_clean();
}

#[test]
fn a_gateway_is_killed_while_it_settles_on_sqlite() {
    a_gateway_is_killed_while_it_settles(Engine::Sqlite);
}

#[test]
fn a_gateway_is_killed_while_it_settles_on_postgres() {
    a_gateway_is_killed_while_it_settles(Engine::Postgres);
}

/// The demo's brands with accounts, and a few orders; the gateway has ended.
fn with_accounts(name: &str, engine: Engine) -> Alliance {
    let alliance = Alliance::new(name, engine);
    let file = alliance.dir().join("alliance.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for partner in ["aurora-air", "borealis-coffee", "cedar-hotels", "dune-books"] {
        let account = format!(
            "partner = \"{partner}\"\naccount = {{ name = \"{partner} Ltd\", country = \"CN\", \
             other = \"ACCT-{partner}\", bic = \"BKCHCNBJ\" }}"
        );
        // Its own table comes first; programs name it later.
        text = text.replacen(&format!("partner = \"{partner}\""), &account, 1);
    }
    text.push_str(
        "\n[settlement]\ndays = 2\ncalendars = [\"cn\"]\ntime_zone = \"Asia/Shanghai\"\n\
         account = { name = \"Alliance Clearing\", country = \"CN\", other = \"ACCT-alliance\", \
         bic = \"BKCHCNBJ\" }\n",
    );
    std::fs::write(&file, text).unwrap();
    let gateway = alliance.serve();
    assert!(trade(&alliance, &[&gateway], name, 1) > 3);
    assert_eq!(gateway.terminate(), Some(0));
    alliance
}

fn text(output: &Output) -> String {
    let [out, error] = [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b));
    format!("{out}{error}")
}

/// Runs `alliance settle …`, which must end well.
fn settle(alliance: &Alliance, args: &[&str]) -> String {
    let output = alliance.run(&[&["settle"], args].concat());
    assert!(output.status.success(), "{args:?}: {}", text(&output));
    text(&output)
}

fn settle_json(alliance: &Alliance, args: &[&str]) -> Value {
    serde_json::from_str(&settle(alliance, &[args, &["--json"]].concat())).unwrap()
}

/// What a bank says of a payment: it left the debtor's account.
fn camt(payments: &[Value], reference: &str) -> String {
    let entries: String = payments
        .iter()
        .map(|one| {
            let part = |name: &str| one[name].as_str().unwrap().to_owned();
            format!(
                "<Ntfctn><Id>{id}</Id><Acct><Id><Othr><Id>ACCT-{debtor}</Id></Othr></Id></Acct><Ntry>\
                 <Amt Ccy=\"CNY\">{amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>\
                 <BookgDt><Dt>2026-11-27</Dt></BookgDt><AcctSvcrRef>{reference}-{id}</AcctSvcrRef>\
                 <BkTxCd/><NtryDtls><TxDtls><Refs><EndToEndId>{id}</EndToEndId></Refs></TxDtls>\
                 </NtryDtls></Ntry></Ntfctn>",
                id = part("end_to_end_id"),
                debtor = part("debtor"),
                amount = part("amount"),
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08\"><BkToCstmrDbtCdtNtfctn>\
         <GrpHdr><MsgId>{reference}</MsgId><CreDtTm>2026-11-27T10:15:00Z</CreDtTm></GrpHdr>{entries}\
         </BkToCstmrDbtCdtNtfctn></Document>"
    )
}

/// Each partner's own receipts come to the digits of its statement, and its files say the same.
fn check_statements(alliance: &Alliance, window: &str) {
    let out = alliance.dir().join(format!("statements-{window}"));
    let ask = || settle_json(alliance, &["statement", window, "--out", out.to_str().unwrap()]);
    let issued = ask();
    let bytes = |issued: &Value| -> Vec<Vec<u8>> {
        let statements = issued["statements"].as_array().unwrap().iter();
        let files = statements.flat_map(|one| one["files"].as_array().unwrap());
        files.map(|file| std::fs::read(file.as_str().unwrap()).unwrap()).collect()
    };
    let first = bytes(&issued);
    assert_eq!(ask(), issued, "drawn up again, it is the same");
    assert!(bytes(&issued) == first, "to the byte, in every file");
    let chinese = alliance.dir().join(format!("statements-{window}-zh"));
    let chinese = ["statement", window, "--language", "zh-CN", "--out", chinese.to_str().unwrap()];
    let chinese = settle_json(alliance, &chinese);
    let shown = settle_json(alliance, &["show", window]);
    let list = std::fs::read(alliance.dir().join("jwks.json")).unwrap();
    let list: KeyList = serde_json::from_slice(&list).unwrap();
    let keys = list.trust_without_root().unwrap();
    let statements = issued["statements"].as_array().unwrap();
    assert!(statements.len() > 1);
    for (at, one) in statements.iter().enumerate() {
        let (stated, lines) = (&one["statement"], shown["lines"].as_array().unwrap());
        let line = lines.iter().find(|line| line["party"] == stated["partner"]).unwrap();
        for figure in ["opening", "activity", "net", "payment", "carried"] {
            assert_eq!(stated[figure], line[figure], "{figure}");
        }
        let ndjson = std::fs::read_to_string(file(one, ".ndjson")).unwrap();
        let mut written: Vec<Value> =
            ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let jws = written.pop().unwrap()["statement"].as_str().unwrap().to_owned();
        let verified = VerifiedStatement::verify(&jws, &keys).unwrap();
        assert_eq!(&serde_json::to_value(verified.statement()).unwrap(), stated);
        let receipts = receipts_of(alliance, verified.statement(), &keys);
        let mut recomputation = verified.recompute();
        let take = |receipt| recomputation.take(receipt).unwrap();
        let own: Vec<Value> =
            receipts.iter().map(take).map(|line| serde_json::json!({ "line": line })).collect();
        recomputation.finish().unwrap();
        assert_eq!(written, own);
        check_workbook(file(one, ".en.xlsx"), stated, &own);
        check_pages(file(one, ".en.pdf"), stated, &jws, &["Settlement statement", "Proof"]);
        let pages = file(&chinese["statements"][at], ".zh-CN.pdf");
        check_pages(pages, stated, &jws, &["结算单", "净头寸", "证明"]);
        if let [first, second, ..] = &receipts[..] {
            assert!(verified.recompute().take(second).is_err(), "one was left out");
            let mut short = verified.recompute();
            short.take(first).unwrap();
            assert!(matches!(short.finish(), Err(StatementFault::Missing { .. })));
        }
        let csv = std::fs::read_to_string(file(one, ".csv")).unwrap();
        let rows: Vec<Vec<&str>> = csv.lines().map(|row| row.split(',').collect()).collect();
        let (end, rows) = rows.split_last().unwrap();
        let count = own.len().to_string();
        let amount = stated["activity"].as_str().unwrap();
        assert_eq!((end[0], end[3], end[8]), ("<END>", count.as_str(), amount));
        assert_eq!(rows.len() - 1, own.len());
        for (row, line) in rows[1..].iter().zip(&own) {
            assert_eq!(
                (row[0], row[8]),
                (
                    line["line"]["receipt"].as_str().unwrap(),
                    line["line"]["amount"].as_str().unwrap(),
                )
            );
        }
    }
}

/// Every partner, from its own side of the wire: the windows, and the statements of those that were
/// netted, which the receipts that it downloads come to.
fn partners_compute_their_statements_again(alliance: &Alliance) {
    let gateway = alliance.serve();
    block_on(async {
        for partner in [AURORA, BOREALIS] {
            let client = alliance.client(partner, &gateway);
            let mut windows = client.windows(0, 2).await.unwrap();
            assert_eq!((windows.items.len(), windows.more, windows.next_after), (2, true, Some(2)));
            windows.items.extend(client.windows(2, 100).await.unwrap().items);
            let (open, netted) = windows.items.split_last().unwrap();
            assert_eq!((open.number, open.state), (3, WindowState::Open));
            assert_eq!(client.window(open.id).await.unwrap(), *open);
            let early = client.statement(open.id).await.unwrap_err();
            assert!(early.to_string().contains("window 3 is open"), "{early}");
            let told = issued_to(&client).await;
            let mut before = None;
            assert_eq!(told.len(), netted.len(), "each statement is told once");
            for (window, told) in netted.iter().zip(told) {
                let verified = client.statement(window.id).await.unwrap();
                let lines = client.recompute_statement(&verified).await.unwrap();
                let stated = verified.statement();
                assert_eq!((told.id, told.window), (stated.id, window.id));
                assert_eq!((told.net, told.payment), (stated.net, stated.payment));
                assert!(!lines.is_empty());
                assert_eq!(lines.len() as u64, stated.totals.lines);
                let sum: i128 = lines.iter().map(|line| line.amount.micros()).sum();
                assert_eq!(sum, stated.activity.micros());
                assert!(before.is_none_or(|carried| carried == stated.opening));
                before = Some(stated.carried);
            }
        }
    });
    assert_eq!(gateway.terminate(), Some(0));
}

/// The window again under other terms: nothing is created, and nothing is changed.
fn what_if(alliance: &Alliance) {
    let shown = settle_json(alliance, &["show", "1"]);
    let micros = |total: &Value| {
        alliance_contracts::total::Total::micros(total.as_str().unwrap().parse().unwrap())
    };
    let ask = |args: &[&str]| {
        let other = settle_json(alliance, &[&["what-if", "1"], args].concat());
        let lines = other["lines"].as_array().unwrap().clone();
        for line in &lines {
            let own = |own: &&Value| own["party"] == line["party"];
            let kept = shown["lines"].as_array().unwrap().iter().find(own).unwrap();
            assert_eq!(kept["net"], line["net_was"], "as it was netted");
        }
        assert_eq!(lines.iter().map(|line| micros(&line["difference"])).sum::<i128>(), 0);
        let differ = lines.iter().filter(|line| line["difference"] != "0").count();
        (other, differ)
    };
    let (same, differ) = ask(&["--fee-times", "1"]);
    assert_eq!((differ, &same["was"]), (0, &same["then"]));
    let (bilateral, differ) = ask(&["--netting", "bilateral"]);
    assert_eq!(differ, 0, "nobody's net follows from how it is paid");
    assert!(micros(&bilateral["then"]["moved"]) >= micros(&bilateral["was"]["moved"]));
    let (free, differ) = ask(&["--fee-times", "0"]);
    assert!(differ > 0 && free["was"]["fees"] != "0");
    assert_eq!(free["then"]["fees"], "0");
    let (capped, _) = ask(&["--cap", "0"]);
    assert!(capped["refused_by_cap"].as_u64().unwrap() > 0);
    for wrong in [&["1"][..], &["2", "--fee", "0"], &["1", "--fee", "1"], &["1", "--value", "x=1"]]
    {
        let refused = alliance.run(&[&["settle", "what-if"], wrong].concat());
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}: {}", text(&refused));
    }
}

/// Whoever owes most does not pay: what it owes is borne, to the last unit.
fn stress(alliance: &Alliance) {
    let shown = settle_json(alliance, &["show", "1"]);
    let micros = |total: &Value| {
        alliance_contracts::total::Total::micros(total.as_str().unwrap().parse().unwrap())
    };
    let partners = shown["lines"].as_array().unwrap().iter().filter(|l| l["party"] != "alliance");
    let most = partners.min_by_key(|line| micros(&line["net"])).unwrap();
    let (name, owed) = (most["party"].as_str().unwrap(), -micros(&most["net"]));
    assert!(owed > 1_000_000, "{shown}");
    let ask = |more: &[&str]| {
        settle_json(alliance, &[&["stress", "1", "--partner", name][..], more].concat())
    };
    let bare = ask(&[]);
    assert_eq!(
        (&bare["fallen"][0]["partner"], &bare["fallen"][0]["round"]),
        (&most["party"], &1.into())
    );
    assert_eq!(micros(&bare["fallen"][0]["owed"]), owed);
    assert_eq!(micros(&bare["fallen"][0]["shared"]), owed);
    let borne: i128 =
        bare["partners"].as_array().unwrap().iter().map(|one| micros(&one["loss"])).sum();
    let all: i128 =
        bare["fallen"].as_array().unwrap().iter().map(|one| micros(&one["shared"])).sum();
    assert_eq!(borne, all);
    let prefunded = ask(&["--prefunding", &format!("{name}=1")]);
    assert_eq!(prefunded["fallen"][0]["prefunding"], "1");
    assert_eq!(micros(&prefunded["fallen"][0]["shared"]), owed - 1_000_000);
    let unknown = alliance.run(&["settle", "stress", "1", "--partner", "nobody-here"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", text(&unknown));
}

/// What a partner's feed says of statements.
async fn issued_to(client: &Client) -> Vec<StatementEvent> {
    let (mut after, mut issued) = (None, Vec::new());
    loop {
        let page = client.events(after.as_ref(), 1_000).await.unwrap();
        let statements =
            page.items.iter().filter(|event| event.r#type == EventType::StatementIssued);
        issued.extend(statements.map(|event| event.data::<StatementEvent>().unwrap()));
        if page.items.len() < 1_000 {
            return issued;
        }
        after = Some(page.next_after);
    }
}

fn receipts_of(
    alliance: &Alliance,
    statement: &Statement,
    keys: &TrustedKeys,
) -> Vec<VerifiedReceipt> {
    block_on(async {
        let store = open(alliance).await;
        let mut receipts = Vec::new();
        for range in &statement.ranges {
            let count = u32::try_from(range.seq - range.after).unwrap();
            let page = store.receipts(&range.corridor, range.after, count).await.unwrap();
            let verify = |one: &StoredReceipt| VerifiedReceipt::verify(&one.jws(), keys).unwrap();
            receipts.extend(page.iter().map(verify));
        }
        receipts
    })
}

fn a_window_is_settled_by_two_people_and_a_bank(engine: Engine) {
    let alliance = with_accounts("accountant", engine);
    let closed = settle_json(&alliance, &["close", "--as", "lin.wei"]);
    assert_eq!((&closed["closed"], &closed["window"]["state"]), (&true.into(), &"netted".into()));
    let payments = closed["window"]["payments"].as_array().unwrap().clone();
    assert!(!payments.is_empty());

    // The certificate is proved by the command that needs no books.
    let folder = alliance.dir();
    let certificate = folder.join("netting.json");
    let path = certificate.to_str().unwrap();
    settle(&alliance, &["certificate", "1", "--out", path]);
    let checked = crate::harness::alliance(&["settle", "check", path]);
    assert!(checked.status.success(), "{}", text(&checked));

    what_if(&alliance);
    stress(&alliance);

    // Files for banks only once two people have agreed.
    let out = folder.join("payments");
    let out = out.to_str().unwrap();
    let early = alliance.run(&["settle", "payments", "1", "--out", out]);
    assert_eq!(early.status.code(), Some(2), "{}", text(&early));
    let first = settle_json(&alliance, &["release", "1", "--as", "lin.wei"]);
    let again = settle_json(&alliance, &["release", "1", "--as", "Lin.Wei"]);
    assert_eq!(
        (&first, &first["carried_out"]),
        (&again, &false.into()),
        "one person is one person"
    );
    let second = settle_json(&alliance, &["release", "1", "--as", "chen.yu"]);
    assert_eq!(second["carried_out"], true);
    let written = settle_json(&alliance, &["payments", "1", "--out", out]);
    let files = written["files"].as_array().unwrap();
    assert!(!files.is_empty());
    for file in files {
        let file = std::fs::read_to_string(file.as_str().unwrap()).unwrap();
        assert!(file.contains("pain.001.001.09"), "{file}");
    }
    let rewritten = settle_json(&alliance, &["payments", "1", "--out", out]);
    assert_eq!(rewritten, written);

    // All but the last, then all: the same entry counts once.
    let some = folder.join("some.xml");
    std::fs::write(&some, camt(&payments[1..], "B")).unwrap();
    let some = some.to_str().unwrap();
    let taken = settle_json(&alliance, &["import-bank", some, "--as", "lin.wei"]);
    assert_eq!(taken[0]["settled"], serde_json::json!([]));
    let twice = settle_json(&alliance, &["import-bank", some, "--as", "lin.wei"]);
    assert_eq!(twice[0]["before"], true);
    let all = folder.join("all.xml");
    std::fs::write(&all, camt(&payments, "B")).unwrap();
    let taken = settle_json(&alliance, &["import-bank", all.to_str().unwrap(), "--as", "lin.wei"]);
    assert_eq!(taken[0]["settled"], serde_json::json!([1]), "{taken}");
    let became: Vec<&str> = taken[0]["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["became"].as_str().unwrap())
        .collect();
    assert_eq!(became[0], "paid");
    assert!(became[1..].iter().all(|became| *became == "told before"), "{became:?}");

    // What is left is what was carried.
    let shown = settle_json(&alliance, &["show", "1"]);
    assert_eq!(shown["state"], "settled");
    alliance.assert_audit_clean();
    settle(&alliance, &["close", "--as", "lin.wei"]);
    let next = settle_json(&alliance, &["show", "2"]);
    for (before, after) in
        shown["lines"].as_array().unwrap().iter().zip(next["lines"].as_array().unwrap())
    {
        assert_eq!(before["carried"], after["opening"]);
    }
    assert_eq!(next["state"], "settled", "nothing is paid for it");
    check_statements(&alliance, "1");
    check_statements(&alliance, "2");
    let status = settle(&alliance, &["status"]);
    assert!(status.contains("takes receipts"), "{status}");
    partners_compute_their_statements_again(&alliance);
    alliance.assert_audit_clean();
}

#[test]
fn a_window_is_settled_by_two_people_and_a_bank_on_sqlite() {
    a_window_is_settled_by_two_people_and_a_bank(Engine::Sqlite);
}

#[test]
fn a_window_is_settled_by_two_people_and_a_bank_on_postgres() {
    a_window_is_settled_by_two_people_and_a_bank(Engine::Postgres);
}

#[test]
fn an_aborted_windows_obligations_are_paid_with_the_next() {
    let alliance = with_accounts("aborted", Engine::Sqlite);
    let first = settle_json(&alliance, &["close", "--as", "lin.wei"]);
    let without = alliance.run(&["settle", "abort", "1", "--as", "lin.wei"]);
    assert_eq!(without.status.code(), Some(1), "{}", text(&without));
    assert!(text(&without).contains("say why"), "{}", text(&without));
    settle(&alliance, &["abort", "1", "--why", "cedar disputes it", "--as", "lin.wei"]);
    let done = settle_json(&alliance, &["abort", "1", "--as", "chen.yu"]);
    assert_eq!(done["carried_out"], true);
    let second = settle_json(&alliance, &["close", "--as", "lin.wei"]);
    let money = |shown: &Value| -> Vec<(Value, Value)> {
        let lines = shown["window"]["lines"].as_array().unwrap();
        lines.iter().map(|line| (line["party"].clone(), line["net"].clone())).collect()
    };
    assert_eq!(money(&first), money(&second), "nothing was traded meanwhile");
    let shown = settle_json(&alliance, &["show", "1"]);
    assert_eq!(
        (&shown["state"], &shown["carried_into"]),
        (&"aborted".into(), &second["window"]["id"])
    );
    let late = alliance.run(&["settle", "release", "1", "--as", "lin.wei"]);
    assert!(text(&late).contains("window 1 is aborted"), "{}", text(&late));
    alliance.assert_audit_clean();
}

/// A year that was published later: into alliance.toml, once, with what was known before.
#[test]
fn published_business_days_are_taken_in() {
    let alliance = with_accounts("calendar", Engine::Sqlite);
    let year = |holiday: &str| {
        format!(
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:{holiday}\r\n\
             SUMMARY:\"元旦\" New Year\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    };
    let file = alliance.dir().join("cn-2027.ics");
    let path = file.to_str().unwrap().to_owned();
    let ask = ["calendar", &path, "--calendar", "cn", "--from", "2027-01-01"];
    let config = || std::fs::read_to_string(alliance.dir().join("alliance.toml")).unwrap();
    let before = config();
    for holiday in ["20270101", "20270104"] {
        std::fs::write(&file, year(holiday)).unwrap();
        let taken = settle_json(&alliance, &[&ask[..], &["--until", "2027-12-31"]].concat());
        assert_eq!(taken["published_from"], "2025-01-01");
        assert_eq!(taken["published_until"], "2027-12-31");
        assert!(config().starts_with(&before), "what people wrote stays");
        assert_eq!(config().matches("[[calendars]]").count(), 1);
        // 2026 as it was shipped, 2027 as it was imported: replaced, not added to.
        assert!(config().contains("2026-10-01"));
        assert_eq!(config().matches("元旦\\\" New Year").count(), 1);
    }
    let known = config();
    for wrong in [
        &ask[..],
        &["calendar", &path, "--calendar", "cn", "--from", "2029-01-01", "--until", "2029-12-31"],
        &["calendar", &path, "--calendar", "cn", "--from", "2027-06-01", "--until", "2027-12-31"],
        &["calendar", "nowhere.json"],
    ] {
        let refused = alliance.run(&[&["settle"], wrong].concat());
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}: {}", text(&refused));
    }
    assert_eq!(config(), known);
    let audit = alliance.run(&["audit"]);
    assert!(audit.status.success(), "{}", text(&audit));
}
