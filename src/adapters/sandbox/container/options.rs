//! The container of one run, as a pure function: what isolates is all on this page.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    Mount, MountBindOptions, MountBindOptionsPropagationEnum, MountType, ResourcesUlimits,
};

use crate::adapters::sandbox::container::engine::{Facts, Image, Kind};
use crate::adapters::sandbox::container::leftovers::LABEL;
use crate::adapters::sandbox::cover::Cover;
use crate::adapters::sandbox::fence::Input;
use crate::adapters::sandbox::programs::SYSTEM_PATH;
use crate::ports::sandbox::{
    INSIDE_CHECKOUT, INSIDE_HOME, INSIDE_INPUT, INSIDE_OBJECTS, INSIDE_OUTPUT, INSIDE_PROGRAM,
    Limits, Spec,
};

/// The first program inside: it waits for a line, and becomes the command. So everything around the
/// container is ready when the command starts; and a container that nobody starts ends by itself.
/// Shells have variables of their own, which are not the command's.
const WAIT: &str = r#"read -r _ && unset PWD OLDPWD SHLVL && exec "$@" </dev/null"#;
/// The same for a command that is talked with.
const WAIT_AND_TALK: &str = r#"read -r _ && unset PWD OLDPWD SHLVL && exec "$@""#;

/// Open files of one process. Some engines give a billion, over which programs that close all of
/// them take minutes; an engine cannot give more than it has.
const OPEN_FILES: i64 = 16_384;

/// All that one container is made of.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    pub(super) spec: &'a Spec,
    /// What the command has for its input.
    pub(super) input: Input,
    /// The working tree on the host.
    pub(super) checkout: &'a Path,
    /// What is seen empty of it.
    pub(super) covers: &'a [Cover],
    pub(super) image: &'a Image,
    pub(super) engine: &'a Facts,
    /// User and group id inside.
    pub(super) user: u32,
    /// What the profile and the settings mount, and the `bin` directories in them.
    pub(super) mounts: &'a [&'a PathBuf],
    pub(super) bins: &'a [String],
    /// Bytes that each of the private directories may hold.
    pub(super) scratch_bytes: u64,
    /// The filter of system calls, as the engine's option has it.
    pub(super) seccomp: &'a str,
    /// Whose it is, for whoever removes leftovers.
    pub(super) server: &'a str,
}

/// Returns what the engine is asked to create.
pub(super) fn options(layout: &Layout<'_>) -> ContainerCreateBody {
    let text = |text: &str| Some(text.to_owned());
    let user = layout.user;
    let wait = match layout.input {
        Input::Empty => WAIT,
        Input::Talk => WAIT_AND_TALK,
    };
    ContainerCreateBody {
        image: text(&layout.image.name),
        hostname: text("prova"),
        user: Some(format!("{user}:{user}")),
        // What the image says about how it is started is not asked.
        entrypoint: Some(["sh", "-c", wait, "prova"].map(str::to_owned).to_vec()),
        cmd: Some(layout.spec.command.clone()),
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        }),
        env: Some(environment(layout)),
        working_dir: text(INSIDE_CHECKOUT),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        stdin_once: Some(true),
        tty: Some(false),
        labels: Some(HashMap::from([(
            LABEL.to_owned(),
            layout.server.to_owned(),
        )])),
        host_config: Some(HostConfig {
            mounts: Some(mounts(layout)),
            tmpfs: Some(private_places(layout)),
            ..isolation(layout)
        }),
        ..ContainerCreateBody::default()
    }
}

