//! Currencies and the smallest unit that banks pay of each.

use alliance_contracts::names::Currency;

/// The day of the list below.
///
/// Source: ISO 4217:2015, list one "current currency & funds code list", as published by the
/// maintenance agency (SIX Financial Information) on this day. Codes whose minor unit it gives as
/// "N.A." (precious metals, units of account, `XTS`, `XXX`) are not in it: no bank pays them.
pub const PUBLISHED: &str = "2026-01-01";

/// Decimals of the minor unit, and every code that has so many.
const CODES: [(u32, &str); 4] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN \
         BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD \
         FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW \
         KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR \
         MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG \
         SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD \
         USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

/// More than 18 digits are no amount of a payment (ISO 20022: `totalDigits` 18).
pub const MAX_MINOR: u64 = 999_999_999_999_999_999;

/// The smallest unit of a currency that banks pay: a cent, a fen, a yen, a fils.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinorUnit {
    digits: u32,
}

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountFault {
    /// Not digits with at most one point; or below zero.
    #[error("not a plain decimal")]
    NotPlain,
    /// More decimals than the currency has.
    #[error("more decimals than the currency has")]
    TooPrecise,
    /// More than 18 digits.
    #[error("more than 18 digits")]
    TooLarge,
}

impl MinorUnit {
    /// The minor unit of a currency; none of one that is not in the list, or has none.
    ///
    /// ```
    /// use alliance_settlement::payments::currencies::MinorUnit;
    /// let digits = |code: &str| MinorUnit::of(&code.parse().unwrap()).map(MinorUnit::digits);
    /// assert_eq!([digits("CNY"), digits("JPY"), digits("KWD")], [Some(2), Some(0), Some(3)]);
    /// assert_eq!([digits("XAU"), digits("DEM")], [None, None]);
    /// ```
    #[must_use]
    pub fn of(currency: &Currency) -> Option<Self> {
        let has = |codes: &str| codes.split(' ').any(|code| code == currency.as_str());
        let found = CODES.iter().find(|(_, codes)| has(codes));
        found.map(|&(digits, _)| Self { digits })
    }

    /// How many decimals it has.
    #[must_use]
    pub const fn digits(self) -> u32 {
        self.digits
    }

    /// How many 10⁻⁶ of the currency it is.
    #[must_use]
    pub const fn micros(self) -> i128 {
        // The list has no more than four decimals.
        10_i128.pow(6 - self.digits)
    }

    /// So many minor units, as banks write them: always with all decimals.
    ///
    /// ```
    /// use alliance_settlement::payments::currencies::MinorUnit;
    /// let spell = |code: &str| MinorUnit::of(&code.parse().unwrap()).unwrap().spell(1205);
    /// assert_eq!([spell("CNY"), spell("JPY"), spell("KWD")], ["12.05", "1205", "1.205"]);
    /// ```
    #[must_use]
    pub fn spell(self, minor: u128) -> String {
        let unit = 10_u128.pow(self.digits);
        let (whole, rest) = (minor / unit, minor % unit);
        match usize::try_from(self.digits) {
            Ok(digits @ 1..) => format!("{whole}.{rest:0digits$}"),
            _ => whole.to_string(),
        }
    }

    /// Reads an amount as banks write it (XML Schema's decimal, not below zero). Zeros may be left
    /// out, stand in front, or behind; what is less than a minor unit is refused, never rounded.
    ///
    /// # Errors
    /// [`AmountFault`].
    pub fn read(self, text: &str) -> Result<u64, AmountFault> {
        let plain = text.strip_prefix('+').unwrap_or(text);
        let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
            return Err(AmountFault::NotPlain);
        }
        let kept = usize::try_from(self.digits).map_or(fraction.len(), |d| d.min(fraction.len()));
        let (fraction, rest) = fraction.split_at(kept);
        if rest.bytes().any(|byte| byte != b'0') {
            return Err(AmountFault::TooPrecise);
        }
        let places = u32::try_from(fraction.len()).map_err(|_| AmountFault::TooPrecise)?;
        let left = self.digits.checked_sub(places).ok_or(AmountFault::TooPrecise)?;
        let add = |sum: u64, byte: u8| sum.checked_mul(10)?.checked_add(u64::from(byte - b'0'));
        let minor = whole.bytes().chain(fraction.bytes()).try_fold(0, add);
        let minor = minor.and_then(|minor| minor.checked_mul(10_u64.pow(left)));
        minor.filter(|minor| *minor <= MAX_MINOR).ok_or(AmountFault::TooLarge)
    }
}
