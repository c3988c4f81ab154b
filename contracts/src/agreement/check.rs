//! Every fault of an agreement, with the place of each.

use std::collections::HashSet;

use super::{Agreement, FeeTier, OrderBounds};
use crate::decimal::{Decimal, MICROS};
use crate::drafts::{Fault, Faults};
use crate::encoding::Hash;
use crate::limits;
use crate::names::{PartnerId, ProgramId};
use crate::problem::FieldError;
use crate::quote::TransactionKind;

/// The signed bytes of an agreement: 64 KiB at most.
pub const MAX_AGREEMENT_BYTES: usize = 64 << 10;
/// Items in each of its lists at most.
pub const MAX_LIST_ITEMS: usize = 100;
/// A quote stands an hour at most.
pub const MAX_QUOTE_LIFETIME_SECONDS: i64 = 3_600;
/// A transaction waits for a brand for thirty days at most before a person is told.
pub const MAX_ANSWER_DEADLINE_SECONDS: i64 = 2_592_000;
/// The source partner may reverse for a year at most.
pub const MAX_REVERSAL_PERIOD_SECONDS: i64 = 31_536_000;
/// A tier brings ten times as much at most.
pub const MAX_TIER_MULTIPLIER_MICROS: i64 = 10 * MICROS;

/// A program as far as an agreement is checked against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownProgram {
    /// The brand it belongs to.
    pub partner: PartnerId,
    /// Its slug.
    pub program: ProgramId,
    /// Decimals of its points.
    pub scale: u32,
}

impl Agreement {
    /// Every fault that can be seen in the document, and against the alliance's programs where
    /// those are known. None: it can be signed.
    #[must_use]
    pub fn faults(&self, programs: Option<&[KnownProgram]>) -> Vec<FieldError> {
        self.list_faults(programs).into_iter().map(|fault| fault.error).collect()
    }

    pub(super) fn list_faults(&self, programs: Option<&[KnownProgram]>) -> Vec<Fault> {
        let mut faults = Faults::default();
        self.check_whole(&mut faults);
        self.check_money(&mut faults);
        self.check_lengths(&mut faults);
        let programs = Programs { agreement: self, known: programs };
        programs.check_member_limits(&mut faults);
        programs.check_orders(&mut faults);
        programs.check_overrides(&mut faults);
        programs.check_tiers(&mut faults);
        faults.0
    }

    fn check_whole(&self, faults: &mut Faults) {
        if self.v != 1 {
            faults.at("/v", "must be 1");
        }
        if self.a >= self.b {
            faults.with("/b", &["/a"], "must come after a by its bytes: swap the two");
        }
        if self.until.is_some_and(|until| until <= self.effective_at) {
            faults.with("/until", &["/effective_at"], "must be after effective_at");
        }
        let first = self.version <= 1;
        if self.version == 0 {
            faults.at("/version", "versions are numbered from 1");
        } else if first != (self.previous == Hash::ZERO) {
            let must = if first { "must be zeros: version 1 follows on none" } else { PREVIOUS };
            faults.with("/previous", &["/version"], must);
        }
        if self.kinds.is_empty() {
            faults.at("/kinds", "at least one kind of order");
        }
        for (at, kind) in self.kinds.iter().enumerate() {
            let pointer = format!("/kinds/{at}");
            if matches!(kind, TransactionKind::Reversal | TransactionKind::Adjustment) {
                let kinds = "is no kind to agree on: exchange, redemption or accrual";
                faults.at(pointer.as_str(), kinds);
            }
            if self.kinds[..at].contains(kind) {
                faults.with(pointer, &["/kinds"], "this kind stands there twice");
            }
        }
        if !(1..=MAX_QUOTE_LIFETIME_SECONDS).contains(&self.quote_lifetime_seconds) {
            faults.at("/quote_lifetime_seconds", "must be 1 to 3600");
        }
        let deadline = self.answer_deadline_seconds;
        if deadline.is_some_and(|deadline| !(1..=MAX_ANSWER_DEADLINE_SECONDS).contains(&deadline)) {
            faults.at("/answer_deadline_seconds", "must be 1 to 2592000, thirty days");
        }
        if !(0..=MAX_REVERSAL_PERIOD_SECONDS).contains(&self.reversal_period_seconds) {
            faults.at("/reversal_period_seconds", "must be 0 to 31536000, a year");
        }
    }

