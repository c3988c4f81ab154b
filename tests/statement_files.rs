//! The files of a statement that people read, read with programs that are not ours: the workbook
//! with calamine, the pages with Poppler.

use std::path::Path;
use std::process::Command;

use calamine::{Data, Reader, Xlsx, open_workbook};
use serde_json::Value;

/// The file of a statement whose name ends so.
pub(super) fn file<'a>(statement: &'a Value, ending: &str) -> &'a Path {
    let files = statement["files"].as_array().unwrap();
    let named = files.iter().map(|file| file.as_str().unwrap());
    Path::new(named.into_iter().find(|name| name.ends_with(ending)).unwrap())
}

/// Micros of a number or of a text of the workbook.
fn micros(cell: &Data) -> i128 {
    match cell {
        Data::Float(number) => decimal(&number.to_string()),
        Data::Int(number) => i128::from(*number) * 1_000_000,
        Data::String(text) => decimal(text),
        other => panic!("{other:?} is no number"),
    }
}

fn decimal(text: &str) -> i128 {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    sign * format!("{whole}{fraction:0<6}").parse::<i128>().unwrap()
}

/// The workbook has real numbers that come to the statement's, and formulas over all of them.
pub(super) fn check_workbook(path: &Path, stated: &Value, lines: &[Value]) {
    let mut book: Xlsx<_> = open_workbook(path).unwrap();
    assert_eq!(book.sheet_names(), ["Statement", "Ranges", "Lines"]);
    let sheet = book.worksheet_range("Lines").unwrap();
    let rows: Vec<&[Data]> = sheet.rows().collect();
    assert_eq!(rows.len(), lines.len() + 2, "a header, the lines, a total");
    for (row, line) in rows[1..].iter().zip(lines) {
        let line = &line["line"];
        assert_eq!(row[0], Data::String(line["receipt"].as_str().unwrap().to_owned()));
        assert!(matches!(&row[1], Data::DateTime(_)), "{row:?}");
        assert!(matches!(&row[3], Data::Float(_)), "{row:?}");
        for (column, name) in [(8, "amount"), (9, "settled"), (10, "fee")] {
            assert!(matches!(&row[column], Data::Float(_)), "{name} is a number");
            assert_eq!(micros(&row[column]), decimal(line[name].as_str().unwrap()), "{name}");
        }
        assert_eq!(row[11], Data::String(line["leaf"].as_str().unwrap().to_owned()));
    }
    let formulas = book.worksheet_formula("Lines").unwrap();
    let end = u32::try_from(lines.len()).unwrap() + 1;
    for (column, name) in [(8, "I"), (9, "J"), (10, "K")] {
        let all = format!("SUM({name}2:{name}{end})");
        let wanted = if lines.is_empty() { "0" } else { &all };
        assert_eq!(formulas.get_value((end, column)).unwrap(), wanted);
    }
    let figures = book.worksheet_range("Statement").unwrap();
    let formulas = book.worksheet_formula("Statement").unwrap();
    for (label, figure, computed) in [
        ("Opening position", &stated["opening"], None),
        ("Activity of the window", &stated["activity"], Some(format!("'Lines'!I{}", end + 1))),
        ("Net position", &stated["net"], Some("B14+B15".to_owned())),
        ("Paid through banks", &stated["payment"], None),
        ("Carried into the next window", &stated["carried"], Some("B16-B17".to_owned())),
        (
            "Fees contained in these receipts",
            &stated["totals"]["fees"],
            Some(format!("'Lines'!K{}", end + 1)),
        ),
    ] {
        let row = figures.rows().position(|row| row[0] == Data::String(label.into())).unwrap();
        let figure = figure.as_str().unwrap();
        assert_eq!(figures[(row, 2)], Data::String(figure.into()), "{label}, as signed");
        assert_eq!(micros(&figures[(row, 1)]), decimal(figure), "{label}");
        let found = formulas.get_value((u32::try_from(row).unwrap(), 1)).cloned();
        let wanted = computed.map(|formula| format!("ROUND({formula},6)"));
        assert_eq!(found.filter(|formula| !formula.is_empty()), wanted, "{label}");
    }
}

fn text_of(pages: &Path) -> String {
    let run = Command::new("pdftotext").arg("-layout").arg(pages).arg("-").output();
    let output = run.expect("pdftotext is there: tests/run installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The pages say the figures, in words of their language, and carry the signed statement.
pub(super) fn check_pages(path: &Path, stated: &Value, jws: &str, words: &[&str]) {
    let text = text_of(path);
    for word in words {
        assert!(text.contains(word), "{word}:\n{text}");
    }
    for figure in ["opening", "net", "carried"] {
        let micros = decimal(stated[figure].as_str().unwrap());
        let (sign, micros) = (if micros < 0 { "−" } else { "" }, micros.abs());
        let wanted = format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        assert!(text.replace(',', "").contains(&wanted), "{figure} {wanted}:\n{text}");
    }
    for proof in [&stated["id"], &stated["certificate"], &stated["ranges"][0]["root"]] {
        if let Some(proof) = proof.as_str() {
            assert!(text.contains(proof), "{proof}:\n{text}");
        }
    }
    let attached = path.with_extension("jws");
    let run = Command::new("pdfdetach")
        .args(["-save", "1", "-o", attached.to_str().unwrap(), path.to_str().unwrap()])
        .status();
    assert!(run.unwrap().success());
    assert_eq!(std::fs::read_to_string(attached).unwrap(), jws);
    let bytes = std::fs::read(path).unwrap();
    let archival = b"pdfaid:part>3<";
    assert!(bytes.windows(archival.len()).any(|here| here == archival), "PDF/A-3");
}
