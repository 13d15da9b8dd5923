//! The lines of an agent, sieved: what reaches the protocol is whole, small and a message.
//!
//! An agent may print anything: prose, colours, half a character, a line without an end. None of it
//! may end the conversation or fill the memory, so it is left out before a library sees it that was
//! written for peers that mean well.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{Sink, Stream, sink, stream};
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;

/// The longest line that is read, in bytes. What is longer is a file in a tool's report, as a rule.
const LINE_BYTES: usize = 512 * 1024;
/// What is kept ready for a line.
const USUAL_BYTES: usize = 8 * 1024;
/// How many lines may await an answer before the agent has to wait to say more.
const UNANSWERED: u64 = 64;

/// What is counted of a conversation.
#[derive(Debug, Default)]
pub(super) struct Tally {
    asked: AtomicU64,
    said: AtomicU64,
    left_out: AtomicU64,
    speaks: Notify,
}

impl Tally {
    /// Returns how many lines were left out.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Waits until what was asked has been answered, but for a few. An agent that asks and asks and
    /// never reads would fill the queue of answers, which has no bound.
    async fn keeps_up(&self) {
        let behind = || {
            let asked = self.asked.load(Ordering::Relaxed);
            asked.saturating_sub(self.said.load(Ordering::Relaxed)) >= UNANSWERED
        };
        while behind() {
            self.speaks.notified().await;
        }
    }
}

/// What a line is to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Wants an answer, or is one.
    Numbered,
    /// Tells how far the agent is.
    Update,
    /// A message that nothing here follows from.
    Aside,
}

/// Returns the messages in what an agent prints, each as a line.
pub(super) fn heard(
    input: impl AsyncBufRead + Send + Unpin + 'static,
    tally: Arc<Tally>,
) -> impl Stream<Item = io::Result<String>> + Send + 'static {
    let sieve = Sieve {
        input,
        line: Vec::with_capacity(USUAL_BYTES),
        tally,
    };
    stream::unfold(sieve, |mut sieve| async move {
        let line = sieve.next().await.transpose()?;
        Some((line, sieve))
    })
}

/// Returns the messages in what an agent has printed, as if each were answered at once.
pub(in crate::adapters::agent) async fn all(printed: &[u8]) -> Vec<String> {
    let tally = Arc::new(Tally::default());
    let mut sieve = Sieve {
        input: printed,
        line: Vec::new(),
        tally: tally.clone(),
    };
    let mut messages = Vec::new();
    // Bytes in memory can be read.
    while let Ok(Some(message)) = sieve.next().await {
        tally.said.fetch_add(1, Ordering::Relaxed);
        messages.push(message);
    }
    messages
}

/// Returns where to put the lines that an agent is to read.
pub(super) fn spoken(
    output: impl AsyncWrite + Send + Unpin + 'static,
    tally: Arc<Tally>,
) -> impl Sink<String, Error = io::Error> + Send + 'static {
    sink::unfold(
        (output, tally),
        |(mut output, tally), line: String| async move {
            output.write_all(line.as_bytes()).await?;
            output.write_all(b"\n").await?;
            output.flush().await?;
            tally.said.fetch_add(1, Ordering::Relaxed);
            tally.speaks.notify_one();
            Ok((output, tally))
        },
    )
}

struct Sieve<R> {
    input: R,
    line: Vec<u8>,
    tally: Arc<Tally>,
}

