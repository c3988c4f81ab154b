//! The protocol's arithmetic (§ 4) a second time, from the page alone: exact rationals, rounded
//! where the page says so and nowhere else. What a multiplier and a bearer of the fee change is
//! from `docs/formats/quotes.md`.

/// A non-negative rational. Largest: 10¹⁴ minor points × 10¹² × 10⁷ of value and multiplier =
/// 10³³, within an `i128`.
#[derive(Clone, Copy)]
struct Ratio(i128, i128);

impl Ratio {
    /// So many units of 10⁻ˢᶜᵃˡᵉ.
    const fn of(units: i128, scale: u32) -> Self {
        Self(units, 10_i128.pow(scale))
    }

    const fn times(self, other: Self) -> Self {
        Self(self.0 * other.0, self.1 * other.1)
    }

    const fn over(self, other: Self) -> Self {
        Self(self.0 * other.1, self.1 * other.0)
    }

    /// Counted in units of 10⁻ˢᶜᵃˡᵉ, and cut short first: the numerator may be long.
    const fn units(self, scale: u32) -> Self {
        let (mut factor, mut divisor) = (10_i128.pow(scale), self.1);
        while factor % 10 == 0 && divisor % 10 == 0 {
            (factor, divisor) = (factor / 10, divisor / 10);
        }
        Self(self.0 * factor, divisor)
    }

    const fn floor(self, scale: u32) -> i128 {
        let units = self.units(scale);
        units.0.div_euclid(units.1)
    }

    const fn ceil(self, scale: u32) -> i128 {
        let units = self.units(scale);
        -(-units.0).div_euclid(units.1)
    }
}

/// 10¹², the most of anything.
const MOST: i128 = 1_000_000_000_000;

/// Whose the fee is to bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bears {
    Member,
    Giver,
    Taker,
}

/// What an exchange is worked out from. Values, multiplier and fee in 10⁻⁶.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub source_scale: u32,
    pub target_scale: u32,
    pub source_value: i64,
    pub target_value: i64,
    pub multiplier: i64,
    pub fee: i64,
    pub bears: Bears,
}

/// Points in minor units, money in 10⁻⁶.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub source: i128,
    pub target: i128,
    pub gross: i128,
    pub fee: i128,
    pub net: i128,
    pub remainder: i128,
}

/// Why there is no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoOrder {
    TooSmall,
    OutOfRange,
}

/// The most minor units that a program of this scale counts to.
pub const fn most(scale: u32) -> i128 {
    MOST * 10_i128.pow(scale)
}

/// So much of the source is given.
pub fn by_source(question: Question, source: i64) -> Result<Sums, NoOrder> {
    let source = i128::from(source);
    let (worth, fee) = worth_and_fee(question, source)?;
    let buys = if question.bears == Bears::Member { worth - fee } else { worth };
    let bought = Ratio::of(buys, 6).over(value(question.target_value));
    summed(question, source, bought.floor(question.target_scale), worth, fee)
}

/// So much of the target is to arrive.
pub fn by_target(question: Question, target: i64) -> Result<Sums, NoOrder> {
    let target = i128::from(target);
    if target > most(question.target_scale) {
        return Err(NoOrder::OutOfRange);
    }
    let price = target_worth(question, target);
    let kept = Ratio::of(i128::from(1_000_000 - question.fee), 6);
    let needed = match question.bears {
        Bears::Member => Ratio::of(price, 6).over(kept).ceil(6),
        Bears::Giver | Bears::Taker => price,
    };
    if needed > most(6) {
        return Err(NoOrder::OutOfRange);
    }
    let source = Ratio::of(needed, 6).over(point(question)).ceil(question.source_scale);
    let (worth, fee) = worth_and_fee(question, source)?;
    summed(question, source, target, worth, fee)
}

fn value(micros: i64) -> Ratio {
    Ratio::of(i128::from(micros), 6)
}

/// What one source point is worth here.
fn point(question: Question) -> Ratio {
    value(question.source_value).times(value(question.multiplier))
}

fn target_worth(question: Question, target: i128) -> i128 {
    Ratio::of(target, question.target_scale).times(value(question.target_value)).ceil(6)
}

fn worth_and_fee(question: Question, source: i128) -> Result<(i128, i128), NoOrder> {
    if source > most(question.source_scale) {
        return Err(NoOrder::OutOfRange);
    }
    let worth = Ratio::of(source, question.source_scale).times(point(question)).floor(6);
    if worth > most(6) {
        return Err(NoOrder::OutOfRange);
    }
    Ok((worth, Ratio::of(worth, 6).times(value(question.fee)).ceil(6)))
}

fn summed(
    question: Question,
    source: i128,
    target: i128,
    worth: i128,
    fee: i128,
) -> Result<Sums, NoOrder> {
    let price = target_worth(question, target);
    // All that leaves the giver, what reaches the taker, and what nobody was to bear.
    let (gross, net) = match question.bears {
        Bears::Member => (worth, price),
        Bears::Giver => (worth + fee, price),
        Bears::Taker => (worth, price - fee),
    };
    if [source, target, gross].contains(&0) || net <= 0 {
        return Err(NoOrder::TooSmall);
    }
    if target > most(question.target_scale) || gross > most(6) {
        return Err(NoOrder::OutOfRange);
    }
    Ok(Sums { source, target, gross, fee, net, remainder: gross - fee - net })
}

/// How a reversal is asked for, in minor units of the side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Rest,
    Source(i128),
    Target(i128),
}

/// What a reversal moves back, and how much is reversed after it.
#[derive(Clone, Copy, Debug)]
pub struct Back {
    pub moves: Sums,
    pub after: (i128, i128),
    pub exceeds: bool,
}

/// `before` is what was reversed so far of source and target.
pub fn reversal(original: &Sums, before: (i128, i128), part: Part) -> Back {
    let (whole_source, whole_target) = (original.source, original.target);
    let after = match part {
        Part::Rest => (whole_source, whole_target),
        Part::Source(x) => {
            let source = before.0 + x;
            let share = Ratio(whole_target * source, whole_source).ceil(0);
            (source, before.1.max(share))
        }
        Part::Target(x) => {
            let target = before.1 + x;
            let share = Ratio(whole_source * target, whole_target).floor(0);
            (before.0.max(share), target)
        }
    };
    let nothing_left = part == Part::Rest && before == (whole_source, whole_target);
    let exceeds = nothing_left || after.0 > whole_source || after.1 > whole_target;
    let returned = |total: i128, target: i128| Ratio(total * target, whole_target).floor(0);
    let back = |total| returned(total, after.1) - returned(total, before.1);
    let (net, fee, remainder) = (back(original.net), back(original.fee), back(original.remainder));
    let moves = Sums {
        source: after.0 - before.0,
        target: after.1 - before.1,
        gross: net + fee + remainder,
        fee,
        net,
        remainder,
    };
    Back { moves, after, exceeds }
}
