//! What an order of one direction of a pair gets on a board. It is the board that says so: what two
//! partners agree on takes effect with the next board, because only then has anybody looked whether
//! somebody could gain by it.

use alliance_contracts::agreement::TierMapping;
use alliance_contracts::board::PairTerms;
use alliance_contracts::decimal::{Decimal, MICROS};
use alliance_contracts::limits;
use alliance_contracts::names::{PartnerId, ProgramId, TierName};
use alliance_contracts::quote::{FeeBearer, Rate};
use serde::{Deserialize, Serialize};

/// The largest fee rate there can be.
const MOST: i64 = MICROS - 1;
/// All of the board's ratio, in units of 10⁻¹².
const WHOLE: u128 = 1_000_000_000_000;

/// What two partners have agreed on, as a board has taken it up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgreedTerms {
    /// The partner that comes first.
    pub a: PartnerId,
    /// The other.
    pub b: PartnerId,
    /// The fee rate, where a pair's terms do not say another.
    pub fee: Decimal,
    /// Who bears the fee.
    pub fee_bearer: FeeBearer,
    /// Whether points are exchanged; else only bought for customers, or given for goods.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub exchanges: bool,
    /// How long a quote stands.
    pub quote_lifetime_seconds: i64,
    /// What members' tiers bring.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<TierMapping>,
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_yes(exchanges: &bool) -> bool {
    *exchanges
}

/// Everything that a board says beside its values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardTerms {
    /// By `a` and `b`.
    pub agreed: Vec<AgreedTerms>,
    /// What the board commits to, by source and target.
    pub pairs: Vec<PairTerms>,
}

impl AgreedTerms {
    /// What a member's tier multiplies the source's worth with in this direction; none where the
    /// tier says nothing there. Suspended, it brings no more than what is worth.
    #[must_use]
    pub fn tier(
        &self,
        source: &ProgramId,
        tier: &TierName,
        target: &ProgramId,
        terms: Option<&PairTerms>,
    ) -> Option<Decimal> {
        let of = |one: &&TierMapping| {
            one.source == *source && one.source_tier == *tier && one.target == *target
        };
        let multiplier = self.tiers.iter().find(of)?.multiplier;
        let suspended = terms.is_some_and(|terms| terms.suspended);
        Some(if suspended { multiplier.min(Decimal::ONE) } else { multiplier })
    }

    /// What an order gets that has no direction of its own.
    #[must_use]
    pub const fn plain(&self) -> DirectedRate {
        DirectedRate {
            fee: self.fee,
            fee_bearer: self.fee_bearer,
            lifetime_seconds: self.quote_lifetime_seconds,
            ..DirectedRate::WITHIN
        }
    }

    /// What an exchange of one direction gets, with what the board says of it; none where there is
    /// none.
    #[must_use]
    pub fn directed(&self, terms: Option<&PairTerms>) -> Option<DirectedRate> {
        let plain = self.plain();
        match terms {
            _ if !self.exchanges => None,
            None => Some(plain),
            Some(terms) if terms.withheld => None,
            Some(terms) => Some(DirectedRate {
                fee: terms.fee,
                surcharge: terms.surcharge,
                multiplier: terms.multiplier,
                ..plain
            }),
        }
    }
}

impl BoardTerms {
    /// What two partners have agreed on.
    #[must_use]
    pub fn agreed_between(&self, one: &PartnerId, other: &PartnerId) -> Option<&AgreedTerms> {
        let (a, b) = if one <= other { (one, other) } else { (other, one) };
        let at = self.agreed.binary_search_by(|terms| (&terms.a, &terms.b).cmp(&(a, b))).ok()?;
        self.agreed.get(at)
    }

    /// What holds for one direction, where anything does.
    #[must_use]
    pub fn pair(&self, source: &ProgramId, target: &ProgramId) -> Option<&PairTerms> {
        let of = |pair: &PairTerms| (&pair.source, &pair.target).cmp(&(source, target));
        self.pairs.get(self.pairs.binary_search_by(of).ok()?)
    }
}

/// What an order of one direction gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectedRate {
    /// The agreement's fee rate.
    pub fee: Decimal,
    /// Who bears the fee.
    pub fee_bearer: FeeBearer,
    /// What is added because the direction makes an imbalance worse.
    pub surcharge: Decimal,
    /// The factor on the board's ratio, without a member's tier.
    pub multiplier: Decimal,
    /// How long a quote stands.
    pub lifetime_seconds: i64,
}

