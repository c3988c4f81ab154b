//! A bank's statements (camt.053) and notifications (camt.054) as entries, one at a time: memory
//! for one entry with its details, whatever the file's size.
//!
//! | version | read |
//! | --- | --- |
//! | .02 to .14 | what is read of them is the same, or stands in one of two places |
//! | .01 | not read: its entries are built another way |
//!
//! Elements of other namespaces, and whatever is not asked for, are passed by. A document type is
//! refused where it stands; nothing is fetched, nothing expanded.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use alliance_contracts::date::Date;
use alliance_contracts::encoding::Hash;
use alliance_contracts::names::Currency;
use alliance_settlement::payments::currencies::{AmountFault, MinorUnit};
use alliance_settlement::payments::entries::{BankEntry, Direction, EntryStatus};
use quick_xml::NsReader;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

use super::source::{MAX_EVENT_BYTES, MAX_FILE_BYTES, Overrun, Source};
use crate::xml::is_char;

/// Elements in one another, at most. The schemas are half as deep.
const MAX_DEPTH: usize = 32;
/// Bytes of an element's text, at most. The schemas' longest has 500 characters.
const MAX_TEXT_BYTES: usize = 2_048;
/// So many characters of the text for the receiver are kept.
const MAX_REFERENCE_CHARS: usize = 1_000;
/// Entries of a file, at most.
pub const MAX_ENTRIES: u64 = 1_000_000;
/// Details of an entry, at most.
pub const MAX_DETAILS: usize = 10_000;
/// Bytes of an entry with its details, at most: what memory holds at once.
pub const MAX_ENTRY_BYTES: u64 = 1 << 24;
/// How much of a file's own text a fault repeats.
const QUOTED_CHARS: usize = 40;

const NAMESPACES: &str = "urn:iso:std:iso:20022:tech:xsd:";
/// What stands where no end-to-end id was given.
const NOT_PROVIDED: &str = "NOTPROVIDED";
/// The transaction code of what came back (`ExternalBankTransactionSubFamily1Code`).
const RETURNED: &str = "RRTN";
/// What is said of what came back where the bank says nothing.
const NO_REASON: &str = "no reason given";

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A statement of a day (camt.053).
    Statement,
    /// A notification of single entries (camt.054).
    Notification,
}

/// What a file said beside its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankFile {
    /// How many entries were handed out.
    pub entries: u64,
    /// SHA-256 of the file, by which it is known.
    pub file: Hash,
    /// What it is.
    pub message: Message,
    /// What the bank calls it.
    pub message_id: String,
    /// How many accounts' statements or notifications.
    pub statements: u64,
    /// The version of its schema.
    pub version: u8,
}

/// Why a file is not read, and where.
#[derive(Debug, thiserror::Error)]
#[error("line {line}{}: {fault}", place(.path))]
pub struct CamtError {
    /// From 1: the end of what is at fault.
    pub line: u64,
    /// The element, from the root: `/Document/BkToCstmrStmt/Stmt/Ntry/Amt`.
    pub path: String,
    /// What is wrong.
    pub fault: CamtFault,
}

