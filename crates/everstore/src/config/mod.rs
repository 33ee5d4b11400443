//! Configuration of a node: one table of keys ([`table`]), and everything that is made from it: the
//! commented file, the flags of `serve`, the environment, and the typed [`Config`].
//!
//! Precedence: flag > `EVERSTORE_*` > file > default.

pub mod effective;
pub mod error;
pub mod flags;
pub mod kind;
pub mod memory;
pub mod redis_options;
pub mod suggest;
pub mod table;
pub mod template;
pub mod units;

pub use effective::{Effective, Source};
pub use error::ConfigError;
pub use flags::ConfigFlags;
pub use redis_options::RedisOptions;
pub use table::{Config, KEYS, Key};
