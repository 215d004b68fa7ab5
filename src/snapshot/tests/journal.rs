//! A journal is read up to the first frame that is not as it was written, and says what came after.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::fixture::*;
use crate::config::Wrap;
use crate::snapshot::journal::{Rest, items, read};
use crate::snapshot::layer::LayerFile;
use crate::snapshot::*;

fn folder(path: &Path) -> Folder {
    Folder::open(path, Arc::new(StdLayer), CODEC).unwrap()
}

/// A frame that holds a session at this revision.
fn frame(digest: u8, revision: u64) -> Frame {
    let mut frame = Frame::new();
    frame.put(&JournalItem::Session(SessionRecord { revision, ..bare(digest) }.borrowed())).unwrap();
    frame
}

fn write(writer: &mut JournalWriter, revisions: std::ops::Range<u64>) {
    for revision in revisions {
        writer.write(&mut frame(1, revision), NOW + revision).unwrap();
        writer.sync().unwrap();
    }
}

fn path(folder: &Path, generation: u64, segment: u64) -> std::path::PathBuf {
    folder.join(format!("journal-{generation:020}-{segment:06}.log"))
}

/// A journal with frames 7 to 11 in it, one a revision from 1 to 5, and where each ends.
fn written() -> (Vec<u8>, Vec<usize>) {
    let root = tempfile::tempdir().unwrap();
    let mut writer = folder(root.path()).begin_journal(0, 7, NOW).unwrap();
    let mut ends = vec![writer.bytes() as usize];
    for revision in 1..6 {
        write(&mut writer, revision..revision + 1);
        ends.push(writer.bytes() as usize);
    }
    (fs::read(path(root.path(), 0, 0)).unwrap(), ends)
}

/// The revisions that are read from these bytes, and what stands after them.
fn revisions(bytes: &[u8]) -> Result<(Vec<u64>, Rest), FileError> {
    let mut revisions = Vec::new();
    let found = read(&mut &*bytes, &Wrap::default(), u64::MAX, &mut |item| {
        if let JournalItem::Session(record) = item {
            revisions.push(record.revision);
        }
        Ok(())
    })?;
    assert_eq!((found.frames, found.next_frame), (revisions.len() as u64, 7 + revisions.len() as u64));
    Ok((revisions, found.rest))
}

#[test]
fn what_was_written_is_read() {
    let (bytes, _) = written();
    assert_eq!(revisions(&bytes).unwrap(), (vec![1, 2, 3, 4, 5], Rest::Clean));
}

