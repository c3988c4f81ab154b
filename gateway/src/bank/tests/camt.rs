//! What banks hand back.

use std::io::{self, Read};

use alliance_contracts::encoding::Hash;
use alliance_settlement::payments::entries::{BankEntry, Direction, EntryStatus};
use alliance_settlement::payments::matching::{
    Became, MatchedBy, PaymentState, Tracked, Unmatched, match_entries,
};
use alliance_settlement::payments::standing::standing;
use proptest::prelude::*;

use super::{accounts, instructions, of_the_page, schema_says};
use crate::bank::camt::{BankFile, MAX_DETAILS, Message, read, read_all};

const STATEMENT: &str = include_str!("../samples/statement.xml");
const BATCH: &str = include_str!("../samples/batch.xml");
const PARTIAL: &str = include_str!("../samples/partial.xml");
const RETURNED: &str = include_str!("../samples/returned.xml");

fn entries(file: &str) -> Vec<BankEntry> {
    read_all(file.as_bytes()).unwrap().1
}

fn refused(file: &str) -> String {
    read_all(file.as_bytes()).unwrap_err().to_string()
}

/// `direction amount currency status`, and what else is there.
fn shown(entry: &BankEntry) -> String {
    let mut line = format!(
        "{} {} {} {} {:?}",
        entry.account,
        entry.direction.as_str(),
        entry.amount,
        entry.currency,
        entry.status
    );
    for (name, text) in [
        ("ref", &entry.bank_reference),
        ("part", &entry.batch_part),
        ("id", &entry.end_to_end_id),
        ("account", &entry.counterparty_account),
        ("name", &entry.counterparty_name),
        ("text", &entry.reference),
        ("back", &entry.return_reason),
    ] {
        if let Some(text) = text {
            line.push_str(&format!(" {name}={text}"));
        }
    }
    for (name, date) in [("booked", entry.booking_date), ("value", entry.value_date)] {
        if let Some(date) = date {
            line.push_str(&format!(" {name}={date}"));
        }
    }
    if entry.reversal {
        line.push_str(" reversal");
    }
    line
}

fn all_shown(file: &str) -> Vec<String> {
    entries(file).iter().map(shown).collect()
}

#[test]
fn a_statement_is_read_with_all_its_accounts() {
    let (file, _) = read_all(STATEMENT.as_bytes()).unwrap();
    let wanted = BankFile {
        entries: 4,
        file: Hash::of(STATEMENT.as_bytes()),
        message: Message::Statement,
        message_id: "STM-20261127-1".to_owned(),
        statements: 2,
        version: 8,
    };
    assert_eq!(file, wanted);
    assert_eq!(
        all_shown(STATEMENT),
        [
            "6222021001116240001 credit 3050 CNY Booked ref=CN2711-0001 id=01H455VB4PEX5VSKNK084SN02Q-3-1 account=6222021001116240002 name=Aurora Air text=Settlement 01H455VB4PEX5VSKNK084SN02Q-3-1 booked=2026-11-27 value=2026-11-27",
            "6222021001116240001 debit 2025 CNY Booked ref=CN2711-0002 account=6222021001116240003 name=北冥咖啡有限公司 text=settlement & thanks: <01H455VB4PEX5VSKNK084SN02Q-1-1> booked=2026-11-27",
            "6222021001116240001 debit 1000 CNY Pending text=in the works",
            "DE89370400440532013000 debit 320 EUR Booked text=Account fee booked=2026-11-27",
        ]
    );
}

