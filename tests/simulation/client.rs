//! Partners and operators as the gateways meet them: they keep asking under the same key until they
//! know, over a network that loses, doubles, delays and reorders.

use std::sync::Arc;

use alliance_contracts::ids::{Id, Kind};
use alliance_contracts::time::Timestamp;
use alliance_settlement::command::{
    CloseWindow, Command, Define, Keyed, NewLink, NewMember, Order, ProposeLink, Reverse,
    SignedCheckpoint,
};

use crate::auditor::{Issue, Told};
use crate::cast::{Agreed, PARTNERS, PROGRAMS, Props, name};
use crate::stage::SharedStage;

/// What somebody wants to have done. It is delivered as often as it takes.
#[derive(Clone)]
pub enum Errand {
    /// A partner's order: the issue, and the command but for what each delivery draws anew.
    Order(usize, Arc<Command>),
    Import(usize, Arc<Vec<NewMember>>),
    LinkImport(usize, Arc<Vec<NewLink>>),
    Define(Box<(Agreed, Define)>),
    ForbiddenDefine(Box<Define>),
    Suspend(usize, bool),
    /// The window that a gateway knows as open.
    Close(Box<CloseWindow>),
    BadCheckpoint(Box<SignedCheckpoint>),
    /// The draft of this number.
    Publish(usize),
    Release(usize, usize),
}

/// An errand that is not done yet, as far as its sender knows.
pub struct Open {
    pub errand: Errand,
    pub ask_again_at: i64,
}

/// On its way to a gateway.
pub struct Message {
    pub due: i64,
    pub gateway: usize,
    /// Whose it is; none: a copy that somebody replays.
    pub open: Option<u64>,
    pub errand: Errand,
}

/// At a gateway.
pub struct Delivery {
    pub open: Option<u64>,
    pub gateway: usize,
    pub told: Told,
}

/// The order's key and bytes, in a request that is drawn for every arrival.
pub fn keyed(issue: &Issue, props: &mut Props, now: i64) -> Keyed {
    Keyed {
        partner: name(PARTNERS[issue.partner]),
        key: name(&format!("k-{}", issue.key)),
        digest: issue.digest.into(),
        request: props.request(issue.partner, now),
        index: 0,
    }
}

impl Errand {
    /// Arrives at a door: what the gateway makes of it then, and what the auditor is told of it.
    pub fn arrives(
        &self,
        props: &mut Props,
        stage: &SharedStage,
        (gateway, now): (usize, i64),
    ) -> (Command, Told) {
        match self {
            Self::Order(issue, command) => {
                let mut stage = stage.lock();
                let keyed = keyed(stage.auditor.issued(*issue), props, now);
                let request = keyed.request.id.as_u128();
                let (command, makes) = drawn(command, keyed, props);
                stage.auditor.arrives(request, *issue, makes);
                (command, Told::Order(request))
            }
            Self::Import(import, rows) => {
                (Command::ImportMembers(rows.clone()), Told::Import(*import))
            }
            Self::LinkImport(import, rows) => {
                (Command::ImportLinks(rows.clone()), Told::LinkImport(*import))
            }
            Self::Define(definition) => {
                let (agreed, define) = &**definition;
                let told = Told::Definition(Box::new(agreed.clone()));
                (Command::Define(Box::new(define.clone())), told)
            }
            Self::ForbiddenDefine(define) => {
                (Command::Define(define.clone()), Told::ForbiddenDefinition)
            }
            Self::Suspend(partner, suspended) => {
                let command = Command::Suspend(name(PARTNERS[*partner]), *suspended);
                (command, Told::Suspension(*partner, *suspended))
            }
            Self::Close(order) => {
                let slot = order.slot.map(Timestamp::as_millis);
                let told = Told::Close(order.window.as_u128(), slot);
                (Command::CloseWindow(order.clone()), told)
            }
            Self::BadCheckpoint(checkpoint) => {
                let mut checkpoint = (**checkpoint).clone();
                checkpoint.signed_at = Timestamp::from_millis(now);
                (Command::StoreCheckpoint(checkpoint), Told::BadCheckpoint)
            }
            Self::Publish(draft) => {
                let stage = stage.lock();
                let jumps = stage.seats[gateway].jumps;
                let publish = stage.auditor.operations.drafts[*draft].publish.clone();
                let version = stage.auditor.books.registry_version;
                let told = Told::Publication { draft: *draft, version, jumps };
                (Command::Publish(publish), told)
            }
            Self::Release(source, target) => {
                let after = stage.lock().auditor.books.commits;
                let [from, to] = [*source, *target].map(|program| name(PROGRAMS[program].0));
                let told = Told::Release { way: (*source, *target), after };
                (Command::Release(from, to), told)
            }
        }
    }
}

/// The command with this delivery's own request and id.
fn drawn(command: &Command, keyed: Keyed, props: &mut Props) -> (Command, u128) {
    fn fresh<K: Kind>(props: &mut Props, makes: &mut u128) -> Id<K> {
        let id = props.id();
        *makes = id.as_u128();
        id
    }
    let mut makes = 0;
    let drawn = match command {
        Command::Order(_, order) => {
            let transaction = fresh(props, &mut makes);
            Command::Order(keyed, Order { transaction, ..order.clone() })
        }
        Command::Reverse(_, order) => {
            let transaction = fresh(props, &mut makes);
            Command::Reverse(keyed, Reverse { transaction, ..order.clone() })
        }
        Command::ProposeLink(_, proposal) => {
            let (link, nonce) = (fresh(props, &mut makes), props.nonce());
            let proposal = ProposeLink { link, nonce, ..proposal.clone() };
            Command::ProposeLink(keyed, proposal)
        }
        Command::ConfirmLink(_, link, at) => Command::ConfirmLink(keyed, *link, *at),
        Command::RevokeLink(_, link) => Command::RevokeLink(keyed, *link),
        other => other.clone(),
    };
    (drawn, makes)
}
