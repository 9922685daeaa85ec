package proc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"basalt/bench/load"
)

// FirstAnswer asks the server's first model for one token, and gives the time from exec to the
// answer.
func (s *Server) FirstAnswer(ctx context.Context) (time.Duration, error) {
	name, err := load.FirstModel(ctx, http.DefaultClient, s.URL, "")
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(map[string]any{
		"model": name, "prompt": []int{100, 200, 300}, "max_tokens": 1, "temperature": 0,
	})
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/v1/completions",
		bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("cannot ask for a first answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, fmt.Errorf("cannot read the first answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the first answer has status %d: %s", resp.StatusCode, text)
	}
	return time.Since(s.Began), nil
}