#[test]
fn a_file_that_is_cut_anywhere_gives_what_was_whole_by_then() {
    let (bytes, ends) = written();
    for length in 0..ends[5] + 600 {
        let whole = ends.iter().skip(1).filter(|end| **end <= length).count() as u64;
        match revisions(&bytes[..length]) {
            Ok((found, rest)) => {
                assert!(length > 64, "a header of {length} bytes");
                // The zeros that fill the last sector need not be there.
                let found = found.len() as u64;
                assert!(found == whole || found == whole + 1, "{found} of {whole} at {length}");
                assert_ne!(rest, Rest::Damaged, "{length}");
            }
            Err(FileError::Empty | FileError::Truncated | FileError::Damaged { .. }) => assert!(length < 512),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn every_flipped_bit_ends_the_reading_there_and_is_told_apart_from_a_write_that_was_cut_short() {
    let (bytes, ends) = written();
    let mut damaged = bytes.clone();
    for place in 0..ends[5] {
        for bit in 0..8 {
            damaged[place] ^= 1 << bit;
            let before = ends.iter().filter(|end| **end <= place).count() as u64;
            match revisions(&damaged) {
                // What fills the last sector of a frame is not looked at.
                Ok((found, Rest::Clean)) => assert_eq!(found.len(), 5, "byte {place}"),
                Ok((found, rest)) => {
                    assert_eq!(found.len() as u64, before - 1, "byte {place}");
                    let expected = if before == 5 { Rest::Torn } else { Rest::Damaged };
                    assert_eq!(rest, expected, "byte {place}");
                }
                Err(_) => assert!(place < 512, "byte {place}"),
            }
            damaged[place] = bytes[place];
        }
    }
}

#[test]
fn a_frame_of_another_journal_is_none() {
    let ((bytes, ends), (other, _)) = (written(), written());
    let mut mixed = bytes.clone();
    mixed[ends[2]..ends[3]].copy_from_slice(&other[ends[2]..ends[3]]);
    assert_eq!(revisions(&mixed).unwrap(), (vec![1, 2], Rest::Damaged));
    let mut twice = bytes.clone();
    twice.copy_within(ends[1]..ends[2], ends[2]);
    assert_eq!(revisions(&twice).unwrap(), (vec![1, 2], Rest::Damaged));
}

#[test]
fn a_newer_journal_is_told_apart_from_a_damaged_one() {
    let (mut bytes, _) = written();
    bytes[8] = 2;
    let sum = crc32c::crc32c(&bytes[..12]);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    assert!(matches!(revisions(&bytes), Err(FileError::NewerVersion { found: 2, supported: 1 })));
}

/// The revision that a chain leaves the session at, the frame that goes on with it, and whether anything was lost.
fn chained(folder: &Folder, generation: u64) -> (Option<u64>, Option<u64>, Option<bool>) {
    let chain = folder.chain(generation).map_err(|(_, error)| error).unwrap();
    let held = chain.replay.others().map(|record| record.unwrap().borrowed().revision).next();
    (held, chain.next_frame(), chain.cut.as_ref().map(|cut| cut.lost))
}

#[test]
fn a_chain_goes_on_over_files_and_ends_at_the_first_gap() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path());
    let mut first = folder.begin_journal(0, 1, NOW).unwrap();
    write(&mut first, 1..4);
    assert_eq!(chained(&folder, 0), (Some(3), Some(4), None));
    // The third frame was never acknowledged: its sync failed, and the next file begins with its number.
    let mut second = folder.begin_journal(4, 3, NOW).unwrap();
    assert_eq!(chained(&folder, 0), (Some(2), Some(3), None));
    write(&mut second, 10..12);
    let mut third = folder.begin_journal(4, 5, NOW).unwrap();
    write(&mut third, 12..14);
    assert_eq!(chained(&folder, 0), (Some(13), Some(7), None));
    assert_eq!(chained(&folder, 4), (Some(13), Some(7), None));
    assert_eq!(chained(&folder, 5), (None, None, None));
    // A file whose creation was cut short counts for nothing.
    fs::write(path(root.path(), 4, 2), [0; 4_096]).unwrap();
    assert_eq!(chained(&folder, 4), (Some(13), Some(7), None));
    // One that is damaged does.
    let mut damaged = fs::read(path(root.path(), 4, 1)).unwrap();
    damaged[20] ^= 1;
    fs::write(path(root.path(), 4, 1), damaged).unwrap();
    assert_eq!(chained(&folder, 4), (Some(11), Some(5), Some(true)));
    fs::remove_file(path(root.path(), 4, 1)).unwrap();
    let mut fourth = folder.begin_journal(4, 7, NOW).unwrap();
    write(&mut fourth, 14..15);
    assert_eq!(chained(&folder, 4), (Some(11), Some(5), Some(true)));
    // Without its beginning nothing of it counts.
    assert_eq!(chained(&folder, 3), (None, None, Some(true)));
}

#[test]
fn journals_go_with_the_snapshots_that_they_go_on_from() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path());
    for _ in 0..4 {
        let number = folder.next_generation().unwrap();
        drop(folder.begin_journal(number, number, NOW).unwrap());
        folder.write_as(number, FORMATS[0], NOW, |_| Ok(())).unwrap();
        folder.retain(2, None).unwrap();
    }
    let kept: Vec<_> = folder.journals().unwrap().iter().map(|file| file.generation).collect();
    assert_eq!(kept, [3, 4]);
    assert_eq!(folder.generations().unwrap().iter().map(|file| file.number).collect::<Vec<_>>(), [4, 3]);
}

/// A file on a disk that has space for so many bytes, and what was asked of it.
#[derive(Clone)]
struct Nearly {
    space: usize,
    full: io::ErrorKind,
    asked: Arc<Mutex<Vec<usize>>>,
}

