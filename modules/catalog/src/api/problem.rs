//! What the catalog answers when it cannot do something.

use kernel::{
    Kind, Problem, idempotency,
    problem::{FORBIDDEN, NOT_FOUND, PRECONDITION_FAILED, PRECONDITION_REQUIRED},
};

use crate::{CatalogError, media};

const ALREADY_MEMBER: Kind = Kind::new("already_member", 409, "This person works for the business already");
const LAST_OWNER: Kind = Kind::new("last_owner", 409, "A business needs an owner");
const TOO_MANY: Kind = Kind::new("too_many", 409, "There is no room for another one");
const SLUG_TAKEN: Kind = Kind::new("slug_taken", 409, "Another category has this slug");
const UNKNOWN_CATEGORY: Kind = Kind::new("unknown_category", 409, "There is no such category");
const CATEGORY_CYCLE: Kind = Kind::new("category_cycle", 409, "A category cannot be below itself");
const CATEGORY_TOO_DEEP: Kind = Kind::new("category_too_deep", 409, "Categories do not nest that deep");
const CATEGORY_IN_USE: Kind = Kind::new("category_in_use", 409, "Something is still in the category");
const SKU_TAKEN: Kind = Kind::new("sku_taken", 409, "The business has a variant with this SKU already");
const DUPLICATE_ATTRIBUTE: Kind = Kind::new("duplicate_attribute", 409, "An attribute or option is named twice");
const LAST_VARIANT: Kind = Kind::new("last_variant", 409, "A product needs a variant");
const VARIANTS_OR_PRICE: Kind =
    Kind::new("variants_or_price", 409, "A product comes with variants or with a SKU and a price");
const IMAGE_ORDER: Kind = Kind::new("image_order", 409, "The order does not name each picture once");
const UNSUPPORTED_IMAGE: Kind = Kind::new("unsupported_image", 415, "Not a JPEG, PNG or WebP picture");
const IMAGE_TOO_LARGE: Kind = Kind::new("image_too_large", 413, "The file is too large");
const IMAGE_DIMENSIONS: Kind = Kind::new("image_dimensions", 400, "The picture has too many pixels");
const IMAGE_BROKEN: Kind = Kind::new("image_broken", 400, "The picture cannot be read");
const MEDIA_UNAVAILABLE: Kind = Kind::new("media_unavailable", 503, "Pictures cannot be stored or read just now");
const COUNT_BELOW_RESERVED: Kind = Kind::new("count_below_reserved", 409, "Open orders have more reserved than that");
const STOCK_TOO_LARGE: Kind = Kind::new("stock_too_large", 409, "That is more than we can count");

/// Every kind of problem that the catalog declares.
pub fn problems() -> Vec<Kind> {
    vec![
        ALREADY_MEMBER,
        LAST_OWNER,
        TOO_MANY,
        SLUG_TAKEN,
        UNKNOWN_CATEGORY,
        CATEGORY_CYCLE,
        CATEGORY_TOO_DEEP,
        CATEGORY_IN_USE,
        SKU_TAKEN,
        DUPLICATE_ATTRIBUTE,
        LAST_VARIANT,
        VARIANTS_OR_PRICE,
        IMAGE_ORDER,
        UNSUPPORTED_IMAGE,
        IMAGE_TOO_LARGE,
        IMAGE_DIMENSIONS,
        IMAGE_BROKEN,
        MEDIA_UNAVAILABLE,
        COUNT_BELOW_RESERVED,
        STOCK_TOO_LARGE,
    ]
}

fn too_many(count: impl std::fmt::Display, what: &str) -> Problem {
    TOO_MANY.problem(format!("There can be {count} {what} at most. Remove one first."))
}

