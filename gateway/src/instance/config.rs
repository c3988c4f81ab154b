//! `alliance.toml`: the alliance's definition, and the table `[gateway]`, which is this gateway's
//! own and is taken off before the rest is read.

mod every_fault;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use alliance_settlement::alliance::Definition;
use serde::Deserialize;
use toml::de::DeTable;

use every_fault::{Told, told};

use super::database_url::DatabaseUrl;
use super::{CONFIG_FILE, Fault, Overrides, authority, folder_of, keyfile};
use crate::schedule::Schedule;
use crate::server::limits::{LimitSettings, Rate};
use crate::telemetry::LogFormat;

/// Where a gateway listens unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8787);
/// The database unless told otherwise: beside the configuration.
pub const DEFAULT_DATABASE: &str = "sqlite:alliance.db";

/// The whole file, read and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the alliance has agreed on.
    pub definition: Definition,
    /// How this gateway runs.
    pub gateway: Gateway,
}

/// How this gateway runs.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What partners call it; none: its address.
    pub public_url: Option<String>,
    /// `sqlite:PATH`, with the path as seen from here, or `postgres://…`.
    pub database: DatabaseUrl,
    /// Where metrics are served; none: nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Where traces and metrics are sent; none: nowhere.
    pub otlp_endpoint: Option<String>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How many requests of whom are taken.
    pub limits: LimitSettings,
    /// Whether webhooks may go to the gateway's own network, and by `http`.
    pub private_webhooks: bool,
}

/// `[gateway]` as it stands in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct GatewayTable {
    listen: Option<String>,
    public_url: Option<String>,
    database: Option<DatabaseUrl>,
    metrics_listen: Option<String>,
    otlp_endpoint: Option<String>,
    log_format: Option<String>,
    partner_requests_per_second: Option<u32>,
    address_requests_per_second: Option<u32>,
    stranger_requests_per_second: Option<u32>,
    private_webhooks: Option<bool>,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// Every fault there is; of a text that is no TOML, or no definition, those alone.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Self, Vec<Fault>> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let mut fault = keyfile::unreadable(&error);
            if error.kind() == std::io::ErrorKind::NotFound {
                fault
                    .push_str(": name the folder with --dir, or make one with `alliance init DIR`");
            }
            vec![Fault::new(path.display(), fault)]
        })?;
        Self::parse(&text, &folder_of(path), overrides)
    }

    /// Reads a configuration whose relative paths begin in `folder`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, folder: &Path, overrides: &Overrides) -> Result<Self, Vec<Fault>> {
        let (definition, table) = take_apart(text)?;
        let mut faults: Vec<Fault> = match definition.check() {
            Ok(()) => Vec::new(),
            Err(faults) => faults.iter().map(|f| Fault::new(CONFIG_FILE, f)).collect(),
        };
        let (rates, settlement) = (&definition.rates, &definition.settlement);
        for (place, schedule, zone) in [
            ("rates", &rates.schedule, &rates.time_zone),
            ("settlement", &settlement.schedule, &settlement.time_zone),
        ] {
            let wrong = Schedule::of(schedule, zone).err().into_iter().flatten();
            faults.extend(wrong.map(|fault| Fault::new(place, fault)));
        }
        let gateway = table.resolve(folder, overrides, &mut faults);
        if faults.is_empty() { Ok(Self { definition, gateway }) } else { Err(faults) }
    }
}

/// The definition and `[gateway]`, each read by itself.
fn take_apart(text: &str) -> Result<(Definition, GatewayTable), Vec<Fault>> {
    let fault = |(at, message): Told| {
        let fault = match at.and_then(|at| text.get(..at)) {
            Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
            None => message,
        };
        Fault::new(CONFIG_FILE, fault)
    };
    let (mut document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().map(|error| fault(told(error))).collect());
    }
    let gateway = match document.get_mut().remove("gateway") {
        Some(value) => GatewayTable::deserialize(toml::de::ValueDeserializer::from(value)),
        None => Ok(GatewayTable::default()),
    };
    let definition = Definition::deserialize(toml::de::Deserializer::from(document.clone()));
    match (definition, gateway) {
        (Ok(definition), Ok(gateway)) => Ok((definition, gateway)),
        (definition, gateway) => {
            let mut faults = Vec::new();
            if let Err(first) = definition {
                faults = every_fault::of(&document);
                if faults.is_empty() {
                    faults.push(told(&first));
                }
            }
            faults.extend(gateway.err().as_ref().map(told));
            Err(faults.into_iter().map(fault).collect())
        }
    }
}

