//! What is asked for: mostly exchanges on few hot accounts, with amounts at every edge; reversals;
//! links; now and then what operators do. Everything is drawn from the seed and from what the
//! auditor knows to be there.

use std::sync::Arc;

use alliance_contracts::board::{Board, PairTerms, TermsRoot, Volume};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::{LinkId, QuoteId, TransactionId};
use alliance_contracts::names::MemberRef;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{
    FeeBearer, MemberAccount, QuoteRequest, Side, SideAmount, TransactionKind,
};
use alliance_contracts::side::SideOf;
use alliance_contracts::time::Timestamp;
use alliance_contracts::total::Total;
use alliance_settlement::command::{
    CloseWindow, Command, Define, LinkEnd, MemberNo, NewLink, Order, ProposeLink, Publish, Quoted,
    QuotedSide, QuotedTerms, Reverse, SignedCheckpoint,
};
use alliance_settlement::pricing;
use alliance_settlement::rates::terms::{AgreedTerms, BoardTerms};

use crate::auditor::Issue;
use crate::auditor::arithmetic::{self, NoOrder, Question};
use crate::auditor::books::{Place, Stands};
use crate::auditor::rates::{Rate, View};
use crate::auditor::rules::{self, Ask, Asked, Effect, Quote, Terms};
use crate::cast::{Agreed, PARTNERS, PROGRAMS, Person, VALUES, consent, name};
use crate::client::Errand;
use crate::world::World;

/// People that most orders are about.
const HOT: usize = 6;
/// Quotes that are kept for later.
const KEPT: usize = 120;

/// What the workload remembers of what it has asked for.
#[derive(Default)]
pub struct Memory {
    /// Who has been imported and linked.
    pub people: Vec<usize>,
    /// Imported, their links not asked for yet.
    pub unlinked: Vec<usize>,
    drawn: usize,
    keys: u64,
    references: u64,
    /// Quotes that may have been used.
    quotes: Vec<(Arc<Terms>, QuotedTerms)>,
    /// Quotes that somebody has not used yet.
    kept: Vec<(Arc<Terms>, QuotedTerms)>,
    /// The last time of the schedule.
    slot: i64,
    /// The last time that a window was to be closed.
    cut_off: i64,
    used_references: Vec<(usize, u64)>,
    used_keys: Vec<(usize, u64)>,
}

impl World {
    /// Another errand; none where this one came to nothing.
    pub fn errand(&mut self) -> Option<Errand> {
        let suspended = !self.stage.lock().auditor.books.suspended.is_empty();
        if suspended && self.dice.per_mille(30) {
            return self.suspension();
        }
        let frozen = !self.stage.lock().auditor.books.frozen.is_empty();
        if frozen && self.dice.per_mille(25) {
            return Some(self.release());
        }
        match self.dice.below(1_000) {
            0..55 => self.keep_a_quote(),
            55..768 => self.exchange(),
            768..780 => self.publication(),
            780..900 => self.reversal(),
            900..930 => Some(self.proposal()),
            930..958 => self.confirmation(),
            958..964 => self.revocation(),
            964..966 => self.closing(),
            966..982 => self.replay(),
            _ => self.operation(),
        }
    }

    fn person(&mut self, program: usize) -> Person {
        let at = self.dice.recent(self.memory.people.len(), HOT);
        Person { program, number: self.memory.people[at] }
    }

    fn programs(&mut self) -> (usize, usize) {
        let source = self.dice.below(PROGRAMS.len());
        let target = (source + 1 + self.dice.below(PROGRAMS.len() - 1)) % PROGRAMS.len();
        (source, target)
    }

    fn issue(&mut self, partner: usize, ask: Ask, bytes: &[u8], command: Command) -> Errand {
        // Now and then a key that was used for something else.
        let reused = self.dice.per_mille(12) && !self.memory.used_keys.is_empty();
        let (partner, key) = if reused {
            let at = self.dice.recent(self.memory.used_keys.len(), 40);
            let (owner, key) = self.memory.used_keys[at];
            if owner == partner { (partner, key) } else { (partner, self.fresh_key()) }
        } else {
            (partner, self.fresh_key())
        };
        self.memory.used_keys.push((partner, key));
        let issue = Issue { partner, key, digest: Hash::of(bytes), ask };
        let number = self.stage.lock().auditor.issue(issue);
        Errand::Order(number, Arc::new(command))
    }

    fn fresh_key(&mut self) -> u64 {
        self.memory.keys += 1;
        self.memory.keys
    }

