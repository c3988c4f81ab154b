//! Many Ed25519 signatures verified at once, for a third of the price of one by one and less.
//!
//! | in | out of scope |
//! | --- | --- |
//! | one yes or no for a batch, and the verdict on each where it is no | threads, queues |
//! | any mixture of keys; signatures of one key are the cheapest | randomness: none is needed |
//!
//! # The equation
//!
//! A signature R ‖ S of a message M under the key A stands for S·B = R + k·A, where k is
//! SHA-512(R ‖ A ‖ M). A batch multiplies each by a number zᵢ of its own, adds them all up, and
//! asks for
//!
//! ```text
//! [8] ( (Σ zᵢ·Sᵢ)·B  −  Σ zᵢ·Rᵢ  −  Σ over keys (Σ zᵢ·kᵢ)·A )  =  0
//! ```
//!
//! in one multiplication of many points (D. J. Bernstein and others, "High-speed high-security
//! signatures", § 5). All signatures of a key share one term.
//!
//! The zᵢ of 128 bits must be beyond the reach of whoever made the signatures, or two wrong ones
//! could make up for each other. This crate has no randomness; so the zᵢ are drawn from SHA-512 of
//! everything that is verified: the keys and each R, S and k (by which the message is bound). Who
//! changes a bit of any of them changes every zᵢ, and each try passes with a chance of 2⁻¹²⁸
//! (Fiat and Shamir's way). The same batch has the same answer everywhere.
//!
//! # What is accepted
//!
//! Exactly what satisfies the equation for a batch of one, whatever stands beside it: the factor 8
//! makes the verdict one of the signature alone (K. Chalkias and others, "Taming the many
//! EdDSAs", § 3). S < L and R in its only spelling are demanded, keys are never weak
//! ([`PublicKey`]). What is left between this and [`PublicKey::verify`], which compares R as bytes:
//! an R to which a point of low order was added is accepted here and refused there. Nobody but the
//! key's owner can make such a signature, and it signs the same message: the owner could as well
//! have signed properly. It is therefore no forgery, but not everybody's verifier accepts it.
//! Where that matters, verify strictly: one by one, with [`PublicKey::verify`].

use std::collections::BTreeMap;
use std::iter;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use ring::digest::{Context, Digest, SHA512};

use super::{BadSignature, PublicKey};

/// From this many on a batch is faster than one by one: two take 25 µs each where one takes 33
/// (`cargo run --release -p alliance-contracts --example batch_verification`).
const WORTH_IT: usize = 2;

/// What the zᵢ are drawn for: no other use of SHA-512 begins like this.
const TRANSCRIPT: &[u8] = b"alliance batch of Ed25519 signatures, version 1\n";

/// At least one signature of the batch does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signature of the batch does not verify")]
pub struct BadBatch;

/// A signature that is claimed to be this key's over this message.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Whose it is said to be.
    pub key: &'a PublicKey,
    /// What is said to be signed.
    pub message: &'a [u8],
    /// R ‖ S.
    pub signature: &'a [u8; 64],
}

impl Claim<'_> {
    /// Verifies it alone, with the verdict that it has in every batch.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self) -> Result<(), BadSignature> {
        // Whatever verifies strictly satisfies the equation, so the quick way is tried first.
        if self.key.verify(self.message, self.signature).is_ok() {
            return Ok(());
        }
        let alone = Parts::of(self).ok_or(BadSignature)?;
        let r = alone.r.decompress().ok_or(BadSignature)?;
        let expected =
            EdwardsPoint::vartime_double_scalar_mul_basepoint(&alone.k, &self.key.minus, &alone.s);
        if (expected - r).mul_by_cofactor().is_identity() { Ok(()) } else { Err(BadSignature) }
    }
}

