//! How much it may cost to take something in.
//!
//! Where versions go far apart and back, event after event, or where much has not seen each other, a small history takes a
//! large effort. Whoever takes in what a stranger sent says how large it may become; who does the work counts, and stops
//! when it is spent.

/// Whose bytes they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// One's own, kept somewhere: taken in whatever they cost.
    Kept,
    /// Somebody else's.
    Sent,
}

/// So many steps are left: each is a run of elements that is looked up to be changed, or something that is looked at to
/// find out whether it was seen, 0.1 to 0.2 µs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Effort {
    left: u64,
}

/// An effort was not large enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Spent;

impl Effort {
    /// As large as it has to be.
    pub(crate) const fn endless() -> Self {
        Self { left: u64::MAX }
    }

    pub(crate) fn of(steps: u64) -> Self {
        Self { left: steps }
    }

    pub(crate) fn spend(&mut self, steps: u64) -> Result<(), Spent> {
        let left = self.left.checked_sub(steps);
        self.left = left.unwrap_or(0);
        left.map(drop).ok_or(Spent)
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.left == 0
    }
}
