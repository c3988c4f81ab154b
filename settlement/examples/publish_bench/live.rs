//! The product's own publication, on SQLite: what was read, worked out, handed over, committed and
//! learnt anew, while clients exchange points without a pause.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alliance_contracts::agreement::Agreement;
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::{Id, Kind};
use alliance_contracts::jws;
use alliance_contracts::key_list::{Jwk, KeyStatement, TrustedKeys};
use alliance_contracts::keys::SigningKey;
use alliance_contracts::link::Consent;
use alliance_contracts::names::PartnerId;
use alliance_contracts::quote::{
    AskedSide, MemberAccount, QuoteRequest, Side, SideAmount, TransactionKind,
};
use alliance_settlement::clearing_house::{ClearingHouse, Clock, Settings};
use alliance_settlement::command::{
    Command, CountersignAgreement, Keyed, NewLink, NewMember, Order, Outcome, ProposeAgreement,
    RequestEvidence,
};
use alliance_settlement::store;
use alliance_settlement::vault::MemberKey;

use super::Times;
use super::world::{self, Random, Result, program};

const BOARDS: usize = 25;
/// Clients that exchange points all the time.
const CLIENTS: u64 = 32;
/// Between a board and the next one, beside the notice, which the alliance's clock leaps over:
/// every board has taken effect, and quotes of several stand.
const BETWEEN: Duration = Duration::from_millis(1_500);

struct Live {
    house: ClearingHouse,
    /// What the alliance's clock is ahead of the machine's.
    ahead: Arc<AtomicI64>,
    drawn: AtomicU64,
    random: std::sync::Mutex<Random>,
}

/// Prints its figures.
pub fn run() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("publish-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let figures = measured(&folder);
    std::fs::remove_dir_all(&folder)?;
    figures
}

fn measured(folder: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let live = Arc::new(Live::start(folder, &runtime)?);
    runtime.block_on(live.found())?;
    runtime.block_on(live.measure())
}

impl Live {
    fn start(folder: &Path, runtime: &tokio::runtime::Runtime) -> Result<Self> {
        let database = format!("sqlite:{}", folder.join("alliance.db").display());
        runtime.block_on(store::migrate(&database))?;
        let key = Arc::new(world::key(world::PARTNERS));
        let ahead = Arc::new(AtomicI64::new(0));
        let (machine, offset) = (Clock::system(), ahead.clone());
        let ahead_of = move || machine.now().plus_seconds(offset.load(Ordering::Relaxed));
        let clock = Clock::told_by(Arc::new(ahead_of));
        let mut settings = Settings::new(
            "bench".parse()?,
            "CNY".parse()?,
            database,
            [7; 32],
            key.clone(),
            trusted(&key)?,
        );
        settings.clock = clock;
        let house = ClearingHouse::start(settings)?;
        let random = std::sync::Mutex::new(Random(77));
        Ok(Self { house, ahead, drawn: AtomicU64::new(0), random })
    }

    /// Brands, members, links, and every agreement signed by both.
    async fn found(&self) -> Result<()> {
        let definition = world::definition(&mut Random(12))?;
        self.house.define(definition, self.id()).await?;
        let members = (0..CLIENTS).flat_map(|person| [0, 1].map(|side| (person, side)));
        let members = members.map(|(person, side)| self.member(person, side));
        self.done(Command::ImportMembers(Arc::new(members.collect::<Result<_>>()?))).await?;
        let links = (0..CLIENTS).map(|person| self.link(person)).collect::<Result<_>>()?;
        self.done(Command::ImportLinks(Arc::new(links))).await?;
        let start = Instant::now();
        let begins = self.house.now().plus_seconds(600);
        let agreements = world::agreements(&mut Random(13), begins)?;
        for some in agreements.chunks(128) {
            self.sign(some).await?;
        }
        println!("{} agreements signed by both in {:.1?}", agreements.len(), start.elapsed());
        self.ahead.store(601, Ordering::Relaxed);
        Ok(())
    }

