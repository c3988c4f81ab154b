//! A block of an export's lines, verified by itself: everything but the receipts' places.
//!
//! This is the quick way, and it only ever says yes: each line is compared with the one form that
//! it can have, and the signatures are verified in one batch. Where anything is in doubt nothing
//! is said about the whole block; [`super::ChainVerifier`], line by line, then tells what is wrong
//! and where. So a fault has one name, whichever way it was noticed.

use alliance_contracts::encoding::{Hash, base64url_decode_array, is_base64url_of};
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::key_list::{TrustedKey, TrustedKeys};
use alliance_contracts::keys::batch::{Claim, verify_batch};
use alliance_contracts::merkle;
use alliance_contracts::names::Corridor;
use alliance_contracts::receipt;

use super::chain::Link;
use super::file::Totals;
use super::receipt::{Signatures, check_key};
use super::terms::check_terms;
use super::witness::WitnessedCheckpoint;

/// Lines, without their ends, one after the other in one buffer.
#[derive(Debug, Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Block {
    /// How many lines there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes they have.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Empty again, with its room.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Where the next line is to be written; [`Self::end_line`] ends it.
    pub(super) const fn room(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What was written is a line.
    pub(super) fn end_line(&mut self) {
        self.ends.push(self.bytes.len());
    }

    /// The lines.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let begins = [0].into_iter().chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.bytes[begin..*end])
    }
}

/// What was verified of a block: its first lines, or nothing.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// One for each verified line, from the first on.
    pub(super) links: Vec<Link>,
    /// What their receipts come to.
    pub(super) totals: Totals,
}

/// What blocks are verified against.
#[derive(Clone, Debug)]
pub(super) struct Checker<'k> {
    corridor: &'k Corridor,
    keys: &'k TrustedKeys,
    signatures: Signatures,
    /// How far receipts under a revoked key count.
    witnessed: &'k [WitnessedCheckpoint],
    /// Of each key, how a receipt under it begins: the header and the dot. The key of the last
    /// receipt stands first.
    headers: Vec<(Vec<u8>, &'k TrustedKey)>,
}

/// A line taken apart.
struct Line<'b, 'k> {
    key: &'k TrustedKey,
    message: &'b [u8],
    signature: [u8; 64],
    payload: &'b [u8],
}

impl<'k> Checker<'k> {
    pub(super) fn new(
        corridor: &'k Corridor,
        keys: &'k TrustedKeys,
        signatures: Signatures,
        witnessed: &'k [WitnessedCheckpoint],
    ) -> Self {
        // What is signed for an empty payload is the header and the dot.
        let header = |key: &'k TrustedKey| jws::signing_input(JwsType::Receipt, &key.kid, b"");
        let headers = keys.iter().map(|key| (header(key), key)).collect();
        Self { corridor, keys, signatures, witnessed, headers }
    }

    /// Verifies the block's receipts, but for their places. A last line that is no receipt is left
    /// to the chain.
    pub(super) fn check(&mut self, block: &Block) -> Checked {
        let receipts = match block.lines().last() {
            Some(last) if !last.starts_with(ITEM) => block.len() - 1,
            _ => block.len(),
        };
        self.check_lines(block.lines().take(receipts), receipts).unwrap_or_default()
    }

