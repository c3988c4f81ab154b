//! What is drawn of a simulation, and the page around it: one file, with nothing to fetch.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use alliance_contracts::decimal::format_micros;
use alliance_contracts::valuation::Limit;
use alliance_settlement::alliance::Definition;
use alliance_settlement::rates::simulate::{
    DAY_SECONDS, DirectionNow, Period, Simulation, ValueNow,
};

use super::draw::{Chart, Drawing, Line, Marks, ONE, PERCENT, WIDTH, escaped};
use super::every;
use super::summary::{Summary, money};

/// Programs drawn at most; the tables have all.
const MOST_PROGRAMS: usize = 24;
/// Pairs drawn at most, those with the largest flows.
const MOST_PAIRS: usize = 8;
/// Up to so many days flows are drawn by the board,
const DAYS_BY_BOARD: u32 = 7;
/// up to so many by the day, and beyond by the week.
const DAYS_BY_DAY: u32 = 120;

/// Colours that people who do not see red or green tell apart too, by day and by night.
const STYLE: &str = include_str!("charts.css");

/// Every chart.
pub fn of(simulation: &Simulation) -> Vec<Drawing> {
    let values = simulation.periods.first().map_or(0, |period| period.values.len());
    let mut charts: Vec<Chart> =
        (0..values.min(MOST_PROGRAMS)).filter_map(|at| value_chart(simulation, at)).collect();
    for pair in pairs(simulation) {
        charts.extend(flow_charts(simulation, pair));
    }
    charts.push(earned_chart(simulation));
    charts.iter().enumerate().map(|(id, chart)| chart.draw(id)).collect()
}

fn seconds(simulation: &Simulation, period: &Period) -> i64 {
    period.at.as_seconds() - simulation.start.as_seconds()
}

fn value_chart(simulation: &Simulation, at: usize) -> Option<Chart> {
    let now: Vec<(i64, &Period, &ValueNow)> = simulation
        .periods
        .iter()
        .filter_map(|period| Some((seconds(simulation, period), period, period.values.get(at)?)))
        .collect();
    let (first, last) = (now.first()?.2, now.last()?.2);
    let line = |name: &str, look, of: fn(&ValueNow) -> i64| Line {
        name: name.to_owned(),
        look,
        points: now.iter().map(|(second, _, value)| (*second, of(value).into())).collect(),
    };
    let lines = vec![
        line("where the inputs say it should be", "target", |value| value.target.micros()),
        line("value", "one", |value| value.value.micros()),
    ];
    let held = |name: &str, look, limit| {
        let is = |(_, period, value): &&(i64, &Period, &ValueNow)| {
            period.published && value.limited_by.contains(&limit)
        };
        let times =
            now.iter().filter(is).map(|(from, ..)| (*from, from + simulation.every_seconds));
        Marks { name: name.to_owned(), look, times: times.collect() }
    };
    let marks = vec![
        held("held back by the longest step", "step", Limit::Step),
        held("halved: two boards at once would have gained", "overlap", Limit::Overlap),
    ];
    let (min, max) = (last.band.min, last.band.max);
    let name = escaped(first.program.as_str());
    let band = (i128::from(min.micros()), i128::from(max.micros()));
    Some(Chart {
        title: format!("{name}: value of a point"),
        about: format!(
            "The value begins at {} and ends at {}; the band is {min} to {max}.",
            first.value, last.value
        ),
        unit: format!("{} per point", simulation.currency),
        days: simulation.days,
        range: value_range(&lines, band),
        band: Some((format!("band, {min} to {max}"), band.0, band.1)),
        lines,
        marks: marks.into_iter().filter(|marks| !marks.times.is_empty()).collect(),
    })
}

/// As much as the lines need, and the ends of the band where those are near: a value that hardly
/// moves in a wide band would else be a line and nothing more.
fn value_range(lines: &[Line], band: (i128, i128)) -> (i128, i128) {
    let all = || lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    let (low, high) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
    let spread = (high - low).max(high / 25).max(1);
    let near = (spread * 3).max(high / 4);
    let low_end = if band.0 >= low - near { band.0.min(low) } else { low - spread };
    let high_end = if band.1 <= high + near { band.1.max(high) } else { high + spread };
    let margin = (high_end - low_end) / 20;
    ((low_end - margin).max(0), high_end + margin)
}

/// Two places among a period's directions: there, and back.
type Pair = (usize, usize);

