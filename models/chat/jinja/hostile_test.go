package jinja

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// exhausting is a template made to exhaust the process, with the error that must end it.
type exhausting struct{ name, source, want string }

func hostile() []exhausting {
	all := append(hostileSyntax(), hostileValues()...)
	return append(append(all, hostileLists()...), endless()...)
}

func nest(n int, open, middle, shut string) string {
	return strings.Repeat(open, n) + middle + strings.Repeat(shut, n)
}

func hostileSyntax() []exhausting {
	return []exhausting{
		{"6,000 ifs", nest(6000, "{% if true %}", "", "{% endif %}"), "blocks nested more than 64"},
		{
			"3,000 fors", nest(3000, "{% for a in [1] %}", "", "{% endfor %}"),
			"blocks nested more than 64",
		},
		{
			"6,000 macros", nest(2000, "{% macro m() %}", "", "{% endmacro %}"),
			"blocks nested more than 64",
		},
		{
			"6,000 parentheses", "{{ " + nest(6000, "(", "1", ")") + " }}",
			"expressions nested more than 64",
		},
		{
			"6,000 lists", "{{ " + nest(6000, "[", "1", "]") + " }}",
			"expressions nested more than 64",
		},
		{
			"6,000 dicts", "{{ " + nest(6000, "{1:", "1", "}") + " }}",
			"expressions nested more than 64",
		},
		{
			"6,000 calls", "{{ " + nest(6000, "a(", "1", ")") + " }}",
			"expressions nested more than 64",
		},
		{
			"6,000 subscripts", "{{ " + nest(6000, "a[", "1", "]") + " }}",
			"expressions nested more than 64",
		},
		{"6,000 targets", "{% set " + nest(6000, "(", "a", ")") + " = 1 %}", "nested more than 64"},
		{
			"6,000 nots", "{{ " + strings.Repeat("not ", 6000) + "1 }}",
			"expressions nested more than 64",
		},
		{
			"6,000 minuses", "{{ " + strings.Repeat("-", 6000) + "1 }}",
			"expressions nested more than 64",
		},
		{
			"6,000 elses", "{{ 1" + strings.Repeat(" if 1 else 1", 6000) + " }}",
			"expressions nested more than 64",
		},
		{
			"6,000 tests", "{{ 1" + nest(6000, " is eq(1", "", ")") + " }}",
			"expressions nested more than 64",
		},
		{"long sum", "{{ 1" + strings.Repeat("+1", 10000) + " }}", "nested more than 1000"},
		{"long path", "{{ x" + strings.Repeat(".a", 10000) + " }}", "nested more than 1000"},
		{
			"long filter chain", "{{ 'x'" + strings.Repeat("|upper", 10000) + " }}",
			"nested more than 1000",
		},
		{"long source", strings.Repeat("a", 1<<20), "at most 262144"},
		{"many tags", strings.Repeat("{{a}}", 40000), "more than 50000 tokens"},
		{"unclosed tags", strings.Repeat("{%", 100000), "syntax error"},
		{"unclosed raws", strings.Repeat("{% raw %}{% ", 20000), "Missing end of raw"},
		{"unclosed comments", strings.Repeat("{#", 100000), "Missing end of comment"},
	}
}

func hostileValues() []exhausting {
	return []exhausting{
		{"range(10**9)", "{% for i in range(10**9) %}x{% endfor %}", "range of 1000000000"},
		{"big range", "{{ range(10**30) }}", "cannot be interpreted"},
		{
			"string doubling",
			"{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s " +
				"%}{% endfor %}",
			"limit reached",
		},
		{"'a' * 10**9", "{{ 'a' * 10**9 }}", "limit reached"},
		{"list * 10**9", "{{ [1] * 10**9 }}", "limit reached"},
		{"10**10**9", "{{ 10 ** (10 ** 9) }}", "more than 14000 bits"},
		{
			"repeated squaring",
			"{% set ns = namespace(n=7) %}{% for i in range(99) %}{% set ns.n = ns.n * ns.n " +
				"%}{% endfor %}",
			"more than 14000 bits",
		},
		{
			"recursive macro", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
			"nested more than 1000",
		},
		{
			"mutual recursion",
			"{% macro m() %}{{ n() ~ 1 }}{% endmacro %}{% macro n() %}{{ m() }}{% endmacro " +
				"%}{{ m() }}",
			"nested more than 1000",
		},
		{"recursion in blocks", "{% macro m() %}" + nest(60, "{% if true %}", "{{ m() }}",
			"{% endif %}") +
			"{% endmacro %}{{ m() }}", "nested more than 1000"},
		{
			"recursive caller",
			"{% macro m() %}{{ caller() }}{% call m() %}{% endcall %}{% endmacro %}{% call m() " +
				"%}{% endcall %}", "nested more than 1000",
		},
		{"__mro__", "{{ ''.__class__.__mro__ }}", "forbidden by the sandbox"},
		{"globals", "{{ raise_exception.__globals__['os'] }}", "forbidden by the sandbox"},
		{
			"format attribute", "{{ '{0.__class__.__mro__}'.format('') }}",
			"forbidden by the sandbox",
		},
		{"attr filter", "{{ ''|attr('__class__')|attr('__mro__') }}", "forbidden by the sandbox"},
		{
			"map attribute", "{{ ['']|map(attribute='__class__.__mro__')|list }}",
			"forbidden by the sandbox",
		},
	}
}

