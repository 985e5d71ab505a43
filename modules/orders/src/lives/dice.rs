//! Chance, out of one number: so that proptest can make it smaller when something goes wrong.

/// What is left of the number.
#[derive(Debug, Clone, Copy)]
pub struct Dice(pub u64);

impl Dice {
    /// A number from zero on, below `limit`; zero when there is nothing to choose from.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap();
        let rolled = self.0 % limit;
        self.0 /= limit;
        usize::try_from(rolled).unwrap()
    }

    pub fn small(&mut self, limit: usize) -> i32 {
        i32::try_from(self.below(limit)).unwrap()
    }

    pub fn amount(&mut self, limit: i64) -> i64 {
        i64::try_from(self.below(usize::try_from(limit.max(1)).unwrap())).unwrap()
    }

    /// Whether one in `n` came up.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// One of these.
    pub fn of<'a, T>(&mut self, these: &'a [T]) -> Option<&'a T> {
        these.get(self.below(these.len()))
    }
}
