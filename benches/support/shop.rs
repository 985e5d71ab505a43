//! What is in the shop of `rulers/shop.sql`, and who may buy there.

use std::sync::Arc;

use accounts::TokenKeys;
use kernel::{Role, SystemClock, UserId};
use uuid::Uuid;

pub const SECRET_KEY: &str = "a-key-for-the-benchmark-0123456789-abcdefghij";
/// How many variants there are, each of a product with the same id.
pub const VARIANTS: usize = 10_000;
/// How many buyers there are. The first one owns the business.
pub const BUYERS: usize = 100;

/// The id of the so-manieth of anything in the shop.
pub fn id(number: usize) -> Uuid {
    Uuid::from_u128(u128::try_from(number).unwrap())
}

/// An access token of the so-manieth user.
pub fn token(user: usize, role: Role) -> String {
    let keys = TokenKeys::new(SECRET_KEY.as_bytes(), Arc::new(SystemClock)).unwrap();
    keys.token_for(UserId::from_uuid(id(user)), role).unwrap()
}

/// Cheap chance: what is picked, not a secret.
pub struct Dice(u64);

impl Dice {
    pub fn new() -> Self {
        Self(rand::random())
    }

    /// The next number (SplitMix64).
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `first..=last`.
    pub fn pick(&mut self, first: usize, last: usize) -> usize {
        first + usize::try_from(self.throw() % u64::try_from(last - first + 1).unwrap()).unwrap()
    }
}

/// Writes a number as lowercase hexadecimal digits over the last ones of `place`.
pub fn write_hex(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number % 16) as usize];
        number /= 16;
    }
}
