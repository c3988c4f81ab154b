//! Key files: drawn, written so that only their owner reads them, and read again.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use alliance_contracts::encoding::{base64_decode, base64_encode, base64url_decode};
use alliance_contracts::keys::{PublicKey, SigningKey, pkcs8_pem_from_seed};
use alliance_settlement::vault::KEY_LEN;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::Fault;

/// Why no key was made or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
    /// The file cannot be written.
    #[error("{path} cannot be written: {reason}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

/// DER of `SubjectPublicKeyInfo` for id-Ed25519, up to the key (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
const PUBLIC_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const PUBLIC_END: &str = "-----END PUBLIC KEY-----";

/// What a person needs to hear of an I/O error.
#[must_use]
pub fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "is not there".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
        io::ErrorKind::IsADirectory => "is a folder, not a file".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

/// 32 random bytes.
///
/// # Errors
/// [`KeyFileError::NoRandomness`].
pub fn draw() -> Result<Zeroizing<[u8; KEY_LEN]>, KeyFileError> {
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    SystemRandom::new().fill(&mut bytes[..]).map_err(|_| KeyFileError::NoRandomness)?;
    Ok(bytes)
}

/// Draws a signing key and writes it as PKCS#8 PEM, which OpenSSL reads, too.
///
/// # Errors
/// [`KeyFileError`]; a file that is there already is never overwritten.
pub fn generate(path: &Path) -> Result<SigningKey, KeyFileError> {
    let seed = draw()?;
    let pem = Zeroizing::new(pkcs8_pem_from_seed(&seed));
    write_secret(path, &pem)?;
    Ok(SigningKey::from_seed(&seed))
}

/// Draws a master key and writes it in base64.
///
/// # Errors
/// As [`generate`].
pub fn generate_master(path: &Path) -> Result<(), KeyFileError> {
    let key = draw()?;
    let text = Zeroizing::new(format!("{}\n", base64_encode(&key[..])));
    write_secret(path, &text)
}

/// Writes a new file that only its owner may read.
///
/// # Errors
/// [`KeyFileError::Write`], also where the file is there already.
pub fn write_secret(path: &Path, text: &str) -> Result<(), KeyFileError> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    write_with(options, path, text)
}

/// Writes a new file that everybody may read.
///
/// # Errors
/// [`KeyFileError::Write`], also where the file is there already.
pub fn write_new(path: &Path, text: &str) -> Result<(), KeyFileError> {
    write_with(OpenOptions::new(), path, text)
}

fn write_with(mut options: OpenOptions, path: &Path, text: &str) -> Result<(), KeyFileError> {
    options.write(true).create_new(true);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| KeyFileError::Write {
        path: path.display().to_string(),
        reason: match error.kind() {
            io::ErrorKind::AlreadyExists => "it is there already, and is left alone".to_owned(),
            _ => error.to_string(),
        },
    })
}

/// Reads a private key.
///
/// # Errors
/// What is wrong with the file.
pub fn read_private(path: &Path) -> Result<SigningKey, Fault> {
    let pem = read_secret(path)?;
    SigningKey::from_pkcs8_pem(&pem).map_err(|error| {
        let hint = "it must be an Ed25519 key in PKCS#8, as `alliance keys generate` writes it";
        Fault::new(path.display(), format!("is refused, {error}: {hint}"))
    })
}

/// Reads the master key.
///
/// # Errors
/// What is wrong with the file.
pub fn read_master(path: &Path) -> Result<Zeroizing<[u8; KEY_LEN]>, Fault> {
    let text = read_secret(path)?;
    let bytes = Zeroizing::new(base64_decode(text.trim()).unwrap_or_default());
    let key: [u8; KEY_LEN] = bytes.as_slice().try_into().map_err(|_| {
        Fault::new(
            path.display(),
            "must hold 32 bytes in base64: put back the file of this alliance",
        )
    })?;
    Ok(Zeroizing::new(key))
}

fn read_secret(path: &Path) -> Result<Zeroizing<String>, Fault> {
    std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| Fault::new(path.display(), unreadable(&error)))
}

/// Whether others than its owner may read a secret.
#[must_use]
pub fn too_open(path: &Path) -> Option<Fault> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
        (mode & 0o077 != 0).then(|| {
            let shown = path.display();
            Fault::new(&shown, format!("others may read it (mode {mode:04o}): `chmod 600 {shown}`"))
        })
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// Reads a public key: `x` in base64url, or a `PUBLIC KEY` (or our own private) PEM file's text.
///
/// # Errors
/// What is wrong with it.
pub fn parse_public(text: &str) -> Result<PublicKey, String> {
    let text = text.trim();
    if text.contains("PRIVATE KEY") {
        return Err("is a private key: give its public half (`alliance keys export-public`), and \
                    keep the private one with its owner"
            .to_owned());
    }
    let bytes = match text.strip_prefix(PUBLIC_BEGIN) {
        Some(rest) => spki_body(rest).ok_or("is no PEM public key of Ed25519")?,
        None => base64url_decode(text)
            .map_err(|_| "must be a PEM public key, or the 43 characters of its x in base64url")?,
    };
    PublicKey::from_bytes(&bytes).map_err(|error| format!("is refused: {error}"))
}

fn spki_body(rest: &str) -> Option<Vec<u8>> {
    let body: String = rest.strip_suffix(PUBLIC_END)?.lines().map(str::trim).collect();
    let der = base64_decode(&body).ok()?;
    der.strip_prefix(&SPKI_PREFIX).map(<[u8]>::to_vec)
}

/// A public key as a `PUBLIC KEY` PEM file.
#[must_use]
pub fn public_pem(key: &PublicKey) -> String {
    let der = [&SPKI_PREFIX[..], key.as_bytes()].concat();
    format!("{PUBLIC_BEGIN}\n{}\n{PUBLIC_END}\n", base64_encode(&der))
}

#[cfg(test)]
mod tests {
    use alliance_contracts::encoding::base64url_encode;

    use super::*;

    #[test]
    fn a_public_key_comes_back_from_both_forms() {
        let key = SigningKey::from_seed(&[7; 32]);
        let public = key.public_key();
        assert_eq!(parse_public(&public_pem(public)).as_ref(), Ok(public));
        assert_eq!(parse_public(&base64url_encode(public.as_bytes())).as_ref(), Ok(public));
        assert!(parse_public(&pkcs8_pem_from_seed(&[7; 32])).unwrap_err().contains("private"));
        for bad in ["", "x", "-----BEGIN PUBLIC KEY-----", &base64url_encode(&[0; 32])] {
            assert!(parse_public(bad).is_err(), "{bad}");
        }
    }
}
