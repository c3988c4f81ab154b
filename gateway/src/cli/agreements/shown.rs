//! What the commands show.

use alliance_contracts::agreement::{
    Agreement, AgreementDiff, AgreementState, AgreementView, Change,
};
use alliance_contracts::encoding::Hash;
use alliance_contracts::names::PartnerId;
use serde::Serialize;

use crate::cli::layout::{Column, counted, table};
use crate::cli::printer::{self, FAINT, GOOD, HEADING, LIVE, paint};

#[derive(Serialize)]
pub struct Listed {
    pub partner: PartnerId,
    pub agreements: Vec<AgreementView>,
}

/// How a version stands, in a word.
fn standing(view: &AgreementView) -> &'static str {
    match view.state {
        AgreementState::Active if view.in_force => "in force",
        AgreementState::Active => "signed by both",
        AgreementState::Proposed => "proposed",
        AgreementState::Withdrawn => "withdrawn",
    }
}

impl printer::Shown for Listed {
    fn text(&self) -> String {
        let Self { partner, agreements } = self;
        if agreements.is_empty() {
            return format!("{partner} has no such agreements: `alliance agreements propose`");
        }
        let row = |view: &AgreementView| {
            let agreement = &view.agreement;
            let other = agreement.other(partner).unwrap_or(&agreement.b);
            vec![
                view.id.to_string(),
                other.to_string(),
                agreement.version.to_string(),
                standing(view).to_owned(),
                agreement.effective_at.to_string(),
                agreement.until.map_or_else(|| "open".to_owned(), |until| until.to_string()),
                view.proposed_by.to_string(),
            ]
        };
        let rows: Vec<Vec<String>> = agreements.iter().map(row).collect();
        let mut columns = [Column::Left; 7];
        columns[2] = Column::Right;
        let header = ["id", "with", "version", "state", "from", "until", "proposed by"];
        let heading = paint(HEADING, &format!("Agreements of {partner}"));
        format!("{heading}\n{}", table("  ", &columns, &header, &rows))
    }
}

#[derive(Serialize)]
pub struct Shown {
    /// SHA-256 of what is signed.
    pub hash: Hash,
    #[serde(flatten)]
    pub agreement: AgreementView,
}

impl printer::Shown for Shown {
    fn text(&self) -> String {
        whole(&self.agreement, &self.hash)
    }
}

/// A version with its terms.
fn whole(view: &AgreementView, hash: &Hash) -> String {
    let Agreement { a, b, version, .. } = &view.agreement;
    let heading = paint(HEADING, &format!("{a} and {b}, version {version}: {}", standing(view)));
    let rows: Vec<Vec<String>> = view
        .agreement
        .terms()
        .into_iter()
        .filter(|term| !matches!(term.name.as_str(), "a" | "b" | "version"))
        .map(|term| vec![term.name, term.value])
        .collect();
    let terms = table("  ", &[Column::Left, Column::Left], &[], &rows);
    let countersigned = view
        .countersigned_at
        .map_or_else(|| "not countersigned".to_owned(), |at| format!("countersigned {at}"));
    let signed = format!(
        "{}, proposed by {} {}, {countersigned}",
        view.id, view.proposed_by, view.proposed_at
    );
    let foot = paint(FAINT, &format!("{signed}\nsha-256 {hash}"));
    format!("{heading}\n{terms}\n{foot}")
}

/// A proposal that was looked at, and not signed.
#[derive(Serialize)]
pub struct Reviewed {
    pub countersigned: bool,
    pub hash: Hash,
    #[serde(flatten)]
    pub agreement: AgreementView,
    pub changes: Vec<Change>,
}

impl printer::Shown for Reviewed {
    fn text(&self) -> String {
        let document = whole(&self.agreement, &self.hash);
        let id = self.agreement.id;
        let command = format!("alliance agreements countersign {id} --hash {}", self.hash);
        format!(
            "{document}\n\n{}\n{}\n\nNothing is signed yet. Where this is what was agreed:\n  {}",
            paint(HEADING, "Of the version in force it changes"),
            changes(&self.changes),
            paint(LIVE, &command),
        )
    }
}

fn changes(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "  nothing".to_owned();
    }
    changes.iter().map(|change| format!("  {change}")).collect::<Vec<_>>().join("\n")
}

#[derive(Serialize)]
#[serde(transparent)]
pub struct Diffed(pub AgreementDiff);

impl printer::Shown for Diffed {
    fn text(&self) -> String {
        let AgreementDiff { changes: found, from, to } = &self.0;
        let from =
            from.map_or_else(|| "nothing signed by both".to_owned(), |from| from.to_string());
        let heading = paint(HEADING, &format!("From {from} to {to}"));
        format!("{heading}\n{}", changes(found))
    }
}

#[derive(Serialize)]
pub struct Checked {
    pub terms: usize,
    pub faults: [String; 0],
}

impl printer::Shown for Checked {
    fn text(&self) -> String {
        let terms = counted(self.terms, "term");
        format!("{} The draft can be proposed: {terms}", paint(GOOD, "✓"))
    }
}
