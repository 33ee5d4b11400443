//! What the way between two machines is like, in each direction.

use super::Machine;
use crate::time::{MS, US};
use env::Rng;
use std::collections::BTreeMap;

/// First time after which a lost packet is sent again; it doubles with each further loss.
const RESEND_NS: u64 = 200 * MS;
/// Losses of one packet in a row, at most.
const MAX_LOSSES: u32 = 4;

/// How all links are unless changed.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Shortest way, ns.
    pub least_ns: u64,
    /// What chance adds to it at most, ns.
    pub jitter_ns: u64,
    /// Of a million packets, so many are lost.
    pub loss_ppm: u64,
}

impl Default for Weather {
    fn default() -> Weather {
        Weather { least_ns: 30 * US, jitter_ns: 100 * US, loss_ppm: 0 }
    }
}

/// One direction between two machines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    /// Nothing gets through.
    pub cut: bool,
    /// Added to every way, ns.
    pub slow_ns: u64,
    /// Ns that each KiB takes beyond the way: a thin line.
    pub per_kib_ns: u64,
    /// Added to the weather's losses.
    pub loss_ppm: u64,
}

/// All links that are not as the weather makes them.
#[derive(Debug)]
pub(super) struct Links {
    weather: Weather,
    special: BTreeMap<(Machine, Machine), Link>,
}

impl Links {
    pub(super) fn new(weather: Weather) -> Links {
        Links { weather, special: BTreeMap::new() }
    }

    pub(super) fn get(&self, from: Machine, to: Machine) -> Option<&Link> {
        self.special.get(&(from, to))
    }

    pub(super) fn get_mut(&mut self, from: Machine, to: Machine) -> &mut Link {
        self.special.entry((from, to)).or_default()
    }

    pub(super) fn is_cut(&self, from: Machine, to: Machine) -> bool {
        self.get(from, to).is_some_and(|link| link.cut)
    }

    /// How long a piece takes; `None` while the link is cut.
    pub(super) fn transit(&self, from: Machine, to: Machine, bytes: usize, rng: &mut Rng) -> Option<u64> {
        let link = self.get(from, to).copied().unwrap_or_default();
        if link.cut {
            return None;
        }
        let mut ns = self.weather.least_ns + rng.below(self.weather.jitter_ns + 1);
        let loss = self.weather.loss_ppm + link.loss_ppm;
        if loss > 0 {
            let mut losses = 0;
            while losses < MAX_LOSSES && rng.chance(loss, 1_000_000) {
                ns += RESEND_NS << losses;
                losses += 1;
            }
        }
        Some(ns + link.slow_ns + link.per_kib_ns * (bytes as u64 / 1024))
    }
}
