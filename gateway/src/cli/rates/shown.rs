//! Numbers, remarks and proposals as they are laid out; who the operator is; a board of the books.

use alliance_contracts::decimal::{Decimal, MICROS, format_micros};
use alliance_contracts::valuation::Limit;
use alliance_settlement::alliance::PublishedBoard;
use alliance_settlement::clearing_house::{ProposalError, PublishError};
use alliance_settlement::rates::proposal::{OperatorName, Proposal, RateProposal};
use alliance_settlement::rates::publication::Remark;
use clap::Args;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::instance::open::Books;

/// Who asks.
#[derive(Clone, Debug, Args)]
pub struct Operator {
    /// Who you are [default: who is logged in]
    #[arg(long = "as", value_name = "NAME", env = "ALLIANCE_OPERATOR")]
    operator: Option<OperatorName>,
}

impl Operator {
    /// The name given, or who is logged in.
    pub fn name(&self) -> Result<OperatorName, Failure> {
        if let Some(name) = &self.operator {
            return Ok(name.clone());
        }
        let login = ["USER", "LOGNAME", "USERNAME"]
            .into_iter()
            .find_map(|variable| std::env::var(variable).ok().filter(|name| !name.is_empty()));
        let unknown = || Failure::usage("nobody is logged in here: say who you are with --as NAME");
        login.ok_or_else(unknown)?.parse().map_err(Failure::usage)
    }
}

/// How a value has changed, in hundredths: `+2.5%`; cut after four decimals.
pub fn change(previous: Option<Decimal>, value: Decimal) -> String {
    let Some(previous) = previous.filter(|previous| !previous.is_zero()) else {
        return "new".to_owned();
    };
    let (before, after) = (i128::from(previous.micros()), i128::from(value.micros()));
    let hundredths = (after - before) * i128::from(MICROS) / before;
    let sign = if after > before { "+" } else { "" };
    match after == before {
        true => "0%".to_owned(),
        false => format!("{sign}{}%", format_micros(hundredths * 100)),
    }
}

/// What cut a value.
pub fn cut_by(limits: &[Limit]) -> String {
    limits.iter().map(|limit| limit.as_str()).collect::<Vec<_>>().join(", ")
}

/// Remarks as sentences.
pub fn told(remarks: &[Remark]) -> Vec<String> {
    remarks.iter().map(ToString::to_string).collect()
}

/// The board of this number.
pub fn board(books: &Books, number: u32) -> Result<PublishedBoard, Failure> {
    let house = books.house();
    let found = books.wait(house.boards_after(number.saturating_sub(1), 1));
    let found = found.map_err(Failure::config)?.pop();
    let found = found.filter(|published| published.board.board == number);
    found.ok_or_else(|| Failure::usage(format!("there is no board {number}")))
}

/// The board in force.
pub fn in_force(books: &Books) -> Result<PublishedBoard, Failure> {
    let house = books.house();
    let registry = house.registry();
    let board = registry.board_at(house.now()).map(|board| board.published.clone());
    let none =
        "there is no board yet: apply alliance.toml with `alliance serve` or `members import`";
    board.ok_or_else(|| Failure::usage(none))
}

/// What the next board with a proposal would cut, as far as it can be worked out.
pub fn trial(books: &Books, proposal: &Proposal) -> Vec<String> {
    match books.wait(books.house().trial(proposal)) {
        Ok(publication) => told(&publication.remarks),
        Err(error) => vec![format!("the next board could not be tried: {error}")],
    }
}

/// Why a proposal was not made or changed.
pub fn refused(error: ProposalError) -> Failure {
    match error {
        ProposalError::Refused(mut faults) if faults.len() == 1 => {
            Failure::wrong(faults.pop().unwrap_or_default())
        }
        ProposalError::Refused(faults) => {
            Failure::wrong(format!("{} things are wrong", faults.len())).with(faults)
        }
        ProposalError::Unavailable(error) => Failure::config(error),
    }
}

/// Why no board was published.
pub fn not_published(error: PublishError) -> Failure {
    match error {
        PublishError::Unavailable(error) => Failure::config(error),
        other => Failure::wrong(other),
    }
}

/// A proposal as it stands.
#[derive(Serialize)]
pub struct Standing {
    pub state: &'static str,
    /// Whether it was small enough to need no second person.
    pub approved_by_size: bool,
    #[serde(flatten)]
    pub record: RateProposal,
}

impl From<RateProposal> for Standing {
    fn from(record: RateProposal) -> Self {
        let (state, approved_by_size) = (record.state().as_str(), record.is_approved_by_size());
        Self { state, approved_by_size, record }
    }
}

/// What a proposal asks for, a line each.
pub fn asked(proposal: &Proposal) -> Vec<String> {
    let values = proposal.values.iter();
    let mut lines: Vec<String> =
        values.map(|one| format!("{} goes to {}", one.program, one.value)).collect();
    lines.extend(proposal.observations.iter().map(|one| {
        let feed = one.feed.as_str();
        format!("{feed} of {} is {}, read {}", one.program, one.value, one.observed_at)
    }));
    let release = proposal.release.iter();
    lines.extend(release.map(|one| format!("{} → {} takes orders again", one.source, one.target)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_hundredths_with_its_sign() {
        let decimal = |text: &str| -> Decimal { text.parse().unwrap() };
        for (previous, value, told) in [
            ("0.05", "0.051", "+2%"),
            ("0.05", "0.049", "-2%"),
            ("0.05", "0.05", "0%"),
            ("3", "1", "-66.6666%"),
            ("0.000001", "0.000002", "+100%"),
        ] {
            assert_eq!(change(Some(decimal(previous)), decimal(value)), told);
        }
        assert_eq!(change(None, decimal("1")), "new");
    }
}
