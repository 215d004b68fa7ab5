//! Who is inside: requests whose answer is not out yet. What a drain closes and waits for.

use std::convert::Infallible;

use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Lets requests in until it is closed, and knows when the last has left.
pub(super) struct Door {
    /// Nothing is ever sent: that the last clone is dropped is the message. `None` once closed.
    entrance: Mutex<Option<mpsc::Sender<Infallible>>>,
    inside: tokio::sync::Mutex<mpsc::Receiver<Infallible>>,
}

/// One request inside; it leaves when this is dropped.
#[derive(Clone, Debug)]
pub(super) struct Inside {
    _token: mpsc::Sender<Infallible>,
}

impl Door {
    pub(super) fn new() -> Self {
        let (entrance, inside) = mpsc::channel(1);
        Self { entrance: Mutex::new(Some(entrance)), inside: tokio::sync::Mutex::new(inside) }
    }

    /// Enters, unless the door is closed.
    pub(super) fn enter(&self) -> Option<Inside> {
        self.entrance.lock().clone().map(|token| Inside { _token: token })
    }

    pub(super) fn close(&self) {
        self.entrance.lock().take();
    }

    /// Waits, after a close, until all have left.
    pub(super) async fn settled(&self) {
        while self.inside.lock().await.recv().await.is_some() {}
    }
}
