//! Writes the dictionary of the recipe `typos` as plain text.
//!
//! The crate's own table is made of addresses, which the loader would have to write at every start of
//! the server: 5 MB of memory for what the server itself never reads.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "typos")]
    words::write()?;
    Ok(())
}

#[cfg(feature = "typos")]
mod words {
    use std::error::Error;
    use std::path::Path;

    /// Writes a line `WORD\tCORRECTION,CORRECTION` for each word, sorted by its bytes, in lower case.
    pub(crate) fn write() -> Result<(), Box<dyn Error>> {
        let mut lines = Vec::new();
        for (word, right) in typos_dict::WORD.map.entries() {
            let word = word.into_inner().to_lowercase();
            lines.push(format!("{word}\t{}\n", right.join(",")));
        }
        lines.sort_unstable();
        #[expect(
            clippy::disallowed_methods,
            reason = "how cargo tells a build script where to write"
        )]
        let to = std::env::var("OUT_DIR")?;
        std::fs::write(Path::new(&to).join("words.tsv"), lines.concat())?;
        Ok(())
    }
}
