CREATE SCHEMA catalog;

-- Sellers. `logo` is the name of a stored file, which is the hash of its content.
CREATE TABLE catalog.businesses (
    id          uuid        PRIMARY KEY,
    name        text        NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    city        text        NOT NULL CHECK (length(city) BETWEEN 1 AND 80),
    country     text        NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    description text        NOT NULL DEFAULT '' CHECK (length(description) <= 2000),
    phone       text        CHECK (length(phone) BETWEEN 5 AND 16),
    logo        text        CHECK (logo ~ '^[0-9a-f]{64}\.(jpg|png|webp)$'),
    version     bigint      NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

-- Who works for a business. `user_id` belongs to another schema: no foreign key crosses that line.
CREATE TABLE catalog.members (
    business_id uuid        NOT NULL REFERENCES catalog.businesses (id),
    user_id     uuid        NOT NULL,
    role        text        NOT NULL CHECK (role IN ('owner', 'manager')),
    added_at    timestamptz NOT NULL,
    PRIMARY KEY (business_id, user_id)
);
CREATE INDEX members_user_id ON catalog.members (user_id, business_id);

CREATE TABLE catalog.categories (
    id         uuid        PRIMARY KEY,
    parent_id  uuid        REFERENCES catalog.categories (id),
    slug       text        NOT NULL CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) <= 80),
    name       text        NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    version    bigint      NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT categories_slug_key UNIQUE (slug),
    CONSTRAINT categories_not_own_parent CHECK (parent_id <> id)
);
CREATE INDEX categories_parent_id ON catalog.categories (parent_id);

-- What is described and shown. `from_price_minor` is the lowest unit price of its live variants: lists filter and sort
-- by it. The version counts every change of the product and of its variants.
CREATE TABLE catalog.products (
    id               uuid        PRIMARY KEY,
    business_id      uuid        NOT NULL REFERENCES catalog.businesses (id),
    category_id      uuid        REFERENCES catalog.categories (id),
    name             text        NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    description      text        NOT NULL DEFAULT '' CHECK (length(description) <= 10000),
    currency         text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    active           boolean     NOT NULL DEFAULT true,
    attributes       jsonb       NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(attributes) = 'array' AND jsonb_array_length(attributes) <= 50),
    from_price_minor bigint      NOT NULL CHECK (from_price_minor >= 0),
    version          bigint      NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    deleted_at       timestamptz,
    search           tsvector    NOT NULL GENERATED ALWAYS AS (
        setweight(to_tsvector('simple', name), 'A') || setweight(to_tsvector('simple', description), 'B')
    ) STORED,
    CONSTRAINT products_id_business_id_key UNIQUE (id, business_id)
);
CREATE INDEX products_search ON catalog.products USING gin (search);
CREATE INDEX products_newest ON catalog.products (created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX products_price ON catalog.products (from_price_minor, id) WHERE deleted_at IS NULL;
CREATE INDEX products_name ON catalog.products (lower(left(name, 60)), id) WHERE deleted_at IS NULL;
CREATE INDEX products_business_id ON catalog.products (business_id, created_at DESC, id DESC);
CREATE INDEX products_category_id ON catalog.products (category_id, created_at DESC, id DESC);

-- What is priced, stocked and ordered. The unit price is computed here and nowhere else: the price less the discount,
-- the discount rounded half away from zero, once.
CREATE TABLE catalog.variants (
    id                    uuid        PRIMARY KEY,
    product_id            uuid        NOT NULL,
    business_id           uuid        NOT NULL,
    sku                   text        NOT NULL CHECK (length(sku) BETWEEN 1 AND 64),
    name                  text        CHECK (length(name) BETWEEN 1 AND 120),
    options               jsonb       NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(options) = 'array' AND jsonb_array_length(options) <= 20),
    price_minor           bigint      NOT NULL CHECK (price_minor BETWEEN 0 AND 1000000000000),
    discount_basis_points integer     CHECK (discount_basis_points BETWEEN 0 AND 10000),
    unit_price_minor      bigint      NOT NULL GENERATED ALWAYS AS (
        price_minor - round(price_minor::numeric * coalesce(discount_basis_points, 0) / 10000)::bigint
    ) STORED,
    position              integer     NOT NULL CHECK (position >= 0),
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    deleted_at            timestamptz,
    FOREIGN KEY (product_id, business_id) REFERENCES catalog.products (id, business_id)
);
CREATE UNIQUE INDEX variants_business_id_sku_key ON catalog.variants (business_id, sku) WHERE deleted_at IS NULL;
CREATE INDEX variants_product_id ON catalog.variants (product_id, position);

