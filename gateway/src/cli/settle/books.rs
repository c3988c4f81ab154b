//! Windows of the books, as these commands name and read them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use alliance_contracts::ids::WindowId;
use alliance_contracts::json;
use alliance_contracts::names::Party;
use alliance_contracts::netting::NettingCertificate;
use alliance_contracts::window::WindowState;
use alliance_settlement::clearing_house::settling::{OnProgress, Progress as Step, SettleError};
use alliance_settlement::payments::currencies::MinorUnit;
use alliance_settlement::payments::matching::Tracked;
use alliance_settlement::payments::rounding::Settled;
use alliance_settlement::payments::standing::{PaymentStanding, standing};
use alliance_settlement::windows::{SettlementProposal, WindowRecord};

use crate::cli::failure::Failure;
use crate::cli::printer::Printer;
use crate::cli::progress::Progress;
use crate::instance::open::Books;

/// A window as somebody names it: by number or by id.
#[derive(Clone, Copy, Debug)]
pub(super) enum Named {
    Number(u64),
    Id(WindowId),
}

impl FromStr for Named {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = || text.parse().map(Self::Id).map_err(|_| "a window's number, or win_…");
        text.parse().map(Self::Number).or_else(|_| id())
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Id(id) => write!(f, "{id}"),
        }
    }
}

/// The window of this name.
pub(super) fn find(books: &Books, named: Named) -> Result<WindowRecord, Failure> {
    let unknown = || {
        Failure::usage(format!("there is no window {named}: see `alliance settle status --all`"))
    };
    let found = match named {
        Named::Id(id) => books.wait(books.house().read(move |s| async move { s.window(id).await })),
        Named::Number(number) => {
            let page = books.house().read(move |s| async move { s.windows(number, 1).await });
            let page = books.wait(page);
            page.map(|page| page.into_iter().find(|window| window.number == number))
        }
    };
    found.map_err(Failure::wrong)?.ok_or_else(unknown)
}

/// The newest windows, the newest first.
pub(super) fn newest(books: &Books, limit: u32) -> Result<Vec<WindowRecord>, Failure> {
    let read = books.house().read(move |s| async move { s.windows(u64::MAX, limit).await });
    books.wait(read).map_err(Failure::wrong)
}

/// The proposals that wait for a second person.
pub(super) fn waiting(books: &Books) -> Vec<SettlementProposal> {
    let registry = books.house().registry();
    registry.settlement_proposals.iter().filter(|one| one.is_open()).cloned().collect()
}

/// A window's payments: each with all its attempts, and every attempt.
pub(super) fn payments(
    books: &Books,
    window: WindowId,
) -> Result<(Vec<PaymentStanding>, Vec<Tracked>), Failure> {
    let read = books.house().read(move |s| async move { s.payments(window).await });
    let tracked = books.wait(read).map_err(Failure::wrong)?;
    let stands = standing(window, &tracked).map_err(Failure::wrong)?;
    Ok((stands.payments, tracked))
}

/// What a window came to.
pub(super) fn lines(books: &Books, window: WindowId) -> Result<Vec<Settled>, Failure> {
    let read = books.house().read(move |s| async move { s.window_lines(window).await });
    books.wait(read).map_err(Failure::wrong)
}

/// A document of a window.
pub(super) fn document(
    books: &Books,
    window: WindowId,
    name: &'static str,
) -> Result<Option<Vec<u8>>, Failure> {
    let read = books.house().read(move |s| async move { s.window_document(window, name).await });
    Ok(books.wait(read).map_err(Failure::wrong)?.map(|document| document.document))
}

/// The certificate of a window that was netted.
pub(super) fn certificate(
    books: &Books,
    window: &WindowRecord,
) -> Result<(NettingCertificate, Vec<u8>), Failure> {
    let Some(bytes) = document(books, window.id, "certificate")? else {
        let (number, state) = (window.number, window.state.as_str());
        return Err(Failure::usage(format!("window {number} is {state}: it is not netted yet")));
    };
    let read = json::read(&bytes).map_err(|error| Failure::wrong(error.detail))?;
    Ok((read, bytes))
}

/// Minor units as the currency spells them.
pub(super) fn money(currency: &str, minor: u64) -> String {
    let unit = currency.parse().ok().as_ref().and_then(MinorUnit::of);
    unit.map_or_else(|| minor.to_string(), |unit| unit.spell(minor.into()))
}

/// Whether it is the alliance that pays.
pub(super) fn is_alliance(party: &Party) -> bool {
    *party == alliance_settlement::windows::alliance_party()
}

/// What a step of settlement could not do.
pub(super) fn refused(error: &SettleError) -> Failure {
    Failure::wrong(error)
}

/// A bar for a long step, made when it is known how long that is.
pub(super) fn progress(printer: Printer) -> OnProgress {
    let bar: std::sync::Mutex<Option<(&'static str, u64, Progress)>> = std::sync::Mutex::new(None);
    Arc::new(move |step: Step| {
        let mut bar = bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if bar.as_ref().is_none_or(|(what, ..)| *what != step.what) {
            *bar = Some((step.what, 0, Progress::bar(printer, step.what, step.of)));
        }
        if let Some((_, done, shown)) = bar.as_mut() {
            shown.step(step.done.saturating_sub(*done));
            *done = step.done;
        }
    })
}

/// What has to be done next about a window, and how.
pub(super) fn next_step(window: &WindowRecord, paid: usize, payments: usize) -> String {
    let number = window.number;
    match window.state {
        WindowState::Open => "takes receipts".to_owned(),
        WindowState::Closed => "net it: alliance settle net".to_owned(),
        WindowState::Netted if window.to_post.is_some_and(|left| left > 0) => {
            "shares are being posted: alliance settle net".to_owned()
        }
        WindowState::Netted if payments == 0 => "waits for the window before it".to_owned(),
        WindowState::Netted => {
            format!("release it, two people: alliance settle release {number} --as NAME")
        }
        WindowState::Settling => {
            format!("{paid} of {payments} paid: alliance settle import-bank FILE --as NAME")
        }
        WindowState::Settled => String::new(),
        WindowState::Aborted => "its obligations are in a later window".to_owned(),
    }
}
