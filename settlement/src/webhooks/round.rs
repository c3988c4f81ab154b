//! What a gateway sends in one round to an endpoint that it has taken up: one chain for each
//! subject, in the feed's order, so that an event is sent only once all before it of its subject
//! have been delivered, or given up.

use std::collections::BTreeMap;

use alliance_contracts::time::Timestamp;

use super::schedule::{Attempted, Next, next};
use super::{Attempt, DeliveryRecord, EndpointRecord, MAX_WAITING, Told};

/// Events of one round at most.
pub const ROUND_EVENTS: u32 = 200;

/// An event to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToSend {
    /// The event.
    pub told: Told,
    /// Attempts that its schedule has had.
    pub tried: u32,
}

impl ToSend {
    /// What follows on this attempt to send it.
    #[must_use]
    pub fn next(&self, attempt: &Attempt) -> Next {
        next(self.tried.saturating_add(1), attempt.came_to, attempt.draw)
    }
}

/// Whether the next event of the subject may be sent.
#[must_use]
pub const fn is_over(next: Next) -> bool {
    matches!(next, Next::Delivered | Next::Dead)
}

/// What a round does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// One for each subject.
    pub chains: Vec<Vec<ToSend>>,
    /// What is taken up, and waits behind an earlier event of its subject that is not due.
    pub behind: Vec<Told>,
    /// Every event up to this number is taken up.
    pub taken_up: u64,
}

/// What to do for an endpoint: `waiting` is all that waits, `new` what follows on its place in the
/// feed, both in the feed's order.
#[must_use]
pub fn plan(
    endpoint: &EndpointRecord,
    waiting: &[DeliveryRecord],
    new: &[Told],
    now: Timestamp,
) -> Round {
    let mut round = Round { taken_up: endpoint.taken_up, ..Round::default() };
    // None: what waits first of this subject is not due.
    let mut subjects: BTreeMap<&str, Option<Vec<ToSend>>> = BTreeMap::new();
    let mut room = ROUND_EVENTS;
    for delivery in waiting {
        let due = delivery.due_at.is_none_or(|due| due <= now);
        let chain = subjects
            .entry(&delivery.told.subject)
            .or_insert_with(|| due.then(Vec::new).filter(|_| room > 0));
        if let Some(chain) = chain.as_mut().filter(|_| room > 0) {
            room -= 1;
            chain.push(ToSend { told: delivery.told.clone(), tried: delivery.tried });
        }
    }
    let waits = |number| waiting.binary_search_by_key(&number, |one| one.told.number).is_ok();
    let places = MAX_WAITING.saturating_sub(u32::try_from(waiting.len()).unwrap_or(u32::MAX));
    let mut places = places.min(room);
    for told in new {
        if endpoint.wants(&told.r#type) && !waits(told.number) {
            if places == 0 {
                break;
            }
            places -= 1;
            match subjects.entry(&told.subject).or_insert_with(|| Some(Vec::new())) {
                Some(chain) => chain.push(ToSend { told: told.clone(), tried: 0 }),
                None => round.behind.push(told.clone()),
            }
        }
        round.taken_up = told.number;
    }
    round.chains = subjects.into_values().flatten().filter(|chain| !chain.is_empty()).collect();
    round
}

/// What is left of a chain of which so many were sent: the events, and whether each is the first
/// that waits of its subject.
#[must_use]
pub fn left(chain: &[ToSend], sent: &[Attempt]) -> Vec<(Told, bool)> {
    let over = chain.iter().zip(sent).all(|(event, attempt)| is_over(event.next(attempt)));
    let rest = chain.iter().skip(sent.len()).enumerate();
    rest.map(|(at, event)| (event.told.clone(), over && at == 0)).collect()
}

/// An attempt that came to nothing at all: the gateway itself was at fault.
#[must_use]
pub fn fault(told: Told, at: Timestamp, said: &str, draw: u64) -> Attempt {
    let (came_to, said) = (Attempted::NoAnswer, said.to_owned());
    Attempt { told, at, took_millis: 0, came_to, said, draw }
}

#[cfg(test)]
mod tests {
    use alliance_contracts::endpoint::{DeliveryState, EndpointState};
    use alliance_contracts::event::EventType;
    use alliance_contracts::ids::{EndpointId, EventId};
    use alliance_contracts::keys::SigningKey;

    use super::*;
    use crate::webhooks::Standing;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn endpoint(types: &[EventType]) -> EndpointRecord {
        EndpointRecord {
            id: EndpointId::from_u128(1),
            partner: "aurora-air".parse().unwrap(),
            url: "https://hooks.example.com/".to_owned(),
            types: types.to_vec(),
            standing: Standing::There(EndpointState::Active),
            secret: vec![1],
            old_secret: None,
            taken_up: 10,
            leased_until: NOW,
            created_at: NOW,
            changed_by: SigningKey::from_seed(&[1; 32]).kid().clone(),
        }
    }