    fn check_lines<'b>(
        &mut self,
        lines: impl Iterator<Item = &'b [u8]>,
        number: usize,
    ) -> Option<Checked> {
        let mut checked = Checked { links: Vec::with_capacity(number), ..Checked::default() };
        let mut read = Vec::with_capacity(number);
        for line in lines {
            let line = self.read(line)?;
            checked.links.push(self.check_receipt(&line, &mut checked.totals)?);
            read.push(line);
        }
        self.signatures_hold(&read).then_some(checked)
    }

    /// Takes a line apart: `{"jws":"` header `.` payload `.` signature `","receipt":` the payload
    /// decoded `}`.
    fn read<'b>(&mut self, line: &'b [u8]) -> Option<Line<'b, 'k>> {
        let jws = line.strip_prefix(ITEM)?;
        let key = self.key_of(jws)?;
        let header = self.headers.first()?.0.len();
        let (jws, payload) = split_item(jws, header)?;
        let (message, signature) = jws.split_at_checked(jws.len().checked_sub(SIGNATURE)?)?;
        let message = message.strip_suffix(b".")?;
        if !is_base64url_of(message.get(header..)?, payload) {
            return None;
        }
        let signature = std::str::from_utf8(signature).ok()?;
        let signature = base64url_decode_array(signature).ok()?;
        Some(Line { key, message, signature, payload })
    }

    /// The key that the JWS names in its header.
    fn key_of(&mut self, jws: &[u8]) -> Option<&'k TrustedKey> {
        let at = self.headers.iter().position(|(header, _)| jws.starts_with(header))?;
        self.headers.swap(0, at);
        Some(self.headers.first()?.1)
    }

    fn check_receipt(&self, line: &Line<'_, '_>, totals: &mut Totals) -> Option<Link> {
        let receipt = receipt::parse(line.payload).ok()?;
        check_key(line.key, self.keys, &receipt, self.witnessed).ok()?;
        check_terms(&receipt).ok()?;
        if receipt.corridor != *self.corridor {
            return None;
        }
        totals.add(&receipt);
        Some(Link {
            seq: receipt.seq,
            prev: receipt.prev,
            hash: Hash::of(line.payload),
            leaf_hash: merkle::leaf_hash(line.payload),
            completed_at: receipt.completed_at,
        })
    }

    fn signatures_hold(&self, lines: &[Line<'_, '_>]) -> bool {
        match self.signatures {
            Signatures::Strict => lines.iter().all(|line| {
                let Line { key, message, signature, .. } = line;
                key.public.verify(message, signature).is_ok()
            }),
            Signatures::Batched => {
                let claims: Vec<Claim<'_>> = lines
                    .iter()
                    .map(|Line { key, message, signature, .. }| Claim {
                        key: &key.public,
                        message,
                        signature,
                    })
                    .collect();
                verify_batch(&claims).is_ok()
            }
        }
    }
}

const ITEM: &[u8] = br#"{"jws":""#;

/// Of an item behind `{"jws":"`: the JWS, and the decoded payload.
///
/// Both are as long as the payload makes them, n bytes or ⌈4n/3⌉ characters, so the length of the
/// whole tells where one ends and the other begins; nothing has to be searched.
fn split_item(rest: &[u8], header: usize) -> Option<(&[u8], &[u8])> {
    let around = header + 1 + SIGNATURE + BETWEEN.len() + 1;
    let both = rest.len().checked_sub(around)?;
    // both = n + ⌈4n/3⌉ = ⌈7n/3⌉, so n = ⌊3·both/7⌋.
    let payload = both * 3 / 7;
    let (jws, rest) = rest.split_at_checked(rest.len() - 1 - payload - BETWEEN.len())?;
    let payload = rest.strip_prefix(BETWEEN)?.strip_suffix(b"}")?;
    Some((jws, payload))
}

const BETWEEN: &[u8] = br#"","receipt":"#;

/// The characters of a signature of 64 bytes.
const SIGNATURE: usize = 86;

#[cfg(test)]
mod tests {
    use super::super::keys::trust_key_list;
    use super::*;

    /// The block of a page that has this name.
    fn documented<'p>(page: &'p str, name: &str) -> &'p str {
        let (_, rest) = page.split_once(&format!("{name}\n")).unwrap();
        rest.split_once("```").unwrap().0
    }

    /// Whatever the quick way refuses is verified line by line: were it to refuse good receipts,
    /// all would be as right as before, and slow.
    #[test]
    fn good_receipts_are_verified_the_quick_way() {
        let page = include_str!("../../../docs/formats/receipts-file.md");
        let keys = include_str!("../../../docs/formats/keys.md");
        let keys = trust_key_list(documented(keys, "json gateway-keys").as_bytes()).unwrap();
        let corridor = "aurora-air~borealis-coffee".parse().unwrap();
        for signatures in [Signatures::Strict, Signatures::Batched] {
            let mut checker = Checker::new(&corridor, &keys, signatures, &[]);
            let mut block = Block::default();
            for (at, line) in documented(page, "ndjson receipts-file").lines().enumerate() {
                block.room().extend(line.as_bytes());
                block.end_line();
                // Three receipts, and the end.
                assert_eq!(checker.check(&block).links.len(), (at + 1).min(3));
            }
            assert_eq!(block.len(), 4);
        }
    }

    #[test]
    fn an_item_is_split_at_its_length_whatever_that_is() {
        for payload in 0..40 {
            let (header, decoded) = ("header.", "p".repeat(payload));
            let jws =
                format!("{header}{}.{}", "x".repeat((payload * 4).div_ceil(3)), "s".repeat(86));
            let item = format!("{jws}\",\"receipt\":{decoded}}}");
            let split = split_item(item.as_bytes(), header.len());
            assert_eq!(split, Some((jws.as_bytes(), decoded.as_bytes())), "{payload}");
            for shorter in 0..item.len() {
                assert_eq!(split_item(&item.as_bytes()[..shorter], header.len()), None);
            }
        }
    }
}
