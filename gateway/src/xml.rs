//! XML, the other spelling of the same documents: a request in XML becomes JSON at the door, an
//! answer in JSON becomes XML there. Nothing further in knows; what is signed, digested, stored and
//! proved is the one model. The spelling is told in `docs/formats/xml.md`.
//!
//! | file | what |
//! | --- | --- |
//! | `model` | what the OpenAPI document says of each type |
//! | `read` | XML → JSON, by the type that a route takes |
//! | `write` | JSON → XML |
//! | `xsd` | the model as an XML schema |
//!
//! All of it is pure: bytes in, bytes out.

pub mod model;
pub mod read;
pub mod write;
pub mod xsd;

#[cfg(test)]
mod tests;

/// The namespace of every element.
pub const NAMESPACE: &str = "urn:alliance:v1";
/// The namespace of `xsi:nil`.
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// The name of an array's elements.
pub const ITEM: &str = "item";

/// The media type of requests and answers.
pub const APPLICATION_XML: &str = "application/xml";
/// The media type of problems (RFC 9457 § 6.2).
pub const PROBLEM_XML: &str = "application/problem+xml";

/// What XML 1.0 can hold.
pub const fn is_char(c: char) -> bool {
    matches!(c,
        '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}
