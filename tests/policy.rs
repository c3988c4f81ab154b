//! Rules of the house that no compiler keeps: who imports whom, what may be depended upon, and
//! what the source must not contain. Each says why, and where a rule has an exception, it is
//! listed here by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What is built and counted: the platform the product is shipped for.
const TARGET: &str = "x86_64-unknown-linux-gnu";

const CRATES: &[&str] = &["contracts", "settlement", "gateway", "partner-sdk"];

/// The workspace's folder. This file is compiled as part of the gateway's integration tests.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("the gateway has a parent folder").to_path_buf()
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .arg("--locked")
        .current_dir(root())
        .env("CARGO_TERM_COLOR", "never")
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("cargo speaks UTF-8")
}

/// One crate of a tree: name, version and licence.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    licence: String,
}

/// The crates that are really built, features and platform considered (`cargo metadata` would
/// also name those that a feature nobody asked for could bring).
fn tree(arguments: &[&str]) -> BTreeSet<Crate> {
    let mut all = vec!["tree", "--target", TARGET, "--prefix", "none", "--format", "{p}\t{l}"];
    all.extend_from_slice(arguments);
    let mut crates = BTreeSet::new();
    for line in cargo(&all).lines().filter(|line| !line.trim().is_empty()) {
        let (package, licence) = line.split_once('\t').expect("package, tab, licence");
        let mut words = package.split_whitespace();
        let name = words.next().expect("a name").to_owned();
        let version = words.next().expect("a version").trim_start_matches('v').to_owned();
        let licence = licence.trim_end_matches(" (*)").trim().to_owned();
        crates.insert(Crate { name, version, licence });
    }
    assert!(!crates.is_empty(), "an empty tree");
    crates
}

/// Who brings a crate in, one line each.
fn inverted(name: &str, edges: &str, arguments: &[&str]) -> String {
    let mut all = vec!["tree", "--target", TARGET, "--prefix", "none"];
    all.extend_from_slice(&["--edges", edges, "--invert", name]);
    all.extend_from_slice(arguments);
    cargo(&all)
}

fn product() -> BTreeSet<Crate> {
    tree(&["--workspace", "--edges", "normal,build"])
}

fn product_and_tests() -> BTreeSet<Crate> {
    tree(&["--workspace", "--all-features", "--edges", "normal,build,dev"])
}

// ---------------------------------------------------------------------------- who imports whom

fn metadata() -> Value {
    let text = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    serde_json::from_str(&text).expect("cargo metadata is JSON")
}

/// What each crate of the workspace asks for by itself, tests' needs left out.
fn direct_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let mut found = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name").to_owned();
        let dependencies = package["dependencies"].as_array().expect("dependencies");
        let names = dependencies
            .iter()
            .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
            .filter_map(|dependency| dependency["name"].as_str())
            .map(str::to_owned)
            .collect();
        found.insert(name, names);
    }
    found
}

/// Design § 2: the four rooms, and who may enter whom.
#[test]
fn rooms_import_only_what_they_may() {
    let found = direct_dependencies();
    let ours: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(
        ours,
        BTreeSet::from([
            "alliance-contracts",
            "alliance-gateway",
            "alliance-partner-sdk",
            "alliance-settlement"
        ]),
        "a new room needs a line in the design and in these rules"
    );
    let rules: &[(&str, &[&str], &[&str])] = &[
        // Room, what it may import of ours, what it must never import of others.
        (
            "alliance-contracts",
            &[],
            &["sqlx", "actix-web", "tokio", "reqwest", "rand", "getrandom"],
        ),
        (
            "alliance-settlement",
            &["alliance-contracts"],
            &["actix-web", "actix-rt", "reqwest", "http", "hyper", "axum"],
        ),
        // `sqlx` and `actix-web` are named, behind `server`: the next test sees that nobody pays
        // for them who has no connector.
        ("alliance-partner-sdk", &["alliance-contracts"], &["sqlx-macros", "actix-rt", "axum"]),
        (
            "alliance-gateway",
            // The demo drives the gateway as partners do, through the SDK over HTTP.
            &["alliance-contracts", "alliance-settlement", "alliance-partner-sdk"],
            &["sqlx", "rusqlite", "libsqlite3-sys", "tokio-postgres"],
        ),
    ];
    let mut wrong = Vec::new();
    for (room, may, never) in rules {
        for dependency in &found[*room] {
            if ours.contains(dependency.as_str()) && !may.contains(&dependency.as_str()) {
                wrong.push(format!("{room} imports {dependency}"));
            }
            if never.contains(&dependency.as_str()) {
                wrong.push(format!("{room} depends on {dependency}"));
            }
        }
    }
    report("design § 2", &wrong);
}