fn isolation(layout: &Layout<'_>) -> HostConfig {
    let text = |text: &str| Some(text.to_owned());
    let limits = &layout.spec.limits;
    let keeps_user = layout.engine.rootless && layout.engine.kind == Kind::Podman;
    HostConfig {
        network_mode: text("none"),
        ipc_mode: text("private"),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        // The server's user is itself inside, so that files keep their owner.
        userns_mode: keeps_user.then(|| "keep-id".to_owned()),
        privileged: Some(false),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec![
            "no-new-privileges".to_owned(),
            format!("seccomp={}", layout.seccomp),
        ]),
        readonly_rootfs: Some(true),
        shm_size: Some(signed(layout.scratch_bytes)),
        memory: Some(signed(limits.memory_bytes)),
        // Memory and swap together: so none is swapped.
        memory_swap: Some(signed(limits.memory_bytes)),
        nano_cpus: limits.milli_cpus.map(|milli| i64::from(milli) * 1_000_000),
        pids_limit: Some(signed(limits.processes)),
        ulimits: Some(ulimits(limits)),
        // Reaps what is orphaned. Without it the command would be the first process, which the
        // kernel spares from its own signals.
        init: Some(true),
        // Output is read as it comes, up to its cap; the engine would keep all of it on disk.
        log_config: Some(HostConfigLogConfig {
            typ: text("none"),
            config: None,
        }),
        // Its state is read after its end; then it is removed.
        auto_remove: Some(false),
        ..HostConfig::default()
    }
}

fn ulimits(limits: &Limits) -> Vec<ResourcesUlimits> {
    let both = |name: &str, limit: i64| ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(limit),
        hard: Some(limit),
    };
    vec![
        both("core", 0),
        both("fsize", signed(limits.file_bytes)),
        both("nofile", OPEN_FILES),
    ]
}

/// Returns what of the host stands inside: the operator's mounts, then what belongs to the job.
fn mounts(layout: &Layout<'_>) -> Vec<Mount> {
    let spec = layout.spec;
    let operator = layout.mounts.iter();
    let operator = operator.map(|path| bind(path, &path.display().to_string(), true));
    let own = [
        (Some(layout.checkout), INSIDE_CHECKOUT, false),
        (spec.input.as_deref(), INSIDE_INPUT, true),
        (spec.output.as_deref(), INSIDE_OUTPUT, false),
        (spec.objects.as_deref(), INSIDE_OBJECTS, true),
        (spec.home.as_deref(), INSIDE_HOME, false),
        (spec.own.as_deref(), INSIDE_PROGRAM, true),
    ];
    let own = own
        .into_iter()
        .filter_map(|(from, at, read_only)| Some(bind(from?, at, read_only)));
    let covers = layout.covers.iter().filter_map(|cover| match cover {
        Cover::File(at) => Some(bind(Path::new("/dev/null"), at, true)),
        Cover::Directory(_) => None,
    });
    operator.chain(own).chain(covers).collect()
}

fn bind(from: &Path, at: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(from.display().to_string()),
        target: Some(at.to_owned()),
        read_only: Some(read_only),
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            // What is mounted below the source stays out: older engines would make only the top
            // of it read-only.
            non_recursive: Some(true),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    }
}

/// Returns the directories in memory, also in the place of the image's volumes, which an engine
/// would otherwise make on the host's disk, without a limit.
fn private_places(layout: &Layout<'_>) -> HashMap<String, String> {
    let (bytes, user) = (layout.scratch_bytes, layout.user);
    let base = format!("rw,exec,nosuid,nodev,size={bytes}");
    let (shared, own) = match layout.engine.kind {
        // Its runtime gives it the mode of the image's own directory, so the user must own it.
        Kind::Docker => {
            let base = format!("{base},uid={user},gid={user}");
            (format!("{base},mode=1777"), format!("{base},mode=0700"))
        }
        // It knows no owner here. Nobody else is inside.
        Kind::Podman => (format!("{base},mode=1777"), format!("{base},mode=1777")),
    };
    let mut places: HashMap<_, _> = layout
        .image
        .volumes
        .iter()
        .map(|volume| (volume.clone(), own.clone()))
        .collect();
    if layout.spec.home.is_none() {
        places.insert(INSIDE_HOME.to_owned(), own);
    }
    places.insert("/tmp".to_owned(), shared);
    for cover in layout.covers {
        if let Cover::Directory(at) = cover {
            places.insert(at.clone(), "ro,nosuid,nodev,size=4096,mode=0555".to_owned());
        }
    }
    places
}

