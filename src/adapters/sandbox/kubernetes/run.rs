//! One run: from the Job's making to its removal.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::AsyncReadExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::AttachParams;
use tokio_util::sync::CancellationToken;

use crate::adapters::sandbox::capture::Capture;
use crate::adapters::sandbox::cover::covers;
use crate::adapters::sandbox::fence::Input;
use crate::adapters::sandbox::kubernetes::bundle::{Bounds, Refused};
use crate::adapters::sandbox::kubernetes::cluster::Cluster;
use crate::adapters::sandbox::kubernetes::follow::Follower;
use crate::adapters::sandbox::kubernetes::landing::Landing;
use crate::adapters::sandbox::kubernetes::manifest::{self, GATE, Layout, RUN};
use crate::adapters::sandbox::kubernetes::status::{Sight, gone, look};
use crate::adapters::sandbox::kubernetes::talk::Talking;
use crate::adapters::sandbox::kubernetes::transfer::{self, Place};
use crate::adapters::sandbox::kubernetes::{Kubernetes, START, door};
use crate::adapters::sandbox::spec;
use crate::domain::evidence::Ending;
use crate::ports::door::Door;
use crate::ports::fault::Fault;
use crate::ports::sandbox::{Outcome, Spec, Talk};
use crate::ports::tree::Tree;

/// How long to wait between two tries to read on.
const PAUSE: Duration = Duration::from_millis(300);
/// How long the end of the log may take to come.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a command may take to end that was killed.
const KILL: Duration = Duration::from_secs(10);
/// How long the files of a run may take to come out that somebody stopped.
const HURRIED: Duration = Duration::from_secs(30);
/// How often it is tried.
const TRIES: u32 = 6;
/// How long they may take otherwise.
const MOVING: Duration = Duration::from_mins(10);

/// Ends every process of the command; the shell that waits for them is the first, and is spared.
const KILL_ALL: &str = "kill -9 -1";

