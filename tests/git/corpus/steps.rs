//! Doing what an attack says.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mkdirat, mkfifoat, mknodat, openat};

use crate::corpus::attack::Step;
use crate::corpus::scene::Words;
use crate::support::{chmod, git, git_reading};

/// Does one step in `dir`.
pub(crate) fn perform(step: &Step, dir: &Path, words: &Words) {
    let at = |path: &str| dir.join(os(words.expand(path)));
    match step {
        Step::Write { path, text, mode } => {
            let file = room(&at(path));
            fs::write(&file, words.expand(text)).unwrap();
            if let Some(mode) = mode {
                chmod(&file, octal(mode));
            }
        }
        Step::Append { path, text } => {
            let file = at(path);
            let mut content = fs::read(&file).unwrap_or_default();
            content.extend(words.expand(text));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        Step::Link { path, to } => {
            let target = os(words.expand(to));
            std::os::unix::fs::symlink(target, room(&at(path))).unwrap();
        }
        Step::Hardlink { path, to } => fs::hard_link(at(to), room(&at(path))).unwrap(),
        Step::Directory { path } => fs::create_dir_all(at(path)).unwrap(),
        Step::Fifo { path } => mkfifoat(CWD, room(&at(path)), Mode::RWXU).unwrap(),
        Step::Socket { path } => drop(UnixListener::bind(room(&at(path))).unwrap()),
        Step::Device { path } => {
            let file = room(&at(path));
            let null = makedev(1, 3);
            let made = mknodat(CWD, &file, FileType::CharacterDevice, Mode::RUSR, null);
            made.or_else(|_| mkfifoat(CWD, &file, Mode::RUSR)).unwrap();
        }
        Step::Remove { path } => clear(&at(path)),
        Step::Rename { path, to } => fs::rename(at(path), room(&at(to))).unwrap(),
        Step::Chmod { path, mode } => chmod(&at(path), octal(mode)),
        Step::Sparse { path, bytes } => {
            fs::File::create(room(&at(path)))
                .unwrap()
                .set_len(*bytes)
                .unwrap();
        }
        Step::Many { path, count, text } => {
            for n in 0..*count {
                let numbered = |text: &str| text.replace("{n}", &n.to_string());
                let file = at(&numbered(path));
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, words.expand(&numbered(text))).unwrap();
            }
        }
        Step::Nest { path, depth } => {
            let mut here = rustix::fd::OwnedFd::from(fs::File::open(dir).unwrap());
            for _ in 0..*depth {
                mkdirat(&here, path.as_str(), Mode::RWXU).unwrap();
                let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
                here = openat(&here, path.as_str(), flags, Mode::empty()).unwrap();
            }
        }
        Step::Bomb { levels, width } => bomb(dir, *levels, *width),
        Step::Git { args } => {
            let args = args.iter().map(|arg| os(words.expand(arg)));
            git(dir, args);
        }
    }
}

fn bomb(dir: &Path, levels: u32, width: u32) {
    let file = git(dir, ["hash-object", "-w", "README.md"]);
    let mut entry = format!("100644 blob {file}");
    for _ in 0..levels {
        let lines: String = (0..width).map(|n| format!("{entry}\t{n}\n")).collect();
        fs::write(dir.join(".git/level"), lines).unwrap();
        let tree = git_reading(dir, ".git/level", ["mktree"]);
        entry = format!("040000 tree {tree}");
    }
    let tree = entry.rsplit(' ').next().unwrap();
    let commit = git(dir, ["commit-tree", "-m", "bomb", tree]);
    git(dir, ["update-ref", "HEAD", &commit]);
}

pub(crate) fn os(bytes: Vec<u8>) -> OsString {
    OsString::from_vec(bytes)
}

fn octal(mode: &str) -> u32 {
    u32::from_str_radix(mode, 8).unwrap()
}

/// Makes room for something new: the directories it needs, and nothing where it goes.
fn room(file: &Path) -> PathBuf {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    clear(file);
    file.to_owned()
}

fn clear(file: &Path) {
    match file.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(file).unwrap(),
        Ok(_) => fs::remove_file(file).unwrap(),
        Err(_) => {}
    }
}
