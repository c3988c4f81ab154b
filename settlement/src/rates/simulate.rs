//! Boards as they would be published, one after the other, while flows run that somebody expects:
//! so that partners can tune a model before it goes live.
//!
//! | file | what |
//! | --- | --- |
//! | [`input`] | flows and readings as files bring them, and every fault in them |
//! | [`demand`] | what a surcharge does to a flow: declared, simple, no forecast |
//! | [`scenario`] | three alliances to look at, with nothing to set up |
//! | `slices` | flows cut at the times at which a board may take effect |
//! | `world` | the alliance as it stands, and what a period does to it |
//!
//! Every board is made by [`super::publication::next`], the same function that makes the
//! alliance's; what is simulated is the world around it: the clock, the feeds, and what members
//! exchange. Time runs in periods. At the beginning of each, a board is worked out from what has
//! been exchanged before it; where that board moves a value it takes effect `notice_seconds` later,
//! and until then flows go at the board before.
//!
//! Deliberately absent: orders (a flow is a sum of money, not a number of members), late orders
//! on boards that have been superseded, agreements that are signed or end meanwhile, and chance.

pub mod demand;
pub mod input;
pub mod scenario;
mod slices;
#[cfg(test)]
mod tests;
mod world;

use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::{Currency, ProgramId};
use alliance_contracts::time::Timestamp;
use alliance_contracts::valuation::{Band, Limit};

use super::feeds::{Observation, ObservationRefused};
use super::publication::{NoBoard, Remark};
use crate::alliance::Definition;
use demand::Demand;
use input::PlannedFlow;
use slices::Slices;
use world::World;

/// Days at most: ten years.
pub const MAX_DAYS: u32 = 3_650;
/// Periods at most; a year of boards every six minutes has fewer.
pub const MAX_PERIODS: i64 = 100_000;
/// Seconds of a day.
pub const DAY_SECONDS: i64 = 86_400;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// What the alliance has agreed on, or would. The first board has its values.
    pub definition: &'a Definition,
    /// What members would exchange if nothing were ever dearer. Where it ends before `days` it is
    /// repeated: see [`input::projected`].
    pub flows: &'a [PlannedFlow],
    /// What is read meanwhile, in the order of time. What was read last stays.
    pub readings: &'a [Observation],
    /// For how many days; at most [`MAX_DAYS`].
    pub days: u32,
    /// From one board to the next, in seconds; more than the definition's notice.
    pub every_seconds: i64,
    /// What a surcharge does to a flow.
    pub demand: Demand,
    /// When the first board is published.
    pub start: Timestamp,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulation {
    /// What values are told in.
    pub currency: Currency,
    /// From one board to the next, in seconds.
    pub every_seconds: i64,
    /// For how many days.
    pub days: u32,
    /// When the first board was published.
    pub start: Timestamp,
    /// Every period, the first first.
    pub periods: Vec<Period>,
}

/// From one time of the schedule to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// When it begins.
    pub at: Timestamp,
    /// The board published then; where nothing had changed, the one before it.
    pub board: u32,
    /// From when that board holds.
    pub effective_at: Timestamp,
    /// Whether a board was published.
    pub published: bool,
    /// What had to be cut on it, and why.
    pub remarks: Vec<Remark>,
    /// Each program on it, by slug.
    pub values: Vec<ValueNow>,
    /// Each direction in which anything may go, by source and target.
    pub directions: Vec<DirectionNow>,
}

/// A program on a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueNow {
    /// The program.
    pub program: ProgramId,
    /// Its value.
    pub value: Decimal,
    /// Where it was going.
    pub target: Decimal,
    /// What it may be.
    pub band: Band,
    /// What cut it.
    pub limited_by: Vec<Limit>,
    /// How often its movement was halved.
    pub halvings: u32,
}

/// One direction in one period. Sums are in 10⁻⁶ of the settlement currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectionNow {
    /// Whose points are given.
    pub source: ProgramId,
    /// Whose points arrive.
    pub target: ProgramId,
    /// The agreement's fee rate on the period's board.
    pub fee: Decimal,
    /// The surcharge on it.
    pub surcharge: Decimal,
    /// The decayed flow that the surcharge was made of.
    pub flow: i128,
    /// The most that may go on it; none: no bound.
    pub limit: Option<Decimal>,
    /// What members would have exchanged at no surcharge.
    pub wanted: i128,
    /// What they exchanged.
    pub gross: i128,
    /// What stayed away because of the surcharge, with what turned back the other way.
    pub kept_away: i128,
    /// What was turned away: it was beyond the limit, or the direction took no orders.
    pub refused: i128,
    /// What the agreement's fee earned.
    pub fees: i128,
    /// What the surcharge earned.
    pub surcharges: i128,
    /// Whether the limit was reached, so that the pair would have frozen. The simulation lets a
    /// person release it with the next board.
    pub frozen: bool,
}