    fn told(number: u64, subject: &str) -> Told {
        let event = EventId::from_u128(u128::from(number));
        Told { number, event, subject: subject.to_owned(), r#type: EventType::LinkActive }
    }

    fn waiting(number: u64, subject: &str, due: Option<i64>) -> DeliveryRecord {
        DeliveryRecord {
            endpoint: EndpointId::from_u128(1),
            told: told(number, subject),
            state: DeliveryState::Waiting,
            tried: 3,
            attempts: 4,
            due_at: due.map(Timestamp::from_millis),
            last_at: None,
            last_status: None,
        }
    }

    fn numbers(round: &Round) -> Vec<Vec<u64>> {
        let numbers = |chain: &Vec<ToSend>| chain.iter().map(|one| one.told.number).collect();
        round.chains.iter().map(numbers).collect()
    }

    #[test]
    fn every_subject_is_a_chain_in_the_feeds_order() {
        let new = [told(11, "a"), told(12, "b"), told(13, "a"), told(14, "c")];
        let round = plan(&endpoint(&[]), &[], &new, NOW);
        assert_eq!(numbers(&round), [vec![11, 13], vec![12], vec![14]]);
        assert_eq!((round.taken_up, round.behind.len()), (14, 0));
    }

    #[test]
    fn what_fails_holds_up_its_own_subject_alone() {
        let waits =
            [waiting(3, "a", Some(1_001)), waiting(4, "b", Some(1_000)), waiting(5, "a", None)];
        let round = plan(&endpoint(&[]), &waits, &[told(11, "a"), told(12, "b")], NOW);
        assert_eq!(numbers(&round), [vec![4, 12]]);
        assert_eq!(round.behind, [told(11, "a")]);
        assert_eq!(
            (round.taken_up, round.chains[0][0].tried, round.chains[0][1].tried),
            (12, 3, 0)
        );
        let later = plan(&endpoint(&[]), &waits, &[], NOW.plus_millis(1));
        assert_eq!(numbers(&later), [vec![3, 5], vec![4]]);
        assert_eq!(later.taken_up, 10);
    }

    #[test]
    fn what_is_not_asked_for_is_passed_over_and_what_waits_is_not_sent_twice() {
        let other = Told { r#type: EventType::BoardPublished, ..told(12, "board") };
        let asked = endpoint(&[EventType::BoardPublished]);
        let round = plan(&asked, &[], &[told(11, "a"), other, told(13, "a")], NOW);
        assert_eq!((numbers(&round), round.taken_up), (vec![vec![12]], 13));
        // A replay comes to what waits already.
        let waits = [waiting(11, "a", Some(0))];
        let round = plan(&endpoint(&[]), &waits, &[told(11, "a"), told(12, "a")], NOW);
        assert_eq!(numbers(&round), [vec![11, 12]]);
    }

    #[test]
    fn what_there_is_no_room_for_stays_in_the_feed() {
        let full: Vec<_> =
            (1..=u64::from(MAX_WAITING)).map(|n| waiting(n, "a", Some(2_000))).collect();
        let round = plan(&endpoint(&[]), &full, &[told(2_000, "b")], NOW);
        assert_eq!((numbers(&round), round.taken_up), (Vec::<Vec<u64>>::new(), 10));
        let many: Vec<_> = (11..=1_000).map(|n| told(n, &format!("s{n}"))).collect();
        let round = plan(&endpoint(&[]), &[], &many, NOW);
        assert_eq!(round.chains.len(), ROUND_EVENTS as usize);
        assert_eq!(round.taken_up, 10 + u64::from(ROUND_EVENTS));
        // What waits is due before what is new.
        let due: Vec<_> = (1..=300).map(|n| waiting(n, &format!("s{n}"), Some(0))).collect();
        let round = plan(&endpoint(&[]), &due, &[told(2_000, "b")], NOW);
        assert_eq!((round.chains.len(), round.taken_up), (ROUND_EVENTS as usize, 10));
    }

    #[test]
    fn what_is_left_of_a_chain_waits_behind_what_failed_or_is_next() {
        let chain: Vec<_> = (1..=3)
            .map(|n| ToSend { told: told(n, "a"), tried: if n == 2 { 9 } else { 0 } })
            .collect();
        let attempt = |number, status| Attempt {
            told: told(number, "a"),
            at: NOW,
            took_millis: 1,
            came_to: Attempted::Answer { status, retry_after: None },
            said: String::new(),
            draw: 0,
        };
        let left = |sent: &[Attempt]| {
            left(&chain, sent).into_iter().map(|(t, first)| (t.number, first)).collect::<Vec<_>>()
        };
        assert_eq!(left(&[]), [(1, true), (2, false), (3, false)]);
        assert_eq!(left(&[attempt(1, 200)]), [(2, true), (3, false)]);
        assert_eq!(left(&[attempt(1, 500)]), [(2, false), (3, false)]);
        // The second is given up with its tenth attempt: the third is next.
        assert_eq!(left(&[attempt(1, 200), attempt(2, 500)]), [(3, true)]);
        assert_eq!(left(&[attempt(1, 200), attempt(2, 500), attempt(3, 500)]), []);
    }
}
