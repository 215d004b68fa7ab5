//! One ractor actor for each session, every operation a `call`: the plain way of actors.

use dashmap::DashMap;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use serde_json::Value;

use super::maps::{add, counted};
use crate::session::{READ, state};
use crate::store::Store;

/// A session.
struct Keeper;

enum Ask {
    Read(RpcReplyPort<Value>),
    Add(RpcReplyPort<bool>),
    Counted(RpcReplyPort<u64>),
}

impl Actor for Keeper {
    type Msg = Ask;
    type State = Value;
    type Arguments = ();

    async fn pre_start(&self, _myself: ActorRef<Ask>, (): ()) -> Result<Value, ActorProcessingErr> {
        Ok(Value::Object(state()))
    }

    async fn handle(&self, _myself: ActorRef<Ask>, ask: Ask, state: &mut Value) -> Result<(), ActorProcessingErr> {
        // A caller that left wants no answer.
        let _left = match ask {
            Ask::Read(reply) => reply.send(state[READ].clone()).is_err(),
            Ask::Counted(reply) => reply.send(counted(state)).is_err(),
            Ask::Add(reply) => {
                add(state);
                reply.send(true).is_err()
            }
        };
        Ok(())
    }
}

/// Actors by the ids of their sessions.
pub(crate) struct Actors {
    ids: Vec<String>,
    actors: DashMap<String, ActorRef<Ask>>,
}

impl Actors {
    async fn ask<T: Send + 'static>(&self, place: usize, ask: fn(RpcReplyPort<T>) -> Ask) -> T {
        let actor = self.actors.get(&self.ids[place]).expect("the session is there").value().clone();
        actor.call(ask, None).await.expect("the actor lives").expect("it answers")
    }
}

impl Store for Actors {
    async fn build(ids: Vec<String>) -> Self {
        let actors = DashMap::new();
        for id in &ids {
            let (actor, _task) = Keeper::spawn(None, Keeper, ()).await.expect("an actor starts");
            actors.insert(id.clone(), actor);
        }
        Self { ids, actors }
    }

    async fn read(&self, place: usize) -> usize {
        self.ask(place, Ask::Read).await.as_object().map_or(0, serde_json::Map::len)
    }

    async fn update(&self, place: usize) -> bool {
        self.ask(place, Ask::Add).await
    }

    async fn counted(&self, place: usize) -> u64 {
        self.ask(place, Ask::Counted).await
    }
}
