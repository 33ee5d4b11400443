//! Both sides of the handshake as one state machine.

use super::levels;
use super::message::{self, HELLO, IDENTITY, Identity, LENGTH, MAX_MESSAGE, PROTOCOL, READY, REFUSED};
use super::refusal::{self, Refusal, Refused, Verdict};
use super::transcript::{PROOF, Role, Transcript};
use super::{Established, Gate, Known, Local, News, Progress, Purpose, State};
use crate::formation::{Formation, Joiner};
use crate::identity::ClusterId;
use crate::peer::Peer;
use model::NodeId;

/// One handshake on one connection.
pub struct Handshake {
    local: Local,
    role: Role,
    purpose: Purpose,
    transcript: Transcript,
    step: Step,
    /// The incomplete message at the end of the input; at most [`MAX_MESSAGE`] and its length.
    partial: Vec<u8>,
    /// The formation this side told.
    told: Option<Formation>,
    /// The other side reads levels: it has said its own, or this side says its own when it dials.
    says_level: bool,
    /// What both sides agreed on, while the accepting side waits for the last message.
    agreed: Option<Established>,
}

/// What is awaited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Nothing: a hello is to be sent first.
    Start,
    Hello,
    Identity,
    Ready,
    Over,
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handshake({:?}, {:?})", self.role, self.step)
    }
}

impl Handshake {
    /// The side that connected. The first call of [`Handshake::input`], with no bytes, gives what
    /// to send first.
    pub fn dial(local: Local, purpose: Purpose) -> Handshake {
        Handshake::new(local, Role::Dial, purpose, Step::Start)
    }

    /// The side that listens.
    pub fn accept(local: Local) -> Handshake {
        Handshake::new(local, Role::Accept, Purpose::Turn, Step::Hello)
    }

    fn new(local: Local, role: Role, purpose: Purpose, step: Step) -> Handshake {
        let (transcript, partial) = (Transcript::default(), Vec::new());
        let says_level = local.levels.said && role == Role::Dial;
        Handshake { local, role, purpose, transcript, step, partial, told: None, says_level, agreed: None }
    }

    /// Takes bytes of the other side. Not to be called again after anything but [`State::Going`].
    pub fn input(&mut self, bytes: &[u8], gate: &mut dyn Gate) -> Progress {
        let mut output = Vec::new();
        let mut consumed = 0;
        if self.step == Step::Start {
            self.say_hello(&mut output);
        }
        loop {
            match self.fill(&bytes[consumed..]) {
                Ok((taken, complete)) => {
                    consumed += taken;
                    if !complete {
                        return Progress { consumed, output, state: State::Going };
                    }
                }
                Err(refused) => return self.refuse(consumed, output, refused),
            }
            let message = std::mem::take(&mut self.partial);
            match self.message(&message, gate, &mut output) {
                Ok(None) => {}
                Ok(Some(state)) => {
                    self.step = Step::Over;
                    return Progress { consumed, output, state };
                }
                Err(refused) => return self.refuse(consumed, output, refused),
            }
        }
    }

    fn refuse(&mut self, consumed: usize, mut output: Vec<u8>, refused: Refused) -> Progress {
        self.step = Step::Over;
        let reason = refusal::tidy(refused.reason.as_bytes());
        let said = message::refused(refused.other, &reason);
        if refused.other.needs_proof() {
            self.send_proven(&said, &mut output);
        } else {
            output.extend_from_slice(&said);
        }
        Progress { consumed, output, state: State::Refused(Refusal::new(reason, refused.own)) }
    }

    /// The other side refuses, in any version: the layout of this message never changes.
    fn refused(&mut self, message: &[u8]) -> Refusal {
        let fields = &message[LENGTH + 2..];
        let (code, text) = fields.split_first().unwrap_or((&0, &[]));
        let mut verdict = Verdict::of(*code);
        let mut text = text;
        if verdict.needs_proof() {
            text = &text[..text.len().saturating_sub(PROOF)];
            // Anybody can say it; what must not be believed is taken for a failure that may pass.
            if self.prove(message).is_err() {
                verdict = Verdict::Passing;
            }
        }
        Refusal::new(format!("refused by the other side: {}", refusal::tidy(text)), verdict)
    }

    /// Moves bytes into `partial` until it is one message; answers how many, and whether it is.
    fn fill(&mut self, bytes: &[u8]) -> Result<(usize, bool), Refused> {
        let mut taken = 0;
        loop {
            let wanted = self.wanted()?;
            let part = (wanted - self.partial.len()).min(bytes.len() - taken);
            self.partial.extend_from_slice(&bytes[taken..taken + part]);
            taken += part;
            if self.partial.len() < wanted {
                return Ok((taken, false));
            }
            if wanted > LENGTH {
                return Ok((taken, true));
            }
        }
    }

