//! The cluster: the few calls that are made to it, and what their failures mean.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{
    Api, AttachParams, AttachedProcess, DeleteParams, ListParams, PostParams, WatchEvent,
    WatchParams,
};
use kube::client::UpgradeConnectionError;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, Error, ResourceExt as _};

use crate::adapters::sandbox::kubernetes::START;
use crate::adapters::sandbox::kubernetes::manifest::{CALL, SERVER};
use crate::ports::fault::{Class, Fault};

/// What is asked of a cluster: group, resource and verb. `deploy/kubernetes` grants this.
pub const NEEDS: [(&str, &str, &str); 13] = [
    ("batch", "jobs", "create"),
    ("batch", "jobs", "get"),
    ("batch", "jobs", "list"),
    ("batch", "jobs", "delete"),
    ("", "pods", "list"),
    ("", "pods", "watch"),
    ("", "pods/log", "get"),
    // Older servers ask for the first of the two where newer ones ask for the second.
    ("", "pods/exec", "get"),
    ("", "pods/exec", "create"),
    ("", "pods/attach", "get"),
    ("", "pods/attach", "create"),
    ("", "events", "list"),
    ("networking.k8s.io", "networkpolicies", "list"),
];

/// How long one call may take.
const CALL_TIME: Duration = Duration::from_secs(30);
/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(250);
/// How often in a row the cluster may fail before a run is given up: with the pauses, a minute at
/// least, in which a server of it can restart.
const MOST_FAILURES: u32 = 240;
/// Seconds that one watch lasts. The pods are listed again after it.
const WATCH_SECONDS: u32 = 60;
/// How often is looked whether a removed Job is gone, and how long that may take in all.
const MOST_LOOKS: u32 = 240;
const REMOVAL: Duration = Duration::from_secs(90);

/// A cluster that can be asked.
#[derive(Clone)]
pub(super) struct Cluster {
    client: Client,
    namespace: String,
    jobs: Api<Job>,
    pods: Api<Pod>,
}

impl Cluster {
    /// Finds the cluster: the one of `kubeconfig`, else the one that this server runs in, or the
    /// user's own.
    pub(super) async fn meet(kubeconfig: Option<&Path>, namespace: &str) -> Result<Self, Fault> {
        let doing = "find the cluster";
        let permanent = |cause: String| {
            let remedy = "Name a file in `[sandbox.kubernetes] kubeconfig`, or run the server in the cluster";
            Fault::permanent(doing, format!("{cause}. {remedy}"))
        };
        let config = match kubeconfig {
            Some(path) => {
                let read =
                    Kubeconfig::read_from(path).map_err(|error| permanent(error.to_string()))?;
                Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
                    .await
                    .map_err(|error| permanent(error.to_string()))?
            }
            None => Config::infer()
                .await
                .map_err(|error| permanent(error.to_string()))?,
        };
        let client = Client::try_from(config).map_err(|error| fault(doing, &error))?;
        Ok(Self {
            jobs: Api::namespaced(client.clone(), namespace),
            pods: Api::namespaced(client.clone(), namespace),
            namespace: namespace.to_owned(),
            client,
        })
    }

    /// Returns what the cluster says it is.
    pub(super) async fn version(&self) -> Result<String, Fault> {
        let doing = "ask the cluster what it is";
        let version = timed(doing, self.client.apiserver_version()).await?;
        Ok(version.git_version)
    }

