//! An activation: a ractor actor lent to a session that has more turns waiting than a caller should run.

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::sabotage::Step;
use super::token::{ACTOR_BUDGET, Ran, Token};

/// The actor itself; its state is the run token.
struct Activation;

/// What it is told.
enum Message {
    /// Run the next batch.
    Run,
}

/// What is lent: nothing any more once the actor is done, since its state outlives it for a while.
type Lent = Option<(Token, Counted)>;

/// Counts activations in the metric for as long as it lives.
struct Counted(metrics::Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// Lends an actor to the session whose token this is.
///
/// A start that fails drops the token, which arms the mailbox anew.
pub(crate) fn lend(token: Token) {
    #[cfg(test)]
    let Some(token) = super::explored::lent(token) else { return };
    token.set_active(false);
    let core = std::sync::Arc::clone(token.core());
    let Some(supervisor) = core.supervisor() else { return };
    let gauge = core.telemetry.activations.clone();
    gauge.increment(1);
    let start = Some((token, Counted(gauge)));
    // Through the runtime's handle and not `spawn_linked_instant`: a caller may be on a thread that is none of the
    // runtime's, and where the runtime shuts down the token is dropped in the middle of this call, which comes here
    // again and finds the thread's idea of its runtime locked.
    drop(core.runtime.spawn(async move {
        let started = ractor::ActorRuntime::<Activation>::spawn_linked(None, Activation, start, supervisor).await;
        if let Err(error) = started {
            tracing::error!(%error, "an activation could not be started");
        }
    }));
}

impl Actor for Activation {
    type Msg = Message;
    type State = Lent;
    type Arguments = Lent;

    async fn pre_start(&self, myself: ActorRef<Message>, start: Lent) -> Result<Lent, ActorProcessingErr> {
        #[cfg(test)]
        if let Some((token, _)) = &start {
            token.core().planted.activation_start()?;
        }
        myself.send_message(Message::Run)?;
        Ok(start)
    }

    async fn handle(&self, myself: ActorRef<Message>, _: Message, state: &mut Lent) -> Result<(), ActorProcessingErr> {
        let Some((token, counted)) = state.take() else { return Ok(()) };
        token.core().fail_at(Step::Handle);
        token.set_active(true);
        match token.run(ACTOR_BUDGET) {
            Ran::More(token) => {
                token.set_active(false);
                *state = Some((token, counted));
                myself.send_message(Message::Run)?;
                tokio::task::yield_now().await;
            }
            // Passivation: the mailbox and the state stay in the slot, so nothing can be lost in the gap.
            Ran::Rested | Ran::Moved => myself.stop(None),
        }
        Ok(())
    }
}