    fn reference(&mut self, partner: usize) -> u64 {
        if self.dice.per_mille(10) && !self.memory.used_references.is_empty() {
            let at = self.dice.recent(self.memory.used_references.len(), 40);
            let (owner, reference) = self.memory.used_references[at];
            if owner == partner {
                return reference;
            }
        }
        self.memory.references += 1;
        self.memory.used_references.push((partner, self.memory.references));
        self.memory.references
    }

    // ------------------------------------------------------------------------------ exchanges

    pub fn exchange(&mut self) -> Option<Errand> {
        let (source, target) = self.programs();
        let source = self.person(source);
        let mut target = Person { program: target, number: source.number };
        match self.dice.below(100) {
            0 => target.number = 9_000_000,
            1 | 2 => target = self.person(target.program),
            _ => {}
        }
        let caller = source.partner();
        let reference = self.reference(caller);
        let used = self.dice.per_mille(15) && !self.memory.quotes.is_empty();
        let kept = self.dice.per_mille(80) && !self.memory.kept.is_empty();
        let (quoted, quote) = match self.dice.below(200) {
            0 => (Quoted::Unknown, Quote::Unknown),
            1 => (Quoted::Expired, Quote::Expired),
            _ if used => {
                let at = self.dice.recent(self.memory.quotes.len(), 40);
                let (terms, quoted) = self.memory.quotes[at].clone();
                if terms.source.partner() != caller {
                    return None;
                }
                (Quoted::Open(Box::new(quoted)), Quote::Open(terms))
            }
            _ if kept => {
                let at = self.dice.below(self.memory.kept.len());
                let (terms, quoted) = self.memory.kept.swap_remove(at);
                if terms.source.partner() != caller {
                    return None;
                }
                self.memory.quotes.push((terms.clone(), quoted.clone()));
                (Quoted::Open(Box::new(quoted)), Quote::Open(terms))
            }
            _ => {
                let (quoted, terms) = self.quote(source, target)?;
                self.memory.quotes.push((terms.clone(), quoted.clone()));
                (Quoted::Open(Box::new(quoted)), Quote::Open(terms))
            }
        };
        let id = match &quote {
            Quote::Open(terms) => terms.id,
            _ => u128::from(self.props.number()),
        };
        let bytes = format!("{id} {reference}");
        let order = Order {
            transaction: TransactionId::from_u128(0),
            source_reference: name(&format!("r-{reference}")),
            quote: quoted,
        };
        let ask = Ask::Exchange { quote, reference };
        let keyed = self.no_key(caller);
        Some(self.issue(caller, ask, bytes.as_bytes(), Command::Order(keyed, order)))
    }

    /// Somebody takes a quote and waits: its board may be superseded meanwhile.
    fn keep_a_quote(&mut self) -> Option<Errand> {
        let (source, target) = self.programs();
        let source = self.person(source);
        let target = Person { program: target, number: source.number };
        let (quoted, terms) = self.quote(source, target)?;
        self.memory.kept.push((terms, quoted));
        if self.memory.kept.len() > KEPT {
            self.memory.kept.remove(0);
        }
        None
    }

    /// An exchange of a few points that breaks no rule while nothing else happens.
    pub fn sure_exchange(&mut self) -> Errand {
        loop {
            let Some(errand) = self.exchange() else { continue };
            let Errand::Order(number, _) = &errand else { continue };
            let stage = self.stage.lock();
            let issue = stage.auditor.issued(*number);
            let books = &stage.auditor.books;
            let free = !books.keys.contains_key(&(issue.partner, issue.key));
            let predicted = rules::predict(books, issue.partner, &issue.ask, self.now);
            if free && matches!(predicted, Ok(Effect::Exchange(_))) {
                drop(stage);
                return errand;
            }
        }
    }

