//! From how bubblewrap failed to what the operator can do about it.

use std::path::Path;

use crate::ports::fault::Class;

/// What of the host usually keeps user namespaces from working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Their number is limited to none.
    NoneAllowed,
    /// They are for root alone: a setting of Debian's kernels up to 10.
    RootOnly,
    /// `AppArmor` keeps them from programs without a profile: Ubuntu 23.10 and later.
    AppArmor,
    /// The server itself runs in a container.
    Container,
    /// Nothing that we know of.
    Unknown,
}

impl Obstacle {
    /// Looks at the kernel's settings, the most certain obstacle first.
    pub(super) fn look() -> Self {
        let says = |path: &str, what: &str| {
            std::fs::read_to_string(path).is_ok_and(|text| text.trim() == what)
        };
        if says("/proc/sys/user/max_user_namespaces", "0") {
            Self::NoneAllowed
        } else if says("/proc/sys/kernel/unprivileged_userns_clone", "0") {
            Self::RootOnly
        } else if says(
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
        ) {
            Self::AppArmor
        } else if ["/.dockerenv", "/run/.containerenv"]
            .iter()
            .any(|mark| Path::new(mark).exists())
        {
            Self::Container
        } else {
            Self::Unknown
        }
    }
}

/// What to do when the program is missing.
pub(super) const INSTALL: &str = "Install it: `apt-get install bubblewrap util-linux` on Debian and \
    Ubuntu, `dnf install bubblewrap util-linux` on Fedora, `apk add bubblewrap util-linux` on Alpine";

/// Returns what the operator can do about a sandbox that failed for `reason`: one sentence.
pub(super) fn remedy(reason: &str, obstacle: Obstacle) -> &'static str {
    if reason.contains("Unknown option") {
        return "This bubblewrap is older than 0.8: install a newer one";
    }
    if reason.contains("Can't find source path") {
        return "Check that the checkout and every directory in `[sandbox] mounts` exist";
    }
    if reason.contains("Permission denied") && reason.contains("sandbox-enter") {
        return "Let every user execute the server's own program: `chmod o+x`";
    }
    if reason.contains("prova: unshare") || reason.contains("prova: mount") {
        return "Root may not mount here: put `[work] dir` where the user in `[sandbox] uid` can \
            walk to (`chmod o+x` on every directory above it), or run the server as that user";
    }
    match obstacle {
        Obstacle::NoneAllowed => {
            "Allow user namespaces: `sysctl -w user.max_user_namespaces=15000`, and the same line \
             in /etc/sysctl.d/ to keep it"
        }
        Obstacle::RootOnly => {
            "Allow user namespaces: `sysctl -w kernel.unprivileged_userns_clone=1`, and the same \
             line in /etc/sysctl.d/ to keep it"
        }
        Obstacle::AppArmor => {
            "AppArmor keeps user namespaces from programs without a profile: give bubblewrap one \
             with `apt-get install apparmor-profiles && ln -s \
             /usr/share/apparmor/extra-profiles/bwrap-userns-restrict /etc/apparmor.d/ && \
             systemctl reload apparmor`, or lift it for all programs with `sysctl -w \
             kernel.apparmor_restrict_unprivileged_userns=0`"
        }
        Obstacle::Container => {
            "A container hides what a sandbox is made of: start it with `--security-opt \
             seccomp=unconfined --security-opt apparmor=unconfined --security-opt \
             systempaths=unconfined`, or run the server outside of it"
        }
        Obstacle::Unknown => {
            "Run `bwrap --unshare-all --ro-bind / / true` as the server's user to see it fail by \
             itself"
        }
    }
}

/// Returns whether trying again may help.
pub(super) fn class(reason: &str) -> Class {
    let passing = [
        "Resource temporarily unavailable",
        "Cannot allocate memory",
        "No space left on device",
        "Too many open files",
    ];
    if passing.iter().any(|cause| reason.contains(cause)) {
        Class::Transient
    } else {
        Class::Permanent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_own_remedy() {
        let denied = "bwrap: setting up uid map: Permission denied";
        let unknown = Obstacle::Unknown;
        let cases = [
            ("bwrap: Unknown option --disable-userns", unknown, "0.8"),
            (
                "bwrap: Can't find source path /x: No such file",
                unknown,
                "mounts",
            ),
            (
                "prova: unshare the mounts: Operation not permitted (os error 1)",
                unknown,
                "o+x",
            ),
            (
                denied,
                Obstacle::NoneAllowed,
                "user.max_user_namespaces=15000",
            ),
            (denied, Obstacle::RootOnly, "unprivileged_userns_clone=1"),
            (denied, Obstacle::AppArmor, "bwrap-userns-restrict"),
            (denied, Obstacle::Container, "systempaths=unconfined"),
            (denied, unknown, "bwrap --unshare-all"),
        ];
        for (reason, obstacle, expected) in cases {
            let got = remedy(reason, obstacle);
            assert!(got.contains(expected), "{reason}: {got}");
        }
    }

    #[test]
    fn only_exhaustion_passes() {
        let full = "bwrap: Creating new namespace failed: No space left on device";
        assert_eq!(class(full), Class::Transient);
        assert_eq!(
            class("bwrap: setting up uid map: Permission denied"),
            Class::Permanent
        );
    }
}
