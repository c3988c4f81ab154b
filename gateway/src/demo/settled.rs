//! The window of the demo's orders: closed, netted, and what it comes to.

use std::path::Path;

use alliance_contracts::json;
use alliance_contracts::names::ALLIANCE_PARTY;
use alliance_contracts::netting::NettingCertificate;
use alliance_settlement::clearing_house::ClearingHouse;
use alliance_settlement::payments::rounding::Settled;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::draw;
use crate::schedule::day_at;
use crate::settler;
use crate::statement_files::{self, Language, Paper};

/// What the window came to.
#[derive(Debug, Serialize)]
pub struct SettledWindow {
    /// Whether the certificate proves itself, and every column sums to zero.
    pub ok: bool,
    /// The window's number.
    pub window: u64,
    /// When its payments are due; none where nothing is paid.
    pub value_date: Option<String>,
    /// Payments that banks are to make, once two people have released them.
    pub payments: usize,
    /// Each partner's line.
    pub lines: Vec<PartnerLine>,
    /// Where the certificate was written.
    pub certificate: String,
    /// Where each partner's statement was written: pages, workbook, CSV, and signed.
    pub statements: String,
    /// What it says.
    #[serde(skip)]
    pub netting: NettingCertificate,
}

/// What a partner is paid, or pays.
#[derive(Debug, Serialize)]
pub struct PartnerLine {
    /// Who.
    pub party: String,
    /// Above zero it is owed.
    pub net: String,
    /// What banks pay of it.
    pub payment: String,
    /// The opening of the next window.
    pub carried: String,
}

/// Closes the open window and nets it, as an operator would by hand.
pub(super) async fn settle(house: &ClearingHouse, folder: &Path) -> Result<SettledWindow, Failure> {
    let zone = house.registry().definition.settlement.time_zone.clone();
    let today = day_at(&zone, house.now()).map_err(Failure::wrong)?;
    let by = Some("demo".parse().map_err(Failure::wrong)?);
    let closed = house.close_window(draw::id(), None, by, today).await.map_err(Failure::wrong)?;
    let id = closed.ok_or_else(|| Failure::wrong("the window was closed by somebody else"))?;
    house.net_windows(&settler::ids(), &settler::in_silence()).await.map_err(Failure::wrong)?;
    let read = house.read(move |store| async move {
        let (window, lines) = (store.window(id).await?, store.window_lines(id).await?);
        let certificate = store.window_document(id, "certificate").await?;
        Ok((window.zip(certificate), lines, store.payments(id).await?.len()))
    });
    let (found, lines, payments) = read.await.map_err(Failure::wrong)?;
    let (window, certificate) = found.ok_or_else(|| Failure::wrong("the window is not there"))?;
    let netting: NettingCertificate = json::read(&certificate.document)
        .map_err(|error| Failure::wrong(format!("the certificate: {}", error.detail)))?;
    let path = folder.join(format!("window-{}.netting.json", window.number));
    std::fs::write(&path, &certificate.document)
        .map_err(|error| Failure::wrong(format!("{}: {error}", path.display())))?;
    let statements = folder.join("statements");
    let english = Paper::of(Language::En).map_err(Failure::wrong)?;
    // Where this machine has the characters.
    let chinese = Paper::of(Language::ZhCn).ok();
    let partners = lines.iter().filter(|line| line.party.as_str() != ALLIANCE_PARTY);
    for line in partners.clone() {
        let partner = line.party.as_str().parse().map_err(Failure::wrong)?;
        let written = statement_files::write(house, &window, &partner, &statements, &english);
        let written = written.await.map_err(Failure::wrong)?;
        if let Some(chinese) = &chinese {
            statement_files::write_pages(&written.signed, &statements, chinese)
                .map_err(Failure::wrong)?;
        }
    }
    let line = |line: &Settled| PartnerLine {
        party: line.party.to_string(),
        net: line.net.to_string(),
        payment: line.payment.to_string(),
        carried: line.carried.to_string(),
    };
    let sums = [|l: &Settled| l.net, |l: &Settled| l.payment, |l: &Settled| l.carried]
        .map(|of| lines.iter().map(|line| of(line).micros()).sum::<i128>());
    Ok(SettledWindow {
        ok: netting.check().is_ok() && sums == [0; 3],
        window: window.number,
        value_date: window.value_date.map(|date| date.to_string()),
        payments,
        lines: partners.map(line).collect(),
        certificate: path.display().to_string(),
        statements: statements.display().to_string(),
        netting,
    })
}