impl Kubernetes {
    /// Runs `spec` in a pod of its own, which is gone afterwards, whatever happens.
    pub(super) async fn run_one(
        &self,
        spec: &Spec,
        door: Option<&dyn Door>,
        talk: Option<Talk>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, Fault> {
        let spec = &spec::checked(spec, door)?;
        let places = places(spec)?;
        if !spec.profile.mounts.is_empty() {
            let cause = "a pod sees no directories of this machine: let the profile name an image \
                         that has what is in its `mounts`";
            return Err(Fault::permanent(START, cause));
        }
        let cluster = self.cluster().await?;
        let name = self.name_of(spec);
        let body = manifest::job(&Layout {
            spec,
            input: Input::of(talk.as_ref()),
            covers: &covers(spec)?,
            image: spec.profile.image.as_ref().unwrap_or(&self.image),
            settings: &self.settings,
            user: self.user,
            scratch_bytes: self.scratch_bytes,
            name: &name,
            server: &self.server,
            call: &self.fresh_call(),
        });
        let job = serde_json::from_value(body).map_err(|error| Fault::permanent(START, error))?;
        // First: from here on the Job is removed even when this future is dropped.
        let leash = Leash::new(cluster, &name);
        let ran = match cluster.create(&job).await {
            Ok(()) => {
                self.follow((cluster, &name), (spec, &places, cancel), (door, talk))
                    .await
            }
            Err(fault) => Err(fault),
        };
        // Also after a fault: nothing inside may outlive this call.
        let removed = cluster.remove(&name).await;
        leash.let_go();
        ran.and_then(|outcome| removed.map(|()| outcome))
    }

    async fn follow(
        &self,
        (cluster, name): (&Cluster, &str),
        (spec, places, cancel): (&Spec, &Places, &CancellationToken),
        (door, talk): (Option<&dyn Door>, Option<Talk>),
    ) -> Result<Outcome, Fault> {
        let log = |error: std::io::Error| {
            Fault::io(format!("write the log {}", spec.log.display()), &error)
        };
        let mut capture = Capture::open(&spec.log, spec.limits.output_bytes).map_err(log)?;
        let began = self.clock.now();
        let ready = self.ready((cluster, name), (spec, places), (door, talk));
        let ready = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            ready = ready => Some(ready?),
        };
        let Some(mut ready) = ready else {
            let took = self.clock.now().since(began);
            return Ok(outcome(Ending::Cancelled, took, capture));
        };
        let began = self.clock.now();
        let pod = ready.pod.clone();
        let mut log_of = Follower::new();
        if let Some(talking) = &mut ready.talking {
            capture.stir(talking.stirred.clone());
        }
        transfer::call(cluster, &pod, "go", &[GATE]).await?;
        let end = {
            let mut wall = pin!(tokio::time::sleep(spec.limits.wall.to_std()));
            let mut ended = pin!(end(cluster, name));
            let mut serving = pin!(serve(cluster, &pod, (ready.opened.take(), door)));
            let mut reading = pin!(read(
                cluster,
                &pod,
                (&mut ready.talking, &mut log_of),
                &mut capture
            ));
            let mut open = true;
            loop {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => break Sight::Ended(Ending::Cancelled),
                    ended = &mut ended => break ended?,
                    () = &mut wall => break Sight::Ended(Ending::TimedOut),
                    read = &mut reading, if open => match read {
                        // It may close its output, and go on.
                        Ok(()) => open = false,
                        Err(error) => return Err(log(error)),
                    },
                    never = &mut serving => match never {},
                }
            }
        };
        let took = self.clock.now().since(began);
        let (ending, whole) = match end {
            Sight::Ended(ending) => (ending, true),
            Sight::Over(ending) => (ending, false),
            Sight::Broken(class, cause) => return Err(Fault::new(class, "run the command", cause)),
            Sight::Pending(_) | Sight::Ready => {
                return Err(Fault::transient(START, "it has not begun"));
            }
        };
        let stopped = matches!(ending, Ending::Cancelled | Ending::TimedOut) && whole;
        let whole = whole && (!stopped || kill(cluster, (&pod, name)).await);
        self.rest(
            cluster,
            &pod,
            (&mut ready.talking, &mut log_of),
            &mut capture,
        )
        .await
        .map_err(log)?;
        let ending = if whole {
            let patience = if stopped { HURRIED } else { MOVING };
            self.land(cluster, &pod, (spec, places), (ending, patience))
                .await?
        } else {
            ending
        };
        Ok(outcome(ending, took, capture))
    }

    /// Waits until the pod is there, and has everything that the command needs.
    async fn ready(
        &self,
        (cluster, name): (&Cluster, &str),
        (spec, places): (&Spec, &Places),
        (door, talk): (Option<&dyn Door>, Option<Talk>),
    ) -> Result<Ready, Fault> {
        let waits = std::sync::Mutex::new(None);
        let judge = |pod: Option<&Pod>| {
            let pod = pod?;
            match look(pod) {
                Sight::Pending(why) => {
                    *waits
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner) = why;
                    None
                }
                Sight::Ready => Some(Ok(pod.name_any())),
                Sight::Broken(class, cause) => Some(Err(Fault::new(class, START, cause))),
                Sight::Ended(ending) | Sight::Over(ending) => {
                    let cause = format!("the pod ended before the command began: {ending}");
                    Some(Err(Fault::transient(START, cause)))
                }
            }
        };
        let start = self.settings.start;
        let found = tokio::time::timeout(start.to_std(), cluster.watch(name, &judge)).await;
        let pod = match found {
            Ok(found) => found??,
            Err(_late) => {
                let why = waits
                    .into_inner()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                let why = why.unwrap_or_else(|| "no node has started it".to_owned());
                let cause = format!("its pod did not start within {start}: {why}");
                return Err(Fault::transient(START, cause));
            }
        };
        let bringing = transfer::bring_in(cluster, &pod, (&places.into, &spec.hide));
        let brought = tokio::time::timeout(MOVING, bringing).await;
        brought.map_err(|late| Fault::transient("bring the checkout into the pod", late))??;
        let opened = match door {
            Some(_) => Some(door::open(cluster, &pod).await?),
            None => None,
        };
        let talking = match talk {
            Some(talk) => {
                let streams = AttachParams::default()
                    .container(RUN)
                    .stdin(talk.input.is_some());
                Some(Talking::new(cluster.attach(&pod, &streams).await?, talk))
            }
            None => None,
        };
        Ok(Ready {
            pod,
            opened,
            talking,
        })
    }

    /// Reads what was printed and has not come yet.
    async fn rest(
        &self,
        cluster: &Cluster,
        pod: &str,
        (talking, log_of): (&mut Option<Talking>, &mut Follower),
        capture: &mut Capture,
    ) -> std::io::Result<()> {
        let rest = async {
            if let Some(talking) = talking {
                return talking.read(capture).await;
            }
            while !once(cluster, pod, (log_of, false), capture).await? {
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        };
        tokio::time::timeout(DRAIN, rest).await.unwrap_or(Ok(()))
    }

    /// Brings out what was changed. Returns how the run ended after all: with more than it may write
    /// nothing is taken.
    async fn land(
        &self,
        cluster: &Cluster,
        pod: &str,
        (spec, places): (&Spec, &Places),
        (ending, patience): (Ending, Duration),
    ) -> Result<Ending, Fault> {
        let doing = "bring out what was changed";
        let bounds = Bounds {
            bytes: spec.limits.disk_bytes,
        };
        let mut tries = 1;
        let (landing, came) = loop {
            let landing = Landing::beside(&places.out).map_err(|error| Fault::io(doing, &error))?;
            let coming = transfer::bring_out(cluster, pod, (landing.fresh(), &spec.hide, bounds));
            match tokio::time::timeout(patience, coming).await {
                // The cluster may be away for a moment.
                Ok(Err(Refused::Io(_))) if tries < TRIES => tries += 1,
                Ok(came) => break (landing, came),
                Err(_late) => {
                    let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
                    break (landing, Err(Refused::Io(late)));
                }
            }
            tokio::time::sleep(PAUSE).await;
        };
        match came {
            Ok(()) => {
                landing
                    .settle(&spec.hide)
                    .map_err(|error| Fault::io(doing, &error))?;
                Ok(ending)
            }
            Err(Refused::TooLarge(_)) => Ok(Ending::DiskFull),
            Err(refused) if matches!(ending, Ending::Cancelled | Ending::TimedOut) => {
                tracing::warn!(%refused, "what a stopped run had changed did not come out");
                Ok(ending)
            }
            Err(refused @ Refused::Hostile(_)) => Err(Fault::permanent(doing, refused)),
            Err(refused @ Refused::Io(_)) => Err(Fault::transient(doing, refused)),
        }
    }
}

