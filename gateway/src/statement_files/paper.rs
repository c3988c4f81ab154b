//! A statement as a page that one would send to a CFO: PDF/A-3, with the signed statement attached.

use alliance_contracts::encoding::Hash;
use alliance_contracts::names::ALLIANCE_PARTY;
use alliance_contracts::statement::{Statement, StatementRange};
use alliance_contracts::total::Total;
use alliance_settlement::clearing_house::statements::SignedStatement;
use alliance_settlement::payments::currencies::MinorUnit;
use krilla::configure::{Archival, ConfigurationBuilder};
use krilla::embed::{AssociationKind, EmbeddedFile, MimeType};
use krilla::metadata::{DateTime, Metadata};
use krilla::{Document, SerializeSettings};

use super::Paper;
use super::page::{BODY, HEADING, Ink, MARGIN, NOTE, Pages, Place, RIGHT, Side, Style};
use super::words::Words;
use crate::cli::layout::{count, grouped};

/// Why there are no pages.
#[derive(Debug, thiserror::Error)]
pub enum PaperFault {
    /// The pages are no PDF/A-3.
    #[error("the pages cannot be written: {0}")]
    Pages(String),
}

const TITLE: Style = Style { size: 20.0, bold: true, ink: Ink::Black };
const FIGURE: Style = Style { size: 22.0, bold: true, ink: Ink::Black };
const LEFT: Place = Place { x: MARGIN, side: Side::Left };
const SECOND: Place = Place { x: MARGIN + 92.0, side: Side::Left };
const THIRD: Place = Place { x: MARGIN + 262.0, side: Side::Left };
const FOURTH: Place = Place { x: MARGIN + 330.0, side: Side::Left };
const INNER: Place = Place { x: MARGIN + 14.0, side: Side::Left };
const INNER_END: Place = Place { x: RIGHT - 14.0, side: Side::Right };
const END: Place = Place { x: RIGHT, side: Side::Right };
const MIDDLE: Place = Place { x: MARGIN + 300.0, side: Side::Right };

/// The pages of a statement. The same statement gives the same bytes.
///
/// # Errors
/// [`PaperFault`].
pub fn pages(signed: &SignedStatement, paper: &Paper) -> Result<Vec<u8>, PaperFault> {
    let words = paper.language.words();
    let statement = &signed.statement;
    let mut pages = Pages::new(&paper.fonts);
    head(&mut pages, statement, paper);
    position(&mut pages, statement, paper);
    counterparties(&mut pages, statement, words);
    adjustments(&mut pages, statement, paper);
    payments(&mut pages, statement, words);
    proof(&mut pages, statement, words);

    let archival = ConfigurationBuilder::new().with_archival_validator(Archival::A3_B).finish();
    let configuration = archival.map_err(|fault| PaperFault::Pages(format!("{fault:?}")))?;
    let settings = SerializeSettings { configuration, ..SerializeSettings::default() };
    let mut document = Document::new_with(settings);
    let title = paper.language.title(statement.number, &statement.partner);
    pages.draw(&mut document, &format!("{title} · {}", statement.id), paper.language);
    let issued = at(statement);
    let mut metadata = Metadata::new()
        .title(title)
        .language(paper.language.to_string())
        .creator("alliance settle statement".to_owned())
        .authors(vec![statement.alliance.to_string()])
        .document_id(statement.id.to_string());
    if let Some(issued) = issued {
        metadata = metadata.creation_date(issued);
    }
    document.set_metadata(metadata);
    document.embed_file(EmbeddedFile {
        path: "statement.jws".to_owned(),
        mime_type: MimeType::new("application/jose"),
        description: Some(words.title.to_owned()),
        association_kind: AssociationKind::Source,
        data: signed.jws.clone().into_bytes().into(),
        modification_date: issued,
        compress: Some(true),
        location: None,
    });
    document.finish().map_err(|fault| PaperFault::Pages(format!("{fault:?}")))
}

fn at(statement: &Statement) -> Option<DateTime> {
    let text = statement.issued_at.to_string();
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<u8>().ok();
    let year = text.get(..4)?.parse().ok()?;
    let day = DateTime::new(year).month(part(5..7)?).day(part(8..10)?);
    let clock = day.hour(part(11..13)?).minute(part(14..16)?).second(part(17..19)?);
    Some(clock.utc_offset_hour(0).utc_offset_minute(0))
}

