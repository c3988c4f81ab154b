//! An alliance of one's own: four brands, a large members file, many orders, on both engines.
//!
//! In CI with 4,000 members and 800 orders; with `ALLIANCE_REAL_INPUT=full` with 100,000 and
//! 20,000: `ALLIANCE_REAL_INPUT=full tests/run -- --cargo-profile release -E 'test(real_input)'`.

use std::fmt::Write as _;
use std::time::Instant;

use alliance_contracts::names::Corridor;
use alliance_partner_sdk::client::{Client, Error, account};
use futures_util::TryStreamExt;
use futures_util::stream::{self, StreamExt};

use crate::harness::{Engine, Folder, Gateway, alliance_ok, block_on, postgres_database};

const BRANDS: [(&str, &str, &str, &str); 4] = [
    ("delta-rail", "rails", "0.031", "0"),
    ("echo-books", "pages", "0.0125", "1"),
    ("fjord-ferries", "knots", "0.25", "2"),
    ("gale-energy", "watts", "0.004", "0"),
];

fn size() -> (usize, usize) {
    match std::env::var("ALLIANCE_REAL_INPUT").as_deref() {
        Ok("full") => (100_000, 20_000),
        _ => (4_000, 800),
    }
}

/// Four brands with an agreement for each pair, as a person would set them up.
fn set_up(dir: &str, people: usize) {
    alliance_ok(&["init", dir]);
    for (partner, program, value, scale) in BRANDS {
        let add = ["partner", "add", partner, "--name", partner, "--dir", dir];
        let program = ["--program", program, "--value", value, "--scale", scale];
        alliance_ok(&[&add[..], &program].concat());
    }
    let file = format!("{dir}/alliance.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (at, (a, ..)) in BRANDS.iter().enumerate() {
        for (b, ..) in &BRANDS[at + 1..] {
            let _ = write!(text, "\n[[agreements]]\na = \"{a}\"\nb = \"{b}\"\nfee = \"0.0175\"\n");
        }
    }
    std::fs::write(&file, text).unwrap();
    let mut members = String::from("program,member,balance\n");
    let mut links = String::from("program,member,linked_program,linked_member\n");
    for person in 0..people {
        for (_, program, _, _) in BRANDS {
            let _ = writeln!(members, "{program},{program}.{person},{}", 10_000 + person % 977);
        }
        for (a, b) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
            let (a, b) = (BRANDS[a].1, BRANDS[b].1);
            let _ = writeln!(links, "{a},{a}.{person},{b},{b}.{person}");
        }
    }
    std::fs::write(format!("{dir}/members.csv"), members).unwrap();
    std::fs::write(format!("{dir}/links.csv"), links).unwrap();
}

fn client(dir: &str, partner: &str, gateway: &Gateway) -> Client {
    let folder = format!("{dir}/partners/{partner}");
    let text = std::fs::read_to_string(format!("{folder}/client.toml")).unwrap();
    let config: toml::Table = text.parse().unwrap();
    Client::builder(&gateway.url())
        .partner(partner)
        .key_pem(std::fs::read_to_string(format!("{folder}/key.pem")).unwrap())
        .root(config["root"].as_str().unwrap())
        .build()
        .unwrap()
}

fn an_alliance_of_ones_own(engine: Engine) {
    let (rows, orders) = size();
    let folder = Folder::new("real");
    let dir = folder.path().join("alliance");
    let dir = dir.to_str().unwrap();
    let people = rows / BRANDS.len();
    set_up(dir, people);
    let mut args = vec!["--dir", dir];
    let url = (engine == Engine::Postgres).then(postgres_database);
    if let Some(url) = &url {
        args.extend(["--database", url]);
    }
    let run = |command: &[&str]| alliance_ok(&[command, &args[..]].concat());
    let begun = Instant::now();
    run(&["migrate"]);
    run(&["members", "import", &format!("{dir}/members.csv")]);
    run(&["links", "import", &format!("{dir}/links.csv")]);
    println!("{engine:?}: {rows} members and as many links imported in {:?}", begun.elapsed());
    let owned: Vec<String> = args.iter().map(ToString::to_string).collect();
    let gateway = Gateway::start(&owned);
    let clients: Vec<Client> =
        BRANDS.iter().map(|(partner, ..)| client(dir, partner, &gateway)).collect();
    let begun = Instant::now();
    let performed = block_on(async {
        let work = (0..orders).map(|order| {
            let from = order % 4;
            let (source, target) = (BRANDS[from].1, BRANDS[(from + 1) % 4].1);
            let person = order * 7_919 % people;
            let client = clients[from].clone();
            async move {
                let source = account(source, &format!("{source}.{person}")).unwrap();
                let target = account(target, &format!("{target}.{person}")).unwrap();
                let quote = client.exchange(source, target).give("100".parse().unwrap()).await;
                let reference = format!("order-{order}").parse().unwrap();
                match client.transact(&quote.unwrap(), reference).await {
                    Ok(_) => 1,
                    Err(Error::Refused(_)) => 0,
                    Err(other) => panic!("{other:?}"),
                }
            }
        });
        stream::iter(work).buffer_unordered(32).fold(0, |sum, n| async move { sum + n }).await
    });
    let took = begun.elapsed();
    println!("{engine:?}: {performed} of {orders} orders performed in {took:?}");
    assert!(performed > orders * 9 / 10, "{performed} of {orders}");
    let verified = block_on(async {
        let mut verified = 0;
        for (at, (partner, ..)) in BRANDS.iter().enumerate() {
            let other = BRANDS[(at + 1) % 4].0;
            let (one, other) = (partner.parse().unwrap(), other.parse().unwrap());
            let corridor = Corridor::between(&one, &other);
            let receipts = clients[at].receipts(&corridor).page_size(1_000).stream();
            verified += receipts.try_fold(0, |n, _| async move { Ok(n + 1) }).await.unwrap();
        }
        verified
    });
    assert_eq!(verified, performed, "a receipt for each, and none besides");
    assert_eq!(gateway.terminate(), Some(0));
    run(&["audit"]);
}

#[test]
fn four_brands_trade_on_sqlite() {
    an_alliance_of_ones_own(Engine::Sqlite);
}

#[test]
fn four_brands_trade_on_postgres() {
    an_alliance_of_ones_own(Engine::Postgres);
}
