//! What a disk holds: what outlives a power cut for certain, and what may.
//!
//! Bytes that were written and not synced survive, vanish or tear by sectors, each write for itself. Names that were
//! made, changed or taken away become durable in their order: a power cut leaves those before some point.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::random::Random;

/// What a device writes whole or not at all.
const SECTOR: usize = 512;

/// The bytes of a file and what they are told apart by.
#[derive(Clone)]
pub(super) struct Content {
    pub(super) bytes: Arc<Vec<u8>>,
    hash: u64,
}

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Node {
    Folder,
    File(usize),
}

/// One step, as it is logged. What does not change the medium is a look.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Look,
    Put(PathBuf, Node),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    SyncFolder(PathBuf),
    Write {
        file: usize,
        offset: usize,
        bytes: Arc<[u8]>,
    },
    Sync(usize),
    /// A sync that failed: the system has forgotten what was to be written, and no later sync makes up for it.
    SyncFailed,
}

#[derive(Clone)]
struct Written {
    offset: usize,
    bytes: Arc<[u8]>,
    lost: bool,
}

#[derive(Clone)]
struct File {
    /// As processes see it.
    seen: Arc<Vec<u8>>,
    /// As it is on the medium for certain.
    kept: Content,
    unsynced: Vec<Written>,
}

type Names = BTreeMap<PathBuf, Node>;

/// A disk between two steps.
#[derive(Clone, Default)]
pub(super) struct Medium {
    files: Vec<File>,
    seen: Names,
    kept: Names,
    /// Changes of names since those that are kept.
    unsynced: Vec<Step>,
}

/// A disk as a restart finds it.
#[derive(Clone)]
pub(super) struct Image(pub(super) BTreeMap<PathBuf, Option<Content>>);

impl Content {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Self { bytes: Arc::new(bytes), hash: hasher.finish() }
    }
}

impl Image {
    /// Spoils a sector of the newest generation, if there is one with bytes; gives its path.
    pub(super) fn rot(&mut self, random: &mut Random) -> Option<PathBuf> {
        let ours = |path: &Path| path.extension().is_some_and(|end| end == "bin" || end == "json");
        let mut files: Vec<_> = self.0.iter_mut().filter(|(path, _)| ours(path)).collect();
        files.sort_by_key(|(path, _)| path.file_stem().map(ToOwned::to_owned));
        let (path, content) = files.pop()?;
        let content = content.as_mut()?;
        let mut bytes = content.bytes.to_vec();
        if bytes.is_empty() {
            return None;
        }
        let sector = random.below((bytes.len() as u64).div_ceil(SECTOR as u64)) as usize * SECTOR;
        let end = bytes.len().min(sector + SECTOR);
        let place = sector + random.below((end - sector) as u64) as usize;
        match random.below(3) {
            0 => bytes[sector..end].fill(0),
            1 => bytes[place] ^= 1 << random.below(8),
            // At least one bit of them is another one.
            _ => bytes[place..end].iter_mut().for_each(|byte| *byte ^= 1 + random.below(255) as u8),
        }
        *content = Content::of(bytes);
        Some(path.clone())
    }

    /// Equal for images that hold the same names and bytes.
    pub(super) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (path, content) in &self.0 {
            path.hash(&mut hasher);
            content.as_ref().map(|content| content.hash).hash(&mut hasher);
        }
        hasher.finish()
    }
}

impl Medium {
    /// A disk that holds an image and nothing that is not durable.
    pub(super) fn of(image: &Image) -> Self {
        let mut medium = Self::default();
        for (path, content) in &image.0 {
            let node = match content {
                None => Node::Folder,
                Some(kept) => {
                    medium.files.push(File { seen: kept.bytes.clone(), kept: kept.clone(), unsynced: Vec::new() });
                    Node::File(medium.files.len() - 1)
                }
            };
            medium.kept.insert(path.clone(), node);
        }
        medium.seen = medium.kept.clone();
        medium
    }

    pub(super) fn node(&self, path: &Path) -> Option<Node> {
        self.seen.get(path).copied()
    }

    pub(super) fn bytes(&self, file: usize) -> &Arc<Vec<u8>> {
        &self.files[file].seen
    }

    pub(super) fn new_file(&self) -> Node {
        Node::File(self.files.len())
    }

