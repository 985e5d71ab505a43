// @generated automatically by Diesel CLI.

pub mod accounts {
    diesel::table! {
        accounts.api_keys (id) {
            id -> Uuid,
            prefix -> Text,
            secret_hash -> Bytea,
            name -> Text,
            owner_id -> Uuid,
            role -> Text,
            scopes -> Array<Nullable<Text>>,
            created_by -> Uuid,
            created_at -> Timestamptz,
            expires_at -> Nullable<Timestamptz>,
            last_used_at -> Nullable<Timestamptz>,
            revoked_at -> Nullable<Timestamptz>,
        }
    }

    diesel::table! {
        accounts.one_time_tokens (id) {
            id -> Uuid,
            user_id -> Uuid,
            purpose -> Text,
            email -> Text,
            created_at -> Timestamptz,
            expires_at -> Timestamptz,
            used_at -> Nullable<Timestamptz>,
        }
    }

    diesel::table! {
        accounts.refresh_tokens (id) {
            id -> Uuid,
            session_id -> Uuid,
            token_hash -> Bytea,
            created_at -> Timestamptz,
            expires_at -> Timestamptz,
            rotated_at -> Nullable<Timestamptz>,
            successor_id -> Nullable<Uuid>,
        }
    }

    diesel::table! {
        accounts.sessions (id) {
            id -> Uuid,
            user_id -> Uuid,
            created_at -> Timestamptz,
            ended_at -> Nullable<Timestamptz>,
            end_reason -> Nullable<Text>,
            origin -> Nullable<Bytea>,
        }
    }

    diesel::table! {
        accounts.users (id) {
            id -> Uuid,
            username -> Text,
            email -> Text,
            password_hash -> Text,
            role -> Text,
            display_name -> Nullable<Text>,
            phone -> Nullable<Text>,
            email_verified_at -> Nullable<Timestamptz>,
            disabled_at -> Nullable<Timestamptz>,
            created_at -> Timestamptz,
            updated_at -> Timestamptz,
            sessions_version -> Int4,
            sessions_changed_at -> Nullable<Timestamptz>,
        }
    }

    diesel::joinable!(one_time_tokens -> users (user_id));
    diesel::joinable!(refresh_tokens -> sessions (session_id));
    diesel::joinable!(sessions -> users (user_id));

    diesel::allow_tables_to_appear_in_same_query!(api_keys, one_time_tokens, refresh_tokens, sessions, users,);
}
