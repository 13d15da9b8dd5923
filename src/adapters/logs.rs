//! Logs as compressed files: `DIR/JOB/NAME.log.gz`, which `zcat` reads as well; those of a race are in
//! `DIR/JOB/CONTESTANT`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::domain::ids::JobId;
use crate::domain::name::Name;
use crate::domain::time::Timestamp;
use crate::ports::fault::Fault;
use crate::ports::logs::{KeptLog, Logs};

/// How a log is called in a job's directory.
const PLAIN: &str = ".log";
/// How it is called here.
const PACKED: &str = ".log.gz";

/// Keeps logs below one directory.
#[derive(Clone, Debug)]
pub struct LogFiles {
    dir: PathBuf,
}

impl LogFiles {
    /// Keeps them below `dir`, which is made when there is something to keep.
    #[must_use]
    pub const fn new(dir: PathBuf) -> Self {
        Self { dir }
    }
}

#[async_trait::async_trait]
impl Logs for LogFiles {
    async fn keep(&self, job: JobId, contestant: Option<&Name>, dir: &Path) -> Result<(), Fault> {
        let (from, mut to) = (dir.to_owned(), self.dir.join(job.to_string()));
        to.extend(contestant.map(Name::as_str));
        let doing = format!("keep the logs of job {job}");
        blocking(doing, move || keep(&from, &to)).await
    }

    async fn kept(&self, job: JobId) -> Result<Vec<KeptLog>, Fault> {
        let dir = self.dir.join(job.to_string());
        let doing = format!("read the logs of job {job}");
        blocking(doing, move || kept(&dir)).await
    }

    async fn forget(&self, before: Timestamp) -> Result<u64, Fault> {
        let dir = self.dir.clone();
        let since_epoch = u64::try_from(before.as_millis()).unwrap_or(0);
        let before = SystemTime::UNIX_EPOCH + Duration::from_millis(since_epoch);
        blocking("delete old logs".to_owned(), move || forget(&dir, before)).await
    }
}

async fn blocking<T: Send + 'static>(
    doing: String,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)
        .and_then(|done| done)
        .map_err(|error| Fault::io(doing, &error))
}

/// Packs the logs of one directory into another. Each is there whole or not at all, and one that is
/// there stays until another takes its place: a removal may have taken some from a job's directory.
fn keep(from: &Path, to: &Path) -> io::Result<()> {
    let logs = named(from, PLAIN)?;
    if !logs.is_empty() {
        let mut private = DirBuilder::new();
        private.mode(0o700).recursive(true).create(to)?;
    }
    for (name, log) in logs {
        let kept = to.join(format!("{name}{PACKED}"));
        let unfinished = kept.with_added_extension("unfinished");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        let mut packed = GzEncoder::new(file, Compression::fast());
        io::copy(&mut File::open(log)?, &mut packed)?;
        packed.finish()?;
        fs::rename(unfinished, kept)?;
    }
    Ok(())
}

fn kept(dir: &Path) -> io::Result<Vec<KeptLog>> {
    let open = |(name, path): (String, PathBuf)| {
        let text = GzDecoder::new(File::open(path)?);
        Ok(KeptLog {
            name,
            text: Box::new(BufReader::new(text)),
        })
    };
    let mut logs = named(dir, PACKED)?;
    for contestant in entries(dir)? {
        if contestant.file_type()?.is_dir() {
            let whose = contestant.file_name();
            let of_one = named(&contestant.path(), PACKED)?.into_iter();
            logs.extend(
                of_one.map(|(name, path)| (format!("{}/{name}", whose.to_string_lossy()), path)),
            );
        }
    }
    logs.sort();
    logs.into_iter().map(open).collect()
}

