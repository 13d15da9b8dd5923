//! Working copies that stand on layers: what they cost does not depend on the repository's size.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::adapters::git::bases::{Full, Stand};
use crate::adapters::git::blocking::blocking;
use crate::adapters::git::layer::{self, Spot};
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::removal;
use crate::adapters::git::settle::settle;
use crate::adapters::git::skeleton;
use crate::adapters::git::working::{Branch, Failure, Target};
use crate::ports::tree::Layers;

/// Makes a working copy on a base, with a throw-away `.git` on `branch`.
pub(crate) fn check_out(stand: &Stand, target: &Target, branch: &Branch) -> io::Result<Layers> {
    removal::remove_tree(&target.dir)?;
    let mut lower = stand.lower.clone();
    lower.push(stand.git.clone());
    let layers = on_top(lower, target)?;
    let git = layers.upper.join(".git");
    fs::create_dir(&git)?;
    skeleton::throw_away_own(&git, &branch.name, &branch.commit.to_string())?;
    settle(&layers.upper, target.owner, None)?;
    Ok(layers)
}

/// Lays a layer over those below the upper one.
pub(crate) fn slip_in(layers: &Layers, layer: PathBuf) -> Layers {
    let mut layers = layers.clone();
    layers.lower.push(layer);
    layers
}

/// Makes a fresh upper layer for a working copy whose upper layer has become `layer`, below it.
pub(crate) fn restart(layers: &Layers, layer: &Path, target: &Target) -> io::Result<Layers> {
    removal::remove_tree(&layers.work)?;
    let mut lower = layers.lower.clone();
    lower.push(layer.to_owned());
    on_top(lower, target)
}

/// Makes an empty layer to be written to, on top of `lower`.
fn on_top(lower: Vec<PathBuf>, target: &Target) -> io::Result<Layers> {
    let layers = Layers {
        lower,
        upper: target.dir.join("upper"),
        work: target.dir.join("work"),
    };
    for dir in [&layers.upper, &layers.work] {
        fs::create_dir_all(dir)?;
        settle(dir, target.owner, None)?;
    }
    Ok(layers)
}

/// Makes a working copy of `tree`, which the repository `git_dir` has, without any `.git`: a layer
/// of what differs from a base, and an empty one on top. `None` when too much differs.
pub(crate) async fn write(
    git_dir: &Path,
    (full, files): (&Full, &Path),
    tree: ObjectId,
    target: &Target,
) -> Result<Option<Layers>, Failure> {
    let (dir, changed) = (target.dir.clone(), target.dir.join("changed"));
    let index = target.dir.join("index");
    let place = changed.clone();
    blocking(move || {
        removal::remove_tree(&dir)?;
        fs::create_dir_all(place)
    })
    .await?;
    let spot = Spot {
        files: &changed,
        index: &index,
    };
    if !layer::write_difference(git_dir, full.below(), tree, spot).await? {
        return Ok(None);
    }
    let (target, lower) = (target.clone(), vec![files.to_owned(), changed.clone()]);
    let layers = blocking(move || {
        fs::remove_file(index)?;
        settle(&changed, target.owner, None)?;
        on_top(lower, &target)
    });
    Ok(Some(layers.await?))
}
