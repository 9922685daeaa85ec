package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// FirstModel is the id of the first model that a server lists in OpenAI's way.
func FirstModel(ctx context.Context, client *http.Client, url, key string) (string, error) {
	url = strings.TrimSuffix(url, "/") + "/v1/models"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("cannot list the server's models: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil || len(list.Data) == 0 {
		return "", fmt.Errorf("%s lists no model (status %d): name one", url, resp.StatusCode)
	}
	return list.Data[0].ID, nil
}
