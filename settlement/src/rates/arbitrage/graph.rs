//! Weights, edges, the graph: exact numbers only.

use std::cmp::Ordering;

use alliance_contracts::decimal::MICROS;
use alliance_contracts::limits::MAX_VALUE_MICROS;

/// A multiplier is at most 100.
///
/// With values of at most 10¹² units, c × value × value stays within 10³⁸, which a `u128` holds.
pub const MAX_MULTIPLIER_MICROS: i64 = 100 * MICROS;
/// One graph has at most so many programs: the best edge of each pair stands in a table.
pub const MAX_PROGRAMS: usize = 2_000;

/// c is counted in 10⁻¹², the product of a fee and a multiplier of six decimals each.
pub(super) const TRILLION: u64 = 1_000_000_000_000;

/// A number that no rate may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfRange {
    /// A fee below zero or above one.
    #[error("a fee must be from 0 to 1")]
    Fee,
    /// A multiplier below zero or above the limit.
    #[error("a multiplier must be from 0 to 100")]
    Multiplier,
    /// A value of zero or less, or above the limit.
    #[error("a value must be above 0 and at most 1000000")]
    Value,
    /// An edge from or to a program that is not there, or from one to itself.
    #[error("a pair must name two programs of the board")]
    Program,
    /// Too many programs, or lists of different lengths.
    #[error("a board has at most 2000 programs, and one value for each")]
    Programs,
    /// Boards that do not follow each other.
    #[error("boards must be given in the order of their numbers, the new one last")]
    Boards,
}

/// What an order gets beside the ratio of the values: c = (1 − fee) × multiplier, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    fee: u32,
    multiplier: u32,
}

impl Factor {
    /// All is lost.
    pub(super) const NOTHING: Self = Self { fee: 0, multiplier: 0 };
    /// Nothing taken, nothing given.
    pub const ONE: Self = Self { fee: 0, multiplier: 1_000_000 };

    /// A fee rate (surcharge included) and a multiplier, both in 10⁻⁶. Where a partner bears the
    /// fee, the member's fee is 0.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn new(fee_micros: i64, multiplier_micros: i64) -> Result<Self, OutOfRange> {
        let fee = u32::try_from(fee_micros).map_err(|_| OutOfRange::Fee)?;
        let multiplier = u32::try_from(multiplier_micros).map_err(|_| OutOfRange::Multiplier)?;
        if fee_micros > MICROS {
            return Err(OutOfRange::Fee);
        }
        if multiplier_micros > MAX_MULTIPLIER_MICROS {
            return Err(OutOfRange::Multiplier);
        }
        Ok(Self { fee, multiplier })
    }

    /// The fee rate in 10⁻⁶.
    #[must_use]
    pub fn fee_micros(self) -> i64 {
        self.fee.into()
    }

    /// The multiplier in 10⁻⁶.
    #[must_use]
    pub fn multiplier_micros(self) -> i64 {
        self.multiplier.into()
    }

    /// c in 10⁻¹²: at most 10¹⁴.
    #[must_use]
    pub fn trillionths(self) -> u64 {
        (MICROS.unsigned_abs() - u64::from(self.fee)) * u64::from(self.multiplier)
    }
}

/// How many points of `to` an order brings for one of `from`, whatever their decimals: an exact
/// ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    from: u64,
    to: u64,
    /// What is left of the ratio of the values.
    pub factor: Factor,
}

impl Weight {
    /// The values, in 10⁻⁶, of the board that the edge stands on, and its factor.
    ///
    /// # Errors
    /// [`OutOfRange::Value`].
    pub fn new(from: i64, to: i64, factor: Factor) -> Result<Self, OutOfRange> {
        Ok(Self { from: in_range(from)?, to: in_range(to)?, factor })
    }

    /// The values of `from` and `to`, in 10⁻⁶.
    #[must_use]
    pub fn values(&self) -> (u64, u64) {
        (self.from, self.to)
    }

    /// At most 10²⁶.
    pub(super) fn numerator(&self) -> u128 {
        u128::from(self.from) * u128::from(self.factor.trillionths())
    }

    /// At most 10²⁴.
    pub(super) fn denominator(&self) -> u128 {
        u128::from(self.to) * u128::from(TRILLION)
    }

    /// Compares exactly: both sides are at most 10³⁸.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let one = self.numerator() * u128::from(other.to);
        one.cmp(&(other.numerator() * u128::from(self.to)))
    }

    /// Whether it is above a weight of so many 10⁻¹², at most 10¹⁴, once points are counted in
    /// these units. Exactly: both sides are at most 10³⁸.
    pub(super) fn exceeds(&self, trillionths: u64, (from, to): (u64, u64)) -> bool {
        let other = u128::from(trillionths) * (u128::from(self.to) * u128::from(from));
        self.numerator() * u128::from(to) > other
    }

    /// The weight in 10⁻¹², rounded up, once points are counted in these units; the largest number
    /// stands for all that are larger. In units that are the edge's own values, exactly c.
    pub(super) fn scaled(&self, unit_from: u64, unit_to: u64) -> u64 {
        if self.from == unit_from && self.to == unit_to {
            return self.factor.trillionths();
        }
        let dividend = self.numerator() * u128::from(unit_to);
        let divisor = u128::from(self.to) * u128::from(unit_from);
        u64::try_from(dividend.div_ceil(divisor)).unwrap_or(u64::MAX)
    }
}

/// Values, in 10⁻⁶, that points may be counted in.
pub(super) fn units_of(values: &[i64]) -> Result<Vec<u64>, OutOfRange> {
    values.iter().map(|value| in_range(*value)).collect()
}

fn in_range(value: i64) -> Result<u64, OutOfRange> {
    if value > MAX_VALUE_MICROS {
        return Err(OutOfRange::Value);
    }
    u64::try_from(value).ok().filter(|value| *value > 0).ok_or(OutOfRange::Value)
}

/// A way from one program to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The board that the quote stands on.
    pub board: u64,
    /// Who is given up, by index.
    pub from: u32,
    /// Who is received, by index.
    pub to: u32,
    /// What one point becomes.
    pub weight: Weight,
}

/// All quotes that are alive together.
#[derive(Clone, Debug)]
pub struct Graph {
    names: Vec<String>,
    units: Vec<u64>,
    edges: Vec<Edge>,
}

impl Graph {
    /// A graph of these programs without an edge. `units` are the values of one board, in 10⁻⁶:
    /// best the newest, whose values then cancel. They change no answer, only how fast it comes.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn new(names: &[String], units: &[i64]) -> Result<Self, OutOfRange> {
        if names.len() != units.len() || names.len() > MAX_PROGRAMS {
            return Err(OutOfRange::Programs);
        }
        let units = units_of(units)?;
        Ok(Self { names: names.to_vec(), units, edges: Vec::new() })
    }

    /// Adds an edge; between the same two programs there may be many.
    ///
    /// # Errors
    /// [`OutOfRange::Program`].
    pub fn add(&mut self, edge: Edge) -> Result<(), OutOfRange> {
        let known = |program: u32| (program as usize) < self.names.len();
        if edge.from == edge.to || !known(edge.from) || !known(edge.to) {
            return Err(OutOfRange::Program);
        }
        self.edges.push(edge);
        Ok(())
    }

    /// The programs' names, in the order of their indices.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Every edge that was added.
    #[must_use]
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    pub(super) fn units(&self) -> &[u64] {
        &self.units
    }
}
