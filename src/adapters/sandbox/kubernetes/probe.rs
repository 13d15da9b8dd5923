//! What is looked at before a cluster counts as a sandbox.

use std::io;
use std::path::Path;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use tokio_util::sync::CancellationToken;

use crate::adapters::sandbox::kubernetes::cluster::Cluster;
use crate::adapters::sandbox::kubernetes::status::{Sight, look};
use crate::adapters::sandbox::kubernetes::{Kubernetes, NAME, transfer};
use crate::adapters::sandbox::probing;
use crate::domain::time::Span;
use crate::ports::fault::Fault;
use crate::ports::sandbox::{Sandbox as _, Unusable};

/// Tries to reach the one address that every container of every cluster is told.
const REACH: &str = "exec /usr/local/bin/prova sandbox-pod reach \
    \"$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT\"";
/// What tells the command that this was done: a pipe, which never comes out.
const LOOKED: &str = "/prova/keep/checkout/looked";

/// Prints what it sees, one fact a line.
const SCRIPT: &str = r#"
while read -r key value; do
  case $key in NoNewPrivs: | CapEff: | CapBnd: | Seccomp:) echo "$key $value" ;; esac
done < /proc/self/status
echo "uid $(id -u)"
for dir in / /usr /etc; do
  if ( : > $dir/prova-probe ) 2>/dev/null; then echo "writable $dir"; fi
done
if [ -e /var/run/secrets/kubernetes.io ]; then echo "account visible"; fi
if ( : > /workspace/prova-probe ) 2>/dev/null; then echo "checkout writable"; fi
until [ -p /workspace/looked ]; do sleep 1; done
echo "end of probe"
"#;

/// What was seen of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Network {
    Closed,
    Open,
    /// It could not be tried.
    Unseen,
}

impl Kubernetes {
    /// Asks the cluster what is allowed, removes what was left, and looks from inside a pod.
    pub(super) async fn look(&self) -> Result<String, Unusable> {
        let unusable = |reason: String, remedy: &str| Unusable {
            backend: NAME,
            reason,
            remedy: remedy.to_owned(),
        };
        let failed = |fault: Fault| {
            unusable(
                fault.to_string(),
                "Compare the cluster with deploy/kubernetes",
            )
        };
        let cluster = self.cluster().await.map_err(failed)?;
        let version = cluster.version().await.map_err(failed)?;
        let forbidden = cluster.forbidden().await.map_err(failed)?;
        if !forbidden.is_empty() {
            let reason = format!(
                "the server may not {} in the namespace {}",
                forbidden.join(", "),
                self.settings.namespace
            );
            return Err(unusable(
                reason,
                "Give its account the role in deploy/kubernetes",
            ));
        }
        if !cluster.has_policy().await.map_err(failed)? {
            let reason = format!(
                "no network policy is in the namespace {}",
                self.settings.namespace
            );
            return Err(unusable(reason, "Apply deploy/kubernetes/network.yaml"));
        }
        // Before anything new is made, and by whoever looks first: a server that starts.
        self.reclaim(cluster).await.map_err(failed)?;
        let dir = tempfile::tempdir()
            .map_err(|error| failed(Fault::io("make a directory for the probe", &error)))?;
        let seen = self
            .look_inside(dir.path(), cluster)
            .await
            .map_err(failed)?;
        let saw = verify(&seen.0, self.user).map_err(|reason| {
            unusable(
                reason,
                "The cluster runs pods and does not confine them as asked: see what changes them",
            )
        })?;
        let network = match seen.1 {
            Network::Closed => "no way to the cluster's own address",
            Network::Unseen => "whether the network policy is enforced could not be seen",
            Network::Open => {
                let reason =
                    "a pod reaches the cluster's own address: nothing enforces the network policy";
                let remedy = "Use a network plugin that does, such as Calico or Cilium";
                return Err(unusable(reason.to_owned(), remedy));
            }
        };
        let namespace = &self.settings.namespace;
        Ok(format!(
            "Kubernetes {version}, namespace {namespace}, image {}: {saw}, {network}",
            self.image
        ))
    }

