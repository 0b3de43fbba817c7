FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG REVISION
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.revision=$REVISION" -o /out/unet ./cmd/train && mkdir -p /out/app/data /out/app/runs
RUN CGO_ENABLED=0 .ci/licenses /out/licenses

# For several processes, with docker build --target mpi: Open MPI, and sshd, by which
# mpirun starts them on other hosts.
FROM golang:1.26-bookworm AS build-mpi
RUN apt-get update && apt-get install -y --no-install-recommends libopenmpi-dev pkg-config
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG REVISION
RUN go build -tags mpi -trimpath -ldflags="-s -w -X main.revision=$REVISION" -o /out/unet ./cmd/train

FROM debian:bookworm-slim AS mpi
RUN apt-get update && apt-get install -y --no-install-recommends openmpi-bin openssh-client openssh-server && rm -rf /var/lib/apt/lists/* \
	&& mkdir -p /run/sshd \
	&& printf 'StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\n' > /etc/ssh/ssh_config.d/mpi.conf \
	&& echo 'StrictModes no' > /etc/ssh/sshd_config.d/mpi.conf
COPY --from=build-mpi /out/unet /unet
COPY --from=build /out/licenses /licenses
COPY configs /app/configs
WORKDIR /app
CMD ["mpirun", "--help"]

FROM scratch
COPY --from=build /out/unet /unet
COPY --from=build /out/licenses /licenses
COPY --from=build --chown=65532:65532 /out/app /app
COPY configs /app/configs
USER 65532:65532
WORKDIR /app
VOLUME ["/app/data", "/app/runs"]
ENTRYPOINT ["/unet"]
CMD ["--config", "configs/unet.yaml"]
