//! People move in, shelves are put up and filled.

use accounts::{Hasher, Password, Username, admin};
use catalog::{
    business::{self, NewBusiness},
    category::{self, NewCategory},
    media::{self, Picture},
    product::{self, NewProduct, NewVariant},
    stock::{self, Receipt},
    words::{Attribute, CategoryId, Sku, Slug},
};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use kernel::{BusinessId, Caller, CountryCode, Currency, EmailAddress, Phone, Prose, Text, trail::Actor};

use super::{
    Dice, OnSale, People, SeedError, Seeder, Size,
    people::{DEMO_PASSWORD, DEMO_USERS},
    picture,
    shop::{BUSINESSES, Business, CATEGORIES, Product},
};

/// As many products are put up at once.
const HANDS: usize = 6;

/// Makes the users.
pub(super) async fn hire(seeder: &Seeder) -> Result<People, SeedError> {
    let mut conn = seeder.catalog.pool.get().await?;
    for user in DEMO_USERS {
        if admin::find(&mut conn, user.username).await?.is_some() {
            return Err(SeedError::AlreadyThere(user.username));
        }
    }
    let hasher = Hasher::default();
    let password = Password::parse(DEMO_PASSWORD)?;
    let hashes = try_join_all(DEMO_USERS.map(|_| hasher.hash(&password))).await?;
    let mut people = People::new();
    for (user, hash) in DEMO_USERS.into_iter().zip(hashes) {
        let (name, email) = (Username::parse(user.username)?, EmailAddress::parse(user.email)?);
        let now = seeder.catalog.clock.now();
        let made = admin::create_user(&mut conn, &name, &email, &hash, user.role, true, now).await?;
        people.insert(user.username, Caller::new(made.id, user.role));
    }
    Ok(people)
}

/// Makes categories, businesses and products, with pictures and stock.
pub(super) async fn stock(seeder: &Seeder, people: &People, size: Size) -> Result<Vec<OnSale>, SeedError> {
    let now = seeder.catalog.clock.now();
    let mut categories: Vec<(&str, CategoryId)> = Vec::new();
    let mut conn = seeder.catalog.pool.get().await?;
    let id_of = |categories: &[(&str, CategoryId)], slug: &str| {
        categories.iter().find(|(known, _)| *known == slug).map(|(_, id)| *id)
    };
    for (slug, name, parent) in CATEGORIES {
        let parent_id = parent.and_then(|parent| id_of(&categories, parent));
        let new = NewCategory { parent_id, slug: Slug::parse(slug)?, name: Text::parse(name)? };
        categories.push((slug, category::create_category(&mut conn, Actor::Console, &new, now).await?.id));
    }
    let mut shelves = Vec::new();
    for business in &BUSINESSES {
        let Some(owner) = people.get(business.owner) else { continue };
        let shop = open(seeder, owner, business, now).await?;
        for (number, product) in (1_usize..).zip(business.products) {
            let category = id_of(&categories, product.category);
            shelves.push(Shelf { seeder, owner: *owner, shop, business, number, product, category, now });
        }
    }
    drop(conn);
    let on_sale = stream::iter(shelves).map(|shelf| shelf.fill(size)).buffered(HANDS).try_concat().await?;
    Ok(on_sale)
}

async fn open(seeder: &Seeder, owner: &Caller, shop: &Business, now: DateTime<Utc>) -> Result<BusinessId, SeedError> {
    let new = NewBusiness {
        name: Text::parse(shop.name)?,
        city: Text::parse(shop.city)?,
        country: CountryCode::parse(shop.country)?,
        description: Some(Prose::parse(shop.about)?),
        phone: Some(Phone::parse(shop.phone)?),
    };
    let logo = draw(seeder, shop.name).await?;
    let mut conn = seeder.catalog.pool.get().await?;
    let made = business::create_business(&mut conn, owner, &new, now).await?;
    business::set_logo(&mut conn, owner, made.id, &logo.name, now).await?;
    Ok(made.id)
}