#[test]
fn what_was_booked_as_one_is_read_as_many() {
    assert_eq!(
        all_shown(BATCH),
        [
            "DE89370400440532013000 debit 2025 EUR Booked ref=BATCH-7 part=01H455VB4PEX5VSKNK084SN02Q-1-1/1 id=01H455VB4PEX5VSKNK084SN02Q-1-1 account=FR1420041010050500013M02606 name=Borealis Coffee booked=2026-11-27 value=2026-11-27",
            "DE89370400440532013000 debit 1000 EUR Booked ref=BATCH-7 part=01H455VB4PEX5VSKNK084SN02Q-2-1/1 id=01H455VB4PEX5VSKNK084SN02Q-2-1 name=Cedar Hotels booked=2026-11-27 value=2026-11-27",
        ]
    );
    // Details that do not add up are one movement, and say nothing.
    let whole = [
        "DE89370400440532013000 debit 3025 EUR Booked ref=BATCH-7 booked=2026-11-27 value=2026-11-27",
    ];
    assert_eq!(all_shown(&BATCH.replace(">10.00<", ">10.01<")), whole);
    assert_eq!(all_shown(&BATCH.replace("Ccy=\"EUR\">10.00<", "Ccy=\"USD\">10.00<")), whole);
    // One of them the other way: 40.25 out, 10.00 in.
    let mixed = BATCH
        .replace("camt.053.001.02", "camt.053.001.04")
        .replace(
            "<AmtDtls><TxAmt><Amt Ccy=\"EUR\">20.25</Amt></TxAmt></AmtDtls>",
            "<Amt Ccy=\"EUR\">40.25</Amt><CdtDbtInd>DBIT</CdtDbtInd>",
        )
        .replace(
            "<AmtDtls><TxAmt><Amt Ccy=\"EUR\">10.00</Amt></TxAmt></AmtDtls>",
            "<Amt Ccy=\"EUR\">10.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>",
        );
    assert_eq!(schema_says("camt053/xsd/camt.053.001.04.xsd", mixed.as_bytes()), None);
    let both: Vec<(Direction, u64)> =
        entries(&mixed).iter().map(|entry| (entry.direction, entry.amount)).collect();
    assert_eq!(both, [(Direction::Debit, 4025), (Direction::Credit, 1000)]);
    // Two with one id and one amount are two.
    let same = BATCH
        .replace("02Q-2-1", "02Q-1-1")
        .replace(">20.25<", ">10.00<")
        .replace(">30.25<", ">20.00<");
    let same = entries(&same);
    assert_ne!(same[0].key(), same[1].key());
}

#[test]
fn what_is_in_another_currency_than_its_account_names_nothing() {
    let file = STATEMENT.replacen("<Amt Ccy=\"CNY\">30.5</Amt>", "<Amt Ccy=\"EUR\">30.5</Amt>", 1);
    let strange = "6222021001116240001 credit 3050 EUR Booked ref=CN2711-0001 booked=2026-11-27 value=2026-11-27";
    assert_eq!(shown(&entries(&file)[0]), strange);
    assert_eq!(entries(&file)[1..], entries(STATEMENT)[1..]);
}

#[test]
fn a_prefix_is_a_prefix_and_another_namespace_is_passed_by() {
    let (file, found) = read_all(PARTIAL.as_bytes()).unwrap();
    assert_eq!((file.message, file.version), (Message::Notification, 8));
    assert_eq!(
        found.iter().map(shown).collect::<Vec<_>>(),
        [
            "DE89370400440532013000 credit 3000 EUR Booked ref=P-1 id=01H455VB4PEX5VSKNK084SN02Q-3-1 booked=2026-11-27",
            "DE89370400440532013000 credit 50 EUR Booked ref=P-2 name=AURORA AIR booked=2026-11-27",
        ]
    );
    // The same under other prefixes, and under none.
    assert_eq!(entries(&PARTIAL.replace("c:", "ns2:").replace(":c=", ":ns2=")), found);
    let bare = PARTIAL.replace("c:", "").replace("xmlns:c=", "xmlns=");
    assert_eq!(entries(&bare), found);
    // An amount of another namespace is none, wherever it stands.
    let inside = PARTIAL.replace(
        "<c:Amt Ccy=\"EUR\">30.00</c:Amt>",
        "<x:Amt xmlns:x=\"urn:a-bank\" Ccy=\"EUR\">99.00</x:Amt><c:Amt Ccy=\"EUR\">30.00</c:Amt>",
    );
    assert_eq!(entries(&inside), found);
}

#[test]
fn what_came_back_says_so() {
    assert_eq!(
        all_shown(RETURNED),
        [
            "DE89370400440532013000 credit 2025 EUR Booked ref=R-1 id=01H455VB4PEX5VSKNK084SN02Q-1-1 back=AC04 Account closed booked=2026-11-30",
            "DE89370400440532013000 credit 400 EUR Booked ref=R-2 id=01H455VB4PEX5VSKNK084SN02Q-2-1 booked=2026-11-30 reversal",
            "DE89370400440532013000 credit 100 EUR Booked ref=R-3 text=01H455VB4PEX5VSKNK084SN02Q-2-1 comes back back=no reason given booked=2026-11-30",
        ]
    );
}

