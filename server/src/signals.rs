//! Signals of the operating system, as events.

use std::io;

use tokio::sync::mpsc;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// SIGTERM or SIGINT: drain and stop. The second one: wait no longer.
    Drain,
    /// SIGUSR1: take a snapshot.
    Snapshot,
}

/// Events waiting to be taken; more of them change nothing.
const QUEUE: usize = 16;

/// Listens from this call on, and passes events to the receiver until that is dropped.
///
/// # Errors
///
/// The system does not let us listen.
#[cfg(unix)]
pub(crate) fn listen() -> io::Result<mpsc::Receiver<Event>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (sender, receiver) = mpsc::channel(QUEUE);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut user = signal(SignalKind::user_defined1())?;
    tokio::spawn(async move {
        loop {
            let event = tokio::select! {
                _ = terminate.recv() => Event::Drain,
                _ = interrupt.recv() => Event::Drain,
                _ = user.recv() => Event::Snapshot,
                () = sender.closed() => return,
            };
            // A full queue holds what this event asks for already; a drain alone must never be lost.
            match event {
                Event::Snapshot => drop(sender.try_send(event)),
                Event::Drain => drop(sender.send(event).await),
            }
        }
    });
    Ok(receiver)
}

/// Listens from this call on, and passes events to the receiver until that is dropped.
///
/// # Errors
///
/// The system does not let us listen.
#[cfg(not(unix))]
pub(crate) fn listen() -> io::Result<mpsc::Receiver<Event>> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(
        async move { while tokio::signal::ctrl_c().await.is_ok() && sender.send(Event::Drain).await.is_ok() {} },
    );
    Ok(receiver)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn raise(signal: &str) {
        let status = Command::new("kill").arg(signal).arg(std::process::id().to_string()).status().unwrap();
        assert!(status.success());
    }

    #[tokio::test]
    async fn tells_what_each_signal_asks_for() {
        let mut events = listen().unwrap();
        for (signal, event) in [("-USR1", Event::Snapshot), ("-TERM", Event::Drain), ("-INT", Event::Drain)] {
            raise(signal);
            assert_eq!(events.recv().await, Some(event), "{signal}");
        }
    }
}
