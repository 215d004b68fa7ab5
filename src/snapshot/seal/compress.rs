//! A part, packed by itself. The only file that names zstd.

#[cfg(not(feature = "zstd"))]
pub(super) use absent::{Packer, Unpacker};
#[cfg(feature = "zstd")]
pub(super) use present::{Packer, Unpacker};

#[cfg(feature = "zstd")]
mod present {
    use std::io;

    use zstd::bulk::{Compressor, Decompressor};

    use crate::snapshot::FileError;
    use crate::snapshot::seal::{MOST_EXPANSION, PART_BYTES};

    /// Fast: snapshots are written often, and read seldom.
    const LEVEL: i32 = 1;
    /// What a skippable frame begins with, and what its head takes (RFC 8878, 3.1.2).
    const SKIPPABLE: u32 = 0x184d_2a50;
    const SKIPPABLE_HEAD: usize = 8;

    /// Packs parts.
    pub(in super::super) struct Packer(Compressor<'static>);

    /// Unpacks them.
    pub(in super::super) struct Unpacker(Decompressor<'static>);

    impl Packer {
        pub(in super::super) fn new() -> io::Result<Self> {
            Compressor::new(LEVEL).map(Self)
        }

        /// Replaces `packed`.
        pub(in super::super) fn pack(&mut self, part: &[u8], packed: &mut Vec<u8>) -> io::Result<()> {
            packed.clear();
            packed.reserve(zstd::zstd_safe::compress_bound(part.len()));
            self.0.compress_to_buffer(part, packed)?;
            // No reader takes a part that unpacks to more than so many times its bytes.
            let missing = part.len().div_ceil(MOST_EXPANSION).saturating_sub(packed.len());
            if missing > 0 {
                let zeros = missing.saturating_sub(SKIPPABLE_HEAD);
                packed.extend(SKIPPABLE.to_le_bytes());
                packed.extend(u32::try_from(zeros).map_err(io::Error::other)?.to_le_bytes());
                packed.resize(packed.len() + zeros, 0);
            }
            Ok(())
        }
    }

    impl Unpacker {
        pub(in super::super) fn new() -> Result<Self, FileError> {
            Ok(Self(Decompressor::new()?))
        }

        /// Replaces `part`; it never grows past its cap, whatever the packed bytes say.
        pub(in super::super) fn unpack(&mut self, packed: &[u8], part: &mut Vec<u8>) -> Result<(), String> {
            let most = PART_BYTES.min(packed.len().saturating_mul(MOST_EXPANSION));
            // The capacity of the output is what bounds it.
            if part.capacity() != most {
                *part = Vec::with_capacity(most);
            }
            part.clear();
            let unpacked = self.0.decompress_to_buffer(packed, part);
            match unpacked {
                Ok(_) if part.len() <= most => Ok(()),
                _ => Err(format!("a frame cannot be decompressed into {most} bytes, the most that it may hold")),
            }
        }
    }
}

#[cfg(not(feature = "zstd"))]
mod absent {
    use std::io;

    use crate::snapshot::FileError;

    /// There is none.
    pub(in super::super) enum Packer {}

    /// There is none.
    pub(in super::super) enum Unpacker {}

    impl Packer {
        pub(in super::super) fn new() -> io::Result<Self> {
            Err(io::Error::other("this build writes no compressed files; build with the feature `zstd`"))
        }

        pub(in super::super) fn pack(&mut self, _: &[u8], _: &mut Vec<u8>) -> io::Result<()> {
            match *self {}
        }
    }

    impl Unpacker {
        pub(in super::super) fn new() -> Result<Self, FileError> {
            Err(FileError::Unbuilt { feature: "zstd" })
        }

        pub(in super::super) fn unpack(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<(), String> {
            match *self {}
        }
    }
}
