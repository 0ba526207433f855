//! Limits on the memory that the server holds for clients. Memory is counted where it is held, as [`HeldMemory`]; without enough of it the
//! caller gets a `Busy` error that names the limit.

use super::caller::Caller;
use super::supply::{Full, Grant, Supply};
use crate::error::{Error, Kind, Result};

/// Memory is counted in blocks of this size.
pub const BLOCK_BYTES: usize = 16 << 10;

/// A bounded amount of memory for one purpose.
#[derive(Clone, Debug)]
pub struct Budget {
    /// What it is for, in the plural.
    what: &'static str,
    blocks: Supply,
    caller: Caller,
}

/// A budget, for the metrics.
#[derive(Clone, Copy, Debug)]
pub struct BudgetUse {
    /// What it is for, in the plural.
    pub what: &'static str,
    /// Its bytes.
    pub most_bytes: usize,
    /// The bytes that are taken.
    pub taken_bytes: usize,
}

/// Memory of a budget, free again when dropped.
#[derive(Debug)]
pub struct HeldMemory {
    budget: Budget,
    part: Option<Grant>,
    blocks: usize,
}

impl Budget {
    /// A budget of so many bytes, in whole blocks: at least one.
    pub fn new(what: &'static str, most_bytes: usize) -> Self {
        let blocks = Supply::new((most_bytes / BLOCK_BYTES).max(1));
        Self { what, blocks, caller: Caller::default() }
    }

    /// The same budget, of which one client gets at most so many percent.
    pub(super) fn with_share(self, percent: u8) -> Self {
        Self { blocks: self.blocks.with_share(percent), ..self }
    }

    /// The same budget, with a quarter reserved for callers with the token.
    pub(super) fn with_reserve(self) -> Self {
        Self { blocks: self.blocks.with_reserve(), ..self }
    }

    /// The same budget, as a caller meets it.
    pub fn for_caller(&self, caller: Caller) -> Self {
        Self { caller, ..self.clone() }
    }

    /// A holder of memory of this budget, which holds nothing yet.
    pub fn hold(&self) -> HeldMemory {
        HeldMemory { budget: self.clone(), part: None, blocks: 0 }
    }

    /// Bytes that are free.
    pub fn free_bytes(&self) -> usize {
        self.blocks.free() * BLOCK_BYTES
    }

    /// How it is used.
    pub fn usage(&self) -> BudgetUse {
        let most_bytes = self.blocks.most() * BLOCK_BYTES;
        BudgetUse { what: self.what, most_bytes, taken_bytes: most_bytes - self.free_bytes() }
    }

    fn refusal(&self, full: Full) -> Error {
        let (most, whose) = match full {
            Full::Share(most) => (most, " from one address"),
            Full::All(most) => (most, ""),
        };
        let (what, kib) = (self.what, most * (BLOCK_BYTES >> 10));
        let text = format!("over capacity: {kib} KiB of {what}{whose} is the limit; try again");
        Error::new(Kind::Busy, text)
    }
}

impl HeldMemory {
    /// Changes how much is held to so many bytes, more or fewer than before. Fails with `Busy`, and changes nothing, if they are not free.
    pub fn resize(&mut self, bytes: usize) -> Result<()> {
        let blocks = bytes.div_ceil(BLOCK_BYTES);
        if blocks > self.blocks {
            let more = self.budget.blocks.now(blocks - self.blocks, self.budget.caller);
            let more = more.map_err(|full| self.budget.refusal(full))?;
            match &mut self.part {
                Some(part) => part.merge(more),
                None => self.part = Some(more),
            }
        } else if let Some(part) = &mut self.part {
            part.give_back(self.blocks - blocks);
        }
        self.blocks = blocks;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Client;

    #[test]
    fn memory_is_refused_by_name_and_given_back() {
        let budget = Budget::new("ids", 4 << 20).with_reserve();
        let mut held = budget.hold();
        held.resize(1 << 20).unwrap();
        held.resize(3 << 20).unwrap();
        let error = held.resize((3 << 20) + 1).unwrap_err();
        assert_eq!(error.kind(), Kind::Busy);
        assert!(error.to_string().contains("4096 KiB of ids is"), "{error}");
        let mut privileged = budget.for_caller(Caller { client: None, has_token: true }).hold();
        privileged.resize(1 << 20).unwrap();
        assert!(privileged.resize(2 << 20).is_err());
        held.resize(1 << 20).unwrap();
        privileged.resize(3 << 20).unwrap();
        assert_eq!(budget.free_bytes(), 0);
        drop((held, privileged));
        assert_eq!(budget.free_bytes(), 4 << 20);
    }

    #[test]
    fn a_client_has_its_share_of_it() {
        let budget = Budget::new("bodies", 4 << 20).with_share(25);
        let client =
            |last| budget.for_caller(Some(Client::from_address([192, 0, 2, last].into())).into());
        let mut held = client(1).hold();
        held.resize(1 << 20).unwrap();
        let error = held.resize((1 << 20) + 1).unwrap_err();
        assert!(error.to_string().contains("1024 KiB of bodies from one address"), "{error}");
        client(2).hold().resize(1 << 20).unwrap();
    }
}
