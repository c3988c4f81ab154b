//! `alliance rates simulate`, as somebody uses it who tunes a model.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::harness::{Folder, alliance, alliance_ok};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    let text = text(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn path(folder: &Folder, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

/// A CSV file's rows below its first line, which must be this.
fn rows(file: &str, header: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(file).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    assert_eq!(first, header, "{file}");
    let width = header.split(',').count();
    let rows: Vec<Vec<String>> =
        rest.lines().map(|row| row.split(',').map(str::to_owned).collect()).collect();
    assert!(rows.iter().all(|row| row.len() == width), "{file}");
    rows
}

const VALUES: &str = "time,day,board,published,effective_at,program,value,target,band_min,band_max,limited_by,halvings";
const DIRECTIONS: &str = "time,day,board,source,target,fee,surcharge,flow,limit,wanted,gross,kept_away,refused,fees_earned,surcharges_earned,frozen";

#[test]
fn every_scenario_writes_tables_and_charts_that_fetch_nothing() {
    let folder = Folder::new("rates-scenarios");
    for (scenario, days) in [("steady", 28), ("one-way-rush", 21), ("price-shock", 21)] {
        let out = path(&folder, scenario);
        let args = ["rates", "simulate", "--scenario", scenario, "--out", &out];
        let said = alliance_ok(&args);
        assert!(said.contains(&format!("{scenario}: {days} days")), "{said}");
        assert!(said.contains("Values, CNY per point") && said.contains("assumed, not forecast"));
        assert_eq!(rows(&format!("{out}/values.csv"), VALUES).len(), days * 24 * 3);
        assert_eq!(rows(&format!("{out}/directions.csv"), DIRECTIONS).len(), days * 24 * 6);
        let page = fs::read_to_string(format!("{out}/charts.html")).unwrap();
        for fetched in ["<script", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(fetched), "{scenario} has {fetched}");
        }
        let (charts, titles) =
            (page.matches("<figure>").count(), page.matches("<title id=").count());
        assert!(charts >= 7 && titles == charts && page.matches("<desc ").count() == charts);
        let picture = fs::read_to_string(format!("{out}/charts.svg")).unwrap();
        assert!(picture.starts_with("<svg xmlns=") && picture.len() < 60_000, "{}", picture.len());
    }
}

#[test]
fn a_rush_is_told_in_figures_and_the_same_each_time() {
    let folder = Folder::new("rates-rush");
    let told = |out: &str, elasticity: &str| {
        let out = path(&folder, out);
        let name = "one-way-rush";
        let args = ["rates", "simulate", "--scenario", name, "--elasticity", elasticity, "--json"];
        json(&alliance(&[&args[..], &["--out", &out]].concat()))
    };
    let (once, again, unmoved) = (told("one", "20"), told("two", "20"), told("three", "0"));
    for file in ["values.csv", "directions.csv", "charts.html", "charts.svg"] {
        let read = |out: &str| fs::read(folder.path().join(out).join(file)).unwrap();
        assert!(read("one") == read("two"), "{file}");
    }
    assert_eq!(once["directions"], again["directions"]);
    let number = |told: &Value, field: &str| -> f64 {
        told["directions"][0][field].as_str().unwrap().parse().unwrap()
    };
    assert_eq!(once["directions"][0]["source"], "aurora");
    assert!(number(&once, "highest_surcharge") > 0.01);
    assert!(number(&unmoved, "highest_surcharge") > number(&once, "highest_surcharge"));
    assert!(number(&once, "kept_away") > 100_000.0 && unmoved["directions"][0]["kept_away"] == "0");
    assert_eq!(once["directions"][2]["highest_surcharge"], "0", "nobody pays for going back");
    assert_eq!(once["files"].as_array().unwrap().len(), 4);
}

#[test]
fn a_scenario_that_is_written_down_can_be_simulated_from_its_files() {
    let folder = Folder::new("rates-written");
    let (one, two) = (path(&folder, "one"), path(&folder, "two"));
    let flows = path(&folder, "my.csv");
    let args = ["rates", "simulate", "--scenario", "price-shock", "--out", &one];
    let said = alliance_ok(&[&args[..], &["--write-flows", &flows]].concat());
    assert!(said.contains("my.csv") && said.contains("my.feeds.csv") && said.contains("my.toml"));
    let (feeds, config) = (path(&folder, "my.feeds.csv"), path(&folder, "my.toml"));
    let args = ["rates", "simulate", "--config", &config, "--flows", &flows, "--feeds", &feeds];
    alliance_ok(&[&args[..], &["--days", "21", "--out", &two]].concat());
    for file in ["values.csv", "directions.csv", "charts.svg"] {
        let read = |out: &str| fs::read(Path::new(out).join(file)).unwrap();
        assert!(read(&one) == read(&two), "{file}");
    }
}

