//! One chart as SVG: lines that go by steps, over a shaded band, with axes and a legend.
//!
//! All is whole numbers, pixels too (in tenths): a value on the chart is the value of the table,
//! and the same simulation draws the same picture on every machine.

use std::fmt::Write as _;

use alliance_contracts::decimal::{MICROS, format_micros};
use alliance_settlement::rates::simulate::DAY_SECONDS;

use crate::cli::layout::grouped;

/// Of every chart, in pixels.
pub const WIDTH: i64 = 920;
/// Of the plot, in pixels.
const PLOT_HEIGHT: i64 = 200;
/// At least, so that charts below each other begin in one place.
const LEFT: i64 = 72;
const RIGHT: i64 = 18;
const FOOT: i64 = 30;
/// A letter of the small print is about this wide, in tenths of a pixel.
const LETTER: i64 = 66;
/// A line of more points is drawn by the least and the greatest of each of so many parts.
const PARTS: usize = 450;
/// Ticks on the value axis, about.
const TICKS: i128 = 5;
/// Ticks on the time axis at most.
const TIME_TICKS: i64 = 12;

/// A line that holds each value until the next point.
#[derive(Clone, Debug)]
pub struct Line {
    /// As the legend has it.
    pub name: String,
    /// How it looks: a class of the style sheet.
    pub look: &'static str,
    /// Seconds from the start, and 10⁻⁶; in order.
    pub points: Vec<(i64, i128)>,
}

/// Times at which something was so, shown as a bar along the bottom.
#[derive(Clone, Debug)]
pub struct Marks {
    /// As the legend has it.
    pub name: String,
    /// How it looks.
    pub look: &'static str,
    /// From and to, in seconds from the start; in order.
    pub times: Vec<(i64, i64)>,
}

/// What to draw.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// For whoever cannot see it.
    pub about: String,
    /// What the value axis counts.
    pub unit: String,
    /// What the time axis spans.
    pub days: u32,
    /// What the value axis spans at least, in 10⁻⁶.
    pub range: (i128, i128),
    /// A shaded area, with its name.
    pub band: Option<(String, i128, i128)>,
    /// The last is on top.
    pub lines: Vec<Line>,
    /// Below the lines.
    pub marks: Vec<Marks>,
}

/// A drawn chart.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// The `svg` element.
    pub svg: String,
    /// In pixels.
    pub height: i64,
}

/// From numbers to tenths of pixels.
struct Scale {
    left: i64,
    top: i64,
    seconds: i64,
    low: i128,
    high: i128,
    step: i128,
}

impl Scale {
    fn x(&self, second: i64) -> i64 {
        let width = (WIDTH - RIGHT - self.left) * 10;
        let at = i128::from(second.clamp(0, self.seconds)) * i128::from(width);
        self.left * 10 + i64::try_from(at / i128::from(self.seconds.max(1))).unwrap_or(0)
    }

    fn y(&self, value: i128) -> i64 {
        let height = i128::from(PLOT_HEIGHT * 10);
        let above = self.high - value.clamp(self.low, self.high);
        self.top * 10 + i64::try_from(above * height / (self.high - self.low).max(1)).unwrap_or(0)
    }

    fn bottom(&self) -> i64 {
        self.top + PLOT_HEIGHT
    }
}

