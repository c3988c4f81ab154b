//! An export read in blocks, verified by several threads, and taken in order.
//!
//! | who | does |
//! | --- | --- |
//! | the calling thread | reads blocks, hands them out in turn, takes them back in the same order |
//! | each worker | verifies what [`Checker`] can verify of a block by itself |
//!
//! At most two blocks a worker are under way, so memory is bounded, whatever the file's size. The
//! first block is verified where it was read: a short file starts no thread.

use std::io::{self, BufRead, Read};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope};

use super::block::{Block, Checked, Checker};
use super::file::MAX_LINE_BYTES;

/// Where a block ends before it is full, in bytes: lines of the usual length stay far below.
const BLOCK_BYTES: usize = 1 << 24;

/// More threads than this would wait for the one that reads.
const MOST_THREADS: usize = 16;

/// Blocks under way for each worker: the one it works at, and the next.
const AHEAD: usize = 2;

/// Why the line that follows cannot be read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// It has no end.
    LineEnd,
    /// The file cannot be read any further.
    Io(io::Error),
}

/// Lines of bounded length, in blocks.
#[derive(Debug)]
pub(super) struct Blocks<R> {
    export: R,
    lines: usize,
    ended: bool,
    fault: Option<Unreadable>,
}

impl<R: BufRead> Blocks<R> {
    /// Blocks of at most so many lines.
    pub(super) const fn new(export: R, lines: NonZeroUsize) -> Self {
        Self { export, lines: lines.get(), ended: false, fault: None }
    }

    /// Why it ended, unless at the file's end behind a whole line.
    pub(super) const fn fault(&mut self) -> Option<Unreadable> {
        self.fault.take()
    }

    /// Fills a block; one that is not full is the last.
    pub(super) fn fill(&mut self, block: &mut Block) {
        block.clear();
        while !self.ended && block.len() < self.lines && block.size() < BLOCK_BYTES {
            match self.read_line(block) {
                Ok(more) => self.ended = !more,
                Err(fault) => (self.ended, self.fault) = (true, Some(fault)),
            }
        }
    }

    /// Reads the next line; false at the end of the file.
    fn read_line(&mut self, block: &mut Block) -> Result<bool, Unreadable> {
        let (begin, limit) = (block.size(), MAX_LINE_BYTES as u64);
        let read = self.export.by_ref().take(limit).read_until(b'\n', block.room());
        match (read, block.room().last()) {
            (Ok(0), _) => Ok(false),
            (Ok(_), Some(b'\n')) => {
                block.room().pop();
                block.end_line();
                Ok(true)
            }
            (unended, _) => {
                block.room().truncate(begin);
                Err(unended.map_or_else(Unreadable::Io, |_| Unreadable::LineEnd))
            }
        }
    }
}

/// Verifies the first block, which has been read, and all that follow. `take` gets them in their
/// order, and what was verified of each; its first error ends it all.
///
/// # Errors
/// Whatever `take` answers.
pub(super) fn check_all<R: BufRead, E>(
    blocks: &mut Blocks<R>,
    first: Block,
    mut checker: Checker<'_>,
    threads: NonZeroUsize,
    take: &mut dyn FnMut(&Block, Checked) -> Result<(), E>,
) -> Result<(), E> {
    let checked = checker.check(&first);
    take(&first, checked)?;
    if blocks.ended {
        return Ok(());
    }
    let threads = threads.get().min(MOST_THREADS);
    if threads == 1 {
        return check_here(blocks, first, &mut checker, take);
    }
    thread::scope(|scope| {
        let workers: Vec<Worker> =
            (0..threads).map_while(|_| Worker::start(scope, checker.clone())).collect();
        if workers.is_empty() {
            return check_here(blocks, first, &mut checker, take);
        }
        // A return drops the channels, at whose ends the workers end.
        hand_round(blocks, first, &workers, take)
    })
}

fn check_here<R: BufRead, E>(
    blocks: &mut Blocks<R>,
    mut block: Block,
    checker: &mut Checker<'_>,
    take: &mut dyn FnMut(&Block, Checked) -> Result<(), E>,
) -> Result<(), E> {
    while !blocks.ended {
        blocks.fill(&mut block);
        let checked = checker.check(&block);
        take(&block, checked)?;
    }
    Ok(())
}

/// Gives block n to worker n modulo their number, and takes them back in the same turn: so they
/// come in their order, and nobody has to sort them.
fn hand_round<R: BufRead, E>(
    blocks: &mut Blocks<R>,
    first: Block,
    workers: &[Worker],
    take: &mut dyn FnMut(&Block, Checked) -> Result<(), E>,
) -> Result<(), E> {
    let mut spare = vec![first];
    let (mut given, mut taken) = (0, 0);
    loop {
        while !blocks.ended && given - taken < AHEAD * workers.len() {
            let mut block = spare.pop().unwrap_or_default();
            blocks.fill(&mut block);
            workers[given % workers.len()].give(block);
            given += 1;
        }
        if taken == given {
            return Ok(());
        }
        let (block, checked) = workers[taken % workers.len()].take();
        taken += 1;
        take(&block, checked)?;
        spare.push(block);
    }
}

/// A thread that verifies blocks.
struct Worker {
    blocks: SyncSender<Block>,
    checked: Receiver<(Block, Checked)>,
}

impl Worker {
    /// None where the system has no thread to give.
    fn start<'s>(scope: &'s Scope<'s, '_>, mut checker: Checker<'s>) -> Option<Self> {
        // Room for all that may be under way: nobody ever waits for room.
        let (blocks, given) = sync_channel::<Block>(AHEAD);
        let (done, checked) = sync_channel(AHEAD);
        let work = move || {
            for block in given {
                let verified = checker.check(&block);
                if done.send((block, verified)).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().spawn_scoped(scope, work).ok()?;
        Some(Self { blocks, checked })
    }

    fn give(&self, block: Block) {
        self.blocks.send(block).expect("a worker lives until its channel is dropped");
    }

    fn take(&self) -> (Block, Checked) {
        self.checked.recv().expect("a worker answers every block that it was given")
    }
}
