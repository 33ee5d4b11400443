//! How large collections are before they change their form: as they come, or so small that few commands suffice.

use super::contenders::Contenders;

/// Names, with Redis's own value and a small one.
const ALL: [(&str, u32, u32); 5] = [
    ("hash-max-listpack-entries", 512, 5),
    ("hash-max-listpack-value", 64, 8),
    ("zset-max-listpack-entries", 128, 4),
    ("zset-max-listpack-value", 64, 4),
    ("set-max-intset-entries", 512, 3),
];

/// Which of them hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Thresholds {
    /// Those that Redis comes with.
    #[default]
    Usual,
    /// A few elements, a few bytes.
    Small,
}

impl Thresholds {
    /// Has them hold on both sides.
    ///
    /// # Errors
    /// A side refuses.
    pub fn set(self, contenders: &Contenders) -> Result<(), String> {
        let value = |usual: u32, small: u32| if self == Thresholds::Small { small } else { usual };
        let settings = ALL.map(|(name, usual, small)| format!("{name} {}", value(usual, small)));
        contenders.configure(&format!("CONFIG SET {}", settings.join(" ")))
    }
}
