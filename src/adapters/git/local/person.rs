//! Whose repository it is, and under which name they commit.

use std::path::{Path, PathBuf};

use crate::adapters::git::call::Call;
use crate::adapters::git::process;
use crate::adapters::git::trouble::Trouble;
use crate::domain::ids::Login;
use crate::domain::repo::{Actor, ActorKind};

/// The person who asks, as the environment describes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asker {
    /// Their home directory, for their own settings of git.
    pub home: Option<PathBuf>,
    /// `GIT_AUTHOR_NAME`.
    pub name: Option<String>,
    /// `GIT_AUTHOR_EMAIL`.
    pub email: Option<String>,
}

/// A name to commit under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// The name, fit for a commit.
    pub(crate) name: String,
    /// The address, fit for a commit.
    pub(crate) email: String,
    /// The person among the people of a thread.
    pub(crate) actor: Actor,
}

impl Person {
    /// Finds the identity that git would commit under there; without one it is `prova`'s.
    pub(crate) async fn find(git_dir: &Path, asker: &Asker) -> Result<Self, Trouble> {
        let name = match &asker.name {
            Some(name) => Some(name.clone()),
            None => setting(git_dir, asker, "user.name").await?,
        };
        let email = match &asker.email {
            Some(email) => Some(email.clone()),
            None => setting(git_dir, asker, "user.email").await?,
        };
        let [name, email] = [name, email].map(|text| fit(&text.unwrap_or_default()));
        Ok(if name.is_empty() || email.is_empty() {
            Self::of("prova", "prova@localhost", "you")
        } else {
            Self::of(&name, &email, &name)
        })
    }

    fn of(name: &str, email: &str, called: &str) -> Self {
        Self {
            name: name.to_owned(),
            email: email.to_owned(),
            actor: Actor {
                login: Login::new(login(called)),
                id: 1,
                kind: ActorKind::Person,
            },
        }
    }
}

async fn setting(git_dir: &Path, asker: &Asker, key: &str) -> Result<Option<String>, Trouble> {
    let mut call = Call::new(git_dir, ["config", "--get", key]);
    call.home = asker.home.as_deref();
    let printed = process::ask(&call).await?;
    Ok(printed.map(|value| String::from_utf8_lossy(&value).into_owned()))
}

/// Leaves out what cannot stand in the line of a commit that names a person.
fn fit(text: &str) -> String {
    let kept: String = text
        .chars()
        .filter(|c| !c.is_control() && !"<>".contains(*c))
        .take(200)
        .collect();
    kept.trim_matches([' ', '.', ',', ':', ';', '"', '\\', '\''])
        .to_owned()
}

/// Writes a name as an account would have it: `Ada Lovelace` is `ada-lovelace`.
fn login(name: &str) -> String {
    let parts: Vec<String> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    match parts.join("-") {
        none if none.is_empty() => "you".to_owned(),
        login => login.chars().take(39).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_an_account_and_fits_a_commit() {
        assert_eq!(login("Ada Lovelace"), "ada-lovelace");
        assert_eq!(login("日本"), "you");
        assert_eq!(fit(" Ada <x>\n\"Lovelace\". "), "Ada x\"Lovelace");
    }
}
