//! `/livez`, `/readyz` and `/metrics`.
//!
//! Alive: the engine has gone round its loop recently. Ready: every watch has said all there is. Leadership is neither.

use super::metrics::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What the engine tells the outside.
#[derive(Debug, Default)]
pub struct Health {
    /// Have all watches said all there is?
    pub synced: AtomicBool,
    /// Seconds since the start of the process at which the engine last went round.
    pub beat: AtomicU64,
    /// Everything that is counted.
    pub metrics: Metrics,
}

#[derive(Clone)]
struct Shared {
    health: Arc<Health>,
    started: tokio::time::Instant,
}

/// A loop that has not gone round for this long is dead.
const DEAD_AFTER: Duration = Duration::from_secs(60);

/// Serves until the process ends.
pub async fn serve(
    address: std::net::SocketAddr,
    health: Arc<Health>,
    started: tokio::time::Instant,
) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "serving health and metrics");
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/healthz", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Shared { health, started });
    axum::serve(listener, router).await?;
    Ok(())
}

async fn livez(State(shared): State<Shared>) -> impl IntoResponse {
    let beat = Duration::from_secs(shared.health.beat.load(Ordering::Relaxed));
    if shared.started.elapsed().saturating_sub(beat) > DEAD_AFTER {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the engine has stopped\n");
    }
    (StatusCode::OK, "ok\n")
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    if shared.health.synced.load(Ordering::Relaxed) {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "watches have not said everything yet\n")
    }
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], shared.health.metrics.text())
}
