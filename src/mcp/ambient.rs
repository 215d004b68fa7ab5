//! The call that runs: for code deep inside a tool, to which nobody handed its context.

use super::context::CallContext;

tokio::task_local! {
    static CURRENT: Option<CallContext>;
}

/// The context of the call that this task works for; none outside of calls, and where it was cleared.
///
/// A mounted server sets it around everything that its handler is asked. A task that the handler spawns does not have it:
/// hand it on with [`CallContext::scope`].
///
/// ```
/// async fn count() -> Result<i64, Box<dyn std::error::Error + Send + Sync>> {
///     let call = sessile::current().ok_or("nobody calls")?;
///     Ok(call.session().await?.increment("calls", 1).await?.value)
/// }
/// ```
#[must_use]
pub fn current() -> Option<CallContext> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// Runs a future for nobody: inside it [`current`] gives none. For work that a call sets off and that is not its caller's.
///
/// ```
/// # async fn audit() {}
/// # async fn tool() {
/// sessile::mcp::for_nobody(audit()).await;
/// # }
/// ```
///
/// # Cancellation
/// As that of the future.
pub async fn for_nobody<F: Future>(future: F) -> F::Output {
    CURRENT.scope(None, future).await
}

impl CallContext {
    /// Runs a future for this call: inside it [`current`] gives this context.
    ///
    /// ```
    /// # async fn work() {}
    /// # fn tool(call: sessile::mcp::CallContext) {
    /// tokio::spawn(call.scope(work()));
    /// # }
    /// ```
    ///
    /// # Cancellation
    /// As that of the future.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(Some(self), future)
    }
}

/// Runs a future for the call of these parts, or for nobody where they passed no layer.
pub(super) async fn scoped<F: Future>(call: Option<CallContext>, future: F) -> F::Output {
    CURRENT.scope(call, future).await
}
