//! Making an instance: a folder, keys, the signed key list, the configuration.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use alliance_contracts::encoding::{Hash, base64url_encode};
use alliance_contracts::key_list::{Jwk, KeyStatement};
use alliance_contracts::keys::SigningKey;
use alliance_contracts::names::{AllianceId, PartnerId};
use alliance_contracts::time::Timestamp;

use super::keyfile::{self, KeyFileError};
use super::{
    CHECKPOINTS_DIR, CONFIG_FILE, GATEWAY_KEY_FILE, KEY_LIST_FILE, MASTER_KEY_FILE, PARTNERS_DIR,
    ROOT_KEY_FILE, template,
};

/// Why no instance was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// There is something in that place already.
    #[error("{0} is there already and is left alone: choose a folder that is empty or not there")]
    Occupied(PathBuf),
    /// A folder or file cannot be written.
    #[error("{path} cannot be written: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyFileError),
}

/// What was made.
#[derive(Debug)]
pub struct Created {
    /// The folder.
    pub folder: PathBuf,
    /// The root key's public half, base64url: what partners pin.
    pub root: String,
}

/// Makes the folders and keys of a new alliance and its signed key list. The configuration is
/// written last, by [`write_config`], so that what is half made is no instance.
///
/// # Errors
/// [`CreateError`]; a folder with anything in it is left alone.
pub fn keys(folder: &Path, alliance: &AllianceId, now: Timestamp) -> Result<Created, CreateError> {
    if !is_free(folder) {
        return Err(CreateError::Occupied(folder.to_owned()));
    }
    make_folder(folder)?;
    make_secret_folder(&folder.join("keys"))?;
    make_folder(&folder.join(CHECKPOINTS_DIR))?;
    make_folder(&folder.join(PARTNERS_DIR))?;
    let root = keyfile::generate(&folder.join(ROOT_KEY_FILE))?;
    let gateway = keyfile::generate(&folder.join(GATEWAY_KEY_FILE))?;
    keyfile::generate_master(&folder.join(MASTER_KEY_FILE))?;
    let statement = KeyStatement {
        alliance: alliance.to_string(),
        // From the second on that checkpoints of this very moment tell: they count in seconds.
        keys: vec![Jwk::new(gateway.public_key(), Some(now.floor_to_second()))],
        number: 1,
        previous: Hash::ZERO,
    };
    let list = statement.publish(&root);
    let text = serde_json::to_string_pretty(&list).unwrap_or_default();
    write(&folder.join(KEY_LIST_FILE), &format!("{text}\n"))?;
    Ok(Created { folder: folder.to_owned(), root: x_of(&root) })
}

/// Writes the configuration.
///
/// # Errors
/// [`CreateError::Write`].
pub fn write_config(folder: &Path, text: &str) -> Result<(), CreateError> {
    write(&folder.join(CONFIG_FILE), text)
}

/// Writes into the configuration where its gateway listens.
///
/// # Errors
/// [`CreateError::Write`], also where it cannot be read.
pub fn listen_at(folder: &Path, listen: SocketAddr) -> Result<(), CreateError> {
    let path = folder.join(CONFIG_FILE);
    let unreadable = |source| CreateError::Write { path: path.clone(), source };
    let text = fs::read_to_string(&path).map_err(unreadable)?;
    let lines: Vec<String> = text
        .lines()
        .map(|line| match line.starts_with("listen = ") {
            true => format!("listen = \"{listen}\""),
            false => line.to_owned(),
        })
        .collect();
    let followed = lines.join("\n") + "\n";
    if followed == text { Ok(()) } else { write(&path, &followed) }
}

/// Makes a partner's folder with a key of its own; gives the key's public half, base64url.
///
/// # Errors
/// [`CreateError`]; a key that is there already is left alone.
pub fn partner_key(folder: &Path) -> Result<String, CreateError> {
    make_secret_folder(folder)?;
    Ok(x_of(&keyfile::generate(&folder.join("key.pem"))?))
}

/// Writes a partner's `client.toml`, over an older one.
///
/// # Errors
/// [`CreateError::Write`].
pub fn client_toml(
    folder: &Path,
    gateway: &str,
    partner: &PartnerId,
    root: &str,
    alliance: &AllianceId,
) -> Result<(), CreateError> {
    let text = template::client_toml(gateway, partner, root, alliance.as_str());
    write(&folder.join("client.toml"), &text)
}

/// Whether the folder is not there, or empty.
#[must_use]
pub fn is_free(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// The public half of a key as partners pin it.
#[must_use]
pub fn x_of(key: &SigningKey) -> String {
    base64url_encode(key.public_key().as_bytes())
}

/// Writes a file aside, makes it durable, and renames it: whoever reads it sees the old one or the
/// new one, whole, and after a crash, too.
///
/// # Errors
/// [`CreateError::Write`].
pub fn write(path: &Path, text: &str) -> Result<(), CreateError> {
    let aside = path.with_extension("new");
    let written = fs::File::create(&aside)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&aside, path))
        .and_then(|()| sync_folder_of(path));
    written.map_err(|source| CreateError::Write { path: path.to_owned(), source })
}

/// A rename is on the disk when its folder is.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    // Elsewhere folders cannot be opened, and a rename is as durable as it gets.
    if !cfg!(unix) {
        return Ok(());
    }
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => fs::File::open(".")?.sync_all(),
    }
}

fn make_folder(path: &Path) -> Result<(), CreateError> {
    fs::create_dir_all(path).map_err(|source| CreateError::Write { path: path.to_owned(), source })
}

fn make_secret_folder(path: &Path) -> Result<(), CreateError> {
    make_folder(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(|source| CreateError::Write { path: path.to_owned(), source })?;
    }
    Ok(())
}
