//! The raw baseline with actors: one ractor actor for each session, every operation a `call`.

use ractor::concurrency::JoinHandle;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

/// Counts, and tells the sum.
pub(crate) struct Counter;

/// What a counter is asked.
pub(crate) enum Ask {
    /// Adds one and tells the sum.
    Add(RpcReplyPort<u64>),
    /// Tells the sum.
    Sum(RpcReplyPort<u64>),
}

impl Actor for Counter {
    type Msg = Ask;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _myself: ActorRef<Ask>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(&self, _myself: ActorRef<Ask>, ask: Ask, sum: &mut u64) -> Result<(), ActorProcessingErr> {
        let reply = match ask {
            Ask::Add(reply) => {
                *sum += 1;
                reply
            }
            Ask::Sum(reply) => reply,
        };
        // A caller that left asked for nothing any more.
        let _ = reply.send(*sum);
        Ok(())
    }
}

/// Starts so many, each the stand-in of a session.
pub(crate) async fn spawn(count: usize) -> Vec<(ActorRef<Ask>, JoinHandle<()>)> {
    let mut actors = Vec::with_capacity(count);
    for _ in 0..count {
        actors.push(Counter::spawn(None, Counter, ()).await.expect("an actor starts"));
    }
    actors
}

/// One more, by a `call`.
pub(crate) async fn add(actor: &ActorRef<Ask>) {
    ask(actor, Ask::Add).await;
}

/// The sum, by a `call`.
pub(crate) async fn sum(actor: &ActorRef<Ask>) -> u64 {
    ask(actor, Ask::Sum).await
}

async fn ask(actor: &ActorRef<Ask>, ask: fn(RpcReplyPort<u64>) -> Ask) -> u64 {
    actor.call(ask, None).await.expect("the actor lives").expect("an answer")
}
