//! The fonts of pages: one that is built in, and for Chinese one of this machine's.

use krilla::Data;
use krilla::text::Font;
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};

use super::words::Language;

/// Families that have all characters of simplified Chinese, the best first.
const CHINESE: [&str; 9] = [
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Noto Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Microsoft YaHei",
    "SimHei",
];

/// This machine has no font for the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this machine has no font with Chinese characters: install one (Debian: apt install \
     fonts-noto-cjk), or write the statement in en"
)]
pub struct NoFont;

/// A font, and what is asked of it.
#[derive(Clone)]
pub struct Face {
    /// For the page.
    pub(super) font: Font,
    data: Data,
    index: u32,
    per_em: f32,
}

/// A character of a line: its glyph, and how wide it is in parts of the font's size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub glyph: u32,
    pub bytes: usize,
    pub width: f32,
}

impl Face {
    fn new(data: Data, index: u32) -> Option<Self> {
        let font = Font::new(data.clone(), index)?;
        let per_em = font.units_per_em();
        Some(Self { font, data, index, per_em })
    }

    /// The characters of a text, each with its glyph; one that the font has not is its empty box.
    #[expect(clippy::float_arithmetic, reason = "places on paper, no value")]
    pub(super) fn placed(&self, text: &str) -> Vec<Placed> {
        let Ok(face) = FontRef::from_index(self.data.as_ref(), self.index) else {
            return Vec::new();
        };
        let (characters, metrics) =
            (face.charmap(), face.glyph_metrics(Size::unscaled(), LocationRef::default()));
        text.chars()
            .map(|character| {
                let glyph = characters.map(character).unwrap_or_default();
                let width = metrics.advance_width(glyph).unwrap_or_default() / self.per_em;
                Placed { glyph: glyph.to_u32(), bytes: character.len_utf8(), width }
            })
            .collect()
    }
}

/// The fonts of a language.
#[derive(Clone)]
pub struct Fonts {
    pub(super) regular: Face,
    pub(super) bold: Face,
}

impl Fonts {
    /// Those of a language. Reads the names of this machine's fonts where the built-in one has not
    /// its characters.
    ///
    /// # Errors
    /// [`NoFont`].
    pub fn of(language: Language) -> Result<Self, NoFont> {
        let found = match language {
            Language::En => built_in(dejavu::sans_condensed::regular())
                .zip(built_in(dejavu::sans_condensed::bold())),
            Language::ZhCn => {
                let mut known = fontdb::Database::new();
                known.load_system_fonts();
                let regular = of_family(&known, fontdb::Weight::NORMAL);
                regular.zip(of_family(&known, fontdb::Weight::BOLD))
            }
        };
        found.map(|(regular, bold)| Self { regular, bold }).ok_or(NoFont)
    }
}

fn built_in(bytes: &'static [u8]) -> Option<Face> {
    Face::new(bytes.into(), 0)
}

fn of_family(known: &fontdb::Database, weight: fontdb::Weight) -> Option<Face> {
    let families = CHINESE.map(fontdb::Family::Name);
    let wanted = fontdb::Query { families: &families, weight, ..fontdb::Query::default() };
    let (data, index) = known
        .with_face_data(known.query(&wanted)?, |data, index| (Data::from(data.to_vec()), index))?;
    Face::new(data, index)
}