    fn check_money(&self, faults: &mut Faults) {
        if let Some(caps) = self.caps {
            faults.amount("/caps/a".to_owned(), caps.a);
            faults.amount("/caps/b".to_owned(), caps.b);
        }
        if let Some(limit) = self.open_quote_limit {
            faults.amount("/open_quote_limit".to_owned(), limit);
        }
        faults.rate("/fee/rate".to_owned(), self.fee.rate);
        let mut before = FeeTier { from: Decimal::ZERO, rate: self.fee.rate };
        for (at, tier) in self.fee.tiers.iter().enumerate() {
            let (from, rate) = (format!("/fee/tiers/{at}/from"), format!("/fee/tiers/{at}/rate"));
            faults.amount(from.clone(), tier.from);
            faults.rate(rate.clone(), tier.rate);
            if tier.from <= before.from {
                faults.with(from, &["/fee/tiers"], "must be above the one before, and above 0");
            }
            if tier.rate > before.rate {
                let others = ["/fee/tiers", "/fee/rate"];
                faults.with(rate, &others, "must be at most the rate before: more costs less");
            }
            before = *tier;
        }
    }

    fn check_lengths(&self, faults: &mut Faults) {
        let lists = [
            ("/fee/tiers", self.fee.tiers.len()),
            ("/member_limits", self.member_limits.len()),
            ("/orders", self.orders.len()),
            ("/overrides", self.overrides.len()),
            ("/tiers", self.tiers.len()),
        ];
        for (pointer, _) in lists.into_iter().filter(|(_, length)| *length > MAX_LIST_ITEMS) {
            faults.at(pointer, "at most 100 items");
        }
    }
}

const PREVIOUS: &str = "must be the SHA-256 of the version before";

/// The parts of an agreement that name programs.
struct Programs<'a> {
    agreement: &'a Agreement,
    known: Option<&'a [KnownProgram]>,
}

