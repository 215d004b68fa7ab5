//! Faults and bugs that tests plant: a proof counts only if it fails when the mechanism it proves is taken out.
//!
//! Outside the crate's own tests nothing of this is there: [`Core::planted`] is a constant then.

use super::core::Core;

/// A mechanism that a proof takes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code, reason = "proofs plant them, and nobody else"))]
pub(crate) enum Bug {
    /// A look-up asks nobody whose session it is.
    NoOwnerCheck,
    /// The run token is given though somebody holds it.
    TwoTokens,
    /// A dropped run token leaves the mailbox as it is.
    NoRearm,
    /// A run ends in two steps: nothing waits, then, later, nobody runs.
    RestInTwoSteps,
    /// A lane is made, and whoever has the run token is not told.
    LaneUntold,
    /// A turn is staged on a revision that another one has replaced.
    StaleBase,
    /// A read gives a revision that another one has replaced.
    StaleRead,
    /// A commit keeps the revision's number.
    RevisionStands,
    /// A turn whose caller left before it started is run, and run again.
    CancelledTwice,
    /// A turn whose caller left before it started is run, and half of it committed.
    CancelledHalf,
    /// A creation looks whether its id or name is free, and takes it later.
    CheckThenInsert,
    /// A commit publishes one half of the keys, then the rest.
    PublishInTwoSteps,
    /// A snapshot reads a session's entries twice, each time half of them.
    EntriesReadTwice,
    /// A panic in an update leaves the turn.
    NoCatch,
    /// A place in the mailbox is not given back.
    PermitLeaked,
    /// An update finds a place in a mailbox that is full.
    NoPermit,
    /// Any number of updates stand in line for one mailbox.
    NoLineCap,
    /// Any number of updates are in flight.
    NoServiceCap,
    /// A caller runs the turns of others for as long as there are any.
    NoCallerBudget,
    /// A caller waits for an actor though nobody runs its session.
    NoCallerRun,
    /// No owner's own cap holds.
    IgnoresOwnerCap,
    /// A place is taken without a look at the caps, which was had before.
    ChecksThenTakes,
    /// Room is made for an owner, and then for all, and nothing keeps others from the first meanwhile.
    RoomNotHeld,
    /// Who is first in line is evicted, though used since it was queued.
    NoSecondLook,
    /// At a cap the expired keep their places.
    ExpiredStay,
    /// A session that grows may be evicted to make room for itself.
    EvictsTheGrowing,
    /// An ended session's bytes are not given back.
    KeepsBytes,
    /// The bytes of event logs are not counted.
    EventsUncounted,
    /// A restored log seals ids as it did before.
    OneEra,
    /// An owner that was refused its first session stays.
    KeepsRefusedOwners,
    /// The client id is no part of the identity, though it was bound.
    NoClientCheck,
    /// A look-up asks whose session it is only after it asked whether the session lives.
    OwnerCheckedLate,
    /// A remembered end is told to anybody.
    TombstoneOfAnybody,
    /// A sweep ends sessions and remembers none of them.
    #[cfg(test)]
    SweepBuriesNobody,
    /// Files hold no remembered ends.
    SnapshotSkipsTombstones,
    /// A commit does not look whether the session ended while the update ran.
    #[cfg(test)]
    CommitOverwritesEnd,
    /// A restore gives a new life to what has expired.
    RestoreRevives,
    /// A reference writes to its session after the end.
    #[cfg(test)]
    StaleReferenceWrites,
    /// A read does not count as use.
    ReadsDoNotSlide,
    /// To take out expired entries is a commit.
    PurgeBumpsRevision,
    /// A restore counts the idle timeout from its own time.
    DeadlineFromRestore,
    /// A restore asks its own clock alone what has expired, and how long the rest has left.
    RestoreTrustsClock,
    /// Files do not hold when a session was last used.
    LastUseNotPersisted,
    /// A sweep keeps owners that have nothing any more.
    OwnersNeverForgotten,
    /// Remembered ends are not capped: told to a service by its options.
    #[cfg(test)]
    TombstonesUnbounded,
    /// The log holds the ids of new sessions.
    LogTellsId,
    /// An error repeats the id that was asked for.
    ErrorTellsId,
    /// Files hold the ids of anonymous sessions.
    FileTellsAnonymousId,
    /// A commit that is to wait for its write is published, and answered, before it.
    PublishesFirst,
    /// A turn that waited in line is run though the journal was given up meanwhile.
    RunsOnCredit,
    /// What was written to the journal counts as durable before it was synced.
    AcknowledgesUnsynced,
    /// The journal holds no ends.
    TombstoneNotJournaled,
    /// The journal holds no event logs.
    EventsNotJournaled,
    /// The journal holds nothing of trims that were asked for.
    TrimsNotJournaled,
    /// The journal does not tell which event of a log is the oldest.
    OldestNotJournaled,
    /// The journal holds no last uses.
    TouchNotJournaled,
    /// The journal does not tell which entries of a large session were removed.
    DeltaForgetsRemoved,
    /// Files are written as if there were no keys.
    FilesUnsealed,
    /// A snapshot heals the journal whatever failed, and whenever.
    HealsWhateverFailed,
    /// The journal is written at every other interval.
    FlushesSeldom,
}

