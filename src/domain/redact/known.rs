//! Finding known values in a text, in one pass however many they are.
//!
//! Each form of a value is cut into blocks of sixteen bytes, which fit a `u128`. The sixteen bytes
//! that were read last are looked up at every place of the text; a block that is there is extended in
//! both directions for as long as text and form agree. So a value that is cut anywhere is found by
//! any whole block of it, and a filter of bits keeps ordinary text away from the table.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

/// Bytes of a block.
const BLOCK: usize = 16;
/// Bits of the filter, as a power of two.
const FILTER_BITS: u32 = 18;
/// Forms that are remembered for one block. Tokens of one App begin alike; what follows differs.
const MAX_PLACES: usize = 16;

/// Values in all their forms.
#[derive(Clone, Default)]
pub(super) struct Known {
    forms: Vec<Vec<u8>>,
    /// By the length of their blocks: sixteen, and less for forms that are shorter.
    indexes: BTreeMap<usize, Index>,
}

/// Where the blocks of one length stand.
#[derive(Clone)]
struct Index {
    length: usize,
    mask: u128,
    places: HashMap<u128, Vec<Place>>,
    filter: Vec<u64>,
}

/// A block of a form.
#[derive(Clone, Copy)]
struct Place {
    form: usize,
    at: usize,
}

impl Known {
    /// Adds forms; none may be empty.
    pub(super) fn add(&mut self, forms: BTreeSet<Vec<u8>>) {
        for form in forms.into_iter().filter(|form| !form.is_empty()) {
            let length = form.len().min(BLOCK);
            let number = self.forms.len();
            // The last block too, so that no end of a value is left over.
            let last = form.len() - length;
            let starts = (0..=last)
                .step_by(BLOCK)
                .chain((last % BLOCK != 0).then_some(last));
            let index = self
                .indexes
                .entry(length)
                .or_insert_with(|| Index::new(length));
            for at in starts {
                if let Some(block) = form.get(at..at + length) {
                    index.add(block, Place { form: number, at });
                }
            }
            self.forms.push(form);
        }
    }

    /// Finds what is known in a text; in order, none touches another.
    pub(super) fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        let mut window = 0_u128;
        for (at, &byte) in text.iter().enumerate() {
            window = window << 8 | u128::from(byte);
            for index in self.indexes.values() {
                let Some(start) = (at + 1).checked_sub(index.length) else {
                    continue;
                };
                for place in index.places(window) {
                    let inside = found.last().filter(|last| at < last.end);
                    if inside.is_none_or(|last| self.may_widen(text, last, (start, *place))) {
                        join(&mut found, self.extended(text, (start, *place)));
                    }
                }
            }
        }
        found
    }

    /// Returns how far text and form agree around a block that stands at `start`.
    fn extended(&self, text: &[u8], (start, place): (usize, Place)) -> Range<usize> {
        let form = self.form(place);
        let (form_before, form_after) = form.split_at_checked(place.at).unwrap_or((form, &[]));
        let (before, after) = text.split_at_checked(start).unwrap_or((text, &[]));
        let back = agreeing(before.iter().rev(), form_before.iter().rev());
        start - back..start + agreeing(after.iter(), form_after.iter())
    }

    /// Returns whether a block within what was found may belong to a form that reaches further. Looks
    /// at two bytes, so that a text that repeats itself takes no longer.
    fn may_widen(&self, text: &[u8], found: &Range<usize>, (start, place): (usize, Place)) -> bool {
        let agrees = |at: Option<usize>| {
            let at = at?;
            let in_form = (place.at + at).checked_sub(start)?;
            Some(text.get(at)? == self.form(place).get(in_form)?)
        };
        let before = agrees(found.start.checked_sub(1));
        before == Some(true) || agrees(Some(found.end)) == Some(true)
    }

    fn form(&self, place: Place) -> &[u8] {
        self.forms.get(place.form).map_or(&[], Vec::as_slice)
    }
}

