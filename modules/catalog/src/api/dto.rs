//! The catalog's words on the wire.

mod business;
mod category;
mod product;
mod stock;

pub(super) use business::{
    BusinessBody, BusinessList, BusinessPatchBody, BusinessView, MemberBody, MemberList, MemberView, MyBusiness,
    MyBusinessList,
};
pub(super) use category::{CategoryBody, CategoryList, CategoryPatchBody, CategoryTree, CategoryView};
pub(super) use product::{
    ActiveParam, ImageOrderBody, PictureUpload, ProductBody, ProductList, ProductPatchBody, ProductSortParam,
    ProductView, VariantBody, VariantPatchBody,
};
pub(super) use stock::{CountBody, ReceiptBody, StockMovementList, StockView};

use poem_openapi::types::MaybeUndefined;

/// `null` removes, absence leaves alone.
fn maybe<T, U>(value: MaybeUndefined<T>, convert: impl FnOnce(T) -> U) -> Option<Option<U>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(convert(value))),
    }
}
