//! Members with the real binary, on both databases: a forgotten one is nowhere any more — not in a
//! table, not in a file, not in the log, the metrics or an export — and every chain still verifies.

use std::io::{Read, Write};
use std::net::TcpStream;

use alliance_contracts::encoding::{base64url_encode, hex_encode};
use alliance_contracts::link::{Consent, LinkRequest};
use alliance_contracts::member::SignedErasure;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{MemberAccount, TransactionKind};
use alliance_partner_sdk::Error;
use alliance_partner_sdk::client::{Client, account};
use alliance_partner_sdk::contracts::names::{Corridor, SourceReference};
use futures_util::TryStreamExt;

use crate::harness::{Alliance, Engine, Gateway, alliance, alliance_ok, block_on, free_port, psql};

/// A name that stands nowhere by chance.
const NAME: &str = "FORGET.ME-4711";
const OTHER: &str = "KEEP.ME-4712";

/// The name as a text, and as it would stand in hex and in base64url, wherever it began.
fn needles(name: &str) -> Vec<String> {
    let shifted = (0..3).map(|shift| {
        let mut bytes = vec![b' '; shift];
        bytes.extend_from_slice(name.as_bytes());
        let text = base64url_encode(&bytes);
        // What the bytes before and after it touch is left out.
        let from = if shift == 0 { 0 } else { shift + 1 };
        text[from..text.len() - 2].to_owned()
    });
    [name.to_owned(), hex_encode(name.as_bytes())].into_iter().chain(shifted).collect()
}

/// Where the name stands.
fn found(places: &[(String, Vec<u8>)], name: &str) -> Vec<String> {
    let needles = needles(name);
    let stands = |bytes: &[u8]| {
        needles.iter().any(|needle| {
            let needle = needle.as_bytes();
            bytes.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
        })
    };
    places.iter().filter(|(_, bytes)| stands(bytes)).map(|(place, _)| place.clone()).collect()
}

/// Every table, as text; of SQLite the files themselves.
fn tables(world: &Alliance) -> Vec<(String, Vec<u8>)> {
    let Some(url) = world.database() else {
        let files = std::fs::read_dir(world.dir()).unwrap().map(|entry| entry.unwrap().path());
        let books =
            files.filter(|file| file.file_name().unwrap().to_str().unwrap().contains(".db"));
        let read =
            |file: std::path::PathBuf| (file.display().to_string(), std::fs::read(&file).unwrap());
        let books: Vec<_> = books.map(read).collect();
        assert!(!books.is_empty());
        return books;
    };
    let names = psql(
        url,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' \
         AND table_type = 'BASE TABLE'",
    );
    let rows = |table: &str| psql(url, &format!("SELECT t::text FROM \"{table}\" t"));
    let tables: Vec<_> =
        names.lines().map(|table| (table.to_owned(), rows(table).into_bytes())).collect();
    assert!(tables.len() > 20, "{names}");
    tables
}

fn metrics(address: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    let asked = b"GET /metrics HTTP/1.1\r\nhost: metrics\r\nconnection: close\r\n\r\n";
    stream.write_all(asked).unwrap();
    let mut text = Vec::new();
    stream.read_to_end(&mut text).unwrap();
    assert!(text.windows(16).any(|bytes| bytes == b"alliance_orders_"), "these are the metrics");
    text
}

/// An alliance with one more person, and a gateway that logs more than it has to.
fn with_person(engine: Engine) -> (Alliance, Gateway, String) {
    let world = Alliance::new("members", engine);
    world.publish_by_hand();
    for (what, header, row) in [
        ("members", "program,member,balance", format!("aurora,{NAME},5000\nborealis,{OTHER},10")),
        (
            "links",
            "program,member,linked_program,linked_member",
            format!("aurora,{NAME},borealis,{OTHER}"),
        ),
    ] {
        // Outside of what is searched: these files are the operator's.
        let file = world.dir().parent().unwrap().join(format!("more-{what}.csv"));
        std::fs::write(&file, format!("{header}\n{row}\n")).unwrap();
        let done = world.run(&[what, "import", file.to_str().unwrap()]);
        assert!(done.status.success(), "{done:?}");
        std::fs::remove_file(file).unwrap();
    }
    let address = format!("127.0.0.1:{}", free_port());
    let mut args = world.args();
    args.extend(["--metrics-listen", &address, "--log", "debug"].map(ToOwned::to_owned));
    let gateway = Gateway::start(&args);
    (world, gateway, address)
}

