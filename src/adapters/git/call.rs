//! What git is called with. Every call of the server goes through [`Call::command_line`], so that
//! one test sees the whole environment and all arguments.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret, SecretString};

use crate::adapters::git::address::Address;

/// Configuration of every call. A repository that somebody else wrote can ask git to run programs
/// in many ways; each of these closes one, whatever the repository's own configuration says.
const CONFIG: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "credential.helper=",
    "gc.auto=0",
    // One pack is written many times faster than as many files as there are objects.
    "fastimport.unpackLimit=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "commit.gpgSign=false",
    "transfer.fsckObjects=true",
    "checkout.workers=0",
    // A redirect to another host would carry the token there: git sends extra headers to wherever
    // the first redirect leads. GitHub redirects renamed repositories; the caller looks them up.
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
];

/// What fsck finds in the history of old and harmless repositories, and GitHub accepts.
const OLD_HISTORY: &[&str] = &[
    "zeroPaddedFilemode",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "missingNameBeforeEmail",
    "missingEmail",
    "badEmail",
    "badName",
    "badDate",
    "badDateOverflow",
    "badTimezone",
    "zeroPaddedDate",
    "multipleAuthors",
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    // libcurl reads $HOME/.netrc; nothing there may add a credential.
    ("HOME", "/nonexistent"),
    ("XDG_CONFIG_HOME", "/nonexistent"),
    ("LC_ALL", "C"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_PROTOCOL_FROM_USER", "0"),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("GIT_EDITOR", "/bin/false"),
    ("GIT_PAGER", "cat"),
    ("GIT_ASKPASS", "/bin/false"),
    ("SSH_ASKPASS", "/bin/false"),
    ("GIT_SSH_COMMAND", "/bin/false"),
];

/// What of the environment keeps a person's own settings away.
const OWN_SETTINGS: &[&str] = &[
    "HOME",
    "XDG_CONFIG_HOME",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_GLOBAL",
];

/// The remote side of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access<'a> {
    /// Where git may connect to.
    pub(crate) address: &'a Address,
    /// What it may show there.
    pub(crate) token: Option<&'a SecretString>,
}

/// One call of git in a repository that is the server's own.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    /// The repository; never one that an agent could write.
    pub(crate) git_dir: &'a Path,
    /// The working tree, when the command needs one; never one that an agent has written.
    pub(crate) work_tree: Option<&'a Path>,
    /// A private index, when the command needs one.
    pub(crate) index: Option<&'a Path>,
    /// Where new objects go instead of the repository's own store, which is then read as well.
    pub(crate) objects: Option<&'a Path>,
    /// The home directory of the person whose own settings count, to read one of them; `None`:
    /// nobody's count.
    pub(crate) home: Option<&'a Path>,
    /// The remote, when the command talks to one.
    pub(crate) access: Option<Access<'a>>,
    /// Command and arguments.
    pub(crate) args: Vec<OsString>,
    /// What it reads.
    pub(crate) stdin: Vec<u8>,
    /// A file that it reads instead.
    pub(crate) input: Option<&'a Path>,
    /// The most that it may print, in bytes.
    pub(crate) most: usize,
    /// What becomes of it when it prints more.
    pub(crate) overflows: Overflow,
    /// The longest that it may take.
    pub(crate) limit: Duration,
}

/// What becomes of a call that prints more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// It has failed.
    Fails,
    /// What is more is left out.
    Cut,
}

/// Arguments and environment of a process, whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CommandLine {
    /// Everything after the program's name.
    pub(crate) args: Vec<OsString>,
    /// Every variable; the server's own environment is not inherited.
    pub(crate) env: Vec<(&'static str, OsString)>,
}

