//! Names as the scheme takes them.
//!
//! | scheme | letters | a name is at most |
//! | --- | --- | --- |
//! | SEPA | those of [`SEPA`]; Latin letters with marks lose them, others are refused | 70 characters |
//! | any other | all of Unicode that XML can hold, Chinese names as they are | 140 characters |
//!
//! What a letter becomes follows the European Payments Council's best practices (EPC217-08): one
//! letter for one. Whoever wants another spelling (`AE` for `Ä`) writes the account's name so.
//! Greek and Cyrillic are not turned into Latin here: a person's or a company's Latin name is its
//! own.

/// What may stand in a SEPA file beside letters and digits of ASCII.
pub const SEPA: &str = "/-?:().,'+ ";
/// Longest name in a SEPA file, in characters.
pub const MAX_SEPA_NAME_CHARS: usize = 70;

/// What a letter becomes, and the letters that become it.
const BECOMES: &[(char, &str)] = &[
    ('A', "ÀÁÂÃÄÅĀĂĄǍÆ"),
    ('C', "ÇĆĈĊČ"),
    ('D', "ĎĐÐ"),
    ('E', "ÈÉÊËĒĔĖĘĚ"),
    ('G', "ĜĞĠĢ"),
    ('H', "ĤĦ"),
    ('I', "ÌÍÎÏĨĪĬĮİǏ"),
    ('J', "Ĵ"),
    ('K', "Ķ"),
    ('L', "ĹĻĽĿŁ"),
    ('N', "ÑŃŅŇ"),
    ('O', "ÒÓÔÕÖØŌŎŐŒǑ"),
    ('R', "ŔŖŘ"),
    ('S', "ŚŜŞŠȘ"),
    ('T', "ŢŤŦȚÞ"),
    ('U', "ÙÚÛÜŨŪŬŮŰŲǓ"),
    ('W', "Ŵ"),
    ('Y', "ÝŶŸ"),
    ('Z', "ŹŻŽ"),
    ('a', "àáâãäåāăąǎæ"),
    ('c', "çćĉċč"),
    ('d', "ďđð"),
    ('e', "èéêëēĕėęě"),
    ('g', "ĝğġģ"),
    ('h', "ĥħ"),
    ('i', "ìíîïĩīĭįıǐ"),
    ('j', "ĵ"),
    ('k', "ķ"),
    ('l', "ĺļľŀł"),
    ('n', "ñńņň"),
    ('o', "òóôõöøōŏőœǒ"),
    ('r', "ŕŗř"),
    ('s', "śŝşšșß"),
    ('t', "ţťŧțþ"),
    ('u', "ùúûüũūŭůűųǔ"),
    ('w', "ŵ"),
    ('y', "ýŷÿ"),
    ('z', "źżž"),
    ('+', "&"),
    ('-', "_~–—"),
    ('(', "[{"),
    (')', "]}"),
    ('/', "\\|"),
    ('\'', "`´‘’"),
    (',', ";"),
    (' ', "\u{a0}"),
];

/// Why a name cannot stand in a SEPA file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LettersFault {
    /// A character that has no place there.
    #[error("{0:?} has no Latin spelling that SEPA files take: give the account's name in Latin")]
    Letter(char),
    /// A long one.
    #[error("longer than {MAX_SEPA_NAME_CHARS} characters, which is what SEPA files take")]
    Long,
}

/// A name in the letters of SEPA.
///
/// ```
/// use alliance_gateway::bank::letters::sepa;
/// assert_eq!(sepa("Müller & Søn (Łódź)").as_deref(), Ok("Muller + Son (Lodz)"));
/// assert!(sepa("北冥咖啡").is_err());
/// ```
///
/// # Errors
/// [`LettersFault`].
pub fn sepa(name: &str) -> Result<String, LettersFault> {
    if name.chars().count() > MAX_SEPA_NAME_CHARS {
        return Err(LettersFault::Long);
    }
    name.chars().map(letter).collect()
}

fn letter(c: char) -> Result<char, LettersFault> {
    if c.is_ascii_alphanumeric() || SEPA.contains(c) {
        return Ok(c);
    }
    let becomes = BECOMES.iter().find(|(_, letters)| letters.contains(c));
    becomes.map(|(letter, _)| *letter).ok_or(LettersFault::Letter(c))
}
