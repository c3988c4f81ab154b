//! The alliance that a benchmark runs on: three brands, pairs of linked members, all of it made for
//! this run, in a folder of its own.
//!
//! Person *n* has an account at two of the three brands, linked, and exchanges between them back
//! and forth: balances and positions swing about their beginnings however long a run lasts, no
//! order is refused for want of points, and all members are used alike.

use std::path::{Path, PathBuf};

use alliance_contracts::names::{AllianceId, Currency, MemberRef, PartnerId, ProgramId};
use alliance_contracts::program::Balances;
use alliance_contracts::quote::{
    AskedSide, MemberAccount, QuoteRequest, Side, SideAmount, TransactionKind,
};
use alliance_settlement::clearing_house::{ClearingHouse, Clock};
use alliance_settlement::store;

use crate::cli::failure::Failure;
use crate::cli::printer::Printer;
use crate::cli::progress::Progress;
use crate::instance::config::without_password;
use crate::instance::create::{self, CreateError};
use crate::instance::import::{Link, Member, Row, Sheet, write_links, write_members};
use crate::instance::open::runtime;
use crate::instance::template::{self, AgreementEntry, PartnerEntry, ProgramEntry};
use crate::instance::{Instance, Overrides, PARTNERS_DIR};

/// The alliance's name, in every run: a second one in the same database is noticed by it.
pub const ALLIANCE: &str = "bench";
const CURRENCY: &str = "CNY";
/// The brands, their programs, and what a point is worth. One has two decimals, so that rounding
/// is part of what is measured.
const BRANDS: [(&str, &str, u32, &str); 3] = [
    ("aurora-air", "aurora", 0, "0.05"),
    ("borealis-coffee", "borealis", 0, "0.1"),
    ("cedar-hotels", "cedar", 2, "0.0723"),
];
/// Which two brands person *n* is a member of, *n* modulo three.
const PAIRS: [(usize, usize); 3] = [(0, 1), (0, 2), (1, 2)];
/// A quote stands an hour, the longest that a definition may say: tokens are fetched beforehand.
const QUOTE_LIFETIME_SECONDS: i64 = 3_600;
/// What a member begins with, in whole points: more than a run can use up in one direction.
const OPENING: i64 = 10_000_000;
/// What an order gives, in whole points.
const GIVES: i64 = 100;
/// Members imported in one commit: what the database is asked to do at once stays bounded.
const CHUNK: usize = 20_000;

/// The alliance of one run.
pub struct Ground {
    /// It, read back from its folder.
    pub instance: Instance,
    /// The root key's public half, base64url.
    pub root: String,
    people: usize,
}

impl Ground {
    /// Makes folder, keys and definition, brings the schema up to date, and imports the members.
    /// Of `members` there are two to a person.
    ///
    /// # Errors
    /// [`Failure`]; of a database that holds such an alliance already, what to do about it.
    pub fn make(
        folder: &Path,
        database: Option<&str>,
        members: usize,
        printer: Printer,
    ) -> Result<Self, Failure> {
        let alliance: AllianceId = parsed(ALLIANCE);
        let created = create::keys(folder, &alliance, Clock::system().now()).map_err(unmade)?;
        create::write_config(folder, &definition(folder, &alliance)?).map_err(unmade)?;
        let overrides = Overrides {
            database: database.map(|url| url.to_owned().into()),
            ..Overrides::default()
        };
        let instance = Instance::load(folder, &overrides).map_err(|f| Failure::of_faults(&f))?;
        instance.migrate().map_err(Failure::config)?;
        must_be_new(&instance)?;
        let ground = Self { instance, root: created.root, people: (members / 2).max(3) };
        ground.import(printer)?;
        Ok(ground)
    }

    /// How many people there are.
    #[must_use]
    pub const fn people(&self) -> usize {
        self.people
    }

    /// The private key of a brand, PEM.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn key_pem(&self, brand: usize) -> Result<String, Failure> {
        let path = partner_folder(&self.instance.folder, brand).join("key.pem");
        std::fs::read_to_string(&path)
            .map_err(|error| Failure::wrong(format!("{}: {error}", path.display())))
    }

    fn import(&self, printer: Printer) -> Result<(), Failure> {
        let books = self.instance.write_books().map_err(|f| Failure::of_faults(&f))?;
        let bar = Progress::bar(printer, "importing members", self.people as u64);
        let everybody: Vec<usize> = (0..self.people).collect();
        for people in everybody.chunks(CHUNK / 2) {
            books.wait(import_some(books.house(), people)).map_err(Failure::wrong)?;
            bar.step(people.len() as u64);
        }
        bar.done();
        Ok(())
    }
}

async fn import_some(
    house: &ClearingHouse,
    people: &[usize],
) -> Result<(), crate::instance::import::ImportError> {
    let members = people.iter().flat_map(|person| {
        let (a, b) = brands_of(*person);
        [a, b].map(|brand| Member {
            program: program(brand),
            member: member(brand, *person),
            opening: minor(OPENING, brand),
        })
    });
    let links = people.iter().map(|person| {
        let (a, b) = brands_of(*person);
        let end = |brand| (partner(brand), program(brand), member(brand, *person));
        Link { a: end(a), b: end(b) }
    });
    write_members(house, sheet(members), false, || {}).await?;
    write_links(house, sheet(links), false, || {}).await?;
    Ok(())
}

fn sheet<T>(values: impl Iterator<Item = T>) -> Sheet<T> {
    let good = (1..).zip(values).map(|(line, value)| Row { line, value }).collect();
    Sheet { good, bad: Vec::new() }
}

/// How many brands there are.
pub const fn brands() -> usize {
    BRANDS.len()
}

/// A brand's partner.
#[must_use]
pub fn partner(brand: usize) -> PartnerId {
    parsed(BRANDS[brand].0)
}

