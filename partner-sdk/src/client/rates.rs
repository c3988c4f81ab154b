//! Boards of rates: one by one, or as they are published. Each is verified, its every value
//! computed again, and each follows on the board before; else the stream ends with both.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use alliance_contracts::board::Rates;
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::time::Timestamp;
use futures_core::Stream;
use futures_util::stream;
use serde::Deserialize;

use super::error::{DecodeError, Error, VerificationError};
use super::listening::{From, Listening};
use super::sse::ServerSent;
use super::{Call, Client};
use crate::verify::ForkEvidence;
use crate::verify::board::{BoardFault, VerifiedBoard};

const ROUTE: &str = "/v1/rates";
const STREAM: &str = "/v1/rates/stream";

impl Client {
    /// The rate board in force, with the caller's fees and the terms of its own pairs. Where a root
    /// key is pinned, the board's signature is verified, every value on it computed again, and each
    /// pair's terms held against what the board commits to; the fees are the agreements'.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn rates(&self) -> Result<Rates, Error> {
        self.verified_rates(ROUTE.to_owned()).await
    }

    /// The board of this number, as [`Client::rates`]; `not_found` where there is none.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn board(&self, number: u32) -> Result<Rates, Error> {
        self.verified_rates(format!("{ROUTE}?board={number}")).await
    }

    /// The board that was in force then, as [`Client::rates`].
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn rates_at(&self, at: Timestamp) -> Result<Rates, Error> {
        self.verified_rates(format!("{ROUTE}?at={at}")).await
    }

    async fn verified_rates(&self, target: String) -> Result<Rates, Error> {
        let rates: Rates = Call::get(self, ROUTE, target).await?;
        if self.0.root.is_some() {
            self.under_keys(|keys| verify_rates(&rates, keys)).await?;
        }
        Ok(rates)
    }

    /// Every board as it is published: from the one after `after` on, or from the board in force.
    ///
    /// Each is verified under the pinned root key, its values are computed again, and it is the
    /// board after the one before: by number, by hash, by time, and its values begin where that one
    /// left them. Boards that a connection did not bring are asked for by number, so that none is
    /// missing. What breaks the connection is waited out, as [`RetryPolicy`](super::RetryPolicy)
    /// says, for as long as it takes; the stream ends with an error where asking again would not
    /// help.
    ///
    /// A signed board that does not follow is [`Error::Fork`], with both boards.
    ///
    /// ```no_run
    /// use alliance_partner_sdk::verify::board::VerifiedBoard;
    /// use futures_util::TryStreamExt;
    /// # use alliance_partner_sdk::Client;
    /// # async fn f(
    /// #     client: Client, kept: Option<String>,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// // The JWS that was kept last: the stream goes on after it, and has to follow on it.
    /// let keys = client.gateway_keys().await?;
    /// let kept = kept.map(|jws| VerifiedBoard::verify(&jws, &keys)).transpose()?;
    /// let mut boards = client.follow_rates(kept);
    /// while let Some(followed) = boards.try_next().await? {
    ///     let board = followed.board.board();
    ///     for value in &board.values {
    ///         println!("{} on board {}: {}", value.program, board.board, value.value);
    ///     }
    ///     // Keep `followed.jws`: the next process goes on there.
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn follow_rates(&self, after: Option<VerifiedBoard>) -> BoardStream {
        let following = Following {
            client: self.clone(),
            listening: Listening::new(self.clone(), STREAM),
            last: after.map(|board| Last { board, jws: None }),
            ready: VecDeque::new(),
        };
        BoardStream(Box::pin(stream::try_unfold(following, Following::next)))
    }
}

fn verify_rates(rates: &Rates, keys: &TrustedKeys) -> Result<(), VerificationError> {
    let verified = verify_board(&rates.jws, keys)?;
    if *verified.board() != rates.board {
        return Err(VerificationError::BoardDiffers);
    }
    Ok(verified.commits_to(&rates.pairs)?)
}

fn verify_board(jws: &str, keys: &TrustedKeys) -> Result<VerifiedBoard, VerificationError> {
    VerifiedBoard::verify(jws, keys).map_err(|fault| match fault {
        BoardFault::UnknownKey { kid } => VerificationError::UnknownKey { kid },
        fault => VerificationError::Board(fault),
    })
}

/// A board, and what proves it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FollowedBoard {
    /// The board, verified.
    pub board: VerifiedBoard,
    /// The board as it was signed.
    pub jws: String,
}

