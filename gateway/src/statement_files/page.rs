//! Pages from top to bottom: lines of text and tables, broken over pages, numbered at the end.

use krilla::Document;
use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule};
use krilla::surface::Surface;
use krilla::text::{GlyphId, KrillaGlyph};

use super::fonts::{Face, Fonts};
use super::words::Language;

/// A4, in points.
const WIDTH: f32 = 595.28;
const HEIGHT: f32 = 841.89;
/// Free on each side.
pub(super) const MARGIN: f32 = 52.0;
const BOTTOM: f32 = HEIGHT - 64.0;
/// Where lines end.
pub(super) const RIGHT: f32 = WIDTH - MARGIN;

/// How dark something is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ink {
    /// Text.
    Black,
    /// What is said beside it.
    Grey,
    /// Lines between rows.
    Pale,
    /// Behind what matters.
    Wash,
}

impl Ink {
    fn fill(self) -> Fill {
        let color = match self {
            Self::Black => rgb::Color::new(0x1a, 0x1f, 0x2b),
            Self::Grey => rgb::Color::new(0x5c, 0x65, 0x75),
            Self::Pale => rgb::Color::new(0xc9, 0xcf, 0xd8),
            Self::Wash => rgb::Color::new(0xee, 0xf3, 0xf8),
        };
        Fill { paint: color.into(), opacity: NormalizedF32::ONE, rule: FillRule::default() }
    }
}

/// To which side of its place a text is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// It begins there.
    Left,
    /// It ends there.
    Right,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub size: f32,
    pub bold: bool,
    pub ink: Ink,
}

/// Text.
pub(super) const BODY: Style = Style { size: 9.5, bold: false, ink: Ink::Black };
/// Totals.
pub(super) const STRONG: Style = Style { size: 9.5, bold: true, ink: Ink::Black };
/// What is said beside.
pub(super) const NOTE: Style = Style { size: 8.0, bold: false, ink: Ink::Grey };
/// Above a table.
pub(super) const HEADING: Style = Style { size: 11.5, bold: true, ink: Ink::Black };

/// What is on a page.
enum Mark {
    Text { x: f32, y: f32, side: Side, style: Style, text: String },
    Rule { y: f32, from: f32, to: f32, height: f32, ink: Ink },
}

/// Pages that are being filled. `y` grows downwards, in points.
pub(super) struct Pages<'a> {
    fonts: &'a Fonts,
    pages: Vec<Vec<Mark>>,
    y: f32,
}

/// A column of a table: where its text begins or ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub x: f32,
    pub side: Side,
}

