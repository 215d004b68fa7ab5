//! The simulated disk answers as the machine's own: the same random steps on both give the same.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::hand;
use super::super::proving::{Verdict, caught, holds};
use super::super::random::Random;
use super::around::{Around, Habit};
use super::simulated::Disk;
use crate::snapshot::{FileLayer, LayerFile, Lock, StdLayer};

const STEPS: u64 = 2_000;
const NAMES: [&str; 7] = ["a", "b", "c", "inner/a", "inner/b", "a/b", "gone/a"];
const FOLDERS: [&str; 5] = ["", "inner", "inner/deep", "a", "gone"];
/// Files and locks that are open at a time.
const OPEN: u64 = 4;

/// One file system and what is open on it.
struct Side {
    layer: Arc<dyn FileLayer>,
    root: PathBuf,
    writers: [Option<Box<dyn LayerFile>>; OPEN as usize],
    readers: [Option<Box<dyn Read + Send>>; OPEN as usize],
    locks: [Option<Lock>; OPEN as usize],
}

/// What a step gave, as far as both can give the same.
fn told<T: ToString>(result: io::Result<T>) -> String {
    result.map_or_else(|error| format!("{:?}", error.kind()), |value| value.to_string())
}

fn place<T: 'static>(place: &mut Option<T>, opened: io::Result<T>) -> io::Result<&'static str> {
    opened.map(|opened| {
        *place = Some(opened);
        "opened"
    })
}

impl Side {
    fn new(layer: Arc<dyn FileLayer>, root: &Path) -> Self {
        layer.create_folder(root).unwrap();
        let (writers, readers, locks) = Default::default();
        Self { layer, root: root.to_owned(), writers, readers, locks }
    }

    /// One step, drawn anew from the same numbers on each side.
    fn step(&mut self, random: &mut Random) -> (String, String) {
        let (kind, slot) = (random.below(24), random.below(OPEN) as usize);
        let name = NAMES[random.below(NAMES.len() as u64) as usize];
        let other = NAMES[random.below(NAMES.len() as u64) as usize];
        let folder = FOLDERS[random.below(FOLDERS.len() as u64) as usize];
        let (path, onto, inside) = (self.root.join(name), self.root.join(other), self.root.join(folder));
        let (offset, bytes) = (random.below(3_000), vec![random.below(256) as u8; random.below(1_500) as usize]);
        let (layer, done) = (&*self.layer, |()| "done");
        let (step, answer) = match kind {
            // Never where files are: the folder of state has none that are renamed or removed.
            0 if folder != "a" => ("create folder", told(layer.create_folder(&inside).map(done))),
            1..=4 => ("create", told(place(&mut self.writers[slot], layer.create(&path)))),
            5..=8 => {
                ("write", told(self.writers[slot].as_mut().map_or(Ok(()), |file| file.write_all(&bytes)).map(done)))
            }
            9 | 10 => {
                let file = self.writers[slot].as_mut();
                (
                    "sync",
                    told(file.map_or(Ok(()), |file| if kind == 9 { file.sync() } else { file.sync_data() }).map(done)),
                )
            }
            11 | 12 => ("open", told(place(&mut self.readers[slot], layer.open(&path)))),
            13 | 14 => {
                let mut read = Vec::new();
                let done = self.readers[slot].as_mut().map_or(Ok(0), |file| file.read_to_end(&mut read));
                ("read", format!("{}: {read:?}", told(done)))
            }
            15 | 16 => ("rename", told(layer.rename(&path, &onto).map(done))),
            17 | 18 => ("remove", told(layer.remove(&path).map(done))),
            19 => ("sync folder", told(layer.sync_folder(&inside).map(done))),
            20 => {
                let locked = layer.lock(&path).map(|lock| {
                    let got = lock.is_some();
                    self.locks[slot] = lock.or(self.locks[slot].take());
                    got
                });
                ("lock", told(locked))
            }
            21 => {
                self.locks[slot] = None;
                ("unlock", String::new())
            }
            22 => {
                // Places are not mixed with writes that go on where the last one ended.
                let mut file = layer.create(&path);
                let written = file.as_mut().map_or(Ok(()), |file| {
                    file.write_at(offset, &bytes)?;
                    file.write_at(offset / 2, &bytes)
                });
                ("write at", format!("{} {}", told(written.map(done)), told(file.map(|_| "made"))))
            }
            _ => ("list", self.everything()),
        };
        (format!("{step} {name} {other} {folder:?} {slot}"), answer)
    }

    /// Every name, and the bytes of every file.
    fn everything(&self) -> String {
        let mut all = Vec::new();
        for folder in FOLDERS {
            match self.layer.list(&self.root.join(folder)) {
                Err(error) => all.push(format!("{folder}: {:?}", error.kind())),
                Ok(listed) => all.extend(listed.into_iter().map(|listed| {
                    let path = self.root.join(folder).join(&listed.name);
                    let mut bytes = Vec::new();
                    if let Ok(mut file) = self.layer.open(&path) {
                        // A folder opens, on some systems, and has nothing to read.
                        let _ = file.read_to_end(&mut bytes);
                    }
                    format!("{folder}/{:?} {:?} {bytes:?}", listed.name, listed.kind)
                })),
            }
        }
        all.sort();
        all.join("\n")
    }
}

/// Runs steps on both; where they differ.
fn agree(seed: u64, simulated: Arc<dyn FileLayer>) -> Verdict {
    let real = hand::folder();
    let root = real.path().canonicalize().unwrap();
    simulated.create_folder(&root).unwrap();
    let mut sides = [Arc::new(StdLayer) as _, simulated].map(|layer| Side::new(layer, &root.join("disk")));
    let mut numbers = [Random(seed), Random(seed)];
    let mut answered = 0;
    for number in 0..STEPS {
        let [real, ours] = [0, 1].map(|side| sides[side].step(&mut numbers[side]));
        if real != ours {
            return Err(format!("step {number}, {}: {} on the machine's, {} on ours", real.0, real.1, ours.1));
        }
        answered += usize::from(matches!(real.1.as_str(), "done" | "opened" | "true"));
    }
    let [real, ours] = sides.map(|side| side.everything());
    if real != ours {
        return Err(format!("in the end {real} on the machine's, {ours} on ours"));
    }
    Ok(format!("{STEPS} steps, {answered} of them not refused"))
}

#[test]
fn both_file_systems_answer_alike() {
    holds(|seed| {
        (0..8).map(|more| agree(seed.wrapping_mul(8).wrapping_add(more), Arc::new(Disk::default()))).collect()
    });
}

/// A disk whose names can be given twice.
struct Overwrites;

impl Habit for Overwrites {
    fn rename(&self, inner: &dyn FileLayer, from: &Path, to: &Path) -> io::Result<()> {
        let _ = inner.remove(to);
        inner.rename(from, to)
    }
}

#[test]
fn a_rename_onto_a_taken_name_is_noticed() {
    caught(3, |seed| agree(seed, Around::layer(Arc::new(Disk::default()), &Arc::new(Overwrites))));
}
