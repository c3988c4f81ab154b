//! A whole connected brand on SQLite: members, balances, reservations, benefits, a journal.
//!
//! ```sh
//! cargo run --example brand --features server-sqlite
//! ```
//!
//! prints what the alliance has to know of it. Copy this file, and put your own tables where the
//! tables of `SCHEMA` are. What it is told by environment variables:
//!
//! | variable | what | where there is none |
//! | --- | --- | --- |
//! | `BRAND_DIR` | the folder of database and key | this one |
//! | `BRAND_LISTEN` | where it listens | `127.0.0.1:8090` |
//! | `BRAND_NAME` | host and port, as the gateway calls it | the same |
//! | `BRAND_TRUST` | `x` of the one key to listen to: for `alliance conformance` | the alliance's list |
//! | `BRAND_GATEWAY`, `BRAND_ROOT` | the gateway's address; the alliance's root key | – |
#![allow(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::{env, error::Error, fs};

use actix_web::{App, HttpServer, web};
use alliance_partner_sdk::Client;
use alliance_partner_sdk::connector::{CallError, Connector, Service, SqliteStore, SqliteTx};
use alliance_partner_sdk::contracts::connector::RefusalCode::{
    InsufficientPoints, MemberFrozen, MemberUnknown, NotCancellable, Refused,
};
use alliance_partner_sdk::contracts::connector::{
    CancelCall, CaptureCall, CreditCall, Credited, Gift, ReleaseCall, ReserveCall, Reserved,
};
use alliance_partner_sdk::contracts::decimal::Decimal;
use alliance_partner_sdk::contracts::encoding::base64url_encode;
use alliance_partner_sdk::contracts::keys::{SigningKey, pkcs8_pem_from_seed};
use alliance_partner_sdk::contracts::names::{MemberRef, OperationRef, ProgramId};
use alliance_partner_sdk::verify::keys::root_key;
use ring::rand::{SecureRandom, SystemRandom};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, SqlitePool};

/// Ours, as the alliance knows us. Points have no decimals.
const PARTNER: &str = "borealis-coffee";
const PROGRAM: &str = "borealis";
const SCALE: u32 = 0;