    /// Asks a gateway for a quote, and the auditor for the same; they must not differ.
    fn quote(&mut self, source: Person, target: Person) -> Option<(QuotedTerms, Arc<Terms>)> {
        let gateway = self.dice.below(self.gateways.len());
        let registry = self.gateways[gateway].registry()?;
        let now = self.stage.lock().seats[gateway].clock;
        let (side, asked) = self.amount(source, target);
        let program = if side == Side::Source { source } else { target }.program;
        let account = |person: Person| MemberAccount {
            member: person.reference(),
            program: name(PROGRAMS[person.program].0),
        };
        let request = QuoteRequest {
            expiry: None,
            amount: Some(SideAmount {
                side,
                value: Decimal::from_minor(asked, PROGRAMS[program].2)?,
            }),
            kind: TransactionKind::Exchange,
            segment: None,
            source: account(source).into(),
            target: account(target).into(),
            tier: None,
        };
        let priced = {
            let caller = name(PARTNERS[source.partner()]);
            pricing::price(&registry, &caller, &request, Timestamp::from_millis(now))
        };
        let view = self.stage.lock().auditor.view(&registry);
        let expected = match view {
            Ok(view) => price(&view, (source, target), (side, asked), now),
            Err(finding) => {
                self.find(format!("gateway {gateway}: {finding}"));
                return None;
            }
        };
        let (priced, expected) = match (priced, expected) {
            (Ok(priced), Ok(expected)) => (priced, expected),
            (Err(refused), Err(code)) if refused.code == code => return None,
            (priced, expected) => {
                let told = priced.map(|_| "terms").map_err(|refused| refused.code);
                self.find(format!("a quote: {told:?}, should be {expected:?}: {request:?}"));
                return None;
            }
        };
        let (sums, rate, expires_at) = expected;
        let id: QuoteId = self.props.id();
        let minor = |side: &SideOf<MemberRef>, person: Person| {
            side.amount().to_minor(PROGRAMS[person.program].2).unwrap_or(i64::MAX)
        };
        let (given, taken) = (minor(&priced.source, source), minor(&priced.target, target));
        let money = priced.settlement.as_ref().map(|s| [s.gross, s.fee, s.net, s.remainder]);
        let money = money.map(|parts| parts.map(|part| i128::from(part.micros())));
        let expected = (source.partner() != target.partner()).then_some([
            sums.gross,
            sums.fee,
            sums.net,
            sums.remainder,
        ]);
        let same = (i128::from(given), i128::from(taken)) == (sums.source, sums.target)
            && money == expected
            && priced.expires_at.as_millis() == expires_at
            && Rate::of(&priced.rate) == rate;
        if !same {
            let expected = (sums, rate, expires_at);
            self.find(format!("a quote of {priced:?}, should be {expected:?}"));
            return None;
        }
        let end = |side| QuotedSide::of(side, &registry, &self.props.vault);
        let quoted = QuotedTerms {
            id,
            kind: TransactionKind::Exchange,
            expires_at: priced.expires_at,
            rate: priced.rate,
            settlement: priced.settlement,
            source: end(priced.source)?,
            target: end(priced.target)?,
            bonus: priced.bonus,
            expiry: priced.expiry,
        };
        let id = id.as_u128();
        Some((quoted, Arc::new(Terms { id, expires_at, source, target, sums, rate })))
    }

    /// An amount at some edge: nothing much, all there is, one more, the cap, the most of all.
    fn amount(&mut self, source: Person, target: Person) -> (Side, i64) {
        let stage = self.stage.lock();
        let books = &stage.auditor.books;
        let balance = i64::try_from(books.balance(source)).unwrap_or(i64::MAX);
        let agreed = books.agreed.clone().unwrap_or_else(Agreed::first);
        let position = books.account(Place::Position(source.partner()));
        let values = books.boards.last().map_or(VALUES, |board| board.values);
        drop(stage);
        let most = |person: Person| i64::try_from(arithmetic::most(PROGRAMS[person.program].2));
        let most_source = most(source).unwrap();
        if let Some(cap) = agreed.caps[source.partner()]
            && self.dice.per_mille(300)
        {
            // As much as the cap lets through, and a point more.
            let room = i64::try_from(i128::from(cap) + position).unwrap_or(0);
            let value = values[source.program];
            let points = i128::from(room) * 10_i128.pow(PROGRAMS[source.program].2);
            let points = i64::try_from(points / i128::from(value)).unwrap_or(0);
            return (Side::Source, (points + self.dice.between(0, 1)).clamp(0, most_source));
        }
        match self.dice.below(100) {
            0..4 => (Side::Source, balance),
            4..7 => (Side::Source, balance + 1),
            7..9 => (Side::Source, self.dice.between(0, 2)),
            9 => (Side::Target, self.dice.between(0, 2)),
            10 => (Side::Source, most_source),
            11 => (Side::Target, most(target).unwrap()),
            12 => (Side::Source, most_source + self.dice.between(0, 1)),
            13..40 => (Side::Target, self.dice.between(1, 2_000)),
            _ => (Side::Source, self.dice.between(1, 5_000)),
        }
    }

    // ------------------------------------------------------------------------------ reversals

