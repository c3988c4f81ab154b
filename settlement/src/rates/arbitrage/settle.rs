//! How far values move on a new board, so that no cycle over the boards alive gains.
//!
//! In rounds: find cycles that gain, answer each, look again. What a cycle is answered with depends
//! on whether it would gain with every value where it was:
//!
//! - It would not: the movement is to blame. Of the programs whose new value counts on the cycle
//!   (they are entered and left on different boards) those that move furthest are halved: within a
//!   factor of two of the furthest, so that a quiet program does not wait for a wild one.
//! - It would: the new factors are to blame. The largest multiplier above one on it is suspended;
//!   if there is none, factors that rose are held at what the latest board alive gives; a pair that
//!   board does not have is withheld.
//!
//! A board with no movement and no factor above the latest board's adds no edge to what was proved
//! when that one was published. So the answers come to an end, and a board is never refused for
//! them. Rounds are few: all pairs are answered at once, then many cycles at a time. Should that
//! not do, after some rounds everything that moves is halved, then every bonus suspended.

mod board;

use std::collections::HashMap;

use super::best::round_trips_that_gain;
use super::exact;
use super::gain::Gain;
use super::graph::{Factor, Graph, OutOfRange, TRILLION};
use super::{Proof, Stuck, Unproven, find_proof};

use board::Board;

/// After so many halvings a program does not move.
pub const MAX_HALVINGS: u8 = 20;
/// Rounds in which each cycle gets an answer of its own. Measured with 500 programs: 1 to 23.
const PATIENCE: u32 = 24;
/// After so many, every multiplier above one is suspended.
const NO_MULTIPLIERS: u32 = PATIENCE + MAX_HALVINGS as u32 + 4;
/// After so many, nothing is above the latest board. The board is then at rest.
const AT_REST: u32 = NO_MULTIPLIERS + 8;

/// What a board gives from one program to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Who is given up, by index.
    pub from: u32,
    /// Who is received, by index.
    pub to: u32,
    /// Fee, surcharge and multiplier.
    pub factor: Factor,
    /// Its quotes end when the next board takes effect, so they meet no other board's.
    pub ends_with_board: bool,
}

/// A board that has quotes alive when the new one takes effect.
#[derive(Clone, Copy, Debug)]
pub struct AliveBoard<'a> {
    /// Its number.
    pub number: u64,
    /// Values in 10⁻⁶, by program; 0 where it had none.
    pub values: &'a [i64],
    /// Its pairs. Those whose quotes have ended are left out, except on the latest board, where
    /// they say what a factor may be held at: there `ends_with_board` says that quotes have ended.
    pub pairs: &'a [Pair],
}

/// Numerator and denominator of how far a value moves, relative to where it was.
type Distance = (u128, u128);

/// Where a program's value was, and where it would go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The latest board's value, in 10⁻⁶; none on a program's first board.
    pub previous: Option<i64>,
    /// The value after the limit on the step, in 10⁻⁶; 0 for none.
    pub target: i64,
}

impl Movement {
    /// The value after so many halvings: the movement's magnitude is rounded down.
    ///
    /// ```
    /// use alliance_settlement::rates::arbitrage::Movement;
    /// let up = Movement { previous: Some(1_000_000), target: 1_000_007 };
    /// assert_eq!([0, 1, 2, 3, 20].map(|h| up.value(h) - 1_000_000), [7, 3, 1, 0, 0]);
    /// let down = Movement { previous: Some(1_000_000), target: 999_993 };
    /// assert_eq!([0, 1, 2, 3, 20].map(|h| down.value(h) - 1_000_000), [-7, -3, -1, 0, 0]);
    /// ```
    #[must_use]
    pub fn value(self, halvings: u8) -> i64 {
        let Some(previous) = self.previous.filter(|_| self.target > 0) else { return self.target };
        if halvings >= MAX_HALVINGS {
            return previous;
        }
        // Division rounds toward zero, so the magnitude is what is rounded down.
        previous.saturating_add(self.target.saturating_sub(previous) / (1 << halvings))
    }

    /// How far it moves.
    fn relative(self, halvings: u8) -> Distance {
        let previous = self.previous.unwrap_or(self.target);
        let magnitude = self.value(halvings).abs_diff(previous);
        (magnitude.into(), previous.unsigned_abs().max(1).into())
    }
}

