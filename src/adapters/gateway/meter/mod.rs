//! Reads what a call used out of its answer, while that passes.

mod events;
mod scan;

use crate::adapters::gateway::meter::events::{Events, Piece};
use crate::adapters::gateway::meter::scan::{Kept, Place, Scan, Value};
use crate::domain::metering::Seen;
use crate::domain::model::Api;
use crate::domain::traffic::Tokens;

/// Reads one answer. Takes the same few hundred bytes of memory however long that is.
#[derive(Debug)]
pub(crate) struct Meter {
    api: Api,
    events: Option<Events>,
    scan: Scan,
    counts: Counts,
    bytes: u64,
}

/// The numbers as an API gives them, the largest of each: they only grow within an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Read; with what came from the cache, but for Anthropic.
    read: u64,
    cache_read: u64,
    cache_write: u64,
    /// Written; with what was thought, but for Gemini.
    written: u64,
    reasoning: u64,
    /// Read from what the provider's own tools found.
    found: u64,
    /// There is nothing to come.
    last: bool,
}

impl Meter {
    /// Reads answers of `api`, as server-sent events or as JSON.
    pub(crate) fn new(api: Api, streamed: bool) -> Self {
        Self {
            api,
            events: streamed.then(Events::default),
            scan: Scan::default(),
            counts: Counts::default(),
            bytes: 0,
        }
    }

    /// Reads on.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        let Self {
            api,
            events,
            scan,
            counts,
            ..
        } = self;
        let mut note = |place: Place<'_>, value: Value<'_>| counts.note(*api, place, value);
        match events {
            None => scan.feed(bytes, &mut note),
            Some(events) => events.feed(bytes, &mut |piece| match piece {
                Piece::Data(data) => scan.feed(data, &mut note),
                Piece::End => scan.restart(),
            }),
        }
    }

    /// Returns what was seen so far.
    pub(crate) fn seen(&self) -> Seen {
        Seen {
            tokens: self.counts.tokens(self.api),
            settled: self.counts.last && self.counts.written > 0,
            bytes: self.bytes,
        }
    }
}

impl Counts {
    fn note(&mut self, api: Api, place: Place<'_>, value: Value<'_>) {
        // Longer places than any that counts are not looked at.
        let mut keys: [&[u8]; 4] = [b""; 4];
        if place.len() > keys.len() {
            return;
        }
        for (key, kept) in keys.iter_mut().zip(place.iter().map(Kept::get)) {
            *key = kept;
        }
        match value {
            Value::Number(number) => self.number(api, keys, number),
            Value::Text(text) => self.last |= api == Api::Gemini && ends(keys, text),
            Value::Word(word) => {
                self.last |= api == Api::OpenAi && place.is_empty() && word == b"DONE"
            }
        }
    }

    fn number(&mut self, api: Api, keys: [&[u8]; 4], number: u64) {
        let count = match api {
            Api::Anthropic => self.anthropic(keys),
            Api::OpenAi => self.open_ai(keys),
            Api::Gemini => self.gemini(keys),
        };
        if let Some(count) = count {
            *count = number.max(*count);
        }
    }

    fn anthropic(&mut self, keys: [&[u8]; 4]) -> Option<&mut u64> {
        let name = match keys {
            // The start of a stream says what was read.
            [b"message", b"usage", name, b""] => name,
            [b"usage", name, b"", b""] => {
                self.last |= name == b"output_tokens";
                name
            }
            _ => return None,
        };
        match name {
            b"input_tokens" => Some(&mut self.read),
            b"cache_read_input_tokens" => Some(&mut self.cache_read),
            b"cache_creation_input_tokens" => Some(&mut self.cache_write),
            b"output_tokens" => Some(&mut self.written),
            _ => None,
        }
    }

    fn open_ai(&mut self, keys: [&[u8]; 4]) -> Option<&mut u64> {
        let (name, detail) = match keys {
            // Responses, as the last event of a stream.
            [b"response", b"usage", name, detail] | [b"usage", name, detail, b""] => (name, detail),
            _ => return None,
        };
        match (name, detail) {
            (b"prompt_tokens" | b"input_tokens", b"") => Some(&mut self.read),
            (b"prompt_tokens_details" | b"input_tokens_details", b"cached_tokens") => {
                Some(&mut self.cache_read)
            }
            (b"output_tokens", b"") => {
                self.last = true;
                Some(&mut self.written)
            }
            // Some servers count on in every piece of a stream.
            (b"completion_tokens", b"") => Some(&mut self.written),
            (b"completion_tokens_details" | b"output_tokens_details", b"reasoning_tokens") => {
                Some(&mut self.reasoning)
            }
            _ => None,
        }
    }

    fn gemini(&mut self, keys: [&[u8]; 4]) -> Option<&mut u64> {
        let [b"usageMetadata", name, b"", b""] = keys else {
            return None;
        };
        match name {
            b"promptTokenCount" => Some(&mut self.read),
            b"cachedContentTokenCount" => Some(&mut self.cache_read),
            b"candidatesTokenCount" => Some(&mut self.written),
            b"thoughtsTokenCount" => Some(&mut self.reasoning),
            b"toolUsePromptTokenCount" => Some(&mut self.found),
            _ => None,
        }
    }

    /// Returns the counts as kinds that do not overlap.
    fn tokens(&self, api: Api) -> Tokens {
        let input = match api {
            Api::Anthropic => self.read,
            Api::OpenAi | Api::Gemini => self.read.saturating_sub(self.cache_read),
        };
        let output = match api {
            Api::Anthropic | Api::Gemini => self.written,
            Api::OpenAi => self.written.saturating_sub(self.reasoning),
        };
        Tokens {
            input: input.saturating_add(self.found),
            cache_read: self.cache_read,
            cache_write: self.cache_write,
            output,
            reasoning: self.reasoning,
        }
    }
}

/// Gemini says in each piece what it counted so far, and in the last one why it ended.
fn ends(keys: [&[u8]; 4], text: &[u8]) -> bool {
    matches!(keys, [b"candidates", b"finishReason", b"", b""]) && !text.is_empty()
}
