//! The flags of `serve` and `config`, made from the table: `--key value` for every key.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::effective::Effective;
use super::error::ConfigError;
use super::kind::Kind;
use super::table::{KEYS, Key};

/// The configuration flags that were given.
#[derive(Debug, Clone, Default)]
pub struct ConfigFlags {
    /// (key, value) in the order of the table.
    pub given: Vec<(&'static str, String)>,
    /// `--config FILE`.
    pub file: Option<PathBuf>,
}

impl ConfigFlags {
    /// Merges the flags with this process's environment and the file.
    ///
    /// # Errors
    /// See [`Effective::load`].
    pub fn load(&self) -> Result<Effective, ConfigError> {
        let mut env: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        env.sort();
        Effective::load(&self.given, &env, self.file.as_deref())
    }
}

impl FromArgMatches for ConfigFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = KEYS.iter().filter(|key| !key.env_only());
        // One that may be given several times is a list.
        let all =
            |key: &Key| Some(matches.get_many::<String>(key.name)?.cloned().collect::<Vec<_>>().join(","));
        let given = given.filter_map(|key| Some((key.name, all(key)?))).collect();
        Ok(ConfigFlags { given, file: matches.get_one::<PathBuf>("config").cloned() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for ConfigFlags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .env("EVERSTORE_CONFIG")
            .value_parser(clap::value_parser!(PathBuf))
            .help("TOML file; 'everstore config --print-default' prints one with every key explained");
        let keys = KEYS.iter().filter(|key| !key.env_only()).map(|key| {
            let mut help = format!("{} Allowed: {}.", key.about, key.kind.allowed());
            if !key.default.is_empty() {
                help.push_str(&format!(" [default: {}]", key.default));
            }
            let many = matches!(key.kind, Kind::PathList);
            let action = if many { ArgAction::Append } else { ArgAction::Set };
            let arg = Arg::new(key.name).long(key.name).help(help).action(action);
            match key.kind {
                Kind::Flag => arg
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true")
                    .value_name("true|false")
                    .value_parser(PossibleValuesParser::new(["true", "false"])),
                _ => arg.value_name("VALUE").allow_hyphen_values(true),
            }
        });
        command.arg(file).args(keys)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