fn log_media(error: &CatalogError) -> Problem {
    tracing::error!(error = ?error, "media store unavailable");
    MEDIA_UNAVAILABLE.problem("Nothing was changed. Send the same request again in a moment.")
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        use CatalogError as E;
        match error {
            E::Db(error) => error.into(),
            E::NotFound(what) => NOT_FOUND.problem(format!("There is no such {what}, or it is not yours.")),
            E::OwnersOnly => FORBIDDEN.problem("This is for owners of the business. Ask one of them."),
            E::VersionRequired => PRECONDITION_REQUIRED
                .problem("Read it first, then send its ETag as If-Match, so that you do not undo somebody's change."),
            E::VersionStale { current } => PRECONDITION_FAILED
                .problem(format!("It is at version {current} now. Read it again, then repeat your change.")),
            E::KeyRequired => idempotency::missing(),
            E::KeyReused => idempotency::reused(),
            E::InProgress => idempotency::in_progress(),
            E::AlreadyMember => ALREADY_MEMBER.problem("Remove the person first to give them another role."),
            E::LastOwner => LAST_OWNER.problem("Add another owner first."),
            E::TooManyMembers(most) => too_many(most, "members of a business"),
            E::SlugTaken => SLUG_TAKEN.problem("Choose another slug."),
            E::UnknownCategory => UNKNOWN_CATEGORY.problem("Choose a category from GET /v1/categories."),
            E::CategoryCycle => CATEGORY_CYCLE.problem("Choose a parent that is not below the category itself."),
            E::CategoryTooDeep(most) => {
                CATEGORY_TOO_DEEP.problem(format!("The tree has {most} levels at most. Choose a higher parent."))
            }
            E::TooManyCategories(most) => too_many(most, "categories"),
            E::CategoryInUse { products, children } => CATEGORY_IN_USE.problem(format!(
                "{products} products and {children} categories are in it. Move or delete them first."
            )),
            E::SkuTaken => {
                SKU_TAKEN.problem("Choose a SKU that no other variant of the business has, and no SKU twice.")
            }
            E::DuplicateAttribute(name) => {
                DUPLICATE_ATTRIBUTE.problem(format!("{name:?} is named twice. Send each name once."))
            }
            E::LastVariant => LAST_VARIANT.problem("Delete the product instead, or add another variant first."),
            E::TooManyVariants(most) => too_many(most, "variants of a product"),
            E::VariantsOrPrice => VARIANTS_OR_PRICE
                .problem("Send a list of variants, or sku and price_minor for a product with a single one; not both."),
            E::TooManyImages(most) => too_many(most, "pictures of a product"),
            E::ImageOrder => IMAGE_ORDER.problem("Read the product again and name each of its pictures exactly once."),
            E::UnsupportedImage => UNSUPPORTED_IMAGE
                .problem("The file's content is not that of a JPEG, PNG or WebP picture. Convert it and upload again."),
            E::ImageTooLarge => IMAGE_TOO_LARGE.problem(format!(
                "A file can have {} MiB at most. Make the picture smaller.",
                media::FILE_MAX / 1_048_576
            )),
            E::ImageDimensions => IMAGE_DIMENSIONS.problem(format!(
                "A picture can have {} million pixels and {} on a side at most. Make it smaller.",
                media::PIXELS_MAX / 1_000_000,
                media::SIDE_MAX
            )),
            E::ImageBroken(_) => {
                IMAGE_BROKEN.problem("The file is damaged or cut short. Save it again and upload that.")
            }
            E::ImagesBusy => {
                MEDIA_UNAVAILABLE.problem("Many pictures are being uploaded. Send yours again in a moment.")
            }
            E::Media(_) => log_media(&error),
            E::CountBelowReserved { reserved, orders } => {
                let problem = COUNT_BELOW_RESERVED.problem(format!(
                    "{reserved} units are reserved by open orders. Cancel some of them first, or count again."
                ));
                orders.iter().fold(problem, |problem, (order, units)| {
                    problem.with_error(format!("orders/{order}"), format!("{units} units are reserved"))
                })
            }
            E::StockTooLarge(most) => STOCK_TOO_LARGE.problem(format!("A variant can have {most} units at most.")),
            E::ImageNotWritten(_)
            | E::ImageTask(_)
            | E::ImpossibleQuantity { .. }
            | E::NotEnough { .. }
            | E::StockNotAsLocked { .. }
            | E::BadRow(_) => Self::internal(&error),
        }
    }
}

kernel::problem_responses! {
    /// Why it cannot be shown.
    pub enum CatalogReadProblem from CatalogError {
        /// The request is not valid
        BadRequest = 400,
        /// There is no such thing
        NotFound = 404,
        /// Try again in a moment
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why it cannot be listed.
    pub enum CatalogListProblem from CatalogError {
        /// The request is not valid
        BadRequest = 400,
        /// Try again in a moment
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why one's own thing cannot be shown or changed.
    pub enum CatalogWriteProblem from CatalogError {
        /// The request is not valid
        BadRequest = 400,
        /// Log in first
        Unauthenticated = 401,
        /// There is no such thing, or it is not yours
        NotFound = 404,
        /// The state of things forbids it
        Conflict = 409,
        /// Try again in a moment
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why one's own thing cannot be edited.
    pub enum CatalogEditProblem from CatalogError {
        /// The request is not valid
        BadRequest = 400,
        /// Log in first
        Unauthenticated = 401,
        /// There is no such thing, or it is not yours
        NotFound = 404,
        /// The state of things forbids it
        Conflict = 409,
        /// Somebody changed it in the meantime
        Stale = 412,
        /// Send If-Match
        VersionRequired = 428,
        /// Try again in a moment
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why somebody in a certain role cannot do it.
    pub enum CatalogRoleProblem from CatalogError {
        /// The request is not valid
        BadRequest = 400,
        /// Log in first
        Unauthenticated = 401,
        /// You may not do this
        Forbidden = 403,
        /// There is no such thing, or it is not yours
        NotFound = 404,
        /// The state of things forbids it
        Conflict = 409,
        /// Somebody changed it in the meantime
        Stale = 412,
        /// Send If-Match
        VersionRequired = 428,
        /// Try again in a moment
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why a picture is not taken.
    pub enum CatalogUploadProblem from CatalogError {
        /// The request or the picture is not valid
        BadRequest = 400,
        /// Log in first
        Unauthenticated = 401,
        /// There is no such thing, or it is not yours
        NotFound = 404,
        /// There is no room for another one
        Conflict = 409,
        /// The file is too large
        TooLarge = 413,
        /// Not a JPEG, PNG or WebP picture
        Unsupported = 415,
        /// Try again in a moment
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why stock is not changed.
    pub enum CatalogStockProblem from CatalogError {
        /// The request is not valid
        BadRequest = 400,
        /// Log in first
        Unauthenticated = 401,
        /// There is no such thing, or it is not yours
        NotFound = 404,
        /// The stock forbids it
        Conflict = 409,
        /// Somebody changed it in the meantime
        Stale = 412,
        /// The idempotency key belongs to another request
        KeyReused = 422,
        /// Send If-Match
        VersionRequired = 428,
        /// Try again in a moment
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}
