//! From an agent's working tree to a tree of git, without git ever looking at the former.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use crate::adapters::git::base::{Base, Tracked};
use crate::adapters::git::bases;
use crate::adapters::git::blocking::blocking;
use crate::adapters::git::collisions;
use crate::adapters::git::object::ObjectId;
use crate::adapters::git::overlay::Marks;
use crate::adapters::git::paths::prefixes;
use crate::adapters::git::spool::{Converted, Spool};
use crate::adapters::git::store::Store;
use crate::adapters::git::survey::{self, Content, Ground, Survey};
use crate::adapters::git::trouble::Trouble;
use crate::adapters::git::vetting;
use crate::domain::change::{
    Change, ChangeKind, Entry, Harvest, HarvestLimits, Refusal, RefusalReason, RepoPath,
};
use crate::domain::ids::TreeSha;
use crate::ports::checkouts::Checkout;
use crate::ports::fault::Fault;

/// Harvests a checkout whose mirror's objects are in `mirror`.
pub(crate) async fn harvest(
    mirror: &Path,
    (checkout, marks): (&Checkout, Marks),
    job: &Path,
    limits: &HarvestLimits,
) -> Result<Harvest, Fault> {
    let doing = "harvest the checkout";
    let broken = |trouble: Trouble| trouble.fault(doing);
    let tree = ObjectId::expect(checkout.base_tree.as_str(), doing)?;
    let (home, borrows) = (job.to_owned(), mirror.to_owned());
    let (store, spool) =
        blocking(move || Ok((Store::fresh(&home, &borrows)?, Spool::fresh(&home)?)))
            .await
            .map_err(|error| Fault::io(doing, &error))?;
    let base = match bases::listing(&checkout.tree) {
        Some(kept) => Base::list_kept(&store.dir, tree, kept).await,
        None => Base::list(&store.dir, tree).await,
    };
    let base = Arc::new(base.map_err(broken)?);

    let ground = Ground {
        tree: checkout.tree.clone(),
        marks,
    };
    let (limits, from, to) = (*limits, Arc::clone(&base), spool.clone());
    let survey = blocking(move || survey::survey(&ground, &from, &limits, &to))
        .await
        .map_err(|error| Fault::io(doing, &error))?;
    let mut draft = Draft::of(survey, &base, &store, &spool, tree)
        .await
        .map_err(broken)?;
    spool
        .clear()
        .await
        .map_err(|error| Fault::io(doing, &error))?;

    draft.add_deletions(&base);
    draft.refuse_collisions(&base);
    let hostile = vetting::vet(&store, &draft.changes).await.map_err(broken)?;
    draft.refused.extend(hostile);
    draft.leave_out_refused();
    draft.limit(&limits);
    let built = store
        .build(tree, &draft.changes.iter().collect::<Vec<_>>())
        .await
        .map_err(broken)?;
    if built != tree {
        store.check().await.map_err(broken)?;
    }
    Ok(Harvest {
        base_tree: checkout.base_tree.clone(),
        tree: TreeSha::new(built.to_string()),
        changes: draft.changes,
        refused: draft.refused,
    })
}

/// A harvest in the making.
struct Draft {
    changes: Vec<Change>,
    refused: Vec<Refusal>,
    /// Paths found in the working tree, sorted.
    present: Vec<Vec<u8>>,
    /// What of the base at and below these paths is not present is gone.
    bare: Vec<Vec<u8>>,
    cut: bool,
}