/// Adds a range that ends no earlier than those before begin; what it touches becomes one with it.
fn join(found: &mut Vec<Range<usize>>, mut range: Range<usize>) {
    while let Some(last) = found.pop_if(|last| range.start <= last.end) {
        range = last.start.min(range.start)..last.end.max(range.end);
    }
    found.push(range);
}

fn agreeing<'b>(one: impl Iterator<Item = &'b u8>, other: impl Iterator<Item = &'b u8>) -> usize {
    one.zip(other).take_while(|(a, b)| a == b).count()
}

impl Index {
    fn new(length: usize) -> Self {
        let bits = u32::try_from(8 * length).unwrap_or(u128::BITS);
        Self {
            length,
            mask: u128::MAX >> (u128::BITS - bits.clamp(1, u128::BITS)),
            places: HashMap::new(),
            filter: vec![0; 1 << (FILTER_BITS - 6)],
        }
    }

    fn add(&mut self, block: &[u8], place: Place) {
        let key = self::block(block);
        let (word, bit) = slot(key);
        if let Some(word) = self.filter.get_mut(word) {
            *word |= bit;
        }
        let places = self.places.entry(key).or_default();
        if places.len() < MAX_PLACES {
            places.push(place);
        }
    }

    fn places(&self, window: u128) -> &[Place] {
        let key = window & self.mask;
        let (word, bit) = slot(key);
        if self.filter.get(word).is_none_or(|word| word & bit == 0) {
            return &[];
        }
        self.places.get(&key).map_or(&[], Vec::as_slice)
    }
}

/// Returns at most sixteen bytes as a number, the first highest.
fn block(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .fold(0, |block, byte| block << 8 | u128::from(*byte))
}

/// Returns a key's word and bit in the filter, by multiplicative hashing (Knuth, 6.4).
fn slot(key: u128) -> (usize, u64) {
    let bytes = key.to_le_bytes();
    let low = bytes
        .iter()
        .take(8)
        .rev()
        .fold(0_u64, |low, byte| low << 8 | u64::from(*byte));
    let hash = low.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - FILTER_BITS);
    (usize::try_from(hash >> 6).unwrap_or(0), 1 << (hash & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(forms: &[&str]) -> Known {
        let mut known = Known::default();
        known.add(forms.iter().map(|form| form.as_bytes().to_vec()).collect());
        known
    }

    #[test]
    fn values_of_every_length_are_found_where_they_stand() {
        for length in [8, 15, 16, 17, 31, 32, 33, 100] {
            let value: String = ('!'..='~').cycle().skip(length).take(length).collect();
            let text = format!("  {value} {value}");
            let found = known(&[&value]).find(text.as_bytes());
            assert_eq!(
                found,
                [2..2 + length, 3 + length..3 + 2 * length],
                "{length}"
            );
        }
    }

    #[test]
    fn values_that_begin_or_end_alike_are_told_apart() {
        let head = "the-same-beginning-of-all-tokens-";
        let (one, other) = (format!("{head}one-end"), format!("{head}other-end"));
        let known = known(&[&one, &other]);
        for value in [&one, &other] {
            assert_eq!(known.find(value.as_bytes()), [0..value.len()]);
        }
    }

    #[test]
    fn the_last_of_many_that_differ_in_the_middle_is_found_whole() {
        let values: Vec<String> = (0..100)
            .map(|n| format!("one-beginning-of-all-{n:03}-end"))
            .collect();
        let known = known(&values.iter().map(String::as_str).collect::<Vec<_>>());
        for value in &values {
            assert_eq!(known.find(value.as_bytes()), [0..value.len()]);
        }
    }

    #[test]
    fn a_text_that_repeats_itself_takes_no_longer() {
        let value = "a".repeat(500);
        let text = "a".repeat(499) + "b" + &"ab".repeat(200_000);
        assert_eq!(known(&[&value]).find(text.as_bytes()), [0..499]);
    }
}
