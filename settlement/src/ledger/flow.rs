//! What was ordered in each direction, in money: between two programs, or between a program and a
//! partner, where an order has a member on one side only.

use std::fmt;
use std::str::FromStr;

use alliance_contracts::names::{NameError, PartnerId, ProgramId};
use alliance_contracts::side::SideOf;

use crate::command::QuotedSide;

/// One end of a flow: a program, whose points are given or arrive; else the partner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowEnd {
    /// Points of a program.
    Program(ProgramId),
    /// Goods of a partner, or its money.
    Partner(PartnerId),
}

impl FlowEnd {
    /// The program, where it is one.
    #[must_use]
    pub const fn program(&self) -> Option<&ProgramId> {
        match self {
            Self::Program(program) => Some(program),
            Self::Partner(_) => None,
        }
    }

    /// The end that a side of an order is.
    #[must_use]
    pub fn of<M>(side: &SideOf<M>) -> Self {
        Self::named(side.program(), side.partner())
    }

    /// The same, of a quote.
    #[must_use]
    pub fn quoted(side: &QuotedSide) -> Self {
        Self::named(side.program(), side.partner())
    }

    fn named(program: Option<&ProgramId>, partner: &PartnerId) -> Self {
        match program {
            Some(program) => Self::Program(program.clone()),
            None => Self::Partner(partner.clone()),
        }
    }
}

/// `aurora`, or `@aurora-air` for the partner: no program begins so.
impl fmt::Display for FlowEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(program) => program.fmt(f),
            Self::Partner(partner) => write!(f, "@{partner}"),
        }
    }
}

impl FromStr for FlowEnd {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.strip_prefix('@') {
            Some(partner) => partner.parse().map(Self::Partner),
            None => text.parse().map(Self::Program),
        }
    }
}

impl From<ProgramId> for FlowEnd {
    fn from(program: ProgramId) -> Self {
        Self::Program(program)
    }
}

/// A direction: source and target.
pub type Direction = (FlowEnd, FlowEnd);

/// What was ordered in one direction between two partners; in 10⁻⁶ of the currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Gross of all orders, less what was reversed of them.
    pub exchanged: i128,
    /// Gross of those whose quote's board was no longer in force.
    pub late: i128,
}

/// A flow as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRow {
    /// What is given: points of a program, or a partner's money.
    pub source: FlowEnd,
    /// What arrives: points of a program, or a partner's goods.
    pub target: FlowEnd,
    /// How much.
    pub flow: Flow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_comes_back_from_its_text_and_no_partner_is_taken_for_a_program() {
        for text in ["aurora", "@aurora"] {
            assert_eq!(text.parse::<FlowEnd>().unwrap().to_string(), text);
        }
        assert_ne!("aurora".parse::<FlowEnd>(), "@aurora".parse());
        assert!("@".parse::<FlowEnd>().is_err() && "@@ab".parse::<FlowEnd>().is_err());
    }
}