    pub fn reversal(&mut self) -> Option<Errand> {
        let stage = self.stage.lock();
        let history = &stage.auditor.books.history;
        if history.is_empty() {
            return None;
        }
        let original = if self.dice.per_mille(10) {
            u128::from(self.dice.bits())
        } else {
            history[self.dice.recent(history.len(), 30)]
        };
        let found = stage.auditor.books.transactions.get(&original).cloned();
        let number = |person: &Person| stage.auditor.books.members[person].number;
        let members = found.as_ref().map_or([1, 2], |t| [number(&t.source), number(&t.target)]);
        drop(stage);
        let (source, target) = found.as_ref().map_or_else(
            || (Person { program: 0, number: 0 }, Person { program: 2, number: 0 }),
            |found| (found.source, found.target),
        );
        let caller = match self.dice.below(10) {
            0..6 => target.partner(),
            6..9 => source.partner(),
            _ => self.dice.below(PARTNERS.len()),
        };
        let left = found
            .as_ref()
            .map_or((1, 1), |t| (t.sums.source - t.reversed.0, t.sums.target - t.reversed.1));
        let scaled = |minor: i128, person: Person| {
            i64::try_from(minor * 10_i128.pow(6 - PROGRAMS[person.program].2)).unwrap_or(i64::MAX)
        };
        let small = i128::from(self.dice.between(1, 60));
        let asked = match self.dice.below(12) {
            0..4 => Asked::Rest,
            4 | 5 => Asked::Source(scaled(small, source)),
            6 | 7 => Asked::Target(scaled(small, target)),
            8 => Asked::Source(scaled(left.0, source)),
            9 => Asked::Target(scaled(left.1 + 1, target)),
            10 => Asked::Source(scaled(0, source)),
            _ => Asked::Target(1_000_000_000_000_000_000 + self.dice.between(0, 1) * 1_000_000),
        };
        let amount = match asked {
            Asked::Rest => None,
            Asked::Source(micros) => Some((Side::Source, micros)),
            Asked::Target(micros) => Some((Side::Target, micros)),
        };
        let amount = amount
            .map(|(side, micros)| (side, Decimal::from_micros(micros).unwrap()))
            .map(|(side, value)| SideAmount { side, value });
        let reference = self.reference(caller);
        let bytes = format!("{original} {asked:?} {reference}");
        let parties = (name(PARTNERS[source.partner()]), name(PARTNERS[target.partner()]));
        let order = Reverse {
            transaction: TransactionId::from_u128(0),
            original: TransactionId::from_u128(original),
            corridor: alliance_contracts::names::Corridor::between(&parties.0, &parties.1),
            members: members.map(MemberNo).into(),
            amount,
            reason: name("mistake"),
            source_reference: name(&format!("r-{reference}")),
        };
        let ask = Ask::Reverse { original, part: asked, reference };
        let keyed = self.no_key(caller);
        Some(self.issue(caller, ask, bytes.as_bytes(), Command::Reverse(keyed, order)))
    }

    // ---------------------------------------------------------------------------------- links

    pub fn proposal(&mut self) -> Errand {
        let (a, b) = self.programs();
        let a = self.person(a);
        let mut b = Person { program: b, number: a.number };
        if self.dice.per_mille(50) {
            b.number = 9_000_000;
        }
        let caller = match self.dice.below(10) {
            0..5 => a.partner(),
            5..9 => b.partner(),
            _ => self.dice.below(PARTNERS.len()),
        };
        let until = self.dice.per_mille(30).then(|| self.now + self.dice.between(0, 60_000));
        let end = |person: Person| LinkEnd {
            partner: name(PARTNERS[person.partner()]),
            program: name(PROGRAMS[person.program].0),
            member: person.reference(),
            lookup: self.props.sought(person),
            newcomer: None,
        };
        let (link, nonce) = (LinkId::from_u128(0), [0; 12]);
        let proposal = ProposeLink { link, a: end(a), b: end(b), consent: consent(until), nonce };
        for person in [a, b] {
            self.stage.lock().auditor.knows(self.props.lookup(person), person);
        }
        let bytes = format!("{a:?} {b:?} {until:?} {}", self.props.number());
        let keyed = self.no_key(caller);
        let command = Command::ProposeLink(keyed, proposal);
        self.issue(caller, Ask::Propose { a, b, until }, bytes.as_bytes(), command)
    }

    fn some_link(&mut self, stands: Stands, reach: usize) -> Option<(u128, [usize; 2])> {
        let stage = self.stage.lock();
        let links = stage.auditor.books.links.iter().rev().take(reach);
        let fitting: Vec<_> = links
            .filter(|(_, link)| link.stands == stands)
            .map(|(id, link)| (*id, [link.a.partner(), link.b.partner()]))
            .collect();
        (!fitting.is_empty()).then(|| *self.dice.pick(&fitting))
    }