/// The board that is to be published.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its number.
    pub number: u64,
    /// By program.
    pub movements: &'a [Movement],
    /// Its pairs, each ordered pair at most once.
    pub pairs: &'a [Pair],
}

/// Why a pair's factor is lower than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lowering {
    /// Its multiplier above one gained on a cycle, with no value moving: it counts as one.
    Suspended,
    /// It rose, and quotes of boards alive still count on what it was: it stays what it was.
    Held,
    /// It is new, and gains with quotes of boards alive: not on this board.
    Withheld,
}

/// A pair that the board must give less on than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lowered {
    /// The pair as it was asked for.
    pub pair: Pair,
    /// What it gives; a withheld pair has no rate at all.
    pub now: Option<Factor>,
    /// Why.
    pub why: Lowering,
}

/// A board that is proved.
#[derive(Clone, Debug)]
pub struct Settled {
    /// How often each program's movement was halved; [`MAX_HALVINGS`] where nothing is left.
    pub halvings: Vec<u8>,
    /// The values that come of it, in 10⁻⁶.
    pub values: Vec<i64>,
    /// Pairs that give less than was asked for, in the order of the candidate's pairs.
    pub lowered: Vec<Lowered>,
    /// The first cycle that gained, with values and factors as they were asked for.
    pub first_gain: Option<Gain>,
    /// That no cycle of the quotes alive together gains: see [`Settled::graph`].
    pub proof: Proof,
    /// How often cycles were looked for.
    pub rounds: u32,
}

impl Settled {
    /// All quotes that will be alive together: what the proof is about. `names`, `alive` and
    /// `candidate` are what was settled.
    ///
    /// # Errors
    /// [`OutOfRange`] where they are not.
    pub fn graph(
        &self,
        names: &[String],
        alive: &[AliveBoard],
        candidate: &Candidate,
    ) -> Result<Graph, OutOfRange> {
        let now: HashMap<(u32, u32), Option<Factor>> =
            self.lowered.iter().map(|l| ((l.pair.from, l.pair.to), l.now)).collect();
        let given = |pair: &Pair| match now.get(&(pair.from, pair.to)) {
            Some(lowered) => *lowered,
            None => Some(pair.factor),
        };
        board::graph(names, alive, candidate, &self.values, given)
    }
}

/// Why there is no board.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsettled {
    /// A number out of range, or lists that do not fit together.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// The quotes alive gain among themselves: they were not proved together. Wait until the
    /// oldest board's have ended.
    #[error("quotes already given gain without the new board: {0}")]
    Alive(Gain),
    /// [`Unproven::Undecided`].
    #[error(transparent)]
    Unproven(#[from] Unproven),
}

/// Whether nothing is lost going there and back. Quotes of such a pair must end with their board:
/// any movement at all would gain between two boards.
#[must_use]
pub fn takes_nothing(there: Factor, back: Factor) -> bool {
    let even = u128::from(TRILLION) * u128::from(TRILLION);
    u128::from(there.trillionths()) * u128::from(back.trillionths()) >= even
}

/// Halves movements, and lowers factors where that does not help, until no cycle over the boards
/// alive and the new one gains. `alive` are in the order of their numbers, the latest last.
///
/// # Errors
/// [`Unsettled`].
pub fn settle_steps(
    names: &[String],
    alive: &[AliveBoard],
    candidate: &Candidate,
) -> Result<Settled, Unsettled> {
    let mut board = Board::of(names, alive, candidate)?;
    let (mut first_gain, mut rounds) = (None, 0);
    // Ends: an answer that changes nothing returns, and only so much can be halved or lowered.
    loop {
        rounds += 1;
        board.bring_up_to_date()?;
        let pairs = round_trips_that_gain(&board, exact::gains);
        let (told, answered) = if pairs.is_empty() {
            match find_proof(&board) {
                Ok(proof) => return Ok(board.settled(proof, first_gain, rounds)),
                Err(Stuck::Gains(cycles)) => {
                    (Gain::first(names, &cycles), board.answer(&cycles, rounds))
                }
                Err(Stuck::Undecided) => return Err(Unproven::Undecided.into()),
            }
        } else {
            (Gain::first(names, &pairs), board.answer(&pairs, rounds))
        };
        if !answered {
            return Err(Unsettled::Alive(told));
        }
        first_gain.get_or_insert(told);
    }
}
