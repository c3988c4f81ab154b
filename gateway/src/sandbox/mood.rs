//! How a simulated brand answers. Whoever orders says so: by how the member's reference begins, or
//! the item's, so that every outcome can be tried by its name. A brand of the sandbox is in a mood
//! of its own where the reference asks for none.

use std::time::Duration;

use alliance_contracts::connector::RefusalCode;
use alliance_contracts::encoding::Hash;
use alliance_contracts::time::Timestamp;
use serde::Serialize;

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
    /// Each call reaches it twice, and is answered twice.
    Twice,
    /// Some of the first calls do not reach it, of others the answer is lost.
    Flaky,
    /// Not before its daily batch has run; then well.
    Daily,
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
    /// It neither takes nor gives.
    Refusing,
    /// It will not give.
    Ungiving,
    /// It reserves, and refuses to let what it has reserved be captured.
    Uncapturable,
    /// It gives a benefit, and does not take it back.
    Uncancellable,
}

/// What is ordered for an outcome to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// The member is given points: an accrual, or the target of an exchange.
    Give,
    /// Points of the member are given away: the source of an exchange.
    Take,
    /// The item is redeemed, and the redemption reversed.
    TakeBack,
}

/// How an order ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ends {
    /// `completed`.
    Completed,
    /// `completed`, and finance has to look at it: the giver has not kept its promise.
    CompletedRemarked,
    /// `failed`; the brand's own code. Whoever does not own the member is told `refused`.
    Failed(RefusalCode),
    /// It stays `pending`; past the deadline of the agreement it is parked for a person.
    Parked,
}

/// What a reference that begins so leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The mood.
    #[serde(skip)]
    pub mood: Mood,
    /// How the reference begins.
    pub prefix: &'static str,
    /// What has to be ordered.
    pub asked: Asked,
    /// How that ends.
    pub ends: Ends,
    /// What happens, in words.
    pub told: &'static str,
}

/// For how long one that is [`Mood::Late`] does not answer, by its clock.
pub const LATE: Duration = Duration::from_secs(2);
/// After how long one that is [`Mood::Slow`] answers, whatever its clock says.
pub const SLOW: Duration = Duration::from_secs(2);
/// When the daily batch runs: so many milliseconds after midnight, UTC.
const BATCH_AT: i64 = 2 * 3_600_000;
/// A day in milliseconds.
const DAY: i64 = 24 * 3_600_000;
/// How many calls of each step one that is [`Mood::Flaky`] may lose.
const FLAKY_CALLS: u32 = 3;

/// What becomes of a call of a brand that is [`Mood::Flaky`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Luck {
    /// It does not reach the brand.
    NotReached,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// All is well.
    Well,
}

const fn row(
    mood: Mood,
    prefix: &'static str,
    asked: Asked,
    ends: Ends,
    told: &'static str,
) -> Outcome {
    Outcome { mood, prefix, asked, ends, told }
}

impl Mood {
    /// Every mood, how references that ask for it begin, and what then happens.
    pub const TABLE: [Outcome; 16] = {
        use Asked::{Give, Take, TakeBack};
        use Ends::{Completed, CompletedRemarked, Failed, Parked};
        use RefusalCode::{
            InsufficientPoints, MemberFrozen, MemberUnknown, NotCancellable, Refused,
        };
        [
            row(Self::Prompt, "", Give, Completed, "whatever is asked is done at once"),
            row(Self::Slow, "slow-", Give, Completed, "pending for two seconds, then done"),
            row(
                Self::Late,
                "late-",
                Give,
                Completed,
                "a late answer: for two seconds by the sandbox's clock there is none",
            ),
            row(
                Self::Lost,
                "lost-",
                Give,
                Completed,
                "a lost answer: it is done, and the first answer to each call does not arrive",
            ),
            row(
                Self::Twice,
                "twice-",
                Give,
                Completed,
                "each call arrives twice and is answered twice: one effect",
            ),
            row(
                Self::Flaky,
                "flaky-",
                Give,
                Completed,
                "of the first three calls of a step some are lost, or their answers: one effect",
            ),
            row(
                Self::Daily,
                "daily-",
                Give,
                Completed,
                "nothing is answered before the daily batch, 02:00 UTC by the sandbox's clock",
            ),
            row(
                Self::Silent,
                "silent-",
                Give,
                Parked,
                "nothing is answered, until the brand is told to speak",
            ),
            row(
                Self::Unsigned,
                "unsigned-",
                Give,
                Parked,
                "answers are not signed, and so are none, until the brand is told to speak",
            ),
            row(
                Self::Unknown,
                "unknown-",
                Give,
                Failed(MemberUnknown),
                "the brand has no such member",
            ),
            row(Self::Frozen, "frozen-", Give, Failed(MemberFrozen), "the member is frozen"),
            row(
                Self::Poor,
                "poor-",
                Take,
                Failed(InsufficientPoints),
                "the member has too few points to be reserved",
            ),
            row(Self::Refusing, "refusing-", Take, Failed(Refused), "it neither takes nor gives"),
            row(Self::Ungiving, "ungiving-", Give, Failed(Refused), "it takes and does not give"),
            row(
                Self::Uncapturable,
                "uncapturable-",
                Take,
                CompletedRemarked,
                "reserved, and capturing is refused: it owes all the same",
            ),
            row(
                Self::Uncancellable,
                "uncancellable-",
                TakeBack,
                Failed(NotCancellable),
                "the benefit is given, and not taken back: the reversal fails",
            ),
        ]
    };

