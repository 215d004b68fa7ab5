//! Clients of one session at once, and the history of what they did.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use super::super::linearizable::Call;
use super::super::proving::service;
use super::{Answer, Op};
use crate::actor::new_session::NewSession;
use crate::actor::planted::Bug;
use crate::actor::sabotage::mix;
use crate::actor::turn::Updated;
use crate::error::UpdateError;
use crate::principal::Principal;
use crate::service::SessionService;
use crate::session::Session;
use crate::state::Draft;

/// How many clients, how many calls of each, and how rarely a turn lets other threads run in its middle.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) clients: u64,
    pub(super) calls: u64,
    pub(super) yields: u64,
}

/// What a turn whose caller did not wait for its answer came to: who it was, and the answer it would have given.
pub(super) type Ran = (u64, Answer);

/// What all clients did.
pub(super) struct History {
    pub(super) calls: Vec<Call<Op, Answer>>,
    pub(super) ran: Vec<Ran>,
}

/// What the clients of one session share.
#[derive(Default)]
struct Shared {
    clock: AtomicU64,
    ran: Mutex<Vec<Ran>>,
}

/// Records a history on each of so many sessions, and has it looked at.
pub(super) fn record(
    seed: u64,
    bugs: &[Bug],
    sessions: u64,
    shape: Shape,
    mut look: impl FnMut(History) -> Result<(), String>,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        // Fewer places than clients, so that some wait in line and some are sent away.
        let builder = SessionService::builder().mailbox_turns((shape.clients / 2 + 1) as usize);
        let service = service(builder, bugs).await;
        service.core().planted.sabotage.draws.store(mix(seed), Ordering::Relaxed);
        let owner = service.owner(&Principal::new("i", "s"));
        for number in 0..sessions {
            let session = owner.create(NewSession::default()).await.unwrap();
            let shared = Arc::new(Shared::default());
            let clients: Vec<_> = (0..shape.clients)
                .map(|client| {
                    let client = Client {
                        session: session.clone(),
                        shared: Arc::clone(&shared),
                        seed: mix(seed ^ mix(number * 64 + client)),
                        client,
                        known: 0,
                        shape,
                    };
                    tokio::spawn(client.run())
                })
                .collect();
            let mut calls = Vec::new();
            for client in clients {
                calls.extend(client.await.unwrap());
            }
            // What was given up may still be under way until the end.
            let _ = session.close().await;
            let ran = std::mem::take(&mut *shared.ran.lock().unwrap());
            look(History { calls, ran })?;
        }
        service.drain().await.unwrap();
        Ok(())
    })
}

struct Client {
    session: Session,
    shared: Arc<Shared>,
    seed: u64,
    client: u64,
    /// The newest revision it was told of.
    known: u64,
    shape: Shape,
}

/// What an update's closure gives: the number, and who wrote before.
type Written = (i64, u64);

impl Client {
    fn draw(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_add(1);
        mix(self.seed) % below
    }

    fn tick(&self) -> u64 {
        self.shared.clock.fetch_add(1, Ordering::SeqCst)
    }

    async fn run(mut self) -> Vec<Call<Op, Answer>> {
        let mut calls = Vec::with_capacity(self.shape.calls as usize);
        for place in 0..self.shape.calls {
            let id = 1 + self.client + place * self.shape.clients;
            let op = self.choose(id, place);
            let lost = matches!(op, Op::Add { .. } | Op::Set { .. }) && self.draw(6) == 0;
            let polls = if lost { self.draw(3) } else { u64::MAX };
            let invoked = self.tick();
            let answer = self.call(op, polls).await;
            let at = self.tick();
            match answer {
                // Sent away at the door: it never was.
                Some(Err(())) => {}
                Some(Ok(answer)) => {
                    self.learn(answer);
                    calls.push(Call { op, invoked, answered: Some((at, answer)) });
                }
                None => calls.push(Call { op, invoked, answered: None }),
            }
            if self.draw(64) == 0 {
                tokio::task::yield_now().await;
            }
        }
        calls
    }

    fn choose(&mut self, id: u64, place: u64) -> Op {
        // One client ends the session, near the end of it all.
        let last_tenth = self.shape.calls - self.shape.calls / 10 - 1;
        if self.client == 0 && place >= last_tenth && self.draw(self.shape.calls / 20 + 2) == 0 {
            return Op::Close;
        }
        let to = self.draw(1_000) as i64;
        match self.draw(20) {
            0..6 => Op::Add { id, by: to },
            6..8 => Op::Set { id, to },
            8..12 => Op::SetIf { id, expected: self.known, to },
            12 => Op::Reject,
            13 => Op::Same,
            _ => Op::Read,
        }
    }

