//! The demo's folder: made once, gone on with afterwards, and nobody else's touched.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use alliance_contracts::names::{AllianceId, Currency};
use alliance_contracts::program::Balances;
use alliance_settlement::clearing_house::Clock;
use serde::{Deserialize, Serialize};

use super::cast::{AGREEMENTS, BRANDS, Brand, Cast, KINDS, parsed};
use super::connected;
use crate::cli::failure::Failure;
use crate::instance::create::{self, CreateError};
use crate::instance::template::{self, AgreementEntry, PartnerEntry, ProgramEntry};
use crate::instance::{
    CONFIG_FILE, Instance, KEY_LIST_FILE, Overrides, PARTNERS_DIR, ROOT_KEY_FILE, keyfile,
};

/// Says that the folder is a demo's, and how far it is.
const MARK_FILE: &str = "demo.json";
/// The members' file.
pub const MEMBERS_FILE: &str = "members.csv";
/// The links' file.
pub const LINKS_FILE: &str = "links.csv";
/// The demo's alliance.
const ALLIANCE: &str = "demo";
/// What it settles in.
const CURRENCY: &str = "CNY";

/// What [`MARK_FILE`] says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    made_by: String,
    /// Whether members and links are in the books.
    ready: bool,
    /// How often orders were sent.
    runs: u32,
}

/// A demo's folder.
#[derive(Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it was made just now.
    pub new: bool,
    mark: Mark,
}

impl Folder {
    /// Makes the folder, or takes one that an earlier demo has made.
    ///
    /// # Errors
    /// [`Failure`] where something else is there, or nothing can be written.
    pub fn take(path: &Path, cast: &Cast, listen: SocketAddr) -> Result<Self, Failure> {
        if let Some(mark) = read_mark(path) {
            if mark.ready {
                return Ok(Self { path: path.to_owned(), new: false, mark });
            }
            // An earlier demo ended while making it: what it made is started over.
            clear(path)?;
        } else if !create::is_free(path) {
            return Err(Failure::usage(format!(
                "{} is there already and is not a demo's: choose another folder with --dir",
                path.display()
            )));
        }
        let mark = Mark { made_by: "alliance demo".to_owned(), ready: false, runs: 0 };
        let folder = Self { path: path.to_owned(), new: true, mark };
        folder.make(cast, listen)?;
        Ok(folder)
    }

    fn make(&self, cast: &Cast, listen: SocketAddr) -> Result<(), Failure> {
        let path = &self.path;
        let (alliance, currency): (AllianceId, Currency) = (parsed(ALLIANCE), parsed(CURRENCY));
        // The mark may stand there before all else: the folder must be free otherwise.
        create::keys(path, &alliance, Clock::system().now()).map_err(unwritable)?;
        self.write_mark()?;
        let text = template::head(&alliance, &currency, Some(listen));
        // Everybody here is on this machine.
        let mut text = text.replace("# private_webhooks", "private_webhooks");
        text.push_str(RATES);
        text.push_str("\n# ---- Partners ----\n");
        for (at, brand) in BRANDS.iter().enumerate() {
            let x = create::partner_key(&self.partner(at)).map_err(unwritable)?;
            let entry = PartnerEntry {
                partner: &cast.partners[at],
                name: brand.name,
                net_debit_cap: Some(parsed(brand.net_debit_cap)),
                connector: None,
                x: &x,
                remark: brand.character,
            };
            text.push_str(&entry.text());
        }
        text.push_str("\n# ---- Programs ----\n");
        for (at, brand) in BRANDS.iter().enumerate() {
            let entry = ProgramEntry {
                program: &cast.programs[at],
                partner: &cast.partners[at],
                name: brand.program_name,
                scale: brand.scale,
                value: parsed(brand.value),
                balances: Balances::Hosted,
            };
            text.push_str(&entry.text());
            text.push_str(&model(brand));
        }
        text.push_str("\n# ---- Agreements ----\n");
        for (a, b, fee) in AGREEMENTS {
            let (a, b) = (&cast.partners[a], &cast.partners[b]);
            let kinds = &KINDS;
            text.push_str(&AgreementEntry { a, b, fee: parsed(fee), kinds, remark: "" }.text());
        }
        create::write(&path.join(MEMBERS_FILE), &cast.members_csv()).map_err(unwritable)?;
        create::write(&path.join(LINKS_FILE), &cast.links_csv()).map_err(unwritable)?;
        create::write_config(path, &text).map_err(unwritable)
    }

