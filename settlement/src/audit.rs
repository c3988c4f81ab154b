//! The audit: recomputes balances, positions and chains from the receipts, and says where the books
//! differ. Pure: receipts and books are handed in, in order; `inspection` reads them from a store.
//!
//! Checked: every receipt verifies (signature, canonical bytes, chain, time, its lines against its
//! terms), every kept node of a chain's tree is that tree's, every balance is its opening and the
//! postings, every account the sum of its postings,
//! every asset sums to zero, a receipt exists exactly where its transaction completed, reversals
//! add up to what the originals say was reversed, every flow is the gross of its direction's orders
//! less what was turned round. Beside it, in files of their own:
//!
//! | what | where |
//! | --- | --- |
//! | agreements: signatures of both, the chain of a pair's versions | `agreements` |
//! | boards: signature, chain, the terms that each commits to; flows that were late | `boards` |
//! | consents: signed; orders under them, what is counted of those, limits | `consents` |
//! | erasures: signed, under the partner whose member it was, each that was told | `erasures` |
//! | events: numbered without a gap, each receipt told once, in its chain's order | `events` |
//! | settlement windows: each receipt in one, lines as the receipts come to | `windows` |
//! | campaigns: spent as posted, within the budget; lots as granted and taken back | `campaigns` |
//!
//! Receipts and boards under a key that was revoked are looked at like all others: a revocation
//! comes into the books later than its own time, and what was written until then stands. Whether
//! they still prove anything to partners is for cosignatures to say (docs/decisions/0031).
//!
//! How much of a flow was late is checked within bounds: it goes by what the deciding gateway had
//! seen of boards, which receipts do not say. They say when it surely
//! was late, and when it was not.

mod agreements;
mod boards;
mod campaigns;
mod consents;
mod erasures;
mod events;
mod windows;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alliance_contracts::arithmetic::Reversed;
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::{CampaignId, TransactionId};
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::limits::MONEY_SCALE;
use alliance_contracts::merkle::{self, Frontier};
use alliance_contracts::names::{Corridor, ProgramId};
use alliance_contracts::program::Balances;
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::receipt::{self, Account, Asset, Receipt, ReceiptSide};
use alliance_contracts::time::Timestamp;

use crate::alliance::Definition;
use crate::command::MemberNo;
use crate::ledger::{Direction, FlowEnd, FlowRow};
use crate::receipts::{KEPT_LEVEL_STEP, StoredReceipt};
use crate::saga::{Phase, Saga};

use agreements::{Signed, VersionOfPair};
use boards::{Boards, Late};
use campaigns::Campaigns;
use consents::Consents;
use events::Feed;
pub use windows::Ranged;
use windows::Windows;

/// A difference: where, and what is there instead of what should be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What it is about (`receipt aurora-air~borealis-coffee 17`, `member 42`, …).
    pub place: String,
    /// What is wrong.
    pub finding: String,
}

/// What the books say of a receipt's transaction beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// The members of its source and target.
    pub members: [Option<MemberNo>; 2],
    /// When it was decided, by its gateway's clock. A receipt's time may be later: its chain never
    /// goes back.
    pub decided_at: Option<Timestamp>,
}

/// Recomputes one alliance's books. What it is handed comes in this order: boards, campaigns and
/// consents, the receipts of one corridor after the other, everything else.
pub struct Auditor<'a> {
    keys: &'a TrustedKeys,
    scales: BTreeMap<ProgramId, u32>,
    /// Programs whose members' balances their brands keep.
    connected: BTreeSet<ProgramId>,
    chain: Option<Chain>,
    accounts: BTreeMap<(Account, Asset), i128>,
    members: HashMap<MemberNo, i128>,
    openings: BTreeMap<ProgramId, i128>,
    receipts: HashMap<TransactionId, (Corridor, u64)>,
    reversed: HashMap<TransactionId, Reversed>,
    /// Gross by direction, in 10⁻⁶.
    flows: BTreeMap<Direction, i128>,
    late: BTreeMap<Direction, Late>,
    boards: Boards,
    agreements: BTreeMap<VersionOfPair, Signed>,
    campaigns: Campaigns,
    consents: Consents,
    /// Erasures that were told and have not been handed in.
    erased: BTreeSet<String>,
    /// What campaigns have spent, by their accounts.
    spent: HashMap<CampaignId, i128>,
    findings: Vec<Finding>,
    counted: u64,
    feed: Option<Feed>,
    windows: Windows,
    /// When receipts completed, by chain.
    completed: BTreeMap<Corridor, Vec<Timestamp>>,
}

