//! A thread that does for callers what they ask it for, with all that came meanwhile at once.

use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

/// What was asked for, and who waits for it.
pub(crate) type Asked<T> = Vec<(T, oneshot::Sender<()>)>;

struct Shared<T> {
    asked: Mutex<(Asked<T>, bool)>,
    bell: Condvar,
}

/// The thread; it ends when this is dropped or joined.
pub(crate) struct Queue<T, R> {
    shared: Arc<Shared<T>>,
    thread: Option<JoinHandle<R>>,
}

impl<T: Send + 'static, R: Send + 'static> Queue<T, R> {
    /// `work` is run on a thread of its own with what was asked for, again and again; `end` gives what is left of it.
    pub(crate) fn start<W: Send + 'static>(
        mut state: W,
        work: impl Fn(&mut W, Asked<T>) + Send + 'static,
        end: impl FnOnce(W) -> R + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared { asked: Mutex::new((Vec::new(), false)), bell: Condvar::new() });
        let queue = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            loop {
                let waits = |asked: &mut (Asked<T>, bool)| asked.0.is_empty() && !asked.1;
                let mut asked = queue.bell.wait_while(queue.asked.lock().expect("locks"), waits).expect("locks");
                let taken = std::mem::take(&mut asked.0);
                drop(asked);
                if taken.is_empty() {
                    return end(state);
                }
                work(&mut state, taken);
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// Asks, and waits until it is done.
    pub(crate) async fn ask(&self, what: T) {
        let (told, answer) = oneshot::channel();
        self.shared.asked.lock().expect("locks").0.push((what, told));
        self.shared.bell.notify_one();
        answer.await.expect("the thread works");
    }

    /// What is left when all is done.
    pub(crate) fn join(mut self) -> R {
        self.stop();
        self.thread.take().expect("it was not joined").join().expect("the thread ends")
    }

    fn stop(&self) {
        self.shared.asked.lock().expect("locks").1 = true;
        self.shared.bell.notify_one();
    }
}

impl<T, R> Drop for Queue<T, R> {
    fn drop(&mut self) {
        if let Ok(mut asked) = self.shared.asked.lock() {
            asked.1 = true;
        }
        self.shared.bell.notify_one();
    }
}
