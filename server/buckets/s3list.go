package buckets

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// listed is an answer of ListObjectsV2.
type listed struct {
	Truncated bool   `xml:"IsTruncated"`
	Next      string `xml:"NextContinuationToken"`
	Contents  []struct {
		Key string `xml:"Key"`
	} `xml:"Contents"`
}

// list gives the names of the objects directly below a prefix.
func (s *store) list(ctx context.Context, prefix string) ([]string, error) {
	query := url.Values{"list-type": {"2"}, "delimiter": {"/"}, "prefix": {s.prefix + prefix}}
	var names []string
	for {
		page, err := s.page(ctx, query)
		if err != nil {
			return nil, err
		}
		for _, c := range page.Contents {
			name, ok := strings.CutPrefix(c.Key, s.prefix+prefix)
			if ok && name != "" && !strings.Contains(name, "/") {
				names = append(names, name)
			}
		}
		switch {
		case len(names) > maxListed:
			return nil, errTooMany
		case !page.Truncated:
			slices.Sort(names)
			return names, nil
		case page.Next == "" || page.Next == query.Get("continuation-token"):
			return nil, errors.New("the store's list does not go on")
		}
		query.Set("continuation-token", page.Next)
	}
}

func (s *store) page(ctx context.Context, query url.Values) (*listed, error) {
	resp, err := s.do(ctx, http.MethodGet, s.url("", query), nil, 0, hashOf(nil))
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	const maxPage = 8 << 20
	var page listed
	if err := xml.NewDecoder(io.LimitReader(resp.Body, maxPage)).Decode(&page); err != nil {
		return nil, fmt.Errorf("cannot read the store's list: %w", err)
	}
	return &page, nil
}