/// Those with the largest flows.
fn pairs(simulation: &Simulation) -> Vec<Pair> {
    let Some(first) = simulation.periods.first() else { return Vec::new() };
    let mut places: BTreeMap<(&str, &str), Pair> = BTreeMap::new();
    for (at, now) in first.directions.iter().enumerate() {
        let back =
            |other: &DirectionNow| (&other.source, &other.target) == (&now.target, &now.source);
        if let Some(back) = first.directions.iter().position(back).filter(|back| *back > at) {
            places.insert((now.source.as_str(), now.target.as_str()), (at, back));
        }
    }
    let gross = |pair: &Pair| -> i128 {
        let of = |period: &Period, at: usize| period.directions.get(at).map_or(0, |now| now.wanted);
        simulation.periods.iter().map(|period| of(period, pair.0) + of(period, pair.1)).sum()
    };
    let mut pairs: Vec<Pair> = places.into_values().collect();
    pairs.sort_by_key(|pair| std::cmp::Reverse(gross(pair)));
    pairs.truncate(MOST_PAIRS);
    pairs
}

/// How long one point of a flow is, in seconds.
fn grain(simulation: &Simulation) -> i64 {
    let grain = if simulation.days <= DAYS_BY_BOARD {
        0
    } else if simulation.days <= DAYS_BY_DAY {
        DAY_SECONDS
    } else {
        DAY_SECONDS * 7
    };
    simulation.every_seconds.max(grain)
}

/// Sums of something over each grain.
fn summed(simulation: &Simulation, of: impl Fn(&Period) -> i128) -> Vec<(i64, i128)> {
    let grain = grain(simulation);
    let mut sums: Vec<(i64, i128)> = Vec::new();
    for period in &simulation.periods {
        let from = seconds(simulation, period) / grain * grain;
        match sums.last_mut().filter(|last| last.0 == from) {
            Some(last) => last.1 += of(period),
            None => sums.push((from, of(period))),
        }
    }
    sums
}

/// The same without a last grain that is not whole: it would look like a fall.
fn summed_whole(simulation: &Simulation, of: impl Fn(&Period) -> i128) -> Vec<(i64, i128)> {
    let mut sums = summed(simulation, of);
    let end = i64::from(simulation.days) * DAY_SECONDS;
    if sums.len() > 1 && sums.last().is_some_and(|last| last.0 + grain(simulation) > end) {
        sums.pop();
    }
    sums
}

fn highest(lines: &[Line]) -> i128 {
    lines.iter().flat_map(|line| line.points.iter().map(|point| point.1)).max().unwrap_or(0)
}

/// What goes, and where there is a surcharge, that.
fn flow_charts(simulation: &Simulation, (there, back): Pair) -> Vec<Chart> {
    let of = |at: usize, get: fn(&DirectionNow) -> i128| {
        move |period: &Period| period.directions.get(at).map_or(0, get)
    };
    let name = |at: usize| {
        let first = simulation.periods.first().and_then(|period| period.directions.get(at));
        first.map_or_else(String::new, |now| format!("{} → {}", now.source, now.target))
    };
    let mut lines = Vec::new();
    for (at, wanted, went) in [(there, "one wanted", "one"), (back, "two wanted", "two")] {
        let wished = summed_whole(simulation, of(at, |now| now.wanted));
        let done = summed_whole(simulation, of(at, |now| now.gross));
        if wished != done {
            let name = format!("{}, if nothing were dearer", name(at));
            lines.push(Line { name, look: wanted, points: wished });
        }
        lines.push(Line { name: name(at), look: went, points: done });
    }
    // What went is on top of what was wanted.
    lines.sort_by_key(|line| !line.look.ends_with("wanted"));
    let frozen = simulation.periods.iter().filter(|period| {
        [there, back].iter().any(|at| period.directions.get(*at).is_some_and(|now| now.frozen))
    });
    let frozen: Vec<(i64, i64)> = frozen
        .map(|period| seconds(simulation, period))
        .map(|from| (from, from + simulation.every_seconds))
        .collect();
    let limit =
        Marks { name: "beyond the limit: frozen".to_owned(), look: "overlap", times: frozen };
    let currency = &simulation.currency;
    let both = name(there).replace('→', "⇄");
    let mut charts = vec![Chart {
        title: format!("{both}: flows"),
        about: format!("Highest: {} {currency}.", money(&format_micros(highest(&lines)))),
        unit: format!("{currency} per {}", every::told(grain(simulation))),
        days: simulation.days,
        range: (0, highest(&lines).max(ONE)),
        band: None,
        lines,
        marks: Some(limit).filter(|marks| !marks.times.is_empty()).into_iter().collect(),
    }];
    charts.extend(surcharge_chart(simulation, &both, [(there, name(there)), (back, name(back))]));
    charts
}

