//! A place in a feed: the cursor that a partner goes on from, and the id of the event there.

use crate::encoding::{base64url_decode_array, base64url_encode, sha256_of_parts};
use crate::ids::EventId;
use crate::names::{AllianceId, EventCursor, PartnerId};
use crate::time::Timestamp;

/// Number and check of a cursor.
const NUMBER: usize = 8;
const CHECK: usize = 4;

fn digest(purpose: &str, alliance: &AllianceId, partner: &PartnerId, number: u64) -> [u8; 32] {
    let number = number.to_be_bytes();
    let parts = [purpose, "\n", alliance.as_str(), "\n", partner.as_str(), "\n"];
    let [purpose, a, alliance, b, partner, c] = parts.map(str::as_bytes);
    sha256_of_parts(&[purpose, a, alliance, b, partner, c, &number])
}

/// The id of the event of this number in a partner's feed: the time, and what SHA-256 makes of its
/// place, in the form of a UUIDv7. Whoever tells the event again tells it by the same id.
#[must_use]
pub fn event_id(
    alliance: &AllianceId,
    partner: &PartnerId,
    number: u64,
    time: Timestamp,
) -> EventId {
    const MILLIS: u128 = (1 << 48) - 1;
    const RANDOM_B: u128 = (1 << 62) - 1;
    let digest = digest("event id", alliance, partner, number);
    let random = digest.iter().take(16).fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    let millis = u128::try_from(time.as_millis()).unwrap_or(0) & MILLIS;
    let random_a = (random >> 64) & 0xfff;
    EventId::from_u128(
        (millis << 80) | (7 << 76) | (random_a << 64) | (0b10 << 62) | (random & RANDOM_B),
    )
}

impl EventCursor {
    /// The place after the event of this number; 0 is before the first.
    ///
    /// ```
    /// use alliance_contracts::event::EventCursor;
    /// let (alliance, partner) = ("demo".parse()?, "aurora-air".parse()?);
    /// let cursor = EventCursor::at(&alliance, &partner, 42);
    /// assert_eq!(cursor.number(&alliance, &partner), Some(42));
    /// assert_eq!(cursor.number(&alliance, &"borealis-coffee".parse()?), None);
    /// # Ok::<(), alliance_contracts::names::NameError>(())
    /// ```
    #[must_use]
    pub fn at(alliance: &AllianceId, partner: &PartnerId, number: u64) -> Self {
        let mut bytes = [0; NUMBER + CHECK];
        let check = digest("event cursor", alliance, partner, number);
        bytes[..NUMBER].copy_from_slice(&number.to_be_bytes());
        bytes[NUMBER..].copy_from_slice(&check[..CHECK]);
        let text = base64url_encode(&bytes);
        text.parse().expect("sixteen characters of base64url are a cursor")
    }

    /// The number of the event that it stands after; none where it is of another feed, or was not
    /// handed out by anybody.
    #[must_use]
    pub fn number(&self, alliance: &AllianceId, partner: &PartnerId) -> Option<u64> {
        let bytes: [u8; NUMBER + CHECK] = base64url_decode_array(self.as_str()).ok()?;
        let (number, check) = bytes.split_at(NUMBER);
        let number = u64::from_be_bytes(number.try_into().ok()?);
        (digest("event cursor", alliance, partner, number)[..CHECK] == *check).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> (AllianceId, PartnerId) {
        ("demo".parse().unwrap(), "aurora-air".parse().unwrap())
    }

    #[test]
    fn an_id_is_a_uuid_of_version_seven_and_every_place_has_its_own() {
        let (alliance, partner) = names();
        let time = Timestamp::from_millis(1_790_000_000_000);
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..1_000 {
            let id = event_id(&alliance, &partner, number, time);
            assert_eq!(id.to_string().parse::<EventId>(), Ok(id), "version and variant");
            assert_eq!(id.as_u128() >> 80, 1_790_000_000_000);
            assert!(seen.insert(id));
        }
        let other = event_id(&alliance, &"borealis-coffee".parse().unwrap(), 0, time);
        assert!(seen.insert(other), "another feed's");
        let before = Timestamp::from_millis(-5);
        assert!(event_id(&alliance, &partner, 1, before).to_string().parse::<EventId>().is_ok());
    }

    #[test]
    fn a_cursor_that_was_changed_is_none() {
        let (alliance, partner) = names();
        let cursor = EventCursor::at(&alliance, &partner, 7).to_string();
        for at in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed: EventCursor = String::from_utf8(changed).unwrap().parse().unwrap();
            assert_eq!(changed.number(&alliance, &partner), None, "{at}");
        }
        for text in ["", "a b", "é", &"a".repeat(65)] {
            assert!(text.parse::<EventCursor>().is_err(), "{text}");
        }
        let short: EventCursor = "7".parse().unwrap();
        assert_eq!(short.number(&alliance, &partner), None);
    }
}