struct Chain {
    corridor: Corridor,
    seq: u64,
    head: Hash,
    completed_at: Timestamp,
    frontier: Frontier,
    /// The roots that should be kept of it, by level.
    nodes: BTreeMap<u32, Vec<Hash>>,
    /// The latest board that a receipt so far is of.
    cited: u32,
}

/// Findings beyond this are counted, not kept: a broken database must not exhaust memory.
const FINDINGS_KEPT: usize = 1_000;

impl<'a> Auditor<'a> {
    /// An auditor of an alliance with these programs, trusting these gateway keys.
    #[must_use]
    pub fn new(definition: &Definition, keys: &'a TrustedKeys) -> Self {
        Self {
            keys,
            scales: definition.programs.iter().map(|p| (p.program.clone(), p.scale)).collect(),
            connected: definition
                .programs
                .iter()
                .filter(|program| program.balances == Balances::Connected)
                .map(|program| program.program.clone())
                .collect(),
            chain: None,
            accounts: BTreeMap::new(),
            members: HashMap::new(),
            openings: BTreeMap::new(),
            receipts: HashMap::new(),
            reversed: HashMap::new(),
            flows: BTreeMap::new(),
            late: BTreeMap::new(),
            boards: Boards::default(),
            agreements: BTreeMap::new(),
            campaigns: Campaigns::default(),
            consents: Consents::default(),
            erased: BTreeSet::new(),
            spent: HashMap::new(),
            findings: Vec::new(),
            counted: 0,
            feed: None,
            windows: Windows::default(),
            completed: BTreeMap::new(),
        }
    }

    fn find(&mut self, place: impl Into<String>, finding: impl Into<String>) {
        if self.findings.len() < FINDINGS_KEPT {
            self.findings.push(Finding { place: place.into(), finding: finding.into() });
        }
    }

    /// The next receipt of the corridor being read.
    pub fn receipt(&mut self, stored: &StoredReceipt, placed: &Placed) {
        self.counted += 1;
        let place = format!("receipt {} {}", stored.corridor, stored.seq);
        let checked = self.checked(stored);
        let completed_at =
            checked.as_ref().map_or(Timestamp::from_millis(i64::MAX), |found| found.completed_at);
        self.completed.entry(stored.corridor.clone()).or_default().push(completed_at);
        match checked {
            Err(finding) => self.find(place, finding),
            Ok(receipt) => {
                self.note_window(&place, &receipt);
                self.post(&place, &receipt, placed);
            }
        }
        self.receipts.insert(stored.transaction, (stored.corridor.clone(), stored.seq));
    }

    fn checked(&mut self, stored: &StoredReceipt) -> Result<Receipt, String> {
        let key = self.keys.find(&stored.kid).ok_or("signed by a key that is not in the list")?;
        let input = jws::signing_input(JwsType::Receipt, &stored.kid, &stored.payload);
        let verified = key.public.verify(&input, &stored.signature);
        let parsed = receipt::parse(&stored.payload);
        self.follow(stored, parsed.as_ref().ok())?;
        verified.map_err(|_| "its signature does not verify")?;
        let receipt = parsed.map_err(|error| error.to_string())?;
        if !key.in_its_time(receipt.completed_at) {
            return Err("signed by a key that was not in force".to_owned());
        }
        if receipt.corridor != stored.corridor || receipt.seq != stored.seq {
            return Err("stored under another place than it names".to_owned());
        }
        if receipt.transaction != stored.transaction {
            return Err("stored under another transaction than it names".to_owned());
        }
        Ok(receipt)
    }

