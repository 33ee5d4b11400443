//! Members at random: SRANDMEMBER, SPOP.

use crate::commands::elements::{at_most, remove_all, store};
use crate::commands::integer;
use crate::commands::pick::Dice;
use crate::data::{Context, Done};
use model::change::Change;
use model::row::kind;

/// With so many times fewer members left than taken, those left are put as a new set, as in Redis.
const FEW_LEFT: usize = 5;

/// `SRANDMEMBER key [count]`
pub(in crate::commands) fn srandmember(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    at_most(args, 3)?;
    let mut dice = Dice::new(&mut c.data);
    let key = c.data.key(args[1]);
    let Some(count) = args.get(2) else {
        match dice.one(c.data.elements(key, kind::SET)?) {
            Some((member, _)) => c.reply.bulk(member),
            None => c.reply.null(),
        }
        return Ok(());
    };
    let count = integer::within(count, -i64::MAX..=i64::MAX)?;
    let picked = dice.several(c.data.elements(key, kind::SET)?, count)?;
    c.reply.array(picked.len());
    picked.into_iter().for_each(|(member, _)| c.reply.bulk(member));
    Ok(())
}

/// `SPOP key [count]`
pub(in crate::commands) fn spop(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    at_most(args, 3)?;
    if let Some(count) = args.get(2) {
        let count = integer::at_least(count, 0, "ERR value is out of range, must be positive")?;
        return pop_several(c, args[1], count);
    }
    let mut dice = Dice::new(&mut c.data);
    let key = c.data.key(args[1]);
    match dice.one(c.data.elements(key, kind::SET)?) {
        Some((member, _)) => {
            c.reply.bulk(member);
            let name = member.to_vec();
            c.data.change(key, kind::SET, Change::Remove { name: &name })?;
        }
        None => c.reply.null(),
    }
    Ok(())
}

fn pop_several(c: &mut Context<'_>, key: &[u8], count: usize) -> Done {
    let mut dice = Dice::new(&mut c.data);
    let key = c.data.key(key);
    let set = c.data.elements(key, kind::SET)?;
    let picked = dice.several(set, i64::try_from(count).unwrap_or(i64::MAX))?;
    c.reply.set(picked.len());
    picked.iter().for_each(|(member, _)| c.reply.bulk(member));
    let left = set.len() - picked.len();
    if left * FEW_LEFT > picked.len() {
        let names: Vec<Box<[u8]>> = picked.into_iter().map(|(member, _)| member.into()).collect();
        let names: Vec<&[u8]> = names.iter().map(|name| &name[..]).collect();
        return remove_all(&mut c.data, key, kind::SET, &names);
    }
    // Both are in the order of the set.
    let mut picked = picked.into_iter().peekable();
    let stays = |(member, _): &(&[u8], _)| picked.next_if(|(taken, _)| taken == member).is_none();
    let rest: Vec<Box<[u8]>> = set.iter().filter(stays).map(|(member, _)| member.into()).collect();
    let expire = c.data.peek(key)?.map_or(0, |row| row.expire);
    store(&mut c.data, key, (kind::SET, expire), rest.iter().map(|member| (&member[..], &b""[..])))
}