impl GatewayTable {
    fn resolve(self, folder: &Path, over: &Overrides, faults: &mut Vec<Fault>) -> Gateway {
        let mut address = |name: &str, set: Option<SocketAddr>, text: Option<String>| {
            set.or_else(|| match text?.parse() {
                Ok(address) => Some(address),
                Err(_) => {
                    let fault = format!("{name} must be an address such as \"127.0.0.1:8787\"");
                    faults.push(Fault::new(CONFIG_FILE, fault));
                    None
                }
            })
        };
        let listen = address("listen", over.listen, self.listen).unwrap_or(DEFAULT_LISTEN);
        let metrics_listen = address("metrics_listen", over.metrics_listen, self.metrics_listen);
        let public_url = over.public_url.clone().or(self.public_url);
        if let Some(Err(fault)) = public_url.as_deref().map(authority::authority_of) {
            faults.push(Fault::new("public_url", fault));
        }
        let log_format = match self.log_format.as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(_) => {
                faults.push(Fault::new(CONFIG_FILE, "log_format must be \"text\" or \"json\""));
                LogFormat::Text
            }
        };
        let database = match (&over.database, self.database) {
            // As typed, so beginning where it was typed.
            (Some(typed), _) => database_url(typed, Path::new("")),
            (None, Some(set)) => database_url(&set, folder),
            (None, None) => database_url(DEFAULT_DATABASE, folder),
        };
        let database = database.unwrap_or_else(|fault| {
            faults.push(Fault::new("database", fault));
            String::new()
        });
        let database = database.into();
        let otlp_endpoint = self.otlp_endpoint;
        let usual = LimitSettings::default();
        let rate = |set: Option<u32>, usual| set.map_or(usual, Rate::per_second);
        let limits = LimitSettings {
            partner: rate(self.partner_requests_per_second, usual.partner),
            address: rate(self.address_requests_per_second, usual.address),
            stranger: rate(self.stranger_requests_per_second, usual.stranger),
        };
        let private_webhooks = self.private_webhooks.unwrap_or(false);
        Gateway {
            listen,
            public_url,
            database,
            metrics_listen,
            otlp_endpoint,
            log_format,
            limits,
            private_webhooks,
        }
    }
}

/// A database's URL; the path of SQLite's file begins in `folder`.
fn database_url(text: &str, folder: &Path) -> Result<String, String> {
    if let Some(path) = text.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err("sqlite: wants a file, as in \"sqlite:alliance.db\"".to_owned());
        }
        if Path::new(path).is_absolute() {
            return Ok(format!("sqlite:{path}"));
        }
        // In the URL these would mean something else; what was typed is a URL already.
        let folder = folder.display().to_string().replace('%', "%25").replace('?', "%3f");
        let between = if folder.is_empty() || folder.ends_with('/') { "" } else { "/" };
        return Ok(format!("sqlite:{folder}{between}{path}"));
    }
    if text.starts_with("postgres://") || text.starts_with("postgresql://") || text == "memory:" {
        return Ok(text.to_owned());
    }
    // The text may hold a password: it is not repeated.
    Err("must begin with sqlite: or postgres://".to_owned())
}

/// A database's URL with its password, if any, taken out.
#[must_use]
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((user, host)) = rest.rsplit_once('@') else { return url.to_owned() };
    let user = user.split_once(':').map_or(user, |(name, _)| name);
    // Settings behind the `?` may name a password, too.
    let host = host.split_once('?').map_or(host, |(host, _)| host);
    format!("{scheme}://{user}@{host}")
}

