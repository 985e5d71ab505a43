//! Businesses and members on the wire.

use chrono::{DateTime, Utc};
use kernel::{BusinessId, CountryCode, Phone, Text, UserId};
use poem_openapi::{Enum, Object, types::MaybeUndefined};

use super::maybe;
use crate::{
    business::{Business, BusinessPatch, Member, MemberRole, NewBusiness},
    media::media_url,
    words::{BusinessDescription, BusinessName, City},
};

fn text<const MIN: usize, const MAX: usize>(text: &str) -> Option<Text<MIN, MAX>> {
    Text::parse(text).ok()
}

/// A seller
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(in crate::api) struct BusinessView {
    /// Which
    id: BusinessId,
    /// What it is called
    name: String,
    /// Where it is
    city: String,
    /// The country by its ISO 3166-1 alpha-2 code
    country: String,
    /// What it says about itself
    description: String,
    /// How to reach it
    phone: Option<String>,
    /// Its logo
    logo_url: Option<String>,
    /// How often it changed; the ETag
    version: i64,
    /// Since when it is here
    created_at: DateTime<Utc>,
    /// When it changed last
    updated_at: DateTime<Utc>,
}

impl BusinessView {
    pub(in crate::api) fn new(business: Business, public_url: &str) -> Self {
        let Business { id, name, city, country, description, phone, logo, version, created_at, updated_at } = business;
        let logo_url = logo.map(|logo| media_url(public_url, &logo));
        Self { id, name, city, country, description, phone, logo_url, version, created_at, updated_at }
    }
}

/// A page of businesses
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub(in crate::api) struct BusinessList {
    /// The businesses, the oldest first
    pub(in crate::api) data: Vec<BusinessView>,
    /// Send this as `cursor` for the next page; absent on the last one
    pub(in crate::api) next_cursor: Option<String>,
}

/// What a member of a business may do
#[derive(Debug, Clone, Copy, Enum)]
#[oai(remote = "MemberRole", rename = "MemberRole", rename_all = "snake_case")]
pub(in crate::api) enum MemberRoleName {
    /// Everything, and decides who else is a member
    Owner,
    /// The business's affairs: its page, products, stock and orders
    Manager,
}

/// A business that you work for
#[derive(Debug, Object)]
pub(in crate::api) struct MyBusiness {
    /// As what
    role: MemberRoleName,
    /// The business
    business: BusinessView,
}

impl MyBusiness {
    pub(in crate::api) fn new(business: Business, role: MemberRole, public_url: &str) -> Self {
        Self { role: role.into(), business: BusinessView::new(business, public_url) }
    }
}

/// The businesses that you work for
#[derive(Debug, Object)]
pub(in crate::api) struct MyBusinessList {
    /// The oldest first; a hundred at most
    pub(in crate::api) data: Vec<MyBusiness>,
}

/// A business that is about to be opened
#[derive(Debug, Clone, Object)]
#[oai(rename = "NewBusiness", deny_unknown_fields, example)]
pub(in crate::api) struct BusinessBody {
    /// What it is called
    name: BusinessName,
    /// Where it is
    city: City,
    /// The country by its ISO 3166-1 alpha-2 code
    country: CountryCode,
    /// What it says about itself
    description: Option<BusinessDescription>,
    /// How to reach it
    phone: Option<Phone>,
}

impl poem_openapi::types::Example for BusinessBody {
    #[expect(clippy::expect_used, reason = "fixed examples; the API document is built in every test run")]
    fn example() -> Self {
        Self {
            name: text("Lotus Tea House").expect("valid"),
            city: text("Hội An").expect("valid"),
            country: CountryCode::parse("VN").expect("valid"),
            description: BusinessDescription::parse("Tea from the hills of Quảng Nam.").ok(),
            phone: Phone::parse("+84901234567").ok(),
        }
    }
}

impl From<BusinessBody> for NewBusiness {
    fn from(BusinessBody { name, city, country, description, phone }: BusinessBody) -> Self {
        Self { name, city, country, description, phone }
    }
}

/// What shall change about a business; what is absent stays
#[derive(Debug, Clone, Object)]
#[oai(rename = "BusinessPatch", deny_unknown_fields, example)]
pub(in crate::api) struct BusinessPatchBody {
    /// What it is called
    name: Option<BusinessName>,
    /// Where it is
    city: Option<City>,
    /// The country by its ISO 3166-1 alpha-2 code
    country: Option<CountryCode>,
    /// What it says about itself
    description: Option<BusinessDescription>,
    /// How to reach it; `null` removes the number
    phone: MaybeUndefined<Phone>,
}

impl poem_openapi::types::Example for BusinessPatchBody {
    fn example() -> Self {
        Self { name: None, city: text("Huế"), country: None, description: None, phone: MaybeUndefined::Undefined }
    }
}

impl From<BusinessPatchBody> for BusinessPatch {
    fn from(BusinessPatchBody { name, city, country, description, phone }: BusinessPatchBody) -> Self {
        Self { name, city, country, description, phone: maybe(phone, |phone| phone) }
    }
}

/// Somebody who works for a business
#[derive(Debug, Object)]
pub(in crate::api) struct MemberView {
    /// Who
    user_id: UserId,
    /// As what
    role: MemberRoleName,
    /// Since when
    added_at: DateTime<Utc>,
}

impl From<Member> for MemberView {
    fn from(Member { user_id, role, added_at }: Member) -> Self {
        Self { user_id, role: role.into(), added_at }
    }
}

/// The people who work for a business
#[derive(Debug, Object)]
pub(in crate::api) struct MemberList {
    /// The first ones first; a hundred at most
    pub(in crate::api) data: Vec<MemberView>,
}

/// Somebody who shall work for a business
#[derive(Debug, Clone, Object)]
#[oai(rename = "NewMember", deny_unknown_fields, example)]
pub(in crate::api) struct MemberBody {
    /// Whose account, by its id
    pub(in crate::api) user_id: UserId,
    /// As what
    pub(in crate::api) role: MemberRoleName,
}

impl poem_openapi::types::Example for MemberBody {
    fn example() -> Self {
        Self {
            user_id: UserId::from_uuid(uuid::uuid!("0192f3a1-7c54-7d10-9a3e-5b1f0c2d4e6f")),
            role: MemberRoleName::Manager,
        }
    }
}
