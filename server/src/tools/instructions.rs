//! What a model is told about the server as a whole.

/// When to use what, in five lines.
pub(super) const INSTRUCTIONS: &str = "\
Sessile keeps state for you between calls, conversations and restarts: JSON values under keys. \
Without `session` every tool uses the state that belongs to you; it needs no handle.
For a separate piece of work call create_session, keep the handle it returns and pass it as `session`; \
list_sessions finds your handles again, close_session ends one.
read_state reads; write_state sets and deletes several keys at once, all or nothing; merge_state changes parts of nested values.
increment_state counts and append_state adds to a list: both are exact when several agents call them at once. \
Where no answer came, repeat a write with its `idempotency_key`: it is written once.
To change a value by what you read, pass the `revision` you read as `if_revision`: on a conflict nothing is written \
and the error shows the current values. Every error says what to do next.";
