//! Trying a brand's connector from outside, as a gateway would: scripted cases, and a report of
//! each. Nothing is taken on trust: whether a call had its effect once is seen by counting the
//! member's points, and they are counted by reserving all of them.
//!
//! | looking for | open |
//! | --- | --- |
//! | signing, sending, verifying one call | `call` |
//! | what a case asks for, and how points are counted | `world` |
//! | the cases | `cases`, one file for each chapter |

mod call;
mod cases;
mod world;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use alliance_contracts::conformance::{CaseOutcome, CaseReport, ConformanceReport};
use alliance_contracts::keys::{PublicKey, SigningKey};
use alliance_contracts::names::{Currency, ItemRef, MemberRef, PartnerId, ProgramId};

use crate::clock::Clock;
use call::Caller;
use world::{Verdict, World};

/// Kills the connector, starts it again, and comes back when it is there; why not, otherwise.
pub type Restart = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What is tried, and with what.
#[derive(Clone)]
pub struct Target {
    /// The key that must have signed every answer.
    pub brand_key: PublicKey,
    /// Where the connector is: an address; the routes are below it.
    pub connector: String,
    /// The other brand that calls name.
    pub counterparty: PartnerId,
    /// The currency of benefits.
    pub currency: Currency,
    /// A member that is frozen, where there is one.
    pub frozen: Option<MemberRef>,
    /// A benefit that can be given and taken back, where there is one.
    pub item: Option<ItemRef>,
    /// The key that signs the calls: the connector takes it for a gateway's.
    pub key: Arc<SigningKey>,
    /// A member with at least twenty points, which nobody else moves meanwhile.
    pub member: MemberRef,
    /// How long an answer may take.
    pub patience: Duration,
    /// Whose points are moved.
    pub program: ProgramId,
    /// What kills the connector and starts it again, where there is such a thing. It may block.
    pub restart: Option<Restart>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("connector", &self.connector)
            .field("brand_key", self.brand_key.kid())
            .finish_non_exhaustive()
    }
}

/// Why nothing was tried.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// HTTP cannot be set up.
    #[error("no HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// The address cannot have routes below it.
    #[error("{0} is no connector's address: https://host/path")]
    Address(String),
    /// The system gives no randomness.
    #[error("the system gives no random bytes")]
    Randomness,
}

/// Tries every case in turn. `watch` is told of each when it has ended.
///
/// # Errors
/// Where nothing could be tried; what the connector does wrong stands in the report.
pub async fn run(
    target: &Target,
    clock: impl Clock,
    mut watch: impl FnMut(&CaseReport, &str),
) -> Result<ConformanceReport, Fault> {
    let started_at = clock.now();
    let mut world = World::new(target, Caller::new(target, Box::new(clock))?);
    let mut cases: Vec<CaseReport> = Vec::new();
    for case in cases::ALL {
        let before = world.calls();
        // Who does not answer is not asked thirty times.
        let mute = cases.first().filter(|first| first.outcome == CaseOutcome::Failed);
        let ended = match mute {
            Some(first) => Err(Verdict::NotTried(format!("{} failed", first.name))),
            None => (case.run)(&mut world).await,
        };
        let (outcome, detail) = match ended {
            Ok(()) => (CaseOutcome::Passed, String::new()),
            Err(Verdict::NotTried(why)) => (CaseOutcome::NotTried, why),
            Err(Verdict::Failed(why)) => {
                // What the member has now is anybody's guess: it is counted anew.
                world.forget_balance();
                (CaseOutcome::Failed, why)
            }
        };
        let calls = world.calls() - before;
        let report = CaseReport { calls, detail, name: case.name.to_owned(), outcome };
        watch(&report, case.what);
        cases.push(report);
    }
    Ok(ConformanceReport {
        brand_key: target.brand_key.kid().clone(),
        connector: target.connector.clone(),
        failed: ConformanceReport::count(&cases, CaseOutcome::Failed),
        finished_at: world.caller.now(),
        not_tried: ConformanceReport::count(&cases, CaseOutcome::NotTried),
        passed: ConformanceReport::count(&cases, CaseOutcome::Passed),
        program: target.program.clone(),
        started_at,
        tool: concat!("alliance ", env!("CARGO_PKG_VERSION")).to_owned(),
        v: 1,
        cases,
    })
}

/// The names of all cases and what each wants, in their order.
#[must_use]
pub fn cases() -> Vec<(&'static str, &'static str)> {
    cases::ALL.iter().map(|case| (case.name, case.what)).collect()
}
