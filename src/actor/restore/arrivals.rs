//! Sessions on their way into the registry, all at once when the whole file is known to be right.

use std::sync::Arc;

use crate::actor::core::Core;
use crate::actor::registry::SHARDS;
use crate::actor::slot::Slot;
use crate::id::SessionKey;
use crate::snapshot::FileError;

/// Slots by their places in the registry. Ids are random: entered as they come, each would wait for memory.
pub(super) struct Arrivals {
    places: Vec<Vec<Arrival>>,
    met: u64,
}

struct Arrival {
    key: SessionKey,
    slot: Arc<Slot>,
    /// Its number in the file.
    index: u64,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { places: (0..SHARDS).map(|_| Vec::new()).collect(), met: 0 }
    }
}

impl Arrivals {
    /// Notes the next session of the file.
    pub(super) fn add(&mut self, core: &Core, key: SessionKey, slot: Arc<Slot>) {
        self.met += 1;
        if let Some(place) = self.places.get_mut(core.registry.place(&key)) {
            place.push(Arrival { key, slot, index: self.met });
        }
    }

    /// Enters all of them; refuses the first that is in the file for the second time. Only a file without any other flaw
    /// comes so far.
    pub(super) fn enter(self, core: &Core) -> Result<(), FileError> {
        let mut twice: Option<(u64, Arc<Slot>)> = None;
        for Arrival { key, slot, index } in self.places.into_iter().flatten() {
            if let Err(slot) = core.registry.enter(key, slot)
                && twice.as_ref().is_none_or(|(first, _)| index < *first)
            {
                twice = Some((index, slot));
            }
        }
        match twice {
            None => Ok(()),
            Some((index, slot)) => {
                let tag = slot.identity.digest.tag();
                Err(FileError::Record { index, detail: format!("session {tag}: the session is in the file twice") })
            }
        }
    }
}
