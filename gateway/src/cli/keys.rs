//! `alliance keys`.

mod import;
mod master;
mod offline;

use std::fs;
use std::path::{Path, PathBuf};

use alliance_contracts::encoding::base64url_encode;
use alliance_contracts::key_list::Jwk;
use alliance_contracts::keys::{PublicKey, SigningKey};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::Place;
use super::failure::{Exit, Failure};
use super::layout::{Column, table};
use super::printer::{FAINT, GOOD, HEADING, Printer, Shown, paint};
use crate::instance::{GATEWAY_KEY_FILE, Instance, ROOT_KEY_FILE, create, keyfile};

/// List, generate and export keys; introduce and revoke gateway keys; rotate the master key.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List the keys of an alliance: root, gateway and partners
    #[command(after_help = "Example:\n  alliance keys list --dir my-alliance")]
    List(ListArgs),
    /// Generate an Ed25519 key: PKCS#8 PEM, readable by its owner only
    ///
    /// The file is never overwritten. OpenSSL reads it: openssl pkey -in FILE -noout -text.
    #[command(after_help = "Example:\n  alliance keys generate partner-key.pem")]
    Generate(GenerateArgs),
    /// Print the public half of a private key
    #[command(
        name = "export-public",
        after_help = "Examples:\n  alliance keys export-public partner-key.pem\n  \
            alliance keys export-public partner-key.pem --format pem > partner-public.pem"
    )]
    ExportPublic(ExportArgs),
    /// Let a new gateway key sign: write the next key list, on the machine of the root key
    ///
    /// Needs the last signed list, the root key and the new key's public half, and nothing else: no
    /// network, no database. The list that it writes is imported on a gateway's machine.
    #[command(after_help = "Example:\n  alliance keys introduce gateway-2.pub.pem \
        --list jwks.json --root root.pem")]
    Introduce(offline::IntroduceArgs),
    /// Revoke a gateway key: write the next key list, on the machine of the root key
    ///
    /// What the key has signed counts no more, but for receipts that a partner has witnessed before
    /// that time. For good: no later list takes it back.
    #[command(after_help = "Example:\n  alliance keys revoke \
        HaeakAzDD3xURtG3WiSBx5zyrljo-_sii5W-wdhHxDI --list jwks-2.json --root root.pem")]
    Revoke(offline::RevokeArgs),
    /// Sign a list that was changed by hand as the next one, on the machine of the root key
    ///
    /// For what introduce and revoke cannot say, such as the end of a key or several changes at
    /// once: copy the last list, change its keys, and have it signed. The number, the list before
    /// and the signature are made anew. A list only grows, and no end is taken back.
    #[command(
        name = "sign-list",
        after_help = "Example:\n  alliance keys sign-list draft.json \
            --list jwks-2.json --root root.pem"
    )]
    SignList(offline::SignListArgs),
    /// Bring a signed key list into the books: every gateway follows it
    ///
    /// Lists come one after the other, signed by the root key that signed the first. One that would
    /// leave this gateway without a key that may sign is taken with --force only.
    #[command(after_help = "Examples:\n  alliance keys import jwks-2.json --dir my-alliance\n  \
        alliance keys import jwks-3.json --force --dir my-alliance")]
    Import(import::ImportArgs),
    /// Draw the master key to come: keys/master.next.key, readable by its owner only
    ///
    /// The file is never overwritten, and nothing uses the key before `alliance keys
    /// rotate-master`. Every gateway needs it beside the one that holds.
    #[command(
        name = "draw-master",
        after_help = "Example:\n  alliance keys draw-master --dir my-alliance"
    )]
    DrawMaster(master::MasterArgs),
    /// Rotate the master key to keys/master.next.key, while the gateways serve
    ///
    /// Brings everything in the books under the new key, page by page, and records the end. It can
    /// be broken off anywhere, and goes on when it is run again; run again after the end it does
    /// nothing. Gateways that have not got the new key serve nothing from its beginning on.
    #[command(
        name = "rotate-master",
        after_help = "Example:\n  alliance keys rotate-master --dir my-alliance"
    )]
    RotateMaster(master::MasterArgs),
}

/// Whose keys.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    place: Place,
}

/// Where the key goes.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// The file to make
    #[arg(value_name = "FILE.pem")]
    file: PathBuf,
}

/// Which key, in which form.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The private key
    #[arg(value_name = "FILE.pem")]
    file: PathBuf,
    /// In which form
    #[arg(long, value_enum, default_value_t = Form::Jwk)]
    format: Form,
}

/// The forms of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A JSON Web Key
    Jwk,
    /// The 32 bytes in base64url, as alliance.toml and client.toml have it
    X,
    /// A PEM file
    Pem,
}

pub(super) fn run(command: KeysCommand, printer: Printer) -> Result<Exit, Failure> {
    match command {
        KeysCommand::List(args) => list(&args, printer),
        KeysCommand::Generate(args) => generate(&args, printer),
        KeysCommand::ExportPublic(args) => export(&args, printer),
        KeysCommand::Introduce(args) => offline::introduce(&args, printer),
        KeysCommand::Revoke(args) => offline::revoke(&args, printer),
        KeysCommand::SignList(args) => offline::sign_list(&args, printer),
        KeysCommand::Import(args) => import::run(&args, printer),
        KeysCommand::DrawMaster(args) => master::draw(&args, printer),
        KeysCommand::RotateMaster(args) => master::rotate(&args, printer),
    }
}

