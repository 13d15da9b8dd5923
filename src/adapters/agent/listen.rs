//! Following what an agent prints, by rules that say what its lines mean.

use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};

use crate::domain::progress::{Heard, Update};
use crate::domain::stream::{Lines, Rule, updates};
use crate::domain::time::Timestamp;
use crate::ports::agent::{Request, Watcher};
use crate::ports::sandbox::Talk;

/// The longest line that is read, in bytes.
const LINE_BYTES: usize = 4 * 1024 * 1024;
/// How much is on its way at most, in bytes.
const PIPE_BYTES: usize = 64 * 1024;

/// Returns a conversation in which only the agent speaks, and where it is heard.
pub(super) fn hear(request: &Request<'_>) -> (Talk, DuplexStream) {
    let (output, said) = duplex(PIPE_BYTES);
    let talk = Talk {
        input: None,
        output: Some(Box::new(output)),
        stirred: request.watcher.stirred(),
    };
    (talk, said)
}

/// Reads what an agent says to its end, tells the watcher, and returns what is known then.
pub(super) async fn listen(rules: &[Rule], mut said: DuplexStream, watcher: &dyn Watcher) -> Heard {
    let mut heard = Heard::default();
    let mut lines = Lines::new(LINE_BYTES);
    let mut buffer = vec![0; PIPE_BYTES];
    let mut each = |line: &[u8]| {
        for update in updates(rules, line) {
            tell(&mut heard, watcher, update);
        }
    };
    // The other end is ours and does not fail.
    while let Ok(read @ 1..) = said.read(&mut buffer).await {
        lines.take(buffer.get(..read).unwrap_or_default(), &mut each);
    }
    let left_out = lines.finish(&mut each);
    if left_out > 0 {
        tracing::debug!(left_out, "lines of an agent were too long to be read");
    }
    heard
}

/// Tells the watcher, and keeps what is told.
pub(super) fn tell(heard: &mut Heard, watcher: &dyn Watcher, update: Update) {
    heard.take(update.clone(), Timestamp::from_millis(0));
    watcher.heard(update);
}