/// Order number `number` of a run: who asks, and for what. Every person in turn, and each forth
/// the one time and back the next.
#[must_use]
pub fn order(number: u64, people: usize) -> (usize, QuoteRequest) {
    let people = people.max(1) as u64;
    let (turn, person) = (number / people, number % people);
    // Of the people of one pair, every other one begins the other way round.
    let forth = (turn + person / PAIRS.len() as u64).is_multiple_of(2);
    let person = usize::try_from(person).unwrap_or(0);
    let (a, b) = brands_of(person);
    let (source, target) = if forth { (a, b) } else { (b, a) };
    let value =
        alliance_contracts::decimal::Decimal::from_minor(minor(GIVES, source), scale(source));
    let request = QuoteRequest {
        expiry: None,
        amount: Some(SideAmount { side: Side::Source, value: value.unwrap_or_default() }),
        kind: TransactionKind::Exchange,
        segment: None,
        source: account(source, person),
        target: account(target, person),
        tier: None,
    };
    (source, request)
}

fn account(brand: usize, person: usize) -> AskedSide {
    MemberAccount { member: member(brand, person), program: program(brand) }.into()
}

fn brands_of(person: usize) -> (usize, usize) {
    PAIRS[person % PAIRS.len()]
}

fn program(brand: usize) -> ProgramId {
    parsed(BRANDS[brand].1)
}

const fn scale(brand: usize) -> u32 {
    BRANDS[brand].2
}

const fn minor(whole: i64, brand: usize) -> i64 {
    whole * 10_i64.pow(scale(brand))
}

fn member(brand: usize, person: usize) -> MemberRef {
    parsed(&format!("{}-{person:07}", BRANDS[brand].1))
}

fn definition(folder: &Path, alliance: &AllianceId) -> Result<String, Failure> {
    let currency: Currency = parsed(CURRENCY);
    let mut text = template::head(alliance, &currency, None);
    // What is measured is what the gateway can, not what it lets anybody.
    for whose in ["partner", "address", "stranger"] {
        text.push_str(&format!("{whose}_requests_per_second = 0\n"));
    }
    for (at, (name, ..)) in BRANDS.iter().enumerate() {
        let x = create::partner_key(&partner_folder(folder, at)).map_err(unmade)?;
        let partner = &partner(at);
        let entry =
            PartnerEntry { partner, name, net_debit_cap: None, connector: None, x: &x, remark: "" };
        text.push_str(&entry.text());
    }
    for (at, (_, name, scale, value)) in BRANDS.iter().enumerate() {
        let (program, partner) = (&program(at), &partner(at));
        let value = parsed(value);
        let (scale, balances) = (*scale, Balances::Hosted);
        let entry = ProgramEntry { program, partner, name, scale, value, balances };
        text.push_str(&entry.text());
    }
    for (a, b) in PAIRS {
        let (a, b, kinds) = (&partner(a), &partner(b), &[TransactionKind::Exchange]);
        text.push_str(&AgreementEntry { a, b, fee: parsed("0.01"), kinds, remark: "" }.text());
        text.push_str(&format!("quote_lifetime_seconds = {QUOTE_LIFETIME_SECONDS}\n"));
    }
    Ok(text)
}

fn partner_folder(folder: &Path, brand: usize) -> PathBuf {
    folder.join(PARTNERS_DIR).join(BRANDS[brand].0)
}

/// A database in which there was such a run before would be measured with what that one left, and
/// its secrets are under keys that are gone.
fn must_be_new(instance: &Instance) -> Result<(), Failure> {
    let runtime = runtime().map_err(Failure::wrong)?;
    let (url, alliance) = (&instance.gateway.database, instance.definition.alliance.clone());
    let found = runtime.block_on(async {
        let store = store::open(url, alliance).await?;
        let registry = store.registry().await;
        store.close().await;
        registry
    });
    match found {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(Failure::config(format!(
            "{} holds the alliance \"{ALLIANCE}\" of an earlier benchmark already: give an empty \
             database with --database (createdb makes one, dropdb takes the old one away)",
            without_password(url)
        ))),
        Err(error) => Err(Failure::config(format!("{}: {error}", without_password(url)))),
    }
}

fn unmade(error: CreateError) -> Failure {
    Failure::wrong(error)
}

/// A constant of ours, read by its rule.
fn parsed<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("the benchmark's own names keep the rules: a test reads all of them")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn all_members_are_used_alike_and_every_order_comes_back() {
        let orders: Vec<_> = (0..24).map(|number| order(number, 12)).collect();
        for (forth, back) in orders[..12].iter().zip(&orders[12..]) {
            assert_eq!(forth.1.source, back.1.target);
            assert_eq!(forth.1.target, back.1.source);
        }
        let members: HashSet<_> =
            orders.iter().map(|(_, request)| request.source.account().unwrap()).collect();
        assert_eq!(members.len(), 24);
        let callers: HashSet<_> = orders.iter().map(|(brand, _)| *brand).collect();
        assert_eq!(callers.len(), brands());
    }

    #[test]
    fn the_definition_is_a_sound_one() {
        let folder = std::env::temp_dir().join(format!("alliance-ground-{}", std::process::id()));
        let text = definition(&folder, &parsed(ALLIANCE)).unwrap();
        let config = crate::instance::config::Config::parse(&text, &folder, &Overrides::default());
        std::fs::remove_dir_all(&folder).unwrap();
        let definition = config.unwrap().definition;
        assert_eq!(definition.agreements.len(), PAIRS.len());
        let lifetimes = definition.agreements.iter().map(|a| a.quote_lifetime_seconds);
        assert!(lifetimes.into_iter().all(|seconds| seconds == QUOTE_LIFETIME_SECONDS));
    }
}