fn environment(layout: &Layout<'_>) -> Vec<String> {
    let system = layout.image.path.as_deref().unwrap_or(SYSTEM_PATH);
    let path = layout.bins.iter().map(String::as_str).chain([system]);
    let path = path.collect::<Vec<_>>().join(":");
    let mut env = BTreeMap::from([
        ("HOME", INSIDE_HOME),
        ("LANG", "C.UTF-8"),
        ("PATH", path.as_str()),
        ("TMPDIR", "/tmp"),
    ]);
    let spec = layout.spec;
    let given = spec.profile.env.iter().chain(&spec.env);
    env.extend(given.map(|(name, value)| (name.as_str(), value.as_str())));
    env.iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Span;
    use crate::ports::sandbox::Profile;
    use crate::ports::tree::Tree;

    fn spec() -> Spec {
        Spec {
            command: vec!["sh".to_owned(), "-c".to_owned(), "make; x".to_owned()],
            env: BTreeMap::from([("PROVA_BRIEF".to_owned(), "/prova/in/brief.md".to_owned())]),
            tree: Tree::Plain("/work/7/checkout".into()),
            hide: Vec::new(),
            input: Some("/work/7/in".into()),
            output: Some("/work/7/out".into()),
            objects: Some("/work/mirrors/x/objects".into()),
            home: None,
            own: Some("/usr/local/bin/prova".into()),
            log: "/work/7/log".into(),
            profile: Profile {
                env: BTreeMap::from([
                    ("CARGO_HOME".to_owned(), "/opt/cargo".to_owned()),
                    (
                        "PROVA_BRIEF".to_owned(),
                        "hidden by the run's own".to_owned(),
                    ),
                ]),
                ..Profile::default()
            },
            limits: Limits {
                wall: Span::minutes(30),
                output_bytes: 1,
                file_bytes: 2_000,
                processes: 30,
                memory_bytes: 4_000,
                milli_cpus: Some(1_500),
                disk_bytes: 5,
            },
        }
    }

    fn made(facts: &Facts, spec: &Spec) -> ContainerCreateBody {
        options(&Layout {
            spec,
            input: Input::Empty,
            checkout: Path::new("/work/7/checkout"),
            covers: &[
                Cover::Directory("/workspace/.x".to_owned()),
                Cover::File("/workspace/x.json".to_owned()),
            ],
            image: &Image {
                name: "rust:1".to_owned(),
                path: Some("/usr/local/cargo/bin:/bin".to_owned()),
                volumes: vec!["/var/lib/data".to_owned()],
            },
            engine: facts,
            user: 65_534,
            mounts: &[&"/opt/agents".into()],
            bins: &["/opt/agents/bin".to_owned()],
            scratch_bytes: 1_024,
            seccomp: "{}",
            server: "1-2-3",
        })
    }

    fn facts(kind: Kind, rootless: bool) -> Facts {
        Facts {
            kind,
            version: "1".to_owned(),
            rootless,
        }
    }

    #[test]
    fn the_container_is_this_and_nothing_else() {
        let made = made(&facts(Kind::Docker, false), &spec());
        let mut made = serde_json::to_value(made).unwrap();
        made.sort_all_objects();
        insta::assert_snapshot!(serde_json::to_string_pretty(&made).unwrap());
    }

    #[test]
    fn an_ordinary_user_of_podman_stays_itself() {
        for (facts, expected) in [
            (facts(Kind::Podman, true), Some("keep-id")),
            (facts(Kind::Podman, false), None),
            (facts(Kind::Docker, false), None),
        ] {
            let host = made(&facts, &spec()).host_config.unwrap();
            assert_eq!(host.userns_mode.as_deref(), expected, "{facts}");
        }
    }

    #[test]
    fn what_a_run_does_not_have_is_not_there() {
        let mut spec = spec();
        (spec.input, spec.output, spec.objects, spec.own) = (None, None, None, None);
        spec.limits.milli_cpus = None;
        let host = made(&facts(Kind::Docker, false), &spec)
            .host_config
            .unwrap();
        let places = host.mounts.unwrap();
        let places: Vec<_> = places.iter().filter_map(|m| m.target.as_deref()).collect();
        assert_eq!(places, ["/opt/agents", "/workspace", "/workspace/x.json"]);
        assert_eq!(host.nano_cpus, None);
    }
}