    async fn sign(&self, agreements: &[Agreement]) -> Result<()> {
        let (mut proposals, mut countersignatures) = (Vec::new(), Vec::new());
        for agreement in agreements {
            let id = self.id();
            let number = |partner: &PartnerId| -> Result<u64> {
                Ok(partner.as_str().rsplit('-').next().unwrap_or_default().parse()?)
            };
            let signed = |partner: &PartnerId| -> Result<_> {
                Ok(jws::parse(&agreement.sign(&world::key(number(partner)?)))?)
            };
            let (a, b) = (signed(&agreement.a)?, signed(&agreement.b)?);
            let proposal = ProposeAgreement { id, agreement: agreement.clone(), signed: a };
            let keyed = self.keyed(&agreement.a)?;
            proposals.push(Command::ProposeAgreement(keyed, Box::new(proposal)));
            let order = Box::new(CountersignAgreement { id, signed: b });
            let keyed = self.keyed(&agreement.b)?;
            countersignatures.push(Command::CountersignAgreement(keyed, order));
        }
        for commands in [proposals, countersignatures] {
            for answer in self.house.submit_all(commands).await {
                match answer?.decided.outcome {
                    Outcome::Agreement(_) => {}
                    other => return Err(format!("not signed: {other:?}").into()),
                }
            }
        }
        Ok(())
    }