fn head(pages: &mut Pages<'_>, statement: &Statement, paper: &Paper) {
    let (words, language) = (paper.language.words(), paper.language);
    pages.text(LEFT, Style { ink: Ink::Grey, ..HEADING }, statement.alliance.as_str());
    pages.text(END, NOTE, format!("{} {}", words.currency, statement.currency));
    pages.down(22.0);
    pages.text(LEFT, TITLE, language.title(statement.number, &statement.partner));
    pages.down(36.0);
    let period =
        format!("{} – {}", language.time(statement.opened_at), language.time(statement.closed_at));
    let due = statement.value_date.map_or_else(|| "–".to_owned(), |date| language.date(date));
    let issued = language.time(statement.issued_at);
    for (left, said, right, beside) in [
        (words.partner, statement.partner.to_string(), words.value_date, due),
        (words.period, period, words.issued, issued),
    ] {
        pages.text(LEFT, NOTE, left);
        pages.text(SECOND, NOTE_BLACK, said);
        pages.text(Place { x: FOURTH.x, ..FOURTH }, NOTE, right);
        pages.text(END, NOTE_BLACK, beside);
        pages.down(14.0);
    }
    for (left, said) in
        [(words.id, statement.id.to_string()), (words.window, statement.window.to_string())]
    {
        pages.text(LEFT, NOTE, left);
        pages.text(SECOND, NOTE_BLACK, said);
        pages.down(14.0);
    }
    pages.down(6.0);
    let paid = statement.payment.micros();
    let (said, figure) = match paid.signum() {
        1 => (words.receives, Some(statement.payment)),
        -1 => (words.pays, Some(Total::from_micros(-paid))),
        _ => (words.nothing, None),
    };
    pages.ground(64.0);
    pages.down(12.0);
    pages.text(INNER, BODY, said);
    if let Some(date) = statement.value_date.filter(|_| figure.is_some()) {
        let date = format!("{} {}", words.value_date, language.date(date));
        pages.text(INNER_END, BODY, date);
    }
    pages.down(15.0);
    if let Some(figure) = figure {
        let figure = in_minor_units(figure, statement);
        pages.text(INNER, FIGURE, format!("{} {figure}", statement.currency));
        if statement.provisional {
            pages.down(4.0);
            pages.text(INNER_END, NOTE, words.provisional);
            pages.down(-4.0);
        }
    }
    pages.down(37.0);
}

const NOTE_BLACK: Style = Style { ink: Ink::Black, ..NOTE };

fn position(pages: &mut Pages<'_>, statement: &Statement, paper: &Paper) {
    let words = paper.language.words();
    pages.heading(words.position);
    let row = |label: &str, total: Total| vec![label.to_owned(), exact(total)];
    let receipts = paper.language.receipts(statement.totals.lines);
    let activity = format!("{} · {receipts}", words.activity);
    let places = [LEFT, END];
    let rows = [row(words.opening, statement.opening), row(&activity, statement.activity)];
    pages.table(&places, &[], &rows, Some(&row(words.net, statement.net)));
    let less = Total::from_micros(-statement.payment.micros());
    let rows = [row(&format!("− {}", words.payment), less)];
    pages.table(&places, &[], &rows, Some(&row(words.carried, statement.carried)));
    pages.down(5.0);
    pages.paragraph(NOTE, words.signs);
}

fn counterparties(pages: &mut Pages<'_>, statement: &Statement, words: &Words) {
    if statement.ranges.is_empty() {
        return;
    }
    pages.heading(words.by_counterparty);
    // Ranges of aborted windows stand beside those of this one: one row for each counterparty.
    let mut sums: std::collections::BTreeMap<&str, (u64, i128)> = std::collections::BTreeMap::new();
    for range in &statement.ranges {
        let sum = sums.entry(other(statement, range)).or_default();
        sum.0 = sum.0.saturating_add(receipts(range));
        sum.1 = sum.1.saturating_add(range.amount.micros());
    }
    let rows: Vec<Vec<String>> = sums
        .into_iter()
        .map(|(other, (many, sum))| {
            let other = if other == ALLIANCE_PARTY { words.alliance } else { other };
            vec![other.to_owned(), count(many), exact(Total::from_micros(sum))]
        })
        .collect();
    let total = [words.total.to_owned(), count(statement.totals.lines), exact(statement.activity)];
    let header = [words.counterparty, words.receipts, words.amount];
    pages.table(&[LEFT, MIDDLE, END], &header, &rows, Some(&total));
    pages.down(5.0);
    let fees = exact(statement.totals.fees);
    pages.paragraph(NOTE, &format!("{}: {} {fees}", words.fees, statement.currency));
}

