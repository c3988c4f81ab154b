//! The text of `alliance.toml`: written with a comment for every field, because people edit it.

use std::net::SocketAddr;

use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::{AllianceId, Currency, PartnerId, ProgramId};
use alliance_contracts::program::Balances;
use alliance_contracts::quote::TransactionKind;

/// The beginning of a file: names and `[gateway]`.
#[must_use]
pub fn head(alliance: &AllianceId, currency: &Currency, listen: Option<SocketAddr>) -> String {
    let listen = match listen {
        Some(listen) => format!("listen = \"{listen}\""),
        None => "# listen = \"127.0.0.1:8787\"".to_owned(),
    };
    format!(
        r#"# What the alliance "{alliance}" has agreed on, and how its gateway runs.
#
#   alliance check     says everything that is wrong with this file and what stands beside it
#   alliance serve     applies it and opens the gateway; changes take effect at the next start
#
# Values, fees, caps and minimums stand in quotes ("0.05"), so that no digit is ever lost.

# The alliance's name: a-z, 0-9 and -, 2 to 31 characters. It stands in every receipt and every
# signature, so it never changes.
alliance = "{alliance}"

# What the partners settle in: three capital letters.
currency = "{currency}"

# How this gateway runs; the partners have no say in it. Every line may be left out.
[gateway]
# Where it listens.
{listen}
# What partners call it, where that is not the address it listens on (behind a proxy, say).
# public_url = "https://gateway.example"
# The database: a file beside this one, or "postgres://user@host/name".
# database = "sqlite:alliance.db"
# Metrics for Prometheus, on a port of their own; without this line there are none.
# metrics_listen = "127.0.0.1:9464"
# Where traces and metrics are sent (OpenTelemetry over HTTP); without this line, nowhere.
# otlp_endpoint = "http://127.0.0.1:4318"
# What log lines look like: "text" or "json".
# log_format = "text"
# How many requests a second this gateway takes of one partner, of one address (of IPv6: of one /64
# network), and of one address without a known key; 0: without bound. Behind a proxy all requests
# come from the proxy's address: limit addresses there, and set 0 here.
# partner_requests_per_second = 10000
# address_requests_per_second = 20000
# stranger_requests_per_second = 200
# Whether webhooks may go to this machine and its network, and by http: to try things out, never
# where partners can reach the gateway.
# private_webhooks = true
"#
    )
}

/// What follows the head of a file that is to be filled in: every kind of entry, explained.
#[must_use]
pub fn explained() -> String {
    r#"
# ---- Partners: the brands --------------------------------------------------------------------
# `alliance partner add` writes an entry like this, makes the partner's key and applies it.
#
# [[partners]]
# partner = "aurora-air"     # its name in addresses and receipts: a-z, 0-9 and -
# name = "Aurora Air"        # what people call it
# net_debit_cap = "500000"   # how far it may owe the others; without this line, without bound
# connector = "https://aurora.example/alliance"   # where it is called, if it keeps balances itself
# keys = [
#   # Its public keys, base64url. Each may have nbf, exp and revoked_at = "2026-11-23T00:00:00.000Z"
#   # and scope = "read", which asks and never changes.
#   { x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
# ]

# ---- Programs: what their points are ---------------------------------------------------------
#
# [[programs]]
# program = "aurora"         # its name: a-z, 0-9 and -
# partner = "aurora-air"     # the brand it belongs to
# name = "Aurora Miles"      # what people call it
# scale = 0                  # decimals of its points: 0, 1 or 2. It never changes
# value = "0.05"             # what a point is worth, in the currency above
# balances = "hosted"        # the gateway keeps its members' balances; "connected": the brand does
#
# How its value moves (docs/value-model.md); without this by `value` alone, between half and double.
# [programs.model]
# band = { min = "0.04", max = "0.06" }              # never outside of this
# max_step = "0.02"                                  # from one board to the next, as a part of it
# smoothing = "0.3"                                  # of the way to where it should be, so much
# weights = { base = "0.6", redemption = "0.4" }     # also backing and cost, by what is reported

# ---- Agreements: what pairs of partners have agreed on ---------------------------------------
# Without one, a pair exchanges nothing.
#
# [[agreements]]
# a = "aurora-air"
# b = "borealis-coffee"
# fee = "0.01"               # the part of an order's worth that the alliance takes
# kinds = ["exchange", "redemption", "accrual"]     # what is allowed; left out: exchange
# minimum_gross = "0.5"      # the least worth of an order, in the currency above
# quote_lifetime_seconds = 60       # how long a quote stands
# reversal_period_seconds = 86400   # how long the giving partner may turn an order round
# open_quote_limit = "100000"       # worth that may be ordered at rates that have moved since

# ---- Rates: when boards are published, and what guards them ----------------------------------
#
# [rates]
# schedule = "0 * * * *"     # cron: every hour; "" is by hand, `alliance rates publish`
# time_zone = "Asia/Shanghai"       # that the schedule is told in
# notice_seconds = 120       # how long before it takes effect a board that moves a value is told
# approval_threshold = "0.05"       # a larger step needs a second person
#
# More goes one way than comes back: that way costs more, until the other way makes up for it.
# [rates.surcharge]
# deadband = "10000"         # an imbalance up to this costs nothing, in the currency above
# depth = "100000"           # so much beyond it costs one slope
# slope = "0.01"
# max = "0.05"               # never more than this
# retention = "0.97"         # of a flow, so much is left at the next board
#
# Far more than usual goes one way: that way takes no orders until somebody has looked.
# [rates.breaker]
# factor = "10"              # times what is usual on a board
# floor = "100000"           # and at least this, in the currency above

# ---- Settlement: when windows are closed, and how they are paid ------------------------------
# docs/settlement.md. A partner's bank account stands in its own entry, in the same words.
#
# [settlement]
# schedule = "0 0 * * *"     # cron: at midnight; "" is by hand, `alliance settle close`
# time_zone = "Asia/Shanghai"       # that the schedule and days are told in
# days = 2                   # payments are due so many business days later
# calendars = ["cn"]         # business days: cn and target are shipped
# netting = "multilateral"   # or "bilateral", or "set_off"
# account = { name = "Clearing", country = "CN", other = "6222", bic = "BKCHCNBJ" }
# operators = [
#   # Who may propose and approve payments. Without this, whoever runs these commands.
#   { name = "lin.wei", role = "finance" },
# ]
"#
    .to_owned()
}

