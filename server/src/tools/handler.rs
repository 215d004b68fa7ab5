//! The server as rmcp sees it.

use std::borrow::Cow;

use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, ErrorData, Implementation, ListToolsResult,
    PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};

use super::StateServer;
use super::arguments::short;
use super::call::Call;
use super::instructions::INSTRUCTIONS;

/// How long a client may keep the list of tools, in milliseconds: it changes with the server's options alone.
const LIST_TTL_MS: u64 = 60_000;

impl ServerHandler for StateServer {
    fn get_info(&self) -> ServerConfig {
        let server = Implementation::new("sessile", env!("CARGO_PKG_VERSION")).with_title("Sessile");
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(server)
            .with_instructions(INSTRUCTIONS)
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(ProtocolVersion::KNOWN_VERSIONS)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let list = ListToolsResult::with_all_items(self.shared.tools.clone());
        Ok(list.with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Private))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tool(name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let call = Call::of(&context, self.shared.clock.now())?;
        match self.run(&request.name, request.arguments, &call).await {
            Some(result) => Ok(result.into()),
            None => Err(ErrorData::invalid_params(format!("unknown tool: {}", short(&request.name)), None)),
        }
    }
}