/// Tenths as pixels: `12.5`.
fn px(tenths: i64) -> String {
    if tenths % 10 == 0 {
        (tenths / 10).to_string()
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

/// What may stand in a text of XML.
pub fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

/// The least of 1, 2, 5, 10, 20, … that is enough.
fn nice(enough: i128) -> i128 {
    let mut unit = 1;
    loop {
        for step in [unit, unit * 2, unit * 5] {
            if step >= enough {
                return step;
            }
        }
        unit *= 10;
    }
}

/// The value axis: its ends are ticks.
fn axis((low, high): (i128, i128)) -> (i128, i128, i128) {
    let step = nice(((high - low) / TICKS).max(1));
    let low = low.div_euclid(step) * step;
    let high = (high + step - 1).div_euclid(step) * step;
    (low, if high > low { high } else { low + step }, step)
}

/// Ticks with the same number of decimals each.
fn labels(scale: &Scale) -> Vec<(i128, String)> {
    let decimals = |plain: &str| plain.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let wanted = decimals(&format_micros(scale.step));
    let mut labels = Vec::new();
    let mut tick = scale.low;
    while tick <= scale.high {
        let mut plain = grouped(&format_micros(tick));
        let missing = wanted - decimals(&plain).min(wanted);
        if missing > 0 && !plain.contains('.') {
            plain.push('.');
        }
        labels.push((tick, plain + &"0".repeat(missing)));
        tick += scale.step;
    }
    labels
}

/// Seconds and what stands below them.
fn times(days: u32) -> Vec<(i64, String)> {
    let days = i64::from(days);
    if days <= 2 {
        let hours = if days == 1 { 3 } else { 6 };
        let at = |hour: i64| (hour * 3_600, format!("{:02}:00", hour % 24));
        return (0..=days * 24 / hours).map(|tick| at(tick * hours)).collect();
    }
    let each =
        [1, 2, 7, 14, 28, 56, 91, 182, 364].into_iter().find(|each| days / each < TIME_TICKS);
    let each = each.unwrap_or(728);
    (0..)
        .map(|tick| tick * each)
        .take_while(|day| *day < days)
        .map(|day| (day * DAY_SECONDS, format!("day {}", day + 1)))
        .collect()
}

/// The same line with fewer points: what it had at its highest and lowest stays.
fn thinned(points: &[(i64, i128)]) -> Vec<(i64, i128)> {
    let mut moved: Vec<(i64, i128)> = Vec::new();
    for point in points {
        if moved.last().is_none_or(|last| last.1 != point.1) {
            moved.push(*point);
        }
    }
    if moved.len() <= PARTS * 2 {
        return moved;
    }
    let each = moved.len().div_ceil(PARTS);
    let mut thin = Vec::new();
    for part in moved.chunks(each) {
        let least = part.iter().min_by_key(|point| point.1);
        let most = part.iter().max_by_key(|point| point.1);
        let mut kept: Vec<(i64, i128)> = least.into_iter().chain(most).copied().collect();
        kept.sort_by_key(|point| point.0);
        kept.dedup();
        thin.extend(kept);
    }
    thin
}

impl Chart {
    /// Draws it; `id` is its own on the page.
    pub fn draw(&self, id: usize) -> Drawing {
        let (low, high, step) = axis(self.range);
        let (legend, rows) = self.legend();
        let mut scale = Scale {
            left: 0,
            top: 78 + rows * 20,
            seconds: i64::from(self.days) * DAY_SECONDS,
            low,
            high,
            step,
        };
        let ticks = labels(&scale);
        let widest = ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0);
        scale.left = (i64::try_from(widest).unwrap_or(0) * LETTER / 10 + 16).max(LEFT);
        let height = scale.bottom() + FOOT;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 {WIDTH} \
             {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
             aria-labelledby=\"t{id} d{id}\">\n<title id=\"t{id}\">{}</title>\n\
             <desc id=\"d{id}\">{}</desc>\n\
             <text class=\"title\" x=\"4\" y=\"18\">{}</text>\n{legend}",
            escaped(&self.title),
            escaped(&self.about),
            escaped(&self.title),
        );
        let unit_y = scale.top - 14;
        let _ = writeln!(
            svg,
            "<text x=\"4\" y=\"{unit_y}\" class=\"unit\">{}</text>",
            escaped(&self.unit)
        );
        self.shade(&scale, &mut svg);
        grid(&scale, &ticks, &times(self.days), &mut svg);
        for line in &self.lines {
            stroke(&scale, line, &mut svg);
        }
        for (at, marks) in self.marks.iter().enumerate() {
            bars(&scale, at, marks, &mut svg);
        }
        svg.push_str("</svg>\n");
        Drawing { svg, height }
    }

    /// What is what, and how many rows that takes.
    fn legend(&self) -> (String, i64) {
        let band = self.band.iter().map(|(name, ..)| (name.as_str(), "band", 10));
        let lines = self.lines.iter().map(|line| (line.name.as_str(), line.look, 0));
        let marks = self.marks.iter().map(|marks| (marks.name.as_str(), marks.look, 4));
        let (mut svg, mut x, mut row) = (String::new(), 4, 0);
        for (name, look, thick) in band.chain(lines).chain(marks) {
            let long = 30 + i64::try_from(name.chars().count()).unwrap_or(0) * LETTER / 10;
            if x > 4 && x + long > WIDTH - RIGHT {
                (x, row) = (4, row + 1);
            }
            let y = 38 + row * 20;
            let _ = if thick == 0 {
                writeln!(svg, "<path class=\"{look}\" d=\"M{x} {y}h22\"/>")
            } else {
                let top = y - thick / 2;
                writeln!(
                    svg,
                    "<rect class=\"{look}\" x=\"{x}\" y=\"{top}\" width=\"22\" height=\"{thick}\"/>"
                )
            };
            let _ =
                writeln!(svg, "<text x=\"{}\" y=\"{}\">{}</text>", x + 28, y + 4, escaped(name));
            x += long + 18;
        }
        (svg, row)
    }

    fn shade(&self, scale: &Scale, svg: &mut String) {
        let Some((_, low, high)) = &self.band else { return };
        let (top, bottom) = (scale.y(*high), scale.y(*low));
        let _ = writeln!(
            svg,
            "<rect class=\"band\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            scale.left,
            px(top),
            WIDTH - RIGHT - scale.left,
            px(bottom - top)
        );
    }
}

fn grid(scale: &Scale, ticks: &[(i128, String)], times: &[(i64, String)], svg: &mut String) {
    let (left, right, bottom) = (scale.left, WIDTH - RIGHT, scale.bottom());
    for (value, label) in ticks {
        let y = scale.y(*value);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{left} {}H{right}\"/><text class=\"number\" x=\"{}\" \
             y=\"{}\">{label}</text>",
            px(y),
            left - 8,
            px(y + 40)
        );
    }
    for (second, label) in times {
        let x = scale.x(*second);
        // A label at the edge is drawn inwards.
        let anchor = match x {
            x if x < (left + 20) * 10 => "start",
            x if x > (right - 20) * 10 => "end",
            _ => "middle",
        };
        let _ = writeln!(
            svg,
            "<path class=\"axis\" d=\"M{} {bottom}v5\"/><text x=\"{}\" y=\"{}\" \
             text-anchor=\"{anchor}\">{label}</text>",
            px(x),
            px(x),
            bottom + 20
        );
    }
    let _ = writeln!(svg, "<path class=\"axis\" d=\"M{left} {bottom}H{right}\"/>");
}

