//! Many connections over one stream: how programs in a pod reach the door of the server.
//!
//! Whoever connects inside is a line with a number. Each side sends on a line only what the other
//! has room for, so that a line nobody reads holds up no other.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, mpsc};

/// Bytes that may be under way on one line, in one direction.
const WINDOW: usize = 256 * 1024;
/// Bytes of one frame at most.
const CHUNK: usize = 16 * 1024;
/// Lines at once. The door has a bound of its own, below this.
const MOST_LINES: usize = 4096;

/// What is said on the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The listener is there.
    Ready,
    /// Somebody connected.
    Open(u32),
    /// Bytes of a line.
    Data(u32, Bytes),
    /// So many bytes of a line have gone on.
    Credit(u32, u32),
    /// No more bytes come on a line.
    End(u32),
    /// A line is gone.
    Gone(u32),
}

impl Frame {
    fn parts(&self) -> (u8, u32, u32, &[u8]) {
        match self {
            Self::Ready => (b'r', 0, 0, &[]),
            Self::Open(line) => (b'o', *line, 0, &[]),
            Self::Data(line, bytes) => (
                b'd',
                *line,
                u32::try_from(bytes.len()).unwrap_or(u32::MAX),
                bytes,
            ),
            Self::Credit(line, amount) => (b'c', *line, *amount, &[]),
            Self::End(line) => (b'e', *line, 0, &[]),
            Self::Gone(line) => (b'g', *line, 0, &[]),
        }
    }

    async fn write(&self, out: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let (kind, line, number, bytes) = self.parts();
        let mut head = vec![kind];
        head.extend_from_slice(&line.to_be_bytes());
        head.extend_from_slice(&number.to_be_bytes());
        head.extend_from_slice(bytes);
        out.write_all(&head).await?;
        out.flush().await
    }

    /// Reads one frame; what the other side may not say is an error.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let (kind, line, number) = (
            from.read_u8().await?,
            from.read_u32().await?,
            from.read_u32().await?,
        );
        Ok(match kind {
            b'r' => Self::Ready,
            b'o' => Self::Open(line),
            b'd' if number as usize <= CHUNK => {
                let mut bytes = vec![0; number as usize];
                from.read_exact(&mut bytes).await?;
                Self::Data(line, bytes.into())
            }
            b'c' => Self::Credit(line, number),
            b'e' => Self::End(line),
            b'g' => Self::Gone(line),
            other => return Err(io::Error::other(format!("a frame of kind {other}"))),
        })
    }
}

/// What comes for a line.
#[derive(Debug)]
enum Came {
    Bytes(Bytes),
    End,
}

struct Line {
    came: mpsc::UnboundedSender<Came>,
    /// What may still be sent.
    credit: Arc<Semaphore>,
    /// What may still come.
    room: Arc<Semaphore>,
}

/// The lines of one side.
pub(super) struct Lines {
    open: HashMap<u32, Line>,
    out: mpsc::Sender<Frame>,
}

impl Lines {
    /// Makes a side without lines, and what is to be sent for it.
    pub(super) fn new() -> (Self, mpsc::Receiver<Frame>) {
        let (out, frames) = mpsc::channel(64);
        (
            Self {
                open: HashMap::new(),
                out,
            },
            frames,
        )
    }

    /// Returns how to send a frame.
    pub(super) fn sender(&self) -> mpsc::Sender<Frame> {
        self.out.clone()
    }

    /// Begins a line with `stream` at this end of it. One too many, or one that is there already,
    /// is dropped, and the other side is told.
    pub(super) async fn begin<S>(&mut self, line: u32, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        self.open.retain(|_, line| !line.came.is_closed());
        if self.open.len() >= MOST_LINES || self.open.contains_key(&line) {
            // Nobody to tell: the stream has ended, and so has the line.
            let _ended = self.out.send(Frame::Gone(line)).await;
            return;
        }
        let (came, coming) = mpsc::unbounded_channel();
        let credit = Arc::new(Semaphore::new(WINDOW));
        let room = Arc::new(Semaphore::new(WINDOW));
        let carried = carry(
            line,
            stream,
            self.out.clone(),
            (coming, credit.clone(), room.clone()),
        );
        tokio::spawn(carried);
        self.open.insert(line, Line { came, credit, room });
    }

