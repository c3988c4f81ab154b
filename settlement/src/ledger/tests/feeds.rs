//! Readings of feeds: whose they may be, all or none, each once.

use super::*;
use crate::ledger::feeds::are_here_whole;
use crate::rates::feeds::{FeedKind, Observation};

const AURORA: &str = "aurora-air";

fn reading(program: &str, feed: FeedKind, value: &str, second: i64) -> Observation {
    let (program, value) = (program.parse().unwrap(), value.parse().unwrap());
    Observation { feed, observed_at: NOW.plus_seconds(second - 3_600), program, value }
}

/// The rows and members at fault.
fn told(outcome: &Outcome) -> Vec<(usize, &'static str)> {
    match outcome {
        Outcome::ObservationsRefused(faults) => {
            faults.iter().map(|one| (one.row, one.fault.member)).collect()
        }
        other => panic!("{other:?}"),
    }
}

impl World {
    fn observe(&mut self, observations: &[Observation]) -> Outcome {
        let command = Command::Observe(Arc::new(observations.to_vec()));
        decide(&mut self.set, &command, NOW).outcome
    }

    fn send(&mut self, partner: &str, observations: &[Observation]) -> Outcome {
        let name = format!("sent-{}", self.drawn);
        let keyed = self.keyed(partner, &name, &name);
        let command = Command::ObserveAsPartner(keyed, Arc::new(observations.to_vec()));
        decide(&mut self.set, &command, NOW).outcome
    }
}

#[test]
fn readings_are_taken_all_or_none_and_every_fault_is_listed() {
    let mut world = World::new();
    let readings = [
        reading("aurora", FeedKind::Cost, "0.048", 1),
        reading("aurora", FeedKind::Cost, "0", 2),
        reading("zeppelin", FeedKind::Cost, "0.05", 2),
        reading("aurora", FeedKind::Cost, "48", 0),
        reading("borealis", FeedKind::Breakage, "1", 99_999),
    ];
    let refused = world.observe(&readings);
    let expected = [
        (1, "value"),
        (2, "program"),
        (3, "value"),
        (3, "observed_at"),
        (4, "value"),
        (4, "observed_at"),
    ];
    assert_eq!(told(&refused), expected);
    assert!(world.set.writes.is_empty(), "nothing half applied");
    assert_eq!(world.observe(&readings[..1]), Outcome::Done(1));
    assert_eq!(world.set.writes.observations.len(), 1);
    assert!(world.set.writes.changes_registry());
    // Within a batch what was taken before counts: the same again changes nothing.
    assert_eq!(world.observe(&readings[..1]), Outcome::Done(1));
    assert_eq!(world.set.writes.observations.len(), 1);
    let jump = [reading("aurora", FeedKind::Cost, "0.0047", 5)];
    assert_eq!(told(&world.observe(&jump)), [(0, "value")], "more than ten times less");
}

#[test]
fn a_partner_reports_on_its_own_programs_and_on_no_others() {
    let mut world = World::new();
    let own = reading("aurora", FeedKind::Reserve, "1800", 1);
    let avia = reading("avia", FeedKind::Outstanding, "70", 1);
    for other in ["borealis", "zeppelin"] {
        let both = [own.clone(), reading(other, FeedKind::Reserve, "1800", 1)];
        let refused = world.send(AURORA, &both);
        assert_eq!(refused, Outcome::Refused(ProblemCode::NotFound), "{other}");
    }
    assert!(world.set.writes.is_empty());
    assert_eq!(world.send(AURORA, &[own, avia]), Outcome::Observed);
    let rows = &world.set.writes.observations;
    assert!(rows.len() == 2 && rows.iter().all(|row| row.partner == Some(AURORA.parse().unwrap())));
}

#[test]
fn readings_that_were_not_taken_leave_their_key_unused() {
    let mut world = World::new();
    let send = |world: &mut World, value: &str| {
        let keyed = world.keyed(AURORA, "report-1", value);
        let readings = vec![reading("aurora", FeedKind::Cost, value, 1)];
        decide(&mut world.set, &Command::ObserveAsPartner(keyed, Arc::new(readings)), NOW)
    };
    assert_eq!(told(&send(&mut world, "0").outcome), [(0, "value")]);
    assert_eq!(send(&mut world, "0.05").outcome, Outcome::Observed);
    let again = send(&mut world, "0.05");
    assert!(again.replayed && again.outcome == Outcome::Observed);
    let other = send(&mut world, "0.051");
    assert_eq!(other.outcome, Outcome::Refused(ProblemCode::IdempotencyMismatch));
}

#[test]
fn after_a_lost_answer_an_import_is_known_by_its_newest_readings() {
    let mut world = World::new();
    let readings = [
        reading("aurora", FeedKind::Cost, "0.048", 1),
        reading("aurora", FeedKind::Cost, "0.049", 2),
        reading("borealis", FeedKind::Breakage, "0.2", 1),
    ];
    assert!(!are_here_whole(&world.set.registry, &readings));
    world.observe(&readings);
    let mut parts = RegistryParts::clone(&world.set.registry);
    parts.feeds = world.set.writes.feeds.clone();
    let registry = Registry::new(2, parts);
    assert!(are_here_whole(&registry, &readings));
    assert!(!are_here_whole(&registry, &readings[..1]), "a newer one is there");
}
