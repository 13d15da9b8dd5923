//! `[sandbox.kubernetes]`: where pods are made, and how.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::reader::Table;
use crate::config::server::Kubernetes;
use crate::config::server::layer::{MAX_LIST, any, image, path};
use crate::domain::time::Span;

/// Bytes of a name in a cluster.
const NAME_BYTES: usize = 63;

/// What one source says.
#[derive(Debug, Default)]
pub(super) struct Source {
    kubeconfig: Option<PathBuf>,
    namespace: Option<String>,
    keeper: Option<String>,
    runtime_class: Option<String>,
    node_selector: Option<BTreeMap<String, String>>,
    pull_secrets: Option<Vec<String>>,
    user_namespaces: Option<bool>,
    start_minutes: Option<u64>,
}

impl Source {
    pub(super) fn read(table: &mut Table<'_, '_>) -> Self {
        Self {
            kubeconfig: table.text("kubeconfig", path),
            namespace: table.text("namespace", name),
            keeper: table.text("keeper", image),
            runtime_class: table.text("runtime_class", name),
            node_selector: table.map("node_selector", MAX_LIST, any),
            pull_secrets: table.texts("pull_secrets", MAX_LIST, name),
            user_namespaces: table.flag("user_namespaces"),
            start_minutes: table.whole("start_minutes", 1..=24 * 60),
        }
    }

    /// Lays this source over `under`, whose paths are meant from `base`, and over the defaults.
    pub(super) fn over(self, under: Self, base: &Path) -> Kubernetes {
        let below = under.kubeconfig.map(|path| base.join(path));
        let namespace = self.namespace.or(under.namespace);
        Kubernetes {
            kubeconfig: self.kubeconfig.or(below),
            namespace: namespace.unwrap_or_else(|| "prova-sandboxes".to_owned()),
            keeper: self.keeper.or(under.keeper),
            runtime_class: self.runtime_class.or(under.runtime_class),
            node_selector: self
                .node_selector
                .or(under.node_selector)
                .unwrap_or_default(),
            pull_secrets: self.pull_secrets.or(under.pull_secrets).unwrap_or_default(),
            user_namespaces: self
                .user_namespaces
                .or(under.user_namespaces)
                .unwrap_or(true),
            start: Span::minutes(self.start_minutes.or(under.start_minutes).unwrap_or(5)),
        }
    }
}

/// Reads the name of something in a cluster.
fn name(text: &str) -> Result<String, &'static str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let whole = text.len() <= NAME_BYTES && text.chars().all(plain);
    if whole && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && !text.ends_with(['-', '.'])
    {
        Ok(text.to_owned())
    } else {
        Err("expected a name of Kubernetes, such as prova-sandboxes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_a_cluster() {
        for good in ["prova", "prova-sandboxes", "a.b-1", "9"] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        let long = "x".repeat(64);
        for bad in ["", "Prova", "a/b", "-a", "a-", "a b", "../x", &long] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
