//! How a gateway bears brands that are slow, and one that is dead.
//!
//! ```sh
//! cargo run --release -p alliance-gateway --example pending -- 10000
//! ```
//!
//! One gateway on SQLite, one partner that orders over HTTP with the SDK, three connected brands on
//! loopback, each in a process of its own or not there at all: `good` answers at once, `slow` after
//! two seconds, `dead` takes connections and never answers. It prints how long orders at the good
//! brand wait, alone and beside the others' pending ones, then how the slow one's are worked off
//! and what memory that takes. Bounded: as many orders as are asked for, and a time limit.
#![allow(clippy::print_stdout, reason = "a measurement speaks to whoever takes it")]

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::rt;
use alliance_contracts::encoding::{Hash, base64url_encode};
use alliance_contracts::ids::TransactionId;
use alliance_contracts::key_list::{Jwk, KeyStatement};
use alliance_contracts::keys::{SigningKey, pkcs8_pem_from_seed};
use alliance_contracts::transaction::{Transaction, TransactionState};
use alliance_gateway::draw;
use alliance_gateway::sandbox::SimulatedBrand;
use alliance_gateway::server::limits::LimitSettings;
use alliance_gateway::server::{self, ServerSettings};
use alliance_partner_sdk::client::{Client, account};
use alliance_settlement::clearing_house::{ClearingHouse, Settings};
use futures_util::stream::{self, StreamExt};

type Fallible<T> = Result<T, Box<dyn Error>>;

const GATEWAY: [u8; 32] = [1; 32];
const ROOT: [u8; 32] = [2; 32];
const SHOP: [u8; 32] = [3; 32];
/// The good brand's first byte of seed, and the slow one's.
const BRANDS: [u8; 2] = [4, 5];
/// Orders that are measured each time.
const MEASURED: usize = 400;
/// Orders sent at once.
const AT_ONCE: usize = 16;
/// No run lasts longer.
const LIMIT: Duration = Duration::from_secs(1_800);

fn main() -> Fallible<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("brand") => {
            let number = |at: usize| args.get(at).map_or(Ok(0), |text| text.parse::<u64>());
            brand(number(1)?, u8::try_from(number(2)?)?)
        }
        count => {
            let pending = count.map_or(Ok(10_000), str::parse)?;
            rt::System::new().block_on(measure(pending))
        }
    }
}

/// A brand in a process of its own, until nobody listens to it any more.
fn brand(delay_millis: u64, seed: u8) -> Fallible<()> {
    let gateway = SigningKey::from_seed(&GATEWAY).public_key().clone();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let brand = SimulatedBrand::start(listener, SigningKey::from_seed(&[seed; 32]), gateway)?;
    brand.set_delay(Duration::from_millis(delay_millis));
    println!("{}", brand.connector());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    println!("{}", brand.most_calls_at_once());
    Ok(())
}

struct Brand {
    process: Child,
    out: BufReader<std::process::ChildStdout>,
    connector: String,
}

impl Brand {
    fn start(delay_millis: u64, seed: u8) -> Fallible<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["brand", &delay_millis.to_string(), &seed.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut out = BufReader::new(process.stdout.take().ok_or("no output")?);
        let mut connector = String::new();
        out.read_line(&mut connector)?;
        Ok(Self { process, out, connector: connector.trim().to_owned() })
    }

    /// Ends it: how many calls it has been working on at once.
    fn stop(mut self) -> Fallible<usize> {
        drop(self.process.stdin.take());
        let mut most = String::new();
        self.out.read_line(&mut most)?;
        self.process.wait()?;
        Ok(most.trim().parse()?)
    }
}