impl Draft {
    /// Stores what the survey spooled and turns it into changes.
    async fn of(
        survey: Survey,
        base: &Base,
        store: &Store,
        spool: &Spool,
        tree: ObjectId,
    ) -> Result<Self, Trouble> {
        let kept = survey
            .differing
            .iter()
            .filter(|differing| matches!(differing.content, Content::Kept(_)))
            .count();
        let desk: Vec<&[u8]> = survey
            .differing
            .iter()
            .filter(|differing| differing.content == Content::OnDesk)
            .map(|differing| differing.path.as_slice())
            .collect();
        let kept = spool.store_kept(&store.dir, kept).await?;
        let Converted { changed, failed } = spool.store_desk(&store.dir, tree, &desk).await?;

        let mut refused = survey.refused;
        refused.extend(failed.iter().map(|path| Refusal {
            path: RepoPath::new(path.as_slice()),
            reason: RefusalReason::Unreadable,
        }));
        let mut entries = Vec::new();
        for differing in &survey.differing {
            let (mode, blob) = match differing.content {
                Content::Same(id) => (differing.mode, Some(id)),
                Content::Kept(number) => (differing.mode, kept.get(number).copied()),
                Content::OnDesk => match changed.get(&differing.path) {
                    Some(&(mode, id)) => (mode, Some(id)),
                    // As the base has it, or refused.
                    None => continue,
                },
            };
            if let Some(blob) = blob {
                entries.push((differing, mode, blob));
            }
        }
        let converted: Vec<ObjectId> = entries
            .iter()
            .filter(|(differing, ..)| differing.content == Content::OnDesk)
            .map(|&(.., blob)| blob)
            .collect();
        let mut sizes = store.sizes(&converted).await?.into_iter();
        let changes = entries
            .into_iter()
            .map(|(differing, mode, blob)| {
                let entry = Entry {
                    mode,
                    blob: blob.to_string(),
                    bytes: match differing.content {
                        Content::OnDesk => sizes.next().unwrap_or(differing.bytes),
                        Content::Same(_) | Content::Kept(_) => differing.bytes,
                    },
                };
                Change {
                    path: RepoPath::new(differing.path.as_slice()),
                    kind: match base.at(&differing.path) {
                        Some(_) => ChangeKind::Modified(entry),
                        None => ChangeKind::Added(entry),
                    },
                }
            })
            .collect();
        Ok(Self {
            changes,
            refused,
            present: survey.present,
            bare: survey.bare,
            cut: survey.cut,
        })
    }

    /// Adds what the base has and the working tree has not. Submodules stay: their directories are
    /// empty in a checkout, and an agent that removes one has not said anything.
    fn add_deletions(&mut self, base: &Base) {
        if self.cut {
            return;
        }
        let bare = std::mem::take(&mut self.bare);
        let hidden: BTreeMap<&[u8], &Tracked> = bare
            .iter()
            .flat_map(|path| base.at_or_below(path))
            .collect();
        for (path, tracked) in hidden {
            let gone = *tracked != Tracked::Submodule
                && self
                    .present
                    .binary_search_by(|present| present.as_slice().cmp(path))
                    .is_err();
            if gone && std::str::from_utf8(path).is_err() {
                self.refused.push(Refusal {
                    path: RepoPath::new(path),
                    reason: RefusalReason::NotUtf8,
                });
            } else if gone {
                self.changes.push(Change {
                    path: RepoPath::new(path),
                    kind: ChangeKind::Deleted,
                });
            }
        }
        self.leave_out_refused();
    }

    fn refuse_collisions(&mut self, base: &Base) {
        let deleted: HashSet<&[u8]> = self
            .changes
            .iter()
            .filter(|change| change.kind == ChangeKind::Deleted)
            .map(|change| change.path.as_bytes())
            .collect();
        let added: Vec<&[u8]> = self
            .changes
            .iter()
            .filter(|change| matches!(change.kind, ChangeKind::Added(_)))
            .map(|change| change.path.as_bytes())
            .collect();
        let others = base
            .iter()
            .map(|(path, _)| path)
            .filter(|path| !deleted.contains(path));
        let colliding = collisions::find(&added, others);
        self.refused
            .extend(colliding.into_iter().map(|path| Refusal {
                path: RepoPath::new(path),
                reason: RefusalReason::CaseCollision,
            }));
    }

    /// Drops every change at or below a refused path, so that the base's entry stays, and puts
    /// changes and refusals in order.
    fn leave_out_refused(&mut self) {
        let refused: HashSet<&[u8]> = self
            .refused
            .iter()
            .map(|refusal| refusal.path.as_bytes())
            .collect();
        self.changes.retain(|change| {
            let path = change.path.as_bytes();
            !refused.contains(&b""[..]) && !prefixes(path).any(|prefix| refused.contains(prefix))
        });
        self.changes.sort_by(|a, b| a.path.cmp(&b.path));
        self.refused.sort_by(|a, b| a.path.cmp(&b.path));
        self.refused.dedup_by(|a, b| a.path == b.path);
    }

    /// Keeps as many changes as the limits allow. Deletions go first: an added file may need the
    /// room that one makes.
    fn limit(&mut self, limits: &HarvestLimits) {
        let most = usize::try_from(limits.changes).unwrap_or(usize::MAX);
        if self.changes.len() <= most {
            return;
        }
        self.changes
            .sort_by_key(|change| change.kind != ChangeKind::Deleted);
        let left_out = self.changes.split_off(most);
        if let Some(first) = left_out.into_iter().map(|change| change.path).min() {
            self.refused.push(Refusal {
                path: first,
                reason: RefusalReason::TooMany,
            });
        }
        self.changes.sort_by(|a, b| a.path.cmp(&b.path));
        self.refused.sort_by(|a, b| a.path.cmp(&b.path));
    }
}
