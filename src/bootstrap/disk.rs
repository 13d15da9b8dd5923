//! What is on disk: the work directory with all in it, and the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::adapters::git::local::{Asker, BadRepository, LocalForge};
use crate::adapters::git::{self, GitCheckouts};
use crate::adapters::logs::LogFiles;
use crate::adapters::store::SqlStore;
use crate::adapters::system::Disks;
use crate::adapters::work_dir::{NotHeld, WorkDir};
use crate::bootstrap::error::StartError;
use crate::config::server::ServerSettings;
use crate::ports::clock::Clock;
use crate::ports::logs::Logs;

/// How often, and how far apart, a work directory that is taken is tried again: what a server that
/// was killed has just started may still have its files.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// Sandboxes bind directories by their whole path.
pub(super) fn below_work(settings: &ServerSettings, name: &str) -> PathBuf {
    let dir = settings.work.dir.join(name);
    std::path::absolute(&dir).unwrap_or(dir)
}

/// Where checkouts and the store are.
pub(super) fn disks(settings: &ServerSettings) -> Disks {
    let store = settings.store.url.strip_prefix("sqlite://");
    let store = store.and_then(|path| Path::new(path).parent());
    let here = |dir: &Path| {
        if dir.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            dir.to_owned()
        }
    };
    let store = store.map(here);
    Disks(
        store
            .into_iter()
            .chain([settings.work.dir.clone()])
            .collect(),
    )
}

pub(super) async fn hold_work_dir(dir: &Path) -> Result<WorkDir, StartError> {
    let path = dir.to_owned();
    if let Err(error) = std::fs::create_dir_all(dir) {
        return Err(StartError::WorkDir { path, error });
    }
    let mut tries = 1;
    loop {
        match WorkDir::hold(dir) {
            Ok(held) => return Ok(held),
            Err(NotHeld::InUse(_)) if tries < TRIES => tries += 1,
            Err(NotHeld::Io(error)) => return Err(StartError::WorkDir { path, error }),
            Err(error @ NotHeld::InUse(_)) => return Err(StartError::WorkDirTaken { path, error }),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

pub(super) fn open_git(
    settings: &ServerSettings,
    protocols: git::Protocols,
) -> Result<GitCheckouts, StartError> {
    let dir = &settings.work.dir;
    let failed = |error| StartError::WorkDir {
        path: dir.clone(),
        error,
    };
    std::fs::create_dir_all(dir.join("jobs")).map_err(failed)?;
    let settings = git::Settings {
        work_dir: dir.clone(),
        protocols,
        fetch_limit: settings.limits.fetch.to_std(),
    };
    GitCheckouts::new(settings).map_err(failed)
}

/// Opens the repository that `dir` is in, to stand for GitHub. `settings` say where what is under
/// way goes, and `environment` whose repository it is.
pub async fn open_repository(
    dir: &Path,
    settings: &ServerSettings,
    environment: &(dyn Fn(&str) -> Option<String> + Sync),
    clock: Arc<dyn Clock>,
) -> Result<Arc<LocalForge>, BadRepository> {
    let asker = Asker {
        home: environment("HOME").map(PathBuf::from),
        name: environment("GIT_AUTHOR_NAME"),
        email: environment("GIT_AUTHOR_EMAIL"),
    };
    let bench = settings.work.dir.join("bench");
    Ok(Arc::new(LocalForge::open(dir, bench, &asker, clock).await?))
}

/// Opens what jobs have printed.
#[must_use]
pub fn open_logs(settings: &ServerSettings) -> Arc<dyn Logs> {
    Arc::new(LogFiles::new(below_work(settings, "logs")))
}

/// Opens the store that the settings name, and brings its schema up to date.
pub async fn open_store(settings: &ServerSettings) -> Result<Arc<SqlStore>, StartError> {
    let store = SqlStore::open(&settings.store.url).await;
    store.map(Arc::new).map_err(StartError::Store)
}
