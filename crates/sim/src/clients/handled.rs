//! Commands on items of collections: how they are sent, and what a reply says of the items.

use super::reply::Wire;
use check::history::Bytes;
use check::items::{Came, Deed};

/// What answers look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A number above 0 if something was done.
    Count,
    /// A value, or nil.
    Value,
    /// Values, or nil.
    Values,
    /// A key and a value of it, with its score if there are three; or nil.
    KeyAndValue,
    /// A key and values of it, or nil.
    KeyAndValues,
    /// Values and their scores.
    Scored,
    /// A key and pairs of values and scores of it, or nil.
    KeyAndScored,
}

/// What a command does with items.
#[derive(Clone, Debug)]
pub struct Handled {
    /// What is asked.
    pub deed: Deed,
    /// What the answer looks like.
    pub form: Form,
}

impl Handled {
    /// What a reply says.
    ///
    /// # Errors
    /// The reply makes no sense for the command; that is a finding.
    pub fn came(&self, wire: &Wire) -> Result<Came, String> {
        let strange = || format!("a reply of another shape: {wire:?}");
        Ok(match (self.form, wire) {
            (_, Wire::Error(text)) => match text.split(' ').next().unwrap_or_default() {
                "UNKNOWN" => Came::Unknown,
                "CLUSTERDOWN" | "TRYAGAIN" | "MISCONF" => Came::NotDone,
                _ => return Err(format!("an error that no client expects: {text}")),
            },
            (Form::Count, Wire::Int(count)) => Came::Did(*count > 0),
            (Form::Count, _) => return Err(strange()),
            (_, Wire::Bulk(None)) => Came::Nothing,
            (Form::Value, Wire::Bulk(Some(item))) => self.items(self.one_place()?, vec![item.clone()]),
            (Form::Values | Form::Scored, Wire::Array(parts)) => {
                self.items(self.one_place()?, self.values(parts).ok_or_else(strange)?)
            }
            (Form::KeyAndValue, Wire::Array(parts)) => {
                let (key, rest) = parts.split_first().ok_or_else(strange)?;
                let item = rest.first().and_then(bulk).ok_or_else(strange)?;
                self.items(self.named(key).ok_or_else(strange)?, vec![item])
            }
            (Form::KeyAndValues | Form::KeyAndScored, Wire::Array(parts)) => {
                let [key, Wire::Array(values)] = &parts[..] else { return Err(strange()) };
                self.items(self.named(key).ok_or_else(strange)?, self.values(values).ok_or_else(strange)?)
            }
            _ => return Err(strange()),
        })
    }

    /// The items of an answer; `None` if they are something else.
    fn values(&self, parts: &[Wire]) -> Option<Vec<Bytes>> {
        match self.form {
            Form::Scored => parts.chunks(2).map(|pair| bulk(pair.first()?)).collect(),
            Form::KeyAndScored => parts
                .iter()
                .map(|pair| match pair {
                    Wire::Array(pair) => bulk(pair.first()?),
                    _ => None,
                })
                .collect(),
            _ => parts.iter().map(bulk).collect(),
        }
    }

    /// The only place that can be meant.
    fn one_place(&self) -> Result<String, String> {
        let place = match &self.deed {
            Deed::Take { from, .. } => from.first(),
            other => other.places().next(),
        };
        place.cloned().ok_or_else(|| "a command without a place".to_owned())
    }

    /// The place that an answer names.
    fn named(&self, key: &Wire) -> Option<String> {
        let key = bulk(key)?;
        self.deed.places().find(|place| place.as_bytes() == &*key).cloned()
    }

    fn items(&self, place: String, items: Vec<Bytes>) -> Came {
        match self.deed {
            Deed::Take { .. } if items.is_empty() => Came::Nothing,
            _ => Came::Items(place, items),
        }
    }
}

fn bulk(wire: &Wire) -> Option<Bytes> {
    match wire {
        Wire::Bulk(Some(bytes)) => Some(bytes.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::reply::{First, first};

    /// What a reply as it is sent says to somebody who takes of `a` and `b`.
    fn came(form: Form, reply: &str) -> Result<Came, String> {
        let from = vec!["a".to_owned(), "b".to_owned()];
        let deed = Deed::Take { from, into: None, most: 2, wait_ms: None };
        match first(reply.as_bytes()) {
            First::Whole(wire, _) => Handled { deed, form }.came(&wire),
            other => panic!("{reply:?} is {other:?}"),
        }
    }

    #[test]
    fn answers_of_all_forms_name_place_and_items() {
        let items = |place: &str, items: &[&str]| {
            Ok(Came::Items(place.to_owned(), items.iter().map(|item| item.as_bytes().into()).collect()))
        };
        assert_eq!(came(Form::Value, "$1\r\nx\r\n"), items("a", &["x"]));
        assert_eq!(came(Form::Values, "*2\r\n$1\r\nx\r\n$1\r\ny\r\n"), items("a", &["x", "y"]));
        assert_eq!(came(Form::Scored, "*2\r\n$1\r\nx\r\n$1\r\n7\r\n"), items("a", &["x"]));
        assert_eq!(came(Form::KeyAndValue, "*2\r\n$1\r\nb\r\n$1\r\nx\r\n"), items("b", &["x"]));
        let several = "*2\r\n$1\r\nb\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n";
        assert_eq!(came(Form::KeyAndValues, several), items("b", &["x", "y"]));
        let scored = "*2\r\n$1\r\nb\r\n*1\r\n*2\r\n$1\r\nx\r\n$1\r\n7\r\n";
        assert_eq!(came(Form::KeyAndScored, scored), items("b", &["x"]));
        for nothing in ["*-1\r\n", "$-1\r\n"] {
            assert_eq!(came(Form::Value, nothing), Ok(Came::Nothing));
        }
        assert_eq!(came(Form::Values, "*0\r\n"), Ok(Came::Nothing));
        assert_eq!(came(Form::Value, "-UNKNOWN what happened\r\n"), Ok(Came::Unknown));
        assert_eq!(came(Form::Value, "-TRYAGAIN later\r\n"), Ok(Came::NotDone));
        for strange in [":1\r\n", "-ERR what\r\n"] {
            assert!(came(Form::Value, strange).is_err(), "{strange}");
        }
        assert!(came(Form::KeyAndValue, "*2\r\n$1\r\nc\r\n$1\r\nx\r\n").is_err(), "another key");
    }
}