    /// Boards under load, and the load without boards.
    async fn measure(self: Arc<Self>) -> Result<()> {
        self.house.publish(None).await?.ok_or("there is no board with the agreements")?;
        self.ahead.fetch_add(world::NOTICE_SECONDS, Ordering::Relaxed);
        tokio::time::sleep(BETWEEN).await;
        let (stop, publishing) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|person| {
                let (this, stop, publishing) = (self.clone(), stop.clone(), publishing.clone());
                tokio::spawn(async move { this.exchange_on(person, &stop, &publishing).await })
            })
            .collect();
        let (mut published, mut taken_in) = (Times::default(), Times::default());
        for _ in 0..BOARDS {
            tokio::time::sleep(BETWEEN).await;
            let now = self.house.now();
            let readings = {
                let mut random = self.random.lock().map_err(|_| "a client has panicked")?;
                let registry = self.house.registry();
                world::readings(&mut random, &registry.definition, 400_000, now)?
            };
            publishing.store(true, Ordering::Relaxed);
            let start = Instant::now();
            self.done(Command::Observe(Arc::new(readings))).await?;
            taken_in.add(start.elapsed());
            let start = Instant::now();
            self.house.publish(None).await?.ok_or("nothing was published")?;
            published.add(start.elapsed());
            publishing.store(false, Ordering::Relaxed);
            self.ahead.fetch_add(world::NOTICE_SECONDS, Ordering::Relaxed);
        }
        stop.store(true, Ordering::Relaxed);
        let (mut beside, mut between, mut refused) = (Times::default(), Times::default(), 0);
        for client in clients {
            let orders = client.await??;
            refused += orders.refused;
            for (time, published) in orders.times {
                if published { &mut beside } else { &mut between }.add(time);
            }
        }
        println!("live, on SQLite: {BOARDS} violent boards, {CLIENTS} clients exchanging");
        println!("  readings taken in       {}", taken_in.told());
        println!("  published               {}", published.told());
        println!("  orders beside these     {}", beside.told());
        println!("  orders between them     {}", between.told());
        println!("  {} orders, {refused} refused", beside.0.len() + between.0.len());
        self.house.shutdown().await;
        Ok(())
    }

    async fn exchange_on(
        &self,
        person: u64,
        stop: &AtomicBool,
        publishing: &AtomicBool,
    ) -> std::result::Result<Orders, String> {
        let mut orders = Orders::default();
        let mut turn = person % 2;
        while !stop.load(Ordering::Relaxed) {
            turn = 1 - turn;
            let command = self.order(person, turn).map_err(|error| error.to_string())?;
            let begun = publishing.load(Ordering::Relaxed);
            let start = Instant::now();
            let answer = self.house.submit(command).await.map_err(|error| error.to_string())?;
            let ended = publishing.load(Ordering::Relaxed);
            orders.times.push((start.elapsed(), begun || ended));
            if !matches!(answer.decided.outcome, Outcome::Transaction(_)) {
                orders.refused += 1;
            }
        }
        Ok(orders)
    }

    fn order(&self, person: u64, turn: u64) -> Result<Command> {
        let account = |program: u64| -> Result<AskedSide> {
            let member = format!("M-{person}").parse()?;
            let program = world::program(program).parse()?;
            Ok(AskedSide::Account(MemberAccount { member, program }))
        };
        let caller: PartnerId = world::partner(turn).parse()?;
        let request = QuoteRequest {
            expiry: None,
            amount: Some(SideAmount { side: Side::Source, value: "100".parse()? }),
            kind: TransactionKind::Exchange,
            segment: None,
            source: account(turn)?,
            target: account(1 - turn)?,
            tier: None,
        };
        let quote = self.house.quote(&caller, &request, self.id()).map_err(|e| e.detail)?;
        let opened = self.house.open_token(&caller, &quote.token);
        let (keyed, transaction) = (self.keyed(&caller)?, self.id());
        let source_reference = keyed.key.as_str().parse()?;
        let order = Order { transaction, source_reference, quote: opened.quoted };
        Ok(Command::Order(keyed, order))
    }

    fn id<K: Kind>(&self) -> Id<K> {
        world::id(self.house.now(), self.drawn.fetch_add(1, Ordering::Relaxed))
    }

    /// A request as the door has verified it: its signature is not what is measured.
    fn keyed(&self, partner: &PartnerId) -> Result<Keyed> {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let base = vec![b'x'; 700];
        let request = RequestEvidence {
            id: self.id(),
            partner: partner.clone(),
            kid: self.house.public_key().kid().clone(),
            base_hash: Hash::of(&base),
            base,
            signature: [0; 64],
            body: Some(vec![b'y'; 900]),
            orders: Vec::new(),
            transactions: Vec::new(),
            received_at: self.house.now(),
        };
        Ok(Keyed {
            partner: partner.clone(),
            key: format!("key-{number}").parse()?,
            digest: Hash::of(&number.to_be_bytes()).into(),
            request: Arc::new(request),
            index: 0,
        })
    }

    fn member(&self, person: u64, side: u64) -> Result<NewMember> {
        let (program, member) = (program(side).parse()?, format!("M-{person}").parse()?);
        let (vault, key) = (self.house.vault(), self.house.random());
        Ok(NewMember {
            lookup: vault.sought(&program, &member),
            wrapped_key: vault.wrap(&key, self.house.random()),
            sealed_reference: MemberKey::from_bytes(key).seal(&member, self.house.random()),
            program,
            opening: 1_000_000_000,
        })
    }

    fn link(&self, person: u64) -> Result<NewLink> {
        let member = format!("M-{person}").parse()?;
        let end = |side: u64| -> Result<_> {
            let program = program(side).parse()?;
            let lookup = self.house.vault().sought(&program, &member);
            Ok((world::partner(side).parse()?, program, lookup))
        };
        let consent = Consent { scope: vec![TransactionKind::Exchange], until: None };
        Ok(NewLink { link: self.id(), a: end(0)?, b: end(1)?, consent })
    }

    async fn done(&self, command: Command) -> Result<()> {
        match self.house.submit(command).await?.decided.outcome {
            Outcome::Done(_) => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    }
}

/// What a client has seen.
#[derive(Default)]
struct Orders {
    /// How long each took, and whether anything was published meanwhile.
    times: Vec<(Duration, bool)>,
    refused: u64,
}

/// The gateway's key, trusted as a list of one.
fn trusted(key: &SigningKey) -> Result<TrustedKeys> {
    let root = SigningKey::from_seed(&[1; 32]);
    let statement = KeyStatement {
        alliance: "bench".to_owned(),
        keys: vec![Jwk::new(key.public_key(), None)],
        number: 1,
        previous: Hash::ZERO,
    };
    Ok(statement.publish(&root).verify(root.public_key())?)
}