/// Lists the files whose names end so, sorted, with what comes before. Only the server writes in
/// these directories.
fn named(dir: &Path, end: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in entries(dir)? {
        let name = entry.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(end));
        if let Some(name) = name
            && entry.file_type()?.is_file()
        {
            found.push((name.to_owned(), entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

fn forget(dir: &Path, before: SystemTime) -> io::Result<u64> {
    let mut count = 0;
    for entry in entries(dir)? {
        if entry.metadata()?.modified()? < before {
            fs::remove_dir_all(entry.path())?;
            count += 1;
        }
    }
    Ok(count)
}

/// Lists a directory; one that is not there is empty.
fn entries(dir: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(dir) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn job() -> JobId {
        "7-12-1.2".parse().unwrap()
    }

    async fn texts(logs: &LogFiles) -> Vec<(String, Vec<u8>)> {
        let read = |mut log: KeptLog| {
            let mut text = Vec::new();
            log.text.read_to_end(&mut text).unwrap();
            (log.name, text)
        };
        let kept = logs.kept(job()).await.unwrap();
        kept.into_iter().map(read).collect()
    }

    #[tokio::test]
    async fn what_was_printed_is_kept_byte_for_byte_until_it_is_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let (logs, dir) = (
            LogFiles::new(home.path().join("logs")),
            home.path().join("job"),
        );
        assert!(texts(&logs).await.is_empty());
        assert_eq!(logs.forget(Timestamp::from_millis(0)).await.unwrap(), 0);

        fs::create_dir(&dir).unwrap();
        logs.keep(job(), None, &dir).await.unwrap();
        assert!(!home.path().join("logs").exists());

        let noise = b"\xff\x1b[2J\n".repeat(100_000);
        fs::write(dir.join("agent.log"), &noise).unwrap();
        fs::write(dir.join("other.txt"), "not a log").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.join("setup.log")).unwrap();
        logs.keep(job(), None, &dir).await.unwrap();
        assert_eq!(texts(&logs).await, [("agent".to_owned(), noise)]);
        let packed = home.path().join("logs/7-12-1.2/agent.log.gz");
        assert!(fs::metadata(packed).unwrap().len() < 10_000);

        fs::write(dir.join("agent.log"), "again").unwrap();
        logs.keep(job(), None, &dir).await.unwrap();
        let codex = "codex".parse().unwrap();
        logs.keep(job(), Some(&codex), &dir).await.unwrap();
        assert_eq!(
            texts(&logs).await,
            [
                ("agent".to_owned(), b"again".to_vec()),
                ("codex/agent".to_owned(), b"again".to_vec())
            ]
        );

        assert_eq!(logs.forget(Timestamp::from_millis(0)).await.unwrap(), 0);
        let far = Timestamp::from_millis(32_503_680_000_000);
        assert_eq!(logs.forget(far).await.unwrap(), 1);
        assert!(texts(&logs).await.is_empty());
    }

    #[tokio::test]
    async fn what_is_kept_outlives_a_removal_that_was_cut_short() {
        let home = tempfile::tempdir().unwrap();
        let (logs, dir) = (
            LogFiles::new(home.path().join("logs")),
            home.path().join("job"),
        );
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("agent.log"), "agent").unwrap();
        fs::write(dir.join("setup.log"), "setup").unwrap();
        logs.keep(job(), None, &dir).await.unwrap();
        fs::remove_file(dir.join("agent.log")).unwrap();
        let crashed = home.path().join("logs/7-12-1.2/setup.log.gz.unfinished");
        fs::write(crashed, "half").unwrap();
        logs.keep(job(), None, &dir).await.unwrap();
        let expected = ["agent", "setup"].map(|name| (name.to_owned(), name.as_bytes().to_vec()));
        assert_eq!(texts(&logs).await, expected);
    }

    #[tokio::test]
    async fn a_disk_that_cannot_be_written_is_named() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("agent.log"), "x").unwrap();
        fs::write(home.path().join("logs"), "in the way").unwrap();
        let logs = LogFiles::new(home.path().join("logs"));
        let fault = logs.keep(job(), None, home.path()).await.unwrap_err();
        assert!(fault.to_string().contains("keep the logs of job 7-12-1.2"));
    }
}