impl<'a> Call<'a> {
    /// Describes a local call with room for 64 MiB of output and ten minutes.
    pub(crate) fn new<S: AsRef<OsStr>>(
        git_dir: &'a Path,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            git_dir,
            work_tree: None,
            index: None,
            objects: None,
            home: None,
            access: None,
            args: args.into_iter().map(|arg| arg.as_ref().into()).collect(),
            stdin: Vec::new(),
            input: None,
            most: 64 * 1024 * 1024,
            overflows: Overflow::Fails,
            limit: Duration::from_mins(10),
        }
    }

    /// Returns what the process is started with.
    pub(crate) fn command_line(&self) -> CommandLine {
        let mut args: Vec<OsString> = Vec::new();
        let mut config = |setting: &str| args.extend(["-c".into(), setting.into()]);
        for setting in CONFIG {
            config(setting);
        }
        if self.access.is_some() {
            for finding in OLD_HISTORY {
                config(&format!("fetch.fsck.{finding}=ignore"));
            }
        }
        args.push(option("--git-dir=", self.git_dir));
        args.extend(self.work_tree.map(|dir| option("--work-tree=", dir)));
        args.extend(self.args.iter().cloned());

        let mut env: Vec<(&'static str, OsString)> = ENVIRONMENT
            .iter()
            .filter(|(name, _)| self.home.is_none() || !OWN_SETTINGS.contains(name))
            .map(|&(name, value)| (name, value.into()))
            .collect();
        env.extend(self.home.map(|home| ("HOME", home.into())));
        if let Some(index) = self.index {
            env.push(("GIT_INDEX_FILE", index.into()));
        }
        if let Some(objects) = self.objects {
            env.push(("GIT_OBJECT_DIRECTORY", objects.into()));
            env.push((
                "GIT_ALTERNATE_OBJECT_DIRECTORIES",
                self.git_dir.join("objects").into(),
            ));
        }
        let protocol = self.access.map_or("none", |to| to.address.protocol());
        env.push(("GIT_ALLOW_PROTOCOL", protocol.into()));
        if let Some(Access { address, token }) = self.access
            && let (Some(origin), Some(token)) = (address.origin(), token)
        {
            // Configuration by the environment: other users of the machine can read arguments.
            env.push(("GIT_CONFIG_COUNT", "1".into()));
            env.push((
                "GIT_CONFIG_KEY_0",
                format!("http.{origin}/.extraHeader").into(),
            ));
            env.push((
                "GIT_CONFIG_VALUE_0",
                format!("Authorization: Basic {}", basic(token)).into(),
            ));
        }
        CommandLine { args, env }
    }

    /// Returns every spelling of the token that must not be shown.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.access
            .and_then(|to| to.token)
            .map(|token| vec![basic(token), token.expose_secret().to_owned()])
            .unwrap_or_default()
    }
}

fn option(name: &str, dir: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(dir);
    option
}