/// Draws a picture and puts it into the media store, as an upload does.
async fn draw(seeder: &Seeder, name: &'static str) -> Result<Picture, SeedError> {
    let file = tokio::task::spawn_blocking(move || picture(name)).await??;
    let picture = seeder.catalog.workshop.make(file).await?;
    media::keep(&seeder.catalog.media, &picture).await?;
    Ok(picture)
}

/// Where one product goes.
struct Shelf<'a> {
    seeder: &'a Seeder,
    owner: Caller,
    shop: BusinessId,
    business: &'a Business,
    number: usize,
    product: &'static Product,
    category: Option<CategoryId>,
    now: DateTime<Utc>,
}

impl Shelf<'_> {
    async fn fill(self, size: Size) -> Result<Vec<OnSale>, SeedError> {
        let picture = draw(self.seeder, self.product.name).await?;
        let mut on_sale = Vec::new();
        for edition in 1..=size.editions() {
            on_sale.extend(self.put_up(edition, &picture).await?);
        }
        Ok(on_sale)
    }

    async fn put_up(&self, edition: u32, picture: &Picture) -> Result<Vec<OnSale>, SeedError> {
        let Self { business, product, now, .. } = self;
        let currency = Currency::parse(business.currency)?;
        let mut base = format!("{}-{:02}", business.prefix, self.number);
        let mut name = product.name.to_owned();
        if edition > 1 {
            base.push_str(&format!("-E{edition}"));
            name.push_str(&format!(", edition {edition}"));
        }
        let new = NewProduct {
            business_id: self.shop,
            category_id: self.category,
            name: Text::parse(name)?,
            description: Some(Prose::parse(product.about)?),
            currency,
            active: true,
            attributes: vec![Attribute::new(Text::parse("made in")?, Text::parse(business.city)?)],
            variants: variants(product, &base)?,
        };
        let mut conn = self.seeder.catalog.pool.get().await?;
        let made = product::create_product(&mut conn, &self.owner, &new, *now).await?;
        media::attach_image(&mut conn, &self.owner, made.id, picture, *now).await?;
        let mut dice = Dice(base.bytes().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into())));
        let mut on_sale = Vec::new();
        for variant in &made.variants {
            // Most are there in numbers, some are nearly gone, some are gone.
            let stock = match dice.throw(10) {
                0 => 0,
                1 => 2,
                more => i32::try_from(more * 20 + dice.throw(20)).unwrap_or(0),
            };
            if stock > 0 {
                let receipt = Receipt { quantity: stock, reason: Some(Text::parse("First delivery")?) };
                stock::receive(&mut conn, &self.owner, variant.id, &receipt, *now).await?;
            }
            on_sale.push(OnSale { variant: variant.id, business: self.shop, owner: self.owner, currency, stock });
        }
        Ok(on_sale)
    }
}

fn variants(product: &Product, base: &str) -> Result<Vec<NewVariant>, SeedError> {
    let variant = |sku: String, option: Option<(&str, &str)>| -> Result<NewVariant, SeedError> {
        let options =
            option.map(|(name, value)| Ok::<_, SeedError>(Attribute::new(Text::parse(name)?, Text::parse(value)?)));
        Ok(NewVariant {
            sku: Sku::parse(sku)?,
            name: option.map(|(_, value)| Text::parse(value)).transpose()?,
            options: options.transpose()?.into_iter().collect(),
            price_minor: product.price_minor,
            discount_basis_points: product.discount,
        })
    };
    match product.variants {
        None => Ok(vec![variant(base.to_owned(), None)?]),
        Some((option, values)) => values
            .iter()
            .map(|value| {
                let short: String = value.chars().filter(char::is_ascii_alphanumeric).take(4).collect();
                variant(format!("{base}-{}", short.to_uppercase()), Some((option, value)))
            })
            .collect(),
    }
}