    /// Runs the probe in directories below `dir`.
    async fn look_inside(&self, dir: &Path, cluster: &Cluster) -> Result<(String, Network), Fault> {
        std::fs::create_dir(dir.join("checkout"))
            .map_err(|error: io::Error| Fault::io("prepare the probe", &error))?;
        let spec = probing::spec(dir, &["sh", "-c", SCRIPT], Span::minutes(2));
        let name = self.name_of(&spec);
        let never = CancellationToken::new();
        let (run, beside) = (self.run(&spec, None, &never), self.reaches(cluster, &name));
        let (mut run, mut beside) = (std::pin::pin!(run), std::pin::pin!(beside));
        let (outcome, network) = tokio::select! {
            outcome = &mut run => (outcome?, Network::Unseen),
            network = &mut beside => (run.await?, network?),
        };
        Ok((String::from_utf8_lossy(&outcome.tail).into_owned(), network))
    }

    /// Tries from the keeper, which has the network of the command.
    async fn reaches(&self, cluster: &Cluster, name: &str) -> Result<Network, Fault> {
        let judge = |pod: Option<&Pod>| {
            let pod = pod?;
            (look(pod) == Sight::Ready).then(|| pod.name_any())
        };
        let patience = self.settings.start.to_std();
        let pod = tokio::time::timeout(patience, cluster.watch(name, &judge)).await;
        let pod = pod.map_err(|late| Fault::transient("look at the network", late))??;
        let command = ["sh", "-c", REACH].map(str::to_owned);
        let tried = transfer::run(cluster, &pod, &command).await;
        transfer::call(cluster, &pod, "prepare", &[LOOKED]).await?;
        Ok(match tried {
            Ok(()) => Network::Closed,
            Err(fault) if fault.cause.contains("reached") => Network::Open,
            Err(_) => Network::Unseen,
        })
    }
}

/// Checks the script's output. Returns what it saw in one line.
fn verify(seen: &str, user: u32) -> Result<String, String> {
    probing::ended(seen)?;
    if let Some(dir) = seen.lines().find_map(|line| line.strip_prefix("writable ")) {
        return Err(format!("{dir} can be written inside"));
    }
    if probing::says(seen, "account visible") {
        return Err("the token of a service account is visible inside".to_owned());
    }
    let uid = format!("uid {user}");
    probing::all_seen(seen, &probing::CONFINED)?;
    let facts = [
        (uid.as_str(), "the user inside is not the sandbox's own"),
        (
            "checkout writable",
            "the checkout cannot be written by the user inside",
        ),
    ];
    probing::all_seen(seen, &facts)?;
    Ok(format!(
        "user {user}, no capabilities, system calls filtered, system read-only"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "CapEff: 0000000000000000\nCapBnd: 0000000000000000\nNoNewPrivs: 1\n\
        Seccomp: 2\nuid 99\ncheckout writable\nend of probe\n";

    #[test]
    fn every_fact_counts() {
        verify(GOOD, 99).unwrap();
        for (fact, instead, expected) in [
            ("NoNewPrivs: 1", "NoNewPrivs: 0", "gain privileges"),
            (
                "CapEff: 0000000000000000",
                "CapEff: 0000000000000001",
                "has capabilities",
            ),
            ("CapBnd: 0000000000000000", "", "can gain capabilities"),
            ("Seccomp: 2", "Seccomp: 0", "filter"),
            ("uid 99", "uid 0", "user inside"),
            ("checkout writable", "", "checkout"),
            (
                "checkout writable",
                "checkout writable\nwritable /usr",
                "/usr",
            ),
            (
                "checkout writable",
                "checkout writable\naccount visible",
                "token",
            ),
            ("end of probe", "", "did not get to its end"),
        ] {
            let error = verify(&GOOD.replace(fact, instead), 99).unwrap_err();
            assert!(error.contains(expected), "{fact} -> {error}");
        }
    }
}