/// The same down the whole tree: what a room leaves out must not come in by a side door.
#[test]
fn forbidden_crates_do_not_come_in_by_a_side_door() {
    let mut wrong = Vec::new();
    let trees: &[(&str, &[&str], &[&str])] = &[
        (
            "alliance-contracts",
            &["--package", "alliance-contracts"],
            &["sqlx", "actix-web", "tokio", "reqwest", "hyper"],
        ),
        (
            "the pure half of alliance-settlement",
            &["--package", "alliance-settlement", "--no-default-features"],
            &["sqlx", "actix-web", "tokio", "reqwest", "hyper"],
        ),
        (
            "alliance-settlement",
            &["--package", "alliance-settlement"],
            &["actix-web", "actix-http", "reqwest", "hyper"],
        ),
        (
            "the verifying half of alliance-partner-sdk",
            &["--package", "alliance-partner-sdk", "--no-default-features"],
            &["sqlx", "actix-web", "tokio", "reqwest", "hyper", "rustls", "alliance-settlement"],
        ),
        (
            "alliance-partner-sdk",
            &["--package", "alliance-partner-sdk"],
            &["sqlx", "actix-web", "alliance-settlement", "alliance-gateway"],
        ),
    ];
    for (room, arguments, never) in trees {
        let mut all = arguments.to_vec();
        all.extend_from_slice(&["--edges", "normal,build"]);
        for found in tree(&all) {
            if never.contains(&found.name.as_str()) {
                wrong.push(format!("{room} brings in {}", found.name));
            }
        }
    }
    report("design § 2", &wrong);
}

/// The tests are a world of their own; nothing of the product may lean on them.
#[test]
fn nobody_imports_the_tests() {
    let mut wrong = Vec::new();
    for file in rust_files(&["src", "examples", "build.rs"]) {
        for (number, line) in read(&file).lines().enumerate() {
            if line.contains("../tests/") {
                wrong.push(format!("{}:{}", shown(&file), number + 1));
            }
        }
    }
    for package in metadata()["packages"].as_array().expect("packages") {
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let path = dependency["path"].as_str().unwrap_or_default();
            if path.split('/').next_back() == Some("tests") {
                wrong.push(format!("{} depends on tests/", package["name"]));
            }
        }
    }
    report("the tests are imported by nobody", &wrong);
}

// ------------------------------------------------------------------------- what is depended on

/// Compile time is a feature of the SDK: what a partner's build pays for verifying, and for all.
#[test]
fn sdk_stays_within_its_crate_budget() {
    let package = ["--package", "alliance-partner-sdk", "--edges", "normal,build"];
    let all = tree(&package).len();
    let mut bare = package.to_vec();
    bare.push("--no-default-features");
    let verifying = tree(&bare).len();
    assert!(verifying <= 45, "verifying alone takes {verifying} crates, 45 are allowed");
    assert!(all <= 140, "the SDK takes {all} crates, 140 are allowed");
}

/// Two copies of one of these are two registries of metrics, two TLS stacks or two runtimes that
/// do not know each other, or minutes of compile time.
#[test]
fn crates_that_matter_exist_once() {
    const ONCE: &[&str] = &[
        "actix-web",
        "opentelemetry",
        "opentelemetry_sdk",
        "reqwest",
        "ring",
        "rustls",
        "serde_json",
        "sqlx",
        "sqlx-core",
        "tokio",
    ];
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for found in product_and_tests() {
        versions.entry(found.name).or_default().insert(found.version);
    }
    let wrong: Vec<String> = ONCE
        .iter()
        .filter_map(|name| versions.get(*name).map(|found| (name, found)))
        .filter(|(_, found)| found.len() > 1)
        .map(|(name, found)| format!("{name}: {found:?}"))
        .collect();
    report("one copy each", &wrong);
}

