//! Content of the section with which replicas are compared. Fields: `docs/formats/peer-frame.md`.

use super::content::read_group;
use model::varint::{DecodeError, Reader, put_u64};
use model::{GroupId, Index, Term};
use shard::checkpoint::HASHES;

/// Format version.
const FORMAT: u8 = 1;

/// What is said of a point.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    /// The leader asks what the receiver has found.
    Asked,
    /// Nothing yet.
    Pending,
    /// Nothing, and nothing will come.
    Unable,
    /// Hashes over what the sender's replica holds as of the point.
    Hashes(Vec<u64>),
    /// The leader says that the receiver's hashes are not those of the majority.
    Differs,
}

/// Something about a point at which replicas of a group are compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Compared {
    /// The group.
    pub group: GroupId,
    /// Index and term of the point.
    pub at: (Index, Term),
    /// What is said of it.
    pub said: Said,
}

impl Compared {
    /// Appends the section's content.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        for number in [u64::from(self.group.0), self.at.0, self.at.1] {
            put_u64(out, number);
        }
        out.push(match &self.said {
            Said::Asked => 0,
            Said::Pending => 1,
            Said::Unable => 2,
            Said::Hashes(_) => 3,
            Said::Differs => 4,
        });
        if let Said::Hashes(hashes) = &self.said {
            put_u64(out, hashes.len() as u64);
            hashes.iter().for_each(|hash| out.extend_from_slice(&hash.to_le_bytes()));
        }
    }

    /// Reads a section's content.
    ///
    /// # Errors
    /// Bytes that are none, or of a newer format.
    pub fn decode(content: &[u8]) -> Result<Compared, DecodeError> {
        let mut r = Reader::new(content);
        match r.u8()? {
            FORMAT => {}
            other => return Err(DecodeError::Version(other)),
        }
        let (group, at) = (read_group(&mut r)?, (r.u64()?, r.u64()?));
        let said = match r.u8()? {
            0 => Said::Asked,
            1 => Said::Pending,
            2 => Said::Unable,
            3 => Said::Hashes(read_hashes(&mut r)?),
            4 => Said::Differs,
            _ => return Err(DecodeError::Malformed("word on a comparison")),
        };
        Ok(Compared { group, at, said })
    }
}

fn read_hashes(r: &mut Reader<'_>) -> Result<Vec<u64>, DecodeError> {
    if r.u64()? != HASHES as u64 {
        return Err(DecodeError::Malformed("number of hashes"));
    }
    let hash = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).map_err(|_| DecodeError::Short);
    (0..HASHES).map(|_| hash(r.take(8)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_comes_as_it_was_and_nothing_else_is_taken() {
        let all =
            [Said::Asked, Said::Pending, Said::Unable, Said::Hashes(vec![u64::MAX; HASHES]), Said::Differs];
        for said in all {
            let compared = Compared { group: GroupId(3), at: (1 << 40, 7), said };
            let mut content = Vec::new();
            compared.encode(&mut content);
            assert_eq!(Compared::decode(&content), Ok(compared));
            assert!(Compared::decode(&content[..content.len() - 1]).is_err());
        }
        assert_eq!(Compared::decode(&[2]), Err(DecodeError::Version(2)));
        assert!(Compared::decode(&[FORMAT, 3, 1, 1, 9]).is_err());
        assert!(Compared::decode(&[FORMAT, 3, 1, 1, 3, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
    }
}
