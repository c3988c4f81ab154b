//! The tables: one row for each period and program, one for each period and direction. Their
//! columns are described in docs/simulation-of-rates.md and do not change.

use std::fmt::Write as _;

use alliance_contracts::decimal::format_micros;
use alliance_contracts::valuation::Limit;
use alliance_settlement::rates::simulate::{DAY_SECONDS, Period, Simulation};

/// First line of `values.csv`.
pub const VALUES: &str = "time,day,board,published,effective_at,program,value,target,band_min,\
                          band_max,limited_by,halvings";
/// First line of `directions.csv`.
pub const DIRECTIONS: &str = "time,day,board,source,target,fee,surcharge,flow,limit,wanted,gross,\
                              kept_away,refused,fees_earned,surcharges_earned,frozen";

fn day(simulation: &Simulation, period: &Period) -> i64 {
    (period.at.as_seconds() - simulation.start.as_seconds()) / DAY_SECONDS + 1
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// `values.csv`.
pub fn values(simulation: &Simulation) -> String {
    let mut text = format!("{VALUES}\n");
    for period in &simulation.periods {
        let day = day(simulation, period);
        let Period { at, board, published, effective_at, .. } = period;
        for now in &period.values {
            let limits: Vec<&str> =
                now.limited_by.iter().map(|limit| Limit::as_str(*limit)).collect();
            // Writing into a string cannot fail.
            let _ = writeln!(
                text,
                "{at},{day},{board},{},{effective_at},{},{},{},{},{},{},{}",
                yes(*published),
                now.program,
                now.value,
                now.target,
                now.band.min,
                now.band.max,
                limits.join(" "),
                now.halvings
            );
        }
    }
    text
}

/// `directions.csv`.
pub fn directions(simulation: &Simulation) -> String {
    let mut text = format!("{DIRECTIONS}\n");
    for period in &simulation.periods {
        let day = day(simulation, period);
        let Period { at, board, .. } = period;
        for now in &period.directions {
            let sums =
                [now.wanted, now.gross, now.kept_away, now.refused, now.fees, now.surcharges];
            let _ = writeln!(
                text,
                "{at},{day},{board},{},{},{},{},{},{},{},{}",
                now.source,
                now.target,
                now.fee,
                now.surcharge,
                format_micros(now.flow),
                now.limit.map(|limit| limit.to_string()).unwrap_or_default(),
                sums.map(format_micros).join(","),
                yes(now.frozen)
            );
        }
    }
    text
}