/// `client.toml` of a partner, with the address that the gateway has now.
fn settings(world: &Alliance, gateway: &Gateway, partner: &str) -> String {
    let folder = world.dir().join("partners").join(partner);
    let text = std::fs::read_to_string(folder.join("client.toml")).unwrap();
    let line = text.lines().find(|line| line.starts_with("gateway = ")).unwrap();
    let file = folder.join("now.toml");
    std::fs::write(&file, text.replace(line, &format!("gateway = \"{}\"", gateway.url()))).unwrap();
    file.to_str().unwrap().to_owned()
}

fn person() -> (MemberAccount, MemberAccount) {
    (account("aurora", NAME).unwrap(), account("borealis", OTHER).unwrap())
}

fn refused(error: Error) -> ProblemCode {
    match error {
        Error::Refused(problem) => problem.code,
        other => panic!("{other}"),
    }
}

/// Everything that can be done about a member, so that its name has come by everywhere.
async fn live(aurora: &Client, borealis: &Client) -> String {
    let (mine, theirs) = person();
    let quote = aurora.exchange(mine.clone(), theirs.clone()).give("1000".parse().unwrap());
    let quote = quote.await.unwrap();
    let reference: SourceReference = "first".parse().unwrap();
    let order =
        aurora.transact(&quote, reference.clone()).idempotency_key("first".parse().unwrap());
    let done = order.await.unwrap();
    assert_eq!(done.source.member().unwrap().as_deref(), Some(NAME));
    let quote = aurora.exchange(mine.clone(), theirs.clone()).give("500".parse().unwrap());
    let quote = quote.await.unwrap();
    let batch = aurora.transact_batch().order(&quote, "second".parse().unwrap()).send().await;
    assert!(batch.unwrap().into_iter().all(|answer| answer.outcome.is_ok()));
    let reason = "customer_request".parse().unwrap();
    borealis.reverse(done.id, "back".parse().unwrap(), reason).await.unwrap();
    // Orders and links that are refused, and one that nobody confirms.
    let stranger = account("borealis", "nobody").unwrap();
    let quote = aurora.exchange(mine.clone(), stranger).give("500".parse().unwrap()).await.unwrap();
    let nobody = aurora.transact(&quote, "third".parse().unwrap()).await.unwrap_err();
    assert_eq!(refused(nobody), ProblemCode::MembersNotLinked);
    let consent = Consent { scope: vec![TransactionKind::Exchange], until: None };
    let link = LinkRequest { a: mine.clone(), b: theirs, consent };
    borealis.propose_link(&link).await.unwrap();
    aurora.freeze_member(&mine).await.unwrap();
    aurora.unfreeze_member(&mine).await.unwrap();
    aurora.validate_members(mine.program.clone(), vec![mine.member.clone()]).await.unwrap();
    aurora.member_balance(&mine).await.unwrap();
    let chain: Corridor = "aurora-air~borealis-coffee".parse().unwrap();
    aurora.opening(&mine, &chain).await.unwrap();
    quote.token
}

/// What a person sees who looks for a member everywhere.
fn everywhere(world: &Alliance, gateway: &Gateway, metrics_at: &str) -> Vec<(String, Vec<u8>)> {
    let export = world.dir().parent().unwrap().join("export.ndjson");
    let chain = "aurora-air~borealis-coffee";
    let out = export.to_str().unwrap();
    let exported = world.run(&["receipts", "export", "--corridor", chain, "--out", out, "--force"]);
    assert!(exported.status.success(), "{exported:?}");
    let mut places = tables(world);
    places.push(("the log".to_owned(), std::fs::read(&gateway.log).unwrap()));
    places.push(("the metrics".to_owned(), metrics(metrics_at)));
    places.push(("the export".to_owned(), std::fs::read(&export).unwrap()));
    for entry in std::fs::read_dir(world.dir().join("checkpoints")).into_iter().flatten() {
        let file = entry.unwrap().path();
        places.push((file.display().to_string(), std::fs::read(&file).unwrap()));
    }
    assert!(places.iter().all(|(place, bytes)| !bytes.is_empty() || place.len() < 40));
    places
}