    /// Takes what the other side says of a line.
    ///
    /// # Errors
    /// When it sends more than there is room for.
    pub(super) fn take(&mut self, frame: Frame) -> io::Result<()> {
        match frame {
            Frame::Ready | Frame::Open(_) => {}
            Frame::Data(line, bytes) => {
                if let Some(line) = self.open.get(&line) {
                    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                    match line.room.try_acquire_many(length) {
                        Ok(room) => room.forget(),
                        Err(_) => {
                            return Err(io::Error::other("more bytes than there is room for"));
                        }
                    }
                    // Whoever is gone has said so.
                    let _gone = line.came.send(Came::Bytes(bytes));
                }
            }
            Frame::Credit(line, amount) => {
                if let Some(line) = self.open.get(&line) {
                    let most = WINDOW.saturating_sub(line.credit.available_permits());
                    line.credit.add_permits(most.min(amount as usize));
                }
            }
            Frame::End(line) => {
                if let Some(line) = self.open.get(&line) {
                    let _gone = line.came.send(Came::End);
                }
            }
            Frame::Gone(line) => {
                self.open.remove(&line);
            }
        }
        Ok(())
    }
}

/// Sends frames until there are none any more, or the stream has ended.
pub(super) async fn send(
    mut frames: mpsc::Receiver<Frame>,
    mut out: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    while let Some(frame) = frames.recv().await {
        frame.write(&mut out).await?;
    }
    out.shutdown().await
}

type Ends = (
    mpsc::UnboundedReceiver<Came>,
    Arc<Semaphore>,
    Arc<Semaphore>,
);

