//! A connected brand in memory: the SDK's own connector, in front of books that can be looked at,
//! in a bad mood where it is asked for one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt};
use alliance_contracts::connector::{
    CancelCall, CaptureCall, CreditCall, Credited, Gift, OPERATIONS, OperationKey, RefusalCode,
    ReleaseCall, ReserveCall, Reserved, Step,
};
use alliance_contracts::http_signature::HeaderList;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::json;
use alliance_contracts::keys::{PublicKey, SigningKey};
use alliance_contracts::quote::CarriedExpiry;
use alliance_contracts::time::Timestamp;
use alliance_partner_sdk::connector::{
    CallError, Connector, MemoryStore, MemoryTx, Request, Service,
};
use alliance_settlement::clearing_house::Clock;
use tokio::sync::oneshot;

use super::mood::{LATE, Luck, Mood, SLOW, luck, next_batch};

/// What every member has before anything is asked of it, in 10⁻⁶ points.
const OPENING: i64 = 1_000_000_000_000;

/// What one transaction has done at a brand; amounts in 10⁻⁶ points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Held of a member.
    pub reserved: i64,
    /// Of that, taken.
    pub captured: i64,
    /// Of that, given back.
    pub released: i64,
    /// Given to a member.
    pub credited: i64,
    /// What a benefit given was worth in points.
    pub benefit: i64,
    /// Of benefits, taken back.
    pub cancelled: i64,
    /// How many calls had an effect.
    pub calls: u32,
}

/// A brand's books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// What members have more than at the beginning, or less, in 10⁻⁶ points.
    pub moved: BTreeMap<String, i64>,
    /// What each transaction has done.
    pub effects: BTreeMap<TransactionId, Effects>,
    /// The dates that points got which the brand would not have given them by itself: those that
    /// were carried over.
    pub expiries: BTreeMap<TransactionId, CarriedExpiry>,
    /// Whose points a reservation holds, and how many.
    holds: BTreeMap<String, (String, i64)>,
    /// Benefits that are not taken back.
    kept: BTreeSet<TransactionId>,
}

impl Books {
    fn effects(&mut self, transaction: TransactionId) -> &mut Effects {
        let effects = self.effects.entry(transaction).or_default();
        effects.calls += 1;
        effects
    }

    fn give(&mut self, member: &str, points: i64) {
        *self.moved.entry(member.to_owned()).or_insert(0) += points;
    }
}

/// What a brand is like.
#[derive(Clone)]
pub struct Character {
    /// The mood that it is in where nobody asks for another.
    pub mood: Mood,
    /// The clock that late answers and daily batches go by.
    pub clock: Clock,
}

impl Default for Character {
    fn default() -> Self {
        Self { mood: Mood::Prompt, clock: Clock::system() }
    }
}

impl Character {
    fn mood(&self, reference: &str) -> Mood {
        Mood::asked(reference).unwrap_or(self.mood)
    }
}

struct Brand(Character);

impl Connector for Brand {
    type Store = MemoryStore<Books>;

    async fn reserve(
        &self,
        books: &mut MemoryTx<Books>,
        call: &ReserveCall,
    ) -> Result<Reserved, CallError> {
        let (member, points) = (call.member.expose(), call.amount.micros());
        let mood = self.0.mood(member);
        refuse_by_mood(mood)?;
        let has = OPENING + books.moved.get(member).copied().unwrap_or(0);
        if has < points || mood == Mood::Poor {
            return Err(RefusalCode::InsufficientPoints.into());
        }
        let reservation = format!("hold-{}", call.transaction);
        books.give(member, -points);
        books.holds.insert(reservation.clone(), (member.to_owned(), points));
        books.effects(call.transaction).reserved += points;
        Ok(Reserved { reservation: reservation.parse()? })
    }

    async fn capture(
        &self,
        books: &mut MemoryTx<Books>,
        call: &CaptureCall,
    ) -> Result<(), CallError> {
        let (member, points) = hold(books, call.reservation.as_str())?;
        if self.0.mood(&member) == Mood::Uncapturable {
            return Err(RefusalCode::Refused.into());
        }
        books.holds.remove(call.reservation.as_str());
        books.effects(call.transaction).captured += points;
        Ok(())
    }

    async fn release(
        &self,
        books: &mut MemoryTx<Books>,
        call: &ReleaseCall,
    ) -> Result<(), CallError> {
        let (member, points) = hold(books, call.reservation.as_str())?;
        books.holds.remove(call.reservation.as_str());
        books.give(&member, points);
        books.effects(call.transaction).released += points;
        Ok(())
    }

