//! The stored form of what a journal holds beside whole sessions and their ends. As frozen as that of snapshots.

use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::snapshot::record::list::{MOST_ENTRIES, at_most};
use crate::snapshot::record::{
    EventsRecord, MAX_REVISION, MAX_STAMP, MAX_TEXT, SessionRecord, SessionRef, SlidingRecord, Text, TombstoneRecord,
    check, hash,
};
use crate::snapshot::{RecordError, codec};

/// What changed in a large session since one of its revisions.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Debug))]
#[serde(bound(deserialize = "S: Deserialize<'de>, B: From<&'de [u8]>"))]
pub(crate) struct DeltaRecord<S: Text = String, B: AsRef<[u8]> = Vec<u8>> {
    /// The revision that it starts from; it can be laid on any between that one and its own.
    pub(crate) base: u64,
    /// The session as it is, with those of its entries that were put since.
    pub(crate) session: SessionRecord<S, B>,
    /// The keys that were removed, sorted.
    #[serde(deserialize_with = "at_most::<_, _, MOST_ENTRIES>")]
    pub(crate) removed: Vec<S>,
}

/// When a session was last used: the only thing that a read changes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[cfg_attr(test, derive(Debug))]
#[serde(bound(deserialize = "S: Deserialize<'de>"))]
pub(crate) struct TouchRecord<S: Text = String> {
    /// The hash that names the session.
    #[garde(skip)]
    #[serde(with = "hash")]
    pub(crate) digest: [u8; 32],
    /// When it was last used.
    #[garde(range(max = MAX_STAMP))]
    pub(crate) last_active_at: u64,
    /// Last uses of entries with a sliding ttl, in the order of the keys.
    #[garde(dive)]
    #[serde(deserialize_with = "at_most::<_, _, MOST_ENTRIES>")]
    pub(crate) sliding: Vec<SlidingRecord<S>>,
}

/// What was appended to an event log: a part that can be laid on the log as it was before it, or as it was at any time after.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct GrowthRecord<S: Text = String> {
    /// The number of the oldest event that was kept by then, that of the next one where none was: those before it were
    /// trimmed, among them some that no journal holds.
    pub(crate) oldest: u64,
    /// The events, with the log as it was right after the last of them.
    pub(crate) part: EventsRecord<S>,
}

/// What was trimmed of one stream of an event log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct TrimRecord<S: Text = String> {
    /// The hash that names the session.
    #[garde(skip)]
    #[serde(with = "hash")]
    pub(crate) digest: [u8; 32],
    /// Of which log: what its ids are sealed with.
    #[garde(skip)]
    pub(crate) epoch: u128,
    /// The stream.
    #[garde(length(bytes, min = 1, max = MAX_TEXT))]
    pub(crate) stream: S,
    /// Its events with lower numbers were trimmed.
    #[garde(range(max = MAX_REVISION))]
    pub(crate) before: u64,
}

/// What a frame is made of.
pub(crate) enum JournalItem<'a> {
    /// A session at a revision.
    Session(SessionRef<'a>),
    /// What changed in one.
    Delta(DeltaRecord<&'a str, &'a [u8]>),
    /// When one was used.
    Touch(TouchRecord<&'a str>),
    /// The end of one.
    Tombstone(TombstoneRecord),
    /// What was appended to the event log of one.
    Growth(GrowthRecord<&'a str>),
    /// What was trimmed of it.
    Trim(TrimRecord<&'a str>),
}

const SESSION: u8 = 1;
const TOMBSTONE: u8 = 2;
const DELTA: u8 = 3;
const TOUCH: u8 = 4;
const GROWTH: u8 = 5;
const TRIM: u8 = 6;

impl JournalItem<'_> {
    /// Appends the item to a payload; one that is refused leaves it as it was.
    pub(in crate::snapshot) fn put(&self, payload: &mut Vec<u8>) -> Result<(), RecordError> {
        let start = payload.len();
        let put = self.checked().and_then(|()| self.append(payload));
        put.map_err(|detail| {
            payload.truncate(start);
            RecordError(detail)
        })
    }

    fn append(&self, payload: &mut Vec<u8>) -> Result<(), String> {
        let start = payload.len();
        payload.extend([self.tag(), 0, 0, 0, 0]);
        match self {
            Self::Session(record) => codec::encode(record, payload),
            Self::Delta(record) => codec::encode(record, payload),
            Self::Touch(record) => codec::encode(record, payload),
            Self::Tombstone(record) => codec::encode(record, payload),
            Self::Growth(record) => codec::encode(record, payload),
            Self::Trim(record) => codec::encode(record, payload),
        }?;
        let bytes = payload.len() - start - 5;
        let fits = u32::try_from(bytes).ok().filter(|_| bytes <= crate::snapshot::MAX_RECORD_BYTES);
        let length = fits.ok_or_else(|| format!("{bytes} bytes are more than a record may have"))?;
        if let Some(place) = payload.get_mut(start + 1..start + 5) {
            place.copy_from_slice(&length.to_le_bytes());
        }
        Ok(())
    }

    const fn tag(&self) -> u8 {
        match self {
            Self::Session(_) => SESSION,
            Self::Tombstone(_) => TOMBSTONE,
            Self::Delta(_) => DELTA,
            Self::Touch(_) => TOUCH,
            Self::Growth(_) => GROWTH,
            Self::Trim(_) => TRIM,
        }
    }

    /// By the rules it is read back by.
    fn checked(&self) -> Result<(), String> {
        match self {
            Self::Session(record) => check(record),
            Self::Delta(record) => {
                let ascending = record.removed.iter().zip(record.removed.iter().skip(1)).all(|(one, next)| one < next);
                if !ascending || record.base >= record.session.revision {
                    return Err("a change does not fit itself".to_owned());
                }
                check(&record.session)
            }
            Self::Touch(record) => check(record),
            Self::Tombstone(record) => check(record),
            Self::Growth(record) if record.oldest > record.part.next => {
                Err("the oldest event of a log comes after its last".to_owned())
            }
            Self::Growth(record) => check(&record.part),
            Self::Trim(record) => check(record),
        }
    }
}

/// Hands on the items of a payload, in order; the error of the first that is none.
pub(in crate::snapshot) fn items(
    mut payload: &[u8],
    each: &mut dyn FnMut(JournalItem<'_>) -> Result<(), String>,
) -> Result<(), String> {
    while let Some((&tag, rest)) = payload.split_first() {
        let split = rest.split_first_chunk().and_then(|(length, rest)| {
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            rest.split_at_checked(length)
        });
        let Some((bytes, after)) = split else { return Err("a record does not fit".to_owned()) };
        let item = match tag {
            SESSION => JournalItem::Session(codec::decode(bytes)?),
            TOMBSTONE => JournalItem::Tombstone(codec::decode(bytes)?),
            DELTA => JournalItem::Delta(codec::decode(bytes)?),
            TOUCH => JournalItem::Touch(codec::decode(bytes)?),
            GROWTH => JournalItem::Growth(codec::decode(bytes)?),
            TRIM => JournalItem::Trim(codec::decode(bytes)?),
            _ => return Err("a record is of no known sort".to_owned()),
        };
        item.checked()?;
        each(item)?;
        payload = after;
    }
    Ok(())
}