/// What is there when the command may begin.
struct Ready {
    pod: String,
    opened: Option<door::Opened>,
    talking: Option<Talking>,
}

fn outcome(ending: Ending, took: crate::domain::time::Span, capture: Capture) -> Outcome {
    let captured = capture.finish();
    Outcome {
        ending,
        took,
        tail: captured.tail,
        output_bytes: captured.total,
        log_digest: captured.digest,
    }
}

/// Waits for the end of the command.
async fn end(cluster: &Cluster, name: &str) -> Result<Sight, Fault> {
    let judge = |pod: Option<&Pod>| match pod.map(look) {
        None => Some(None),
        Some(Sight::Pending(_) | Sight::Ready) => None,
        Some(sight @ (Sight::Ended(_) | Sight::Over(_) | Sight::Broken(_, _))) => Some(Some(sight)),
    };
    match cluster.watch(name, &judge).await? {
        Some(sight) => Ok(sight),
        None => Ok(gone(cluster.job(name).await?.as_ref())),
    }
}

/// Serves the door for as long as there is one. A stream that broke off is opened anew.
async fn serve(
    cluster: &Cluster,
    pod: &str,
    (mut opened, door): (Option<door::Opened>, Option<&dyn Door>),
) -> Infallible {
    let Some(door) = door else {
        return std::future::pending().await;
    };
    loop {
        if let Some(mut open) = opened.take() {
            let broken = open.serve(door).await;
            tracing::debug!(?broken, "the stream of a door broke off");
        }
        tokio::time::sleep(PAUSE).await;
        // The one before may still be there for a moment, or the cluster away.
        opened = door::open(cluster, pod).await.ok();
    }
}

