//! Everything both sides sent, in order, and the proof of knowing the secret that covers it.

use super::message::PROTOCOL;
use crate::identity::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Length of a proof in bytes.
pub(super) const PROOF: usize = 32;

/// Which side of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Dial,
    Accept,
}

impl Role {
    pub(super) fn other(self) -> Role {
        match self {
            Role::Dial => Role::Accept,
            Role::Accept => Role::Dial,
        }
    }

    fn label(self) -> &'static [u8] {
        match self {
            Role::Dial => b"everstore handshake, dialling side",
            Role::Accept => b"everstore handshake, accepting side",
        }
    }
}

#[derive(Clone, Default)]
pub(super) struct Transcript(Sha256);

impl Transcript {
    /// Adds bytes of a message, its length prefix included.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The proof that the side `role` sends after everything added so far.
    pub(super) fn proof(&self, secret: &Secret, role: Role) -> [u8; PROOF] {
        self.mac(secret, role).finalize().into_bytes().into()
    }

    /// Whether the other side's proof is right; takes the same time for every wrong one.
    pub(super) fn verify(&self, secret: &Secret, role: Role, proof: &[u8]) -> bool {
        self.mac(secret, role).verify_slice(proof).is_ok()
    }

    fn mac(&self, secret: &Secret, role: Role) -> Hmac<Sha256> {
        let key = secret.key();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(role.label());
        mac.update(&[PROTOCOL]);
        mac.update(&self.0.clone().finalize());
        mac
    }
}