/// Boards as they are published: see [`Client::follow_rates`].
pub struct BoardStream(Pin<Box<dyn Stream<Item = Result<FollowedBoard, Error>> + Send>>);

impl fmt::Debug for BoardStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoardStream").finish_non_exhaustive()
    }
}

impl Stream for BoardStream {
    type Item = Result<FollowedBoard, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

/// What an event says.
#[derive(Deserialize)]
struct Sent {
    board: u32,
    jws: String,
}

/// The last board that was verified.
struct Last {
    board: VerifiedBoard,
    /// As it was signed, where it is at hand.
    jws: Option<String>,
}

impl Last {
    const fn number(&self) -> u32 {
        self.board.board().board
    }

    /// What proves that this signed board is of another history.
    fn fork(&self, other: &FollowedBoard) -> Error {
        Error::Fork(Box::new(ForkEvidence::Board {
            number: other.board.board().board,
            seen_number: self.number(),
            seen: *self.board.hash(),
            seen_jws: self.jws.clone(),
            jws: other.jws.clone(),
        }))
    }
}

struct Following {
    client: Client,
    listening: Listening,
    last: Option<Last>,
    /// Boards that follow on each other, and on the last one that was handed out.
    ready: VecDeque<FollowedBoard>,
}

impl Following {
    async fn next(mut self) -> Result<Option<(FollowedBoard, Self)>, Error> {
        loop {
            if let Some(followed) = self.ready.pop_front() {
                return Ok(Some((followed, self)));
            }
            let last = self.last.as_ref().map(Last::number);
            let from = || From {
                target: STREAM.to_owned(),
                last_event_id: last.map(|number| number.to_string()),
            };
            let sent = self.listening.next(from).await?;
            match self.take(&sent).await {
                Ok(()) if self.ready.is_empty() => {}
                Ok(()) => self.listening.went_well(),
                Err(error) if passes(&error) => self.listening.again(sent).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Verifies a board that was sent, after those that were not sent before it. What was verified
    /// stays so where another cannot be had yet.
    async fn take(&mut self, sent: &ServerSent) -> Result<(), Error> {
        let fault = |source| Error::Decode { status: 200, source };
        let Sent { board, jws } =
            serde_json::from_str(&sent.data).map_err(|source| fault(source.into()))?;
        let followed = self.verify(board, jws).await?;
        while let Some(missing) = self.missing_before(board) {
            let rates = self.client.board(missing).await?;
            let one = self.verify(missing, rates.jws).await?;
            self.follow(one)?;
        }
        self.follow(followed)
    }

    /// The board to be asked for next, where this one is not the next.
    fn missing_before(&self, number: u32) -> Option<u32> {
        let next = self.last.as_ref()?.number().checked_add(1)?;
        (next < number).then_some(next)
    }

    async fn verify(&self, number: u32, jws: String) -> Result<FollowedBoard, Error> {
        let board = self.client.under_keys(|keys| verify_board(&jws, keys)).await?;
        if board.board().board != number {
            return Err(VerificationError::BoardDiffers.into());
        }
        Ok(FollowedBoard { board, jws })
    }

    /// Holds a board against the last one.
    fn follow(&mut self, followed: FollowedBoard) -> Result<(), Error> {
        if let Some(last) = &self.last {
            let number = followed.board.board().board;
            if number == last.number() && followed.board.hash() == last.board.hash() {
                return Ok(());
            }
            if number < last.number() {
                let source = DecodeError::Form("a board was sent that comes before the last one");
                return Err(Error::Decode { status: 200, source });
            }
            match followed.board.follows(&last.board) {
                Ok(()) => {}
                Err(BoardFault::NotNext { .. }) => return Err(last.fork(&followed)),
                Err(fault) => return Err(VerificationError::Board(fault).into()),
            }
        }
        let jws = Some(followed.jws.clone());
        self.last = Some(Last { board: followed.board.clone(), jws });
        self.ready.push_back(followed);
        Ok(())
    }
}

/// Whether the same call may fare better later.
fn passes(error: &Error) -> bool {
    match error {
        Error::Transport(_) => true,
        Error::Decode { status, .. } => *status >= 500,
        Error::Refused(problem) => {
            matches!(problem.code, ProblemCode::Unavailable | ProblemCode::RateLimited)
        }
        _ => false,
    }
}