/// Reads what is printed, again and again until somebody knows that it has ended.
async fn read(
    cluster: &Cluster,
    pod: &str,
    (talking, log_of): (&mut Option<Talking>, &mut Follower),
    capture: &mut Capture,
) -> std::io::Result<()> {
    if let Some(talking) = talking {
        return talking.read(capture).await;
    }
    loop {
        once(cluster, pod, (log_of, true), capture).await?;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads one stream of the log to where it ends or breaks off. Returns whether it ended.
async fn once(
    cluster: &Cluster,
    pod: &str,
    (log_of, follow): (&mut Follower, bool),
    capture: &mut Capture,
) -> std::io::Result<bool> {
    let params = log_of.begin(RUN, follow);
    let stream = match cluster.pods().log_stream(pod, &params).await {
        Ok(stream) => stream,
        // There is no pod, and no log any more.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(true),
        Err(_) => return Ok(false),
    };
    let mut stream = pin!(stream);
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut chunk).await {
            Ok(0) => return Ok(true),
            Ok(read) => {
                // Nothing is awaited between reading and taking.
                let bytes = chunk.get(..read).unwrap_or_default();
                log_of.feed(bytes, &mut |new| capture.take(new))?;
            }
            Err(_) => return Ok(false),
        }
    }
}

/// Ends the command from inside. Returns whether it has: its files can be read then.
async fn kill(cluster: &Cluster, (pod, name): (&str, &str)) -> bool {
    let killing = async {
        let command = ["sh", "-c", KILL_ALL].map(str::to_owned);
        let params = AttachParams::default().container(RUN).stderr(false);
        // It kills itself as well, so how it ends says nothing.
        let _killed = cluster.exec(pod, &command, &params).await?;
        end(cluster, name).await
    };
    match tokio::time::timeout(KILL, killing).await {
        Ok(Ok(sight)) => matches!(sight, Sight::Ended(_)),
        Ok(Err(_)) | Err(_) => false,
    }
}

/// The job's directories: what goes in, and what of it comes out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Places {
    into: Vec<Place>,
    out: Vec<Place>,
}

fn places(spec: &Spec) -> Result<Places, Fault> {
    let checkout = match &spec.tree {
        Tree::Plain(dir) => dir,
        Tree::Layered(_) => return Err(Fault::permanent(START, "a pod cannot mount layers")),
    };
    let place = |volume: &'static str, dir: Option<&Path>| {
        dir.map(|dir| Place {
            volume,
            dir: PathBuf::from(dir),
        })
    };
    let out: Vec<_> = [
        place("checkout", Some(checkout)),
        place("output", spec.output.as_deref()),
        place("home", spec.home.as_deref()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let more = [
        place("input", spec.input.as_deref()),
        place("objects", spec.objects.as_deref()),
    ];
    let into = out
        .iter()
        .cloned()
        .chain(more.into_iter().flatten())
        .collect();
    Ok(Places { into, out })
}

/// Removes a Job whose run was dropped.
struct Leash(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Leash {
    fn new(cluster: &Cluster, name: &str) -> Self {
        let (cluster, name) = (cluster.clone(), name.to_owned());
        Self(Some(Box::pin(async move {
            if let Err(fault) = cluster.remove(&name).await {
                tracing::warn!(%fault, job = name, "a Job was not removed; the cluster ends it at its deadline");
            }
        })))
    }

    fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if let (Some(removal), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(removal);
        }
    }
}
