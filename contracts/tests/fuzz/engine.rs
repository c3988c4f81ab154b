//! A fuzzer that runs on stable: seeds, a mutator, and answers as feedback (docs/decisions/0013).
//!
//! | what | how |
//! | --- | --- |
//! | seeds | the project's vectors and whole samples, as each target hands them in |
//! | mutations | bytes, runs, lines, and words: what lies between two marks, taken from any seed |
//! | feedback | an input that is answered as none was before joins the seeds |
//! | failures | a panic in the target: the input is cut down, and printed with its seed |
//!
//! The number of inputs is fixed, so that a run is the same everywhere. With `ALLIANCE_FUZZ_RUNS`
//! so many runs are made, each from a new seed, the first being `ALLIANCE_FUZZ_SEED`, which is
//! drawn where it is not given. Every run prints its seed.

use std::collections::HashSet;
use std::env;
use std::panic::{self, AssertUnwindSafe};

/// Where every ordinary run begins.
const SEED: u64 = 20_261_123;
/// No input is longer. What is larger is refused by its length, which has tests of its own.
const MAX_BYTES: usize = 64 * 1024;
/// Seeds kept, those with new answers included.
const MAX_SEEDS: usize = 2_000;
/// What stands between words in every format of the wire.
const MARKS: &[u8] = b" \t\n\"'(),.:;=?@[]{}~&/+-";

/// What a target says of an input: the more telling, the better it guides. Digits are not looked
/// at, nor anything from the first quote on.
pub enum Answer {
    /// Taken, and as what.
    Accepted(String),
    /// Refused, and why.
    Refused(String),
}

/// A fuzz target.
pub struct Target<'a> {
    /// What the run calls it.
    pub name: &'a str,
    /// Inputs in a run: as many as take a second or two.
    pub inputs: u64,
    /// What inputs are made of.
    pub seeds: &'a [Vec<u8>],
    /// Whether anything can be accepted that is no seed.
    pub open: bool,
    /// Panics where a property does not hold.
    pub check: &'a dyn Fn(&[u8]) -> Answer,
}

impl Target<'_> {
    /// Runs as often as the environment asks for, once where it asks for nothing.
    ///
    /// # Panics
    /// On the first input that the check panics on, with that input cut down; and where nothing
    /// was refused, or nothing new accepted although the target is open: that tests nothing.
    pub fn fuzz(&self) {
        let (runs, first) = plan();
        for seed in (first..).take(runs) {
            self.run(seed);
        }
    }

    fn run(&self, seed: u64) {
        let Self { name, inputs, seeds, open, .. } = *self;
        let mut mutator = Mutator::new(seeds, seed ^ hash(name.as_bytes()));
        let mut seen: HashSet<String> =
            seeds.iter().map(|input| self.answer(seed, input).1).collect();
        let (mut accepted, mut refused) = (0_u64, 0_u64);
        for _ in 0..inputs {
            let input = mutator.next();
            let (taken, answer) = self.answer(seed, &input);
            match taken {
                true if !seeds.contains(&input) => accepted += 1,
                true => {}
                false => refused += 1,
            }
            if seen.insert(answer) {
                mutator.keep(input);
            }
        }
        println!(
            "{name}: {inputs} inputs from seed {seed}, {accepted} taken, {refused} refused, {} answers",
            seen.len()
        );
        assert!(refused > 0 && (accepted > 0 || !open), "{name}: nothing was tested");
    }

    /// Whether the input was taken, and the answer in general.
    fn answer(&self, seed: u64, input: &[u8]) -> (bool, String) {
        match panic::catch_unwind(AssertUnwindSafe(|| (self.check)(input))) {
            Ok(Answer::Accepted(what)) => (true, ["taken: ", &general(&what)].concat()),
            Ok(Answer::Refused(why)) => (false, general(&why)),
            Err(_) => {
                let least = cut_down(input.to_vec(), self.check);
                panic!(
                    "{} (ALLIANCE_FUZZ_SEED={seed}), {} bytes: b\"{}\"",
                    self.name,
                    least.len(),
                    least.escape_ascii()
                );
            }
        }
    }
}

/// How many runs, and the first one's seed.
fn plan() -> (usize, u64) {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let (runs, seed) = (number("ALLIANCE_FUZZ_RUNS"), number("ALLIANCE_FUZZ_SEED"));
    let first = seed.unwrap_or_else(|| if runs.is_some() { drawn() } else { SEED });
    (usize::try_from(runs.unwrap_or(1)).expect("a number of runs"), first)
}

fn drawn() -> u64 {
    use std::hash::BuildHasher;
    // The standard library's only source of chance: the keys of its hash maps.
    // (Half of it, so that there are seeds after it.)
    std::hash::RandomState::new().hash_one(0) >> 1
}

