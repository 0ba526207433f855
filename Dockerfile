# syntax=docker/dockerfile:1
# The server as a small image without a shell, run by a user without rights: docker build -t diaflight .

FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
# The caches stay with the builder, so that a change of ours does not build DataFusion again.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --locked --release && cp target/release/diaflight /diaflight

# With busybox's shell beside the program, for jobs of more than one command: docker build --target with-shell .
FROM gcr.io/distroless/cc-debian12:debug-nonroot AS with-shell
COPY --from=build /diaflight /usr/local/bin/diaflight
ENTRYPOINT ["/busybox/sh", "-c"]

# What replays alerts to a broker, for docker-compose.yml: docker build --target replay .
FROM python:3.13-slim-bookworm AS replay
COPY tests/python/requirements.txt /requirements.txt
RUN grep -E '^(confluent-kafka|fastavro)==' /requirements.txt | pip install --no-cache-dir --requirement /dev/stdin \
    && install --directory --owner 65532 /alerts /schemas
COPY --from=build /diaflight /usr/local/bin/diaflight
COPY examples/replay.py /replay.py
USER 65532:65532
ENTRYPOINT ["sh", "-c"]

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /diaflight /usr/local/bin/diaflight
ENV DIAFLIGHT_LISTEN=0.0.0.0:8080
EXPOSE 8080
# Whether the server is ready. With TLS, or on another port, say its URL here.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["/usr/local/bin/diaflight", "health"]
ENTRYPOINT ["/usr/local/bin/diaflight"]
CMD ["demo"]