    fn change_link(&mut self, confirm: bool) -> Option<Errand> {
        let stands = match (confirm, self.dice.below(10)) {
            (true, 0) => Stands::Active,
            (true, _) => Stands::Proposed,
            (false, 0) => Stands::Revoked,
            (false, _) => Stands::Active,
        };
        let (link, parties) = self.some_link(stands, 60)?;
        let caller = match self.dice.below(10) {
            0 => self.dice.below(PARTNERS.len()),
            _ => *self.dice.pick(&parties),
        };
        let bytes = format!("{confirm} {link} {}", self.props.number());
        let keyed = self.no_key(caller);
        let id = LinkId::from_u128(link);
        let (ask, command) = if confirm {
            (Ask::Confirm(link), Command::ConfirmLink(keyed, id, None))
        } else {
            (Ask::Revoke(link), Command::RevokeLink(keyed, id))
        };
        Some(self.issue(caller, ask, bytes.as_bytes(), command))
    }

    pub fn confirmation(&mut self) -> Option<Errand> {
        self.change_link(true)
    }

    fn revocation(&mut self) -> Option<Errand> {
        self.change_link(false)
    }

    /// Somebody sends again what was sent long ago.
    fn replay(&mut self) -> Option<Errand> {
        if self.sent.is_empty() {
            return None;
        }
        let at = self.dice.below(self.sent.len());
        Some(self.sent[at].clone())
    }

    // ------------------------------------------------------------------------------ operators

    fn operation(&mut self) -> Option<Errand> {
        match self.dice.below(12) {
            0..3 => Some(self.newcomers()),
            3..6 => self.their_links(),
            6..8 => self.definition(),
            8 | 9 => self.suspension(),
            10 => self.forbidden_definition(),
            _ => Some(self.bad_checkpoint()),
        }
    }

    /// A person comes to all programs; now and then one that is there, or with next to the most.
    pub fn newcomers(&mut self) -> Errand {
        let number = if self.dice.per_mille(60) && !self.memory.people.is_empty() {
            *self.dice.pick(&self.memory.people)
        } else {
            self.memory.drawn += 1;
            self.memory.unlinked.push(self.memory.drawn);
            self.memory.drawn
        };
        let rich = self.dice.per_mille(80);
        let mut rows = Vec::new();
        for (program, (.., scale)) in PROGRAMS.into_iter().enumerate() {
            let person = Person { program, number };
            let most = i64::try_from(arithmetic::most(scale)).unwrap();
            let opening = match self.dice.below(20) {
                0 => 0,
                1 => 1,
                _ if rich => most - self.dice.between(0, 3_000),
                _ => self.dice.between(1_000, 2_000_000),
            };
            rows.push((person, self.props.new_member(person, opening)));
        }
        if self.dice.per_mille(20) {
            rows.push(rows[0].clone());
        }
        let members = Arc::new(rows.iter().map(|(_, member)| member.clone()).collect());
        let import = self.stage.lock().auditor.imports(&rows);
        Errand::Import(import, members)
    }

    /// Links between the accounts of somebody who has come; now and then of one linked already.
    pub fn their_links(&mut self) -> Option<Errand> {
        let here = |world: &Self, number: usize| {
            let person = Person { program: 0, number };
            world.stage.lock().auditor.books.members.contains_key(&person)
        };
        let number = if self.dice.per_mille(60) && !self.memory.people.is_empty() {
            *self.dice.pick(&self.memory.people)
        } else {
            // An import that was refused brings nobody: the others do not wait for it.
            let at = self.memory.unlinked.iter().position(|number| here(self, *number))?;
            let first = self.memory.unlinked.remove(at);
            self.memory.people.push(first);
            first
        };
        let mut rows = Vec::new();
        for a in 0..PROGRAMS.len() {
            for b in a + 1..PROGRAMS.len() {
                let (a, b) = (Person { program: a, number }, Person { program: b, number });
                let id: LinkId = self.props.id();
                rows.push((id.as_u128(), a, b, None));
            }
        }
        if self.dice.per_mille(30) {
            rows[0].2 = rows[0].1;
        }
        let end = |person: Person| {
            let partner = name(PARTNERS[person.partner()]);
            (partner, name(PROGRAMS[person.program].0), self.props.sought(person))
        };
        let links = rows.iter().map(|(id, a, b, until)| NewLink {
            link: LinkId::from_u128(*id),
            a: end(*a),
            b: end(*b),
            consent: consent(*until),
        });
        let links = Arc::new(links.collect());
        let import = self.stage.lock().auditor.imports_links(rows);
        Some(Errand::LinkImport(import, links))
    }

