//! The summary as a person likes to read it: 80 to 100 columns, with colour or without.

use std::time::Duration;

use alliance_contracts::problem::ProblemCode;

use super::connected::{ConnectedOrder, ConnectedOrders};
use super::rates::{RatesMoved, Surcharged};
use super::settled::{PartnerLine, SettledWindow};
use super::summary::{Audit, Corridor, Orders, Positions, Summary, Verification};
use crate::cli::layout::{Column, count, counted, grouped, on_the_point, seconds, table};
use crate::cli::printer::{BAD, FAINT, GOOD, HEADING, LIVE, Shown, paint};
use crate::cli::settle::shown::comparison;

const INDENT: &str = "  ";

impl Shown for Summary {
    fn text(&self) -> String {
        let mut sections = vec![self.opening(), orders(&self.orders)];
        sections.extend(self.connected.as_ref().map(connected));
        sections.extend([
            rates(&self.rates),
            corridors(&self.corridors),
            verification(&self.verification),
            positions(&self.positions, &self.currency),
        ]);
        sections.extend(self.settled.as_ref().map(|window| settled(window, &self.currency)));
        sections.extend([audit(&self.audit), self.whereabouts(), self.next()]);
        let verdict = if self.ok {
            format!("{} {}", paint(GOOD, "✓"), paint(HEADING, "All of it verifies."))
        } else {
            format!(
                "{} {}",
                paint(BAD, "✗"),
                paint(HEADING, "Not all of it is as it must be: see above.")
            )
        };
        format!("\n{}\n\n{verdict}", sections.join("\n\n"))
    }
}

fn heading(text: &str) -> String {
    paint(HEADING, text)
}

fn mark(good: bool) -> String {
    if good { paint(GOOD, "✓") } else { paint(BAD, "✗") }
}

/// A line that says whether something is so.
fn verdict(good: bool, so: &str, otherwise: &str) -> String {
    format!("{INDENT}{} {}", mark(good), if good { so } else { otherwise })
}

impl Summary {
    fn opening(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .partners
            .iter()
            .map(|partner| {
                vec![
                    partner.partner.clone(),
                    partner.program.clone(),
                    format!("1 point = {} {}", self.currency, partner.value),
                    counted(partner.members, "member"),
                ]
            })
            .collect();
        let columns = [Column::Left, Column::Left, Column::Left, Column::Right];
        let again = if self.run == 1 {
            String::new()
        } else {
            let text = format!(" (run {}, on the books of the runs before)", self.run);
            paint(FAINT, &text)
        };
        format!(
            "{}{again}\n{}",
            heading("Three brands exchange points"),
            table(INDENT, &columns, &[], &rows)
        )
    }

    fn whereabouts(&self) -> String {
        let files = &self.files;
        let mut rows = vec![
            (files.config.as_str(), "what the brands have agreed on"),
            (files.members.as_str(), "members and balances, as imported"),
            (files.jwks.as_str(), "the keys that receipts verify under"),
            (files.client.as_str(), "what a brand's SDK begins with"),
        ];
        if let Some((folder, _)) = files.receipts.as_ref().and_then(|file| file.rsplit_once('/')) {
            rows.push((folder, "receipts, as that brand keeps them"));
        }
        let within = |file: &str| {
            let below = file.strip_prefix(&files.dir).unwrap_or(file);
            below.trim_start_matches('/').to_owned()
        };
        let rows: Vec<Vec<String>> =
            rows.iter().map(|(file, what)| vec![(*what).to_owned(), within(file)]).collect();
        let heading = heading(&format!("Where things lie, in {}", files.dir));
        format!("{heading}\n{}", table(INDENT, &[Column::Left; 2], &[], &rows))
    }

