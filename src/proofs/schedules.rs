//! Runs a scene again and again, with its threads scheduled by a model checker each time anew.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};

use tokio::runtime::{Builder as Runtimes, Runtime};

use super::proving::{service, silently};
use crate::actor::core::Core;
use crate::actor::create::{self, Creator};
use crate::actor::explored::exploring;
use crate::actor::new_session::NewSession;
use crate::actor::planted::Bug;
use crate::actor::slot::Slot;
use crate::principal::Principal;
use crate::service::{Builder, SessionService};

/// A service that was started and then stands still: nothing runs beside what the checker schedules.
pub(super) fn still(builder: Builder, bugs: &[Bug]) -> (Runtime, SessionService) {
    let runtime = Runtimes::new_current_thread().enable_all().build().unwrap();
    let service = runtime.block_on(service(builder, bugs));
    (runtime, service)
}

/// The slot of a new session.
pub(super) fn slot(core: &Arc<Core>) -> Arc<Slot> {
    let principal = Principal::new("i", "s");
    let creator = Creator { key: principal.key(), principal: Some(&principal) };
    create::session(core, creator, NewSession::default(), None, false).unwrap().slot
}

/// Explores so many schedules, half of them at random and half with few but well-placed changes of thread. Gives how many
/// there were, or what was violated; where that is what one is after, it is not printed.
pub(super) fn explore(
    seed: u64,
    schedules: usize,
    violated: bool,
    scene: impl Fn() + Clone + Send + Sync + 'static,
) -> Result<usize, String> {
    let schedulers: [Box<dyn Scheduler + Send>; 2] = [
        Box::new(RandomScheduler::new_from_seed(seed, schedules / 2)),
        Box::new(PctScheduler::new_from_seed(seed, 3, schedules - schedules / 2)),
    ];
    let mut explored = 0;
    for scheduler in schedulers {
        let mut config = shuttle::Config::new();
        config.stack_size = 1 << 18;
        if violated {
            config.failure_persistence = shuttle::FailurePersistence::None;
        }
        let (runner, scene) = (shuttle::Runner::new(scheduler, config), scene.clone());
        let run = || exploring(|| runner.run(scene));
        let ran = if violated { silently(run) } else { catch_unwind(AssertUnwindSafe(run)) };
        explored += ran.map_err(|panic: Box<dyn Any + Send>| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
        })?;
    }
    Ok(explored)
}
