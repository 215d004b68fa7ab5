//! What is measured of a handler's work: spans after OpenTelemetry's conventions, and one metric.
#![cfg(feature = "otel")]

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::ErrorData;
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde_json::{Value, json};
use sessile::mcp::{McpOptions, McpService, mount};
use sessile::{Caller, SessionService};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::client::{Call, connect, somebody};
use crate::server::Probe;

const METRIC: &str = "mcp_server_operation_duration_seconds";

struct Worker {
    tool_router: ToolRouter<Self>,
}

#[tool_router]
impl Worker {
    #[tool(description = "Goes well.")]
    async fn fine(&self) -> String {
        "fine".to_owned()
    }

    #[tool(description = "Says that it failed.")]
    async fn fails(&self) -> Result<String, String> {
        Err("it failed".to_owned())
    }

    #[tool(description = "Cannot be served.")]
    async fn breaks(&self) -> Result<String, ErrorData> {
        Err(ErrorData::internal_error("broken", None))
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Worker {}

struct Measured {
    mcp: McpService,
    metrics: Snapshotter,
}

async fn measured() -> Measured {
    let recorder = DebuggingRecorder::new();
    let metrics = recorder.snapshotter();
    let service = SessionService::builder().recorder(Arc::new(recorder)).start().await.unwrap();
    let mcp = mount(&service, || Ok(Worker { tool_router: Worker::tool_router() }), McpOptions::default());
    Measured { mcp, metrics }
}

impl Measured {
    /// How often the metric was recorded, by method, tool and error.
    fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (key, _, _, value) in self.metrics.snapshot().into_vec() {
            let DebugValue::Histogram(values) = value else { continue };
            if key.key().name() == METRIC {
                let labels: Vec<_> = key.key().labels().map(|label| label.value().to_owned()).collect();
                *counts.entry(labels.join("|")).or_default() += values.len();
            }
        }
        counts
    }
}

/// Runs something and gives the spans that it made.
async fn traced<T>(run: impl Future<Output = T>) -> (T, Vec<SpanData>) {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    // For this thread, which runs the tasks of the test's runtime too.
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let done = run.await;
    drop(guard);
    provider.force_flush().unwrap();
    let spans = exporter.get_finished_spans().unwrap();
    (
        done,
        spans
            .into_iter()
            .filter(|span| span.attributes.iter().any(|pair| pair.key.as_str() == "mcp.method.name"))
            .collect(),
    )
}

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    span.attributes.iter().find(|pair| pair.key.as_str() == name).map(|pair| pair.value.as_str().into_owned())
}

#[tokio::test]
async fn every_operation_is_a_span_after_the_conventions() {
    let Measured { mcp, .. } = measured().await;
    let alice = somebody("alice");
    let (id, spans) = traced(async {
        for tool in ["fine", "fails", "breaks", "made-up"] {
            Call::modern_tool(tool).by(&alice).send(&mcp).await;
        }
        let id = connect(&mcp, &alice).await;
        Call::tool("fine").session(&id).by(&alice).send(&mcp).await;
        id
    })
    .await;
    let told: Vec<_> = spans.iter().map(|span| (span.name.as_ref(), attribute(span, "error.type"))).collect();
    let of = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    assert_eq!(of("tools/call fine").len(), 2, "{told:?}");
    assert_eq!(attribute(of("tools/call fails")[0], "error.type").as_deref(), Some("tool_error"));
    assert_eq!(attribute(of("tools/call breaks")[0], "error.type").as_deref(), Some("-32603"));
    assert_eq!(of("tools/call").len(), 1, "a name that a client made up is no name of a span: {told:?}");
    assert_eq!(of("initialize").len(), 1, "{told:?}");
    let [modern, legacy] = of("tools/call fine")[..] else { unreachable!() };
    assert_eq!(attribute(modern, "gen_ai.tool.name").as_deref(), Some("fine"));
    assert_eq!(attribute(modern, "gen_ai.operation.name").as_deref(), Some("execute_tool"));
    assert_eq!(attribute(modern, "mcp.protocol.version").as_deref(), Some("2026-07-28"));
    assert_eq!(attribute(modern, "mcp.session.tag"), None);
    assert_eq!(attribute(legacy, "mcp.protocol.version").as_deref(), Some("2025-11-25"));
    let tag = attribute(legacy, "mcp.session.tag").unwrap();
    assert!(!tag.is_empty());
    assert!(!format!("{spans:?}").contains(&id), "a tag in place of the id");
}

#[tokio::test]
async fn a_span_joins_the_trace_of_its_client() {
    let Measured { mcp, .. } = measured().await;
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let call = |traceparent: Value| {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "traceparent": traceparent,
        });
        let params = json!({"name": "fine", "arguments": {}, "_meta": meta});
        Call::post(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}))
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "fine")
    };
    let (answer, spans) = traced(call(json!(format!("00-{trace}-{parent}-01"))).send(&mcp)).await;
    assert_eq!(answer.message()["result"]["content"][0]["text"], "fine");
    assert_eq!(spans[0].span_context.trace_id().to_string(), trace);
    assert_eq!(spans[0].parent_span_id.to_string(), parent);
    for odd in [json!("00-nonsense"), json!(5), Value::Null] {
        let (answer, spans) = traced(call(odd.clone()).send(&mcp)).await;
        assert_eq!(answer.message()["result"]["content"][0]["text"], "fine", "{odd}");
        assert_ne!(spans[0].span_context.trace_id().to_string(), trace);
    }
}

#[tokio::test]
async fn durations_are_counted_by_method_tool_and_error() {
    let measured = measured().await;
    for tool in ["fine", "fine", "fails", "breaks", "made-up", "made-up-too"] {
        Call::modern_tool(tool).by(&Caller::Anonymous).send(&measured.mcp).await;
    }
    let counts = measured.counts();
    let expected = [
        ("tools/call|breaks|-32603", 1),
        ("tools/call|fails|tool_error", 1),
        ("tools/call|fine|", 2),
        ("tools/call||-32602", 2),
    ];
    assert_eq!(counts, expected.map(|(labels, count)| (labels.to_owned(), count)).into());
}

#[test]
fn a_call_that_is_given_up_counts_as_cancelled() {
    let recorder = DebuggingRecorder::new();
    let metrics = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mcp = runtime.block_on(async {
        let service = SessionService::builder().recorder(Arc::new(recorder)).start().await.unwrap();
        let probe = Probe::new();
        let mcp = crate::client::mounted(&service, &probe);
        tokio::spawn({
            let mcp = mcp.clone();
            async move { Call::modern_tool("wait").send(&mcp).await }
        });
        probe.waits().await;
        mcp
    });
    let measured = Measured { mcp, metrics };
    assert!(measured.counts().is_empty(), "it runs");
    drop(runtime);
    assert_eq!(measured.counts(), [("tools/call||cancelled".to_owned(), 1)].into());
}
