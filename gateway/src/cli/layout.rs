//! How numbers, times and tables are laid out for people.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

/// A whole number, grouped: `12,345`.
#[must_use]
pub fn count(number: impl TryInto<u64>) -> String {
    grouped(&number.try_into().unwrap_or(u64::MAX).to_string())
}

/// So many of a thing: `1 receipt`, `2,000 receipts`.
#[must_use]
pub fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", count(number))
}

/// A plain decimal, its whole part grouped: `-12,345.678`.
#[must_use]
pub fn grouped(plain: &str) -> String {
    let (sign, rest) = match plain.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", plain),
    };
    let (whole, fraction) = match rest.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (rest, None),
    };
    let mut out = String::with_capacity(plain.len() + whole.len() / 3 + 1);
    out.push_str(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// Decimals below each other with their points in one column: each padded on the right to the
/// longest fraction.
#[must_use]
pub fn on_the_point(decimals: &[String]) -> Vec<String> {
    let tail = |text: &String| text.split_once('.').map_or(0, |(_, fraction)| fraction.len() + 1);
    let longest = decimals.iter().map(tail).max().unwrap_or(0);
    decimals.iter().map(|text| format!("{text}{}", " ".repeat(longest - tail(text)))).collect()
}

/// Seconds and tenths: `3.4 s`.
#[must_use]
pub fn seconds(time: Duration) -> String {
    let tenths = time.as_millis().saturating_add(50) / 100;
    format!("{}.{} s", count(u64::try_from(tenths / 10).unwrap_or(u64::MAX)), tenths % 10)
}

/// How many a second.
#[must_use]
pub fn per_second(number: u64, time: Duration) -> u64 {
    let millis = time.as_millis().max(1);
    u64::try_from(u128::from(number) * 1_000 / millis).unwrap_or(u64::MAX)
}

/// How a column is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Text: begins in one place.
    Left,
    /// Numbers: end in one place.
    Right,
}

/// Rows below each other, two blanks between columns, each line behind `indent`; without a header
/// where `header` is empty.
#[must_use]
pub fn table(indent: &str, columns: &[Column], header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if !header.is_empty() {
        table.set_header(header);
    }
    table.add_rows(rows);
    for (at, column) in columns.iter().enumerate() {
        if let Some(laid) = table.column_mut(at) {
            laid.set_padding((0, 2));
            if *column == Column::Right {
                laid.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    let lines: Vec<String> =
        table.lines().map(|line| format!("{indent}{}", line.trim_end())).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let pairs = [
            ("0", "0"),
            ("999", "999"),
            ("1000", "1,000"),
            ("-1234567.89", "-1,234,567.89"),
            ("-100", "-100"),
            ("0.5", "0.5"),
        ];
        for (plain, shown) in pairs {
            assert_eq!(grouped(plain), shown);
        }
        assert_eq!(count(1_234_567_u64), "1,234,567");
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(2_000, "row"), "2,000 rows");
    }

    #[test]
    fn points_stand_below_each_other() {
        let decimals = ["1.5", "-20", "0.123"].map(str::to_owned);
        assert_eq!(on_the_point(&decimals), ["1.5  ", "-20    ", "0.123"]);
    }

    #[test]
    fn times_and_rates_are_whole_numbers_of_something() {
        assert_eq!(seconds(Duration::from_millis(3_449)), "3.4 s");
        assert_eq!(seconds(Duration::from_millis(59_960)), "60.0 s");
        assert_eq!(per_second(5_000, Duration::from_millis(2_500)), 2_000);
        assert_eq!(per_second(5, Duration::ZERO), 5_000);
    }

    #[test]
    fn tables_are_aligned() {
        let rows = vec![
            vec!["one".to_owned(), "5".to_owned()],
            vec!["twelve".to_owned(), "1,000".to_owned()],
        ];
        let text = table("  ", &[Column::Left, Column::Right], &["what", "many"], &rows);
        assert_eq!(text, "  what     many\n  one         5\n  twelve  1,000");
    }
}