    /// Bytes that `partial` must have next: those of a length, then those of a message.
    fn wanted(&self) -> Result<usize, Refused> {
        let Some(head) = self.partial.first_chunk::<LENGTH>() else { return Ok(LENGTH) };
        match u32::from_le_bytes(*head) as usize {
            len @ 2..=MAX_MESSAGE => Ok(LENGTH + len),
            len => {
                Err(format!("no Everstore node: a message of {len} bytes; allowed: 2 to {MAX_MESSAGE}")
                    .into())
            }
        }
    }

    fn say_hello(&mut self, output: &mut Vec<u8>) {
        let hello = message::hello(&self.local.nonce);
        self.transcript.add(&hello);
        output.extend_from_slice(&hello);
        self.step = Step::Hello;
    }

    /// One whole message.
    fn message(
        &mut self,
        message: &[u8],
        gate: &mut dyn Gate,
        output: &mut Vec<u8>,
    ) -> Result<Option<State>, Refused> {
        let (version, kind, fields) = (message[LENGTH], message[LENGTH + 1], &message[LENGTH + 2..]);
        if kind == REFUSED {
            return Ok(Some(State::Refused(self.refused(message))));
        }
        if version != PROTOCOL {
            let text = format!("unknown protocol version {version}; this node speaks version {PROTOCOL}");
            return Err(text.into());
        }
        match (self.step, kind) {
            (Step::Hello, HELLO) => {
                message::decode_hello(fields).map_err(|error| format!("no Everstore node: {error}"))?;
                self.transcript.add(message);
                match self.role {
                    Role::Dial => self.say_who(None, gate.news(), output),
                    Role::Accept => self.say_hello(output),
                }
                self.step = Step::Identity;
                Ok(None)
            }
            (Step::Identity, IDENTITY) => self.identity(message, gate, output),
            (Step::Ready, READY) => {
                self.prove(message)?;
                Ok(self.agreed.take().map(|agreed| State::Done(Box::new(agreed))))
            }
            (step, kind) => Err(format!("unexpected message {kind} while waiting for {step:?}").into()),
        }
    }

    /// Checks the proof at the end of a message and adds the message to the transcript.
    fn prove(&mut self, message: &[u8]) -> Result<(), Refused> {
        let (said, proof) = message.split_at(message.len().saturating_sub(PROOF));
        self.transcript.add(said);
        if !self.transcript.verify(&self.local.secret, self.role.other(), proof) {
            return Err(Refusal::new(refusal::STRANGER, Verdict::NotAdmitted).into());
        }
        self.transcript.add(proof);
        Ok(())
    }

    fn send_proven(&mut self, said: &[u8], output: &mut Vec<u8>) {
        self.transcript.add(said);
        let proof = self.transcript.proof(&self.local.secret, self.role);
        self.transcript.add(&proof);
        output.extend_from_slice(said);
        output.extend_from_slice(&proof);
    }

    fn say_who(&mut self, assigned: Option<NodeId>, news: News, output: &mut Vec<u8>) {
        self.told.clone_from(&news.formation);
        let local = &self.local;
        let identity = Identity {
            purpose: self.purpose,
            cluster: local.cluster,
            node: local.node,
            incarnation: local.incarnation,
            boot: local.boot,
            token: local.token,
            addresses: local.addresses.clone(),
            assigned,
            news,
            witness: local.witness && local.node.is_none(),
            levels: self.says_level.then(|| local.levels.say()),
        };
        self.send_proven(&identity.encode(), output);
    }

    /// The other side says who it is.
    fn identity(
        &mut self,
        message: &[u8],
        gate: &mut dyn Gate,
        output: &mut Vec<u8>,
    ) -> Result<Option<State>, Refused> {
        let fields = &message[LENGTH + 2..];
        let (fields, _) = fields.split_at_checked(fields.len().wrapping_sub(PROOF)).unwrap_or((&[], &[]));
        let identity = Identity::decode(fields);
        // The proof first: nothing a stranger says has an effect, but a claimed cluster helps people.
        self.prove(message).map_err(|refused| match identity.as_ref().map(|other| other.cluster) {
            Ok(Some(theirs)) if self.local.cluster.is_some_and(|own| own != theirs) => {
                let reason = format!("{}; it says it is of cluster {theirs}", refused.reason);
                Refused { reason, ..refused }
            }
            _ => refused,
        })?;
        let identity = identity.map_err(|error| format!("cannot read who the other side is: {error}"))?;
        refusal::other_than(&self.local, identity.node, identity.incarnation, identity.boot)?;
        // A side that has not joined has no cluster whose levels it could know.
        if self.role == Role::Dial || self.local.node.is_some() {
            levels::check(&self.local, identity.node, identity.levels)?;
        }
        self.says_level |= identity.levels.is_some();
        self.check_news(&identity)?;
        match self.role {
            Role::Dial => self.dialled(identity, gate, output).map(Some),
            Role::Accept => self.accepted(identity, gate, output).map(|()| None),
        }
    }

