//! The bounds of the protocol (§ 1, § 2, § 4), each with its arithmetic.

use crate::decimal::{Decimal, MICROS};

/// Points and money: at most 10¹² of either.
pub const MAX_AMOUNT_WHOLE: i64 = 1_000_000_000_000;
/// 10¹² in units of 10⁻⁶ is 10¹⁸, a ninth of what an `i64` holds.
pub const MAX_AMOUNT_MICROS: i64 = MAX_AMOUNT_WHOLE * MICROS;
/// A program's value is at most 10⁶ of the settlement currency per point.
pub const MAX_VALUE_MICROS: i64 = 1_000_000 * MICROS;
/// A rate's multiplier is at most 10.
pub const MAX_MULTIPLIER_MICROS: i64 = 10 * MICROS;
/// Programs have 0, 1 or 2 decimals.
pub const MAX_PROGRAM_SCALE: u32 = 2;
/// Money, values and fee rates have 6 decimals.
pub const MONEY_SCALE: u32 = 6;
/// The largest integer that every JSON reader reads exactly: 2⁵³ − 1 (RFC 8785 § 3.2.2.3).
pub const MAX_JSON_INTEGER: u64 = (1 << 53) - 1;
/// One request body: 1 MiB.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// One batch request body: 4 MiB.
pub const MAX_BATCH_BODY_BYTES: usize = 4 << 20;
/// Orders in one batch request, and quotes in one batch.
pub const MAX_BATCH_ITEMS: usize = 1_000;
/// Items on one page of a list.
pub const MAX_PAGE_ITEMS: u32 = 1_000;
/// A signature may be this old.
pub const SIGNATURE_MAX_AGE_SECONDS: i64 = 300;
/// A signature may be this far in the future.
pub const SIGNATURE_MAX_AHEAD_SECONDS: i64 = 60;
/// How long a quote is good where the agreement says nothing.
pub const QUOTE_LIFETIME_SECONDS: i64 = 60;
/// How long the source partner may reverse where the agreement says nothing: a day.
pub const REVERSAL_PERIOD_SECONDS: i64 = 24 * 60 * 60;
/// How long a transaction may wait for a connected brand before a person is told, where the
/// agreement says nothing: a day.
pub const ANSWER_DEADLINE_SECONDS: i64 = 24 * 60 * 60;
/// A checkpoint is at most this far behind the head.
pub const CHECKPOINT_MAX_LAG_SECONDS: i64 = 60;
/// A verifier calls a checkpoint stale whose cosignature is older: ten minutes.
pub const CHECKPOINT_STALE_SECONDS: i64 = 600;

/// How often the movement of a value can be halved.
pub const MAX_HALVINGS: u32 = 20;
/// After that many halvings the movement is left out: the value stays as it was.
pub const NO_MOVEMENT: u32 = MAX_HALVINGS + 1;

/// Whether points or money stay within 10¹².
#[must_use]
pub const fn amount_in_range(amount: Decimal) -> bool {
    amount.micros() <= MAX_AMOUNT_MICROS
}

/// Whether a program value is above zero and at most 10⁶.
#[must_use]
pub const fn value_in_range(value: Decimal) -> bool {
    value.micros() > 0 && value.micros() <= MAX_VALUE_MICROS
}

/// Whether a fee rate is below one (it cannot be negative).
#[must_use]
pub const fn fee_rate_in_range(fee: Decimal) -> bool {
    fee.micros() < MICROS
}

/// Whether a rate's multiplier is above zero and at most 10.
#[must_use]
pub const fn multiplier_in_range(multiplier: Decimal) -> bool {
    multiplier.micros() > 0 && multiplier.micros() <= MAX_MULTIPLIER_MICROS
}

/// Whether a surcharge is a part of the fee: at most all of it (it cannot be negative).
#[must_use]
pub const fn surcharge_in_range(surcharge: Decimal, fee: Decimal) -> bool {
    surcharge.micros() <= fee.micros()
}
