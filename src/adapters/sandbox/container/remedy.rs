//! From how an engine failed to what the operator can do about it.

use crate::ports::fault::Class;

/// What to do when there is no engine.
pub(super) const INSTALL: &str = "Install Podman and start its socket as the server's user \
    (`systemctl --user enable --now podman.socket`), or name another in `[sandbox] engine`";

/// What to do when there is no image.
pub(super) const IMAGE: &str = "Name one in `[sandbox] image`, and fetch it: `podman pull \
    docker.io/library/buildpack-deps:bookworm`, for example";

/// Returns what the operator can do about an engine that failed for `cause`: one sentence.
pub(super) fn remedy(cause: &str, image: &str) -> String {
    let says = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if says(&["No such image", "no such image", "image not known"]) {
        format!("Fetch it: `podman pull {image}` or `docker pull {image}`, as the engine's user")
    } else if says(&["\"sh\"", "sh: executable file", "`sh`"]) {
        format!("The image {image} has no shell: use one with `sh`, `id` and `readlink`")
    } else if says(&["catatonit", "docker-init", "init binary"]) {
        "The engine's init program is missing: `apt-get install catatonit` for Podman, \
         `apt-get install tini` for Docker"
            .to_owned()
    } else if says(&["Permission denied", "permission denied"]) {
        "Let the server's user use the socket, or run rootless Podman as that user".to_owned()
    } else if says(&[
        "bind source path does not exist",
        "no such file or directory",
    ]) {
        "The engine must see the server's directories at the same paths: run both on one machine, \
         outside of containers"
            .to_owned()
    } else {
        "See that the engine works by itself: `podman info` or `docker info`, as the server's user"
            .to_owned()
    }
}

/// Returns whether trying again may help, from the status and message of an answer.
pub(super) fn class(status: u16, message: &str) -> Class {
    match status {
        404 => Class::NotFound,
        // Runtimes fail with 500 for what is wrong with the image, and will be again.
        _ if message.contains("executable file not found") => Class::Permanent,
        409 | 500.. => Class::Transient,
        _ => Class::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_own_remedy() {
        for (cause, expected) in [
            ("No such image: rust:1", "podman pull rust:1"),
            ("rust:1: image not known", "podman pull rust:1"),
            (
                "runc: exec: \"sh\": executable file not found in $PATH",
                "has no shell",
            ),
            ("stat /usr/libexec/podman/catatonit: no such file", "init"),
            ("connect: Permission denied (os error 13)", "use the socket"),
            (
                "invalid mount config: bind source path does not exist: /x",
                "same paths",
            ),
            ("anything", "podman info"),
        ] {
            let got = remedy(cause, "rust:1");
            assert!(got.contains(expected), "{cause}: {got}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_image_does_not_pass() {
        assert_eq!(class(404, "No such image"), Class::NotFound);
        assert_eq!(class(400, "bad parameter"), Class::Permanent);
        assert_eq!(class(500, "no space left on device"), Class::Transient);
        let no_shell = "OCI runtime create failed: \"sh\": executable file not found in $PATH";
        assert_eq!(class(500, no_shell), Class::Permanent);
    }
}
