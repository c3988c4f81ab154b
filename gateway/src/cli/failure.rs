//! How a command ends, other than well: one line that says what is wrong and what to do, and where
//! there are many faults, all of them.

use std::fmt::Display;
use std::process::ExitCode;

use crate::instance::Fault;

/// How a command ends: what scripts look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Good,
    /// Something was looked at and found wrong.
    Wrong,
    /// The command was typed wrongly, or cannot be carried out as typed.
    Usage,
    /// The configuration or what it needs is wrong (`EX_CONFIG` of sysexits.h).
    Config,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Wrong => 1,
            Self::Usage => 2,
            Self::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// What is wrong and what to do, in one line.
    pub message: String,
    /// The single faults, where there may be many.
    pub faults: Vec<String>,
}

impl Failure {
    fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string(), faults: Vec::new() }
    }

    /// Something is wrong with what was looked at.
    pub fn wrong(message: impl Display) -> Self {
        Self::new(Exit::Wrong, message)
    }

    /// Typed wrongly, or impossible as typed.
    pub fn usage(message: impl Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The configuration, or what it needs.
    pub fn config(message: impl Display) -> Self {
        Self::new(Exit::Config, message)
    }

    /// The same, with its single faults.
    #[must_use]
    pub fn with(mut self, faults: impl IntoIterator<Item = impl Display>) -> Self {
        self.faults.extend(faults.into_iter().map(|fault| fault.to_string()));
        self
    }

    /// The configuration, with all its faults: a single one is told in the line itself.
    #[must_use]
    pub fn of_faults(faults: &[Fault]) -> Self {
        match faults {
            [only] => Self::config(only),
            many => Self::config(format!("{} things are wrong", many.len())).with(many),
        }
    }
}

/// An error with everything that caused it, in one line.
pub fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_design() {
        let codes = [Exit::Good, Exit::Wrong, Exit::Usage, Exit::Config].map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 78]);
    }

    #[test]
    fn a_single_fault_is_told_in_one_line() {
        let fault = Fault::new("alliance.toml", "is not there");
        let one = Failure::of_faults(std::slice::from_ref(&fault));
        assert_eq!((one.message.as_str(), one.faults.len()), ("alliance.toml: is not there", 0));
        let two = Failure::of_faults(&[fault.clone(), fault]);
        assert_eq!((two.message.as_str(), two.faults.len()), ("2 things are wrong", 2));
    }
}
