//! What a restore passed over is put aside once something later is durable, and its bytes are never lost.

use std::path::Path;
use std::sync::Arc;

use super::super::hand::paused;
use super::super::proving::{Verdict, caught, holds};
use super::super::random::Random;
use super::around::Around;
use super::medium::{Content, Image};
use super::plain::load;
use super::planted::PutsAsideFirst;
use super::simulated::Disk;
use super::sweep::image_seed;
use super::workload::{FOLDER, World, number_of};
use crate::config::Format;
use crate::snapshot::FileLayer;

const IMAGES: u64 = 400;

/// A disk whose newest generation has rotted, with that file's path.
fn rotten(seed: u64) -> Option<(Image, std::path::PathBuf, Content)> {
    let (disk, mut random) = (Disk::default(), Random(seed));
    paused(async {
        let mut world = World::new(&disk, Arc::new(disk.clone()), 3);
        world.start(Format::Bincode).await.unwrap();
        for _ in 0..3 {
            world.change(&mut random).await;
            world.snapshot().await.unwrap();
        }
    });
    let mut image = disk.cut(seed);
    let damaged = image.rot(&mut random)?;
    let content = image.0[&damaged].clone()?;
    Some((image, damaged, content))
}

fn put_aside(seed: u64, first: bool) -> Verdict {
    let Some((image, damaged, content)) = rotten(seed) else { return Err("nothing rotted".to_owned()) };
    let disk = Disk::of(&image);
    let mut layer: Arc<dyn FileLayer> = Arc::new(disk.clone());
    if first {
        layer = Around::layer(layer, &Arc::new(PutsAsideFirst));
    }
    paused(async {
        let service = super::workload::start(&layer, Format::Json, 1, Default::default()).await.unwrap();
        assert!(service.restored().degraded());
        for number in 0..3 {
            service.global().await.unwrap().set("k", &number).await.unwrap();
            service.snapshot().await.unwrap();
        }
    });
    let aside = Path::new(FOLDER).join("quarantine").join(damaged.file_name().unwrap());
    let (mut before, mut after) = (0, 0);
    for (index, medium) in disk.every_step() {
        for number in 0..IMAGES / 10 {
            let image = medium.cut(&mut Random(image_seed(seed, index, number)));
            let found =
                |path: &Path| image.0.get(path).and_then(Option::as_ref).map(|found| found.bytes == content.bytes);
            let loaded = load(Arc::new(Disk::of(&image)), Path::new(FOLDER))?;
            match (found(&damaged), found(&aside)) {
                (Some(true), None) => before += 1,
                (None, Some(true)) if Some(loaded.generation) > number_of(&damaged) => after += 1,
                (None, Some(true)) => return Err(format!("put aside at step {index} with nothing later")),
                other => return Err(format!("the damaged file at step {index}: {other:?}")),
            }
        }
    }
    let last = disk.every_step().pop().unwrap().1.cut(&mut Random(seed));
    if !last.0.contains_key(&aside) {
        return Err("it was never put aside".to_owned());
    }
    Ok(format!("in its place in {before} images, put aside in {after}"))
}

#[test]
fn a_damaged_file_is_put_aside_once_something_later_is_durable() {
    holds(|seed| put_aside(seed, false));
    caught(3, |seed| put_aside(seed, true));
}