/// Whatever version a bank writes: the schema of that version takes the sample, and it is read as
/// the same entries.
#[test]
fn versions_02_to_14_are_read_alike() {
    for (sample, versions) in [(BATCH, 2..=6), (STATEMENT, 7..=14)] {
        for version in versions {
            let own = sample.split("camt.053.001.").nth(1).unwrap()[..2].to_owned();
            let from = format!("camt.053.001.{own}");
            let mut statement = sample.replace(&from, &format!("camt.053.001.{version:02}"));
            if (3..=6).contains(&version) {
                statement = statement
                    .replace("<AmtDtls><TxAmt>", "")
                    .replace("</TxAmt></AmtDtls>", "<CdtDbtInd>DBIT</CdtDbtInd>");
            }
            let notification = statement
                .replace("camt.053", "camt.054")
                .replace("BkToCstmrStmt", "BkToCstmrDbtCdtNtfctn")
                .replace("Stmt>", "Ntfctn>");
            let notification = without(&notification, "Bal");
            for (kind, file) in [("053", statement), ("054", notification)] {
                let schema = format!("camt053/xsd/camt.{kind}.001.{version:02}.xsd");
                assert_eq!(schema_says(&schema, file.as_bytes()), None);
                let (told, found) = read_all(file.as_bytes()).unwrap();
                assert_eq!(told.version, version);
                assert_eq!(found, entries(sample), "{kind} {version}");
            }
        }
    }
    for sample in [(PARTIAL, "camt.054.001.08"), (RETURNED, "camt.054.001.08")] {
        let schema = format!("camt053/xsd/{}.xsd", sample.1);
        assert_eq!(schema_says(&schema, sample.0.as_bytes()), None);
    }
}

/// A file without an element, wherever it stands.
fn without(file: &str, name: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = file;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once(&open) {
        kept.push_str(before);
        rest = after.split_once(&close).unwrap().1;
    }
    kept + rest
}

// ---------------------------------------------------------------- hostile files

#[test]
fn a_document_type_is_refused_where_it_stands() {
    let laughs = r#"<!DOCTYPE Document [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>"#;
    let fetched = r#"<!DOCTYPE Document SYSTEM "file:///etc/passwd">"#;
    for doctype in [laughs, fetched, "<!DOCTYPE x>"] {
        let file = STATEMENT.replace("?>\n", &format!("?>\n{doctype}\n"));
        assert_eq!(refused(&file), "line 2: a document type is refused");
    }
    let entity = STATEMENT.replace("Account fee", "&a;");
    let at = "/Document/BkToCstmrStmt/Stmt/Ntry/AddtlNtryInf";
    assert_eq!(
        refused(&entity),
        format!("line 92, {at}: not well-formed XML: &a; is no entity that is known")
    );
}

