//! The power is cut after every step, again and again: what a restart finds is compared with what was promised.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use dashmap::DashMap;

use super::super::random::Random;
use super::medium::Image;
use super::simulated::Disk;

/// What was looked at.
#[derive(Default)]
pub(super) struct Figures {
    pub(super) cuts: u64,
    pub(super) images: u64,
    pub(super) distinct: u64,
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, more: Self) {
        self.cuts += more.cuts;
        self.images += more.images;
        self.distinct += more.distinct;
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} cuts, {} images, {} of them distinct", self.cuts, self.images, self.distinct)
    }
}

/// Cuts a disk's power after every step, in about so many images in all, on two threads.
///
/// `load` gives what a restart makes of an image; images that hold the same are loaded once. `expect` compares that with
/// what had been promised when the power was cut, after so many steps. Neither knows what kind of promise the other is for.
pub(super) fn sweep<T: Send + Sync>(
    disk: &Disk,
    seed: u64,
    images: u64,
    load: &(dyn Fn(&Image) -> Result<T, String> + Sync),
    expect: &(dyn Fn(usize, &T) -> Result<(), String> + Sync),
) -> Result<Figures, String> {
    let cuts = disk.every_step();
    let each = images.div_ceil(cuts.len() as u64);
    let loaded: DashMap<u64, Arc<Result<T, String>>> = DashMap::new();
    let looked = AtomicU64::new(0);
    let part = |odd: u64| -> Result<(), String> {
        for (index, medium) in &cuts {
            for number in (0..each).filter(|number| number % 2 == odd) {
                let seed = image_seed(seed, *index, number);
                let image = medium.cut(&mut Random(seed));
                looked.fetch_add(1, Ordering::Relaxed);
                let hash = image.hash();
                let known = loaded.get(&hash).map(|known| Arc::clone(&known));
                let found = known.unwrap_or_else(|| {
                    let found = Arc::new(load(&image));
                    loaded.insert(hash, Arc::clone(&found));
                    found
                });
                let fine = found.as_ref().as_ref().map_err(String::clone).and_then(|found| expect(*index, found));
                fine.map_err(|why| format!("power cut after step {index}, image of seed {seed}: {why}"))?;
            }
        }
        Ok(())
    };
    let (even, odd) = thread::scope(|scope| {
        let other = scope.spawn(|| part(1));
        (part(0), other.join().unwrap())
    });
    even.and(odd)?;
    let images = looked.into_inner();
    Ok(Figures { cuts: cuts.len() as u64, images, distinct: loaded.len() as u64 })
}

/// The seed of one image, which [`Disk::image_at`] makes again.
pub(super) fn image_seed(seed: u64, index: usize, number: u64) -> u64 {
    seed.rotate_left(32)
        ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ number.wrapping_mul(0xd1b5_4a32_d192_ed03)
}
