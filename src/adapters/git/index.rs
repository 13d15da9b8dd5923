//! Dating the entries of a fresh index, so that git inside a sandbox need not read every file.
//!
//! Git trusts an entry's time only when it is older than the index itself: a file written in the
//! same second may have changed since. In a fresh checkout that is every file, on every `git
//! status`. So the files are dated a little back, and the index with them.

use sha1::{Digest, Sha1};

/// Bytes of an entry before its flags and name: ten numbers and an object id.
const FIXED: usize = 60;
/// Bytes of the checksum at the end.
const CHECKSUM: usize = 20;
/// The flag of an entry that has two more bytes of flags.
const EXTENDED: u8 = 0x40;

/// Sets the modification time of every entry that is younger to `seconds` since the epoch; `None`,
/// and no change that git would accept, when this is not an index of version 2 or 3.
pub(crate) fn date(index: &mut [u8], seconds: u32) -> Option<()> {
    let starts: Vec<usize> = entries(index)?.into_iter().map(|(at, _)| at).collect();
    let length = index.len().checked_sub(CHECKSUM)?;
    let (content, checksum) = index.split_at_mut_checked(length)?;
    for at in starts {
        // After the change time (8 bytes): seconds, then nanoseconds.
        let time = content.get_mut(at + 8..at + 16)?;
        if u32::from_be_bytes(time.first_chunk().copied()?) > seconds {
            let (whole, fraction) = time.split_at_mut_checked(4)?;
            whole.copy_from_slice(&seconds.to_be_bytes());
            fraction.fill(0);
        }
    }
    checksum.copy_from_slice(&Sha1::digest(&content));
    Some(())
}

/// Returns the path of every entry, sorted; `None` when this is not an index of version 2 or 3.
pub(crate) fn paths(index: &[u8]) -> Option<Vec<&[u8]>> {
    Some(entries(index)?.into_iter().map(|(_, path)| path).collect())
}

/// Returns where every entry begins, and its path.
fn entries(index: &[u8]) -> Option<Vec<(usize, &[u8])>> {
    let content = index.get(..index.len().checked_sub(CHECKSUM)?)?;
    let header = content.get(..12)?;
    if !header.starts_with(b"DIRC\0\0\0") || !matches!(header.get(7)?, 2 | 3) {
        return None;
    }
    let count = u32::from_be_bytes(header.get(8..)?.try_into().ok()?);
    let mut found = Vec::new();
    let mut at = 12;
    for _ in 0..count {
        let entry = content.get(at..)?;
        let extended = entry.get(FIXED)? & EXTENDED != 0;
        let name = FIXED + if extended { 4 } else { 2 };
        let end = entry.get(name..)?.iter().position(|&byte| byte == 0)?;
        found.push((at, entry.get(name..name + end)?));
        // One to eight NULs make the entry a multiple of eight bytes.
        at += (name + end + 8) & !7;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_index_is_left_alone() {
        for junk in [
            &b""[..],
            b"DIRC",
            &[0; 64],
            b"DIRC\0\0\0\x04\0\0\0\0aaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(date(&mut junk.to_vec(), 1).is_none());
            assert!(paths(junk).is_none());
        }
        let mut cut = b"DIRC\0\0\0\x02\0\0\0\x01aaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_vec();
        assert!(date(&mut cut, 1).is_none());
    }
}