    /// Another cap, fee, value, least amount or time; one at a time, as an operator does it.
    pub fn definition(&mut self) -> Option<Errand> {
        if self.somebody_defines() {
            return None;
        }
        let (mut agreed, positions, values) = {
            let stage = self.stage.lock();
            let books = &stage.auditor.books;
            let positions = [0, 1, 2, 3].map(|at| books.account(Place::Position(at)));
            let values = books.boards.last().map_or(VALUES, |board| board.values);
            (books.agreed.clone()?, positions, values)
        };
        let partner = self.dice.below(PARTNERS.len());
        let pair = self.dice.below(agreed.pairs.len());
        let terms = &mut agreed.pairs[pair].1;
        match (self.dice.below(13), terms) {
            (0..4, _) => {
                // So that whole points of the partner's program come to it exactly.
                let program = PROGRAMS.iter().position(|(_, p, _)| *p == partner).unwrap();
                let owed = -i64::try_from(positions[partner]).unwrap();
                let room = values[program] * self.dice.between(0, 4_000);
                agreed.caps[partner] = Some((owed + room).max(0));
            }
            (4, _) => agreed.caps[partner] = None,
            (5, _) => {
                let program = self.dice.below(PROGRAMS.len());
                let value = crate::cast::VALUES[program];
                agreed.values[program] = value + self.dice.between(-value / 10, value / 10);
            }
            (6, Some(terms)) => terms.fee = *self.dice.pick(&[0, 1, 5_000, 20_000, 333_333]),
            (7, Some(terms)) => terms.minimum_gross = *self.dice.pick(&[0, 1, 1_000_000]),
            (8, Some(terms)) => terms.exchange = !terms.exchange || self.dice.per_mille(500),
            (9, Some(terms)) => {
                terms.quote_seconds = self.dice.between(20, 120);
                terms.reversal_seconds = *self.dice.pick(&[0, 5, 60, 86_400]);
            }
            (10 | 11, Some(terms)) => {
                let limits = [None, Some(0), Some(50), Some(500), Some(20_000)];
                let limit = *self.dice.pick(&limits);
                terms.open_quote_limit = limit.map(|whole: i64| whole * 1_000_000);
            }
            (12, _) => agreed.notice_seconds = self.dice.between(1, 8),
            _ => {}
        }
        let define =
            Define { definition: agreed.definition(&self.props.key), window: self.props.id() };
        self.stage.lock().auditor.operations.definitions.push(agreed.clone());
        Some(Errand::Define(Box::new((agreed, define))))
    }

    fn forbidden_definition(&mut self) -> Option<Errand> {
        let agreed = self.stage.lock().auditor.books.agreed.clone()?;
        let mut definition = agreed.definition(&self.props.key);
        match self.dice.below(3) {
            0 => definition.programs[0].scale = 1,
            1 => definition.currency = name("EUR"),
            _ => definition.partners[0].keys.clear(),
        }
        Some(Errand::ForbiddenDefine(Box::new(Define { definition, window: self.props.id() })))
    }

    /// Gateways close the window that each knows as open, for one time of the schedule or by hand.
    fn closing(&mut self) -> Option<Errand> {
        let by_hand = self.dice.per_mille(300);
        let again = self.memory.cut_off > 0 && self.dice.per_mille(150);
        if !by_hand && !again {
            self.memory.cut_off += 60_000;
        }
        let slot = (!by_hand).then(|| Timestamp::from_millis(self.memory.cut_off));
        let mut errand = None;
        let first = self.dice.below(self.gateways.len());
        for turn in 0..self.gateways.len() {
            if turn > 0 && self.dice.per_mille(400) {
                continue;
            }
            let gateway = (first + turn) % self.gateways.len();
            let Some(registry) = self.gateways[gateway].registry() else { continue };
            let (window, next) = (registry.window, self.props.id());
            let order = CloseWindow { window, next, slot, by: None, today: name("2026-11-23") };
            if let Some(earlier) = errand.replace(Errand::Close(Box::new(order))) {
                self.send(earlier);
            }
        }
        errand
    }

    fn suspension(&mut self) -> Option<Errand> {
        if self.somebody_suspends() {
            return None;
        }
        let suspended = self.stage.lock().auditor.books.suspended.first().copied();
        Some(match suspended {
            Some(partner) => Errand::Suspend(partner, false),
            None => Errand::Suspend(self.dice.below(PARTNERS.len()), true),
        })
    }

    /// A gateway works a board out from what it knows, by its own clock; for a time of the schedule
    /// several do. Some are bent, so that they must be refused.
    pub fn publication(&mut self) -> Option<Errand> {
        let by_hand = self.dice.per_mille(300);
        let again = self.dice.per_mille(150);
        if !by_hand && !again {
            self.memory.slot += 60_000;
        }
        let slot = (!by_hand).then(|| Timestamp::from_millis(self.memory.slot));
        let mut errand = None;
        let first = self.dice.below(self.gateways.len());
        for turn in 0..self.gateways.len() {
            let gateway = (first + turn) % self.gateways.len();
            if turn > 0 && (by_hand || self.dice.per_mille(400)) {
                continue;
            }
            if let Some(another) = self.draft(gateway, slot)
                && let Some(earlier) = errand.replace(another)
            {
                self.send(earlier);
            }
        }
        errand
    }

