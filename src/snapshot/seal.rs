//! What may lie around the bytes of a file of either format: seals, so that nobody reads or changes it who lacks the key,
//! and compression.
//!
//! ```text
//! file     = preamble header frame*                integers are little-endian
//! preamble = magic[8] version:u32 crc32c(magic version):u32        the same in every version
//! header   = sealing:u8 compression:u8 0:u16 key id[8] nonce[19] 0:u8 crc32c(all before it):u32
//! frame    = length:u32, its highest bit set in the last one, crc32c(length):u32 content[length]
//! content  = (part of the wrapped file, compressed by itself or as it is), sealed (16 bytes more) or summed (4 more)
//! ```
//!
//! A part has 256 KiB, the last one fewer. Both ways hold one part in memory, and nothing of a part is handed on before all
//! of it was found right. There is no second copy of time and generation outside: the first frame has the format's own
//! header in it, and that one cannot be forged.
//!
//! # Why this is a seal
//! - **Frames** are those of the STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizár, 2015) over XChaCha20-Poly1305:
//!   the nonce of a frame is 19 random bytes of the file, the frame's number (32 bits) and whether it is the last (8 bits).
//!   So no frame can be left out, repeated, swapped, cut off or taken from another file under the same key. Preamble and
//!   header are associated data of every frame.
//! - **No key of a file's own is derived.** XChaCha20 derives one itself (HChaCha20) from the key and the first 16 bytes of
//!   the nonce; with the other 3 bytes files differ in 152 random bits, and two of 2^48 files are alike with odds of 2^-57.
//!   Numbers end at 2^32 frames, a petabyte. Journals ([`JournalSeal`]) use the same key: their nonces begin with 16 random
//!   bytes of their own, so one would have to meet a file's in 128 bits.
//! - **The key's name** is no secret and no check of the key: a frame that does not open decides.
//! - What is not hidden: that there is a file, its size, its time, its generation (the name of the file says it), and which
//!   of the keys sealed it. Whoever can write into the folder can remove files or bring back older ones, sealed as they are;
//!   and, as unsealed files are read too, put one of their own there, which is told with a warning.
//!
//! # Why parts are compressed one by one
//! What a frame unpacks to is then bounded by itself: 256 KiB, and 1,024 times its packed bytes. A file cannot be made that
//! is small and unpacks to gigabytes, and one that says it does is refused at its first frame. A writer that packs better
//! than that pads (a kilobyte a megabyte). Sealed, nothing reaches the decompressor that the key's owner did not write.

mod compress;
mod frames;
mod guard;
mod head;
#[cfg(feature = "seal")]
mod journal;
mod open;

use std::io::{self, Write};

use super::writer::Summary;
use crate::config::Wrap;
use frames::Framer;
#[cfg(feature = "seal")]
#[allow(unused_imports, reason = "for journals, which are built on it")]
pub(crate) use journal::{Changed, JournalSeal, SALT_BYTES, UnknownKey};
pub(crate) use open::{Opened, open};

/// The version of the container that is written, and the newest that is read.
pub(super) const VERSION: u32 = 1;
/// The first bytes of the container; the first of them begins no text, and no other format of ours.
pub(super) const MAGIC: [u8; 8] = *b"\xa5SESSEAL";
/// The bytes of a part: as many as a block of the binary format has.
pub(super) const PART_BYTES: usize = 256 << 10;
/// The most that a part may be larger than it is packed.
#[cfg(feature = "zstd")]
const MOST_EXPANSION: usize = 1_024;

/// Writes a file with what `fill` puts in, wrapped as asked; the summary then tells the bytes of all of it.
///
/// # Errors
/// Of `fill`, and of `output`.
pub(crate) fn wrapped<E: From<io::Error>>(
    output: &mut dyn Write,
    wrap: &Wrap,
    fill: impl FnOnce(&mut dyn Write) -> Result<Summary, E>,
) -> Result<Summary, E> {
    if !wrap.is_any() {
        return fill(output);
    }
    let mut framer = Framer::new(output, wrap)?;
    let mut summary = fill(&mut framer)?;
    summary.bytes = framer.finish()?;
    Ok(summary)
}

impl Wrap {
    fn is_any(&self) -> bool {
        #[cfg(feature = "seal")]
        if self.keys.is_some() {
            return true;
        }
        self.compress
    }
}

#[cfg(test)]
mod tests;
