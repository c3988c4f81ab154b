//! What a signature costs to verify in a batch, beside ring's one by one, in the same run:
//!
//! ```text
//! cargo run --release -p alliance-contracts --example batch_verification
//! ```
//!
//! Each figure is the best of several rounds; on a busy machine compare only the ratios. Messages
//! have the size of a receipt's signing input.
#![allow(clippy::print_stdout, clippy::float_arithmetic, reason = "a measurement is printed")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use alliance_contracts::keys::batch::{Claim, verify_batch};
use alliance_contracts::keys::{PublicKey, SigningKey};

const MESSAGE_BYTES: usize = 2_400;
const SIZES: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 256, 1_024];
/// Signatures verified for one figure, at least.
const ENOUGH: usize = 2_048;
const ROUNDS: usize = 5;

struct Signed {
    key: PublicKey,
    message: Vec<u8>,
    signature: [u8; 64],
}

fn main() {
    let most = SIZES[SIZES.len() - 1];
    println!("µs a signature (and how many times ring's speed)");
    println!("{:>6} {:>8} {:>16} {:>16} {:>16}", "batch", "ring", "1 key", "3 keys", "all keys");
    let sets = [1, 3, most].map(|keys| signed(most, keys));
    for size in SIZES {
        let ring = best(&sets[0][..size], |all| {
            all.iter().all(|s| s.key.verify(&s.message, &s.signature).is_ok())
        });
        print!("{size:>6} {ring:>8.2}");
        for set in &sets {
            let batch = best(&set[..size], |all| {
                let claims: Vec<Claim<'_>> = all.iter().map(claim).collect();
                verify_batch(&claims).is_ok()
            });
            print!(" {batch:>8.2} ({:>4.2}x)", ring / batch);
        }
        println!();
    }
}

fn claim(signed: &Signed) -> Claim<'_> {
    Claim { key: &signed.key, message: &signed.message, signature: &signed.signature }
}

fn signed(number: usize, keys: usize) -> Vec<Signed> {
    (0..number)
        .map(|at| {
            let mut seed = [7; 32];
            seed[..8].copy_from_slice(&(at % keys).to_le_bytes());
            let key = SigningKey::from_seed(&seed);
            let mut message = vec![b'x'; MESSAGE_BYTES];
            message[..8].copy_from_slice(&at.to_le_bytes());
            let signature = key.sign(&message);
            Signed { key: key.public_key().clone(), message, signature }
        })
        .collect()
}

/// Microseconds a signature, in the quickest round.
fn best(signed: &[Signed], verify: impl Fn(&[Signed]) -> bool) -> f64 {
    let repeats = ENOUGH.div_ceil(signed.len());
    let round = || {
        let begun = Instant::now();
        for _ in 0..repeats {
            assert!(verify(black_box(signed)), "a good signature was refused");
        }
        begun.elapsed()
    };
    let best = (0..ROUNDS).map(|_| round()).min().unwrap_or(Duration::ZERO);
    best.as_secs_f64() * 1e6 / (repeats * signed.len()) as f64
}
