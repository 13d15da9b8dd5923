//! What a job has printed, as a page.

use std::fmt::Write as _;
use std::io::{self, BufRead};

use axum::extract::{Path, State};
use axum::response::Response;

use crate::domain::ids::JobId;
use crate::domain::sanitize::neutral::without_terminal_codes;
use crate::http::dashboard::{escaped, failed, missing, page};
use crate::http::face::Face;
use crate::ports::fault::Fault;
use crate::ports::logs::KeptLog;

/// The most that is shown of the end of one log, in bytes.
const SHOWN: usize = 1 << 20;

/// `GET /jobs/{id}/log`: the end of each log of a job. They are kept by the process that did the job; one
/// that has a work directory of its own has them to itself.
pub async fn log(State(face): State<Face>, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<JobId>() else {
        return missing(&face);
    };
    let ends = match face.logs.kept(id).await {
        Ok(kept) => ends(id, kept).await,
        Err(fault) => Err(fault),
    };
    let ends = match ends {
        Ok(ends) => ends,
        Err(fault) => return failed(&face, &fault),
    };
    let mut out = String::new();
    if ends.is_empty() {
        out.push_str(
            "<p>Nothing of it is here: the job has not ended, has printed nothing, was done by a process \
             with a work directory of its own, or its logs are older than <code>work.log_days</code>.</p>",
        );
    }
    for End { name, text, whole } in &ends {
        let _ = write!(out, "<h2>{}</h2>", escaped(name));
        if !whole {
            let _ = write!(
                out,
                "<p class=muted>The end of it; <code>prova tasks log {id}</code> shows all.</p>"
            );
        }
        let _ = write!(out, "<pre>{}</pre>", escaped(text));
    }
    let task = id.task;
    let _ = write!(
        out,
        "<p><a href=\"/tasks/{task}\">The task</a> &middot; <a href=\"/\">All tasks</a></p>"
    );
    page(&face, &format!("Log of job {id}"), &out)
}

/// The end of a log.
struct End {
    name: String,
    text: String,
    whole: bool,
}

async fn ends(job: JobId, kept: Vec<KeptLog>) -> Result<Vec<End>, Fault> {
    let read = move || kept.into_iter().map(end).collect::<io::Result<Vec<_>>>();
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(io::Error::other)
        .and_then(|read| read)
        .map_err(|error| Fault::io(format!("read the logs of job {job}"), &error))
}

fn end(mut log: KeptLog) -> io::Result<End> {
    let (bytes, whole) = tail(&mut log.text, SHOWN)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(End {
        name: log.name,
        text: without_terminal_codes(&text).into_owned(),
        whole,
    })
}

/// Returns at most so much of the end of a text, from the beginning of a line on, so that no secret is
/// cut in two and missed; and whether that is all of it.
fn tail(text: &mut dyn BufRead, most: usize) -> io::Result<(Vec<u8>, bool)> {
    let (mut kept, mut whole) = (Vec::new(), true);
    loop {
        let read = text.fill_buf()?;
        if read.is_empty() {
            break;
        }
        kept.extend_from_slice(read);
        let read = read.len();
        text.consume(read);
        if kept.len() > 2 * most {
            kept.drain(..kept.len() - most);
            whole = false;
        }
    }
    if kept.len() > most {
        kept.drain(..kept.len() - most);
        whole = false;
    }
    if !whole {
        let line = kept.iter().position(|byte| *byte == b'\n');
        kept.drain(..line.map_or(kept.len(), |end| end + 1));
    }
    Ok((kept, whole))
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn the_end_of_a_log_begins_with_a_line() {
        let end = |text: &str, most: usize| {
            let mut read = BufReader::with_capacity(3, text.as_bytes());
            let (bytes, whole) = tail(&mut read, most).unwrap();
            (String::from_utf8(bytes).unwrap(), whole)
        };
        assert_eq!(
            end("one\ntwo\nthree\n", 14),
            ("one\ntwo\nthree\n".to_owned(), true)
        );
        assert_eq!(
            end("one\ntwo\nthree\n", 13),
            ("two\nthree\n".to_owned(), false)
        );
        assert_eq!(end("one\ntwo\nthree\n", 10), ("three\n".to_owned(), false));
        // Where a line is longer than what is shown, nothing of it is.
        assert_eq!(end("one\ntwotwotwotwotwo", 5), (String::new(), false));
        assert_eq!(end("", 5), (String::new(), true));
    }
}
