//! The engine: which it is, and the few calls that are made to it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::container::AttachContainerResults;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ContainerState};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::StreamExt as _;

use crate::adapters::sandbox::container::{START, remedy};
use crate::domain::time::Span;
use crate::ports::fault::Fault;
use crate::ports::sandbox::Unenforced;

/// How long one call may take, in seconds. A busy engine takes seconds to start a container.
const CALL_SECONDS: u64 = 60;

/// How long to wait for a removal that is somebody else's.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Whose engine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Docker,
    Podman,
}

/// What the engine says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) kind: Kind,
    /// Its version, as it writes it.
    pub(super) version: String,
    /// Whether it has no more rights than an ordinary user.
    pub(super) rootless: bool,
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Docker => "Docker",
            Kind::Podman => "Podman",
        };
        let rights = if self.rootless { "rootless" } else { "as root" };
        write!(f, "{kind} {} {rights}", self.version)
    }
}

/// What an image brings along that a sandbox has to know of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Image {
    /// Its name, as in the settings.
    pub(super) name: String,
    /// Its own search path for programs.
    pub(super) path: Option<String>,
    /// Directories for which an engine would make writable space on the host's disk.
    pub(super) volumes: Vec<String>,
}

/// An engine that has answered.
#[derive(Debug)]
pub(super) struct Engine {
    docker: Docker,
    facts: Facts,
    /// The limits that it cannot set, by their keys in `[limits]`.
    missing: Vec<&'static str>,
    socket: PathBuf,
}

impl Engine {
    /// Connects to the engine at `socket` and asks what it is. `hands_over` says that the server is
    /// root.
    ///
    /// # Errors
    /// When nothing answers there, or what answers would not run the sandbox as an unprivileged user.
    pub(super) async fn meet(socket: &Path, hands_over: bool) -> Result<Self, Fault> {
        const MEET: &str = "ask the container engine what it is";
        let path = socket.display().to_string();
        let docker = Docker::connect_with_unix(&path, CALL_SECONDS, API_DEFAULT_VERSION)
            .map_err(|error| fault(MEET, &error))?;
        let docker = docker
            .negotiate_version()
            .await
            .map_err(|error| fault(MEET, &error))?;
        let version = docker
            .version()
            .await
            .map_err(|error| fault(MEET, &error))?;
        let info = docker.info().await.map_err(|error| fault(MEET, &error))?;
        let podman = version
            .components
            .unwrap_or_default()
            .iter()
            .any(|component| component.name.starts_with("Podman"));
        let options = info.security_options.unwrap_or_default();
        let facts = Facts {
            kind: if podman { Kind::Podman } else { Kind::Docker },
            version: version.version.unwrap_or_default(),
            rootless: options.iter().any(|option| option.contains("rootless")),
        };
        if let Some(cause) = unfit(&facts, hands_over) {
            return Err(Fault::permanent(MEET, cause));
        }
        let limits = [
            ("memory_mib", info.memory_limit),
            ("processes", info.pids_limit),
            ("cpus", info.cpu_cfs_quota),
        ];
        let missing = limits.iter().filter(|(_, there)| *there == Some(false));
        Ok(Self {
            missing: missing.map(|(setting, _)| *setting).collect(),
            docker,
            facts,
            socket: socket.to_path_buf(),
        })
    }

    pub(super) fn unenforced(&self) -> Vec<Unenforced> {
        let missing = self.missing.iter().map(|setting| Unenforced {
            setting,
            reason: format!("{} says that it cannot", self.facts),
            remedy:
                "Run the engine as root, or where version 2 of the control groups is delegated \
                to its user (`Delegate=cpu memory pids` in user@.service)"
                    .to_owned(),
        });
        missing.collect()
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Looks at an image that is there. None is ever fetched: what runs is what the operator has
    /// looked at.
    pub(super) async fn image(&self, name: &str) -> Result<Image, Fault> {
        let found = self.docker.inspect_image(name).await.map_err(|error| {
            let fault = fault(format!("look at the image {name}"), &error);
            let remedy = remedy::remedy(&fault.cause, name);
            Fault {
                cause: format!("{}. {remedy}", fault.cause),
                ..fault
            }
        })?;
        let config = found.config.unwrap_or_default();
        let path = config.env.unwrap_or_default();
        let path = path.iter().find_map(|entry| entry.strip_prefix("PATH="));
        Ok(Image {
            name: name.to_owned(),
            path: path.map(str::to_owned),
            volumes: config.volumes.unwrap_or_default(),
        })
    }

    pub(super) async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<(), Fault> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let made = self.docker.create_container(Some(options), body).await;
        made.map(|_made| ()).map_err(|error| fault(START, &error))
    }

    /// Connects to all three streams of a container; before it is started, so that nothing is missed.
    pub(super) async fn attach(&self, name: &str) -> Result<AttachContainerResults, Fault> {
        let options = AttachContainerOptionsBuilder::default()
            .stream(true)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .build();
        let attached = self.docker.attach_container(name, Some(options)).await;
        attached.map_err(|error| fault(START, &error))
    }

    pub(super) async fn start(&self, name: &str) -> Result<(), Fault> {
        let started = self.docker.start_container(name, None).await;
        started.map_err(|error| fault(START, &error))
    }