impl<R: AsyncBufRead + Unpin> Sieve<R> {
    /// Returns the next message; none at the end.
    async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            self.tally.keeps_up().await;
            // The protocol takes what it is given into a queue without a bound; here it gets the time
            // to empty it.
            tokio::task::yield_now().await;
            let Some(fits) = self.read().await? else {
                return Ok(None);
            };
            let text = std::str::from_utf8(&self.line)
                .ok()
                .filter(|_| fits)
                .map(str::trim);
            match text.and_then(|text| Some((kind(text)?, text))) {
                Some((Kind::Numbered, text)) => {
                    self.tally.asked.fetch_add(1, Ordering::Relaxed);
                    return Ok(Some(text.to_owned()));
                }
                Some((Kind::Update, text)) => return Ok(Some(text.to_owned())),
                Some((Kind::Aside, _)) => {}
                None => {
                    self.tally.left_out.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Reads a line and returns whether it was kept; none at the end.
    async fn read(&mut self) -> io::Result<Option<bool>> {
        self.line.clear();
        self.line.shrink_to(USUAL_BYTES);
        let (mut fits, mut begun) = (true, false);
        loop {
            let chunk = self.input.fill_buf().await?;
            if chunk.is_empty() {
                return Ok(begun.then_some(fits));
            }
            begun = true;
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            fits = fits && self.line.len() + part.len() <= LINE_BYTES;
            if fits {
                self.line.extend_from_slice(part);
            }
            let used = end.map_or(chunk.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(fits));
            }
        }
    }
}

/// Returns what a line is; none when it is no message at all.
fn kind(text: &str) -> Option<Kind> {
    let Value::Object(message) = serde_json::from_str(text).ok()? else {
        return None;
    };
    let is = |key: &str, expected: &str| message.get(key).is_some_and(|found| found == expected);
    let numbered = match message.get("id") {
        None => false,
        Some(id) if id.is_string() || id.is_number() => true,
        Some(_) => return None,
    };
    let shaped = match message.get("params") {
        None => true,
        Some(params) => params.is_object() || params.is_array(),
    };
    if !is("jsonrpc", "2.0") || !shaped {
        return None;
    }
    match (message.get("method"), numbered) {
        (Some(Value::String(_)), true) => Some(Kind::Numbered),
        (Some(Value::String(_)), false) if is("method", "session/update") => Some(Kind::Update),
        (Some(Value::String(_)), false) => Some(Kind::Aside),
        (None, true) if message.contains_key("result") || message.contains_key("error") => {
            Some(Kind::Numbered)
        }
        (_, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio::io::{AsyncReadExt as _, BufReader};

    const ASK: &str =
        r#"{"jsonrpc":"2.0","id":1,"method":"session/request_permission","params":{}}"#;
    const UPDATE: &str = r#"{"jsonrpc":"2.0","method":"session/update","params":{}}"#;

    #[test]
    fn messages_are_told_from_what_else_is_printed() {
        let deep = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}",
            "[".repeat(9000)
        );
        for (line, expected) in [
            (ASK, Some(Kind::Numbered)),
            (
                r#"{"jsonrpc":"2.0","id":"a","result":null}"#,
                Some(Kind::Numbered),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{}}"#,
                Some(Kind::Numbered),
            ),
            (UPDATE, Some(Kind::Update)),
            (
                r#"{"jsonrpc":"2.0","method":"_auth/status_update"}"#,
                Some(Kind::Aside),
            ),
            (
                r#"{"jsonrpc":"2.0","method":"session/update","params":7}"#,
                None,
            ),
            (
                r#"{"jsonrpc":"2.0","method":"session/update","id":null}"#,
                None,
            ),
            (r#"{"jsonrpc":"2.0","method":7,"id":1}"#, None),
            (r#"{"jsonrpc":"2.0","id":1}"#, None),
            (r#"{"id":1,"result":1}"#, None),
            (r#"[{"jsonrpc":"2.0","id":1,"result":1}]"#, None),
            ("\u{1b}[2Jready", None),
            ("17", None),
            ("", None),
            (deep.as_str(), None),
        ] {
            assert_eq!(kind(line), expected, "{line:.80}");
        }
    }

    async fn sieved(printed: Vec<u8>) -> (Vec<String>, u64) {
        let tally = Arc::<Tally>::default();
        let input = BufReader::with_capacity(7, io::Cursor::new(printed));
        let lines = heard(input, tally.clone()).map(Result::unwrap);
        (lines.collect().await, tally.left_out())
    }

    #[tokio::test]
    async fn garbage_is_left_out_and_counted() {
        let long = format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":"{}"}}"#,
            "x".repeat(LINE_BYTES)
        );
        let printed = [
            b"hello\n\xff\xfe{\n".to_vec(),
            format!("{UPDATE}\r\n").into_bytes(),
            long.into_bytes(),
            b"\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\xc3\"}\n".to_vec(),
            ASK.as_bytes().to_vec(),
        ];
        let (lines, left_out) = sieved(printed.concat()).await;
        assert_eq!(lines, [UPDATE, ASK]);
        assert_eq!(left_out, 4);
        assert_eq!(sieved(Vec::new()).await, (vec![], 0));
    }

    #[tokio::test]
    async fn who_does_not_read_the_answers_is_not_read_either() {
        let tally = Arc::<Tally>::default();
        let printed = format!("{ASK}\n").repeat(200).into_bytes();
        let mut lines = Box::pin(heard(
            BufReader::new(io::Cursor::new(printed)),
            tally.clone(),
        ));
        for _ in 0..UNANSWERED {
            lines.next().await.unwrap().unwrap();
        }
        assert!(futures_util::poll!(lines.next()).is_pending());
        assert!(futures_util::poll!(lines.next()).is_pending());
        let (output, mut theirs) = tokio::io::duplex(64);
        let mut spoken = Box::pin(spoken(output, tally));
        spoken.send("answer".to_owned()).await.unwrap();
        lines.next().await.unwrap().unwrap();
        let mut read = [0; 7];
        theirs.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"answer\n");
    }
}
