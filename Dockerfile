FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG REVISION
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.revision=$REVISION" -o /out/unet ./cmd/train && mkdir -p /out/app/data /out/app/runs
RUN CGO_ENABLED=0 .ci/licenses /out/licenses

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