fn a_forgotten_member_is_nowhere_any_more(engine: Engine) {
    let (world, gateway, metrics_at) = with_person(engine);
    let (aurora, borealis) =
        (world.client("aurora-air", &gateway), world.client("borealis-coffee", &gateway));
    let last_quote = block_on(live(&aurora, &borealis));
    let client = settings(&world, &gateway, "aurora-air");
    let forget = ["members", "forget", "aurora", NAME, "--client", &client, "--json"];
    let kept = alliance(&forget);
    assert_eq!(kept.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&kept.stdout).contains("say forfeit"), "{kept:?}");
    let erasure = alliance_ok(&[&forget[..], &["--forfeit"]].concat());
    let signed: SignedErasure = serde_json::from_str(&erasure).unwrap();
    // The reversal gave 1000 back: 500 of 5000 were spent.
    assert_eq!(signed.erasure.forfeited.to_string(), "4500");
    let listed = alliance_ok(&["members", "erasures", "--client", &client]);
    assert!(listed.contains(&signed.erasure.id.to_string()) && listed.contains("4500"), "{listed}");
    block_on(async {
        // To be asked for by its name is to be unknown; what it did is answered without one.
        let (mine, theirs) = person();
        assert_eq!(
            refused(aurora.member_balance(&mine).await.unwrap_err()),
            ProblemCode::MemberUnknown
        );
        let quote = aurora.exchange(mine, theirs).give("100".parse().unwrap()).await.unwrap();
        let order = aurora.transact(&quote, "late".parse().unwrap()).await.unwrap_err();
        assert_eq!(refused(order), ProblemCode::MembersNotLinked);
        assert_ne!(quote.token, last_quote);
        let body = serde_json::json!({"quote": "", "source_reference": "first"});
        let replay = aurora.post::<serde_json::Value>("/v1/transactions", &body);
        let replay = replay.idempotency_key("first".parse().unwrap()).await.unwrap_err();
        assert_eq!(refused(replay), ProblemCode::IdempotencyMismatch, "the key is still known");
        let mut receipts = 0;
        let chain: Corridor = "aurora-air~borealis-coffee".parse().unwrap();
        let mut chain = aurora.receipts(&chain).stream();
        while let Some(verified) = chain.try_next().await.unwrap() {
            let id = verified.receipt().transaction;
            let seen = aurora.transaction(id).await.unwrap();
            assert_eq!(seen.source.member(), Some(&None), "{seen:?}");
            receipts += 1;
        }
        assert_eq!(receipts, 3);
    });
    let places = everywhere(&world, &gateway, &metrics_at);
    assert_eq!(found(&places, NAME), Vec::<String>::new());
    assert_eq!(found(&places, OTHER), Vec::<String>::new(), "nor does anybody else stand there");
    world.assert_audit_clean();
    gateway.assert_faultless();
    assert_eq!(gateway.terminate(), Some(0));
    assert_eq!(found(&tables(&world), NAME), Vec::<String>::new());
}

#[test]
fn sqlite_a_forgotten_member_is_nowhere_any_more() {
    a_forgotten_member_is_nowhere_any_more(Engine::Sqlite);
}

#[test]
fn postgres_a_forgotten_member_is_nowhere_any_more() {
    a_forgotten_member_is_nowhere_any_more(Engine::Postgres);
}

/// What is looked for is found where it is: the search itself is looked at.
#[test]
fn a_name_is_found_however_it_is_written() {
    let text = |bytes: &[u8]| vec![("here".to_owned(), bytes.to_vec())];
    assert_eq!(found(&text(format!("x{NAME}y").as_bytes()), NAME), ["here"]);
    assert_eq!(found(&text(hex_encode(NAME.as_bytes()).as_bytes()), NAME), ["here"]);
    for before in ["", "a", "ab", "abc"] {
        let jws = base64url_encode(format!("{before}{NAME}\",\"z\":1").as_bytes());
        assert_eq!(found(&text(jws.as_bytes()), NAME), ["here"], "after {before:?}");
    }
    assert!(found(&text(b"FORGET ME"), NAME).is_empty());
}
