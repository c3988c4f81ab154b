//! Where the database is: a text that may hold a password, and so is never shown whole.

use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::config::without_password;

/// A database's URL. Its `Debug` shows no password, and it is wiped when it goes.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct DatabaseUrl(Zeroizing<String>);

impl DatabaseUrl {
    /// The whole text, to connect with.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// For whoever connects, or looks at the scheme.
impl Deref for DatabaseUrl {
    type Target = str;

    fn deref(&self) -> &str {
        self.expose()
    }
}

impl From<String> for DatabaseUrl {
    fn from(url: String) -> Self {
        Self(Zeroizing::new(url))
    }
}

impl FromStr for DatabaseUrl {
    type Err = Infallible;

    fn from_str(url: &str) -> Result<Self, Infallible> {
        Ok(url.to_owned().into())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", without_password(&self.0))
    }
}
