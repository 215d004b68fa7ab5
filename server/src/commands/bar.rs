//! The progress bar.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sessile::files::Progress;

/// A bar on stderr, where that is a terminal; gone when dropped.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar for `doing` something; none where the answer is JSON.
    pub(super) fn new(doing: &'static str, json: bool) -> Self {
        let target = if json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target).with_message(doing);
        let style = ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes}, {eta} left");
        Self(match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    /// What is told of progress.
    pub(super) fn watch(&self) -> impl FnMut(Progress) + 'static {
        let bar = self.0.clone();
        move |progress| {
            // A file may have grown since; a bar beyond its end would be odd.
            bar.set_length(progress.total.max(progress.read));
            bar.set_position(progress.read);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
