//! What a trivial command must see inside for the sandbox to count as one.

use std::collections::BTreeMap;

use crate::adapters::sandbox::probing;

/// The namespaces that must be the sandbox's own, as `/proc/self/ns` calls them.
pub(super) const NAMESPACES: [&str; 6] = ["ipc", "mnt", "net", "pid", "user", "uts"];

/// Prints what it sees, one fact a line. Its first argument is a file that exists on the host.
pub(super) const SCRIPT: &str = r#"
for name in ipc mnt net pid user uts; do
  echo "namespace-$name $(readlink /proc/self/ns/$name)"
done
while IFS=' :' read -r name rest; do
  case $rest in *'|'*) ;; *) echo "interface $name" ;; esac
done < /proc/net/dev
while read -r key value; do
  case $key in NoNewPrivs: | Seccomp: | CapEff: | CapBnd:) echo "$key $value" ;; esac
done < /proc/self/status
echo "uid $(id -u)"
if [ -e "$1" ]; then echo "canary seen"; else echo "canary hidden"; fi
if ( : > /usr/prova-probe ) 2>/dev/null; then echo "system writable"; else echo "system read-only"; fi
echo "end of probe"
"#;

/// Checks the script's output against the host's namespaces. Returns what it saw in one line.
///
/// # Errors
/// Says what is not as it must be.
pub(super) fn verify(seen: &str, host: &BTreeMap<&'static str, String>) -> Result<String, String> {
    let value = |key: &str| {
        let mut lines = seen.lines();
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
    };
    probing::ended(seen)?;
    for name in NAMESPACES {
        let inside = value(&format!("namespace-{name}")).filter(|id| !id.is_empty());
        let outside = host.get(name).map(String::as_str);
        if inside.is_none() || outside.is_none() || inside == outside {
            return Err(format!("the {name} namespace inside is not its own"));
        }
    }
    let interfaces = seen
        .lines()
        .filter_map(|line| line.strip_prefix("interface "));
    if let Some(name) = interfaces.into_iter().find(|name| *name != "lo") {
        return Err(format!("the network interface {name} is visible inside"));
    }
    let facts = [
        ("NoNewPrivs: 1", "programs inside can gain privileges"),
        ("Seccomp: 2", "no filter of system calls is in force inside"),
        (
            "CapEff: 0000000000000000",
            "the command inside has capabilities",
        ),
        (
            "CapBnd: 0000000000000000",
            "the command inside can gain capabilities",
        ),
        ("uid 1000", "the user inside is not the sandbox's own"),
        ("canary hidden", "a file of the host is visible inside"),
        ("system read-only", "the host's /usr can be written inside"),
    ];
    probing::all_seen(seen, &facts)?;
    Ok(format!(
        "own {} namespaces, no network, no capabilities, system calls filtered, host files hidden, \
         system read-only",
        NAMESPACES.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "namespace-ipc ipc:[2]\nnamespace-mnt mnt:[2]\nnamespace-net net:[2]\n\
        namespace-pid pid:[2]\nnamespace-user user:[2]\nnamespace-uts uts:[2]\ninterface lo\n\
        CapEff: 0000000000000000\nCapBnd: 0000000000000000\nNoNewPrivs: 1\nSeccomp: 2\nuid 1000\n\
        canary hidden\nsystem read-only\nend of probe\n";

    fn host() -> BTreeMap<&'static str, String> {
        NAMESPACES
            .iter()
            .map(|name| (*name, format!("{name}:[1]")))
            .collect()
    }

    #[test]
    fn a_view_that_is_isolated_passes() {
        let line = verify(GOOD, &host()).unwrap();
        assert!(line.contains("no network"), "{line}");
        assert!(!line.contains('\n'));
    }

    #[test]
    fn every_fact_counts() {
        for (fact, instead, expected) in [
            (
                "namespace-net net:[2]",
                "namespace-net net:[1]",
                "net namespace",
            ),
            ("namespace-pid pid:[2]", "namespace-pid ", "pid namespace"),
            ("interface lo", "interface lo\ninterface eth0", "eth0"),
            ("NoNewPrivs: 1", "NoNewPrivs: 0", "gain privileges"),
            ("Seccomp: 2", "Seccomp: 0", "filter"),
            (
                "CapEff: 0000000000000000",
                "CapEff: 0000000000000001",
                "has capabilities",
            ),
            ("CapBnd: 0000000000000000", "", "gain capabilities"),
            ("uid 1000", "uid 0", "user inside"),
            ("canary hidden", "canary seen", "file of the host"),
            ("system read-only", "system writable", "/usr"),
            ("end of probe", "", "did not get to its end"),
        ] {
            let error = verify(&GOOD.replace(fact, instead), &host()).unwrap_err();
            assert!(error.contains(expected), "{fact} -> {error}");
        }
    }
}
