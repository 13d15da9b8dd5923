//! An agent that outlived its end and goes on writing while the host reads.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// The directory of the checkout that is fought over.
pub(crate) const PLACE: &str = "raced";

/// Threads that change the checkout until they are stopped.
pub(crate) struct Race {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Race {
    /// Starts to swap a tracked file and a tracked directory for links to the host's, and to write
    /// a file whose length never stays the same.
    pub(crate) fn start(checkout: &Path, host: &Path) -> Self {
        let place = checkout.join(PLACE);
        let over = Arc::new(AtomicBool::new(false));
        let swaps = [("file", "secret"), ("dir", "")].map(|(name, target)| {
            let (here, link) = (place.join(name), place.join(format!("{name}-out")));
            symlink(host.join(target), &link).unwrap();
            let over = Arc::clone(&over);
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    renameat_with(CWD, &here, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                }
            })
        });
        let (file, ended) = (place.join("grows"), Arc::clone(&over));
        let writer = std::thread::spawn(move || {
            let mut text = String::new();
            while !ended.load(Ordering::Relaxed) {
                text.push_str("more\n");
                if text.len() > 64 * 1024 {
                    text.clear();
                }
                fs::write(&file, &text).unwrap();
            }
        });
        Self {
            over,
            threads: swaps.into_iter().chain([writer]).collect(),
        }
    }
}

impl Drop for Race {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}
