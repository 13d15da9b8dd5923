//! What every API's request is read for, and how one is changed.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;

use crate::adapters::gateway::wire::members::{self, Member};
use crate::adapters::gateway::wire::refusal::Refusal;
use crate::domain::metering::Size;

/// What a request asks for.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The model.
    pub(crate) model: String,
    /// How large it can become.
    pub(crate) size: Size,
    /// What is changed in it before it is passed on.
    pub(crate) edits: Vec<Edit>,
    /// Tools of the provider that were taken out of it.
    pub(crate) withheld: Vec<String>,
}

/// Bytes to be put in the place of others.
#[derive(Debug)]
pub(crate) struct Edit {
    at: Range<usize>,
    with: Vec<u8>,
}

/// Makes the edits, which are in order and do not overlap.
pub(crate) fn apply(json: Bytes, edits: &[Edit]) -> Bytes {
    if edits.is_empty() {
        return json;
    }
    let mut changed = Vec::with_capacity(json.len() + 64);
    let mut done = 0;
    for edit in edits {
        changed.extend_from_slice(json.get(done..edit.at.start).unwrap_or_default());
        changed.extend_from_slice(&edit.with);
        done = edit.at.end;
    }
    changed.extend_from_slice(json.get(done..).unwrap_or_default());
    changed.into()
}

/// A request's body while it is read.
pub(super) struct Body<'a> {
    json: &'a [u8],
    members: Vec<Member>,
    edits: Vec<Edit>,
}

impl<'a> Body<'a> {
    /// Takes a body apart. Of the members in `known` there must be no second spelling, nor any
    /// member twice: the endpoint could read the other.
    pub(super) fn new(json: &'a [u8], known: &[&str]) -> Result<Self, Refusal> {
        let members = members::members(json)
            .ok_or_else(|| Refusal::Malformed("expected one JSON object".to_owned()))?;
        let mut keys: Vec<&str> = members.iter().map(|member| member.key.as_str()).collect();
        keys.sort_unstable();
        let twice = keys.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
        let respelt = keys.iter().any(|key| {
            known
                .iter()
                .any(|known| key != known && key.eq_ignore_ascii_case(known))
        });
        if twice || respelt {
            let what = "a member is there twice, or in another spelling";
            return Err(Refusal::Malformed(what.to_owned()));
        }
        Ok(Self {
            json,
            members,
            edits: Vec::new(),
        })
    }

    /// Reads it as `T`.
    pub(super) fn read<T: Deserialize<'a>>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(self.json).map_err(|error| Refusal::Malformed(error.to_string()))
    }

    /// Returns whether there is such a member.
    pub(super) fn has(&self, key: &str) -> bool {
        self.members.iter().any(|member| member.key == key)
    }

    /// Takes those tools out that `outside` names, and returns their names.
    pub(super) fn withhold(
        &mut self,
        outside: impl Fn(&[u8]) -> Option<String>,
    ) -> Result<Vec<String>, Refusal> {
        let Some(place) = self.members.iter().position(|member| member.key == "tools") else {
            return Ok(Vec::new());
        };
        let Some(value) = self.members.get(place).map(|member| member.value.clone()) else {
            return Ok(Vec::new());
        };
        if self.json.get(value.clone()) == Some(b"null") {
            return Ok(Vec::new());
        }
        let tools = members::elements(self.json, &value)
            .ok_or_else(|| Refusal::Malformed("tools: expected an array".to_owned()))?;
        let (mut kept, mut withheld) = (Vec::new(), Vec::new());
        for tool in tools {
            let tool = self.json.get(tool).unwrap_or_default();
            match outside(tool) {
                Some(name) => withheld.push(name),
                None => kept.push(tool),
            }
        }
        if !withheld.is_empty() {
            self.edits.push(if kept.is_empty() {
                // Not every endpoint takes an empty list.
                Edit {
                    at: self.whole(place),
                    with: Vec::new(),
                }
            } else {
                Edit {
                    at: value,
                    with: [b"[", kept.join(b",".as_slice()).as_slice(), b"]"].concat(),
                }
            });
        }
        Ok(withheld)
    }

    /// Puts a member in front of all others, which has none of that name and is not empty.
    pub(super) fn put_first(&mut self, member: &str) {
        if let Some(first) = self.members.first() {
            let edit = Edit {
                at: first.start..first.start,
                with: format!("{member},").into_bytes(),
            };
            self.edits.insert(0, edit);
        }
    }

    /// Returns the edits.
    pub(super) fn into_edits(self) -> Vec<Edit> {
        self.edits
    }

    /// Where a member stands with the comma that goes with it.
    fn whole(&self, place: usize) -> Range<usize> {
        let member = self.members.get(place);
        let next = self.members.get(place + 1);
        let before = place.checked_sub(1).and_then(|at| self.members.get(at));
        match (before, member, next) {
            (_, Some(member), Some(next)) => member.start..next.start,
            (Some(before), Some(member), None) => before.value.end..member.value.end,
            (None, Some(member), None) => member.start..member.value.end,
            (_, None, _) => 0..0,
        }
    }
}

/// What a request would have the provider reach for.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Pictures, documents and the like that are in it.
    pub(super) attachments: u64,
    outside: Option<&'static str>,
}

impl Reach {
    /// Notes something that is not in the request itself.
    pub(super) fn outside(&mut self, what: &'static str) {
        self.outside.get_or_insert(what);
    }

    /// Returns how much is attached, when nothing lies outside.
    pub(super) fn judge(self) -> Result<u64, Refusal> {
        match self.outside {
            Some(what) => Err(Refusal::Outside(what)),
            None => Ok(self.attachments),
        }
    }
}

/// Returns the `type` of a tool; a tool that has none is the agent's own.
pub(super) fn kind(tool: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Tool<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: Option<Cow<'a, str>>,
    }
    match serde_json::from_slice::<Tool<'_>>(tool) {
        Ok(tool) => tool.kind.map(Cow::into_owned),
        // With two types, or one that is no text, it is nobody's.
        Err(_) => Some("a tool that cannot be read".to_owned()),
    }
}