    /// The other side's view of the members must not contradict this node.
    fn check_news(&self, identity: &Identity) -> Result<(), Refused> {
        let own = |member: &&Peer| Some(member.node) == self.local.node;
        let Some(own) = identity.news.members.iter().find(own) else { return Ok(()) };
        let known = Known { incarnation: own.incarnation, boot: own.boot, removed: false };
        refusal::of_age(own.node, self.local.incarnation, self.local.boot, Some(known))
            .map_err(Refused::own_outdated)
    }

    /// The dialling side got the accepting side's identity.
    fn dialled(
        &mut self,
        identity: Identity,
        gate: &mut dyn Gate,
        output: &mut Vec<u8>,
    ) -> Result<State, Refused> {
        let (Some(cluster), Some(node)) = (identity.cluster, identity.node) else {
            return Err("the other side has not joined a cluster yet".into());
        };
        if self.local.cluster.is_some_and(|own| own != cluster) {
            return Err(other_cluster(cluster, self.local.cluster));
        }
        if self.local.node.is_some() == identity.assigned.is_some() {
            return Err("an id was given to a node that has one, or none to a node without".into());
        }
        if identity.purpose != self.purpose {
            return Err("the other side takes the connection for something else".into());
        }
        refusal::one_formation(self.told.as_ref(), identity.news.formation.as_ref())?;
        refusal::of_age(node, identity.incarnation, identity.boot, gate.known(node))
            .map_err(Refused::other_outdated)?;
        self.send_proven(&message::ready(), output);
        let joined = identity.assigned;
        Ok(State::Done(Box::new(established(cluster, node, identity, joined))))
    }

    /// The accepting side got the dialling side's identity.
    fn accepted(
        &mut self,
        identity: Identity,
        gate: &mut dyn Gate,
        output: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let (Some(cluster), Some(_)) = (self.local.cluster, self.local.node) else {
            if let (Some(_), Some(node)) = (identity.cluster, identity.node) {
                let Identity { incarnation, boot, addresses, .. } = identity;
                gate.called_by(Peer { node, addresses, incarnation, boot: Some(boot) });
            }
            return Err(refusal::NOT_JOINED.into());
        };
        if identity.cluster.is_some_and(|theirs| theirs != cluster) {
            return Err(other_cluster(cluster, identity.cluster));
        }
        let theirs = identity.news.formation.as_ref();
        let (node, joined, news) = match (identity.cluster, identity.node) {
            (Some(_), Some(node)) => {
                let news = gate.news();
                refusal::one_formation(news.formation.as_ref(), theirs)?;
                refusal::of_age(node, identity.incarnation, identity.boot, gate.known(node))
                    .map_err(Refused::other_outdated)?;
                (node, None, news)
            }
            (None, None) => {
                let joiner = Joiner {
                    token: identity.token,
                    addresses: identity.addresses.clone(),
                    incarnation: identity.incarnation,
                    boot: identity.boot,
                    witness: identity.witness,
                };
                let node = gate.admit(&joiner)?;
                let news = gate.news();
                refusal::one_formation(news.formation.as_ref(), theirs)?;
                (node, Some(node), news)
            }
            _ => return Err("a node has both a cluster and an id, or none of them".into()),
        };
        self.purpose = identity.purpose;
        self.say_who(joined, news, output);
        self.agreed = Some(established(cluster, node, identity, joined));
        self.step = Step::Ready;
        Ok(())
    }
}

fn established(cluster: ClusterId, node: NodeId, identity: Identity, joined: Option<NodeId>) -> Established {
    let Identity { purpose, incarnation, boot, addresses, news, .. } = identity;
    let News { members, formation } = news;
    Established { cluster, node, incarnation, boot, addresses, members, formation, joined, purpose }
}

fn other_cluster(accepting: ClusterId, dialling: Option<ClusterId>) -> Refused {
    let dialling = dialling.map_or("none".to_owned(), |id| id.to_string());
    let reason = format!("nodes of two clusters: {accepting} was called by a node of {dialling}");
    Refusal::new(reason, Verdict::OtherCluster).into()
}
