//! Output with its middle left out.

use std::collections::VecDeque;

/// Bytes that are kept of each end.
const KEPT: usize = 5_000;

/// The beginning and the end of what was written, however much that was.
#[derive(Debug, Default)]
pub(super) struct Clip {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Clip {
    /// Takes more of the output.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = KEPT.saturating_sub(self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..over);
        self.left_out += over as u64;
    }

    /// Returns what was kept as text.
    pub(super) fn text(&self) -> String {
        let (front, back) = self.tail.as_slices();
        let tail = [front, back].concat();
        if self.left_out == 0 {
            // In one piece: a character may lie across the two.
            return String::from_utf8_lossy(&[self.head.as_slice(), &tail].concat()).into_owned();
        }
        format!(
            "{}\n[… {} bytes left out …]\n{}",
            String::from_utf8_lossy(&self.head),
            self.left_out,
            String::from_utf8_lossy(&tail)
        )
    }
}

/// Returns at most `most` characters of a line; an ellipsis says that there was more.
pub(super) fn line(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_left_out_and_told() {
        let mut clip = Clip::default();
        clip.push("kurz: ä".as_bytes());
        assert_eq!(clip.text(), "kurz: ä");

        let mut whole = Clip::default();
        for piece in "ä".repeat(4_999).as_bytes().chunks(7) {
            whole.push(piece);
        }
        assert_eq!(whole.text(), "ä".repeat(4_999));

        let mut long = Clip::default();
        long.push(&[b'a'; 6_000]);
        for _ in 0..1_000 {
            long.push(&[b'b'; 1_000]);
        }
        let text = long.text();
        assert!(text.starts_with("aaa") && text.ends_with("bbb"));
        assert!(
            text.contains("aa\n[… 996000 bytes left out …]\nbb"),
            "{text}"
        );
        assert!(text.len() < 2 * KEPT + 100);
    }

    #[test]
    fn lines_are_cut_between_characters() {
        assert_eq!(line("äöü", 3), "äöü");
        assert_eq!(line("äöü", 2), "äö…");
        assert_eq!(line("", 0), "");
    }
}
