//! The examples run to their end. They are compiled into this test, so that nothing is built twice.

#[path = "../examples/embed.rs"]
mod embed;
#[cfg(all(feature = "axum", feature = "jwt"))]
#[path = "../examples/jwt.rs"]
mod jwt;
#[cfg(feature = "rmcp")]
#[path = "../examples/resumable_sse.rs"]
mod resumable_sse;
#[cfg(feature = "rmcp")]
#[path = "../examples/rmcp_cart.rs"]
mod rmcp_cart;
#[cfg(feature = "rmcp")]
#[path = "../examples/tasks.rs"]
mod tasks;
#[cfg(feature = "axum")]
#[path = "../examples/x402_payer.rs"]
mod x402_payer;

#[test]
fn embed_runs_to_its_end() {
    embed::main().unwrap();
}

#[cfg(all(feature = "axum", feature = "jwt"))]
#[test]
fn jwt_runs_to_its_end() {
    jwt::main().unwrap();
}

#[cfg(feature = "rmcp")]
#[test]
fn resumable_sse_runs_to_its_end() {
    resumable_sse::main().unwrap();
}

#[cfg(feature = "rmcp")]
#[test]
fn rmcp_cart_runs_to_its_end() {
    rmcp_cart::main().unwrap();
}

#[cfg(feature = "rmcp")]
#[test]
fn tasks_runs_to_its_end() {
    tasks::main().unwrap();
}

#[cfg(feature = "axum")]
#[test]
fn x402_payer_runs_to_its_end() {
    x402_payer::main().unwrap();
}
