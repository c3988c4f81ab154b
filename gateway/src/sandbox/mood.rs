//! How a simulated brand answers. Whoever orders says so: by how the member's reference begins, or
//! the item's, so that every outcome can be tried by its name.

use std::time::Duration;

/// How a simulated brand answers calls of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mood {
    /// At once, and well.
    #[default]
    Prompt,
    /// Well, after two seconds.
    Slow,
    /// Not at all for a while; then well.
    Late,
    /// It does what it is asked, and its first answer to each call is lost on the way.
    Lost,
    /// Not at all, until it is told to.
    Silent,
    /// Without a signature, until it is told to.
    Unsigned,
    /// It has no such member.
    Unknown,
    /// The member is frozen.
    Frozen,
    /// The member has too few points.
    Poor,
    /// It will not give.
    Ungiving,
    /// It reserves, and refuses to let what it has reserved be captured.
    Uncapturable,
    /// It gives a benefit, and does not take it back.
    Uncancellable,
}

/// For how long one that is [`Mood::Late`] does not answer.
pub const LATE: Duration = Duration::from_secs(2);
/// After how long one that is [`Mood::Slow`] answers.
pub const SLOW: Duration = Duration::from_secs(2);

impl Mood {
    /// Every mood, how references that ask for it begin, and what then happens.
    pub const TABLE: [(Self, &'static str, &'static str); 12] = [
        (Self::Prompt, "", "whatever is asked is done at once"),
        (Self::Slow, "slow-", "it is done after two seconds"),
        (Self::Late, "late-", "for two seconds nothing is answered, then it is done"),
        (Self::Lost, "lost-", "it is done, and the first answer to each call is lost"),
        (Self::Silent, "silent-", "nothing is answered, until the brand is told to speak"),
        (Self::Unsigned, "unsigned-", "answers are not signed, until the brand is told to speak"),
        (Self::Unknown, "unknown-", "refused: member_unknown"),
        (Self::Frozen, "frozen-", "refused: member_frozen"),
        (Self::Poor, "poor-", "reserving is refused: insufficient_points"),
        (Self::Ungiving, "ungiving-", "crediting is refused: refused"),
        (Self::Uncapturable, "uncapturable-", "reserved, and capturing is refused: refused"),
        (Self::Uncancellable, "uncancellable-", "given, and cancelling is refused"),
    ];

    /// The mood that a member's or an item's reference asks for.
    #[must_use]
    pub fn of(reference: &str) -> Self {
        let asked = Self::TABLE.iter().skip(1).find(|(_, prefix, _)| reference.starts_with(prefix));
        asked.map_or(Self::Prompt, |(mood, ..)| *mood)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mood_is_asked_for_by_its_own_prefix() {
        for (mood, prefix, _) in Mood::TABLE {
            assert_eq!(Mood::of(&format!("{prefix}A-1")), mood);
        }
        assert_eq!(Mood::of("slowly"), Mood::Prompt);
    }
}
