//! Lists, sets, hashes and sorted sets, one by one or packed.

use std::io::BufRead;

use super::Decoder;
use crate::error::malformed;
use crate::packed::listpack::Listpack;
use crate::packed::ziplist::Ziplist;
use crate::packed::zipmap::Zipmap;
use crate::packed::{Element, intset};
use crate::{Error, integer, kind, score};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;
type Scored = Vec<(Vec<u8>, f64)>;

/// The length byte that says NaN; above it positive, then negative infinity.
const SCORE_NAN: u8 = 253;
const SCORE_INFINITY: u8 = 254;
const SCORE_NEGATIVE_INFINITY: u8 = 255;

impl<B: BufRead> Decoder<'_, B> {
    /// Elements one by one; a set is written the same way.
    pub(super) fn list(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        let count = self.number()?;
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(self.element()?);
        }
        Ok(elements)
    }

    pub(super) fn list_ziplist(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        let packed = self.string()?;
        let mut elements = Vec::new();
        self.copy(Ziplist::open(&packed)?, &mut elements)?;
        Ok(elements)
    }

    pub(super) fn list_quicklist(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        let mut elements = Vec::new();
        for _ in 0..self.number()? {
            let packed = self.string()?;
            self.copy(Ziplist::open(&packed)?, &mut elements)?;
        }
        Ok(elements)
    }

    pub(super) fn list_quicklist_2(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        let mut elements = Vec::new();
        for _ in 0..self.number()? {
            match self.number()? {
                kind::NODE_PLAIN => elements.push(self.element()?),
                kind::NODE_PACKED => {
                    let packed = self.string()?;
                    self.copy(Listpack::open(&packed)?, &mut elements)?;
                }
                _ => return Err(malformed("list", "a node is neither plain nor packed")),
            }
        }
        Ok(elements)
    }

    pub(super) fn set_intset(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        let packed = self.string()?;
        let mut members = Vec::new();
        intset::read(&packed, |member| {
            let text = integer::text(member);
            self.budget.charge(text.len())?;
            members.push(text);
            Ok(())
        })?;
        Ok(members)
    }

    pub(super) fn set_listpack(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        let packed = self.string()?;
        let mut members = Vec::new();
        self.copy(Listpack::open(&packed)?, &mut members)?;
        Ok(members)
    }

    pub(super) fn hash(&mut self) -> Result<Pairs, Error> {
        let count = self.number()?;
        let mut pairs = Vec::new();
        for _ in 0..count {
            let field = self.element()?;
            pairs.push((field, self.element()?));
        }
        Ok(pairs)
    }

    pub(super) fn hash_zipmap(&mut self) -> Result<Pairs, Error> {
        let packed = self.string()?;
        let mut pairs = Vec::new();
        for pair in Zipmap::open(&packed)? {
            let (field, value) = pair?;
            self.budget.charge(field.len())?;
            self.budget.charge(value.len())?;
            pairs.push((field.to_vec(), value.to_vec()));
        }
        Ok(pairs)
    }

    pub(super) fn hash_ziplist(&mut self) -> Result<Pairs, Error> {
        let packed = self.string()?;
        self.pairs(Ziplist::open(&packed)?)
    }

    pub(super) fn hash_listpack(&mut self) -> Result<Pairs, Error> {
        let packed = self.string()?;
        self.pairs(Listpack::open(&packed)?)
    }

    pub(super) fn sorted_set_text(&mut self) -> Result<Scored, Error> {
        let count = self.number()?;
        let mut members = Vec::new();
        for _ in 0..count {
            let member = self.element()?;
            members.push((member, self.text_score()?));
        }
        Ok(members)
    }

    fn text_score(&mut self) -> Result<f64, Error> {
        const WHAT: &str = "a score";
        match self.input.u8(WHAT)? {
            SCORE_NEGATIVE_INFINITY => Ok(f64::NEG_INFINITY),
            SCORE_INFINITY => Ok(f64::INFINITY),
            SCORE_NAN => score::checked(f64::NAN),
            length => score::parse(&self.input.bytes(usize::from(length), WHAT)?),
        }
    }

    pub(super) fn sorted_set(&mut self) -> Result<Scored, Error> {
        let count = self.number()?;
        let mut members = Vec::new();
        for _ in 0..count {
            let member = self.element()?;
            let bits = self.input.array("a score")?;
            members.push((member, score::checked(f64::from_le_bytes(bits))?));
        }
        Ok(members)
    }

    pub(super) fn sorted_set_ziplist(&mut self) -> Result<Scored, Error> {
        let packed = self.string()?;
        self.scored(Ziplist::open(&packed)?)
    }

    pub(super) fn sorted_set_listpack(&mut self) -> Result<Scored, Error> {
        let packed = self.string()?;
        self.scored(Listpack::open(&packed)?)
    }

    /// A packed element as part of the value.
    fn owned(&mut self, element: Element<'_>) -> Result<Vec<u8>, Error> {
        self.budget.charge(element.len())?;
        Ok(element.to_vec())
    }

    fn copy<'a>(
        &mut self,
        packed: impl Iterator<Item = Result<Element<'a>, Error>>,
        out: &mut Vec<Vec<u8>>,
    ) -> Result<(), Error> {
        for element in packed {
            out.push(self.owned(element?)?);
        }
        Ok(())
    }

    fn pairs<'a>(
        &mut self,
        mut packed: impl Iterator<Item = Result<Element<'a>, Error>>,
    ) -> Result<Pairs, Error> {
        let mut pairs = Vec::new();
        while let Some(field) = packed.next() {
            let field = self.owned(field?)?;
            let value = packed.next().ok_or(malformed("hash", "a field without a value"))??;
            pairs.push((field, self.owned(value)?));
        }
        Ok(pairs)
    }

    fn scored<'a>(
        &mut self,
        mut packed: impl Iterator<Item = Result<Element<'a>, Error>>,
    ) -> Result<Scored, Error> {
        let mut members = Vec::new();
        while let Some(member) = packed.next() {
            let member = self.owned(member?)?;
            let score = packed.next().ok_or(malformed("sorted set", "a member without a score"))??;
            members.push((member, score.score()?));
        }
        Ok(members)
    }
}
