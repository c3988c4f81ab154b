//! The alliance as it stands, and what a period does to it.

use std::collections::BTreeMap;

use alliance_contracts::board::PairTerms;
use alliance_contracts::decimal::{Decimal, MICROS};
use alliance_contracts::ids::WindowId;
use alliance_contracts::names::ProgramId;
use alliance_contracts::time::Timestamp;
use alliance_contracts::valuation::ProgramValuation;

use super::slices::Slices;
use super::{DirectionNow, Period, Plan, SimulationError, ValueNow, demand};
use crate::alliance::{ProgramDefinition, PublishedBoard, Registry, RegistryParts};
use crate::ledger::{Flow, FlowRow};
use crate::rates::feeds::Feeds;
use crate::rates::model::ValueModel;
use crate::rates::publication::{self, Remark, Situation};
use crate::rates::terms::DirectedRate;

/// The alliance as it stands.
pub(super) struct World<'a> {
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
pub(super) struct News {
    published: bool,
    remarks: Vec<Remark>,
}

impl<'a> World<'a> {
    pub(super) fn new(plan: &'a Plan<'a>, slices: &'a Slices) -> Self {
        let parts = RegistryParts {
            windows: Vec::new(),
            settlement_proposals: Vec::new(),
            definition: plan.definition.clone(),
            version: 1,
            boards: Vec::new(),
            partner_keys_jws: String::new(),
            consents: Vec::new(),
            partner_keys: Vec::new(),
            gateway_keys: None,
            master_keys: Default::default(),
            window: WindowId::from_u128(0),
            suspended: Vec::new(),
            frozen: Vec::new(),
            agreements: Vec::new(),
            feeds: Default::default(),
            proposals: Vec::new(),
            campaigns: Vec::new(),
        };
        let model = |program: &ProgramDefinition| {
            let model = program.model.clone();
            let model = model.unwrap_or_else(|| ValueModel::default_for(program.value));
            (program.program.clone(), model)
        };
        let still = |(source, target): &(ProgramId, ProgramId)| FlowRow {
            source: source.clone().into(),
            target: target.clone().into(),
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

    pub(super) fn read_until(&mut self, at: Timestamp) -> Result<(), SimulationError> {
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

    pub(super) fn first_board(&mut self, at: Timestamp) -> News {
        let (board, terms) = publication::first(self.plan.definition, at);
        self.boards.push({
            let terms = terms.into();
            PublishedBoard { board, jws: String::new(), terms, slot: Some(at) }
        });
        News { published: true, remarks: Vec::new() }
    }

    pub(super) fn next_board(&mut self, at: Timestamp) -> Result<News, SimulationError> {
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
        self.boards.push({
            let terms = terms.into();
            PublishedBoard { board, jws: String::new(), terms, slot: Some(at) }
        });
        Ok(News { published: true, remarks })
    }

    /// What is exchanged in a period: until its board holds, at the board before it.
    pub(super) fn exchange(&mut self, number: i64, at: Timestamp, news: News) -> Period {
        let Some(last) = self.boards.last() else { return Period::empty(at) };
        let last = last.clone();
        let later = news.published && last.board.effective_at > at;
        let before = self.boards.iter().rev().nth(1).filter(|_| later).cloned();
        let mut directions = self.directions(&last);
        for half in 0..2 {
            let board = if half == 0 { before.as_ref().unwrap_or(&last) } else { &last };
            self.exchange_at(number * 2 + half, board, &mut directions);
        }
        let value = |valuation: &ProgramValuation| ValueNow {
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
