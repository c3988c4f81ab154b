//! A receipt against its transaction and its chain (protocol § 5).

use alliance_contracts::encoding::Hash;
use alliance_contracts::merkle;
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::receipt::{self, Account, Posting, Receipt, ReceiptSide};
use alliance_settlement::ledger::TransactionRecord;
use alliance_settlement::receipts::StoredReceipt;

use super::arithmetic::Sums;
use super::books::Place;
use super::commits::{Touched, place_of};
use super::rates::Rate;
use super::rules::Effect;
use super::{Auditor, Finding, Issue, ensure};
use crate::cast::{PARTNERS, PROGRAMS, Person};

/// Where a transaction has its receipt.
pub(super) struct Placed {
    pub corridor: usize,
    pub seq: u64,
    pub payload: Hash,
    pub completed_at: i64,
}

/// One end of a posting line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Member(Person),
    Other(Place),
}

impl Auditor {
    /// Checks a new receipt, grows its chain by it, and posts its lines.
    pub(super) fn receipt(
        &mut self,
        effect: &Effect,
        issue: &Issue,
        record: &TransactionRecord,
        stored: &StoredReceipt,
        now: i64,
        touched: &mut Touched,
    ) -> Result<Placed, Finding> {
        let payload = receipt::parse(&stored.payload).map_err(|error| error.to_string())?;
        let (source, target, sums, reverses, rate) = match effect {
            Effect::Exchange(terms) => (terms.source, terms.target, terms.sums, None, terms.rate),
            Effect::Reverse { original, back } => {
                let found = &self.books.transactions[original];
                (found.source, found.target, back.moves, Some(*original), found.rate)
            }
            _ => return Err("a receipt of no transaction".to_owned()),
        };
        ensure!(payload.transaction == record.id, "the receipt is another transaction's");
        ensure!(payload.order == issue.digest, "the receipt names another order");
        ensure!(Rate::of(&payload.rate) == rate, "the receipt tells another rate");
        ensure!(payload.window.as_u128() == self.books.window, "another window");
        ensure!(payload.reverses.map(|id| id.as_u128()) == reverses, "reverses another");
        let quote = match effect {
            Effect::Exchange(terms) => Some(terms.id),
            _ => None,
        };
        ensure!(payload.quote.map(|id| id.as_u128()) == quote, "performs another quote");
        let kind =
            if quote.is_some() { TransactionKind::Exchange } else { TransactionKind::Reversal };
        ensure!(payload.kind == kind && record.kind == kind, "of another kind");
        let signer = payload.evidence.first().map(|evidence| evidence.partner.as_str());
        ensure!(signer == Some(PARTNERS[issue.partner]), "somebody else's evidence");
        let corridor = self.books.chain(source.partner(), target.partner());
        self.side(corridor, source, sums.source, &payload.source)?;
        self.side(corridor, target, sums.target, &payload.target)?;
        owed(source, target, &sums, reverses.is_some(), &payload)?;
        self.post(corridor, source, target, &sums, reverses.is_some(), &payload, touched)?;
        self.chained(corridor, stored, &payload, record, now, touched)
    }

    /// Partner, program, amount, and a name that is this person's and nobody else's here.
    fn side(
        &mut self,
        corridor: usize,
        person: Person,
        amount: i128,
        side: &ReceiptSide,
    ) -> Result<(), Finding> {
        let (program, partner, scale) = PROGRAMS[person.program];
        let side = side.account().ok_or("a side without a member")?;
        let names = (side.partner.as_str(), side.program.as_str());
        ensure!(names == (PARTNERS[partner], program), "the receipt's side is {names:?}");
        let micros = amount * 10_i128.pow(6 - scale);
        ensure!(
            i128::from(side.amount.micros()) == micros,
            "{person:?} moves {} on the receipt, {amount} by the rules",
            side.amount
        );
        let chain = &mut self.books.chains[corridor];
        let named = chain.named.entry(person).or_insert_with(|| side.member.clone());
        ensure!(*named == side.member, "{person:?} has two names in {}", chain.name);
        let known = *chain.people.entry(side.member.clone()).or_insert(person);
        ensure!(known == person, "{known:?} and {person:?} have one name in {}", chain.name);
        Ok(())
    }