/// Carries one line both ways until both have ended, or one is broken.
async fn carry<S>(line: u32, stream: S, out: mpsc::Sender<Frame>, (mut coming, credit, room): Ends)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (mut from, mut to) = tokio::io::split(stream);
    let up = async {
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = from.read(&mut chunk).await.map_err(|_broken| ())?;
            let bytes = Bytes::copy_from_slice(chunk.get(..read).unwrap_or_default());
            if bytes.is_empty() {
                return out.send(Frame::End(line)).await.map_err(|_ended| ());
            }
            let amount = u32::try_from(read).unwrap_or(u32::MAX);
            credit
                .acquire_many(amount)
                .await
                .map_err(|_ended| ())?
                .forget();
            out.send(Frame::Data(line, bytes))
                .await
                .map_err(|_ended| ())?;
        }
    };
    let down = async {
        loop {
            match coming.recv().await {
                Some(Came::Bytes(bytes)) => {
                    to.write_all(&bytes).await.map_err(|_broken| ())?;
                    room.add_permits(bytes.len());
                    let amount = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                    out.send(Frame::Credit(line, amount))
                        .await
                        .map_err(|_ended| ())?;
                }
                Some(Came::End) => return to.shutdown().await.map_err(|_broken| ()),
                None => return Err(()),
            }
        }
    };
    if tokio::try_join!(up, down).is_err() {
        let _ended = out.send(Frame::Gone(line)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{DuplexStream, duplex, split};

    /// Two sides over a stream; each stream that is sent to the first becomes a line, whose other
    /// end comes out of the second.
    fn pair() -> (mpsc::Sender<DuplexStream>, mpsc::Receiver<DuplexStream>) {
        let (here, there) = duplex(1024);
        let (inside, mut visitors) = mpsc::channel::<DuplexStream>(8);
        let (arrivals, outside) = mpsc::channel(8);
        tokio::spawn(async move {
            let (mut from, to) = split(here);
            let (mut lines, frames) = Lines::new();
            tokio::spawn(send(frames, to));
            let mut number = 0;
            let (tell, mut told) = mpsc::channel(1);
            tokio::spawn(async move {
                while let Ok(frame) = Frame::read(&mut from).await {
                    tell.send(frame).await.unwrap();
                }
            });
            loop {
                tokio::select! {
                    Some(visitor) = visitors.recv() => {
                        number += 1;
                        lines.sender().send(Frame::Open(number)).await.unwrap();
                        lines.begin(number, visitor).await;
                    }
                    Some(frame) = told.recv() => lines.take(frame).unwrap(),
                    else => return,
                }
            }
        });
        tokio::spawn(async move {
            let (mut from, to) = split(there);
            let (mut lines, frames) = Lines::new();
            tokio::spawn(send(frames, to));
            while let Ok(frame) = Frame::read(&mut from).await {
                if let Frame::Open(line) = frame {
                    let (ours, theirs) = duplex(1024);
                    lines.begin(line, ours).await;
                    arrivals.send(theirs).await.unwrap();
                } else {
                    lines.take(frame).unwrap();
                }
            }
        });
        (inside, outside)
    }

    async fn line(
        inside: &mpsc::Sender<DuplexStream>,
        outside: &mut mpsc::Receiver<DuplexStream>,
    ) -> (DuplexStream, DuplexStream) {
        let (program, end) = duplex(1024);
        inside.send(end).await.unwrap();
        (program, outside.recv().await.unwrap())
    }

    #[tokio::test]
    async fn lines_carry_both_ways_and_end_one_way_at_a_time() {
        let (inside, mut outside) = pair();
        let (mut program, mut door) = line(&inside, &mut outside).await;
        program.write_all(b"ask").await.unwrap();
        program.shutdown().await.unwrap();
        let mut asked = String::new();
        door.read_to_string(&mut asked).await.unwrap();
        assert_eq!(asked, "ask");
        door.write_all(b"answer").await.unwrap();
        drop(door);
        let mut answer = String::new();
        program.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
    }

    #[tokio::test]
    async fn a_line_that_nobody_reads_holds_up_no_other() {
        let (inside, mut outside) = pair();
        let (_lazy, mut flood) = line(&inside, &mut outside).await;
        let flooding = tokio::spawn(async move { flood.write_all(&vec![7; 4 * WINDOW]).await });
        for _ in 0..3 {
            let (mut program, mut door) = line(&inside, &mut outside).await;
            let much = vec![1; 2 * WINDOW];
            let (sent, read) = tokio::join!(
                async { program.write_all(&much).await.and(program.shutdown().await) },
                async {
                    let mut all = Vec::new();
                    door.read_to_end(&mut all).await.map(|_| all)
                }
            );
            sent.unwrap();
            assert_eq!(read.unwrap(), much);
        }
        assert!(!flooding.is_finished());
    }

    #[tokio::test]
    async fn what_may_not_be_said_is_an_error() {
        let long = [
            b"d".as_slice(),
            &1_u32.to_be_bytes(),
            &u32::MAX.to_be_bytes(),
        ]
        .concat();
        let unknown = [b"x".as_slice(), &[0; 8]].concat();
        for bytes in [long, unknown, Vec::new(), b"d".to_vec()] {
            assert!(
                Frame::read(&mut bytes.as_slice()).await.is_err(),
                "{bytes:?}"
            );
        }
        let (mut lines, _frames) = Lines::new();
        let (_end, stream) = duplex(1);
        lines.begin(1, stream).await;
        let chunk = Bytes::from(vec![0; CHUNK]);
        let overrun =
            (0..=WINDOW / CHUNK + 1).find(|_| lines.take(Frame::Data(1, chunk.clone())).is_err());
        assert!(overrun.is_some());
    }
}
