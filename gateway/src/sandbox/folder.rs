//! A sandbox's folder: an instance like any other, with a mark that says whose it is, the clock as
//! it stands, and the files that its people came from. Made once, gone on with afterwards, and
//! nobody else's touched.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use alliance_contracts::names::{AllianceId, Currency, PartnerId};
use alliance_contracts::program::Balances;
use alliance_contracts::quote::TransactionKind;
use alliance_settlement::clearing_house::Clock;
use serde::{Deserialize, Serialize};

use super::TestClock;
use super::cast::{BRANDS, Brand, FEE, OWN, agreements};
use super::people::People;
use crate::cli::failure::Failure;
use crate::demo::parsed;
use crate::instance::create::{self, CreateError};
use crate::instance::template::{self, AgreementEntry, PartnerEntry, ProgramEntry};
use crate::instance::{
    Fault, Instance, Overrides, PARTNERS_DIR, ROOT_KEY_FILE, authority, keyfile,
};

/// Says that the folder is a sandbox's.
const MARK_FILE: &str = "sandbox.json";
/// How its clock stands.
const CLOCK_FILE: &str = "clock.json";
/// The sandbox's alliance.
const ALLIANCE: &str = "sandbox";
/// What it settles in.
const CURRENCY: &str = "CNY";
/// What every pair allows.
const KINDS: [TransactionKind; 3] =
    [TransactionKind::Exchange, TransactionKind::Redemption, TransactionKind::Accrual];

/// What [`MARK_FILE`] says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    made_by: String,
    seed: u64,
    members: usize,
    /// Whether members and links are in the books.
    ready: bool,
}

/// A sandbox's folder.
#[derive(Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    mark: Mark,
}

/// Whether a folder is a sandbox's.
#[must_use]
pub fn is_sandbox(folder: &Path) -> bool {
    folder.join(MARK_FILE).is_file()
}

/// The clock that a folder's books go by: the machine's, and of a sandbox the one that was set.
///
/// # Errors
/// A sandbox's clock that cannot be read.
pub fn clock_of(folder: &Path) -> Result<Clock, Fault> {
    if !is_sandbox(folder) {
        return Ok(Clock::system());
    }
    let file = folder.join(CLOCK_FILE);
    let clock = TestClock::kept_in(&file).map_err(|error| Fault::new(file.display(), error))?;
    Ok(clock.clock())
}

impl Folder {
    /// Makes the folder, or takes one that is a sandbox's. The connected brands listen before their
    /// addresses are written down: the listeners come in the brands' order.
    ///
    /// # Errors
    /// [`Failure`] where something else is there, or nothing can be written.
    pub fn take(
        path: &Path,
        (seed, members): (Option<u64>, Option<usize>),
        listen: SocketAddr,
    ) -> Result<(Self, Vec<TcpListener>), Failure> {
        if let Some(mark) = read_mark(path) {
            let other = seed.is_some_and(|seed| seed != mark.seed)
                || members.is_some_and(|members| members != mark.members);
            if other {
                return Err(Failure::usage(format!(
                    "{} was made with --seed {} --members {}: leave them out, or choose another \
                     folder with --dir",
                    path.display(),
                    mark.seed,
                    mark.members
                )));
            }
            let folder = Self { path: path.to_owned(), mark };
            folder.follow(listen)?;
            let listeners = folder.listen_again()?;
            return Ok((folder, listeners));
        }
        if !create::is_free(path) {
            return Err(Failure::usage(format!(
                "{} is there already and is not a sandbox's: choose another folder with --dir",
                path.display()
            )));
        }
        let mark = Mark {
            made_by: "alliance sandbox".to_owned(),
            seed: seed.unwrap_or(DEFAULT_SEED),
            members: members.unwrap_or(DEFAULT_MEMBERS),
            ready: false,
        };
        let folder = Self { path: path.to_owned(), mark };
        let listeners = folder.make(listen)?;
        Ok((folder, listeners))
    }

