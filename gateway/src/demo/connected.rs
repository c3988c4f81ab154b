//! The brand that keeps its members' balances itself: it joins the demo with its connector, and is
//! asked for a book, a book for points and cash, points for a customer, and once more while it does
//! not answer for a while.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use alliance_contracts::ids::TransactionId;
use alliance_contracts::keys::SigningKey;
use alliance_contracts::names::{PartnerId, ProgramId};
use alliance_contracts::program::Balances;
use alliance_contracts::quote::{MemberAccount, Quote, TransactionKind};
use alliance_contracts::side::PricedItem;
use alliance_contracts::transaction::{Transaction, TransactionState};
use alliance_partner_sdk::Client;
use alliance_partner_sdk::client::account;
use alliance_settlement::clearing_house::{ClearingHouse, PublishError};
use alliance_settlement::rates::publication::NoBoard;
use serde::Serialize;

use super::cast::{BRANDS, Cast, parsed};
use super::folder::Folder;
use crate::cli::failure::{Failure, whole};
use crate::instance::keyfile;
use crate::instance::template::{AgreementEntry, PartnerEntry, ProgramEntry};
use crate::instance::{CONFIG_FILE, Instance, PARTNERS_DIR, create};
use crate::sandbox::SimulatedBrand;

/// Its slug.
pub const PARTNER: &str = "dune-books";
const NAME: &str = "Dune Books";
const PROGRAM: &str = "dune";
const KINDS: [TransactionKind; 3] =
    [TransactionKind::Exchange, TransactionKind::Redemption, TransactionKind::Accrual];
/// Miles for two books, fees and surcharges included.
const ENOUGH: i64 = 1_000;
/// No order of the demo takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of one order at it.
#[derive(Debug, Serialize)]
pub struct ConnectedOrder {
    /// What was asked for.
    pub what: String,
    /// Where it stands.
    pub state: TransactionState,
    /// How long it was pending.
    pub pending_milliseconds: i64,
    /// Brands' signed answers that its receipt names.
    pub answers: usize,
    /// Why it came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The receipt's place in its chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<u64>,
}

/// What became of all of them.
#[derive(Debug, Serialize)]
pub struct ConnectedOrders {
    /// Whether each ended as it must.
    pub ok: bool,
    /// The brand.
    pub partner: String,
    /// Where it is called.
    pub connector: String,
    /// The orders.
    pub orders: Vec<ConnectedOrder>,
    /// What was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

impl ConnectedOrders {
    /// How many receipts there are of them.
    #[must_use]
    pub fn receipts(&self) -> u64 {
        let made = self.orders.iter().filter(|order| order.receipt.is_some()).count();
        u64::try_from(made).unwrap_or(u64::MAX)
    }
}

/// The brand, on loopback, and its own client.
pub struct Connected {
    brand: SimulatedBrand,
    /// What it sees of the alliance.
    pub client: Client,
}

impl Connected {
    /// Opens the brand's connector; one that has not joined yet joins: its key, its entry in the
    /// configuration, and the next board that has its points.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn open(
        folder: &Folder,
        instance: &Instance,
        house: &ClearingHouse,
    ) -> Result<Self, Failure> {
        let own = folder.path.join(PARTNERS_DIR).join(PARTNER);
        let partner: PartnerId = parsed(PARTNER);
        let known = house.registry().connector(&partner).map(str::to_owned);
        let address = known.as_deref().and_then(address_of);
        let joined = address.is_some();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TcpListener::bind(address.unwrap_or(any)).map_err(|error| {
            Failure::config(format!("{NAME} cannot listen at its connector's address: {error}"))
        })?;
        let listening = listener.local_addr().map_err(Failure::wrong)?;
        if !joined {
            join(folder, &own, listening)?;
            let changed = folder.instance(instance.gateway.listen)?;
            changed.apply(house).await.map_err(|faults| Failure::of_faults(&faults))?;
            board_with(house, &parsed(PROGRAM)).await?;
        }
        let key = key_of(&own)?;
        let gateway = house.public_key().clone();
        // Its server is started on a thread of its own, and waited for on another.
        let started =
            tokio::task::spawn_blocking(move || SimulatedBrand::start(listener, key, gateway));
        let brand = started.await.map_err(Failure::wrong)?.map_err(Failure::wrong)?;
        let client = Client::from_config(own.join("client.toml"))
            .map_err(|error| Failure::config(whole(&error)))?;
        Ok(Self { brand, client })
    }

    /// Has the airline order what the brand gives, and waits for the end of each.
    pub async fn play(
        &self,
        house: &ClearingHouse,
        airline: &Client,
        cast: &Cast,
        run: u32,
    ) -> ConnectedOrders {
        let mut orders = Vec::new();
        let played = self.orders(house, airline, cast, run, &mut orders).await;
        let fault = played.err().map(|failure| failure.message);
        let completed = |order: &ConnectedOrder| {
            order.state == TransactionState::Completed && order.answers == 1
        };
        let (last, others) = match orders.split_last() {
            Some((last, others)) => (Some(last), others),
            None => (None, &orders[..]),
        };
        let refused = last.is_some_and(|last| last.state == TransactionState::Failed);
        ConnectedOrders {
            ok: fault.is_none() && refused && others.iter().all(completed),
            partner: PARTNER.to_owned(),
            connector: self.brand.connector(),
            orders,
            fault,
        }
    }

