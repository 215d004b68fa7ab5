//! The process that is killed: 64 tasks on one service, each of which notes what it asks for and what it was told.

use std::path::PathBuf;
use std::process::abort;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use sessile::{Builder, Durability, Format, NewSession, Owner, Principal, Session, SessionService, StartError};

use crate::ledger::{Ledger, What};
use crate::random::Random;
use crate::seen::Seen;
use crate::state::{LASTING, id, update};

const TASKS: u64 = 64;
/// How often the process notes that it is let run.
const BEAT: Duration = Duration::from_millis(2);
/// How much more seldom one that lies writes.
const SELDOM: u32 = 20;
const VARIABLE: &str = "SESSILE_KILL_ORDER";

/// What the process is to do.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) folder: PathBuf,
    pub(crate) ledger: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) seed: u64,
    /// Sessions that do not last are numbered from here on.
    pub(crate) first: u64,
    /// Whether it lies: at the level `Commit` notes that an update is done before it is, at `Journal` writes more seldom
    /// than is said.
    pub(crate) planted: bool,
}

impl Order {
    /// What this process was told, if it is one that is to be killed.
    pub(crate) fn given() -> Option<Self> {
        let text = std::env::var(VARIABLE).ok()?;
        let mut lines = text.lines();
        let mut next = || lines.next().unwrap().to_owned();
        let (folder, ledger) = (PathBuf::from(next()), PathBuf::from(next()));
        let mut number = || next().parse::<u64>().unwrap();
        let durability = match number() {
            0 => Durability::Commit,
            millis => Durability::Journal { flush_every: Duration::from_millis(millis) },
        };
        Some(Self { folder, ledger, durability, seed: number(), first: number(), planted: number() == 1 })
    }

    /// The same for the process to be started.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        let Self { folder, ledger, durability, seed, first, planted } = self;
        let millis = match durability {
            Durability::Journal { flush_every } => flush_every.as_millis(),
            _ => 0,
        };
        let (folder, ledger, planted) = (folder.display(), ledger.display(), u8::from(*planted));
        (VARIABLE, format!("{folder}\n{ledger}\n{millis}\n{seed}\n{first}\n{planted}"))
    }
}

/// The one who owns all sessions.
pub(crate) fn owner(service: &SessionService) -> Owner {
    service.owner(&Principal::new("https://id.example", "alice"))
}

