//! State behind handles: kinds of typed state, the handles that models pass back, and the tools that mint, list and
//! close them.

mod handle;
mod kind;
mod refusal;
mod tools;

pub use handle::{State, StateHandle};
pub use kind::StateKind;
pub use refusal::ToolRefusal;
pub use tools::handle_tools;