/// What is wrong is told with its line and its element.
#[test]
fn every_fault_says_where_it_is() {
    let ntry = "/Document/BkToCstmrStmt/Stmt/Ntry";
    for (from, to, wanted) in [
        ("<Amt Ccy=\"CNY\">30.5</Amt>", "<Amt Ccy=\"CNY\">30.505</Amt>", format!("line 25, {ntry}/Amt: 30.505 is no amount of CNY: more decimals than the currency has")),
        ("<Amt Ccy=\"CNY\">30.5</Amt>", "<Amt Ccy=\"CNY\">3,05</Amt>", format!("line 25, {ntry}/Amt: 3,05 is no amount of CNY: not a plain decimal")),
        ("<Amt Ccy=\"CNY\">30.5</Amt>", "<Amt Ccy=\"CNY\">-30.5</Amt>", format!("line 25, {ntry}/Amt: -30.5 is no amount of CNY: not a plain decimal")),
        ("<Amt Ccy=\"CNY\">30.5</Amt>", "<Amt Ccy=\"CNY\">1e3</Amt>", format!("line 25, {ntry}/Amt: 1e3 is no amount of CNY: not a plain decimal")),
        ("<Amt Ccy=\"CNY\">30.5</Amt>", "<Amt Ccy=\"CNY\">10000000000000000</Amt>", format!("line 25, {ntry}/Amt: 10000000000000000 is no amount of CNY: more than 18 digits")),
        ("<Amt Ccy=\"CNY\">30.5</Amt>", "<Amt>30.5</Amt>", format!("line 25, {ntry}/Amt: <Ccy> is missing")),
        ("<Amt Ccy=\"CNY\">30.5</Amt>", "<Amt Ccy=\"XAU\">30.5</Amt>", format!("line 25, {ntry}/Amt: XAU is no currency that banks pay (ISO 4217)")),
        ("<Amt Ccy=\"CNY\">30.5</Amt>", "<Amt Ccy=\"cny\">30.5</Amt>", format!("line 25, {ntry}/Amt: cny is no currency that banks pay (ISO 4217)")),
        ("<Amt Ccy=\"CNY\">30.5</Amt>", "", "line 44, /Document/BkToCstmrStmt/Stmt/Ntry: <Amt> is missing".to_owned()),
        ("<Amt Ccy=\"CNY\">30.5</Amt>", "<Amt Ccy=\"CNY\">1</Amt><Amt Ccy=\"CNY\">1</Amt>", format!("line 25, {ntry}/Amt: <Amt> is there twice")),
        ("<CdtDbtInd>CRDT</CdtDbtInd>\n        <Sts>", "<CdtDbtInd>BOTH</CdtDbtInd>\n        <Sts>", format!("line 26, {ntry}/CdtDbtInd: BOTH is none of the words that are known here")),
        ("<Sts><Cd>BOOK</Cd></Sts>", "<Sts><Cd>DONE</Cd></Sts>", format!("line 27, {ntry}/Sts: DONE is none of the words that are known here")),
        ("<Sts><Cd>BOOK</Cd></Sts>", "", "line 44, /Document/BkToCstmrStmt/Stmt/Ntry: <Sts> is missing".to_owned()),
        ("<BookgDt><Dt>2026-11-27</Dt></BookgDt>", "<BookgDt><Dt>2026-02-29</Dt></BookgDt>", format!("line 28, {ntry}/BookgDt/Dt: 2026-02-29 is no day such as 2026-11-27")),
        ("<BookgDt><Dt>2026-11-27</Dt></BookgDt>", "<BookgDt><Dt>北冥咖啡</Dt></BookgDt>", format!("line 28, {ntry}/BookgDt/Dt: 北冥咖啡 is no day such as 2026-11-27")),
        ("<Ntry>\n        <NtryRef>", "<Ntry>money\n        <NtryRef>", format!("line 24, {ntry}: \"money\" is not expected here")),
        ("<MsgId>STM-20261127-1</MsgId>", "<MsgId><x/></MsgId>", "line 5, /Document/BkToCstmrStmt/GrpHdr/MsgId/x: an element is not expected here".to_owned()),
        ("<MsgId>STM-20261127-1</MsgId>", "", "line 97: <MsgId> is missing".to_owned()),
        ("<NtryRef>1</NtryRef>", "<x/Amt Ccy=\"CNY\">1</x/Amt>", format!("line 24, {ntry}: not well-formed XML: <x/Amt> is no element's name")),
        ("</Document>", "</Document><more/>", "line 96, /more: more after the root element is not expected here".to_owned()),
        ("camt.053.001.08", "camt.053.001.01", "line 2, /Document: not a camt.053 or camt.054 of version 02 to 14, but <Document> of \"urn:iso:std:iso:20022:tech:xsd:camt.053.…\"".to_owned()),
        ("camt.053.001.08", "camt.053.001.15", "line 2, /Document: not a camt.053 or camt.054 of version 02 to 14, but <Document> of \"urn:iso:std:iso:20022:tech:xsd:camt.053.…\"".to_owned()),
        ("camt.053.001.08", "pain.001.001.09", "line 2, /Document: not a camt.053 or camt.054 of version 02 to 14, but <Document> of \"urn:iso:std:iso:20022:tech:xsd:pain.001.…\"".to_owned()),
        ("BkToCstmrStmt", "BkToCstmrDbtCdtNtfctn", "line 96, /Document: <BkToCstmrStmt> is missing".to_owned()),
        ("encoding=\"UTF-8\"", "encoding=\"GBK\"", "line 1: not XML 1.0 in UTF-8, the only encoding that is read".to_owned()),
    ] {
        let file = STATEMENT.replacen(from, to, if from == "BkToCstmrStmt" { 9 } else { 1 });
        assert_ne!(file, STATEMENT);
        assert_eq!(refused(&file), wanted);
    }
    let other = "line 1, /html: not a camt.053 or camt.054 of version 02 to 14, but <html> of \"\"";
    assert_eq!(refused("<html/>"), other);
    assert_eq!(refused(""), "line 1: not a camt.053 or camt.054 of version 02 to 14, but nothing");
    assert_eq!(refused("MT940"), "line 1: \"MT940\" is not expected here");
    let latin1 = [b"<?xml version=\"1.0\"?><a>".as_slice(), &[0xE4], b"</a>"].concat();
    assert!(read_all(latin1.as_slice()).is_err());
    let wide: Vec<u8> = STATEMENT.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(read_all(wide.as_slice()).is_err());
}

