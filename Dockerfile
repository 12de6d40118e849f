# SPDX-License-Identifier: Apache-2.0
# One image is operator, instance and job: /termintreu is what operator and people run, /termintreu-operand what tenants' pods do.
# pg_dump of PostgreSQL 15 is in it, since a dump must not be older than its server. `make image` builds the same
# without a container engine.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /termintreu . \
 && CGO_ENABLED=0 go build -tags operand -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /termintreu-operand .

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates postgresql-client-15 tzdata \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /termintreu /termintreu-operand /
USER 65532:65532
ENTRYPOINT ["/termintreu"]
