//! Businesses and their members.

use kernel::{BusinessId, Cursor, Customer, LIMIT_DEFAULT, Seller, UserId};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};

use super::{
    Listed, Tag,
    dto::{
        BusinessBody, BusinessList, BusinessPatchBody, BusinessView, MemberBody, MemberList, MemberView, MyBusiness,
        MyBusinessList, PictureUpload,
    },
    etag::{self, EntityTag, EntityTags},
    images::make_and_keep,
    problem::{
        CatalogEditProblem, CatalogListProblem, CatalogReadProblem, CatalogRoleProblem, CatalogUploadProblem,
        CatalogWriteProblem,
    },
    run,
};
use crate::{
    Catalog,
    business::{self, Business, BusinessPatch, NewBusiness},
};

/// Sellers and the people who work for them.
pub struct BusinessesApi(pub(super) Catalog);

#[derive(ApiResponse)]
enum BusinessAnswer {
    /// The business
    #[oai(status = 200)]
    Shown(
        Json<BusinessView>,
        /// Send it as If-Match when you change the business
        #[oai(header = "ETag")]
        String,
    ),
}

#[derive(ApiResponse)]
enum BusinessReadAnswer {
    /// The business
    #[oai(status = 200)]
    Shown(
        Json<BusinessView>,
        /// Send it as If-Match when you change the business
        #[oai(header = "ETag")]
        String,
    ),
    /// You have it already
    #[oai(status = 304)]
    NotModified(
        /// The same as yours
        #[oai(header = "ETag")]
        String,
    ),
}

#[derive(ApiResponse)]
enum BusinessCreated {
    /// The business; you own it
    #[oai(status = 201)]
    Created(
        Json<BusinessView>,
        /// Where it is
        #[oai(header = "Location")]
        String,
        /// Send it as If-Match when you change the business
        #[oai(header = "ETag")]
        String,
    ),
}

#[derive(ApiResponse)]
enum MemberAdded {
    /// The member
    #[oai(status = 201)]
    Added(Json<MemberView>),
}

#[derive(ApiResponse)]
enum MemberRemoved {
    /// The person works for the business no longer
    #[oai(status = 204)]
    Removed,
}

impl BusinessesApi {
    fn view(&self, business: Business) -> (Json<BusinessView>, String) {
        let tag = etag::of_version(business.version);
        (Json(BusinessView::new(business, &self.0.public_url)), tag)
    }
}

#[OpenApi(tag = "Tag::Businesses")]
impl BusinessesApi {
    /// Open a business
    ///
    /// You become its owner.
    #[oai(path = "/businesses", method = "post", operation_id = "createBusiness")]
    async fn create_business(
        &self,
        caller: Customer,
        body: Json<BusinessBody>,
    ) -> Result<BusinessCreated, CatalogWriteProblem> {
        let (caller, new) = (caller.0, NewBusiness::from(body.0));
        let business = run!(self.0, [caller, new], |conn, at| business::create_business(conn, &caller, &new, at))?;
        let location = format!("/v1/businesses/{}", business.id);
        let (view, tag) = self.view(business);
        Ok(BusinessCreated::Created(view, location, tag))
    }

    /// List businesses
    #[oai(path = "/businesses", method = "get", operation_id = "listBusinesses")]
    async fn list_businesses(
        &self,
        /// How many at most
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
        /// Where to go on: `next_cursor` of the page before
        cursor: Query<Option<Cursor>>,
    ) -> Result<Listed<BusinessList>, CatalogListProblem> {
        let after = cursor.0.map(|cursor| cursor.decode()).transpose()?;
        let mut conn = self.0.conn().await?;
        let (businesses, next) =
            business::list_businesses(&mut conn, after.as_ref(), limit.0.unwrap_or(LIMIT_DEFAULT)).await?;
        let data = businesses.into_iter().map(|business| BusinessView::new(business, &self.0.public_url)).collect();
        Ok(Listed::Page(Json(BusinessList { data, next_cursor: next.as_ref().map(Cursor::encode) })))
    }

    /// List the businesses you work for
    #[oai(path = "/my/businesses", method = "get", operation_id = "listMyBusinesses")]
    async fn list_my_businesses(&self, caller: Customer) -> Result<Listed<MyBusinessList>, CatalogWriteProblem> {
        let mut conn = self.0.conn().await?;
        let mine = business::list_my_businesses(&mut conn, &caller.0).await?;
        let view = |(business, role)| MyBusiness::new(business, role, &self.0.public_url);
        Ok(Listed::Page(Json(MyBusinessList { data: mine.into_iter().map(view).collect() })))
    }