fn surcharge_chart(
    simulation: &Simulation,
    both: &str,
    directions: [(usize, String); 2],
) -> Option<Chart> {
    let [there, back] = directions;
    let lines: Vec<Line> = [(there, "one"), (back, "two")]
        .into_iter()
        .map(|((at, name), look)| {
            let percent = |period: &Period| {
                let surcharge = period.directions.get(at).map_or(0, |now| now.surcharge.micros());
                i128::from(surcharge) * PERCENT
            };
            let each = simulation.periods.iter();
            let points =
                each.map(|period| (seconds(simulation, period), percent(period))).collect();
            Line { name, look, points }
        })
        .collect();
    let most = highest(&lines);
    (most > 0).then(|| Chart {
        title: format!("{both}: surcharge, on top of the agreement's fee"),
        about: format!("Highest: {} %.", format_micros(most)),
        unit: "%".to_owned(),
        days: simulation.days,
        range: (0, most),
        band: None,
        lines,
        marks: Vec::new(),
    })
}

fn earned_chart(simulation: &Simulation) -> Chart {
    let grown = |name: &str, look, of: fn(&DirectionNow) -> i128| {
        let earned = summed(simulation, |period| period.directions.iter().map(of).sum());
        let mut sum = 0;
        let mut points = vec![(0, 0)];
        points.extend(earned.iter().map(|(from, more)| {
            sum += more;
            (from + grain(simulation), sum)
        }));
        Line { name: name.to_owned(), look, points }
    };
    let lines = vec![
        grown("agreements' fees", "one", |now| now.fees),
        grown("surcharges", "two", |now| now.surcharges),
    ];
    let currency = &simulation.currency;
    Chart {
        title: "Earned since the beginning".to_owned(),
        about: "What fees and surcharges came to, added up.".to_owned(),
        unit: currency.to_string(),
        days: simulation.days,
        range: (0, highest(&lines).max(ONE)),
        band: None,
        lines,
        marks: Vec::new(),
    }
}

/// All charts below each other, as one picture.
pub fn picture(drawings: &[Drawing]) -> String {
    let gap = 24;
    let height: i64 = drawings.iter().map(|drawing| drawing.height + gap).sum();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-12 -12 {} {}\">\n\
         <style>{STYLE}</style>\n\
         <rect class=\"paper\" x=\"-12\" y=\"-12\" width=\"100%\" height=\"100%\"/>\n",
        WIDTH + 24,
        height + 12
    );
    let mut y = 0;
    for drawing in drawings {
        svg.push_str(&drawing.svg.replacen("<svg ", &format!("<svg y=\"{y}\" "), 1));
        y += drawing.height + gap;
    }
    svg.push_str("</svg>\n");
    svg
}

fn html_table(head: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |tag: &str, row: &mut dyn Iterator<Item = &str>| -> String {
        row.map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect()
    };
    let head = cells("th", &mut head.iter().copied());
    let mut html = format!("<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n");
    for row in rows {
        let _ = writeln!(html, "<tr>{}</tr>", cells("td", &mut row.iter().map(String::as_str)));
    }
    html.push_str("</tbody>\n</table>\n");
    html
}

/// The page.
pub fn page(definition: &Definition, summary: &Summary, drawings: &[Drawing]) -> String {
    let Summary { currency, start, .. } = summary;
    let heading = match summary.scenario {
        Some(name) => format!("The scenario {name}, simulated"),
        None => format!("Rates of {}, simulated", escaped(definition.alliance.as_str())),
    };
    let frozen = summary.frozen().map(|told| format!("<p class=\"bad\">{}</p>\n", escaped(&told)));
    let charts: String =
        drawings.iter().map(|drawing| format!("<figure>\n{}</figure>\n", drawing.svg)).collect();
    let left_out =
        if summary.programs.len() > MOST_PROGRAMS || summary.directions.len() > MOST_PAIRS * 2 {
            "<p>Not everything is drawn: values.csv and directions.csv have all.</p>\n"
        } else {
            ""
        };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{heading}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>{heading}</h1>\n<p>{facts}. Day 1 is {date} (UTC).</p>\n\
         <h2>Values, {currency} per point</h2>\n{values}<h2>Flows, {currency}</h2>\n{flows}\
         <p>Earned: {fees} {currency} by fees, {surcharges} {currency} by surcharges.</p>\n{frozen}\
         <h2>Charts</h2>\n{left_out}{charts}\
         <p>How members answer a surcharge is assumed, not forecast. Everything else is what the \
         gateway would publish.</p>\n</body>\n</html>\n",
        facts = escaped(&summary.facts()),
        date = start.split('T').next().unwrap_or_default(),
        values = html_table(&Summary::VALUE_HEAD, &summary.value_rows()),
        flows = html_table(&Summary::FLOW_HEAD, &summary.flow_rows()),
        fees = money(&summary.fees_earned),
        surcharges = money(&summary.surcharges_earned),
        frozen = frozen.unwrap_or_default(),
    )
}
