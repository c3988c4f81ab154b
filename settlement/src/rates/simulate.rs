//! Boards as they would be published, one after the other, while flows run that somebody expects:
//! so that partners can tune a model before it goes live.
//!
//! | file | what |
//! | --- | --- |
//! | [`input`] | flows and readings as files bring them, and every fault in them |
//! | [`demand`] | what a surcharge does to a flow: declared, simple, no forecast |
//! | [`scenario`] | three alliances to look at, with nothing to set up |
//! | `slices` | flows cut at the times at which a board may take effect |
//!
//! Every board is made by [`publication::next`], the same function that makes the alliance's; what
//! is simulated is the world around it: the clock, the feeds, and what members exchange. Time runs
//! in periods. At the beginning of each, a board is worked out from what has been exchanged before
//! it; where that board moves a value it takes effect `notice_seconds` later, and until then flows
//! go at the board before.
//!
//! Deliberately absent: orders (a flow is a sum of money, not a number of members), late orders
//! on boards that have been superseded, agreements that are signed or end meanwhile, and chance.

pub mod demand;
pub mod input;
pub mod scenario;
mod slices;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use alliance_contracts::board::PairTerms;
use alliance_contracts::decimal::{Decimal, MICROS};
use alliance_contracts::ids::WindowId;
use alliance_contracts::names::{Currency, ProgramId};
use alliance_contracts::time::Timestamp;
use alliance_contracts::valuation::{Band, Limit};

use super::feeds::{Feeds, Observation, ObservationRefused};
use super::model::ValueModel;
use super::publication::{self, NoBoard, Remark, Situation};
use super::terms::DirectedRate;
use crate::alliance::{Definition, PublishedBoard, Registry, RegistryParts};
use crate::ledger::{Flow, FlowRow};
use demand::Demand;
use input::PlannedFlow;
use slices::Slices;

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

/// The alliance as it stands.
struct World<'a> {
    plan: &'a Plan<'a>,
    slices: &'a Slices,
    registry: Registry,
    models: BTreeMap<ProgramId, ValueModel>,
    feeds: BTreeMap<ProgramId, Feeds>,
    /// How many readings are known.
    read: usize,
    /// Those still quoted, the last one last.
    boards: Vec<PublishedBoard>,
    /// All that was ever exchanged, in the order of the slices' directions.
    flows: Vec<FlowRow>,
}

