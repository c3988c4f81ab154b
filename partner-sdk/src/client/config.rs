//! `client.toml`: what a partner is given when it joins.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{ConfigError, Error};
use super::{Client, ClientBuilder};

/// The file, strictly: a misspelled setting is refused, not ignored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    gateway: String,
    partner: String,
    key: PathBuf,
    root: String,
    alliance: String,
    authority: Option<String>,
}

impl Client {
    /// A client as a `client.toml` describes it, with everything else at its default.
    ///
    /// # Errors
    /// [`Error::Config`].
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::{Client, Error};
    /// # fn f() -> Result<(), Error> {
    /// let client = Client::from_config("partners/aurora-air/client.toml")?;
    /// # let _ = client; Ok(()) }
    /// ```
    pub fn from_config(path: impl AsRef<Path>) -> Result<Self, Error> {
        ClientBuilder::from_config(path)?.build()
    }
}

impl ClientBuilder {
    /// Begins with what a `client.toml` says:
    ///
    /// ```toml
    /// gateway = "https://gateway.example"  # where the gateway is
    /// partner = "aurora-air"               # who calls
    /// key = "key.pem"                      # the private key, PKCS#8 PEM, relative to this file
    /// root = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"  # the alliance's root key
    /// alliance = "demo"                    # the alliance's name
    /// authority = "gateway.example"        # optional: the gateway's public name
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`] where a file cannot be read or is not what it should be.
    pub fn from_config(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file: File = toml::from_str(&read(path)?).map_err(|error| ConfigError::Format {
            path: path.to_owned(),
            source: Box::new(error),
        })?;
        let pem = read(&path.parent().unwrap_or(Path::new("")).join(&file.key))?;
        let builder = Client::builder(&file.gateway)
            .partner(file.partner)
            .key_pem(pem)
            .root(file.root)
            .alliance(file.alliance);
        Ok(match file.authority {
            Some(authority) => builder.authority(authority),
            None => builder,
        })
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|source| ConfigError::File { path: path.to_owned(), source })
}
