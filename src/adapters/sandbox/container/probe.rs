//! What a trivial command must see in a container for it to count as a sandbox.

use std::collections::BTreeMap;
use std::path::Path;

use crate::adapters::sandbox::probing;

/// The namespaces that must be the container's own, as `/proc/self/ns` calls them. An engine that is
/// root shares its user namespace; what runs inside is nobody there.
const NAMESPACES: [&str; 5] = ["ipc", "mnt", "net", "pid", "uts"];

/// Prints what it sees, one fact a line. Its first argument is a file that exists on the host.
pub(super) const SCRIPT: &str = r#"
for name in ipc mnt net pid uts; do
  echo "namespace-$name $(readlink /proc/self/ns/$name)"
done
while IFS=' :' read -r name rest; do
  case $rest in *'|'*) ;; *) echo "interface $name" ;; esac
done < /proc/net/dev
while read -r key value; do
  case $key in NoNewPrivs: | CapEff: | CapBnd: | Seccomp:) echo "$key $value" ;; esac
done < /proc/self/status
echo "uid $(id -u)"
if [ -e "$1" ]; then echo "canary seen"; else echo "canary hidden"; fi
for dir in / /usr /etc; do
  if ( : > $dir/prova-probe ) 2>/dev/null; then echo "writable $dir"; fi
done
if ( : > /workspace/prova-probe ) 2>/dev/null; then echo "checkout writable"; fi
echo "end of probe"
"#;

/// Returns the host's own namespaces.
pub(super) fn host() -> BTreeMap<&'static str, String> {
    let link = |name| std::fs::read_link(Path::new("/proc/self/ns").join(name)).ok();
    let pairs = NAMESPACES.map(|name| Some((name, link(name)?.display().to_string())));
    pairs.into_iter().flatten().collect()
}

/// Checks the script's output against the host's namespaces and the user that is expected inside.
/// Returns what it saw in one line.
///
/// # Errors
/// Says what is not as it must be.
pub(super) fn verify(
    seen: &str,
    host: &BTreeMap<&'static str, String>,
    user: u32,
) -> Result<String, String> {
    let values = |key: &'static str| seen.lines().filter_map(move |line| line.strip_prefix(key));
    probing::ended(seen)?;
    for name in NAMESPACES {
        let line = format!("namespace-{name} ");
        let mut inside = seen.lines().filter_map(|it| it.strip_prefix(&line));
        let inside = inside.next().filter(|id| !id.is_empty());
        let outside = host.get(name).map(String::as_str);
        if inside.is_none() || outside.is_none() || inside == outside {
            return Err(format!("the {name} namespace inside is not its own"));
        }
    }
    if let Some(name) = values("interface ").find(|name| *name != "lo") {
        return Err(format!("the network interface {name} is visible inside"));
    }
    if let Some(dir) = values("writable ").next() {
        return Err(format!("{dir} can be written inside"));
    }
    let uid = format!("uid {user}");
    probing::all_seen(seen, &probing::CONFINED)?;
    let facts = [
        (uid.as_str(), "the user inside is not the sandbox's own"),
        ("canary hidden", "a file of the host is visible inside"),
        (
            "checkout writable",
            "the checkout cannot be written by the user inside",
        ),
    ];
    probing::all_seen(seen, &facts)?;
    Ok(format!(
        "user {user}, own {} namespaces, no network, no capabilities, system calls filtered, host \
         files hidden, system read-only",
        NAMESPACES.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "namespace-ipc ipc:[2]\nnamespace-mnt mnt:[2]\nnamespace-net net:[2]\n\
        namespace-pid pid:[2]\nnamespace-uts uts:[2]\ninterface lo\n\
        CapEff: 0000000000000000\nCapBnd: 0000000000000000\nNoNewPrivs: 1\nSeccomp: 2\nuid 99\n\
        canary hidden\ncheckout writable\nend of probe\n";

    fn ours() -> BTreeMap<&'static str, String> {
        NAMESPACES
            .iter()
            .map(|name| (*name, format!("{name}:[1]")))
            .collect()
    }

    #[test]
    fn a_view_that_is_isolated_passes() {
        let line = verify(GOOD, &ours(), 99).unwrap();
        assert!(line.contains("no network"), "{line}");
        assert!(!line.contains('\n'));
    }

    #[test]
    fn every_fact_counts() {
        for (fact, instead, expected) in [
            ("net:[2]", "net:[1]", "net namespace"),
            ("namespace-pid pid:[2]", "namespace-pid ", "pid namespace"),
            ("interface lo", "interface lo\ninterface eth0", "eth0"),
            ("NoNewPrivs: 1", "NoNewPrivs: 0", "gain privileges"),
            (
                "CapEff: 0000000000000000",
                "CapEff: 0000000000000001",
                "has capabilities",
            ),
            ("CapBnd: 0000000000000000", "", "gain capabilities"),
            ("Seccomp: 2", "Seccomp: 0", "filter"),
            ("uid 99", "uid 0", "user inside"),
            ("canary hidden", "canary seen", "file of the host"),
            ("canary hidden", "canary hidden\nwritable /usr", "/usr"),
            ("checkout writable", "", "checkout"),
            ("end of probe", "", "did not get to its end"),
        ] {
            let error = verify(&GOOD.replace(fact, instead), &ours(), 99).unwrap_err();
            assert!(error.contains(expected), "{fact} -> {error}");
        }
    }
}