/// A file that goes on and on, made as it is read.
struct Endless {
    head: &'static [u8],
    piece: &'static [u8],
    left: u64,
    handed: u64,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let from = match self.head.is_empty() {
            false => &mut self.head,
            true if self.left == 0 => return Ok(0),
            true => {
                self.left -= 1;
                self.head = self.piece;
                &mut self.head
            }
        };
        let length = from.read(out)?;
        self.handed += u64::try_from(length).unwrap();
        Ok(length)
    }
}

const HEAD: &[u8] =
    br#"<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>
<GrpHdr><MsgId>1</MsgId></GrpHdr><Stmt><Acct><Id><IBAN>DE89370400440532013000</IBAN></Id></Acct>"#;

#[test]
fn nothing_grows_with_what_a_file_claims() {
    // Text without end, a name without end, a comment, an attribute, elements in one another.
    for (begin, piece) in [
        (b"<Ntry><AddtlNtryInf>".as_slice(), b"aaaaaaaaaaaaaaaa".as_slice()),
        (b"<", b"aaaaaaaaaaaaaaaa"),
        (b"<!-- ", b"aaaaaaaaaaaaaaaa"),
        (b"<a b=\"", b"aaaaaaaaaaaaaaaa"),
        (b"<![CDATA[", b"aaaaaaaaaaaaaaaa"),
        (b"<?a ", b"aaaaaaaaaaaaaaaa"),
        (b"&", b"aaaaaaaaaaaaaaaa"),
        (b"", b"                "),
        (b"<Skipped>", b"<a>"),
        (b"<Ntry><AddtlNtryInf>", b"&amp;"),
        (b"<Ntry><NtryDtls>", b"<TxDtls></TxDtls>"),
    ] {
        let head: &'static [u8] = [HEAD, begin].concat().leak();
        let mut file = Endless { head, piece, left: 10_000_000, handed: 0 };
        let error = read(&mut file, |_| {}).unwrap_err();
        let words = ["more than", "ends within"];
        let told = error.to_string();
        assert!(words.iter().any(|word| told.contains(word)), "{told}");
        assert!(told.len() < 1_000, "{told}");
        assert!(file.handed < 1_000_000, "{} bytes of {}", file.handed, told);
    }
    let text = format!("<TxDtls><AddtlTxInf>{}</AddtlTxInf></TxDtls>", "a".repeat(2_000));
    for details in ["<TxDtls></TxDtls>".repeat(MAX_DETAILS + 1), text.repeat(9_000)] {
        let file = STATEMENT.replacen("<NtryDtls>", &format!("<NtryDtls>{details}"), 1);
        assert!(refused(&file).contains("more than 10000 details in one entry"));
    }
}

#[test]
fn a_long_file_is_read_entry_by_entry() {
    const NTRY: &[u8] = br#"<Ntry><Amt Ccy="EUR">0.01</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts></Ntry>
"#;
    let file = Endless { head: HEAD, piece: NTRY, left: 20_000, handed: 0 };
    let tail = b"</Stmt></BkToCstmrStmt></Document>".as_slice();
    let (mut count, mut sum) = (0_u64, 0_u64);
    let told = read(file.chain(tail), |entry| {
        count += 1;
        sum += entry.amount;
    })
    .unwrap();
    assert_eq!((count, sum, told.entries), (20_000, 20_000, 20_000));
}

#[test]
fn a_file_that_was_cut_is_refused_wherever_it_was_cut() {
    for sample in [STATEMENT, BATCH, PARTIAL, RETURNED] {
        let end = sample.trim_end().len();
        for at in 0..end {
            assert!(read_all(&sample.as_bytes()[..at]).is_err(), "cut at {at}");
        }
        assert!(read_all(&sample.as_bytes()[..end]).is_ok());
    }
}

proptest! {
    /// Nothing makes it panic, and what is read of a file does not depend on how it comes.
    #[test]
    fn any_change_is_read_or_refused(
        sample in prop::sample::select(vec![STATEMENT, BATCH, PARTIAL, RETURNED]),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        step in 1_usize..40,
    ) {
        let mut file = sample.as_bytes().to_vec();
        let at = at.index(file.len());
        file[at] = byte;
        let whole = read_all(file.as_slice()).map_err(|error| error.to_string());
        let slowly = read_all(Slowly(&file, step)).map_err(|error| error.to_string());
        prop_assert_eq!(whole, slowly);
    }
}