    /// Returns what of [`NEEDS`] is not allowed.
    pub(super) async fn forbidden(&self) -> Result<Vec<String>, Fault> {
        let doing = "ask the cluster what is allowed";
        let reviews: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let mut missing = Vec::new();
        for (group, resource, verb) in NEEDS {
            let (name, part) = resource.split_once('/').unwrap_or((resource, ""));
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(ResourceAttributes {
                        group: Some(group.to_owned()),
                        resource: Some(name.to_owned()),
                        subresource: (!part.is_empty()).then(|| part.to_owned()),
                        verb: Some(verb.to_owned()),
                        namespace: Some(self.namespace.clone()),
                        ..ResourceAttributes::default()
                    }),
                    ..SelfSubjectAccessReviewSpec::default()
                },
                ..SelfSubjectAccessReview::default()
            };
            let params = PostParams::default();
            let answer = timed(doing, reviews.create(&params, &review)).await?;
            if !answer.status.is_some_and(|status| status.allowed) {
                missing.push(format!("{verb} {resource}"));
            }
        }
        Ok(missing)
    }

    /// Returns whether a network policy is there at all.
    pub(super) async fn has_policy(&self) -> Result<bool, Fault> {
        let policies: Api<NetworkPolicy> = Api::namespaced(self.client.clone(), &self.namespace);
        let all = timed(
            "look for a network policy",
            policies.list(&ListParams::default()),
        )
        .await?;
        Ok(!all.items.is_empty())
    }

    /// Makes a Job. One of the same name is ours when it is of the same call: the answer to the first
    /// request was lost, and the cluster had done it. Any other is left from a run that nobody
    /// follows any more, and is replaced.
    pub(super) async fn create(&self, job: &Job) -> Result<(), Fault> {
        let name = job.name_any();
        let mut failures = 0;
        loop {
            let made =
                tokio::time::timeout(CALL_TIME, self.jobs.create(&PostParams::default(), job))
                    .await;
            let error = match made {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => fault(START, &error),
                Err(late) => Fault::transient(START, late),
            };
            match error.class {
                Class::Conflict => {
                    let there = self.job(&name).await?;
                    let same = there.as_ref().is_some_and(|there| {
                        there.labels().get(CALL) == job.labels().get(CALL)
                            && there.metadata.deletion_timestamp.is_none()
                    });
                    if same {
                        return Ok(());
                    }
                    self.remove(&name).await?;
                }
                // Quotas and bad gateways pass, too; but who asked decides when to ask again.
                Class::Transient if failures < 3 && !error.cause.contains("quota") => {}
                Class::Transient
                | Class::RateLimited(_)
                | Class::AuthLost
                | Class::NotFound
                | Class::Permanent => return Err(error),
            }
            failures += 1;
            if failures > MOST_FAILURES {
                return Err(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns a Job, if it is there.
    pub(super) async fn job(&self, name: &str) -> Result<Option<Job>, Fault> {
        timed("look at the Job", self.jobs.get_opt(name)).await
    }

    /// Removes a Job with its pod, and returns once both are gone.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Fault> {
        let removed = tokio::time::timeout(REMOVAL, self.remove_and_see(name)).await;
        removed.map_err(|late| Fault::transient("remove the Job", late))?
    }

    async fn remove_and_see(&self, name: &str) -> Result<(), Fault> {
        let doing = "remove the Job";
        let mut asked = false;
        let mut last = Fault::transient(doing, "it is still there");
        for _ in 0..MOST_LOOKS {
            if !asked {
                match timed(doing, self.jobs.delete(name, &DeleteParams::foreground())).await {
                    Ok(_) => asked = true,
                    Err(fault) if fault.class == Class::NotFound => return Ok(()),
                    Err(fault) if fault.class != Class::Transient => return Err(fault),
                    Err(fault) => last = fault,
                }
            }
            if asked {
                match self.job(name).await {
                    Ok(None) => return Ok(()),
                    Ok(Some(_)) => {}
                    Err(fault) => last = fault,
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(last)
    }

    /// Returns the Jobs that some server made, with its word.
    pub(super) async fn made_by_servers(&self) -> Result<Vec<(String, String)>, Fault> {
        let params = ListParams::default().labels(SERVER);
        let all = timed("look for Jobs that were left", self.jobs.list(&params)).await?;
        let pairs = all.items.into_iter().filter_map(|job| {
            let word = job.labels().get(SERVER)?.clone();
            Some((job.name_any(), word))
        });
        Ok(pairs.collect())
    }

    /// Looks at the pod of a Job, at once and after each change, until `judge` says something. It
    /// gets nothing while there is none.
    pub(super) async fn watch<T>(
        &self,
        job: &str,
        judge: &(dyn Fn(Option<&Pod>) -> Option<T> + Sync),
    ) -> Result<T, Fault> {
        let label = format!("batch.kubernetes.io/job-name={job}");
        let mut failures = 0;
        loop {
            let params = ListParams::default().labels(&label);
            match timed("look at the pod", self.pods.list(&params)).await {
                Ok(pods) => {
                    failures = 0;
                    let pod = pods.items.first();
                    if let Some(said) = judge(pod) {
                        return Ok(said);
                    }
                    match (pod, pods.metadata.resource_version) {
                        (Some(_), Some(version)) => {
                            if let Some(said) = self.changes(&label, &version, judge).await {
                                return Ok(said);
                            }
                        }
                        (Some(_), None) => {}
                        (None, _) => self.complaint(job).await?,
                    }
                }
                Err(fault) if fault.class != Class::Transient => return Err(fault),
                Err(fault) => {
                    failures += 1;
                    if failures > MOST_FAILURES {
                        return Err(fault);
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Follows changes until `judge` says something, or they break off.
    async fn changes<T>(
        &self,
        label: &str,
        version: &str,
        judge: &(dyn Fn(Option<&Pod>) -> Option<T> + Sync),
    ) -> Option<T> {
        let params = WatchParams::default().labels(label).timeout(WATCH_SECONDS);
        let mut changes = Box::pin(self.pods.watch(&params, version).await.ok()?);
        while let Some(Ok(change)) = changes.next().await {
            let said = match change {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) => judge(Some(&pod)),
                WatchEvent::Deleted(_) => judge(None),
                WatchEvent::Bookmark(_) => None,
                WatchEvent::Error(_) => return None,
            };
            if said.is_some() {
                return said;
            }
        }
        None
    }

    /// Fails when the cluster says that it makes no pod of a Job: a quota, most likely.
    async fn complaint(&self, job: &str) -> Result<(), Fault> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = ListParams::default().fields(&format!("involvedObject.name={job}"));
        let Ok(events) = timed("look why there is no pod", events.list(&params)).await else {
            return Ok(());
        };
        let complaint = events
            .items
            .iter()
            .find(|event| event.reason.as_deref() == Some("FailedCreate"));
        match complaint.and_then(|event| event.message.clone()) {
            None => Ok(()),
            Some(message) => {
                let class = if message.contains("quota") {
                    Class::Transient
                } else {
                    Class::Permanent
                };
                let cause = format!(
                    "the cluster makes no pod: {message}. {}",
                    remedy(403, &message)
                );
                Err(Fault::new(class, START, cause))
            }
        }
    }

    /// Starts a program in a container of the pod.
    pub(super) async fn exec(
        &self,
        pod: &str,
        command: &[String],
        params: &AttachParams,
    ) -> Result<AttachedProcess, Fault> {
        timed(
            "start a program in the pod",
            self.pods.exec(pod, command, params),
        )
        .await
    }

    /// Connects to the streams of a container.
    pub(super) async fn attach(
        &self,
        pod: &str,
        params: &AttachParams,
    ) -> Result<AttachedProcess, Fault> {
        timed("talk with the command", self.pods.attach(pod, params)).await
    }

    pub(super) fn pods(&self) -> &Api<Pod> {
        &self.pods
    }
}

async fn timed<T>(doing: &str, call: impl Future<Output = Result<T, Error>>) -> Result<T, Fault> {
    match tokio::time::timeout(CALL_TIME, call).await {
        Ok(answer) => answer.map_err(|error| fault(doing, &error)),
        Err(late) => Err(Fault::transient(doing, late)),
    }
}

/// Reads a failed call.
fn fault(doing: &str, error: &Error) -> Fault {
    if let Error::Api(status) = error {
        let cause = format!(
            "{}. {}",
            status.message,
            remedy(status.code, &status.message)
        );
        return Fault::new(class(status.code, &status.message), doing, cause);
    }
    if let Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) = error {
        let cause = format!(
            "the cluster answers {status}. {}",
            remedy(status.as_u16(), "")
        );
        return Fault::new(class(status.as_u16(), ""), doing, cause);
    }
    let mut cause = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(deeper) = source {
        cause = deeper.to_string();
        source = deeper.source();
    }
    let remedy = "See that `kubectl version` works from where the server runs";
    Fault::transient(
        doing,
        format!("the cluster does not answer: {cause}. {remedy}"),
    )
}

fn class(code: u16, message: &str) -> Class {
    match code {
        401 => Class::AuthLost,
        403 if message.contains("quota") => Class::Transient,
        404 => Class::NotFound,
        409 => Class::Conflict,
        408 | 429 | 500.. => Class::Transient,
        _ => Class::Permanent,
    }
}

fn remedy(code: u16, message: &str) -> &'static str {
    match code {
        401 => "Give the server credentials of the cluster that still hold",
        403 if message.contains("quota") => {
            "Raise the namespace's quota, or let fewer jobs run at once (`[work] jobs`)"
        }
        403 if message.contains("PodSecurity") => "Label the namespace as in deploy/kubernetes",
        403 => "Give the server's account the role in deploy/kubernetes",
        404 => {
            "Make the namespace as in deploy/kubernetes, or name another in `[sandbox.kubernetes] namespace`"
        }
        _ => "See what `kubectl get events` says in the namespace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_its_class_and_its_remedy() {
        let quota = "jobs.batch is forbidden: exceeded quota: few, requested: count/jobs.batch=1";
        for (code, message, expected, told) in [
            (401, "Unauthorized", Class::AuthLost, "credentials"),
            (
                403,
                "jobs.batch is forbidden: User x",
                Class::Permanent,
                "the role",
            ),
            (403, quota, Class::Transient, "quota"),
            (
                403,
                "violates PodSecurity \"restricted:latest\"",
                Class::Permanent,
                "Label",
            ),
            (
                404,
                "namespaces \"x\" not found",
                Class::NotFound,
                "namespace",
            ),
            (409, "already exists", Class::Conflict, ""),
            (422, "invalid", Class::Permanent, ""),
            (429, "slow down", Class::Transient, ""),
            (503, "starting", Class::Transient, "events"),
        ] {
            assert_eq!(class(code, message), expected, "{code}");
            assert!(remedy(code, message).contains(told), "{code}");
        }
    }
}
