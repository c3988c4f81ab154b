//! The protocol's arithmetic (§ 4) a second time, from the page alone: exact rationals, rounded
//! where the page says so and nowhere else.

/// A non-negative rational. Largest: 10¹⁴ minor points × 10¹² × 10⁶ = 10³², within an `i128`.
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

    const fn floor(self, scale: u32) -> i128 {
        (self.0 * 10_i128.pow(scale)).div_euclid(self.1)
    }

    const fn ceil(self, scale: u32) -> i128 {
        -(-(self.0 * 10_i128.pow(scale))).div_euclid(self.1)
    }
}

/// 10¹², the most of anything.
const MOST: i128 = 1_000_000_000_000;

/// What an exchange is worked out from. Values and fee in 10⁻⁶.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub source_scale: u32,
    pub target_scale: u32,
    pub source_value: i64,
    pub target_value: i64,
    pub fee: i64,
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
    let money = gross_and_fee(question, source)?;
    let left = Ratio::of(money.0 - money.1, 6);
    let target = left.over(value(question.target_value)).floor(question.target_scale);
    summed(question, source, target, money)
}

/// So much of the target is to arrive.
pub fn by_target(question: Question, target: i64) -> Result<Sums, NoOrder> {
    let target = i128::from(target);
    if target > most(question.target_scale) {
        return Err(NoOrder::OutOfRange);
    }
    let net = Ratio::of(target, question.target_scale).times(value(question.target_value)).ceil(6);
    let kept = Ratio::of(i128::from(1_000_000 - question.fee), 6);
    let gross = Ratio::of(net, 6).over(kept).ceil(6);
    let source = Ratio::of(gross, 6).over(value(question.source_value)).ceil(question.source_scale);
    let money = gross_and_fee(question, source)?;
    summed(question, source, target, money)
}

fn value(micros: i64) -> Ratio {
    Ratio::of(i128::from(micros), 6)
}

fn gross_and_fee(question: Question, source: i128) -> Result<(i128, i128), NoOrder> {
    if source > most(question.source_scale) {
        return Err(NoOrder::OutOfRange);
    }
    let given = Ratio::of(source, question.source_scale);
    let gross = given.times(value(question.source_value)).floor(6);
    if gross > most(6) {
        return Err(NoOrder::OutOfRange);
    }
    Ok((gross, Ratio::of(gross, 6).times(value(question.fee)).ceil(6)))
}

fn summed(
    question: Question,
    source: i128,
    target: i128,
    (gross, fee): (i128, i128),
) -> Result<Sums, NoOrder> {
    let net = Ratio::of(target, question.target_scale).times(value(question.target_value)).ceil(6);
    if [source, target, gross, net].contains(&0) {
        return Err(NoOrder::TooSmall);
    }
    if target > most(question.target_scale) {
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
