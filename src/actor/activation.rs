//! An activation: a ractor actor lent to a session that has more turns waiting than a caller should run.

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::token::{ACTOR_BUDGET, Ran, Token};

/// The actor itself; its state is the run token.
struct Activation;

/// What it is told.
enum Message {
    /// Run the next batch.
    Run,
}

/// Counts activations in the metric for as long as it lives.
struct Counted {
    token: Option<Token>,
    gauge: metrics::Gauge,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge.decrement(1);
    }
}

/// Lends an actor to the session whose token this is.
///
/// A start that fails drops the token, which arms the mailbox anew.
pub(crate) fn lend(token: Token) {
    let core = std::sync::Arc::clone(token.core());
    let Some(supervisor) = core.supervisor() else { return };
    let gauge = core.telemetry.activations.clone();
    gauge.increment(1);
    let start = Counted { token: Some(token), gauge };
    // Callers may be on a thread that is none of the runtime's.
    let _runtime = core.runtime.enter();
    if let Err(error) = ractor::ActorRuntime::<Activation>::spawn_linked_instant(None, Activation, start, supervisor) {
        tracing::error!(%error, "an activation could not be spawned");
    }
}

impl Actor for Activation {
    type Msg = Message;
    type State = Counted;
    type Arguments = Counted;

    async fn pre_start(&self, myself: ActorRef<Message>, start: Counted) -> Result<Counted, ActorProcessingErr> {
        #[cfg(test)]
        if let Some(token) = &start.token {
            token.core().failpoints.activation_start()?;
        }
        myself.send_message(Message::Run)?;
        Ok(start)
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        _: Message,
        state: &mut Counted,
    ) -> Result<(), ActorProcessingErr> {
        let Some(token) = state.token.take() else { return Ok(()) };
        match token.run(ACTOR_BUDGET) {
            Ran::More(token) => {
                state.token = Some(token);
                myself.send_message(Message::Run)?;
                tokio::task::yield_now().await;
            }
            // Passivation: the mailbox and the state stay in the slot, so nothing can be lost in the gap.
            Ran::Rested | Ran::Moved => myself.stop(None),
        }
        Ok(())
    }
}
