//! `alliance settle what-if`: a window that is over, worked out again under other terms.

use std::collections::BTreeMap;
use std::str::FromStr;

use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::{PartnerId, ProgramId};
use alliance_contracts::total::Total;
use alliance_contracts::window::WindowState;
use alliance_settlement::alliance::NettingWay;
use alliance_settlement::clearing_house::what_if::WhatIf;
use alliance_settlement::payments::rounding::Settled;
use alliance_settlement::windows::NettedWindow;
use alliance_settlement::windows::what_if::{OtherFee, OtherTerms};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::books::{self, Named};
use super::shown::{Set, decimal};
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::{Column, count, counted, grouped, on_the_point, table};
use crate::cli::printer::{FAINT, HEADING, Printer, Shown, paint};

/// Characters of the longest bar of the chart, to each side.
const BAR: u32 = 16;

/// Which window, and what is other than it was.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  alliance settle what-if 12 --netting bilateral\n  alliance settle \
                  what-if 12 --fee-times 0.5 --cap aurora-air=100000"
)]
pub struct WhatIfArgs {
    /// Its number, or its id
    #[arg(value_name = "WINDOW")]
    window: Named,
    /// Another way of netting
    #[arg(long, value_enum)]
    netting: Option<Way>,
    /// Another fee rate, for every order that has a fee
    #[arg(long, value_name = "RATE", conflicts_with = "fee_times")]
    fee: Option<Decimal>,
    /// So many times the fee rate of each order
    #[arg(long, value_name = "TIMES")]
    fee_times: Option<Decimal>,
    /// A program's points are worth so many times what they were; may be repeated
    #[arg(long, value_name = "PROGRAM=TIMES")]
    value: Vec<Set<ProgramId>>,
    /// A partner's position within the window may not go further below zero; may be repeated
    ///
    /// Without PARTNER= it is every partner's that is not named.
    #[arg(long, value_name = "[PARTNER=]AMOUNT")]
    cap: Vec<Cap>,
    #[command(flatten)]
    place: Place,
}

/// How what is owed is paid.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    /// Through the alliance
    Multilateral,
    /// Each pair the difference
    Bilateral,
    /// Cycles cancelled, nobody owes anybody new
    SetOff,
}

impl From<Way> for NettingWay {
    fn from(way: Way) -> Self {
        match way {
            Way::Multilateral => Self::Multilateral,
            Way::Bilateral => Self::Bilateral,
            Way::SetOff => Self::SetOff,
        }
    }
}

/// One partner's, or everybody's.
#[derive(Clone, Debug)]
enum Cap {
    Of(Set<PartnerId>),
    All(Decimal),
}

impl FromStr for Cap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('=') { text.parse().map(Self::Of) } else { decimal(text).map(Self::All) }
    }
}

/// What a party nets, as it was and as it would have been.
#[derive(Serialize)]
struct Line {
    party: String,
    net_was: Total,
    net_then: Total,
    difference: Total,
}

/// What all of it comes to.
#[derive(Serialize)]
struct Side {
    payments: usize,
    moved: Total,
    fees: Total,
}

#[derive(Serialize)]
struct Shows {
    window: u64,
    currency: String,
    receipts: u64,
    refused_by_cap: u64,
    refused_too_small: u64,
    was: Side,
    then: Side,
    lines: Vec<Line>,
}

impl Shown for Shows {
    fn text(&self) -> String {
        let money = |of: fn(&Line) -> Total| {
            let figures = self.lines.iter().map(|line| grouped(&of(line).to_string()));
            on_the_point(&figures.collect::<Vec<_>>())
        };
        let columns =
            [money(|line| line.net_was), money(|line| line.net_then), money(|l| l.difference)];
        let most = self.lines.iter().map(|line| line.difference.micros().unsigned_abs()).max();
        let rows: Vec<Vec<String>> = (self.lines.iter().enumerate())
            .map(|(at, line)| {
                let [was, then, difference] = columns.each_ref().map(|column| column[at].clone());
                let bar = bar(line.difference.micros(), most.unwrap_or(0));
                vec![line.party.clone(), was, then, difference, bar]
            })
            .collect();
        let header = ["party", "net as it was", "net then", "difference", "− less · more +"];
        let mut sides = [Column::Right; 5];
        (sides[0], sides[4]) = (Column::Left, Column::Left);
        let title = format!("window {} under other terms, in {}", self.window, self.currency);
        let sums = |of: fn(&Side) -> String| {
            on_the_point(&[grouped(&of(&self.was)), grouped(&of(&self.then))])
        };
        let payments = [count(self.was.payments), count(self.then.payments)];
        let (moved, fees) = (sums(|s| s.moved.to_string()), sums(|s| s.fees.to_string()));
        let rest: Vec<Vec<String>> = [
            ("payments", &payments[..]),
            ("moved by banks", &moved[..]),
            ("fees of the alliance", &fees[..]),
        ]
        .into_iter()
        .map(|(name, both)| [&[name.to_owned()], both].concat())
        .collect();
        let sides_of_rest = [Column::Left, Column::Right, Column::Right];
        let mut text = format!(
            "{}\n{}\n\n{}",
            paint(HEADING, &title),
            table("  ", &sides, &header, &rows),
            table("  ", &sides_of_rest, &["", "as it was", "then"], &rest),
        );
        for (number, why) in [
            (self.refused_by_cap, "would not have been made: the debtor at its cap"),
            (self.refused_too_small, "would not have been made: nothing would have arrived"),
        ] {
            if number > 0 {
                let orders = counted(usize::try_from(number).unwrap_or(usize::MAX), "order");
                text.push_str(&format!("\n  {orders} {why}"));
            }
        }
        let note = "members give what they gave and take what they took: what they would have done \
                    instead nobody knows. Nothing was changed.";
        format!("{text}\n{}", paint(FAINT, note))
    }
}

