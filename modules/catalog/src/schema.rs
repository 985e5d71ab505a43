// @generated automatically by Diesel CLI.

pub mod catalog {
    pub mod sql_types {
        #[derive(diesel::sql_types::SqlType)]
        #[diesel(postgres_type(name = "tsvector", schema = "pg_catalog"))]
        pub struct Tsvector;
    }

    diesel::table! {
        use diesel::sql_types::*;

        catalog.businesses (id) {
            id -> Uuid,
            name -> Text,
            city -> Text,
            country -> Text,
            description -> Text,
            phone -> Nullable<Text>,
            logo -> Nullable<Text>,
            version -> Int8,
            created_at -> Timestamptz,
            updated_at -> Timestamptz,
        }
    }

    diesel::table! {
        use diesel::sql_types::*;

        catalog.categories (id) {
            id -> Uuid,
            parent_id -> Nullable<Uuid>,
            slug -> Text,
            name -> Text,
            version -> Int8,
            created_at -> Timestamptz,
            updated_at -> Timestamptz,
        }
    }

    diesel::table! {
        use diesel::sql_types::*;

        catalog.members (business_id, user_id) {
            business_id -> Uuid,
            user_id -> Uuid,
            role -> Text,
            added_at -> Timestamptz,
        }
    }

    diesel::table! {
        use diesel::sql_types::*;

        catalog.product_images (id) {
            id -> Uuid,
            product_id -> Uuid,
            name -> Text,
            thumbnail -> Text,
            width -> Int4,
            height -> Int4,
            position -> Int4,
            created_at -> Timestamptz,
        }
    }

    diesel::table! {
        use diesel::sql_types::*;
        use super::sql_types::Tsvector;

        catalog.products (id) {
            id -> Uuid,
            business_id -> Uuid,
            category_id -> Nullable<Uuid>,
            name -> Text,
            description -> Text,
            currency -> Text,
            active -> Bool,
            attributes -> Jsonb,
            from_price_minor -> Int8,
            version -> Int8,
            created_at -> Timestamptz,
            updated_at -> Timestamptz,
            deleted_at -> Nullable<Timestamptz>,
            search -> Tsvector,
        }
    }

    diesel::table! {
        use diesel::sql_types::*;

        catalog.stock (variant_id) {
            variant_id -> Uuid,
            on_hand -> Int4,
            reserved -> Int4,
            backorder_limit -> Int4,
            version -> Int8,
            product_id -> Uuid,
            business_id -> Uuid,
            sku -> Text,
            name -> Text,
            unit_price_minor -> Int8,
            list_price_minor -> Int8,
            currency -> Text,
            sellable -> Bool,
        }
    }

    diesel::table! {
        use diesel::sql_types::*;

        catalog.stock_movements (variant_id, version_after) {
            id -> Nullable<Int8>,
            variant_id -> Uuid,
            kind -> Text,
            on_hand_delta -> Int4,
            reserved_delta -> Int4,
            on_hand_after -> Int4,
            reserved_after -> Int4,
            version_after -> Int8,
            order_id -> Nullable<Uuid>,
            reason -> Nullable<Text>,
            actor -> Nullable<Uuid>,
            at -> Timestamptz,
        }
    }

    diesel::table! {
        use diesel::sql_types::*;

        catalog.variants (id) {
            id -> Uuid,
            product_id -> Uuid,
            business_id -> Uuid,
            sku -> Text,
            name -> Nullable<Text>,
            options -> Jsonb,
            price_minor -> Int8,
            discount_basis_points -> Nullable<Int4>,
            unit_price_minor -> Int8,
            position -> Int4,
            created_at -> Timestamptz,
            updated_at -> Timestamptz,
            deleted_at -> Nullable<Timestamptz>,
        }
    }

    diesel::joinable!(members -> businesses (business_id));
    diesel::joinable!(product_images -> products (product_id));
    diesel::joinable!(products -> businesses (business_id));
    diesel::joinable!(products -> categories (category_id));
    diesel::joinable!(stock -> variants (variant_id));

    diesel::allow_tables_to_appear_in_same_query!(
        businesses,
        categories,
        members,
        product_images,
        products,
        stock,
        stock_movements,
        variants,
    );
}
