//! The client's span as the parent of ours: `traceparent` in a request's `_meta` (SEP-414, W3C Trace Context).

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use rmcp::model::RequestMetaObject;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Makes what the request names the span's parent; nothing where it names none, or none that is valid.
pub(super) fn adopt(span: &Span, meta: &RequestMetaObject) {
    let Some(remote) = meta.get_traceparent().and_then(|parent| remote(parent, meta.get_tracestate())) else { return };
    // Without a layer for OpenTelemetry there is no trace to join.
    let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(remote));
}

/// Reads `version-trace_id-parent_id-flags`. Of a later version what follows is left alone, as the recommendation says.
fn remote(parent: &str, state: Option<&str>) -> Option<SpanContext> {
    let hex = |text: &str, digits: usize| {
        let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (text.len() == digits && lower).then_some(())
    };
    let mut parts = parent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    hex(version, 2)?;
    hex(trace, 32)?;
    hex(span, 16)?;
    hex(flags, 2)?;
    if version == "ff" || version == "00" && parts.next().is_some() {
        return None;
    }
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let state = state.and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
    Some(SpanContext::new(trace, span, flags, true, state)).filter(SpanContext::is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_parent_is_left_alone() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let read = |text: &str| remote(text, Some("vendor=value")).map(|context| context.trace_id().to_string());
        for fine in
            [format!("00-{trace}-{span}-01"), format!("00-{trace}-{span}-00"), format!("cc-{trace}-{span}-01-more")]
        {
            assert_eq!(read(&fine).as_deref(), Some(trace), "{fine}");
        }
        let wrong = [
            String::new(),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-01-more"),
            format!("ff-{trace}-{span}-01"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{trace}-{span}-1"),
            format!("00-+{}-{span}-01", &trace[1..]),
        ];
        for wrong in wrong {
            assert_eq!(read(&wrong), None, "{wrong}");
        }
        let sampled = |flags: &str| remote(&format!("00-{trace}-{span}-{flags}"), None).unwrap().is_sampled();
        assert!(sampled("01") && !sampled("00"));
    }
}
