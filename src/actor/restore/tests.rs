//! A file that is whole and holds a session that cannot be taken is refused whole.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::*;
use crate::actor::create::{self, Creator};
use crate::actor::end;
use crate::actor::image;
use crate::actor::new_session::NewSession;
use crate::config::{Config, Format};
use crate::error::{EndReason, Ended};
use crate::principal::Principal;
use crate::snapshot::{SessionRef, StdLayer, WriteError, Writer};
use crate::telemetry::Telemetry;
use crate::time::Clock;

fn core() -> Arc<Core> {
    Arc::new(Core::new(Config::default(), Clock::system(), Telemetry::register(&[]), Handle::current()))
}

fn add(core: &Arc<Core>, subject: &str, label: &str) -> Arc<Slot> {
    let principal = Principal::new("i", subject);
    let creator = Creator { key: principal.key(), principal: Some(&principal) };
    create::session(core, creator, NewSession::default().label(label), None, false).unwrap().slot
}

fn write(core: &Core, folder: &Folder, more: impl FnOnce(&mut Writer<'_>) -> Result<(), WriteError>) {
    let now = core.clock.now().as_micros();
    let fill = |writer: &mut Writer<'_>| {
        image::write(core, writer)?;
        more(writer)
    };
    folder.write(Format::Bincode, now, fill).unwrap();
}

/// Everything that is counted or listed, by owner.
fn held(core: &Core) -> (u64, u64, usize, usize, Vec<(usize, u64)>) {
    let owners = ["a", "b"].map(|subject| {
        let owner = core.owners.find(&Principal::new("i", subject).key());
        let listed = owner.as_ref().map_or(0, |owner| owner.index.lock().sessions.len());
        (listed, owner.map_or(0, |owner| owner.share.bytes()))
    });
    let (sessions, bytes) = (core.capacity.sessions(), core.capacity.bytes());
    (sessions, bytes, core.registry.len(), core.owners.len(), owners.to_vec())
}

#[tokio::test]
async fn of_a_refused_file_nothing_stays_and_the_one_before_it_counts() {
    for twice in [true, false] {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path(), Arc::new(StdLayer), entries_codec()).unwrap();
        let written = core();
        add(&written, "a", "first");
        write(&written, &folder, |_| Ok(()));
        let before = held(&written);
        let odd = add(&written, "b", "the second one");
        let committed = odd.peek().unwrap();
        let (entries, id) = (committed.entries.packed_bytes(), odd.identity.id());
        write(&written, &folder, |writer| {
            let digest = if twice { odd.identity.digest.0 } else { [9; 32] };
            writer.session(&SessionRef { digest, ..image::record(&odd, &committed, &entries, id.as_ref()) })
        });
        let restored = core();
        let report = restore(&restored, &folder, false).unwrap().0;
        assert_eq!(held(&restored), before);
        assert_eq!((report.sessions, report.degraded()), (1, true));
        let [(_, problem)] = report.skipped.as_slice() else { panic!("{report:?}") };
        let (tag, reason) = match twice {
            true => (odd.identity.digest.tag(), "the session is in the file twice"),
            false => ("09090909".to_owned(), "its digest is not that of its id"),
        };
        assert_eq!(problem, &format!("record 3 cannot be taken: session {tag}: {reason}"));
    }
}

#[tokio::test]
async fn a_session_whose_end_is_in_the_file_too_is_not_restored() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path(), Arc::new(StdLayer), entries_codec()).unwrap();
    let written = core();
    let (gone, _stays) = (add(&written, "a", "first"), add(&written, "a", "second"));
    let (committed, at) = (gone.peek().unwrap(), written.clock.now());
    let (entries, id) = (committed.entries.packed_bytes(), gone.identity.id());
    end::end(&written, &gone, Ended { reason: EndReason::Closed, at }).unwrap();
    // As if it had ended while the file was being written.
    let fill = |writer: &mut Writer<'_>| {
        writer.session(&image::record(&gone, &committed, &entries, id.as_ref()))?;
        image::write(&written, writer)
    };
    folder.write(Format::Bincode, at.as_micros(), fill).unwrap();
    let restored = core();
    let report = restore(&restored, &folder, false).unwrap().0;
    assert_eq!((report.sessions, report.expired, report.tombstones), (1, 0, 1));
    assert_eq!(held(&restored), held(&written));
    assert!(restored.registry.find(&gone.identity.digest).is_none());
    assert!(restored.tombstones.find(&gone.identity.digest).is_some());
}