    /// A board that nothing stands in the way of, of this gateway; slot 0: by hand.
    pub fn sure_board(&mut self, gateway: usize, slot: i64) -> Errand {
        let slot = (slot > 0).then(|| Timestamp::from_millis(slot));
        for _ in 0..1_000 {
            let Some(Errand::Publish(number)) = self.draft(gateway, slot) else { continue };
            let stage = self.stage.lock();
            let draft = &stage.auditor.operations.drafts[number];
            let in_time = draft.board.effective_at > stage.seats[gateway].clock + 1_000;
            if in_time && stage.auditor.books.board_fits(draft, draft.board.effective_at).is_ok() {
                drop(stage);
                return Errand::Publish(number);
            }
        }
        panic!("gateway {gateway} makes no board that fits");
    }

    fn draft(&mut self, gateway: usize, slot: Option<Timestamp>) -> Option<Errand> {
        let registry = self.gateways[gateway].registry()?;
        let clock = self.stage.lock().seats[gateway].clock;
        let last = registry.last_board()?.published.clone();
        let waits = last.board.effective_at.as_millis() > clock;
        // Whose clock is far ahead would keep all others waiting.
        if clock > self.now + 61_000 || (waits && !self.dice.per_mille(200)) {
            return None;
        }
        let agreed = Agreed::of(&registry.definition);
        let moves = self.dice.per_mille(850);
        let notice = if moves { agreed.notice_seconds * 1_000 } else { 0 };
        let mut effective = (clock + notice).max(last.board.effective_at.as_millis());
        let mut board = Board {
            board: last.board.board + 1,
            previous: last.hash(),
            published_at: Timestamp::from_millis(clock),
            ..last.board.clone()
        };
        for (value, begun) in board.values.iter_mut().zip(VALUES) {
            value.previous = Some(value.value);
            if moves && self.dice.per_mille(600) {
                // Up to two in a hundred a step, never far from where it began.
                let (was, most) = (value.value.micros(), value.value.micros() / 50);
                let is = (was + self.dice.between(-most, most)).clamp(begun / 2, begun * 3 / 2);
                value.value = Decimal::from_micros(is)?;
                value.target = value.value;
            }
        }
        let terms = self.board_terms(&agreed);
        board.terms = TermsRoot::of(&terms.pairs);
        let mut based_on = registry.seen_version;
        match self.dice.below(60) {
            0 => based_on -= 1,
            1 => board.board += 1,
            2 => board.previous = Hash::of(b"another"),
            3 => effective = last.board.effective_at.as_millis() - 1,
            4 => effective = clock - self.dice.between(1, 3_000),
            _ => {}
        }
        board.effective_at = Timestamp::from_millis(effective);
        let publish =
            Box::new(Publish { board, terms: terms.into(), proposals: Vec::new(), based_on, slot });
        self.stage.lock().auditor.drafts(publish).map(Errand::Publish)
    }

    /// What a board says beside its values: all that was agreed on, and terms of some directions.
    fn board_terms(&mut self, agreed: &Agreed) -> BoardTerms {
        let flows = self.stage.lock().auditor.books.flows.clone();
        let mut terms = BoardTerms::default();
        for ((a, b), pair) in &agreed.pairs {
            let Some(pair) = pair.filter(|pair| pair.exchange) else { continue };
            if self.dice.per_mille(20) {
                continue;
            }
            let partners = [FeeBearer::SourcePartner, FeeBearer::TargetPartner];
            let borne = self.dice.per_mille(60).then(|| *self.dice.pick(&partners));
            terms.agreed.push(AgreedTerms {
                a: name(PARTNERS[*a]),
                b: name(PARTNERS[*b]),
                exchanges: true,
                fee: Decimal::from_micros(pair.fee).unwrap(),
                fee_bearer: borne.unwrap_or(FeeBearer::Member),
                quote_lifetime_seconds: pair.quote_seconds,
                tiers: Vec::new(),
            });
        }
        for (source, from) in PROGRAMS.iter().enumerate() {
            for (target, to) in PROGRAMS.iter().enumerate() {
                let pair = agreed.pair(from.1, to.1);
                let Some(pair) = pair.filter(|_| self.dice.per_mille(600)) else { continue };
                let flow = flows.get(&(source, target)).copied().unwrap_or_default();
                let limits = [None, None, Some(0), Some(300), Some(3_000), Some(50_000)];
                let limit = *self.dice.pick(&limits);
                let more = self.dice.per_mille(30);
                let less = self.dice.per_mille(150);
                let multiplier = match (more, less) {
                    (true, _) => 1_030_000,
                    (_, true) => self.dice.between(900_000, 999_999),
                    _ => 1_000_000,
                };
                let decimal = |micros| Decimal::from_micros(micros).unwrap();
                let surcharge =
                    if self.dice.per_mille(300) { self.dice.between(1, 20_000) } else { 0 };
                terms.pairs.push(PairTerms {
                    exchanged: Total::from_micros(flow.exchanged),
                    fee: decimal(pair.fee),
                    flow: Total::from_micros(flow.exchanged.max(0)),
                    late: Total::from_micros(flow.late),
                    limit: limit.map(|whole: i64| decimal(whole * 1_000_000)),
                    multiplier: decimal(multiplier),
                    source: name(from.0),
                    surcharge: decimal(surcharge),
                    suspended: false,
                    target: name(to.0),
                    volume: Volume {
                        before: Total::ZERO,
                        month: "2026-09".to_owned(),
                        so_far: Total::ZERO,
                    },
                    withheld: self.dice.per_mille(15),
                });
            }
        }
        terms
    }

