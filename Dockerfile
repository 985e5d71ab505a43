# The image of oms: one program on a base without a shell, for a user who is not root. docs/containers.md says what is in it.
# scripts/image-ci.sh reads this file and does what it says without an engine: it refuses instructions that it does not know.

# The tag names one compiler, the one of `rust-version` in Cargo.toml. Who wants the very same bytes every time adds the digest that
# `docker buildx imagetools inspect rust:1.95.0-slim-bookworm` shows.
FROM rust:1.95.0-slim-bookworm AS builder
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY modules ./modules
COPY migrations ./migrations
COPY src ./src
# Cargo wants to see these when it reads the manifest; they are not built.
COPY tests/it/main.rs ./tests/it/main.rs
COPY benches/orders.rs benches/overhead.rs benches/placing.rs ./benches/
# Which commit this is: git rev-parse HEAD. Shown by `oms --version` and by the metric oms_build_info.
ARG OMS_REVISION=unknown
# Both caches outlive the layer: a change in src/ compiles what has changed, not the 400 crates below it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin oms \
    && install -D target/release/oms out/oms \
    && install -d out/media

# glibc, libgcc, time zones, certificates, an account: no shell, no package manager. This base has no version tags, hence the digest (of
# all its architectures). Newer: docker buildx imagetools inspect gcr.io/distroless/cc-debian12:nonroot
FROM gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f AS runtime
ARG OMS_REVISION=unknown
LABEL org.opencontainers.image.title="oms" \
      org.opencontainers.image.description="Order management on PostgreSQL: accounts, catalog, orders and payments in one program" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${OMS_REVISION}" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian12:nonroot"
COPY --from=builder /src/out/oms /usr/local/bin/oms
# Pictures and exports: the one place that is written to. A new volume that is mounted here takes over its owner.
COPY --from=builder --chown=65532:65532 /src/out/media /var/lib/oms/media
# In a container, 127.0.0.1 would be nobody else's.
ENV OMS_LISTEN=0.0.0.0:8000 \
    OMS_METRICS_LISTEN=0.0.0.0:9464 \
    OMS_GATEWAY_LISTEN=0.0.0.0:8100 \
    OMS_MEDIA_URL=/var/lib/oms/media
# By number, so that `runAsNonRoot` and its like can see that it is not root.
USER 65532:65532
VOLUME ["/var/lib/oms/media"]
EXPOSE 8000 8100 9464
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 CMD ["/usr/local/bin/oms", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/oms"]
CMD ["serve", "--no-worker"]