    fn next(&self) -> String {
        let (files, alliance) = (&self.files, &self.program);
        let mut lines = vec![heading("Try next")];
        let mut add = |what: &str, command: &[String]| {
            lines.push(format!("{INDENT}{}", paint(FAINT, what)));
            let last = command.len() - 1;
            for (at, part) in command.iter().enumerate() {
                let (indent, more) =
                    (if at == 0 { 4 } else { 8 }, if at < last { " \\" } else { "" });
                lines.push(format!("{:indent$}{}{more}", "", paint(LIVE, part)));
            }
        };
        if let (Some(receipts), Some(checkpoint)) = (&files.receipts, &files.checkpoint) {
            let jwks = &files.jwks;
            add(
                "Verify a brand's receipts again, without the gateway",
                &[
                    format!("{alliance} verify"),
                    receipts.clone(),
                    format!("--jwks {jwks}"),
                    format!("--checkpoint {checkpoint}"),
                ],
            );
        }
        add(
            "Open this alliance again, without a demo",
            &[format!("{alliance} serve --dir {}", files.dir)],
        );
        add("Read the API while a gateway is open", &[format!("curl {}/docs", self.gateway)]);
        add(
            "Exchange points from your own code",
            &[
                format!("ALLIANCE_DIR={}", files.dir),
                "cargo run -p alliance-partner-sdk --example exchange_points".to_owned(),
            ],
        );
        lines.join("\n")
    }
}

/// What a brand that keeps its own balances was asked for, and what it answered.
fn connected(asked: &ConnectedOrders) -> String {
    let told = format!("keeps its members' balances itself, at {}", asked.connector);
    let head = format!("{} {}", heading(&asked.partner), paint(FAINT, &told));
    let row = |order: &ConnectedOrder| {
        let pending = u64::try_from(order.pending_milliseconds).unwrap_or(0);
        let end = match (&order.failure, order.receipt) {
            (Some(failure), _) => format!("{}: {failure}", order.state.as_str()),
            (None, Some(_)) => format!("{}, signed by the brand", order.state.as_str()),
            (None, None) => order.state.as_str().to_owned(),
        };
        let waited = format!("after {}", seconds(Duration::from_millis(pending)));
        vec![order.what.clone(), waited, end]
    };
    let rows: Vec<Vec<String>> = asked.orders.iter().map(row).collect();
    let columns = [Column::Left, Column::Right, Column::Left];
    let mut lines = vec![head, table(INDENT, &columns, &[], &rows)];
    lines.push(match &asked.fault {
        Some(fault) => format!("{INDENT}{} {fault}", mark(false)),
        None => verdict(
            asked.ok,
            "each was accepted at once, and done or refused when the brand answered",
            "not each ended as it must",
        ),
    });
    lines.join("\n")
}

fn rates(moved: &RatesMoved) -> String {
    let boards = usize::try_from(moved.published).unwrap_or(usize::MAX);
    let head = format!(
        "{} {}",
        heading("Rates"),
        paint(FAINT, &format!("{} published meanwhile", counted(boards, "board")))
    );
    let rows: Vec<Vec<String>> = moved
        .programs
        .iter()
        .map(|program| {
            let between = format!("{} to {}", program.least, program.greatest);
            let cut = match program.cut {
                0 => String::new(),
                times => format!("cut {times} times, so that nobody gains"),
            };
            let change = format!("{} %", program.change_percent);
            vec![
                program.program.clone(),
                program.first.clone(),
                program.last.clone(),
                change,
                between,
                cut,
            ]
        })
        .collect();
    let columns =
        [Column::Left, Column::Right, Column::Right, Column::Right, Column::Left, Column::Left];
    let header = ["", "first", "last", "change", "between", ""];
    let mut lines = vec![head, table(INDENT, &columns, &header, &rows)];
    for dearer in &moved.surcharges {
        let Surcharged { source, target, surcharge } = dearer;
        lines.push(format!(
            "{INDENT}{source} for {target}: {surcharge} on top of the fee, as more goes that way \
             than comes back"
        ));
    }
    let so = format!(
        "a brand verified {} and computed every value and quotes again: the same digits",
        counted(usize::try_from(moved.recomputed).unwrap_or(usize::MAX), "board")
    );
    lines.push(verdict(moved.ok, &so, moved.fault.as_deref().unwrap_or("no board was seen")));
    lines.join("\n")
}