-- Pictures of a product, first one first. `name` is the SHA-256 of the stored bytes; the small one is `thumbnail`.
CREATE TABLE catalog.product_images (
    id         uuid        PRIMARY KEY,
    product_id uuid        NOT NULL REFERENCES catalog.products (id),
    name       text        NOT NULL CHECK (name ~ '^[0-9a-f]{64}\.(jpg|png|webp)$'),
    thumbnail  text        NOT NULL CHECK (thumbnail ~ '^[0-9a-f]{64}-thumb\.(jpg|png|webp)$'),
    width      integer     NOT NULL CHECK (width BETWEEN 1 AND 8000),
    height     integer     NOT NULL CHECK (height BETWEEN 1 AND 8000),
    position   integer     NOT NULL CHECK (position >= 0),
    created_at timestamptz NOT NULL,
    CONSTRAINT product_images_product_id_name_key UNIQUE (product_id, name)
);

-- What is there and what is promised. Overselling is impossible here, not only in the code. The row changes with every
-- order, so half of each page is kept free for the next version of it (no index changes: it stays on its page).
CREATE TABLE catalog.stock (
    variant_id      uuid    PRIMARY KEY REFERENCES catalog.variants (id),
    on_hand         integer NOT NULL DEFAULT 0,
    reserved        integer NOT NULL DEFAULT 0,
    backorder_limit integer NOT NULL DEFAULT 0,
    version         bigint  NOT NULL DEFAULT 0 CHECK (version >= 0),
    CONSTRAINT stock_on_hand_range CHECK (on_hand BETWEEN 0 AND 1000000000),
    CONSTRAINT stock_reserved_not_negative CHECK (reserved >= 0),
    CONSTRAINT stock_backorder_limit_range CHECK (backorder_limit BETWEEN 0 AND 1000000),
    CONSTRAINT stock_not_oversold CHECK (reserved <= on_hand + backorder_limit)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- Why it changed: one row for each change, with the balances after it. Nothing here is ever changed or removed.
-- Hot: no foreign keys; `oms audit` checks what they would. `order_id` and `actor` belong to other schemas anyway.
CREATE TABLE catalog.stock_movements (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    variant_id     uuid        NOT NULL,
    kind           text        NOT NULL,
    on_hand_delta  integer     NOT NULL,
    reserved_delta integer     NOT NULL,
    on_hand_after  integer     NOT NULL CHECK (on_hand_after >= 0),
    reserved_after integer     NOT NULL CHECK (reserved_after >= 0),
    version_after  bigint      NOT NULL CHECK (version_after > 0),
    order_id       uuid,
    reason         text        CHECK (length(reason) BETWEEN 1 AND 500),
    actor          uuid,
    at             timestamptz NOT NULL,
    CONSTRAINT stock_movements_variant_id_version_after_key UNIQUE (variant_id, version_after),
    CONSTRAINT stock_movements_kind CHECK (
        CASE kind
            WHEN 'receive' THEN on_hand_delta > 0 AND reserved_delta = 0
            WHEN 'adjust' THEN reserved_delta = 0 AND reason IS NOT NULL
            WHEN 'reserve' THEN on_hand_delta = 0 AND reserved_delta > 0 AND order_id IS NOT NULL
            WHEN 'release' THEN on_hand_delta = 0 AND reserved_delta < 0 AND order_id IS NOT NULL
            WHEN 'ship' THEN on_hand_delta < 0 AND reserved_delta = on_hand_delta AND order_id IS NOT NULL
            WHEN 'return' THEN on_hand_delta > 0 AND reserved_delta = 0 AND order_id IS NOT NULL
            ELSE false
        END
    )
);

CREATE FUNCTION catalog.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER stock_movements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON catalog.stock_movements
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.refuse_change();
