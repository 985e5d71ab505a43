// @generated automatically by Diesel CLI.

pub mod jobs {
    diesel::table! {
        jobs.jobs (id) {
            id -> Int8,
            queue -> Text,
            kind -> Text,
            args -> Jsonb,
            state -> Text,
            attempt -> Int2,
            max_attempts -> Int2,
            scheduled_at -> Timestamptz,
            lease_token -> Nullable<Uuid>,
            attempted_by -> Nullable<Text>,
            unique_key -> Nullable<Text>,
            errors -> Jsonb,
            meta -> Jsonb,
            created_at -> Timestamptz,
            attempted_at -> Nullable<Timestamptz>,
            finished_at -> Nullable<Timestamptz>,
        }
    }

    diesel::table! {
        jobs.schedules (kind) {
            kind -> Text,
            queue -> Text,
            args -> Jsonb,
            every_ms -> Int8,
            next_at -> Timestamptz,
            last_at -> Nullable<Timestamptz>,
            updated_at -> Timestamptz,
        }
    }

    diesel::table! {
        jobs.workers (token) {
            token -> Uuid,
            hostname -> Text,
            pid -> Int4,
            queues -> Array<Nullable<Text>>,
            lease_ms -> Int8,
            started_at -> Timestamptz,
            heartbeat_at -> Timestamptz,
            lost_at -> Nullable<Timestamptz>,
        }
    }

    diesel::allow_tables_to_appear_in_same_query!(jobs, schedules, workers,);
}
