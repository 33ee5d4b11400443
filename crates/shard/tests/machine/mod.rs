//! A world of three replicas of one shard and the model they are compared with.

mod by_hand;
pub mod check;
pub mod fetch;
pub mod reply;
pub mod script;
pub mod state;
pub mod step;
pub mod world;
