//! What came out of a pod takes the place of what went in, whole or not at all.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::adapters::sandbox::kubernetes::transfer::Place;

/// Fresh directories beside those that they are to replace. Dropped, they are gone.
#[derive(Debug)]
pub(super) struct Landing {
    places: Vec<Place>,
    fresh: Vec<Place>,
}

impl Landing {
    /// Makes them.
    pub(super) fn beside(places: &[Place]) -> io::Result<Self> {
        let mut landing = Self {
            places: places.to_vec(),
            fresh: Vec::new(),
        };
        for place in places {
            let dir = beside(&place.dir)?;
            if dir.symlink_metadata().is_ok() {
                std::fs::remove_dir_all(&dir)?;
            }
            std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
            landing.fresh.push(Place {
                volume: place.volume,
                dir,
            });
        }
        Ok(landing)
    }

    pub(super) fn fresh(&self) -> &[Place] {
        &self.fresh
    }

    /// Puts each in its place. Names at the root of the first that are `hidden` stay what they were.
    pub(super) fn settle(self, hidden: &[String]) -> io::Result<()> {
        if let (Some(old), Some(new)) = (self.places.first(), self.fresh.first()) {
            for name in hidden {
                let from = old.dir.join(name);
                if from.symlink_metadata().is_ok() {
                    std::fs::rename(from, new.dir.join(name))?;
                }
            }
        }
        for (old, new) in self.places.iter().zip(&self.fresh) {
            renameat_with(CWD, &new.dir, CWD, &old.dir, RenameFlags::EXCHANGE)?;
        }
        Ok(())
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        for place in &self.fresh {
            // What cannot be removed now goes with the job's directory.
            let _left = std::fs::remove_dir_all(&place.dir);
        }
    }
}

fn beside(dir: &Path) -> io::Result<PathBuf> {
    let name = dir
        .file_name()
        .ok_or_else(|| io::Error::other("a directory without a name"))?;
    let mut fresh = std::ffi::OsString::from(".");
    fresh.push(name);
    fresh.push(".landing");
    Ok(dir.with_file_name(fresh))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_lands_or_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let checkout = dir.path().join("checkout");
        std::fs::create_dir_all(checkout.join("hidden")).unwrap();
        std::fs::write(checkout.join("old"), "").unwrap();
        let places = [Place {
            volume: "checkout",
            dir: checkout.clone(),
        }];

        let landing = Landing::beside(&places).unwrap();
        std::fs::write(landing.fresh()[0].dir.join("half"), "").unwrap();
        drop(landing);
        assert!(checkout.join("old").exists() && !checkout.join("half").exists());

        let landing = Landing::beside(&places).unwrap();
        std::fs::write(landing.fresh()[0].dir.join("new"), "").unwrap();
        landing
            .settle(&["hidden".to_owned(), "missing".to_owned()])
            .unwrap();
        assert!(checkout.join("new").exists() && !checkout.join("old").exists());
        assert!(checkout.join("hidden").exists());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