/// Each with its reason; `deny.toml` says the same to `cargo deny`.
#[test]
fn banned_crates_are_absent() {
    const BANNED: &[(&str, &str)] = &[
        ("openssl-sys", "one TLS stack: rustls on ring"),
        ("openssl", "one TLS stack: rustls on ring"),
        ("native-tls", "one TLS stack: rustls on ring"),
        ("aws-lc-rs", "one cryptography library: ring"),
        ("aws-lc-sys", "one cryptography library: ring"),
        ("sqlx-macros", "pulls drivers, ring and SQLite's C in twice, as host dependencies"),
        ("sqlx-macros-core", "pulls drivers, ring and SQLite's C in twice"),
        ("actix-governor", "GPL-3; governor itself is not"),
        ("opentelemetry-instrumentation-actix-web", "decompresses bodies, raw paths in spans"),
    ];
    let found = product_and_tests();
    let wrong: Vec<String> = BANNED
        .iter()
        .filter(|(name, _)| found.iter().any(|item| item.name == *name))
        .map(|(name, why)| format!("{name}: {why}"))
        .collect();
    report("banned", &wrong);
}

/// Failpoints are the tests': what is shipped has none, and no way to arm one.
#[test]
fn the_product_has_no_failpoints() {
    let product = product();
    assert!(product_and_tests().iter().any(|found| found.name == "fail"), "the tests have them");
    assert!(!product.iter().any(|found| found.name == "fail"), "the product has them, too");
}

/// T48: the server speaks no HTTP/2; where `h2` is at all, a client brought it.
#[test]
fn the_server_has_no_http2() {
    let server = tree(&["--package", "alliance-gateway", "--edges", "normal,build"]);
    let actix = ["actix-http", "actix-web"];
    for name in actix.iter().filter(|name| server.iter().any(|found| found.name == **name)) {
        let users = inverted(name, "normal,features", &["--package", "alliance-gateway"]);
        for feature in ["http2", "compress-gzip", "compress-brotli", "compress-zstd", "__compress"]
        {
            let line = format!("{name} feature \"{feature}\"");
            assert!(!users.contains(&line), "{line} is switched on");
        }
    }
    if product().iter().any(|found| found.name == "h2") {
        let users = inverted("h2", "normal,build", &["--workspace", "--depth", "1"]);
        let users: Vec<&str> = users
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| !matches!(*name, "hyper" | "reqwest"))
            .collect();
        assert!(users.is_empty(), "h2 is used by {users:?}");
    }
}

/// Licences whose terms this product meets. An expression passes when one of its `OR` sides does.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// `A/B` is the old spelling of `A OR B`. `AND` binds closer than `OR`, as SPDX says.
fn allowed(expression: &str) -> bool {
    let expression = expression.replace(" / ", " OR ").replace('/', " OR ");
    let tokens: Vec<String> = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let mut at = 0;
    let good = any_of(&tokens, &mut at);
    good && at == tokens.len()
}

fn any_of(tokens: &[String], at: &mut usize) -> bool {
    let mut good = all_of(tokens, at);
    while tokens.get(*at).map(String::as_str) == Some("OR") {
        *at += 1;
        good |= all_of(tokens, at);
    }
    good
}

fn all_of(tokens: &[String], at: &mut usize) -> bool {
    let mut good = one(tokens, at);
    while tokens.get(*at).map(String::as_str) == Some("AND") {
        *at += 1;
        good &= one(tokens, at);
    }
    good
}

fn one(tokens: &[String], at: &mut usize) -> bool {
    let Some(token) = tokens.get(*at) else {
        *at = usize::MAX; // broken off: nothing that follows makes it whole
        return false;
    };
    *at += 1;
    if token == "(" {
        let good = any_of(tokens, at);
        let closed = tokens.get(*at).is_some_and(|token| token == ")");
        *at = if closed { *at + 1 } else { usize::MAX };
        return good && closed;
    }
    let mut name = token.clone();
    if tokens.get(*at).map(String::as_str) == Some("WITH") {
        name = format!("{name} WITH {}", tokens.get(*at + 1).map_or("", String::as_str));
        *at += 2;
    }
    LICENCES.contains(&name.as_str())
}

