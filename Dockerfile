# One build stage, one final target per process. Build with BuildKit:
#
#   docker build --target operator    -t berth-operator .
#   docker build --target node-writer -t berth-node-writer .
#   docker build --target berth       -t berth .
#   docker build --target gateway     -t berth-gateway .
#   docker build --target tracer-agent  -t berth-tracer-agent .
#   docker build --target tracer-server -t berth-tracer-server .
#
# With `--build-arg BINARIES=prebuilt` nothing is compiled and no base image is
# pulled: the build context then holds the static binaries and
# ca-certificates.crt in `dist/`.
ARG BINARIES=build

FROM rust:1.95-bookworm AS build
# containerd-client makes its code from protocol buffers.
RUN apt-get update && apt-get install -y --no-install-recommends protobuf-compiler
WORKDIR /src
COPY . .
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
 && cargo build --locked --release --target "${target}" \
      --package berth-operator --package node-writer --package berth-cli --package berth-gateway \
      --package berth-tracer-agent --package berth-tracer-server \
 && mkdir /dist \
 && for binary in berth-operator node-writer berth berth-gateway berth-tracer-agent berth-tracer-server; do \
      cp "target/${target}/release/${binary}" /dist/; \
    done \
 && cp /etc/ssl/certs/ca-certificates.crt /dist/

FROM scratch AS prebuilt
COPY dist/ /dist/

FROM ${BINARIES} AS binaries

FROM scratch AS operator
COPY --from=binaries /dist/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=binaries /dist/berth-operator /berth-operator
USER 65532:65532
ENTRYPOINT ["/berth-operator"]

FROM scratch AS node-writer
COPY --from=binaries /dist/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=binaries /dist/node-writer /node-writer
ENTRYPOINT ["/node-writer"]

FROM scratch AS berth
COPY --from=binaries /dist/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=binaries /dist/berth /berth
ENTRYPOINT ["/berth"]

# As root, because the Docker socket and the data root belong to it.
FROM scratch AS gateway
COPY --from=binaries /dist/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=binaries /dist/berth-gateway /berth-gateway
EXPOSE 5000
VOLUME /var/lib/berth-gateway
ENTRYPOINT ["/berth-gateway"]

# As root, because the runtime's socket belongs to it.
FROM scratch AS tracer-agent
COPY --from=binaries /dist/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=binaries /dist/berth-tracer-agent /berth-tracer-agent
EXPOSE 9091
ENTRYPOINT ["/berth-tracer-agent"]

FROM scratch AS tracer-server
COPY --from=binaries /dist/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=binaries /dist/berth-tracer-server /berth-tracer-server
USER 65532:65532
ENTRYPOINT ["/berth-tracer-server"]
