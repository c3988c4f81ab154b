//! An instance: the folder that one alliance runs from.
//!
//! ```text
//! alliance.toml            what the alliance has agreed on, and [gateway]: how this gateway runs
//! alliance.db              the database, unless [gateway] names another
//! jwks.json                every gateway key that ever signed, signed by the root key; the books
//!                          take it up once, and go on from it (`alliance keys import`)
//! keys/gateway.pem         signs receipts, quotes and checkpoints
//! keys/root.pem            signs the key list; partners pin its public half. Not needed to serve
//! keys/master.key          wraps what the database holds of members
//! keys/master.next.key     the master key to come, while it is being rotated
//! keys/checkpoints/        the last checkpoint of every corridor, outside the database
//! partners/<partner>/      key.pem and client.toml, for the partner itself
//! ```
//!
//! Everything is read before anything is done, and all that is wrong is told at once.

pub mod authority;
pub mod config;
pub mod create;
pub mod database_url;
pub mod gateway_keys;
pub mod import;
pub mod keyfile;
pub mod open;
pub mod template;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alliance_contracts::json;
use alliance_contracts::key_list::{KeyList, TrustedKeys};
use alliance_contracts::keys::SigningKey;
use alliance_settlement::alliance::{Definition, GatewayKeys};
use alliance_settlement::vault::KEY_LEN;
use zeroize::Zeroizing;

use config::{Config, Gateway};
use database_url::DatabaseUrl;

/// The configuration's file name.
pub const CONFIG_FILE: &str = "alliance.toml";
/// The key list's file name.
pub const KEY_LIST_FILE: &str = "jwks.json";
/// The gateway's private key, below the folder.
pub const GATEWAY_KEY_FILE: &str = "keys/gateway.pem";
/// The root's private key, below the folder.
pub const ROOT_KEY_FILE: &str = "keys/root.pem";
/// The master key, below the folder.
pub const MASTER_KEY_FILE: &str = "keys/master.key";
/// The master key to come, below the folder.
pub const NEXT_MASTER_KEY_FILE: &str = "keys/master.next.key";
/// Where checkpoints are kept, below the folder.
pub const CHECKPOINTS_DIR: &str = "keys/checkpoints";
/// Where the partners' own files are, below the folder.
pub const PARTNERS_DIR: &str = "partners";

/// Something that is wrong: where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A file, a setting, an address.
    pub place: String,
    /// What is wrong and what would be right.
    pub fault: String,
}

impl Fault {
    /// A fault.
    pub fn new(place: impl fmt::Display, fault: impl fmt::Display) -> Self {
        Self { place: place.to_string(), fault: fault.to_string() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.fault)
    }
}

/// What the command line or the environment sets over the file's `[gateway]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `sqlite:PATH` or `postgres://…`.
    pub database: Option<DatabaseUrl>,
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// What partners call the gateway.
    pub public_url: Option<String>,
    /// Where metrics are served.
    pub metrics_listen: Option<SocketAddr>,
}

