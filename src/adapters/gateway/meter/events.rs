//! Server-sent events taken apart as they come in: the data of each, and where one ends.

/// A piece of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Bytes of an event's data.
    Data(&'a [u8]),
    /// The event is complete.
    End,
}

const FIELD: &[u8] = b"data:";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the start of a line, so many bytes into [`FIELD`].
    Field(usize),
    /// After the field, where one space is left out.
    Space,
    /// In the data.
    Data,
    /// In a line of no interest.
    Other,
}

/// Reads one stream.
#[derive(Debug)]
pub(super) struct Events {
    state: State,
    /// A line feed after it belongs to it.
    carriage: bool,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            state: State::Field(0),
            carriage: false,
        }
    }
}

impl Events {
    /// Reads on, and hands every piece to `found`.
    pub(super) fn feed(&mut self, mut bytes: &[u8], found: &mut impl FnMut(Piece<'_>)) {
        while let Some((&first, rest)) = bytes.split_first() {
            if std::mem::take(&mut self.carriage) && first == b'\n' {
                bytes = rest;
                continue;
            }
            bytes = match self.state {
                State::Data | State::Other => self.line(bytes, found),
                State::Field(_) | State::Space => self.start(bytes, found),
            };
        }
    }

    /// Reads a line's rest.
    fn line<'a>(&mut self, bytes: &'a [u8], found: &mut impl FnMut(Piece<'_>)) -> &'a [u8] {
        let end = bytes
            .iter()
            .position(|&byte| byte == b'\n' || byte == b'\r');
        let (text, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        if self.state == State::Data && !text.is_empty() {
            found(Piece::Data(text));
        }
        match rest.split_first() {
            Some((&end, rest)) => {
                if self.state == State::Data {
                    // Lines of one event are joined by a line feed.
                    found(Piece::Data(b"\n"));
                }
                self.next_line(end);
                rest
            }
            None => rest,
        }
    }

    /// Reads one byte of a line's start.
    fn start<'a>(&mut self, bytes: &'a [u8], found: &mut impl FnMut(Piece<'_>)) -> &'a [u8] {
        let Some((&first, rest)) = bytes.split_first() else {
            return bytes;
        };
        match self.state {
            State::Field(0) if first == b'\n' || first == b'\r' => {
                found(Piece::End);
                self.next_line(first);
                rest
            }
            State::Field(at) if FIELD.get(at) == Some(&first) => {
                self.state = if at + 1 == FIELD.len() {
                    State::Space
                } else {
                    State::Field(at + 1)
                };
                rest
            }
            State::Space => {
                self.state = State::Data;
                if first == b' ' { rest } else { bytes }
            }
            State::Field(_) | State::Data | State::Other => {
                self.state = State::Other;
                bytes
            }
        }
    }

    fn next_line(&mut self, end: u8) {
        self.state = State::Field(0);
        self.carriage = end == b'\r';
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The data of every event that ended, and of the last one.
    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let mut events = vec![Vec::new()];
        let mut reader = Events::default();
        for piece in pieces {
            reader.feed(piece, &mut |piece| match piece {
                Piece::Data(bytes) => events.last_mut().unwrap().extend_from_slice(bytes),
                Piece::End => events.push(Vec::new()),
            });
        }
        events
            .iter()
            .map(|data| String::from_utf8_lossy(data).into_owned())
            .collect()
    }

    #[test]
    fn the_data_of_events_is_found_in_every_spelling() {
        let stream =
            b"event: a\ndata: {\"x\":1}\n\n: note\r\ndata:2\r\ndata:  3\r\n\r\nid: 7\n\ndata: last";
        assert_eq!(read(&[stream]), ["{\"x\":1}\n", "2\n 3\n", "", "last"]);
        assert_eq!(read(&[b"datax: 1\ndat\ndata\n\n"]), ["", ""]);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_pieces_end(
            stream in "(data: ?|event: |:|)[a-z:]{0,6}(\r\n|\n|\r)((data:)[a-z ]{0,6}(\r\n|\n|\r){0,3}){0,6}",
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
        ) {
            let bytes = stream.as_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&pieces), read(&[bytes]));
        }

        #[test]
        fn no_bytes_make_it_fail(bytes: Vec<u8>) {
            read(&[&bytes]);
        }
    }
}
