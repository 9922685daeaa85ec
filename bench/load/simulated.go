package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// RefuseSimulated fails when a server says in /metrics that one of its devices is a fake of the
// tests: its figures are of no hardware. A server without that metric, or that shows its metrics
// to others only, is taken at its word.
func RefuseSimulated(ctx context.Context, client *http.Client, url, key string) error {
	url = strings.TrimSuffix(url, "/") + "/metrics"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("cannot reach the server: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil
	}
	lines := bufio.NewScanner(io.LimitReader(resp.Body, 16<<20))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "basalt_device_simulated{") && strings.HasSuffix(line, "} 1") {
			return fmt.Errorf("%s says %s: the server runs a fake device of the tests, whose "+
				"figures mean nothing; serve on a real one", url, line)
		}
	}
	return lines.Err()
}
