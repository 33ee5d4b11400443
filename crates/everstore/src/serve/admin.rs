//! The admin port: `/metrics`, `/healthz`, `/readyz`, on a small thread of its own.
//!
//! It never asks the shard thread for anything: that one publishes what it knows once a second and stamps
//! its turns, so that scrapes cost it nothing and a stalled turn is noticed.

mod listener;
mod metrics;
mod ready;
#[cfg(test)]
mod tests;

pub use metrics::Counters;

use self::listener::Bounded;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cluster::status::Status;
use env::{Clock, RealClock};
use model::time::MS;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// A shard thread whose last turn is older than this is not healthy, in ms. It turns at every tick, 5 ms.
pub const MAX_TURN_AGE_MS: u64 = 2_000;

/// What the shard thread last said.
#[derive(Debug, Default)]
struct Published {
    status: Status,
    counters: Counters,
}

/// What the admin port knows; shared with the shard thread.
#[derive(Debug)]
pub struct AdminState {
    /// `None` until the first [`AdminState::publish`].
    published: Mutex<Option<Arc<Published>>>,
    /// Monotonic ms of the last turn.
    turned_ms: AtomicU64,
}

impl AdminState {
    /// Nothing is known; the turns are counted from now on.
    pub fn new() -> AdminState {
        AdminState { published: Mutex::new(None), turned_ms: AtomicU64::new(now_ms()) }
    }

    /// The shard thread made a turn at this monotonic time. Costs one store.
    #[inline]
    pub fn turned(&self, now_ms: u64) {
        self.turned_ms.store(now_ms, Ordering::Relaxed);
    }

    /// The state of the cluster and the counters, about once a second.
    pub fn publish(&self, status: Status, counters: Counters) {
        let published = Some(Arc::new(Published { status, counters }));
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = published;
    }

    fn published(&self) -> Option<Arc<Published>> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long ago the last turn was, in ms.
    fn turn_age_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.turned_ms.load(Ordering::Relaxed))
    }
}

impl Default for AdminState {
    fn default() -> AdminState {
        AdminState::new()
    }
}

/// The admin port. Dropping it closes it at once.
#[derive(Debug)]
pub struct Admin {
    addresses: Vec<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Listens on all of these addresses (port 0 takes a free one).
    ///
    /// # Errors
    /// When an address cannot be taken, naming it, or there is no thread.
    pub fn start(addresses: &[SocketAddr], state: Arc<AdminState>) -> io::Result<Admin> {
        let mut listeners = Vec::new();
        let mut taken = Vec::new();
        for address in addresses {
            let named = |e: io::Error| io::Error::new(e.kind(), format!("admin port {address}: {e}"));
            let listener = TcpListener::bind(address).map_err(named)?;
            listener.set_nonblocking(true)?;
            taken.push(listener.local_addr()?);
            listeners.push(listener);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = env::spawn("admin", move || runtime.block_on(serve(listeners, state, stopped)))?;
        Ok(Admin { addresses: taken, stop: Some(stop), thread: Some(thread) })
    }

    /// The addresses it listens on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the admin port has panicked");
        }
    }
}

/// Serves until `stopped` ends; the runtime, dropped after it, closes what is open.
async fn serve(listeners: Vec<TcpListener>, state: Arc<AdminState>, stopped: oneshot::Receiver<()>) {
    let routes = Router::new()
        .route("/metrics", get(get_metrics))
        .route("/healthz", get(get_health))
        .route("/readyz", get(get_ready))
        .with_state(state);
    for listener in listeners {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                let server = axum::serve(Bounded::new(listener), routes.clone());
                tokio::spawn(std::future::IntoFuture::into_future(server));
            }
            Err(error) => tracing::error!(%error, "an address of the admin port is not served"),
        }
    }
    // An error says that the sender was dropped, which is the sign to stop.
    let _ = stopped.await;
}

async fn get_metrics(State(state): State<Arc<AdminState>>) -> Response {
    match state.published() {
        Some(published) => {
            let text = metrics::render(&published.status, &published.counters, state.turn_age_ms(now_ms()));
            ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response(),
    }
}

async fn get_health(State(state): State<Arc<AdminState>>) -> Response {
    answer(health(state.turn_age_ms(now_ms())))
}

async fn get_ready(State(state): State<Arc<AdminState>>) -> Response {
    let published = state.published();
    let alive = health(state.turn_age_ms(now_ms()));
    answer(alive.and_then(|_| ready::check(published.as_ref().map(|published| &published.status))))
}

/// Whether clients can be served, as `/readyz` says.
pub fn is_ready(status: &Status) -> bool {
    ready::check(Some(status)).is_ok()
}

/// Whether the shard thread makes turns.
fn health(turn_age_ms: u64) -> Result<String, String> {
    match turn_age_ms {
        age if age <= MAX_TURN_AGE_MS => Ok("ok".to_owned()),
        age => Err(format!(
            "the shard thread has made no turn for {age} ms; at most {MAX_TURN_AGE_MS} ms are healthy"
        )),
    }
}

fn answer(result: Result<String, String>) -> Response {
    match result {
        Ok(text) => (StatusCode::OK, text + "\n").into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why + "\n").into_response(),
    }
}

fn now_ms() -> u64 {
    RealClock.mono_ns() / MS
}
