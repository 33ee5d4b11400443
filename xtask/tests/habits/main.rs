//! The habits of the project as tests: direction of dependencies, sizes, what must not be in the repository.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "reads the sources and starts a build"
)]

mod architecture;
mod build_tools;
mod compatibility;
mod hygiene;
mod size;
mod support;
