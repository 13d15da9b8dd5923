//! Whether trees in layers can be shown here, found out by showing one.

use std::collections::BTreeMap;
use std::fs::{Permissions, set_permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::adapters::sandbox::bubblewrap::{Bubblewrap, Failed};
use crate::domain::evidence::Ending;
use crate::domain::time::Span;
use crate::ports::sandbox::{Limits, Profile, Spec};
use crate::ports::tree::{Layers, Tree};

/// Reads a file of the lower layer, writes one and removes one.
const SCRIPT: &str = "read -r line < lower && echo \"$line\" > written && rm removed";

impl Bubblewrap {
    /// Shows a small tree of two layers on the file system where jobs will be.
    ///
    /// # Errors
    /// Says what failed, for a person.
    pub(super) async fn try_layers(&self) -> Result<(), String> {
        let dir = tempfile::Builder::new()
            .prefix("layers-")
            .tempdir_in(&self.work)
            .map_err(|error| format!("{}: {error}", self.work.display()))?;
        let layers = self.sample(dir.path()).map_err(|error| error.to_string())?;
        let (upper, work) = (layers.upper.clone(), layers.work.clone());
        let spec = Spec {
            command: ["sh", "-c", SCRIPT].map(str::to_owned).to_vec(),
            env: BTreeMap::new(),
            tree: Tree::Layered(layers),
            hide: Vec::new(),
            input: None,
            output: None,
            objects: None,
            home: None,
            own: None,
            log: dir.path().join("log"),
            limits: Limits {
                wall: Span::seconds(20),
                output_bytes: 16 * 1024,
                file_bytes: 1024 * 1024,
                processes: 64,
                memory_bytes: 256 * 1024 * 1024,
                milli_cpus: None,
                disk_bytes: 16 * 1024 * 1024,
            },
            profile: Profile::default(),
        };
        let tried = self
            .attempt(&spec, None, None, &CancellationToken::new())
            .await;
        open_up(&work);
        let outcome = match tried {
            Ok(outcome) => outcome,
            Err(Failed::Fault(fault)) => return Err(fault.to_string()),
            Err(Failed::Refused(reason)) => return Err(reason),
        };
        let written = std::fs::read(upper.join("written")).unwrap_or_default();
        if outcome.ending == Ending::Exited(0) && written == b"seen\n" {
            Ok(())
        } else {
            let said = String::from_utf8_lossy(&outcome.tail).trim().to_owned();
            Err(format!("a tree in layers did not behave as one: {said:?}"))
        }
    }

    fn sample(&self, dir: &Path) -> io::Result<Layers> {
        let layers = Layers {
            lower: vec![dir.join("lower")],
            upper: dir.join("upper"),
            work: dir.join("work"),
        };
        for made in layers.lower.iter().chain([&layers.upper, &layers.work]) {
            std::fs::create_dir(made)?;
            for name in ["lower", "removed"] {
                let file = made.join(name);
                if layers.lower.contains(made) {
                    std::fs::write(&file, "seen\n")?;
                    self.give(&file)?;
                }
            }
            self.give(made)?;
        }
        Ok(layers)
    }

    fn give(&self, path: &Path) -> io::Result<()> {
        match self.user {
            Some(id) => chown(path, Some(id), Some(id)),
            None => Ok(()),
        }
    }
}

/// Makes the kernel's own directories, which have no permissions, ours to remove.
fn open_up(work: &Path) {
    for dir in ["work", "work/incompat", "work/incompat/volatile"] {
        // Not there: it was never mounted.
        let _missing = set_permissions(work.join(dir), Permissions::from_mode(0o700));
    }
}