#[test]
fn weights_can_be_tuned_in_an_instances_own_definition() {
    let folder = Folder::new("rates-tuning");
    let dir = path(&folder, "northern");
    alliance_ok(&["init", &dir]);
    for (partner, program, value) in
        [("aurora-air", "aurora", "0.05"), ("cedar-hotels", "cedar", "1")]
    {
        let names = ["--name", partner, "--program", program, "--value", value, "--scale", "0"];
        alliance_ok(
            &[&["partner", "add", partner, "--dir", &dir, "--fee", "0.01"][..], &names].concat(),
        );
    }
    let (flows, feeds, out) =
        (path(&folder, "flows.csv"), path(&folder, "feeds.csv"), path(&folder, "out"));
    fs::write(&flows, "day,source,target,gross\n1,aurora,cedar,1000\n2,cedar,aurora,990\n")
        .unwrap();
    fs::write(&feeds, "day,program,feed,value\n1,aurora,cost,0.055\n").unwrap();
    let last = |every: &[&str]| {
        let args = ["rates", "simulate", "--dir", &dir, "--flows", &flows, "--feeds", &feeds];
        let output = alliance(&[&args[..], &["--out", &out, "--json"], every].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let told = json(&output);
        assert_eq!(told["days"], 2, "as many as the flows have");
        (told["programs"][0]["last"].clone(), told["boards"].clone())
    };
    // Two more boards: for each direction one, when it is counted for the first time.
    assert_eq!(last(&[]), ("0.05".into(), 3.into()), "the agreed value alone counts");
    let file = format!("{dir}/alliance.toml");
    let definition = fs::read_to_string(&file).unwrap();
    let model = "\nvalue = \"0.05\"\nmodel = { band = { min = \"0.04\", max = \"0.06\" }, \
                 weights = { base = \"0.5\", cost = \"0.5\" } }";
    fs::write(&file, definition.replace("\nvalue = \"0.05\"", model)).unwrap();
    assert_eq!(last(&[]).0, "0.0525", "half of the way to what it costs");
    // Eight boards are on their way still.
    let (value, boards) = last(&["--every", "6h"]);
    assert!(value.as_str().unwrap() < "0.0525" && boards == 8, "{value} {boards}");
    // The keys beside the definition are not needed.
    fs::remove_dir_all(format!("{dir}/keys")).unwrap();
    assert_eq!(last(&[]).0, "0.0525");
}

#[test]
fn every_bad_line_is_listed_and_nothing_is_written() {
    let folder = Folder::new("rates-bad");
    let scenario = ["rates", "simulate", "--scenario", "steady", "--days", "1"];
    let (flows, out) = (path(&folder, "my.csv"), path(&folder, "out"));
    alliance_ok(&[&scenario[..], &["--out", &out, "--write-flows", &flows]].concat());
    let (config, feeds, none) =
        (path(&folder, "my.toml"), path(&folder, "my.feeds.csv"), path(&folder, "none"));
    fs::write(&flows, "day,source,target,gross\n0,aurora,cedar,1\n1,aurora,zeta,-1\n").unwrap();
    fs::write(&feeds, "day,program,feed,value\n1,aurora,cost,90\n").unwrap();
    let args = ["rates", "simulate", "--config", &config, "--flows", &flows, "--feeds", &feeds];
    let output = alliance(&[&args[..], &["--out", &none, "--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let faults = json(&output)["error"]["faults"].clone();
    let told: Vec<&str> = faults.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(told[0].contains("my.csv, line 2: day 0") && told[3].contains("my.feeds.csv, line 2"));
    assert!(!Path::new(&none).exists());
}

#[test]
fn what_is_typed_wrongly_ends_with_two() {
    let folder = Folder::new("rates-typed");
    let out = path(&folder, "out");
    for (typed, word) in [
        (&["--days", "5"][..], "--flows"),
        (&["--scenario", "steady", "--days", "0"], "1..=3650"),
        (&["--scenario", "steady", "--every", "1x"], "30m"),
        (&["--scenario", "steady", "--every", "60s"], "takes effect 120 seconds after"),
        (&["--scenario", "steady", "--turning", "2"], "0 to 1"),
        (&["--scenario", "steady", "--flows", "x.csv"], "cannot be used with"),
        (&["--flows", "x.csv", "--write-flows", "y.csv"], "cannot be used with"),
    ] {
        let output = alliance(&[&["rates", "simulate", "--out", &out][..], typed].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{typed:?}: {said}");
        assert!(said.contains(word), "{typed:?}: {said}");
    }
    assert!(!Path::new(&out).exists());
}