#[test]
fn licences_are_read_as_spdx_says() {
    for good in [
        "MIT",
        "MIT OR Apache-2.0",
        "MIT/Apache-2.0",
        "GPL-3.0-only OR MIT",
        "(MIT OR GPL-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
    ] {
        assert!(allowed(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0-or-later",
        "AGPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "LGPL-3.0-only",
        "GPL-3.0 OR AGPL-3.0",
        "(MIT",
        "MIT OR",
        "Apache-2.0 WITH Something-else",
    ] {
        assert!(!allowed(bad), "{bad}");
    }
}

#[test]
fn licences_are_compatible() {
    let wrong: Vec<String> = product_and_tests()
        .iter()
        .filter(|found| !allowed(&found.licence))
        .map(|found| format!("{} {}: {:?}", found.name, found.version, found.licence))
        .collect();
    report("licences", &wrong);
}

/// Everything from crates.io with a checksum, or from this repository.
#[test]
fn sources_are_the_public_registry_only() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock is committed");
    let mut wrong = Vec::new();
    let mut sources = BTreeSet::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            package
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name} = ")))
                .map(|value| value.trim_matches('"').to_owned())
        };
        let name = field("name").unwrap_or_default();
        match field("source") {
            None if name.starts_with("alliance-") => {}
            None => wrong.push(format!("{name} has no source")),
            Some(source) => {
                if !source.starts_with("registry+") || !source.ends_with("/crates.io-index") {
                    wrong.push(format!("{name} comes from {source}"));
                }
                if field("checksum").is_none() {
                    wrong.push(format!("{name} has no checksum"));
                }
                sources.insert(source);
            }
        }
    }
    assert!(sources.len() <= 1, "more than one registry: {sources:?}");
    report("sources", &wrong);
}

/// Member crates name no versions of their own: one line a crate in the workspace's manifest.
#[test]
fn versions_stand_in_the_workspace_manifest() {
    let mut wrong = Vec::new();
    for room in CRATES {
        let path = root().join(room).join("Cargo.toml");
        let mut section = String::new();
        for (number, line) in read(&path).lines().enumerate() {
            if let Some(name) = line.trim().strip_prefix('[') {
                section = name.trim_end_matches(']').to_owned();
            } else if section.ends_with("dependencies")
                && line.contains('=')
                && !line.trim_start().starts_with('#')
                && !line.contains("workspace = true")
            {
                wrong.push(format!("{}:{}: {line}", shown(&path), number + 1));
            }
        }
    }
    report("versions in the workspace's manifest", &wrong);
}

// ------------------------------------------------------------------------------- migrations

/// Every migration exists for both databases, and the numbers have no gap.
#[test]
fn migrations_come_in_pairs() {
    let names = |engine: &str| -> BTreeSet<String> {
        fs::read_dir(root().join("migrations").join(engine))
            .expect("the folder of migrations")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".sql"))
            .collect()
    };
    let (sqlite, postgres) = (names("sqlite"), names("postgres"));
    assert_eq!(sqlite, postgres, "sqlite on the left, postgres on the right");
    assert!(!sqlite.is_empty(), "no migrations");
    for (index, name) in sqlite.iter().enumerate() {
        let wanted = format!("{:04}_", index + 1);
        assert!(name.starts_with(&wanted), "{name} should begin with {wanted}");
        let rest = &name[5..name.len() - 4];
        assert!(
            rest.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
            "{name}: NNNN_name.sql in lower case"
        );
    }
}

// ---------------------------------------------------------------------------- source hygiene

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| format!("{}: {error}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

/// Every file below a folder (or the file itself), sorted, build output and hidden folders left
/// out.
fn files_below(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_file() {
        found.push(path.to_path_buf());
        return;
    }
    let Ok(entries) = fs::read_dir(path) else { return };
    let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let skipped = ["target", ".git", "__pycache__", "node_modules"];
        if !skipped.contains(&name.as_str()) {
            files_below(&entry, found);
        }
    }
}

/// Rust files of those parts of every crate.
fn rust_files(parts: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for room in CRATES {
        for part in parts {
            files_below(&root().join(room).join(part), &mut found);
        }
    }
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    found
}

