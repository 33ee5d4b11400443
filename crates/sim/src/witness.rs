//! A data node of a cluster with a witness is gone for good: the rest goes on with everything.
//!
//! It strikes at the very end, when all replicas are known to be equal: whichever data node is lost then, the
//! witness gives its vote to another that has all.

use crate::world::World;

impl World {
    /// Takes one data node away. False if there is no witness, or another node is lost already.
    pub(crate) fn lose_data_node(&mut self) -> bool {
        let (witness, sound) = (self.plan.shape.witness, self.sound());
        let whole = sound.len() as u64 == self.nodes();
        if witness == 0 || self.operator.is_some() || !whole || self.found.is_some() {
            return false;
        }
        let data: Vec<u64> = sound.into_iter().filter(|node| *node != witness).collect();
        let node = data[self.rng.below(data.len() as u64) as usize];
        let power = self.rng.chance(1, 2);
        self.say(|| format!("node {node} is lost for good, beside the witness {witness}"));
        self.kill(node, power);
        self.given_up(node);
        true
    }
}