fn stroke(scale: &Scale, line: &Line, svg: &mut String) {
    let points = thinned(&line.points);
    let Some(first) = points.first() else { return };
    let mut path = format!("M{} {}", px(scale.x(first.0)), px(scale.y(first.1)));
    for point in points.iter().skip(1) {
        let _ = write!(path, "H{}V{}", px(scale.x(point.0)), px(scale.y(point.1)));
    }
    let _ = write!(path, "H{}", WIDTH - RIGHT);
    let _ = writeln!(svg, "<path class=\"{}\" d=\"{path}\"/>", line.look);
}

fn bars(scale: &Scale, at: usize, marks: &Marks, svg: &mut String) {
    let top = scale.bottom() - 6 * (i64::try_from(at).unwrap_or(0) + 1);
    let mut drawn: Vec<(i64, i64)> = Vec::new();
    for (from, to) in &marks.times {
        // Nothing is too short to be seen.
        let (from, to) = (scale.x(*from), scale.x(*to).max(scale.x(*from) + 10));
        match drawn.last_mut().filter(|last| from <= last.1 + 5) {
            Some(last) => last.1 = last.1.max(to),
            None => drawn.push((from, to)),
        }
    }
    for (from, to) in drawn {
        let _ = writeln!(
            svg,
            "<rect class=\"{}\" x=\"{}\" y=\"{top}\" width=\"{}\" height=\"4\"/>",
            marks.look,
            px(from),
            px(to - from)
        );
    }
}