    /// Returns once the container runs no more.
    pub(super) async fn wait(&self, name: &str, wall: Span) -> Result<(), Fault> {
        // Podman answers only at the end.
        let patience = wall.to_std() + Duration::from_secs(CALL_SECONDS);
        let docker = self.docker.clone().with_timeout(patience);
        let options = WaitContainerOptionsBuilder::default()
            .condition("not-running")
            .build();
        let mut answers = Box::pin(docker.wait_container(name, Some(options)));
        match answers.next().await {
            // Its exit code is read from its state, with the rest.
            Some(Ok(_) | Err(Error::DockerContainerWaitError { .. })) => Ok(()),
            Some(Err(error)) => Err(fault("wait for the sandbox", &error)),
            None => Err(Fault::transient(
                "wait for the sandbox",
                "the engine ended the call without an answer",
            )),
        }
    }

    pub(super) async fn state(&self, name: &str) -> Result<ContainerState, Fault> {
        let seen = self.docker.inspect_container(name, None).await;
        let seen = seen.map_err(|error| fault("look at the sandbox", &error))?;
        Ok(seen.state.unwrap_or_default())
    }

    /// Kills whatever runs in a container and removes it with everything that was made for it. The
    /// engine answers when all of it is dead. One that is not there is removed already.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Fault> {
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        loop {
            let removed = self.docker.remove_container(name, Some(options.clone()));
            let Err(error) = removed.await else {
                return Ok(());
            };
            match Refusal::of(&error) {
                Refusal::Gone => return Ok(()),
                // By its watchdog, or another start of the server: who asks waits for it, too.
                Refusal::Underway => tokio::time::sleep(LOOK_AGAIN).await,
                Refusal::Other => return Err(fault("end the sandbox", &error)),
            }
        }
    }

    /// Returns every container with the label, running or not: its id and the label's value.
    pub(super) async fn labelled(&self, label: &str) -> Result<Vec<(String, String)>, Fault> {
        let filters = [("label".to_owned(), vec![label.to_owned()])];
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters.into())
            .build();
        let found = self.docker.list_containers(Some(options)).await;
        let found = found.map_err(|error| fault("list the containers", &error))?;
        let pairs = found.into_iter().filter_map(|container| {
            let mut labels = container.labels?;
            Some((container.id?, labels.remove(label)?))
        });
        Ok(pairs.collect())
    }
}

/// Why an engine does not remove a container.
enum Refusal {
    /// There is none.
    Gone,
    /// Somebody else's call removes it at this moment.
    Underway,
    /// Anything else.
    Other,
}

impl Refusal {
    fn of(error: &Error) -> Self {
        let Error::DockerResponseServerError {
            status_code,
            message,
        } = error
        else {
            return Self::Other;
        };
        match status_code {
            404 => Self::Gone,
            409 if message.contains("already in progress") => Self::Underway,
            _ => Self::Other,
        }
    }
}

/// Says why an engine cannot be used by this server.
fn unfit(facts: &Facts, hands_over: bool) -> Option<&'static str> {
    match (facts.kind, facts.rootless, hands_over) {
        (_, true, true) => Some(
            "the engine is an ordinary user's and the server is root: run the server as that user",
        ),
        (Kind::Docker, true, false) => Some(
            "in rootless Docker only root inside could write the checkout: use rootless Podman",
        ),
        (Kind::Podman, true, false) | (_, false, _) => None,
    }
}

/// Returns the first usual socket that exists: Podman's, which need not be root, then Docker's.
pub(super) fn usual_socket(user: u32) -> Option<PathBuf> {
    let own = format!("/run/user/{user}/podman/podman.sock");
    let all = [own.as_str(), "/run/podman/podman.sock", "/run/docker.sock"];
    all.iter().map(PathBuf::from).find(|path| path.exists())
}

/// Turns what the engine answered into a fault.
fn fault(doing: impl Into<String>, error: &Error) -> Fault {
    if let Error::DockerResponseServerError {
        status_code,
        message,
    } = error
    {
        return Fault::new(remedy::class(*status_code, message), doing, message);
    }
    // No answer at all: the engine was stopped, or is slow.
    Fault::transient(doing, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_engines_that_keep_root_out_are_fit() {
        let facts = |kind, rootless| Facts {
            kind,
            version: "1".to_owned(),
            rootless,
        };
        for (kind, rootless, hands_over, fit) in [
            (Kind::Docker, false, true, true),
            (Kind::Docker, false, false, true),
            (Kind::Docker, true, true, false),
            (Kind::Docker, true, false, false),
            (Kind::Podman, false, true, true),
            (Kind::Podman, false, false, true),
            (Kind::Podman, true, true, false),
            (Kind::Podman, true, false, true),
        ] {
            let facts = facts(kind, rootless);
            assert_eq!(unfit(&facts, hands_over).is_none(), fit, "{facts}");
        }
    }

    #[test]
    fn facts_are_one_line() {
        let facts = Facts {
            kind: Kind::Podman,
            version: "4.3.1".to_owned(),
            rootless: true,
        };
        assert_eq!(facts.to_string(), "Podman 4.3.1 rootless");
    }
}