#[derive(Serialize)]
struct KeyLine {
    /// `root`, `gateway`, or a partner.
    of: String,
    kid: String,
    x: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    /// The private key's file, where it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

#[derive(Serialize)]
struct KeyLines {
    alliance: String,
    keys: Vec<KeyLine>,
}

impl Shown for KeyLines {
    fn text(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .keys
            .iter()
            .map(|key| {
                let of = match key.scope {
                    Some("read") => format!("{} (asks only)", key.of),
                    Some(scope @ ("trade" | "witness")) => format!("{} ({scope})", key.of),
                    _ => key.of.clone(),
                };
                let file = key.file.clone().unwrap_or_else(|| "elsewhere".to_owned());
                vec![of, key.kid.clone(), key.state.to_owned(), file]
            })
            .collect();
        let heading = paint(HEADING, &format!("Keys of the alliance \"{}\"", self.alliance));
        let header = ["of", "key id", "state", "private half"];
        format!("{heading}\n{}", table("  ", &[Column::Left; 4], &header, &rows))
    }
}

fn list(args: &ListArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let mut keys = Vec::new();
    let root_file = instance.folder.join(ROOT_KEY_FILE);
    if let Ok(root) = keyfile::read_private(&root_file) {
        keys.push(line("root", root.public_key(), "in force", Some(&root_file)));
    }
    let listed = instance.listed_gateway_keys().map_err(Failure::config)?;
    let listed = listed.as_ref().map_or(&instance.trusted_keys, |list| &list.trusted);
    for key in listed.iter() {
        let own = key.kid == *instance.signing_key.kid();
        let file = own.then(|| instance.folder.join(GATEWAY_KEY_FILE));
        let state = if key.revoked_at.is_some() { "revoked" } else { "in force" };
        keys.push(line("gateway", &key.public, state, file.as_deref()));
    }
    let own = keys.len();
    for listed in instance.partner_keys().map_err(Failure::config)?.into_values() {
        let record = listed.record;
        let Some(public) = record.public_key() else { continue };
        let file = instance.partner_folder(record.partner.as_str()).join("key.pem");
        let here = keyfile::read_private(&file).is_ok_and(|private| private.kid() == public.kid());
        let state = if record.revoked_at.is_some() { "revoked" } else { "in force" };
        let file = here.then_some(file.as_path());
        let mut line = line(record.partner.as_str(), &public, state, file);
        line.scope = Some(record.scope.as_str());
        keys.push(line);
    }
    // Together what is one partner's.
    keys[own..].sort_by(|one, other| (&one.of, &one.kid).cmp(&(&other.of, &other.kid)));
    let alliance = instance.definition.alliance.to_string();
    printer.show(&KeyLines { alliance, keys });
    Ok(Exit::Good)
}

fn line(of: &str, key: &PublicKey, state: &'static str, file: Option<&Path>) -> KeyLine {
    KeyLine {
        of: of.to_owned(),
        kid: key.kid().to_string(),
        x: base64url_encode(key.as_bytes()),
        state,
        scope: None,
        file: file.map(|file| file.display().to_string()),
    }
}

#[derive(Serialize)]
struct Generated {
    file: String,
    kid: String,
    x: String,
}

impl Shown for Generated {
    fn text(&self) -> String {
        let Self { file, kid, x } = self;
        format!(
            "{} {file}\n  key id      {kid}\n  public key  {x}\n{}",
            paint(GOOD, "✓"),
            paint(FAINT, "  Only its owner needs the file; everybody may have the public key.")
        )
    }
}

fn generate(args: &GenerateArgs, printer: Printer) -> Result<Exit, Failure> {
    let key = keyfile::generate(&args.file).map_err(Failure::usage)?;
    let (file, kid) = (args.file.display().to_string(), key.kid().to_string());
    printer.show(&Generated { file, kid, x: create::x_of(&key) });
    Ok(Exit::Good)
}

fn export(args: &ExportArgs, printer: Printer) -> Result<Exit, Failure> {
    let key: SigningKey = keyfile::read_private(&args.file).map_err(Failure::usage)?;
    let public = key.public_key();
    let jwk = || serde_json::to_string_pretty(&Jwk::new(public, None)).unwrap_or_default();
    let text = match args.format {
        _ if printer.is_json() => jwk(),
        Form::Jwk => jwk(),
        Form::X => base64url_encode(public.as_bytes()),
        Form::Pem => keyfile::public_pem(public),
    };
    printer.document(&text);
    Ok(Exit::Good)
}

/// The root key's public half: what `client.toml` pins.
pub(super) fn root_x(instance: &Instance, given: Option<&str>) -> Result<String, Failure> {
    if let Some(x) = given {
        return Ok(x.to_owned());
    }
    let file = instance.folder.join(ROOT_KEY_FILE);
    if let Ok(root) = keyfile::read_private(&file) {
        return Ok(create::x_of(&root));
    }
    // With the root key offline, a client.toml written before tells it.
    let partners = instance.definition.partners.iter();
    let known = partners.filter_map(|partner| {
        let folder = instance.partner_folder(partner.partner.as_str());
        let text = fs::read_to_string(folder.join("client.toml")).ok()?;
        let client: toml::Table = text.parse().ok()?;
        Some(client.get("root")?.as_str()?.to_owned())
    });
    known.into_iter().next().ok_or_else(|| {
        Failure::usage(format!(
            "{} is not here, as it should be, but then the public root key must be given: --root X",
            file.display()
        ))
    })
}
