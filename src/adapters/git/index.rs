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

/// Sets the modification time of every entry to `seconds` since the epoch; `None`, and no change
/// that git would accept, when this is not an index of version 2 or 3.
pub(crate) fn date(index: &mut [u8], seconds: u32) -> Option<()> {
    let length = index.len().checked_sub(CHECKSUM)?;
    let (content, checksum) = index.split_at_mut_checked(length)?;
    let header = content.get(..12)?;
    if !header.starts_with(b"DIRC\0\0\0") || !matches!(header.get(7)?, 2 | 3) {
        return None;
    }
    let mut entries = u32::from_be_bytes(header.get(8..)?.try_into().ok()?);
    let mut at = 12;
    while entries > 0 {
        let entry = content.get_mut(at..)?;
        // After the change time (8 bytes): seconds, then nanoseconds.
        entry
            .get_mut(8..12)?
            .copy_from_slice(&seconds.to_be_bytes());
        entry.get_mut(12..16)?.fill(0);
        let extended = entry.get(FIXED)? & EXTENDED != 0;
        let name = FIXED + if extended { 4 } else { 2 };
        let end = entry.get(name..)?.iter().position(|&byte| byte == 0)?;
        // One to eight NULs make the entry a multiple of eight bytes.
        at += (name + end + 8) & !7;
        entries -= 1;
    }
    checksum.copy_from_slice(&Sha1::digest(&content));
    Some(())
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
        }
        let mut cut = b"DIRC\0\0\0\x02\0\0\0\x01aaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_vec();
        assert!(date(&mut cut, 1).is_none());
    }
}