    /// Moves the chain on, whatever the receipt is worth, so that one bad one is one finding.
    fn follow(&mut self, stored: &StoredReceipt, parsed: Option<&Receipt>) -> Result<(), String> {
        let begins = self.chain.as_ref().is_none_or(|chain| chain.corridor != stored.corridor);
        if begins {
            self.chain = Some(Chain {
                corridor: stored.corridor.clone(),
                seq: 0,
                head: Hash::ZERO,
                completed_at: Timestamp::from_millis(i64::MIN),
                frontier: Frontier::new(),
                nodes: BTreeMap::from([(KEPT_LEVEL_STEP, Vec::new())]),
                cited: 0,
            });
        }
        let Some(chain) = self.chain.as_mut() else { return Ok(()) };
        let (expected, prev, before) = (chain.seq + 1, chain.head, chain.completed_at);
        chain.seq = stored.seq;
        chain.head = Hash::of(&stored.payload);
        let Chain { frontier, nodes, .. } = chain;
        frontier.push_with(merkle::leaf_hash(&stored.payload), |level, _, root| {
            if level > 0 && level % KEPT_LEVEL_STEP == 0 {
                nodes.entry(level).or_default().push(*root);
            }
        });
        if stored.seq != expected {
            return Err(format!("out of sequence: {expected} should stand here"));
        }
        let Some(receipt) = parsed else { return Ok(()) };
        chain.completed_at = receipt.completed_at.max(before);
        if receipt.prev != prev {
            return Err("prev is not the hash of the receipt before it".to_owned());
        }
        if receipt.completed_at < before {
            return Err("completed before the receipt before it".to_owned());
        }
        Ok(())
    }

    fn post(&mut self, place: &str, receipt: &Receipt, placed: &Placed) {
        for line in &receipt.postings {
            let scale = match &line.asset {
                Asset::Currency(_) => MONEY_SCALE,
                Asset::Program(program) => self.scales.get(program).copied().unwrap_or(0),
            };
            let Some(minor) = line.amount.to_minor(scale).map(i128::from) else {
                self.find(place, "a line has more decimals than its asset");
                continue;
            };
            for (account, signed) in [(&line.debit, -minor), (&line.credit, minor)] {
                let Account::Member(program, pseudonym) = account else {
                    let key = (account.clone(), line.asset.clone());
                    *self.accounts.entry(key).or_insert(0) += signed;
                    continue;
                };
                if self.connected.contains(program) {
                    continue;
                }
                let sides = [&receipt.source, &receipt.target];
                let of = |side: &&ReceiptSide| {
                    side.program() == Some(program) && side.member() == Some(pseudonym)
                };
                let side = sides.iter().position(of);
                match side.and_then(|at| placed.members[at]) {
                    Some(member) => *self.members.entry(member).or_insert(0) += signed,
                    None => self.find(place, "a line moves points of a member it does not name"),
                }
            }
        }
        if let Some(settlement) = &receipt.settlement {
            // A reversal names the sides as its original does.
            let backward = receipt.kind == TransactionKind::Reversal;
            let gross = i128::from(settlement.gross.micros());
            let direction = (FlowEnd::of(&receipt.source), FlowEnd::of(&receipt.target));
            let flow = self.flows.entry(direction.clone()).or_insert(0);
            *flow += if backward { -gross } else { gross };
            if !backward {
                self.count_late(direction, receipt.rate.board, placed.decided_at, gross);
            }
        }
        if let Some(chain) = self.chain.as_mut() {
            chain.cited = chain.cited.max(receipt.rate.board);
        }
        self.note_bonus(place, receipt, placed);
        self.note_consent(place, receipt, placed);
        if receipt.kind == TransactionKind::Reversal
            && let Some(original) = receipt.reverses
        {
            let minor = |side: &ReceiptSide| {
                let scale = match side.program() {
                    Some(program) => self.scales.get(program).copied().unwrap_or(0),
                    None => MONEY_SCALE,
                };
                side.amount().to_minor(scale)
            };
            let (source, target) = (minor(&receipt.source), minor(&receipt.target));
            let total = self.reversed.entry(original).or_default();
            total.source += source.unwrap_or(0);
            total.target += target.unwrap_or(0);
        }
    }