fn hash(bytes: &[u8]) -> u64 {
    // FNV-1a: the same on every machine and in every version.
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// An answer without what would make every input's its own: numbers, and what it quotes.
fn general(why: &str) -> String {
    let quoted = why.find(['`', '"']).unwrap_or(why.len());
    why[..quoted].chars().filter(|c| !c.is_ascii_digit()).take(80).collect()
}

/// The same failure in fewer bytes: pieces are left out for as long as it goes on failing.
fn cut_down(mut input: Vec<u8>, check: &dyn Fn(&[u8]) -> Answer) -> Vec<u8> {
    let noisy = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut piece = input.len().div_ceil(2);
    while piece > 0 {
        let mut at = 0;
        while at < input.len() {
            let end = (at + piece).min(input.len());
            let shorter = [&input[..at], &input[end..]].concat();
            if panic::catch_unwind(AssertUnwindSafe(|| check(&shorter))).is_err() {
                input = shorter;
            } else {
                at = end;
            }
        }
        piece /= 2;
    }
    panic::set_hook(noisy);
    input
}

/// SplitMix64: one word of state, the same numbers everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`; 0 where that is 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn of<'a, T: ?Sized>(&mut self, all: &'a [Box<T>]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Makes inputs out of seeds.
struct Mutator {
    chance: Chance,
    seeds: Vec<Box<[u8]>>,
    /// How many of the seeds were handed in: every other input is made of one of these.
    given: usize,
    words: Vec<Box<[u8]>>,
}

/// What breaks parsers: numbers at edges, marks, escapes, and text that is not ASCII.
const EDGES: &[&[u8]] = &[
    b"",
    b"0",
    b"00",
    b"1",
    b"01",
    b"-0",
    b"-1",
    b"+1",
    b"1.0",
    b"0.0000001",
    b"1e5",
    b"1E-7",
    b"127",
    b"255",
    b"256",
    b"65536",
    b"4294967296",
    b"9007199254740992",
    b"9007199254740993",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"1000000000000",
    b"1000000000000.000001",
    b"79228162514264337593543950335",
    b"NaN",
    b"Infinity",
    b"null",
    b"true",
    b"false",
    b"\"\"",
    b"{}",
    b"[]",
    b"\\u0041",
    b"\\u0000",
    b"\\ud800",
    b"\\n",
    b"\r\n",
    b"\n",
    b"\n\n",
    b"\t",
    b"\0",
    b"\x7f",
    b"\x1b[31m",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xe2\x80\x94 ",
    b"\xd9\xa1",
    b"\xef\xbc\x91",
    b"\xe2\x80\xae",
    b"=",
    b"==",
    b"..",
    b"//",
    b"%2e",
    b"%00",
    b";",
    b",",
    b":",
    b"\"",
    b"'",
    b"(",
    b")",
    b"{",
    b"}",
    b"[",
    b"]",
    b"~",
    b"?",
    b"*",
];

#[allow(clippy::ptr_arg, reason = "all kinds of change have one form, also those in place")]
impl Mutator {
    fn new(seeds: &[Vec<u8>], seed: u64) -> Self {
        let mut words: HashSet<&[u8]> = EDGES.iter().copied().collect();
        for input in seeds {
            words.extend(input.split(|byte| MARKS.contains(byte)).filter(|w| w.len() <= 256));
            words.extend(input.split_inclusive(|byte| *byte == b'\n').filter(|w| w.len() <= 8_192));
        }
        // Sorted: a set's order is another one in every process.
        let mut words: Vec<Box<[u8]>> = words.into_iter().map(Box::from).collect();
        words.sort();
        let given = seeds.len();
        let seeds = seeds.iter().map(|input| Box::from(input.as_slice())).collect();
        Self { chance: Chance(seed), seeds, given, words }
    }

    fn keep(&mut self, input: Vec<u8>) {
        if self.seeds.len() < MAX_SEEDS {
            self.seeds.push(input.into());
        }
    }

    fn next(&mut self) -> Vec<u8> {
        let from = if self.chance.next().is_multiple_of(2) { self.given } else { self.seeds.len() };
        let mut input = self.seeds[self.chance.below(from)].to_vec();
        // One change mostly, many sometimes: 1, 2, 3 … with halving chances.
        loop {
            self.change(&mut input);
            input.truncate(MAX_BYTES);
            if self.chance.next().is_multiple_of(2) {
                return input;
            }
        }
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let kinds: [fn(&mut Self, &mut Vec<u8>); 17] = [
            Self::change_alike,
            Self::change_alike,
            Self::change_number,
            Self::flip_bit,
            Self::set_byte,
            Self::insert_byte,
            Self::remove_run,
            Self::repeat_run,
            Self::move_run,
            Self::cut_off,
            Self::replace_word,
            Self::replace_word,
            Self::insert_word,
            Self::swap_case,
            Self::change_lines,
            Self::join_seeds,
            Self::blow_up,
        ];
        kinds[self.chance.below(kinds.len())](self, input);
    }

    /// A run of bytes: mostly short.
    fn run_of(&mut self, input: &[u8]) -> (usize, usize) {
        let start = self.chance.below(input.len());
        let longest = 1 << self.chance.below(12);
        let length = 1 + self.chance.below(longest);
        (start, (start + length).min(input.len()))
    }

    /// A letter for a letter, a digit for a digit: what keeps most formats whole.
    fn change_alike(&mut self, input: &mut Vec<u8>) {
        let at = self.chance.below(input.len());
        let (one, ten) = (self.chance.below(26), self.chance.below(10));
        if let Some(byte) = input.get_mut(at) {
            *byte = match *byte {
                b'0'..=b'9' => b"0123456789"[ten],
                b'a'..=b'f' => b"abcdef"[one % 6],
                b'g'..=b'z' => b"ghijklmnopqrstuvwxyz"[one % 20],
                b'A'..=b'Z' => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[one],
                other => other,
            };
        }
    }

    /// A run of digits for another one, of any length up to the largest number that there is.
    fn change_number(&mut self, input: &mut Vec<u8>) {
        let from = self.chance.below(input.len());
        let digit = |byte: &u8| byte.is_ascii_digit();
        let Some(start) = input[from..].iter().position(digit).map(|length| from + length) else {
            return self.change_alike(input);
        };
        let length = input[start..].iter().take_while(|byte| digit(byte)).count();
        let number = self.chance.next() >> self.chance.below(64);
        input.splice(start..start + length, number.to_string().into_bytes());
    }

    fn flip_bit(&mut self, input: &mut Vec<u8>) {
        let at = self.chance.below(input.len());
        if let Some(byte) = input.get_mut(at) {
            *byte ^= 1 << self.chance.below(8);
        }
    }

    fn set_byte(&mut self, input: &mut Vec<u8>) {
        let (at, byte) = (self.chance.below(input.len()), self.chance.byte());
        if let Some(place) = input.get_mut(at) {
            *place = byte;
        }
    }

    fn insert_byte(&mut self, input: &mut Vec<u8>) {
        let at = self.chance.below(input.len() + 1);
        let byte = match self.chance.below(2) {
            0 => self.chance.byte(),
            _ => MARKS[self.chance.below(MARKS.len())],
        };
        input.insert(at, byte);
    }

    fn remove_run(&mut self, input: &mut Vec<u8>) {
        let (start, end) = self.run_of(input);
        input.drain(start..end);
    }

    fn repeat_run(&mut self, input: &mut Vec<u8>) {
        let (start, end) = self.run_of(input);
        let run = input[start..end].to_vec();
        input.splice(end..end, run);
    }

    fn move_run(&mut self, input: &mut Vec<u8>) {
        let (start, end) = self.run_of(input);
        let run: Vec<u8> = input.drain(start..end).collect();
        let at = self.chance.below(input.len() + 1);
        input.splice(at..at, run);
    }

    fn cut_off(&mut self, input: &mut Vec<u8>) {
        let at = self.chance.below(input.len() + 1);
        input.truncate(at);
    }

    /// What lies between two marks, taken for a word of any seed.
    fn replace_word(&mut self, input: &mut Vec<u8>) {
        let at = self.chance.below(input.len());
        let mark = |byte: &u8| MARKS.contains(byte);
        let start = input[..at].iter().rposition(mark).map_or(0, |mark| mark + 1);
        let end = input[at..].iter().position(mark).map_or(input.len(), |length| at + length);
        let word = self.chance.of(&self.words).to_vec();
        input.splice(start..end.max(start), word);
    }

    fn insert_word(&mut self, input: &mut Vec<u8>) {
        let at = self.chance.below(input.len() + 1);
        let word = self.chance.of(&self.words).to_vec();
        input.splice(at..at, word);
    }

    fn swap_case(&mut self, input: &mut Vec<u8>) {
        let (start, end) = self.run_of(input);
        for byte in &mut input[start..end] {
            *byte = match *byte {
                b if b.is_ascii_lowercase() => b.to_ascii_uppercase(),
                b => b.to_ascii_lowercase(),
            };
        }
    }

    /// Two lines swapped, one left out, or one twice.
    fn change_lines(&mut self, input: &mut Vec<u8>) {
        let mut lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
        let (one, other) = (self.chance.below(lines.len()), self.chance.below(lines.len()));
        match self.chance.below(3) {
            _ if lines.is_empty() => {}
            0 => lines.swap(one, other),
            1 => drop(lines.remove(one)),
            _ => lines.insert(other, lines[one]),
        }
        *input = lines.concat();
    }

    /// The beginning of this one, the end of another.
    fn join_seeds(&mut self, input: &mut Vec<u8>) {
        let other = self.chance.of(&self.seeds).to_vec();
        let at = self.chance.below(input.len() + 1);
        // Mostly at the same distance from the end, so that formats of fixed shape stay near it.
        let from = match self.chance.below(2) {
            0 => self.chance.below(other.len() + 1),
            _ => (other.len() + at).saturating_sub(input.len()).min(other.len()),
        };
        input.truncate(at);
        input.extend_from_slice(&other[from..]);
    }

    /// A short run many times over: depth, counts and lengths.
    fn blow_up(&mut self, input: &mut Vec<u8>) {
        if !self.chance.next().is_multiple_of(16) {
            return self.insert_word(input);
        }
        let start = self.chance.below(input.len());
        let end = (start + 1 + self.chance.below(8)).min(input.len());
        let times = 1 << self.chance.below(15);
        let blown = input[start..end].repeat(times);
        input.splice(end..end, blown.into_iter().take(MAX_BYTES));
    }
}