impl Write for Nearly {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        unreachable!("journals are written at places")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LayerFile for Nearly {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.asked.lock().push(bytes.len());
        let fits = offset as usize + bytes.len() <= self.space;
        if fits { Ok(()) } else { Err(self.full.into()) }
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn on_a_disk_that_is_nearly_full_a_journal_asks_for_less_each_time() {
    for full in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        let root = tempfile::tempdir().unwrap();
        drop(folder(root.path()).begin_journal(0, 1, NOW).unwrap());
        let head = fs::read(path(root.path(), 0, 0)).unwrap();
        let header = read(&mut &*head, &Wrap::default(), 0, &mut |_| Ok(())).unwrap().header;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let disk = Nearly { space: 1 << 20, full, asked: Arc::clone(&asked) };
        let mut writer = JournalWriter::begin(Box::new(disk), header, &Wrap::default()).unwrap();
        let (mut rounds, mut refused) = (0, 0);
        // Until a write itself finds no space.
        while writer.write(&mut frame(1, 1 + rounds), NOW).is_ok() {
            rounds += 1;
            asked.lock().clear();
            writer.make_room().unwrap();
            let asked = asked.lock().iter().sum::<usize>();
            // Once it was told that there is no space it asks for a part of what it asked for before.
            if writer.bytes() as usize > (1 << 20) - (64 << 10) {
                assert!(asked <= 64 << 10, "{asked} bytes are asked for with next to nothing left");
                refused += usize::from(asked > 0);
            }
        }
        assert!(writer.bytes() as usize > (1 << 20) - 4_096, "{} bytes are used", writer.bytes());
        assert!(refused > 0 && rounds > 100, "{rounds} rounds, {refused} times");
    }
}

/// What journals say of event logs, as a payload.
fn changes_of_logs() -> (Vec<(u64, EventsRecord)>, TrimRecord, Vec<u8>) {
    let grown: Vec<_> = (0..).zip(events()).map(|(place, part)| (2 - place, part)).collect();
    let trim = TrimRecord { digest: [7; 32], epoch: u128::MAX - 5, stream: "größe".to_owned(), before: 1 << 60 };
    let mut payload = Vec::new();
    let TrimRecord { digest, epoch, stream, before } = &trim;
    let borrowed = TrimRecord { digest: *digest, epoch: *epoch, stream: stream.as_str(), before: *before };
    JournalItem::Trim(borrowed).put(&mut payload).unwrap();
    for (oldest, part) in &grown {
        JournalItem::Growth(GrowthRecord { oldest: *oldest, part: part.borrowed() }).put(&mut payload).unwrap();
    }
    (grown, trim, payload)
}

#[test]
fn what_became_of_event_logs_is_read_as_it_was_written() {
    let (grown, trim, payload) = changes_of_logs();
    let (mut found, mut trims) = (Vec::new(), Vec::new());
    items(&payload, &mut |item| {
        match item {
            JournalItem::Growth(growth) => found.push((growth.oldest, growth.part.owned())),
            JournalItem::Trim(TrimRecord { digest, epoch, stream, before }) => {
                trims.push(TrimRecord { digest, epoch, stream: stream.to_owned(), before });
            }
            _ => panic!("an item of another sort"),
        }
        Ok(())
    })
    .unwrap();
    assert_eq!((found, trims), (grown, vec![trim]));
}

#[test]
fn bytes_that_are_no_changes_of_event_logs_are_refused_without_a_panic() {
    let (_, _, payload) = changes_of_logs();
    let mut damaged = payload.clone();
    let is_read = |bytes: &[u8]| {
        let read = items(bytes, &mut |item| {
            if let JournalItem::Growth(growth) = item {
                assert!(growth.oldest <= growth.part.next && growth.part.trimmed < growth.part.next);
                assert!(growth.part.events.iter().all(|event| event.number < growth.part.next));
            }
            Ok(())
        });
        read.is_ok()
    };
    for place in 0..payload.len() {
        for bit in 0..8 {
            damaged[place] ^= 1 << bit;
            is_read(&damaged);
            damaged[place] = payload[place];
        }
    }
    // Cut between two of them it holds those before; anywhere else it holds none.
    assert_eq!((0..payload.len()).filter(|length| is_read(&payload[..*length])).count(), 4);
    let (part, mut refused) = (events().remove(0), Vec::new());
    let later = GrowthRecord { oldest: part.next + 1, part: part.borrowed() };
    assert!(JournalItem::Growth(later).put(&mut refused).is_err());
    assert!(refused.is_empty());
}