/// What a time of the schedule brought.
struct News {
    published: bool,
    remarks: Vec<Remark>,
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan<'a>, slices: &'a Slices) -> Self {
        let parts = RegistryParts {
            definition: plan.definition.clone(),
            version: 1,
            boards: Vec::new(),
            partner_keys_jws: String::new(),
            window: WindowId::from_u128(0),
            suspended: Vec::new(),
            frozen: Vec::new(),
            agreements: Vec::new(),
        };
        let model = |program: &crate::alliance::ProgramDefinition| {
            let model = program.model.clone();
            let model = model.unwrap_or_else(|| ValueModel::default_for(program.value));
            (program.program.clone(), model)
        };
        let still = |(source, target): &(ProgramId, ProgramId)| FlowRow {
            source: source.clone(),
            target: target.clone(),
            flow: Flow::default(),
        };
        Self {
            plan,
            slices,
            registry: Registry::new(1, parts),
            models: plan.definition.programs.iter().map(model).collect(),
            feeds: BTreeMap::new(),
            read: 0,
            boards: Vec::new(),
            flows: slices.directions.iter().map(still).collect(),
        }
    }

    fn read_until(&mut self, at: Timestamp) -> Result<(), SimulationError> {
        while let Some(reading) = self.plan.readings.get(self.read)
            && reading.observed_at <= at
        {
            self.read += 1;
            let program = reading.program.clone();
            let Some(model) = self.models.get(&program) else { continue };
            let feeds = self.feeds.entry(program.clone()).or_default();
            let next = feeds.observe(reading, model, at);
            *feeds = next.map_err(|refused| SimulationError::Reading { program, refused })?;
        }
        Ok(())
    }

    fn first_board(&mut self, at: Timestamp) -> News {
        let (board, terms) = publication::first(self.plan.definition, at);
        self.boards.push(PublishedBoard { board, jws: String::new(), terms, slot: Some(at) });
        News { published: true, remarks: Vec::new() }
    }

    fn next_board(&mut self, at: Timestamp) -> Result<News, SimulationError> {
        let ended = self.boards.len() - publication::still_quoted(&self.boards, at).len();
        self.boards.drain(..ended);
        let exchanged: Vec<FlowRow> =
            self.flows.iter().filter(|row| row.flow.exchanged > 0).cloned().collect();
        let publication = publication::next(&Situation {
            registry: &self.registry,
            boards: &self.boards,
            flows: &exchanged,
            feeds: &self.feeds,
            approved: &BTreeMap::new(),
            now: at,
        })
        .map_err(|error| SimulationError::NoBoard { at, error })?;
        // As the publisher does: a board that says nothing new is not published.
        if !publication.changes {
            return Ok(News { published: false, remarks: Vec::new() });
        }
        let publication::Publication { board, terms, remarks, .. } = publication;
        self.boards.push(PublishedBoard { board, jws: String::new(), terms, slot: Some(at) });
        Ok(News { published: true, remarks })
    }

    /// What is exchanged in a period: until its board holds, at the board before it.
    fn exchange(&mut self, number: i64, at: Timestamp, news: News) -> Period {
        let Some(last) = self.boards.last() else { return Period::empty(at) };
        let last = last.clone();
        let later = news.published && last.board.effective_at > at;
        let before = self.boards.iter().rev().nth(1).filter(|_| later).cloned();
        let mut directions = self.directions(&last);
        for half in 0..2 {
            let board = if half == 0 { before.as_ref().unwrap_or(&last) } else { &last };
            self.exchange_at(number * 2 + half, board, &mut directions);
        }
        let value = |valuation: &alliance_contracts::valuation::ProgramValuation| ValueNow {
            program: valuation.program.clone(),
            value: valuation.value,
            target: valuation.target,
            band: valuation.band,
            limited_by: valuation.limited_by.clone(),
            halvings: valuation.halvings,
        };
        Period {
            at,
            board: last.board.board,
            effective_at: last.board.effective_at,
            published: news.published,
            remarks: news.remarks,
            values: last.board.values.iter().map(value).collect(),
            directions,
        }
    }

    /// Every direction at the terms of a board, with nothing exchanged yet.
    fn directions(&self, board: &PublishedBoard) -> Vec<DirectionNow> {
        let each = self.slices.directions.iter();
        each.map(|(source, target)| {
            let terms = board.terms.pair(source, target);
            let rate = self.rate(board, source, target);
            DirectionNow {
                source: source.clone(),
                target: target.clone(),
                fee: rate.map_or(Decimal::ZERO, |rate| rate.fee),
                surcharge: rate.map_or(Decimal::ZERO, |rate| rate.surcharge()),
                flow: terms.map_or(0, |terms| terms.flow.micros()),
                limit: terms.and_then(|terms| terms.limit),
                wanted: 0,
                gross: 0,
                kept_away: 0,
                refused: 0,
                fees: 0,
                surcharges: 0,
                frozen: false,
            }
        })
        .collect()
    }

    /// What an order gets on a board; none where it takes none.
    fn rate(
        &self,
        board: &PublishedBoard,
        source: &ProgramId,
        target: &ProgramId,
    ) -> Option<DirectedRate> {
        let (one, other) = (self.registry.program(source)?, self.registry.program(target)?);
        let agreed = board.terms.agreed_between(&one.partner, &other.partner)?;
        agreed.directed(board.terms.pair(source, target))
    }

    fn exchange_at(&mut self, slice: i64, board: &PublishedBoard, told: &mut [DirectionNow]) {
        let wanted = self.slices.wanted(slice);
        let rates: Vec<Option<DirectedRate>> =
            told.iter().map(|now| self.rate(board, &now.source, &now.target)).collect();
        let answers: Vec<demand::Answer> = wanted
            .iter()
            .zip(&rates)
            .map(|(wanted, rate)| {
                let surcharge = rate.map_or(Decimal::ZERO, |rate| rate.surcharge());
                self.plan.demand.answer(*wanted, surcharge)
            })
            .collect();
        for (at, now) in told.iter_mut().enumerate() {
            let Some((answer, row)) = answers.get(at).zip(self.flows.get_mut(at)) else { continue };
            let turned = self.slices.opposite(at).and_then(|back| answers.get(back));
            let asked = answer.stays + turned.map_or(0, |turned| turned.turns);
            let rate = rates.get(at).copied().flatten();
            let terms = board.terms.pair(&now.source, &now.target);
            let taken = rate.map_or(0, |_| asked.min(room(terms, &row.flow)));
            now.frozen |= rate.is_some() && taken < asked;
            now.refused += asked - taken;
            now.wanted += wanted.get(at).copied().unwrap_or(0);
            now.kept_away += answer.kept_away;
            now.gross += taken;
            row.flow.exchanged += taken;
            if let Some(rate) = rate {
                now.fees += part(taken, rate.fee);
                now.surcharges += part(taken, rate.surcharge());
            }
        }
    }
}

/// How much more may go at a board's limit.
fn room(terms: Option<&PairTerms>, flow: &Flow) -> i128 {
    let limit = terms.and_then(|terms| Some((terms.limit?, terms.exchanged.micros())));
    limit.map_or(i128::MAX, |(limit, before)| {
        (i128::from(limit.micros()) - (flow.exchanged - before)).max(0)
    })
}

/// A rate of a sum, rounded down.
fn part(sum: i128, rate: Decimal) -> i128 {
    let (whole, micros) = (i128::from(MICROS), i128::from(rate.micros()));
    sum / whole * micros + sum % whole * micros / whole
}

impl Period {
    fn empty(at: Timestamp) -> Self {
        Self {
            at,
            board: 0,
            effective_at: at,
            published: false,
            remarks: Vec::new(),
            values: Vec::new(),
            directions: Vec::new(),
        }
    }
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
