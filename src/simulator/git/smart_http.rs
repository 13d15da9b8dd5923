//! Git's smart HTTP: `git http-backend` run as the CGI program that it is.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use bytes::Bytes;

/// One request for the backend.
#[derive(Debug)]
pub(crate) struct BackendRequest<'a> {
    pub(crate) method: &'a str,
    /// Below the directory of all repositories, such as `/17.git/info/refs`.
    pub(crate) path: String,
    pub(crate) query: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) content_encoding: &'a str,
    /// The `Git-Protocol` header, by which a client asks for protocol version 2.
    pub(crate) protocol: &'a str,
    pub(crate) body: &'a [u8],
    /// Whether a push may change workflows.
    pub(crate) may_change_workflows: bool,
}

/// What the backend answered.
#[derive(Debug)]
pub(crate) struct BackendReply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// Runs `git http-backend` over the repositories below `root`.
pub(crate) fn run(root: &Path, request: &BackendRequest<'_>) -> io::Result<BackendReply> {
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "simulator")
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("REQUEST_METHOD", request.method)
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", request.query)
        .env("CONTENT_TYPE", request.content_type)
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", request.content_encoding)
        .env("GIT_PROTOCOL", request.protocol)
        .env(
            "SIMULATOR_WORKFLOWS",
            if request.may_change_workflows {
                "yes"
            } else {
                "no"
            },
        )
        .env_remove("GIT_DIR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let mut answer = Vec::new();
    // Both ends at once: a large push would fill one pipe while nobody reads the other.
    thread::scope(|scope| {
        scope.spawn(|| {
            // A backend that refuses early closes its end; its answer says why.
            input.map(|mut input| input.write_all(request.body))
        });
        output.map_or(Ok(0), |mut output| output.read_to_end(&mut answer))
    })?;
    child.wait()?;
    Ok(parse(answer))
}

fn parse(answer: Vec<u8>) -> BackendReply {
    let split = |mark: &[u8]| {
        answer
            .windows(mark.len())
            .position(|bytes| bytes == mark)
            .map(|at| (at, at + mark.len()))
    };
    let (head_end, body_start) = split(b"\r\n\r\n")
        .or_else(|| split(b"\n\n"))
        .unwrap_or((answer.len(), answer.len()));
    let head = String::from_utf8_lossy(answer.get(..head_end).unwrap_or_default()).into_owned();
    let mut reply = BackendReply {
        status: 200,
        headers: Vec::new(),
        body: Bytes::from(answer).slice(body_start..),
    };
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("status") {
            let code = value
                .split_whitespace()
                .next()
                .and_then(|code| code.parse().ok());
            reply.status = code.unwrap_or(500);
        } else {
            reply
                .headers
                .push((name.to_owned(), value.trim().to_owned()));
        }
    }
    reply
}
