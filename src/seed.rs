//! Demo data: a believable shop, the same every time.
//!
//! Everything is made by the modules' own use cases, orders are paid at the gateway's own pay page, and the webhooks are
//! the gateway's own; so the API, the gateway and the job workers must be running. [`fill`] is for an empty shop.

mod buying;
mod living;
mod people;
mod picture;
mod shop;
mod stocking;

use std::collections::BTreeMap;

use accounts::{AccountsError, HasherError};
use catalog::{Catalog, CatalogError};
use kernel::{BusinessId, Caller, Currency, DbError, TextError, VariantId};
use orders::{OrderError, Orders};

use crate::wiring::{GATEWAY, Wiring};

pub use people::{DEMO_PASSWORD, DEMO_USERS, DemoUser};
pub use picture::picture;

/// How much there is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Size {
    /// 44 products, 34 orders.
    S,
    /// 440 products, 340 orders.
    M,
    /// 4,400 products, 3,400 orders.
    L,
}

impl Size {
    /// How often every product is offered, in editions of its own.
    fn editions(self) -> u32 {
        match self {
            Self::S => 1,
            Self::M => 10,
            Self::L => 100,
        }
    }

    fn orders(self) -> u32 {
        34 * self.editions()
    }
}

/// Why the shop was not filled.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// It is not empty.
    #[error("the demo data is there already: there is a user {0}")]
    AlreadyThere(&'static str),
    /// The database.
    #[error("the database did not do it")]
    Db(#[from] DbError),
    /// A user was refused.
    #[error("a user cannot be made")]
    Accounts(#[from] AccountsError),
    /// A password was not hashed.
    #[error("a password cannot be hashed")]
    Hasher(#[from] HasherError),
    /// Something for sale was refused.
    #[error("the catalog refuses the demo data")]
    Catalog(#[from] CatalogError),
    /// An order was refused.
    #[error("an order is refused")]
    Orders(#[from] OrderError),
    /// Our own words are refused.
    #[error("a word of the demo data is not allowed")]
    Text(#[from] TextError),
    /// Our own currency is refused.
    #[error("a currency of the demo data is not known")]
    Money(#[from] kernel::MoneyError),
    /// A picture cannot be made.
    #[error("a picture cannot be drawn")]
    Picture(#[from] image::ImageError),
    /// A task was interrupted.
    #[error("it was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
    /// The pay page does not work.
    #[error("the gateway's pay page does not answer")]
    PayPage(#[from] reqwest::Error),
    /// The pay page is not as we know it.
    #[error("the gateway's pay page cannot be used: {0}")]
    NoForm(&'static str),
    /// An answer lacks what it promises.
    #[error("an answer is not as the document says")]
    Answer(#[from] serde_json::Error),
    /// Somebody is not there.
    #[error("nobody is {0}")]
    Nobody(&'static str),
    /// An order without lines.
    #[error("an order has no lines")]
    NoLines,
    /// The queue cannot be looked at.
    #[error("the queue cannot be read")]
    Jobs(#[from] ::jobs::JobsError),
    /// Jobs are not done.
    #[error("the jobs that settle the payments do not come to an end; are workers running?")]
    Unsettled,
}

kernel::db_error!(SeedError);

/// What filling the shop takes.
#[derive(Clone)]
pub struct Seeder {
    /// The catalog, over a pool that may be kept busy.
    pub catalog: Catalog,
    /// Orders, over the same pool.
    pub orders: Orders,
    /// The gateway's name.
    pub gateway: &'static str,
}

impl Seeder {
    /// Fills the shop of `wiring`, over the workers' pool.
    pub fn new(wiring: &Wiring) -> Self {
        let pool = &wiring.worker_pool;
        Self { catalog: wiring.catalog(pool), orders: wiring.orders(pool), gateway: GATEWAY }
    }
}

/// What was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filled {
    /// People.
    pub users: usize,
    /// Things for sale.
    pub products: usize,
    /// Orders.
    pub orders: usize,
}

/// Everybody by user name.
type People = BTreeMap<&'static str, Caller>;

/// A variant that can be ordered.
#[derive(Debug, Clone, Copy)]
struct OnSale {
    variant: VariantId,
    business: BusinessId,
    /// Who sells it.
    owner: Caller,
    currency: Currency,
    stock: i32,
}

/// Fills an empty shop. `say` is told what is being done.
///
/// # Errors
/// [`SeedError::AlreadyThere`], or whatever went wrong; what was made before stays.
pub async fn fill(seeder: &Seeder, size: Size, say: impl Fn(&str)) -> Result<Filled, SeedError> {
    say("people");
    let people = stocking::hire(seeder).await?;
    say("shelves and pictures");
    let on_sale = stocking::stock(seeder, &people, size).await?;
    say("orders and payments");
    let orders = buying::buy(seeder, &people, &on_sale, size).await?;
    kernel::database::analyze(&mut *seeder.catalog.pool.get().await?).await?;
    let products = shop::BUSINESSES.iter().map(|business| business.products.len()).sum::<usize>();
    let editions = usize::try_from(size.editions()).unwrap_or(1);
    Ok(Filled { users: people.len(), products: products * editions, orders })
}

/// Numbers that look thrown and are the same every time.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides.max(1)
    }
}