impl DirectedRate {
    /// Within one partner: nothing taken, nothing given.
    pub const WITHIN: Self = Self {
        fee: Decimal::ZERO,
        fee_bearer: FeeBearer::Member,
        surcharge: Decimal::ZERO,
        multiplier: Decimal::ONE,
        lifetime_seconds: limits::QUOTE_LIFETIME_SECONDS,
    };

    /// Fee and surcharge, below one.
    #[must_use]
    pub fn total_fee(&self) -> Decimal {
        let total = self.fee.micros().saturating_add(self.surcharge.micros()).min(MOST);
        Decimal::from_micros(total).unwrap_or(self.fee)
    }

    /// The part of [`DirectedRate::total_fee`] that is surcharge.
    #[must_use]
    pub fn surcharge(&self) -> Decimal {
        let part = self.total_fee().micros() - self.fee.micros();
        Decimal::from_micros(part).unwrap_or(Decimal::ZERO)
    }

    /// What is left to the member of the board's ratio, in units of 10⁻¹².
    #[must_use]
    pub fn keeps(&self) -> u128 {
        keeps(self.total_fee(), self.fee_bearer, self.multiplier)
    }

    /// Whether the member is left everything: see [`takes_nothing`].
    #[must_use]
    pub fn takes_nothing(&self) -> bool {
        self.keeps() >= WHOLE
    }

    /// The fee rate that the member feels.
    #[must_use]
    pub fn members_fee(&self) -> Decimal {
        if self.fee_bearer == FeeBearer::Member { self.total_fee() } else { Decimal::ZERO }
    }
}

/// Whether an order at this rate leaves the member everything: then the quote ends when the next
/// board takes effect, because two boards at once would be a gain.
#[must_use]
pub fn takes_nothing(rate: &Rate) -> bool {
    keeps(rate.fee, rate.fee_bearer, rate.multiplier) >= WHOLE
}

fn keeps(fee: Decimal, bearer: FeeBearer, multiplier: Decimal) -> u128 {
    let felt = if bearer == FeeBearer::Member { fee.micros() } else { 0 };
    u128::from((MICROS - felt).unsigned_abs()) * u128::from(multiplier.micros().unsigned_abs())
}

/// Two factors as one, rounded down to six decimals; none where nothing is left or the limit is
/// passed.
#[must_use]
pub fn product(one: Decimal, other: Decimal) -> Option<Decimal> {
    let product = i128::from(one.micros()) * i128::from(other.micros()) / i128::from(MICROS);
    let product = Decimal::from_micros(i64::try_from(product).ok()?)?;
    limits::multiplier_in_range(product).then_some(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(fee: &str, surcharge: &str, multiplier: &str) -> DirectedRate {
        let part = |text: &str| text.parse().unwrap();
        DirectedRate {
            fee: part(fee),
            surcharge: part(surcharge),
            multiplier: part(multiplier),
            ..DirectedRate::WITHIN
        }
    }

    #[test]
    fn a_rate_takes_nothing_only_where_the_member_is_left_everything() {
        let one: Decimal = "1".parse().unwrap();
        let rate = |fee: &str, multiplier: &str| Rate {
            multiplier: multiplier.parse().unwrap(),
            ..Rate::plain(1, fee.parse().unwrap(), one, one)
        };
        assert!(takes_nothing(&rate("0", "1")) && takes_nothing(&rate("0.2", "1.25")));
        let borne = Rate { fee_bearer: FeeBearer::SourcePartner, ..rate("0.1", "1") };
        assert!(takes_nothing(&borne), "a partner bears it");
        for (fee, multiplier) in [("0.000001", "1"), ("0", "0.999999"), ("0.2", "1.249999")] {
            assert!(!takes_nothing(&rate(fee, multiplier)), "{fee} {multiplier}");
        }
    }

    #[test]
    fn fee_and_surcharge_never_take_everything() {
        let much = rate("0.7", "0.6", "1");
        assert_eq!(
            (much.total_fee().to_string(), much.surcharge().to_string()),
            ("0.999999".to_owned(), "0.299999".to_owned())
        );
        assert_eq!(rate("0.01", "0.005", "1").total_fee().to_string(), "0.015");
    }

    #[test]
    fn factors_multiply_down_to_six_decimals_and_never_to_nothing() {
        let part = |text: &str| -> Decimal { text.parse().unwrap() };
        assert_eq!(product(part("0.95"), part("1.05")), Some(part("0.9975")));
        assert_eq!(product(part("0.333333"), part("1.000001")), Some(part("0.333333")));
        assert_eq!(product(part("0.0001"), part("0.001")), None);
    }
}