func hostileLists() []exhausting {
	double := "{% set ns = namespace(x=[], y=[], t=()) %}{% for i in range(60) %}" +
		"{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}" +
		"{% set ns.t = (ns.t, ns.t) %}{% endfor %}"
	return []exhausting{
		{
			"deep list",
			"{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% " +
				"endfor %}{{ ns.x }}",
			"nested more than 64",
		},
		{"doubled lists printed", double + "{{ ns.x }}", "limit reached"},
		{"doubled lists as JSON", double + "{{ ns.x|tojson }}", "limit reached"},
		{"doubled lists compared", double + "{{ ns.x == ns.y }}", "limit reached"},
		{"doubled lists ordered", double + "{{ ns.x < ns.y }}", "limit reached"},
		{"doubled tuples hashed", double + "{{ {ns.t: 1} }}", "limit reached"},
		{
			"cycle in a namespace", "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns.x }}",
			"nested more than 64",
		},
		{"indent", "{{ 'a\nb'|indent(10**9) }}", "limit reached"},
		{"center", "{{ 'a'.center(10**9) }}", "limit reached"},
		{"zfill", "{{ 'a'.zfill(10**18) }}", "limit reached"},
		{"expandtabs", "{{ '\t'.expandtabs(10**18) }}", "limit reached"},
		{"% width", "{{ '%1000000000d' % 5 }}", "limit reached"},
		{"% precision", "{{ '%.1000000000f' % 5 }}", "limit reached"},
		{"format width", "{{ '{:1000000000}'.format(5) }}", "limit reached"},
		{"format precision", "{{ '{:.1000000000f}'.format(5) }}", "limit reached"},
		{"tojson indent", "{{ [[1]]|tojson(indent=10**9) }}", "limit reached"},
		{"replace", "{% set s = 'a' * 100000 %}{{ s.replace('a', s) }}", "limit reached"},
		{"join", "{% set s = 'a' * 10000 %}{{ s.join(s) }}", "limit reached"},
		{"batch", "{{ [1]|batch(10**9, 1)|list }}", "limit reached"},
		{"slice", "{{ [1]|slice(10**9)|list }}", "limit reached"},
		{"output", "{% set s = 'a' * 1000 %}" + nest(3, "{% for i in range(99) %}", "{{ s }}",
			"{% endfor %}"), "output is longer"},
		{
			"generators",
			"{% set ns = namespace(s=[1]) %}{% for i in range(9999) %}{% set ns.s = " +
				"ns.s|map('string') %}{% endfor %}",
			"chained more than 64",
		},
		{
			"spread",
			"{% macro m() %}{{ varargs|length }}{% endmacro %}{% set x = range(99999)|list %}" +
				"{% for i in range(99999) %}{{ m(*x) }}{% endfor %}", "limit reached",
		},
	}
}