fn place(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(", {path}") }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum CamtFault {
    /// Not XML.
    #[error("not well-formed XML: {0}")]
    NotXml(String),
    /// Another encoding.
    #[error("not XML 1.0 in UTF-8, the only encoding that is read")]
    Encoding,
    /// A document type, with whatever it declares.
    #[error("a document type is refused")]
    Doctype,
    /// Something else.
    #[error("not a camt.053 or camt.054 of version 02 to 14, but {0}")]
    NotCamt(String),
    /// Deeper than any schema.
    #[error("elements stand more than {MAX_DEPTH} deep")]
    TooDeep,
    /// A tag or a text that is too long.
    #[error("a tag of more than {MAX_EVENT_BYTES} bytes, or a text of more than {MAX_TEXT_BYTES}")]
    TooLong,
    /// A file that is too large.
    #[error("more than {MAX_FILE_BYTES} bytes")]
    FileTooLarge,
    /// Too many entries.
    #[error("more than {MAX_ENTRIES} entries: ask the bank for a file a day")]
    TooManyEntries,
    /// Too many details.
    #[error("more than {MAX_DETAILS} details in one entry, or {MAX_ENTRY_BYTES} bytes")]
    TooManyDetails,
    /// An element where text is expected, or the other way round.
    #[error("{0} is not expected here")]
    Unexpected(String),
    /// An element that has to be there.
    #[error("<{0}> is missing")]
    Missing(&'static str),
    /// An element twice.
    #[error("<{0}> is there twice")]
    Twice(&'static str),
    /// No amount.
    #[error("{text} is no amount of {currency}: {fault}")]
    Amount {
        /// What stands there.
        text: String,
        /// Its currency.
        currency: Currency,
        /// Why not.
        fault: AmountFault,
    },
    /// No currency that banks pay.
    #[error("{0} is no currency that banks pay (ISO 4217)")]
    Currency(String),
    /// One of a few words, and none of them.
    #[error("{0} is none of the words that are known here")]
    Word(String),
    /// No day.
    #[error("{0} is no day such as 2026-11-27")]
    Date(String),
}

/// Reads a file; each entry is handed to `take` as soon as it is known, in the file's order. What
/// was taken of a file that ends with an error is worth nothing.
///
/// # Errors
/// [`CamtError`]: the first thing at fault, and where.
pub fn read<R: Read>(input: R, take: impl FnMut(BankEntry)) -> Result<BankFile, CamtError> {
    let mut reader = NsReader::from_reader(Source::new(input));
    let config = reader.config_mut();
    config.check_comments = true;
    config.expand_empty_elements = true;
    let mut document = Document {
        reader,
        buffer: Vec::new(),
        namespace: String::new(),
        path: String::new(),
        left: false,
        depth: 0,
        take,
        entries: 0,
        statements: 0,
    };
    match document.file() {
        Ok((message, version, message_id)) => {
            let Document { reader, entries, statements, .. } = document;
            let file = reader.into_inner().finish();
            Ok(BankFile { entries, file, message, message_id, statements, version })
        }
        Err(fault) => Err(document.placed(fault)),
    }
}

/// Reads a file whose entries all fit in memory.
///
/// # Errors
/// [`CamtError`].
pub fn read_all<R: Read>(input: R) -> Result<(BankFile, Vec<BankEntry>), CamtError> {
    let mut entries = Vec::new();
    let file = read(input, |entry| entries.push(entry))?;
    Ok((file, entries))
}

struct Document<R, F> {
    reader: NsReader<Source<R>>,
    buffer: Vec<u8>,
    /// The document's own; other elements are passed by.
    namespace: String,
    /// The element that is being read, or that was read last.
    path: String,
    /// Its end was read.
    left: bool,
    /// How deep it stands.
    depth: usize,
    take: F,
    entries: u64,
    statements: u64,
}

/// The next thing that matters inside an element.
enum Piece {
    /// A child that is ours.
    Child(Tag),
    /// A child of another namespace.
    Foreign,
    /// Text.
    Text(String),
    /// The element's end.
    End,
    /// The file's end.
    Eof,
}

/// A start tag. What it is called is the path's last name.
struct Tag {
    /// The attribute `Ccy`.
    currency: Option<String>,
}

type Amount = (Currency, u64);

/// An account, as the statement says it.
#[derive(Clone, Default)]
struct Account {
    number: Option<String>,
    currency: Option<Currency>,
}

/// An entry that is being read.
#[derive(Default)]
struct Ntry {
    amount: Option<Amount>,
    bank_reference: Option<String>,
    booking_date: Option<Date>,
    details: Vec<Detail>,
    direction: Option<Direction>,
    information: Option<String>,
    return_code: bool,
    reversal: Option<bool>,
    status: Option<EntryStatus>,
    value_date: Option<Date>,
}

/// Details of one of its transactions.
#[derive(Default)]
struct Detail {
    amount: Option<Amount>,
    bank_reference: Option<String>,
    creditor: Party,
    debtor: Party,
    direction: Option<Direction>,
    end_to_end_id: Option<String>,
    reference: String,
    return_code: bool,
    return_reason: String,
    /// `AmtDtls/TxAmt`, where older versions have the amount.
    transaction_amount: Option<Amount>,
}

#[derive(Default)]
struct Party {
    account: Option<String>,
    name: Option<String>,
}

type Fallible<T> = Result<T, CamtFault>;

impl<R: Read, F: FnMut(BankEntry)> Document<R, F> {
    // ------------------------------------------------------------ the message

    fn file(&mut self) -> Fallible<(Message, u8, String)> {
        let (message, version) = self.root()?;
        let (wrapper, statement) = match message {
            Message::Statement => ("BkToCstmrStmt", "Stmt"),
            Message::Notification => ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
        };
        let mut message_id = None;
        let mut found = false;
        while self.child()?.is_some() {
            match self.name() {
                name if name == wrapper && !found => {
                    found = true;
                    self.message(statement, &mut message_id)?;
                }
                _ => self.skip()?,
            }
        }
        if !found {
            return Err(CamtFault::Missing(wrapper));
        }
        self.end()?;
        Ok((message, version, message_id.ok_or(CamtFault::Missing("MsgId"))?))
    }

    /// What comes before the root element, and what it says the file is.
    fn root(&mut self) -> Fallible<(Message, u8)> {
        loop {
            match self.piece()? {
                // No namespace is the document's own yet.
                Piece::Child(_) | Piece::Foreign => break,
                Piece::Text(text) if is_space(&text) => {}
                Piece::Text(text) => return Err(unexpected(&text)),
                Piece::End | Piece::Eof => return Err(CamtFault::NotCamt("nothing".to_owned())),
            }
        }
        let known = || {
            let name = self.namespace.strip_prefix(NAMESPACES)?;
            let (message, version) = match name.split_once(".001.")? {
                ("camt.053", version) => (Message::Statement, version),
                ("camt.054", version) => (Message::Notification, version),
                _ => return None,
            };
            let number = version.parse().ok().filter(|number| (2..=14).contains(number))?;
            (version.len() == 2).then_some((message, number))
        };
        match known() {
            Some(known) if self.name() == "Document" => Ok(known),
            _ => {
                let found = format!("<{}> of \"{}\"", quoted(self.name()), quoted(&self.namespace));
                Err(CamtFault::NotCamt(found))
            }
        }
    }

    fn message(&mut self, statement: &str, message_id: &mut Option<String>) -> Fallible<()> {
        while self.child()?.is_some() {
            match self.name() {
                "GrpHdr" => {
                    while self.child()?.is_some() {
                        match self.name() {
                            "MsgId" => once(message_id, self.text()?, "MsgId")?,
                            _ => self.skip()?,
                        }
                    }
                }
                name if name == statement => self.statement()?,
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    fn statement(&mut self) -> Fallible<()> {
        self.statements += 1;
        let mut account = None;
        while self.child()?.is_some() {
            match self.name() {
                "Acct" => once(&mut account, self.account()?, "Acct")?,
                "Ntry" => {
                    let account = account.as_ref().ok_or(CamtFault::Missing("Acct"))?;
                    self.entry(account)?;
                }
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    fn account(&mut self) -> Fallible<Account> {
        let mut account = Account::default();
        while self.child()?.is_some() {
            match self.name() {
                "Id" => account.number = self.account_number()?,
                "Ccy" => {
                    let code = self.text()?;
                    account.currency = Some(currency(&code)?.0);
                }
                _ => self.skip()?,
            }
        }
        Ok(account)
    }

    /// `IBAN`, or `Othr/Id`.
    fn account_number(&mut self) -> Fallible<Option<String>> {
        let mut number = None;
        while self.child()?.is_some() {
            match self.name() {
                "IBAN" => once(&mut number, self.text()?, "IBAN")?,
                "Othr" => {
                    while self.child()?.is_some() {
                        match self.name() {
                            "Id" => once(&mut number, self.text()?, "Id")?,
                            _ => self.skip()?,
                        }
                    }
                }
                _ => self.skip()?,
            }
        }
        Ok(number)
    }

    // ------------------------------------------------------------ entries

    fn entry(&mut self, account: &Account) -> Fallible<()> {
        let mut entry = Ntry::default();
        let end = self.reader.buffer_position().saturating_add(MAX_ENTRY_BYTES);
        while let Some(tag) = self.child()? {
            match self.name() {
                "Amt" => once(&mut entry.amount, self.amount(tag)?, "Amt")?,
                "CdtDbtInd" => once(&mut entry.direction, self.direction()?, "CdtDbtInd")?,
                "RvslInd" => once(&mut entry.reversal, self.truth()?, "RvslInd")?,
                "Sts" => once(&mut entry.status, self.status()?, "Sts")?,
                "BookgDt" => entry.booking_date = self.day()?,
                "ValDt" => entry.value_date = self.day()?,
                "AcctSvcrRef" => once(&mut entry.bank_reference, self.text()?, "AcctSvcrRef")?,
                "BkTxCd" => entry.return_code |= self.return_code()?,
                "NtryDtls" => self.details(&mut entry.details, end)?,
                "AddtlNtryInf" => once(&mut entry.information, self.text()?, "AddtlNtryInf")?,
                _ => self.skip()?,
            }
        }
        for entry in entry.whole(account)? {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(CamtFault::TooManyEntries);
            }
            (self.take)(entry);
        }
        Ok(())
    }

    /// Not beyond `end`.
    fn details(&mut self, details: &mut Vec<Detail>, end: u64) -> Fallible<()> {
        while self.child()?.is_some() {
            let most = details.len() == MAX_DETAILS || self.reader.buffer_position() > end;
            match self.name() {
                "TxDtls" if most => return Err(CamtFault::TooManyDetails),
                "TxDtls" => details.push(self.detail()?),
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    fn detail(&mut self) -> Fallible<Detail> {
        let mut detail = Detail::default();
        while let Some(tag) = self.child()? {
            match self.name() {
                "Refs" => self.references(&mut detail)?,
                "Amt" => once(&mut detail.amount, self.amount(tag)?, "Amt")?,
                "CdtDbtInd" => once(&mut detail.direction, self.direction()?, "CdtDbtInd")?,
                "AmtDtls" => self.amount_details(&mut detail)?,
                "BkTxCd" => detail.return_code |= self.return_code()?,
                "RltdPties" => self.parties(&mut detail)?,
                "RmtInf" => self.remittance(&mut detail.reference)?,
                "RtrInf" => self.return_information(&mut detail.return_reason)?,
                "AddtlTxInf" => {
                    let text = self.text()?;
                    append(&mut detail.reference, &text);
                }
                _ => self.skip()?,
            }
        }
        Ok(detail)
    }

    fn references(&mut self, detail: &mut Detail) -> Fallible<()> {
        while self.child()?.is_some() {
            match self.name() {
                "AcctSvcrRef" => once(&mut detail.bank_reference, self.text()?, "AcctSvcrRef")?,
                "EndToEndId" => {
                    let id = self.text()?;
                    detail.end_to_end_id = (id != NOT_PROVIDED).then_some(id);
                }
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    /// `TxAmt/Amt`.
    fn amount_details(&mut self, detail: &mut Detail) -> Fallible<()> {
        while self.child()?.is_some() {
            match self.name() {
                "TxAmt" => {
                    while let Some(tag) = self.child()? {
                        match self.name() {
                            "Amt" => {
                                let amount = self.amount(tag)?;
                                once(&mut detail.transaction_amount, amount, "Amt")?;
                            }
                            _ => self.skip()?,
                        }
                    }
                }
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    fn parties(&mut self, detail: &mut Detail) -> Fallible<()> {
        while self.child()?.is_some() {
            match self.name() {
                "Dbtr" => detail.debtor.name = self.party_name(0)?,
                "DbtrAcct" => detail.debtor.account = self.party_account()?,
                "Cdtr" => detail.creditor.name = self.party_name(0)?,
                "CdtrAcct" => detail.creditor.account = self.party_account()?,
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    /// `Nm`; since version 07 `Pty/Nm` or `Agt/FinInstnId/Nm`.
    fn party_name(&mut self, within: usize) -> Fallible<Option<String>> {
        let mut name = None;
        while self.child()?.is_some() {
            match self.name() {
                "Nm" => once(&mut name, self.text()?, "Nm")?,
                "Pty" | "Agt" if within == 0 => name = name.or(self.party_name(1)?),
                "FinInstnId" if within == 1 => name = name.or(self.party_name(2)?),
                _ => self.skip()?,
            }
        }
        Ok(name)
    }

    fn party_account(&mut self) -> Fallible<Option<String>> {
        let mut number = None;
        while self.child()?.is_some() {
            match self.name() {
                "Id" => number = self.account_number()?,
                _ => self.skip()?,
            }
        }
        Ok(number)
    }

    /// `Ustrd`, and `Strd/CdtrRefInf/Ref`.
    fn remittance(&mut self, reference: &mut String) -> Fallible<()> {
        while self.child()?.is_some() {
            match self.name() {
                "Ustrd" | "Ref" => {
                    let text = self.text()?;
                    append(reference, &text);
                }
                "Strd" | "CdtrRefInf" => self.remittance(reference)?,
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    /// `Rsn/Cd` or `Rsn/Prtry`, and `AddtlInf`. Where there is none of it, it came back all the
    /// same.
    fn return_information(&mut self, reason: &mut String) -> Fallible<()> {
        while self.child()?.is_some() {
            match self.name() {
                "Rsn" => {
                    while self.child()?.is_some() {
                        let text = self.text()?;
                        append(reason, &text);
                    }
                }
                "AddtlInf" => {
                    let text = self.text()?;
                    append(reason, &text);
                }
                _ => self.skip()?,
            }
        }
        if reason.is_empty() {
            reason.push_str(NO_REASON);
        }
        Ok(())
    }

    /// Whether `Domn/Fmly/SubFmlyCd` says that a payment came back: all that some banks say of it.
    fn return_code(&mut self) -> Fallible<bool> {
        let mut returned = false;
        while self.child()?.is_some() {
            match self.name() {
                "Domn" | "Fmly" => returned |= self.return_code()?,
                "SubFmlyCd" => returned |= self.text()? == RETURNED,
                _ => self.skip()?,
            }
        }
        Ok(returned)
    }

    // ------------------------------------------------------------ values

    fn amount(&mut self, tag: Tag) -> Fallible<Amount> {
        let text = self.text()?;
        let code = tag.currency.ok_or(CamtFault::Missing("Ccy"))?;
        let (currency, unit) = currency(&code)?;
        match unit.read(&text) {
            Ok(minor) => Ok((currency, minor)),
            Err(fault) => {
                let text = quoted(&text);
                Err(CamtFault::Amount { text, currency, fault })
            }
        }
    }

    fn direction(&mut self) -> Fallible<Direction> {
        match self.text()?.as_str() {
            "CRDT" => Ok(Direction::Credit),
            "DBIT" => Ok(Direction::Debit),
            other => Err(CamtFault::Word(quoted(other))),
        }
    }

    fn truth(&mut self) -> Fallible<bool> {
        match self.text()?.as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            other => Err(CamtFault::Word(quoted(other))),
        }
    }

    /// The word itself; since version 07 in `Cd`.
    fn status(&mut self) -> Fallible<EntryStatus> {
        let mut word = String::new();
        loop {
            match self.piece()? {
                Piece::Text(text) => grow(&mut word, &text)?,
                Piece::Child(_) if matches!(self.name(), "Cd" | "Prtry") => word = self.text()?,
                Piece::Child(_) | Piece::Foreign => self.skip()?,
                Piece::End => break,
                Piece::Eof => return Err(self.broken_off()),
            }
        }
        match word.trim_matches(SPACES) {
            "BOOK" => Ok(EntryStatus::Booked),
            "PDNG" => Ok(EntryStatus::Pending),
            "FUTR" => Ok(EntryStatus::Future),
            "INFO" => Ok(EntryStatus::Information),
            other => Err(CamtFault::Word(quoted(other))),
        }
    }

    /// `Dt`, or the day of `DtTm` as the bank writes it, in its own time.
    fn day(&mut self) -> Fallible<Option<Date>> {
        let mut day = None;
        while self.child()?.is_some() {
            match self.name() {
                "Dt" | "DtTm" => {
                    let text = self.text()?;
                    let date = text.get(..10).and_then(|date| date.parse().ok());
                    let date = date.ok_or_else(|| CamtFault::Date(quoted(&text)))?;
                    once(&mut day, date, "Dt")?;
                }
                _ => self.skip()?,
            }
        }
        Ok(day)
    }

    // ------------------------------------------------------------ elements

    /// What the element is called that was entered last.
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The next child of an element that has only elements; none at its end. A child is to be read
    /// to its end before the next one is asked for.
    fn child(&mut self) -> Fallible<Option<Tag>> {
        loop {
            match self.piece()? {
                Piece::Child(tag) => return Ok(Some(tag)),
                Piece::Foreign => self.skip()?,
                Piece::Text(text) if is_space(&text) => {}
                Piece::Text(text) => return Err(unexpected(&text)),
                Piece::End => return Ok(None),
                Piece::Eof => return Err(self.broken_off()),
            }
        }
    }

    /// The text of an element that has only text, without space around.
    fn text(&mut self) -> Fallible<String> {
        let mut whole = String::new();
        loop {
            match self.piece()? {
                Piece::Text(text) => grow(&mut whole, &text)?,
                Piece::Child(_) | Piece::Foreign => {
                    return Err(CamtFault::Unexpected("an element".to_owned()));
                }
                Piece::End => return Ok(whole.trim_matches(SPACES).to_owned()),
                Piece::Eof => return Err(self.broken_off()),
            }
        }
    }

    /// Passes an element by, with all that is in it.
    fn skip(&mut self) -> Fallible<()> {
        let mut inside = 1_usize;
        while inside > 0 {
            match self.piece()? {
                Piece::Child(_) | Piece::Foreign => inside += 1,
                Piece::End => inside -= 1,
                Piece::Text(_) => {}
                Piece::Eof => return Err(self.broken_off()),
            }
        }
        Ok(())
    }

    /// Nothing but space and comments may follow.
    fn end(&mut self) -> Fallible<()> {
        loop {
            match self.piece()? {
                Piece::Eof => return Ok(()),
                Piece::Text(text) if is_space(&text) => {}
                _ => return Err(CamtFault::Unexpected("more after the root element".to_owned())),
            }
        }
    }

    fn broken_off(&self) -> CamtFault {
        CamtFault::NotXml(format!("the file ends within <{}>", quoted(self.name())))
    }

    fn piece(&mut self) -> Fallible<Piece> {
        // Not before: a fault in what was read is one of that element.
        if self.left {
            let length = self.path.rfind('/').unwrap_or_default();
            self.path.truncate(length);
            self.depth -= 1;
            self.left = false;
        }
        loop {
            self.buffer.clear();
            self.reader.get_mut().next_event();
            let event = self.reader.read_resolved_event_into(&mut self.buffer);
            let (resolved, event) = match event {
                Ok(event) => event,
                Err(error) => {
                    let overrun = self.reader.get_ref().overrun();
                    return Err(ill_formed(overrun, &error));
                }
            };
            match event {
                Event::Decl(declaration) => check(&declaration)?,
                Event::Comment(_) | Event::PI(_) => {}
                Event::DocType(_) => return Err(CamtFault::Doctype),
                Event::Start(start) => {
                    if self.depth == MAX_DEPTH {
                        return Err(CamtFault::TooDeep);
                    }
                    self.depth += 1;
                    let namespace = match resolved {
                        ResolveResult::Bound(Namespace(namespace)) => namespace,
                        _ => "",
                    };
                    let root = self.path.is_empty();
                    if root {
                        namespace.clone_into(&mut self.namespace);
                    }
                    let ours = namespace == self.namespace && !namespace.is_empty();
                    let name = start.local_name().into_inner();
                    if !is_name(name) {
                        let found = quoted(name);
                        return Err(CamtFault::NotXml(format!("<{found}> is no element's name")));
                    }
                    // A long one is none that is looked for.
                    self.path.push('/');
                    self.path.push_str(&quoted(name));
                    return match ours {
                        true => Ok(Piece::Child(Tag { currency: attribute(&start, "Ccy")? })),
                        false => Ok(Piece::Foreign),
                    };
                }
                // Empty elements come as a start and an end.
                Event::Empty(_) => {}
                Event::End(_) => {
                    self.left = true;
                    return Ok(Piece::End);
                }
                Event::Text(text) => {
                    let text = text.xml10_content();
                    return characters(text.into_owned()).map(Piece::Text);
                }
                Event::CData(text) => {
                    let text = text.xml10_content();
                    return characters(text.into_owned()).map(Piece::Text);
                }
                Event::GeneralRef(reference) => {
                    return resolve(&reference).map(|c| Piece::Text(c.to_string()));
                }
                Event::Eof => return Ok(Piece::Eof),
            }
        }
    }

    fn placed(self, fault: CamtFault) -> CamtError {
        let line = self.reader.get_ref().line();
        CamtError { line, path: self.path, fault }
    }
}

impl Ntry {
    /// The entries that it comes to: one, or one for each detail where these add up to it.
    fn whole(self, account: &Account) -> Fallible<Vec<BankEntry>> {
        let Self { details, information, .. } = self;
        let (currency, amount) = self.amount.ok_or(CamtFault::Missing("Amt"))?;
        let direction = self.direction.ok_or(CamtFault::Missing("CdtDbtInd"))?;
        let number = account.number.clone().ok_or(CamtFault::Missing("Id"))?;
        let bare = BankEntry {
            account: number,
            amount,
            bank_reference: self.bank_reference,
            batch_part: None,
            booking_date: self.booking_date,
            counterparty_account: None,
            counterparty_name: None,
            currency,
            direction,
            end_to_end_id: None,
            reference: None,
            return_reason: None,
            reversal: self.reversal.unwrap_or(false),
            status: self.status.ok_or(CamtFault::Missing("Sts"))?,
            value_date: self.value_date,
        };
        let came_back =
            |of_detail: bool| (of_detail || self.return_code).then(|| NO_REASON.to_owned());
        let several = details.len() > 1;
        let strange = account.currency.as_ref().is_some_and(|own| *own != bare.currency);
        if strange || several && !adds_up(&bare, &details) {
            // One movement that names nothing, for a person: what it says cannot all be so.
            return Ok(vec![BankEntry { return_reason: came_back(false), ..bare }]);
        }
        if details.is_empty() {
            let return_reason = came_back(false);
            return Ok(vec![BankEntry { reference: information, return_reason, ..bare }]);
        }
        let mut parts: BTreeMap<String, usize> = BTreeMap::new();
        let mut entries = Vec::with_capacity(details.len());
        for mut detail in details {
            if detail.reference.is_empty() {
                append(&mut detail.reference, information.as_deref().unwrap_or_default());
            }
            let part = several.then(|| {
                // By what travelled with it; the second with the same is told so.
                let id = detail.end_to_end_id.clone().unwrap_or_default();
                let number = parts.entry(id.clone()).or_default();
                *number += 1;
                format!("{id}/{number}")
            });
            let came_back = came_back(detail.return_code);
            let entry = detail.of(&bare, part);
            let return_reason = entry.return_reason.or(came_back);
            entries.push(BankEntry { return_reason, ..entry });
        }
        Ok(entries)
    }
}

/// Whether details have amounts, in the entry's currency, that add up to its own.
fn adds_up(entry: &BankEntry, details: &[Detail]) -> bool {
    let mut sum = 0_i128;
    for detail in details {
        match detail.amount_of(&entry.currency) {
            Some(amount) if detail.direction.unwrap_or(entry.direction) == entry.direction => {
                sum += i128::from(amount);
            }
            Some(amount) => sum -= i128::from(amount),
            None => return false,
        }
    }
    sum == i128::from(entry.amount)
}

impl Detail {
    fn amount_of(&self, currency: &Currency) -> Option<u64> {
        let amounts = [&self.amount, &self.transaction_amount].into_iter().flatten();
        amounts.into_iter().find(|(of, _)| of == currency).map(|(_, amount)| *amount)
    }

    /// The entry that it is: with the amount of the whole, or as a part of it.
    fn of(self, entry: &BankEntry, part: Option<String>) -> BankEntry {
        let (amount, direction) = match part {
            None => (entry.amount, entry.direction),
            Some(_) => (
                self.amount_of(&entry.currency).unwrap_or_default(),
                self.direction.unwrap_or(entry.direction),
            ),
        };
        // Only under the reference of the whole need parts be told apart.
        let batch_part = part.filter(|_| self.bank_reference.is_none());
        let other = match direction {
            Direction::Credit => self.debtor,
            Direction::Debit => self.creditor,
        };
        let some = |text: String| (!text.is_empty()).then_some(text);
        BankEntry {
            amount,
            bank_reference: self.bank_reference.or_else(|| entry.bank_reference.clone()),
            batch_part,
            counterparty_account: other.account,
            counterparty_name: other.name,
            direction,
            end_to_end_id: self.end_to_end_id,
            reference: some(self.reference),
            return_reason: some(self.return_reason),
            ..entry.clone()
        }
    }
}

/// Whether it may be an element's name: what the reader of tags does not look at.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-.·".contains(c))
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

fn is_space(text: &str) -> bool {
    text.chars().all(|c| SPACES.contains(&c))
}

/// A part of a file's own text, as a fault repeats it.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn unexpected(text: &str) -> CamtFault {
    CamtFault::Unexpected(format!("{:?}", quoted(text.trim_matches(SPACES))))
}

fn once<T>(place: &mut Option<T>, value: T, name: &'static str) -> Fallible<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(CamtFault::Twice(name)),
    }
}

/// Adds a piece to an element's text.
fn grow(whole: &mut String, piece: &str) -> Fallible<()> {
    whole.push_str(piece);
    if whole.len() > MAX_TEXT_BYTES { Err(CamtFault::TooLong) } else { Ok(()) }
}

/// Adds a line of text; what is beyond [`MAX_REFERENCE_CHARS`] is left out.
fn append(whole: &mut String, text: &str) {
    if !whole.is_empty() && !text.is_empty() {
        whole.push(' ');
    }
    let left = MAX_REFERENCE_CHARS.saturating_sub(whole.chars().count());
    whole.extend(text.chars().take(left));
}

fn currency(code: &str) -> Fallible<(Currency, MinorUnit)> {
    let known = code.parse().ok().and_then(|currency| {
        let unit = MinorUnit::of(&currency)?;
        Some((currency, unit))
    });
    known.ok_or_else(|| CamtFault::Currency(quoted(code)))
}

fn check(declaration: &BytesDecl<'_>) -> Fallible<()> {
    let version = declaration.version().is_ok_and(|version| version == "1.0");
    let encoding = match declaration.encoding() {
        None => true,
        Some(encoding) => encoding.is_ok_and(|encoding| encoding.eq_ignore_ascii_case("UTF-8")),
    };
    if version && encoding { Ok(()) } else { Err(CamtFault::Encoding) }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Fallible<Option<String>> {
    // Duplicates are looked for here: of the one name that matters.
    let mut found = None;
    for attribute in start.attributes().with_checks(false) {
        let Ok(attribute) = attribute else {
            return Err(CamtFault::NotXml("an attribute is not written as name=\"value\"".into()));
        };
        if attribute.key.0 == name {
            once(&mut found, attribute.value.clone().into_owned(), "Ccy")?;
        }
    }
    Ok(found)
}

fn characters(text: String) -> Fallible<String> {
    if text.chars().all(is_char) {
        return Ok(text);
    }
    Err(CamtFault::NotXml("a character that XML 1.0 does not have".to_owned()))
}

/// One of the five entities that XML has, or a character by its number.
fn resolve(reference: &BytesRef<'_>) -> Fallible<char> {
    let character = match &**reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => reference.resolve_char_ref().ok().flatten().filter(|c| is_char(*c)),
    };
    let unknown =
        || CamtFault::NotXml(format!("&{}; is no entity that is known", quoted(reference)));
    character.ok_or_else(unknown)
}

fn ill_formed(overrun: Option<Overrun>, error: &quick_xml::Error) -> CamtFault {
    match (overrun, error) {
        (Some(Overrun::Event), _) => CamtFault::TooLong,
        (Some(Overrun::File), _) => CamtFault::FileTooLarge,
        (None, quick_xml::Error::Encoding(_)) => CamtFault::Encoding,
        // The reader's own words would repeat the file's names, however long.
        (None, error) => CamtFault::NotXml(quoted_error(error)),
    }
}

fn quoted_error(error: &dyn fmt::Display) -> String {
    let text = error.to_string();
    match text.char_indices().nth(4 * QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