fn adjustments(pages: &mut Pages<'_>, statement: &Statement, paper: &Paper) {
    if statement.totals.causes.is_empty() {
        return;
    }
    let words = paper.language.words();
    pages.heading(words.adjustments);
    let causes = statement.totals.causes.iter();
    let rows: Vec<Vec<String>> = causes
        .map(|(cause, sum)| vec![paper.language.cause(cause).to_owned(), exact(*sum)])
        .collect();
    pages.table(&[LEFT, END], &["", words.amount], &rows, None);
}

fn payments(pages: &mut Pages<'_>, statement: &Statement, words: &Words) {
    if statement.payments.is_empty() {
        return;
    }
    pages.heading(words.payments);
    let named = |party: &str| {
        if party == ALLIANCE_PARTY { words.alliance.to_owned() } else { party.to_owned() }
    };
    let rows: Vec<Vec<String>> = statement
        .payments
        .iter()
        .map(|payment| {
            let own = payment.creditor.as_str() == statement.partner.as_str();
            let signed = if own { payment.amount.micros() } else { -payment.amount.micros() };
            vec![
                named(payment.debtor.as_str()),
                named(payment.creditor.as_str()),
                in_minor_units(Total::from_micros(signed), statement),
            ]
        })
        .collect();
    let total =
        [words.total.to_owned(), String::new(), in_minor_units(statement.payment, statement)];
    let header = [words.debtor, words.creditor, words.amount];
    pages.table(&[LEFT, SECOND_WIDE, END], &header, &rows, Some(&total));
}

const SECOND_WIDE: Place = Place { x: THIRD.x - 60.0, side: Side::Left };

fn proof(pages: &mut Pages<'_>, statement: &Statement, words: &Words) {
    pages.heading(words.proof);
    pages.paragraph(NOTE, words.how);
    pages.down(3.0);
    let payload = Hash::of(&statement.to_payload()).to_string();
    for (label, hash) in
        [(words.certificate, statement.certificate.to_string()), (words.payload, payload)]
    {
        pages.keep(13.0);
        pages.text(LEFT, NOTE, label);
        pages.text(END, NOTE_BLACK, hash);
        pages.down(13.0);
    }
    pages.down(3.0);
    let rows: Vec<Vec<String>> = statement
        .ranges
        .iter()
        .map(|range| {
            let first = range.after.saturating_add(1);
            vec![
                range.corridor.to_string(),
                format!("{} – {}", count(first), count(range.seq)),
                range.root.to_string(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        pages.small_table(
            &[LEFT, MIDDLE_LOW, END],
            &[words.corridor, words.range, words.root],
            &rows,
        );
    }
}

const MIDDLE_LOW: Place = Place { x: MARGIN + 236.0, side: Side::Right };

fn other<'a>(statement: &Statement, range: &'a StatementRange) -> &'a str {
    let (low, high) = range.corridor.parties();
    if low == statement.partner.as_str() { high } else { low }
}

fn receipts(range: &StatementRange) -> u64 {
    range.seq.saturating_sub(range.after)
}

/// All six decimals: figures below each other have their points below each other.
fn exact(total: Total) -> String {
    decimals(total, 6)
}

/// As banks pay it.
fn in_minor_units(total: Total, statement: &Statement) -> String {
    decimals(total, MinorUnit::of(&statement.currency).map_or(6, MinorUnit::digits))
}

fn decimals(total: Total, wanted: u32) -> String {
    let plain = total.to_string();
    let (sign, plain) = plain.strip_prefix('-').map_or(("", &*plain), |rest| ("−", rest));
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let wanted = usize::try_from(wanted).unwrap_or_default().max(fraction.len());
    let point = if wanted == 0 { "" } else { "." };
    format!("{sign}{}{point}{fraction:0<wanted$}", grouped(whole))
}
