//! The connector: what the gateway calls at a brand that keeps its members' balances itself
//! (protocol § 6). The brand writes what a call *does*; everything else is here.
//!
//! | promise | how |
//! | --- | --- |
//! | only the alliance's gateway is listened to | signature, digest, age, public name, key list |
//! | a call has its effect once, whatever is lost or killed | [`OperationStore`]: effect and answer are one commit |
//! | a repeated call is answered word for word as at first | the answer is kept under the call's key |
//! | `operations/{key}` tells the truth | it reads what that commit has written |
//! | every answer is evidence | signed, errors included, and bound to the call |
//!
//! A brand implements [`Connector`] and mounts a [`Service`]:
//!
//! ```
//! use alliance_partner_sdk::connector::{CallError, Connector, MemoryStore, MemoryTx, Service};
//! use alliance_partner_sdk::contracts::connector::{
//!     CancelCall, CaptureCall, CreditCall, Credited, RefusalCode, ReleaseCall, ReserveCall,
//!     Reserved,
//! };
//! # use alliance_partner_sdk::contracts::keys::{PublicKey, SigningKey};
//!
//! /// Gives whatever is asked for, and holds nothing: a start.
//! struct Generous;
//!
//! impl Connector for Generous {
//!     type Store = MemoryStore<u64>;
//!
//!     async fn reserve(
//!         &self,
//!         held: &mut MemoryTx<u64>,
//!         call: &ReserveCall,
//!     ) -> Result<Reserved, CallError> {
//!         if call.member.expose().starts_with("unknown") {
//!             return Err(RefusalCode::MemberUnknown.into());
//!         }
//!         **held += 1;
//!         let reservation = format!("hold-{}", **held).parse()?;
//!         Ok(Reserved { reservation })
//!     }
//! #   async fn capture(&self, _: &mut MemoryTx<u64>, _: &CaptureCall) -> Result<(), CallError> {
//! #       Ok(())
//! #   }
//! #   async fn release(&self, _: &mut MemoryTx<u64>, _: &ReleaseCall) -> Result<(), CallError> {
//! #       Ok(())
//! #   }
//! #   async fn credit(
//! #       &self,
//! #       _: &mut MemoryTx<u64>,
//! #       _: &CreditCall,
//! #   ) -> Result<Credited, CallError> {
//! #       Ok(Credited { reference: "given".parse()? })
//! #   }
//! #   async fn cancel(&self, _: &mut MemoryTx<u64>, _: &CancelCall) -> Result<(), CallError> {
//! #       Ok(())
//! #   }
//!     // capture, release, credit, cancel
//! }
//!
//! # async fn open(key: SigningKey, gateway: PublicKey) -> Result<(), Box<dyn std::error::Error>> {
//! let service = Service::builder(Generous, MemoryStore::default())
//!     .key(key) // signs the answers; the alliance knows its public half
//!     .public_name("brand.example") // what the gateway calls this host
//!     .trust_only(gateway) // for tests; in earnest: .gateway_keys(client)
//!     .build()?;
//! # #[cfg(any())]
//! actix_web::HttpServer::new(move || {
//!     let scope = actix_web::web::scope("/alliance");
//!     actix_web::App::new().service(scope.configure(service.routes()))
//! });
//! # let _ = service;
//! # Ok(()) }
//! ```
//!
//! `examples/brand.rs` is a whole brand on SQLite to copy from; `alliance conformance` tries a
//! connector from outside, as a gateway would.

mod answer;
mod call;
mod error;
mod http;
mod keys;
mod memory;
mod service;
#[cfg(any(feature = "server-sqlite", feature = "server-postgres"))]
mod sql;
mod store;

use alliance_contracts::connector::{
    CancelCall, CaptureCall, CreditCall, Credited, ReleaseCall, ReserveCall, Reserved,
};

pub use answer::Answer;
pub use call::Request;
pub use error::{BuildError, CallError};
pub use keys::{KeyListSource, KeySourceError};
pub use memory::{MemoryStore, MemoryTx};
pub use service::{Service, ServiceBuilder};
#[cfg(feature = "server-postgres")]
pub use sql::{PostgresStore, PostgresTx};
#[cfg(feature = "server-sqlite")]
pub use sql::{SqliteStore, SqliteTx};
pub use store::{Begun, OperationStore, Recorded, StoreError};

pub use crate::clock::{Clock, SystemClock};

/// A transaction of the store that a connector's brand keeps its operations in.
pub type Tx<C> = <<C as Connector>::Store as OperationStore>::Tx;

/// What a brand does when it is called. The types of the calls are
/// [`contracts::connector`](alliance_contracts::connector).
///
/// Every method is given a transaction. What it writes **in that transaction** is committed
/// together with the answer, or not at all: a process killed between the two has done nothing, and
/// the call's repetition does it. So a method
///
/// - writes through `tx` and nothing else, and never commits or rolls back itself,
/// - need not look whether it was called before: a call that has an answer does not come here,
/// - refuses with a [`Refusal`](alliance_contracts::connector::Refusal) or a
///   [`RefusalCode`](alliance_contracts::connector::RefusalCode), for good: what it had written is
///   taken back, and every repetition gets the same refusal,
/// - fails with [`CallError::Failed`] where it cannot decide now: nothing is kept, the answer is
///   `503`, and the gateway repeats the call.
///
/// A brand whose balances are in a system of their own, behind an API, cannot have one commit; it
/// hands the [key](alliance_contracts::connector::OperationKey) on, so that *that* system keeps to
/// one effect.
///
/// Calls of one transaction come one after another, those of different transactions at once. A
/// method's future is run to its end even where the gateway has hung up.
pub trait Connector: Send + Sync + 'static {
    /// Where operations are kept, in the transaction of their effect.
    type Store: OperationStore;

    /// Holds points of a member until they are captured or released; there is no expiry. A brand
    /// that answers with a reservation is bound to let it be captured.
    ///
    /// # Errors
    /// Refusals `insufficient_points`, `member_unknown`, `member_frozen`, `refused`.
    fn reserve(
        &self,
        tx: &mut Tx<Self>,
        call: &ReserveCall,
    ) -> impl Future<Output = Result<Reserved, CallError>> + Send;

    /// Takes what is held.
    ///
    /// # Errors
    /// `refused`, where nothing is held under that name.
    fn capture(
        &self,
        tx: &mut Tx<Self>,
        call: &CaptureCall,
    ) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Lets go of what is held.
    ///
    /// # Errors
    /// `refused`, where nothing is held under that name.
    fn release(
        &self,
        tx: &mut Tx<Self>,
        call: &ReleaseCall,
    ) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Gives a member points, or the benefit:
    /// [`gift`](alliance_contracts::connector::CreditCall::gift) says which, and is always there.
    ///
    /// # Errors
    /// Refusals `member_unknown`, `member_frozen`, `refused`.
    fn credit(
        &self,
        tx: &mut Tx<Self>,
        call: &CreditCall,
    ) -> impl Future<Output = Result<Credited, CallError>> + Send;

    /// Takes back a benefit, or so much of it.
    ///
    /// # Errors
    /// Refusals `not_cancellable`, `refused`.
    fn cancel(
        &self,
        tx: &mut Tx<Self>,
        call: &CancelCall,
    ) -> impl Future<Output = Result<(), CallError>> + Send;
}