/// A partner's entry.
#[derive(Clone, Debug)]
pub struct PartnerEntry<'a> {
    /// Its slug.
    pub partner: &'a PartnerId,
    /// What people call it.
    pub name: &'a str,
    /// How far it may owe.
    pub net_debit_cap: Option<Decimal>,
    /// Where it is called for members whose balances it keeps itself, and for its benefits.
    pub connector: Option<&'a str>,
    /// Its public key, base64url.
    pub x: &'a str,
    /// A remark above it.
    pub remark: &'a str,
}

impl PartnerEntry<'_> {
    /// The entry.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { partner, x, .. } = self;
        let name = quoted(self.name);
        let cap = match self.net_debit_cap {
            Some(cap) => format!("net_debit_cap = \"{cap}\"  # how far it may owe the others\n"),
            None => String::new(),
        };
        let connector = match self.connector {
            Some(connector) => format!("connector = {}\n", quoted(connector)),
            None => String::new(),
        };
        let remark = remark(self.remark);
        format!(
            "\n{remark}[[partners]]\npartner = \"{partner}\"\nname = {name}\n{cap}{connector}\
             keys = [\n  {{ x = \"{x}\" }},\n]\n"
        )
    }
}

/// A program's entry.
#[derive(Clone, Debug)]
pub struct ProgramEntry<'a> {
    /// Its slug.
    pub program: &'a ProgramId,
    /// Whose it is.
    pub partner: &'a PartnerId,
    /// What people call it.
    pub name: &'a str,
    /// Decimals of its points.
    pub scale: u32,
    /// What a point is worth.
    pub value: Decimal,
    /// Who keeps its members' balances.
    pub balances: Balances,
}

impl ProgramEntry<'_> {
    /// The entry.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { program, partner, scale, value, .. } = self;
        let (name, balances) = (quoted(self.name), self.balances.as_str());
        format!(
            "\n[[programs]]\nprogram = \"{program}\"\npartner = \"{partner}\"\nname = {name}\n\
             scale = {scale}         # decimals of its points: it never changes\n\
             value = \"{value}\"  # what a point is worth\nbalances = \"{balances}\"\n"
        )
    }
}

/// An agreement's entry.
#[derive(Clone, Debug)]
pub struct AgreementEntry<'a> {
    /// One partner.
    pub a: &'a PartnerId,
    /// The other.
    pub b: &'a PartnerId,
    /// The part of an order's worth that the alliance takes.
    pub fee: Decimal,
    /// Which kinds of order they allow.
    pub kinds: &'a [TransactionKind],
    /// A remark above it.
    pub remark: &'a str,
}

impl AgreementEntry<'_> {
    /// The entry.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { a, b, fee, .. } = self;
        let remark = remark(self.remark);
        let kinds: Vec<String> = self.kinds.iter().map(|kind| quoted(kind.as_str())).collect();
        let kinds = kinds.join(", ");
        format!(
            "\n{remark}[[agreements]]\na = \"{a}\"\nb = \"{b}\"\nfee = \"{fee}\"\n\
             kinds = [{kinds}]\n"
        )
    }
}

fn remark(text: &str) -> String {
    text.lines().map(|line| format!("# {line}\n")).collect()
}

