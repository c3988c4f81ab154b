//! A statement as a workbook: its figures as formulas over its lines, beside what was signed.
//!
//! Numbers are Excel's own, which keep 15 digits; what was signed stands beside as text, exactly.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use alliance_contracts::statement::{Statement, StatementLine};
use alliance_contracts::time::Timestamp;
use alliance_contracts::total::Total;
use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Formula, Workbook, Worksheet,
    XlsxError,
};

use super::words::{Language, Words};

/// Lines of a sheet at most, below its header: Excel has 1,048,576 rows.
const LINES_OF_A_SHEET: u32 = 1_000_000;
/// The first of the lines' columns that are money, and how many they are.
const FIRST_MONEY: u16 = 8;
const MONEY: &str = "#,##0.000000;[Red]-#,##0.000000";

/// A workbook that is being written: lines go to disk as they come.
pub(super) struct Sheets {
    language: Language,
    /// Of all, once they are full.
    full: Vec<Worksheet>,
    lines: Worksheet,
    /// Lines of the sheet that is being filled.
    here: u32,
    book: Workbook,
    styles: Styles,
}

struct Styles {
    title: Format,
    header: Format,
    /// Above numbers.
    above: Format,
    label: Format,
    strong: Format,
    money: Format,
    strong_money: Format,
    count: Format,
    time: Format,
    text: Format,
    /// Beside numbers, and not touching them.
    hash: Format,
}

impl Styles {
    fn new() -> Self {
        let strong = || Format::new().set_bold();
        let line = FormatBorder::Thin;
        let header = strong().set_background_color("#EEF3F8").set_border_bottom(line);
        Self {
            title: strong().set_font_size(16),
            above: header.clone().set_align(FormatAlign::Right),
            header,
            label: Format::new().set_font_color("#5C6575"),
            strong: strong().set_border_top(line),
            money: Format::new().set_num_format(MONEY),
            strong_money: strong().set_num_format(MONEY).set_border_top(line),
            count: Format::new().set_num_format("#,##0"),
            time: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss.000"),
            hash: Format::new().set_indent(1).set_font_name("Courier New"),
            text: Format::new().set_align(FormatAlign::Right).set_font_color("#5C6575"),
        }
    }
}

fn failed(fault: XlsxError) -> io::Error {
    match fault {
        XlsxError::IoError(fault) => fault,
        other => io::Error::other(other),
    }
}

impl Sheets {
    /// Begins one; lines wait in `folder` until all are there.
    pub(super) fn begin(language: Language, folder: &Path) -> io::Result<Self> {
        let mut book = Workbook::new();
        book.set_tempdir(folder).map_err(failed)?;
        let styles = Styles::new();
        let lines = lines_sheet(&mut book, &styles, language.words(), 1).map_err(failed)?;
        Ok(Self { language, full: Vec::new(), lines, here: 0, book, styles })
    }

    /// Takes a line in.
    pub(super) fn line(&mut self, line: &StatementLine) -> io::Result<()> {
        self.take(line).map_err(failed)
    }

    fn take(&mut self, line: &StatementLine) -> Result<(), XlsxError> {
        if self.here == LINES_OF_A_SHEET {
            let number = self.full.len() + 2;
            let next = lines_sheet(&mut self.book, &self.styles, self.language.words(), number)?;
            let mut full = std::mem::replace(&mut self.lines, next);
            total_row(&mut full, &self.styles, self.language.words(), self.here)?;
            self.full.push(full);
            self.here = 0;
        }
        self.here += 1;
        let (row, sheet, styles) = (self.here, &mut self.lines, &self.styles);
        sheet.write_string(row, 0, line.receipt.to_string())?;
        sheet.write_datetime_with_format(row, 1, moment(line.completed_at)?, &styles.time)?;
        sheet.write_string(row, 2, line.corridor.as_str())?;
        sheet.write_number_with_format(row, 3, whole(line.seq), &styles.count)?;
        sheet.write_string(row, 4, super::kind(line))?;
        sheet.write_string(row, 5, line.cause.map_or("", |cause| cause.as_str()))?;
        sheet.write_string(row, 6, line.transaction.to_string())?;
        sheet.write_string(row, 7, line.window.to_string())?;
        for (column, total) in (FIRST_MONEY..).zip([line.amount, line.settled, line.fee]) {
            sheet.write_number_with_format(row, column, number(total), &styles.money)?;
        }
        sheet.write_string_with_format(row, 11, line.leaf.to_string(), &styles.hash)?;
        Ok(())
    }

