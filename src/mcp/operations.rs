//! Spans and a metric for everything a handler is asked, after OpenTelemetry's semantic conventions for MCP
//! (<https://opentelemetry.io/docs/specs/semconv/gen-ai/mcp/>), with a tag in place of the session's id.

use std::time::Instant;

use rmcp::RoleServer;
use rmcp::model::{CallToolResponse, ErrorCode, ErrorData};
use rmcp::service::RequestContext;
use tracing::Span;
use tracing::field::Empty;

use super::context::CallContext;
use crate::telemetry::Measures;

const SECONDS: &str = "mcp_server_operation_duration_seconds";
/// An error without a name of its own, as the conventions spell it.
const OTHER: &str = "_OTHER";

/// Where operations are measured.
#[derive(Clone)]
pub(super) struct Operations {
    measures: Measures,
}

/// One operation under way. Measured when dropped, so that one which is cancelled is, too.
pub(super) struct Running {
    measures: Measures,
    span: Span,
    method: &'static str,
    tool: Option<String>,
    error: Option<&'static str>,
    started: Instant,
}

impl Operations {
    pub(super) fn new(measures: Measures) -> Self {
        measures.with(|| {
            metrics::describe_histogram!(
                SECONDS,
                metrics::Unit::Seconds,
                "Time from a request of MCP until its answer, by method, tool and kind of error."
            );
        });
        Self { measures }
    }

    /// Begins an operation; `tool` is one that the handler has: clients could name others without end.
    pub(super) fn begin(
        &self,
        method: &'static str,
        tool: Option<String>,
        context: &RequestContext<RoleServer>,
    ) -> Running {
        let name = tool.as_ref().map_or_else(|| method.to_owned(), |tool| format!("{method} {tool}"));
        let version = context.protocol_version();
        let session = CallContext::from_extensions(&context.extensions).and_then(|call| call.protocol_session.as_ref());
        let span = tracing::info_span!(
            target: "sessile::mcp",
            "mcp",
            otel.name = name,
            otel.kind = "server",
            otel.status_code = Empty,
            mcp.method.name = method,
            mcp.protocol.version = version.as_ref().map(|version| version.as_str()),
            mcp.session.tag = session.map(|session| session.id().tag()),
            gen_ai.tool.name = tool,
            gen_ai.operation.name = tool.as_ref().map(|_| "execute_tool"),
            error.type = Empty,
        );
        #[cfg(feature = "otel")]
        super::trace_parent::adopt(&span, &context.meta);
        let measures = self.measures.clone();
        // Until it has answered it is one that nobody waits for any more.
        Running { measures, span, method, tool, error: Some("cancelled"), started: Instant::now() }
    }
}

impl Running {
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Ends it with what was answered.
    pub(super) fn answered<T: Answer>(mut self, answer: Result<T, &ErrorData>) {
        self.error = match answer {
            Ok(answer) => answer.error(),
            Err(error) => Some(named(error.code)),
        };
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(error) = self.error {
            self.span.record("error.type", error);
            self.span.record("otel.status_code", "ERROR");
        }
        let (tool, error) = (self.tool.take().unwrap_or_default(), self.error.unwrap_or_default());
        let took = self.started.elapsed().as_secs_f64();
        self.measures.with(|| {
            metrics::histogram!(
                SECONDS,
                "mcp_method_name" => self.method, "gen_ai_tool_name" => tool, "error_type" => error
            )
            .record(took);
        });
    }
}

/// What a handler answers: it may be an error in itself.
pub(super) trait Answer {
    fn error(&self) -> Option<&'static str>;
}

impl Answer for &CallToolResponse {
    fn error(&self) -> Option<&'static str> {
        match self {
            CallToolResponse::Complete(result) if result.is_error == Some(true) => Some("tool_error"),
            _ => None,
        }
    }
}

/// An answer that is none.
pub(super) struct Fine;

impl Answer for Fine {
    fn error(&self) -> Option<&'static str> {
        None
    }
}

/// The code of a JSON-RPC error as text; a handler may invent others without end.
const fn named(code: ErrorCode) -> &'static str {
    match code.0 {
        -32700 => "-32700",
        -32600 => "-32600",
        -32601 => "-32601",
        -32602 => "-32602",
        -32603 => "-32603",
        -32002 => "-32002",
        -32022 => "-32022",
        -32042 => "-32042",
        _ => OTHER,
    }
}