/// A TOML string. JSON spells the escapes of TOML's basic strings; control characters are refused
/// before anything gets here.
#[must_use]
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `client.toml`: what the SDK begins with.
#[must_use]
pub fn client_toml(gateway: &str, partner: &PartnerId, root: &str, alliance: &str) -> String {
    format!(
        "# What {partner}'s systems need to talk to the alliance: see the SDK's \
         Client::from_config.\n\
         gateway = \"{gateway}\"\n\
         partner = \"{partner}\"\n\
         # The private key, beside this file. Nobody else needs it, the alliance least of all.\n\
         key = \"key.pem\"\n\
         # The alliance's root key: it vouches for every key that signs receipts. Pin it.\n\
         root = \"{root}\"\n\
         alliance = \"{alliance}\"\n"
    )
}

/// Whether people can be shown this name: some characters, none of them invisible.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=80).contains(&name.chars().count())
        && name.trim() == name
        && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::instance::Overrides;
    use crate::instance::config::Config;

    #[test]
    fn what_is_written_is_read_again() {
        let (a, b): (PartnerId, PartnerId) =
            ("aurora-air".parse().unwrap(), "borealis-coffee".parse().unwrap());
        let program = "aurora".parse().unwrap();
        let mut text =
            head(&"demo".parse().unwrap(), &"CNY".parse().unwrap(), "127.0.0.1:9".parse().ok());
        let xs = [7, 8].map(|seed| {
            let key = alliance_contracts::keys::SigningKey::from_seed(&[seed; 32]);
            alliance_contracts::encoding::base64url_encode(key.public_key().as_bytes())
        });
        let cap = Some("500000".parse().unwrap());
        for (partner, x) in [(&a, &xs[0]), (&b, &xs[1])] {
            let name = "Aurora \"Air\" \\ 曙光";
            let entry = PartnerEntry {
                partner,
                name,
                net_debit_cap: cap,
                connector: None,
                x,
                remark: "one\ntwo",
            };
            text.push_str(&entry.text());
        }
        let value = "0.05".parse().unwrap();
        let balances = Balances::Hosted;
        let (program, partner) = (&program, &a);
        let entry = ProgramEntry { program, partner, name: "Miles", scale: 0, value, balances };
        text.push_str(&entry.text());
        const EVERY: [TransactionKind; 3] =
            [TransactionKind::Exchange, TransactionKind::Redemption, TransactionKind::Accrual];
        let fee = "0.01".parse().unwrap();
        text.push_str(&AgreementEntry { a: &a, b: &b, fee, kinds: &EVERY, remark: "" }.text());
        let config = Config::parse(&text, Path::new(""), &Overrides::default()).unwrap();
        assert_eq!(config.definition.partners[1].name, "Aurora \"Air\" \\ 曙光");
        assert_eq!(config.definition.partners[0].net_debit_cap, cap);
        assert_eq!(config.definition.programs[0].value, value);
        assert_eq!(config.definition.agreements[0].fee, fee);
        assert_eq!(config.definition.agreements[0].kinds, EVERY);
        assert_eq!(config.gateway.listen.port(), 9);
    }

    #[test]
    fn the_empty_file_and_its_explanations_are_read_when_uncommented() {
        let head = head(&"demo".parse().unwrap(), &"CNY".parse().unwrap(), None);
        let text = format!("{head}{}", explained());
        let config = Config::parse(&text, Path::new(""), &Overrides::default()).unwrap();
        assert!(config.definition.partners.is_empty());
        // Every setting that is commented out is one that may be commented in.
        let settings: String = text
            .lines()
            .map(|line| {
                let bare = line.strip_prefix("# ").unwrap_or(line);
                let setting = bare.starts_with('[')
                    || bare.starts_with("  {")
                    || bare == "]"
                    || bare.split_once(" = ").is_some_and(|(name, _)| {
                        name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                    });
                if setting { format!("{bare}\n") } else { format!("{line}\n") }
            })
            .collect();
        let borealis = "[[partners]]\npartner = \"borealis-coffee\"\nname = \"B\"\n";
        let settings = format!("{settings}{borealis}");
        let config = Config::parse(&settings, Path::new(""), &Overrides::default()).unwrap();
        assert_eq!(config.definition.programs.len(), 1);
        assert_eq!(config.definition.agreements.len(), 1);
        assert!(config.definition.programs[0].model.is_some());
        let rates = &config.definition.rates;
        assert!(rates.surcharge.is_some() && rates.breaker.is_some());
        let settlement = &config.definition.settlement;
        assert!(settlement.account.is_some() && settlement.operators.len() == 1);
        assert!(config.gateway.metrics_listen.is_some() && config.gateway.public_url.is_some());
    }

    #[test]
    fn names_are_visible() {
        assert!(is_name("Aurora Air") && is_name("曙光航空"));
        for bad in ["", " x", "a\nb", "\u{7f}", &"n".repeat(81)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
