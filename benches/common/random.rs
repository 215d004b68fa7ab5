//! Random numbers that a seed repeats (splitmix64).

/// The seed of every bench; fixed, so that two runs do the same work.
pub(crate) const SEED: u64 = 0x5e55_11e0;

/// A generator, one for each caller.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The generator of one caller.
    pub(crate) fn of(caller: usize) -> Self {
        Self(SEED ^ (caller as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % (end.max(1) as u64)) as usize
    }
}
