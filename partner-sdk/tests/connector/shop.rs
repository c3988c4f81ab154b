//! A brand of one number, on any store: it counts what it has done, and misbehaves when it is told
//! to by the name of the member.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use alliance_partner_sdk::connector::{
    CallError, Connector, MemoryStore, MemoryTx, OperationStore, PostgresStore, PostgresTx,
    Service, SqliteStore, SqliteTx, Tx,
};
use alliance_partner_sdk::contracts::connector::{
    CancelCall, CaptureCall, CreditCall, Credited, RefusalCode, ReleaseCall, ReserveCall, Reserved,
};
use tokio::sync::Notify;

use super::gateway::{NAME, NOW, brand_key, gateway_key};

/// A store beside which a number can be kept.
pub trait Counting: OperationStore + Clone {
    fn count(tx: &mut Self::Tx) -> impl Future<Output = Result<(), CallError>> + Send;
    /// A statement that the database refuses.
    fn fail(tx: &mut Self::Tx) -> impl Future<Output = Result<(), CallError>> + Send;
    fn counted(&self) -> impl Future<Output = i64> + Send;
}

impl Counting for MemoryStore<i64> {
    async fn count(tx: &mut MemoryTx<i64>) -> Result<(), CallError> {
        **tx += 1;
        Ok(())
    }

    async fn fail(_: &mut MemoryTx<i64>) -> Result<(), CallError> {
        Err(CallError::failed("no"))
    }

    async fn counted(&self) -> i64 {
        self.state().await
    }
}

pub const TABLE: &str = "CREATE TABLE counted (n BIGINT NOT NULL)";
const COUNT: &str = "INSERT INTO counted VALUES (1)";
const COUNTED: &str = "SELECT COUNT(*) FROM counted";

macro_rules! counting {
    ($store:ty, $tx:ty) => {
        impl Counting for $store {
            async fn count(tx: &mut $tx) -> Result<(), CallError> {
                sqlx::query(COUNT).execute(&mut **tx).await?;
                Ok(())
            }

            async fn fail(tx: &mut $tx) -> Result<(), CallError> {
                sqlx::query("INSERT INTO counted VALUES (NULL)").execute(&mut **tx).await?;
                Ok(())
            }

            async fn counted(&self) -> i64 {
                sqlx::query_scalar(COUNTED).fetch_one(self.pool()).await.unwrap()
            }
        }
    };
}

counting!(SqliteStore, SqliteTx);
counting!(PostgresStore, PostgresTx);

/// What holds a call up, and lets it go.
#[derive(Default)]
pub struct Gate {
    pub reached: Notify,
    pub go: Notify,
}

pub struct Shop<S> {
    pub gate: Arc<Gate>,
    /// Whether `fails` and `panics` still do.
    pub broken: Arc<AtomicBool>,
    store: std::marker::PhantomData<fn() -> S>,
}

impl<S: Counting> Shop<S> {
    pub fn new() -> Self {
        let broken = Arc::new(AtomicBool::new(true));
        Self { gate: Arc::default(), broken, store: std::marker::PhantomData }
    }

    /// Its connector.
    pub fn open(self, store: S) -> Service<Self> {
        let builder = Service::builder(self, store).key(brand_key()).public_name(NAME);
        builder.trust_only(gateway_key().public_key().clone()).clock(|| NOW).build().unwrap()
    }

    async fn misbehave(&self, tx: &mut S::Tx, member: &str) -> Result<(), CallError> {
        let broken = self.broken.load(Ordering::Relaxed);
        match member {
            "fails" if broken => Err(CallError::failed("the till is jammed")),
            "panics" if broken => panic!("the till is on fire"),
            // The statement's failure is told as what it is: the brand cannot decide.
            "bad-statement" if broken => S::fail(tx).await,
            // As if it were a decision: what was written goes, the refusal stays.
            "refused-after-a-bad-statement" => match S::fail(tx).await {
                Ok(()) => Ok(()),
                Err(_) => Err(RefusalCode::Refused.into()),
            },
            "poor" => Err(RefusalCode::InsufficientPoints.into()),
            "waits" => {
                self.gate.reached.notify_one();
                self.gate.go.notified().await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl<S: Counting> Connector for Shop<S> {
    type Store = S;

    async fn reserve(&self, tx: &mut Tx<Self>, call: &ReserveCall) -> Result<Reserved, CallError> {
        S::count(tx).await?;
        self.misbehave(tx, call.member.expose()).await?;
        Ok(Reserved { reservation: format!("hold-{}", call.transaction).parse()? })
    }

    async fn capture(&self, tx: &mut Tx<Self>, _: &CaptureCall) -> Result<(), CallError> {
        S::count(tx).await
    }

    async fn release(&self, tx: &mut Tx<Self>, _: &ReleaseCall) -> Result<(), CallError> {
        S::count(tx).await
    }

    async fn credit(&self, tx: &mut Tx<Self>, call: &CreditCall) -> Result<Credited, CallError> {
        S::count(tx).await?;
        Ok(Credited { reference: format!("gift-{}", call.transaction).parse()? })
    }

    async fn cancel(&self, tx: &mut Tx<Self>, _: &CancelCall) -> Result<(), CallError> {
        S::count(tx).await
    }
}
