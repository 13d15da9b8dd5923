//! The rooms of a floor name each other in one direction only.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::Breach;
use crate::scan::{Mention, Written};
use crate::source::{House, Source};

/// The floor's own `mod.rs`, as a room.
const FACE: &str = "mod.rs";

/// Where one room first names another.
struct Edge<'a> {
    source: &'a Source,
    line: usize,
}

type Rooms<'a> = BTreeMap<String, BTreeMap<String, Edge<'a>>>;

/// The cycles between rooms, at most one for each floor.
pub(crate) fn breaches(house: &House) -> Vec<Breach> {
    let floors: BTreeSet<&str> = house.sources.iter().filter_map(Source::floor).collect();
    floors
        .into_iter()
        .filter_map(|floor| cycle_on(house, floor))
        .collect()
}

fn cycle_on(house: &House, floor: &str) -> Option<Breach> {
    let shown = shown_by_face(house, floor);
    let mut rooms: Rooms<'_> = BTreeMap::new();
    for source in house
        .sources
        .iter()
        .filter(|source| source.floor() == Some(floor))
    {
        let from = source.room().unwrap_or(FACE);
        for mention in source.production() {
            // A face that shows what its rooms hold depends on none of it.
            if mention.written == Written::ReExport && from == FACE {
                continue;
            }
            let Some(to) = room_of(house, &shown, floor, house.resolve(source, mention)) else {
                continue;
            };
            if to != from {
                let edges = rooms.entry(from.to_owned()).or_default();
                edges.entry(to).or_insert(Edge {
                    source,
                    line: mention.line,
                });
            }
        }
    }
    let circle = rooms.keys().find_map(|room| circle_from(&rooms, room))?;
    let (first, second) = (circle.first()?, circle.get(1)?);
    let edge = rooms.get(first)?.get(second)?;
    let what = format!(
        "rooms of {floor} name each other in a circle: {}",
        circle.join(" -> ")
    );
    Some(Breach::at(edge.source, edge.line, what))
}

/// What a floor's face re-exports: the name it has there, and where it lives.
fn shown_by_face(house: &House, floor: &str) -> BTreeMap<String, Vec<String>> {
    let face = house.sources.iter().find(|source| source.module == [floor]);
    let shown = face.into_iter().flat_map(|source| {
        let re_exports = source
            .production()
            .filter(|m| m.written == Written::ReExport);
        re_exports.filter_map(|m: &Mention| Some((m.name.clone(), house.resolve(source, m)?)))
    });
    shown.collect()
}

/// The room of `floor` that a resolved path leads to, through the face's re-exports.
fn room_of(
    house: &House,
    shown: &BTreeMap<String, Vec<String>>,
    floor: &str,
    target: Option<Vec<String>>,
) -> Option<String> {
    let target = target.filter(|target| target.first().is_some_and(|first| first == floor))?;
    // `crate::floor` alone, as in `use crate::floor;`, depends on no room yet.
    let name = target.get(1)?;
    if house.has_module(&[floor.to_owned(), name.clone()]) {
        return Some(name.clone());
    }
    let room = shown.get(name).and_then(|home| home.get(1));
    Some(room.cloned().unwrap_or_else(|| FACE.to_owned()))
}

/// A walk along the edges that comes back to where it began, if there is one.
fn circle_from(rooms: &Rooms<'_>, start: &str) -> Option<Vec<String>> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<Vec<String>> = vec![vec![start.to_owned()]];
    while let Some(path) = open.pop() {
        for next in rooms.get(path.last()?).into_iter().flat_map(BTreeMap::keys) {
            let longer = [path.as_slice(), std::slice::from_ref(next)].concat();
            if *next == start {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                open.push(longer);
            }
        }
    }
    None
}
