//! Flows cut at the times at which a board may take effect. A period has two slices: the notice,
//! while a board that moves a value does not hold yet, and the rest.

use std::collections::BTreeSet;

use alliance_contracts::names::ProgramId;

use super::Plan;
use super::input::{self, Spell};

/// What members want to exchange, by slice and direction.
pub(super) struct Slices {
    /// Every direction of a flow, and its opposite; in order.
    pub(super) directions: Vec<(ProgramId, ProgramId)>,
    opposites: Vec<Option<usize>>,
    wanted: Vec<i128>,
}

impl Slices {
    pub(super) fn of(plan: &Plan<'_>, periods: i64) -> Self {
        let there = plan.flows.iter().map(|flow| (flow.source.clone(), flow.target.clone()));
        let back = plan.flows.iter().map(|flow| (flow.target.clone(), flow.source.clone()));
        let directions: BTreeSet<(ProgramId, ProgramId)> = there.chain(back).collect();
        let directions: Vec<_> = directions.into_iter().collect();
        let place = |source: &ProgramId, target: &ProgramId| {
            directions.binary_search_by(|(s, t)| (s, t).cmp(&(source, target))).ok()
        };
        let opposites = directions.iter().map(|(source, target)| place(target, source)).collect();
        let cut = Cut { every: plan.every_seconds, notice: plan.definition.rates.notice_seconds };
        let count = usize::try_from(periods * 2).unwrap_or(0);
        let mut wanted = vec![0; count * directions.len()];
        let spells = input::projected(plan.flows, plan.start, plan.days);
        for spell in &spells {
            let Some(direction) = place(&spell.source, &spell.target) else { continue };
            for (slice, gross) in cut.shares(spell) {
                let at = usize::try_from(slice).ok().map(|at| at * directions.len() + direction);
                if let Some(sum) = at.and_then(|at| wanted.get_mut(at)) {
                    *sum += gross;
                }
            }
        }
        Self { directions, opposites, wanted }
    }

    /// By direction.
    pub(super) fn wanted(&self, slice: i64) -> &[i128] {
        let width = self.directions.len();
        let from = usize::try_from(slice).unwrap_or(usize::MAX).saturating_mul(width);
        self.wanted.get(from..from.saturating_add(width)).unwrap_or(&[])
    }

    /// The direction that goes back.
    pub(super) fn opposite(&self, direction: usize) -> Option<usize> {
        self.opposites.get(direction).copied().flatten()
    }
}

/// Where slices begin, in seconds from the start.
struct Cut {
    every: i64,
    notice: i64,
}

impl Cut {
    fn begin(&self, slice: i64) -> i64 {
        slice / 2 * self.every + slice % 2 * self.notice
    }

    fn of(&self, second: i64) -> i64 {
        second / self.every * 2 + i64::from(second % self.every >= self.notice)
    }

    /// A spell's gross by slice. Each share is what has gone until its end less what has gone until
    /// its beginning, so that they add up to the gross.
    fn shares<'s>(&'s self, spell: &'s Spell) -> impl Iterator<Item = (i64, i128)> + 's {
        let end = spell.begin + spell.seconds;
        let gone = move |second: i64| {
            let passed = (second - spell.begin).clamp(0, spell.seconds);
            spell.gross * i128::from(passed) / i128::from(spell.seconds.max(1))
        };
        (self.of(spell.begin)..)
            .take_while(move |slice| self.begin(*slice) < end)
            .map(move |slice| (slice, gone(self.begin(slice + 1)) - gone(self.begin(slice))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_cut_adds_up(
            (begin, seconds) in (0..200_000_i64, 1..200_000_i64),
            gross in 0..10_i128.pow(18), (every, notice) in (2..100_000_i64, 1..100_i64),
        ) {
            prop_assume!(notice < every);
            let name = |text: &str| text.parse().unwrap();
            let spell = Spell { source: name("aa"), target: name("bb"), begin, seconds, gross };
            let cut = Cut { every, notice };
            let shares: Vec<_> = cut.shares(&spell).collect();
            prop_assert_eq!(shares.iter().map(|(_, share)| share).sum::<i128>(), gross);
            for (slice, share) in shares {
                prop_assert!(share >= 0);
                let (from, to) = (cut.begin(slice), cut.begin(slice + 1));
                prop_assert!(from < begin + seconds && to > begin);
                let even = gross * i128::from(to.min(begin + seconds) - from.max(begin));
                prop_assert!((share * i128::from(seconds) - even).abs() <= i128::from(seconds));
            }
        }
    }
}
