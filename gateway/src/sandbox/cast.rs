//! Who is in a sandbox: two brands whose balances the gateway keeps, the first of them the
//! engineer's own, and one connected brand of every character.

use super::mood::Mood;

/// A brand and its program.
#[derive(Clone, Copy, Debug)]
pub struct Brand {
    /// Its slug.
    pub partner: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// Its program's slug.
    pub program: &'static str,
    /// Decimals of its points.
    pub scale: u32,
    /// What a point is worth, in CNY.
    pub value: &'static str,
    /// The mood that a connected one is in; none: the gateway keeps its members' balances.
    pub mood: Option<Mood>,
    /// What it is like: a remark in the configuration.
    pub remark: &'static str,
}

const fn brand(
    (partner, name): (&'static str, &'static str),
    (program, scale, value): (&'static str, u32, &'static str),
    mood: Option<Mood>,
    remark: &'static str,
) -> Brand {
    Brand { partner, name, program, scale, value, mood, remark }
}

/// The brand that the engineer calls as.
pub const OWN: Brand = BRANDS[0];

/// The brands.
pub const BRANDS: [Brand; 9] = [
    brand(
        ("own-brand", "Own Brand"),
        ("own", 0, "0.05"),
        None,
        "Yours: call the gateway with its key. The gateway keeps its members' balances.",
    ),
    brand(
        ("hosted-coffee", "Hosted Coffee"),
        ("beans", 0, "0.1"),
        None,
        "A brand beside you; the gateway keeps its members' balances, too.",
    ),
    brand(
        ("prompt-books", "Prompt Books"),
        ("prompt", 0, "0.2"),
        Some(Mood::Prompt),
        "Connected: it answers at once, and well.",
    ),
    brand(
        ("slow-rail", "Slow Rail"),
        ("slow", 2, "0.0723"),
        Some(Mood::Slow),
        "Connected: it answers well, after two seconds.",
    ),
    brand(
        ("flaky-cinema", "Flaky Cinema"),
        ("flaky", 0, "0.5"),
        Some(Mood::Flaky),
        "Connected: calls and answers are lost, and in the end all is well.",
    ),
    brand(
        ("refusing-bank", "Refusing Bank"),
        ("refusing", 0, "0.01"),
        Some(Mood::Refusing),
        "Connected: it neither takes nor gives.",
    ),
    brand(
        ("silent-hotels", "Silent Hotels"),
        ("silent", 0, "0.08"),
        Some(Mood::Silent),
        "Connected: it never answers.",
    ),
    brand(
        ("twice-market", "Twice Market"),
        ("twice", 1, "0.15"),
        Some(Mood::Twice),
        "Connected: each call reaches it twice, and is answered twice.",
    ),
    brand(
        ("daily-telecom", "Daily Telecom"),
        ("daily", 0, "0.02"),
        Some(Mood::Daily),
        "Connected: it answers when its daily batch has run, at 02:00 UTC.",
    ),
];

/// The part of an order's worth that the alliance takes, of every pair.
pub const FEE: &str = "0.01";

/// The pairs that have agreed: the engineer's brand with every other, and the two brands beside it
/// that are there for third parties.
pub fn agreements() -> Vec<(Brand, Brand)> {
    let mut pairs: Vec<_> = BRANDS[1..].iter().map(|other| (OWN, *other)).collect();
    pairs.push((BRANDS[1], BRANDS[2]));
    pairs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_character_that_a_brand_may_have_is_there_once() {
        let moods: BTreeSet<String> =
            BRANDS.iter().filter_map(|brand| brand.mood).map(|mood| format!("{mood:?}")).collect();
        let wanted = ["Daily", "Flaky", "Prompt", "Refusing", "Silent", "Slow", "Twice"];
        assert_eq!(moods, wanted.map(str::to_owned).into());
        for field in [|brand: &Brand| brand.partner, |brand: &Brand| brand.program] {
            assert_eq!(BRANDS.iter().map(field).collect::<BTreeSet<_>>().len(), BRANDS.len());
        }
    }
}