/// An instance, read and checked.
pub struct Instance {
    /// The folder that the configuration stands in.
    pub folder: PathBuf,
    /// The configuration file.
    pub config_file: PathBuf,
    /// What the alliance has agreed on.
    pub definition: Definition,
    /// How this gateway runs.
    pub gateway: Gateway,
    /// Signs receipts.
    pub signing_key: Arc<SigningKey>,
    /// Wraps members' keys.
    pub master_key: Zeroizing<[u8; KEY_LEN]>,
    /// Takes its place, or has taken it; none while the master key is not being rotated.
    pub next_master_key: Option<Zeroizing<[u8; KEY_LEN]>>,
    /// Every gateway key that ever signed, as published.
    pub key_list: KeyList,
    /// The same, checked.
    pub trusted_keys: TrustedKeys,
    /// The same, as the books take it up.
    pub first_list: GatewayKeys,
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// The configuration file of a folder, or the file itself.
#[must_use]
pub fn config_file(place: &Path) -> PathBuf {
    if place.is_dir() { place.join(CONFIG_FILE) } else { place.to_owned() }
}

impl Instance {
    /// Reads the instance of a folder, or of a configuration file, with everything beside it.
    ///
    /// # Errors
    /// Every fault there is.
    pub fn load(place: &Path, overrides: &Overrides) -> Result<Self, Vec<Fault>> {
        let config_file = config_file(place);
        let folder = folder_of(&config_file);
        let mut faults = Vec::new();
        let config = Config::load(&config_file, overrides).map_err(|f| faults.extend(f)).ok();
        if config.is_none() && !config_file.is_file() {
            // Without its first file it is no instance: what else is missing says nothing more.
            return Err(faults);
        }
        let key = keyfile::read_private(&folder.join(GATEWAY_KEY_FILE));
        let key = key.map_err(|fault| faults.push(fault)).ok();
        let master_key = keyfile::read_master(&folder.join(MASTER_KEY_FILE));
        let master_key = master_key.map_err(|fault| faults.push(fault)).ok();
        let next = next_master(&folder, master_key.as_ref());
        let next = next.map_err(|fault| faults.push(fault)).ok().flatten();
        let list = read_key_list(&folder.join(KEY_LIST_FILE));
        let list = list.map_err(|fault| faults.push(fault)).ok();
        if let (Some(config), Some((_, listed))) = (&config, &list) {
            faults.extend(foreign_list(&config.definition, &listed.trusted));
        }
        match (config, key, master_key, list) {
            (Some(config), Some(key), Some(master_key), Some((key_list, first_list)))
                if faults.is_empty() =>
            {
                Ok(Self {
                    folder,
                    config_file,
                    definition: config.definition,
                    gateway: config.gateway,
                    signing_key: Arc::new(key),
                    master_key,
                    next_master_key: next,
                    key_list,
                    trusted_keys: first_list.trusted.clone(),
                    first_list,
                })
            }
            _ => Err(faults),
        }
    }

    /// Where a partner's own files are.
    #[must_use]
    pub fn partner_folder(&self, partner: &str) -> PathBuf {
        self.folder.join(PARTNERS_DIR).join(partner)
    }

    /// The URL that partners call, when the gateway listens there.
    #[must_use]
    pub fn public_url(&self, listen: SocketAddr) -> String {
        let set = self.gateway.public_url.clone();
        set.unwrap_or_else(|| authority::url_of(listen))
    }
}

fn folder_of(config_file: &Path) -> PathBuf {
    match config_file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The master key to come, where there is one.
fn next_master(
    folder: &Path,
    master: Option<&Zeroizing<[u8; KEY_LEN]>>,
) -> Result<Option<Zeroizing<[u8; KEY_LEN]>>, Fault> {
    let file = folder.join(NEXT_MASTER_KEY_FILE);
    if !file.exists() {
        return Ok(None);
    }
    let next = keyfile::read_master(&file)?;
    if master == Some(&next) {
        let fault = format!(
            "holds the same key as {MASTER_KEY_FILE}: draw another (`alliance keys draw-master`), \
             or take it away if the rotation has ended"
        );
        return Err(Fault::new(file.display(), fault));
    }
    Ok(Some(next))
}

fn read_key_list(path: &Path) -> Result<(KeyList, GatewayKeys), Fault> {
    let fault = |text: String| Fault::new(path.display(), text);
    let bytes = std::fs::read(path).map_err(|error| fault(keyfile::unreadable(&error)))?;
    let list: KeyList = json::read(&bytes)
        .map_err(|error| fault(format!("is no key list: {} {}", error.pointer, error.detail)))?;
    // Our own file: who signed it, the partners check against the root key they have pinned.
    let checked = GatewayKeys::of(&list).map_err(|error| fault(error.to_string()))?;
    Ok((list, checked))
}

fn foreign_list(definition: &Definition, trusted: &TrustedKeys) -> Option<Fault> {
    let (ours, theirs) = (definition.alliance.as_str(), trusted.alliance());
    (ours != theirs).then(|| {
        let fault = format!(
            "is signed for the alliance \"{theirs}\", but {CONFIG_FILE} says \"{ours}\": the name \
             is part of every signature, so put it back, or make another with `alliance init`"
        );
        Fault::new(KEY_LIST_FILE, fault)
    })
}
