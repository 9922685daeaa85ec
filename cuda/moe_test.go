//go:build cuda

package cuda

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"basalt/cuda/driver"
	"basalt/cuda/fake"
	"basalt/runtime"
)

// TestExpertsTakeMoreRowsTogether: a long chunk multiplies by tiles of 64 rows of an expert, a
// shorter one by 16, decode by 8, and a row has the same bits in each.
func TestExpertsTakeMoreRowsTogether(t *testing.T) {
	d, _ := openFake(t, fake.Healthy(), Config{})
	f := func(dtype runtime.DType, sizes map[int]int) {
		t.Run(dtype.String(), func(t *testing.T) {
			p, c := newModel(t, "mixtral", "narrow", dtype) // four experts, two for a token
			o := testOptions
			o.KVDType = runtime.BF16
			e := compileFor(t, d, p, c, o)
			for tokens, cols := range sizes {
				if got := expertTiles(e.(*executable), tokens); got != fmt.Sprint(cols) {
					t.Errorf("%d tokens run tiles of %s rows, want %d", tokens, got, cols)
				}
			}
			ids := randomIDs(rand.New(rand.NewPCG(2, 2)), 84, p.Vocab)
			want := inChunks(t, e, ids, []int{84}, o)
			for _, chunks := range [][]int{{30, 9}, {75, 1}} {
				if got := inChunks(t, e, ids, chunks, o); !slices.Equal(got, want) {
					t.Errorf("chunks of %v: the bits differ", chunks)
				}
			}
		})
	}
	some := map[int]int{1: 8, 17: 8, 18: 16, 33: 16, 34: 64, 96: 64}
	f(runtime.BF16, some)
	f(runtime.Q4_0, some)
	f(runtime.F32, map[int]int{1: 8, 96: 8})
}

// expertTiles lists the rows of a tile of the experts' products in a prefill of n tokens. Their
// sixth argument is the list of tiles.
func expertTiles(x *executable, n int) string {
	const tilesArg = 6
	var sizes []string
	d := dims{tokens: n, samples: 1, tiles: 1, splits: 1}
	for i := range x.list {
		l := &x.list[i]
		var to driver.Launch
		if !strings.HasPrefix(l.k.name, "bs_linear") || l.args[tilesArg] != uint64(x.moe.tiles) {
			continue
		}
		if l.fill(&d, &to) {
			sizes = append(sizes, l.k.name[strings.LastIndexByte(l.k.name, '_')+1:])
		}
	}
	slices.Sort(sizes)
	return strings.Join(slices.Compact(sizes), " ")
}
