//! Why the catalog could not do it.

use kernel::{DbError, OrderId, VariantId};

/// Why the catalog could not do it.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The database.
    #[error("the catalog's database failed")]
    Db(#[from] DbError),
    /// There is no such thing, or it is not the caller's.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The caller belongs to the business and does not own it.
    #[error("this is for owners of the business")]
    OwnersOnly,
    /// The caller did not say which version they are changing.
    #[error("a version is needed")]
    VersionRequired,
    /// Somebody changed it in the meantime.
    #[error("the version is now {current}")]
    VersionStale {
        /// The version as it is now.
        current: i64,
    },
    /// The idempotency key is missing.
    #[error("an idempotency key is needed")]
    KeyRequired,
    /// The idempotency key belongs to another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The first request with the idempotency key has no answer yet.
    #[error("the request is still being worked on")]
    InProgress,
    /// The person is a member already.
    #[error("already a member")]
    AlreadyMember,
    /// The last owner of a business cannot leave it.
    #[error("the last owner cannot leave")]
    LastOwner,
    /// A business has no room for another member.
    #[error("a business has at most {0} members")]
    TooManyMembers(i64),
    /// Another category has the slug.
    #[error("the slug is taken")]
    SlugTaken,
    /// The category named in the request does not exist.
    #[error("no such category to refer to")]
    UnknownCategory,
    /// A category cannot be moved below itself.
    #[error("a category would be its own ancestor")]
    CategoryCycle,
    /// The tree would become too deep.
    #[error("categories nest at most {0} deep")]
    CategoryTooDeep(i32),
    /// There are too many categories.
    #[error("there are at most {0} categories")]
    TooManyCategories(i64),
    /// The category still has products or children.
    #[error("the category has {products} products and {children} children")]
    CategoryInUse {
        /// Products that are in it, deleted ones included.
        products: i64,
        /// Categories right below it.
        children: i64,
    },
    /// A variant of the same business has the stock keeping unit.
    #[error("a stock keeping unit is taken")]
    SkuTaken,
    /// One name twice in a list of attributes or options.
    #[error("{0:?} is named twice")]
    DuplicateAttribute(String),
    /// A product has at least one variant.
    #[error("the last variant cannot be deleted")]
    LastVariant,
    /// A product has no room for another variant.
    #[error("a product has at most {0} variants")]
    TooManyVariants(usize),
    /// A new product comes with variants or with a SKU and price of its own, not with both and not with neither.
    #[error("variants, or a SKU and a price")]
    VariantsOrPrice,
    /// A product has no room for another picture.
    #[error("a product has at most {0} pictures")]
    TooManyImages(usize),
    /// The new order of pictures does not name exactly the pictures that there are.
    #[error("the order of pictures does not name them all, once")]
    ImageOrder,
    /// Not a JPEG, PNG or WebP picture.
    #[error("not a picture of a kind we take")]
    UnsupportedImage,
    /// More bytes than allowed.
    #[error("the file is too large")]
    ImageTooLarge,
    /// More pixels than allowed.
    #[error("the picture has too many pixels")]
    ImageDimensions,
    /// A picture that cannot be decoded.
    #[error("the picture is broken")]
    ImageBroken(#[source] image::ImageError),
    /// A picture that was decoded and cannot be written.
    #[error("the picture could not be written")]
    ImageNotWritten(#[source] image::ImageError),
    /// The task that works on pictures died.
    #[error("working on the picture failed")]
    ImageTask(#[source] kernel::Interrupted),
    /// So many pictures are waiting that another one would wait too long.
    #[error("too many pictures are being worked on")]
    ImagesBusy,
    /// The place where files are kept is away.
    #[error("the media store failed")]
    Media(#[from] object_store::Error),
    /// A count below what is promised.
    #[error("{reserved} units are reserved")]
    CountBelowReserved {
        /// What is promised to open orders.
        reserved: i32,
        /// To which orders, twenty at most, with their units.
        orders: Vec<(OrderId, i64)>,
    },
    /// More units than we can count.
    #[error("a variant has at most {0} units")]
    StockTooLarge(i32),
    /// Units that are to be promised or sent are not there.
    #[error("variant {variant_id} has {available} available")]
    NotEnough {
        /// The variant.
        variant_id: VariantId,
        /// How many there are.
        available: i64,
    },
    /// A movement that cannot be: the caller's book and ours disagree.
    #[error("{quantity} units of variant {variant_id} cannot be moved")]
    ImpossibleQuantity {
        /// The variant.
        variant_id: VariantId,
        /// How many.
        quantity: i32,
    },
    /// Stock rows changed although they were locked.
    #[error("{expected} stock rows were locked and {set} were set")]
    StockNotAsLocked {
        /// Rows that were locked.
        expected: usize,
        /// Rows that were still as they were locked.
        set: usize,
    },
    /// A row that does not hold what we wrote.
    #[error("a stored {0} cannot be read")]
    BadRow(&'static str),
}

kernel::db_error!(CatalogError);
