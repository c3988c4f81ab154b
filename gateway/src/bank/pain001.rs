//! Instructions of one debtor as a `CustomerCreditTransferInitiation` (pain.001.001.09), which its
//! bank takes. The same order gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};

use alliance_contracts::date::Date;
use alliance_contracts::encoding::Hash;
use alliance_contracts::names::{Currency, Party};
use alliance_contracts::time::Timestamp;
use alliance_settlement::payments::accounts::{AccountNumber, BankAccount};
use alliance_settlement::payments::currencies::{MAX_MINOR, MinorUnit};
use alliance_settlement::payments::instructions::{
    EndToEndId, PaymentInstruction, control, message_id,
};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::letters::{LettersFault, sepa};
use super::source::Hashed;

/// The namespace of every element.
pub const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";

/// Countries whose accounts SEPA credit transfers reach, by the first letters of their IBANs
/// (EPC409-09). French territories have `FR`, Åland has `FI`, Jersey, Guernsey and Man have `GB`.
const SEPA_COUNTRIES: &str = "AD AL AT BE BG CH CY CZ DE DK EE ES FI FR GB GI GR HR HU IE IS IT LI \
     LT LU LV MC MD ME MK MT NL NO PL PT RO RS SE SI SK SM VA";

/// Under which rules banks are to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A SEPA credit transfer: euro, between accounts with IBANs of its countries, in its letters.
    Sepa,
    /// As the debtor has agreed with its bank.
    Agreed,
}

impl Scheme {
    /// SEPA where all that it asks for is so but the letters, else as agreed.
    #[must_use]
    pub fn fitting(
        instructions: &[PaymentInstruction],
        accounts: &BTreeMap<Party, BankAccount>,
    ) -> Self {
        let reached = |party| accounts.get(party).is_some_and(is_sepa);
        let all = instructions.iter().all(|instruction| {
            instruction.currency.as_str() == EURO
                && reached(&instruction.debtor)
                && reached(&instruction.creditor)
        });
        if all { Self::Sepa } else { Self::Agreed }
    }
}

const EURO: &str = "EUR";

fn is_sepa(account: &BankAccount) -> bool {
    match account.number() {
        AccountNumber::Iban(iban) => SEPA_COUNTRIES.split(' ').any(|c| c == iban.country()),
        AccountNumber::Other(_) => false,
    }
}

/// What a file is made of.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Where parties have their money.
    pub accounts: &'a BTreeMap<Party, BankAccount>,
    /// When it was ordered; told to the second.
    pub created: Timestamp,
    /// What is to be paid: of one window, one debtor and one currency.
    pub instructions: &'a [PaymentInstruction],
    /// Under which rules.
    pub scheme: Scheme,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// SHA-256 of the file.
    pub file: Hash,
    /// What the message is called; the same for the same first instruction.
    pub message_id: String,
    /// How many payments.
    pub payments: usize,
    /// Minor units in all.
    pub sum: u128,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum Pain001Fault {
    /// Nothing is to be paid.
    #[error("there is nothing to be paid")]
    Empty,
    /// Not of one window, debtor and currency.
    #[error("{0} is not of the window, the debtor and the currency of the first")]
    Mixed(EndToEndId),
    /// Twice.
    #[error("{0} is there twice")]
    Twice(EndToEndId),
    /// Nothing is to be paid by it, or more than 18 digits.
    #[error("{0} is not above zero, or has more than 18 digits")]
    Amount(EndToEndId),
    /// A sum that no bank reads.
    #[error("all payments together have more than 18 digits: order them in several files")]
    SumTooLarge,
    /// A currency that banks do not pay.
    #[error("{0} has no minor unit in ISO 4217: no bank pays it")]
    NoMinorUnit(Currency),
    /// Nowhere to pay from or to.
    #[error("{0} has no bank account")]
    NoAccount(Party),
    /// One's own account.
    #[error("{0} would pay itself")]
    OwnAccount(Party),
    /// Not euro.
    #[error("SEPA credit transfers are in euro, not in {0}")]
    NotEuro(Currency),
    /// Not reached by SEPA.
    #[error("the account of {0} has no IBAN of a SEPA country")]
    NotSepa(Party),
    /// A name that SEPA does not take.
    #[error("name or town of {party}: {fault}")]
    Letters {
        /// Whose.
        party: Party,
        /// What is wrong with it.
        fault: LettersFault,
    },
    /// The file cannot be written.
    #[error("the file cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// Writes a file. Nothing is written where a fault is found before.
///
/// # Errors
/// [`Pain001Fault`].
pub fn write(order: &Order<'_>, out: impl Write) -> Result<Written, Pain001Fault> {
    let checked = Checked::of(order)?;
    let mut out = Hashed::new(BufWriter::new(out));
    let mut document = Document(Writer::new_with_indent(&mut out, b' ', 1));
    document.file(order, &checked)?;
    out.flush()?;
    let Checked { message_id, sum, .. } = checked;
    Ok(Written { file: out.finish(), message_id, payments: order.instructions.len(), sum })
}

/// An order in which no fault was found.
struct Checked<'a> {
    /// By the day on which they are executed, in the order of their ids.
    days: BTreeMap<Date, Vec<PaymentInstruction>>,
    holders: BTreeMap<&'a Party, Holder<'a>>,
    debtor: &'a Party,
    message_id: String,
    sum: u128,
    unit: MinorUnit,
}

