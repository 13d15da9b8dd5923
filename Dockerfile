# The image of Prova: one binary, git, and bubblewrap for the sandbox.
#
#   docker build --tag prova .
#   docker run --publish 3000:3000 --volume prova:/var/lib/prova \
#     --volume ./prova.toml:/etc/prova/prova.toml:ro --volume ./secrets:/run/secrets:ro \
#     --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
#     --security-opt systempaths=unconfined prova
#
# The three security options are for bubblewrap, which makes namespaces: a container's default seccomp
# filter refuses new user namespaces, its AppArmor profile refuses mounts, and the kernel refuses a
# fresh /proc while the container's own is partly masked. Without them `prova serve` says at start that
# it has no sandbox, and starts no agent. They loosen the container, not the sandbox: give Prova a
# machine of its own, or run it without a container.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin prova && cp target/release/prova /prova

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap ca-certificates git tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /var/lib/prova --shell /usr/sbin/nologin prova \
    && chmod 0700 /var/lib/prova
COPY --from=build /prova /usr/local/bin/prova

# Every setting can be given as PROVA_SECTION__KEY. In a container loopback is reached by nobody.
ENV PROVA_CONFIG=/etc/prova/prova.toml \
    PROVA_SERVER__LISTEN=0.0.0.0:3000 \
    PROVA_STORE__URL=sqlite:///var/lib/prova/prova.db \
    PROVA_WORK__DIR=/var/lib/prova/work
EXPOSE 3000
VOLUME /var/lib/prova
WORKDIR /var/lib/prova

# By number, so that an orchestrator that insists on a user other than root can tell.
USER 10001:10001

# Asks /healthz of the address in the settings, so the port is written once.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["prova", "health"]

# tini reaps what a killed sandbox leaves behind; as process 1 the server would collect zombies.
ENTRYPOINT ["/usr/bin/tini", "--", "prova"]
CMD ["serve"]