/// A file that comes in small pieces.
struct Slowly<'a>(&'a [u8], usize);

impl Read for Slowly<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(self.1);
        self.0.read(&mut out[..most])
    }
}

// ---------------------------------------------------------------- the whole circle

fn tracked(currency: &str) -> Vec<Tracked> {
    instructions(currency).into_iter().map(Tracked::new).collect()
}

#[test]
fn the_statement_of_the_page_settles_what_it_says() {
    let page = of_the_page("xml bank-camt053");
    assert_eq!(schema_says("camt053/xsd/camt.053.001.08.xsd", page.as_bytes()), None);
    let (file, found) = read_all(page.as_bytes()).unwrap();
    assert_eq!(file.message_id, "STM-20261127-1");
    let matched = match_entries(&accounts(), tracked("CNY"), [], &found).unwrap();
    let line = |t: &Tracked| {
        let i = &t.instruction;
        format!("{} {:?} {} of {}", i.end_to_end_id, t.state(), t.paid(), i.amount)
    };
    assert_eq!(
        matched.tracked.iter().map(line).collect::<Vec<_>>(),
        [
            "01H455VB4PEX5VSKNK084SN02Q-1-1 Paid 2025 of 2025",
            "01H455VB4PEX5VSKNK084SN02Q-2-1 Outstanding 0 of 1000",
            "01H455VB4PEX5VSKNK084SN02Q-3-1 Paid 3050 of 3050",
        ]
    );
    // The same file again.
    let keys = matched.entries.iter().map(|(key, _)| *key);
    let again = match_entries(&accounts(), matched.tracked.clone(), keys, &found).unwrap();
    assert_eq!(again.tracked, matched.tracked);
    assert!(again.entries.iter().all(|(_, became)| *became == Became::Duplicate));
}

#[test]
fn samples_settle_a_window_step_by_step() {
    let accounts = [
        ("alliance", r#"{"name":"Alliance","country":"DE","iban":"DE89370400440532013000"}"#),
        ("aurora-air", r#"{"name":"Aurora Air","country":"CH","iban":"CH9300762011623852957"}"#),
    ]
    .map(|(name, json)| (name.parse().unwrap(), serde_json::from_str(json).unwrap()))
    .into();
    let window = "win_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    let mut now = tracked("EUR");
    let mut keys = Vec::new();
    let mut take = |file: &str| {
        let matched = match_entries(&accounts, now.clone(), keys.clone(), &entries(file)).unwrap();
        now.clone_from(&matched.tracked);
        keys.extend(matched.entries.iter().map(|(key, _)| *key));
        let standing = standing(window, &matched.tracked).unwrap();
        let states: Vec<_> = standing.payments.iter().map(|p| (p.state, p.paid)).collect();
        let became: Vec<Became> = matched.entries.into_iter().map(|(_, became)| became).collect();
        (states, standing.settled, became)
    };
    let (states, settled, _) = take(BATCH);
    let paid = |minor| (PaymentState::Paid, minor);
    assert_eq!(states, [paid(2025), paid(1000), (PaymentState::Outstanding, 0)]);
    assert!(!settled);
    // 30.00 by id, then the rest by amount and name.
    let (states, settled, became) = take(PARTIAL);
    assert_eq!(states, [paid(2025), paid(1000), paid(3050)]);
    assert!(settled);
    assert!(matches!(became[1], Became::Payment { by: MatchedBy::AmountAndParty, .. }));
    let (states, settled, became) = take(RETURNED);
    assert_eq!(states, [(PaymentState::Returned, 0), (PaymentState::PartlyPaid, 500), paid(3050)]);
    assert!(!settled, "{became:?}");
    let (_, _, became) = take(STATEMENT);
    let other = became.iter().filter(|b| **b == Became::Unmatched(Unmatched::AccountUnknown));
    assert_eq!(other.count(), 2, "{became:?}");
    assert_eq!(became.iter().filter(|b| **b == Became::NotBooked).count(), 1);
}

#[test]
fn only_booked_entries_of_a_file_count() {
    let found = entries(STATEMENT);
    let statuses: Vec<EntryStatus> = found.iter().map(|entry| entry.status).collect();
    let booked = EntryStatus::Booked;
    assert_eq!(statuses, [booked, booked, EntryStatus::Pending, booked]);
}