/// A bar from the middle: to the left below zero, to the right above.
fn bar(difference: i128, most: u128) -> String {
    let wide = usize::try_from(BAR).unwrap_or(0);
    if most == 0 {
        return format!("{}│", " ".repeat(wide));
    }
    // Rounded up: what differs at all has a bar.
    let scaled = difference.unsigned_abs().saturating_mul(u128::from(BAR)).div_ceil(most);
    let long = usize::try_from(scaled).unwrap_or(wide).min(wide);
    let (blank, full) = (" ".repeat(wide - long), "█".repeat(long));
    match difference.signum() {
        -1 => format!("{blank}{full}│"),
        1 => format!("{}│{full}", " ".repeat(wide)),
        _ => format!("{}│", " ".repeat(wide)),
    }
}

pub(super) fn run(args: &WhatIfArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let open = instance.read_books().map_err(Failure::config)?;
    let window = books::find(&open, args.window)?;
    if window.state == WindowState::Open {
        let number = window.number;
        return Err(Failure::usage(format!("window {number} is open: close it first")));
    }
    let terms = terms(args, &open)?;
    let way = args.netting.map(NettingWay::from);
    let progress = books::progress(printer);
    let asked = open.house().what_if(&window, terms, way, &progress);
    let result = open.wait(asked).map_err(Failure::wrong)?;
    drop(progress);
    printer.show(&shows(window.number, &result));
    Ok(Exit::Good)
}

fn terms(args: &WhatIfArgs, open: &crate::instance::open::Books) -> Result<OtherTerms, Failure> {
    let registry = open.house().registry();
    let fee = match (args.fee, args.fee_times) {
        (Some(rate), _) if rate >= Decimal::ONE => {
            return Err(Failure::usage("a fee rate is below 1: 0.02 is two percent"));
        }
        (Some(rate), _) => Some(OtherFee::Rate(rate)),
        (None, times) => times.map(OtherFee::Times),
    };
    let mut terms = OtherTerms { fee, ..OtherTerms::default() };
    for Set { name, number } in &args.value {
        if registry.program(name).is_none() {
            let programs = registry.definition.programs.iter().map(|known| known.program.as_str());
            let known = programs.collect::<Vec<_>>().join(", ");
            return Err(Failure::usage(format!("there is no program {name}, but {known}")));
        }
        terms.values.insert(name.clone(), *number);
    }
    let mut caps = BTreeMap::new();
    for cap in &args.cap {
        match cap {
            Cap::All(amount) => terms.cap = Some(*amount),
            Cap::Of(Set { name, number }) => {
                if registry.partner(name).is_none() {
                    return Err(Failure::usage(format!("there is no partner {name}")));
                }
                caps.insert(name.clone(), *number);
            }
        }
    }
    terms.caps = caps;
    if terms == OtherTerms::default() && args.netting.is_none() {
        let wanted = "say what is other than it was: --netting, --fee, --fee-times, --value, --cap";
        return Err(Failure::usage(wanted));
    }
    Ok(terms)
}

fn shows(window: u64, result: &WhatIf) -> Shows {
    let then: BTreeMap<&str, &Settled> =
        (result.then.settlement.lines.iter()).map(|line| (line.party.as_str(), line)).collect();
    let lines = (result.was.settlement.lines.iter())
        .map(|was| {
            let net = then.get(was.party.as_str()).map_or(Total::ZERO, |line| line.net);
            let difference = Total::from_micros(net.micros() - was.net.micros());
            Line { party: was.party.to_string(), net_was: was.net, net_then: net, difference }
        })
        .collect();
    let side = |netted: &NettedWindow, fees: Total| Side {
        payments: netted.instructions.len(),
        moved: Total::from_micros(
            (netted.settlement.lines.iter().map(|line| line.payment.micros().max(0))).sum(),
        ),
        fees,
    };
    Shows {
        window,
        currency: result.was.certificate.currency.to_string(),
        receipts: result.receipts,
        refused_by_cap: result.refused.by_cap,
        refused_too_small: result.refused.too_small,
        was: side(&result.was, result.fees_was),
        then: side(&result.then, result.fees_then),
        lines,
    }
}
