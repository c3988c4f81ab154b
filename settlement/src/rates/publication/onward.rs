//! Campaigns in the proof: what of a bonus can be exchanged onward while its campaign still runs
//! goes round like everything else, and counts.
//!
//! A bonus that is held until its campaign is over cannot come round to be multiplied again: it
//! counts nothing. Any other counts whole, for every member, on every board alive.

use alliance_contracts::campaign::Campaign;
use alliance_contracts::decimal::MICROS;
use alliance_contracts::time::Timestamp;

use super::numbered::Numbered;
use super::quoted::{Quoted, Quotes};
use super::{NoBoard, by_slug, quoted};
use crate::alliance::{ProgramDefinition, PublishedBoard, Registry};
use crate::rates::arbitrage::{Edge, Graph, OutOfRange, Pair, Unproven, Weight, prove};

/// The campaigns that count.
#[derive(Clone, Debug, Default)]
pub(super) struct Onward<'a>(Vec<&'a Campaign>);

impl<'a> Onward<'a> {
    /// Those that were approved, and run now or later.
    pub(super) fn of(registry: &'a Registry, now: Timestamp) -> Self {
        let count = registry.campaigns.iter().filter(|record| record.comes_round_from(now));
        Self(count.map(|record| &record.campaign).collect())
    }

    /// Whether none counts.
    pub(super) fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// A multiplier with the largest campaign on it, rounded up; 10⁻⁶. Within one partner there is
    /// none.
    pub(super) fn on(
        &self,
        source: &ProgramDefinition,
        target: &ProgramDefinition,
        multiplier_micros: i64,
    ) -> i64 {
        let covering = self.0.iter().filter(|campaign| {
            source.partner != target.partner && campaign.covers(&source.program, &target.program)
        });
        let Some(largest) = covering.map(|campaign| campaign.multiplier.micros()).max() else {
            return multiplier_micros;
        };
        let product = i128::from(multiplier_micros) * i128::from(largest);
        let up = (product + i128::from(MICROS) - 1) / i128::from(MICROS);
        i64::try_from(up).unwrap_or(i64::MAX)
    }
}

/// Whether anybody would gain by a campaign, on the boards whose quotes may still stand
/// ([`super::still_quoted`]), beside all campaigns that run already. None: nobody would.
///
/// # Errors
/// [`NoBoard::Unsettled`] where a number is out of range.
pub fn campaign_gain(
    registry: &Registry,
    boards: &[PublishedBoard],
    campaign: &Campaign,
    now: Timestamp,
) -> Result<Option<Unproven>, NoBoard> {
    if !campaign.comes_round() {
        return Ok(None);
    }
    let programs = by_slug(&registry.definition);
    let numbered = Numbered::of(&programs);
    let mut onward = Onward::of(registry, now);
    onward.0.push(campaign);
    let standing: Vec<Quoted> =
        boards.iter().map(|published| Quoted::of(&numbered, published, &onward)).collect();
    // Quotes that end with their board meet no other board's: one such board at a time.
    for in_force in boards {
        let given = quoted::pairs(&numbered, &in_force.terms, Quotes::Given, &onward);
        let graph = graph(&programs, &standing, (in_force.board.board.into(), &given))?;
        if let Err(unproven) = prove(&graph) {
            return Ok(Some(unproven));
        }
    }
    Ok(None)
}

/// All that stands, and all that one board gives.
fn graph(
    programs: &[&ProgramDefinition],
    standing: &[Quoted],
    (in_force, given): (u64, &[Pair]),
) -> Result<Graph, NoBoard> {
    let names: Vec<String> = programs.iter().map(|p| p.program.to_string()).collect();
    let out_of_range = |error: OutOfRange| NoBoard::Unsettled(error.into());
    let mut graph = Graph::new(&names, &vec![MICROS; names.len()]).map_err(out_of_range)?;
    for board in standing.iter().map(Quoted::alive) {
        let lasting = board.pairs.iter().filter(|pair| !pair.ends_with_board);
        let given = given.iter().filter(|_| board.number == in_force);
        for Pair { from, to, factor, .. } in lasting.chain(given) {
            let value = |program: u32| {
                usize::try_from(program).ok().and_then(|at| board.values.get(at)).copied()
            };
            // A program without a value has no quotes.
            let (Some(value_from @ 1..), Some(value_to @ 1..)) = (value(*from), value(*to)) else {
                continue;
            };
            if factor.trillionths() > 0 {
                let weight = Weight::new(value_from, value_to, *factor).map_err(out_of_range)?;
                let edge = Edge { board: board.number, from: *from, to: *to, weight };
                graph.add(edge).map_err(out_of_range)?;
            }
        }
    }
    Ok(graph)
}
