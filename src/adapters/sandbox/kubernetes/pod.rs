//! Small programs of our own beside what runs in a pod, hidden among the server's commands.
//!
//! They stand in a container of their own, the *keeper*, from an image with Prova in it: what runs
//! in the sandbox shares its network and the job's directories, and sees no process of it.

use std::ffi::OsString;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use rustix::fs::{FileType, Mode};
use tokio::sync::mpsc;

use crate::adapters::sandbox::kubernetes::bundle::{self, Bounds};
use crate::adapters::sandbox::kubernetes::mux::{Frame, Lines, send};

/// The first argument of all of them.
pub(super) const POD: &str = "sandbox-pod";

/// How long a connection may take that must not succeed.
const REACH: Duration = Duration::from_secs(3);

/// Runs one of them when `args`, the whole command line, ask for it.
#[must_use]
pub(in crate::adapters::sandbox) fn run(
    args: impl IntoIterator<Item = OsString>,
) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    if args.next()? != POD {
        return None;
    }
    let name = args.next().unwrap_or_default();
    let rest: Vec<PathBuf> = args.map(PathBuf::from).collect();
    let ended = match name.to_str().unwrap_or_default() {
        "prepare" => prepare(&rest),
        "keep" => keep(),
        "unpack" => unpack(&rest),
        "pack" => pack(&rest),
        "go" => go(&rest),
        "door" => door(&rest),
        "reach" => reach(&rest),
        _ => Err(io::Error::other("the server starts this, not a person")),
    };
    Some(match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody else listens: what stands in the output is what the server says.
            let _ = writeln!(io::stderr(), "prova: {}: {error}", name.display());
            ExitCode::FAILURE
        }
    })
}

fn first(rest: &[PathBuf]) -> io::Result<&Path> {
    let first = rest.first().map(PathBuf::as_path);
    first.ok_or_else(|| io::Error::other("an argument is missing"))
}

/// Makes the pipe at which the command waits and, where it is asked for, a copy of this program.
fn prepare(rest: &[PathBuf]) -> io::Result<()> {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        first(rest)?,
        FileType::Fifo,
        Mode::from_raw_mode(0o644),
        0,
    )?;
    if let Some(copy) = rest.get(1) {
        std::fs::copy("/proc/self/exe", copy)?;
    }
    Ok(())
}

/// Stays, so that there is somewhere to start the others. The pod's end is its end.
fn keep() -> io::Result<()> {
    loop {
        std::thread::park();
    }
}

fn unpack(rest: &[PathBuf]) -> io::Result<()> {
    let dirs: Vec<&Path> = rest.iter().map(PathBuf::as_path).collect();
    let mut from = BufReader::with_capacity(64 * 1024, io::stdin().lock());
    // What the server sends is its own to bound.
    let bounds = Bounds { bytes: u64::MAX };
    bundle::unpack(&dirs, bounds, &mut from).map_err(io::Error::other)
}

/// Writes what the directories hold. The first argument lists the names that stay, separated by `/`.
fn pack(rest: &[PathBuf]) -> io::Result<()> {
    let hidden = first(rest)?.as_os_str().as_bytes();
    let dirs = rest.get(1..).unwrap_or_default();
    let dirs: Vec<&Path> = dirs.iter().map(PathBuf::as_path).collect();
    let skip = |name: &[u8]| hidden.split(|byte| *byte == b'/').any(|one| one == name);
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    bundle::pack(&dirs, &skip, &mut out)
}

/// Lets the command start.
fn go(rest: &[PathBuf]) -> io::Result<()> {
    std::fs::OpenOptions::new()
        .write(true)
        .open(first(rest)?)?
        .write_all(b"go\n")
}

/// Fails when an address can be reached that must not.
fn reach(rest: &[PathBuf]) -> io::Result<()> {
    let address = first(rest)?.to_string_lossy().into_owned();
    let addresses = address.to_socket_addrs()?;
    for address in addresses {
        if TcpStream::connect_timeout(&address, REACH).is_ok() {
            return Err(io::Error::other("reached"));
        }
    }
    Ok(())
}

/// Listens where programs look for their door, and carries what they say over the standard streams.
fn door(rest: &[PathBuf]) -> io::Result<()> {
    let listener = TcpListener::bind(first(rest)?.to_string_lossy().into_owned())?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(serve(listener));
    // A read of the standard input may be under way, and would be waited for.
    runtime.shutdown_background();
    served
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (mut lines, frames) = Lines::new();
    let sending = tokio::spawn(send(frames, tokio::io::stdout()));
    let (tell, mut told) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut from = tokio::io::stdin();
        while let Ok(frame) = Frame::read(&mut from).await {
            if tell.send(frame).await.is_err() {
                return;
            }
        }
    });
    let out = lines.sender();
    let say = async |frame| out.send(frame).await.map_err(io::Error::other);
    say(Frame::Ready).await?;
    let mut number = 0_u32;
    while !sending.is_finished() {
        tokio::select! {
            accepted = listener.accept() => {
                let (visitor, _) = accepted?;
                number = number.wrapping_add(1);
                say(Frame::Open(number)).await?;
                lines.begin(number, visitor).await;
            }
            // The server has gone, and with it everybody who could answer.
            frame = told.recv() => match frame {
                Some(frame) => lines.take(frame)?,
                None => return Ok(()),
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_name_is_answered() {
        for words in [&["prova"][..], &["prova", "serve"]] {
            assert!(run(words.iter().map(OsString::from)).is_none(), "{words:?}");
        }
        for words in [&["prova", POD][..], &["prova", POD, "go"]] {
            let ended = run(words.iter().map(OsString::from));
            assert_eq!(ended, Some(ExitCode::FAILURE), "{words:?}");
        }
    }

    #[test]
    fn what_can_be_reached_fails() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = PathBuf::from(listener.local_addr().unwrap().to_string());
        reach(std::slice::from_ref(&address)).unwrap_err();
        drop(listener);
        reach(&[address]).unwrap();
    }

    #[test]
    fn the_pipe_opens_for_who_waits() {
        let dir = tempfile::tempdir().unwrap();
        let (gate, copy) = (dir.path().join("go"), dir.path().join("copy"));
        prepare(&[gate.clone(), copy.clone()]).unwrap();
        assert!(copy.metadata().unwrap().len() > 0);
        let waiting = std::thread::spawn({
            let gate = gate.clone();
            move || std::fs::read(gate)
        });
        go(&[gate]).unwrap();
        assert_eq!(waiting.join().unwrap().unwrap(), b"go\n");
    }
}
