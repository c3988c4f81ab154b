//! Bytes on their way: hashed as they pass, lines counted, and none of them kept.

use std::io::{self, BufRead, BufReader, Read, Write};

use alliance_contracts::encoding::Hash;
use ring::digest::{Context, SHA256};

/// So many bytes at most between two tags, or in one of them.
pub(super) const MAX_EVENT_BYTES: usize = 65_536;
/// So many bytes at most in a file.
pub(super) const MAX_FILE_BYTES: u64 = 1 << 30;

const PIECE: usize = 8_192;

fn finished(digest: Context) -> Hash {
    let bytes: [u8; 32] = digest.finish().as_ref().try_into().expect("SHA-256 is 32 bytes long");
    Hash::from(bytes)
}

/// What a file grew beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overrun {
    /// [`MAX_EVENT_BYTES`].
    Event,
    /// [`MAX_FILE_BYTES`].
    File,
}

/// A file that is being read.
pub(super) struct Source<R> {
    inner: BufReader<R>,
    digest: Context,
    line: u64,
    bytes: u64,
    of_event: usize,
    overrun: Option<Overrun>,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner: BufReader::with_capacity(PIECE, inner),
            digest: Context::new(&SHA256),
            line: 1,
            bytes: 0,
            of_event: 0,
            overrun: None,
        }
    }

    /// Another event begins.
    pub(super) const fn next_event(&mut self) {
        self.of_event = 0;
    }

    /// Why nothing more is read.
    pub(super) const fn overrun(&self) -> Option<Overrun> {
        self.overrun
    }

    /// The line that has been reached, from 1.
    pub(super) const fn line(&self) -> u64 {
        self.line
    }

    /// SHA-256 of all that was read.
    pub(super) fn finish(self) -> Hash {
        finished(self.digest)
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(out.len());
        out[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.of_event > MAX_EVENT_BYTES {
            self.overrun = Some(Overrun::Event);
        } else if self.bytes > MAX_FILE_BYTES {
            self.overrun = Some(Overrun::File);
        }
        match self.overrun {
            Some(_) => Err(io::Error::other("too large")),
            None => self.inner.fill_buf(),
        }
    }

    fn consume(&mut self, length: usize) {
        let taken = self.inner.buffer().get(..length).unwrap_or_default();
        self.digest.update(taken);
        for _ in taken.iter().filter(|byte| **byte == b'\n') {
            self.line += 1;
        }
        self.bytes = self.bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        self.of_event = self.of_event.saturating_add(length);
        self.inner.consume(length);
    }
}

/// A file that is being written.
pub(super) struct Hashed<W> {
    inner: W,
    digest: Context,
}

impl<W: Write> Hashed<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, digest: Context::new(&SHA256) }
    }

    /// SHA-256 of all that was written.
    pub(super) fn finish(self) -> Hash {
        finished(self.digest)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
