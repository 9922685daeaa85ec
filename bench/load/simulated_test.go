package load

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRefuseSimulated(t *testing.T) {
	f := func(status int, metrics string, want bool) {
		t.Helper()
		var path, key string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			path, key = r.URL.Path, r.Header.Get("Authorization")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, metrics)
		}))
		defer server.Close()
		err := RefuseSimulated(t.Context(), server.Client(), server.URL+"/", "k")
		if refused := err != nil; refused != want {
			t.Fatalf("%d %q: %v, want refused: %v", status, metrics, err, want)
		}
		if want && !strings.Contains(err.Error(), "fake device") {
			t.Fatalf("the error does not say why: %v", err)
		}
		if path != "/metrics" || key != "Bearer k" {
			t.Fatalf("asked for %q with %q", path, key)
		}
	}
	const head = "# HELP basalt_device_simulated x\n# TYPE basalt_device_simulated gauge\n"
	f(200, head+"basalt_device_simulated{device=\"neuron\"} 1\n", true)
	f(200, "other 1\n"+head+"basalt_device_simulated{device=\"neuron\"} 0\n", false)
	f(200, "vllm:num_requests_running{model_name=\"m\"} 1\n", false)
	f(404, "", false)
	f(403, head+"basalt_device_simulated{device=\"neuron\"} 1\n", false)
}
