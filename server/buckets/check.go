package buckets

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func (b *bucket) checkTenants() error {
	switch {
	case len(b.Tenants) == 0 || slices.Contains(b.Tenants, ""):
		return errors.New("tenants is missing: name those that may use it")
	case (len(b.Tenants) > 1 || b.Tenants[0] == "*") && !b.Shared:
		return errors.New("several tenants may use it; say shared: true if that is meant")
	}
	return nil
}

// checkSharing refuses two buckets of which one lies in the other, unless the same tenants have
// both or both are shared: each would see what is the other's.
func (t table) checkSharing() error {
	names := slices.Sorted(maps.Keys(t))
	for i, name := range names {
		for _, other := range names[i+1:] {
			a, b := t[name], t[other]
			if a.overlaps(b) && !sameTenants(a, b) && !(a.Shared && b.Shared) {
				return fmt.Errorf("buckets %s and %s overlap, and their tenants differ; give each "+
					"a place of its own, or say shared: true of both", name, other)
			}
		}
	}
	return nil
}

func sameTenants(a, b *bucket) bool {
	x, y := slices.Sorted(slices.Values(a.Tenants)), slices.Sorted(slices.Values(b.Tenants))
	return slices.Equal(slices.Compact(x), slices.Compact(y))
}

func (b *bucket) overlaps(other *bucket) bool {
	switch {
	case b.folder != nil && other.folder != nil:
		return within(slashed(b.folder.path), slashed(other.folder.path))
	case b.store != nil && other.store != nil:
		return strings.EqualFold(b.store.host(), other.store.host()) &&
			b.store.bucket == other.store.bucket &&
			within("/"+b.store.prefix, "/"+other.store.prefix)
	}
	return false
}

func slashed(path string) string { return strings.TrimSuffix(path, "/") + "/" }

// within reports that one of two places lies in the other.
func within(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }
