use std::collections::BTreeMap;

use super::*;
use crate::actor::owners::Owners;
use crate::actor::slot::{Identity, Role};
use crate::id::{Kind, SessionDigest};
use crate::principal::OwnerKey;
use crate::state::{Committed, Lifetime, Metadata};

fn slot(owners: &Owners, created_at: u64, key: u64) -> Arc<Slot> {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&key.to_be_bytes());
    let (owner, now) = (owners.intern(OwnerKey([1; 32]), None), Timestamp::from_micros(created_at));
    let identity = Identity::new(SessionDigest(digest), Role::Session, Kind::default(), &owner, now);
    Arc::new(Slot::new(identity, Committed::new(Metadata::default(), Lifetime::default()), now))
}

fn same(one: &[Arc<Slot>], other: impl Iterator<Item = Arc<Slot>>) {
    let other: Vec<_> = other.collect();
    assert_eq!(one.len(), other.len());
    assert!(one.iter().zip(&other).all(|(one, other)| Arc::ptr_eq(one, other)));
}

#[test]
fn random_steps_agree_with_a_tree() {
    let owners = Owners::new();
    let (mut roster, mut tree) = (Roster::default(), BTreeMap::new());
    let mut seed = 0x5e55_11e0_u64;
    let mut random = |end: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % end
    };
    for step in 0..12_000_u64 {
        // Grows, stays and shrinks; times go on with some that come late, and some sessions are created at once.
        let adds = [80, 50, 20][(step / 4_000) as usize];
        if random(100) < adds {
            let slot = slot(&owners, (step / 3).saturating_sub(random(8) * random(200)), random(4));
            roster.insert(&slot);
            tree.insert(place(&slot), slot);
        } else if let Some((_, slot)) = tree.iter().nth(random(tree.len().max(1) as u64) as usize) {
            let slot = Arc::clone(slot);
            roster.remove(&slot);
            tree.remove(&place(&slot));
            roster.remove(&slot);
        }
        assert_eq!(roster.len(), tree.len());
        let from = (Timestamp::from_micros(random(step / 3 + 1)), SessionKey([random(3) as u8; 16]));
        if step % 8 == 0 {
            let at_most = random(300) as usize;
            let after = tree.iter().filter(|(place, _)| **place > from).take(at_most);
            same(&roster.after(Some(from), at_most), after.map(|(_, slot)| Arc::clone(slot)));
            let before = tree.iter().rev().filter(|(place, _)| **place < from).take(at_most);
            same(&roster.before(Some(from), at_most), before.map(|(_, slot)| Arc::clone(slot)));
        }
        assert!(roster.runs.iter().all(|run| !run.is_empty() && run.len() <= RUN));
    }
    same(&roster.after(None, usize::MAX), tree.values().map(Arc::clone));
    same(&roster.before(None, usize::MAX), tree.values().rev().map(Arc::clone));
}

#[test]
fn runs_are_full_where_sessions_come_in_order() {
    let (owners, mut roster) = (Owners::new(), Roster::default());
    (0..1_000).for_each(|at| roster.insert(&slot(&owners, at, 0)));
    assert_eq!(roster.runs.len(), 1_000_usize.div_ceil(RUN));
    assert!(roster.runs.iter().all(|run| run.capacity() <= RUN));
}