    /// The lines: as the protocol has them, in its order; posted to the auditor's own books.
    #[allow(clippy::too_many_arguments)]
    fn post(
        &mut self,
        corridor: usize,
        source: Person,
        target: Person,
        sums: &Sums,
        backward: bool,
        payload: &Receipt,
        touched: &mut Touched,
    ) -> Result<(), Finding> {
        let issued = |person: Person| End::Other(Place::Issued(person.program));
        let scaled =
            |person: Person, minor: i128| minor * 10_i128.pow(6 - PROGRAMS[person.program].2);
        let mut lines = vec![
            (End::Member(source), issued(source), scaled(source, sums.source)),
            (issued(target), End::Member(target), scaled(target, sums.target)),
        ];
        let (debtor, creditor) = (source.partner(), target.partner());
        if debtor != creditor {
            let debtor = End::Other(Place::Position(debtor));
            lines.extend([
                (debtor, End::Other(Place::Position(creditor)), sums.net),
                (debtor, End::Other(Place::Fees), sums.fee),
                (debtor, End::Other(Place::Rounding), sums.remainder),
            ]);
        }
        lines.retain(|(.., amount)| *amount != 0);
        ensure!(lines.len() == payload.postings.len(), "{} lines", payload.postings.len());
        for ((debit, credit, amount), line) in lines.into_iter().zip(&payload.postings) {
            let (debit, credit) = if backward { (credit, debit) } else { (debit, credit) };
            ensure!(i128::from(line.amount.micros()) == amount, "a line of {}", line.amount);
            for (end, account, sign) in [(debit, &line.debit, -1), (credit, &line.credit, 1)] {
                let there = self.end(corridor, account, line)?;
                ensure!(there == end, "a line at {there:?} that belongs at {end:?}");
                match end {
                    End::Member(person) => {
                        let unit = 10_i128.pow(6 - PROGRAMS[person.program].2);
                        self.books.give_member(person, sign * amount / unit);
                        let after = self.books.balance(person);
                        ensure!(after >= 0, "{person:?} falls to {after}");
                        touched.people.insert(person);
                    }
                    End::Other(place) => {
                        let unit = match place {
                            Place::Issued(program) => 10_i128.pow(6 - PROGRAMS[program].2),
                            _ => 1,
                        };
                        self.books.give(place, sign * amount / unit);
                        touched.places.insert(place);
                    }
                }
            }
        }
        Ok(())
    }

    fn end(&self, corridor: usize, account: &Account, line: &Posting) -> Result<End, Finding> {
        let Account::Member(program, name) = account else {
            return place_of(account, &line.asset).map(End::Other);
        };
        let person = self.books.chains[corridor].people.get(name).copied();
        let person = person.filter(|person| PROGRAMS[person.program].0 == program.as_str());
        person.map(End::Member).ok_or_else(|| format!("nobody is called {name} in {program}"))
    }

    fn chained(
        &mut self,
        corridor: usize,
        stored: &StoredReceipt,
        payload: &Receipt,
        record: &TransactionRecord,
        now: i64,
        touched: &mut Touched,
    ) -> Result<Placed, Finding> {
        let chain = &mut self.books.chains[corridor];
        let name = &chain.name;
        touched.chains.entry(corridor).or_insert(chain.seq);
        ensure!(
            (stored.corridor.as_str(), payload.corridor.as_str()) == (name, name),
            "a receipt of {name} stands in {}",
            stored.corridor
        );
        let seq = chain.seq + 1;
        ensure!(
            (stored.seq, payload.seq, record.seq) == (seq, seq, Some(seq)),
            "{name}: {seq} should come, {} came",
            payload.seq
        );
        ensure!(payload.prev == chain.head, "{name} {seq}: prev is not the receipt before");
        let completed_at = payload.completed_at.as_millis();
        ensure!(
            completed_at == now.max(chain.completed_at),
            "{name} {seq}: completed at {completed_at}, decided at {now}, the one before at {}",
            chain.completed_at
        );
        ensure!(record.completed_at == Some(payload.completed_at), "{name} {seq}: two times");
        let stood_still = now < chain.completed_at;
        chain.seq = seq;
        chain.head = Hash::of(&stored.payload);
        chain.completed_at = completed_at;
        chain.tree.push(merkle::leaf_hash(&stored.payload));
        let placed = Placed { corridor, seq, payload: chain.head, completed_at };
        if stood_still {
            self.count("time stood still");
        }
        Ok(placed)
    }
}

/// Who owes whom how much; nobody within one partner.
fn owed(
    source: Person,
    target: Person,
    sums: &Sums,
    backward: bool,
    payload: &Receipt,
) -> Result<(), Finding> {
    let (giver, taker) = (source.partner(), target.partner());
    let Some(settlement) = &payload.settlement else {
        ensure!(giver == taker, "a settlement is missing");
        return Ok(());
    };
    let (debtor, creditor) = if backward { (taker, giver) } else { (giver, taker) };
    let names = (settlement.debtor.as_str(), settlement.creditor.as_str());
    ensure!(names == (PARTNERS[debtor], PARTNERS[creditor]), "{names:?} owe each other");
    let told = [settlement.gross, settlement.fee, settlement.net, settlement.remainder];
    let told = told.map(|amount| i128::from(amount.micros()));
    let worked_out = [sums.gross, sums.fee, sums.net, sums.remainder];
    ensure!(told == worked_out, "gross, fee, net, remainder {told:?}, should be {worked_out:?}");
    Ok(())
}
