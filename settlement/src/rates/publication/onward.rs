//! Campaigns in the proof: what of a bonus can be exchanged onward while its campaign still runs
//! goes round like everything else, and counts.
//!
//! A bonus that is held until its campaign is over cannot come round to be multiplied again: it
//! counts nothing. Any other counts whole, for every member, on every board alive.

use alliance_contracts::campaign::Campaign;
use alliance_contracts::decimal::MICROS;
use alliance_contracts::time::Timestamp;

use super::quoted::Quoted;
use super::{NoBoard, by_slug};
use crate::alliance::{ProgramDefinition, PublishedBoard, Registry};
use crate::rates::arbitrage::{Edge, Gain, Graph, OutOfRange, Unproven, Weight, prove};

/// The campaigns that count.
#[derive(Clone, Debug, Default)]
pub(super) struct Onward<'a>(Vec<&'a Campaign>);

impl<'a> Onward<'a> {
    /// Those that were approved, and run now or later.
    pub(super) fn of(registry: &'a Registry, now: Timestamp) -> Self {
        let count = registry.campaigns.iter().filter(|record| record.comes_round_from(now));
        Self(count.map(|record| &record.campaign).collect())
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
) -> Result<Option<Gain>, NoBoard> {
    if !campaign.comes_round() {
        return Ok(None);
    }
    let programs = by_slug(&registry.definition);
    let mut onward = Onward::of(registry, now);
    onward.0.push(campaign);
    let quoted: Vec<Quoted> =
        boards.iter().map(|published| Quoted::of(&programs, published, &onward)).collect();
    // Quotes that end with their board meet no other board's: one such board at a time.
    for in_force in 0..quoted.len() {
        let graph = graph(&programs, &quoted, in_force)?;
        match prove(&graph) {
            Ok(_) => {}
            Err(Unproven::Gain(gain) | Unproven::TooClose(gain)) => return Ok(Some(gain)),
        }
    }
    Ok(None)
}

fn graph(
    programs: &[&ProgramDefinition],
    quoted: &[Quoted],
    in_force: usize,
) -> Result<Graph, NoBoard> {
    let names: Vec<String> = programs.iter().map(|p| p.program.to_string()).collect();
    let out_of_range = |error: OutOfRange| NoBoard::Unsettled(error.into());
    let units: Vec<i64> = vec![MICROS; names.len()];
    let mut graph = Graph::new(&names, &units).map_err(out_of_range)?;
    for (at, board) in quoted.iter().enumerate() {
        let alive = board.alive();
        for pair in alive.pairs.iter().filter(|pair| at == in_force || !pair.ends_with_board) {
            let value = |program: u32| {
                usize::try_from(program).ok().and_then(|at| alive.values.get(at)).copied()
            };
            // A program without a value has no quotes.
            let (Some(from @ 1..), Some(to @ 1..)) = (value(pair.from), value(pair.to)) else {
                continue;
            };
            if pair.factor.trillionths() == 0 {
                continue;
            }
            let weight = Weight::new(from, to, pair.factor).map_err(out_of_range)?;
            let (board, from, to) = (alive.number, pair.from, pair.to);
            graph.add(Edge { board, from, to, weight }).map_err(out_of_range)?;
        }
    }
    Ok(graph)
}