/// A party as the file tells it.
struct Holder<'a> {
    account: &'a BankAccount,
    name: String,
    town: Option<String>,
}

impl<'a> Checked<'a> {
    fn of(order: &Order<'a>) -> Result<Self, Pain001Fault> {
        let instructions = order.instructions;
        let first = instructions.iter().min_by_key(|instruction| instruction.end_to_end_id);
        let first = first.ok_or(Pain001Fault::Empty)?;
        let unit = MinorUnit::of(&first.currency);
        let unit = unit.ok_or_else(|| Pain001Fault::NoMinorUnit(first.currency.clone()))?;
        let mut ids = BTreeSet::new();
        let mut holders = BTreeMap::new();
        let mut days: BTreeMap<Date, Vec<PaymentInstruction>> = BTreeMap::new();
        for instruction in instructions {
            let id = instruction.end_to_end_id;
            if (instruction.window, &instruction.debtor, &instruction.currency)
                != (first.window, &first.debtor, &first.currency)
            {
                return Err(Pain001Fault::Mixed(id));
            }
            if !ids.insert(id) {
                return Err(Pain001Fault::Twice(id));
            }
            if !(1..=MAX_MINOR).contains(&instruction.amount) {
                return Err(Pain001Fault::Amount(id));
            }
            if instruction.debtor == instruction.creditor {
                return Err(Pain001Fault::OwnAccount(instruction.debtor.clone()));
            }
            for party in [&instruction.debtor, &instruction.creditor] {
                holders.insert(party, Holder::of(order, party)?);
            }
            days.entry(instruction.value_date).or_default().push(instruction.clone());
        }
        let (_, sum) = control(instructions);
        if sum > u128::from(MAX_MINOR) {
            return Err(Pain001Fault::SumTooLarge);
        }
        if order.scheme == Scheme::Sepa && first.currency.as_str() != EURO {
            return Err(Pain001Fault::NotEuro(first.currency.clone()));
        }
        for day in days.values_mut() {
            day.sort_by_key(|instruction| instruction.end_to_end_id);
        }
        let message_id = message_id(first, 'M');
        Ok(Self { days, holders, debtor: &first.debtor, message_id, sum, unit })
    }
}

impl<'a> Holder<'a> {
    fn of(order: &Order<'a>, party: &Party) -> Result<Self, Pain001Fault> {
        let account = order.accounts.get(party);
        let account = account.ok_or_else(|| Pain001Fault::NoAccount(party.clone()))?;
        let spelled = |text: &str| match order.scheme {
            Scheme::Sepa => {
                sepa(text).map_err(|fault| Pain001Fault::Letters { party: party.clone(), fault })
            }
            Scheme::Agreed => Ok(text.to_owned()),
        };
        if order.scheme == Scheme::Sepa && !is_sepa(account) {
            return Err(Pain001Fault::NotSepa(party.clone()));
        }
        let name = spelled(account.name())?;
        let town = account.town().map(spelled).transpose()?;
        Ok(Self { account, name, town })
    }
}

/// The file, element by element, in the order of the schema.
struct Document<W>(Writer<W>);

impl<W: Write> Document<W> {
    fn file(&mut self, order: &Order<'_>, checked: &Checked<'_>) -> io::Result<()> {
        self.0.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let root = BytesStart::new("Document").with_attributes([("xmlns", NAMESPACE)]);
        self.0.write_event(Event::Start(root))?;
        self.within("CstmrCdtTrfInitn", |document| {
            document.header(order, checked)?;
            checked.days.iter().try_for_each(|(day, instructions)| {
                document.payments(order.scheme, checked, *day, instructions)
            })
        })?;
        self.0.write_event(Event::End(BytesEnd::new("Document")))?;
        self.0.get_mut().write_all(b"\n")
    }

    fn header(&mut self, order: &Order<'_>, checked: &Checked<'_>) -> io::Result<()> {
        // Banks ask for seconds, and know no fractions of them.
        let created = order.created.to_string();
        let created = format!("{}Z", created.get(..19).unwrap_or(&created));
        self.within("GrpHdr", |document| {
            document.text("MsgId", &checked.message_id)?;
            document.text("CreDtTm", &created)?;
            document.control(order.instructions.len(), checked.sum, checked.unit)?;
            document.within("InitgPty", |document| {
                document.text("Nm", &checked.holders[checked.debtor].name)
            })
        })
    }

