//! How the door's listening socket gets out of a sandbox.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg, sockopt,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// The server's end of the line to the first program inside.
#[derive(Debug)]
pub(super) struct Line(UnixStream);

impl Line {
    /// Makes a line. The second end is for [`ENTER`](crate::adapters::sandbox::stage::ENTER).
    pub(super) fn open() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok((Self(UnixStream::from_std(ours)?), theirs.into()))
    }

    /// Waits for the listening socket. It was opened by our own program before anything else ran
    /// inside; nothing is ever sent on the line, and nothing read after this.
    ///
    /// # Errors
    /// When the sandbox ends without having sent one, or what it sent is no such socket.
    pub(super) async fn listener(self) -> io::Result<TcpListener> {
        loop {
            self.0.readable().await?;
            match self.0.try_io(Interest::READABLE, || receive(&self.0)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received,
            }
        }
    }
}

fn receive(line: &UnixStream) -> io::Result<TcpListener> {
    let mut text = [0; 16];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut text)];
    recvmsg(line, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(mut handed) = message
            && let Some(socket) = handed.next()
        {
            return listening(socket);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the sandbox ended before its door was open",
    ))
}

fn listening(socket: OwnedFd) -> io::Result<TcpListener> {
    let is_tcp = sockopt::socket_domain(&socket)? == AddressFamily::INET;
    if is_tcp && sockopt::socket_acceptconn(&socket)? {
        Ok(TcpListener::from(socket))
    } else {
        Err(io::Error::other("the sandbox handed over no listener"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    use std::io::IoSlice;
    use std::os::fd::{AsFd, BorrowedFd};

    fn send(line: &OwnedFd, handed: BorrowedFd<'_>) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let handed = [handed];
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&handed)));
        let text = [IoSlice::new(b"door")];
        sendmsg(line, &text, &mut ancillary, SendFlags::empty()).unwrap();
    }

    #[tokio::test]
    async fn a_listener_comes_through() {
        let (line, theirs) = Line::open().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        send(&theirs, listener.as_fd());
        drop(listener);
        let received = line.listener().await.unwrap();
        assert_eq!(received.local_addr().unwrap(), address);
    }

    #[tokio::test]
    async fn an_end_and_anything_else_are_errors() {
        let (line, theirs) = Line::open().unwrap();
        drop(theirs);
        let ended = line.listener().await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof);

        let (line, theirs) = Line::open().unwrap();
        send(&theirs, theirs.as_fd());
        let other = line.listener().await.unwrap_err();
        assert!(other.to_string().contains("no listener"), "{other}");

        let (line, theirs) = Line::open().unwrap();
        rustix::io::write(&theirs, b"door").unwrap();
        line.listener().await.unwrap_err();
    }
}
