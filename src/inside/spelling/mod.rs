//! `inside-typos`: corrects what is misspelt and has one correction.

mod fix;
mod settings;
mod words;

use std::path::Path;

use crate::domain::policy::protected::Protected;
use crate::inside::files;
use crate::inside::recipe::{Told, Trouble, count};
use crate::inside::spelling::fix::fix;
use crate::inside::spelling::settings::Settings;

/// Corrects the files of the working directory.
pub(super) fn correct(protected: &Protected, told: &mut Told<'_>) -> Result<String, Trouble> {
    below(Path::new("."), protected, told)
}

fn below(root: &Path, protected: &Protected, told: &mut Told<'_>) -> Result<String, Trouble> {
    let settings = Settings::find(root)?;
    let (mut words, mut changed, mut looked) = (0, 0, 0);
    for path in files::find(root, protected)? {
        if settings.excludes(&path) {
            continue;
        }
        let at = root.join(&path);
        let Some(text) = files::read(&at)? else {
            continue;
        };
        looked += 1;
        let (better, fixes) = fix(&text, &settings);
        if fixes.is_empty() {
            continue;
        }
        files::write(&at, &better)?;
        changed += 1;
        words += fixes.len();
        for fix in fixes {
            let place = path.display();
            told.line(&format!("{place}:{}: {} -> {}", fix.line, fix.from, fix.to))?;
        }
    }
    Ok(match words {
        0 => format!("no word to correct in {}", count(looked, "file")),
        words => format!(
            "{} corrected in {}",
            count(words, "word"),
            count(changed, "file")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{read_to_string, write};

    fn run(root: &Path) -> (Result<String, String>, String) {
        let mut out = Vec::new();
        let protected = Protected::new(vec!["LICENSE".to_owned()]).unwrap();
        let sum = below(root, &protected, &mut Told::new(&mut out));
        let sum = sum.map_err(|trouble| trouble.to_string());
        (sum, String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_correction_is_told_and_a_second_run_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        write(at("a.md"), "Teh first.\nAn adress, an ADRESS.\n").unwrap();
        write(at("b.rs"), "fn recieve_adress() {}\n").unwrap();
        write(at("LICENSE"), "teh").unwrap();
        write(at("c.bin"), b"teh\0").unwrap();
        let told = "a.md:1: Teh -> The\na.md:2: adress -> address\na.md:2: ADRESS -> ADDRESS\n\
            b.rs:1: recieve -> receive\nb.rs:1: adress -> address\n";
        let sum = "5 words corrected in 2 files".to_owned();
        assert_eq!(run(dir.path()), (Ok(sum), told.to_owned()));
        let (first, second) = (
            "The first.\nAn address, an ADDRESS.\n",
            "fn receive_address() {}\n",
        );
        assert_eq!(read_to_string(at("a.md")).unwrap(), first);
        assert_eq!(read_to_string(at("b.rs")).unwrap(), second);
        assert_eq!(read_to_string(at("LICENSE")).unwrap(), "teh");
        let none = "no word to correct in 2 files".to_owned();
        assert_eq!(run(dir.path()), (Ok(none), String::new()));
    }

    #[test]
    fn the_repositorys_settings_count() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("old")).unwrap();
        write(at("old/a.md"), "teh\n").unwrap();
        write(at("a.md"), "teh hte\nadress recieve\n").unwrap();
        let settings = "[default]\nextend-ignore-re = [\"adress [a-z]+\"]\n\
            [default.extend-words]\nteh = \"teh\"\n[files]\nextend-exclude = [\"old/\"]\n";
        write(at("_typos.toml"), settings).unwrap();
        let sum = "1 word corrected in 1 file".to_owned();
        assert_eq!(
            run(dir.path()),
            (Ok(sum), "a.md:1: hte -> the\n".to_owned())
        );
        assert_eq!(read_to_string(at("old/a.md")).unwrap(), "teh\n");
        assert_eq!(read_to_string(at("_typos.toml")).unwrap(), settings);
    }

    #[test]
    fn settings_that_cannot_be_read_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path().join("a.md"), "teh\n").unwrap();
        for (text, what) in [
            ("[default", "typos.toml: "),
            (
                "[default]\nextend-ignore-re = [\"(\"]\n",
                "extend-ignore-re",
            ),
            ("[files]\nextend-exclude = [\"a{b\"]\n", "extend-exclude"),
        ] {
            write(dir.path().join("typos.toml"), text).unwrap();
            let (sum, told) = run(dir.path());
            let trouble = sum.unwrap_err();
            assert!(trouble.contains(what), "{trouble}");
            assert_eq!(told, "");
        }
        assert_eq!(read_to_string(dir.path().join("a.md")).unwrap(), "teh\n");
    }
}
