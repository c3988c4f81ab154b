//! Server-sent events (WHATWG HTML § 9.2), as a gateway sends them: pieces of bytes in, events
//! out. Comments, unknown fields and `retry` are passed over.

use super::error::DecodeError;

/// The largest event that is read.
const MAX_EVENT_BYTES: usize = 1 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerSent {
    /// Where to go on after it.
    pub id: Option<String>,
    /// What it says.
    pub data: String,
}

/// What has come and is no whole event yet.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    id: Option<String>,
    data: Option<String>,
}

impl Parser {
    /// The events that these bytes complete, in their order.
    ///
    /// # Errors
    /// What is larger than is read, or no text.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<ServerSent>, DecodeError> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                let line = String::from_utf8(std::mem::take(&mut self.line))?;
                events.extend(self.line(line.strip_suffix('\r').unwrap_or(&line)));
            } else {
                self.line.push(*byte);
            }
            let held = self.line.len() + self.data.as_ref().map_or(0, String::len);
            if held > MAX_EVENT_BYTES {
                return Err(DecodeError::TooLarge { limit: MAX_EVENT_BYTES });
            }
        }
        Ok(events)
    }

    fn line(&mut self, line: &str) -> Option<ServerSent> {
        if line.is_empty() {
            let id = self.id.take();
            return self.data.take().map(|data| ServerSent { id, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = Some(value.to_owned()),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\n\nevent: a\nid: one\ndata: {\"x\":1}\n\n:\n\n\
        retry: 5\r\nid: two\r\ndata: first\r\ndata:second\r\n\r\nid: three\n\ndata\n\n";

    fn expected() -> Vec<ServerSent> {
        let sent = |id: Option<&str>, data: &str| ServerSent {
            id: id.map(str::to_owned),
            data: data.to_owned(),
        };
        vec![
            sent(Some("one"), "{\"x\":1}"),
            sent(Some("two"), "first\nsecond"),
            // An event without data is none.
            sent(None, ""),
        ]
    }

    #[test]
    fn however_the_bytes_are_cut_the_events_are_the_same() {
        for size in 1..=STREAM.len() {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for piece in STREAM.as_bytes().chunks(size) {
                events.extend(parser.feed(piece).unwrap());
            }
            assert_eq!(events, expected(), "pieces of {size} bytes");
        }
    }

    #[test]
    fn what_never_ends_is_given_up() {
        let mut parser = Parser::default();
        let long = vec![b'x'; MAX_EVENT_BYTES];
        parser.feed(&long).unwrap();
        assert!(matches!(parser.feed(b"x"), Err(DecodeError::TooLarge { .. })));
        let mut parser = Parser::default();
        let lines = b"data: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n".repeat(1 << 15);
        assert!(matches!(parser.feed(&lines), Err(DecodeError::TooLarge { .. })));
        assert!(matches!(Parser::default().feed(b"\xff\n"), Err(DecodeError::Utf8(_))));
    }
}
