//! Names of hosts to addresses, on a thread of its own: a name server that does not answer must not
//! stop the loop.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::wake::Wake;

/// Most names that wait to be looked up.
const MAX_WAITING: usize = 64;

/// Looks names up, one after the other.
#[derive(Debug)]
pub struct Resolver {
    questions: SyncSender<(usize, String)>,
    answers: Receiver<(usize, Option<SocketAddr>)>,
}

impl Resolver {
    /// Starts the thread. It ends with the resolver.
    ///
    /// # Errors
    /// When the operating system has no thread to give.
    pub fn start(wake: Arc<Wake>) -> std::io::Result<Resolver> {
        let (questions, asked) = sync_channel::<(usize, String)>(MAX_WAITING);
        let (answer, answers) = sync_channel(MAX_WAITING);
        env::spawn("resolver", move || {
            while let Ok((number, name)) = asked.recv() {
                let found = name.to_socket_addrs().map(|mut found| found.next());
                let found = found.unwrap_or_else(|error| {
                    tracing::debug!(%name, %error, "no address for a name");
                    None
                });
                if answer.send((number, found)).is_err() {
                    return;
                }
                wake.post();
            }
        })?;
        Ok(Resolver { questions, answers })
    }

    /// Asks for the address of `name` (HOST:PORT). False if too many wait.
    pub fn ask(&self, number: usize, name: &str) -> bool {
        self.questions.try_send((number, name.to_owned())).is_ok()
    }

    /// The next answer: number of the question, and the first address if there is one.
    pub fn answer(&self) -> Option<(usize, Option<SocketAddr>)> {
        self.answers.try_recv().ok()
    }
}