    fn control(&mut self, payments: usize, sum: u128, unit: MinorUnit) -> io::Result<()> {
        self.text("NbOfTxs", &payments.to_string())?;
        self.text("CtrlSum", &unit.spell(sum))
    }

    /// What is executed on one day.
    fn payments(
        &mut self,
        scheme: Scheme,
        checked: &Checked<'_>,
        day: Date,
        instructions: &[PaymentInstruction],
    ) -> io::Result<()> {
        let Some(first) = instructions.first() else { return Ok(()) };
        let debtor = &checked.holders[checked.debtor];
        let (payments, sum) = control(instructions);
        self.within("PmtInf", |document| {
            document.text("PmtInfId", &message_id(first, 'P'))?;
            document.text("PmtMtd", "TRF")?;
            // An entry for each payment, so that each is found again.
            document.text("BtchBookg", "false")?;
            document.control(payments, sum, checked.unit)?;
            if scheme == Scheme::Sepa {
                document.within("PmtTpInf", |document| {
                    document.within("SvcLvl", |document| document.text("Cd", "SEPA"))
                })?;
            }
            document.within("ReqdExctnDt", |document| document.text("Dt", &day.to_string()))?;
            document.party("Dbtr", debtor)?;
            document.account("DbtrAcct", debtor.account)?;
            document.debtor_agent(debtor.account)?;
            if scheme == Scheme::Sepa {
                document.text("ChrgBr", "SLEV")?;
            }
            instructions.iter().try_for_each(|instruction| document.payment(checked, instruction))
        })
    }

    fn payment(
        &mut self,
        checked: &Checked<'_>,
        instruction: &PaymentInstruction,
    ) -> io::Result<()> {
        let creditor = &checked.holders[&instruction.creditor];
        let id = instruction.end_to_end_id.to_string();
        let amount = checked.unit.spell(u128::from(instruction.amount));
        self.within("CdtTrfTxInf", |document| {
            document.within("PmtId", |document| document.text("EndToEndId", &id))?;
            document.within("Amt", |document| {
                let start = BytesStart::new("InstdAmt")
                    .with_attributes([("Ccy", instruction.currency.as_str())]);
                document.element(start, &amount)
            })?;
            if has_agent(creditor.account) {
                document.within("CdtrAgt", |document| document.agent(creditor.account))?;
            }
            document.party("Cdtr", creditor)?;
            document.account("CdtrAcct", creditor.account)?;
            // Once more for banks that keep no ids: entries are found by it, too.
            document
                .within("RmtInf", |document| document.text("Ustrd", &format!("Settlement {id}")))
        })
    }

    fn party(&mut self, name: &str, holder: &Holder<'_>) -> io::Result<()> {
        self.within(name, |document| {
            document.text("Nm", &holder.name)?;
            // Schemes take an address with its town, or none.
            let Some(town) = &holder.town else { return Ok(()) };
            document.within("PstlAdr", |document| {
                document.text("TwnNm", town)?;
                document.text("Ctry", holder.account.country().as_str())
            })
        })
    }

    fn account(&mut self, name: &str, account: &BankAccount) -> io::Result<()> {
        self.within(name, |document| {
            document.within("Id", |document| match account.number() {
                AccountNumber::Iban(iban) => document.text("IBAN", iban.as_str()),
                AccountNumber::Other(other) => {
                    document.within("Othr", |document| document.text("Id", other.as_str()))
                }
            })
        })
    }

    /// The debtor's bank must be told, and be it that it is not.
    fn debtor_agent(&mut self, account: &BankAccount) -> io::Result<()> {
        self.within("DbtrAgt", |document| {
            if has_agent(account) {
                return document.agent(account);
            }
            document.within("FinInstnId", |document| {
                document.within("Othr", |document| document.text("Id", "NOTPROVIDED"))
            })
        })
    }

    fn agent(&mut self, account: &BankAccount) -> io::Result<()> {
        self.within("FinInstnId", |document| {
            if let Some(bic) = account.bic() {
                document.text("BICFI", bic.as_str())?;
            }
            let Some(clearing) = account.clearing() else { return Ok(()) };
            document.within("ClrSysMmbId", |document| {
                document.within("ClrSysId", |document| document.text("Cd", clearing.system()))?;
                document.text("MmbId", clearing.member())
            })
        })
    }

    fn within(
        &mut self,
        name: &str,
        inner: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        self.0.write_event(Event::Start(BytesStart::new(name)))?;
        inner(self)?;
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }

    fn text(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.element(BytesStart::new(name), text)
    }

    fn element(&mut self, start: BytesStart<'_>, text: &str) -> io::Result<()> {
        let end = start.to_end().into_owned();
        self.0.write_event(Event::Start(start))?;
        self.0.write_event(Event::Text(BytesText::new(text)))?;
        self.0.write_event(Event::End(end))
    }
}

fn has_agent(account: &BankAccount) -> bool {
    account.bic().is_some() || account.clearing().is_some()
}