/// So many hundredths, for a rate that is told in per cent.
pub const PERCENT: i128 = 100;
/// One, in 10⁻⁶.
pub const ONE: i128 = MICROS as i128;

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(days: u32, points: Vec<(i64, i128)>) -> Chart {
        Chart {
            title: "A < B".to_owned(),
            about: "two & three".to_owned(),
            unit: "CNY".to_owned(),
            days,
            range: (0, 1_250_000),
            band: Some(("band".to_owned(), 200_000, 900_000)),
            lines: vec![Line { name: "line".to_owned(), look: "one", points }],
            marks: vec![Marks {
                name: "cut".to_owned(),
                look: "mark",
                times: vec![(0, 1), (2, 3)],
            }],
        }
    }

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!(axis((0, 1_250_000)), (0, 1_500_000, 500_000));
        assert_eq!(axis((48_700, 51_300)), (48_000, 52_000, 1_000));
        assert_eq!(axis((7, 7)), (7, 8, 1));
        assert_eq!([1, 3, 11, 49, 51].map(nice), [1, 5, 20, 50, 100]);
    }

    #[test]
    fn ticks_have_the_same_decimals_and_are_grouped() {
        let told = |range| {
            let (low, high, step) = axis(range);
            let scale = Scale { left: 0, top: 0, seconds: 1, low, high, step };
            labels(&scale).into_iter().map(|(_, label)| label).collect::<Vec<_>>()
        };
        assert_eq!(told((0, 1_250_000)), ["0.0", "0.5", "1.0", "1.5"]);
        assert_eq!(told((0, 40_000 * ONE)), ["0", "10,000", "20,000", "30,000", "40,000"]);
    }

    #[test]
    fn times_are_hours_of_short_and_days_of_long_simulations() {
        assert_eq!(times(1).len(), 9);
        assert_eq!(times(1)[1], (3 * 3_600, "03:00".to_owned()));
        for days in 3..=3_650 {
            let ticks = times(days);
            assert!((3..=12).contains(&ticks.len()), "{days}: {}", ticks.len());
        }
        assert_eq!(times(28)[1].1, "day 8");
    }

    #[test]
    fn a_long_line_keeps_its_heights() {
        let points: Vec<(i64, i128)> = (0..100_000)
            .map(|at| (at, if at == 55_555 { 9_999 } else { i128::from(at % 7) }))
            .collect();
        let thin = thinned(&points);
        assert!(thin.len() <= PARTS * 2 && thin.contains(&(55_555, 9_999)));
        assert!(thin.windows(2).all(|two| two[0].0 < two[1].0));
    }

    #[test]
    fn a_drawing_is_escaped_and_stays_in_its_frame() {
        let drawing = chart(1, vec![(0, 0), (40_000, 1_250_000)]).draw(3);
        assert!(drawing.svg.contains("A &lt; B") && drawing.svg.contains("two &amp; three"));
        assert!(drawing.svg.contains("aria-labelledby=\"t3 d3\""));
        let bottom = drawing.height - FOOT;
        // Up by five sixths of the plot, and on to the right end.
        let path = format!("M72 {bottom}H456.2V{}H902", px((bottom * 10) - 1_667));
        let paths: Vec<&str> =
            drawing.svg.lines().filter(|l| l.contains("class=\"one\"")).collect();
        assert!(paths[1].contains(&path), "{path}: {paths:?}");
        assert_eq!(drawing.svg.matches("class=\"mark\"").count(), 2, "one bar and the legend's");
    }
}