    /// The instance as it is, listening there.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn instance(&self, listen: SocketAddr) -> Result<Instance, Failure> {
        let overrides = Overrides { listen: Some(listen), ..Overrides::default() };
        Instance::load(&self.path, &overrides).map_err(|faults| Failure::of_faults(&faults))
    }

    /// The clock, as it stood when it was set last.
    ///
    /// # Errors
    /// [`Failure`] where its file cannot be read.
    pub fn clock(&self) -> Result<TestClock, Failure> {
        let file = self.path.join(CLOCK_FILE);
        TestClock::kept_in(&file)
            .map_err(|error| Failure::config(format!("{}: {error}", file.display())))
    }

    /// The people of its seed.
    #[must_use]
    pub fn people(&self) -> People {
        People::new(self.mark.seed, self.mark.members)
    }

    /// Whether members and links are in the books.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.mark.ready
    }

    /// They are now.
    ///
    /// # Errors
    /// [`Failure`] where the mark cannot be written.
    pub fn ready(&mut self) -> Result<(), Failure> {
        self.mark.ready = true;
        self.write_mark()
    }

    /// A brand's own folder.
    #[must_use]
    pub fn partner(&self, brand: &Brand) -> PathBuf {
        self.path.join(PARTNERS_DIR).join(brand.partner)
    }

    fn make(&self, listen: SocketAddr) -> Result<Vec<TcpListener>, Failure> {
        let path = &self.path;
        let (alliance, currency): (AllianceId, Currency) = (parsed(ALLIANCE), parsed(CURRENCY));
        create::keys(path, &alliance, Clock::system().now()).map_err(unwritable)?;
        let text = template::head(&alliance, &currency, Some(listen));
        // Whoever tries has its receivers on this machine.
        let mut text = text.replace("# private_webhooks", "private_webhooks");
        text.push_str(RATES);
        text.push_str("\n# ---- Partners and their programs ----\n");
        let mut listeners = Vec::new();
        for brand in &BRANDS {
            let connector = match brand.mood {
                Some(_) => {
                    let any = SocketAddr::from(([127, 0, 0, 1], 0));
                    let listener = TcpListener::bind(any).map_err(Failure::config)?;
                    let address = listener.local_addr().map_err(Failure::config)?;
                    listeners.push(listener);
                    Some(format!("http://{address}/alliance"))
                }
                None => None,
            };
            let x = create::partner_key(&self.partner(brand)).map_err(unwritable)?;
            text.push_str(&entries(brand, connector.as_deref(), &x));
        }
        text.push_str("\n# ---- Agreements ----\n");
        for (a, b) in agreements() {
            let (a, b): (PartnerId, PartnerId) = (parsed(a.partner), parsed(b.partner));
            let kinds = &KINDS;
            let entry = AgreementEntry { a: &a, b: &b, fee: parsed(FEE), kinds, remark: "" };
            text.push_str(&entry.text());
        }
        for (file, text) in self.people().files() {
            create::write(&path.join(file), &text).map_err(unwritable)?;
        }
        create::write_config(path, &text).map_err(unwritable)?;
        self.follow(listen)?;
        // Last: what is half made is no sandbox, and nobody's either.
        self.write_mark()?;
        Ok(listeners)
    }

    /// Writes the address into the configuration and the clients' files.
    fn follow(&self, listen: SocketAddr) -> Result<(), Failure> {
        create::listen_at(&self.path, listen).map_err(unwritable)?;
        let root =
            keyfile::read_private(&self.path.join(ROOT_KEY_FILE)).map_err(Failure::config)?;
        let (url, root) = (authority::url_of(listen), create::x_of(&root));
        for brand in &BRANDS {
            let (partner, alliance) = (parsed(brand.partner), parsed(ALLIANCE));
            create::client_toml(&self.partner(brand), &url, &partner, &root, &alliance)
                .map_err(unwritable)?;
        }
        Ok(())
    }

    /// The connected brands where they listened before: what waits for them calls them there. One
    /// that somebody has led elsewhere, or made a hosted one, is left out.
    fn listen_again(&self) -> Result<Vec<TcpListener>, Failure> {
        let instance = self.instance(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let mut listeners = Vec::new();
        for brand in simulated(&instance) {
            let Some(address) = address_of(&instance, brand) else { continue };
            let listener = TcpListener::bind(address).map_err(|error| {
                Failure::config(format!(
                    "{} cannot listen at {address}, where it is called ({error}): is this sandbox \
                     open already?",
                    brand.name
                ))
            })?;
            listeners.push(listener);
        }
        Ok(listeners)
    }

    fn write_mark(&self) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(&self.mark).unwrap_or_default();
        create::write(&self.path.join(MARK_FILE), &format!("{text}\n")).map_err(unwritable)
    }
}

/// People are drawn from this where no seed is given.
pub const DEFAULT_SEED: u64 = 1;
/// So many people where no number is given.
pub const DEFAULT_MEMBERS: usize = 200;

/// The brands that this sandbox plays itself: connected ones whose connector is on this machine and
/// has the path that simulated brands listen at.
pub fn simulated(instance: &Instance) -> impl Iterator<Item = &'static Brand> {
    BRANDS.iter().filter(|brand| brand.mood.is_some() && address_of(instance, brand).is_some())
}

/// Where a simulated brand is called.
fn address_of(instance: &Instance, brand: &Brand) -> Option<SocketAddr> {
    let partners = instance.definition.partners.iter();
    let partner = partners.into_iter().find(|one| one.partner.as_str() == brand.partner)?;
    let connector = partner.connector.as_deref()?.strip_prefix("http://")?;
    let address: SocketAddr = connector.strip_suffix("/alliance")?.parse().ok()?;
    address.ip().is_loopback().then_some(address)
}

fn entries(brand: &Brand, connector: Option<&str>, x: &str) -> String {
    let (partner, program) = (&parsed(brand.partner), &parsed(brand.program));
    let entry = PartnerEntry {
        partner,
        name: brand.name,
        net_debit_cap: None,
        connector,
        x,
        remark: brand.remark,
    };
    let balances = match brand.mood {
        Some(_) => Balances::Connected,
        None => Balances::Hosted,
    };
    let (scale, value) = (brand.scale, parsed(brand.value));
    let points = format!("{} Points", brand.name);
    let program = ProgramEntry { program, partner, name: &points, scale, value, balances };
    let model = if brand == &OWN { MODEL } else { "" };
    entry.text() + &program.text() + model
}

/// Boards every hour of the sandbox's clock.
const RATES: &str = r#"
# ---- Rates: when boards are published, by the sandbox's clock ------------------------------
[rates]
schedule = "0 * * * *"      # every hour
notice_seconds = 60         # how long before it takes effect a board is published
"#;

/// How the value of the engineer's own points moves.
const MODEL: &str = r#"
# Its value goes by what was agreed, and by what its points are reported to buy.
[programs.model]
band = { min = "0.04", max = "0.06" }
smoothing = "0.5"
weights = { base = "0.4", redemption = "0.6" }
"#;

fn read_mark(path: &Path) -> Option<Mark> {
    serde_json::from_slice(&fs::read(path.join(MARK_FILE)).ok()?).ok()
}

fn unwritable(error: CreateError) -> Failure {
    Failure::wrong(error)
}
