//! The work directory, held by one process at a time, and the worker's name that goes with it.
//!
//! The name outlives the process, so that a worker which starts again knows what it held before; the
//! lock does not, whatever way the process ends. Both are in one file, which no other program reads.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The file that is locked. It says the worker's name, which file it is, and who has it.
const FILE: &str = "worker";
/// More than this is not ours.
const BYTES: u64 = 4_096;

/// Why the directory cannot be held.
#[derive(Debug, thiserror::Error)]
pub enum NotHeld {
    /// Another process has it.
    #[error("process {0} works in it")]
    InUse(String),
    /// The file cannot be used.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A work directory that nobody else works in while this lives.
#[derive(Debug)]
pub struct WorkDir {
    worker: String,
    lock: File,
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // Said, and not left to the closing of the file: a child that is about to become another
        // program has it open, too.
        let _ = self.lock.unlock();
    }
}

impl WorkDir {
    /// Takes a directory, which must exist.
    ///
    /// # Errors
    /// When another process has it, or its file can be neither read nor written.
    pub fn hold(dir: &Path) -> Result<Self, NotHeld> {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(FILE))?;
        let locked = file.try_lock();
        let mut text = String::new();
        (&file).take(BYTES).read_to_string(&mut text)?;
        let mut lines = text.lines();
        let (name, place, process) = (lines.next(), lines.next(), lines.next());
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = process.unwrap_or("unknown").to_owned();
                return Err(NotHeld::InUse(process));
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let here = place_of(&file)?;
        let worker = match (name, place) {
            (Some(name), Some(place)) if is_name(name) && place == here => name.to_owned(),
            // New, damaged, or a copy of the directory that another worker has.
            (Some(_) | None, Some(_) | None) => new_name()?,
        };
        file.rewind()?;
        file.set_len(0)?;
        write!(file, "{worker}\n{here}\n{}\n", std::process::id())?;
        Ok(Self { worker, lock: file })
    }

    /// Returns the name by which the store knows who works here.
    #[must_use]
    pub fn worker(&self) -> &str {
        &self.worker
    }
}

/// Says which file this is: a copy is another one.
fn place_of(file: &File) -> io::Result<String> {
    let facts = file.metadata()?;
    Ok(format!("{}:{}", facts.dev(), facts.ino()))
}

const PREFIX: &str = "worker-";

fn is_name(text: &str) -> bool {
    text.strip_prefix(PREFIX)
        .is_some_and(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn new_name() -> io::Result<String> {
    let mut id = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut id)
        .map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(format!("{PREFIX}{}", hex::encode(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_with_its_directory_and_has_one_owner() {
        let [dir, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let first = WorkDir::hold(dir.path()).unwrap();
        let name = first.worker().to_owned();
        let refused = WorkDir::hold(dir.path()).unwrap_err();
        let told = format!("process {} works in it", std::process::id());
        assert_eq!(refused.to_string(), told);
        drop(first);
        assert_eq!(WorkDir::hold(dir.path()).unwrap().worker(), name);
        assert_ne!(WorkDir::hold(other.path()).unwrap().worker(), name);
    }

    #[test]
    fn what_is_copied_or_damaged_gets_a_name_of_its_own() {
        let [dir, copy] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let name = WorkDir::hold(dir.path()).unwrap().worker().to_owned();
        std::fs::copy(dir.path().join(FILE), copy.path().join(FILE)).unwrap();
        assert_ne!(WorkDir::hold(copy.path()).unwrap().worker(), name);
        for text in ["", "worker-1\n", "\n\n\n", "a\nb\nc\nd"] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            let held = WorkDir::hold(dir.path()).unwrap();
            assert!(is_name(held.worker()), "{text:?}");
        }
    }
}