    async fn credit(
        &self,
        books: &mut MemoryTx<Books>,
        call: &CreditCall,
    ) -> Result<Credited, CallError> {
        let points = call.amount.micros();
        match call.gift() {
            Some(Gift::Points { member, .. }) => {
                let mood = self.0.mood(member.expose());
                refuse_by_mood(mood)?;
                if mood == Mood::Ungiving {
                    return Err(RefusalCode::Refused.into());
                }
                books.give(member.expose(), points);
                books.expiries.extend(call.expiry.map(|expiry| (call.transaction, expiry)));
                books.effects(call.transaction).credited += points;
            }
            Some(Gift::Benefit(benefit)) => {
                let mood = self.0.mood(benefit.item.as_str());
                if matches!(mood, Mood::Ungiving | Mood::Refusing) {
                    return Err(RefusalCode::Refused.into());
                }
                if mood == Mood::Uncancellable {
                    books.kept.insert(call.transaction);
                }
                books.effects(call.transaction).benefit += points;
            }
            None => return Err(RefusalCode::Refused.into()),
        }
        Ok(Credited { reference: format!("gift-{}", call.transaction).parse()? })
    }

    async fn cancel(
        &self,
        books: &mut MemoryTx<Books>,
        call: &CancelCall,
    ) -> Result<(), CallError> {
        let given = books.effects.get(&call.reverses).map_or(0, |effects| effects.benefit);
        if given < call.amount.micros() || books.kept.contains(&call.reverses) {
            return Err(RefusalCode::NotCancellable.into());
        }
        books.effects(call.transaction).cancelled += call.amount.micros();
        Ok(())
    }
}

fn refuse_by_mood(mood: Mood) -> Result<(), CallError> {
    match mood {
        Mood::Unknown => Err(RefusalCode::MemberUnknown.into()),
        Mood::Frozen => Err(RefusalCode::MemberFrozen.into()),
        Mood::Refusing => Err(RefusalCode::Refused.into()),
        _ => Ok(()),
    }
}

fn hold(books: &Books, reservation: &str) -> Result<(String, i64), CallError> {
    books.holds.get(reservation).cloned().ok_or_else(|| RefusalCode::Refused.into())
}

/// What the brand remembers of calls, beside its books.
#[derive(Default)]
struct Temper {
    /// The mood of a transaction, and since when it is known.
    moods: HashMap<TransactionId, (Mood, Timestamp)>,
    answered: HashSet<String>,
    /// How often a brand that is flaky has been called for an operation.
    calls: HashMap<String, u32>,
    speaks: bool,
    delay: Duration,
    at_once: usize,
    at_once_most: usize,
}

struct Door {
    service: Service<Brand>,
    character: Character,
    temper: Mutex<Temper>,
}

impl Door {
    fn temper(&self) -> MutexGuard<'_, Temper> {
        // Nothing panics while holding the lock.
        self.temper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mood that a call's transaction is met in: told by its first call that names anybody.
    fn mood(&self, key: &OperationKey, body: &[u8]) -> (Mood, Timestamp) {
        let mood = |reference: &str| self.character.mood(reference);
        let named = match key.step {
            Step::Reserve => {
                json::read::<ReserveCall>(body).ok().map(|call| mood(call.member.expose()))
            }
            Step::Credit => json::read::<CreditCall>(body).ok().map(|call| match call.gift() {
                Some(Gift::Points { member, .. }) => mood(member.expose()),
                Some(Gift::Benefit(benefit)) => mood(benefit.item.as_str()),
                None => self.character.mood,
            }),
            Step::Capture | Step::Release | Step::Cancel => None,
        };
        let (mut temper, now) = (self.temper(), self.character.clock.now());
        match named {
            Some(mood) => *temper.moods.entry(key.transaction).or_insert((mood, now)),
            // Of what it does not know it says so, whatever its mood.
            None => temper.moods.get(&key.transaction).copied().unwrap_or((Mood::Prompt, now)),
        }
    }

    /// What becomes of a call that the brand itself would answer well.
    fn luck(&self, operation: &str) -> Luck {
        let mut temper = self.temper();
        let calls = temper.calls.entry(operation.to_owned()).or_insert(0);
        *calls += 1;
        luck(operation, *calls - 1)
    }
}

/// Whether a simulated brand answers where its mood is not to. Clones are one brand's.
#[derive(Clone)]
pub struct Voice(Arc<Door>);

impl Voice {
    /// Whether it does.
    #[must_use]
    pub fn speaks(&self) -> bool {
        self.0.temper().speaks
    }

    /// From now on it does, or does not.
    pub fn set_speaking(&self, speaks: bool) {
        self.0.temper().speaks = speaks;
    }
}

/// A simulated brand that listens on loopback, until it is dropped.
pub struct SimulatedBrand {
    /// Where it listens.
    pub address: SocketAddr,
    store: MemoryStore<Books>,
    door: Data<Door>,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl SimulatedBrand {
    /// Listens on a socket and answers whoever signs with the gateway's key.
    ///
    /// # Errors
    /// Where no server can be started.
    pub fn start(listener: TcpListener, key: SigningKey, gateway: PublicKey) -> io::Result<Self> {
        Self::start_as(Character::default(), listener, key, gateway)
    }

    /// The same, of a character.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_as(
        character: Character,
        listener: TcpListener,
        key: SigningKey,
        gateway: PublicKey,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let store = MemoryStore::new(Books::default());
        let (kept, (started, begun)) = (store.clone(), oneshot::channel());
        let thread = std::thread::Builder::new().name("brand".to_owned()).spawn(move || {
            rt::System::new().block_on(async move {
                let served = serve(character, listener, kept, key, gateway);
                let (door, server) = match served {
                    Ok(served) => served,
                    Err(error) => {
                        let _ = started.send(Err(error));
                        return;
                    }
                };
                let _ = started.send(Ok((door, server.handle())));
                let _ = server.await;
            });
        })?;
        let gone = |_| io::Error::other("the brand's thread has ended");
        let (door, handle) = begun.blocking_recv().map_err(gone)??;
        Ok(Self { address, store, door, handle, thread: Some(thread) })
    }