async fn measure(pending: usize) -> Fallible<()> {
    let began = Instant::now();
    let (good, slow) = (Brand::start(0, BRANDS[0])?, Brand::start(2_000, BRANDS[1])?);
    // Connections are taken by the kernel, and nobody ever reads them.
    let dead = TcpListener::bind("127.0.0.1:0")?;
    let dead_at = format!("http://{}/alliance", dead.local_addr()?);
    let folder = std::env::temp_dir().join(format!("alliance-pending-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let house = house(&folder, [&good.connector, &slow.connector, &dead_at]).await?;
    let settings = ServerSettings {
        listen: ([127, 0, 0, 1], 0).into(),
        authorities: Vec::new(),
        metrics_listen: None,
        gateway_keys: key_list(),
        limits: LimitSettings::NONE,
        private_webhooks: false,
        sandbox: None,
        workers: 2,
    };
    let server = server::start(house, settings).await?;
    let client = Client::builder(&format!("http://{}", server.address))
        .partner("shop")
        .key_pem(pkcs8_pem_from_seed(&SHOP))
        .root(base64url_encode(SigningKey::from_seed(&ROOT).public_key().as_bytes()))
        .alliance("pending")
        .build()?;

    let alone = waits(&client, "alone", MEASURED).await?;
    let few = resident()?;
    let waiting = orders(&client, "slow", "s", pending).await?;
    let lost = orders(&client, "dead", "d", pending / 10).await?;
    let many = resident()?;
    let beside = waits(&client, "beside", MEASURED).await?;
    println!("at the good brand, ms from the order to its end   p50    p99");
    println!("  alone                                        {:>6} {:>6}", alone.0, alone.1);
    println!(
        "  beside {:>6} slow and {:>5} dead             {:>6} {:>6}",
        waiting.len(),
        lost.len(),
        beside.0,
        beside.1
    );
    println!(
        "  p99, in per cent of alone                         {:>6}",
        beside.1 * 100 / alone.1.max(1)
    );
    let begun = Instant::now();
    for id in &waiting {
        ended(&client, *id, began).await?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("the slow brand's {} were worked off in {seconds:.0} s", waiting.len());
    println!("resident memory of gateway and caller: {few} MiB, {many} MiB with all pending");
    server.stop().await;
    println!("calls at once at the slow brand: at most {}", slow.stop()?);
    good.stop()?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn key_list() -> alliance_contracts::key_list::KeyList {
    let keys = vec![Jwk::new(SigningKey::from_seed(&GATEWAY).public_key(), None)];
    let (alliance, previous) = ("pending".to_owned(), Hash::ZERO);
    KeyStatement { alliance, keys, number: 1, previous }.publish(&SigningKey::from_seed(&ROOT))
}

async fn house(folder: &std::path::Path, connectors: [&str; 3]) -> Fallible<ClearingHouse> {
    let x = |seed: &[u8; 32]| base64url_encode(SigningKey::from_seed(seed).public_key().as_bytes());
    let names = ["good", "slow", "dead"];
    let mut partners =
        vec![serde_json::json!({"partner": "shop", "name": "Shop", "keys": [{"x": x(&SHOP)}]})];
    let (mut programs, mut agreements) = (Vec::new(), Vec::new());
    for (at, (name, connector)) in names.into_iter().zip(connectors).enumerate() {
        let key = BRANDS.get(at).map(|seed| serde_json::json!({"x": x(&[*seed; 32])}));
        partners.push(serde_json::json!({
            "partner": format!("{name}-brand"), "name": name, "connector": connector,
            "keys": key.into_iter().collect::<Vec<_>>(),
        }));
        programs.push(serde_json::json!({
            "program": name, "partner": format!("{name}-brand"), "name": name, "scale": 0,
            "value": "0.1", "balances": "connected",
        }));
        agreements.push(serde_json::json!({
            "a": "shop", "b": format!("{name}-brand"), "fee": "0.01", "kinds": ["accrual"],
        }));
    }
    let definition = serde_json::from_value(serde_json::json!({
        "alliance": "pending", "currency": "CNY",
        "partners": partners, "programs": programs, "agreements": agreements,
    }))?;
    let database = format!("sqlite:{}", folder.join("alliance.db").display());
    let trusted = key_list().trust_without_root()?;
    let started = std::thread::spawn(move || {
        let migrated = tokio::runtime::Builder::new_current_thread().enable_all().build();
        migrated.map_err(|error| error.to_string())?.block_on(async {
            alliance_settlement::store::migrate(&database).await.map_err(|error| error.to_string())
        })?;
        let key = Arc::new(SigningKey::from_seed(&GATEWAY));
        let (alliance, currency) = ("pending".parse(), "CNY".parse());
        let (Ok(alliance), Ok(currency)) = (alliance, currency) else {
            return Err("names".to_owned());
        };
        let settings = Settings::new(alliance, currency, database, [7; 32], key, trusted);
        ClearingHouse::start(settings).map_err(|error| error.to_string())
    });
    let house = started.join().map_err(|_| "the clearing house did not start")??;
    house.define(definition, draw::id()).await?;
    Ok(house)
}

/// Orders points of a brand for so many customers.
async fn orders(
    client: &Client,
    program: &str,
    run: &str,
    count: usize,
) -> Fallible<Vec<TransactionId>> {
    let one = |n: usize| {
        let client = client.clone();
        let (program, name) = (program.to_owned(), format!("{run}-{n}"));
        async move {
            let customer = account(&program, &name).map_err(|error| error.to_string())?;
            let points = "5".parse().map_err(|_| "points".to_owned())?;
            let quote = client.accrue(customer, points).await.map_err(|e| e.to_string())?;
            let reference = name.parse().map_err(|_| "reference".to_owned())?;
            let made = client.transact(&quote, reference).await.map_err(|e| e.to_string())?;
            Ok::<_, String>(made.id)
        }
    };
    let answers: Vec<_> =
        stream::iter((0..count).map(one)).buffer_unordered(AT_ONCE).collect().await;
    Ok(answers.into_iter().collect::<Result<_, _>>()?)
}

/// How long orders at the good brand wait, in milliseconds: the median, and 99 of 100.
async fn waits(client: &Client, run: &str, count: usize) -> Fallible<(i64, i64)> {
    let began = Instant::now();
    let mut waits = Vec::with_capacity(count);
    for id in orders(client, "good", run, count).await? {
        let done = ended(client, id, began).await?;
        let end = done.completed_at.ok_or("it failed")?;
        waits.push(end.as_millis() - done.created_at.as_millis());
    }
    waits.sort_unstable();
    Ok((waits[count / 2], waits[count * 99 / 100]))
}

async fn ended(client: &Client, id: TransactionId, began: Instant) -> Fallible<Transaction> {
    while began.elapsed() < LIMIT {
        let transaction = client.transaction(id).await?;
        if transaction.state != TransactionState::Pending {
            return Ok(transaction);
        }
        rt::time::sleep(Duration::from_millis(20)).await;
    }
    Err("it takes too long".into())
}

/// Resident memory of this process, in MiB.
fn resident() -> Fallible<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 =
        line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?.parse()?;
    std::io::stdout().flush()?;
    Ok(kib / 1_024)
}