/// Why nothing can be simulated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimulationError {
    /// Too few, or too many.
    #[error("days must be 1 to {MAX_DAYS}, ten years")]
    Days,
    /// Boards would come before the ones before them hold.
    #[error(
        "a board every {every} seconds is too often: it takes effect {notice} seconds after it is \
         published, so there must be more than that between two"
    )]
    Every {
        /// What was asked for.
        every: i64,
        /// The definition's notice.
        notice: i64,
    },
    /// It would take too long.
    #[error(
        "that is {0} boards, and {MAX_PERIODS} at most: take fewer days, or fewer boards a day"
    )]
    TooMany(i64),
    /// A reading that the alliance would not take.
    #[error("a reading of {program}: {refused}")]
    Reading {
        /// Of which program.
        program: ProgramId,
        /// Why.
        refused: ObservationRefused,
    },
    /// There is no board at a time of the schedule.
    #[error("the board of {at}: {error}")]
    NoBoard {
        /// When it would have been.
        at: Timestamp,
        /// Why.
        error: NoBoard,
    },
}

/// Simulates.
///
/// # Errors
/// [`SimulationError`].
///
/// ```
/// use alliance_settlement::rates::simulate::{Plan, demand::Demand, input, run};
/// let definition = serde_json::from_str(
///     r#"{
///     "alliance": "demo", "currency": "CNY",
///     "partners": [{"partner": "air", "name": "Air"}, {"partner": "inn", "name": "Inn"}],
///     "programs": [
///         {"program": "miles", "partner": "air", "name": "Miles", "scale": 0, "value": "0.05"},
///         {"program": "nights", "partner": "inn", "name": "Nights", "scale": 0, "value": "1"}
///     ],
///     "agreements": [{"a": "air", "b": "inn", "fee": "0.01"}],
///     "rates": {"surcharge": {}, "breaker": {"factor": "10", "floor": "50000"}}
/// }"#,
/// )?;
/// let flows = "day,source,target,gross\n1,miles,nights,480000\n";
/// let inputs = input::read(&definition, flows, None).unwrap();
/// let simulation = run(&Plan {
///     definition: &definition,
///     flows: &inputs.flows,
///     readings: &inputs.readings,
///     days: 2,
///     every_seconds: 3_600,
///     demand: Demand::default(),
///     start: inputs.start,
/// })?;
/// assert_eq!(simulation.periods.len(), 48);
/// let last = &simulation.periods[47].directions[0];
/// assert!(!last.surcharge.is_zero() && last.gross < last.wanted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn run(plan: &Plan<'_>) -> Result<Simulation, SimulationError> {
    let periods = check(plan)?;
    let slices = Slices::of(plan, periods);
    let mut world = World::new(plan, &slices);
    let mut told = Vec::with_capacity(usize::try_from(periods).unwrap_or(0));
    for number in 0..periods {
        let at = plan.start.plus_seconds(number * plan.every_seconds);
        world.read_until(at)?;
        let news = if number == 0 { world.first_board(at) } else { world.next_board(at)? };
        told.push(world.exchange(number, at, news));
    }
    Ok(Simulation {
        currency: plan.definition.currency.clone(),
        every_seconds: plan.every_seconds,
        days: plan.days,
        start: plan.start,
        periods: told,
    })
}

/// How many periods there are.
fn check(plan: &Plan<'_>) -> Result<i64, SimulationError> {
    if !(1..=MAX_DAYS).contains(&plan.days) {
        return Err(SimulationError::Days);
    }
    let (every, notice) = (plan.every_seconds, plan.definition.rates.notice_seconds);
    if every <= notice {
        return Err(SimulationError::Every { every, notice });
    }
    let seconds = i64::from(plan.days) * DAY_SECONDS;
    let periods = seconds / every + i64::from(seconds % every != 0);
    if periods > MAX_PERIODS { Err(SimulationError::TooMany(periods)) } else { Ok(periods) }
}

impl Simulation {
    /// How many boards were published, with the first.
    #[must_use]
    pub fn boards(&self) -> usize {
        self.periods.iter().filter(|period| period.published).count()
    }

    /// Everything earned: by fees, and by surcharges.
    #[must_use]
    pub fn earned(&self) -> (i128, i128) {
        let each = self.periods.iter().flat_map(|period| &period.directions);
        each.fold((0, 0), |(fees, surcharges), now| (fees + now.fees, surcharges + now.surcharges))
    }
}
