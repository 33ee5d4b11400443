//! Starts the planned nodes, waits for the cluster, reports deaths, and stops everything at the end.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cluster::status::{Severity, Status, diagnose};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::super::CliError;
use super::super::client::Client;
use super::super::status::ask;
use super::plan::{NodePlan, Plan};
use super::process::{Process, describe};
use super::words;

/// Pause between two looks at the nodes.
const PAUSE: Duration = Duration::from_millis(50);
/// The first node must have made its secret by then.
const SECRET_WITHIN: Duration = Duration::from_secs(20);
/// The next node is started at the latest then: without an id yet, this one gets a later one.
const JOINED_WITHIN: Duration = Duration::from_secs(10);
/// The nodes must be a cluster by then; large logs are replayed before.
const FORMED_WITHIN: Duration = Duration::from_secs(60);
/// Nodes that have not stopped by then are killed.
const STOPPED_WITHIN: Duration = Duration::from_secs(20);

/// Runs the demo until Ctrl-C or until no node is left.
pub fn run(plan: &Plan) -> Result<ExitCode, CliError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(CliError::io("cannot watch for Ctrl-C"))?;
    }
    let program = std::env::current_exe().map_err(CliError::io("cannot find this program"))?;
    let program = shortest(&program);
    let mut demo = Demo { plan, program, processes: Vec::new(), stop };
    println!("{}", words::starting(plan));
    demo.start_all()?;
    match demo.wait_until_formed()? {
        Formed::Yes => print!("{}", words::ready(plan, &demo.processes)),
        Formed::NotYet(problems) => println!("{}", words::not_ready(&problems, &plan.dir)),
        Formed::Stopped => {}
    }
    let code = demo.watch();
    demo.stop_all();
    Ok(code)
}

struct Demo<'a> {
    plan: &'a Plan,
    program: PathBuf,
    processes: Vec<Process>,
    stop: Arc<AtomicBool>,
}

enum Formed {
    Yes,
    NotYet(Vec<String>),
    Stopped,
}

impl Demo<'_> {
    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The bootstrapping node first, because the others need its secret. They join one after another,
    /// because ids are given in the order of joining and node N shall have id N.
    fn start_all(&mut self) -> Result<(), CliError> {
        let (first, others): (Vec<&NodePlan>, Vec<&NodePlan>) =
            self.plan.nodes.iter().partition(|node| self.plan.bootstraps(node));
        for node in first {
            self.processes.push(Process::start(self.plan, node, &self.program)?);
            self.wait_for_secret()?;
        }
        for node in others {
            self.processes.push(Process::start(self.plan, node, &self.program)?);
            if !self.plan.continues() {
                self.wait_for_joined(node.number)?;
            }
        }
        self.processes.sort_by_key(|process| process.node.number);
        Ok(())
    }

    fn wait_for_secret(&mut self) -> Result<(), CliError> {
        let secret = self.plan.secret_file();
        let started = Instant::now();
        while !secret.exists() && !self.stopping() {
            self.refuse_early_end()?;
            if started.elapsed() > SECRET_WITHIN {
                let log = self.processes[0].log().display().to_string();
                return Err(CliError::Usage(format!("node 1 made no secret in time; see {log}")));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Until the first node has given an id to this one, or for a while.
    fn wait_for_joined(&mut self, number: u16) -> Result<(), CliError> {
        let joined = |status: Status| match status.forming {
            Some(forming) => forming.joined >= u32::from(number),
            None => status.nodes.len() >= usize::from(number),
        };
        let first = format!("127.0.0.1:{}", self.plan.nodes[0].port);
        let started = Instant::now();
        while !self.stopping() && started.elapsed() < JOINED_WITHIN {
            self.refuse_early_end()?;
            let status = Client::connect(&first).and_then(|mut client| ask(&mut client));
            if status.is_ok_and(joined) {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// A node that ends while the cluster forms is a reason to give up, and says why in its last line.
    fn refuse_early_end(&mut self) -> Result<(), CliError> {
        for process in &mut self.processes {
            if process.newly_ended().is_some() {
                let (number, why) = (process.node.number, process.last_words());
                return Err(CliError::Usage(format!("node {number} did not start: {why}")));
            }
        }
        Ok(())
    }

    fn wait_until_formed(&mut self) -> Result<Formed, CliError> {
        let started = Instant::now();
        let mut problems = vec!["no node answers yet".to_string()];
        while started.elapsed() < FORMED_WITHIN {
            if self.stopping() {
                return Ok(Formed::Stopped);
            }
            self.refuse_early_end()?;
            if let Some(status) = self.status() {
                let all_up = status.nodes.iter().filter(|node| node.state.is_up()).count();
                let found = diagnose(&status);
                let works = found.iter().all(|problem| problem.severity != Severity::Unavailable);
                if works && all_up >= self.plan.nodes.len() {
                    return Ok(Formed::Yes);
                }
                problems = found.into_iter().map(|problem| problem.text).collect();
            }
            std::thread::sleep(PAUSE);
        }
        Ok(Formed::NotYet(problems))
    }

    /// The view of the first node that answers.
    fn status(&self) -> Option<Status> {
        let running = self.processes.iter().filter(|process| process.runs());
        let addresses: Vec<String> =
            running.map(|process| format!("127.0.0.1:{}", process.node.port)).collect();
        ask(&mut Client::connect_any(&addresses).ok()?).ok()
    }

    /// Tells of every death; ends at Ctrl-C or when no node is left.
    fn watch(&mut self) -> ExitCode {
        while !self.stopping() {
            for process in &mut self.processes {
                if let Some(status) = process.newly_ended() {
                    let command = self.plan.shell_command(&process.node, &self.program);
                    println!("{}", words::died(process, &describe(status), &command));
                }
            }
            if self.processes.iter().all(|process| !process.runs()) {
                println!("All nodes have ended. The data stays in {}.", self.plan.dir.display());
                return ExitCode::from(1);
            }
            std::thread::sleep(PAUSE);
        }
        ExitCode::SUCCESS
    }

    fn stop_all(&mut self) {
        if self.processes.iter().all(|process| !process.runs()) {
            return;
        }
        println!("\nStopping all nodes; Ctrl-C again kills them.");
        self.stop.store(false, Ordering::Relaxed);
        for process in &mut self.processes {
            process.ask_to_stop();
        }
        let started = Instant::now();
        while self.processes.iter().any(Process::runs) {
            for process in &mut self.processes {
                let _ = process.newly_ended();
            }
            if self.stopping() || started.elapsed() > STOPPED_WITHIN {
                for process in self.processes.iter_mut().filter(|process| process.runs()) {
                    println!("node {} does not stop and is killed; its log recovers it", process.node.number);
                    process.kill();
                }
            }
            std::thread::sleep(PAUSE);
        }
        println!("Stopped. The data stays in {}; the next demo continues with it.", self.plan.dir.display());
    }
}

/// The path relative to the current folder if that is shorter, for commands that people paste.
fn shortest(program: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    let relative =
        here.and_then(|here| program.strip_prefix(here).ok().map(|rest| Path::new(".").join(rest)));
    relative.unwrap_or_else(|| program.to_path_buf())
}