    fn learn(&mut self, answer: Answer) {
        if let Answer::Wrote { revision, .. }
        | Answer::Found { revision }
        | Answer::Conflict { current: revision }
        | Answer::Saw { revision, .. } = answer
        {
            self.known = revision;
        }
    }

    /// Calls; `None` when the answer was not waited for, `Err` when the mailbox was full.
    async fn call(&mut self, op: Op, polls: u64) -> Option<Result<Answer, ()>> {
        let yields = self.draw(self.shape.yields) == 0;
        let never_waits = self.draw(4) == 0;
        let told = (polls < u64::MAX).then(|| Arc::clone(&self.shared));
        let update = move |id: u64, number: fn(i64, i64) -> i64, with: i64| {
            move |draft: &mut Draft| {
                let written = write(draft, id, yields, |now| number(now, with));
                if let Some(shared) = &told {
                    let (number, after) = written;
                    let answer = Answer::Wrote { revision: draft.revision().get() + 1, number, after };
                    shared.ran.lock().unwrap().push((id, answer));
                }
                Ok::<_, u64>(written)
            }
        };
        let session = &self.session;
        let add = |now: i64, by: i64| now.wrapping_add(by);
        let set = |_: i64, to: i64| to;
        let wrote = match op {
            Op::Add { id, by } if never_waits => polled(session.try_update(update(id, add, by)), polls).await?,
            Op::Add { id, by } => polled(session.update(update(id, add, by)), polls).await?,
            Op::Set { id, to } => polled(session.update(update(id, set, to)), polls).await?,
            Op::SetIf { id, expected, to } => {
                session.update_if(crate::error::Revision::new(expected), update(id, set, to)).await
            }
            Op::Reject => {
                let rejecting = session.update(move |draft: &mut Draft| -> Result<Written, u64> {
                    write(draft, u64::MAX, yields, |_| -1);
                    Err(draft.revision().get())
                });
                rejecting.await
            }
            Op::Same => session.update(|draft: &mut Draft| Ok((0, draft.revision().get()))).await,
            Op::Read => return Some(Ok(read(session))),
            Op::Close => return Some(Ok(if session.close().await.unwrap() { Answer::Closed } else { Answer::Ended })),
        };
        Some(answer(wrote))
    }
}

fn answer(outcome: Result<Updated<Written>, UpdateError<u64>>) -> Result<Answer, ()> {
    Ok(match outcome {
        Ok(Updated { value: (number, after), revision, changed: true }) => {
            Answer::Wrote { revision: revision.get(), number, after }
        }
        Ok(Updated { revision, .. }) => Answer::Found { revision: revision.get() },
        Err(UpdateError::Rejected(revision)) => Answer::Found { revision },
        Err(UpdateError::Conflict(conflict)) => Answer::Conflict { current: conflict.current.get() },
        Err(UpdateError::Ended(_)) => Answer::Ended,
        Err(UpdateError::Overloaded { .. }) => return Err(()),
        Err(other) => panic!("{other:?}"),
    })
}

/// Writes the number, the same again, and who wrote.
fn write(draft: &mut Draft, id: u64, yields: bool, number: impl Fn(i64) -> i64) -> Written {
    let now: i64 = draft.get("number").unwrap().unwrap_or_default();
    let after: u64 = draft.get("last").unwrap().unwrap_or_default();
    if yields {
        std::thread::yield_now();
    }
    let number = number(now);
    draft.set("number", &number).unwrap();
    draft.set("mirror", &number).unwrap();
    draft.set("last", &id).unwrap();
    (number, after)
}

fn read(session: &Session) -> Answer {
    let Ok(view) = session.read() else { return Answer::Ended };
    let number = |key| view.get(key).unwrap().unwrap_or_default();
    let last = view.get("last").unwrap().unwrap_or_default();
    Answer::Saw { revision: view.revision().get(), number: number("number"), mirror: number("mirror"), last }
}

/// The answer, unless the future was dropped after so many polls.
async fn polled<F: Future>(future: F, polls: u64) -> Option<F::Output> {
    let (mut future, mut left) = (Box::pin(future), polls);
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            if polls < u64::MAX {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        }
    })
    .await
}