    /// Writes the workbook, once it is known what the lines come to.
    pub(super) fn end(self, statement: &Statement, out: BufWriter<File>) -> io::Result<File> {
        let out = self.finish(statement, out).map_err(failed)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)
    }

    fn finish(
        mut self,
        statement: &Statement,
        mut out: BufWriter<File>,
    ) -> Result<BufWriter<File>, XlsxError> {
        let words = self.language.words();
        total_row(&mut self.lines, &self.styles, words, self.here)?;
        let last = self.full.len();
        let mut counts = vec![LINES_OF_A_SHEET; last];
        counts.push(self.here);
        let front = front(statement, self.language, &self.styles, &counts)?;
        let ranges = ranges(statement, words, &self.styles)?;
        self.book.push_worksheet(front);
        self.book.push_worksheet(ranges);
        for sheet in self.full.into_iter().chain([self.lines]) {
            self.book.push_worksheet(sheet);
        }
        let created = moment(statement.issued_at)?;
        let properties = DocProperties::new()
            .set_title(self.language.title(statement.number, &statement.partner))
            .set_author(statement.alliance.as_str())
            .set_creation_datetime(&created);
        self.book.set_properties(&properties);
        self.book.save_to_writer(&mut out)?;
        Ok(out)
    }
}

fn lines_name(words: &Words, number: usize) -> String {
    if number == 1 { words.lines.to_owned() } else { format!("{} {number}", words.lines) }
}

fn lines_sheet(
    book: &mut Workbook,
    styles: &Styles,
    words: &Words,
    number: usize,
) -> Result<Worksheet, XlsxError> {
    let mut sheet = book.new_worksheet_with_constant_memory()?;
    sheet.set_name(lines_name(words, number))?;
    sheet.set_freeze_panes(1, 1)?;
    let widths = [33, 24, 30, 9, 13, 14, 33, 33, 19, 19, 17, 72];
    for (column, width) in (0..).zip(widths) {
        sheet.set_column_width(column, width)?;
    }
    for (column, name) in (0..).zip(words.columns) {
        let money = (FIRST_MONEY..FIRST_MONEY + 3).contains(&column);
        let style = if money || column == 3 { &styles.above } else { &styles.header };
        sheet.write_string_with_format(0, column, name, style)?;
    }
    on_paper(&mut sheet);
    sheet.set_repeat_rows(0, 0)?;
    Ok(sheet)
}

/// Below the lines: what each column of money comes to, as a formula.
fn total_row(
    sheet: &mut Worksheet,
    styles: &Styles,
    words: &Words,
    lines: u32,
) -> Result<(), XlsxError> {
    let row = lines + 1;
    sheet.write_string_with_format(row, 0, words.total, &styles.strong)?;
    for column in 1..FIRST_MONEY {
        sheet.write_blank(row, column, &styles.strong)?;
    }
    for (column, name) in (FIRST_MONEY..).zip(["I", "J", "K"]) {
        let formula = Formula::new(format!("=SUM({name}2:{name}{})", row.max(2)));
        let formula = if lines == 0 { Formula::new("=0") } else { formula };
        sheet.write_formula_with_format(row, column, formula, &styles.strong_money)?;
    }
    Ok(())
}

/// The sum of a column over all sheets of lines: their total rows.
fn over(words: &Words, counts: &[u32], column: &str) -> String {
    let cells: Vec<String> = (1..)
        .zip(counts)
        .map(|(number, lines)| format!("'{}'!{column}{}", lines_name(words, number), lines + 2))
        .collect();
    cells.join("+")
}