impl Programs<'_> {
    fn known(&self, program: &ProgramId) -> Option<&KnownProgram> {
        self.known?.iter().find(|known| known.program == *program)
    }

    /// A program must be there and belong to one of the two.
    fn check_program(&self, faults: &mut Faults, pointer: String, program: &ProgramId) {
        if self.known.is_none() {
            return;
        }
        match self.known(program) {
            None => faults.at(pointer, format!("there is no program {program}")),
            Some(known) if !self.agreement.includes(&known.partner) => {
                let detail = format!("{program} belongs to {}, which is neither", known.partner);
                faults.with(pointer, &["/a", "/b"], detail);
            }
            Some(_) => {}
        }
    }

    /// Points above zero, in range, no finer than the program counts them.
    fn check_points(
        &self,
        faults: &mut Faults,
        pointer: String,
        program: &ProgramId,
        points: Decimal,
    ) {
        if points.is_zero() {
            faults.at(pointer, "must be above 0");
        } else if !limits::amount_in_range(points) {
            faults.amount(pointer, points);
        } else if let Some(known) = self.known(program)
            && points.to_minor(known.scale).is_none()
        {
            let detail = format!("{program} has {} decimals", known.scale);
            let of = pointer.rsplit_once('/').map_or("", |(item, _)| item).to_owned();
            faults.with(pointer, &[&format!("{of}/program")], detail);
        }
    }

    fn check_member_limits(&self, faults: &mut Faults) {
        let mut seen = HashSet::new();
        for (at, limit) in self.agreement.member_limits.iter().enumerate() {
            let pointer = format!("/member_limits/{at}");
            self.check_program(faults, format!("{pointer}/program"), &limit.program);
            let points = format!("{pointer}/points");
            self.check_points(faults, points, &limit.program, limit.points);
            if !seen.insert(&limit.program) {
                twice(faults, format!("{pointer}/program"), "/member_limits", "program");
            }
        }
    }

    fn check_orders(&self, faults: &mut Faults) {
        let mut seen = HashSet::new();
        for (at, bounds) in self.agreement.orders.iter().enumerate() {
            let pointer = format!("/orders/{at}");
            self.check_program(faults, format!("{pointer}/program"), &bounds.program);
            let OrderBounds { increment, maximum, minimum, .. } = bounds;
            let named = [("increment", increment), ("maximum", maximum), ("minimum", minimum)];
            for (name, points) in named {
                if let Some(points) = points {
                    let place = format!("{pointer}/{name}");
                    self.check_points(faults, place, &bounds.program, *points);
                }
            }
            if [increment, maximum, minimum].iter().all(|bound| bound.is_none()) {
                faults.at(pointer.as_str(), "says nothing: minimum, maximum or increment");
            }
            check_bounds(faults, &pointer, bounds);
            if !seen.insert(&bounds.program) {
                twice(faults, format!("{pointer}/program"), "/orders", "program");
            }
        }
    }

    /// Two programs, one of each partner.
    fn check_direction(
        &self,
        faults: &mut Faults,
        pointer: &str,
        source: &ProgramId,
        target: &ProgramId,
    ) {
        let (from, to) = (format!("{pointer}/source"), format!("{pointer}/target"));
        if source == target {
            faults.with(to, &[&from], "must be another program than source");
            return;
        }
        self.check_program(faults, from.clone(), source);
        self.check_program(faults, to.clone(), target);
        if let (Some(one), Some(other)) = (self.known(source), self.known(target))
            && one.partner == other.partner
        {
            let detail = format!("{source} and {target} both belong to {}", one.partner);
            faults.with(to, &[&from], detail);
        }
    }

    fn check_overrides(&self, faults: &mut Faults) {
        let mut seen = HashSet::new();
        for (at, one) in self.agreement.overrides.iter().enumerate() {
            let pointer = format!("/overrides/{at}");
            self.check_direction(faults, &pointer, &one.source, &one.target);
            if one.factor.is_zero() || one.factor > Decimal::ONE {
                faults.at(format!("{pointer}/factor"), "must be above 0 and at most 1");
            }
            if !seen.insert((&one.source, &one.target)) {
                twice(faults, pointer, "/overrides", "direction");
            }
        }
    }

    fn check_tiers(&self, faults: &mut Faults) {
        let mut seen = HashSet::new();
        for (at, one) in self.agreement.tiers.iter().enumerate() {
            let pointer = format!("/tiers/{at}");
            self.check_direction(faults, &pointer, &one.source, &one.target);
            let multiplier = one.multiplier.micros();
            if !(1..=MAX_TIER_MULTIPLIER_MICROS).contains(&multiplier) {
                faults.at(format!("{pointer}/multiplier"), "must be above 0 and at most 10");
            }
            if !seen.insert((&one.source, &one.source_tier, &one.target)) {
                twice(faults, pointer, "/tiers", "tier");
            }
        }
    }
}

/// How the three bounds of an order fit together.
fn check_bounds(faults: &mut Faults, pointer: &str, bounds: &OrderBounds) {
    let OrderBounds { increment, maximum, minimum, .. } = bounds;
    let place = |name: &str| format!("{pointer}/{name}");
    if let (Some(minimum), Some(maximum)) = (minimum, maximum)
        && minimum > maximum
    {
        let detail = "must be at least minimum: nothing could be ordered";
        faults.with(place("maximum"), &[&place("minimum")], detail);
    }
    let Some(step) = increment.filter(|step| !step.is_zero()) else { return };
    for (name, bound) in [("maximum", maximum), ("minimum", minimum)] {
        if bound.is_some_and(|bound| bound.micros() % step.micros() != 0) {
            let detail = format!("must be a multiple of the increment {step}");
            faults.with(place(name), &[&place("increment")], detail);
        }
    }
}

fn twice(faults: &mut Faults, pointer: String, list: &str, what: &str) {
    faults.with(pointer, &[list], format!("this {what} stands there twice"));
}
