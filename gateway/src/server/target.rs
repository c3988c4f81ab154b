//! What a request asks for: its path and query, as received. Nothing is decoded, so that router,
//! signature and handlers all see the same bytes (threats T05, T06).

use std::str::FromStr;

use alliance_contracts::limits::MAX_PAGE_ITEMS;

use super::refusal::Refusal;

/// How many items a page has where the caller does not say.
const PAGE_ITEMS: u32 = 100;

/// Refuses a path that could be read in two ways. Every path of ours is made of unreserved
/// characters (RFC 3986 § 2.3) and `:`, so one with `%`, `;`, an empty segment (`//`, a trailing
/// slash) or a dot segment is some other spelling, or no path of ours. The page `/docs/` is the one
/// exception: browsers resolve its files against it.
pub fn check_path(path: &str) -> Result<(), Refusal> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte);
    let segments = path.strip_prefix('/').unwrap_or("");
    let odd = |segment: &str| matches!(segment, "" | "." | "..");
    let canonical = path.starts_with('/')
        && path.bytes().all(plain)
        && (segments.is_empty() || path == "/docs/" || !segments.split('/').any(odd));
    if canonical {
        Ok(())
    } else {
        Err(Refusal::malformed("the path is not in its one plain spelling"))
    }
}

/// The parameters of a query: plain names and values, each name once.
pub struct Pairs<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Pairs<'a> {
    /// Reads a raw query; none and an empty one are the same.
    pub fn parse(query: Option<&'a str>) -> Result<Self, Refusal> {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        let query = query.filter(|query| !query.is_empty());
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| Refusal::malformed("a query parameter has no value"))?;
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(Refusal::malformed("a query parameter stands there twice"));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// Takes a parameter out; none where it is not there.
    pub fn take<T: FromStr>(&mut self, name: &'static str) -> Result<Option<T>, Refusal> {
        let Some(at) = self.0.iter().position(|(known, _)| *known == name) else {
            return Ok(None);
        };
        let (_, value) = self.0.swap_remove(at);
        let read = value.parse().ok().filter(|_| is_plain(value));
        read.map(Some)
            .ok_or_else(|| Refusal::malformed(format!("the query parameter {name} is malformed")))
    }

    /// Takes a parameter out that must be there.
    pub fn require<T: FromStr>(&mut self, name: &'static str) -> Result<T, Refusal> {
        self.take(name)?
            .ok_or_else(|| Refusal::malformed(format!("the query parameter {name} is missing")))
    }

    /// Refuses what has not been taken.
    pub fn finish(self) -> Result<(), Refusal> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Refusal::malformed("a query parameter is unknown to this route"))
        }
    }
}

/// No escapes, and of a number its one spelling: `+1` and `01` parse, too.
fn is_plain(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    let number = value.bytes().all(|byte| byte.is_ascii_digit());
    value.bytes().all(plain) && !(number && value.len() > 1 && value.starts_with('0'))
}

/// What a route takes in its query.
pub trait Query: Sized + 'static {
    /// Takes its parameters out of the pairs.
    fn take(pairs: &mut Pairs<'_>) -> Result<Self, Refusal>;
}

/// A route without parameters.
pub struct NoQuery;

impl Query for NoQuery {
    fn take(_: &mut Pairs<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }
}

/// How many items a page is to have: 1 to 1,000.
pub fn take_limit(pairs: &mut Pairs<'_>) -> Result<Option<u32>, Refusal> {
    match pairs.take("limit")? {
        Some(limit) if !(1..=MAX_PAGE_ITEMS).contains(&limit) => {
            Err(Refusal::malformed(format!("limit must be 1 to {MAX_PAGE_ITEMS}")))
        }
        limit => Ok(limit),
    }
}

/// The page size of a route whose caller may leave it out.
pub fn page_items(limit: Option<u32>) -> u32 {
    limit.unwrap_or(PAGE_ITEMS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        // T05
        for good in [
            "/",
            "/v1/programs",
            "/docs/",
            "/.well-known/jwks.json",
            "/v1/corridors/aurora-air~borealis-coffee/receipts",
            "/v1/members/aurora/a:b.c_d/balance",
        ] {
            assert!(check_path(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "v1",
            "//",
            "/v1//programs",
            "/v1/programs/",
            "/v1/./programs",
            "/v1/../v1",
            "/v1/%70rograms",
            "/v1/%2e%2e/x",
            "/v1%2fprograms",
            "/v1/programs;a=b",
            "/v1/a%2Fb",
            "/v1/programs\\",
            "/v1/é",
            "/v1/a b",
            "/docs//",
            "/..",
            "/.",
        ] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_parameter_stands_once_and_plain() {
        // T06
        for bad in ["a=1&a=1", "a=1&a=2", "a", "a=1&", "&a=1", "a=%31", "a=+1", "a=01", "b=1"] {
            let read = Pairs::parse(Some(bad)).and_then(|mut pairs| {
                pairs.take::<u64>("a")?;
                pairs.finish()
            });
            assert!(read.is_err(), "{bad}");
        }
        for good in [None, Some(""), Some("a=0"), Some("a=18446744073709551615")] {
            let mut pairs = Pairs::parse(good).unwrap();
            pairs.take::<u64>("a").unwrap();
            pairs.finish().unwrap();
        }
    }
}
