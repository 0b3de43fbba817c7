FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/train ./cmd/train && mkdir -p /out/app/data /out/app/runs
RUN CGO_ENABLED=0 .ci/licenses /out/licenses

FROM scratch
COPY --from=build /out/train /train
COPY --from=build /out/licenses /licenses
COPY --from=build --chown=65532:65532 /out/app /app
COPY configs /app/configs
USER 65532:65532
WORKDIR /app
VOLUME ["/app/data", "/app/runs"]
ENTRYPOINT ["/train"]
CMD ["--config", "configs/unet.yaml"]