/// `held` counts no more as the member's: `balance` is what is left.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS members (
        member TEXT PRIMARY KEY, frozen INTEGER NOT NULL,
        balance INTEGER NOT NULL CHECK (balance >= 0));
    CREATE TABLE IF NOT EXISTS reservations (
        reservation TEXT PRIMARY KEY, member TEXT NOT NULL, points INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('held', 'captured', 'released')));
    CREATE TABLE IF NOT EXISTS benefits (
        reference TEXT PRIMARY KEY, item TEXT NOT NULL, paid INTEGER NOT NULL,
        taken_back INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS journal (
        line INTEGER PRIMARY KEY, what TEXT NOT NULL, member TEXT, points INTEGER NOT NULL,
        transaction_id TEXT NOT NULL);
    INSERT INTO members VALUES ('B-77', 0, 5000), ('B-78', 0, 120), ('B-99', 1, 300)
        ON CONFLICT DO NOTHING;
";

/// The brand. It has nothing but its database, which comes with every call.
pub struct Brand;

impl Connector for Brand {
    type Store = SqliteStore;

    async fn reserve(&self, tx: &mut SqliteTx, call: &ReserveCall) -> Result<Reserved, CallError> {
        let points = points(&call.program, call.amount)?;
        refuse_absent_or_frozen(tx, &call.member).await?;
        let taken = sqlx::query(
            "UPDATE members SET balance = balance - $2 WHERE member = $1 AND balance >= $2",
        );
        let taken = taken.bind(call.member.expose()).bind(points).execute(&mut **tx).await?;
        if taken.rows_affected() == 0 {
            return Err(InsufficientPoints.into());
        }
        let reservation: OperationRef = format!("hold-{}", call.transaction).parse()?;
        let held = sqlx::query("INSERT INTO reservations VALUES ($1, $2, $3, 'held')");
        let held = held.bind(reservation.as_str()).bind(call.member.expose()).bind(points);
        held.execute(&mut **tx).await?;
        let member = Some(call.member.expose());
        journal(tx, "reserve", member, points, call.transaction.to_string()).await?;
        Ok(Reserved { reservation })
    }

    async fn capture(&self, tx: &mut SqliteTx, call: &CaptureCall) -> Result<(), CallError> {
        let (member, points) = end_hold(tx, &call.reservation, "captured").await?;
        journal(tx, "capture", Some(&member), points, call.transaction.to_string()).await
    }

    async fn release(&self, tx: &mut SqliteTx, call: &ReleaseCall) -> Result<(), CallError> {
        let (member, points) = end_hold(tx, &call.reservation, "released").await?;
        give(tx, &member, points).await?;
        journal(tx, "release", Some(&member), points, call.transaction.to_string()).await
    }

    async fn credit(&self, tx: &mut SqliteTx, call: &CreditCall) -> Result<Credited, CallError> {
        let reference: OperationRef = format!("gift-{}", call.transaction).parse()?;
        let id = call.transaction.to_string();
        match call.gift() {
            Some(Gift::Points { member, program }) => {
                let points = points(program, call.amount)?;
                refuse_absent_or_frozen(tx, member).await?;
                give(tx, member.expose(), points).await?;
                journal(tx, "credit", Some(member.expose()), points, id).await?;
            }
            Some(Gift::Benefit(benefit)) => {
                // Here the latte is made. What the points pay is kept, for a cancellation.
                let paid = call.amount.micros();
                let given = sqlx::query("INSERT INTO benefits VALUES ($1, $2, $3, 0)");
                let given = given.bind(reference.as_str()).bind(benefit.item.as_str()).bind(paid);
                given.execute(&mut **tx).await?;
                journal(tx, "benefit", None, 0, id).await?;
            }
            None => return Err(CallError::refused(Refused, "neither points nor a benefit")),
        }
        Ok(Credited { reference })
    }

    async fn cancel(&self, tx: &mut SqliteTx, call: &CancelCall) -> Result<(), CallError> {
        let reference = call.reference.as_ref().ok_or(NotCancellable)?;
        let back = sqlx::query(
            "UPDATE benefits SET taken_back = taken_back + $2 \
             WHERE reference = $1 AND taken_back + $2 <= paid",
        );
        let back = back.bind(reference.as_str()).bind(call.amount.micros());
        if back.execute(&mut **tx).await?.rows_affected() == 0 {
            return Err(CallError::refused(NotCancellable, "not so much of it is left"));
        }
        journal(tx, "cancel", None, 0, call.transaction.to_string()).await
    }
}

fn points(program: &ProgramId, amount: Decimal) -> Result<i64, CallError> {
    if program.as_str() != PROGRAM {
        return Err(CallError::refused(Refused, format!("{program} is no program of ours")));
    }
    let whole = amount.to_minor(SCALE);
    whole.ok_or_else(|| CallError::refused(Refused, "our points have fewer decimals"))
}

async fn refuse_absent_or_frozen(tx: &mut SqliteTx, member: &MemberRef) -> Result<(), CallError> {
    let found = sqlx::query("SELECT frozen FROM members WHERE member = $1");
    let found = found.bind(member.expose()).fetch_optional(&mut **tx).await?;
    match found.ok_or(MemberUnknown)?.try_get::<bool, _>(0)? {
        true => Err(MemberFrozen.into()),
        false => Ok(()),
    }
}

/// What was held, for whom; only what is still held can be captured or released.
async fn end_hold(
    tx: &mut SqliteTx,
    reservation: &OperationRef,
    state: &str,
) -> Result<(String, i64), CallError> {
    let row = sqlx::query(
        "UPDATE reservations SET state = $2 WHERE reservation = $1 AND state = 'held' \
         RETURNING member, points",
    );
    let row = row.bind(reservation.as_str()).bind(state).fetch_optional(&mut **tx).await?;
    let row = row.ok_or_else(|| CallError::refused(Refused, "nothing is held under this name"))?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

async fn give(tx: &mut SqliteTx, member: &str, points: i64) -> Result<(), CallError> {
    let given = sqlx::query("UPDATE members SET balance = balance + $2 WHERE member = $1");
    given.bind(member).bind(points).execute(&mut **tx).await?;
    Ok(())
}

async fn journal(
    tx: &mut SqliteTx,
    what: &str,
    member: Option<&str>,
    points: i64,
    transaction: String,
) -> Result<(), CallError> {
    let line = sqlx::query(
        "INSERT INTO journal (what, member, points, transaction_id) VALUES ($1, $2, $3, $4)",
    );
    line.bind(what).bind(member).bind(points).bind(transaction).execute(&mut **tx).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(setting("BRAND_DIR").unwrap_or_else(|| ".".to_owned()));
    let listen = setting("BRAND_LISTEN").unwrap_or_else(|| "127.0.0.1:8090".to_owned());
    let listener = TcpListener::bind(listen)?;
    let name = setting("BRAND_NAME").unwrap_or(listener.local_addr()?.to_string());

    let store = SqliteStore::open(database(&dir).await?).await?;
    let pem = key_pem(&dir.join("brand.pem"))?;
    let key = SigningKey::from_pkcs8_pem(&pem)?;
    let x = base64url_encode(key.public_key().as_bytes());
    let builder = Service::builder(Brand, store).key(key);
    let builder = builder.public_name(&name);
    let told = (setting("BRAND_TRUST"), setting("BRAND_GATEWAY"), setting("BRAND_ROOT"));
    let (builder, listens_to) = match told {
        (Some(tester), _, _) => (builder.trust_only(root_key(&tester)?), tester),
        (None, Some(gateway), Some(root)) => {
            let client = Client::builder(&gateway).partner(PARTNER).key_pem(pem).root(root);
            (builder.gateway_keys(client.build()?), gateway)
        }
        _ => {
            (builder.trust_only(root_key(&x)?), "its own key, to be tried: BRAND_TRUST".to_owned())
        }
    };
    let service = builder.build()?;

    println!("listens to {listens_to}");
    println!("# what the alliance has to know, in its alliance.toml");
    println!("[[partners]]\npartner = \"{PARTNER}\"\nconnector = \"http://{name}/alliance\"");
    println!("keys = [{{ x = \"{x}\" }}]");
    println!("[[programs]]\nprogram = \"{PROGRAM}\"\npartner = \"{PARTNER}\"");
    println!("scale = {SCALE}\nbalances = \"connected\"");

    let app = move || App::new().service(web::scope("/alliance").configure(service.routes()));
    Ok(HttpServer::new(app).workers(2).listen(listener)?.run().await?)
}

/// The brand's database. What is answered is on the disk: every commit is synchronised.
pub async fn database(dir: &Path) -> Result<SqlitePool, sqlx::Error> {
    let file = SqliteConnectOptions::new().filename(dir.join("brand.db")).create_if_missing(true);
    let file = file.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    let pool = SqlitePoolOptions::new().connect_with(file).await?;
    sqlx::raw_sql(SCHEMA).execute(&pool).await?;
    Ok(pool)
}

fn setting(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The brand's key; drawn when there is none. Only its owner may read it.
fn key_pem(path: &Path) -> Result<String, Box<dyn Error>> {
    if !path.exists() {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| "the system gives no random bytes")?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path)?.write_all(pkcs8_pem_from_seed(&seed).as_bytes())?;
    }
    Ok(fs::read_to_string(path)?)
}