/// GitHub takes an installation's token as the password of this user.
fn basic(token: &SecretString) -> String {
    BASE64.encode(format!("x-access-token:{}", token.expose_secret()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(parts: &[OsString]) -> Vec<&str> {
        parts.iter().map(|part| part.to_str().unwrap()).collect()
    }

    fn lines(env: &[(&'static str, OsString)]) -> Vec<String> {
        env.iter()
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .collect()
    }

    const LOCAL_ARGS: &[&str] = &[
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.fsmonitor=false",
        "-c",
        "core.protectHFS=true",
        "-c",
        "core.protectNTFS=true",
        "-c",
        "core.attributesFile=/dev/null",
        "-c",
        "core.excludesFile=/dev/null",
        "-c",
        "credential.helper=",
        "-c",
        "gc.auto=0",
        "-c",
        "fastimport.unpackLimit=0",
        "-c",
        "maintenance.auto=false",
        "-c",
        "submodule.recurse=false",
        "-c",
        "fetch.recurseSubmodules=false",
        "-c",
        "commit.gpgSign=false",
        "-c",
        "transfer.fsckObjects=true",
        "-c",
        "checkout.workers=0",
        "-c",
        "http.followRedirects=false",
        "-c",
        "http.lowSpeedLimit=1000",
        "-c",
        "http.lowSpeedTime=60",
    ];

    const LOCAL_ENV: &[&str] = &[
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "HOME=/nonexistent",
        "XDG_CONFIG_HOME=/nonexistent",
        "LC_ALL=C",
        "GIT_CONFIG_NOSYSTEM=1",
        "GIT_CONFIG_GLOBAL=/dev/null",
        "GIT_ATTR_NOSYSTEM=1",
        "GIT_NO_REPLACE_OBJECTS=1",
        "GIT_NO_LAZY_FETCH=1",
        "GIT_OPTIONAL_LOCKS=0",
        "GIT_TERMINAL_PROMPT=0",
        "GIT_PROTOCOL_FROM_USER=0",
        "GIT_LITERAL_PATHSPECS=1",
        "GIT_EDITOR=/bin/false",
        "GIT_PAGER=cat",
        "GIT_ASKPASS=/bin/false",
        "SSH_ASKPASS=/bin/false",
        "GIT_SSH_COMMAND=/bin/false",
    ];

    #[test]
    fn a_local_call_is_exactly_this() {
        let mut call = Call::new(Path::new("/w/m.git"), ["read-tree", "-u", "abc"]);
        call.work_tree = Some(Path::new("/j/checkout"));
        call.index = Some(Path::new("/j/index"));
        call.objects = Some(Path::new("/j/vet"));
        let line = call.command_line();
        let own = ["--git-dir=/w/m.git", "--work-tree=/j/checkout"];
        let args = [LOCAL_ARGS, &own, &["read-tree", "-u", "abc"]].concat();
        assert_eq!(text(&line.args), args);
        let own = [
            "GIT_INDEX_FILE=/j/index",
            "GIT_OBJECT_DIRECTORY=/j/vet",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES=/w/m.git/objects",
            "GIT_ALLOW_PROTOCOL=none",
        ];
        assert_eq!(lines(&line.env), [LOCAL_ENV, &own].concat());
    }

    #[test]
    fn the_token_is_bound_to_its_origin_and_never_an_argument() {
        let address = Address::Https("https://github.com".to_owned());
        let token = SecretString::from("ghs_secret");
        let mut call = Call::new(Path::new("/w/m.git"), ["fetch"]);
        call.access = Some(Access {
            address: &address,
            token: Some(&token),
        });
        let line = call.command_line();
        let own = [
            "GIT_ALLOW_PROTOCOL=https",
            "GIT_CONFIG_COUNT=1",
            "GIT_CONFIG_KEY_0=http.https://github.com/.extraHeader",
            "GIT_CONFIG_VALUE_0=Authorization: Basic eC1hY2Nlc3MtdG9rZW46Z2hzX3NlY3JldA==",
        ];
        assert_eq!(lines(&line.env), [LOCAL_ENV, &own].concat());
        let (fixed, rest) = line.args.split_at(LOCAL_ARGS.len());
        assert_eq!(text(fixed), LOCAL_ARGS);
        let rest = text(rest);
        assert_eq!(rest.last(), Some(&"fetch"));
        for argument in rest {
            assert!(!argument.contains("ghs_secret") && !argument.contains("Authorization"));
        }
        assert!(call.secrets().contains(&"ghs_secret".to_owned()));
    }

    #[test]
    fn a_persons_settings_count_only_where_their_home_is_named() {
        let mut call = Call::new(Path::new("/w/m.git"), ["config", "--get", "user.name"]);
        call.home = Some(Path::new("/home/ada"));
        let line = call.command_line();
        let mut expected: Vec<_> = (LOCAL_ENV.iter().copied())
            .filter(|entry| !entry.starts_with("HOME=") && !entry.starts_with("XDG_"))
            .filter(|entry| !entry.starts_with("GIT_CONFIG_"))
            .collect();
        expected.extend(["HOME=/home/ada", "GIT_ALLOW_PROTOCOL=none"]);
        assert_eq!(lines(&line.env), expected);
        assert_eq!(text(&line.args)[..LOCAL_ARGS.len()], *LOCAL_ARGS);
    }

    #[test]
    fn a_remote_on_this_machine_never_sees_a_token() {
        let token = SecretString::from("ghs_secret");
        let mut call = Call::new(Path::new("/w/m.git"), ["fetch"]);
        call.access = Some(Access {
            address: &Address::Local,
            token: Some(&token),
        });
        let line = call.command_line();
        assert_eq!(
            lines(&line.env),
            [LOCAL_ENV, &["GIT_ALLOW_PROTOCOL=file"]].concat()
        );
    }
}