    /// A transaction at connected brands; after all receipts. What it holds is in the books, and in
    /// no receipt yet; that it was late stays said where it has failed.
    pub fn saga(&mut self, saga: &Saga, placed: &Placed) {
        if saga.phase == Phase::Completed {
            return;
        }
        let place = format!("transaction {}", saga.transaction);
        let Ok(terms) = receipt::parse(&saga.terms) else {
            self.find(place, "what its receipt is to say cannot be read");
            return;
        };
        self.note_consent(&place, &terms, placed);
        let [source, target] = placed.members;
        let backward = terms.kind == TransactionKind::Reversal;
        if saga.held > 0 {
            match if backward { target } else { source } {
                Some(giver) => *self.members.entry(giver).or_insert(0) -= i128::from(saga.held),
                None => self.find(place, "holds points of nobody"),
            }
        }
        let Some(settlement) = terms.settlement.filter(|_| !backward) else { return };
        let gross = i128::from(settlement.gross.micros());
        let direction = (FlowEnd::of(&terms.source), FlowEnd::of(&terms.target));
        self.count_late(direction.clone(), terms.rate.board, placed.decided_at, gross);
        if saga.phase == Phase::Failed {
            return;
        }
        let held = (Account::Held(settlement.debtor), Asset::Currency(settlement.currency));
        *self.accounts.entry(held).or_insert(0) += gross;
        *self.flows.entry(direction).or_insert(0) += gross;
    }

    /// The levels of the corridor's tree whose nodes are kept, and how many there should be.
    #[must_use]
    pub fn kept_levels(&self) -> Vec<(u32, u64)> {
        let nodes = self.chain.iter().flat_map(|chain| &chain.nodes);
        nodes.map(|(level, nodes)| (*level, nodes.len() as u64)).collect()
    }

    /// The kept nodes of a level as the books have them; after the corridor's receipts, before its
    /// head. A changed one would be told to partners as a proof that does not hold.
    pub fn nodes(&mut self, level: u32, kept: &[Hash]) {
        let Some(chain) = &self.chain else { return };
        let expected = chain.nodes.get(&level).map_or(&[][..], Vec::as_slice);
        let longer = expected.len().max(kept.len());
        let Some(first) = (0..longer).find(|at| expected.get(*at) != kept.get(*at)) else { return };
        let place = format!("corridor {}", chain.corridor);
        self.find(place, format!("the kept node {first} of level {level} is not its tree's"));
    }

    /// The corridor's receipts have all been handed in: its head as the books have it.
    pub fn head(&mut self, corridor: &Corridor, seq: u64, head: Hash, root: Hash) {
        let place = format!("corridor {corridor}");
        let chain = self.chain.take().filter(|chain| chain.corridor == *corridor);
        let (last, hash, tree) = chain.map_or_else(
            || (0, Hash::ZERO, Frontier::new().root()),
            |chain| (chain.seq, chain.head, chain.frontier.root()),
        );
        if seq != last || head != hash {
            self.find(
                &place,
                format!("the head says {seq} {head}, the chain ends at {last} {hash}"),
            );
        }
        if root != tree {
            self.find(&place, "the kept tree is not the tree of these receipts");
        }
    }

