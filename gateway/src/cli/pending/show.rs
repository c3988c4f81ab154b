//! What `alliance pending` shows.

use alliance_contracts::time::Timestamp;
use alliance_settlement::saga::{Phase, Saga, SignedAnswer};
use alliance_settlement::sequencer::TransactionView;
use serde::Serialize;

use super::super::layout::{Column, table};
use super::super::printer::{FAINT, GOOD, HEADING, Shown, paint};

/// A transaction that waits, or that finance has to look at.
#[derive(Serialize)]
pub(super) struct PendingLine {
    transaction: String,
    phase: &'static str,
    waits_for: Option<String>,
    attempts: u32,
    next_call_at: Option<Timestamp>,
    parked_at: Option<Timestamp>,
    refused: Option<String>,
    remark: Option<&'static str>,
    #[serde(skip)]
    due: String,
}

impl PendingLine {
    pub(super) fn of(saga: &Saga, now: Timestamp) -> Self {
        let waits = !saga.phase.has_ended();
        let seconds = (saga.due_at.as_millis() - now.as_millis()).div_euclid(1_000);
        let due = match (waits, seconds) {
            (false, _) => String::new(),
            (true, ..=0) => "now".to_owned(),
            (true, 1..120) => format!("in {seconds} s"),
            (true, _) => format!("in {} min", seconds / 60),
        };
        let refused = saga.refusal.map(|(step, code)| format!("{step}: {}", code.as_str()));
        Self {
            transaction: saga.transaction.to_string(),
            phase: saga.phase.as_str(),
            waits_for: saga.partner().map(ToString::to_string),
            attempts: saga.attempts,
            next_call_at: waits.then_some(saga.due_at),
            parked_at: saga.parked_at.filter(|_| waits),
            refused,
            remark: saga.remark.map(|remark| remark.as_str()),
            due,
        }
    }

    /// Whether nobody has to look at it.
    pub(super) const fn is_quiet(&self) -> bool {
        self.parked_at.is_none() && self.remark.is_none()
    }

    fn state(&self) -> String {
        let parked = self.parked_at.map(|_| "parked");
        let said = [parked, self.remark, self.refused.as_deref()];
        said.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// All of them.
#[derive(Serialize)]
pub(super) struct PendingLines {
    pub(super) alliance: String,
    pub(super) pending: Vec<PendingLine>,
}

impl Shown for PendingLines {
    fn text(&self) -> String {
        let Self { alliance, pending } = self;
        if pending.is_empty() {
            let good = paint(GOOD, "✓");
            return format!("{good} Nothing of the alliance \"{alliance}\" waits for a brand");
        }
        let row = |line: &PendingLine| {
            vec![
                line.transaction.clone(),
                line.phase.to_owned(),
                line.waits_for.clone().unwrap_or_default(),
                line.attempts.to_string(),
                line.due.clone(),
                line.state(),
            ]
        };
        let rows: Vec<Vec<String>> = pending.iter().map(row).collect();
        let left = Column::Left;
        let columns = [left, left, left, Column::Right, left, left];
        let header = ["transaction", "phase", "waits for", "calls", "next call", "to look at"];
        let look = pending.iter().filter(|line| !line.is_quiet()).count();
        let heading = paint(HEADING, &format!("Pending in the alliance \"{alliance}\""));
        let all = pending.len();
        let below = match look {
            0 => format!("{all} in all; none that a person has to look at"),
            _ => format!("{all} in all, {look} to look at: alliance pending show ID"),
        };
        format!("{heading}\n{}\n{}", table("  ", &columns, &header, &rows), paint(FAINT, &below))
    }
}

/// What one brand has said.
#[derive(Serialize)]
struct AnswerLine {
    step: &'static str,
    partner: String,
    kid: String,
    received_at: Timestamp,
    body: String,
}

/// One transaction, whole.
#[derive(Serialize)]
pub(super) struct PendingDetail {
    transaction: String,
    kind: &'static str,
    state: &'static str,
    created_at: Timestamp,
    giver: Option<String>,
    receiver: Option<String>,
    deadline_at: Option<Timestamp>,
    stands: Option<PendingLine>,
    answers: Vec<AnswerLine>,
}

impl PendingDetail {
    pub(super) fn of(view: &TransactionView, answers: &[SignedAnswer], now: Timestamp) -> Self {
        let saga = view.saga.as_ref();
        let answer = |answer: &SignedAnswer| AnswerLine {
            step: answer.step.as_str(),
            partner: answer.partner.to_string(),
            kid: answer.kid.to_string(),
            received_at: answer.received_at,
            body: String::from_utf8_lossy(&answer.body).into_owned(),
        };
        Self {
            transaction: view.record.id.to_string(),
            kind: view.record.kind.as_str(),
            state: view.record.state.as_str(),
            created_at: view.record.created_at,
            giver: saga.map(|saga| saga.giver.to_string()),
            receiver: saga.map(|saga| saga.receiver.to_string()),
            deadline_at: saga
                .filter(|saga| !matches!(saga.phase, Phase::Completed | Phase::Failed))
                .map(|saga| saga.deadline_at),
            stands: saga.map(|saga| PendingLine::of(saga, now)),
            answers: answers.iter().map(answer).collect(),
        }
    }
}

impl Shown for PendingDetail {
    fn text(&self) -> String {
        let title = format!("{} is {}", self.transaction, self.state);
        let mut lines = vec![
            paint(HEADING, &title),
            format!("  kind        {}", self.kind),
            format!("  accepted    {}", self.created_at),
        ];
        if let Some((giver, receiver)) = self.giver.as_ref().zip(self.receiver.as_ref()) {
            lines.push(format!("  from, to    {giver}, {receiver}"));
        }
        if let Some(stands) = &self.stands {
            lines.push(format!("  phase       {}", stands.phase));
            if let Some(waits_for) = &stands.waits_for {
                let calls = stands.attempts;
                lines.push(format!("  waits for   {waits_for}, called {calls} times"));
                lines.push(format!("  next call   {}", stands.due));
            }
            if !stands.state().is_empty() {
                lines.push(format!("  to look at  {}", stands.state()));
            }
        }
        if let Some(deadline) = self.deadline_at {
            lines.push(format!("  deadline    {deadline}"));
        }
        for answer in &self.answers {
            let AnswerLine { step, partner, received_at, body, .. } = answer;
            lines.push(format!("  {step:<11} {received_at} {partner}: {body}"));
        }
        lines.join("\n")
    }
}

/// A brand will be asked again.
#[derive(Serialize)]
pub(super) struct Retried {
    pub(super) transaction: String,
}

impl Shown for Retried {
    fn text(&self) -> String {
        let good = paint(GOOD, "✓");
        format!(
            "{good} The brand is asked about {} by the next gateway that looks",
            self.transaction
        )
    }
}