    /// What lies in a folder.
    pub(super) fn inside(&self, folder: &Path) -> impl Iterator<Item = (&Path, Node)> {
        let inside = self.seen.iter().filter(move |(path, _)| path.parent() == Some(folder));
        inside.map(|(path, node)| (path.as_path(), *node))
    }

    /// Does a step that was found possible.
    pub(super) fn apply(&mut self, step: &Step) {
        match step {
            Step::Look => {}
            Step::Put(..) | Step::Rename(..) | Step::Remove(_) => {
                if let Step::Put(_, Node::File(_)) = step {
                    let empty = Content::of(Vec::new());
                    self.files.push(File { seen: empty.bytes.clone(), kept: empty, unsynced: Vec::new() });
                }
                change(&mut self.seen, step);
                self.unsynced.push(step.clone());
            }
            Step::SyncFolder(folder) => {
                // Names become durable in order: with the last change of this folder, all before it.
                let last = self.unsynced.iter().rposition(|step| concerns(step, folder));
                for step in self.unsynced.drain(..last.map_or(0, |last| last + 1)) {
                    change(&mut self.kept, &step);
                }
            }
            Step::Write { file, offset, bytes } => {
                let file = &mut self.files[*file];
                lay(Arc::make_mut(&mut file.seen), *offset, bytes);
                file.unsynced.push(Written { offset: *offset, bytes: bytes.clone(), lost: false });
            }
            Step::Sync(file) => {
                let file = &mut self.files[*file];
                if !file.unsynced.is_empty() {
                    let mut kept = file.kept.bytes.to_vec();
                    for written in file.unsynced.drain(..).filter(|written| !written.lost) {
                        lay(&mut kept, written.offset, &written.bytes);
                    }
                    file.kept = Content::of(kept);
                }
            }
            Step::SyncFailed => {
                let unsynced = self.files.iter_mut().flat_map(|file| &mut file.unsynced);
                unsynced.for_each(|written| written.lost = true);
            }
        }
    }

    /// The power is cut: what a restart finds, one of the ways it may be.
    pub(super) fn cut(&self, random: &mut Random) -> Image {
        let mut names = self.kept.clone();
        let survive = random.below(self.unsynced.len() as u64 + 1) as usize;
        self.unsynced[..survive].iter().for_each(|step| change(&mut names, step));
        let mut content = |node| match node {
            Node::Folder => None,
            Node::File(file) => Some(self.files[file].cut(random)),
        };
        Image(names.into_iter().map(|(path, node)| (path, content(node))).collect())
    }
}

impl File {
    fn cut(&self, random: &mut Random) -> Content {
        if self.unsynced.is_empty() {
            return self.kept.clone();
        }
        let mut bytes = self.kept.bytes.to_vec();
        for Written { offset, bytes: written, .. } in &self.unsynced {
            let end = offset + written.len();
            match random.below(8) {
                0 => {}
                // The length is there and the bytes are not.
                1 => lay(&mut bytes, end, &[]),
                2 => lay(&mut bytes, *offset, written),
                kind => {
                    let (sectors, mut start) = ((end / SECTOR + 1 - offset / SECTOR) as u64, *offset);
                    let (mut number, at) = (0, random.below(sectors + 1));
                    while start < end {
                        let stop = end.min((start / SECTOR + 1) * SECTOR);
                        let there = match kind {
                            3 | 4 => number < at,
                            5 => number >= at,
                            6 => number != at,
                            _ => random.below(2) == 0,
                        };
                        if there {
                            lay(&mut bytes, start, &written[start - offset..stop - offset]);
                        }
                        (number, start) = (number + 1, stop);
                    }
                    if random.below(2) == 0 {
                        lay(&mut bytes, end, &[]);
                    }
                }
            }
        }
        Content::of(bytes)
    }
}

/// Lays bytes over those that are there; a gap is of zeros.
fn lay(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

fn change(names: &mut Names, step: &Step) {
    match step {
        Step::Put(path, node) => drop(names.insert(path.clone(), *node)),
        Step::Remove(path) => drop(names.remove(path)),
        Step::Rename(from, to) => {
            if let Some(node) = names.remove(from) {
                names.insert(to.clone(), node);
            }
        }
        _ => unreachable!("{step:?} changes no name"),
    }
}

fn concerns(step: &Step, folder: &Path) -> bool {
    let inside = |path: &Path| path.parent() == Some(folder);
    match step {
        Step::Put(path, _) | Step::Remove(path) => inside(path),
        Step::Rename(from, to) => inside(from) || inside(to),
        _ => false,
    }
}