    async fn orders(
        &self,
        house: &ClearingHouse,
        airline: &Client,
        cast: &Cast,
        run: u32,
        done: &mut Vec<ConnectedOrder>,
    ) -> Result<(), Failure> {
        let member = rich(house, cast).await?;
        let book = |cash: &str| PricedItem {
            cash: parsed(cash),
            item: parsed("desert-atlas"),
            partner: parsed(PARTNER),
            price: parsed("18"),
        };
        let quote = airline.redeem(member.clone(), book("0")).await;
        done.push(self.order(airline, "an atlas", quote, &format!("atlas-{run}")).await?);
        let quote = airline.redeem(member, book("7.5")).await;
        let what = "an atlas, 7.5 of its price in cash";
        done.push(self.order(airline, what, quote, &format!("atlas-cash-{run}")).await?);
        for (what, name) in [
            ("25 leaves for a customer", "R-1"),
            ("25 leaves, answered late", "late-R-2"),
            ("25 leaves for nobody it knows", "unknown-R-3"),
        ] {
            let reader: MemberAccount = account(PROGRAM, name).map_err(Failure::wrong)?;
            let quote = airline.accrue(reader, parsed("25")).await;
            done.push(self.order(airline, what, quote, &format!("{name}-{run}")).await?);
        }
        Ok(())
    }

    async fn order(
        &self,
        airline: &Client,
        what: &str,
        quote: Result<Quote, alliance_partner_sdk::client::Error>,
        reference: &str,
    ) -> Result<ConnectedOrder, Failure> {
        let wrong = |error| Failure::wrong(whole(&error));
        let quote = quote.map_err(wrong)?;
        let reference = reference.parse().map_err(Failure::wrong)?;
        let accepted = airline.transact(&quote, reference).await.map_err(wrong)?;
        let (ended, pending) = ended(airline, accepted.id).await?;
        let answers = match &ended.receipt {
            Some(_) => {
                let id = alliance_settlement::receipts::receipt_id(ended.id);
                let list = airline.receipt_evidence(id).await.map_err(wrong)?;
                list.evidence.iter().filter(|one| one.evidence.partner.as_str() == PARTNER).count()
            }
            None => 0,
        };
        let stored = ended.receipt.as_ref().and_then(|receipt| {
            let payload = alliance_contracts::jws::parse(&receipt.jws).ok()?.payload;
            Some(alliance_contracts::receipt::parse(&payload).ok()?.seq)
        });
        Ok(ConnectedOrder {
            what: what.to_owned(),
            state: ended.state,
            pending_milliseconds: pending,
            answers,
            failure: ended
                .failure
                .map(|failure| format!("{} by {}", failure.code.as_str(), failure.partner)),
            receipt: stored,
        })
    }
}

/// A member of the airline who can pay for two books.
async fn rich(house: &ClearingHouse, cast: &Cast) -> Result<MemberAccount, Failure> {
    let program = &cast.programs[0];
    for person in &cast.people {
        let member = &person.accounts[0].member;
        let view = house.member(program, member).await.map_err(Failure::wrong)?;
        if view.is_some_and(|view| view.balance - view.held >= ENOUGH) {
            return Ok(MemberAccount { member: member.clone(), program: program.clone() });
        }
    }
    Err(Failure::wrong("no member has miles for two books any more: use a new folder"))
}

async fn ended(client: &Client, id: TransactionId) -> Result<(Transaction, i64), Failure> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let read = client.transaction(id).await;
        let transaction = read.map_err(|error| Failure::wrong(whole(&error)))?;
        if transaction.state != TransactionState::Pending {
            let pending = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
            let told = transaction
                .completed_at
                .map(|end| end.as_millis() - transaction.created_at.as_millis());
            return Ok((transaction, told.unwrap_or(pending)));
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Err(Failure::wrong(format!("{id} is still pending")))
}

/// The address of a connector on this machine.
fn address_of(connector: &str) -> Option<SocketAddr> {
    connector.strip_prefix("http://")?.split('/').next()?.parse().ok()
}

fn key_of(own: &std::path::Path) -> Result<SigningKey, Failure> {
    keyfile::read_private(&own.join("key.pem")).map_err(Failure::config)
}

/// The brand's key, and what the alliance has to know of it.
fn join(folder: &Folder, own: &std::path::Path, listening: SocketAddr) -> Result<(), Failure> {
    let (partner, program) = (&parsed::<PartnerId>(PARTNER), &parsed::<ProgramId>(PROGRAM));
    let x = create::partner_key(own).map_err(Failure::usage)?;
    let connector = format!("http://{listening}/alliance");
    let mut text = PartnerEntry {
        partner,
        name: NAME,
        net_debit_cap: None,
        connector: Some(&connector),
        x: &x,
        remark: "Books: a brand that keeps its members' balances itself, and is called for them.",
    }
    .text();
    let balances = Balances::Connected;
    let value = parsed("0.2");
    text.push_str(
        &ProgramEntry { program, partner, name: "Dune Leaves", scale: 0, value, balances }.text(),
    );
    let airline = &parsed::<PartnerId>(BRANDS[0].partner);
    let (fee, kinds) = (parsed("0.01"), &KINDS);
    text.push_str(&AgreementEntry { a: airline, b: partner, fee, kinds, remark: "" }.text());
    let config = folder.path.join(CONFIG_FILE);
    let before = fs::read_to_string(&config)
        .map_err(|error| Failure::config(format!("{}: {error}", config.display())))?;
    create::write(&config, &(before + &text)).map_err(Failure::usage)
}

/// Publishes the board that has a program, and waits until it is in force.
async fn board_with(house: &ClearingHouse, program: &ProgramId) -> Result<(), Failure> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let (registry, now) = (house.registry(), house.now());
        if registry.board_at(now).is_some_and(|board| board.value(program).is_some()) {
            return Ok(());
        }
        match house.publish(None).await {
            Ok(_) | Err(PublishError::NoBoard(NoBoard::NotYet { .. })) => {}
            Err(error) => return Err(Failure::wrong(error)),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(Failure::wrong(format!("no board has {program}")))
}
