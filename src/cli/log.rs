//! `prova tasks log`: what a job has printed.

use std::io::{self, BufRead, Read as _};

use crate::bootstrap::open_logs;
use crate::cli::exit::{DONE, FAILED};
use crate::cli::output::{Output, printable};
use crate::cli::settings::ConfigArgs;
use crate::config::server::load::Need;
use crate::domain::ids::JobId;

/// The most of one line that is shown at once, in bytes.
const PIECE: u64 = 1024 * 1024;

/// Shows the logs of a job, or `only` one of them. A terminal is not obeyed by what they hold.
pub async fn show(config: &ConfigArgs, job: JobId, (only, output): (Option<&str>, &Output)) -> u8 {
    let settings = match config.settings(Need::Local, output) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let logs = match open_logs(&settings).kept(job).await {
        Ok(logs) => logs,
        Err(fault) => {
            output.error(&fault.to_string());
            return FAILED;
        }
    };
    let mut shown = 0;
    for mut log in logs {
        if only.is_some_and(|only| only != log.name) {
            continue;
        }
        if only.is_none() {
            output.line(&format!("== {} ==", log.name));
        }
        if let Err(error) = pass_on(&mut log.text, output) {
            output.error(&format!(
                "the log {} of job {job} is damaged: {error}",
                log.name
            ));
            return FAILED;
        }
        shown += 1;
    }
    if shown > 0 {
        return DONE;
    }
    let which = only.map_or_else(|| "log".to_owned(), |only| format!("log `{only}`"));
    output.error(&format!(
        "there is no {which} of job {job}: it has not ended, has printed nothing, or its logs are \
         older than `work.log_days`; `prova tasks show TASK` lists jobs"
    ));
    FAILED
}

/// Writes line by line, long ones in pieces.
fn pass_on(text: &mut dyn BufRead, output: &Output) -> io::Result<()> {
    let mut line = Vec::new();
    while text.take(PIECE).read_until(b'\n', &mut line)? > 0 {
        output.text(&printable(&String::from_utf8_lossy(&line)));
        line.clear();
    }
    Ok(())
}
