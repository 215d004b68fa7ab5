//! Runs a scene again and again, with its threads scheduled by a model checker each time anew.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};

use super::proving::silently;
use crate::actor::explored::exploring;

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
