//! Every fault of a campaign, with the place of each.

use std::collections::HashSet;
use std::hash::Hash;

use serde_json::{Value, json};

use super::Campaign;
use crate::agreement::{KnownProgram, MAX_LIST_ITEMS};
use crate::decimal::{Decimal, MICROS};
use crate::drafts::{self, Draft, Fault, Faults, whole};
use crate::names::ProgramId;
use crate::problem::FieldError;

/// A campaign's document: 64 KiB at most.
pub const MAX_CAMPAIGN_BYTES: usize = 64 << 10;
/// A campaign brings ten times as much at most.
pub const MAX_CAMPAIGN_MULTIPLIER_MICROS: i64 = 10 * MICROS;
/// Points are held ten years at most.
pub const MAX_HOLDBACK_DAYS: u32 = 3_650;
/// Letters of a name at most.
const MAX_NAME: usize = 80;

impl Draft for Campaign {
    fn sample() -> Value {
        json!({
            "alliance": "aa", "budget": "1", "from": "2000-01-01T00:00:00.000Z",
            "holdback_days": 1, "multiplier": "2", "name": "a", "red_line": "1",
            "segments": ["aa"], "source": "aa", "sponsor": "bb", "target": "bb", "tiers": ["aa"],
            "until": "9999-01-01T00:00:00.000Z", "v": 1, "warn_at": ["0.1"],
        })
    }

    fn all_faults(&self, programs: Option<&[KnownProgram]>) -> Vec<Fault> {
        let mut faults = Faults::default();
        self.check_whole(&mut faults);
        self.check_money(&mut faults);
        self.check_members(&mut faults);
        self.check_programs(&mut faults, programs);
        faults.0
    }
}

impl Campaign {
    /// Reads a draft: JSON in any layout, which may leave out what may be null, `red_line` and
    /// `warn_at`.
    ///
    /// # Errors
    /// Every fault there is, of the form and of what it says, against the alliance's programs
    /// where those are known.
    ///
    /// ```
    /// use alliance_contracts::campaign::Campaign;
    /// let text = br#"{"v":2,"multiplier":"1","holdback_days":-1}"#;
    /// let faults = Campaign::read_draft(text, None).unwrap_err();
    /// for place in ["/v", "/multiplier", "/holdback_days", "/budget", "/sponsor"] {
    ///     assert!(faults.iter().any(|fault| fault.pointer == place), "{place}");
    /// }
    /// ```
    pub fn read_draft(
        text: &[u8],
        programs: Option<&[KnownProgram]>,
    ) -> Result<Self, Vec<FieldError>> {
        if text.len() > MAX_CAMPAIGN_BYTES {
            return Err(vec![whole("a campaign has at most 65536 bytes")]);
        }
        drafts::read(text, programs)
    }

    /// Every fault of what it says, against the alliance's programs where those are known.
    #[must_use]
    pub fn faults(&self, programs: Option<&[KnownProgram]>) -> Vec<FieldError> {
        self.all_faults(programs).into_iter().map(|fault| fault.error).collect()
    }

    /// The bytes that are kept (RFC 8785).
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        crate::json::canonical(self)
    }

    fn check_whole(&self, faults: &mut Faults) {
        if self.v != 1 {
            faults.at("/v", "must be 1");
        }
        let name = self.name.chars().count();
        if !(1..=MAX_NAME).contains(&name) || self.name.chars().any(char::is_control) {
            faults.at("/name", "must have 1 to 80 letters, and no control characters");
        }
        if self.until <= self.from {
            faults.with("/until", &["/from"], "must be after from");
        }
        if self.holdback_days > MAX_HOLDBACK_DAYS {
            faults.at("/holdback_days", "must be at most 3650");
        }
        if !(MICROS + 1..=MAX_CAMPAIGN_MULTIPLIER_MICROS).contains(&self.multiplier.micros()) {
            faults.at("/multiplier", "must be above 1 and at most 10");
        }
    }

    fn check_money(&self, faults: &mut Faults) {
        if self.budget.is_zero() {
            faults.at("/budget", "must be above 0");
        }
        faults.amount("/budget".to_owned(), self.budget);
        if self.red_line.is_zero() || self.red_line > Decimal::ONE {
            faults.at("/red_line", "must be above 0 and at most 1");
        } else if !self.budget.is_zero() && self.limit_micros() == 0 {
            faults.with("/red_line", &["/budget"], "leaves nothing of the budget");
        }
        if self.warn_at.len() != 3 {
            faults.at("/warn_at", "must be three parts of the budget");
        }
        let mut before = Decimal::ZERO;
        for (at, level) in self.warn_at.iter().enumerate() {
            let pointer = format!("/warn_at/{at}");
            if *level <= before {
                faults.with(pointer, &["/warn_at"], "must be above the one before, and above 0");
            } else if *level > self.red_line {
                faults.with(pointer, &["/red_line"], "must be at most red_line: beyond is nothing");
            }
            before = *level;
        }
    }

    fn check_members(&self, faults: &mut Faults) {
        check_list(faults, "/tiers", self.tiers.as_deref());
        check_list(faults, "/segments", self.segments.as_deref());
    }

    fn check_programs(&self, faults: &mut Faults, programs: Option<&[KnownProgram]>) {
        if self.source.as_ref() == Some(&self.target) {
            faults.with("/target", &["/source"], "must be another program than source");
            return;
        }
        let Some(programs) = programs else { return };
        let known = |program: &ProgramId| programs.iter().find(|known| known.program == *program);
        let target = known(&self.target);
        if target.is_none() {
            faults.at("/target", format!("there is no program {}", self.target));
        }
        let source = self.source.as_ref().map(|named| (named, known(named)));
        if let Some((named, None)) = source {
            faults.at("/source", format!("there is no program {named}"));
        }
        let source = source.and_then(|(_, known)| known);
        if let (Some(source), Some(target)) = (source, target)
            && source.partner == target.partner
        {
            let detail = "belongs to the same partner as source: a campaign is between two";
            faults.with("/target", &["/source"], detail);
        }
        let all_known = target.is_some() && (self.source.is_none() || source.is_some());
        let mut parties = [source, target].into_iter().flatten();
        if all_known && !parties.any(|party| party.partner == self.sponsor) {
            let detail = if self.source.is_none() {
                "must be the target's partner, where source is null"
            } else {
                "must be the partner of source or of target"
            };
            faults.with("/sponsor", &["/source", "/target"], detail);
        }
    }
}

fn check_list<T: Eq + Hash>(faults: &mut Faults, pointer: &str, list: Option<&[T]>) {
    let Some(list) = list else { return };
    if list.is_empty() {
        faults.at(pointer, "names nobody: leave it out for all");
    }
    if list.len() > MAX_LIST_ITEMS {
        faults.at(pointer, "at most 100 items");
    }
    let mut seen = HashSet::new();
    for (at, item) in list.iter().enumerate() {
        if !seen.insert(item) {
            faults.with(format!("{pointer}/{at}"), &[pointer], "stands there twice");
        }
    }
}
