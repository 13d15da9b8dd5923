//! Object ids, computed as git computes them.

use std::io::Read;

use sha1::{Digest, Sha1};

use crate::ports::fault::Fault;

/// A SHA-1 object id. Repositories with SHA-256 ids are refused at their first fetch.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ObjectId([u8; 20]);

impl ObjectId {
    /// Parses forty hexadecimal digits; nothing else may become an argument where git expects an
    /// object, since it would be read as a revision expression or an option.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut id = [0; 20];
        hex::decode_to_slice(text, &mut id).ok()?;
        Some(Self(id))
    }

    /// Parses an id that another part of the server handed in.
    pub(crate) fn expect(text: &str, doing: &str) -> Result<Self, Fault> {
        Self::parse(text.as_bytes()).ok_or_else(|| {
            Fault::permanent(doing, format_args!("{text:?} is not an object id of git"))
        })
    }

    /// Returns the id of a blob with these bytes.
    pub(crate) fn of_blob(content: &[u8]) -> Self {
        Self::of("blob", content)
    }

    /// Returns the id of a tree with these bytes.
    pub(crate) fn of_tree(content: &[u8]) -> Self {
        Self::of("tree", content)
    }

    fn of(kind: &str, content: &[u8]) -> Self {
        let mut sha = Sha1::new();
        sha.update(format!("{kind} {}\0", content.len()));
        sha.update(content);
        Self(sha.finalize().into())
    }

    /// Returns the id as trees hold it.
    pub(crate) const fn bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Returns the id of a blob of `bytes` bytes read from `source`, or `None` when the source
    /// holds more or less than that.
    pub(crate) fn of_stream(source: &mut impl Read, bytes: u64) -> std::io::Result<Option<Self>> {
        let mut sha = Sha1::new();
        sha.update(format!("blob {bytes}\0"));
        let mut buffer = vec![0; 64 * 1024];
        let mut seen: u64 = 0;
        loop {
            let read = source.read(&mut buffer)?;
            let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
                break;
            };
            seen += u64::try_from(read).unwrap_or(u64::MAX);
            if seen > bytes {
                return Ok(None);
            }
            sha.update(chunk);
        }
        Ok((seen == bytes).then(|| Self(sha.finalize().into())))
    }
}

impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_has_the_id_that_git_gives_it() {
        // `git hash-object -t blob /dev/null` and `printf hello | git hash-object --stdin`.
        let empty = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
        let hello = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";
        assert_eq!(ObjectId::of_blob(b"").to_string(), empty);
        assert_eq!(ObjectId::of_blob(b"hello").to_string(), hello);
        let streamed = |bytes| ObjectId::of_stream(&mut &b"hello"[..], bytes).unwrap();
        assert_eq!(streamed(5).unwrap().to_string(), hello);
        assert_eq!(streamed(4), None);
        assert_eq!(streamed(6), None);
    }

    #[test]
    fn only_forty_hexadecimal_digits_are_an_id() {
        for bad in [
            "",
            "HEAD",
            "--help",
            "b6fc4c6",
            "main^{tree}",
            &"a".repeat(64),
        ] {
            assert!(ObjectId::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
