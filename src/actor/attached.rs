//! What an adapter keeps beside the sessions of one service, such as what it runs for them: one value of a type, whoever
//! asks for it and however often.

use std::any::Any;
use std::sync::Arc;

use parking_lot::Mutex;

/// One value of each type; it goes with the service.
#[derive(Default)]
pub(crate) struct Attached(Mutex<Vec<Arc<dyn Any + Send + Sync>>>);

impl Attached {
    /// The value of this type, made when it is first asked for.
    pub(crate) fn of<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut all = self.0.lock();
        if let Some(found) = all.iter().find_map(|one| Arc::clone(one).downcast().ok()) {
            return found;
        }
        let made = Arc::<T>::default();
        all.push(Arc::clone(&made) as Arc<dyn Any + Send + Sync>);
        made
    }
}
