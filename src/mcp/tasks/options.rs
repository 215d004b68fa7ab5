//! Options of tasks.

use std::time::Duration;

/// How long a task lives from its creation by default: 5 minutes, as rmcp's own.
const DEFAULT_TTL: Duration = Duration::from_secs(5 * 60);
/// The longest that a task may live by default: 24 hours.
const DEFAULT_MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// Time between two polls that is suggested to clients by default.
const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two commits of status messages by default.
const DEFAULT_STATUS_EVERY: Duration = Duration::from_secs(1);
/// Tasks that run at a time by default.
const DEFAULT_MAX_RUNNING: usize = 1_024;
/// Tasks of one owner that run at a time by default.
const DEFAULT_MAX_RUNNING_PER_OWNER: usize = 64;

/// Options of all tasks of a server; every one has a default.
///
/// ```
/// use std::time::Duration;
/// let options = sessile::mcp::TaskOptions::default().ttl(Duration::from_secs(3_600)).max_running(100);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct TaskOptions {
    pub(super) ttl: Duration,
    pub(super) max_ttl: Duration,
    pub(super) poll_interval: Duration,
    pub(super) status_every: Duration,
    pub(super) max_running: usize,
    pub(super) max_running_per_owner: usize,
}

impl Default for TaskOptions {
    fn default() -> Self {
        Self {
            ttl: DEFAULT_TTL,
            max_ttl: DEFAULT_MAX_TTL,
            poll_interval: DEFAULT_POLL_INTERVAL,
            status_every: DEFAULT_STATUS_EVERY,
            max_running: DEFAULT_MAX_RUNNING,
            max_running_per_owner: DEFAULT_MAX_RUNNING_PER_OWNER,
        }
    }
}

impl TaskOptions {
    /// How long a task lives from its creation, its result with it. Default 5 minutes. The service's max lifetime of
    /// sessions holds for tasks too.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The longest that one task can be given by [`NewTask::ttl`]. Default 24 hours.
    pub fn max_ttl(mut self, ttl: Duration) -> Self {
        self.max_ttl = ttl;
        self
    }

    /// Time between two polls that is suggested to clients. Default 1 second.
    pub fn poll_interval(mut self, every: Duration) -> Self {
        self.poll_interval = every;
        self
    }

    /// Time between two commits of one task's status messages. Default 1 second. The first message is committed at once; of
    /// those that follow within this time the last one counts.
    pub fn status_every(mut self, every: Duration) -> Self {
        self.status_every = every;
        self
    }

    /// Tasks that run at a time on one service. Default 1,024. One more is refused; those that have ended do not count.
    pub fn max_running(mut self, tasks: usize) -> Self {
        self.max_running = tasks;
        self
    }

    /// Tasks of one owner that run at a time. Default 64. Anonymous callers are nobody in particular: for them
    /// [`TaskOptions::max_running`] alone holds.
    pub fn max_running_per_owner(mut self, tasks: usize) -> Self {
        self.max_running_per_owner = tasks;
        self
    }
}

/// What one task is to be; the default is what the [`TaskOptions`] say.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct NewTask {
    pub(super) ttl: Option<Duration>,
    pub(super) poll_interval: Option<Duration>,
    pub(super) status_message: Option<String>,
    pub(super) label: Option<String>,
}

impl NewTask {
    /// How long the task lives from its creation; at most [`TaskOptions::max_ttl`].
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Time between two polls that is suggested to the client.
    pub fn poll_interval(mut self, every: Duration) -> Self {
        self.poll_interval = Some(every);
        self
    }

    /// The first status message.
    pub fn status_message(mut self, message: impl Into<String>) -> Self {
        self.status_message = Some(message.into());
        self
    }

    /// A label for people, which lists of sessions show: the name of the tool, say. At most 256 bytes.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }
}