/// The file of an SQLite database.
#[must_use]
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    Some(PathBuf::from(path.replace("%3f", "?").replace("%25", "%")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "alliance = \"demo\"\ncurrency = \"CNY\"\n";

    fn parse(text: &str) -> Result<Config, Vec<Fault>> {
        Config::parse(text, Path::new("here"), &Overrides::default())
    }

    #[test]
    fn the_gateway_table_is_taken_off_and_has_defaults() {
        let config = parse(SMALL).unwrap();
        assert_eq!(config.gateway.listen, DEFAULT_LISTEN);
        assert_eq!(&*config.gateway.database, "sqlite:here/alliance.db");
        let text = format!("{SMALL}[gateway]\nlisten = \"127.0.0.1:1\"\ndatabase = \"sqlite:/x\"");
        let config = parse(&text).unwrap();
        assert_eq!(config.gateway.listen.port(), 1);
        assert_eq!(&*config.gateway.database, "sqlite:/x");
        let over =
            Overrides { database: Some("sqlite:y.db".to_owned().into()), ..Overrides::default() };
        let config = Config::parse(&text, Path::new("here"), &over).unwrap();
        assert_eq!(&*config.gateway.database, "sqlite:y.db");
        let odd = Config::parse(SMALL, Path::new("a?b%/c"), &Overrides::default()).unwrap();
        assert_eq!(&*odd.gateway.database, "sqlite:a%3fb%25/c/alliance.db");
        let file = sqlite_file(&odd.gateway.database).unwrap();
        assert_eq!(file, Path::new("a?b%/c/alliance.db"));
    }

    #[test]
    fn all_faults_are_told_at_once_and_where() {
        let text = format!(
            "{SMALL}[gateway]\nlisten = \"here\"\nlog_format = \"xml\"\ndatabase = \"mysql:x\"\n\
             public_url = \"gateway\"\n[[agreements]]\na = \"a1\"\nb = \"b1\"\nfee = \"1\""
        );
        let faults = parse(&text).unwrap_err();
        let text: Vec<String> = faults.iter().map(ToString::to_string).collect();
        for word in ["listen", "log_format", "database", "public_url", "a1", "b1", "fee"] {
            assert!(text.iter().any(|fault| fault.contains(word)), "{word}: {text:#?}");
        }
    }

    #[test]
    fn a_misspelled_setting_and_a_bare_number_are_named_with_their_line() {
        let faults = parse(&format!("{SMALL}[gateway]\nlistn = \"x\"")).unwrap_err();
        assert!(faults[0].fault.contains("line 4") && faults[0].fault.contains("listn"));
        let program = "[[programs]]\nprogram = \"a1\"\npartner = \"a1\"\nname = \"A\"\n\
                       scale = 0\nvalue = 0.05\n";
        let faults = parse(&format!("{SMALL}{program}")).unwrap_err();
        assert!(faults[0].fault.starts_with("line 8"), "{faults:?}");
        assert!(faults[0].fault.contains("decimal in a string"), "{faults:?}");
    }

    #[test]
    fn limits_are_as_set_or_as_usual_and_zero_is_none() {
        let usual = LimitSettings::default();
        assert_eq!(parse(SMALL).unwrap().gateway.limits, usual);
        let set = "[gateway]\npartner_requests_per_second = 7\naddress_requests_per_second = 0";
        let limits = parse(&format!("{SMALL}{set}")).unwrap().gateway.limits;
        let stranger = usual.stranger;
        let partner = Rate::per_second(7);
        assert_eq!(limits, LimitSettings { partner, address: None, stranger });
    }

    #[test]
    fn every_member_that_cannot_be_read_is_told_in_the_order_of_the_text() {
        let text = format!(
            "{SMALL}[[partners]]\npartner = \"Not A Slug\"\n\
             [[programs]]\nprogram = \"a1\"\npartner = \"a1\"\nname = 7\nscale = 0\n\
             value = 0.05\nmodel = {{ band = {{ min = \"1\" }}, max_step = 1, weight = 2 }}\n\
             [[agreements]]\na = \"a1\"\nb = \"b1\"\nfees = \"0.1\"\n\
             [rates]\nnotice_seconds = \"soon\"\nbreaker = {{ factor = 3 }}\n\
             [gateway]\nlistn = \"x\"\n"
        );
        let faults = parse(&text).unwrap_err();
        let told: Vec<String> = faults.iter().map(|fault| fault.fault.clone()).collect();
        let expected = [
            ("line 3: ", "missing field `name`"),
            ("line 4: ", "a partner must match"),
            ("line 8: ", "integer `7`"),
            ("line 10: ", "decimal in a string"),
            ("line 11: ", "missing field `max`"),
            ("line 11: ", "decimal in a string"),
            ("line 11: ", "unknown field `weight`"),
            ("line 12: ", "missing field `fee`"),
            ("line 15: ", "unknown field `fees`"),
            ("line 17: ", "\"soon\""),
            ("line 18: ", "integer `3`"),
            ("line 20: ", "unknown field `listn`"),
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (fault, (line, word)) in told.iter().zip(expected) {
            assert!(fault.starts_with(line) && fault.contains(word), "{line}{word}: {told:#?}");
        }
        // A text that is no TOML: every place, too.
        let faults = parse("alliance = \ncurrency = CNY\n").unwrap_err();
        assert!(faults.len() >= 2, "{faults:?}");
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = "postgres://user:se:c@ret@host/name?password=x";
        assert_eq!(without_password(url), "postgres://user@host/name");
        assert_eq!(without_password("sqlite:a.db"), "sqlite:a.db");
    }
}
