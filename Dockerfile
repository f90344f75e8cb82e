# syntax=docker/dockerfile:1

# Any Debian-based image with Node.js 20.19 or later and npm. All stages use it, so that addons match the Node.js
# version.
ARG BASE=node:24-bookworm-slim

# The runtime dependencies: two packages with native code.
FROM ${BASE} AS dependencies
# better-sqlite3 is compiled if its prebuilt binary cannot be downloaded.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates g++ make python3 \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json ./
# Uses the headers that are installed with Node.js instead of downloading them.
RUN --mount=type=cache,target=/root/.npm \
  npm_config_nodedir="$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")" npm ci --omit=dev --no-audit --no-fund
# Keeps only the files that are loaded at run time: no sources, object files or install scripts.
RUN cd node_modules/better-sqlite3 \
  && mv build/Release/better_sqlite3.node /tmp/ \
  && rm -rf build deps src binding.gyp \
  && mkdir -p build/Release \
  && mv /tmp/better_sqlite3.node build/Release/ \
  && mkdir -p /product/node_modules \
  && cd .. \
  && rm -rf sharp/src sharp/install \
  && mv better-sqlite3 bindings file-uri-to-path sharp @img detect-libc semver /product/node_modules/ \
  && chmod -R a+rX /product

# A place to mount a volume, which gets the mode of this directory. Every user may create the database in it.
RUN mkdir -p /volume/data && chmod 1777 /volume/data

# The emulator itself.
FROM ${BASE} AS program
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund
COPY . .
# Files that only their owner may read in the checkout must be readable for every user of the image.
RUN npm run build \
  && mkdir /product \
  && cp -r --parents dist migrations fixtures/accounts.json fixtures/texts fixtures/wire fixtures/videos fixtures/fonts package.json LICENSE \
    /product/ \
  && cp docker/healthcheck.sh /product/ \
  && chmod -R a+rX /product

# No command runs in this stage, so nothing of the build machine gets into it.
FROM ${BASE}
LABEL org.opencontainers.image.title="nanophoto-emulator" \
  org.opencontainers.image.description="Self-hosted emulator of the NanoPhoto.AI video and image generation API" \
  org.opencontainers.image.version="0.1.0" \
  org.opencontainers.image.licenses="MIT"
WORKDIR /app
COPY --from=dependencies /product/ ./
COPY --from=program /product/ ./
COPY --from=dependencies /volume/ /
# A numeric user id, so that Kubernetes can verify "must not be root" without the image's list of users.
USER 1000:1000
ENV NANOPHOTO_EMULATOR_HOST=0.0.0.0
EXPOSE 6266
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["bash", "/app/healthcheck.sh"]
# No shell in between: signals reach the emulator, and arguments after the image's name are its flags and commands.
ENTRYPOINT ["node", "/app/dist/main.js"]