#[expect(clippy::float_arithmetic, reason = "places on paper, no value")]
impl<'a> Pages<'a> {
    pub(super) fn new(fonts: &'a Fonts) -> Self {
        Self { fonts, pages: vec![Vec::new()], y: MARGIN }
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    /// Goes down.
    pub(super) fn down(&mut self, points: f32) {
        self.y += points;
    }

    /// Begins a page where so much is not left on this one.
    pub(super) fn keep(&mut self, points: f32) -> bool {
        let breaks = self.y + points > BOTTOM;
        if breaks {
            self.pages.push(Vec::new());
            self.y = MARGIN;
        }
        breaks
    }

    /// A text beside what is there; the place does not move.
    pub(super) fn text(&mut self, place: Place, style: Style, text: impl Into<String>) {
        let (Place { x, side }, y) = (place, self.y + style.size);
        self.mark(Mark::Text { x, y, side, style, text: text.into() });
    }

    /// A line over the whole width.
    pub(super) fn rule(&mut self, ink: Ink) {
        let y = self.y;
        self.mark(Mark::Rule { y, from: MARGIN, to: RIGHT, height: 0.7, ink });
    }

    /// A ground behind what follows.
    pub(super) fn ground(&mut self, height: f32) {
        let y = self.y;
        self.mark(Mark::Rule { y, from: MARGIN, to: RIGHT, height, ink: Ink::Wash });
    }

    /// A text in as many lines as it needs, broken between words, or anywhere where there are none.
    pub(super) fn paragraph(&mut self, style: Style, text: &str) {
        let wide = RIGHT - MARGIN;
        let mut line = String::new();
        for word in pieces(text) {
            let longer = format!("{line}{word}");
            if !line.is_empty() && self.width(style, longer.trim_end()) > wide {
                self.line(style, line.trim_end());
                line.clear();
            }
            line.push_str(word);
        }
        self.line(style, line.trim_end());
    }

    fn line(&mut self, style: Style, text: &str) {
        self.keep(style.size * 1.5);
        self.text(Place { x: MARGIN, side: Side::Left }, style, text);
        self.down(style.size * 1.5);
    }

    /// A heading, with room for what follows.
    pub(super) fn heading(&mut self, text: &str) {
        self.keep(HEADING.size * 5.0);
        self.down(14.0);
        self.text(Place { x: MARGIN, side: Side::Left }, HEADING, text);
        self.down(HEADING.size + 7.0);
    }

    /// A table: its header again on each page, its last row a total where it has one.
    pub(super) fn table(
        &mut self,
        places: &[Place],
        header: &[&str],
        rows: &[Vec<String>],
        total: Option<&[String]>,
    ) {
        self.header(places, header);
        for row in rows {
            if self.keep(15.0) {
                self.header(places, header);
            }
            self.row(places, BODY, row);
        }
        if let Some(total) = total {
            if self.keep(18.0) {
                self.header(places, header);
            }
            self.rule(Ink::Grey);
            self.down(1.5);
            self.row(places, STRONG, total);
        }
    }

    /// A table of what few people read: small, without a total.
    pub(super) fn small_table(&mut self, places: &[Place], header: &[&str], rows: &[Vec<String>]) {
        self.header(places, header);
        for row in rows {
            if self.keep(13.0) {
                self.header(places, header);
            }
            self.row(places, Style { size: 7.0, ..NOTE }, row);
        }
    }

    fn header(&mut self, places: &[Place], header: &[&str]) {
        if header.is_empty() {
            return;
        }
        for (place, text) in places.iter().zip(header) {
            self.text(*place, NOTE, *text);
        }
        self.down(NOTE.size + 4.5);
        self.rule(Ink::Grey);
        self.down(2.0);
    }

    fn row(&mut self, places: &[Place], style: Style, row: &[String]) {
        self.down(2.0);
        for (place, text) in places.iter().zip(row) {
            self.text(*place, style, text.as_str());
        }
        self.down(style.size + 3.0);
        self.rule(Ink::Pale);
    }

    fn face(&self, style: Style) -> &Face {
        if style.bold { &self.fonts.bold } else { &self.fonts.regular }
    }

    fn width(&self, style: Style, text: &str) -> f32 {
        self.face(style).placed(text).iter().map(|placed| placed.width).sum::<f32>() * style.size
    }

    /// Draws all pages, each with what stands at its foot and its number.
    pub(super) fn draw(&self, document: &mut Document, foot: &str, language: Language) {
        let many = self.pages.len();
        for (at, marks) in self.pages.iter().enumerate() {
            let Some(settings) = PageSettings::from_wh(WIDTH, HEIGHT) else { return };
            let mut page = document.start_page_with(settings);
            let mut surface = page.surface();
            for mark in marks {
                self.draw_mark(&mut surface, mark);
            }
            let y = HEIGHT - 36.0;
            let number = language.page(at + 1, many);
            for (x, side, text) in [(MARGIN, Side::Left, foot), (RIGHT, Side::Right, &number)] {
                let text = text.to_owned();
                self.draw_mark(&mut surface, &Mark::Text { x, y, side, style: NOTE, text });
            }
            surface.finish();
            page.finish();
        }
    }

    fn draw_mark(&self, surface: &mut Surface<'_>, mark: &Mark) {
        match mark {
            Mark::Rule { y, from, to, height, ink } => {
                let mut path = PathBuilder::new();
                if let Some(rect) = Rect::from_ltrb(*from, *y, *to, y + height) {
                    path.push_rect(rect);
                }
                if let Some(path) = path.finish() {
                    surface.set_fill(Some(ink.fill()));
                    surface.draw_path(&path);
                }
            }
            Mark::Text { x, y, side, style, text } => {
                let face = self.face(*style);
                let mut at = 0;
                let glyphs: Vec<KrillaGlyph> = face
                    .placed(text)
                    .iter()
                    .map(|placed| {
                        let range = at..at + placed.bytes;
                        at = range.end;
                        let glyph = GlyphId::new(placed.glyph);
                        KrillaGlyph::new(glyph, placed.width, 0.0, 0.0, 0.0, range, None)
                    })
                    .collect();
                let x = match side {
                    Side::Left => *x,
                    Side::Right => x - self.width(*style, text),
                };
                surface.set_fill(Some(style.ink.fill()));
                let font = face.font.clone();
                surface.draw_glyphs(Point::from_xy(x, *y), &glyphs, font, text, style.size, false);
            }
        }
    }
}

/// Where a text may be broken: after each blank, and after each character beyond ASCII.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(|character: char| character == ' ' || !character.is_ascii())
}
