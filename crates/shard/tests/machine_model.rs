//! The state machine of a shard against a model: random commands, commits, elections, checkpoints
//! and crashes on three replicas, everything compared after every step.

extern crate everstore_shard as shard;

mod machine;

use machine::step::steps;
use machine::world::World;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn replicas_follow_the_model(steps in steps(120)) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
            world.check();
        }
        world.settle();
    }
}
