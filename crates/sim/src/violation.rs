//! A property that did not hold.

/// What was broken, in which run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Name of the property.
    pub property: &'static str,
    /// What happened, in one sentence.
    pub sentence: String,
    /// What shows it, line by line.
    pub details: Vec<String>,
    /// When it was seen, ns of the world.
    pub at_ns: u64,
}

impl Violation {
    /// Without details.
    pub fn new(property: &'static str, at_ns: u64, sentence: String) -> Violation {
        Violation { property, sentence, details: Vec::new(), at_ns }
    }
}
