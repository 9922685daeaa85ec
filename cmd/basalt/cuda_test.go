//go:build cuda

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"basalt/cuda/fake"
	"basalt/runtime"
	"basalt/server"
)

const buildTags = "cuda"

// fakeGPU are the fake driver and management library, built once beside the binary.
var fakeGPU = sync.OnceValues(func() (list [2]string, err error) {
	path, err := binary()
	if err != nil {
		return list, err
	}
	dir := filepath.Dir(path)
	if list[0], err = fake.Build("../..", dir); err != nil {
		return list, err
	}
	list[1] = filepath.Join(dir, "libnvidia-ml.so.1")
	out, err := exec.Command("cc", "-shared", "-fPIC", "-o", list[1],
		"../../cuda/nvml/testdata/fake.c").CombinedOutput()
	if err != nil {
		return list, fmt.Errorf("%w\n%s", err, out)
	}
	return list, nil
})

// useFakeGPU points commands at the fakes, with so many events of the GPU's health.
func useFakeGPU(t *testing.T, events string) {
	t.Helper()
	list, err := fakeGPU()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("BASALT_LIBCUDA", list[0])
	t.Setenv("BASALT_LIBNVML", list[1])
	t.Setenv("BASALT_ALLOW_FAKE_CUDA", "1")
	t.Setenv("BASALT_FAKE_EVENTS", events)
}

// inStep is a device whose next step is prepared after the one before it.
type inStep struct{ runtime.Device }

func (d inStep) Info() runtime.DeviceInfo {
	info := d.Device.Info()
	info.Async = false
	return info
}

// serveOn serves the published model on a device, in this process.
func serveOn(t *testing.T, dev runtime.Device) (url string) {
	t.Helper()
	c := &serveCmd{modelFlags: modelFlags{
		Load: "auto", MaxSeqs: 8, StepTokens: 24, MaxQueue: 64, KVMemory: 16 << 20,
		phases: new(phases),
	}}
	m, err := c.openModel(t.Context(), dev, storiesModel)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		cfg := &server.Config{Logger: zap.NewNop()}
		ended <- c.serve(ctx, l, dev.Info(), []*opened{m}, cfg, func() {})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := m.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// TestCUDATokensAhead: steps prepared while others run give the tokens that others give, which are
// the published engine's.
func TestCUDATokensAhead(t *testing.T) {
	useFakeGPU(t, "0")
	f := modelFlags{Device: "cuda", Deterministic: true}
	dev, err := openDevice(&f)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	}()
	if !dev.Info().Async {
		t.Error("the device does not say that it works by itself")
	}
	s := stories(t)[0]
	texts := func(name string, dev runtime.Device) (all [10]string) {
		t.Run(name, func(t *testing.T) {
			url := serveOn(t, dev)
			var wg sync.WaitGroup
			for i := range all {
				wg.Go(func() {
					prompt, n := s.Prompt+strings.Repeat(" the", i), 3+4*i
					var err error
					if all[i], err = complete(t.Context(), url, prompt, n, i%2 == 0); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
		return all
	}
	ahead, after := texts("ahead", dev), texts("in step", inStep{dev})
	if ahead != after {
		t.Errorf("the texts are\n%q, in step\n%q", ahead, after)
	}
	if ahead[0] == "" || !strings.HasPrefix(s.Text, ahead[0]) {
		t.Errorf("%q continues as %q, want %q", s.Prompt, ahead[0], s.Text)
	}
}

// waitHealth waits until /health has a text.
func waitHealth(t *testing.T, url, want string) (status int) {
	t.Helper()
	for start := time.Now(); time.Since(start) < 20*time.Second; time.Sleep(time.Millisecond) {
		status, body := get(t, url+"/health")
		if strings.Contains(body, want) {
			return status
		}
	}
	_, body := get(t, url+"/health")
	t.Fatalf("/health is %s, without %q", body, want)
	return 0
}

// TestCUDADegradedGPU: it serves, and /health and /metrics say what it wants of the operator.
func TestCUDADegradedGPU(t *testing.T) {
	useFakeGPU(t, "1")
	p := serve(t, storiesModel, "--device", "cuda")
	if status := waitHealth(t, p.url, `"state":"degraded"`); status != http.StatusOK {
		t.Errorf("/health gives %d", status)
	}
	if _, err := complete(t.Context(), p.url, "Once", 3, false); err != nil {
		t.Error(err)
	}
	_, metrics := get(t, p.url+"/metrics")
	for _, want := range []string{
		`basalt_gpu_state{gpu="0"} 1`, `basalt_gpu_power_watts{gpu="0"} 412.5`,
		`basalt_gpu_remap_pending{gpu="0"} 1`, "basalt_gpu_temperature_celsius", "memory_used",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if err := p.stop(t); err != nil {
		t.Error(err)
	}
}

// TestCUDADeadGPU: it fails requests with an error that may be tried elsewhere, and /health.
func TestCUDADeadGPU(t *testing.T) {
	useFakeGPU(t, "2")
	p := serve(t, storiesModel, "--device", "cuda")
	if status := waitHealth(t, p.url, "fallen off the bus"); status != 503 {
		t.Errorf("/health gives %d", status)
	}
	body := `{"model":"stories260K-f32","prompt":"Once","max_tokens":3}`
	if status, answer := post(t, p.url+"/v1/completions", body); status < 500 ||
		!strings.Contains(answer, "device") {
		t.Errorf("a request gives %d %s", status, answer)
	}
	if _, metrics := get(t, p.url+"/metrics"); !strings.Contains(metrics,
		`basalt_gpu_state{gpu="0"} 2`) {
		t.Error("the metrics do not say that the GPU is dead")
	}
	_ = p.stop(t)
}

// TestCUDADummyWeights: a server with random weights of a published shape answers through HTTP, and
// benches of every kind refuse the fake.
func TestCUDADummyWeights(t *testing.T) {
	useFakeGPU(t, "0")
	p := serve(t, "stories-260k", "--load", "dummy", "--device", "cuda", "--ctx", "64",
		"--deterministic=false")
	status, answer := post(t, p.url+"/v1/completions",
		`{"model":"stories-260k","prompt":[1,2,3],"max_tokens":4,"ignore_eos":true}`)
	if status != 200 || !strings.Contains(answer, `"completion_tokens":4`) {
		t.Errorf("a completion gives %d %s", status, answer)
	}
	refuse := func(want string, args ...string) {
		t.Helper()
		path, _ := binary()
		out, err := exec.Command(path, args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v on the fake gives %v\n%s", args, err, out)
		}
	}
	refuse("the server runs a fake device", "bench", "serve", "--url", p.url, "--vocab", "500",
		"--num-prompts", "4", "--input-len", "8", "--output-len", "4")
	if err := p.stop(t); err != nil {
		t.Error(err)
	}
	dummy := []string{"stories-260k", "--load", "dummy", "--device", "cuda"}
	refuse("nothing is measured on it", append([]string{"bench", "offline"}, dummy...)...)
	refuse("the server runs a fake device", append([]string{"bench", "sweep", "--turns", "1",
		"--clients", "1", "--input-len", "8", "--output-len", "4"}, dummy...)...)
	if !strings.Contains(p.log.String(), "cuBLASLt") {
		t.Errorf("the server does not say what it found of cuBLASLt:\n%s", p.log)
	}
	t.Setenv("BASALT_ALLOW_FAKE_CUDA", "")
	refuse("nothing is measured on it", "run", "--device", "cuda", storiesModel, "Once")
}