/// A service on the folder, with nothing that happens by time alone, and room for all that is made.
pub(crate) async fn start(order: &Order, format: Format, with: impl Fn(Builder) -> Builder) -> SessionService {
    loop {
        let day = Duration::from_secs(86_400);
        let builder = SessionService::builder()
            .snapshots(&order.folder)
            .durability(order.durability)
            .format(format)
            .snapshot_every(day)
            .generations(2)
            .max_sessions(1_u64 << 20)
            .max_sessions_per_owner(1_u64 << 20)
            .max_tombstones(1_usize << 20)
            .max_tombstones_per_owner(1_usize << 20);
        match with(builder).start().await {
            Ok(service) => return service,
            // Whoever had it lets go of it in its own time.
            Err(StartError::Locked(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
        }
    }
}

/// Notes how long each write of the journal took.
struct Writes(Arc<Ledger>);

impl HistogramFn for Writes {
    fn record(&self, seconds: f64) {
        self.0.note(What::Wrote, 0, (seconds * 1e6).ceil() as u64);
    }
}

struct Recording(Arc<Ledger>);

impl Recorder for Recording {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match key.name() {
            "sessile_journal_write_duration_seconds" => Histogram::from_arc(Arc::new(Writes(Arc::clone(&self.0)))),
            _ => Histogram::noop(),
        }
    }
}

/// Works until it is killed.
pub(crate) fn run(order: &Order) {
    let mut order = order.clone();
    if let (Durability::Journal { flush_every }, true) = (&mut order.durability, order.planted) {
        *flush_every *= SELDOM;
    }
    let ledger = Arc::new(Ledger::open(&order.ledger));
    let beats = Arc::clone(&ledger);
    std::thread::spawn(move || {
        loop {
            let seen = Seen::of(std::process::id());
            beats.note(What::Beat, 0, seen.waited.as_micros() as u64);
            std::thread::sleep(BEAT);
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut random = Random(order.seed);
        let format = [Format::Bincode, Format::Json][random.below(2)];
        let recorder = Arc::new(Recording(Arc::clone(&ledger)));
        let service = start(&order, format, |builder| builder.recorder(Arc::clone(&recorder) as _)).await;
        ledger.note(What::Ready, 0, 0);
        let next = Arc::new(AtomicU64::new(order.first));
        // Ends and snapshots have the journal written: some processes do without, and leave it to its interval.
        let (ends, snapshots) = (random.below(2) == 0, random.below(2) == 0);
        for _ in 0..TASKS {
            let random = Random(random.0 ^ random.below(usize::MAX) as u64);
            let told_early = order.planted && order.durability == Durability::Commit;
            let caller = Caller { owner: owner(&service), ledger: Arc::clone(&ledger), random, told_early, ends };
            tokio::spawn(caller.run(Arc::clone(&next)));
        }
        loop {
            tokio::time::sleep(Duration::from_micros(random.below(60_000) as u64)).await;
            if snapshots && let Err(error) = service.snapshot().await {
                fatal(&error);
            }
        }
    });
}

/// An answer that nobody has to expect here: the parent sees that this was no kill.
fn fatal(error: &dyn std::fmt::Debug) -> ! {
    eprintln!("{error:?}");
    abort()
}

struct Caller {
    owner: Owner,
    ledger: Arc<Ledger>,
    random: Random,
    told_early: bool,
    ends: bool,
}

impl Caller {
    async fn run(mut self, next: Arc<AtomicU64>) {
        let mut own: Option<(u64, Session)> = None;
        loop {
            match self.random.below(20) {
                0 if self.ends => match own.take() {
                    Some((number, session)) => self.close(number, &session).await,
                    None => {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let session = self.create(number).await;
                        self.update(number, &session).await;
                        own = Some((number, session));
                    }
                },
                1..5 if own.is_some() => {
                    if let Some((number, session)) = &own {
                        self.update(*number, session).await;
                    }
                }
                5 => {
                    let session = self.lasting(0).await;
                    session.touch().unwrap_or_else(|error| fatal(&error));
                }
                _ => {
                    let number = self.random.below(LASTING as usize) as u64;
                    let session = self.lasting(number).await;
                    self.update(number, &session).await;
                }
            }
            // One that never waits would let nobody else run.
            tokio::task::yield_now().await;
        }
    }

    /// A session that is never closed; made by whoever comes first.
    async fn lasting(&mut self, number: u64) -> Session {
        match self.owner.open(&id(number)).await {
            Ok(session) => session,
            Err(_) => self.create(number).await,
        }
    }

    async fn create(&self, number: u64) -> Session {
        self.ledger.note(What::AsksCreate, number, 0);
        match self.owner.create_with_id(&id(number), NewSession::default()).await {
            Ok(session) => {
                self.ledger.note(What::Created, number, 0);
                session
            }
            // Another task was first. It has not been told so yet, perhaps, and nor is anybody by this.
            Err(sessile::CreateError::AlreadyExists) if number < LASTING => {
                self.owner.open(&id(number)).await.unwrap_or_else(|error| fatal(&error))
            }
            Err(error) => fatal(&error),
        }
    }

    async fn update(&self, number: u64, session: &Session) {
        self.ledger.note(What::AsksUpdate, number, 0);
        if self.told_early {
            let revision = session.read().unwrap_or_else(|error| fatal(&error)).revision().get() + 1;
            self.ledger.note(What::Updated, number, revision);
        }
        match session.update(move |draft| update(number, draft)).await {
            Ok(updated) => self.ledger.note(What::Updated, number, updated.revision.get()),
            Err(error) => fatal(&error),
        }
    }

    async fn close(&self, number: u64, session: &Session) {
        self.ledger.note(What::AsksClose, number, 0);
        match session.close().await {
            Ok(true) => self.ledger.note(What::Closed, number, 0),
            other => fatal(&other),
        }
    }
}
