# The images of dstack-mesh. By default the node of a real deployment; `--target rehearsal` adds emulated quotes and a ledger in
# one process, which protect nothing; `--target ping-host` is the app that docker-compose.yml runs beside each member.
#
#   docker build -t dstack-mesh .
#
# BASE is Debian with Node 22.18 or newer in /usr/local/bin, pinned by digest; where no registry is reached, any image of that
# kind (docs/containers.md). It only builds: the final images hold Node, the libraries that it is linked with, and the program.
ARG BASE=docker.io/library/node:24-bookworm-slim@sha256:6f7b03f7c2c8e2e784dcf9295400527b9b1270fd37b7e9a7285cf83b6951452d
# Where npm packages come from: `registry` (npm, by the lockfile's hashes) or `context` (node_modules of the checkout).
ARG PACKAGES=registry

FROM ${BASE} AS packages-registry
WORKDIR /build
COPY package.json package-lock.json ./
COPY test/interop/package.json test/interop/
# Without scripts: nothing of what they fetch or build is used here.
RUN npm ci --ignore-scripts --no-audit --no-fund && mkdir -p test/interop/node_modules

FROM ${BASE} AS packages-context
WORKDIR /build
COPY package.json ./
COPY node_modules node_modules
COPY test/interop test/interop

FROM packages-${PACKAGES} AS build
COPY tsconfig.json tsconfig.build.json LICENSE ./
COPY bin bin
COPY protocols protocols
COPY src src
COPY testnet testnet
COPY packaging packaging
COPY scripts scripts
COPY docs docs
# The build script of package.json; a base may have no npm.
RUN PATH="$PWD/node_modules/.bin:$PATH" sh -ec "$(node -p "require('./package.json').scripts.build")"
RUN node packaging/container/pack.mjs /out

FROM scratch AS runtime
COPY --from=build /out/runtime /
COPY --from=build --chown=1000:1000 /out/empty /tmp

FROM runtime AS production
COPY --from=build /out/node /
COPY --from=build --chown=1000:1000 /out/empty /run/dstack
COPY --from=build --chown=1000:1000 /out/empty /var/lib/dstack-mesh
ENV DSTACK_MESH_DATA_DIR=/var/lib/dstack-mesh \
    HOME=/var/lib/dstack-mesh
USER 1000:1000
EXPOSE 4001/tcp
STOPSIGNAL SIGTERM
# What would have Node run other code, open a debugger, print what it handles or believe any certificate is dropped from the
# environment, which an operator may set; so is the debugger that SIGUSR1 would open. A core dump would hold the secret. Small
# young generations: a node makes little garbage, and keeps some 30 MB less.
ENTRYPOINT ["/usr/bin/env", "-u", "NODE_OPTIONS", "-u", "NODE_COMPILE_CACHE", "-u", "NODE_DEBUG", "-u", "NODE_DEBUG_NATIVE", \
  "-u", "OPENSSL_CONF", "-u", "NODE_TLS_REJECT_UNAUTHORIZED", \
  "/usr/bin/prlimit", "--core=0", "/usr/local/bin/node", "--disable-sigusr1", "--max-semi-space-size=2", "/app/bin/dstack-mesh.js"]
CMD ["--help"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
  CMD ["/usr/bin/env", "-u", "NODE_OPTIONS", "-u", "NODE_COMPILE_CACHE", "-u", "OPENSSL_CONF", "/usr/local/bin/node", "/app/health.mjs"]

FROM production AS rehearsal
LABEL dstack-mesh.insecure="INSECURE: a rehearsal. Emulated quotes protect nothing."
COPY --from=build /out/rehearsal /

FROM runtime AS ping-host
COPY --from=build /out/ping-host /
USER 1001:1000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/prlimit", "--core=0", "/usr/local/bin/node", "/app/main.mjs"]

FROM production
