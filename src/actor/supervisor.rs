//! The supervisor: parent of every activation and of the snapshotter, and the one who sweeps.

use std::sync::{Arc, Weak};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SpawnErr, SupervisionEvent};

use super::core::Core;
use super::sweep::{SweepReport, sweep};

/// The actor; its state is the core it looks after.
struct Supervisor;

/// What it is told.
enum Message {
    /// The time for a sweep has come.
    SweepDue,
    /// Somebody wants a sweep now.
    Sweep(RpcReplyPort<SweepReport>),
}

/// A way to talk to the supervisor.
#[derive(Clone)]
pub(crate) struct SupervisorRef(ActorRef<Message>);

/// Starts the supervisor of a service.
pub(crate) async fn start(core: &Arc<Core>) -> Result<SupervisorRef, SpawnErr> {
    let (actor, _) = ractor::ActorRuntime::<Supervisor>::spawn(None, Supervisor, Arc::downgrade(core)).await?;
    core.set_supervisor(actor.get_cell());
    Ok(SupervisorRef(actor))
}

impl SupervisorRef {
    /// Sweeps now; `None` when the supervisor has stopped.
    pub(crate) async fn sweep(&self) -> Option<SweepReport> {
        match self.0.call(Message::Sweep, None).await {
            Ok(ractor::rpc::CallResult::Success(report)) => Some(report),
            _ => None,
        }
    }

    pub(crate) fn cell(&self) -> ActorCell {
        self.0.get_cell()
    }
}

impl Actor for Supervisor {
    type Msg = Message;
    // Weak: a service that was dropped without a drain must not live on in its own actors.
    type State = Weak<Core>;
    type Arguments = Weak<Core>;

    async fn pre_start(&self, myself: ActorRef<Message>, core: Weak<Core>) -> Result<Weak<Core>, ActorProcessingErr> {
        rearm(&myself, &core);
        Ok(core)
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        core: &mut Weak<Core>,
    ) -> Result<(), ActorProcessingErr> {
        let Some(core) = core.upgrade() else { return Ok(()) };
        match message {
            Message::SweepDue => {
                let report = sweep(&core).await;
                tracing::debug!(scanned = report.scanned, expired = report.expired, purged = report.purged, "swept");
                // Re-armed after it is done, so that ticks never pile up.
                rearm(&myself, &Arc::downgrade(&core));
            }
            Message::Sweep(reply) => {
                let report = sweep(&core).await;
                // Whoever asked may have gone.
                let _ = reply.send(report);
            }
        }
        Ok(())
    }

    /// A child's end is the child's affair: what it ran is told by the token it dropped. The default would stop us.
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Message>,
        event: SupervisionEvent,
        _: &mut Weak<Core>,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(child, error) = event {
            tracing::error!(child = %child.get_id(), %error, "an actor failed; its session goes on without it");
        }
        Ok(())
    }
}

fn rearm(myself: &ActorRef<Message>, core: &Weak<Core>) {
    if let Some(core) = core.upgrade() {
        // The timer ends with the actor.
        drop(myself.send_after(core.config.sweep_every, || Message::SweepDue));
    }
}
