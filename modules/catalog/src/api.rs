//! The catalog over HTTP: extract, call one use case, map.

mod businesses;
mod categories;
mod dto;
mod etag;
mod images;
mod media;
mod problem;
mod products;
mod stock;
mod variants;

use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use kernel::{Caller, Customer, PgConn};
use poem_openapi::{ApiResponse, SecurityScheme, Tags, payload::Json, types::ToJSON};

pub use self::{
    businesses::BusinessesApi, categories::CategoriesApi, images::ImagesApi, media::MediaApi, problem::problems,
    products::ProductsApi, stock::StockApi, variants::VariantsApi,
};
use crate::{Catalog, CatalogError};

/// All operations of the catalog.
pub type Api = (BusinessesApi, CategoriesApi, ProductsApi, VariantsApi, ImagesApi, StockApi, MediaApi);

/// All operations of the catalog, on `deps`.
pub fn api(deps: &Catalog) -> Api {
    let deps = || deps.clone();
    (
        BusinessesApi(deps()),
        CategoriesApi(deps()),
        ProductsApi(deps()),
        VariantsApi(deps()),
        ImagesApi(deps()),
        StockApi(deps()),
        MediaApi(deps()),
    )
}

#[derive(Tags)]
enum Tag {
    /// Sellers and the people who work for them
    Businesses,
    /// Where products are found
    Categories,
    /// What is for sale
    Products,
    /// How much of it is there
    Stock,
    /// Pictures
    Media,
}

#[derive(ApiResponse)]
enum Listed<T: ToJSON> {
    /// What there is
    #[oai(status = 200)]
    Page(Json<T>),
}

/// Somebody who looks: known or not. Those who are known may see more of what is their own.
#[derive(SecurityScheme)]
enum Viewer {
    Known(Customer),
    #[oai(fallback)]
    Anybody,
}

impl Viewer {
    fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Known(Customer(caller)) => Some(caller),
            Self::Anybody => None,
        }
    }
}

impl Catalog {
    /// A connection for a reading operation.
    async fn conn(&self) -> Result<bb8::PooledConnection<'_, AsyncDieselConnectionManager<PgConn>>, CatalogError> {
        Ok(self.pool.get().await?)
    }
}

/// Runs a use case that changes something: in a task of its own, repeated when it loses a race. What is named in
/// brackets is cloned for each attempt.
macro_rules! run {
    ($deps:expr, [$($name:ident),* $(,)?], |$conn:ident, $at:ident| $use_case:expr) => {{
        let deps = $deps.clone();
        kernel::run(move || {
            let (deps, $at) = (deps.clone(), deps.clock.now());
            $(let $name = Clone::clone(&$name);)*
            async move {
                let mut pooled = deps.pool.get().await?;
                let $conn = &mut *pooled;
                let outcome: Result<_, $crate::CatalogError> = $use_case.await;
                outcome
            }
        })
        .await
    }};
}
use run;