    /// The instance, listening where this run does: the files follow the address.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn instance(&self, listen: SocketAddr) -> Result<Instance, Failure> {
        self.follow(listen)?;
        let overrides = Overrides { listen: Some(listen), ..Overrides::default() };
        let loaded = Instance::load(&self.path, &overrides);
        loaded.map_err(|faults| Failure::of_faults(&faults))
    }

    /// Writes the address into the configuration and the clients' files.
    ///
    /// # Errors
    /// [`Failure`] where a file cannot be written.
    pub fn follow(&self, listen: SocketAddr) -> Result<(), Failure> {
        create::listen_at(&self.path, listen).map_err(Failure::config)?;
        let root =
            keyfile::read_private(&self.path.join(ROOT_KEY_FILE)).map_err(Failure::config)?;
        let (url, root) = (crate::instance::authority::url_of(listen), create::x_of(&root));
        for (at, brand) in BRANDS.iter().enumerate() {
            let (partner, alliance) = (parsed(brand.partner), parsed(ALLIANCE));
            create::client_toml(&self.partner(at), &url, &partner, &root, &alliance)
                .map_err(unwritable)?;
        }
        let connected = self.path.join(PARTNERS_DIR).join(connected::PARTNER);
        if connected.exists() {
            let (partner, alliance) = (parsed(connected::PARTNER), parsed(ALLIANCE));
            create::client_toml(&connected, &url, &partner, &root, &alliance)
                .map_err(unwritable)?;
        }
        Ok(())
    }

    /// A brand's own folder.
    #[must_use]
    pub fn partner(&self, brand: usize) -> PathBuf {
        self.path.join(PARTNERS_DIR).join(BRANDS[brand].partner)
    }

    /// Members and links are in the books.
    ///
    /// # Errors
    /// [`Failure`] where the mark cannot be written.
    pub fn ready(&mut self) -> Result<(), Failure> {
        self.mark.ready = true;
        self.write_mark()
    }

    /// The number of the run that begins now; no run before had it.
    ///
    /// # Errors
    /// [`Failure`] where the mark cannot be written.
    pub fn begin_run(&mut self) -> Result<u32, Failure> {
        self.mark.runs += 1;
        self.write_mark()?;
        Ok(self.mark.runs)
    }

    fn write_mark(&self) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(&self.mark).unwrap_or_default();
        create::write(&self.path.join(MARK_FILE), &format!("{text}\n")).map_err(unwritable)
    }
}

/// Boards every other second, for people who watch; an alliance publishes hourly or so.
const RATES: &str = r#"
# ---- Rates: when boards are published, and what they add -----------------------------------
[rates]
schedule = "*/2 * * * * *"  # every other second; most alliances: "0 * * * *", every hour
notice_seconds = 1          # how long before it takes effect a board is published

# More goes one way than comes back: that way costs more, until the other way makes up for it.
[rates.surcharge]
deadband = "20"             # an imbalance up to this costs nothing, in CNY
depth = "1000"              # this much beyond it costs one slope
slope = "0.002"
max = "0.02"                # never more than this
retention = "0.9"           # of a flow, so much is left at the next board
"#;

/// How a brand's value moves.
fn model(brand: &Brand) -> String {
    let (min, max) = brand.band;
    format!(
        "\n# Its value goes by what was agreed and by what points really buy, within a band.\n\
         [programs.model]\nband = {{ min = \"{min}\", max = \"{max}\" }}\n\
         max_step = \"0.01\"\nsmoothing = \"0.5\"\n\
         weights = {{ base = \"0.4\", redemption = \"0.6\" }}\n"
    )
}

fn read_mark(path: &Path) -> Option<Mark> {
    serde_json::from_slice(&fs::read(path.join(MARK_FILE)).ok()?).ok()
}

/// Takes away what a demo makes, and nothing else.
fn clear(path: &Path) -> Result<(), Failure> {
    let database = ["alliance.db", "alliance.db-wal", "alliance.db-shm"];
    let files = [CONFIG_FILE, KEY_LIST_FILE, MEMBERS_FILE, LINKS_FILE, MARK_FILE];
    for file in files.iter().chain(&database) {
        let gone = fs::remove_file(path.join(file));
        gone.or_else(ignore_missing).map_err(|error| unremovable(path, &error))?;
    }
    for folder in ["keys", PARTNERS_DIR] {
        let gone = fs::remove_dir_all(path.join(folder));
        gone.or_else(ignore_missing).map_err(|error| unremovable(path, &error))?;
    }
    if create::is_free(path) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} holds half of a demo and other things: choose another folder with --dir",
        path.display()
    )))
}

fn ignore_missing(error: std::io::Error) -> Result<(), std::io::Error> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn unremovable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::wrong(format!("{} cannot be cleared: {error}", path.display()))
}

fn unwritable(error: CreateError) -> Failure {
    Failure::wrong(error)
}
