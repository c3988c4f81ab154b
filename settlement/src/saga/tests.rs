//! The table, walked whole: every plan, every phase, every answer.

use std::collections::BTreeSet;

use alliance_contracts::connector::{RefusalCode, Step};

use super::{Answer, Given, Phase, Plan, Remark, Taken, after, answered, first, wait_millis};

const REFUSED: Answer = Answer::Refused(RefusalCode::Refused);

/// One way through: the calls that were answered, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    calls: Vec<(Step, bool)>,
    end: Phase,
    remarks: Vec<Remark>,
}

/// Every way through a plan. Silence changes nothing, so only answers are walked.
fn ways(plan: Plan) -> Vec<Way> {
    fn walk(plan: Plan, phase: Phase, calls: &[(Step, bool)], remarks: &[Remark]) -> Vec<Way> {
        let Some(step) = phase.step() else {
            return vec![Way { calls: calls.to_vec(), end: phase, remarks: remarks.to_vec() }];
        };
        assert!(calls.len() < 5, "{plan:?} does not end: {calls:?}");
        let both = [(Answer::Done(None), true), (REFUSED, false)];
        let next = both.into_iter().flat_map(|(answer, done)| {
            let next = after(plan, phase, &answer);
            let calls = [calls, &[(step, done)]].concat();
            let remarks = [remarks, next.remark.as_slice()].concat();
            walk(plan, next.phase, &calls, &remarks)
        });
        next.collect()
    }
    walk(plan, first(plan), &[], &[])
}

fn was(way: &Way, step: Step) -> Option<bool> {
    way.calls.iter().find(|(asked, _)| *asked == step).map(|(_, done)| *done)
}

#[test]
fn every_way_ends_and_asks_nothing_twice() {
    for plan in Plan::all() {
        for way in ways(plan) {
            let steps: BTreeSet<Step> = way.calls.iter().map(|(step, _)| *step).collect();
            assert_eq!(steps.len(), way.calls.len(), "{plan:?} {way:?}");
            assert!(way.end.has_ended());
        }
    }
}

/// What a brand has reserved is captured or released, never both, never left, except where the
/// brand itself refuses: then finance is told.
#[test]
fn what_was_reserved_is_captured_or_released() {
    for plan in Plan::all() {
        for way in ways(plan) {
            let reserved = was(&way, Step::Reserve) == Some(true);
            let ended = [Step::Capture, Step::Release].map(|step| was(&way, step));
            let asked = ended.iter().flatten().count();
            assert_eq!(asked, usize::from(reserved), "{plan:?} {way:?}");
            let refused = ended.contains(&Some(false));
            assert_eq!(refused, {
                way.remarks.contains(&Remark::CaptureRefused)
                    || way.remarks.contains(&Remark::ReleaseRefused)
            });
        }
    }
}

/// Half is never the end: what was given is never of a transaction that failed, and a transaction
/// completes only where all was taken and given, or finance is told of what is missing.
#[test]
fn nothing_ends_half() {
    for plan in Plan::all() {
        for way in ways(plan) {
            let given = match plan.given {
                Given::Credited => was(&way, Step::Credit) == Some(true),
                Given::Nothing | Given::Hosted => way.end == Phase::Completed,
            };
            let taken = match plan.taken {
                Taken::Reserved => was(&way, Step::Capture) == Some(true),
                Taken::Cancelled => was(&way, Step::Cancel) == Some(true),
                Taken::Nothing | Taken::Hosted => way.end == Phase::Completed,
            };
            match (way.end, way.remarks.is_empty()) {
                (Phase::Completed, true) => assert!(given && taken, "{plan:?} {way:?}"),
                (Phase::Completed, false) => assert!(given != taken, "{plan:?} {way:?}"),
                (Phase::Failed, _) => assert!(!given && !taken, "{plan:?} {way:?}"),
                _ => unreachable!("a way ends"),
            }
        }
    }
}

#[test]
fn silence_and_unknown_change_nothing() {
    for plan in Plan::all() {
        for phase in Phase::ALL {
            for answer in [Answer::Unknown, Answer::Silent] {
                let next = after(plan, phase, &answer);
                assert_eq!((next.phase, next.remark), (phase, None));
            }
        }
    }
}

/// An answer that comes late is known for what it is: of a call that was answered so before, or
/// otherwise, or that was never made.
#[test]
fn a_late_answer_is_compared_with_the_first() {
    for plan in Plan::all() {
        for way in ways(plan) {
            let mut phase = first(plan);
            let (mut refused, mut remark) = (None, None);
            for at in 0..=way.calls.len() {
                let (before, rest) = way.calls.split_at(at);
                for (step, done) in before {
                    assert_eq!(
                        answered(plan, phase, refused, remark, *step),
                        Some(*done),
                        "{way:?}"
                    );
                }
                for (step, _) in rest {
                    assert_eq!(
                        answered(plan, phase, refused, remark, *step),
                        None,
                        "{way:?} at {at}"
                    );
                }
                let Some((step, done)) = rest.first() else { break };
                let answer = if *done { Answer::Done(None) } else { REFUSED };
                if !done {
                    refused = refused.or(Some(*step));
                }
                let next = after(plan, phase, &answer);
                (phase, remark) = (next.phase, remark.or(next.remark));
            }
        }
    }
}

/// The table of docs/sagas.md is this table.
#[test]
fn the_documented_table_is_the_table() {
    let mut rows = Vec::new();
    for plan in Plan::all().into_iter().filter(|plan| plan.asks()) {
        let reachable: BTreeSet<Phase> = phases(plan);
        for phase in reachable {
            let Some(step) = phase.step() else { continue };
            let to = |answer: &Answer| {
                let next = after(plan, phase, answer);
                let remark = next.remark.map(|remark| format!(" ({})", remark.as_str()));
                format!("{}{}", next.phase.as_str(), remark.unwrap_or_default())
            };
            rows.push(format!(
                "| {} | {} | {} | {} | {} | {} |",
                plan.taken.as_str(),
                plan.given.as_str(),
                phase.as_str(),
                step,
                to(&Answer::Done(None)),
                to(&REFUSED),
            ));
        }
    }
    let page = include_str!("../../../docs/sagas.md");
    let shown: Vec<&str> = page
        .lines()
        .skip_while(|line| !line.starts_with("| taken | given |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(shown, rows, "docs/sagas.md should have:\n{}", rows.join("\n"));
}

fn phases(plan: Plan) -> BTreeSet<Phase> {
    let mut seen = BTreeSet::new();
    let mut open = vec![first(plan)];
    while let Some(phase) = open.pop() {
        if seen.insert(phase) {
            open.extend([Answer::Done(None), REFUSED].map(|a| after(plan, phase, &a).phase));
        }
    }
    seen
}

#[test]
fn waits_grow_and_are_bounded_and_spread() {
    let transactions: Vec<_> =
        (1..200_u128).map(alliance_contracts::ids::TransactionId::from_u128).collect();
    let mut longest = 0;
    for attempts in 1..40 {
        let waits: BTreeSet<i64> =
            transactions.iter().map(|id| wait_millis(*id, attempts)).collect();
        let (low, high) = (*waits.first().unwrap(), *waits.last().unwrap());
        assert!(waits.len() > 50, "not spread");
        assert!(
            low >= 250 && high <= 300_000 && 2 * low >= longest * 9 / 10,
            "{attempts}: {low} to {high}"
        );
        longest = longest.max(high);
    }
    assert!(longest > 250_000);
}
