//! What stays the same for as long as a session lives.

use std::sync::Arc;

use super::owners::OwnerSlot;
use crate::id::{Kind, Minted, OwnKind, SessionDigest, SessionId};
use crate::time::Timestamp;

/// What part a session plays for its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// One of any number, reached by id.
    Session,
    /// The owner's own, reached without an id.
    Bucket,
    /// The one shared by all.
    Global,
}

/// Who a session is and whose. What few sessions have stands apart, since all of them pay for what stands here.
pub(crate) struct Identity {
    pub(crate) digest: SessionDigest,
    pub(crate) owner: Arc<OwnerSlot>,
    pub(crate) created_at: Timestamp,
    rare: Option<Box<Rare>>,
    /// The id, where it was minted and is no secret.
    minted: Option<Minted>,
    /// Where there is no rare part.
    kind: OwnKind,
    pub(crate) role: Role,
}

/// What most sessions have none of.
struct Rare {
    kind: Kind,
    id: Option<SessionId>,
    name: Option<Box<str>>,
}

impl Identity {
    /// A session without a name, and with an id that nobody but its holder keeps.
    pub(crate) fn new(
        digest: SessionDigest,
        role: Role,
        kind: Kind,
        owner: &Arc<OwnerSlot>,
        created_at: Timestamp,
    ) -> Self {
        let (own, rare) = match kind.own() {
            Some(own) => (own, None),
            None => (OwnKind::default(), Some(Box::new(Rare { kind, id: None, name: None }))),
        };
        Self { digest, owner: Arc::clone(owner), created_at, rare, minted: None, kind: own, role }
    }

    /// The same with an id that is given out to its owner.
    pub(crate) fn with_id(mut self, id: &str) -> Self {
        self.minted = Minted::of(self.kind(), id);
        if self.minted.is_none() {
            self.rare().id = Some(SessionId::kept(id));
        }
        self
    }

    /// The same with a name of its owner's choice, if one was chosen.
    pub(crate) fn with_name(mut self, name: Option<Box<str>>) -> Self {
        if name.is_some() {
            self.rare().name = name;
        }
        self
    }

    /// The id as given out; `None` for an anonymous session, whose id is a secret nobody but its holder keeps.
    pub(crate) fn id(&self) -> Option<SessionId> {
        let minted = self.minted.map(|minted| minted.id(self.kind()));
        minted.or_else(|| self.rare.as_ref()?.id.clone())
    }

    /// Whether this is its id, of those that were not minted.
    pub(crate) fn is_foreign(&self, id: &SessionId) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.id.as_ref() == Some(id))
    }

    pub(crate) fn kind(&self) -> &str {
        self.rare.as_ref().map_or(self.kind.as_str(), |rare| rare.kind.as_str())
    }

    /// The name that its owner chose.
    pub(crate) fn name(&self) -> Option<&str> {
        self.rare.as_ref()?.name.as_deref()
    }

    fn rare(&mut self) -> &mut Rare {
        let kind = self.kind.into();
        self.rare.get_or_insert_with(|| Box::new(Rare { kind, id: None, name: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::owners::Owners;
    use crate::principal::OwnerKey;
    use crate::state::Committed;

    #[test]
    fn what_every_session_pays_for_is_small() {
        assert_eq!((size_of::<Identity>(), size_of::<Committed>()), (80, 56));
    }

    #[test]
    fn what_few_sessions_have_is_kept_whole() {
        let owner = Owners::new().intern(OwnerKey([1; 32]), None);
        let identity = |kind: &str| {
            let kind = Kind::new(kind).unwrap();
            Identity::new(SessionDigest([0; 32]), Role::Session, kind, &owner, Timestamp::default())
        };
        for kind in ["session", "mcp", "cart"] {
            let id = SessionId::generate(&Kind::new(kind).unwrap()).unwrap();
            let foreign = SessionId::kept("2f1f3a3e-7b7d-4c1e-9f6b-0d6f5e8a9b1c");
            for name in [None, Some("groceries")] {
                for (given, is_foreign) in [(None, false), (Some(&id), false), (Some(&foreign), true)] {
                    let identity = identity(kind).with_name(name.map(Into::into));
                    let identity = given.iter().fold(identity, |identity, id| identity.with_id(id.as_str()));
                    assert_eq!((identity.kind(), identity.name(), identity.id().as_ref()), (kind, name, given));
                    assert_eq!(identity.is_foreign(&foreign), is_foreign);
                    let common = kind != "cart" && name.is_none() && !is_foreign;
                    assert_eq!(identity.rare.is_none(), common, "{kind} {name:?} {given:?}");
                }
            }
        }
    }
}