    /// Mostly of a direction that is frozen.
    pub fn release(&mut self) -> Errand {
        let mut stage = self.stage.lock();
        let frozen: Vec<_> = stage.auditor.books.frozen.keys().copied().collect();
        let way = if frozen.is_empty() || self.dice.per_mille(50) {
            let source = self.dice.below(PROGRAMS.len());
            (source, (source + 1 + self.dice.below(PROGRAMS.len() - 1)) % PROGRAMS.len())
        } else {
            *self.dice.pick(&frozen)
        };
        stage.auditor.operations.releases.insert(way);
        Errand::Release(way.0, way.1)
    }

    /// Ahead of its chain by far, whenever it arrives.
    fn bad_checkpoint(&mut self) -> Errand {
        let stage = self.stage.lock();
        let chains = &stage.auditor.books.chains;
        let chain = &chains[self.dice.below(chains.len())];
        Errand::BadCheckpoint(Box::new(SignedCheckpoint {
            corridor: name(&chain.name),
            size: chain.seq + 1_000_000,
            root: chain.tree.root(),
            note: String::new(),
            signed_at: Timestamp::from_millis(0),
        }))
    }
}

/// What a quote should say, at which rate, and until when it stands.
fn price(
    view: &View,
    (source, target): (Person, Person),
    (side, asked): (Side, i64),
    now: i64,
) -> Result<(arithmetic::Sums, Rate, i64), ProblemCode> {
    let (giver, taker) = (source.partner(), target.partner());
    let pair = view.agreed.pair(giver, taker).filter(|pair| pair.exchange);
    let suspended = view.suspended.contains(&giver) || view.suspended.contains(&taker);
    if suspended || (giver != taker && pair.is_none()) {
        return Err(ProblemCode::KindNotAllowed);
    }
    let most = |person: Person| arithmetic::most(PROGRAMS[person.program].2);
    let person = if side == Side::Source { source } else { target };
    if i128::from(asked) > most(person) {
        return Err(ProblemCode::AmountOutOfRange);
    }
    let way = (source.program, target.program);
    if view.frozen.contains(&way) {
        return Err(ProblemCode::RateFrozen);
    }
    let (rate, seconds) = view.in_force(now).rate(way).ok_or(ProblemCode::RateFrozen)?;
    let question = Question {
        source_scale: PROGRAMS[source.program].2,
        target_scale: PROGRAMS[target.program].2,
        source_value: rate.source_value,
        target_value: rate.target_value,
        multiplier: rate.multiplier,
        fee: rate.fee,
        bears: rate.bears,
    };
    let sums = match side {
        Side::Source => arithmetic::by_source(question, asked),
        Side::Target => arithmetic::by_target(question, asked),
    };
    let sums = sums.map_err(|error| match error {
        NoOrder::TooSmall => ProblemCode::AmountTooSmall,
        NoOrder::OutOfRange => ProblemCode::AmountOutOfRange,
    })?;
    if sums.gross < pair.map_or(0, |pair| i128::from(pair.minimum_gross)) {
        return Err(ProblemCode::AmountTooSmall);
    }
    // Where there and back costs nothing, a quote ends with its board: when the next one takes
    // effect, or before one that nobody knows of yet can.
    let whole = now + seconds * 1_000;
    let next = view.announced(now).map(|next| next.effective_at);
    let half_the_notice = (view.agreed.notice_seconds / 2).max(1);
    let bound = next.unwrap_or(now + half_the_notice * 1_000);
    Ok((sums, rate, if rate.takes_nothing() { whole.min(bound) } else { whole }))
}