fn front(
    statement: &Statement,
    language: Language,
    styles: &Styles,
    counts: &[u32],
) -> Result<Worksheet, XlsxError> {
    let words = language.words();
    let mut sheet = Worksheet::new();
    sheet.set_name(words.sheet)?;
    for (column, width) in [(0, 34), (1, 36), (2, 28), (3, 18)] {
        sheet.set_column_width(column, width)?;
    }
    sheet.write_string_with_format(0, 0, words.title, &styles.title)?;
    let due = statement.value_date.map_or_else(|| "–".to_owned(), |date| language.date(date));
    let said = [
        (words.alliance, statement.alliance.to_string()),
        (words.partner, statement.partner.to_string()),
        (words.number, statement.number.to_string()),
        (words.id, statement.id.to_string()),
        (words.window, statement.window.to_string()),
        (
            words.period,
            format!(
                "{} – {}",
                language.time(statement.opened_at),
                language.time(statement.closed_at)
            ),
        ),
        (words.issued, language.time(statement.issued_at)),
        (words.value_date, due),
        (words.currency, statement.currency.to_string()),
    ];
    let mut row = 2;
    for (label, text) in said {
        sheet.write_string_with_format(row, 0, label, &styles.label)?;
        sheet.write_string(row, 1, text)?;
        row += 1;
    }
    row += 1;
    let above = [words.position, words.amount, words.signed, words.difference];
    for (column, text) in (0..).zip(above) {
        let style = if column == 0 { &styles.header } else { &styles.above };
        sheet.write_string_with_format(row, column, text, style)?;
    }
    // Rows are counted from one in formulas.
    let first = row + 2;
    let figures = [
        (words.opening, None, statement.opening),
        (words.activity, Some(over(words, counts, "I")), statement.activity),
        (words.net, Some(format!("B{first}+B{}", first + 1)), statement.net),
        (words.payment, None, statement.payment),
        (words.carried, Some(format!("B{}-B{}", first + 2, first + 3)), statement.carried),
        (words.fees, Some(over(words, counts, "K")), statement.totals.fees),
    ];
    for (label, formula, signed) in figures {
        row += 1;
        sheet.write_string(row, 0, label)?;
        match formula {
            None => sheet.write_number_with_format(row, 1, number(signed), &styles.money)?,
            Some(formula) => {
                // Six decimals are all there are: what binary fractions add beyond is cut off.
                let formula = Formula::new(format!("=ROUND({formula},6)"));
                let formula = formula.set_result(signed.to_string());
                sheet.write_formula_with_format(row, 1, formula, &styles.money)?
            }
        };
        sheet.write_string_with_format(row, 2, signed.to_string(), &styles.text)?;
        let difference = format!("=ROUND(B{0}-VALUE(C{0}),6)", row + 1);
        let difference = Formula::new(difference).set_result("0");
        sheet.write_formula_with_format(row, 3, difference, &styles.money)?;
    }
    row += 2;
    sheet.write_string_with_format(row, 0, words.signs, &styles.label)?;
    if !statement.totals.causes.is_empty() {
        row += 2;
        sheet.write_string_with_format(row, 0, words.adjustments, &styles.header)?;
        sheet.write_string_with_format(row, 1, words.amount, &styles.above)?;
        for (cause, sum) in &statement.totals.causes {
            row += 1;
            sheet.write_string(row, 0, language.cause(cause))?;
            sheet.write_number_with_format(row, 1, number(*sum), &styles.money)?;
        }
    }
    if !statement.payments.is_empty() {
        row += 2;
        let above = [words.payments, words.debtor, words.creditor, words.amount];
        for (column, text) in (0..).zip(above) {
            let style = if column == 3 { &styles.above } else { &styles.header };
            sheet.write_string_with_format(row, column, text, style)?;
        }
        for payment in &statement.payments {
            row += 1;
            sheet.write_string(row, 0, payment.number.to_string())?;
            sheet.write_string(row, 1, payment.debtor.as_str())?;
            sheet.write_string(row, 2, payment.creditor.as_str())?;
            sheet.write_number_with_format(row, 3, number(payment.amount), &styles.money)?;
        }
    }
    on_paper(&mut sheet);
    Ok(sheet)
}

fn ranges(statement: &Statement, words: &Words, styles: &Styles) -> Result<Worksheet, XlsxError> {
    let mut sheet = Worksheet::new();
    sheet.set_name(words.ranges)?;
    sheet.set_freeze_panes(1, 1)?;
    let header = [
        words.corridor,
        words.window,
        words.range,
        words.receipts,
        words.amount,
        words.root,
        words.head,
    ];
    let widths = [30, 33, 18, 12, 20, 72, 72];
    for ((column, name), width) in (0..).zip(header).zip(widths) {
        sheet.set_column_width(column, width)?;
        let style = if [3, 4].contains(&column) { &styles.above } else { &styles.header };
        sheet.write_string_with_format(0, column, name, style)?;
    }
    on_paper(&mut sheet);
    let mut row = 0;
    for range in &statement.ranges {
        row += 1;
        let first = range.after.saturating_add(1);
        sheet.write_string(row, 0, range.corridor.as_str())?;
        sheet.write_string(row, 1, range.window.to_string())?;
        sheet.write_string(row, 2, format!("{first} – {}", range.seq))?;
        let receipts = range.seq.saturating_sub(range.after);
        sheet.write_number_with_format(row, 3, whole(receipts), &styles.count)?;
        sheet.write_number_with_format(row, 4, number(range.amount), &styles.money)?;
        sheet.write_string_with_format(row, 5, range.root.to_string(), &styles.hash)?;
        sheet.write_string_with_format(row, 6, range.head.to_string(), &styles.hash)?;
    }
    if row > 0 {
        let end = row + 1;
        sheet.write_string_with_format(end, 0, words.total, &styles.strong)?;
        let receipts = Formula::new(format!("=SUM(D2:D{end})"));
        sheet.write_formula_with_format(
            end,
            3,
            receipts.set_result(statement.totals.lines.to_string()),
            &styles.count,
        )?;
        let amounts = Formula::new(format!("=SUM(E2:E{end})"));
        let amounts = amounts.set_result(statement.activity.to_string());
        sheet.write_formula_with_format(end, 4, amounts, &styles.strong_money)?;
    }
    Ok(sheet)
}

/// Printed, a sheet is as wide as its paper.
fn on_paper(sheet: &mut Worksheet) {
    sheet.set_landscape().set_paper_size(9).set_print_fit_to_pages(1, 0);
}

fn moment(time: Timestamp) -> Result<ExcelDateTime, XlsxError> {
    ExcelDateTime::parse_from_str(&time.to_string())
}

/// The number that Excel reads from the same digits.
fn number(total: Total) -> f64 {
    total.to_string().parse().unwrap_or(f64::NAN)
}

fn whole(number: u64) -> f64 {
    number.to_string().parse().unwrap_or(f64::NAN)
}