/// Verifies all claims, with one answer. No claims are all good.
///
/// # Errors
/// [`BadBatch`] where [`Claim::verify`] refuses at least one of them.
pub fn verify_batch(claims: &[Claim<'_>]) -> Result<(), BadBatch> {
    let good = if claims.len() < WORTH_IT {
        claims.iter().all(|claim| claim.verify().is_ok())
    } else {
        equation_holds(claims)
    };
    if good { Ok(()) } else { Err(BadBatch) }
}

/// The verdict on each claim, in their order: in one batch while all is well, one by one where it
/// is not.
#[must_use]
pub fn verify_each(claims: &[Claim<'_>]) -> Vec<bool> {
    if claims.len() >= WORTH_IT && equation_holds(claims) {
        return vec![true; claims.len()];
    }
    claims.iter().map(|claim| claim.verify().is_ok()).collect()
}

/// A signature taken apart: all that the equation needs of it.
struct Parts {
    r: CompressedEdwardsY,
    s: Scalar,
    k: Scalar,
    /// SHA-512(R ‖ A ‖ M), of which `k` is the remainder.
    digest: Digest,
}

impl Parts {
    /// Nothing where S ≥ L or R has another spelling.
    fn of(claim: &Claim<'_>) -> Option<Self> {
        let (r, s) = claim.signature.split_first_chunk::<32>()?;
        let s = Option::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?;
        if !is_canonical(r) {
            return None;
        }
        let mut context = Context::new(&SHA512);
        context.update(r);
        context.update(claim.key.as_bytes());
        context.update(claim.message);
        let digest = context.finish();
        let k = Scalar::from_bytes_mod_order_wide(digest.as_ref().try_into().ok()?);
        Some(Self { r: CompressedEdwardsY(*r), s, k, digest })
    }
}

/// Whether these bytes are the only spelling of their point, if they are one: y < p = 2²⁵⁵ − 19,
/// and no sign on x = 0. Compressing the point again would tell as well, for the price of an
/// inversion.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    // y ≥ p only where every bit above the lowest five is set.
    let is_high = *last & 0x7f == 0x7f && middle.iter().all(|byte| *byte == 0xff);
    if is_high && *first >= 0xed {
        return false;
    }
    // x = 0 only where y is 1 or p − 1.
    let is_one = *first == 1 && *last & 0x7f == 0 && middle.iter().all(|byte| *byte == 0);
    let x_is_zero = is_one || (is_high && *first == 0xec);
    !(x_is_zero && *last & 0x80 != 0)
}

fn equation_holds(claims: &[Claim<'_>]) -> bool {
    let Some(parts) = claims.iter().map(Parts::of).collect::<Option<Vec<_>>>() else {
        return false;
    };
    let (keys, key_of) = distinct_keys(claims);
    let mut z = Multipliers::of(&keys, claims, &parts);

    // What each point is multiplied by: every R, then every key, last B.
    let mut scalars = Vec::with_capacity(claims.len() + keys.len() + 1);
    let mut of_keys = vec![Scalar::ZERO; keys.len()];
    let mut of_base = Scalar::ZERO;
    for (part, key) in parts.iter().zip(key_of) {
        let z = z.next();
        scalars.push(z);
        of_base += z * part.s;
        of_keys[key] += z * part.k;
    }
    scalars.extend(of_keys);
    scalars.push(of_base);

    let points = parts.iter().map(|part| part.r.decompress().map(|r| -r));
    let keys = keys.iter().map(|key| Some(*key.minus));
    let points = points.chain(keys).chain(iter::once(Some(ED25519_BASEPOINT_POINT)));
    EdwardsPoint::optional_multiscalar_mul(scalars, points)
        .is_some_and(|sum| sum.mul_by_cofactor().is_identity())
}

/// The keys in the order in which they first occur, and of each claim the index of its key.
fn distinct_keys<'a>(claims: &[Claim<'a>]) -> (Vec<&'a PublicKey>, Vec<usize>) {
    let mut keys: Vec<&PublicKey> = Vec::new();
    let mut indices: BTreeMap<&[u8; 32], usize> = BTreeMap::new();
    let mut key_of: Vec<usize> = Vec::with_capacity(claims.len());
    for claim in claims {
        // A receipts file has one key from end to end: look at the key before first.
        let before = key_of.last().filter(|at| keys[**at] == claim.key);
        let at = match before {
            Some(at) => *at,
            None => *indices.entry(claim.key.as_bytes()).or_insert_with(|| {
                keys.push(claim.key);
                keys.len() - 1
            }),
        };
        key_of.push(at);
    }
    (keys, key_of)
}

/// The zᵢ, one after the other: four out of each SHA-512 of the transcript's hash and a counter.
struct Multipliers {
    seed: Digest,
    counter: u64,
    block: [u128; 4],
    used: usize,
}

impl Multipliers {
    fn of(keys: &[&PublicKey], claims: &[Claim<'_>], parts: &[Parts]) -> Self {
        let mut transcript = Context::new(&SHA512);
        transcript.update(TRANSCRIPT);
        // The numbers first: then no other batch has the same bytes.
        transcript.update(&(keys.len() as u64).to_le_bytes());
        transcript.update(&(claims.len() as u64).to_le_bytes());
        keys.iter().for_each(|key| transcript.update(key.as_bytes()));
        for (claim, part) in claims.iter().zip(parts) {
            transcript.update(claim.signature);
            // Binds the claim's key and its message.
            transcript.update(part.digest.as_ref());
        }
        Self { seed: transcript.finish(), counter: 0, block: [0; 4], used: 4 }
    }

    fn next(&mut self) -> Scalar {
        if self.used == self.block.len() {
            let mut context = Context::new(&SHA512);
            context.update(self.seed.as_ref());
            context.update(&self.counter.to_le_bytes());
            let digest = context.finish();
            for (z, bytes) in self.block.iter_mut().zip(digest.as_ref().as_chunks::<16>().0) {
                *z = u128::from_le_bytes(*bytes);
            }
            self.counter += 1;
            self.used = 0;
        }
        self.used += 1;
        Scalar::from(self.block[self.used - 1])
    }
}

#[cfg(test)]
mod tests;
