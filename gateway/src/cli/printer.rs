//! The one place that writes to the terminal. Colour is written always and taken out by anstream
//! where nobody would see it (a file, a pipe, `NO_COLOR`).

use std::io::Write;

use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use super::failure::Failure;

/// What a command has found or done: as an object for programs, as text for people.
pub trait Shown: Serialize {
    /// For people; line ends between lines, none after the last.
    fn text(&self) -> String;
}

/// Writes for people, or for programs, never for both.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    json: bool,
}

impl Printer {
    /// A printer for people, or with `json` for programs.
    #[must_use]
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs read along.
    #[must_use]
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// What the command was for.
    pub fn show(self, shown: &impl Shown) {
        if self.json {
            out(&serde_json::to_string_pretty(shown).unwrap_or_default());
        } else {
            out(&shown.text());
        }
    }

    /// Text that is the same for people and programs (a document, a script).
    pub fn document(self, text: &str) {
        out(text.trim_end_matches('\n'));
    }

    /// What happens meanwhile: for people, beside the result.
    pub fn note(self, text: &str) {
        if !self.json {
            err(text);
        }
    }

    /// Why the command could not do what was asked.
    pub fn failure(self, failure: &Failure) {
        if self.json {
            let object = FailureObject {
                error: ErrorObject {
                    exit_code: failure.exit.code(),
                    message: &failure.message,
                    faults: &failure.faults,
                },
            };
            return out(&serde_json::to_string_pretty(&object).unwrap_or_default());
        }
        let mut text = format!("{} {}", paint(BAD, "error:"), failure.message);
        for fault in &failure.faults {
            text.push_str("\n  ");
            text.push_str(fault);
        }
        err(&text);
    }
}

#[derive(Serialize)]
struct FailureObject<'a> {
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    exit_code: u8,
    message: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    faults: &'a [String],
}

/// A reader that has gone away (`| head`) is no fault of the command's.
fn out(text: &str) {
    let _ = writeln!(anstream::stdout().lock(), "{text}");
}

fn err(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Headings.
pub const HEADING: Style = Style::new().bold();
/// What is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What is not.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What may be skipped when reading.
pub const FAINT: Style = Style::new().dimmed();
/// What can be typed or opened.
pub const LIVE: Style = AnsiColor::Cyan.on_default();

/// The text in a style.
#[must_use]
pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