fn orders(orders: &Orders) -> String {
    let took = seconds(Duration::from_millis(orders.milliseconds));
    let rate = count(orders.per_second);
    let head = format!(
        "{} {}",
        heading("Orders"),
        paint(FAINT, "sent by the brands through the SDK, over HTTP")
    );
    let speed = format!(
        "{INDENT}{} in {took}, {} at once: {}",
        counted(usize::try_from(orders.sent).unwrap_or(usize::MAX), "order"),
        orders.at_once,
        heading(&format!("{rate} a second"))
    );
    let mut rows = vec![
        row("performed", orders.accepted, "each has a receipt:"),
        row("  exchanges", orders.exchanges, "points for another brand's points"),
        row("  redemptions", orders.redemptions, &redemptions(orders)),
        row("  accruals", orders.accruals, "points that a brand bought for its customer"),
        row("  reversals", orders.reversals, "all or part of an order, at its own terms"),
        row("answered again", orders.replays, "sent twice with one key: done once"),
        row("refused", orders.refused, "each for the rule it broke:"),
    ];
    for (code, number) in &orders.refused_by_code {
        let meaning = ProblemCode::from_code(code).map_or("", ProblemCode::meaning);
        // What to do about it, and the finer points, stand in the documentation.
        let meaning = meaning.split([':', ',']).next().unwrap_or(meaning).trim_end_matches('.');
        rows.push(row(&format!("  {code}"), *number, meaning));
    }
    if orders.failed > 0 {
        rows.push(row("without an answer", orders.failed, "nobody planned these"));
    }
    let columns = [Column::Left, Column::Right, Column::Left];
    let mut lines = vec![head, speed, table(INDENT, &columns, &[], &rows)];
    lines.extend(orders.faults.iter().map(|fault| format!("{INDENT}{} {fault}", mark(false))));
    lines.join("\n")
}

fn redemptions(orders: &Orders) -> String {
    format!("another brand's items, {} of them for points and cash", count(orders.with_cash))
}

fn row(what: &str, number: u64, remark: &str) -> Vec<String> {
    vec![what.to_owned(), count(number), remark.to_owned()]
}

fn corridors(corridors: &[Corridor]) -> String {
    let rows: Vec<Vec<String>> = corridors
        .iter()
        .map(|corridor| {
            let head = corridor.head.get(..24).unwrap_or(&corridor.head);
            vec![corridor.corridor.clone(), count(corridor.receipts), format!("{head}…")]
        })
        .collect();
    let columns = [Column::Left, Column::Right, Column::Left];
    let table = table(INDENT, &columns, &["between", "receipts", "head of the chain"], &rows);
    format!("{}\n{table}", heading("Receipts"))
}

fn verification(found: &Verification) -> String {
    let took = seconds(Duration::from_millis(found.milliseconds));
    let mut lines = vec![format!(
        "{} {}",
        heading("Verification"),
        paint(FAINT, "by each brand for itself: downloaded, then offline, under the root key")
    )];
    for partner in &found.partners {
        let receipts = counted(usize::try_from(partner.receipts).unwrap_or(usize::MAX), "receipt");
        let (good, text) = match &partner.fault {
            None => {
                (true, format!("{} verified {receipts} and their checkpoints", partner.partner))
            }
            Some(fault) => (false, format!("{}: {fault}", partner.partner)),
        };
        lines.push(format!("{INDENT}{} {text}", mark(good)));
    }
    lines.push(verdict(
        found.one_receipt_an_order,
        "every order that was performed has one receipt, and nothing else has any",
        "receipts and performed orders are not the same in number",
    ));
    lines.push(paint(FAINT, &format!("{INDENT}all of it in {took}")));
    lines.join("\n")
}

