// @generated automatically by Diesel CLI.

pub mod orders {
    diesel::table! {
        orders.adjustments (id) {
            id -> Uuid,
            order_id -> Uuid,
            side -> Text,
            kind -> Text,
            label -> Text,
            amount_minor -> Int8,
            created_at -> Timestamptz,
        }
    }

    diesel::table! {
        orders.events (order_id, seq) {
            order_id -> Uuid,
            seq -> Int4,
            kind -> Text,
            actor_kind -> Text,
            actor_id -> Nullable<Uuid>,
            request_id -> Nullable<Text>,
            data -> Jsonb,
            at -> Timestamptz,
        }
    }

    diesel::table! {
        orders.exports (id) {
            id -> Uuid,
            requested_by -> Uuid,
            what -> Text,
            filter -> Jsonb,
            state -> Text,
            row_count -> Nullable<Int8>,
            size_bytes -> Nullable<Int8>,
            created_at -> Timestamptz,
            started_at -> Nullable<Timestamptz>,
            finished_at -> Nullable<Timestamptz>,
            expires_at -> Nullable<Timestamptz>,
        }
    }

    diesel::table! {
        orders.lines (order_id, position) {
            order_id -> Uuid,
            position -> Int2,
            variant_id -> Uuid,
            product_id -> Uuid,
            business_id -> Uuid,
            sku -> Text,
            name -> Text,
            quantity -> Int4,
            cancelled_quantity -> Int4,
            shipped_quantity -> Int4,
            returned_quantity -> Int4,
            list_price_minor -> Int8,
            unit_price_minor -> Int8,
            total_minor -> Int8,
            packed_quantity -> Int4,
            delivered_quantity -> Int4,
            returning_quantity -> Int4,
            refunded_quantity -> Int4,
        }
    }

    diesel::table! {
        orders.notes (id) {
            id -> Uuid,
            order_id -> Uuid,
            visibility -> Text,
            body -> Text,
            author_kind -> Text,
            author_id -> Uuid,
            created_at -> Timestamptz,
        }
    }

    diesel::table! {
        orders.orders (id) {
            id -> Uuid,
            number -> Text,
            customer_id -> Uuid,
            status -> Text,
            payment_status -> Text,
            fulfillment_status -> Text,
            return_status -> Text,
            hold_reason -> Nullable<Text>,
            currency -> Text,
            total_minor -> Int8,
            original_total_minor -> Int8,
            authorized_minor -> Int8,
            captured_minor -> Int8,
            refunded_minor -> Int8,
            ship_to -> Jsonb,
            note -> Nullable<Text>,
            placed_at -> Timestamptz,
            expires_at -> Nullable<Timestamptz>,
            confirmed_at -> Nullable<Timestamptz>,
            closed_at -> Nullable<Timestamptz>,
            updated_at -> Timestamptz,
            last_event -> Int4,
            offline_method -> Nullable<Text>,
            capturing_minor -> Int8,
            refunding_minor -> Int8,
            tags -> Array<Nullable<Text>>,
        }
    }

    diesel::table! {
        orders.return_lines (return_id, position) {
            return_id -> Uuid,
            position -> Int2,
            quantity -> Int4,
            resellable_quantity -> Int4,
            damaged_quantity -> Int4,
        }
    }

    diesel::table! {
        orders.returns (id) {
            id -> Uuid,
            order_id -> Uuid,
            business_id -> Uuid,
            state -> Text,
            reason -> Text,
            decision -> Nullable<Text>,
            requested_by -> Nullable<Uuid>,
            requested_at -> Timestamptz,
            updated_at -> Timestamptz,
        }
    }

    diesel::table! {
        orders.shipment_lines (shipment_id, position) {
            shipment_id -> Uuid,
            position -> Int2,
            quantity -> Int4,
        }
    }

    diesel::table! {
        orders.shipments (id) {
            id -> Uuid,
            order_id -> Uuid,
            business_id -> Uuid,
            state -> Text,
            carrier -> Nullable<Text>,
            tracking_number -> Nullable<Text>,
            tracking_url -> Nullable<Text>,
            reason -> Nullable<Text>,
            packed_at -> Timestamptz,
            shipped_at -> Nullable<Timestamptz>,
            delivered_at -> Nullable<Timestamptz>,
            updated_at -> Timestamptz,
        }
    }

    diesel::joinable!(adjustments -> orders (order_id));
    diesel::joinable!(notes -> orders (order_id));
    diesel::joinable!(return_lines -> returns (return_id));
    diesel::joinable!(returns -> orders (order_id));
    diesel::joinable!(shipment_lines -> shipments (shipment_id));
    diesel::joinable!(shipments -> orders (order_id));

    diesel::allow_tables_to_appear_in_same_query!(
        adjustments,
        events,
        exports,
        lines,
        notes,
        orders,
        return_lines,
        returns,
        shipment_lines,
        shipments,
    );
}