    /// The mood that a member's or an item's reference asks for; none where it asks for none.
    #[must_use]
    pub fn asked(reference: &str) -> Option<Self> {
        let named = Self::TABLE.iter().skip(1).find(|row| reference.starts_with(row.prefix));
        named.map(|row| row.mood)
    }
}

/// The first run of a daily batch after a time.
#[must_use]
pub fn next_batch(after: Timestamp) -> Timestamp {
    let begun = (after.as_millis() - BATCH_AT).div_euclid(DAY);
    Timestamp::from_millis((begun + 1) * DAY + BATCH_AT)
}

/// What becomes of the n-th call of an operation, counted from 0, at a brand that is
/// [`Mood::Flaky`]: told by the operation's own name, so that it is the same every time.
#[must_use]
pub fn luck(operation: &str, call: u32) -> Luck {
    if call >= FLAKY_CALLS {
        return Luck::Well;
    }
    let seed = [operation.as_bytes(), &call.to_be_bytes()].concat();
    match Hash::of(&seed).as_bytes()[0] % 3 {
        0 => Luck::NotReached,
        1 => Luck::AnswerLost,
        _ => Luck::Well,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mood_is_asked_for_by_its_own_prefix() {
        for row in &Mood::TABLE[1..] {
            assert_eq!(Mood::asked(&format!("{}A-1", row.prefix)), Some(row.mood));
        }
        assert_eq!((Mood::asked("slowly"), Mood::asked("A-1")), (None, None));
    }

    /// The page shows this table, row by row.
    #[test]
    fn the_page_is_this_table() {
        let page = include_str!("../../../docs/sandbox.md");
        for row in Mood::TABLE {
            let prefix = match row.prefix {
                "" => "(anything else)".to_owned(),
                prefix => format!("`{prefix}`"),
            };
            let asked = match row.asked {
                Asked::Give => "give",
                Asked::Take => "take",
                Asked::TakeBack => "take_back",
            };
            let ends = match row.ends {
                Ends::Completed => "completed".to_owned(),
                Ends::CompletedRemarked => "completed, remarked".to_owned(),
                Ends::Failed(code) => format!("failed: {}", code.as_str()),
                Ends::Parked => "parked".to_owned(),
            };
            let line = format!("| {prefix} | {asked} | {ends} | {} |", row.told);
            assert!(page.lines().any(|shown| shown == line), "{line}");
        }
        let rows = page.lines().filter(|line| line.contains(" | give | ") || line.contains("take"));
        let rows = rows.filter(|line| line.starts_with("| ")).count();
        assert_eq!(rows, Mood::TABLE.len(), "a row too many");
    }

    #[test]
    fn a_batch_runs_once_a_day_and_after_the_call() {
        for (at, next) in [
            ("2026-11-23T01:59:59.999Z", "2026-11-23T02:00:00.000Z"),
            ("2026-11-23T02:00:00.000Z", "2026-11-24T02:00:00.000Z"),
            ("2026-12-31T23:00:00.000Z", "2027-01-01T02:00:00.000Z"),
        ] {
            assert_eq!(next_batch(at.parse().unwrap()), next.parse().unwrap(), "{at}");
        }
    }

    #[test]
    fn luck_comes_in_every_kind_and_ends_well() {
        let names: Vec<String> = (0..60).map(|n| format!("txn_{n}.credit")).collect();
        for wanted in [Luck::NotReached, Luck::AnswerLost, Luck::Well] {
            let count = names.iter().filter(|name| luck(name, 0) == wanted).count();
            assert!(count > 5, "{wanted:?}: {count}");
        }
        assert!(names.iter().all(|name| luck(name, FLAKY_CALLS) == Luck::Well));
    }
}
