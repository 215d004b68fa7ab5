//! The ready-made tools: state that an agent keeps between calls, conversations and restarts.

mod append;
mod arguments;
mod call;
mod close;
mod conflict;
mod create;
mod cursor;
mod failure;
mod handler;
mod increment;
mod instructions;
mod list;
mod merge;
mod once;
mod read;
mod schema;
mod words;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{CallToolResult, JsonObject, Tool};
use serde::Serialize;
use serde_json::Value;
use sessile::Clock;

use arguments::parse;
use call::Call;
use failure::Failure;

/// How long the sessions of the running service live: what the tools' descriptions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetimes {
    /// The service's idle timeout; `None` for no limit.
    pub(crate) idle_timeout: Option<Duration>,
    /// The service's max lifetime; `None` for no limit.
    pub(crate) max_lifetime: Option<Duration>,
}

/// The MCP server: its tools and nothing else. Cheap to clone; it knows no caller, each call brings its own.
#[derive(Clone)]
pub(crate) struct StateServer {
    shared: Arc<Shared>,
}

struct Shared {
    tools: Vec<Tool>,
    lifetimes: Lifetimes,
    clock: Clock,
}

impl StateServer {
    /// The server of a service that was built with these timeouts and this clock.
    pub(crate) fn new(lifetimes: Lifetimes, clock: Clock) -> Self {
        let tools = vec![
            create::tool(&lifetimes),
            list::tool(),
            close::tool(),
            read::tool(),
            write::tool(),
            increment::tool(),
            append::tool(),
            merge::tool(),
        ];
        Self { shared: Arc::new(Shared { tools, lifetimes, clock }) }
    }

    fn tool(&self, name: &str) -> Option<&Tool> {
        self.shared.tools.iter().find(|tool| tool.name == name)
    }

    /// Runs a tool; `None` when there is no tool of this name.
    async fn run(&self, name: &str, arguments: Option<JsonObject>, call: &Call) -> Option<CallToolResult> {
        let tool = self.tool(name)?;
        Some(match self.answer(tool, arguments.unwrap_or_default(), call).await {
            Ok(answer) => CallToolResult::structured(answer),
            Err(failure) => failure.into_result(),
        })
    }

    async fn answer(&self, tool: &Tool, mut arguments: JsonObject, call: &Call) -> Result<Value, Failure> {
        let key = once::take(tool, &mut arguments)?;
        match tool.name.as_ref() {
            create::NAME => shown(create::run(call, parse(tool, arguments)?, &self.shared.lifetimes).await?),
            list::NAME => shown(list::run(call, parse(tool, arguments)?).await?),
            close::NAME => shown(close::run(call, parse(tool, arguments)?).await?),
            read::NAME => shown(read::run(call, parse(tool, arguments)?).await?),
            write::NAME => shown(write::run(call, key, parse(tool, arguments)?).await?),
            increment::NAME => shown(increment::run(call, key, parse(tool, arguments)?).await?),
            append::NAME => shown(append::run(call, key, parse(tool, arguments)?).await?),
            merge::NAME => shown(merge::run(call, key, parse(tool, arguments)?).await?),
            _ => Err(Failure::internal("this tool is listed and not there")),
        }
    }
}

fn shown(answer: impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(|_| Failure::internal("the answer could not be written"))
}