    /// Show a business
    #[oai(path = "/businesses/:id", method = "get", operation_id = "getBusiness")]
    async fn get_business(
        &self,
        /// Which business
        id: Path<BusinessId>,
        /// The ETag you have: when it still holds, the answer is 304 without a body
        #[oai(name = "If-None-Match")]
        if_none_match: Header<Option<EntityTags>>,
    ) -> Result<BusinessReadAnswer, CatalogReadProblem> {
        let mut conn = self.0.conn().await?;
        let (view, tag) = self.view(business::get_business(&mut conn, id.0).await?);
        Ok(if etag::is_known(if_none_match.0.as_ref(), &tag) {
            BusinessReadAnswer::NotModified(tag)
        } else {
            BusinessReadAnswer::Shown(view, tag)
        })
    }

    /// Change a business
    ///
    /// For its members.
    #[oai(path = "/businesses/:id", method = "patch", operation_id = "updateBusiness")]
    async fn update_business(
        &self,
        caller: Seller,
        /// Which business
        id: Path<BusinessId>,
        /// The ETag of the business as you have seen it
        #[oai(name = "If-Match")]
        if_match: Header<Option<EntityTag>>,
        body: Json<BusinessPatchBody>,
    ) -> Result<BusinessAnswer, CatalogEditProblem> {
        let (caller, id, seen) = (caller.0, id.0, etag::seen(if_match.0.as_ref()));
        let patch = BusinessPatch::from(body.0);
        let business = run!(self.0, [caller, id, seen, patch], |conn, at| business::patch_business(
            conn, &caller, id, seen, &patch, at
        ))?;
        let (view, tag) = self.view(business);
        Ok(BusinessAnswer::Shown(view, tag))
    }

    /// Upload a business's logo
    ///
    /// For its members. The picture replaces the one before.
    #[oai(path = "/businesses/:id/logo", method = "put", operation_id = "uploadBusinessLogo")]
    async fn upload_business_logo(
        &self,
        caller: Seller,
        /// Which business
        id: Path<BusinessId>,
        upload: PictureUpload,
    ) -> Result<BusinessAnswer, CatalogUploadProblem> {
        let (caller, id) = (caller.0, id.0);
        // Asked before the work is done, and again by the statement that does it.
        let mut conn = self.0.conn().await?;
        business::require_member(&mut conn, &caller, id).await?;
        drop(conn);
        let name = make_and_keep(&self.0, upload).await?.name;
        let business = run!(self.0, [caller, id, name], |conn, at| business::set_logo(conn, &caller, id, &name, at))?;
        let (view, tag) = self.view(business);
        Ok(BusinessAnswer::Shown(view, tag))
    }

    /// List the members of a business
    ///
    /// For its owners.
    #[oai(path = "/businesses/:id/members", method = "get", operation_id = "listMembers")]
    async fn list_members(
        &self,
        caller: Seller,
        /// Which business
        id: Path<BusinessId>,
    ) -> Result<Listed<MemberList>, CatalogRoleProblem> {
        let mut conn = self.0.conn().await?;
        let members = business::list_members(&mut conn, &caller.0, id.0).await?;
        Ok(Listed::Page(Json(MemberList { data: members.into_iter().map(MemberView::from).collect() })))
    }

    /// Add a member to a business
    ///
    /// For its owners.
    #[oai(path = "/businesses/:id/members", method = "post", operation_id = "addMember")]
    async fn add_member(
        &self,
        caller: Seller,
        /// Which business
        id: Path<BusinessId>,
        body: Json<MemberBody>,
    ) -> Result<MemberAdded, CatalogRoleProblem> {
        let (caller, id, role) = (caller.0, id.0, body.0.role.into());
        let user = (body.0.user_id, self.0.has_account);
        let member =
            run!(self.0, [caller, id, user, role], |conn, at| business::add_member(conn, &caller, id, user, role, at))?;
        Ok(MemberAdded::Added(Json(member.into())))
    }

    /// Remove a member from a business
    ///
    /// For its owners; everybody may leave by removing themselves, except the last owner.
    #[oai(path = "/businesses/:id/members/:user_id", method = "delete", operation_id = "removeMember")]
    async fn remove_member(
        &self,
        caller: Seller,
        /// Which business
        id: Path<BusinessId>,
        /// Whose account, by its id
        user_id: Path<UserId>,
    ) -> Result<MemberRemoved, CatalogRoleProblem> {
        let (caller, id, user) = (caller.0, id.0, user_id.0);
        run!(self.0, [caller, id, user], |conn, _at| business::remove_member(conn, &caller, id, user))?;
        Ok(MemberRemoved::Removed)
    }
}