fn positions(positions: &Positions, currency: &str) -> String {
    let mut amounts: Vec<String> =
        positions.accounts.iter().map(|line| grouped(&line.balance)).collect();
    amounts.push(grouped(&positions.sum));
    let aligned = on_the_point(&amounts);
    let mut rows: Vec<Vec<String>> = positions
        .accounts
        .iter()
        .zip(&aligned)
        .map(|(line, amount)| vec![in_words(&line.account), amount.clone()])
        .collect();
    let sum = aligned.last().cloned().unwrap_or_default();
    rows.push(vec!["together".to_owned(), sum]);
    let table = table(INDENT, &[Column::Left, Column::Right], &[], &rows);
    [
        format!(
            "{} {}",
            heading(&format!("Who owes, who is owed ({currency})")),
            paint(FAINT, "below zero: owes")
        ),
        table,
        verdict(
            positions.sum_is_zero,
            "it sums to zero, to the last of six decimals",
            "it does not sum to zero",
        ),
        verdict(
            positions.as_receipts_say,
            "and is what the verified receipts come to",
            "and is not what the verified receipts come to",
        ),
    ]
    .join("\n")
}

fn in_words(account: &str) -> String {
    match account {
        "alliance:fees" => "the alliance, fees".to_owned(),
        "alliance:rounding" => "the alliance, roundings".to_owned(),
        other => other.strip_prefix("position:").unwrap_or(other).to_owned(),
    }
}

fn settled(window: &SettledWindow, currency: &str) -> String {
    let column = |of: fn(&PartnerLine) -> &String| {
        let figures: Vec<String> = window.lines.iter().map(|line| grouped(of(line))).collect();
        on_the_point(&figures)
    };
    let (nets, payments) = (column(|line| &line.net), column(|line| &line.payment));
    let carried = column(|line| &line.carried);
    let rows: Vec<Vec<String>> = window
        .lines
        .iter()
        .zip(nets)
        .zip(payments.into_iter().zip(carried))
        .map(|((line, net), (payment, carried))| vec![line.party.clone(), net, payment, carried])
        .collect();
    let columns = [Column::Left, Column::Right, Column::Right, Column::Right];
    let header = ["", "net (+ is owed)", "payment", "carried"];
    let due = window.value_date.as_deref().map_or_else(String::new, |due| format!(", due {due}"));
    [
        format!(
            "{} {}",
            heading(&format!("Settlement of window {} ({currency})", window.window)),
            paint(FAINT, &format!("closed just now; the next is open{due}"))
        ),
        table(INDENT, &columns, &header, &rows),
        String::new(),
        comparison(&window.netting),
        verdict(
            window.ok,
            "paid and carried are the net, all columns sum to zero, the certificate proves itself",
            "it does not add up",
        ),
        paint(FAINT, &format!("{INDENT}the certificate: {}", window.certificate)),
        paint(FAINT, &format!("{INDENT}each partner's statement: {}", window.statements)),
    ]
    .join("\n")
}

fn audit(audit: &Audit) -> String {
    let head = heading("Audit");
    match (&audit.report, &audit.fault) {
        (Some(report), _) => {
            let so = format!(
                "{} balances and all accounts are what {} receipts make of them",
                count(report.members),
                count(report.receipts)
            );
            let findings = report.findings.iter().take(5);
            let lines = findings.map(|f| format!("{INDENT}  {}: {}", f.place, f.finding));
            let verdict = verdict(audit.ok, &so, "the books differ from their receipts:");
            let all: Vec<String> = [head, verdict].into_iter().chain(lines).collect();
            all.join("\n")
        }
        (None, fault) => {
            let fault = fault.as_deref().unwrap_or("not done");
            format!("{head}\n{INDENT}{} {fault}", mark(false))
        }
    }
}
