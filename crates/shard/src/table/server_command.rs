//! `COMMAND` and its subcommands.

use super::*;

/// The container `COMMAND`.
pub(super) const COMMAND: &[Spec] = &[Spec {
    name: "command",
    arity: -1,
    flags: Flags(flag::LOADING | flag::STALE),
    categories: Categories(category::CONNECTION),
    tips: &["nondeterministic_output_order"],
    group: Group::Server,
    summary: "Get array of Redis command details",
    since: "2.8.13",
    complexity: "O(N) where N is the total number of Redis commands",
    subcommands: &[
        Spec {
            name: "command|count",
            arity: 2,
            flags: Flags(flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Server,
            summary: "Get total number of Redis commands",
            since: "2.8.13",
            complexity: "O(1)",
            ..BASE
        },
        Spec {
            name: "command|docs",
            arity: -2,
            flags: Flags(flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            tips: &["nondeterministic_output_order"],
            group: Group::Server,
            summary: "Get array of specific Redis command documentation",
            since: "7.0.0",
            complexity: "O(N) where N is the number of commands to look up",
            args: &[arg("command-name", ArgKind::String).optional().multiple()],
            ..BASE
        },
        Spec {
            name: "command|getkeys",
            arity: -4,
            flags: Flags(flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Server,
            summary: "Extract keys given a full Redis command",
            since: "2.8.13",
            complexity: "O(N) where N is the number of arguments to the command",
            ..BASE
        },
        Spec {
            name: "command|getkeysandflags",
            arity: -4,
            flags: Flags(flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Server,
            summary: "Extract keys and access flags given a full Redis command",
            since: "7.0.0",
            complexity: "O(N) where N is the number of arguments to the command",
            ..BASE
        },
        Spec {
            name: "command|help",
            arity: 2,
            flags: Flags(flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Server,
            summary: "Show helpful text about the different subcommands",
            since: "5.0.0",
            complexity: "O(1)",
            ..BASE
        },
        Spec {
            name: "command|info",
            arity: -2,
            flags: Flags(flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            tips: &["nondeterministic_output_order"],
            group: Group::Server,
            summary: "Get array of specific Redis command details, or all when no argument is given.",
            since: "2.8.13",
            complexity: "O(N) where N is the number of commands to look up",
            history: &[("7.0.0", "Allowed to be called with no argument to get info on all commands.")],
            args: &[arg("command-name", ArgKind::String).optional().multiple()],
            ..BASE
        },
        Spec {
            name: "command|list",
            arity: -2,
            flags: Flags(flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            tips: &["nondeterministic_output_order"],
            group: Group::Server,
            summary: "Get an array of Redis command names",
            since: "7.0.0",
            complexity: "O(N) where N is the total number of Redis commands",
            args: &[arg(
                "filterby",
                ArgKind::OneOf(&[
                    arg("module-name", ArgKind::String).token("MODULE"),
                    arg("category", ArgKind::String).token("ACLCAT"),
                    arg("pattern", ArgKind::Pattern).token("PATTERN"),
                ]),
            )
            .token("FILTERBY")
            .optional()],
            ..BASE
        },
    ],
    ..BASE
}];
