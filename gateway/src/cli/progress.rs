//! Progress bars: on a terminal, and nowhere else.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use super::printer::Printer;

const BAR: &str = "  {msg:<28} {bar:32} {human_pos} of {human_len}  {per_sec:.dim}";
const SPINNER: &str = "  {msg:<28} {spinner} {elapsed:.dim}";

/// A bar on stderr, if a person sits there.
#[derive(Clone, Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar that fills with `length` steps.
    #[must_use]
    pub fn bar(printer: Printer, what: &'static str, length: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(length), target(printer))
            .with_finish(ProgressFinish::AndClear);
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Something that turns, where nobody knows how long it takes.
    #[must_use]
    pub fn spinner(printer: Printer, what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, target(printer))
            .with_finish(ProgressFinish::AndClear);
        if let Ok(style) = ProgressStyle::with_template(SPINNER) {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    /// No bar at all: for tests.
    #[must_use]
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// How far it is, where nobody knows how far it goes.
    pub fn say(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// So many steps more.
    pub fn step(&self, steps: u64) {
        self.0.inc(steps);
    }

    /// Takes the bar away.
    pub fn done(self) {
        self.0.finish_and_clear();
    }
}

fn target(printer: Printer) -> ProgressDrawTarget {
    if printer.is_json() || !std::io::stderr().is_terminal() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr_with_hz(10)
    }
}
