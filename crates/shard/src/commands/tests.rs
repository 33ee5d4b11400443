use super::*;
use crate::table::{Route, commands};

#[test]
fn names_are_sorted() {
    assert!(HANDLERS.is_sorted_by(|a, b| a.0 < b.0));
}

#[test]
fn every_data_command_of_the_table_has_a_handler_and_no_other() {
    let specs = commands().iter().chain(commands().iter().flat_map(|c| c.subcommands));
    let mut names: Vec<_> =
        specs.filter(|s| !matches!(s.route, Route::Front | Route::Wait)).map(|s| s.name).collect();
    names.sort_unstable();
    let mut handled: Vec<_> = HANDLERS.iter().map(|(name, _)| *name).collect();
    // MOVE is not in the table yet.
    handled.retain(|name| *name != "move" || names.contains(name));
    assert_eq!(names, handled);
}