    /// What stands in `connector`.
    #[must_use]
    pub fn connector(&self) -> String {
        format!("http://{}/alliance", self.address)
    }

    /// The books, as they are now.
    pub async fn books(&self) -> Books {
        self.store.state().await
    }

    /// Whether it answers where its mood is not to.
    #[must_use]
    pub fn voice(&self) -> Voice {
        Voice(self.door.clone().into_inner())
    }

    /// How long it takes over each call.
    pub fn set_delay(&self, delay: Duration) {
        self.door.temper().delay = delay;
    }

    /// How many calls it has been working on at once, at most.
    #[must_use]
    pub fn most_calls_at_once(&self) -> usize {
        self.door.temper().at_once_most
    }
}

impl Drop for SimulatedBrand {
    fn drop(&mut self) {
        // Only tells it to; the future that waits for it is not needed, the thread is.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    character: Character,
    listener: TcpListener,
    store: MemoryStore<Books>,
    key: SigningKey,
    gateway: PublicKey,
) -> io::Result<(Data<Door>, actix_web::dev::Server)> {
    let service = Service::builder(Brand(character.clone()), store)
        .key(key)
        .public_name(listener.local_addr()?.to_string())
        .trust_only(gateway)
        .build()
        .map_err(io::Error::other)?;
    let door = Data::new(Door { service, character, temper: Mutex::default() });
    let shared = door.clone();
    let server = HttpServer::new(move || {
        let answers = web::to(answer);
        App::new()
            .app_data(shared.clone())
            .service(web::scope("/alliance").default_service(answers))
    });
    let server = server.workers(1).disable_signals().shutdown_timeout(1).listen(listener)?.run();
    Ok((door, server))
}

async fn answer(http: HttpRequest, body: Bytes, door: Data<Door>) -> HttpResponse {
    let path = http.uri().path().to_owned();
    let asked = path.rsplit_once(&format!("/{OPERATIONS}/")).map(|(_, key)| key.to_owned());
    let told = http.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
    let name = told.map(str::to_owned).or(asked.clone()).unwrap_or_default();
    let Ok(key) = name.parse::<OperationKey>() else { return silence() };
    let (mood, since) = door.mood(&key, &body);
    let (speaks, delay) = {
        let mut temper = door.temper();
        temper.at_once += 1;
        temper.at_once_most = temper.at_once_most.max(temper.at_once);
        (temper.speaks, temper.delay)
    };
    let wait = delay + if mood == Mood::Slow && asked.is_none() { SLOW } else { Duration::ZERO };
    if !wait.is_zero() {
        rt::time::sleep(wait).await;
    }
    let now = door.character.clock.now();
    let luck = if mood == Mood::Flaky { door.luck(&name) } else { Luck::Well };
    let silent = match mood {
        Mood::Silent => !speaks,
        Mood::Late => now < since.plus_seconds(LATE.as_secs().cast_signed()),
        Mood::Daily => now < next_batch(since),
        _ => luck == Luck::NotReached,
    };
    let response = if silent {
        silence()
    } else {
        let mut headers = HeaderList::default();
        for (name, value) in http.headers() {
            headers.push(name.as_str(), value.as_bytes());
        }
        let request = Request {
            body: body.to_vec(),
            headers,
            method: http.method().as_str().to_owned(),
            path,
            query: http.uri().query().map(str::to_owned),
        };
        if mood == Mood::Twice {
            // The first answer meets nobody who waits for it; the second says the same.
            door.service.answer(request.clone()).await;
        }
        let answer = door.service.answer(request).await;
        let first = asked.is_none() && door.temper().answered.insert(name);
        if (mood == Mood::Lost && first) || luck == Luck::AnswerLost {
            silence()
        } else {
            let unsigned = mood == Mood::Unsigned && !speaks;
            let status = StatusCode::from_u16(answer.status).unwrap_or_default();
            let mut response = HttpResponse::build(status);
            for (name, value) in answer.headers {
                if !(unsigned && name.starts_with("signature")) {
                    response.insert_header((name, value));
                }
            }
            response.body(answer.body)
        }
    };
    door.temper().at_once -= 1;
    response
}

/// What a proxy answers for a server that is not there: nobody has signed it.
fn silence() -> HttpResponse {
    HttpResponse::ServiceUnavailable().finish()
}