    /// A transaction as the books have it; after all receipts.
    pub fn transaction(
        &mut self,
        id: TransactionId,
        place: Option<(&Corridor, u64)>,
        reversed: Reversed,
    ) {
        let receipt = self.receipts.remove(&id);
        let named = receipt.as_ref().map(|(corridor, seq)| (corridor, *seq));
        if named != place {
            self.find(
                format!("transaction {id}"),
                match named {
                    None => "completed without a receipt",
                    Some(_) => "its receipt stands elsewhere than it says",
                },
            );
        }
        let summed = self.reversed.remove(&id).unwrap_or_default();
        if summed != reversed {
            self.find(
                format!("transaction {id}"),
                format!("says {reversed:?} is reversed, its reversals come to {summed:?}"),
            );
        }
    }

    /// A member as the books have it; after all receipts.
    pub fn member(&mut self, member: MemberNo, program: &ProgramId, opening: i64, balance: i64) {
        *self.openings.entry(program.clone()).or_insert(0) += i128::from(opening);
        let moved = self.members.remove(&member).unwrap_or(0);
        let expected = i128::from(opening) + moved;
        if expected != i128::from(balance) {
            let place = format!("member {}", member.0);
            self.find(place, format!("has {balance}, its postings come to {expected}"));
        }
        if balance < 0 {
            self.find(format!("member {}", member.0), "has a negative balance");
        }
    }

    /// An account as the books have it; after all receipts and members.
    pub fn account(&mut self, account: &Account, asset: &Asset, balance: i128) {
        self.spent.extend(campaigns::spent_by(account, asset, balance));
        let issued = match account {
            Account::Issued(program) => self.openings.get(program).copied().unwrap_or(0),
            _ => 0,
        };
        let moved = self.accounts.remove(&(account.clone(), asset.clone())).unwrap_or(0);
        let expected = moved - issued;
        if expected != balance {
            let place = format!("account {account} in {asset}");
            self.find(place, format!("has {balance}, its postings come to {expected}"));
        }
    }

    /// A flow as the books have it; after all receipts.
    pub fn flow(&mut self, row: &FlowRow) {
        let pair = (row.source.clone(), row.target.clone());
        let expected = self.flows.remove(&pair).unwrap_or(0);
        let exchanged = row.flow.exchanged;
        if exchanged != expected {
            let place = format!("flow {} to {}", row.source, row.target);
            self.find(place, format!("says {exchanged} micros, its orders come to {expected}"));
        }
        self.check_late(row);
    }

    /// Everything has been handed in: what is left over, and all findings.
    #[must_use]
    pub fn finish(mut self, money: &[i128]) -> (u64, Vec<Finding>) {
        self.chain_agreements();
        let spent = std::mem::take(&mut self.spent);
        self.finish_campaigns(&spent);
        self.finish_consents();
        self.finish_erasures();
        let unmatched: Vec<String> = self.receipts.keys().map(ToString::to_string).collect();
        for id in unmatched {
            self.find(format!("transaction {id}"), "has a receipt and is not in the books");
        }
        let orphans: Vec<String> = self.reversed.keys().map(ToString::to_string).collect();
        for id in orphans {
            self.find(format!("transaction {id}"), "is reversed and is not in the books");
        }
        let missing: Vec<String> = self
            .accounts
            .iter()
            .filter(|(_, balance)| **balance != 0)
            .map(|((account, asset), balance)| format!("{account} in {asset}: {balance}"))
            .collect();
        for account in missing {
            self.find(format!("account {account}"), "has postings and is not in the books");
        }
        let uncounted: Vec<String> = self
            .flows
            .iter()
            .filter(|(_, gross)| **gross != 0)
            .map(|((source, target), gross)| format!("{source} to {target}: {gross}"))
            .collect();
        for flow in uncounted {
            self.find(format!("flow {flow}"), "has orders and is not in the books");
        }
        let strangers: Vec<i64> = self.members.keys().map(|member| member.0).collect();
        for member in strangers {
            self.find(format!("member {member}"), "has postings and is not in the books");
        }
        let sum: i128 = money.iter().sum();
        if sum != 0 {
            self.find("money", format!("positions, fees and rounding sum to {sum}, not to zero"));
        }
        (self.counted, self.findings)
    }
}