#[cfg(not(test))]
impl Core {
    /// Whether a test took this mechanism out.
    pub(crate) const fn planted(&self, _: Bug) -> bool {
        false
    }

    /// Does work on files where no task waits behind it.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        tokio::task::spawn_blocking(work).await
    }
}

/// What the registry's order comes from.
#[cfg(not(test))]
pub(crate) type Order = std::hash::RandomState;

/// The order of a registry that is about to be made.
#[cfg(not(test))]
pub(crate) fn order() -> Order {
    Order::new()
}

/// The file system of a service that is about to start.
#[cfg(not(test))]
pub(crate) fn disk() -> std::sync::Arc<dyn crate::snapshot::FileLayer> {
    std::sync::Arc::new(crate::snapshot::StdLayer)
}

#[cfg(test)]
pub(crate) use planting::{DISK, FROM_THE_START, Order, Planted, disk, order};

#[cfg(test)]
mod planting {
    use std::hash::{BuildHasher, DefaultHasher, RandomState};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::task::JoinError;

    use super::{Bug, Core};
    use crate::actor::sabotage::Sabotage;
    use crate::snapshot::{FileLayer, StdLayer};

    /// So often others get on before work on files is done in their order.
    const OTHERS: usize = 8;

    tokio::task_local! {
        /// What services that are started inside this scope have planted in them from the beginning.
        pub(crate) static FROM_THE_START: Vec<Bug>;
        /// The file system of services that are started inside this scope. They work on files in their own tasks, so that
        /// on a runtime of one thread with paused time everything happens in one order.
        pub(crate) static DISK: Arc<dyn FileLayer>;
    }

    /// What the registry's order comes from: on a disk of a service's own it is the same each time.
    #[derive(Clone)]
    pub(crate) struct Order(Option<RandomState>);

    impl BuildHasher for Order {
        type Hasher = DefaultHasher;

        fn build_hasher(&self) -> DefaultHasher {
            self.0.as_ref().map_or_else(DefaultHasher::new, BuildHasher::build_hasher)
        }
    }

    /// The order of a registry that is about to be made.
    pub(crate) fn order() -> Order {
        Order(DISK.try_with(|_| ()).is_err().then(RandomState::new))
    }

    /// The file system of a service that is about to start.
    pub(crate) fn disk() -> Arc<dyn FileLayer> {
        DISK.try_with(Arc::clone).unwrap_or_else(|_| Arc::new(StdLayer))
    }

    /// What tests planted in one service.
    pub(crate) struct Planted {
        bugs: [AtomicU64; 2],
        /// Whether work on files is done in the task that asks for it.
        in_order: bool,
        /// So many starts of an activation fail from now on.
        pub(crate) failing_starts: AtomicU64,
        /// What bugs and faults in the middle of turns go by.
        pub(crate) sabotage: Sabotage,
    }

    impl Default for Planted {
        fn default() -> Self {
            let planted = Self {
                bugs: [const { AtomicU64::new(0) }; 2],
                in_order: DISK.try_with(|_| ()).is_ok(),
                failing_starts: AtomicU64::new(0),
                sabotage: Sabotage::default(),
            };
            let _ = FROM_THE_START.try_with(|bugs| bugs.iter().for_each(|bug| planted.plant(*bug)));
            planted
        }
    }

    impl Planted {
        /// Takes a mechanism out.
        pub(crate) fn plant(&self, bug: Bug) {
            self.bugs[bug as usize / 64].fetch_or(1 << (bug as u64 % 64), Ordering::SeqCst);
        }

        pub(crate) fn activation_start(&self) -> Result<(), String> {
            let left = self.failing_starts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if left.is_ok() { Err("planted".to_owned()) } else { Ok(()) }
        }
    }

    impl Core {
        /// Whether a test took this mechanism out.
        pub(crate) fn planted(&self, bug: Bug) -> bool {
            self.planted.bugs[bug as usize / 64].load(Ordering::Relaxed) & (1 << (bug as u64 % 64)) != 0
        }

        /// Does work on files where no task waits behind it.
        pub(crate) async fn blocking<T: Send + 'static>(
            &self,
            work: impl FnOnce() -> T + Send + 'static,
        ) -> Result<T, JoinError> {
            if self.in_order() { Ok(self.after_others(work).await) } else { tokio::task::spawn_blocking(work).await }
        }

        /// As on a thread of its own, what others have begun meanwhile comes before it is done.
        async fn after_others<T>(&self, work: impl FnOnce() -> T) -> T {
            for _ in 0..OTHERS {
                tokio::task::yield_now().await;
            }
            work()
        }

        /// Whether work on files is done in the task that asks for it.
        pub(crate) fn in_order(&self) -> bool {
            self.planted.in_order
        }
    }
}
