//! What an order of one direction of a pair gets on a board: its agreement, and what the board adds.

use alliance_contracts::decimal::{Decimal, MICROS};
use alliance_contracts::names::ProgramId;

use crate::alliance::{BoardView, Registry};

/// The largest fee rate there can be.
const MOST: i64 = MICROS - 1;

/// What an order of one direction gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectedRate {
    /// The agreement's fee rate.
    pub fee: Decimal,
    /// What is added because the direction makes an imbalance worse.
    pub surcharge: Decimal,
    /// The factor on the board's ratio.
    pub multiplier: Decimal,
}

impl DirectedRate {
    /// Nothing taken, nothing given.
    pub const FREE: Self =
        Self { fee: Decimal::ZERO, surcharge: Decimal::ZERO, multiplier: Decimal::ONE };

    /// Fee and surcharge, below one.
    #[must_use]
    pub fn total_fee(&self) -> Decimal {
        let total = self.fee.micros().saturating_add(self.surcharge.micros()).min(MOST);
        Decimal::from_micros(total).unwrap_or(self.fee)
    }

    /// What is left of the board's ratio, in units of 10⁻¹².
    #[must_use]
    pub fn keeps(&self) -> u128 {
        let kept = MICROS - self.total_fee().micros();
        u128::from(kept.unsigned_abs()) * u128::from(self.multiplier.micros().unsigned_abs())
    }
}

/// What an order of this direction gets on this board; none where the partners have no agreement.
#[must_use]
pub fn directed(
    registry: &Registry,
    board: &BoardView<'_>,
    source: &ProgramId,
    target: &ProgramId,
) -> Option<DirectedRate> {
    let (one, other) = (registry.program(source)?, registry.program(target)?);
    if one.partner == other.partner {
        return Some(DirectedRate::FREE);
    }
    let agreed = registry.agreement(&one.partner, &other.partner)?;
    Some(match board.terms(source, target) {
        None => DirectedRate { fee: agreed.fee, ..DirectedRate::FREE },
        Some(terms) => DirectedRate {
            fee: terms.fee,
            surcharge: terms.surcharge,
            multiplier: terms.multiplier,
        },
    })
}

/// Whether quotes of a pair end when the next board takes effect: where going there and back costs
/// nothing, two boards at once would be a gain.
#[must_use]
pub fn ends_with_board(
    registry: &Registry,
    board: &BoardView<'_>,
    source: &ProgramId,
    target: &ProgramId,
) -> bool {
    let there = directed(registry, board, source, target);
    let back = directed(registry, board, target, source);
    there.zip(back).is_none_or(|(there, back)| round_trip_is_free(&there, &back))
}

/// Whether going there and back leaves everything.
#[must_use]
pub fn round_trip_is_free(there: &DirectedRate, back: &DirectedRate) -> bool {
    const WHOLE: u128 = 1_000_000_000_000;
    there.keeps().checked_mul(back.keeps()).is_none_or(|kept| kept >= WHOLE * WHOLE)
}

/// Gross that may be ordered in one direction at boards no longer in force, while a board holds.
#[must_use]
pub fn open_quote_limit(
    registry: &Registry,
    source: &ProgramId,
    target: &ProgramId,
) -> Option<Decimal> {
    let (one, other) = (registry.program(source)?, registry.program(target)?);
    registry.agreement(&one.partner, &other.partner)?.open_quote_limit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(fee: &str, surcharge: &str, multiplier: &str) -> DirectedRate {
        let part = |text: &str| text.parse().unwrap();
        DirectedRate { fee: part(fee), surcharge: part(surcharge), multiplier: part(multiplier) }
    }

    #[test]
    fn a_round_trip_is_free_only_where_nothing_is_lost() {
        assert!(round_trip_is_free(&DirectedRate::FREE, &DirectedRate::FREE));
        assert!(round_trip_is_free(&rate("0.2", "0", "1"), &rate("0", "0", "1.25")));
        for (there, back) in [
            (rate("0.000001", "0", "1"), DirectedRate::FREE),
            (DirectedRate::FREE, rate("0", "0.000001", "1")),
            (rate("0", "0", "0.999999"), DirectedRate::FREE),
        ] {
            assert!(!round_trip_is_free(&there, &back));
        }
    }

    #[test]
    fn fee_and_surcharge_never_take_everything() {
        assert_eq!(rate("0.7", "0.6", "1").total_fee().to_string(), "0.999999");
        assert_eq!(rate("0.01", "0.005", "1").total_fee().to_string(), "0.015");
    }
}
