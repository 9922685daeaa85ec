package audit

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// ruling compares what rules a tenant.
func ruling(t *testing.T, l *Log, tenant string, want Delivery, scope string) {
	t.Helper()
	if d, got := l.Ruling(tenant); !reflect.DeepEqual(d, want) || got != scope {
		t.Errorf("%s is ruled by %+v of %q, want %+v of %q", tenant, d, got, want, scope)
	}
}

func configure(t *testing.T, l *Log, scope string, d Delivery) {
	t.Helper()
	if err := l.Configure(scope, "owner", &d); err != nil {
		t.Fatal(err)
	}
}

func TestConfigurationsAreKept(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	with := Config{Dir: dir, Key: key, Content: true}
	l := open(t, with)
	ruling(t, l, "acme", Delivery{}, "")
	configure(t, l, EveryTenant, Delivery{Text: true})
	ruling(t, l, "acme", Delivery{Text: true}, EveryTenant)
	closeLog(t, l)
	l = open(t, Config{Dir: dir, Key: key})
	ruling(t, l, "acme", Delivery{}, EveryTenant)
	if err := l.Configure("acme", "acme", &Delivery{Text: true}); !errors.Is(err, ErrContent) {
		t.Errorf("without the operator's word: %v", err)
	}
	own := Delivery{S3: &S3{Bucket: "logs", Prefix: "a"}}
	configure(t, l, "acme", own)
	ruling(t, l, "acme", own, "acme")
	closeLog(t, l)
	l = open(t, with)
	ruling(t, l, "acme", own, "acme")
	ruling(t, l, "other", Delivery{Text: true}, EveryTenant)
	scopes := l.Scopes()
	if slices.Sort(scopes); !slices.Equal(scopes, []string{EveryTenant, "acme"}) {
		t.Error(scopes)
	}
	for _, scope := range scopes {
		if err := l.Unconfigure(scope); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Unconfigure("never"); err != nil {
		t.Error(err)
	}
	closeLog(t, l)
	l = open(t, with)
	ruling(t, l, "acme", Delivery{}, "")
	if _, set := l.Configuration("acme"); set {
		t.Error("it is still there")
	}
}

// TestSinceIsWhenADestinationBegan: a destination that replaces another goes on where that was.
func TestSinceIsWhenADestinationBegan(t *testing.T) {
	l := open(t, Config{Dir: t.TempDir(), Key: newKey(t), Content: true})
	since := func(want uint64) {
		t.Helper()
		if c, _ := l.Configuration("a"); c.Since.Record != want || c.Since.Log == "" {
			t.Errorf("since %+v, want %d", c.Since, want)
		}
	}
	to := func(bucket string) Delivery { return Delivery{S3: &S3{Bucket: bucket}} }
	fill(t, l, 3)
	configure(t, l, "a", to("one"))
	since(3)
	fill(t, l, 2)
	configure(t, l, "a", to("two"))
	since(3)
	configure(t, l, "a", Delivery{Text: true})
	fill(t, l, 2)
	configure(t, l, "a", to("one"))
	since(7)
	if err := l.Unconfigure("a"); err != nil {
		t.Fatal(err)
	}
	fill(t, l, 1)
	configure(t, l, "a", to("one"))
	since(8)
}

func TestAConfigurationThatCannotBeReadIsAnError(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	path := filepath.Join(dir, ScopedFile(deliveryFile, "acme"))
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Open(Config{Dir: dir, Key: key}); err == nil {
		closeLog(t, l)
		t.Error("it was passed over")
	}
}

func TestScopesHaveFilesOfTheirOwn(t *testing.T) {
	seen := map[string]string{}
	for _, scope := range []string{
		EveryTenant, "acme", "%2A", "a/b", "..", "new", "acme.json", "-", "Ü",
	} {
		name := ScopedFile("courier", scope)
		back, ok := ScopeOf("courier", name)
		if !ok || back != scope || seen[name] != "" || filepath.Base(name) != name {
			t.Errorf("%q is in %q, which is of %q", scope, name, back)
		}
		seen[name] = scope
	}
	for _, name := range []string{
		"courier", "courier.json.new", "couriers.json", "courier-.json", "delivery.json",
	} {
		if scope, ok := ScopeOf("courier", name); ok {
			t.Errorf("%q is of %q", name, scope)
		}
	}
}

// TestRulingAllocatesNothing: it is asked for each request.
func TestRulingAllocatesNothing(t *testing.T) {
	l := open(t, Config{Dir: t.TempDir(), Key: newKey(t), Content: true})
	configure(t, l, EveryTenant, Delivery{Text: true, S3: &S3{Bucket: "logs"}})
	if n := testing.AllocsPerRun(100, func() { l.Ruling("acme") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