/// The text with comments and the insides of literals blanked, line for line and column for
/// column, so that what is left is code.
fn code_only(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out: Vec<char> = Vec::with_capacity(characters.len());
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    let at = |index: usize| characters.get(index).copied().unwrap_or('\0');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut i = 0;
    while i < characters.len() {
        let c = characters[i];
        let begins_word = i == 0 || !word(characters[i - 1]);
        if c == '/' && at(i + 1) == '/' {
            while i < characters.len() && characters[i] != '\n' {
                out.push(' ');
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            while i < characters.len() {
                if characters[i] == '/' && at(i + 1) == '*' {
                    depth += 1;
                    out.extend([' ', ' ']);
                    i += 2;
                } else if characters[i] == '*' && at(i + 1) == '/' {
                    depth -= 1;
                    out.extend([' ', ' ']);
                    i += 2;
                    if depth == 0 {
                        break;
                    }
                } else {
                    out.push(blank(characters[i]));
                    i += 1;
                }
            }
        } else if let Some((opening, hashes)) =
            begins_word.then(|| raw_string(&characters, i)).flatten()
        {
            for _ in 0..opening {
                out.push(characters[i]);
                i += 1;
            }
            while i < characters.len() {
                let ends = characters[i] == '"' && (1..=hashes).all(|n| at(i + n) == '#');
                if ends {
                    for _ in 0..=hashes {
                        out.push(characters[i]);
                        i += 1;
                    }
                    break;
                }
                out.push(blank(characters[i]));
                i += 1;
            }
        } else if c == '"' {
            out.push('"');
            i += 1;
            while i < characters.len() && characters[i] != '"' {
                if characters[i] == '\\' {
                    out.push(' ');
                    i += 1;
                }
                out.push(blank(at(i)));
                i += 1;
            }
            out.push('"');
            i += 1;
        } else if c == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            // A character, not a lifetime.
            out.push('\'');
            i += 1;
            if characters[i] == '\\' {
                out.push(' ');
                i += 1;
            }
            while i < characters.len() && characters[i] != '\'' {
                out.push(' ');
                i += 1;
            }
            // '\'' : the escaped quote was stepped onto, not over.
            if characters.get(i - 1) == Some(&'\\') {
                out.push(' ');
                i += 1;
            }
            out.push('\'');
            i += 1;
        } else {
            out.push(c);
            i += 1;
        }
    }
    out.into_iter().collect()
}

/// Whether a raw string begins here: the length of its opening and its number of hashes.
fn raw_string(characters: &[char], from: usize) -> Option<(usize, usize)> {
    let mut i = from;
    if matches!(characters.get(i), Some('b' | 'c')) {
        i += 1;
    }
    if characters.get(i) != Some(&'r') {
        return None;
    }
    i += 1;
    let hashes = characters[i..].iter().take_while(|c| **c == '#').count();
    i += hashes;
    (characters.get(i) == Some(&'"')).then_some((i + 1 - from, hashes))
}

/// Code with every item under `#[cfg(test)]` blanked, and the names of the modules so declared
/// that lie in files of their own.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let mut characters: Vec<char> = code.chars().collect();
    let marker: Vec<char> = "#[cfg(test)]".chars().collect();
    let mut elsewhere = Vec::new();
    let mut i = 0;
    while i + marker.len() <= characters.len() {
        if characters[i..i + marker.len()] != marker[..] {
            i += 1;
            continue;
        }
        let start = i;
        let mut depth = 0_i32;
        let mut end = characters.len();
        for (j, c) in characters.iter().enumerate().skip(start + marker.len()) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(c, '}' | ';') {
                end = j + 1;
                break;
            }
        }
        let item: String = characters[start..end].iter().collect();
        if let Some((_, name)) = item.trim_end_matches(';').rsplit_once("mod ")
            && item.ends_with(';')
        {
            elsewhere.push(name.trim().to_owned());
        }
        for c in &mut characters[start..end] {
            if *c != '\n' {
                *c = ' ';
            }
        }
        i = end;
    }
    (characters.into_iter().collect(), elsewhere)
}

/// The folder in which a file's modules lie.
fn module_folder(file: &Path) -> PathBuf {
    let folder = file.parent().unwrap_or_else(|| Path::new("")).to_path_buf();
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if matches!(stem.as_str(), "lib" | "main" | "mod") { folder } else { folder.join(stem) }
}

/// The product's own code: every `src` file with comments, literals and tests blanked.
fn product_code() -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    let mut tests: BTreeSet<PathBuf> = BTreeSet::new();
    for file in rust_files(&["src"]) {
        let (code, elsewhere) = without_tests(&code_only(&read(&file)));
        let folder = module_folder(&file);
        for name in elsewhere {
            tests.insert(folder.join(&name));
            tests.insert(folder.join(format!("{name}.rs")));
        }
        sources.push((file, code));
    }
    sources.retain(|(file, _)| !tests.iter().any(|test| file.starts_with(test)));
    // The store's behaviours are tests that stand behind a feature, so that each engine runs them.
    sources.retain(|(file, _)| !shown(file).contains("/conformance"));
    assert!(!sources.is_empty(), "no source found");
    sources
}

/// Whether a needle stands in the line as a whole word (where its ends are letters).
fn has_word(line: &str, needle: &str) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(needle).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + needle.len()..].chars().next();
        let starts = needle.chars().next();
        let ends = needle.chars().next_back();
        let joined = word(starts) && word(before) || word(ends) && word(after);
        !joined
    })
}

fn search(sources: &[(PathBuf, String)], needles: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (file, code) in sources {
        for (number, line) in code.lines().enumerate() {
            for needle in needles {
                if has_word(line, needle) {
                    found.push(format!("{}:{}: {needle}", shown(file), number + 1));
                }
            }
        }
    }
    found
}

fn report(rule: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

#[test]
fn the_scanner_sees_code_and_only_code() {
    let text = concat!(
        "let a = \"x.unwrap() // \\\" {\"; // .unwrap()\n",
        "/* f64 /* nested */ todo!() */ let b = 'f'; let c: &'static str = r#\"dbg!(\"f32\")\"#;\n",
        "let d = '\\''; let e = '{'; let g = b\"f64\"; real.unwrap();\n",
        "#[cfg(test)]\nmod tests {\n    fn t() { x.unwrap(); }\n}\nlet after: f64;\n",
        "#[cfg(test)]\nmod far;\n",
    );
    let code = code_only(text);
    assert_eq!(code.lines().count(), text.lines().count());
    assert_eq!(code.matches(".unwrap()").count(), 2, "{code}");
    assert!(!code.contains("f32") && !code.contains("todo!") && !code.contains("dbg!"), "{code}");
    let (code, elsewhere) = without_tests(&code);
    assert_eq!(code.matches(".unwrap()").count(), 1, "{code}");
    assert_eq!(code.lines().position(|line| line.contains("let after: f64;")), Some(7), "{code}");
    assert_eq!(elsewhere, ["far"]);
    assert!(has_word("a.unwrap()", ".unwrap()") && !has_word("visit_f64(", "f64"));
}

/// Value is exact: points and money are never floats, not even on the way.
#[test]
fn contracts_and_settlement_have_no_floats() {
    let mut sources = product_code();
    sources.retain(|(file, _)| {
        let name = shown(file);
        // The one file that must name the type in order to pass it by: serde's traits ask for it.
        let passes_by = name == "contracts/src/json/objects.rs";
        (name.starts_with("contracts/") || name.starts_with("settlement/")) && !passes_by
    });
    report("floats", &search(&sources, &["f32", "f64"]));
}

/// What is stubbed is not done, and a panic answers nobody. (`clippy` says so as well; this also
/// sees what a feature or a platform hides from it.)
#[test]
fn product_code_has_no_stubs_and_no_unwrap() {
    let needles = ["todo!", "unimplemented!", "dbg!", ".unwrap()", ".unwrap_unchecked()"];
    report("stubs and unwraps", &search(&product_code(), &needles));
}

/// Settlement's driving half: what has its clock, its runtime and its database.
const DRIVING: &[&str] = &["store", "sequencer", "clearing_house", "feed", "inspection"];

/// `now` is read once and handed in, ids are drawn at the door: what decides can be replayed.
#[test]
fn contracts_and_the_pure_half_have_no_clock_and_no_chance() {
    let mut sources = product_code();
    sources.retain(|(file, _)| {
        let name = shown(file);
        let module = name
            .strip_prefix("settlement/src/")
            .and_then(|rest| rest.split(['/', '.']).next())
            .unwrap_or_default();
        name.starts_with("contracts/")
            || (name.starts_with("settlement/") && !DRIVING.contains(&module))
    });
    let chance = [
        "SystemTime::now",
        "Instant::now",
        "Utc::now",
        "Timestamp::now",
        "Zoned::now",
        "now_v7",
        "new_v4",
        "rand",
        "getrandom",
        "SystemRandom",
        "RandomState",
    ];
    report("clocks and randomness", &search(&sources, &chance));
    report("async and databases", &search(&sources, &["async", ".await", "sqlx", "tokio"]));
}

/// The driving half is exactly what stands behind the feature `store`: nothing joins it unseen.
#[test]
fn the_driving_half_is_what_stands_behind_the_feature() {
    let text = read(&root().join("settlement/src/lib.rs"));
    let mut behind = BTreeSet::new();
    let mut gated = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[cfg(feature = \"store\")]") {
            gated = true;
        } else {
            let name = line
                .trim_start_matches("pub ")
                .trim_start_matches("pub(crate) ")
                .strip_prefix("mod ")
                .map(|rest| rest.trim_end_matches(';'));
            if let (true, Some(name)) = (gated, name) {
                behind.insert(name.to_owned());
            }
            gated = gated && line.starts_with('#');
        }
    }
    assert_eq!(behind, DRIVING.iter().map(|name| (*name).to_owned()).collect());
}

/// Tables whose rows are read best on one line each: a row of macro input or of a test.
/// rustfmt does not break these; everywhere else the limit holds.
const LONG_LINES: &[&str] = &[
    // The one table of problem codes: code, status, retryable, meaning.
    "contracts/src/problem.rs",
    // The table of texts: name, pattern, meaning, example.
    "contracts/src/openapi.rs",
];

#[test]
fn lines_fit_in_100_columns() {
    let mut files = rust_files(&["src", "tests", "examples", "benches", "build.rs"]);
    files_below(&root().join("tests"), &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let name = shown(&file);
        let source = name.ends_with(".rs") || name.ends_with(".py") || name == "tests/run";
        // Tables of cases are read by people who know the domain, not by people with narrow screens.
        let tables = ["/tests/", "/tests.rs", "/conformance/"].iter().any(|t| name.contains(t));
        let tables = tables || name.starts_with("tests/");
        if !source || tables || LONG_LINES.contains(&name.as_str()) {
            continue;
        }
        for (number, line) in read(&file).lines().enumerate() {
            // A row of a table in documentation cannot be broken without breaking the table.
            let table = line.trim_start().starts_with("//! |") || line.contains("/// |");
            let width = line.chars().count();
            if width > 100 && !table {
                wrong.push(format!("{name}:{}: {width} columns", number + 1));
            }
        }
    }
    report("100 columns", &wrong);
}

/// The repository is the same on every machine: no path of one of them is written down.
#[test]
fn files_name_no_machine_paths() {
    // Put together here, so that this file does not find itself.
    let paths = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("C:", "\\"),
        concat!("/mnt", "/"),
    ];
    let mut files = Vec::new();
    files_below(&root(), &mut files);
    let kinds = [
        "rs", "toml", "md", "sql", "py", "sh", "json", "yml", "yaml", "txt", "html", "lock", "csv",
    ];
    let mut wrong = Vec::new();
    for file in files {
        let name = shown(&file);
        let kind = file.extension().unwrap_or_default().to_string_lossy().into_owned();
        if !kinds.contains(&kind.as_str()) && !["tests/run", ".ci/run"].contains(&name.as_str()) {
            continue;
        }
        for (number, line) in read(&file).lines().enumerate() {
            for path in paths {
                let found = line.match_indices(path).any(|(at, _)| {
                    // Part of a longer path or of an address: no path of a machine.
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || ".-_}>~".contains(c))
                });
                if found {
                    wrong.push(format!("{name}:{}: {path}", number + 1));
                }
            }
        }
    }
    report("machine paths", &wrong);
}

/// `docs/security.md` names tests; a test that was renamed or removed must not stay in it.
#[test]
fn every_threat_names_tests_that_exist() {
    let page = read(&root().join("docs/security.md"));
    let mut files = rust_files(&["src", "tests"]);
    files_below(&root().join("tests"), &mut files);
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let sources: Vec<String> = files.iter().map(|path| read(path)).collect();
    let mut named = 0;
    let mut missing = Vec::new();
    for row in page.lines().filter(|line| line.starts_with("| T")) {
        let tests = row.rsplit('|').nth(1).unwrap_or("");
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "a row without a test: {row}");
        for name in names {
            named += 1;
            let (as_test, as_behaviour) = (format!("fn {name}("), format!("fn {name}<"));
            if !sources.iter().any(|s| s.contains(&as_test) || s.contains(&as_behaviour)) {
                missing.push(name);
            }
        }
    }
    assert!(named > 40, "only {named} tests are named");
    assert!(missing.is_empty(), "named and not there: {missing:?}");
}