// endless are loops of ten billion rounds over something that costs time or memory.
func endless() []exhausting {
	forever := func(name, setup, body string) exhausting {
		loops := "{% for a in range(99999) %}{% for b in range(99999) %}" + body +
			"{% endfor %}{% endfor %}"
		return exhausting{"forever " + name, setup + loops, "limit reached"}
	}
	return []exhausting{
		forever("nothing", "", ""),
		forever("data", "", "x"),
		forever("sets", "", "{% set q = a * b + 1 %}"),
		forever("strings", "", "{% set q = 'abc' ~ a %}"),
		forever("lists", "", "{% set q = [a, b, 3] %}"),
		forever("dicts", "", "{% set q = {'a': a, 'b': b} %}"),
		forever("upper", "{% set s = 'x' * 10000 %}", "{% set q = s.upper() %}"),
		forever("contains", "{% set s = 'x' * 100000 %}", "{% set q = 'y' in s %}"),
		forever("split", "{% set s = 'x ' * 10000 %}", "{% set q = s.split() %}"),
		forever("strip", "{% set s = 'x' * 10000 %}", "{% set q = s.strip('abcdefx') %}"),
		forever("find", "{% set s = 'ab' * 10000 %}", "{% set q = s.find('aba', 5) %}"),
		forever("length", "{% set s = 'é' * 100000 %}", "{% set q = s|length %}"),
		forever("index", "{% set s = 'é' * 100000 %}", "{% set q = s[50000] %}"),
		forever("cut", "{% set s = 'é' * 100000 %}", "{% set q = s[5:50000] %}"),
		forever("tojson", "{% set s = ['aéb'] * 1000 %}", "{% set q = s|tojson %}"),
		forever("sort", "{% set s = range(1000)|list %}", "{% set q = s|sort(reverse=true) %}"),
		forever("str", "{% set s = range(1000)|list %}", "{% set q = s ~ '' %}"),
		forever("in list", "{% set s = range(1000)|list %}", "{% set q = -1 in s %}"),
		forever("power", "", "{% set q = 7 ** 4000 %}"),
		forever("print big", "{% set s = 7 ** 4000 %}", "{% set q = s ~ '' %}"),
		forever("parse big", "{% set s = '7' * 4000 %}", "{% set q = s|int %}"),
		forever("round", "", "{% set q = 1e300|round(-5) %}"),
		forever("strftime", "{% set s = '%c' * 1000 %}", "{% set q = strftime_now(s) %}"),
		forever("percent", "", "{% set q = '%100d' % 5 %}"),
		forever("macro", "{% macro m(x) %}{{ x }}{% endmacro %}", "{{ m('') }}"),
		forever("map", "{% set s = range(1000)|list %}", "{% set q = s|map('string')|list %}"),
		forever("title", "{% set s = 'ΣΣ ' * 5000 %}", "{% set q = s.title() %}"),
		forever("characters", "{% set s = 'x' * 1000 %}", "{% for c in s %}{% endfor %}"),
		forever("capture", "", "{% set x %}abcabcabc{% endset %}"),
		forever("format fields", "{% set s = '{0[0][0]}' * 1000 %}",
			"{% set q = s.format([[1]]) %}"),
		forever("many variables", "", manyVariables()),
	}
}

func manyVariables() string {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, "{%% set v%d = 1 %%}", i)
	}
	return b.String()
}

const (
	maxHostileBytes = 16 << 20
	// Each takes at most 50 ms of one core; the test leaves room for -race and cold caches.
	maxHostileTime = time.Second
)

// cpuTime is what this process has used, so that a busy machine does not count.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// attack runs one template and measures everything that it allocates, collected or not.
func attack(source string) (took time.Duration, allocated uint64, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := cpuTime()
	_, err = render(source, NewDict(0))
	took = cpuTime() - start
	runtime.ReadMemStats(&after)
	return took, after.TotalAlloc - before.TotalAlloc, err
}

func TestHostileTemplates(t *testing.T) {
	var slowest, largest exhausting
	var maxTook time.Duration
	var maxAllocated uint64
	for _, a := range hostile() {
		took, allocated, err := attack(a.source)
		if err == nil || !strings.Contains(err.Error(), a.want) {
			t.Errorf("%s: error %v; want %q in it", a.name, err, a.want)
		}
		if allocated > maxHostileBytes {
			t.Errorf("%s: allocated %d bytes; at most %d", a.name, allocated, maxHostileBytes)
		}
		if took > maxHostileTime {
			t.Errorf("%s: took %v", a.name, took)
		}
		if took > maxTook {
			slowest, maxTook = a, took
		}
		if allocated > maxAllocated {
			largest, maxAllocated = a, allocated
		}
	}
	t.Logf("slowest: %s, %v; largest: %s, %d bytes", slowest.name, maxTook, largest.name,
		maxAllocated)
}
